//! End-to-end tests, one binary for all, so that it is linked once.

mod admin;
mod binary;
mod clients;
mod flow;
mod grants;
mod hostile;
mod http;
mod keys;
