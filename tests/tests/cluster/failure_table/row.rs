//! What is asked, and how the answer is told.

use std::process::Command;
use std::sync::Arc;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Request;
use secrecy::ExposeSecret;
use symbolon_core::{Clock as _, UnixMillis};
use symbolon_tests::binary::{self, Process, Transcript};
use symbolon_tests::{PASSWORD, Reply};
use tower::ServiceExt as _;

use super::cast::Cast;
use super::{SETTINGS, Scene};

/// A row of the table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Row {
    Password,
    RefreshCached,
    RefreshUncached,
    ClientCredentialsCached,
    ClientCredentialsUncached,
    IntrospectAccessToken,
    IntrospectRefreshToken,
    RevokeRefreshToken,
    RevokeAccessToken,
    RevokeAgain,
    Jwks,
    Metadata,
    FeedHead,
    FeedDocuments,
    Healthz,
    Readyz,
    DisableUser,
    PasswordOfDisabledUser,
    RefreshRevokedSession,
    RefreshDisabledUser,
    RefreshForged,
    IntrospectRevokedSession,
    IntrospectDisabledUser,
    IntrospectForged,
}

/// When it is asked: at once, and when the condition is lasting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Round {
    Early,
    Late,
}

impl Round {
    pub(super) const ALL: [Self; 2] = [Self::Early, Self::Late];
}

impl Row {
    pub(super) const ALL: [Self; 24] = [
        Self::Password,
        Self::RefreshCached,
        Self::RefreshUncached,
        Self::ClientCredentialsCached,
        Self::ClientCredentialsUncached,
        Self::IntrospectAccessToken,
        Self::IntrospectRefreshToken,
        Self::RevokeRefreshToken,
        Self::RevokeAccessToken,
        Self::RevokeAgain,
        Self::Jwks,
        Self::Metadata,
        Self::FeedHead,
        Self::FeedDocuments,
        Self::Healthz,
        Self::Readyz,
        Self::DisableUser,
        Self::PasswordOfDisabledUser,
        Self::RefreshRevokedSession,
        Self::RefreshDisabledUser,
        Self::RefreshForged,
        Self::IntrospectRevokedSession,
        Self::IntrospectDisabledUser,
        Self::IntrospectForged,
    ];

    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Password => "`password`",
            Self::RefreshCached => "`refresh_token`, user in the caches",
            Self::RefreshUncached => "`refresh_token`, user not in the caches",
            Self::ClientCredentialsCached => "`client_credentials`, client in the caches",
            Self::ClientCredentialsUncached => "`client_credentials`, client not in the caches",
            Self::IntrospectAccessToken => "introspection of an access token",
            Self::IntrospectRefreshToken => "introspection of a refresh token",
            Self::RevokeRefreshToken => "revocation of a refresh token",
            Self::RevokeAccessToken => "revocation of an access token",
            Self::RevokeAgain => "revocation, asked for again",
            Self::Jwks => "JWKS",
            Self::Metadata => "metadata",
            Self::FeedHead => "revocation feed: head",
            Self::FeedDocuments => "revocation feed: keys, snapshot, batches, stream",
            Self::Healthz => "`/healthz`",
            Self::Readyz => "`/readyz`",
            Self::DisableUser => "`symbolon user disable`",
            Self::PasswordOfDisabledUser => "`password`, user disabled",
            Self::RefreshRevokedSession => "`refresh_token`, session revoked",
            Self::RefreshDisabledUser => "`refresh_token`, user disabled",
            Self::RefreshForged => "`refresh_token`, forged",
            Self::IntrospectRevokedSession => "introspection, session revoked",
            Self::IntrospectDisabledUser => "introspection, user disabled",
            Self::IntrospectForged => "introspection, forged",
        }
    }

    /// Whether its facts are put into the caches before a condition begins, by asking for it.
    pub(super) fn is_warmed(self) -> bool {
        matches!(
            self,
            Self::RefreshCached
                | Self::ClientCredentialsCached
                | Self::IntrospectAccessToken
                | Self::IntrospectRefreshToken
                | Self::RevokeAgain
                | Self::RefreshRevokedSession
                | Self::RefreshDisabledUser
                | Self::IntrospectRevokedSession
                | Self::IntrospectDisabledUser
        )
    }

    /// Asks, and tells the answer in the words of the table. Whatever is not told in them is told as it is.
    pub(super) async fn ask(self, scene: &Scene, cast: &Cast, round: Round) -> String {
        let h = &scene.node.h;
        let refresh_token = |login: &Reply| login.text("refresh_token");
        let access_token = |login: &Reply| login.text("access_token");
        match self {
            Self::Password => tokens(&h.login(&h.app).await),
            Self::PasswordOfDisabledUser => tokens(&h.login_as(&h.app, &cast.gone.name, PASSWORD, &[]).await),
            Self::RefreshCached => tokens(&cast.cached.refresh(scene).await),
            Self::RefreshUncached => tokens(&cast.uncached.refresh(scene).await),
            Self::RefreshRevokedSession => tokens(&h.refresh(&h.app, &refresh_token(&cast.revoked)).await),
            Self::RefreshDisabledUser => tokens(&h.refresh(&h.app, &refresh_token(&cast.disabled)).await),
            Self::RefreshForged => {
                let token = forged(&refresh_token(&cast.shown));
                tokens(&h.refresh(&h.app, &token).await)
            }
            Self::ClientCredentialsCached => tokens(&h.client_credentials(&h.app).await),
            Self::ClientCredentialsUncached => tokens(&h.client_credentials(&scene.stranger).await),
            Self::IntrospectAccessToken => introspected(&h.introspect(&access_token(&cast.shown)).await),
            Self::IntrospectRefreshToken => {
                let form = [("token", &*refresh_token(&cast.shown))];
                introspected(&h.post("/oauth2/introspect", &h.app, &form).await)
            }
            Self::IntrospectRevokedSession => introspected(&h.introspect(&access_token(&cast.revoked)).await),
            Self::IntrospectDisabledUser => introspected(&h.introspect(&access_token(&cast.disabled)).await),
            Self::IntrospectForged => {
                let token = forged(&access_token(&cast.shown));
                introspected(&h.introspect(&token).await)
            }
            Self::RevokeRefreshToken => {
                let doomed = cast.doomed_by_refresh_token(round);
                let answer = revoked(&h.revoke(&h.app, &refresh_token(&doomed.login)).await);
                doomed.answer.lock().unwrap().clone_from(&answer);
                answer
            }
            Self::RevokeAccessToken => {
                let doomed = cast.doomed_by_access_token(round);
                let answer = revoked(&h.revoke(&h.app, &access_token(&doomed.login)).await);
                doomed.answer.lock().unwrap().clone_from(&answer);
                answer
            }
            Self::RevokeAgain => revoked(&h.revoke(&h.app, &refresh_token(&cast.revoked)).await),
            Self::Jwks => document(&h.get("/.well-known/jwks.json").await, "keys"),
            Self::Metadata => {
                let path = "/.well-known/oauth-authorization-server";
                document(&h.get(path).await, "token_endpoint")
            }
            Self::FeedHead => feed_head(scene).await,
            Self::FeedDocuments => feed_documents(scene).await,
            Self::Healthz | Self::Readyz => {
                let path = self.heading().trim_matches('`');
                h.get(path).await.status.as_u16().to_string()
            }
            Self::DisableUser => {
                let leaver = cast.leaver(round);
                let answer = disable(scene, &leaver.user.name).await;
                leaver.answer.lock().unwrap().clone_from(&answer);
                answer
            }
        }
    }
}

/// An answer that is not told in the table's words.
fn odd(reply: &Reply) -> String {
    let retry_after = reply.header("retry-after");
    let body = String::from_utf8_lossy(&reply.body);
    format!("{} (retry-after: {retry_after:?}) {body}", reply.status.as_u16())
}

/// A refusal that says what to do: a wrong request is `invalid_grant`, a right one is to be tried again soon.
fn refusal(reply: &Reply) -> String {
    let (status, retry_after) = (reply.status.as_u16(), reply.header("retry-after"));
    match (status, reply.text("error").as_str(), retry_after) {
        (400, "invalid_grant", "") => "400".to_owned(),
        (503, "temporarily_unavailable", "1") => "503".to_owned(),
        _ => odd(reply),
    }
}

fn tokens(reply: &Reply) -> String {
    if reply.status != 200 {
        return refusal(reply);
    }
    match reply.text("access_token").is_empty() {
        false => "200".to_owned(),
        true => odd(reply),
    }
}

fn introspected(reply: &Reply) -> String {
    if reply.status != 200 {
        return refusal(reply);
    }
    match reply.json()["active"].as_bool() {
        Some(true) => "active".to_owned(),
        Some(false) => "inactive".to_owned(),
        None => odd(reply),
    }
}

fn revoked(reply: &Reply) -> String {
    match reply.status.as_u16() {
        200 if reply.body.is_empty() => "200".to_owned(),
        202 if reply.text("status") == "logged" => "202".to_owned(),
        _ => refusal(reply),
    }
}

fn document(reply: &Reply, member: &str) -> String {
    match reply.status.as_u16() {
        200 if reply.json().get(member).is_some() => "200".to_owned(),
        _ => odd(reply),
    }
}

/// Younger than this a head is fresh.
const FRESH_MS: u64 = 3_000;

/// The payload of a head of the revocation feed.
fn said(reply: &Reply) -> serde_json::Value {
    let text = std::str::from_utf8(&reply.body).unwrap();
    let payload = text.split('.').nth(1).unwrap_or_default();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap_or_default()).unwrap_or_default()
}

async fn feed_head(scene: &Scene) -> String {
    let h = &scene.node.h;
    let reply = h.get("/revocations/head").await;
    let Some(as_of) = said(&reply)["as_of"].as_u64() else {
        return odd(&reply);
    };
    let age = h.node.health.clock().now().since(UnixMillis(as_of));
    if age < FRESH_MS { "fresh" } else { "stale" }.to_owned()
}

/// All of them, the stream only as far as it begins.
async fn feed_documents(scene: &Scene) -> String {
    let h = &scene.node.h;
    let head = said(&h.get("/revocations/head").await);
    let batches = format!(
        "/revocations/batches/{}/0",
        head["log"].as_str().unwrap_or_default()
    );
    for path in ["/revocations/keys", "/revocations/snapshot", &batches] {
        let reply = h.get(path).await;
        if reply.status != 200 {
            return odd(&reply);
        }
    }
    let stream = Request::get("/revocations/stream").body(Body::empty()).unwrap();
    let stream = h.router.clone().oneshot(stream).await.unwrap();
    stream.status().as_u16().to_string()
}

/// The token with another character in its middle.
fn forged(token: &str) -> String {
    let mut bytes = token.as_bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).unwrap()
}

/// Runs the command of the built binary.
async fn disable(scene: &Scene, user: &str) -> String {
    let settings = &scene.node.h.settings;
    let redis = settings.redis.as_ref().unwrap();
    let mut command = Command::new(binary::path());
    command
        .env_clear()
        .args(["user", "disable", user, "--offline"])
        .env("SYMBOLON_ISSUER", settings.issuer.as_str())
        .env("SYMBOLON_DATABASE_URL", &settings.database.url)
        .env("SYMBOLON_DATABASE_CONNECT_TIMEOUT", "1s")
        // An operator who migrates apart has this set; an empty database then stays empty.
        .env("SYMBOLON_DATABASE_MIGRATE_ON_START", "false")
        .env("SYMBOLON_REDIS_URL", redis.url.expose_secret())
        .env("SYMBOLON_REDIS_KEY_PREFIX", &redis.key_prefix)
        .env(
            "SYMBOLON_KEYS_ENCRYPTION_KEY",
            STANDARD.encode((0..32).collect::<Vec<u8>>()),
        );
    for (key, value) in SETTINGS {
        let variable = format!("SYMBOLON_{}", key.to_uppercase().replace('.', "_"));
        command.env(variable, value);
    }
    let mut process = Process::start(command, "", &Arc::<Transcript>::default());
    let ended = process.end().await;
    match ended.code {
        Some(0) if ended.err.contains("Redis could not be told") => "done, warns".to_owned(),
        Some(0) if ended.err.is_empty() => "done".to_owned(),
        Some(1) => "refused".to_owned(),
        _ => format!("{ended:?}"),
    }
}
