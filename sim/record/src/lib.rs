//! The data of a run. In: [`Seed`] and [`Plan`]. Out: [`History`], [`Trace`], [`Outcome`].
//!
//! ```text
//!  scenario + seed --planner--> Plan --world--> History, Trace, Outcome --checkers--> verdict --reports--> people
//! ```
//!
//! Open [`plan`] first: a run is a function of (commit, plan), so a plan says everything that is special about a run.
//! All of it is plain data with a text form that a person can read and edit. Other people's histories come in through
//! [`formats`].

#![forbid(unsafe_code)]

pub mod fault;
pub mod formats;
pub mod history;
mod limits;
pub mod lines;
pub mod moment;
pub mod operation;
pub mod outcome;
pub mod plain;
pub mod plan;
pub mod profile;
pub mod seed;
pub mod signature;
pub mod step;
pub mod time;
pub mod trace;
pub mod watcher;

pub use crate::{
    fault::{CrashPoint, Damage, Fault, PlannedFault, Shape, Victim},
    formats::{Format, Recorded},
    history::{
        CallerRow, EndRow, EpochRow, History, HoldRow, ObservedRow, Operation, Operations,
        Proclamation, WatchMessage, WatchRow,
    },
    lines::HistoryError,
    operation::{PlannedOperation, When},
    outcome::{Checked, Coverage, FaultCount, Outcome, Verdict, Violation},
    plain::{PlainAction, PlainHistory, PlainOperation, Shown},
    plan::{BackupPlan, ClientPlan, ClusterPlan, Fork, Plan, PlanError},
    profile::{ClockProfile, DiskProfile, Latency, NetworkProfile},
    seed::{Mixer, Seed, Stream},
    signature::{FailureClass, Signature},
    step::{
        Aspect, AuthStep, COMPACTION_KEY, Condition, LeaseChoice, LeaseStep, LockStep, MEMBER_IDS,
        MaintenanceStep, OptionStep, Step,
    },
    time::{SimTime, Span},
    trace::{Row, RowKind, Trace, TraceError},
    watcher::{PlannedWatch, WatcherPlan},
};
