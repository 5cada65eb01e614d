//! The tables, as rows that sea-orm reads and writes.
#![expect(
    unreachable_pub,
    reason = "the types that the derive macros make are public, and so must be what they name"
)]

/// A table whose relations no query follows.
macro_rules! no_relations {
    () => {
        #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    };
}

/// A table of which queries follow `$from` to the row of `$to`.
macro_rules! relation {
    ($from:literal => $to:path, $entity:literal, $column:literal) => {
        #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {
            #[sea_orm(belongs_to = $entity, from = $from, to = $column)]
            Owner,
        }

        impl Related<$to> for Entity {
            fn to() -> RelationDef {
                Relation::Owner.def()
            }
        }

        impl ActiveModelBehavior for ActiveModel {}
    };
}

mod admin;
mod audit;
mod client;
mod key;
mod server;
mod session;
mod user;
mod verifier;

pub(crate) use admin::{admin_tokens, idempotency_keys, scopes};
pub(crate) use audit::{audit_checkpoints, audit_head, audit_log};
pub(crate) use client::{client_secrets, client_values, clients, resource_servers};
pub(crate) use key::{key_nodes, key_schedule, signing_keys};
pub(crate) use server::{issuers, revocation_head, revocation_log, server_secrets};
pub(crate) use session::{session_records, sessions};
pub(crate) use user::{role_scopes, roles, subjects, user_names, user_roles, users};
pub(crate) use verifier::verifiers;
