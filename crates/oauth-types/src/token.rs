use serde::Serialize;

use crate::ScopeSet;

/// A successful token response ([RFC 6749 section 5.1](https://www.rfc-editor.org/rfc/rfc6749#section-5.1)). It
/// holds plain tokens: it is made at the very end and serialised at once.
#[derive(Serialize)]
pub struct TokenResponse {
    /// The JWT access token.
    pub access_token: String,
    /// Always `Bearer` (RFC 6750).
    pub token_type: &'static str,
    /// Lifetime of the access token, seconds.
    pub expires_in: u64,
    /// The refresh token to use from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What was granted; always sent.
    pub scope: ScopeSet,
}

impl TokenResponse {
    /// The response as JSON. Written as it stands: tokens are of base64url and dots, and no scope can hold what JSON
    /// escapes (RFC 6749 section 3.3), so that looking for it byte by byte would find nothing in some thousand bytes.
    pub fn to_json(&self) -> Vec<u8> {
        let refresh_token = self.refresh_token.as_deref().unwrap_or_default();
        let scope = self.scope.to_string();
        let texts = [&self.access_token, refresh_token, self.token_type, &scope];
        debug_assert!(
            texts.iter().all(|text| text.bytes().all(needs_no_escape)),
            "tokens and scopes hold nothing that JSON escapes"
        );
        let expires_in = self.expires_in.to_string();
        let length: usize = texts.iter().map(|text| text.len()).sum();
        let mut json = Vec::with_capacity(length + 128);
        for part in [
            r#"{"access_token":""#,
            &self.access_token,
            r#"","token_type":""#,
            self.token_type,
            r#"","expires_in":"#,
            &expires_in,
        ] {
            json.extend_from_slice(part.as_bytes());
        }
        if self.refresh_token.is_some() {
            json.extend_from_slice(br#","refresh_token":""#);
            json.extend_from_slice(refresh_token.as_bytes());
            json.push(b'"');
        }
        json.extend_from_slice(br#","scope":""#);
        json.extend_from_slice(scope.as_bytes());
        json.extend_from_slice(br#""}"#);
        json
    }
}

fn needs_no_escape(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_serde_would_write() {
        for (refresh_token, scope) in [
            (None, ""),
            (Some("sbr_AZaz09-_".to_owned()), "orders:read !#[]^~ a"),
        ] {
            let response = TokenResponse {
                access_token: "a.b-c_d.e".into(),
                token_type: "Bearer",
                expires_in: u64::MAX,
                refresh_token,
                scope: scope.parse().unwrap(),
            };
            assert_eq!(response.to_json(), serde_json::to_vec(&response).unwrap());
        }
    }
}
