use std::collections::BTreeMap;

use serde_json::Value;
use symbolon_oauth_types::revocation::Revocable;
use symbolon_oauth_types::{Audiences, ScopeSet, UnixMillis};
use uuid::Uuid;

use crate::Refused;
use crate::json::Object;

/// The last second that a date may name: the end of the year 9999. What is beyond is a mistake of the unit.
const MAX_DATE: u64 = 253_402_300_799;
/// The longest `client_id`, in bytes.
const MAX_CLIENT_ID_LEN: usize = 512;
/// The claims that have a field of their own, or that only this module reads.
const READ: [&str; 11] = [
    "aud",
    "client_id",
    "cnf",
    "exp",
    "iat",
    "iss",
    "jti",
    "nbf",
    "scope",
    "sid",
    "sub",
];

/// What a verified access token says. Only a [`crate::Verifier`] makes one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Claims {
    /// `aud`: the resource servers that may accept the token; this one is among them.
    pub audiences: Vec<String>,
    /// `client_id`: the client that the token was issued to.
    pub client_id: String,
    /// `exp`: end of validity.
    pub expires: UnixMillis,
    /// `iat`: when the token was signed, to the second.
    pub issued: UnixMillis,
    /// `iss`: the issuer, as the verifier was told.
    pub issuer: String,
    /// The key that signed the token.
    pub kid: String,
    /// `nbf`: start of validity, where there is one.
    pub not_before: Option<UnixMillis>,
    /// `scope`: what was granted; empty where the token does not say.
    pub scope: ScopeSet,
    /// `sid`: the session; absent where a client acts for itself.
    pub session: Option<Uuid>,
    /// When the session began or, where there is none, when the token was asked for.
    pub started: UnixMillis,
    /// `sub`: the user, or the client where it acts for itself.
    pub subject: Uuid,
    /// `jti`: this token.
    pub token: Uuid,
    /// All other claims.
    pub other: BTreeMap<String, Value>,
}

impl Claims {
    /// Reads the payload of a token whose signature was verified
    /// ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)). What the claims mean here and now
    /// is judged elsewhere; here each has its type and range.
    pub(crate) fn parse(payload: &[u8], kid: &str) -> Result<Self, Refused> {
        let object = Object::parse(payload).map_err(|_| Refused::Malformed)?;
        // RFC 7800: such a token needs a proof that nobody asks for here.
        if object.contains("cnf") {
            return Err(Refused::SenderConstrained);
        }
        let session = optional_id(&object, "sid")?;
        let token = optional_id(&object, "jti")?.ok_or(Refused::Claim("jti"))?;
        let start = match session {
            Some(sid) => started(sid).ok_or(Refused::Claim("sid"))?,
            None => started(token).ok_or(Refused::Claim("jti"))?,
        };
        Ok(Self {
            audiences: audiences(&object)?,
            client_id: client_id(&object)?,
            expires: date(&object, "exp")?.ok_or(Refused::Claim("exp"))?,
            issued: date(&object, "iat")?.ok_or(Refused::Claim("iat"))?,
            issuer: object.required("iss").map_err(|_| Refused::Claim("iss"))?,
            kid: kid.to_owned(),
            not_before: date(&object, "nbf")?,
            scope: object
                .optional("scope")
                .map_err(|_| Refused::Claim("scope"))?
                .unwrap_or_default(),
            session,
            started: start,
            subject: optional_id(&object, "sub")?.ok_or(Refused::Claim("sub"))?,
            token,
            other: other(&object)?,
        })
    }

    /// What the revocation log knows a token by.
    pub fn revocable(&self) -> Revocable<'_> {
        Revocable {
            started: self.started,
            subject: self.subject,
            client_id: &self.client_id,
            session: self.session,
            token: Some(self.token),
            kid: Some(&self.kid),
        }
    }

    /// Refuses a token that lacks any of these scopes. Nobody outside calls it: there is more to ask where a scope is needed,
    /// and [`crate::Verifier::verify_with_scope`] asks all of it.
    pub(crate) fn require_scope(&self, required: &ScopeSet) -> Result<(), Refused> {
        if required.is_subset(&self.scope) {
            return Ok(());
        }
        Err(Refused::InsufficientScope {
            required: required.clone(),
        })
    }
}

/// A NumericDate (RFC 7519 section 2), of which only whole seconds are accepted.
fn date(object: &Object<'_>, name: &'static str) -> Result<Option<UnixMillis>, Refused> {
    let secs: Option<u64> = object.optional(name).map_err(|_| Refused::Claim(name))?;
    if secs.is_some_and(|secs| secs > MAX_DATE) {
        return Err(Refused::Claim(name));
    }
    Ok(secs.map(|secs| UnixMillis(secs * 1000)))
}

/// A UUID in the one spelling that the issuer uses.
fn optional_id(object: &Object<'_>, name: &'static str) -> Result<Option<Uuid>, Refused> {
    let text: Option<String> = object.optional(name).map_err(|_| Refused::Claim(name))?;
    let parse = |text: String| {
        let id = Uuid::try_parse(&text).ok()?;
        (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text.as_str()).then_some(id)
    };
    text.map(|text| parse(text).ok_or(Refused::Claim(name)))
        .transpose()
}

/// The time in a UUIDv7 (RFC 9562 section 5.7).
fn started(id: Uuid) -> Option<UnixMillis> {
    if id.get_version_num() != 7 {
        return None;
    }
    Some(UnixMillis((id.as_u128() >> 80) as u64))
}

fn audiences(object: &Object<'_>) -> Result<Vec<String>, Refused> {
    let Audiences(list) = object.required("aud").map_err(|_| Refused::Claim("aud"))?;
    if list.is_empty() {
        return Err(Refused::Claim("aud"));
    }
    Ok(list)
}

fn client_id(object: &Object<'_>) -> Result<String, Refused> {
    let text: String = object
        .required("client_id")
        .map_err(|_| Refused::Claim("client_id"))?;
    if !(1..=MAX_CLIENT_ID_LEN).contains(&text.len()) {
        return Err(Refused::Claim("client_id"));
    }
    Ok(text)
}

fn other(object: &Object<'_>) -> Result<BTreeMap<String, Value>, Refused> {
    let unread = object.iter().filter(|(name, _)| !READ.contains(name));
    unread
        .map(|(name, value)| {
            let value = serde_json::from_str(value.get()).map_err(|_| Refused::Malformed)?;
            Ok((name.to_owned(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"iss":"https://as","sub":"01890000-0000-4000-8000-000000000001","aud":"urn:a","exp":2,"nbf":1,
        "iat":1,"jti":"01890000-0000-7000-8000-000000000002","client_id":"c","scope":"b a",
        "sid":"01890000-0001-7000-8000-000000000003","tenant":{"id":7}}"#;

    fn parse(json: &str) -> Result<Claims, Refused> {
        Claims::parse(json.as_bytes(), "k")
    }

    #[test]
    fn reads_what_the_issuer_writes() {
        let claims = parse(GOOD).unwrap();
        assert_eq!(claims.audiences, ["urn:a"]);
        assert_eq!(claims.scope.to_string(), "a b");
        assert_eq!(
            (claims.issued, claims.expires),
            (UnixMillis(1000), UnixMillis(2000))
        );
        assert_eq!(claims.not_before, Some(UnixMillis(1000)));
        assert_eq!(claims.started, UnixMillis(0x0189_0000_0001));
        assert_eq!(claims.other["tenant"]["id"], 7);
        assert_eq!(claims.other.len(), 1);
        let revocable = claims.revocable();
        assert_eq!(
            (revocable.session, revocable.token),
            (claims.session, Some(claims.token))
        );
        assert_eq!((revocable.kid, revocable.client_id), (Some("k"), "c"));
    }

    #[test]
    fn without_a_session_the_token_tells_when_it_began() {
        let own = GOOD.replace(r#""sid":"01890000-0001-7000-8000-000000000003","#, "");
        let claims = parse(&own).unwrap();
        assert_eq!(
            (claims.session, claims.started),
            (None, UnixMillis(0x0189_0000_0000))
        );
    }

    #[test]
    fn rejects_each_claim_that_is_absent_or_of_another_type() {
        for (name, good, wrong) in [
            (
                "iss",
                r#""https://as""#,
                vec!["1", "null", "[]", r#"["https://as"]"#],
            ),
            (
                "aud",
                r#""urn:a""#,
                vec!["1", "null", "[]", "[1]", r#"["urn:a",1]"#, "{}"],
            ),
            (
                "sub",
                r#""01890000-0000-4000-8000-000000000001""#,
                vec![r#""alice""#, r#""""#, "null", "1"],
            ),
            (
                "jti",
                r#""01890000-0000-7000-8000-000000000002""#,
                vec![
                    "null",
                    "7",
                    r#""x""#,
                    r#""{01890000-0000-7000-8000-000000000002}""#,
                    r#""0189000000007000800000000000000A""#,
                ],
            ),
            ("client_id", r#""c""#, vec!["null", "1", r#""""#, "[\"c\"]"]),
        ] {
            let member = format!("\"{name}\":{good}");
            assert!(GOOD.contains(&member), "{name}");
            for value in wrong {
                let json = GOOD.replace(&member, &format!("\"{name}\":{value}"));
                assert_eq!(parse(&json), Err(Refused::Claim(name)), "{name} = {value}");
            }
            let json = GOOD.replace(&member, "\"x\":1");
            assert_eq!(parse(&json), Err(Refused::Claim(name)), "{name} absent");
        }
        for scope in ["null", "1", r#"["a"]"#, r#""a\"b""#] {
            let json = GOOD.replace(r#""b a""#, scope);
            assert_eq!(parse(&json), Err(Refused::Claim("scope")), "{scope}");
        }
        for sid in ["null", "1", r#""x""#, r#""01890000-0001-4000-8000-000000000003""#] {
            let json = GOOD.replace(r#""01890000-0001-7000-8000-000000000003""#, sid);
            assert_eq!(parse(&json), Err(Refused::Claim("sid")), "{sid}");
        }
    }

    #[test]
    fn rejects_a_token_whose_start_is_unknown() {
        let json = GOOD
            .replace(r#""sid":"01890000-0001-7000-8000-000000000003","#, "")
            .replace(
                "01890000-0000-7000-8000-000000000002",
                "01890000-0000-4000-8000-000000000002",
            );
        assert_eq!(parse(&json), Err(Refused::Claim("jti")));
    }

    #[test]
    fn rejects_what_is_bound_to_a_key() {
        for cnf in ["null", r#"{"jkt":"x"}"#] {
            let json = GOOD.replace(r#""tenant":{"id":7}"#, &format!("\"cnf\":{cnf}"));
            assert_eq!(parse(&json), Err(Refused::SenderConstrained));
        }
    }

    #[test]
    fn requires_every_scope() {
        let claims = parse(GOOD).unwrap();
        assert_eq!(claims.require_scope(&"a".parse().unwrap()), Ok(()));
        assert_eq!(claims.require_scope(&"a b".parse().unwrap()), Ok(()));
        let required: ScopeSet = "a c".parse().unwrap();
        assert_eq!(
            claims.require_scope(&required),
            Err(Refused::InsufficientScope {
                required: required.clone()
            })
        );
    }
}
