//! What it costs: criterion benches of the parts, and the table of figures of the whole.
//!
//! ```text
//!  benches/step.rs, store.rs, wal.rs, checker.rs, world.rs     one part each, by criterion, in time on the wall
//!  benches/million.rs, src/bin/million.rs                      a store of a million keys
//!  src/bin/figures/                                            the whole, in CPU time of one process
//! ```
//!
//! This library is what they share. Open [`seeds`] first: it plays and judges one seed as the command does. [`cluster`]
//! is the smallest host that a replica can have.
//!
//! ```
//! use whitewater_benches::seeds::Course;
//! use whitewater_record::{Seed, Span};
//! use whitewater_scenarios::Overrides;
//!
//! let short = Overrides { duration: Some(Span::seconds(1)), operations: Some(5), ..Overrides::default() };
//! let course = Course::new("quiet", short);
//! let lap = course.run(Seed(1));
//! assert!(lap.operations >= 15);
//! assert!(lap.objections.is_empty());
//! ```

#![forbid(unsafe_code)]

pub mod cluster;
pub mod judging;
pub mod limits;
pub mod million;
pub mod piped;
pub mod recorded;
pub mod registers;
pub mod rival;
pub mod seeds;
pub mod traffic;
pub mod usage;
