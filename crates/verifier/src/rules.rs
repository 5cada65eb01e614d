use symbolon_oauth_types::UnixMillis;

use crate::{Algorithm, Claims, Refused};

/// What a token must say to be accepted here and now.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) algorithms: Vec<Algorithm>,
    /// How far the clocks of issuer and verifier may differ, in milliseconds.
    pub(crate) leeway: u64,
}

impl Rules {
    /// What stays true of a token: whom it is from and whom it is for
    /// ([RFC 9068 section 4](https://www.rfc-editor.org/rfc/rfc9068#section-4)).
    pub(crate) fn check_parties(&self, claims: &Claims) -> Result<(), Refused> {
        if claims.issuer != self.issuer {
            return Err(Refused::Issuer);
        }
        if !claims.audiences.contains(&self.audience) {
            return Err(Refused::Audience);
        }
        Ok(())
    }

    /// Whether it is the time for a token: neither expired nor from the future.
    pub(crate) fn check_times(&self, claims: &Claims, now: UnixMillis) -> Result<(), Refused> {
        if now >= claims.expires.plus(self.leeway) {
            return Err(Refused::Expired);
        }
        let latest = now.plus(self.leeway);
        if claims.issued > latest || claims.not_before.is_some_and(|moment| moment > latest) {
            return Err(Refused::NotYetValid);
        }
        Ok(())
    }
}
