//! Locks and elections as etcd's services v3lock and v3election define them: what a call becomes.
//!
//! A [`Call`] is a sans-io state machine. Its host performs each [`Step`] as it would a client's own request or watch, at
//! any member, and feeds back what comes of it. It decides nothing, so a simulated client and a server that acts for a
//! client behave alike.
//!
//! ```text
//!   lock ── grant ──▶ enter: put our key if absent, see who is first
//!                       │ we are          │ somebody else
//!                       ▼                 ▼
//!                     held ◀── none ── look: is our key there, and which key was created just before it?
//!                                         ▲ │ that one                       │ our key is gone
//!                             it is gone  │ ▼                                ▼
//!                                        wait: watch that one key          session is expired
//! ```
//!
//! Fairness: keys are served in the order of their create revisions, and each contender waits for the one before it
//! alone, so one release wakes one of them (etcd, `client/v3/concurrency/key.go`). Unlike etcd's client, every look
//! checks our own key in the same transaction: a key that went while we waited never becomes an owner, and one that
//! was created anew since is not taken for it.
//!
//! ```
//! use whitewater_api::{LeaseId, concurrency::ServiceRequest};
//! use whitewater_concurrency::{Call, Step};
//! use whitewater_mutation::Mutations;
//!
//! let lock = ServiceRequest::Lock { name: "jobs".into(), lease: LeaseId(7) };
//! let (_call, steps) = Call::begin(lock, Mutations::none());
//! let [Step::Ask(enter)] = &steps[..] else { panic!("one step") };
//! assert!(enter.to_string().starts_with("txn if create(jobs/7)=r0 then {put jobs/7"), "{enter}");
//! ```
//!
//! Open [`call`] first, then `contender`, where locks and elections are won.

#![forbid(unsafe_code)]

pub mod call;
mod contender;
mod observer;
mod requests;
mod single;

pub use crate::call::{Call, Step};
