//! HTTP.
#![cfg(test)]
