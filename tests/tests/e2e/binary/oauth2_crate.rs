//! The `oauth2` crate against the binary over TLS: it refuses to revoke over anything else.

use oauth2::basic::{BasicClient, BasicErrorResponseType};
use oauth2::{
    AuthType, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse,
    IntrospectionUrl, RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername, RevocationUrl, Scope,
    StandardRevocableToken, TokenIntrospectionResponse, TokenResponse, TokenUrl,
};
use symbolon_tests::binary::{CertificateFiles, Credentials, Server, Site, free_port, http_client};

use super::{AUDIENCE, Cast, SCOPE};

type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

/// A configured server with a certificate of its own.
struct Secure {
    server: Server,
    cast: Cast,
    http: reqwest::Client,
    _site: Site,
}

impl Secure {
    async fn start() -> Self {
        let listen = free_port();
        let issuer = format!("https://{listen}");
        let folder = tempfile::tempdir().unwrap();
        let files = CertificateFiles::create(folder.path());
        let site = Site::configured(&issuer, listen, &files.toml());
        let cast = Cast::hire(&site).await;
        let server = site.serve().await;
        let http = http_client(Some(&files.pem())).build().unwrap();
        Self {
            server,
            cast,
            http,
            _site: site,
        }
    }

    fn client(&self, credentials: &Credentials, auth: AuthType) -> Client {
        let url = |name: &str| self.server.text(name).to_owned();
        let client = BasicClient::new(ClientId::new(credentials.id.clone()))
            .set_token_uri(TokenUrl::new(url("/token_endpoint")).unwrap())
            .set_introspection_url(IntrospectionUrl::new(url("/introspection_endpoint")).unwrap())
            .set_revocation_url(RevocationUrl::new(url("/revocation_endpoint")).unwrap())
            .set_auth_type(auth);
        if credentials.secret.is_empty() {
            client
        } else {
            client.set_client_secret(ClientSecret::new(credentials.secret.clone()))
        }
    }

    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
        let response = self.http.execute(request.try_into()?).await?;
        let mut answer = HttpResponse::default();
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        *answer.body_mut() = response.bytes().await?.to_vec();
        Ok(answer)
    }

    /// What the resource server is told of a token, through the crate.
    async fn introspect(
        &self,
        token: &oauth2::AccessToken,
    ) -> oauth2::basic::BasicTokenIntrospectionResponse {
        let api = self.client(&self.cast.api, AuthType::BasicAuth);
        api.introspect(token)
            .set_token_type_hint("access_token")
            .request_async(&|request| self.call(request))
            .await
            .unwrap()
    }

    /// Password, introspection, refresh, revocation.
    async fn round(&self, client: &Client) {
        let http = |request| self.call(request);
        let username = ResourceOwnerUsername::new(self.cast.username.clone());
        let password = ResourceOwnerPassword::new(self.cast.password.clone());
        let login = client
            .exchange_password(&username, &password)
            .add_scope(Scope::new("orders:read".to_owned()))
            .request_async(&http)
            .await
            .unwrap();
        assert_eq!(*login.token_type(), oauth2::basic::BasicTokenType::Bearer);
        assert_eq!(login.expires_in().unwrap().as_secs(), 300);
        let first = login.refresh_token().unwrap();

        let told = self.introspect(login.access_token()).await;
        assert!(told.active());
        assert_eq!(told.client_id(), Some(client.client_id()));
        assert_eq!(told.iss(), Some(self.server.text("/issuer")));
        assert_eq!(told.aud(), Some(&vec![AUDIENCE.to_owned()]));
        assert_eq!(told.scopes(), Some(&vec![Scope::new("orders:read".to_owned())]));

        let refreshed = client
            .exchange_refresh_token(first)
            .request_async(&http)
            .await
            .unwrap();
        let second = refreshed.refresh_token().unwrap();
        assert_ne!(first.secret(), second.secret());
        assert!(self.introspect(refreshed.access_token()).await.active());

        let revocable = StandardRevocableToken::RefreshToken(second.clone());
        client
            .revoke_token(revocable)
            .unwrap()
            .request_async(&http)
            .await
            .unwrap();
        for token in [login.access_token(), refreshed.access_token()] {
            assert!(!self.introspect(token).await.active());
        }
        let refused = client.exchange_refresh_token(second).request_async(&http).await;
        assert_refused(refused, BasicErrorResponseType::InvalidGrant);
    }
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(
    answer: Result<T, oauth2::basic::BasicRequestTokenError<reqwest::Error>>,
    expected: BasicErrorResponseType,
) {
    match answer {
        Err(RequestTokenError::ServerResponse(error)) => {
            assert_eq!(*error.error(), expected);
            assert!(error.error_description().is_some_and(|text| !text.is_empty()));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn oauth2_crate_runs_every_flow() {
    let secure = Secure::start().await;
    let app = &secure.cast.app;
    for auth in [AuthType::BasicAuth, AuthType::RequestBody] {
        secure.round(&secure.client(app, auth)).await;
    }
    secure
        .round(&secure.client(&secure.cast.spa, AuthType::RequestBody))
        .await;

    let http = |request| secure.call(request);
    let client = secure.client(app, AuthType::BasicAuth);
    let granted = client
        .exchange_client_credentials()
        .request_async(&http)
        .await
        .unwrap();
    assert!(granted.refresh_token().is_none());
    let scopes: Vec<_> = granted
        .scopes()
        .unwrap()
        .iter()
        .map(|scope| scope.as_str())
        .collect();
    assert_eq!(scopes.join(" "), SCOPE);
    assert!(secure.introspect(granted.access_token()).await.active());

    // What is refused reaches the caller as the crate's own errors.
    let spa = secure.client(&secure.cast.spa, AuthType::RequestBody);
    let refused = spa.exchange_client_credentials().request_async(&http).await;
    assert_refused(refused, BasicErrorResponseType::UnauthorizedClient);
    let wrong = Credentials {
        secret: format!("{}x", app.secret),
        ..app.clone()
    };
    let wrong = secure.client(&wrong, AuthType::BasicAuth);
    let refused = wrong.exchange_client_credentials().request_async(&http).await;
    assert_refused(refused, BasicErrorResponseType::InvalidClient);
    let widened = client
        .exchange_client_credentials()
        .add_scope(Scope::new("admin".to_owned()))
        .request_async(&http)
        .await;
    assert_refused(widened, BasicErrorResponseType::InvalidScope);
    // The resource server is told no more for having been asked: the token above lives.
    assert!(secure.introspect(granted.access_token()).await.active());
}
