//! Page cursors can't be forged, and are good for one list only (D5; CVE-2026-33504). No endpoint lists anything yet;
//! the command line does, by these cursors and these stores.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use symbolon_core::SystemRng;
use symbolon_core::ports::{ClientQuery, UserQuery};
use symbolon_server::secrets::open_server_keys;
use symbolon_tests::Harness;

const SQL: [&str; 6] = [
    "' OR 1=1 --",
    "'; DROP TABLE users; --",
    "x' UNION SELECT password_hash FROM users --",
    "\" OR \"\"=\"",
    "%",
    "\0",
];

#[tokio::test]
async fn rejects_cursors_that_the_list_did_not_give_out() {
    let (h, other) = (Harness::start().await, Harness::start().await);
    let open = async |h: &Harness| {
        open_server_keys(&h.node.store, &h.settings.keys.encryption_keys, &SystemRng)
            .await
            .unwrap()
            .cursors
    };
    let (cursors, foreign) = (open(&h).await, open(&other).await);
    let position = h.alice.subject.to_string();
    let good = cursors.seal("users", &position);
    assert_eq!(cursors.open("users", &good).unwrap(), position);
    assert!(
        cursors.open("clients", &good).is_err(),
        "a cursor of another list"
    );
    assert!(
        foreign.open("users", &good).is_err(),
        "a cursor of another installation"
    );

    let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(
            cursors.open("users", &URL_SAFE_NO_PAD.encode(flipped)).is_err(),
            "byte {at}"
        );
        assert!(
            cursors
                .open("users", &URL_SAFE_NO_PAD.encode(&bytes[..at]))
                .is_err(),
            "cut at {at}"
        );
    }
    for sql in SQL {
        let padded = [&[0; 16], sql.as_bytes()].concat();
        let swapped = [&bytes[..16], sql.as_bytes()].concat();
        for forged in [
            sql.to_owned(),
            URL_SAFE_NO_PAD.encode(sql),
            URL_SAFE_NO_PAD.encode(padded),
            URL_SAFE_NO_PAD.encode(swapped),
        ] {
            assert!(cursors.open("users", &forged).is_err(), "{sql}");
        }
    }
    for bad in [
        "",
        "=",
        "\u{e4}",
        &format!("{good}="),
        &format!("{good}A"),
        &STANDARD.encode(&bytes).repeat(100),
    ] {
        assert!(cursors.open("users", bad).is_err(), "{bad}");
    }
}

/// Behind the cursor, the store takes a position for what it is: a value, never SQL.
#[tokio::test]
async fn a_position_is_never_sql() {
    let h = Harness::start().await;
    let admin = h.admin();
    let (all, every) = (UserQuery::default(), ClientQuery::default());
    let kept = async || {
        let (users, clients) = (
            admin.users(&all, None, 100).await.unwrap(),
            admin.clients(&every, None, 100).await.unwrap(),
        );
        let clients: Vec<_> = clients.items.into_iter().map(|client| client.client_id).collect();
        (users.items, clients)
    };
    let before = kept().await;
    for sql in SQL {
        let (users, clients) = (
            admin.users(&all, Some(sql), 100).await,
            admin.clients(&every, Some(sql), 100).await,
        );
        assert!(users.is_err() && clients.is_err(), "{sql} is no position");
    }
    assert_eq!(kept().await, before);
    h.login(&h.app).await.ok();
}
