use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use symbolon_core::import::{
    EarlierNames, ImportMode, Imported, LineError, LinePassword, MAX_BATCH, MAX_PLAIN, UserLine,
};
use symbolon_core::password::{PasswordCost, PasswordHash};
use symbolon_core::ports::NewUser;
use symbolon_core::user::{Role, RoleName};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{HeldRoles, UserCreate};
use crate::api::Api;
use crate::change::beyond_rights;
use crate::extract::{Body, Caller, Why};
use crate::idempotency::changes_nothing;
use crate::problem::Problem;

/// Users of another system.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserImport {
    /// The users, as lines of an import file hold them; at most 500, of whom at most 100 come with a password in place of its
    /// hash.
    #[schema(value_type = Vec<UserCreate>, max_items = 500)]
    pub users: Vec<UserText>,
    /// Only say what would come of it.
    #[serde(default)]
    pub dry_run: bool,
}

/// A line of an import file: JSON as it was received, since it is read with messages of its own. Wiped when it is dropped,
/// and not shown by `Debug`: it may hold a password.
#[derive(Clone)]
pub struct UserText(Zeroizing<String>);

impl UserText {
    /// A line without its end.
    pub fn new(line: Zeroizing<String>) -> Self {
        Self(line)
    }
}

impl<'de> Deserialize<'de> for UserText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(from)?;
        Ok(Self(Zeroizing::new(raw.get().to_owned())))
    }
}

impl Serialize for UserText {
    /// # Errors
    /// The line is no JSON.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(to)
    }
}

impl fmt::Debug for UserText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserText(..)")
    }
}

/// What came of an import.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct ImportReport {
    /// Whether nothing was made, whatever the rest says.
    pub dry_run: bool,
    /// How many were made, or would be.
    pub added: usize,
    /// How many were there already, by all their names.
    pub existing: usize,
    /// How many were refused.
    pub refused: usize,
    /// What came of each, in the order of the request.
    pub users: Vec<ImportedUser>,
}

/// What came of one user.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct ImportedUser {
    /// Its place in the request, from 1 on.
    pub line: u32,
    /// What came of it.
    pub outcome: ImportOutcome,
    /// The subject of whoever was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Uuid>,
    /// The field for which it was refused, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The rule that it breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// What can come of one user.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImportOutcome {
    /// Made, or would be.
    Added,
    /// There is a user whom all these names lead to.
    Exists,
    /// Refused.
    Refused,
}

/// Make users of another system, also with password hashes that it made.
///
/// All in one transaction, in which whoever is refused holds nobody else up, and of each it is said what came of it. Roles may
/// hold no admin scope that your token lacks. To import again changes nobody who is there.
#[utoipa::path(
    post,
    path = "/users/import",
    tag = "users",
    params(Why),
    request_body = UserImport,
    responses((status = 200, description = "What came of each", body = ImportReport)),
)]
pub(crate) async fn import_users(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(body): Body<UserImport>,
) -> Result<Json<ImportReport>, Problem> {
    let mode = if body.dry_run {
        ImportMode::Check
    } else {
        ImportMode::Write
    };
    let roles = api.reading().roles().await?;
    let Batch { good, refused } = Batch::read(&body.users, &roles, &caller)?;
    let (mut numbers, mut new) = (Vec::with_capacity(good.len()), Vec::with_capacity(good.len()));
    for (number, line) in good {
        numbers.push(number);
        new.push(api.new_user(line, mode, &caller).await?);
    }
    let new = &new;
    let came = api
        .warranted(&caller, caller.act(), |admin| async move {
            admin.import_users(new, mode).await
        })
        .await?;
    let stored = numbers.into_iter().zip(new).zip(came);
    let stored = stored.map(|((line, user), came)| ImportedUser::stored(line, user, came, mode));
    let report = ImportReport::of(refused.into_iter().chain(stored), mode);
    if report.dry_run || report.added == 0 {
        changes_nothing();
    }
    Ok(Json(report))
}

/// A batch as it was read.
struct Batch {
    /// Those who may be made, and on which line they stand.
    good: Vec<(u32, UserLine)>,
    /// The others.
    refused: Vec<ImportedUser>,
}

impl Batch {
    fn read(users: &[UserText], roles: &[Role], caller: &Caller) -> Result<Self, Problem> {
        if users.len() > MAX_BATCH {
            return Err(Problem::invalid(
                "users",
                format_args!("send at most {MAX_BATCH} at a time"),
            ));
        }
        let mut earlier = EarlierNames::default();
        let (mut good, mut refused) = (Vec::new(), Vec::new());
        for (number, text) in (1..).zip(users) {
            let line = UserLine::parse(text.0.as_bytes()).and_then(|line| {
                earlier.take(line.profile.names(), number)?;
                may_give(caller, &line, roles)?;
                Ok(line)
            });
            match line {
                Ok(line) => good.push((number, line)),
                Err(error) => refused.push(ImportedUser::refused(number, error)),
            }
        }
        let plain = |(_, line): &&(u32, UserLine)| matches!(line.password, LinePassword::Plain(_));
        if good.iter().filter(plain).count() > MAX_PLAIN {
            return Err(Problem::invalid(
                "users",
                format_args!("send at most {MAX_PLAIN} at a time with a password in place of its hash"),
            ));
        }
        Ok(Self { good, refused })
    }
}

impl ImportReport {
    fn of(users: impl Iterator<Item = ImportedUser>, mode: ImportMode) -> Self {
        let mut users: Vec<_> = users.collect();
        users.sort_unstable_by_key(|user| user.line);
        let count = |outcome| users.iter().filter(|user| user.outcome == outcome).count();
        Self {
            dry_run: mode == ImportMode::Check,
            added: count(ImportOutcome::Added),
            existing: count(ImportOutcome::Exists),
            refused: count(ImportOutcome::Refused),
            users,
        }
    }
}

/// Whether the caller may give the roles. One that there is not yet is refused here: it may be there in a moment, with
/// more than the caller holds.
fn may_give(caller: &Caller, line: &UserLine, roles: &[Role]) -> Result<(), LineError> {
    let wanted = line.profile.roles();
    let held = HeldRoles::of(wanted, roles).map_err(|unknown| unknown_role(wanted, unknown))?;
    caller
        .principal
        .may_handle(&held.scope)
        .map_err(|problem| LineError::of("roles", problem.detail))
}

const UNKNOWN_ROLE: &str = "names a role that there is not";

/// The same, and which of the roles it is: values of the line are not repeated.
fn unknown_role(wanted: &[RoleName], unknown: &RoleName) -> LineError {
    let place = wanted
        .iter()
        .position(|name| name == unknown)
        .map_or(1, |place| place + 1);
    let rule = format!("{UNKNOWN_ROLE}: number {place} of its roles; make it first");
    LineError::of("roles", rule)
}

impl Api {
    /// The user of a line, with the hash to keep. Each password takes a while to hash: whoever is revoked meanwhile has no
    /// more of them hashed.
    async fn new_user(&self, line: UserLine, mode: ImportMode, caller: &Caller) -> Result<NewUser, Problem> {
        let (clock, rng) = (&self.parts.clock, &*self.parts.rng);
        let hash = match line.password {
            // Nobody is made of it.
            LinePassword::Plain(_) if mode == ImportMode::Check => {
                PasswordHash::decoy(PasswordCost::default(), rng)
            }
            password @ LinePassword::Plain(_) => {
                caller.may_go_on(self).await?;
                self.hash(password).await?
            }
            password @ LinePassword::Hash(_) => self.hash(password).await?,
        };
        Ok(line.profile.into_new_user(line.active, hash, clock.now(), rng))
    }
}

impl ImportedUser {
    fn refused(line: u32, error: LineError) -> Self {
        Self {
            line,
            outcome: ImportOutcome::Refused,
            subject: None,
            field: error.field.map(str::to_owned),
            rule: Some(error.rule),
        }
    }

    /// What the store says of a user.
    fn stored(line: u32, user: &NewUser, came: Imported, mode: ImportMode) -> Self {
        let (outcome, subject) = match came {
            Imported::Added => {
                let made = (mode == ImportMode::Write).then_some(user.user.subject.0);
                (ImportOutcome::Added, made)
            }
            Imported::Beyond => {
                return Self::refused(line, LineError::of("roles", beyond_rights("").detail));
            }
            Imported::Exists => (ImportOutcome::Exists, None),
            Imported::Taken(field) => {
                return Self::refused(line, LineError::of(field, "belongs to another user already"));
            }
            Imported::Unknown(_) => return Self::refused(line, LineError::of("roles", UNKNOWN_ROLE)),
        };
        Self {
            line,
            outcome,
            subject,
            field: None,
            rule: None,
        }
    }
}
