//! What came out of runs, for people and for machines. Pure functions: text in memory, no file, no clock.
//!
//! ```text
//!  Outcome --Totals::add--> CampaignResult --+--> text::summary   for people
//!                                            +--> lines           one JSON object a seed, header, totals, footer
//!                                            +--> junit, github, prometheus   for CI
//!                                            '--> html            a page, and a front page of many campaigns
//!  two CampaignResults --> Comparison: new, known, gone, and what is no longer seen
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
pub mod comparison;
pub mod coverage;
pub mod diff;
pub mod effort;
pub mod explain;
pub mod export;
pub mod failure;
pub mod gate;
pub mod github;
pub mod html;
pub mod junit;
pub mod kills;
pub mod lanes;
pub mod ledger;
pub mod lines;
pub mod number;
pub mod page;
pub mod picture;
pub mod policies;
pub mod prometheus;
pub mod query;
#[cfg(test)]
mod sample;
pub mod sentence;
pub mod shards;
mod table;
pub mod text;
pub mod totals;

pub use crate::{
    campaign::{Campaign, CampaignResult, Ending, Ruling},
    comparison::Comparison,
    effort::Effort,
    failure::{Failure, ShrunkPlan},
    gate::Gate,
    ledger::Entry,
    page::{Evidence, Page, Placement, Plays},
    picture::Picture,
    query::{Query, QueryError},
    totals::Totals,
};
