//! A server whose issuer changes.

use symbolon_tests::binary::{Server, Site};

use super::eventually;

async fn signed(server: &Server) {
    let is_signed = async || server.process.err().contains("\"audit checkpoint\"");
    eventually("a checkpoint in the log", is_signed).await;
}

/// In the development mode the port is part of the issuer.
#[tokio::test]
async fn the_trail_goes_on_under_another_issuer() {
    let site = Site::dev();
    let server = site.serve().await;
    let before = server.text("/issuer").to_owned();
    signed(&server).await;
    let kept = site.write("kept", &server.process.err()).display().to_string();
    server.stop().await;

    let server = site.serve().await;
    let after = server.text("/issuer").to_owned();
    assert_ne!(before, after);
    let verify = format!("audit verify --checkpoints {kept}");
    let verified = site.json(&verify).await;
    assert_eq!(
        (&verified["intact"], &verified["given"]),
        (&true.into(), &1.into())
    );
    let told = site.json("audit list --event issuer.changed").await;
    assert_eq!(told["records"].as_array().map(Vec::len), Some(1), "{told}");
    let details = &told["records"][0]["event"]["details"];
    assert_eq!(
        (&details["before"], &details["after"]),
        (&before.into(), &after.into()),
        "{told}"
    );

    // What is signed now follows from what was signed before.
    signed(&server).await;
    let said = server.process.err();
    assert!(!said.contains("no checkpoint of the audit trail"), "{said}");
    let more = site.json(&verify).await;
    assert_eq!(more["intact"], true);
    assert!(more["signed"].as_u64() > verified["signed"].as_u64(), "{more}");
    server.stop().await;
}
