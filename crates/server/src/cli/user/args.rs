//! `user` as clap reads it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use symbolon_core::user::RoleName;

use super::super::args::{PageArgs, SureArgs, WhyArgs};
use super::super::new_password::PasswordArgs;

/// `user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user.
    Add(UserAdd),
    /// Delete a user for good and end all sessions.
    Delete(UserDelete),
    /// End all sessions and refuse logins until the user is enabled again.
    Disable(UserSwitch),
    /// Allow logins again; what was before stays ended.
    Enable(UserSwitch),
    /// Write all users as JSON lines, without passwords and their hashes.
    Export,
    /// Make users of JSON lines, also with password hashes of other systems.
    Import(UserImport),
    /// List or search users.
    List(UserList),
    /// Set a new password and end all sessions.
    SetPassword(UserSetPassword),
    /// Replace the roles of a user.
    SetRoles(UserSetRoles),
    /// Show one user.
    Show(UserRef),
    /// Change the names that a user logs in with; sessions go on.
    Update(UserUpdate),
}

/// A user who exists.
#[derive(Args, Debug)]
pub struct UserRef {
    /// User name, e-mail address or subject.
    pub user: String,
}

/// `user disable` and `user enable`.
#[derive(Args, Debug)]
pub struct UserSwitch {
    /// User name, e-mail address or subject.
    pub user: String,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `user add`.
#[derive(Args, Debug)]
pub struct UserAdd {
    /// The name to log in with.
    pub username: String,
    /// An e-mail address, with which the user can log in too.
    #[arg(long)]
    pub email: Option<String>,
    /// A role that the user holds; may be repeated.
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<RoleName>,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `user delete`.
#[derive(Args, Debug)]
pub struct UserDelete {
    /// User name, e-mail address or subject.
    pub user: String,
    /// Whether to ask, and why.
    #[command(flatten)]
    pub sure: SureArgs,
}

/// `user import`.
#[derive(Args, Debug)]
pub struct UserImport {
    /// A file with one JSON object per line, or `-` for standard input: username, email, roles, active, and either
    /// password_hash or password.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Only say what would come of it.
    #[arg(long)]
    pub dry_run: bool,
    /// Write what came of every line that made no user to this file, which must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `user list`.
#[derive(Args, Debug)]
pub struct UserList {
    /// Whose user name or e-mail address begins so, in any case; in the order of these names.
    #[arg(long, value_name = "TEXT")]
    pub prefix: Option<String>,
    /// Who holds this role.
    #[arg(long, value_name = "ROLE")]
    pub role: Option<RoleName>,
    /// Only those who are enabled, or with `--active false` only those who are disabled.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub active: Option<bool>,
    /// Which page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// `user set-password`.
#[derive(Args, Debug)]
pub struct UserSetPassword {
    /// User name, e-mail address or subject.
    pub user: String,
    /// Where the password comes from.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `user set-roles`.
#[derive(Args, Debug)]
pub struct UserSetRoles {
    /// User name, e-mail address or subject.
    pub user: String,
    /// The roles to hold from now on; those of `--role` count as well.
    #[arg(required_unless_present_any = ["by_flag", "none"])]
    pub roles: Vec<RoleName>,
    /// A role to hold from now on, as `user add` has it; may be repeated.
    #[arg(long = "role", id = "by_flag", value_name = "ROLE")]
    pub by_flag: Vec<RoleName>,
    /// Take all roles away.
    #[arg(long, conflicts_with_all = ["roles", "by_flag"])]
    pub none: bool,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}

/// `user update`.
#[derive(Args, Debug)]
pub struct UserUpdate {
    /// User name, e-mail address or subject.
    pub user: String,
    /// The new name to log in with.
    #[arg(long, value_name = "NAME", required_unless_present_any = ["email", "no_email"])]
    pub username: Option<String>,
    /// The new e-mail address, with which the user can log in too.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "no_email")]
    pub email: Option<String>,
    /// Take the e-mail address away.
    #[arg(long)]
    pub no_email: bool,
    /// Why.
    #[command(flatten)]
    pub why: WhyArgs,
}
