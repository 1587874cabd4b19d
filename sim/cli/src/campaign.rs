//! Many seeds in worker processes. What comes out depends on the seeds, not on the number of workers.

use crate::{
    artefacts::{self, Keeping},
    console::Console,
    dispenser::Dispenser,
    engine,
    exit::CliError,
    job::{Answer, Job},
    limits,
    pool::{Recruiter, Reply},
    progress::Progress,
    publish,
    results::{RESULTS, Results},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};
use whitewater_record::{Outcome, Seed, Verdict};
use whitewater_reports::{CampaignResult, lines, number, text};
use whitewater_scenarios::Scenario;

/// The violation of a seed whose worker died.
pub(crate) const WORKER_DIED: &str = "worker-died";

/// The violation of a seed whose worker did not answer in time.
pub(crate) const WORKER_STUCK: &str = "worker-stuck";

/// How often the collector looks at the clock.
const TICK: Duration = Duration::from_millis(200);

/// Takes what workers bring, in the order of seeds, and keeps what is worth it.
pub(crate) struct Collector<'a> {
    /// What is run.
    pub(crate) job: &'a Job,
    /// Its scenario.
    pub(crate) scenario: &'a Scenario,
    /// Where the result goes.
    pub(crate) console: Console,
    /// The sums.
    pub(crate) result: CampaignResult,
    /// The folder for failures and results.
    out: PathBuf,
    results: Results,
    /// Outcomes that came before those of lower seeds, by their place.
    waiting: BTreeMap<u64, Outcome>,
    /// Seeds that are counted: the place of the next one.
    pub(crate) seeds: u64,
}

/// What a worker brought.
pub(crate) type Parcel = Result<(u64, Seed, Reply), CliError>;

impl<'a> Collector<'a> {
    /// Opens the folder: begins anew, or goes on with the seeds that are kept there.
    pub(crate) fn open(
        job: &'a Job,
        scenario: &'a Scenario,
        console: Console,
        result: CampaignResult,
        out: &Path,
        resume: bool,
    ) -> Result<Self, CliError> {
        fs::create_dir_all(out).map_err(CliError::io(out.display().to_string()))?;
        let header = lines::header(&result.campaign);
        let (results, kept) = if resume {
            Results::resume(out, &header, result.campaign.first_seed)?
        } else {
            (Results::create(out, &header)?, Vec::new())
        };
        let out = out.to_owned();
        let mut collector = Self {
            job,
            scenario,
            console,
            result,
            out,
            results,
            waiting: BTreeMap::new(),
            seeds: 0,
        };
        if console.json {
            console.line(&header)?;
        }
        collector.take_up(&kept)?;
        Ok(collector)
    }

    /// Counts the seeds that an earlier run of this campaign has played. The last one is played again: if it differs, another
    /// build wrote them, and the sum would be of two programs.
    fn take_up(&mut self, kept: &[Outcome]) -> Result<(), CliError> {
        let Some(last) = kept.last() else { return Ok(()) };
        let again = engine::run(&self.job.plan(self.scenario, last.seed)?, false, None)?.outcome;
        if let Some(difference) = artefacts::difference(last, &again) {
            return Err(CliError::Usage(format!(
                "{}: another build wrote it: {difference}; begin anew, without --resume",
                self.out.join(RESULTS).display()
            )));
        }
        for outcome in kept {
            if self.console.json {
                self.console.line(&lines::seed(outcome))?;
            }
            self.count(outcome)?;
        }
        let seeds = number::count(self.seeds, "seed");
        self.console.remark(&format!("going on after {seeds} that are kept"));
        Ok(())
    }

    /// Hands all seeds of the dispenser to `workers` processes and collects what they bring.
    pub(crate) fn collect(
        &mut self,
        recruiter: &Recruiter,
        dispenser: &Dispenser,
        workers: usize,
        progress: &mut Progress,
        fail_fast: bool,
    ) -> Result<(), CliError> {
        let (sender, parcels) = channel();
        thread::scope(|scope| {
            for _ in 0..workers {
                let sender = sender.clone();
                scope.spawn(move || drive(recruiter, dispenser, &sender));
            }
            drop(sender);
            let mut result = Ok(());
            loop {
                match parcels.recv_timeout(TICK) {
                    Ok(parcel) if result.is_ok() => {
                        result = self.on_parcel(parcel, recruiter, dispenser, progress, fail_fast);
                        if result.is_err() {
                            dispenser.stop();
                        }
                    }
                    Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return result,
                }
                progress.on_tick();
            }
        })
    }

    /// Writes the totals and the files of the campaign, and prints the result.
    pub(crate) fn close(mut self) -> Result<CampaignResult, CliError> {
        for line in [lines::totals(&self.result), lines::footer(self.result.effort)] {
            self.write(&line)?;
        }
        publish::write_all(&self.out, &self.result, self.console)?;
        if !self.console.json {
            self.console.result(&text::summary(&self.result, self.console.color))?;
        }
        Ok(self.result)
    }

    fn on_parcel(
        &mut self,
        parcel: Parcel,
        recruiter: &Recruiter,
        dispenser: &Dispenser,
        progress: &mut Progress,
        fail_fast: bool,
    ) -> Result<(), CliError> {
        let (place, seed, reply) = parcel?;
        let (outcome, used) = outcome_of(self.job, self.scenario, seed, reply, recruiter.patience)?;
        match used {
            Some((cpu_us, peak_bytes)) => self.result.effort.add(cpu_us, peak_bytes),
            None => self.result.effort.restarts += 1,
        }
        progress.on_seed(&outcome);
        if fail_fast && outcome.verdict == Verdict::Failed {
            dispenser.stop();
        }
        self.waiting.insert(place, outcome);
        while let Some(outcome) = self.waiting.remove(&self.seeds) {
            self.write(&lines::seed(&outcome))?;
            self.count(&outcome)?;
        }
        Ok(())
    }

    /// The next outcome in the order of seeds.
    fn count(&mut self, outcome: &Outcome) -> Result<(), CliError> {
        self.seeds += 1;
        let is_new = self.result.add(outcome);
        if !is_new || self.result.failures.len() >= limits::FAILURES_MAX {
            return Ok(());
        }
        let plan = self.job.plan(self.scenario, outcome.seed)?;
        let code = outcome.violations.first().map_or("", |violation| &violation.code);
        let survivable = ![WORKER_DIED, WORKER_STUCK].contains(&code);
        let how = Keeping { survivable, redact: self.job.redact };
        let kept = artefacts::keep_failure(&self.out, &plan, outcome, how)?;
        self.result.failures.extend(kept.failure);
        self.result.nondeterminism.extend(kept.difference);
        Ok(())
    }

    fn write(&mut self, line: &str) -> Result<(), CliError> {
        self.results.append(line)?;
        if self.console.json { self.console.line(line) } else { Ok(()) }
    }
}

/// What a worker's reply says of its seed, with the CPU time in microseconds and the peak of memory in bytes, if the worker
/// lived to tell.
pub(crate) fn outcome_of(
    job: &Job,
    scenario: &Scenario,
    seed: Seed,
    reply: Reply,
    patience: Duration,
) -> Result<(Outcome, Option<(u64, u64)>), CliError> {
    let (code, sentence) = match reply {
        Reply::Line(line) => match serde_json::from_str::<Answer>(&line) {
            Ok(answer) if answer.outcome.seed == seed => {
                return Ok((answer.outcome, Some((answer.cpu_us, answer.peak_bytes))));
            }
            Ok(_) | Err(_) => {
                return Err(CliError::Internal(format!(
                    "the worker of seed {seed} said `{line}`, expected its outcome"
                )));
            }
        },
        Reply::Died(how) => (WORKER_DIED, format!("the process that ran it died {how}")),
        Reply::Stuck => {
            let patience = patience.as_secs();
            (WORKER_STUCK, format!("no end in {patience} s on the wall; `--patience` sets it"))
        }
    };
    Ok((engine::without_result(&job.plan(scenario, seed)?, code, sentence), None))
}

/// One worker's life, seen from the parent.
pub(crate) fn drive(recruiter: &Recruiter, dispenser: &Dispenser, parcels: &Sender<Parcel>) {
    let mut worker = None;
    while let Some((place, seed)) = dispenser.next() {
        let parcel =
            recruiter.ask(&mut worker, &seed.to_string()).map(|reply| (place, seed, reply));
        let failed = parcel.is_err();
        if parcels.send(parcel).is_err() || failed {
            break;
        }
    }
    if let Some(worker) = worker {
        worker.dismiss();
    }
}
