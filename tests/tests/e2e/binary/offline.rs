//! Verification offline by the `jsonwebtoken` crate, from the published key set, for every signing algorithm.

use std::collections::BTreeSet;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header};
use serde_json::Value;
use symbolon_tests::binary::{Credentials, Remote, Server, Site, free_port};

const ALGORITHMS: [(&str, Algorithm); 5] = [
    ("ES256", Algorithm::ES256),
    ("RS256", Algorithm::RS256),
    ("PS256", Algorithm::PS256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];
const PLAIN: &str = "https://plain.example";

/// The audience that wants its tokens signed so.
fn audience(alg: &str) -> String {
    format!("https://{}.example", alg.to_lowercase())
}

/// A server with keys of every algorithm, a resource server that names none, one for each algorithm that names it,
/// and as many clients.
struct All {
    server: Server,
    remote: Remote,
    clients: Vec<Credentials>,
    jwks: JwkSet,
    _site: Site,
}

impl All {
    async fn start() -> Self {
        let listen = free_port();
        let issuer = format!("http://{listen}");
        let toml = "keys.algorithms = [\"ES256\", \"RS256\", \"PS256\", \"ES384\", \"EdDSA\"]";
        let site = Site::configured(&issuer, listen, toml);
        site.json("migrate").await;
        let mut served = vec![format!("client add --name plain --serves {PLAIN}")];
        for (alg, _) in ALGORITHMS {
            served.push(format!(
                "client add --name {alg} --serves {}={alg}",
                audience(alg)
            ));
        }
        site.json_all(&served).await;
        let clients: Vec<String> = ALGORITHMS
            .iter()
            .map(|(alg, _)| {
                let audiences: String = ALGORITHMS
                    .iter()
                    .map(|(alg, _)| format!(" --audience {}", audience(alg)))
                    .collect();
                format!(
                    "client add --name wants-{alg} --grant client_credentials --scope read --default-scope read \
                     --signing-alg {alg} --audience {PLAIN}{audiences}"
                )
            })
            .collect();
        let clients = site
            .json_all(&clients)
            .await
            .iter()
            .map(Credentials::of)
            .collect();
        let server = site.serve().await;
        let remote = Remote::of(&server);
        let jwks = remote.get(server.text("/jwks_uri")).await;
        let jwks = serde_json::from_slice(&jwks.body).unwrap();
        Self {
            server,
            remote,
            clients,
            jwks,
            _site: site,
        }
    }

    async fn token(&self, client: &Credentials, resource: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("resource", resource)];
        let reply = self.remote.post("token_endpoint", client, &form).await;
        reply.ok();
        reply.text("access_token")
    }

    /// Verifies as a resource server does that knows the issuer, its own name and the algorithm it expects.
    fn verify(
        &self,
        token: &str,
        alg: Algorithm,
        audience: &str,
    ) -> Result<TokenData<Value>, jsonwebtoken::errors::Error> {
        let kid = decode_header(token)?.kid.expect("a kid");
        let jwk = self.jwks.find(&kid).expect("a published key");
        let mut validation = Validation::new(alg);
        validation.set_issuer(&[self.server.text("/issuer")]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        validation.leeway = 0;
        decode(token, &DecodingKey::from_jwk(jwk)?, &validation)
    }
}

#[tokio::test]
async fn jsonwebtoken_verifies_every_algorithm_offline() {
    let all = All::start().await;
    let mut kids = BTreeSet::new();
    for (client, (name, alg)) in all.clients.iter().zip(ALGORITHMS) {
        let token = all.token(client, PLAIN).await;
        let verified = all.verify(&token, alg, PLAIN).unwrap();
        assert_eq!(verified.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(verified.claims["client_id"], client.id);
        assert_eq!(verified.claims["scope"], "read");
        for claim in ["exp", "iat", "iss", "sub", "jti"] {
            assert!(!verified.claims[claim].is_null(), "{claim}");
        }
        kids.insert(verified.header.kid.unwrap());
        refuses_tampering(&all, &token, alg);

        // The resource server's own wish beats the client's.
        let other = &all.clients[usize::from(name == "ES256")];
        let token = all.token(other, &audience(name)).await;
        let verified = all.verify(&token, alg, &audience(name)).unwrap();
        assert_eq!(verified.claims["client_id"], other.id);
        assert!(all.verify(&token, alg, PLAIN).is_err(), "another audience's");
    }
    assert_eq!(kids.len(), ALGORITHMS.len(), "one signing key each");
    // Every algorithm's next key is published too, before it ever signs, and no private part of any.
    assert_eq!(all.jwks.keys.len(), 2 * ALGORITHMS.len());
    let published = all.remote.get(all.server.text("/jwks_uri")).await.ok();
    for key in published["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}

#[track_caller]
fn refuses_tampering(all: &All, token: &str, alg: Algorithm) {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    assert_eq!(parts.len(), 3);
    for part in [1, 2] {
        let kept = parts[part].clone();
        // A character in the middle: all six of its bits count.
        let at = kept.len() / 2;
        let other = if kept.as_bytes()[at] == b'A' { "B" } else { "A" };
        parts[part].replace_range(at..=at, other);
        assert!(all.verify(&parts.join("."), alg, PLAIN).is_err(), "part {part}");
        parts[part] = kept;
    }
    let (unsigned, _) = token.rsplit_once('.').unwrap();
    assert!(
        all.verify(&format!("{unsigned}."), alg, PLAIN).is_err(),
        "no signature"
    );
    for (_, other) in ALGORITHMS.iter().filter(|(_, other)| *other != alg) {
        assert!(all.verify(token, *other, PLAIN).is_err(), "taken for {other:?}");
    }
}
