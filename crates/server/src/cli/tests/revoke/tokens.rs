//! `revoke token`.

use symbolon_core::TokenId;
use symbolon_core::revocation::MAX_TOKEN_ENTRIES;
use symbolon_core::tokens::AccessTokens as _;
use symbolon_jwks_publisher::Keyring;
use symbolon_oauth_types::revocation::{Digest, RevocationKind};
use symbolon_oauth_types::{AccessTokenClaims, Audiences};

use super::*;

const MINUTE: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE;

/// A server that has started, and its keys.
async fn started() -> (Bench, Keyring) {
    let bench = Bench::started(&[SigningAlg::Es256]).await;
    let keyring = bench.keyring().await.unwrap();
    (bench, keyring)
}

fn claims(bench: &Bench, sid: Option<SessionId>) -> AccessTokenClaims {
    let now = bench.clock.now();
    AccessTokenClaims {
        iss: ISSUER.to_owned(),
        sub: Uuid::from_u128(1),
        aud: Audiences(vec!["urn:api".to_owned()]),
        exp: now.as_secs() + 300,
        iat: now.as_secs(),
        jti: TokenId::new(now, &SystemRng).0,
        client_id: "app".to_owned(),
        scope: "orders:read".parse().unwrap(),
        sid: sid.map(|sid| sid.0),
    }
}

#[tokio::test]
async fn the_token_itself_tells_how_long_it_lives_and_whose_it_is() {
    let (bench, keyring) = started().await;
    let session = SessionId::new(bench.clock.now(), &SystemRng);
    let owner = Digest::of_uuid(RevocationKind::Session, session.0);
    let claims = claims(&bench, Some(session));
    let token = keyring.sign(None, &claims).await.unwrap();
    let planned = bench
        .run_typed(&token, "revoke token --token-stdin --reason x --dry-run --json")
        .await
        .json();
    assert_eq!(
        (&planned["kind"], &planned["sessions"]),
        (&"token".into(), &0.into())
    );
    let outcome = bench
        .run_typed(
            &format!("{token}\n"),
            "revoke token --token-stdin --reason x --json",
        )
        .await;
    let done = outcome.json();
    assert_eq!(
        (&done["kind"], &done["token"]),
        (&"token".into(), &claims.jti.to_string().into())
    );
    assert_eq!(outcome.waited, NO_WAIT);
    let expected = NewRevocation::token(TokenId(claims.jti), owner, UnixMillis(claims.exp * 1000));
    assert_eq!(bench.last().await.0, expected.entry);
    let live = bench.store.live_tokens(owner, bench.clock.now()).await.unwrap();
    assert_eq!(live, 1, "it counts for its session");
    assert!(!outcome.out.contains(&token) && !outcome.err.contains(&token));
}

#[tokio::test]
async fn past_the_cap_the_session_goes_or_the_client_is_named() {
    let (bench, keyring) = started().await;
    let session = SessionId::new(bench.clock.now(), &SystemRng);
    let run = async |sid| {
        let token = keyring.sign(None, &claims(&bench, sid)).await.unwrap();
        bench
            .run_typed(&token, "revoke token --token-stdin --reason x --json")
            .await
    };
    for sid in [Some(session), None] {
        for _ in 0..MAX_TOKEN_ENTRIES {
            assert_eq!(run(sid).await.json()["kind"], "token");
        }
    }
    let done = run(Some(session)).await.json();
    assert_eq!(
        (&done["kind"], &done["session"]),
        (&"session".into(), &session.to_string().into())
    );
    run(None).await.refused(
        2,
        "64 tokens of its client are revoked already: revoke the client",
    );
}

#[tokio::test]
async fn what_this_server_did_not_sign_is_refused() {
    let (bench, keyring) = started().await;
    let (other, others_keys) = started().await;
    let good = claims(&bench, None);
    let sign =
        async |keyring: &Keyring, claims: &AccessTokenClaims| keyring.sign(None, claims).await.unwrap();
    let foreign = AccessTokenClaims {
        iss: "https://elsewhere.example".to_owned(),
        ..good.clone()
    };
    let old = AccessTokenClaims {
        exp: good.iat,
        ..good.clone()
    };
    let long = "x".repeat(1 << 20);
    for (input, said) in [
        (String::new(), "no access token"),
        ("eyJhbGciOiJub25lIn0.e30.".to_owned(), "no access token"),
        (long, "a token has at most"),
        (sign(&others_keys, &claims(&other, None)).await, "no access token"),
        (sign(&keyring, &good).await + "x", "no access token"),
        (sign(&keyring, &foreign).await, "no access token"),
        (sign(&keyring, &old).await, "the token has expired"),
    ] {
        let outcome = bench
            .run_typed(&input, "revoke token --token-stdin --reason x")
            .await;
        outcome.refused(2, said);
    }
    assert!(bench.logged().await.is_empty());
}

#[tokio::test]
async fn by_its_id_alone_a_token_is_refused_for_as_long_as_the_longest_lives() {
    let bench = Bench::new().await;
    let made = UnixMillis(START - 50 * MINUTE);
    let token = TokenId::new(made, &SystemRng);
    assert_eq!(bench.would_end(&format!("revoke token {token}")).await, 0);
    let done = bench
        .run(&format!("revoke token {token} --reason x --json"))
        .await
        .json();
    assert_eq!(done["token"], token.to_string());
    let (entry, _) = bench.last().await;
    let owner = Digest::of(RevocationKind::Token, "");
    assert_eq!(
        entry,
        NewRevocation::token(token, owner, made.plus(HOUR_MS)).entry
    );

    let at = |moment: u64| TokenId::new(UnixMillis(moment), &SystemRng).to_string();
    for (jti, said) in [
        (at(START - HOUR_MS), "none lives for longer than an hour"),
        (at(START + 1), "a jti of this server is"),
        (Uuid::from_u128(7).to_string(), "a jti of this server is"),
    ] {
        bench
            .run(&format!("revoke token {jti} --reason x"))
            .await
            .refused(2, said);
    }
    for _ in 1..MAX_TOKEN_ENTRIES {
        assert_eq!(
            bench
                .run(&format!("revoke token {} --reason x", at(START)))
                .await
                .error,
            None
        );
    }
    bench
        .run(&format!("revoke token {} --reason x", at(START)))
        .await
        .refused(2, "64 tokens are revoked by their jti alone already");
}
