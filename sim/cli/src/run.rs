//! `whitewater run`: one seed with all detail, or a campaign.

use crate::{
    args::RunArgs,
    artefacts,
    campaign::Collector,
    console::Console,
    dispenser::Dispenser,
    engine,
    exit::{CliError, Exit},
    interrupt::Interrupt,
    job::Job,
    limits, pool,
    progress::Progress,
    resources,
};
use std::{
    thread,
    time::{Duration, Instant},
};
use whitewater_record::{Seed, Verdict};
use whitewater_reports::{CampaignResult, Ending, lines, number, text};

/// Seed of a run that does not say.
const FIRST: Seed = Seed(1);

/// The verb.
pub(crate) fn run(args: &RunArgs, console: Console) -> Result<Exit, CliError> {
    let job = Job::new(&args.scenario, &args.overrides, args.seed.unwrap_or(FIRST))?;
    match (args.seed, args.seeds, args.time) {
        (Some(seed), None, None) => one(args, &job, seed, console),
        _ => many(args, &job, console),
    }
}

fn one(args: &RunArgs, job: &Job, seed: Seed, console: Console) -> Result<Exit, CliError> {
    let plan = job.plan(&job.scenario()?, seed)?;
    let finished = engine::run(&plan, false, None);
    let used = resources::used();
    let outcome = finished.outcome;
    let shown = if console.json {
        format!("{}\n", lines::seed(&outcome))
    } else {
        text::outcome(&outcome, console.color)
    };
    console.result(&shown)?;
    let cpu = number::ratio(u128::from(used.cpu_us), 1_000_000, 2);
    console.remark(&format!("{cpu} s of CPU, {} at most", number::mebibytes(used.peak_bytes)));
    if outcome.verdict != Verdict::Failed {
        return Ok(outcome.verdict.into());
    }
    let kept = artefacts::keep_failure(&args.out, &plan, &outcome, true)?;
    if let (Some(failure), false) = (kept.failure, console.json) {
        let folder = failure.folder.unwrap_or_default();
        console.result(&format!("\nfolder: {folder}\nreplay: {}\n", failure.repro))?;
    }
    if let Some(difference) = kept.difference {
        console.complain(&format!("nondeterminism: {difference}"));
        return Ok(Exit::Nondeterminism);
    }
    Ok(Exit::Violated)
}

fn many(args: &RunArgs, job: &Job, console: Console) -> Result<Exit, CliError> {
    let scenario = job.scenario()?;
    let first = args.seed.unwrap_or(FIRST);
    // With a time and no number, as many as fit.
    let seeds = args.seeds.or(if args.time.is_some() { None } else { Some(limits::SEEDS) });
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers = args.jobs.unwrap_or(cores);
    if !(1..=limits::WORKERS_MAX).contains(&workers) {
        let max = limits::WORKERS_MAX;
        return Err(CliError::Usage(format!("-j {workers}: expected 1 to {max} workers")));
    }
    let job_line = serde_json::to_string(job)
        .map_err(|error| CliError::Internal(format!("the job has no JSON form: {error}")))?;
    let recruiter = pool::recruiter(None, job_line, Duration::from_nanos(args.patience.0))?;
    let interrupt = Interrupt::listen(console)?;
    let deadline = args.time.map(|time| Instant::now() + Duration::from_nanos(time.0));
    let count = seeds.unwrap_or(u64::MAX);
    let dispenser = Dispenser::new(first, count, deadline, interrupt);
    let result = CampaignResult::new(job.campaign(&scenario, first, seeds));
    let mut collector = Collector::open(job, &scenario, console, result, &args.out)?;
    let mut progress = Progress::new(console, seeds, deadline);
    collector.collect(&recruiter, &dispenser, workers, &mut progress, args.fail_fast)?;
    collector.result.ending = ending(&collector.result, &dispenser, args.fail_fast);
    collector.result.effort.wall_us = progress.finish();
    collector.result.effort.workers = workers;
    let result = collector.close()?;
    Ok(if result.ending == Ending::Interrupted {
        Exit::Interrupted
    } else {
        result.ruling().into()
    })
}

fn ending(result: &CampaignResult, dispenser: &Dispenser, fail_fast: bool) -> Ending {
    if dispenser.is_exhausted() {
        Ending::Complete
    } else if dispenser.interrupt.is_set() {
        Ending::Interrupted
    } else if fail_fast && result.totals.failed > 0 {
        Ending::FailFast
    } else {
        Ending::Time
    }
}
