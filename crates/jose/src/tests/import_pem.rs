//! Import of PEM: what is read, and the message of each refusal.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rsa::pkcs1::{self, UintRef, der::Encode as _};
use rsa::{BigUint, RsaPrivateKey};
use sec1::der::Encode as _;
use sec1::{EcParameters, EcPrivateKey};

use super::{armour, der, key, rsa_numbers};
use crate::{KeyError, PrivateKey, SigningAlg};

fn import(text: &str) -> Result<PrivateKey, KeyError> {
    let result = PrivateKey::from_text(text, SigningAlg::Ps256);
    assert_eq!(
        PrivateKey::from_pem(text, SigningAlg::Ps256).err(),
        result.as_ref().err().cloned()
    );
    result
}

fn message(text: &str) -> String {
    import(text).unwrap_err().to_string()
}

#[test]
fn reads_every_form_as_the_same_key() {
    for (pkcs8, traditional, alg) in [
        (
            fixture!("rsa2048_pkcs8.pem"),
            fixture!("rsa2048_pkcs1.pem"),
            SigningAlg::Ps256,
        ),
        (
            fixture!("p256_pkcs8.pem"),
            fixture!("p256_sec1.pem"),
            SigningAlg::Es256,
        ),
        (
            fixture!("p384_pkcs8.pem"),
            fixture!("p384_sec1.pem"),
            SigningAlg::Es384,
        ),
    ] {
        let first = import(pkcs8).unwrap();
        let second = import(traditional).unwrap();
        assert_eq!((first.alg(), second.alg()), (alg, alg));
        assert_eq!(first.kid(), second.kid());
        assert_eq!(first.to_pkcs8_der(), second.to_pkcs8_der());
    }
    for (pem, alg) in [
        (fixture!("ed25519_pkcs8.pem"), SigningAlg::EdDsa),
        (fixture!("p256_with_parameters.pem"), SigningAlg::Es256),
    ] {
        assert_eq!(import(pem).unwrap().alg(), alg);
    }
}

#[test]
fn reads_sec1_without_its_public_point_and_with_a_compressed_one() {
    let kid = import(fixture!("p256_sec1.pem")).unwrap().kid().clone();
    let der = der(fixture!("p256_sec1.pem"));
    let whole = EcPrivateKey::try_from(der.as_slice()).unwrap();
    let point = whole.public_key.unwrap();
    let compressed = [&[2 + (point[64] & 1)], &point[1..33]].concat();
    for public_key in [None, Some(compressed.as_slice())] {
        let other = EcPrivateKey {
            public_key,
            ..whole.clone()
        };
        let key = import(&armour("EC PRIVATE KEY", &other.to_der().unwrap())).unwrap();
        assert_eq!(key.kid(), &kid);
        assert_eq!(
            key.to_pkcs8_der(),
            import(fixture!("p256_sec1.pem")).unwrap().to_pkcs8_der()
        );
    }
}

#[test]
fn tolerates_what_editors_and_tools_add_around_a_block() {
    let pem = fixture!("p256_pkcs8.pem");
    let kid = import(pem).unwrap().kid().clone();
    for text in [
        pem.replace('\n', "\r\n"),
        format!("\u{feff}{pem}"),
        format!("\n  \n{pem}"),
        format!("Bag Attributes\n    friendlyName: key\n{pem}\n# end\n"),
        pem.trim_end().to_owned(),
        pem.replace('\n', "  \n"),
        format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
            BASE64_STANDARD.encode(der(pem))
        ),
    ] {
        assert_eq!(import(&text).unwrap().kid(), &kid);
    }
}

const NO_KEY: &str = "no key found; expected PEM (`-----BEGIN PRIVATE KEY-----`) or a JWK (`{\"kty\": ...}`)";
const TOO_LONG: &str = "the input is longer than 65536 bytes; that is no key";
const NOT_BASE64: &str = "the PEM text is broken: the text between the BEGIN and END lines is not base64";
const NO_END: &str = "the PEM text is broken: there is no END line";
const ONE_LINE: &str =
    "the PEM text is broken: the BEGIN line must stand on a line of its own, without spaces in front";
const ENCRYPTED: &str =
    "the private key is encrypted; decrypt it first: `openssl pkey -in key.pem -out plain.pem`";
const CERTIFICATE: &str =
    "the file holds a certificate or a request for one; give the private key that belongs to it";
const PUBLIC: &str = "the file holds a public key; give the private key";
const SEVERAL: &str = "the file holds more than one PEM block; give each private key its own file";

#[test]
fn names_what_is_wrong_with_the_text() {
    let p256 = fixture!("p256_pkcs8.pem");
    let body = BASE64_STANDARD.encode(der(p256));
    let with_body = |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let binary = String::from_utf8_lossy(&der(p256)).into_owned();
    let wide: String = p256.chars().flat_map(|c| [c, '\0']).collect();
    for (what, text, wanted) in [
        ("nothing", String::new(), NO_KEY),
        ("a byte order mark alone", "\u{feff}".to_owned(), NO_KEY),
        ("prose", "my key".to_owned(), NO_KEY),
        ("an array", "[{}]".to_owned(), NO_KEY),
        ("bare base64", body.clone(), NO_KEY),
        ("DER", binary, NO_KEY),
        ("zeros", "\0".repeat(1000), NO_KEY),
        ("UTF-16", wide, NO_KEY),
        (
            "an indented block",
            p256.replace('\n', "\n  ").replacen("-----", "  -----", 1),
            ONE_LINE,
        ),
        ("parameters alone", armour("EC PARAMETERS", &[0x06, 0x00]), NO_KEY),
        (
            "an END line alone",
            "-----END PRIVATE KEY-----\n".to_owned(),
            NO_KEY,
        ),
        ("64 KiB and a byte", "x".repeat(64 * 1024 + 1), TOO_LONG),
        ("1 MiB", "x".repeat(1 << 20), TOO_LONG),
        (
            "a key and 1 MiB behind it",
            format!("{p256}{}", "\n".repeat(1 << 20)),
            TOO_LONG,
        ),
        ("a block cut short", p256[..100].to_owned(), NO_END),
        (
            "an END line cut short",
            p256.trim_end()[..p256.len() - 3].to_owned(),
            NO_END,
        ),
        ("a block on one line", p256.replace('\n', "\\n"), ONE_LINE),
        (
            "another END line",
            p256.replace("END PRIVATE", "END EC PRIVATE"),
            "the PEM text is broken: the END line names another label",
        ),
        (
            "another character",
            with_body(&body.replacen('M', "!", 1)),
            NOT_BASE64,
        ),
        (
            "the alphabet of URLs",
            with_body(&body.replacen('M', "-", 1)),
            NOT_BASE64,
        ),
        (
            "a character too few",
            with_body(&body[..body.len() - 1]),
            NOT_BASE64,
        ),
        ("padding too much", with_body(&format!("{body}====")), NOT_BASE64),
        (
            "a header",
            with_body(&format!("Comment: key\n\n{body}")),
            NOT_BASE64,
        ),
        ("no body", with_body(""), "the key is not well-formed PKCS#8"),
    ] {
        assert_eq!(message(&text), wanted, "{what}");
    }
}

#[test]
fn names_what_a_block_holds_that_is_no_key_of_ours() {
    let two_keys = [fixture!("p256_pkcs8.pem"), fixture!("ed25519_pkcs8.pem")].concat();
    let key_and_chain = [fixture!("p256_pkcs8.pem"), fixture!("certificate.pem")].concat();
    let chain_and_key = [fixture!("certificate.pem"), fixture!("p256_pkcs8.pem")].concat();
    let key_twice = fixture!("p256_pkcs8.pem").repeat(2);
    let labelled = |label: &str| armour(label, &der(fixture!("p256_pkcs8.pem")));
    let algorithm = |name: &str| {
        format!("the key algorithm {name} is not supported; use RSA, EC on P-256 or P-384, or Ed25519")
    };
    let curve = |name: &str| format!("the curve {name} is not supported; use P-256, P-384 or Ed25519");
    let label = |name: &str| {
        format!(
            "the PEM label `{name}` is not supported; convert the key to PKCS#8: \
             `openssl pkcs8 -topk8 -nocrypt -in key.pem`"
        )
    };
    let openssh =
        "the key is in the format of OpenSSH; convert it to PKCS#8: `ssh-keygen -p -m PKCS8 -f key`";
    for (text, wanted) in [
        (fixture!("rsa_pss_oid.pem"), algorithm("RSASSA-PSS")),
        (fixture!("dsa.pem"), algorithm("DSA")),
        (&labelled("DSA PRIVATE KEY"), algorithm("DSA")),
        (fixture!("x25519.pem"), algorithm("X25519")),
        (fixture!("ed448.pem"), algorithm("Ed448")),
        (fixture!("p521_pkcs8.pem"), curve("P-521")),
        (fixture!("p521_sec1.pem"), curve("P-521")),
        (fixture!("secp256k1_pkcs8.pem"), curve("secp256k1")),
        (fixture!("secp256k1_sec1.pem"), curve("secp256k1")),
        (fixture!("encrypted_pkcs8.pem"), ENCRYPTED.to_owned()),
        (fixture!("encrypted_sec1.pem"), ENCRYPTED.to_owned()),
        (fixture!("certificate.pem"), CERTIFICATE.to_owned()),
        (fixture!("certificate_request.pem"), CERTIFICATE.to_owned()),
        (&labelled("TRUSTED CERTIFICATE"), CERTIFICATE.to_owned()),
        (fixture!("p256_public.pem"), PUBLIC.to_owned()),
        (fixture!("rsa2048_public.pem"), PUBLIC.to_owned()),
        (fixture!("ed25519_public.pem"), PUBLIC.to_owned()),
        (&labelled("RSA PUBLIC KEY"), PUBLIC.to_owned()),
        (fixture!("openssh.pem"), openssh.to_owned()),
        (&labelled("SM2 PRIVATE KEY"), label("SM2 PRIVATE KEY")),
        (&labelled(&"A".repeat(41)), label("with this name")),
        (&labelled("\u{1b}[31mKEY"), label("with this name")),
        (&labelled(""), label("with this name")),
        (&two_keys, SEVERAL.to_owned()),
        (&key_twice, SEVERAL.to_owned()),
        (&key_and_chain, SEVERAL.to_owned()),
        (&chain_and_key, CERTIFICATE.to_owned()),
    ] {
        assert_eq!(message(text), wanted);
    }
}

#[test]
fn rejects_keys_cut_short_lengthened_or_labelled_as_another_form() {
    const PKCS8: &str = "the key is not well-formed PKCS#8";
    const PKCS1: &str = "the key is not well-formed PKCS#1";
    const SEC1: &str = "the key is not well-formed SEC1 with a named curve";
    for (pem, label) in [
        (fixture!("p256_pkcs8.pem"), "PRIVATE KEY"),
        (fixture!("p384_pkcs8.pem"), "PRIVATE KEY"),
        (fixture!("ed25519_pkcs8.pem"), "PRIVATE KEY"),
        (fixture!("rsa2048_pkcs8.pem"), "PRIVATE KEY"),
        (fixture!("p256_sec1.pem"), "EC PRIVATE KEY"),
        (fixture!("p384_sec1.pem"), "EC PRIVATE KEY"),
        (fixture!("rsa2048_pkcs1.pem"), "RSA PRIVATE KEY"),
    ] {
        let der = der(pem);
        for (other, wanted) in [
            ("PRIVATE KEY", PKCS8),
            ("EC PRIVATE KEY", SEC1),
            ("RSA PRIVATE KEY", PKCS1),
        ] {
            if other == label {
                for len in [1, 2, der.len() / 2, der.len() - 1] {
                    assert_eq!(message(&armour(other, &der[..len])), wanted);
                }
                assert_eq!(message(&armour(other, &[&der[..], &[0]].concat())), wanted);
                assert_eq!(message(&armour(other, &[&der[..], &der[..]].concat())), wanted);
            } else {
                assert_eq!(message(&armour(other, &der)), wanted);
            }
        }
    }
    assert_eq!(
        message(fixture!("p256_explicit.pem")),
        "the key does not name its curve; name it: `openssl ec -in key.pem -param_enc named_curve`"
    );
}

/// An RSA key of any numbers as PKCS#1; the CRT values are left at one.
fn pkcs1(numbers: [&[u8]; 5]) -> String {
    let [modulus, public_exponent, private_exponent, prime1, prime2] =
        numbers.map(|number| UintRef::new(number).unwrap());
    let one = UintRef::new(&[1]).unwrap();
    let key = pkcs1::RsaPrivateKey {
        modulus,
        public_exponent,
        private_exponent,
        prime1,
        prime2,
        exponent1: one,
        exponent2: one,
        coefficient: one,
        other_prime_infos: None,
    };
    armour("RSA PRIVATE KEY", &key.to_der().unwrap())
}

#[test]
fn names_what_is_wrong_with_the_numbers_of_an_rsa_key() {
    const EXPONENT: &str =
        "the RSA public exponent must be odd and between 65537 and 2^32; make a new key with 65537";
    const CONTRADICTION: &str = "the parts of the key contradict each other";
    let [n, e, d, p, q] = rsa_numbers();
    let plus = |bytes: &[u8], by: u32| (BigUint::from_bytes_be(bytes) + by).to_bytes_be();
    let [even, next_n, next_d, next_p] = [plus(&n, 1), plus(&n, 2), plus(&d, 2), plus(&p, 2)];
    assert_eq!(
        import(&pkcs1([&n, &e, &d, &p, &q])).unwrap().kid(),
        key(SigningAlg::Ps256).kid()
    );
    let primes = "RSA keys with more than two primes are not supported; make a key with two";
    for (what, text, wanted) in [
        (
            "1024 bits",
            fixture!("rsa1024.pem"),
            "the RSA key has 1024 bits; use 2048 to 8192",
        ),
        (
            "8200 bits",
            &pkcs1([&[0xff; 1025], &e, &d, &p, &q]),
            "the RSA key has 8200 bits; use 2048 to 8192",
        ),
        (
            "modulus zero",
            &pkcs1([&[0], &e, &d, &p, &q]),
            "the RSA key has 0 bits; use 2048 to 8192",
        ),
        (
            "an even modulus",
            &pkcs1([&even, &e, &d, &p, &q]),
            "the RSA modulus is even; make a new key",
        ),
        ("exponent 3", fixture!("rsa_exponent_3.pem"), EXPONENT),
        ("exponent 1", &pkcs1([&n, &[1], &d, &p, &q]), EXPONENT),
        ("an even exponent", &pkcs1([&n, &[1, 0, 2], &d, &p, &q]), EXPONENT),
        (
            "exponent 2^32 + 1",
            &pkcs1([&n, &[1, 0, 0, 0, 1], &d, &p, &q]),
            EXPONENT,
        ),
        ("three primes", fixture!("rsa_3_primes.pem"), primes),
        ("n is not p * q", &pkcs1([&next_n, &e, &d, &p, &q]), CONTRADICTION),
        ("p is not of n", &pkcs1([&n, &e, &d, &next_p, &q]), CONTRADICTION),
        ("p is n", &pkcs1([&n, &e, &d, &n, &[1]]), CONTRADICTION),
        (
            "p and q are zero",
            &pkcs1([&n, &e, &d, &[0], &[0]]),
            CONTRADICTION,
        ),
        (
            "another exponent",
            &pkcs1([&n, &[1, 0, 3], &d, &p, &q]),
            CONTRADICTION,
        ),
        ("a wrong d", &pkcs1([&n, &e, &next_d, &p, &q]), CONTRADICTION),
        ("d of zero", &pkcs1([&n, &e, &[0], &p, &q]), CONTRADICTION),
        ("d of one", &pkcs1([&n, &e, &[1], &p, &q]), CONTRADICTION),
    ] {
        assert_eq!(message(text), wanted, "{what}");
    }
    let whole = RsaPrivateKey::from_components(
        BigUint::from_bytes_be(&n),
        BigUint::from_bytes_be(&e),
        BigUint::from_bytes_be(&d),
        vec![BigUint::from_bytes_be(&p), BigUint::from_bytes_be(&q)],
    );
    assert!(whole.is_ok(), "the numbers that were changed are those of a key");
}

#[test]
fn names_what_is_wrong_with_the_numbers_of_an_ec_key() {
    const RANGE: &str =
        "the private number of the EC key must be at least 1 and less than the order of its curve";
    const POINT: &str = "the public key is a weak or invalid point";
    const CONTRADICTION: &str = "the parts of the key contradict each other";
    const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    const P384_ORDER: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf\
                              581a0db248b0a77aecec196accc52973";
    for (pem, other, order) in [
        (fixture!("p256_sec1.pem"), SigningAlg::Es256, hex(P256_ORDER)),
        (fixture!("p384_sec1.pem"), SigningAlg::Es384, hex(P384_ORDER)),
    ] {
        let der = der(pem);
        let whole = EcPrivateKey::try_from(der.as_slice()).unwrap();
        let len = whole.private_key.len();
        let with = |private_key: &[u8], public_key: Option<&[u8]>| {
            let key = EcPrivateKey {
                private_key,
                parameters: whole.parameters,
                public_key,
            };
            message(&armour("EC PRIVATE KEY", &key.to_der().unwrap()))
        };
        let point = whole.public_key.unwrap();
        let mut above_order = order.clone();
        above_order[len - 1] += 1;
        for scalar in [
            &vec![0; len],
            &order,
            &above_order,
            &vec![0xff; len],
            &vec![1; len + 1],
            &vec![1; 8],
            &vec![],
        ] {
            assert_eq!(with(scalar, Some(point)), RANGE);
            assert_eq!(with(scalar, None), RANGE);
        }
        let other = key(other);
        let foreign = &other.to_pkcs8_der()[other.to_pkcs8_der().len() - 2 * len - 1..];
        assert_eq!(with(whole.private_key, Some(foreign)), CONTRADICTION);
        let mut off_curve = point.to_vec();
        off_curve[2 * len] ^= 1;
        for bad in [&off_curve[..], &point[..2 * len], &[], &[0], &[4]] {
            assert_eq!(with(whole.private_key, Some(bad)), POINT);
        }
        let nameless = EcPrivateKey {
            parameters: None,
            ..whole.clone()
        };
        assert_eq!(
            message(&armour("EC PRIVATE KEY", &nameless.to_der().unwrap())),
            "the key is not well-formed SEC1 with a named curve"
        );
    }
}

#[test]
fn rejects_pkcs8_that_contradicts_the_key_inside() {
    let pkcs8 = |pem| der(pem);
    let mut foreign_point = pkcs8(fixture!("p256_pkcs8.pem"));
    let other = key(SigningAlg::Es256);
    let start = foreign_point.len() - 64;
    foreign_point[start..].copy_from_slice(&other.to_pkcs8_der()[other.to_pkcs8_der().len() - 64..]);
    assert_eq!(
        message(&armour("PRIVATE KEY", &foreign_point)),
        "the parts of the key contradict each other"
    );

    // SEC1 inside PKCS#8 may name the curve again; here it names another.
    let sec1 = der(fixture!("p256_sec1.pem"));
    let whole = EcPrivateKey::try_from(sec1.as_slice()).unwrap();
    for (curve, wanted) in [
        ("1.2.840.10045.3.1.7", None),
        ("1.3.132.0.34", Some(KeyError::Inconsistent)),
    ] {
        let inner = EcPrivateKey {
            parameters: Some(EcParameters::NamedCurve(curve.parse().unwrap())),
            ..whole.clone()
        };
        let inner = inner.to_der().unwrap();
        let header = b"\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        let inner_len = u8::try_from(inner.len()).unwrap();
        assert!(inner_len < 128);
        let outer_len = u8::try_from(header.len() + 2 + inner.len()).unwrap();
        let der = [&[0x30, 0x81, outer_len], &header[..], &[0x04, inner_len], &inner].concat();
        assert_eq!(import(&armour("PRIVATE KEY", &der)).err(), wanted);
    }

    // The parameters of Ed25519 must be absent and those of RSA NULL (RFC 8410 section 3, RFC 8017 appendix A.1).
    let mut ed25519 = pkcs8(fixture!("ed25519_pkcs8.pem"));
    ed25519.splice(12..12, [0x05, 0x00]);
    ed25519[1] += 2;
    ed25519[6] += 2;
    assert_eq!(
        message(&armour("PRIVATE KEY", &ed25519)),
        "the key is not well-formed PKCS#8"
    );
}

#[test]
fn rejects_an_rsa_key_for_an_algorithm_of_another_type() {
    let error = PrivateKey::from_text(fixture!("rsa2048_pkcs8.pem"), SigningAlg::Es256).unwrap_err();
    assert_eq!(error.to_string(), "an RSA key can't be used for ES256");
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// Both are well-formed keys of 2048 bits that sign, and anybody can compute them from their public halves.
#[test]
fn rejects_rsa_moduli_that_can_be_factored() {
    for pem in [
        include_str!("fixtures/rsa2048_close_primes.pem"),
        include_str!("fixtures/rsa2048_short_prime.pem"),
    ] {
        let error = PrivateKey::from_pem(pem, SigningAlg::Rs256).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the primes of the RSA key are of different lengths or too close to each other, so that it can be broken; \
             make a new key"
        );
    }
}
