//! Signing keys as administrators see them. No form of them holds a private key.

use serde::{Deserialize, Serialize};
use symbolon_jose::PublicJwk;
use utoipa::ToSchema;
use uuid::Uuid;

/// A signing key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = SigningKey)]
pub struct KeyView {
    /// Its id: the RFC 7638 thumbprint.
    pub kid: String,
    /// The one algorithm it signs with.
    pub alg: String,
    /// `pending`, `active`, `retiring`, `retired` or `compromised`.
    pub state: String,
    /// Since when it is in that state.
    pub since: String,
    /// The same in milliseconds since the epoch.
    pub since_ms: u64,
    /// When it was made or imported.
    pub created: String,
    /// The same in milliseconds since the epoch.
    pub created_ms: u64,
    /// From when on it signed; null where it never has.
    pub activated: Option<String>,
    /// The same in milliseconds since the epoch.
    pub activated_ms: Option<u64>,
    /// What is next for it; null where nothing is on schedule.
    pub next: Option<KeyNextStep>,
    /// For a pending key: from when on every verifier can know it.
    pub ready: Option<String>,
    /// The same in milliseconds since the epoch.
    pub ready_ms: Option<u64>,
    /// For a pending key that may not sign because a node does not publish it: that node.
    pub withheld_by: Option<String>,
    /// Id of the key-encryption key that it is encrypted under; null where its private key is erased.
    pub encryption_key: Option<String>,
}

/// What is next for a key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct KeyNextStep {
    /// The state that it gets.
    pub to: String,
    /// When, if the schedule runs until then without a break.
    pub at: String,
    /// The same in milliseconds since the epoch.
    pub at_ms: u64,
}

/// What a change of keys does, or would do, and when.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct KeyPlan {
    /// Every step, the consequences that the schedule brings later included.
    pub steps: Vec<KeyPlanStep>,
    /// What it costs.
    pub warnings: Vec<String>,
    /// What is left to do that the server can't.
    pub notes: Vec<String>,
    /// True where nothing was changed.
    pub dry_run: bool,
}

/// One key comes into one state.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct KeyPlanStep {
    /// Its algorithm.
    pub alg: String,
    /// The key; null where it has not been generated.
    pub kid: Option<String>,
    /// The state it is in; null where it is new.
    pub from: Option<String>,
    /// The state it gets.
    pub to: String,
    /// When: at once, or on schedule as a consequence.
    pub at: String,
    /// The same in milliseconds since the epoch.
    pub at_ms: u64,
    /// Whether it is part of the change itself rather than a consequence that the schedule brings later.
    pub now: bool,
}

/// What became of keys that leaked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct KeysCompromised {
    /// What was changed.
    pub plan: KeyPlan,
    /// How far it reaches: `everywhere`, or `logged` where a node that can't read the database at present may not know of
    /// it yet; null for a dry run.
    pub reach: Option<String>,
    /// The entries that it made on the revocation log; none for a dry run.
    pub revocations: Vec<KeyRevocation>,
}

/// The entry on the revocation log about a key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct KeyRevocation {
    /// The key.
    pub kid: String,
    /// Identity of the log.
    pub log: Uuid,
    /// The entry's position on it.
    pub seq: u64,
}

/// A JWK set ([RFC 7517 section 5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = JwkSet)]
pub struct PublicKeys {
    /// The published keys: active, pending and retiring.
    #[schema(value_type = Vec<Object>)]
    pub keys: Vec<PublicJwk>,
}

/// Public keys as PEM.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct PemKeys {
    /// The published keys: active, pending and retiring.
    pub keys: Vec<PemKey>,
}

/// A public key as PEM.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct PemKey {
    /// Its id.
    pub kid: String,
    /// The one algorithm it verifies.
    pub alg: String,
    /// The key as SubjectPublicKeyInfo; neither `kid` nor `alg` stands in it.
    pub pem: String,
}

/// What encrypting again came to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct KeysRewrapped {
    /// Id of the current key-encryption key.
    pub encryption_key: String,
    /// Signing keys.
    pub signing_keys: RewrapCount,
    /// Server secrets.
    pub server_secrets: RewrapCount,
    /// The key-encryption keys that records need afterwards.
    pub needed: Vec<NeededKey>,
    /// Ids of previous key-encryption keys that no record needs any more.
    pub removable: Vec<String>,
    /// What stands in the way.
    pub warnings: Vec<String>,
    /// True where nothing was changed.
    pub dry_run: bool,
}

/// Records of one kind that are encrypted.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct RewrapCount {
    /// All of them.
    pub total: usize,
    /// Those that were encrypted again, or with a dry run would be.
    pub changed: usize,
}

/// A key-encryption key and the records that are under it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct NeededKey {
    /// Its id; `unknown` where a record names none.
    pub encryption_key: String,
    /// The setting that it comes from; null where it is not configured on the node that answered.
    pub setting: Option<String>,
    /// The records.
    pub records: Vec<String>,
}
