//! Certificates beside a key: what is read, what is published, and the message of each refusal.

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, date_time_ymd,
};
use serde_json::{Value, json};

use super::{armour, der, key};
use crate::{CertificateChain, CertificateError, JwkSet, KeyError, PublicJwk, PublicKey, SigningAlg};

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A root and an authority that it certified.
fn authorities() -> (Issuer, Issuer) {
    let root = KeyPair::generate().unwrap();
    let root = CertifiedIssuer::self_signed(authority("root"), root).unwrap();
    let issuing = KeyPair::generate().unwrap();
    let issuing = CertifiedIssuer::signed_by(authority("issuing"), issuing, &root).unwrap();
    (root, issuing)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_after = date_time_ymd(2031, 5, 6);
    params
}

/// Our key as rcgen needs it.
fn key_pair(alg: SigningAlg) -> KeyPair {
    let signature = match alg {
        SigningAlg::Es256 => &PKCS_ECDSA_P256_SHA256,
        SigningAlg::Es384 => &PKCS_ECDSA_P384_SHA384,
        SigningAlg::EdDsa => &PKCS_ED25519,
        SigningAlg::Ps256 | SigningAlg::Rs256 => &PKCS_RSA_SHA256,
    };
    KeyPair::from_pkcs8_der_and_sign_algo(&key(alg).to_pkcs8_der().into(), signature).unwrap()
}

/// The certificate of our key, as PEM.
fn certify(alg: SigningAlg, params: CertificateParams, issuer: &Issuer) -> String {
    params.signed_by(&key_pair(alg), issuer).unwrap().pem()
}

/// A chain of three for our key, as PEM.
fn chain(alg: SigningAlg) -> String {
    let (root, issuing) = authorities();
    [certify(alg, named("key"), &issuing), issuing.pem(), root.pem()].concat()
}

fn read(pem: &str) -> CertificateChain {
    CertificateChain::from_pem(pem).unwrap()
}

fn message(pem: &str) -> String {
    CertificateChain::from_pem(pem).unwrap_err().to_string()
}

#[test]
fn certificates_of_each_kind_of_key_are_published_beside_it() {
    for alg in SigningAlg::ALL {
        let plain = key(alg).public().clone();
        let certified = plain.with_certificates(read(&chain(alg))).unwrap();
        assert_eq!(certified.kid(), plain.kid());
        assert_eq!(certified.jwk().thumbprint(), plain.jwk().thumbprint());
        assert_eq!(plain.jwk().certificates(), None);

        let mut value = serde_json::to_value(certified.jwk()).unwrap();
        let x5c = value.as_object_mut().unwrap().remove("x5c").unwrap();
        assert_eq!(value, serde_json::to_value(plain.jwk()).unwrap());
        let ders: Vec<&[u8]> = certified.jwk().certificates().unwrap().ders().collect();
        let standard: Vec<String> = ders
            .iter()
            .map(|der| base64::Engine::encode(&base64::prelude::BASE64_STANDARD, der))
            .collect();
        assert_eq!((x5c, ders.len()), (json!(standard), 3));

        let signature = sign(alg);
        certified.verify(b"input", &signature).unwrap();
    }
}

fn sign(alg: SigningAlg) -> Vec<u8> {
    crate::backend::signer(alg, key(alg).to_pkcs8_der())
        .unwrap()
        .sign(b"input")
        .unwrap()
}

#[test]
fn a_set_with_certificates_survives_its_encoding() {
    let certified = key(SigningAlg::Es256)
        .public()
        .with_certificates(read(&chain(SigningAlg::Es256)))
        .unwrap();
    let set = JwkSet {
        keys: vec![
            certified.jwk().clone(),
            key(SigningAlg::EdDsa).public().jwk().clone(),
        ],
    };
    let text = serde_json::to_string(&set).unwrap();
    let again: JwkSet = serde_json::from_str(&text).unwrap();
    assert_eq!(again, set);
    assert_eq!(
        PublicKey::from_jwk(&again.keys[0]).unwrap().jwk(),
        certified.jwk()
    );
    // A reader nobody here wrote takes it as well.
    let foreign: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&text).unwrap();
    assert_eq!(foreign.keys[0].common.x509_chain.as_ref().unwrap().len(), 3);
}

#[test]
fn certificates_can_be_replaced() {
    let once = key(SigningAlg::Es256)
        .public()
        .with_certificates(read(&chain(SigningAlg::Es256)))
        .unwrap();
    let (root, _) = authorities();
    let renewed = read(&certify(SigningAlg::Es256, named("renewed"), &root));
    let twice = once.with_certificates(renewed.clone()).unwrap();
    assert_eq!(twice.jwk().certificates(), Some(&renewed));
}

#[test]
fn the_stored_text_comes_back_unchanged() {
    let noisy = format!(
        "\u{feff}Bag Attributes\n{}",
        chain(SigningAlg::Es256).replace('\n', "\r\n")
    );
    let first = read(&noisy);
    let text = first.to_pem();
    assert!(text.lines().all(|line| line.len() <= 64));
    let again = read(&text);
    assert_eq!(again, first);
    assert_eq!((again.to_pem(), again.not_after()), (text, first.not_after()));
}

#[test]
fn tells_when_the_certificate_of_the_key_ends_and_judges_no_dates() {
    let (root, _) = authorities();
    for (year, seconds) in [
        (2031, 1_935_792_000),
        (1999, 928_627_200),
        (1950, -617_673_600),
        (9999, 253_384_243_200),
    ] {
        let mut params = named("key");
        params.not_before = date_time_ymd(1950, 1, 1);
        params.not_after = if year == 2031 {
            date_time_ymd(2031, 5, 6)
        } else {
            date_time_ymd(year, 6, 6)
        };
        let chain = read(&certify(SigningAlg::Es256, params, &root));
        assert_eq!(chain.not_after(), seconds, "{year}");
        assert!(key(SigningAlg::Es256).public().with_certificates(chain).is_ok());
    }
}

#[test]
fn reads_what_openssl_writes() {
    let certificate = read(fixture!("certificate.pem"));
    assert_eq!(
        certificate.ders().next(),
        Some(der(fixture!("certificate.pem")).as_slice())
    );
}

#[test]
fn names_what_is_wrong_with_the_text() {
    const EMPTY: &str = "no certificate found; expected `-----BEGIN CERTIFICATE-----`";
    let label = |name: &str| format!("the file holds `{name}`; give a file with certificates only");
    let (root, issuing) = authorities();
    let leaf = certify(SigningAlg::Es256, named("key"), &issuing);
    let whole = [&leaf[..], &issuing.pem(), &root.pem()].concat();
    let der = der(&leaf);
    let with_key = [&whole, fixture!("p256_pkcs8.pem")].concat();
    let malformed = |position| format!("certificate {position} is not well-formed X.509");
    let issuer = |position| {
        format!(
            "certificate {position} was not issued by the next one; put the key's own first, then each issuer"
        )
    };
    for (text, wanted) in [
        ("", EMPTY.to_owned()),
        ("prose", EMPTY.to_owned()),
        (r#"["MIIB"]"#, EMPTY.to_owned()),
        (&with_key, label("PRIVATE KEY")),
        (fixture!("p256_public.pem"), label("PUBLIC KEY")),
        (fixture!("certificate_request.pem"), label("CERTIFICATE REQUEST")),
        (&armour("TRUSTED CERTIFICATE", &der), label("TRUSTED CERTIFICATE")),
        (
            &leaf[..100],
            "the PEM text is broken: there is no END line".to_owned(),
        ),
        (
            &leaf.replacen("MII", "M!I", 1),
            "the PEM text is broken: the text between the BEGIN and END lines is not base64".to_owned(),
        ),
        (&armour("CERTIFICATE", &[]), malformed(1)),
        (&armour("CERTIFICATE", &der[..der.len() - 1]), malformed(1)),
        (&armour("CERTIFICATE", &[&der[..], &[0]].concat()), malformed(1)),
        (
            &[&leaf[..], &armour("CERTIFICATE", b"\x30\x00")].concat(),
            malformed(2),
        ),
        (
            &armour("CERTIFICATE", &super::der(fixture!("p256_public.pem"))),
            malformed(1),
        ),
        (&[&leaf[..], &root.pem()].concat(), issuer(1)),
        (&[&issuing.pem()[..], &leaf].concat(), issuer(1)),
        (&[&leaf[..], &leaf].concat(), issuer(1)),
        (&[&leaf[..], &issuing.pem(), &issuing.pem()].concat(), issuer(2)),
        (
            &root.pem().repeat(9),
            "there are more than 8 certificates; give the chain of the key alone".to_owned(),
        ),
        (
            &armour("CERTIFICATE", &vec![0; 32 * 1024 + 1]),
            "certificate 1 is longer than 32768 bytes".to_owned(),
        ),
        (
            &"x".repeat(512 * 1024 + 1),
            "the text is longer than 524288 bytes; give the chain of the key alone".to_owned(),
        ),
    ] {
        assert_eq!(message(text), wanted);
    }
    assert_eq!(read(&root.pem().repeat(8)).ders().len(), 8);
    assert_eq!(read(&whole).ders().len(), 3);
}

#[test]
fn rejects_a_forged_link_of_the_chain() {
    let (_, issuing) = authorities();
    // Another authority of the same name: names match, the signature does not.
    let (_, namesake) = authorities();
    let leaf = certify(SigningAlg::Es256, named("key"), &issuing);
    assert_eq!(
        CertificateChain::from_pem(&[&leaf[..], &namesake.pem()].concat()).unwrap_err(),
        CertificateError::Issuer { position: 1 }
    );
    // One that may not sign certificates.
    let mut params = named("no authority");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let no_authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let leaf = certify(SigningAlg::Es256, named("key"), &no_authority);
    assert_eq!(
        CertificateChain::from_pem(&[&leaf[..], &no_authority.pem()].concat()).unwrap_err(),
        CertificateError::Issuer { position: 1 }
    );
}

#[test]
fn rejects_certificates_of_another_key_or_another_use() {
    const OTHER_KEY: &str =
        "the first certificate belongs to another key; give the chain of this key, its own certificate first";
    let (root, issuing) = authorities();
    let refuse = |alg: SigningAlg, pem: &str| {
        let error = key(alg).public().with_certificates(read(pem)).unwrap_err();
        assert_eq!(error, KeyError::CertificateChain(CertificateError::OtherKey));
        assert_eq!(error.to_string(), OTHER_KEY);
    };
    for alg in SigningAlg::ALL {
        refuse(alg, fixture!("certificate.pem"));
        refuse(alg, &[issuing.pem(), root.pem()].concat());
    }
    refuse(SigningAlg::Es256, &chain(SigningAlg::Es384));
    refuse(SigningAlg::Rs256, &chain(SigningAlg::EdDsa));

    let mut params = named("key");
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let chain = read(&certify(SigningAlg::Rs256, params, &root));
    let error = key(SigningAlg::Rs256)
        .public()
        .with_certificates(chain)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the first certificate does not allow signatures: its key usage lacks digitalSignature"
    );
    let mut params = named("key");
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
    ];
    let chain = read(&certify(SigningAlg::Rs256, params, &root));
    assert!(key(SigningAlg::Rs256).public().with_certificates(chain).is_ok());
}

#[test]
fn an_x5c_that_is_read_is_judged() {
    let certified = key(SigningAlg::Es256)
        .public()
        .with_certificates(read(&chain(SigningAlg::Es256)))
        .unwrap();
    let value = serde_json::to_value(certified.jwk()).unwrap();
    let read = |x5c: Value| {
        let mut value = value.clone();
        value["x5c"] = x5c;
        serde_json::from_value::<PublicJwk>(value).map_err(|error| error.to_string())
    };
    let x5c = value["x5c"].as_array().unwrap().clone();
    assert_eq!(read(json!(x5c)).unwrap(), *certified.jwk());
    assert!(read(json!(x5c[..1])).is_ok());
    let first = x5c[0].as_str().unwrap();
    let url_alphabet = first.replace('+', "-").replace('/', "_");
    assert_ne!(url_alphabet, first);
    for malformed in [
        json!(null),
        json!(first),
        json!([]),
        json!([1]),
        json!([[first]]),
        json!([url_alphabet]),
        json!([format!("{first}\n")]),
        json!([first, "A"]),
        json!(["A".repeat(43_696)]),
    ] {
        let error = read(malformed).unwrap_err();
        assert_eq!(error, KeyError::JwkMember("x5c").to_string());
    }
    assert_eq!(
        read(json!([first, first])).unwrap_err(),
        CertificateError::Issuer { position: 1 }.to_string()
    );
    assert_eq!(
        read(json!(vec![""; 9])).unwrap_err(),
        CertificateError::TooMany { limit: 8 }.to_string()
    );
    let mut other = serde_json::to_value(key(SigningAlg::Es384).public().jwk()).unwrap();
    other["x5c"] = json!(x5c);
    let other: PublicJwk = serde_json::from_value(other).unwrap();
    let error = PublicKey::from_jwk(&other).unwrap_err();
    assert_eq!(error, KeyError::CertificateChain(CertificateError::OtherKey));
}

#[test]
fn debug_shows_no_certificate() {
    let text = format!("{:?}", read(fixture!("certificate.pem")));
    assert!(text.contains("len: 1") && text.len() < 80, "{text}");
}

proptest! {
    #[test]
    fn no_change_of_a_chain_makes_the_reader_panic(
        which in 0..3_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        static CHAIN: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| chain(SigningAlg::Es256));
        let mut ders: Vec<Vec<u8>> = read(&CHAIN).ders().map(<[u8]>::to_vec).collect();
        let at = at.index(ders[which].len());
        if cut {
            ders[which].truncate(at);
        } else {
            ders[which][at] ^= byte;
        }
        let pem: String = ders.iter().map(|der| armour("CERTIFICATE", der)).collect();
        if let Ok(chain) = CertificateChain::from_pem(&pem) {
            prop_assert_eq!(CertificateChain::from_pem(&chain.to_pem()).unwrap(), chain.clone());
            // What is signed can't be changed, except in the last one, whose issuer is not there.
            prop_assert!(which == 2 || ders[which] == read(&CHAIN).ders().nth(which).unwrap());
        }
    }
}
