//! The handlers that `cargo xtask bench` measures Symbolon against: the least that an HTTP server on the same
//! foundation can do. One answers a constant, another signs one ES256 JWT, and a third asks Redis for one value before that.
//! They do nothing else.
#![expect(
    clippy::print_stdout,
    reason = "standard output tells the load generator where this listens"
)]

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use axum::{Router, serve};
use bytes::Bytes;
use clap::Parser;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, AsyncConnectionConfig};
use symbolon_core::{Rng as _, SystemRng};
use symbolon_jose::{PrivateKey, SigningAlg};
use tokio::net::TcpListener;

#[derive(Parser)]
#[command(name = "bare", about)]
struct Arguments {
    /// Length of the constant body in bytes
    #[arg(long, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    constant_bytes: u32,
    /// Length of the signed claims in bytes
    #[arg(long, value_parser = clap::value_parser!(u32).range(16..=5_000))]
    claims_bytes: u32,
    /// Redis to ask; without it no handler asks it
    #[arg(long)]
    redis: Option<String>,
}

type Headers = [(HeaderName, &'static str); 2];

const HEADERS: Headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];

#[derive(Clone)]
struct Signer {
    key: PrivateKey,
    claims: Bytes,
}

/// What asks Redis. The connection is shared by all requests, as that of the server it is compared with.
#[derive(Clone)]
struct Asker {
    signer: Signer,
    redis: Option<MultiplexedConnection>,
}

/// As long as the name and the record of a session.
const KEY: &str = "bare-handler:a-key-of-24";
const VALUE: [u8; 31] = [1; 31];
/// A machine that is busy with something else is slow, which shows in the figures, but not broken.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // The same runtime as the server it is compared with: one worker.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let key = PrivateKey::generate(SigningAlg::Es256, &mut |buffer| SystemRng.fill(buffer))?;
    let signer = Signer {
        key,
        claims: json_of_length(arguments.claims_bytes),
    };
    let constant = json_of_length(arguments.constant_bytes);
    let router = Router::new()
        .route("/constant", get(async move || (HEADERS, constant)))
        .route("/sign", post(sign))
        .with_state(signer.clone())
        .merge(
            Router::new()
                .route("/ask-and-sign", post(ask_and_sign))
                .with_state(Asker {
                    signer,
                    redis: connect(arguments).await?,
                }),
        );

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("cannot listen")?;
    let address = listener.local_addr()?;
    println!(
        r#"{{"constant":"http://{address}/constant","sign":"http://{address}/sign","ask_and_sign":"http://{address}/ask-and-sign"}}"#
    );
    // Without delay of small segments, as Symbolon; a socket that is gone already needs none.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    serve(listener, router).await.context("cannot serve")
}

/// Connects to Redis, where there is one, and puts the value there that is asked for.
async fn connect(arguments: &Arguments) -> anyhow::Result<Option<MultiplexedConnection>> {
    let Some(url) = &arguments.redis else {
        return Ok(None);
    };
    let patient = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
    let mut redis = redis::Client::open(url.as_str())?
        .get_multiplexed_async_connection_with_config(&patient)
        .await
        .context("cannot connect to Redis")?;
    let () = redis
        .set(KEY, &VALUE[..])
        .await
        .context("cannot write to Redis")?;
    Ok(Some(redis))
}

/// Reads the form and ignores it, so that what is compared is the same HTTP exchange.
async fn sign(State(signer): State<Signer>, _form: Bytes) -> Result<(Headers, String), StatusCode> {
    let token = signer
        .key
        .sign_compact("at+jwt", &signer.claims)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok((
        HEADERS,
        format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":300}}"#),
    ))
}

/// One round trip to Redis, then as [`sign`].
async fn ask_and_sign(
    State(Asker { signer, redis }): State<Asker>,
    form: Bytes,
) -> Result<(Headers, String), StatusCode> {
    let mut redis = redis.ok_or(StatusCode::NOT_FOUND)?;
    let value: Vec<u8> = redis
        .get(KEY)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    if value != VALUE {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    sign(State(signer), form).await
}

/// A JSON object of `length` bytes, at least 11.
fn json_of_length(length: u32) -> Bytes {
    let padding = "x".repeat((length as usize).saturating_sub(r#"{"keys":""}"#.len()));
    format!(r#"{{"keys":"{padding}"}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pads_to_the_length_asked_for() {
        for length in [16, 17, 400] {
            let json = json_of_length(length);
            assert_eq!(json.len(), length as usize);
            serde_json::from_slice::<serde_json::Value>(&json).unwrap();
        }
    }
}
