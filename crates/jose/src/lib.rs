//! Keys, JWK, thumbprints, signing, verification and encryption: the only crate that names josekit, rsa and p256.
