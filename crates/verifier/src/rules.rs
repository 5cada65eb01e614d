use symbolon_oauth_types::UnixMillis;

use crate::revocation::{RevocationCheck, Verdict};
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

    /// What may change from one request to the next. The one function that decides, for tokens whose signature was
    /// verified just now and for those that were verified before.
    pub(crate) fn decide(
        &self,
        claims: &Claims,
        revocation: &dyn RevocationCheck,
        now: UnixMillis,
    ) -> Result<(), Refused> {
        if now >= claims.expires.plus(self.leeway) {
            return Err(Refused::Expired);
        }
        let latest = now.plus(self.leeway);
        if claims.issued > latest || claims.not_before.is_some_and(|moment| moment > latest) {
            return Err(Refused::NotYetValid);
        }
        match revocation.check(&claims.revocable(), now) {
            Verdict::Live => Ok(()),
            Verdict::Revoked(kind) => Err(Refused::Revoked(kind)),
            Verdict::Unknown => Err(Refused::RevocationUnknown),
        }
    }
}
