//! Releases: what a rolling upgrade goes through, member by member.

use serde::{Deserialize, Serialize};

/// As which release a member runs: what it says to others, what it writes down, and what it can read.
///
/// A cluster goes up by way of [`Self::Compatible`] until nobody is left behind, and down the same way: a member writes the
/// older form until its log holds nothing else, and only then can the previous release read its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// As the previous release did: it knows the older forms of messages and of the log only.
    Previous,
    /// This release, on disks that the previous one can read.
    Compatible,
    /// This release, in the newest forms.
    #[default]
    Newest,
}
