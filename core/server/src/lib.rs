//! The same core as a real server: etcd's v3 API on tokio, real files and real sockets.
//!
//! ```text
//!   clients ── listen ── services, gateway, http ── node ──┐
//!                                                          ▼
//!   peers ──── peers (links, listener) ────────────────▶ host ── Replica::step
//!                                                          ▲
//!   files ──── disk ───────────────────────────────────────┘
//! ```
//!
//! Open [`server`] first: how a member starts and ends. Then `host.rs`, the loop around the replica; it reads like
//! `sim/world/src/host.rs`, and like it decides nothing. `host/stage.rs` says who plays it, `reactors.rs` where clients live. `services/` turns etcd's messages into requests, `convert/` the
//! two into each other.

#![forbid(unsafe_code)]

mod alone;
pub mod backup;
pub mod client;
mod clock;
mod convert;
mod counted;
mod descriptors;
mod disk;
mod entropy;
pub mod flags;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gateway;
mod host;
mod http;
pub mod limits;
mod listen;
pub mod loopback;
mod memory;
mod metrics;
mod node;
mod peers;
pub mod proto;
mod reactors;
pub mod server;
mod services;
pub mod settings;
mod sockets;
mod sync;
pub mod tls;

/// The version of etcd whose behaviour is followed. Clients switch features on by it.
pub const VERSION: &str = "3.5.30";
