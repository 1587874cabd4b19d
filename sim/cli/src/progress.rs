//! How far a campaign is, on stderr.
//!
//! A bar on a terminal. Without one, a line every ten seconds, and one a failure.

use crate::{console::Console, limits};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};
use whitewater_record::{Outcome, Verdict};
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
}

impl Progress {
    /// Of so many seeds, or until the deadline.
    pub(crate) fn new(console: Console, seeds: Option<u64>, deadline: Option<Instant>) -> Self {
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
                let code =
                    outcome.violations.first().map_or("unnamed", |violation| &violation.code);
                self.say(&format!("failed: seed {}, {code}", outcome.seed));
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
            "seeds, {rate} a second{eta}, {} simulated, {} failed, {} undecided",
            duration(self.simulated_ns),
            count(self.failed, "seed"),
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
