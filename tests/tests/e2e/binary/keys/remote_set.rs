//! Resource servers of the crate `tower-oauth2-resource-server` over a key set that changes: it finds the key set by
//! the metadata document, fetches it on a timer alone, and has no second look for a `kid` that it does not know. So it
//! notices a key that signs before it can be known, and a key that is gone before what it signed has expired.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use jsonwebtoken::dangerous::insecure_decode_claims;
use symbolon_core::{Clock, SystemClock, UnixMillis};
use symbolon_tests::binary::{free_port, http_client};
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};
use tower_oauth2_resource_server::error::AuthError;
use tower_oauth2_resource_server::error_handler::ErrorHandler;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;

use super::{Claims, Node, Stage, kid};
use crate::binary::{AUDIENCE, eventually};

/// Rotation is due all the time, so that each key signs as soon as it may: 7 s after it was published. Access tokens
/// have the shortest lifetime that there is, so that old keys leave the key set within the test.
const TIMINGS: &str = "\
    keys.rotation_interval = \"1s\"\n\
    keys.publish_before_signing = \"2s\"\n\
    keys.publish_after_signing = \"10s\"\n\
    jwks.max_age = \"1s\"\n\
    tokens.access_token_lifetime = \"10s\"";
const ROTATIONS: usize = 3;
/// Of the two resource servers: one that soon sees what is gone, and one that sees what is new as late as a verifier
/// may that keeps to `keys.publish_before_signing`.
const REFRESH: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(2)];
/// Rest between two tokens.
const BREATH: Duration = Duration::from_millis(150);

type ResourceServer = BoxCloneSyncService<Request<Body>, Response<String>, Infallible>;

/// Says why in the body.
struct Why;

impl ErrorHandler<String> for Why {
    fn map_error(&self, error: AuthError) -> Response<String> {
        let mut response = Response::new(error.to_string());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response
    }
}

async fn resource_server(issuer: &str, refresh: Duration) -> ResourceServer {
    let tenant = TenantConfiguration::builder(issuer)
        .http_client(http_client(None).build().unwrap())
        .audiences(&[AUDIENCE])
        .jwks_refresh_interval(refresh)
        .build()
        .await
        .unwrap();
    let server = OAuth2ResourceServer::<Claims>::builder().add_tenant(tenant);
    let layer = server
        .build()
        .await
        .unwrap()
        .into_layer_with_error_handler(Arc::new(Why));
    let resource = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(String::new())));
    BoxCloneSyncService::new(layer.layer(resource))
}

/// What the resource server says to a token; nothing where it accepts it.
async fn refusal(server: &ResourceServer, token: &str) -> Option<String> {
    let request = Request::builder().header("authorization", format!("Bearer {token}"));
    let request = request.body(Body::empty()).unwrap();
    let response = server.clone().oneshot(request).await.unwrap();
    (response.status() != StatusCode::OK).then(|| response.into_body())
}

/// Everything that was issued and shown.
struct Watch {
    stage: Stage,
    node: Node,
    servers: Vec<ResourceServer>,
    /// Tokens that have not expired, and when each does.
    alive: Vec<(String, UnixMillis)>,
    /// Keys that have signed, in their order.
    signed: Vec<String>,
    issued: usize,
    shown: usize,
}

impl Watch {
    async fn issue(&mut self) {
        let token = self.node.token(&self.stage.service).await;
        self.issued += 1;
        let by = kid(&token);
        if self.signed.last() != Some(&by) {
            assert!(!self.signed.contains(&by), "a key that had stopped signs again");
            self.signed.push(by);
        }
        let Claims { exp } = insecure_decode_claims(&token).unwrap();
        self.alive.push((token, UnixMillis(exp * 1000)));
    }

    /// Shows every token that has not expired to every resource server.
    async fn show(&mut self) {
        let clock = SystemClock::new();
        self.alive.retain(|(_, expires)| *expires > clock.now());
        for (token, _) in &self.alive {
            for (server, refresh) in self.servers.iter().zip(REFRESH) {
                let refused = refusal(server, token).await;
                assert_eq!(refused, None, "{refresh:?}, {}, {:?}", kid(token), self.signed);
                self.shown += 1;
            }
        }
    }

    /// Whether a key has come, signed, stopped and gone, and others after it.
    async fn is_over(&self) -> bool {
        self.signed.len() > ROTATIONS && self.node.keys().await.find(&self.signed[0]).is_none()
    }
}

#[tokio::test]
async fn nothing_valid_is_refused_across_three_scheduled_rotations() {
    let stage = Stage::set(free_port(), TIMINGS, &["--dangerous-key-timings"]).await;
    let node = stage.node().await;
    let mut servers = Vec::new();
    for refresh in REFRESH {
        servers.push(resource_server(&stage.issuer, refresh).await);
    }
    let mut watch = Watch {
        stage,
        node,
        servers,
        alive: Vec::new(),
        signed: Vec::new(),
        issued: 0,
        shown: 0,
    };
    watch.issue().await;
    for server in &watch.servers {
        eventually("the resource server has fetched the key set", async || {
            refusal(server, &watch.alive[0].0).await.is_none()
        })
        .await;
    }
    eventually("keys rotate and go", async || {
        watch.issue().await;
        watch.show().await;
        tokio::time::sleep(BREATH).await;
        watch.is_over().await
    })
    .await;
    let Watch { issued, shown, .. } = watch;
    assert!(
        issued > 40 && shown > 40 * issued,
        "{issued} tokens, shown {shown} times"
    );
    watch.node.server.stop().await;
}
