//! Forged, damaged and mistaken tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde_json::json;
use symbolon_core::ports::{KeyStore, ServerStore};
use symbolon_core::refresh::RefreshSeal;
use symbolon_core::secret::{SecretPurpose, ServerSecret};
use symbolon_jose::PrivateKey;
use symbolon_server::secrets::{ISSUER_ID, open_server_keys};
use symbolon_tests::{Call, Harness, PASSWORD, TestClient};

use super::{assert_alive, claims, tapped};

/// Every way to damage a text by one character, and some to cut and extend it.
fn damaged(token: &str) -> Vec<String> {
    let mut damaged = Vec::new();
    for (i, old) in token.char_indices() {
        let new = if old == 'A' { 'B' } else { 'A' };
        damaged.push(format!("{}{new}{}", &token[..i], &token[i + 1..]));
        damaged.push(token[..i].to_owned());
        damaged.push(format!("{}{}", &token[..i], &token[i + 1..]));
    }
    // The last character carries bits that decoders often ignore.
    let (body, last) = token.split_at(token.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    damaged.extend(
        alphabet
            .chars()
            .filter(|c| last != c.to_string())
            .map(|c| format!("{body}{c}")),
    );
    for extra in ["A", "AA", "AAAA", "=", "==", ".", " ", "\n", "\0", "%00"] {
        damaged.push(format!("{token}{extra}"));
        damaged.push(format!("{extra}{token}"));
    }
    damaged.push(format!("{token}{token}"));
    damaged.push(token.to_uppercase());
    damaged.retain(|text| text != token && !text.is_empty());
    damaged
}

/// G13, CVE-2026-27840: a damaged refresh token is refused before any store is asked, on every endpoint.
#[tokio::test]
async fn rejects_damaged_refresh_tokens_before_the_store_is_asked() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    let before = h.footprint().await;
    let calls = tap.store_calls();
    for token in damaged(&login.text("refresh_token")) {
        h.refresh(&h.app, &token).await.assert_error(400, "invalid_grant");
        let told = h.post("/oauth2/introspect", &h.app, &[("token", &*token)]).await;
        assert_eq!(told.body, r#"{"active":false}"#);
        let revoked = h.revoke(&h.app, &token).await;
        assert_eq!((revoked.status.as_u16(), revoked.body.len()), (200, 0));
    }
    assert_eq!(tap.store_calls(), calls);
    assert_eq!(h.footprint().await, before);
    assert_alive(&h, &h.app, &login).await;
}

/// G13: every single bit of what is sealed counts.
#[tokio::test]
async fn rejects_every_flipped_bit() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.spa).await;
    let token = login.text("refresh_token");
    let sealed = URL_SAFE_NO_PAD
        .decode(token.strip_prefix("sbr_").unwrap())
        .unwrap();
    let calls = tap.store_calls();
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("sbr_{}", URL_SAFE_NO_PAD.encode(flipped));
        h.refresh(&h.spa, &forged)
            .await
            .assert_error(400, "invalid_grant");
    }
    assert_eq!(tap.store_calls(), calls);
    assert_alive(&h, &h.spa, &login).await;
}

/// G13 for access tokens: a damaged one is inactive, and neither the store nor the log is asked or told.
#[tokio::test]
async fn rejects_damaged_access_tokens_before_the_store_is_asked() {
    let (h, tap) = tapped().await;
    let machine = h.client_credentials(&h.app).await;
    let before = h.footprint().await;
    let calls = tap.store_calls();
    for token in damaged(&machine.text("access_token")) {
        assert_eq!(h.introspect(&token).await.body, r#"{"active":false}"#, "{token}");
        h.revoke(&h.app, &token).await.ok();
    }
    assert_eq!(tap.store_calls(), calls);
    assert_eq!(h.footprint().await, before);
    assert!(h.is_active(&machine.text("access_token")).await);
}

/// G13: a token as long as a request may be is refused for its form, not looked at.
#[tokio::test]
async fn rejects_oversized_refresh_tokens() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    let calls = tap.store_calls();
    let long = format!("{}{}", login.text("refresh_token"), "A".repeat(20_000));
    let reply = h.refresh(&h.app, &long).await;
    reply.assert_error(400, "invalid_request");
    assert_eq!(tap.store_calls(), calls);
    assert_alive(&h, &h.app, &login).await;
}

/// G15, CVE-2026-4282: what was made for one purpose is worth nothing for another.
#[tokio::test]
async fn rejects_values_made_for_another_purpose() {
    let (h, tap) = tapped().await;
    let elsewhere = Harness::start().await;
    let stranger = elsewhere.login(&elsewhere.app).await;
    let login = h.login(&h.app).await;
    let keys = open_server_keys(
        &h.node.store,
        &h.settings.keys.encryption_keys,
        &symbolon_core::SystemRng,
    )
    .await
    .unwrap();
    let cursor = keys.cursors.seal("users", &h.alice.subject.to_string());
    let sid = super::sid(&login).to_string();
    let before = h.footprint().await;
    let calls = tap.count(Call::Rotate);
    for value in [
        &login.text("access_token"),
        &format!("sbr_{}", login.text("access_token")),
        &h.app.secret,
        &h.app.secret.replace("sbs_", "sbr_"),
        &cursor,
        &format!("sbr_{cursor}"),
        &stranger.text("refresh_token"),
        &stranger.text("access_token"),
        &sid,
        PASSWORD,
    ] {
        h.refresh(&h.app, value).await.assert_error(400, "invalid_grant");
        h.revoke(&h.app, value).await.ok();
    }
    // The first of them was the session's own access token, which the revocation rightly took.
    assert_eq!(h.footprint().await.head.seq, before.head.seq + 1);
    assert_eq!(h.footprint().await.records, before.records);
    assert_eq!(tap.count(Call::Rotate), calls);
    let refreshed = h.refresh(&h.app, &login.text("refresh_token")).await;

    let inactive = [
        refreshed.text("refresh_token"),
        h.app.secret.clone(),
        cursor.clone(),
        stranger.text("access_token"),
        stranger.text("refresh_token"),
    ];
    for value in inactive {
        assert_eq!(h.introspect(&value).await.body, r#"{"active":false}"#);
    }
    for value in [
        refreshed.text("refresh_token"),
        refreshed.text("access_token"),
        cursor,
        PASSWORD.to_owned(),
    ] {
        let impostor = TestClient {
            secret: value.clone(),
            ..h.app.clone()
        };
        h.client_credentials(&impostor)
            .await
            .assert_error(401, "invalid_client");
        h.login_as(&h.spa, "alice", &format!("{value}x"), &[])
            .await
            .assert_error(400, "invalid_grant");
    }
    assert_alive(&h, &h.app, &refreshed).await;
}

async fn server_secret(h: &Harness, purpose: SecretPurpose) -> ServerSecret {
    let kept = h.node.store.secrets().await.unwrap();
    let kept = kept.into_iter().find(|secret| secret.purpose == purpose).unwrap();
    let binding = format!("server-secret/{}/{}", purpose.as_str(), kept.id);
    let plain = h
        .settings
        .keys
        .encryption_keys
        .unwrap(&binding, &kept.wrapped)
        .unwrap();
    let mut secret = ServerSecret {
        id: kept.id,
        active_from: kept.active_from,
        key: Default::default(),
    };
    secret.key.copy_from_slice(&plain);
    secret
}

/// G15: a seal of another issuer, or under the secret of another purpose, opens nothing; the right seal shows that the
/// test seals as the server does.
#[tokio::test]
async fn rejects_seals_of_another_issuer_or_purpose() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    let secret = server_secret(&h, SecretPurpose::RefreshSeal).await;
    let seal = RefreshSeal::new(ISSUER_ID, std::slice::from_ref(&secret));
    let token = seal.open(&login.text("refresh_token").into()).unwrap();
    assert_eq!(
        seal.seal(&token).unwrap().expose_secret(),
        login.text("refresh_token")
    );

    let mut foreign = vec![RefreshSeal::new(ISSUER_ID + 1, std::slice::from_ref(&secret))];
    for purpose in [SecretPurpose::ClientSecretHash, SecretPurpose::Cursor] {
        foreign.push(RefreshSeal::new(ISSUER_ID, &[server_secret(&h, purpose).await]));
    }
    let another_number = ServerSecret { id: 2, ..secret };
    foreign.push(RefreshSeal::new(ISSUER_ID, &[another_number]));
    let calls = tap.store_calls();
    for seal in foreign {
        let forged = seal.seal(&token).unwrap();
        h.refresh(&h.app, forged.expose_secret())
            .await
            .assert_error(400, "invalid_grant");
        h.revoke(&h.app, forged.expose_secret()).await.ok();
    }
    assert_eq!(tap.store_calls(), calls);
    assert_alive(&h, &h.app, &login).await;
}

async fn signing_key(h: &Harness) -> PrivateKey {
    use symbolon_core::keys::KeyState;
    let keys = h.node.store.signing_keys().await.unwrap();
    let active = |state| matches!(state, KeyState::Active { .. });
    let record = keys.into_iter().find(|key| active(key.state)).unwrap();
    let purpose = format!("signing-key/{}/{}", record.alg, record.kid);
    let der = h
        .settings
        .keys
        .encryption_keys
        .unwrap(&purpose, &record.wrapped)
        .unwrap();
    PrivateKey::from_pkcs8_der(&der, record.alg).unwrap()
}

/// G15: a JWT that the server's own key signed is an access token only by its type, its issuer and all its claims.
#[tokio::test]
async fn rejects_other_jwts_under_the_same_key() {
    let (h, tap) = tapped().await;
    let login = h.login(&h.app).await;
    let key = signing_key(&h).await;
    let good = claims(&login.text("access_token"));
    let sign =
        |typ: &str, claims: &serde_json::Value| key.sign_compact(typ, claims.to_string().as_bytes()).unwrap();
    assert!(
        h.is_active(&sign("at+jwt", &good)).await,
        "the test signs as the server does"
    );

    let changed = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let mut forged: Vec<_> = [
        "JWT",
        "jwt",
        "logout+jwt",
        "id+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
    ]
    .map(|typ| sign(typ, &good))
    .to_vec();
    for claims in [
        changed("iss", json!("https://as.example/")),
        changed("iss", json!("https://evil.example")),
        changed("aud", json!("https://other.example")),
        changed("aud", json!([])),
        changed("exp", json!("99999999999")),
        changed("exp", json!(-1)),
        changed("exp", json!(null)),
        changed("sub", json!("alice")),
        changed("sub", json!(h.app.uid.to_string())),
        changed("client_id", json!("spa2")),
        changed("client_id", json!("")),
        changed("scope", json!("users:write")),
        changed("scope", json!("")),
        without("sid"),
        without("jti"),
        without("exp"),
        without("iss"),
        without("client_id"),
        json!({}),
        json!([]),
    ] {
        forged.push(sign("at+jwt", &claims));
    }
    for token in &forged {
        assert_eq!(h.introspect(token).await.body, r#"{"active":false}"#, "{token}");
        h.refresh(&h.app, token).await.assert_error(400, "invalid_grant");
    }
    // Scope that the client or the user does not have is left out, whatever the token says.
    let wider = sign("at+jwt", &changed("scope", json!("orders:read users:write")));
    assert_eq!(h.introspect(&wider).await.ok()["scope"], "orders:read");
    assert_eq!(tap.count(Call::Rotate), 0);
    assert_alive(&h, &h.app, &login).await;
}
