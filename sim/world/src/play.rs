//! The door of the crate: a plan in, a run out.

use crate::{import::Import, panics, run, stage::Stage};
use madsim::{Config, runtime::Runtime};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use whitewater_record::{History, Outcome, Plan, SimTime, Trace};

/// What the caller may choose beside the plan. Nothing of it changes what happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Keep the rows of the trace, not only their hash.
    pub keep_trace: bool,
    /// Stop here, before the end of the plan. Then there is no liveness phase to judge.
    pub until: Option<SimTime>,
}

/// What came out of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The verdict of the on-line checks, and all counts.
    pub outcome: Outcome,
    /// What the clients saw.
    pub history: History,
    /// What happened.
    pub trace: Trace,
    /// By client of the plan: when each of its operations was invoked, the first time. Operations that the run did not
    /// come to are missing at the end.
    pub began: Vec<Vec<SimTime>>,
    /// When each rare moment was first reached.
    pub reached: BTreeMap<String, SimTime>,
}

/// Plays a plan.
///
/// A run lives on a thread of its own, because madsim's runtime keeps its context in the thread. A panic inside is a
/// violation with the code `panic` in the outcome and is not printed.
pub fn play(plan: &Plan, options: &Options) -> Run {
    play_on(None, plan, options)
}

/// Plays a plan on what is brought in.
///
/// # Panics
///
/// If the plan names a backup and none is brought in, or the other way round.
pub fn play_on(import: Option<&Import>, plan: &Plan, options: &Options) -> Run {
    let named = plan.cluster.backup.is_some();
    assert_eq!(named, import.is_some(), "the backup of a plan is played with it");
    panics::silence();
    let salvage = Arc::new(Mutex::new(None));
    let (plan, import, options) = (Arc::new(plan.clone()), import.cloned(), *options);
    let builder = std::thread::Builder::new().name(panics::THREAD.to_owned());
    let rescue = salvage.clone();
    let spawned = builder.spawn(move || {
        let runtime = Runtime::with_seed_and_config(plan.seed.0, Config::default());
        runtime.block_on(run::run(plan, import, options, rescue));
    });
    let thread = spawned.expect("the operating system has a thread to spare");
    let id = thread.thread().id();
    let panic = thread.join().err().map(|payload| panics::sentence(id, payload.as_ref()));
    let shared = salvage.lock().unwrap_or_else(PoisonError::into_inner).take();
    let shared = shared.expect("a run puts its world here before anything can go wrong");
    let run = run::finish(&shared, panic);
    // After a panic, tasks that never ended hold the world, and the world holds their wakers.
    let stage = std::mem::replace(&mut shared.lock().stage, Stage::new(0));
    drop(stage);
    run
}
