//! Hostile input.
#![cfg(test)]
