//! `whitewater shrink`: makes a failing plan small.

use crate::{
    args::ShrinkArgs,
    artefacts,
    console::Console,
    engine,
    exit::{CliError, Exit},
    interrupt::Interrupt,
    job::{self, Trial, Work},
    lab::{self, Budget, Lab},
    limits,
    neighbour::Neighbour,
    pool::{self, Recruiter, Worker},
    progress::Ticker,
    report,
};
use serde::Serialize;
use std::{
    fmt::Write as _,
    io::Write as _,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use whitewater_record::{FailureClass, Plan, Signature, SimTime, Verdict, Violation};
use whitewater_reports::{Plays, ShrunkPlan, number, page::Minimised};
use whitewater_shrink::{Failing, Items, Proof, Shrunk, pinned, shrink};

/// How to go about it.
#[derive(Clone, Debug)]
pub(crate) struct Means {
    /// Worker processes.
    pub(crate) workers: usize,
    /// Time on the wall after which a run counts as stuck.
    pub(crate) patience: Duration,
    /// When to stop.
    pub(crate) budget: Budget,
}

/// A failure, as a plan shows it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What is broken first.
    pub(crate) violation: Violation,
    /// What all plans that fail like this have in common.
    pub(crate) signature: Signature,
    /// The plan passes without the bug that was switched on. So must all others that count as this failure: the bug must
    /// stay to blame.
    pub(crate) has_twin: bool,
    /// When each operation of each client was invoked.
    began: Vec<Vec<SimTime>>,
    /// CPU time that it took to find out, in microseconds.
    cpu_us: u64,
}

impl Case {
    /// Plays a plan; [`None`] if it does not fail.
    pub(crate) fn of(
        plan: &Plan,
        recruiter: &Recruiter,
        worker: &mut Option<Worker>,
    ) -> Result<Option<Self>, CliError> {
        let look = lab::ask(recruiter, worker, &Self::trial(plan))?;
        let Some(violation) = look.violation else { return Ok(None) };
        let (mut has_twin, mut cpu_us) = (false, look.cpu_us);
        if !plan.mutations.is_empty() {
            let twin = Plan { mutations: Vec::new(), ..plan.clone() };
            let look = lab::ask(recruiter, worker, &Self::trial(&twin))?;
            cpu_us += look.cpu_us;
            has_twin = look.verdict == Verdict::Passed;
        }
        let signature = Signature::of_violation(&violation);
        Ok(Some(Self { violation, signature, has_twin, began: look.began, cpu_us }))
    }

    fn trial(plan: &Plan) -> Trial {
        Trial { plan: plan.clone(), until: None, wanted: None, has_twin: false }
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Minimum {
    /// The smallest plan that was found.
    pub(crate) plan: Plan,
    /// The failure that all the plans on the way have in common.
    pub(crate) signature: Signature,
    /// What is broken in it.
    pub(crate) violation: Violation,
    /// The items of the first plan.
    pub(crate) before: Items,
    /// The items that are left.
    pub(crate) after: Items,
    /// Whether removing any one of them ends the failure. Then, how many of those plans pass, and how many fail in
    /// another way.
    pub(crate) proof: Option<(u64, u64)>,
    /// Runs that count: as many with one worker as with several.
    pub(crate) runs: u64,
    /// CPU time of all workers, in microseconds.
    pub(crate) cpu_us: u64,
}

/// The verb.
pub(crate) fn verb(args: &ShrinkArgs, console: Console) -> Result<Exit, CliError> {
    let (plan, name) = (args.source.read()?, args.source.name());
    let file = args.output.clone().unwrap_or_else(|| {
        args.source.plan.as_ref().map_or_else(
            || Path::new("reports/out").join(artefacts::folder_name(&plan)).join("plan.min.toml"),
            |path| path.with_extension("min.toml"),
        )
    });
    let interrupt = Interrupt::listen(console)?;
    let means = Means {
        workers: workers(args.jobs)?,
        patience: Duration::from_nanos(args.patience.0),
        budget: Budget {
            deadline: Some(Instant::now() + Duration::from_nanos(args.time.0)),
            runs: args.runs,
            interrupt: interrupt.clone(),
        },
    };
    let Some(minimum) = minimise(&plan, &name, &means, console)? else {
        return Err(CliError::Usage(format!("{name} does not fail: there is nothing to shrink")));
    };
    let repro = minimum.write(&file, args.redact)?;
    minimum.show(&file, &repro, console)?;
    Ok(if minimum.proof.is_some() {
        Exit::Ok
    } else if interrupt.is_set() {
        Exit::Interrupted
    } else {
        Exit::Inconclusive
    })
}

/// How many workers, if nobody says: one a core.
pub(crate) fn workers(asked: Option<usize>) -> Result<usize, CliError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers = asked.unwrap_or(cores);
    if (1..=limits::WORKERS_MAX).contains(&workers) {
        return Ok(workers);
    }
    let max = limits::WORKERS_MAX;
    Err(CliError::Usage(format!("-j {workers}: expected 1 to {max} workers")))
}

/// Shrinks a plan; [`None`] if it does not fail.
pub(crate) fn minimise(
    plan: &Plan,
    name: &str,
    means: &Means,
    console: Console,
) -> Result<Option<Minimum>, CliError> {
    let recruiter = pool::recruiter(None, Work::Plans.line()?, means.patience)?;
    let mut worker = None;
    let Some(case) = Case::of(plan, &recruiter, &mut worker)? else {
        worker.into_iter().for_each(Worker::dismiss);
        return Ok(None);
    };
    let Case { violation, signature, has_twin, began, mut cpu_us } = case;
    let look_again = violation.clone();
    console.remark(&format!("shrinking {name}: {signature}"));
    let mut first = Failing { plan: pinned(plan, &began), at: violation.at, began };
    let look = lab::ask(&recruiter, &mut worker, &Case::trial(&first.plan))?;
    cpu_us += look.cpu_us;
    worker.into_iter().for_each(Worker::dismiss);
    if look.violation.as_ref().map(Signature::of_violation).as_ref() != Some(&signature) {
        first.plan = plan.clone();
    }
    let mut lab = Lab::new(
        &recruiter,
        means.workers,
        means.budget.clone(),
        signature.clone(),
        first.at,
        has_twin,
    );
    let (shrunk, violation) = search(&first, &mut lab, signature.class, console)?;
    let proof = matches!(shrunk.proof, Proof::Minimal(_)).then_some(lab.last_full);
    let minimum = Minimum {
        signature,
        violation: violation.unwrap_or(look_again),
        before: Items::of(plan),
        after: Items::of(&shrunk.failing.plan),
        plan: shrunk.failing.plan,
        proof,
        runs: lab.runs(),
        cpu_us: cpu_us + lab.cpu_us(),
    };
    lab.leave()?;
    Ok(Some(minimum))
}

/// Shrinks, and plays the result to its end. Should that not fail, though it did as far as it was played, candidates are
/// played to their ends too, from the first plan on.
fn search(
    first: &Failing,
    lab: &mut Lab,
    class: FailureClass,
    console: Console,
) -> Result<(Shrunk, Option<Violation>), CliError> {
    let mut ticker = Ticker::new("shrinking", console);
    let mut shrunk = first.clone();
    loop {
        let mut ask = |depth, candidates: &mut dyn Iterator<Item = Plan>| {
            lab.first(depth, candidates, &mut ticker)
        };
        let result = shrink(shrunk, class, &mut ask);
        let violation = lab.confirm(&result.failing.plan)?;
        if violation.is_some() || !lab.is_hasty {
            ticker.finish();
            return Ok((result, violation));
        }
        lab.is_hasty = false;
        shrunk = first.clone();
    }
}

impl Minimum {
    /// Writes the plan with what there is to say about it, and the report beside it. Returns the line that plays it again.
    pub(crate) fn write(&self, file: &Path, redact: bool) -> Result<String, CliError> {
        let repro = artefacts::replay_line(file);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(CliError::io(folder.display().to_string()))?;
        }
        let text = self.text(&repro);
        artefacts::write(file, |out| out.write_all(text.as_bytes()))?;
        self.report(&file.with_extension("html"), &repro, redact)?;
        Ok(repro)
    }

    /// Plays it once more, now keeping the trace, and the nearest plan that passes. Of what ends its process only the
    /// outcome is known.
    fn report(&self, file: &Path, repro: &str, redact: bool) -> Result<(), CliError> {
        let sizes = (self.before.to_string(), self.after.to_string());
        let proof = self.proof_line();
        let shrunk = Some(Minimised { before: &sizes.0, after: &sizes.1, proof: &proof });
        if self.signature.class == FailureClass::Process {
            let Violation { code, sentence, .. } = &self.violation;
            let outcome = engine::without_result(&self.plan, code, sentence.clone());
            let (plan, plays, other) = (&self.plan, Plays { of: 1, same: 1 }, None);
            let means = report::Means { plan, repro, plays, shrunk, other, anatomy: None, redact };
            return means.write_outcome(file, &outcome);
        }
        let finished = engine::run(&self.plan, true, None)?;
        let neighbour = Neighbour::nearest(&self.plan, limits::NEIGHBOURS_OF_SHRUNK)?;
        let is_same = finished.outcome.violations.first() == Some(&self.violation);
        let plays = Plays { of: 2, same: 1 + u64::from(is_same) };
        let other = neighbour.as_ref().map(Neighbour::other);
        let (plan, anatomy) = (&self.plan, None);
        let means = report::Means { plan, repro, plays, shrunk, other, anatomy, redact };
        means.write(file, &finished)
    }

    /// Writes the plan beside the failure that it is from, and says what there is to show.
    pub(crate) fn keep(&self, file: &Path, redact: bool) -> Result<ShrunkPlan, CliError> {
        Ok(ShrunkPlan {
            before: self.before.to_string(),
            after: self.after.to_string(),
            proof: self.proof_line(),
            repro: self.write(file, redact)?,
        })
    }

    /// What is a function of the first plan comes first; what it cost, which is not, is the last line.
    fn text(&self, repro: &str) -> String {
        let Violation { at, sentence, .. } = &self.violation;
        let mut text = String::new();
        let mut comment = |line: &str| writeln!(text, "# {line}").expect("a string takes all");
        comment(&format!("Fails: {}", self.signature));
        let sentence = sentence.lines().next().unwrap_or_default();
        comment(&format!("It says, at {at}: {sentence}"));
        comment(&format!("Shrunk: {} -> {}, in {}", self.before, self.after, self.counted_runs()));
        comment(&format!("Proof: {}", self.proof_line()));
        comment(&format!("Replay: {repro}"));
        let cpu = number::ratio(u128::from(self.cpu_us), 1_000_000, 1);
        format!("{text}{}# Cost: {cpu} CPU-seconds\n", self.plan.to_toml())
    }

    fn counted_runs(&self) -> String {
        number::count(self.runs, "run")
    }

    /// Whether anything more could go.
    pub(crate) fn proof_line(&self) -> String {
        let items = self.after.total();
        let n = match items {
            1 => "this 1 item".to_owned(),
            n => format!("any one of these {n} items"),
        };
        match self.proof {
            None => "none; the budget was spent, and more may go".to_owned(),
            Some((_, 0)) => format!("removing {n} passes"),
            Some((passed, failed)) => format!(
                "removing {n} ends this failure: {} pass, {} fail in another way",
                number::grouped(passed),
                number::grouped(failed),
            ),
        }
    }

    fn show(&self, file: &Path, repro: &str, console: Console) -> Result<(), CliError> {
        #[derive(Serialize)]
        struct Line<'a> {
            signature: &'a Signature,
            violation: &'a Violation,
            before: Sizes,
            after: Sizes,
            is_minimal: bool,
            runs: u64,
            cpu_us: u64,
            file: String,
            replay: &'a str,
        }
        if console.json {
            return console.line(&job::line(&Line {
                signature: &self.signature,
                violation: &self.violation,
                before: self.before.into(),
                after: self.after.into(),
                is_minimal: self.proof.is_some(),
                runs: self.runs,
                cpu_us: self.cpu_us,
                file: file.display().to_string(),
                replay: repro,
            })?);
        }
        let cpu = number::ratio(u128::from(self.cpu_us), 1_000_000, 1);
        console.result(&format!(
            "SHRUNK {}\n  {}\n  {} -> {}\n  proof: {}\n  {}, {cpu} s of CPU\n  plan: {}\n  replay: {repro}\n",
            self.signature,
            self.violation.sentence.lines().next().unwrap_or_default(),
            self.before,
            self.after,
            self.proof_line(),
            self.counted_runs(),
            file.display(),
        ))
    }
}

/// [`Items`] for machines.
#[derive(Serialize)]
struct Sizes {
    faults: usize,
    operations: usize,
    watchers: usize,
    nodes: usize,
    settings: usize,
}

impl From<Items> for Sizes {
    fn from(items: Items) -> Self {
        let Items { faults, operations, watchers, nodes, settings } = items;
        Self { faults, operations, watchers, nodes, settings }
    }
}
