use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use symbolon_oauth_types::ScopeSet;
use tower_layer::Layer;
use tower_service::Service;

use crate::{AccessToken, Rejection, Verifier};

/// Lets only requests through that carry a good access token, and puts it among their extensions as an
/// [`AccessToken`]. Others are answered with an empty body, as RFC 6750 has it.
#[derive(Clone, Debug)]
pub struct BearerLayer {
    verifier: Verifier,
    required: ScopeSet,
}

impl BearerLayer {
    /// Requires a token, whatever its scope.
    pub fn new(verifier: Verifier) -> Self {
        Self {
            verifier,
            required: ScopeSet::default(),
        }
    }

    /// Requires all of these scopes besides those that were required before. Where the revocation feed is stale, their
    /// policies decide ([`crate::Builder::when_stale_for`]).
    #[must_use]
    pub fn require_scope(self, required: &ScopeSet) -> Self {
        Self {
            required: self.required.union(required),
            ..self
        }
    }
}

impl<S> Layer<S> for BearerLayer {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> BearerService<S> {
        BearerService {
            inner,
            layer: self.clone(),
        }
    }
}

/// What [`BearerLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct BearerService<S> {
    inner: S,
    layer: BearerLayer,
}

impl<S, B, R> Service<Request<B>> for BearerService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready goes with the request; its clone stays.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let BearerLayer { verifier, required } = self.layer.clone();
        Box::pin(async move {
            let outcome = verifier.authenticate_with_scope(request.headers(), &required);
            match outcome.await {
                Ok(claims) => {
                    let token = AccessToken::new(claims, verifier);
                    request.extensions_mut().insert(token);
                    inner.call(request).await
                }
                Err(refused) => Ok(Rejection::new(refused, verifier.realm()).response()),
            }
        })
    }
}
