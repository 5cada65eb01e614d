//! Wire vocabulary of OAuth 2.0: requests, responses, error codes, scopes, metadata, revocation cutoffs.
