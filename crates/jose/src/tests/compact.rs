//! Signing and verifying compact tokens, and every refusal.

use josekit::jws::HS256;
use proptest::prelude::*;

use super::{base64url, key, shared, sign_any};
use crate::key_material::PublicMaterial;
use crate::{
    Kid, MAX_TOKEN_LEN, PrivateKey, PublicKey, SignError, SigningAlg, VerifiedJws, VerifyError,
    verify_compact,
};

const CLAIMS: &[u8] = br#"{"sub":"a"}"#;

fn verify(key: &PrivateKey, token: &str) -> Result<VerifiedJws, VerifyError> {
    verify_compact(token, "at+jwt", |_| shared(key))
}

fn header(key: &PrivateKey, more: &str) -> String {
    format!(
        r#"{{"alg":"{}","kid":"{}","typ":"at+jwt"{more}}}"#,
        key.alg(),
        key.kid()
    )
}

#[test]
fn signs_and_verifies_with_each_algorithm() {
    for alg in SigningAlg::ALL {
        let key = key(alg);
        for typ in ["at+jwt", "JWT", "application/rev+jwt"] {
            let token = key.sign_compact(typ, CLAIMS).unwrap();
            let expected = format!(r#"{{"alg":"{alg}","kid":"{}","typ":"{typ}"}}"#, key.kid());
            assert_eq!(token.split('.').next(), Some(base64url(expected).as_str()));
            let verified =
                verify_compact(&token, typ, |kid| (kid == key.kid()).then_some(key.public())).unwrap();
            assert_eq!((verified.payload(), verified.kid()), (CLAIMS, key.kid()));
        }
    }
}

#[test]
fn signing_bounds_typ_and_length() {
    let key = key(SigningAlg::Es256);
    for typ in ["", "a\"b", "a b", "é", &"a".repeat(65)] {
        assert_eq!(key.sign_compact(typ, CLAIMS), Err(SignError::Typ));
    }
    let frame = key.sign_compact("at+jwt", b"").unwrap().len();
    let most = (MAX_TOKEN_LEN - frame) / 4 * 3;
    let token = key.sign_compact("at+jwt", &vec![b'a'; most]).unwrap();
    assert_eq!(token.capacity(), token.len());
    assert_eq!(verify(&key, &token).unwrap().payload().len(), most);
    let too_long = SignError::TooLong { limit: MAX_TOKEN_LEN };
    let longer = vec![b'a'; most + 3];
    assert_eq!(key.sign_compact("at+jwt", &longer), Err(too_long));
    let document = key.sign_document("at+jwt", &longer, MAX_TOKEN_LEN + 4);
    assert!(document.unwrap().len() > MAX_TOKEN_LEN);
}

#[test]
fn rejects_every_changed_character() {
    let key = key(SigningAlg::Es256);
    let token = key.sign_compact("at+jwt", CLAIMS).unwrap();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(
            verify(&key, std::str::from_utf8(&changed).unwrap()).is_err(),
            "{at}"
        );
    }
}

#[test]
fn rejects_the_signature_of_another_key() {
    let other = PrivateKey::generate(SigningAlg::Es256, &mut super::counter("other")).unwrap();
    let token = other.sign_compact("at+jwt", CLAIMS).unwrap();
    assert_eq!(
        verify(&key(SigningAlg::Es256), &token),
        Err(VerifyError::Signature)
    );
}

#[test]
fn rejects_alg_none_in_any_spelling() {
    for alg in SigningAlg::ALL {
        let key = key(alg);
        for none in ["none", "None", "NONE", "nOnE", "", " none"] {
            let header = header(&key, "").replace(alg.as_str(), none);
            let signature = base64url(vec![0; key.public().signature_len()]);
            for signature in ["", &signature] {
                let token = format!("{}.{}.{signature}", base64url(&header), base64url(CLAIMS));
                let wanted = VerifyError::Alg {
                    kid: key.kid().clone(),
                    alg,
                };
                assert_eq!(verify(&key, &token), Err(wanted));
            }
        }
    }
}

#[test]
fn rejects_hs256_keyed_with_the_public_key() {
    for alg in SigningAlg::ALL {
        let key = key(alg);
        let spki = PublicMaterial::from_params(key.public().jwk().params())
            .unwrap()
            .to_spki_der()
            .unwrap();
        let body = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &spki);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
        let jwk = serde_json::to_vec(key.public().jwk()).unwrap();
        for secret in [spki, pem.into_bytes(), jwk] {
            let header = header(&key, "").replace(alg.as_str(), "HS256");
            let input = format!("{}.{}", base64url(header), base64url(CLAIMS));
            let signature = HS256.signer_from_bytes(secret).unwrap();
            let signature = josekit::jws::JwsSigner::sign(&signature, input.as_bytes()).unwrap();
            let token = format!("{input}.{}", base64url(signature));
            assert_eq!(
                verify(&key, &token),
                Err(VerifyError::Alg {
                    kid: key.kid().clone(),
                    alg
                })
            );
        }
    }
}

#[test]
fn rejects_a_right_signature_under_the_name_of_another_algorithm() {
    for alg in SigningAlg::ALL {
        let key = key(alg);
        for other in SigningAlg::ALL.into_iter().filter(|other| *other != alg) {
            let header = header(&key, "").replace(alg.as_str(), other.as_str());
            let token = sign_any(&key, &header, CLAIMS);
            assert!(matches!(verify(&key, &token), Err(VerifyError::Alg { .. })));
        }
    }
}

#[test]
fn rejects_signatures_of_wrong_length_or_out_of_range() {
    for alg in SigningAlg::ALL {
        let public = key(alg).public().clone();
        let token = key(alg).sign_compact("at+jwt", CLAIMS).unwrap();
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, signature).unwrap();
        assert_eq!(public.verify(input.as_bytes(), &signature), Ok(()));
        let half = signature.len() / 2;
        let (first, second) = signature.split_at(half);
        let zero = vec![0; half];
        let ones = vec![0xff; half];
        for wrong in [
            vec![],
            vec![0],
            signature[1..].to_vec(),
            [&[0][..], &signature].concat(),
            [&signature[..], &[0]].concat(),
            [&[0][..], first, &[0], second].concat(),
            [&zero[..], second].concat(),
            [first, &zero].concat(),
            [zero.clone(), zero.clone()].concat(),
            [&ones[..], second].concat(),
            [first, &ones].concat(),
            vec![0xff; signature.len()],
            vec![0; 1 << 20],
        ] {
            assert_eq!(
                public.verify(input.as_bytes(), &wrong),
                Err(VerifyError::Signature),
                "{alg}"
            );
        }
    }
}

#[test]
fn rejects_the_der_form_of_an_ecdsa_signature() {
    let key = key(SigningAlg::Es256);
    let half = [&[0x02, 0x20][..], &[0x11; 32]].concat();
    let der = [&[0x30, 0x44][..], &half, &half].concat();
    assert_eq!(key.public().verify(b"a.b", &der), Err(VerifyError::Signature));
}

#[test]
fn rejects_an_ed25519_signature_with_s_beyond_the_group_order() {
    const ORDER: [u8; 32] = *b"\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10";
    let key = key(SigningAlg::EdDsa);
    let mut signature = crate::backend::signer(key.alg(), key.to_pkcs8_der())
        .unwrap()
        .sign(b"a.b")
        .unwrap();
    assert_eq!(key.public().verify(b"a.b", &signature), Ok(()));
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(
        key.public().verify(b"a.b", &signature),
        Err(VerifyError::Signature)
    );
}

#[test]
fn rejects_members_that_change_the_meaning_or_bring_a_key() {
    let key = key(SigningAlg::Es256);
    let jwk = serde_json::to_string(key.public().jwk()).unwrap();
    for (member, content) in [
        ("crit", r#"["exp"]"#),
        ("crit", "[]"),
        ("crit", "null"),
        ("b64", "false"),
        ("b64", "true"),
        ("zip", r#""DEF""#),
        ("enc", r#""A256GCM""#),
        ("epk", "{}"),
        ("jwk", jwk.as_str()),
        ("jku", r#""https://attacker.example/jwks.json""#),
        ("x5c", "[]"),
        ("x5u", r#""file:///etc/passwd""#),
    ] {
        let token = sign_any(&key, &header(&key, &format!(r#","{member}":{content}"#)), CLAIMS);
        let asked = std::cell::Cell::new(false);
        let result = verify_compact(&token, "at+jwt", |_| {
            asked.set(true);
            shared(&key)
        });
        assert_eq!(result, Err(VerifyError::HeaderMember(member)));
        assert!(!asked.get(), "the key was looked up");
    }
}

#[test]
fn ignores_other_header_members() {
    let key = key(SigningAlg::Es256);
    let token = sign_any(
        &key,
        &header(&key, r#","cty":"json","x5t":"abc","note":{"a":[1]}"#),
        CLAIMS,
    );
    assert_eq!(verify(&key, &token).unwrap().payload(), CLAIMS);
}

#[test]
fn rejects_repeated_missing_and_mistyped_header_members() {
    let key = key(SigningAlg::Es256);
    let kid = key.kid();
    for header in [
        header(&key, r#","alg":"ES256""#),
        header(&key, r#","\u0061lg":"ES256""#),
        header(&key, &format!(r#","kid":"{kid}""#)),
        header(&key, r#","a":1,"a":2"#),
        format!(r#"{{"kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#),
        r#"{"alg":"ES256","typ":"at+jwt"}"#.to_owned(),
        format!(r#"{{"alg":1,"kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":["ES256"],"kid":"{kid}","typ":"at+jwt"}}"#),
        format!(r#"[{}]"#, header(&key, "")),
        format!("{} {{}}", header(&key, "")),
        "null".to_owned(),
        String::new(),
    ] {
        let token = sign_any(&key, &header, CLAIMS);
        assert!(
            matches!(verify(&key, &token), Err(VerifyError::Header(_))),
            "{header}"
        );
    }
}

#[test]
fn rejects_a_kid_that_is_hostile_or_unknown() {
    let key = key(SigningAlg::Es256);
    for kid in [
        "",
        "../../keys/a",
        "' OR 1=1 --",
        "a b",
        &"a".repeat(129),
        &"a".repeat(8000),
    ] {
        let header = format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#);
        let token = sign_any(&key, &header, CLAIMS);
        assert_eq!(
            verify(&key, &token),
            Err(VerifyError::Header("`kid` is out of bounds"))
        );
    }
    let token = key.sign_compact("at+jwt", CLAIMS).unwrap();
    let none = |_: &Kid| None::<&PublicKey>;
    assert_eq!(
        verify_compact(&token, "at+jwt", none),
        Err(VerifyError::KeyUnknown(key.kid().clone()))
    );
}

#[test]
fn compares_typ_as_a_media_type() {
    let key = key(SigningAlg::Es256);
    let token = |typ: &str| sign_any(&key, &header(&key, "").replace("at+jwt", typ), CLAIMS);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        assert!(verify(&key, &token(typ)).is_ok(), "{typ}");
        assert!(
            verify_compact(&token("at+jwt"), typ, |_| shared(&key)).is_ok(),
            "{typ}"
        );
    }
    for typ in [
        "",
        "JWT",
        "at+jwt ",
        "text/at+jwt",
        "application/",
        "application/application/at+jwt",
        "logout+jwt",
    ] {
        assert_eq!(verify(&key, &token(typ)), Err(VerifyError::Typ), "{typ}");
    }
}

#[test]
fn rejects_texts_that_are_not_three_parts() {
    let key = key(SigningAlg::Es256);
    let token = key.sign_compact("at+jwt", CLAIMS).unwrap();
    for text in [
        "",
        "a",
        "a.b",
        &token[..token.rfind('.').unwrap()],
        &format!("{token}."),
        &format!("{token}.a.b"),
    ] {
        assert_eq!(verify(&key, text), Err(VerifyError::Format), "{text}");
    }
    assert_eq!(verify(&key, &".".repeat(MAX_TOKEN_LEN)), Err(VerifyError::Format));
    let too_long = VerifyError::TooLong { limit: MAX_TOKEN_LEN };
    assert_eq!(verify(&key, &".".repeat(1_000_000)), Err(too_long.clone()));
    assert_eq!(
        verify(&key, &format!("{token}{}", "A".repeat(MAX_TOKEN_LEN))),
        Err(too_long)
    );
}

#[test]
fn rejects_padding_white_space_and_the_other_alphabet() {
    let key = key(SigningAlg::Es256);
    let token = key.sign_compact("at+jwt", CLAIMS).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    for (part, name) in ["header", "payload", "signature"].into_iter().enumerate() {
        for wrong in [
            format!("{}=", parts[part]),
            format!("{}==", parts[part]),
            format!(" {}", parts[part]),
            format!("{}\n", parts[part]),
            format!("{}\0", parts[part]),
            format!("+/{}", &parts[part][2..]),
            format!("é{}", &parts[part][2..]),
        ] {
            let mut changed = parts.clone();
            changed[part] = &wrong;
            assert_eq!(
                verify(&key, &changed.join(".")),
                Err(VerifyError::Base64(name)),
                "{wrong}"
            );
        }
    }
    assert_eq!(
        verify(&key, &format!("Bearer {token}")),
        Err(VerifyError::Base64("header"))
    );
}

#[test]
fn rejects_jwes_before_any_work() {
    let key = key(SigningAlg::Es256);
    for header in [
        r#"{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":2147483647,"p2s":"AAAAAAAAAAA"}"#,
        r#"{"alg":"dir","enc":"A256GCM","zip":"DEF"}"#,
        r#"{"alg":"RSA1_5","enc":"A128CBC-HS256"}"#,
    ] {
        let header = base64url(header);
        assert_eq!(
            verify(&key, &format!("{header}.AAAA.AAAA.AAAA.AAAA")),
            Err(VerifyError::Format)
        );
        assert!(matches!(
            verify(&key, &format!("{header}.AAAA.AAAA")),
            Err(VerifyError::HeaderMember(_))
        ));
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_verifier_panic(text in "(eyJ[A-Za-z0-9_-]{0,60}|\\.|\\PC){0,20}") {
        prop_assert!(verify(&key(SigningAlg::EdDsa), &text).is_err());
    }

    #[test]
    fn no_header_makes_the_verifier_panic(header in proptest::collection::vec(any::<u8>(), 0..200)) {
        let token = format!("{}.AAAA.AAAA", base64url(header));
        prop_assert!(verify(&key(SigningAlg::EdDsa), &token).is_err());
    }

    #[test]
    fn any_claims_come_back(claims in proptest::collection::vec(any::<u8>(), 0..500)) {
        let key = key(SigningAlg::EdDsa);
        let token = key.sign_compact("at+jwt", &claims).unwrap();
        let verified = verify(&key, &token).unwrap();
        prop_assert_eq!(verified.payload(), &claims[..]);
    }
}
