//! axum 0.8.

use axum_core::extract::{FromRef, FromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::{AccessToken, Rejection, Verifier};

/// The bearer token of the `Authorization` header. The state has the verifier that judges it, whatever a layer has
/// judged before. Where a layer is laxer for the sake of a scope ([`crate::Builder::when_stale_for`]), take
/// `Extension<AccessToken>` instead, which is what the layer let through.
impl<S> FromRequestParts<S> for AccessToken
where
    S: Send + Sync,
    Verifier: FromRef<S>,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let verifier = Verifier::from_ref(state);
        match verifier.authenticate(&parts.headers).await {
            Ok(claims) => Ok(Self::new(claims, verifier)),
            Err(refused) => Err(Rejection::new(refused, verifier.realm())),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.response()
    }
}
