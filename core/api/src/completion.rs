//! How an operation ended, in the three cases that a checker must tell apart.

use serde::{Deserialize, Serialize};

/// How an operation ended. There is no conversion between the cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completion<R, E> {
    /// It happened, and this came back.
    Ok(R),
    /// It did not happen and never will.
    Fail(E),
    /// It may have happened, or may yet: the answer was lost.
    Info(E),
}
