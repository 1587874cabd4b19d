//! Judges a history, whatever its model, within the time, the memory and the threads that were granted.

use std::{
    iter,
    num::NonZero,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};
use whitewater_checkers::{
    Budget, Doubt, Judgement, Ruling, Window,
    plain::{self, Decision},
};
use whitewater_record::{Checked, History, PlainHistory, Recorded};

/// How hard to try.
pub(super) struct Effort {
    pub(super) threads: usize,
    /// When to give up; never, if not given.
    pub(super) deadline: Option<Instant>,
    /// Bytes that the searches of all threads together may hold.
    pub(super) bytes: Option<u64>,
}

impl Effort {
    /// For each thread that searches a history of etcd.
    fn budget(&self) -> Budget {
        let usual = Budget::default();
        let share = |bytes: u64| bytes / self.threads.max(1) as u64;
        Budget { bytes_max: self.bytes.map_or(usual.bytes_max, share), ..usual }
    }
}

/// Does some work for all numbers below `count`, on so many threads at most.
fn spread(threads: usize, count: usize, work: &(dyn Fn(usize) + Sync)) {
    let next = AtomicUsize::new(0);
    let numbers = || iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
    let run = || numbers().take_while(|number| *number < count).for_each(work);
    // What panics there panics here as well, when the scope ends.
    thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(run);
        }
        run();
    });
}

/// By how much a budget grows if it was not enough and time is left.
const GROWTH: u64 = 8;

/// Judges a history. `say` is told how many keys of how many are decided.
pub(super) fn judge(
    recorded: Recorded,
    effort: &Effort,
    say: &(dyn Fn(usize, usize) + Sync),
) -> (Arc<Recorded>, Vec<Judgement>) {
    let recorded = Arc::new(recorded);
    let judgements = match &*recorded {
        Recorded::Plain(history) => vec![judge_plain(history, effort, say)],
        Recorded::Etcd(history) => match effort.deadline {
            None => judge_etcd(history, &effort.budget(), effort.threads),
            Some(deadline) => judge_until(&recorded, deadline, effort),
        },
    };
    (recorded, judgements)
}

/// One core each, unless the machine does not say how many it has.
pub(super) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

fn judge_plain(
    history: &PlainHistory,
    effort: &Effort,
    say: &(dyn Fn(usize, usize) + Sync),
) -> Judgement {
    let Ok(partitions) = plain::partitions(history) else {
        // It says of the unsound record what there is to say.
        return plain::judge(history, &Budget::default());
    };
    let threads = effort.threads.min(partitions.len()).max(1);
    let mut budget = Budget::default();
    if let Some(bytes) = effort.bytes {
        budget.plain_bytes_max = bytes / threads as u64;
    }
    if effort.deadline.is_some() {
        budget.plain_configurations_max = u64::MAX;
    }
    let stop = || effort.deadline.is_some_and(|deadline| Instant::now() >= deadline);
    let done = AtomicUsize::new(0);
    let decided: Vec<OnceLock<Decision>> = partitions.iter().map(|_| OnceLock::new()).collect();
    spread(threads, partitions.len(), &|place| {
        let (decision, _) = partitions[place].decide(&budget, &stop);
        assert!(decided[place].set(decision).is_ok(), "key {place} was decided twice");
        say(done.fetch_add(1, Ordering::Relaxed) + 1, partitions.len());
    });
    let decision = |cell: OnceLock<Decision>| cell.into_inner().expect("all were decided");
    let decisions: Vec<Decision> = decided.into_iter().map(decision).collect();
    plain::combine(history, &decisions)
}

/// The search goes through the components of keys on all threads.
fn judge_etcd(history: &History, budget: &Budget, threads: usize) -> Vec<Judgement> {
    whitewater_checkers::judge_spread(history, budget, &|count, work| spread(threads, count, work))
}

/// Whether the judges have come to an end: none was left undecided, or only the black box of a history of etcd that the
/// judge by revisions, which is exact, has decided.
pub(super) fn is_decided(judgements: &[Judgement]) -> bool {
    let holds = |judge: &str| {
        judgements
            .iter()
            .any(|judgement| judgement.judge == judge && judgement.ruling == Ruling::Holds)
    };
    let by_revisions = holds("revision-order");
    judgements.iter().all(|judgement| {
        !matches!(judgement.ruling, Ruling::Undecided(_))
            || (by_revisions && judgement.judge == plain::JUDGE)
    })
}

/// The judges of etcd's histories count steps and know no clock: their budget grows until they decide, and what they
/// said last counts when the time is over.
fn judge_until(recorded: &Arc<Recorded>, deadline: Instant, effort: &Effort) -> Vec<Judgement> {
    let (sender, receiver) = mpsc::channel();
    let history = Arc::clone(recorded);
    let (mut budget, threads) = (effort.budget(), effort.threads);
    // Not joined: it may be far from its end when the time is over.
    thread::spawn(move || {
        while let Recorded::Etcd(history) = &*history {
            let judgements = judge_etcd(history, &budget, threads);
            let is_decided = is_decided(&judgements);
            if sender.send(judgements).is_err() || is_decided {
                return;
            }
            budget.configurations_max = budget.configurations_max.saturating_mul(GROWTH);
            budget.replays_max = budget.replays_max.saturating_mul(GROWTH);
        }
    });
    let mut last = None;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left) {
            Ok(judgements) if !left.is_zero() => last = Some(judgements),
            Ok(_) | Err(_) => break,
        }
    }
    last.unwrap_or_else(|| {
        let ruling = Ruling::Undecided(everything(recorded));
        vec![Judgement { judge: plain::JUDGE, ruling, checked: Checked::default() }]
    })
}

/// Nothing is decided.
fn everything(recorded: &Recorded) -> Doubt {
    let reason = "the time was over before the judges were".to_owned();
    let Recorded::Etcd(History { operations, .. }) = recorded else { return reason.into() };
    let last = (0..operations.len()).max_by_key(|position| operations[*position].completed);
    let window = last.map(|last| Window {
        key: None,
        revisions: None,
        first: 0,
        last,
        from: operations[0].invoked,
        until: operations[last].completed,
        operations: operations.len(),
    });
    Doubt { reason, window }
}
