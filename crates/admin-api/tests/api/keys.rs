//! `/keys`.

use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use symbolon_admin_api::KeyOrder;
use symbolon_core::ports::RevocationLog as _;
use symbolon_core::revocation::NewRevocation;
use symbolon_jose::{JwkSet, Kid};
use symbolon_testkit::FakeClock;

use crate::bench::{Bench, Call, MAX_BODY};

/// What an import must never show.
const SECRET: &str = "MIGHAgEAMBMGByqGSM49AgEG";

fn post(path: &str, body: &Value) -> Call {
    Call::post(path).json(body)
}

/// A bench whose keys do what they are told.
async fn bench() -> Bench {
    let bench = Bench::new().await;
    bench.keys.obey();
    bench
}

/// Changes of keys, each with what it orders.
fn changes() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "/keys/rotate",
            json!({}),
            "Rotate { alg: None, dangerous_now: false }",
        ),
        (
            "/keys/rotate",
            json!({ "alg": "EdDSA", "dangerous_now": true }),
            "Rotate { alg: Some(EdDsa), dangerous_now: true }",
        ),
        (
            "/keys/generate",
            json!({ "alg": "ES256" }),
            "Generate { alg: Es256 }",
        ),
        (
            "/keys/k1/activate",
            json!({}),
            "Activate { kid: Kid(\"k1\"), dangerous_now: false }",
        ),
        (
            "/keys/k1/retire",
            json!({ "dangerous_now": true }),
            "Retire { kid: Kid(\"k1\"), dangerous_now: true }",
        ),
        (
            "/keys/import",
            json!({ "key": SECRET, "alg": "PS256", "certificates": "PEM" }),
            "Import { key: KeyText(..), alg: Some(Ps256), certificates: Some(\"PEM\") }",
        ),
    ]
}

#[tokio::test]
async fn changes_are_carried_out_as_the_callers_doing_and_waited_for() {
    for (path, body, order) in changes() {
        let bench = bench().await;
        let plan = post(&format!("{path}?reason=in%20plan"), &body)
            .to(&bench)
            .await
            .expect(200);
        assert_eq!(
            (&plan.body["dry_run"], &plan.body["warnings"][0]),
            (&json!(false), &json!("a warning"))
        );
        assert_eq!(format!("{:?}", bench.keys.orders()), format!("[{order}]"));
        let [act] = &bench.keys.acts()[..] else {
            panic!("one change")
        };
        assert_eq!(
            (act.actor.as_str(), act.reason.as_str()),
            ("client:console", "in plan")
        );
        assert!(act.request.is_some() && act.address.is_some());
        assert_eq!(bench.settled.times(), 1, "{path}");
    }
}

#[tokio::test]
async fn a_dry_run_only_plans() {
    for (path, mut body, order) in changes() {
        let bench = bench().await;
        body["dry_run"] = json!(true);
        let plan = post(path, &body).to(&bench).await.expect(200);
        assert_eq!(plan.body["dry_run"], true);
        assert_eq!(format!("{:?}", bench.keys.planned()), format!("[{order}]"));
        assert!(bench.keys.orders().is_empty(), "{path}");
        assert_eq!(bench.settled.times(), 0, "{path}");
    }
}

#[tokio::test]
async fn what_the_keys_refuse_is_the_answer() {
    for (path, body, _) in changes() {
        let bench = Bench::new().await;
        assert_eq!(post(path, &body).to(&bench).await.expect(409).kind(), "conflict");
        assert_eq!(bench.settled.times(), 0);
    }
}

#[tokio::test]
async fn what_can_not_be_ordered_names_its_field() {
    let bench = bench().await;
    for (path, body, field) in [
        ("/keys/rotate", json!({ "alg": "none" }), "alg"),
        ("/keys/rotate", json!({ "alg": "es256" }), "alg"),
        ("/keys/rotate", json!({ "at_once": true }), "at_once"),
        ("/keys/rotate", json!({ "dry_run": "yes" }), "dry_run"),
        ("/keys/generate", json!({}), ""),
        ("/keys/generate", json!({ "alg": "HS256" }), "alg"),
        (
            "/keys/k1/activate",
            json!({ "dangerous_now": 1 }),
            "dangerous_now",
        ),
        ("/keys/k1/retire", json!({ "reason": "x" }), "reason"),
        ("/keys/rewrap", json!({ "force": true }), "force"),
        ("/keys/import", json!({ "key": "x", "alg": "ES256" }), "alg"),
    ] {
        let answer = post(path, &body).to(&bench).await.expect(422);
        let fields: Vec<_> = answer.fields();
        assert_eq!(fields, [field], "{path} {body}: {}", answer.text);
    }
    for (path, body) in [
        ("/keys/k%201/activate", json!({})),
        ("/keys/%2e%2e%2fx/retire", json!({})),
        ("/keys/k%00/compromise", json!({ "reason": "leaked" })),
    ] {
        post(path, &body).to(&bench).await.expect(404);
    }
    assert!(bench.keys.orders().is_empty());
}

#[tokio::test]
async fn signing_keys_have_no_versions_to_match() {
    let bench = bench().await;
    let tag = "\"00112233445566778899aabbccddeeff\"";
    for (path, body, _) in changes() {
        let answer = post(path, &body).if_match(tag).to(&bench).await.expect(412);
        assert_eq!(answer.kind(), "stale");
    }
    post("/keys/rewrap", &json!({}))
        .if_match(tag)
        .to(&bench)
        .await
        .expect(412);
    let compromise = post("/keys/k1/compromise", &json!({ "reason": "leaked" }));
    compromise.if_match(tag).to(&bench).await.expect(412);
    assert!(bench.keys.orders().is_empty());
}

#[tokio::test]
async fn a_compromise_needs_a_reason_and_says_how_far_it_reaches() {
    let bench = bench().await;
    let long = "x".repeat(201);
    for (reason, field) in [
        (json!(null), "reason"),
        (json!(" \t"), "reason"),
        (json!("a\r\nb"), "reason"),
        (json!(long), "reason"),
    ] {
        for path in ["/keys/k1/compromise", "/keys/compromise"] {
            for dry_run in [false, true] {
                let body = json!({ "reason": reason, "dry_run": dry_run });
                post(path, &body).to(&bench).await.expect_fields(422, &[field]);
            }
        }
    }
    post("/keys/compromise", &json!({})).to(&bench).await.expect(422);
    assert!(bench.keys.orders().is_empty());

    let kid = Kid::parse("k1").unwrap();
    bench
        .store
        .append(&NewRevocation::key(&kid), FakeClock::START)
        .await
        .unwrap();
    let head = bench.store.head().await.unwrap();
    for (path, which) in [
        ("/keys/k1/compromise", "Some(Kid(\"k1\"))"),
        ("/keys/compromise", "None"),
    ] {
        let planned = post(path, &json!({ "reason": "leaked", "dry_run": true }))
            .to(&bench)
            .await
            .expect(200);
        assert_eq!(
            (&planned.body["reach"], &planned.body["revocations"]),
            (&Value::Null, &json!([]))
        );
        assert_eq!(planned.body["plan"]["dry_run"], true);

        let done = post(path, &json!({ "reason": " leaked ", "dry_run": false }))
            .to(&bench)
            .await
            .expect(200);
        assert_eq!(done.body["reach"], "everywhere");
        let entry = json!({ "kid": "k1", "log": head.log, "seq": head.seq });
        assert_eq!(done.body["revocations"], json!([entry]));
        let order = format!("Compromise {{ kid: {which} }}");
        assert_eq!(format!("{:?}", bench.keys.orders().last().unwrap()), order);
        assert_eq!(bench.keys.acts().last().unwrap().reason, "leaked");
    }
    assert_eq!(bench.settled.times(), 2);
}

#[tokio::test]
async fn a_private_key_comes_as_text_or_as_a_jwk() {
    let jwk = r#"{"kty": "EC", "d": "A\/B"}"#;
    let pem = "-----BEGIN PRIVATE KEY-----\nA\\B/\"é\"\r\n\t-----END PRIVATE KEY-----\n";
    for (json, text) in [
        (serde_json::to_string(pem).unwrap(), pem),
        (r#""A\u0042\/\u00e9\b\f""#.to_owned(), "AB/é\u{8}\u{c}"),
        (serde_json::to_string(jwk).unwrap(), jwk),
        (jwk.to_owned(), jwk),
    ] {
        let bench = bench().await;
        let body = format!("{{\"dry_run\":false,\"key\":{json}}}");
        let call = Call::post("/keys/import")
            .header(CONTENT_TYPE, "application/json")
            .raw(body);
        call.to(&bench).await.expect(200);
        let orders = bench.keys.orders();
        let [
            KeyOrder::Import {
                key,
                alg: None,
                certificates: None,
            },
        ] = &orders[..]
        else {
            panic!("{orders:?}")
        };
        assert_eq!(key.expose(), text);
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_import_is_said_without_quoting_it() {
    let bench = bench().await;
    for (body, status, fields) in [
        (format!("{{\"dry_run\":\"{SECRET}\"}}"), 422, vec!["dry_run"]),
        (format!("{{\"key\":[\"{SECRET}\"]}}"), 422, vec!["key"]),
        (format!("{{\"key\":\"\\ud800{SECRET}\"}}"), 422, vec!["key"]),
        (
            format!("{{\"key\":\"x\",\"alg\":\"{SECRET}\"}}"),
            422,
            vec!["alg"],
        ),
        (
            format!("{{\"key\":\"x\",\"pem\":\"{SECRET}\"}}"),
            422,
            vec!["pem"],
        ),
        (format!("\"{SECRET}\""), 422, vec![""]),
        ("{}".to_owned(), 422, vec![""]),
        (format!("{{\"key\":\"{SECRET}"), 400, vec![]),
        (format!("{SECRET}{{}}"), 400, vec![]),
        (format!("{{\"key\":\"x\"}}{SECRET}"), 400, vec![]),
    ] {
        let call = Call::post("/keys/import")
            .header(CONTENT_TYPE, "application/json")
            .raw(body.clone());
        let answer = call.to(&bench).await.expect(status);
        assert_eq!(answer.fields(), fields, "{body}: {}", answer.text);
        assert!(!answer.text.contains(SECRET), "{}", answer.text);
    }
    let no_json = Call::post("/keys/import")
        .header(CONTENT_TYPE, "application/x-pem-file")
        .raw(SECRET);
    no_json.to(&bench).await.expect(415);
    let long = json!({ "key": "x".repeat(MAX_BODY) });
    post("/keys/import", &long).to(&bench).await.expect(413);
    assert!(bench.keys.orders().is_empty());
}

#[tokio::test]
async fn a_repeated_import_has_one_effect() {
    let bench = bench().await;
    let import = || post("/keys/import", &json!({ "key": SECRET })).key("once");
    let first = import().to(&bench).await.expect(200);
    assert_eq!(import().to(&bench).await.expect(200).body, first.body);
    let orders = bench.keys.orders();
    let [KeyOrder::Import { key, .. }] = &orders[..] else {
        panic!("{orders:?}")
    };
    assert_eq!(key.expose(), SECRET);
}

#[tokio::test]
async fn keys_are_listed_and_shown() {
    let bench = bench().await;
    let listed = Call::get("/keys").to(&bench).await.expect(200);
    assert_eq!((listed.items().len(), &listed.body["next"]), (1, &Value::Null));
    assert_eq!(
        Call::get("/keys?all=true")
            .to(&bench)
            .await
            .expect(200)
            .items()
            .len(),
        2
    );
    Call::get("/keys?all=yes").to(&bench).await.expect(400);
    let shown = Call::get("/keys/k1").to(&bench).await.expect(200);
    assert_eq!(shown.body, listed.items()[0]);
    assert_eq!(
        Call::get("/keys/k0").to(&bench).await.expect(200).body["state"],
        "retired"
    );
    for none in ["/keys/k2", "/keys/k%201", "/keys/K1"] {
        Call::get(none).to(&bench).await.expect(404);
    }
}

#[tokio::test]
async fn public_keys_are_exported_as_jwks_and_pem() {
    let bench = bench().await;
    let jwks = Call::get("/keys/jwks").to(&bench).await.expect(200);
    let set: JwkSet = serde_json::from_str(&jwks.text).unwrap();
    let [key] = &set.keys[..] else { panic!("one key") };
    assert!(!jwks.text.contains("\"d\""));
    let one = format!("?kid={}", key.kid());
    assert_eq!(
        Call::get(&format!("/keys/jwks{one}"))
            .to(&bench)
            .await
            .expect(200)
            .body,
        jwks.body
    );

    let pem = Call::get(&format!("/keys/pem{one}")).to(&bench).await.expect(200);
    let first = &pem.body["keys"][0];
    assert_eq!(
        (&first["kid"], &first["alg"]),
        (&json!(key.kid()), &json!("ES256"))
    );
    let text = first["pem"].as_str().unwrap();
    assert!(text.starts_with("-----BEGIN PUBLIC KEY-----\n"), "{text}");
    for query in ["?kid=k9", "?kid=k%201", "?kid="] {
        Call::get(&format!("/keys/jwks{query}"))
            .to(&bench)
            .await
            .expect(404);
        Call::get(&format!("/keys/pem{query}"))
            .to(&bench)
            .await
            .expect(404);
    }
}

#[tokio::test]
async fn records_are_encrypted_again_as_the_callers_doing() {
    let bench = bench().await;
    let planned = post("/keys/rewrap", &json!({ "dry_run": true }))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(planned.body["dry_run"], true);
    let done = post("/keys/rewrap?reason=yearly", &json!({}))
        .to(&bench)
        .await
        .expect(200);
    assert_eq!(
        (&done.body["dry_run"], &done.body["signing_keys"]["changed"]),
        (&json!(false), &json!(1))
    );
    let reasons: Vec<_> = bench.keys.acts().iter().map(|act| act.reason.clone()).collect();
    assert_eq!(reasons, ["", "yearly"]);
}
