//! Many seeds in worker processes. What comes out depends on the seeds, not on the number of workers.

use crate::{
    artefacts,
    console::Console,
    dispenser::Dispenser,
    engine,
    exit::CliError,
    job::{Answer, Job},
    limits,
    pool::{Recruiter, Reply},
    progress::Progress,
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};
use whitewater_record::{Outcome, Seed, Verdict};
use whitewater_reports::{CampaignResult, junit, lines, text};
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
    log: BufWriter<File>,
    /// Outcomes that came before those of lower seeds, by their place.
    waiting: BTreeMap<u64, Outcome>,
    next_place: u64,
}

/// What a worker brought.
pub(crate) type Parcel = Result<(u64, Seed, Reply), CliError>;

impl<'a> Collector<'a> {
    /// Opens the folder and writes the header.
    pub(crate) fn open(
        job: &'a Job,
        scenario: &'a Scenario,
        console: Console,
        result: CampaignResult,
        out: &Path,
    ) -> Result<Self, CliError> {
        fs::create_dir_all(out).map_err(CliError::io(out.display().to_string()))?;
        let path = out.join("campaign.jsonl");
        let log = File::create(&path).map_err(CliError::io(path.display().to_string()))?;
        let mut collector = Self {
            job,
            scenario,
            console,
            result,
            out: out.to_owned(),
            log: BufWriter::new(log),
            waiting: BTreeMap::new(),
            next_place: 0,
        };
        let header = lines::header(&collector.result.campaign);
        collector.write(&header)?;
        Ok(collector)
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
        self.log.flush().map_err(CliError::io("writing campaign.jsonl"))?;
        let plain = text::summary(&self.result, false);
        artefacts::write(&self.out.join("summary.txt"), |out| out.write_all(plain.as_bytes()))?;
        let xml = junit::junit(&self.result);
        artefacts::write(&self.out.join("junit.xml"), |out| out.write_all(xml.as_bytes()))?;
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
        while let Some(outcome) = self.waiting.remove(&self.next_place) {
            self.next_place += 1;
            self.accept(&outcome)?;
        }
        Ok(())
    }

    /// The next outcome in the order of seeds.
    fn accept(&mut self, outcome: &Outcome) -> Result<(), CliError> {
        self.write(&lines::seed(outcome))?;
        let is_new = self.result.add(outcome);
        if !is_new || self.result.failures.len() >= limits::FAILURES_MAX {
            return Ok(());
        }
        let plan = self.job.plan(self.scenario, outcome.seed)?;
        let code = outcome.violations.first().map_or("", |violation| &violation.code);
        let survivable = ![WORKER_DIED, WORKER_STUCK].contains(&code);
        let kept = artefacts::keep_failure(&self.out, &plan, outcome, survivable)?;
        self.result.failures.extend(kept.failure);
        self.result.nondeterminism.extend(kept.difference);
        Ok(())
    }

    fn write(&mut self, line: &str) -> Result<(), CliError> {
        writeln!(self.log, "{line}").map_err(CliError::io("writing campaign.jsonl"))?;
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
