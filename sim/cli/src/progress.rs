//! How far a campaign is, on stderr.
//!
//! A bar on a terminal. Without one, a line every ten seconds, and one a failure.

use crate::{console::Console, limits};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    collections::BTreeSet,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};
use whitewater_record::{Outcome, Signature, Verdict};
use whitewater_reports::number::{count, duration, grouped, ratio};

/// The count so far.
pub(crate) struct Progress {
    console: Console,
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
    seeds: Option<u64>,
    deadline: Option<Instant>,
    done: u64,
    failed: u64,
    undecided: u64,
    simulated_ns: u64,
    failures: Failures,
}

/// The ways in which seeds have failed, by signature.
#[derive(Debug, Default)]
struct Failures {
    /// In earlier campaigns.
    known: BTreeSet<String>,
    /// In this one.
    seen: BTreeSet<String>,
}

impl Failures {
    /// What there is to say of one more failure, if anything: of each way once.
    fn take(&mut self, outcome: &Outcome) -> Option<String> {
        let signature = Signature::of(outcome)?.to_string();
        let word = if self.known.contains(&signature) { "known" } else { "new" };
        let is_first = self.seen.insert(signature.clone());
        is_first.then(|| format!("{word} failure: seed {}, {signature}", outcome.seed))
    }

    /// `1 new, 2 known`, in ways; empty if there are none.
    fn state(&self) -> String {
        let known = self.seen.intersection(&self.known).count();
        match self.seen.len() {
            0 => String::new(),
            all => format!(" in {} new and {known} known ways", all - known),
        }
    }
}

impl Progress {
    /// Of so many seeds, or until the deadline. `known`: signatures of failures that are no news.
    pub(crate) fn new(
        console: Console,
        seeds: Option<u64>,
        deadline: Option<Instant>,
        known: BTreeSet<String>,
    ) -> Self {
        let now = Instant::now();
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(seeds, ProgressDrawTarget::stderr());
            bar.with_style(match seeds {
                Some(_) => style("[{bar:30}] {pos}/{len} {msg}"),
                None => style("{spinner} {pos} {msg}"),
            })
        });
        Self {
            console,
            bar,
            started: now,
            last_line: now,
            seeds,
            deadline,
            done: 0,
            failed: 0,
            undecided: 0,
            simulated_ns: 0,
            failures: Failures { known, ..Failures::default() },
        }
    }

    /// One more seed is done.
    pub(crate) fn on_seed(&mut self, outcome: &Outcome) {
        self.done += 1;
        self.simulated_ns = self.simulated_ns.saturating_add(outcome.simulated.0);
        match outcome.verdict {
            Verdict::Passed => {}
            Verdict::Inconclusive => self.undecided += 1,
            Verdict::Failed => {
                self.failed += 1;
                if let Some(news) = self.failures.take(outcome) {
                    self.say(&news);
                }
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
            bar.set_message(self.state());
        }
    }

    /// Time has passed.
    pub(crate) fn on_tick(&mut self) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.state());
        } else if self.last_line.elapsed() >= Duration::from_secs(limits::PROGRESS_SECONDS) {
            self.last_line = Instant::now();
            let of = self.seeds.map_or_else(String::new, |seeds| format!("/{}", grouped(seeds)));
            self.console.remark(&format!("{}{of} {}", grouped(self.done), self.state()));
        }
    }

    /// The campaign is over. Returns how long it took, in microseconds.
    pub(crate) fn finish(self) -> u64 {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => self.console.remark(text),
        }
    }

    fn state(&self) -> String {
        let elapsed = self.started.elapsed();
        let rate = ratio(u128::from(self.done) * 1_000_000, elapsed.as_micros(), 1);
        let eta = self.left(elapsed).map_or_else(String::new, |left| {
            let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
            format!(", {} left", duration(nanos))
        });
        format!(
            "seeds, {rate} a second{eta}, {} simulated, {} failed{}, {} undecided",
            duration(self.simulated_ns),
            count(self.failed, "seed"),
            self.failures.state(),
            grouped(self.undecided),
        )
    }

    fn left(&self, elapsed: Duration) -> Option<Duration> {
        let until =
            self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let seeds = self.seeds.filter(|_| self.done > 0).map(|seeds| {
            let nanos = elapsed.as_nanos() * u128::from(seeds.saturating_sub(self.done))
                / u128::from(self.done);
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        match (until, seeds) {
            (Some(until), Some(seeds)) => Some(until.min(seeds)),
            (until, seeds) => until.or(seeds),
        }
    }
}

/// How far a search is: a spinner on a terminal, else a line every ten seconds.
pub(crate) struct Ticker {
    what: &'static str,
    console: Console,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Ticker {
    /// A search begins: `what` goes on.
    pub(crate) fn new(what: &'static str, console: Console) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
                .with_style(style("{spinner} {msg}"))
        });
        Self { what, console, bar, last_line: Instant::now() }
    }

    /// So many runs were played, and so large is the smallest plan.
    pub(crate) fn on_question(&mut self, runs: u64) {
        let state = || format!("{}: {}", self.what, count(runs, "run"));
        if let Some(bar) = &self.bar {
            bar.set_message(state());
            bar.tick();
        } else if self.last_line.elapsed() >= Duration::from_secs(limits::PROGRESS_SECONDS) {
            self.last_line = Instant::now();
            self.console.remark(&state());
        }
    }

    /// The search is over.
    pub(crate) fn finish(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is a constant that was tried")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;
    use whitewater_record::Plan;

    #[test]
    fn each_way_to_fail_is_told_once_as_new_or_known() {
        let plan =
            "version = 1\nscenario = \"x\"\nseed = \"7\"\nduration = \"1s\"\ntimeout = \"1s\"\n";
        let plan = Plan::from_toml("plan", &format!("{plan}[cluster]\nnodes = 3\n")).unwrap();
        let outcome = |code: &str| engine::without_result(&plan, code, "lost-write: n1".into());
        let known = BTreeSet::from(["promise: lost-write".to_owned()]);
        let mut failures = Failures { known, ..Failures::default() };
        assert_eq!(failures.state(), "");
        let mut tell = |code| failures.take(&outcome(code));
        assert_eq!(tell("promise").unwrap(), "known failure: seed 7, promise: lost-write");
        assert_eq!(tell("durability").unwrap(), "new failure: seed 7, durability: lost-write");
        assert_eq!((tell("promise"), tell("durability")), (None, None));
        assert_eq!(failures.state(), " in 1 new and 1 known ways");
    }
}
