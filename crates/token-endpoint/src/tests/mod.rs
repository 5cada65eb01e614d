mod accepting;
mod telling;
mod world;

use symbolon_core::client::Client;
use symbolon_core::rights::ADMIN_AUDIENCE;
use symbolon_core::user::User;
use symbolon_testkit::{confidential_client, resource_server, user};

use world::Node;

/// A client that administers, for itself and for users.
fn ops() -> Client {
    confidential_client("ops")
        .audiences(&[ADMIN_AUDIENCE])
        .scope("users:read keys:read", "")
        .build()
}

/// A client of an API that `api` is.
fn web() -> Client {
    confidential_client("web")
        .audiences(&["https://api.example"])
        .build()
}

fn api() -> Client {
    resource_server("api", "https://api.example").build()
}

fn alice() -> User {
    user("alice").scope("users:read orders:read").build()
}

fn node() -> Node {
    Node::new(vec![ops(), web(), api()], vec![alice()])
}

const OWN: &str = "grant_type=client_credentials&scope=users:read";

/// A login of alice's.
fn login(scope: &str) -> String {
    format!(
        "grant_type=password&username=alice&password={}&scope={scope}",
        world::PASSWORD.replace(' ', "+")
    )
}
