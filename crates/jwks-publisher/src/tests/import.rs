use std::path::Path;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use symbolon_core::audit::Act;
use symbolon_core::keys::KeyState;
use symbolon_core::tokens::AccessTokens;
use tempfile::TempDir;

use super::*;

const ES256: &[SigningAlg] = &[SigningAlg::Es256];

fn pem(key: &PrivateKey) -> String {
    let body = BASE64_STANDARD.encode(key.to_pkcs8_der());
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
}

/// RSA keys take long to make: one for all tests here.
fn rsa_pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| pem(&generate(SigningAlg::Rs256)))
}

struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn config(&self, algorithms: &[SigningAlg]) -> KeyringConfig {
        KeyringConfig {
            import_dir: Some(self.path().to_owned()),
            ..config(algorithms)
        }
    }
}

/// Starts on an empty store, expects a refusal that writes nothing, and gives its text.
async fn refused(folder: &Folder, algorithms: &[SigningAlg]) -> String {
    let store = Arc::new(MemoryKeys::default());
    let text = refusal(&store, folder.config(algorithms)).await;
    assert!(store.rows().is_empty(), "{text}");
    text
}

#[tokio::test]
async fn the_first_key_of_an_algorithm_becomes_active_the_second_pending() {
    let (first, second) = (generate(SigningAlg::Es256), generate(SigningAlg::Es256));
    let folder = Folder::with(&[
        ("b.pem", &pem(&second)),
        ("a.pem", &pem(&first)),
        ("note.txt", "no key"),
    ]);
    let store = Arc::new(MemoryKeys::default());
    let keyring = open(&store, folder.config(ES256)).await.unwrap();
    assert_eq!(store.row("active").kid, *first.kid());
    assert_eq!(store.row("pending").kid, *second.kid());
    assert_eq!(store.rows().len(), 2);
    let token = keyring.sign(None, &claims()).await.unwrap();
    assert_eq!(keyring.verify(&token).unwrap().kid, *first.kid());

    open(&store, folder.config(ES256)).await.unwrap();
    assert_eq!(store.rows().len(), 2, "a second start imports nothing again");
    assert_eq!(store.acts(), [Act::server("import folder")]);
}

#[tokio::test]
async fn a_third_key_of_an_algorithm_is_refused() {
    let keys: Vec<String> = std::iter::repeat_with(|| pem(&generate(SigningAlg::Es256)))
        .take(3)
        .collect();
    let folder = Folder::with(&[("a.pem", &keys[0]), ("b.pem", &keys[1]), ("c.pem", &keys[2])]);
    let text = refused(&folder, ES256).await;
    assert!(
        text.contains(
            "c.pem (in `keys.import_dir`): another file of the folder is the pending ES256 key already"
        ),
        "{text}"
    );
}

#[tokio::test]
async fn the_algorithm_of_rsa_keys_is_named_by_the_file_or_the_configuration() {
    let named = [("x.ps256.pem", rsa_pem())];
    let plain = [("x.pem", rsa_pem())];
    let both = [SigningAlg::Rs256, SigningAlg::Ps256];
    for (files, algorithms, alg) in [
        (&named, &both[..], SigningAlg::Ps256),
        (&plain, &both[..], SigningAlg::Rs256),
        (&plain, &both[1..], SigningAlg::Ps256),
    ] {
        let folder = Folder::with(files);
        let imported = crate::import::read(folder.path(), algorithms).unwrap();
        assert_eq!(imported[0].key.alg(), alg, "{files:?}");
    }
}

#[tokio::test]
async fn an_imported_rsa_key_signs() {
    let folder = Folder::with(&[("x.ps256.pem", rsa_pem())]);
    let store = Arc::new(MemoryKeys::default());
    let keyring = open(&store, folder.config(&[SigningAlg::Ps256])).await.unwrap();
    let imported = PrivateKey::from_pem(rsa_pem(), SigningAlg::Ps256).unwrap();
    let token = keyring.sign(None, &claims()).await.unwrap();
    assert_eq!(keyring.verify(&token).unwrap().kid, *imported.kid());
}

#[tokio::test]
async fn jwks_are_imported_like_pem() {
    // RFC 7515 appendix A.3.1.
    let ec = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
    let folder = Folder::with(&[("a.jwk", ec), ("b.json", "no key")]);
    let store = Arc::new(MemoryKeys::default());
    open(&store, folder.config(ES256)).await.unwrap();
    let kid = PrivateKey::from_text(ec, SigningAlg::Rs256)
        .unwrap()
        .kid()
        .clone();
    assert_eq!(store.row("active").kid, kid);

    let named = Folder::with(&[("a.ps256.jwk", ec)]);
    let text = refused(&named, &[SigningAlg::Es256, SigningAlg::Ps256]).await;
    assert!(
        text.contains("a.ps256.jwk (in `keys.import_dir`): its name says PS256 and it holds a key for ES256"),
        "{text}"
    );
}

#[tokio::test]
async fn keys_that_are_not_wanted_are_refused_by_name() {
    let ec = pem(&generate(SigningAlg::Es384));
    let long = "x".repeat(65 * 1024);
    for (name, text, algorithms, wanted) in [
        (
            "rsa.pem",
            rsa_pem(),
            ES256,
            "it holds a key for RS256, which is not in `keys.algorithms`; add RS256 there or remove the file",
        ),
        (
            "rsa.ps256.pem",
            rsa_pem(),
            &[SigningAlg::Rs256],
            "it holds a key for PS256, which is not in `keys.algorithms`",
        ),
        (
            "ec.pem",
            &ec,
            ES256,
            "it holds a key for ES384, which is not in `keys.algorithms`",
        ),
        (
            "ec.rs256.pem",
            &ec,
            &[SigningAlg::Es384],
            "its name says RS256 and it holds a key for ES384; rename the file",
        ),
        ("empty.pem", "", ES256, "no key found"),
        (
            "long.pem",
            &long,
            ES256,
            "it is longer than 65536 bytes; that is no key",
        ),
    ] {
        let folder = Folder::with(&[(name, text)]);
        let found = refused(&folder, algorithms).await;
        assert!(
            found.contains(&format!("{name} (in `keys.import_dir`): {wanted}")),
            "{found}"
        );
    }
}

#[tokio::test]
async fn one_bad_file_keeps_the_good_ones_out() {
    let good = pem(&generate(SigningAlg::Es256));
    let folder = Folder::with(&[("a.pem", &good), ("b.pem", "broken")]);
    assert!(refused(&folder, ES256).await.contains("b.pem"));
}

#[tokio::test]
async fn folders_that_are_no_folders_of_keys_are_refused() {
    let folder = Folder::with(&[]);
    std::fs::create_dir(folder.path().join("dir.pem")).unwrap();
    assert!(
        refused(&folder, ES256)
            .await
            .contains("dir.pem (in `keys.import_dir`): it is not a file")
    );

    let binary = Folder::with(&[]);
    std::fs::write(binary.path().join("key.pem"), [0x30, 0x81, 0xff]).unwrap();
    assert!(
        refused(&binary, ES256)
            .await
            .contains("key.pem (in `keys.import_dir`): it is not text")
    );

    let names: Vec<String> = (0..65).map(|i| format!("{i}.pem")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let text = refused(&Folder::with(&files), ES256).await;
    assert!(text.contains("holds more than 64 keys"), "{text}");

    let mut missing = Folder::with(&[]).config(ES256);
    missing.import_dir = missing.import_dir.map(|dir| dir.join("absent"));
    let text = refusal(&Arc::new(MemoryKeys::default()), missing).await;
    assert!(
        text.starts_with("`keys.import_dir`, ") && text.contains("can't be read"),
        "{text}"
    );
}

#[tokio::test]
async fn a_key_that_was_retired_is_not_used_again() {
    let key = generate(SigningAlg::Es256);
    let folder = Folder::with(&[("a.pem", &pem(&key))]);
    let store = Arc::new(MemoryKeys::default());
    open(&store, folder.config(ES256)).await.unwrap();
    let next = store.row("pending");
    store.set_state(&next.kid, next.state.activate(NOW).unwrap());
    store.set_state(
        key.kid(),
        KeyState::Retired {
            activated: None,
            retired: NOW,
        },
    );
    let keyring = open(&store, folder.config(ES256)).await.unwrap();
    assert!(!kids(&keyring).contains(&key.kid().to_string()));
    assert_eq!(store.row("retired").kid, *key.kid());
    assert!(keyring.sign(None, &claims()).await.is_ok());
}

#[tokio::test]
async fn another_node_that_imports_the_same_file_first_does_no_harm() {
    let folder = Folder::with(&[("a.pem", &pem(&generate(SigningAlg::Es256)))]);
    let elsewhere = Arc::new(MemoryKeys::default());
    let rival = open(&elsewhere, folder.config(ES256)).await.unwrap();
    let store = Arc::new(MemoryKeys::default());
    store.rival_adds(elsewhere.rows());
    let keyring = open(&store, folder.config(ES256)).await.unwrap();
    assert_eq!(kids(&keyring), kids(&rival));
}

#[tokio::test]
async fn one_key_in_two_files_is_refused_by_both_names() {
    let key = pem(&generate(SigningAlg::Es256));
    let folder = Folder::with(&[("a.pem", &key), ("b.pem", &key)]);
    let text = refused(&folder, ES256).await;
    assert!(
        text.contains("b.pem (in `keys.import_dir`): it holds the same key as"),
        "{text}"
    );
    assert!(text.ends_with("a.pem; remove one of them"), "{text}");
}
