//! `whitewater run`: one seed with all detail, or a campaign.

use crate::{
    args::RunArgs,
    artefacts::{self, Keeping},
    campaign::{Collector, WORKER_DIED, WORKER_STUCK},
    console::Console,
    depot::Depot,
    dispenser::Dispenser,
    engine,
    exit::{CliError, Exit},
    interrupt::Interrupt,
    job::{Job, Work},
    lab::Budget,
    limits, merge, pool,
    progress::Progress,
    publish, regressions, resources,
    shrink::{self, Means},
};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use whitewater_record::{Seed, Verdict};
use whitewater_reports::{CampaignResult, Ending, Failure, lines, number, text};

/// Seed of a run that does not say.
const FIRST: Seed = Seed(1);

/// The verb.
pub(crate) fn run(args: &RunArgs, console: Console) -> Result<Exit, CliError> {
    let job = Job::new(&args.scenario, &args.overrides, args.seed.unwrap_or(FIRST))?
        .redacting(args.redact);
    match (args.seed, args.seeds, args.time) {
        (Some(seed), None, None) if args.to.is_none() => one(args, &job, seed, console),
        _ => many(args, &job, console),
    }
}

fn one(args: &RunArgs, job: &Job, seed: Seed, console: Console) -> Result<Exit, CliError> {
    let plan = job.plan(&job.scenario()?, seed)?;
    let finished = engine::run(&plan, false, None)?;
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
    let kept = artefacts::keep_failure(
        &args.out,
        &plan,
        &outcome,
        Keeping { survivable: true, redact: args.redact },
    )?;
    if let (Some(failure), false) = (&kept.failure, console.json) {
        let folder = failure.folder.as_deref().unwrap_or_default();
        let report = PathBuf::from(folder).join(artefacts::REPORT);
        let report = report.display();
        console.result(&format!(
            "\nfolder: {folder}\nreport: {report}\nreplay: {}\n",
            failure.repro
        ))?;
    }
    if let Some(difference) = kept.difference {
        console.complain(&format!("nondeterminism: {difference}"));
        return Ok(Exit::Nondeterminism);
    }
    let mut failures: Vec<Failure> = kept.failure.into_iter().collect();
    shrink_failures(args, job, &mut failures, 1, &Interrupt::default(), console)?;
    if let (Some(shrunk), false) =
        (failures.iter().find_map(|one| one.shrunk.as_ref()), console.json)
    {
        console.result(&format!("\n{}", text::shrunk_lines(shrunk)))?;
    }
    Ok(Exit::Violated)
}

fn many(args: &RunArgs, job: &Job, console: Console) -> Result<Exit, CliError> {
    let scenario = job.scenario()?;
    let (first, seeds) = seeds(args)?;
    let workers = shrink::workers(args.jobs)?;
    let depot = args.to.as_deref().map(Depot::open).transpose()?;
    let first_line = Work::Seeds(Box::new(job.clone())).line()?;
    let recruiter = pool::recruiter(None, first_line, Duration::from_nanos(args.patience.0))?;
    let interrupt = Interrupt::listen(console)?;
    let deadline = args.time.map(|time| Instant::now() + Duration::from_nanos(time.0));
    let count = seeds.unwrap_or(u64::MAX);
    let mut campaign = job.campaign(&scenario, first, seeds);
    campaign.whole = args.shard.and(args.seeds).map(|whole| (args.seed.unwrap_or(FIRST), whole));
    let result = CampaignResult::new(campaign);
    let mut collector = Collector::open(job, &scenario, console, result, &args.out, args.resume)?;
    let dispenser = Dispenser::new(first, count, deadline, interrupt.clone()).skip(collector.seeds);
    let known = publish::known(&args.out, args.known.as_deref(), console)?;
    let mut progress = Progress::new(console, seeds, deadline, known);
    let is_regressed =
        if args.overrides.mutations.is_empty() && !args.no_regressions && !args.resume {
            let (replayed, failed) = regressions::replay(&recruiter, &args.out)?;
            collector.result.regressions = replayed;
            collector.result.failures = failed;
            !collector.result.failures.is_empty()
        } else {
            false
        };
    collector.result.ending = if is_regressed {
        Ending::Regression
    } else {
        collector.collect(&recruiter, &dispenser, workers, &mut progress, args.fail_fast)?;
        ending(&collector.result, &dispenser, args.fail_fast)
    };
    collector.result.effort.wall_us = progress.finish();
    collector.result.effort.workers = workers;
    let failures = &mut collector.result.failures;
    shrink_failures(args, job, failures, workers, &interrupt, console)?;
    let result = collector.close()?;
    if let Some(depot) = &depot {
        merge::send(depot, &args.out, &result)?;
    }
    Ok(if result.ending == Ending::Interrupted {
        Exit::Interrupted
    } else {
        result.ruling().into()
    })
}

/// The first seed, and how many. With a time and no number, as many as fit.
fn seeds(args: &RunArgs) -> Result<(Seed, Option<u64>), CliError> {
    let first = args.seed.unwrap_or(FIRST);
    let seeds = args.seeds.or(if args.time.is_some() { None } else { Some(limits::SEEDS) });
    match (args.shard, seeds) {
        (None, seeds) => Ok((first, seeds)),
        (Some(shard), Some(seeds)) => {
            let (first, seeds) = shard.range(first, seeds);
            Ok((first, Some(seeds)))
        }
        (Some(_), None) => Err(CliError::Usage(
            "--shard needs --seeds: a part of an unknown number of seeds is not known".to_owned(),
        )),
    }
}

/// Shrinks the plans of failures, each in its fair share of the time that is left.
fn shrink_failures(
    args: &RunArgs,
    job: &Job,
    failures: &mut [Failure],
    workers: usize,
    interrupt: &Interrupt,
    console: Console,
) -> Result<(), CliError> {
    if args.no_shrink {
        return Ok(());
    }
    let scenario = job.scenario()?;
    let deadline = Instant::now() + Duration::from_nanos(args.shrink_budget.0);
    let count = failures.len();
    for (place, failure) in failures.iter_mut().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let others = u32::try_from(count - place).expect("failures that are kept are few");
        let code = failure.violation.code.as_str();
        let Some(folder) = failure.folder.as_ref().map(PathBuf::from) else { continue };
        // What ends or holds up its process takes too long to be shrunk by the way.
        if [WORKER_DIED, WORKER_STUCK].contains(&code) || left.is_zero() || interrupt.is_set() {
            continue;
        }
        let plan = job.plan(&scenario, failure.seed)?;
        let deadline = Some(Instant::now() + left / others);
        let budget = Budget { deadline, runs: None, interrupt: interrupt.clone() };
        let means = Means { workers, patience: Duration::from_nanos(args.patience.0), budget };
        let name = format!("seed {}", failure.seed);
        let Some(minimum) = shrink::minimise(&plan, &name, &means, console)? else { continue };
        failure.shrunk = Some(minimum.keep(&folder.join("plan.min.toml"), args.redact)?);
    }
    Ok(())
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
