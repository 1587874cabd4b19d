//! `whitewater live`: the workload of a scenario on real processes, sockets and disks, judged by the same judges.
//!
//! ```text
//!  nemesis ── kill -9, SIGSTOP ──▶ members: a process each
//!     └────── cut ──▶ wires: a proxy before each peer port
//!  clients, watchers: a thread each, steps of the plan ──gRPC──▶ members
//!     └──▶ history ──▶ `whitewater check`
//! ```
//!
//! Nothing here replays: processes and their timing are real. What the clients saw is kept, and judged. A run is rounds, each
//! of them a new cluster and the plan of the next seed, so that no history grows without bound.

mod asking;
mod blow;
mod clients;
mod damage;
mod faults;
mod ledger;
mod members;
mod names;
mod nemesis;
mod newcomers;
mod observers;
mod operator;
mod processes;
mod stage;
mod watchers;
mod wires;

use self::{
    faults::Deck,
    ledger::{Ledger, dear_losses},
    members::Members,
    observers::Observer,
    stage::Stage,
};
use crate::{
    args::{CheckArgs, LiveArgs},
    check,
    console::Console,
    exit::{CliError, Exit},
    interrupt::Interrupt,
    job::Job,
};
use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use whitewater_record::{History, Plan, Seed, Span};

/// How often those look who wait for something that nobody tells them of.
const TICK: Duration = Duration::from_millis(20);

/// The verb. The exit code is that of the first round that was not as it should be, which is also the last.
pub(crate) fn live(args: &LiveArgs, console: Console) -> Result<Exit, CliError> {
    let jobs = args.scenarios.iter().map(|scenario| {
        let job = Job::new(scenario, &args.overrides, args.seed)?;
        Ok((job.scenario()?, job))
    });
    let jobs = jobs.collect::<Result<Vec<_>, CliError>>()?;
    let interrupt = Interrupt::listen(console)?;
    let mut run = Run { args, console, deck: Deck::of(&args.faults)?, losses: Vec::new() };
    let whole = Duration::from_nanos(args.time.0);
    let round = Duration::from_nanos(args.round.0);
    let start = Instant::now();
    let mut seed = args.seed;
    for (number, (scenario, job)) in jobs.iter().cycle().enumerate() {
        // Every scenario has a whole round.
        let unplayed = jobs.len().saturating_sub(number);
        let left = whole.saturating_sub(start.elapsed());
        let length = if unplayed > 0 && jobs.len() > 1 { round } else { round.min(left) };
        let plan = job.plan(scenario, seed)?;
        run.deck.begin_round(unplayed.max(1));
        let exit = run.round(&plan, length, &interrupt)?;
        let is_over = start.elapsed() + Duration::from_secs(1) >= whole && unplayed <= 1;
        if exit != Exit::Ok || is_over || interrupt.is_set() || !args.endpoints.is_empty() {
            return Ok(exit);
        }
        seed = Seed(seed.0.wrapping_add(1));
    }
    Ok(Exit::NothingRan)
}

/// Rounds, each of them one cluster and one history.
struct Run<'a> {
    args: &'a LiveArgs,
    console: Console,
    deck: Deck,
    /// What the killed leaders of all rounds have cost.
    losses: Vec<Span>,
}

impl Run<'_> {
    fn round(
        &mut self,
        plan: &Plan,
        length: Duration,
        interrupt: &Interrupt,
    ) -> Result<Exit, CliError> {
        let folder = self.args.out.join(format!("live-{}-{}", plan.scenario, plan.seed));
        fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
        let members = self.members(plan, &folder)?;
        let stage = Stage::new(members.seats()?);
        let ledger = self.act(&stage, &members, plan, length, interrupt)?;
        let owes_faults = stage.owes_faults() && !interrupt.is_set();
        let unheard = clients::find_newcomers(&stage, &members, plan)
            .and_then(|()| clients::read_everything(&stage, &members, plan))
            .err();
        let unheard = unheard.or_else(|| stage.unheard());
        let ended = members
            .all_run()
            .err()
            .map_or_else(|| members.newcomers().tend(), |who| Ok(Some(who)))?;
        members.end();
        let history = stage.into_history();
        let (scenario, seed) = (&plan.scenario, plan.seed);
        self.console.remark(&format!("{scenario}, seed {seed}: {}", ledger.describe(&history)));
        let exit = judge(&history, &folder, self.console)?;
        self.losses.extend(ledger.losses(&history));
        let unheard = unheard.map(|who| format!("the cluster has not recovered: {who}"));
        let objection = ended.or(unheard).or_else(|| ledger.objection());
        match objection.or_else(|| dear_losses(&self.losses)) {
            Some(objection) if exit == Exit::Ok => {
                self.console.line(&format!("violation: {objection}"))?;
                Ok(Exit::Violated)
            }
            None if exit == Exit::Ok && owes_faults => {
                self.console.line("the clients were done before all faults were played")?;
                Ok(Exit::GateFailed)
            }
            None if exit == Exit::Ok => {
                // Hundreds of megabytes a round would fill a disk in an hour; the history and what the members said stay.
                members.forget()?;
                Ok(exit)
            }
            _ => Ok(exit),
        }
    }

    fn members(&self, plan: &Plan, folder: &Path) -> Result<Members, CliError> {
        match &self.args.endpoints[..] {
            [] => {
                let is_ours = self.args.server.is_none();
                Members::start(&server(self.args)?, is_ours, plan, folder)
            }
            endpoints => Ok(Members::of(endpoints)),
        }
    }

    /// Clients, watchers and the nemesis, until the time or the work is over.
    fn act(
        &mut self,
        stage: &Stage,
        members: &Members,
        plan: &Plan,
        length: Duration,
        interrupt: &Interrupt,
    ) -> Result<Ledger, CliError> {
        let torments = !self.args.overrides.calm && members.are_ours();
        let deck = &mut self.deck;
        stage.owe_faults(torments && deck.owes());
        thread::scope(|scope| {
            let nemesis =
                torments.then(|| scope.spawn(|| nemesis::torment(stage, members, plan, deck)));
            let players: Vec<_> = (0..plan.clients.len())
                .map(|client| scope.spawn(move || clients::play(stage, members, plan, client)))
                .collect();
            for watcher in &plan.watchers {
                scope.spawn(move || watchers::watch(stage, members, watcher));
            }
            for observed in observers::observed(plan) {
                scope.spawn(move || Observer::new(stage, members, observed).observe());
            }
            let has_work = || players.iter().any(|player| !player.is_finished());
            let may_end = || {
                let has_nemesis = nemesis.as_ref().is_some_and(|nemesis| !nemesis.is_finished());
                stage.elapsed() >= length && !(has_nemesis && stage.owes_faults())
            };
            while !may_end() && !interrupt.is_set() && has_work() {
                thread::sleep(TICK);
            }
            stage.end_faults();
            let ledger = nemesis.map_or_else(
                || Ok(Ledger::default()),
                |nemesis| {
                    nemesis.join().unwrap_or_else(|_| {
                        Err(CliError::Internal("the nemesis panicked".to_owned()))
                    })
                },
            );
            stage.end_steps();
            ledger
        })
    }
}

/// Writes the history, and has it judged as any other.
fn judge(history: &History, folder: &Path, console: Console) -> Result<Exit, CliError> {
    let path = folder.join("history.jsonl");
    let file = File::create(&path).map_err(|error| failed(&path, &error))?;
    history.write(BufWriter::new(file)).map_err(|error| failed(&path, &error))?;
    let report = Some(folder.join("report.html"));
    check::check(&CheckArgs { report, ..CheckArgs::of(path) }, console)
}

fn server(args: &LiveArgs) -> Result<PathBuf, CliError> {
    if let Some(server) = &args.server {
        return Ok(server.clone());
    }
    let own = std::env::current_exe().map_err(|error| failed(Path::new("this command"), &error))?;
    let beside = own.with_file_name("whitewater-server");
    if beside.is_file() {
        return Ok(beside);
    }
    Err(CliError::Usage(format!(
        "{}: not there. Build it (`make server`), or name another one by --server",
        beside.display()
    )))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::Usage(format!("{}: {error}", path.display()))
}
