//! Very many entries in force: what they come to on the wire, in a verifier, and for a check.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use reqwest::header::ACCEPT_ENCODING;
use serde_json::Value;
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_verifier::feed::Events;
use symbolon_verifier::{Fetch as _, HttpFetch};

use super::follower::Followed;
use super::readers::Position;
use super::{Options, SETTINGS, Site};
use crate::connection::Connection;
use crate::place::Place;
use crate::process::Cores;
use crate::start::milliseconds_since_start;
use crate::symbolon::Session;

/// Entries of sessions: rows as revocations write them, with digests and tips that nobody has.
const FILL: &str = "INSERT INTO revocation_log (seq, kind, digest, effect, moment_ms, owner, reason, actor, at_ms, expires_ms, tip) \
     SELECT head.seq + i, 'session', uuid_send(gen_random_uuid()), 'block', NULL, NULL, 'revoked by the client', 'bench', \
     now_ms, now_ms + 7776000000, uuid_send(gen_random_uuid()) \
     FROM revocation_head AS head, generate_series(1, ENTRIES) AS i, \
     (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms) AS clock; \
     UPDATE revocation_head SET seq = seq + ENTRIES, \
     tip = (SELECT tip FROM revocation_log ORDER BY seq DESC LIMIT 1); \
     ANALYZE revocation_log";

/// How far back a batch of many entries begins, if the server has kept one of so many.
const MANY: u64 = 1_000;
/// Between two looks at whether something is there, and how many such looks.
const LOOK: Duration = Duration::from_millis(20);
const LOOKS: u32 = 3_000;

/// Sizes of a document, in bytes.
#[derive(Clone, Copy)]
struct Size {
    raw: usize,
    gzip: usize,
}

/// What a feed with so many entries comes to.
struct Weighed {
    snapshot: Size,
    followed: Followed,
    node_kib: u64,
    start_ms: f64,
}

/// Weighs a feed without entries, and then with them.
///
/// # Errors
/// If a server fails, or anything is answered otherwise than it must be.
pub(super) async fn measure(options: &Options, cores: &Cores, postgres: &Postgres) -> anyhow::Result<String> {
    cores.pin_load()?;
    let (site, start_ms) = started(cores, Place::make_with(postgres, &SETTINGS).await?)?;
    let requests = site.place.requests()?;
    let (session, victim) = (requests.log_in().await?, requests.log_in().await?);
    let empty = weigh(&site, &session, start_ms).await?;
    eprintln!("filling the log with {} entries", options.entries);
    let Site { server, place } = site;
    server.stop()?;
    postgres.sql(
        &place.database,
        &FILL.replace("ENTRIES", &options.entries.to_string()),
    );
    let (site, start_ms) = started(cores, place)?;
    let full = weigh(&site, &session, start_ms).await?;
    ensure!(
        full.followed.entries == options.entries as usize,
        "the verifier knows {} entries",
        full.followed.entries
    );
    let before = position(&site).await?;
    let filled = before.seq;
    revoke(&site, &victim).await?;
    let (one, _) = batch(&site, &before).await?;
    let on_stream = on_stream(&site, &before).await?;
    let back = Position {
        seq: filled.saturating_sub(MANY),
        ..before
    };
    let (many, count) = batch(&site, &back).await?;
    site.server.stop()?;
    Ok(format!(
        "\n| Entries in force | snapshot, bytes | gzip | gzip bytes for each | verifier: memory MiB | at most | caught up \
         after ms | a check, signature verified before: ns | node: ready after ms | its memory MiB |\n\
         |---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n{}{}\
         \n| With {} entries | bytes | gzip |\n|---|---:|---:|\n\
         | batch of one revocation | {} | {} |\n| the same on the stream, with its head | {on_stream} | |\n\
         | batch of {count} | {} | {} |\n",
        row(&empty),
        row(&full),
        options.entries,
        one.raw,
        one.gzip,
        many.raw,
        many.gzip,
    ))
}

/// A node, and how long it took to be ready.
fn started(cores: &Cores, place: Place) -> anyhow::Result<(Site, f64)> {
    let server = place.start(cores)?;
    let start_ms = milliseconds_since_start(&server);
    Ok((Site { server, place }, start_ms))
}

async fn weigh(site: &Site, session: &Session, start_ms: f64) -> anyhow::Result<Weighed> {
    let (snapshot, _) = size(site, "/snapshot").await?;
    Ok(Weighed {
        snapshot,
        followed: Followed::of(site, session)?,
        node_kib: site.server.memory_kib()?.now,
        start_ms,
    })
}

/// How far the feed has come.
async fn position(site: &Site) -> anyhow::Result<Position> {
    let (_, head) = size(site, "/head").await?;
    Position::of(head.as_bytes())
}

/// Revokes a session, and returns once the feed has it.
async fn revoke(site: &Site, victim: &Session) -> anyhow::Result<()> {
    let before = position(site).await?.seq;
    let revocation = &site.place.ready.revocation_endpoint;
    let request = site
        .place
        .requests()?
        .revocation(revocation, &victim.refresh_token);
    let mut connection = Connection::open(revocation.address).await?;
    connection
        .exchange(&request)
        .await?
        .ok()
        .context("a revocation")?;
    while position(site).await?.seq <= before {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// The batch behind a position, and how many entries it has.
async fn batch(site: &Site, behind: &Position) -> anyhow::Result<(Size, usize)> {
    let (size, text) = size(site, &format!("/batches/{}/{}", behind.log, behind.seq)).await?;
    let payload = text.split('.').nth(1).context("no JWS")?;
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload)?)?;
    let entries = payload["entries"].as_array().context("no entries")?.len();
    Ok((size, entries))
}

/// What the stream brings behind a position, up to its first head, in bytes.
async fn on_stream(site: &Site, behind: &Position) -> anyhow::Result<usize> {
    let url = url(site, "/stream").parse()?;
    let id = format!("{}:{}", behind.log, behind.seq);
    let mut stream = HttpFetch::new()?.stream(&url, &id).await?;
    let (mut events, mut bytes, mut whole) = (Events::default(), 0, false);
    while !whole {
        let piece = stream.next().await?.context("the stream has ended")?;
        bytes += piece.len();
        events.push(&piece, |event| whole |= event.name == "head")?;
    }
    Ok(bytes)
}

/// A document of the feed as it is sent, and its text.
async fn size(site: &Site, path: &str) -> anyhow::Result<(Size, String)> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = url(site, path);
    let get = async |encoding: &str| -> anyhow::Result<Vec<u8>> {
        for _ in 0..LOOKS {
            let answer = http.get(&url).header(ACCEPT_ENCODING, encoding).send().await?;
            match answer.status() {
                StatusCode::OK => return Ok(answer.bytes().await?.into()),
                // It is being made.
                StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(LOOK).await,
                status => bail!("{url}: {status}"),
            }
        }
        bail!("{url} does not come")
    };
    let (raw, gzip) = (get("identity").await?, get("gzip").await?);
    let size = Size {
        raw: raw.len(),
        gzip: gzip.len(),
    };
    Ok((size, String::from_utf8(raw)?))
}

fn url(site: &Site, path: &str) -> String {
    format!("{}/revocations{path}", site.place.ready.issuer)
}

fn row(weighed: &Weighed) -> String {
    let Weighed {
        snapshot, followed, ..
    } = weighed;
    let mib = |kib: u64| kib as f64 / 1024.0;
    let each = match followed.entries {
        0 => String::new(),
        entries => format!("{:.1}", snapshot.gzip as f64 / entries as f64),
    };
    format!(
        "| {} | {} | {} | {each} | {:.1} | {:.1} | {:.0} | {:.0} | {:.0} | {:.1} |\n",
        followed.entries,
        snapshot.raw,
        snapshot.gzip,
        mib(followed.memory_kib),
        mib(followed.peak_kib),
        followed.caught_up_ms,
        followed.check_ns,
        weighed.start_ms,
        mib(weighed.node_kib),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_what_its_head_says() {
        let text = row(&Weighed {
            snapshot: Size { raw: 600, gzip: 250 },
            followed: Followed {
                memory_kib: 2048,
                peak_kib: 3072,
                entries: 10,
                caught_up_ms: 7.0,
                check_ns: 800.0,
            },
            node_kib: 1024,
            start_ms: 50.0,
        });
        assert_eq!(
            text,
            "| 10 | 600 | 250 | 25.0 | 2.0 | 3.0 | 7 | 800 | 50 | 1.0 |\n"
        );
    }
}
