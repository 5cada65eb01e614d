//! A hostile password hash in the database is refused before any work (C5; RUSTSEC-2026-0199).

use sea_orm::{ConnectionTrait, Database, Statement};
use symbolon_core::password::PasswordHash;
use symbolon_tests::{Harness, PASSWORD};

const TAIL: &str = "$c29tc2FsdHNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// Hashes that demand too much, or are none.
fn hostile() -> Vec<String> {
    let heads = [
        "$argon2id$v=19$m=4294967295,t=1,p=1",
        "$argon2id$v=19$m=1048577,t=1,p=1",
        "$argon2id$v=19$m=1048576,t=16,p=1",
        "$argon2id$v=19$m=8192,t=4294967295,p=1",
        "$argon2id$v=19$m=8192,t=17,p=1",
        "$argon2id$v=19$m=8192,t=1,p=4294967295",
        "$argon2id$v=19$m=0,t=0,p=0",
        "$argon2id$v=19$m=8,t=1,p=16",
        "$argon2id$v=19$m=99999999999999999999,t=1,p=1",
        "$argon2id$v=19$m=-1,t=1,p=1",
        "$argon2id$v=19$m=8192,t=1,p=1,data=AAAA",
        "$argon2id$v=19$m=8192,t=1,p=1,m=8192",
        "$argon2id$v=18$m=8192,t=1,p=1",
        "$argon2i$v=19$m=4294967295,t=1,p=1",
        "$argon2d$v=19$m=8192,t=17,p=1",
        "$argon2x$v=19$m=8192,t=1,p=1",
        "$scrypt$ln=20,r=8,p=1",
        "$scrypt$ln=1,r=4294967295,p=4294967295",
        "$pbkdf2-sha1$99999999999999999999",
        "$scrypt$ln=30,r=8,p=1",
        "$pbkdf2-sha256$i=4294967295,l=32",
    ];
    let mut all: Vec<String> = heads.iter().map(|head| format!("{head}{TAIL}")).collect();
    all.extend([
        String::new(),
        PASSWORD.to_owned(),
        "$2b$31$abcdefghijklmnopqrstuuIVWp9u7x0pXaUeKeOYKcvKcxoXJcV9K".to_owned(),
        "$argon2id$v=19$m=8192,t=1,p=1".to_owned(),
        "$argon2id$v=19$m=8192,t=1,p=1$c29tc2FsdHNhbHQ".to_owned(),
        "$argon2id$v=19$m=8192,t=1,p=1$c29tc2FsdHNhbHQ$AAAA".to_owned(),
        format!("$argon2id$v=19$m=8192,t=1,p=1${}", "A".repeat(200)),
        format!("$argon2id$v=19$m=8192,t=1,p=1$c29t\u{0}{TAIL}"),
        "\u{1b}[2J".to_owned(),
    ]);
    all
}

#[test]
fn rejects_every_hostile_hash_at_import() {
    for hash in hostile() {
        assert!(hash.parse::<PasswordHash>().is_err(), "{hash}");
    }
}

#[tokio::test]
async fn a_login_against_a_hostile_hash_fails_without_work() {
    let h = Harness::start().await;
    let mallory = h.add_user("mallory", None, "orders:read").await;
    let session = h.login_as(&h.app, "mallory", PASSWORD, &[]).await;
    session.ok();
    let database = Database::connect(&h.settings.database.url).await.unwrap();
    let mut turns = Vec::new();
    for lane in h.nodes().map(|node| node.service.lane()) {
        while lane.running() < h.settings.passwords.hash_threads {
            turns.push(lane.enter().await.unwrap());
        }
    }
    let mut kept = 0;
    for hash in hostile() {
        let has_nul = hash.contains('\0');
        let update = Statement::from_sql_and_values(
            database.get_database_backend(),
            "UPDATE users SET password_hash = $1 WHERE subject = $2",
            [hash.into(), mallory.subject.0.into()],
        );
        match database.execute_raw(update).await {
            Err(_) if has_nul => continue, // PostgreSQL can't keep it.
            done => assert_eq!(done.unwrap().rows_affected(), 1),
        }
        kept += 1;
        // Every turn is taken, so that an answer was given without one.
        let reply = h.login_as(&h.app, "mallory", PASSWORD, &[]).await;
        reply.assert_error(500, "server_error");
        assert_eq!(
            reply.text("error_description"),
            "the server could not answer the request"
        );
    }
    assert!(h.nodes().all(|node| node.service.lane().waiting() == 0));
    assert_eq!(h.counted("requests_total", &["store_corrupt"]), kept);
    drop(turns);
    h.login(&h.app).await.ok();
    h.refresh(&h.app, &session.text("refresh_token")).await.ok();
}
