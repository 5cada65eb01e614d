//! Where passwords come from, and which are refused.

use symbolon_core::password::HashMemory;
use symbolon_core::ports::FactStore as _;

use super::*;

const HASH: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

async fn logs_in(bench: &Bench, name: &str, password: &str) -> bool {
    let credential = bench
        .store
        .credential(&name.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    credential
        .password
        .verify(&password.into(), &mut HashMemory::default())
}

fn typed(answers: &[&'static str]) -> Script {
    Script {
        answers: answers.iter().copied().collect(),
        terminal: true,
        ..Script::default()
    }
}

#[tokio::test]
async fn standard_input_gives_one_line() {
    let bench = Bench::new().await;
    for (i, stdin) in ["correct horse", "correct horse\n", "correct horse\r\n"]
        .iter()
        .enumerate()
    {
        let added = bench
            .run_typed(stdin, &format!("user add u{i} --password-stdin"))
            .await;
        assert_eq!(added.error, None);
        assert!(!added.out.contains("correct") && !added.err.contains("correct"));
        assert!(logs_in(&bench, &format!("u{i}"), "correct horse").await);
    }
}

#[tokio::test]
async fn bad_passwords_are_refused() {
    let bench = Bench::new().await;
    let long = "x".repeat(1025);
    let endless = "x".repeat(100_000);
    for (stdin, said) in [
        ("", "standard input is empty"),
        ("\n", "standard input is empty"),
        ("1234567\n", "8 to 1024 bytes"),
        (long.as_str(), "8 to 1024 bytes"),
        (endless.as_str(), "8 to 1024 bytes"),
        ("correct\nhorse\n", "more than one line"),
        ("correct horse\n\n", "more than one line"),
    ] {
        bench
            .run_typed(stdin, "user add alice --password-stdin")
            .await
            .refused(2, said);
    }
    let mut latin = Script {
        stdin: b"p\xe4sswort".to_vec(),
        ..Script::default()
    };
    bench
        .run_with(&mut latin, "user add alice --password-stdin")
        .await
        .refused(2, "not UTF-8");
    bench
        .run("user show alice")
        .await
        .refused(3, "there is no user \"alice\"");
    let longest = "x".repeat(1024) + "\r\n";
    assert_eq!(
        bench
            .run_typed(&longest, "user add alice --password-stdin")
            .await
            .error,
        None
    );
}

#[tokio::test]
async fn a_terminal_is_asked_twice() {
    let bench = Bench::new().await;
    bench
        .run("user add alice")
        .await
        .refused(2, "give --password-stdin");
    let differing = bench
        .run_with(&mut typed(&["correct horse", "correct house"]), "user add alice")
        .await;
    differing.refused(2, "the two passwords differ");
    let short = bench
        .run_with(&mut typed(&["short", "short"]), "user add alice")
        .await;
    short.refused(2, "8 to 1024 bytes");
    let nothing = bench.run_with(&mut typed(&[""]), "user add alice").await;
    nothing.refused(2, "the password is empty");
    let added = bench
        .run_with(&mut typed(&["correct horse", "correct horse"]), "user add alice")
        .await;
    assert_eq!(added.error, None);
    assert_eq!(added.asked, ["New password: ", "The same again: "]);
    assert!(logs_in(&bench, "alice", "correct horse").await);
}

#[tokio::test]
async fn hashes_are_imported_within_the_ceiling() {
    let bench = Bench::new().await;
    let line = "user add alice --password-hash-stdin";
    for (stdin, said) in [
        ("correct horse", "none of the known forms"),
        (&HASH.replace("m=256", "m=4294967295"), "Argon2 may take 1 GiB"),
        (&HASH.replace("v=19", "v=18"), "not of the form $argon2id$v=19"),
        (&"$".repeat(5000), "at most 256 bytes"),
    ] {
        bench.run_typed(stdin, line).await.refused(2, said);
    }
    let added = bench.run_typed(&format!("{HASH}\n"), line).await;
    assert_eq!(added.error, None);
    assert!(!added.out.contains("argon2"));
    assert!(logs_in(&bench, "alice", "password").await);
}
