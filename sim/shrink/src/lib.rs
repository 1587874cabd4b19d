//! Makes a failing plan small. What is left is what it takes: remove any one item and the failure is gone.
//!
//! ```text
//!  failing plan ──▶ Search: passes propose smaller plans, in order ──ask──▶ "which is the first that still fails?"
//!                     ▲   settings, faults, operations, nodes, times          (the caller plays them, on all cores)
//!                     └───────────── until no pass finds any ◀───answer───────────┘
//!                   then every single removal is tried, in full: the proof
//! ```
//!
//! The crate knows plans and nothing of how they are played. Whether a plan still fails, and in the same way, is asked of
//! the caller, who gets candidates in an order and names the first one that does. So the result depends on the order
//! alone, and not on how many candidates the caller plays at a time.
//!
//! Every step makes the plan smaller by [`Size`], which is well-founded: the search ends. No candidate is less fair than
//! the plan that it began with ([`fair`]): taking a fault away must not turn a cluster that can survive into one that
//! cannot.
//!
//! Open [`search`] first. Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE 2002, is where
//! ddmin and the word 1-minimal are from.

#![forbid(unsafe_code)]

mod cluster;
mod ddmin;
pub mod fair;
mod faults;
mod items;
mod limits;
mod operations;
pub mod search;
mod settings;
mod size;
mod steps;
mod times;
mod watchers;

pub use crate::{
    items::{Items, Removal, removals},
    search::{Answer, Ask, Depth, Failing, Proof, Shrunk, shrink},
    size::Size,
    times::pinned,
};
