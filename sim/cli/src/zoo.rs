//! `whitewater zoo`: looks for each deliberate bug, and prints who found which, how soon.
//!
//! One bug after the other is switched on and looked for in the same seeds, by all workers. What was found depends on the
//! seeds alone: finds count in the order of seeds, and those beyond the last one that counts are as if never played.

use crate::{
    args::{OverrideArgs, ZooArgs},
    artefacts, campaign,
    console::Console,
    dispenser::Dispenser,
    exit::{CliError, Exit},
    interrupt::Interrupt,
    job::{Job, Work},
    lab::Budget,
    limits, listing,
    pool::{self, Recruiter, Worker},
    shrink::{self, Means, Minimum},
};
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};
use whitewater_mutation::Mutation;
use whitewater_record::{Outcome, Seed, Verdict};
use whitewater_reports::{
    Effort,
    kills::{Find, Hunt, Matrix, Remains},
    number,
};
use whitewater_scenarios::{Pinned, Scenario, mutants};

/// The verb.
pub(crate) fn zoo(args: &ZooArgs, console: Console) -> Result<Exit, CliError> {
    if args.list {
        return listing::zoo(console);
    }
    let wanted = wanted(&args.mutations)?;
    if args.seeds == 0 {
        console.line("NOTHING RAN zoo: no seeds")?;
        return Ok(Exit::NothingRan);
    }
    let started = Instant::now();
    let mut zoo = Zoo::open(args, console)?;
    for mutation in wanted {
        if zoo.interrupt.is_set() {
            break;
        }
        zoo.hunt(mutation)?;
    }
    zoo.effort.wall_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    zoo.close()
}

/// The mutations that are looked for: those that were named, or all.
pub(crate) fn wanted(names: &[String]) -> Result<Vec<Mutation>, CliError> {
    if names.is_empty() {
        return Ok(Mutation::ALL.to_vec());
    }
    let named = |name: &String| {
        Mutation::from_name(name).ok_or_else(|| {
            CliError::Usage(format!("`{name}` is no mutation: `zoo --list` names them all"))
        })
    };
    names.iter().map(named).collect()
}

/// The hunts so far, and what it takes to go on.
struct Zoo<'a> {
    args: &'a ZooArgs,
    console: Console,
    workers: usize,
    scenario: Scenario,
    interrupt: Interrupt,
    /// Plays seeds without any bug.
    clean: Recruiter,
    clean_worker: Option<Worker>,
    clean_job: Job,
    hunts: Vec<Hunt>,
    effort: Effort,
}

impl<'a> Zoo<'a> {
    fn open(args: &'a ZooArgs, console: Console) -> Result<Self, CliError> {
        let clean_job = Job::new(&args.scenario, &OverrideArgs::default(), args.seed)?;
        fs::create_dir_all(&args.out).map_err(CliError::io(args.out.display().to_string()))?;
        let patience = Duration::from_nanos(args.patience.0);
        let first_line = Work::Seeds(Box::new(clean_job.clone())).line()?;
        Ok(Self {
            args,
            console,
            workers: shrink::workers(args.jobs)?,
            scenario: clean_job.scenario()?,
            interrupt: Interrupt::listen(console)?,
            clean: pool::recruiter(None, first_line, patience)?,
            clean_worker: None,
            clean_job,
            hunts: Vec::new(),
            effort: Effort::default(),
        })
    }

    /// Looks for one bug, and shrinks the first find if that is asked for.
    fn hunt(&mut self, mutation: Mutation) -> Result<(), CliError> {
        let overrides =
            OverrideArgs { mutations: vec![mutation.name().to_owned()], ..OverrideArgs::default() };
        let job = Job::new(&self.args.scenario, &overrides, self.args.seed)?;
        let mut hunt = new_hunt(mutation);
        self.search(&job, &mut hunt)?;
        let first = hunt.finds.first().map(|find| find.seed);
        if let (true, Some(seed)) = (self.args.shrink, first)
            && let Some(minimum) = self.shrink(&job, seed)?
        {
            hunt.shrink_cpu_us = minimum.cpu_us;
            hunt.shrunk = Some(Remains {
                faults: minimum.after.faults,
                operations: minimum.after.operations,
                text: minimum.after.to_string(),
                is_minimal: minimum.proof.is_some(),
            });
        }
        let Hunt { mutation, finds, seeds, .. } = &hunt;
        let (finds, seeds) = (finds.len(), number::count(*seeds, "seed"));
        self.console.remark(&format!("{mutation}: found {finds} times in {seeds}"));
        self.hunts.push(hunt);
        Ok(())
    }

    /// Plays seeds with the bug, in order, until it was found often enough.
    fn search(&mut self, job: &Job, hunt: &mut Hunt) -> Result<(), CliError> {
        let first_line = Work::Seeds(Box::new(job.clone())).line()?;
        let recruiter = Recruiter { job: first_line, ..self.clean.clone() };
        let ZooArgs { seed, seeds, .. } = *self.args;
        let dispenser = Dispenser::new(seed, seeds, None, self.interrupt.clone());
        let (sender, parcels) = channel();
        thread::scope(|scope| {
            for _ in 0..self.workers {
                let (sender, recruiter, dispenser) = (sender.clone(), &recruiter, &dispenser);
                scope.spawn(move || campaign::drive(recruiter, dispenser, &sender));
            }
            drop(sender);
            let mut waiting = BTreeMap::new();
            let mut result = Ok(());
            for parcel in parcels {
                result = result.and_then(|()| {
                    let (place, seed, reply) = parcel?;
                    let patience = recruiter.patience;
                    let outcome = campaign::outcome_of(job, &self.scenario, seed, reply, patience)?;
                    waiting.insert(place, outcome);
                    while let Some((outcome, used)) = waiting.remove(&hunt.seeds)
                        && !self.is_over(hunt)
                    {
                        self.learn(hunt, &outcome, used)?;
                    }
                    Ok(())
                });
                if result.is_err() || self.is_over(hunt) {
                    dispenser.stop();
                }
            }
            result
        })
    }

    /// Whether the bug was found often enough.
    fn is_over(&self, hunt: &Hunt) -> bool {
        u64::try_from(hunt.finds.len()).is_ok_and(|finds| finds >= self.args.finds)
    }

    /// The next outcome in the order of seeds. A failure is a find only if the seed passes without the bug.
    fn learn(
        &mut self,
        hunt: &mut Hunt,
        outcome: &Outcome,
        used: Option<(u64, u64)>,
    ) -> Result<(), CliError> {
        hunt.seeds += 1;
        let (cpu_us, peak_bytes) = used.unwrap_or_default();
        hunt.cpu_us += cpu_us;
        self.effort.add(cpu_us, peak_bytes);
        self.effort.restarts += u64::from(used.is_none());
        let Some(violation) = outcome.violations.first() else { return Ok(()) };
        if self.twin(outcome.seed)? == Verdict::Failed {
            hunt.alarms.push(outcome.seed);
            return Ok(());
        }
        hunt.finds.push(Find { seed: outcome.seed, code: violation.code.clone() });
        let mut codes: Vec<&str> =
            outcome.violations.iter().map(|violation| violation.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        for code in codes {
            *hunt.objected.entry(code.to_owned()).or_default() += 1;
        }
        Ok(())
    }

    /// The verdict on a seed without the bug.
    fn twin(&mut self, seed: Seed) -> Result<Verdict, CliError> {
        let reply = self.clean.ask(&mut self.clean_worker, &seed.to_string())?;
        let (job, patience) = (&self.clean_job, self.clean.patience);
        Ok(campaign::outcome_of(job, &self.scenario, seed, reply, patience)?.0.verdict)
    }

    fn shrink(&self, job: &Job, seed: Seed) -> Result<Option<Minimum>, CliError> {
        let plan = job.plan(&self.scenario, seed)?;
        let deadline = Instant::now() + limits::ZOO_SHRINK;
        let budget =
            Budget { deadline: Some(deadline), runs: None, interrupt: self.interrupt.clone() };
        let means = Means { workers: self.workers, patience: self.clean.patience, budget };
        let name = format!("{}, seed {seed}", plan.mutations.join(", "));
        let Some(minimum) = shrink::minimise(&plan, &name, &means, self.console)? else {
            return Ok(None);
        };
        let folder = self.args.out.join("zoo");
        minimum.write(&folder.join(format!("{}.toml", plan.mutations.join("-"))), false)?;
        Ok(Some(minimum))
    }

    /// Writes and prints the matrix.
    fn close(mut self) -> Result<Exit, CliError> {
        self.clean_worker.take().into_iter().for_each(Worker::dismiss);
        self.effort.workers = self.workers;
        let is_whole = self.args.mutations.is_empty() && !self.interrupt.is_set();
        let matrix = Matrix {
            scenario: self.scenario.name,
            first_seed: self.args.seed,
            seeds_max: self.args.seeds,
            finds_wanted: self.args.finds,
            hunts: self.hunts,
            effort: self.effort,
        };
        let (text, lines) = (matrix.text(), matrix.lines());
        let file = |name: &str| self.args.out.join(name);
        artefacts::write(&file("zoo.txt"), |out| out.write_all(text.as_bytes()))?;
        artefacts::write(&file("zoo.jsonl"), |out| {
            lines.iter().try_for_each(|line| writeln!(out, "{line}"))
        })?;
        if self.console.json {
            lines.iter().try_for_each(|line| self.console.line(line))?;
        } else {
            self.console.result(&text)?;
        }
        Ok(if self.interrupt.is_set() {
            Exit::Interrupted
        } else if matrix.alarms().next().is_some() {
            Exit::Violated
        } else if matrix.percent() < if is_whole { self.args.gate } else { 100 } {
            Exit::GateFailed
        } else {
            Exit::Ok
        })
    }
}

/// A hunt that has not begun.
fn new_hunt(mutation: Mutation) -> Hunt {
    let pinned = mutants().find(|mutant| mutant.name == mutation.name());
    let killers = pinned.into_iter().flat_map(Pinned::killers);
    Hunt {
        mutation: mutation.name(),
        story: mutation.story(),
        source: mutation.source(),
        expected: killers.map(str::to_owned).collect(),
        seeds: 0,
        finds: Vec::new(),
        objected: BTreeMap::new(),
        alarms: Vec::new(),
        shrunk: None,
        cpu_us: 0,
        shrink_cpu_us: 0,
    }
}
