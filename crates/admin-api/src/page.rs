//! Lists: bounded pages, and cursors that only this server makes.

use serde::{Deserialize, Serialize};
use symbolon_core::cursor::{CursorError, Cursors};
use symbolon_core::ports;
use utoipa::{IntoParams, ToSchema};

/// Most items of a page.
pub const MAX_LIMIT: u32 = 500;

/// Which page of a list.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Most items to return.
    #[param(minimum = 1, maximum = 500, default = 100)]
    #[serde(default = "usual", deserialize_with = "limit")]
    pub(crate) limit: u32,
    /// Continue behind this cursor, the `next` of the page before.
    #[param(max_length = 1400)]
    pub(crate) after: Option<String>,
}

fn usual() -> u32 {
    100
}

fn limit<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    // In a query string that another struct flattens this one into, numbers are text.
    let text = String::deserialize(from)?;
    text.parse()
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| serde::de::Error::custom(format_args!("give 1 to {MAX_LIMIT}")))
}

impl PageQuery {
    /// The position in the cursor.
    ///
    /// # Errors
    /// [`CursorError`] for a forged cursor and for that of another list.
    pub(crate) fn position(&self, cursors: &Cursors, list: &str) -> Result<Option<String>, CursorError> {
        let open = |cursor: &String| cursors.open(list, cursor);
        self.after.as_ref().map(open).transpose()
    }
}

/// A page of a list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; null at the end.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A list that comes whole.
    pub(crate) fn whole(items: impl IntoIterator<Item = T>) -> Self {
        Self {
            items: items.into_iter().collect(),
            next: None,
        }
    }

    /// A page of what a store returned, each item as `view` shows it.
    pub(crate) fn of<U>(
        found: ports::Page<U>,
        cursors: &Cursors,
        list: &str,
        view: impl Fn(&U) -> T,
    ) -> Self {
        Self {
            items: found.items.iter().map(view).collect(),
            next: found.next.map(|position| cursors.seal(list, &position)),
        }
    }
}
