//! The built binary over sockets, with clients that nobody here wrote.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "whatever fails in what tests share is a failed test"
)]

mod another_issuer;
mod commands;
mod crash;
mod doctor;
mod follow;
mod imports;
mod issuer_path;
mod keys;
mod load;
mod management;
mod oauth2_crate;
mod offline;
mod paste;
mod refusals;
mod shutdown;
mod tls;

use std::time::Duration;

use symbolon_tests::binary::{Credentials, PATIENCE, Remote, Server, Site, loopback};

/// A development server, with what it printed and a caller.
struct Dev {
    site: Site,
    server: Server,
    remote: Remote,
    cast: Cast,
}

impl Dev {
    async fn start() -> Self {
        Self::start_on(Site::dev()).await
    }

    async fn start_on(site: Site) -> Self {
        let server = site.serve().await;
        let cast = Cast::printed_by(&server);
        Self {
            remote: Remote::of(&server),
            site,
            server,
            cast,
        }
    }

    /// Kills the server and starts it again on the same port and data.
    async fn crash(self) -> Self {
        let Self {
            site, server, cast, ..
        } = self;
        let port = server.address().port();
        server.kill();
        let server = site.serve_at(loopback(port)).await;
        Self {
            remote: Remote::of(&server),
            site,
            server,
            cast,
        }
    }

    /// Logs the user in through the confidential client: access token and refresh token.
    async fn login(&self) -> (String, String) {
        let Cast {
            app,
            username,
            password,
            ..
        } = &self.cast;
        let reply = self.remote.login(app, username, password).await;
        reply.ok();
        (reply.text("access_token"), reply.text("refresh_token"))
    }
}

/// Who takes part: one user, a confidential and a public application, and the resource server of both.
#[derive(Clone, Debug)]
struct Cast {
    username: String,
    password: String,
    app: Credentials,
    spa: Credentials,
    api: Credentials,
}

const AUDIENCE: &str = "https://api.example";
const SCOPE: &str = "orders:read orders:write";

impl Cast {
    fn printed_by(server: &Server) -> Self {
        Self {
            username: server.text("/user/username").to_owned(),
            password: server.text("/user/password").to_owned(),
            app: Credentials::of(&server.ready["confidential_client"]),
            spa: Credentials::of(&server.ready["public_client"]),
            api: Credentials::of(&server.ready["resource_server"]),
        }
    }

    /// Makes them at the command line.
    async fn hire(site: &Site) -> Self {
        site.json("migrate").await;
        let password = "correct horse battery staple";
        let first = [
            format!("client add --name API --client-id api --serves {AUDIENCE}"),
            "role put user --scope orders:read --scope orders:write".to_owned(),
        ];
        let api = Credentials::of(&site.json_all(&first).await[0]);
        let can = format!(
            "--grant password --grant refresh_token --scope orders:read --scope orders:write \
             --default-scope orders:read --default-scope orders:write --audience {AUDIENCE}"
        );
        let apps = [
            format!(
                "client add --name App --client-id app --grant client_credentials --auth-method client_secret_basic --auth-method client_secret_post {can}"
            ),
            format!("client add --name SPA --client-id spa --public {can}"),
        ];
        let (apps, user) = tokio::join!(
            site.json_all(&apps),
            site.json_typed(password, "user add alice --role user --password-stdin")
        );
        assert_eq!(user["done"], "added");
        Self {
            username: "alice".to_owned(),
            password: password.to_owned(),
            app: Credentials::of(&apps[0]),
            spa: Credentials::of(&apps[1]),
            api,
        }
    }
}

/// Waits until something that comes by itself has come.
async fn eventually(what: &str, mut come: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !come().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect(what);
}
