//! A small cluster that is driven by text and drawn as text.
//!
//! Everything around the replicas is a double here: the disk (`disk.rs`), the network and the clocks (`cluster.rs`). The
//! replicas are the real ones. `script.rs` knows the verbs, `words.rs` what is said with them, `draw.rs` what the lines look like.

pub(crate) mod auth;
pub(crate) mod backup;
pub(crate) mod callers;
pub(crate) mod cluster;
pub(crate) mod disk;
pub(crate) mod draw;
pub(crate) mod script;
mod words;
