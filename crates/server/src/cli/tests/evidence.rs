//! From the report of a verifier over HTTP to the list of verifiers.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use axum::body::Body;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use symbolon_core::ports::RevocationLog as _;
use tower::ServiceExt as _;

use super::*;
use crate::config::{Mode, Settings, Sources, load, read_file, run_command};
use crate::dev;
use crate::node::{Node, Stores, Surroundings, Wraps, cluster_clock};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A node over the bench's database, with one confidential client, one public one and a resource server.
struct Served {
    node: Node,
    clients: Value,
}

pub(super) fn settings(bench: &Bench) -> Settings {
    let database = format!("sqlite:{}", bench.dir.path().join("test.db").display());
    let environment = [
        ("SYMBOLON_ISSUER", "https://a.example/tenant"),
        ("SYMBOLON_KEYS_ENCRYPTION_KEY", KEY),
        ("SYMBOLON_DATABASE_URL", &database),
    ];
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let sources = Sources {
        file: None,
        environment: environment.into_iter().map(own).collect::<BTreeMap<_, _>>(),
        overrides: Vec::new(),
        read_file: Box::new(read_file),
        run_command: Box::new(run_command),
        dangerous_key_timings: false,
        cores: NonZeroUsize::MIN,
    };
    load(&sources, Mode::Production).unwrap().settings
}

impl Served {
    async fn by(bench: &Bench) -> Self {
        let settings = settings(bench);
        let clock = cluster_clock(&settings, bench.clock.clone());
        let stores = Stores::open(&settings, clock.clone(), &SystemRng).await.unwrap();
        let around = Surroundings {
            rng: Arc::new(SystemRng),
            wraps: Wraps::default(),
        };
        let node = Node::open(&settings, stores, around).await.unwrap();
        let place = (bench.dir.path(), "127.0.0.1:8082".parse().unwrap());
        let seeded = dev::seed(&settings, place, &node.store, &*clock, &SystemRng)
            .await
            .unwrap();
        node.refresh().await.unwrap();
        Self {
            node,
            clients: dev::json("", ("", ""), Some(&seeded)),
        }
    }

    /// Answers a report by that client, under its seeded name, with these parameters.
    async fn report(&self, client: &str, parameters: &str) -> (StatusCode, Value) {
        let member = |name: &str| self.clients[client][name].as_str().unwrap_or_default().to_owned();
        let credentials = format!("{}:{}", member("client_id"), member("client_secret"));
        let basic = format!("Basic {}", BASE64_STANDARD.encode(credentials));
        self.send(Some(&basic), parameters).await
    }

    async fn send(&self, authorization: Option<&str>, parameters: &str) -> (StatusCode, Value) {
        let mut request = Request::post("/tenant/revocations/evidence")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Body::from(parameters.to_owned())).unwrap();
        let response = self.node.router().oneshot(request).await.unwrap();
        let status = response.status();
        assert_eq!(
            response.headers().contains_key(header::WWW_AUTHENTICATE),
            status == StatusCode::UNAUTHORIZED
        );
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

fn parameters(name: &str, log: uuid::Uuid, seq: u64) -> String {
    format!("name={name}&log={log}&seq={seq}&as_of={START}&kids=k1+k2")
}

#[tokio::test]
async fn what_a_verifier_reports_is_listed_once_it_is_written() {
    let bench = Bench::new().await;
    let served = Served::by(&bench).await;
    let head = bench.store.head().await.unwrap();
    let said = parameters("api-1", head.log, head.seq);
    // Whoever serves nothing verifies nothing.
    let (refused, _) = served.report("confidential_client", &said).await;
    assert_eq!(refused, StatusCode::BAD_REQUEST);
    let answer = served.report("resource_server", &said).await;
    assert_eq!(answer, (StatusCode::NO_CONTENT, Value::Null));
    let evidence = served.node.service.evidence();
    assert_eq!(evidence.write().await.unwrap(), 1);
    assert_eq!(evidence.write().await.unwrap(), 0, "there is nothing new");
    let listed = bench.run("verifiers list --json").await.json();
    let clients: Vec<_> = listed["verifiers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert_eq!(
                (&one["name"], &one["behind"], &one["live"]),
                (&"api-1".into(), &0.into(), &true.into())
            );
            one["client_id"].as_str().unwrap()
        })
        .collect();
    assert_eq!(
        clients,
        [served.clients["resource_server"]["client_id"].as_str().unwrap()]
    );
}

#[tokio::test]
async fn who_has_not_proved_who_it_is_is_not_heard() {
    let bench = Bench::new().await;
    let served = Served::by(&bench).await;
    let head = bench.store.head().await.unwrap();
    let good = parameters("api-1", head.log, head.seq);
    let public = served.clients["public_client"]["client_id"].as_str().unwrap();
    let wrong = format!("Basic {}", BASE64_STANDARD.encode("api:wrong"));
    for (authorization, body) in [
        (None, good.clone()),
        (None, format!("{good}&client_id={public}")),
        (None, format!("{good}&client_id=nobody&client_secret=x")),
        (Some(&*wrong), good.clone()),
    ] {
        let (status, answer) = served.send(authorization, &body).await;
        assert_eq!(
            (status, &answer["error"]),
            (StatusCode::UNAUTHORIZED, &"invalid_client".into()),
            "{body}"
        );
    }
    for body in [
        format!("{good}&name=api-2"),
        good.replace("name=", "x="),
        good.replace("seq=", "seq=-"),
        good.replace("kids=k1", "kids=k%2F1"),
        good.replace("name=api-1", "name=%1b%5b31m"),
    ] {
        let (status, answer) = served.report("resource_server", &body).await;
        assert_eq!(
            (status, &answer["error"]),
            (StatusCode::BAD_REQUEST, &"invalid_request".into()),
            "{body}"
        );
    }
    assert_eq!(served.node.service.evidence().write().await.unwrap(), 0);
}
