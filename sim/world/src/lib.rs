//! The simulated host: plays physics on virtual time around unchanged replicas.
//!
//! ```text
//!            nemesis   clients   admin, probe          observer (ghost state, invariants)
//!               │         │          │                     ▲
//!               ▼         ▼          ▼                     │ every event
//!   agenda ──> World: now, network, machines (disk, clock, status), history, trace
//!               ▲  │ one input            outputs │
//!               │  ▼                              │
//!   main task ──┴── Replica::step of one node
//! ```
//!
//! One heap of events holds all that will happen. The main task takes the earliest one, steps the replica of the one node
//! that it concerns and performs the outputs. A process is a task on a madsim node of its own, so that a start and a kill
//! are madsim's: it opens the replica, and the replica goes when it does. No message, no timer and no step is ever a task.
//!
//! The host decides nothing: it performs outputs and feeds back inputs.
//!
//! Open `run.rs` first: it shows a whole run on one screen. Then `world.rs`, then `host.rs`.

#![forbid(unsafe_code)]

#[cfg(not(madsim))]
compile_error!("build with --cfg madsim (see .cargo/config.toml); unset RUSTFLAGS");

mod admin;
mod agenda;
mod asking;
mod backups;
mod budget;
mod bystanders;
mod client;
mod clients;
mod coverage;
mod effects;
mod fork;
mod guests;
mod host;
mod import;
mod invariants;
mod lifecycle;
mod limits;
mod liveness;
mod machine;
mod mirrors;
mod moments;
mod namespace;
mod nemesis;
mod notes;
mod observer;
mod panics;
mod passwords;
mod play;
mod points;
mod post;
mod run;
pub mod session;
mod shuffle;
mod stage;
pub mod steps;
mod streams;
mod tally;
#[cfg(test)]
mod tests;
mod upgrade;
mod victims;
mod watchers;
mod world;

pub use import::Import;
pub use play::{Options, Run, play, play_on};
