//! What Redis does in one step.

use std::sync::LazyLock;

use redis::Script;

/// Makes the record of a session that begins.
pub(crate) static BEGIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/begin.lua")));
/// Raises a fence.
pub(crate) static RAISE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/raise.lua")));
/// Raises the head.
pub(crate) static RAISE_HEAD: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/raise_head.lua")));
/// Decides a rotation.
pub(crate) static ROTATE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/rotate.lua")));
