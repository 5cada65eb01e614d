//! One access token, by itself or by its id.

use symbolon_core::client::MAX_ACCESS_TOKEN_SECS;
use symbolon_core::lookup::SessionsOf;
use symbolon_core::revocation::{MAX_TOKEN_ENTRIES, NewRevocation, token_owner};
use symbolon_core::tokens::ACCESS_TOKEN_TYP;
use symbolon_core::{SessionId, TokenId};
use symbolon_jose::{MAX_TOKEN_LEN, PublicKey, verify_compact};
use symbolon_oauth_types::AccessTokenClaims;
use symbolon_oauth_types::revocation::{Digest, RevocationKind};
use uuid::Uuid;

use super::super::context::{Console, LogContext};
use super::super::error::{CliError, input_failed};
use super::super::keys::refused;
use super::super::output::{quoted, rfc3339};
use super::target::Target;

/// What is refused of a token that is revoked by itself.
const ITSELF: &str = "that one access token";

/// The token of that id, which nothing else is known of.
pub(super) async fn by_id(context: &LogContext<'_>, jti: Uuid) -> Result<Target, CliError> {
    let (token, clock) = (TokenId(jti), context.store.clock);
    let (now, made) = (clock.now(), token.moment());
    let expires = made.plus(u64::from(MAX_ACCESS_TOKEN_SECS) * 1000);
    if jti.get_version_num() != 7 || made > clock.cutoff() {
        return Err(CliError::refused(
            format_args!(
                "{jti} is no jti of this server, which is a UUID of version 7 with a moment that has passed"
            ),
            "see `jti` in the token, or give the token with --token-stdin",
        ));
    }
    if expires <= now {
        return Err(CliError::refused(
            format_args!(
                "the token was made at {}, and none lives for longer than an hour",
                rfc3339(made)
            ),
            "there is nothing to revoke",
        ));
    }
    // Counted together: whose they are is not known.
    let owner = Digest::of(RevocationKind::Token, "");
    if context.log.live_tokens(owner, now).await? >= MAX_TOKEN_ENTRIES {
        return Err(CliError::refused(
            format_args!("{MAX_TOKEN_ENTRIES} tokens are revoked by their jti alone already"),
            "give the token with --token-stdin, or revoke its session, its subject or its client",
        ));
    }
    Ok(Target {
        entry: NewRevocation::token(token, owner, expires),
        value: Some(jti.to_string()),
        name: format!("access token {jti}"),
        sessions: None,
        tokens: ITSELF,
    })
}

/// The token on standard input, which a published key of this issuer must have signed.
pub(super) async fn from_input(
    context: &LogContext<'_>,
    console: &mut dyn Console,
) -> Result<Target, CliError> {
    // With a line feed behind it, and one more to tell that it is too long.
    let input = console.read(MAX_TOKEN_LEN + 2).map_err(input_failed)?;
    let token = std::str::from_utf8(&input).unwrap_or_default().trim();
    let claims = verify(context, token).await?;
    let now = context.store.clock.now();
    if now.as_secs() >= claims.exp {
        return Err(CliError::refused(
            "the token has expired",
            "there is nothing to revoke",
        ));
    }
    let live = context.log.live_tokens(token_owner(&claims), now).await?;
    let entry = NewRevocation::access_token(&claims, live).ok_or_else(|| {
        CliError::refused(
            format_args!(
                "{MAX_TOKEN_ENTRIES} tokens of client {} are revoked already",
                quoted(&claims.client_id)
            ),
            "use `symbolon revoke client`",
        )
    })?;
    let jti = claims.jti;
    // Past the cap the session goes as a whole.
    Ok(
        match claims.sid.filter(|_| entry.entry.kind == RevocationKind::Session) {
            Some(sid) => Target {
                entry,
                value: Some(sid.to_string()),
                name: format!(
                    "session {sid} of access token {jti}, of which {MAX_TOKEN_ENTRIES} tokens are revoked already"
                ),
                sessions: Some(SessionsOf::Session(SessionId(sid))),
                tokens: "every access token of it",
            },
            None => Target {
                entry,
                value: Some(jti.to_string()),
                name: format!("access token {jti} of client {}", quoted(&claims.client_id)),
                sessions: None,
                tokens: ITSELF,
            },
        },
    )
}

async fn verify(context: &LogContext<'_>, token: &str) -> Result<AccessTokenClaims, CliError> {
    let published = context
        .keys
        .operations
        .export_public(None)
        .await
        .map_err(refused)?;
    let key = |kid: &_| {
        let jwk = published.iter().find(|jwk| jwk.kid() == kid)?;
        PublicKey::from_jwk(jwk).ok().map(Box::new)
    };
    let no_token = |_| {
        CliError::refused(
            "standard input holds no access token that a published key of this server has signed",
            "give the token itself, or its jti",
        )
    };
    let verified = verify_compact(token, ACCESS_TOKEN_TYP, key).map_err(no_token)?;
    let claims: Result<AccessTokenClaims, _> = serde_json::from_slice(verified.payload());
    match claims {
        Ok(claims) if claims.iss == context.issuer => Ok(claims),
        _ => Err(CliError::refused(
            format_args!("the token is not one of issuer {}", quoted(context.issuer)),
            "see `iss` in it, and --config or --data-dir",
        )),
    }
}
