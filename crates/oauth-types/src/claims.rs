use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ScopeSet;

/// Claims of a JWT access token ([RFC 9068 section 2.2](https://www.rfc-editor.org/rfc/rfc9068#section-2.2)) and
/// the session id `sid`, by which the token stays revocable. Deserialisation refuses repeated members and times
/// that are not non-negative integers; it never treats a wrong type as absence.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AccessTokenClaims {
    /// Issuer identifier, from the configuration alone.
    pub iss: String,
    /// Subject: the user, or for client_credentials the client.
    pub sub: Uuid,
    /// The resource servers that may accept the token; never empty.
    pub aud: Audiences,
    /// End of validity, seconds since the epoch.
    pub exp: u64,
    /// Time of signing, seconds since the epoch.
    pub iat: u64,
    /// Identifier of this token: a UUIDv7 whose time is that of the request.
    pub jti: Uuid,
    /// The client that the token was issued to.
    pub client_id: String,
    /// What was granted (RFC 8693 section 4.2).
    pub scope: ScopeSet,
    /// The session; absent where no user logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
}

/// The `aud` claim: on the wire a string, or an array where there are several
/// ([RFC 7519 section 4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Wire", into = "Wire")]
pub struct Audiences(pub Vec<String>);

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Wire {
    One(String),
    Many(Vec<String>),
}

impl From<Wire> for Audiences {
    fn from(wire: Wire) -> Self {
        match wire {
            Wire::One(one) => Self(vec![one]),
            Wire::Many(many) => Self(many),
        }
    }
}

impl From<Audiences> for Wire {
    fn from(Audiences(mut list): Audiences) -> Self {
        match list.len() {
            1 => Self::One(list.remove(0)),
            _ => Self::Many(list),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"iss":"https://as","sub":"01890000-0000-7000-8000-000000000001","aud":"urn:a","exp":2,
        "iat":1,"jti":"01890000-0000-7000-8000-000000000002","client_id":"c","scope":"a b"}"#;

    #[test]
    fn round_trips() {
        let claims: AccessTokenClaims = serde_json::from_str(GOOD).unwrap();
        assert_eq!(claims.aud, Audiences(vec!["urn:a".into()]));
        assert_eq!(claims.sid, None);
        let text = serde_json::to_string(&claims).unwrap();
        assert!(
            text.contains(r#""aud":"urn:a""#) && !text.contains("sid"),
            "{text}"
        );
        let two = AccessTokenClaims {
            aud: Audiences(vec!["urn:a".into(), "urn:b".into()]),
            ..claims
        };
        assert!(
            serde_json::to_string(&two)
                .unwrap()
                .contains(r#""aud":["urn:a","urn:b"]"#)
        );
    }

    #[test]
    fn refuses_times_of_the_wrong_type() {
        for exp in ["\"2\"", "true", "null", "1e400", "-1", "2.5"] {
            let text = GOOD.replace("\"exp\":2", &format!("\"exp\":{exp}"));
            assert!(serde_json::from_str::<AccessTokenClaims>(&text).is_err(), "{exp}");
        }
        let twice = GOOD.replace("\"exp\":2", "\"exp\":2,\"exp\":3");
        assert!(serde_json::from_str::<AccessTokenClaims>(&twice).is_err());
    }
}
