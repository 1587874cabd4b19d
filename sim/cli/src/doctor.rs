//! `whitewater doctor`: is a run really a function of (commit, plan)?
//!
//! Each seed is played in two fresh processes, in one process after other seeds, and, if there is one, in another build
//! of this program. Traces, histories and outcomes must be equal byte for byte.

use crate::{
    args::DoctorArgs,
    compare,
    console::Console,
    exit::{CliError, Exit},
    job::{Answer, Job, Work},
    pool::{self, Recruiter, Reply, Worker},
};
use serde::Serialize;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    time::Duration,
};
use whitewater_record::{Outcome, Seed};
use whitewater_reports::number::count;

/// One way of running a seed.
struct Way {
    name: &'static str,
    recruiter: Recruiter,
    folder: PathBuf,
    /// The process of the seed before goes on with the next one.
    shared: bool,
    worker: Option<Worker>,
}

/// The finding on one seed, for machines.
#[derive(Serialize)]
struct Line<'a> {
    seed: Seed,
    same: bool,
    ways: Vec<&'a str>,
    trace_hash: String,
    events: u64,
    differences: Vec<String>,
}

/// The verb.
pub(crate) fn doctor(args: &DoctorArgs, console: Console) -> Result<Exit, CliError> {
    if args.seeds == 0 {
        console.line("NOTHING RAN doctor: no seeds")?;
        return Ok(Exit::NothingRan);
    }
    let job = Job::new(&args.scenario, &args.overrides, args.seed)?;
    let home = env::temp_dir().join(format!("whitewater-doctor-{}", process::id()));
    let mut ways = ways(args, &job, &home)?;
    let mut differing = 0;
    for place in 0..args.seeds {
        let seed = Seed(args.seed.0.wrapping_add(place));
        if !examine(seed, &mut ways, console)? {
            differing += 1;
        }
    }
    for worker in ways.into_iter().filter_map(|way| way.worker) {
        worker.dismiss();
    }
    if differing > 0 {
        console.remark(&format!("the differing runs are kept in {}", home.display()));
        return Ok(Exit::Nondeterminism);
    }
    fs::remove_dir_all(&home).map_err(CliError::io(home.display().to_string()))?;
    if !console.json {
        console.line(&format!(
            "PASS {} of {}: every byte is equal",
            count(args.seeds, "seed"),
            args.scenario
        ))?;
    }
    Ok(Exit::Ok)
}

fn ways(args: &DoctorArgs, job: &Job, home: &Path) -> Result<Vec<Way>, CliError> {
    let way = |name, shared, program: Option<&Path>| {
        let folder = home.join(name);
        let line = Work::Seeds(Box::new(job.keeping(folder.clone()))).line()?;
        let recruiter = pool::recruiter(program, line, Duration::from_nanos(args.patience.0))?;
        Ok(Way { name, recruiter, folder, shared, worker: None })
    };
    let mut ways = vec![way("alone", false, None)?, way("alone-again", false, None)?];
    ways.push(way("after-others", true, None)?);
    if let Some(other) = &args.other {
        ways.push(way("other-build", false, Some(other))?);
    }
    Ok(ways)
}

/// Plays a seed in all ways. Whether they are equal.
fn examine(seed: Seed, ways: &mut [Way], console: Console) -> Result<bool, CliError> {
    let mut outcomes = Vec::new();
    for way in &mut *ways {
        outcomes.push(way.play(seed)?);
    }
    let folder = |way: &Way| way.folder.join(seed.to_string());
    let (first, others) = ways.split_first().expect("there are always three ways");
    let mut differences = Vec::new();
    for (way, outcome) in others.iter().zip(&outcomes[1..]) {
        if let Some(difference) = compare::first_difference(&folder(first), &folder(way))? {
            differences.push(difference.describe(first.name, way.name));
        } else if *outcome != outcomes[0] {
            differences.push(format!(
                "the answers of {} and {} differ, their files do not",
                first.name, way.name
            ));
        }
    }
    let same = differences.is_empty();
    if same {
        // Kept only where they differ: the traces of a campaign would fill the disk.
        for way in &*ways {
            let folder = folder(way);
            fs::remove_dir_all(&folder).map_err(CliError::io(folder.display().to_string()))?;
        }
    }
    let names = ways.iter().map(|way| way.name).collect();
    report(seed, names, &outcomes[0], differences, console)?;
    Ok(same)
}

fn report(
    seed: Seed,
    ways: Vec<&str>,
    outcome: &Outcome,
    differences: Vec<String>,
    console: Console,
) -> Result<(), CliError> {
    let same = differences.is_empty();
    let (trace_hash, events) = (format!("{:016x}", outcome.trace_hash), outcome.events);
    if console.json {
        let line = Line { seed, same, ways, trace_hash, events, differences };
        let text = serde_json::to_string(&line)
            .map_err(|error| CliError::Internal(format!("a finding has no JSON form: {error}")))?;
        return console.line(&text);
    }
    if same {
        let runs = ways.len();
        return console
            .line(&format!("same  seed {seed}: {runs} runs, trace {trace_hash}, {events} events"));
    }
    console.line(&format!("DIFFERENT seed {seed}\n{}", differences.join("\n")))
}

impl Way {
    fn play(&mut self, seed: Seed) -> Result<Outcome, CliError> {
        let reply = self.recruiter.ask(&mut self.worker, &seed.to_string())?;
        if !self.shared
            && let Some(worker) = self.worker.take()
        {
            worker.dismiss();
        }
        match reply {
            Reply::Line(line) => serde_json::from_str::<Answer>(&line)
                .map(|answer| answer.outcome)
                .map_err(|error| self.cannot(seed, &format!("said `{line}`: {error}"))),
            Reply::Died(how) => Err(self.cannot(seed, &format!("died {how}"))),
            Reply::Stuck => Err(self.cannot(seed, "did not answer in time")),
        }
    }

    fn cannot(&self, seed: Seed, what: &str) -> CliError {
        let program = self.recruiter.program.display();
        CliError::Internal(format!("seed {seed}, {}: the worker {program} {what}", self.name))
    }
}
