#![doc = include_str!("../README.md")]

mod document;
mod negotiation;
pub mod open;

pub use document::{Document, gzip};
