//! Signing-key lifecycle, JWKS and metadata documents.

mod endpoints;

pub use endpoints::{Endpoints, INTROSPECTION_PATH, IssuerPathError, REVOCATION_PATH, TOKEN_PATH};
