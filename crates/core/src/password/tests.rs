use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::SystemRng;

const CHEAP: PasswordCost = PasswordCost {
    memory_kib: 64,
    iterations: 1,
    parallelism: 1,
};

const TAIL: &str = "$c29tc2FsdHNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// Hashes of `password`, made by the reference implementation of Argon2, by libxcrypt, and by OpenSSL.
const OF_PASSWORD: [&str; 22] = [
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "argon2$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
    "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
    "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
    "$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
    "$2y$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
    "$2a$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
    "bcrypt$$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
    "bcrypt_sha256$$2b$05$abcdefghijklmnopqrstuuE94Q3eTNjN48w2NX2tPsDTNeG6w2MH2",
    "$scrypt$ln=4,r=8,p=1$+//+IHNhbHRzYWx0++++$PuLFzwuENI8hqGcyWQSTIhsPzm0D0B7HCtsi8rMVJDQ",
    "scrypt$32$seasalt12345$4$2$LIlROaY2NcfkNN74l1aI+QtfME2W3Q5pZySt+WDCwRnVu+KH7B2kTMiWG8yy5JhgM62w9osgBuBLRaAQXJcP7A==",
    "$pbkdf2-sha1$i=1000,l=20$+//+IHNhbHRzYWx0++++$xz8+bZtUv4OfcYvSFm9Uhagcjio",
    "$pbkdf2$i=1000$+//+IHNhbHRzYWx0++++$xz8+bZtUv4OfcYvSFm9Uhagcjio",
    "$pbkdf2$1000$.//.IHNhbHRzYWx0....$xz8.bZtUv4OfcYvSFm9Uhagcjio",
    "pbkdf2_sha1$1000$seasalt12345$fXfiKL4lyzOhOVmsBdCnX2Sc62o=",
    "$pbkdf2-sha256$i=1000,l=32$+//+IHNhbHRzYWx0++++$iKzOGkjJk1aBQtjW9Gnv3aRikc5G9AAZFPKCw2j2YO8",
    "$pbkdf2-sha256$1000$.//.IHNhbHRzYWx0....$iKzOGkjJk1aBQtjW9Gnv3aRikc5G9AAZFPKCw2j2YO8",
    "pbkdf2_sha256$1000$seasalt12345$JL/9NQDGRPJL1xTV6KjoSC1b+RVZTUm/L4Q7yYnAKIY=",
    "$pbkdf2-sha512$i=1000,l=64$+//+IHNhbHRzYWx0++++$FLVyHbNpZwII5kLEMD6fKsKEUbkhHwnuw/0dE1tawhAB/tXRTKjwsxJrtQYrJGk52kxsKG3eeiA87jrJSODscA",
    "$pbkdf2-sha512$i=1000$+//+IHNhbHRzYWx0++++$FLVyHbNpZwII5kLEMD6fKsKEUbkhHwnuw/0dE1tawhAB/tXRTKjwsxJrtQYrJGk52kxsKG3eeiA87jrJSODscA",
    "$pbkdf2-sha512$1000$.//.IHNhbHRzYWx0....$FLVyHbNpZwII5kLEMD6fKsKEUbkhHwnuw/0dE1tawhAB/tXRTKjwsxJrtQYrJGk52kxsKG3eeiA87jrJSODscA",
];

#[track_caller]
fn read(text: &str) -> PasswordHash {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn verifies(hash: &PasswordHash, password: &str) -> bool {
    hash.verify(&password.into(), &mut HashMemory::default())
}

#[test]
fn round_trips_through_its_text() {
    let mut memory = HashMemory::default();
    let made = PasswordHash::create(&"correct".into(), CHEAP, &SystemRng, &mut memory).unwrap();
    let again = read(made.as_str());
    assert_eq!(again, made);
    assert!(again.verify(&"correct".into(), &mut memory));
    assert!(!again.verify(&"wrong".into(), &mut memory));
    assert!(!PasswordHash::decoy(CHEAP, &SystemRng).verify(&"".into(), &mut memory));
}

#[test]
fn agrees_with_other_implementations() {
    for text in OF_PASSWORD {
        let hash = read(text);
        assert_eq!(hash.as_str(), text);
        assert!(verifies(&hash, "password"), "{text}");
        for wrong in ["", "Password", "password ", "passwor"] {
            assert!(!verifies(&hash, wrong), "{text} and {wrong:?}");
        }
        let (secret, shown) = (&text[text.len() - 20..], format!("{hash:?}"));
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn only_what_this_server_makes_is_of_its_cost() {
    let cost = PasswordCost {
        memory_kib: 256,
        iterations: 2,
        parallelism: 1,
    };
    let mine = |text: &&str| text.contains("argon2id$v=19$");
    for text in OF_PASSWORD {
        assert_eq!(read(text).is_of(cost), mine(&text), "{text}");
        assert!(!read(text).is_of(CHEAP));
    }
    let shorter = read("$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg");
    assert!(!shorter.is_of(cost));
}

/// As the systems that made it do: what is past 72 bytes does not matter.
#[test]
fn bcrypt_takes_72_bytes() {
    let hash = read("$2b$05$abcdefghijklmnopqrstuuLMg3j8XMMNQ8u9LjBNpouE6X5YMGd5q");
    let of_80 = format!("\u{e4}{}", "x".repeat(80));
    assert!(verifies(&hash, &of_80));
    assert!(verifies(&hash, &of_80[..72]));
    assert!(verifies(&hash, &format!("{}!", &of_80[..72])));
    assert!(!verifies(&hash, &of_80[..71]));
    let of_nothing = read("$2b$05$abcdefghijklmnopqrstuu0oImNDIy4flhldV9YqunRgBAePKmw7m");
    assert!(verifies(&of_nothing, ""));
    assert!(!verifies(&of_nothing, "\0x"));
    // Django hashes first, so that every byte matters.
    let of_digest = read(OF_PASSWORD[9]);
    assert!(!verifies(&of_digest, &format!("password{}", "x".repeat(72))));
}

fn keycloak() -> Value {
    json!({
        "algorithm": "pbkdf2-sha256",
        "hashIterations": 1000,
        "salt": "+//+IHNhbHRzYWx0++++",
        "value": "iKzOGkjJk1aBQtjW9Gnv3aRikc5G9AAZFPKCw2j2YO8MG3UjAxUqxvSChBnkTtr69J6+Gq5uvw7iA+Vn+MEOxA==",
    })
}

#[test]
fn credentials_of_keycloak_are_kept_in_phc_form() {
    let sha1 = json!({
        "algorithm": "pbkdf2",
        "hashIterations": 1000,
        "salt": "+//+IHNhbHRzYWx0++++",
        "value": "xz8+bZtUv4OfcYvSFm9UhagcjioroQ3vYZ04cP25RKUIVLEVaUW3GRFMRd5rta/u/FIp8TgC1a9NE/j9dr4I+g==",
    });
    let exported = json!({
        "id": "6a1c", "type": "password", "createdDate": 1_600_000_000_000_u64, "userLabel": "mine",
        "credentialData": "{\"hashIterations\":1000,\"algorithm\":\"pbkdf2-sha256\",\"additionalParameters\":{}}",
        "secretData": "{\"value\":\"iKzOGkjJk1aBQtjW9Gnv3aRikc5G9AAZFPKCw2j2YO8\",\"salt\":\"+//+IHNhbHRzYWx0++++\",\
                       \"additionalParameters\":{}}",
    });
    let argon = json!({
        "algorithm": "argon2",
        "hashIterations": 2,
        "salt": "c29tZXNhbHQ=",
        "value": "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4=",
        "additionalParameters": {
            "hashLength": ["32"], "memory": ["256"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"],
        },
    });
    for credential in [keycloak(), sha1, exported, argon] {
        let hash = PasswordHash::from_keycloak(&credential).unwrap();
        assert!(verifies(&hash, "password"), "{credential}");
        assert!(!verifies(&hash, "wrong"));
        assert_eq!(read(hash.as_str()), hash);
    }
}

#[test]
fn refuses_hostile_credentials_of_keycloak() {
    let with = |name: &str, value: Value| {
        let mut credential = keycloak();
        credential[name] = value;
        PasswordHash::from_keycloak(&credential).unwrap_err()
    };
    assert!(matches!(
        with("hashIterations", u64::MAX.into()),
        PasswordHashError::Ceiling(_)
    ));
    assert_eq!(with("salt", "".into()), PasswordHashError::Salt);
    assert_eq!(with("salt", "A".repeat(64 * 2).into()), PasswordHashError::Salt);
    assert_eq!(with("value", "AAAA".into()), PasswordHashError::Output);
    assert_eq!(with("value", "A".repeat(10_000).into()), PasswordHashError::Bytes);
    for (name, value) in [
        ("hashIterations", json!(-1)),
        ("hashIterations", json!("1000")),
        ("hashIterations", json!(0)),
        ("algorithm", json!("md5")),
        ("algorithm", json!("argon2")),
        ("algorithm", json!("pbkdf2$i=1")),
        ("salt", json!("$$$$$$$$$$$$")),
        ("salt", Value::Null),
        ("digits", json!(6)),
    ] {
        assert!(
            matches!(with(name, value.clone()), PasswordHashError::Malformed(_)),
            "{name} {value}"
        );
    }
    for credential in [json!(null), json!([]), json!({}), json!({"credentialData": "{}"})] {
        assert!(PasswordHash::from_keycloak(&credential).is_err(), "{credential}");
    }
}

#[test]
fn refuses_what_demands_too_much() {
    for hash in [
        format!("$argon2id$v=19$m=4294967295,t=2,p=1{TAIL}"),
        format!("$argon2id$v=19$m=1048576,t=2,p=1{TAIL}"),
        format!("$argon2d$v=19$m=256,t=4294967295,p=1{TAIL}"),
        format!("$argon2i$v=19$m=256,t=1,p=17{TAIL}"),
        "$2b$16$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu".to_owned(),
        "bcrypt_sha256$$2b$31$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu".to_owned(),
        "$2b$99$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu".to_owned(),
        format!("$scrypt$ln=19,r=8,p=1{TAIL}"),
        format!("$scrypt$ln=63,r=8,p=1{TAIL}"),
        format!("$scrypt$ln=18446744073709551616,r=8,p=1{TAIL}"),
        format!("$scrypt$ln=1,r=4294967296,p=1{TAIL}"),
        format!("$scrypt$ln=1,r=1,p=17{TAIL}"),
        format!("$scrypt$ln=17,r=8,p=5{TAIL}"),
        "scrypt$99999999999999999999$seasalt12345$8$1$nf65EOgLrQMR/uIPnA4rEg==".to_owned(),
        format!("$pbkdf2-sha256$i=4194305{TAIL}"),
        format!("$pbkdf2-sha256$i=18446744073709551616,l=32{TAIL}"),
        format!("$pbkdf2-sha1$2097153{TAIL}"),
        format!("$pbkdf2-sha512$2097153{TAIL}"),
        "pbkdf2_sha256$99999999999999999999$seasalt12345$nf65EOgLrQMR/uIPnA4rEg==".to_owned(),
    ] {
        let refused = hash.parse::<PasswordHash>().unwrap_err();
        assert!(
            matches!(refused, PasswordHashError::Ceiling(_)),
            "{hash}: {refused}"
        );
    }
}

/// The ceilings themselves are accepted.
#[test]
fn accepts_what_is_just_within_the_ceilings() {
    for hash in [
        format!("$argon2id$v=19$m=1048576,t=1,p=16{TAIL}"),
        format!("$argon2id$v=19$m=65536,t=16,p=1{TAIL}"),
        "$2b$15$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu".to_owned(),
        format!("$scrypt$ln=18,r=8,p=2{TAIL}"),
        format!("$scrypt$ln=15,r=8,p=16{TAIL}"),
        format!("$pbkdf2-sha256$i=4194304{TAIL}"),
        format!("$pbkdf2-sha1$2097152{TAIL}"),
        format!("$pbkdf2-sha512$2097152{TAIL}"),
    ] {
        read(&hash);
    }
}

#[test]
fn refuses_what_is_malformed() {
    let lengths = [
        (
            "$pbkdf2-sha256$i=1000$c29tZQ$nf65EOgLrQMR/uIPnA4rEg",
            PasswordHashError::Salt,
        ),
        (
            "$pbkdf2-sha256$i=1000$c29tZXNhbHQ$nf65EOgL",
            PasswordHashError::Output,
        ),
        (
            "$scrypt$ln=4,r=8,p=1$$nf65EOgLrQMR/uIPnA4rEg",
            PasswordHashError::Salt,
        ),
        (
            "pbkdf2_sha256$1$short$nf65EOgLrQMR/uIPnA4rEg==",
            PasswordHashError::Salt,
        ),
        (
            "$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA",
            PasswordHashError::Output,
        ),
    ];
    for (text, error) in lengths {
        assert_eq!(text.parse::<PasswordHash>(), Err(error), "{text}");
    }
    for text in [
        "",
        "x",
        "$",
        "$$",
        "$2b",
        "password",
        "$1$abcdefgh$G//4keteveJp0qb8z2DxG/",
        "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
        "$7$C6..../....SodiumChloride$",
        "{SSHA}x",
        "sha1$salt$hash",
        "!unusable",
        "$2x$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
        "pbkdf2_md5$1000$seasalt12345$nf65EOgLrQMR/uIPnA4rEg==",
    ] {
        assert_eq!(
            text.parse::<PasswordHash>(),
            Err(PasswordHashError::Algorithm),
            "{text}"
        );
    }
    let long = "$".repeat(300);
    assert_eq!(long.parse::<PasswordHash>(), Err(PasswordHashError::Bytes));
    assert_eq!(
        format!("$argon2id$v=19$m=0,t=0,p=0{TAIL}").parse::<PasswordHash>(),
        Err(PasswordHashError::Cost)
    );
    for text in [
        "$2b$",
        "$argon2id$v=20$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$argon2id$v=19$m=256,t=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$argon2id$v=19$m=256,t=2,p=1,data=AAAA$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$argon2id$v=19$m=256,t=2,p=1$c29t$AAAA",
        "argon2$x",
        "$2b$03$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
        "$2b$+5$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
        "$2b$5$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
        "$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2aw",
        "$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awuu",
        "$2b$05$abcdefghijklmnopqrstu\u{e4}WG29KuyeAicPCJODk1zjyGvyQUU2awu",
        "bcrypt$2b$05$abcdefghijklmnopqrstuuWG29KuyeAicPCJODk1zjyGvyQUU2awu",
        "$scrypt$ln=4,p=1,r=8$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$scrypt$ln=4,r=8,p=1,x=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$scrypt$ln=0,r=8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$scrypt$ln=16,r=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$scrypt$ln=4,r=-8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$scrypt$ln=4,r=8,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg$x",
        "scrypt$31$seasalt12345$8$1$nf65EOgLrQMR/uIPnA4rEg==",
        "scrypt$0$seasalt12345$8$1$nf65EOgLrQMR/uIPnA4rEg==",
        "scrypt$32$sea\u{7f}salt12345$8$1$nf65EOgLrQMR/uIPnA4rEg==",
        "$pbkdf2-sha256$i=0$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$pbkdf2-sha256$i=1000,l=32$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$pbkdf2-sha256$l=16,i=1000$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg",
        "$pbkdf2-sha256$i=1000$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rE!",
        "$pbkdf2-sha256$i=1000$c29tZXNhbHQ",
    ] {
        let refused = text.parse::<PasswordHash>().unwrap_err();
        assert!(
            matches!(refused, PasswordHashError::Malformed(_)),
            "{text}: {refused}"
        );
    }
}

proptest! {
    /// Whatever bytes come, they are read or refused.
    #[test]
    fn no_text_makes_the_parser_fail(
        head in proptest::sample::select(&OF_PASSWORD[..]),
        at in 0_usize..120,
        middle in ".{0,20}",
    ) {
        let cut: String = head.chars().take(at).collect();
        let rest: String = head.chars().skip(at + 1).collect();
        drop(format!("{cut}{middle}{rest}").parse::<PasswordHash>());
        drop(middle.parse::<PasswordHash>());
    }
}

#[test]
fn new_passwords_have_bounds() {
    assert_eq!(
        check_new_password(&"1234567".into()),
        Err(PasswordHashError::Length)
    );
    assert_eq!(check_new_password(&"12345678".into()), Ok(()));
    assert_eq!(
        check_new_password(&"x".repeat(1025).into()),
        Err(PasswordHashError::Length)
    );
}
