//! The simulated host: plays physics on virtual time around unchanged replicas.
//!
//! ```text
//!            nemesis   clients   admin, probe          observer (ghost state, invariants)
//!               │         │          │                     ▲
//!               ▼         ▼          ▼                     │ every event
//!   agenda ──> World: now, network, machines (disk, clock, status), history, trace
//!               ▲  │ one input            outputs │
//!               │  ▼                              │
//!   main task ──┴── driver task, one a node: Replica::step
//! ```
//!
//! One heap of events holds all that will happen. The main task takes the earliest one, moves madsim's clock to it and
//! hands the input to the one node that it concerns; that node's driver task, which lives in a madsim node of its own so
//! that a kill is madsim's, steps its replica and performs the outputs. No message and no timer is ever a task.
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
mod client;
mod clients;
mod coverage;
mod effects;
mod fork;
mod host;
mod invariants;
mod lifecycle;
mod limits;
mod liveness;
mod machine;
mod mirrors;
mod moments;
mod nemesis;
mod observer;
mod panics;
mod play;
mod points;
mod run;
mod session;
mod shuffle;
mod steps;
mod streams;
mod tally;
#[cfg(test)]
mod tests;
mod victims;
mod watchers;
mod world;

pub use play::{Options, Run, play};
