//! What came out of runs, for people and for machines. Pure functions: text in memory, no file, no clock.
//!
//! ```text
//!  Outcome --Totals::add--> CampaignResult --+--> text::summary   for people
//!                                            +--> lines           one JSON object a seed, header, totals, footer
//!                                            +--> junit           for CI
//!  Trace --Picture::take--> the cluster at an event --> lanes, sentence   for people
//!                                   `--> Query: the first event at which something holds
//! ```
//!
//! Open [`campaign`] first. Everything but [`Effort`] is a function of the seeds, so that two campaigns over the same
//! seeds give the same bytes, whatever the number of workers; effort is only ever printed in a footer.
//!
//! ```
//! use whitewater_reports::{Campaign, CampaignResult, text};
//!
//! let result = CampaignResult::new(Campaign { scenario: "swarm".into(), ..Campaign::default() });
//! assert!(text::summary(&result, false).starts_with("NOTHING RAN"));
//! ```

#![forbid(unsafe_code)]

pub mod campaign;
pub mod effort;
pub mod failure;
pub mod gate;
pub mod junit;
pub mod kills;
pub mod lanes;
pub mod lines;
pub mod number;
pub mod page;
pub mod picture;
pub mod query;
pub mod sentence;
mod table;
pub mod text;
pub mod totals;

pub use crate::{
    campaign::{Campaign, CampaignResult, Ending, Ruling},
    effort::Effort,
    failure::{Failure, ShrunkPlan},
    gate::Gate,
    page::{Evidence, Page, Placement, Plays},
    picture::Picture,
    query::{Query, QueryError},
    totals::Totals,
};
