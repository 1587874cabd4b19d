//! Judging a history while it is recorded.

use super::{
    JUDGE,
    follower::{Follower, Stop},
};
use crate::{
    doubt::Doubt,
    intern::Table,
    limits::Budget,
    ruling::{Anomaly, Judgement, Ruling},
};
use whitewater_api::{Key, Value};
use whitewater_record::{Checked, PlainAction, SimTime};

/// A judge of a history that comes bit by bit.
///
/// It holds, for each key, the operations since the oldest one that is still open, the frontier of configurations, and
/// the operations of unknown outcome; not the history. An operation that nobody will answer must be given up, or all
/// that follows it on its key is kept waiting.
///
/// It knows less than the judge of a whole history: what will be read later. So it is slower where much is concurrent,
/// and its sentences are plainer. The verdict is the same.
///
/// ```
/// use whitewater_checkers::{Budget, Ruling, plain::Stream};
/// use whitewater_record::{PlainAction, SimTime};
///
/// let mut stream = Stream::new(None, Budget::default());
/// let write = stream.invoke(SimTime(1), &"x".into(), PlainAction::Write("1".into()));
/// let read = stream.invoke(SimTime(2), &"x".into(), PlainAction::Read(None));
/// stream.complete(write, SimTime(3), PlainAction::Write("1".into()));
/// stream.complete(read, SimTime(4), PlainAction::Read(Some("2".into())));
/// assert!(matches!(stream.finish().ruling, Ruling::Broken(_)));
/// ```
#[derive(Debug)]
pub struct Stream {
    budget: Budget,
    initial: Option<Value>,
    keys: Table<Key, u32>,
    followers: Vec<Follower>,
    now: SimTime,
    invoked: u64,
    observed: u64,
    broken: Option<Anomaly>,
    undecided: Option<Doubt>,
}

/// Stands for an operation that was invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    follower: u32,
    /// The how-manieth operation of its key.
    number: u64,
}

impl Stream {
    /// A judge of a history in which every key holds `initial` at the start.
    #[must_use]
    pub fn new(initial: Option<Value>, budget: Budget) -> Self {
        Self {
            budget,
            initial,
            keys: Table::default(),
            followers: Vec::new(),
            now: SimTime::ZERO,
            invoked: 0,
            observed: 0,
            broken: None,
            undecided: None,
        }
    }

    /// An operation is invoked, not before anything that was told already. What it will see is not known yet: whatever
    /// `request` says of that does not count.
    pub fn invoke(&mut self, at: SimTime, key: &Key, request: PlainAction) -> Ticket {
        self.advance(at);
        let position = usize::try_from(self.invoked).expect("operations are counted in memory");
        self.invoked += 1;
        let next = u32::try_from(self.followers.len()).expect("fewer than 2^32 keys");
        let follower = self.keys.get(key).copied().unwrap_or(next);
        if follower == next {
            self.keys.insert(key.clone(), next);
            self.followers.push(Follower::new(key.clone(), self.initial.as_ref()));
        }
        let number = self.followers[follower as usize].invoke(at, position, request);
        Ticket { follower, number }
    }

    /// It returns, with what it saw.
    pub fn complete(&mut self, ticket: Ticket, at: SimTime, answered: PlainAction) {
        self.advance(at);
        if let PlainAction::Read(_) | PlainAction::Cas { .. } = answered {
            self.observed += 1;
        }
        self.followers[ticket.follower as usize].complete(ticket.number, at, answered);
        self.follow(ticket.follower, Some(self.now));
    }

    /// Nobody will ever know what became of it.
    pub fn give_up(&mut self, ticket: Ticket) {
        self.followers[ticket.follower as usize].give_up(ticket.number);
        self.follow(ticket.follower, Some(self.now));
    }

    /// What was found so far, if it is bad. Nothing that comes later can mend it.
    #[must_use]
    pub const fn broken(&self) -> Option<&Anomaly> {
        self.broken.as_ref()
    }

    /// Bytes held, roughly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.followers.iter().map(Follower::bytes).sum()
    }

    /// The judgement of all that was told. Operations that are still open have an unknown outcome.
    #[must_use]
    pub fn finish(mut self) -> Judgement {
        for follower in 0..self.followers.len() {
            self.followers[follower].give_up_all();
            self.follow(u32::try_from(follower).expect("fewer than 2^32 keys"), None);
        }
        let ruling = match (self.broken, self.undecided) {
            (Some(anomaly), _) => Ruling::Broken(anomaly),
            (None, Some(doubt)) => Ruling::Undecided(doubt),
            (None, None) => Ruling::Holds,
        };
        let checked = Checked { evaluations: self.invoked, discriminating: self.observed };
        Judgement { judge: JUDGE, ruling, checked }
    }

    fn advance(&mut self, at: SimTime) {
        assert!(at >= self.now, "the stream went back from {} to {at}", self.now);
        self.now = at;
    }

    fn follow(&mut self, follower: u32, until: Option<SimTime>) {
        match self.followers[follower as usize].follow(until, &self.budget) {
            Ok(()) => {}
            Err(Stop::Broken(anomaly)) => {
                if self.broken.as_ref().is_none_or(|known| anomaly.at < known.at) {
                    self.broken = Some(anomaly);
                }
            }
            Err(Stop::Undecided(doubt)) => {
                if self.undecided.as_ref().is_none_or(|known| doubt.length() < known.length()) {
                    self.undecided = Some(doubt);
                }
            }
        }
    }
}
