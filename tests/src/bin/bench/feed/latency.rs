//! From the answer to a revocation until verifiers refuse the token.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use symbolon_testkit::servers::postgres::Postgres;
use symbolon_tests::Via;
use symbolon_verifier::{Following, Refused, Verifier};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::{Options, Site, another_address};
use crate::connection::Connection;
use crate::process::Cores;
use crate::statistics::{Latencies, microseconds};
use crate::symbolon::{Session, TokenRequests};

/// The longest that verifiers may take to follow the feed, or to refuse a token.
const PATIENCE: Duration = Duration::from_secs(60);
/// Revocations under way at once where verifiers poll: one after the other would take a thousand seconds.
const POLLED_AT_ONCE: usize = 50;

/// How verifiers follow the feed, and how revocations are measured then.
struct Way {
    name: &'static str,
    polls: bool,
    at_once: usize,
    /// Between two looks at whether the verifiers refuse.
    look: Duration,
}

const WAYS: [Way; 2] = [
    Way {
        name: "by stream",
        polls: false,
        at_once: 1,
        look: Duration::from_millis(1),
    },
    Way {
        name: "by polling, each second",
        polls: true,
        at_once: POLLED_AT_ONCE,
        look: Duration::from_millis(10),
    },
];

/// Everything that the revocations of one way took, in microseconds.
#[derive(Default)]
struct Samples {
    /// From the request to its answer.
    call: Vec<u32>,
    /// From the answer until a verifier refused: of each verifier.
    each: Vec<u32>,
    /// Until the last of them did.
    last: Vec<u32>,
}

/// Two nodes, and verifiers of both.
struct Field {
    verifiers: Vec<Verifier>,
    nodes: [SocketAddr; 2],
    requests: TokenRequests,
    /// Sessions that are to be revoked.
    sessions: Mutex<Vec<Session>>,
    revocation: crate::endpoint::Endpoint,
}

/// Revokes many sessions at two nodes by turns, and waits each time until every verifier refuses.
///
/// # Errors
/// If a server fails, or verifiers do not come to refuse within a minute.
pub(super) async fn measure(options: &Options, cores: &Cores, postgres: &Postgres) -> anyhow::Result<String> {
    let site = Site::open(cores, postgres).await?;
    let nodes = [site.address(), another_address()];
    let second = site.place.start_beside(cores, nodes[1])?;
    let mut text = format!(
        "\n{} revocations of a session (`POST /oauth2/revoke`) at two nodes by turns, {} verifiers, half of them on each node; \
         whether they refuse is looked at each {} ms (stream; one revocation at a time) or {} ms (polling; {} at a time). Both \
         nodes share one core:\n\n\
         | Followed | revocation answered: p50 ms | p99 | a verifier refuses after: p50 ms | p99 | all refuse after: p50 ms | \
         p99 | max |\n|---|---:|---:|---:|---:|---:|---:|---:|\n",
        options.revocations,
        options.verifiers,
        WAYS[0].look.as_millis(),
        WAYS[1].look.as_millis(),
        POLLED_AT_ONCE,
    );
    for way in WAYS {
        eprintln!("revoking {}, {}", options.revocations, way.name);
        let requests = site.place.requests()?;
        let field = Field {
            verifiers: verifiers(&site, nodes, options.verifiers, way.polls).await?,
            nodes,
            sessions: Mutex::new(requests.log_in_often(options.revocations).await?),
            requests,
            revocation: site.place.ready.revocation_endpoint.clone(),
        };
        text += &row(&way, revoke_all(field, &way).await?);
    }
    second.stop()?;
    site.server.stop()?;
    Ok(text)
}

/// Verifiers that follow the feed, of the two nodes by turns.
async fn verifiers(
    site: &Site,
    nodes: [SocketAddr; 2],
    count: u32,
    polls: bool,
) -> anyhow::Result<Vec<Verifier>> {
    let ready = &site.place.ready;
    let mut verifiers = Vec::new();
    for index in 0..count as usize {
        let builder = Verifier::builder(&ready.issuer, &ready.resource_server.audience);
        let builder = if polls { builder.poll_only() } else { builder };
        verifiers.push(builder.fetch(Via::to(nodes[index % 2])).build().await?);
    }
    let by = if polls {
        Following::Polling
    } else {
        Following::Stream
    };
    let follows = |verifier: &Verifier| {
        let feed = verifier.feed();
        feed.is_some_and(|feed| feed.is_caught_up && feed.following == by)
    };
    let began = Instant::now();
    while !verifiers.iter().all(follows) {
        ensure!(
            began.elapsed() < PATIENCE,
            "verifiers do not follow the feed as they should"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(verifiers)
}

async fn revoke_all(field: Field, way: &Way) -> anyhow::Result<Samples> {
    // Signatures are verified once, before: what is measured is when the feed arrives.
    for session in &*field.sessions.lock().await {
        for verifier in &field.verifiers {
            verifier
                .verify(&session.access_token)
                .await
                .context("a token before it is revoked")?;
        }
    }
    let field = Arc::new(field);
    let mut workers = JoinSet::new();
    for worker in 0..way.at_once {
        workers.spawn(revoke(field.clone(), worker, way.look));
    }
    let mut all = Samples::default();
    while let Some(samples) = workers.join_next().await {
        let samples = samples??;
        all.call.extend(samples.call);
        all.each.extend(samples.each);
        all.last.extend(samples.last);
    }
    Ok(all)
}

/// Revokes one session after the other, as long as there are any.
async fn revoke(field: Arc<Field>, first: usize, look: Duration) -> anyhow::Result<Samples> {
    let mut connections = [
        Connection::open(field.nodes[0]).await?,
        Connection::open(field.nodes[1]).await?,
    ];
    let mut samples = Samples::default();
    for turn in first.. {
        let Some(session) = field.sessions.lock().await.pop() else {
            break;
        };
        let node = turn % 2;
        let request = field
            .requests
            .revocation(&field.revocation.at(field.nodes[node]), &session.refresh_token);
        let asked = Instant::now();
        connections[node]
            .exchange(&request)
            .await?
            .ok()
            .context("a revocation")?;
        let answered = Instant::now();
        samples.call.push(microseconds(answered - asked));
        let mut left: Vec<&Verifier> = field.verifiers.iter().collect();
        while !left.is_empty() {
            let mut accepting = Vec::new();
            for verifier in left {
                match verifier.verify(&session.access_token).await {
                    Ok(_) => accepting.push(verifier),
                    Err(Refused::Revoked(_)) => samples.each.push(microseconds(answered.elapsed())),
                    Err(other) => bail!("a token was refused for another reason: {other}"),
                }
            }
            left = accepting;
            if !left.is_empty() {
                ensure!(
                    answered.elapsed() < PATIENCE,
                    "a verifier does not refuse what was revoked"
                );
                tokio::time::sleep(look).await;
            }
        }
        samples.last.push(microseconds(answered.elapsed()));
    }
    Ok(samples)
}

fn row(way: &Way, samples: Samples) -> String {
    let [call, each, last] = [samples.call, samples.each, samples.last].map(Latencies::from);
    let pair = |of: &Latencies| format!("{:.1} | {:.1}", of.percentile_ms(50), of.percentile_ms(99));
    format!(
        "| {} | {} | {} | {} | {:.1} |\n",
        way.name,
        pair(&call),
        pair(&each),
        pair(&last),
        last.percentile_ms(100)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_what_its_head_says() {
        let samples = Samples {
            call: vec![2_000],
            each: vec![1_000, 3_000],
            last: vec![3_000],
        };
        let text = row(&WAYS[0], samples);
        assert_eq!(text, "| by stream | 2.0 | 2.0 | 1.0 | 3.0 | 3.0 | 3.0 | 3.0 |\n");
    }
}
