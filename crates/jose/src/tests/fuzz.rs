//! Hostile input to the import of keys. `PROPTEST_CASES` sets how many cases are tried; whatever is accepted must be a
//! whole key.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;
use sec1::EcPrivateKey;
use sec1::der::Encode as _;
use serde_json::{Map, Value, json};

use super::{armour, der, shared};
use crate::{PrivateKey, PublicKey, SigningAlg, verify_compact};

/// The longest message of a refusal, in bytes: none repeats its input.
const MAX_MESSAGE: usize = 200;

/// One of every form that is read, RSA last: its checks are slow, so that it is drawn less often.
static PEMS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let version_2 = super::vectors::RFC_8410_VERSION_2;
    [
        fixture!("p256_pkcs8.pem"),
        fixture!("p256_sec1.pem"),
        fixture!("p256_with_parameters.pem"),
        fixture!("p384_pkcs8.pem"),
        fixture!("p384_sec1.pem"),
        fixture!("ed25519_pkcs8.pem"),
        version_2,
        fixture!("rsa2048_pkcs8.pem"),
        fixture!("rsa2048_pkcs1.pem"),
    ]
    .map(str::to_owned)
    .to_vec()
});

/// Forms whose only block is a key, with their labels.
static BLOCKS: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    vec![
        ("PRIVATE KEY", der(fixture!("p256_pkcs8.pem"))),
        ("EC PRIVATE KEY", der(fixture!("p256_sec1.pem"))),
        ("PRIVATE KEY", der(fixture!("p384_pkcs8.pem"))),
        ("EC PRIVATE KEY", der(fixture!("p384_sec1.pem"))),
        ("EC PRIVATE KEY", without_point(fixture!("p256_sec1.pem"))),
        ("EC PRIVATE KEY", without_point(fixture!("p384_sec1.pem"))),
        ("PRIVATE KEY", der(fixture!("ed25519_pkcs8.pem"))),
        ("PRIVATE KEY", der(super::vectors::RFC_8410_VERSION_2)),
        ("PRIVATE KEY", der(fixture!("rsa2048_pkcs8.pem"))),
        ("RSA PRIVATE KEY", der(fixture!("rsa2048_pkcs1.pem"))),
    ]
});

static JWKS: LazyLock<Vec<Map<String, Value>>> = LazyLock::new(|| {
    [
        fixture!("p256_webcrypto.jwk"),
        fixture!("p384_webcrypto.jwk"),
        fixture!("ed25519_webcrypto.jwk"),
        fixture!("rsa2048_webcrypto.jwk"),
    ]
    .map(|text| serde_json::from_str(text).unwrap())
    .to_vec()
});

/// SEC1 with the scalar alone, so that a changed one is another key and no contradiction.
fn without_point(pem: &str) -> Vec<u8> {
    let der = der(pem);
    let mut key = EcPrivateKey::try_from(der.as_slice()).unwrap();
    key.public_key = None;
    key.to_der().unwrap()
}

/// An index into a list whose last `slow` entries are drawn once in eight times.
fn weighted(len: usize, slow: usize) -> impl Strategy<Value = usize> {
    prop_oneof![7 => 0..len - slow, 1 => len - slow..len]
}

/// A small change of a sequence of bytes.
#[derive(Clone, Debug)]
enum Change {
    Cut(Index),
    Double(Index, usize),
    Drop(Index, usize),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Set(Index, u8),
    Swap(Index, Index),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<Index>;
        prop_oneof![
            1 => at().prop_map(Self::Cut),
            2 => (at(), 1..40_usize).prop_map(|(at, len)| Self::Double(at, len)),
            2 => (at(), 1..8_usize).prop_map(|(at, len)| Self::Drop(at, len)),
            4 => (at(), 0..8_u8).prop_map(|(at, bit)| Self::Flip(at, 1 << bit)),
            2 => (at(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            4 => (at(), any::<u8>()).prop_map(|(at, byte)| Self::Set(at, byte)),
            1 => (at(), at()).prop_map(|(a, b)| Self::Swap(a, b)),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        if len == 0 {
            return;
        }
        match self {
            Self::Cut(at) => bytes.truncate(at.index(len)),
            Self::Double(at, count) => {
                let at = at.index(len);
                let copy = bytes[at..len.min(at + count)].to_vec();
                bytes.splice(at..at, copy);
            }
            Self::Drop(at, count) => {
                let at = at.index(len);
                bytes.drain(at..len.min(at + count));
            }
            Self::Flip(at, mask) => bytes[at.index(len)] ^= mask,
            Self::Insert(at, more) => {
                let at = at.index(len);
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Set(at, byte) => bytes[at.index(len)] = *byte,
            Self::Swap(a, b) => bytes.swap(a.index(len), b.index(len)),
        }
    }
}

fn apply(changes: &[Change], bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for change in changes {
        change.apply(&mut bytes);
    }
    bytes
}

/// A change of the members of a JWK.
#[derive(Clone, Debug)]
enum MemberChange {
    /// Changes the bytes that a member encodes.
    Bytes(Index, Change),
    Remove(Index),
    Rename(Index, String),
    Replace(Index, Value),
    Swap(Index, Index),
    /// Changes the text of a member.
    Text(Index, Change),
}

impl MemberChange {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<Index>;
        let names = prop::sample::select(vec![
            "kty", "crv", "alg", "use", "key_ops", "kid", "x", "y", "d", "n", "e", "p", "q", "dp", "oth", "k",
        ]);
        let values = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(json!([])),
            Just(json!({"kty": "EC"})),
            "[A-Za-z0-9_-]{0,50}".prop_map(Value::from),
            "\\PC{0,10}".prop_map(Value::from),
            prop::sample::select(vec![
                "EC", "OKP", "RSA", "oct", "P-256", "P-384", "Ed25519", "RS256", "PS256", "ES256", "EdDSA",
                "sig"
            ])
            .prop_map(Value::from),
        ];
        prop_oneof![
            4 => (at(), Change::any()).prop_map(|(at, change)| Self::Bytes(at, change)),
            1 => at().prop_map(Self::Remove),
            1 => (at(), names).prop_map(|(at, name)| Self::Rename(at, name.to_owned())),
            2 => (at(), values).prop_map(|(at, value)| Self::Replace(at, value)),
            2 => (at(), at()).prop_map(|(a, b)| Self::Swap(a, b)),
            2 => (at(), Change::any()).prop_map(|(at, change)| Self::Text(at, change)),
        ]
    }

    fn apply(&self, jwk: &mut Map<String, Value>) {
        let names: Vec<String> = jwk.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let name = |at: &Index| names[at.index(names.len())].clone();
        match self {
            Self::Bytes(at, change) => {
                if let Some(Value::String(text)) = jwk.get_mut(&name(at))
                    && let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(&*text)
                {
                    *text = BASE64_URL_SAFE_NO_PAD.encode(apply(std::slice::from_ref(change), &bytes));
                }
            }
            Self::Remove(at) => _ = jwk.remove(&name(at)),
            Self::Rename(at, new) => {
                if let Some(value) = jwk.remove(&name(at)) {
                    jwk.insert(new.clone(), value);
                }
            }
            Self::Replace(at, value) => _ = jwk.insert(name(at), value.clone()),
            Self::Swap(a, b) => {
                let (first, second) = (jwk[&name(a)].clone(), jwk[&name(b)].clone());
                jwk.insert(name(a), second);
                jwk.insert(name(b), first);
            }
            Self::Text(at, change) => {
                if let Some(Value::String(text)) = jwk.get_mut(&name(at)) {
                    let bytes = apply(std::slice::from_ref(change), text.as_bytes());
                    *text = String::from_utf8_lossy(&bytes).into_owned();
                }
            }
        }
    }
}

/// A text is refused with a short message, or gives a key that is whole: its id is the thumbprint of what it publishes,
/// what it signs verifies, and stored and read again it is the same.
fn is_refused_or_whole(text: &str) -> TestCaseResult {
    let key = match PrivateKey::from_text(text, SigningAlg::Ps256) {
        Ok(key) => key,
        Err(error) => {
            prop_assert!(error.to_string().len() <= MAX_MESSAGE, "{error}");
            return Ok(());
        }
    };
    prop_assert_eq!(key.kid(), &key.public().jwk().thumbprint());
    let token = key.sign_compact("JWT", b"{}").unwrap();
    let published = PublicKey::from_jwk(key.public().jwk()).unwrap();
    prop_assert!(verify_compact(&token, "JWT", |_| Some(&published)).is_ok());

    let stored = key.to_pkcs8_der();
    let again = PrivateKey::from_pkcs8_der(stored, key.alg()).unwrap();
    prop_assert_eq!(again.kid(), key.kid());
    prop_assert_eq!(again.to_pkcs8_der(), stored);
    let token = again.sign_compact("JWT", b"{}").unwrap();
    prop_assert!(verify_compact(&token, "JWT", |_| shared(&key)).is_ok());
    Ok(())
}

#[test]
fn what_is_changed_here_is_whole_without_a_change() {
    let jwks = JWKS.iter().map(|jwk| Value::Object(jwk.clone()).to_string());
    let blocks = BLOCKS.iter().map(|(label, der)| armour(label, der));
    for text in PEMS.iter().cloned().chain(blocks).chain(jwks) {
        assert!(PrivateKey::from_text(&text, SigningAlg::Ps256).is_ok());
        is_refused_or_whole(&text).unwrap();
    }
}

proptest! {
    #[test]
    fn any_text(text in "\\PC{0,200}") {
        is_refused_or_whole(&text)?;
    }

    #[test]
    fn any_text_of_the_pieces_of_pem(
        text in "(-----BEGIN |-----END |EC |RSA |PRIVATE KEY|-----|\r?\n|MIIB|AgEAMBMGByqGSM49|=|Proc-Type: 4,ENCRYPTED|\\PC){0,40}",
    ) {
        is_refused_or_whole(&text)?;
    }

    #[test]
    fn any_text_of_the_pieces_of_a_jwk(
        text in "\\{(\\{|\\}|\\[|\\]|,|:|\"kty\"|\"EC\"|\"crv\"|\"P-256\"|\"keys\"|\"d\"|\"AQAB\"|null|\\\\u0064|-1e9|\\PC){0,40}",
    ) {
        is_refused_or_whole(&text)?;
    }

    #[test]
    fn any_bytes_under_any_label(
        label in prop::sample::select(vec!["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"]),
        bytes in vec(any::<u8>(), 0..300),
    ) {
        is_refused_or_whole(&armour(label, &bytes))?;
        for alg in SigningAlg::ALL {
            prop_assert!(PrivateKey::from_pkcs8_der(&bytes, alg).is_err());
            prop_assert!(PublicKey::from_spki_der(&bytes, alg).is_err());
        }
    }

    #[test]
    fn changes_of_pem_text(which in weighted(PEMS.len(), 2), changes in vec(Change::any(), 1..4)) {
        let text = apply(&changes, PEMS[which].as_bytes());
        is_refused_or_whole(&String::from_utf8_lossy(&text))?;
    }

    #[test]
    fn changes_of_the_bytes_of_a_pem_block(which in weighted(BLOCKS.len(), 2), changes in vec(Change::any(), 1..4)) {
        let (label, der) = &BLOCKS[which];
        is_refused_or_whole(&armour(label, &apply(&changes, der)))?;
    }

    #[test]
    fn changes_of_the_members_of_a_jwk(
        which in weighted(JWKS.len(), 1), changes in vec(MemberChange::any(), 1..4), in_a_set in prop::bool::weighted(0.1),
    ) {
        let mut jwk = JWKS[which].clone();
        for change in &changes {
            change.apply(&mut jwk);
        }
        let jwk = Value::Object(jwk);
        let text = if in_a_set { json!({"keys": [jwk]}) } else { jwk };
        is_refused_or_whole(&text.to_string())?;
    }

    #[test]
    fn changes_of_the_text_of_a_jwk(which in weighted(JWKS.len(), 1), changes in vec(Change::any(), 1..4)) {
        let text = Value::Object(JWKS[which].clone()).to_string();
        is_refused_or_whole(&String::from_utf8_lossy(&apply(&changes, text.as_bytes())))?;
    }
}
