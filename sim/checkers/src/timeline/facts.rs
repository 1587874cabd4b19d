//! What is known about one key, beside the writes that are known: what it was when somebody saw it.

/// All that was seen of a key.
#[derive(Debug, Default)]
pub(super) struct KeyFacts {
    pub(super) facts: Vec<Fact>,
    /// Of the facts with versions: how many puts are missing between one and the next.
    stretches: Vec<Stretch>,
    /// The revisions of the known puts, and of the known deletes.
    pub(super) puts: Vec<u64>,
    pub(super) deletes: Vec<u64>,
    /// The last answer that shows it.
    pub(super) shown_in: u64,
    /// Something of unknown outcome may have deleted it.
    pub(super) may_vanish: bool,
    /// Somewhere, a put of it is missing.
    pub(super) is_wanted: bool,
    /// A write that is known to have happened may have put it, or not.
    pub(super) is_vague: bool,
}

/// What a key was at a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fact {
    pub(super) at: u64,
    /// It was seen like this at this revision, too, and all the time between.
    pub(super) from: u64,
    /// 0 if it was absent.
    pub(super) modified: u64,
    /// 0 if it was not told.
    pub(super) create: u64,
    pub(super) version: u64,
}

/// Revisions after `after`, up to `until`, in which the key was neither created nor deleted.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    after: u64,
    until: u64,
    /// Puts in it that nobody acknowledged.
    missing: u64,
    /// Those that are guessed.
    guessed: u64,
}

/// What the evidence says about a put of a key at a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// There is room; if puts are missing, they are so up to this revision.
    Yes { deadline: u64 },
    /// There is room if a delete of unknown outcome comes after it.
    Hardly,
    /// There is none before the revision after this one, whatever is guessed.
    NotUntil(u64),
    /// Other guesses after this revision have taken it.
    Taken(u64),
}

impl KeyFacts {
    /// Many answers show the same. Of a key that is there only the last of them counts, and of an absence the first and
    /// the last.
    pub(super) fn note(&mut self, fact: Fact) {
        if let [.., before, last] = &mut self.facts[..]
            && last.modified == 0
            && before.modified == 0
            && fact.modified == 0
            && last.at <= fact.at
        {
            last.at = fact.at;
            return;
        }
        match self.facts.last_mut() {
            Some(last) if fact.modified != 0 && last.modified == fact.modified => {
                last.at = last.at.max(fact.at);
                last.from = last.from.min(fact.from);
                last.create = last.create.max(fact.create);
                last.version = last.version.max(fact.version);
            }
            Some(_) | None => self.facts.push(fact),
        }
    }

    pub(super) fn finish(&mut self) {
        self.facts.sort_unstable();
        self.facts.dedup();
        // Of a transaction of unknown outcome, both branches may put it.
        self.puts.sort_unstable();
        self.puts.dedup();
        self.deletes.sort_unstable();
        // By mod revision: of one life, the stretch from the creation or the fact before.
        let mut last: Option<Fact> = None;
        for fact in self.facts.iter().filter(|fact| fact.create != 0 && fact.version != 0) {
            let (after, version) = match last {
                Some(last) if last.create == fact.create => (last.modified, last.version),
                Some(_) | None => (fact.create, 1),
            };
            if fact.modified > after {
                let between = |puts: &[u64]| {
                    let from = puts.partition_point(|put| *put <= after);
                    let to = puts.partition_point(|put| *put <= fact.modified);
                    (to - from) as u64
                };
                let missing =
                    (fact.version - version.min(fact.version)).saturating_sub(between(&self.puts));
                let until = fact.modified;
                self.stretches.push(Stretch { after, until, missing, guessed: 0 });
            }
            last = Some(*fact);
        }
        self.is_wanted |= self.stretches.iter().any(|stretch| stretch.missing > 0);
        self.stretches.sort_unstable_by_key(|stretch| stretch.until);
    }

    /// A put is guessed at `revision`, or the guess is taken back.
    pub(super) fn guess(&mut self, revision: u64, is_made: bool) {
        if let Some(stretch) = self.stretch(revision) {
            let guessed = &mut self.stretches[stretch].guessed;
            *guessed = if is_made { *guessed + 1 } else { *guessed - 1 };
        }
    }

    /// How many puts are guessed in the stretch that `revision` lies in.
    pub(super) fn guessed(&self, revision: u64) -> u64 {
        self.stretch(revision).map_or(0, |stretch| self.stretches[stretch].guessed)
    }

    fn stretch(&self, revision: u64) -> Option<usize> {
        let place = self.stretches.partition_point(|stretch| stretch.until < revision);
        self.stretches.get(place).filter(|stretch| stretch.after < revision).map(|_| place)
    }

    /// If it is known to have been there before and after `revision`, without a break: until when.
    pub(super) fn stays_until(&self, revision: u64) -> Option<u64> {
        let next = self.facts.partition_point(|fact| fact.at < revision);
        match self.facts.get(next)? {
            Fact { modified, at, .. } if *modified != 0 && *modified < revision => Some(*at),
            Fact { create, modified, .. } if *create != 0 && *create <= revision => Some(*modified),
            Fact { .. } => None,
        }
    }

    /// If it is known to have been gone after `revision`: by when, unless a known delete comes first.
    pub(super) fn gone_by(&self, revision: u64) -> u64 {
        let next = self.facts.partition_point(|fact| fact.at < revision);
        let gone_by = match self.facts.get(next) {
            Some(Fact { modified: 0, at, .. }) => *at,
            Some(Fact { create, .. }) if *create > revision => create - 1,
            Some(_) | None => return u64::MAX,
        };
        let place = self.deletes.partition_point(|delete| *delete < revision);
        let is_deleted = self.deletes.get(place).is_some_and(|delete| *delete <= gone_by);
        if is_deleted { u64::MAX } else { gone_by }
    }

    pub(super) fn seen_before(&self, revision: u64) -> u64 {
        // What a write shows of the revision before it is held against the store only when the write is replayed.
        let revision = revision - 1;
        let end = self.facts.partition_point(|fact| fact.from < revision);
        let is_whole = |fact: &&Fact| fact.modified == 0 || (fact.create != 0 && fact.version != 0);
        let seen = self.facts[..end].iter().rev().find(is_whole);
        seen.map_or(0, |fact| if fact.at < revision { fact.at } else { fact.from })
    }

    pub(super) fn room(&self, revision: u64) -> Room {
        if let Some(stretch) = self.stretch(revision).map(|place| self.stretches[place])
            && !self.is_vague
        {
            return match (stretch.missing, stretch.guessed) {
                (0, _) => Room::NotUntil(stretch.until),
                (missing, guessed) if guessed >= missing => Room::Taken(stretch.after),
                (..) => Room::Yes { deadline: stretch.until },
            };
        }
        let next = self.facts.partition_point(|fact| fact.at < revision);
        let Some(fact) = self.facts.get(next) else { return Room::Yes { deadline: u64::MAX } };
        let gone_by = match *fact {
            Fact { modified: 0, at, .. } => at,
            Fact { modified, at, .. } if modified < revision => return Room::NotUntil(at),
            Fact { create, .. } if create > revision => create - 1,
            Fact { .. } => return Room::Yes { deadline: u64::MAX },
        };
        // Put, and gone again: something must have deleted it.
        let place = self.deletes.partition_point(|delete| *delete <= revision);
        let is_deleted = self.deletes.get(place).is_some_and(|delete| *delete <= gone_by);
        if is_deleted {
            Room::Yes { deadline: u64::MAX }
        } else if self.may_vanish {
            Room::Hardly
        } else {
            Room::NotUntil(gone_by)
        }
    }
}
