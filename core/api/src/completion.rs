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

impl<R, E> Completion<R, E> {
    /// Its place among the cases: 0 for ok, 1 for fail, 2 for info. As counts and pages have them.
    pub const fn place(&self) -> u8 {
        match self {
            Self::Ok(_) => 0,
            Self::Fail(_) => 1,
            Self::Info(_) => 2,
        }
    }
}
