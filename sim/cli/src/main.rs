//! The `whitewater` command: hostile runs of a replicated key-value store, judged.
//!
//! ```text
//!  whitewater run swarm --seeds 100
//!     args -> run -> campaign -> pool -> 2 x `whitewater worker` -> engine (plan, world, judges)
//!                       '-> artefacts (plan, history, trace of a failure), reports
//! ```
//!
//! Open [`engine`] first: it is the one place that plans, plays and judges. `stdout` is the result, `stderr` the
//! progress; [`exit`] lists the exit codes.

#![forbid(unsafe_code)]

mod anatomy;
mod args;
mod artefacts;
mod backup;
mod bisect;
mod browse;
mod campaign;
mod check;
mod compare;
mod console;
mod crew;
mod depot;
mod diff;
mod dispenser;
mod doctor;
mod engine;
mod exit;
mod explain;
mod export;
mod find;
mod interrupt;
mod job;
mod judge;
mod lab;
mod limits;
mod listing;
#[cfg(feature = "live")]
mod live;
mod merge;
mod neighbour;
mod pool;
mod progress;
mod publish;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod recipes;
mod regressions;
mod replay;
mod report;
mod resources;
mod results;
mod run;
mod search;
mod shard;
mod shrink;
mod source;
mod view;
mod worker;
mod zoo;

use crate::{
    args::{Args, ReportArgs, ReportVerb, Verb},
    console::Console,
    exit::{CliError, Exit},
};
use clap::Parser;
use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A simulation allocates small things all the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let console = Console::new(args.color, args.json);
    if let Some(level) = args.log {
        tracing_subscriber::fmt()
            .without_time()
            .with_ansi(false)
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .init();
    }
    let exit = dispatch(args.verb, console).unwrap_or_else(|error| {
        // As with any filter in a pipe, a reader that has seen enough is no reason to complain.
        if !matches!(error, CliError::NobodyReads) {
            console.complain(&error.to_string());
        }
        error.exit()
    });
    ExitCode::from(exit.code())
}

fn dispatch(verb: Verb, console: Console) -> Result<Exit, CliError> {
    match verb {
        Verb::Run(args) => run::run(&args, console),
        Verb::Replay(args) => replay::replay(&args, console),
        Verb::Shrink(args) => shrink::verb(&args, console),
        Verb::Doctor(args) => doctor::doctor(&args, console),
        Verb::Find(args) => find::find(&args, console),
        Verb::Check(args) => check::check(&args, console),
        #[cfg(feature = "live")]
        Verb::Live(args) => live::live(&args, console),
        Verb::Plan(args) => listing::plan(&args, console),
        Verb::Zoo(args) => zoo::zoo(&args, console),
        Verb::Search(args) => search::search(&args, console),
        Verb::Bisect(args) => bisect::verb(&args, console),
        Verb::Diff(args) => diff::verb(&args, console),
        Verb::Export(args) => export::verb(&args, console),
        Verb::Explain(args) => explain::explain(&args, console),
        Verb::Report(ReportArgs { verb: Some(ReportVerb::Merge(args)), .. }) => {
            merge::verb(&args, console)
        }
        Verb::Report(args) => publish::report(&args, console),
        Verb::Scenarios => listing::scenarios(console),
        Verb::Worker => worker::work(),
    }
}
