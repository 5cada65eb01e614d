//! `serve --dev`: a server to try out, without any configuration. Loopback only, and never for production.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use symbolon_core::audit::Act;
use symbolon_core::client::{AuthMethod, ClientPolicy, ClientType, ServedAudience};
use symbolon_core::password::{HashMemory, PasswordHash};
use symbolon_core::ports::{AdminStore, AdminStores as _, Change, FactStore, NewUser};
use symbolon_core::secret::ClientSecrets;
use symbolon_core::user::{Role, User};
use symbolon_core::{ClientId, Clock, Rng, Subject};
use symbolon_jose::KeyEncryptionKey;
use symbolon_jwks_publisher::{Endpoints, INTROSPECTION_PATH, REVOCATION_PATH, TOKEN_PATH};
use symbolon_oauth_types::{GrantType, ScopeSet};
use symbolon_store_sql::SqlStore;

use crate::bootstrap;
use crate::cli::{DEV_ENCRYPTION_KEY, LOGIN_FILE, has_dev_login, store_dev_login};
use crate::config::{Issuer, Settings};
use crate::node::{self, password_cost};
use crate::secrets::open_server_keys;

/// Where the development mode keeps its data unless `--data-dir` says otherwise.
pub const DEFAULT_DATA_DIR: &str = "symbolon-data";

const AUDIENCE: &str = "https://api.symbolon.test";
const SCOPE: &str = "orders:read orders:write";
const USERNAME: &str = "alice";
const APP: &str = "dev-app";
const SPA: &str = "dev-public-app";
const API: &str = "dev-api";
const ADMIN: &str = "dev-admin";
const BOTH_SECRET_METHODS: [AuthMethod; 2] = [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];

/// Makes the data folder and the key-encryption key in it, where they are not there yet.
///
/// # Errors
/// The folder can't be made or written.
pub fn prepare(dir: &Path, rng: &dyn Rng) -> anyhow::Result<()> {
    let shown = dir.display();
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("--data-dir: {shown} can't be made; choose a folder that can be written"))?;
    let path = dir.join(DEV_ENCRYPTION_KEY);
    if path.exists() {
        return Ok(());
    }
    let key = KeyEncryptionKey::generate(&mut |bytes| rng.fill(bytes));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(|| format!("--data-dir: {} can't be written", path.display()))?;
    writeln!(file, "{}", key.to_base64().as_str())?;
    Ok(file.sync_all()?)
}

/// The issuer of a server that listens there.
pub fn issuer(address: SocketAddr) -> Issuer {
    Issuer::loopback(address)
}

/// What is there to try out. Secrets are known only to the start that made them.
pub struct Seeded {
    password: Option<SecretString>,
    app: Seed,
    spa: Seed,
    api: Seed,
}

struct Seed {
    client_id: ClientId,
    secret: Option<SecretString>,
}

/// Makes one user with ordinary scopes, one confidential client, one public client, one resource server and one admin
/// client, or finds those of an earlier start. Stores a login for the last one in the folder, by which commands with
/// `--data-dir` reach the server whose admin API listens there.
///
/// # Errors
/// The store's.
pub async fn seed(
    settings: &Settings,
    (folder, admin): (&Path, SocketAddr),
    store: &SqlStore,
    clock: &dyn Clock,
    rng: &dyn Rng,
) -> anyhow::Result<Seeded> {
    let keys = open_server_keys(store, &settings.keys.encryption_keys, rng).await?;
    let seeder = Seeder {
        store,
        admin: store.acting(Act::server("serve --dev")),
        secrets: &keys.client_secrets,
        clock,
        rng,
    };
    // The order matters: an audience must be served before a client may ask for it.
    let api = seeder.client(API, api_policy()?).await?;
    let app = seeder.client(APP, app_policy(ClientType::Confidential)?).await?;
    let spa = seeder.client(SPA, app_policy(ClientType::Public)?).await?;
    let password = seeder.user(settings).await?;
    let path = folder.join(LOGIN_FILE);
    let secret = seeder.admin(&path).await?;
    let server = format!("http://{admin}");
    let token_endpoint = node::token_endpoint(settings.issuer.as_str());
    store_dev_login(&path, (&server, &token_endpoint), ADMIN, secret).map_err(anyhow::Error::msg)?;
    Ok(Seeded {
        password,
        app,
        spa,
        api,
    })
}

struct Seeder<'a> {
    store: &'a SqlStore,
    admin: Box<dyn AdminStore>,
    secrets: &'a ClientSecrets,
    clock: &'a dyn Clock,
    rng: &'a dyn Rng,
}

impl Seeder<'_> {
    async fn client(&self, id: &str, policy: ClientPolicy) -> anyhow::Result<Seed> {
        let client_id: ClientId = id.parse()?;
        if self.store.client(&client_id).await?.is_some() {
            return Ok(Seed {
                client_id,
                secret: None,
            });
        }
        policy.validate()?;
        let (change, secret) = bootstrap::make(
            &*self.admin,
            self.secrets,
            self.clock,
            self.rng,
            &client_id,
            policy,
        )
        .await?;
        done(change)?;
        Ok(Seed { client_id, secret })
    }

    /// The secret of the admin client: where an earlier start was told it and no login is stored, it gets another one.
    async fn admin(&self, path: &Path) -> anyhow::Result<Option<SecretString>> {
        let seed = self
            .client(ADMIN, bootstrap::policy("Development administrator")?)
            .await?;
        if seed.secret.is_some() || has_dev_login(path, ADMIN).map_err(anyhow::Error::msg)? {
            return Ok(seed.secret);
        }
        let Some(client) = self.store.client(&seed.client_id).await? else {
            return Ok(None);
        };
        let secret = ClientSecrets::generate(self.rng);
        let kept: Vec<_> = self.secrets.hash(client.uid, &secret).into_iter().collect();
        done(self.admin.set_client_secrets(client.uid, &kept).await?)?;
        Ok(Some(secret))
    }

    async fn user(&self, settings: &Settings) -> anyhow::Result<Option<SecretString>> {
        let name = USERNAME.parse()?;
        if self.store.credential(&name).await?.is_some() {
            return Ok(None);
        }
        let role = Role {
            name: "user".parse()?,
            scope: SCOPE.parse()?,
        };
        done(self.admin.put_role(&role).await?)?;
        let mut bytes = [0; 18];
        self.rng.fill(&mut bytes);
        let password = SecretString::from(URL_SAFE_NO_PAD.encode(bytes));
        let hash = PasswordHash::create(
            &password,
            password_cost(settings),
            self.rng,
            &mut HashMemory::default(),
        )?;
        let now = self.clock.now();
        let user = User {
            subject: Subject::new(now, self.rng),
            username: USERNAME.to_owned(),
            email: None,
            active: true,
            roles: vec![role.name],
            scope: ScopeSet::default(),
            created: now,
        };
        done(
            self.admin
                .add_user(&NewUser {
                    user,
                    names: vec![name],
                    password: hash,
                })
                .await?,
        )?;
        Ok(Some(password))
    }
}

fn done(change: Change) -> anyhow::Result<()> {
    match change {
        Change::Done => Ok(()),
        Change::Beyond | Change::CatchUp | Change::Stale => bail!("somebody else changes the data folder"),
        Change::Taken(what) | Change::Unknown(what) => {
            bail!("the data folder holds something of that {what} already: give another --data-dir")
        }
    }
}

fn app_policy(client_type: ClientType) -> anyhow::Result<ClientPolicy> {
    let confidential = client_type == ClientType::Confidential;
    let name = if confidential {
        "Development app"
    } else {
        "Development public app"
    };
    let mut grants = BTreeSet::from([GrantType::Password, GrantType::RefreshToken]);
    let mut auth_methods = BTreeSet::from([AuthMethod::None]);
    if confidential {
        grants.insert(GrantType::ClientCredentials);
        auth_methods = BOTH_SECRET_METHODS.into();
    }
    Ok(ClientPolicy {
        auth_methods,
        grants,
        scope: SCOPE.parse()?,
        default_scope: SCOPE.parse()?,
        audiences: vec![AUDIENCE.parse()?],
        ..ClientPolicy::new(name, client_type)
    })
}

fn api_policy() -> anyhow::Result<ClientPolicy> {
    let served = ServedAudience {
        indicator: AUDIENCE.parse()?,
        signing_alg: None,
        access_token_lifetime: None,
    };
    Ok(ClientPolicy {
        serves: vec![served],
        auth_methods: BOTH_SECRET_METHODS.into(),
        ..ClientPolicy::new("Development API", ClientType::Confidential)
    })
}

fn shown(secret: &Option<SecretString>) -> Value {
    secret
        .as_ref()
        .map_or(Value::Null, |secret| Value::from(secret.expose_secret()))
}

/// The one object that scripts read from standard output. `seeded` is `None` in production: then only addresses are
/// told.
pub fn json(issuer: &str, (management, admin): (&str, &str), seeded: Option<&Seeded>) -> Value {
    let mut object = json!({
        "issuer": issuer,
        "token_endpoint": format!("{issuer}{TOKEN_PATH}"),
        "introspection_endpoint": format!("{issuer}{INTROSPECTION_PATH}"),
        "revocation_endpoint": format!("{issuer}{REVOCATION_PATH}"),
        "jwks_uri": Endpoints::new(issuer).map(|endpoints| endpoints.jwks_uri()).unwrap_or_default(),
        "management_url": management,
        "admin_url": admin,
    });
    if let Some(seeded) = seeded {
        object["user"] = json!({ "username": USERNAME, "password": shown(&seeded.password) });
        object["confidential_client"] =
            json!({ "client_id": seeded.app.client_id.as_str(), "client_secret": shown(&seeded.app.secret) });
        object["public_client"] = json!({ "client_id": seeded.spa.client_id.as_str() });
        object["resource_server"] = json!({
            "client_id": seeded.api.client_id.as_str(),
            "client_secret": shown(&seeded.api.secret),
            "audience": AUDIENCE,
        });
    }
    object
}

/// What a person reads, with lines to paste.
pub fn text(issuer: &str, (management, admin): (&str, &str), seeded: &Seeded) -> String {
    let mut out = String::new();
    // Writing to a String can't fail.
    let mut line = |text: &str| writeln!(out, "{text}").unwrap_or_default();
    line(
        "Symbolon is ready. This is the development mode: loopback only, generated secrets, NOT FOR PRODUCTION.",
    );
    line("");
    line(&format!("  issuer      {issuer}"));
    line(&format!("  management  {management}/metrics"));
    line(&format!("  admin API   {admin}/admin/v1"));
    let (Some(password), Some(secret), Some(api)) =
        (&seeded.password, &seeded.app.secret, &seeded.api.secret)
    else {
        line("");
        line(
            "The user, the clients and their secrets are those of the first start, which showed the secrets once.",
        );
        line("Start with another --data-dir to get new ones.");
        return out;
    };
    let (password, secret, api) = (
        password.expose_secret(),
        secret.expose_secret(),
        api.expose_secret(),
    );
    line(&format!("  user        {USERNAME}  {password}"));
    line(&format!("  client      {APP}  {secret}"));
    line(&format!("  public      {SPA}"));
    line(&format!("  API         {API}  {api}  ({AUDIENCE})"));
    line("");
    line("The secrets are shown this once. Paste into a shell:");
    line("");
    let member = |name: &str| format!("sed -E 's/.*\"{name}\":\"([^\"]+)\".*/\\1/'");
    line("# log in (password grant)");
    line(&format!(
        "R=$(curl -s -u '{APP}:{secret}' -d grant_type=password -d username={USERNAME} -d 'password={password}' {issuer}{TOKEN_PATH}); echo \"$R\""
    ));
    line("# refresh");
    line(&format!(
        "R=$(curl -s -u '{APP}:{secret}' -d grant_type=refresh_token -d \"refresh_token=$(echo \"$R\" | {})\" {issuer}{TOKEN_PATH}); echo \"$R\"",
        member("refresh_token")
    ));
    line("# what the API is told of the access token (introspection): active");
    let introspect = format!(
        "curl -s -u '{API}:{api}' -d \"token=$(echo \"$R\" | {})\" {issuer}{INTROSPECTION_PATH}; echo",
        member("access_token")
    );
    line(&introspect);
    line("# log out (revoke the refresh token: its access tokens die with it)");
    line(&format!(
        "curl -s -o /dev/null -w '%{{http_code}}\\n' -u '{APP}:{secret}' -d \"token=$(echo \"$R\" | {})\" {issuer}{REVOCATION_PATH}",
        member("refresh_token")
    ));
    line("# introspection again: inactive");
    line(&introspect);
    line("# the public keys, for verifying offline");
    line(&format!("curl -s {issuer}/.well-known/jwks.json; echo"));
    out
}
