//! Signing-key lifecycle, JWKS and metadata documents.
