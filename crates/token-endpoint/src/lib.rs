//! POST token, introspect and revoke; client authentication; one file per grant.
