//! The ledger of one disk: what a log durably holds, read from its bytes.

use crate::invariants::log_matching::LogMatching;
use std::collections::VecDeque;
use whitewater_api::{FileName, Index, NodeId, Term};
use whitewater_record::Mixer;
use whitewater_replica::wal::{Follower, Record, Renewal};

/// What one disk durably holds.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    follower: Follower,
    term: Term,
    vote: Option<NodeId>,
    /// The newest snapshot, and its file.
    mark: (Index, Term),
    mark_file: Option<FileName>,
    /// The entry before the first one of `log`, and its chain, if that is known.
    base: (Index, Term, Option<u64>),
    log: VecDeque<Held>,
    /// The segments that hold entries, oldest first, and the highest index in each that still counts.
    segments: Vec<(FileName, Index)>,
    /// How the log started over, if it did.
    renewal: Option<Renewal>,
    /// The log is about to start over: what the disk has of the old one binds nobody, until it has the new one.
    is_void: bool,
    is_used: bool,
    /// Behind the last whole record lies something else.
    is_torn: bool,
    /// The machine lost power: nothing but the disk is left.
    is_exact: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    term: Term,
    /// Hash of this entry and all before it; unknown behind a snapshot that nobody else had the log of.
    chain: Option<u64>,
}

/// Something that became durable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// Term and vote.
    HardState { before: (Term, Option<NodeId>), after: (Term, Option<NodeId>) },
    /// An entry, behind or over what was there up to `last`.
    Entry { index: Index, term: Term, chain: Option<u64>, last: Index },
    /// A snapshot; the leader's, if it takes entries back, from the first of them on.
    Snapshot { cut: Option<Index> },
}

impl Ledger {
    /// Of a disk whose log is about to start over.
    pub(crate) fn void() -> Self {
        Self { is_void: true, ..Self::default() }
    }

    /// Takes in what is new in a file. Whatever follows no more is not there: the ledger holds what a reader would get.
    pub(crate) fn follow(
        &mut self,
        name: &FileName,
        bytes: &[u8],
        chains: &LogMatching,
        changes: &mut Vec<Change>,
    ) {
        let mut follower = std::mem::take(&mut self.follower);
        // An error is a torn tail, which recovery will cut; what was shown before it counts.
        let read = follower.advance(name, bytes, &mut |record| {
            self.is_used = true;
            if let Record::Entry(entry) = &record {
                self.note_segment(name, Index(entry.index));
            }
            self.take(&record, chains, changes);
        });
        self.is_torn = read.is_err();
        self.follower = follower;
    }

    fn take(&mut self, record: &Record, chains: &LogMatching, changes: &mut Vec<Change>) {
        match record {
            Record::HardState { term, vote, .. } => {
                let before = (self.term, self.vote);
                (self.term, self.vote) = (*term, *vote);
                changes.push(Change::HardState { before, after: (*term, *vote) });
            }
            Record::Entry(entry) => {
                let mut mixer = Mixer::default();
                mixer.add(entry.entry_type as u64);
                mixer.add(entry.data.len() as u64);
                for chunk in entry.data.chunks(8) {
                    mixer.add(chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
                }
                changes.push(self.append(Index(entry.index), Term(entry.term), mixer.finish()));
            }
            Record::Snapshot(mark) => {
                self.mark = (mark.index, mark.term);
                self.mark_file = Some(mark.file.clone());
                let mut cut = None;
                if mark.installed || mark.index > self.last() {
                    cut = self.cut_by((mark.index, mark.term));
                    self.log.clear();
                    self.base = (mark.index, mark.term, chains.chain(mark.index, mark.term));
                    self.discard_from(mark.index.next());
                } else {
                    self.forget_below(mark.index);
                }
                changes.push(Change::Snapshot { cut });
            }
            // The log starts over, and says so once more in the heads of its segments.
            Record::Renewal(renewal) if self.renewal != Some(*renewal) => {
                *self = Self {
                    renewal: Some(*renewal),
                    is_exact: self.is_exact,
                    is_used: true,
                    ..Self::default()
                };
            }
            Record::Renewal(_) | Record::Peer { .. } => {}
        }
    }

    /// An entry replaces those at and behind its index.
    fn note_segment(&mut self, name: &FileName, index: Index) {
        self.discard_from(index);
        match self.segments.last_mut() {
            Some((newest, highest)) if newest == name => *highest = index,
            Some(_) | None => self.segments.push((name.clone(), index)),
        }
    }

    /// What segments hold at and behind an index counts no more.
    fn discard_from(&mut self, index: Index) {
        for (_, highest) in
            self.segments.iter_mut().rev().take_while(|(_, highest)| *highest >= index)
        {
            *highest = Index(index.0 - 1);
        }
    }

    /// What a leader's snapshot takes back: all behind it, if the log is another one than the leader's there (Raft,
    /// figure 13). Where it is the same, what follows it stays, and to lose that is to break a promise.
    fn cut_by(&self, (index, term): (Index, Term)) -> Option<Index> {
        let is_same =
            (self.base.0, self.base.1) == (index, term) || self.term_at(index) == Some(term);
        (!is_same && self.last() > index).then(|| index.next())
    }

    fn append(&mut self, index: Index, term: Term, checksum: u64) -> Change {
        let last = self.last();
        if index <= self.base.0 || index.0 > last.0 + 1 {
            // Below the snapshot, or behind a gap: what comes before it cannot be known.
            self.log.clear();
            if index > last {
                self.base = (Index(index.0 - 1), Term(0), None);
            } else {
                return Change::Entry { index, term, chain: None, last };
            }
        }
        let kept = usize::try_from(index.0 - self.base.0.0 - 1).expect("a log fits memory");
        self.log.truncate(kept);
        let previous = self.log.back().map_or(self.base.2, |held| held.chain);
        let chain = previous.map(|previous| {
            let mut mixer = Mixer::default();
            mixer.add(previous);
            mixer.add(term.0);
            mixer.add(checksum);
            mixer.finish()
        });
        self.log.push_back(Held { term, chain });
        Change::Entry { index, term, chain, last }
    }

    fn forget_below(&mut self, index: Index) {
        while self.base.0 < index
            && let Some(held) = self.log.pop_front()
        {
            self.base = (self.base.0.next(), held.term, held.chain);
        }
    }

    /// The durable term.
    pub(crate) const fn term(&self) -> Term {
        self.term
    }

    /// The durable vote in that term.
    pub(crate) const fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// The highest index of any entry in a segment.
    pub(crate) fn highest_in(&self, segment: &FileName) -> Option<Index> {
        self.segments.iter().find(|(name, _)| name == segment).map(|(_, index)| *index)
    }

    /// The file that the newest mark names.
    pub(crate) const fn mark_file(&self) -> Option<&FileName> {
        self.mark_file.as_ref()
    }

    /// The newest snapshot.
    pub(crate) const fn mark(&self) -> (Index, Term) {
        self.mark
    }

    /// Whether what was read is of a log that nobody is bound by any more.
    pub(crate) const fn is_void(&self) -> bool {
        self.is_void
    }

    /// Whether anything was ever written.
    pub(crate) const fn is_used(&self) -> bool {
        self.is_used
    }

    /// Whether something lies behind the last whole record.
    pub(crate) const fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// The process died. With the power, the page cache went too.
    pub(crate) fn on_crash(&mut self, power: bool) {
        self.is_exact = power;
    }

    /// Whether a process that starts finds just this.
    pub(crate) const fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// The highest index.
    pub(crate) fn last(&self) -> Index {
        Index(self.base.0.0 + u64::try_from(self.log.len()).expect("a length fits 64 bits"))
    }

    /// The term of an entry, if it is there and not covered by a snapshot.
    pub(crate) fn term_at(&self, index: Index) -> Option<Term> {
        let place = index.0.checked_sub(self.base.0.0 + 1)?;
        self.log.get(usize::try_from(place).ok()?).map(|held| held.term)
    }

    /// Whether the entry is there, or covered by a snapshot.
    pub(crate) fn holds(&self, index: Index, term: Term) -> bool {
        index <= self.mark.0 || self.term_at(index) == Some(term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_takes_back_what_follows_it_in_another_log_and_nothing_in_the_same() {
        let mut ledger = Ledger::default();
        for (index, term) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
            ledger.append(Index(index), Term(term), 0);
        }
        assert_eq!(cut_by(&ledger, 3, 3), Some(Index(4)), "another entry stands there");
        assert_eq!(
            cut_by(&ledger, 3, 2),
            None,
            "the log is the same, and what follows may be committed"
        );
        assert_eq!(cut_by(&ledger, 4, 3), None, "nothing follows");
        assert_eq!(cut_by(&ledger, 9, 3), None, "the log does not reach there");
        ledger.forget_below(Index(2));
        assert_eq!(cut_by(&ledger, 2, 1), None, "where it begins it is the same");
        assert_eq!(cut_by(&ledger, 2, 3), Some(Index(3)));
    }

    fn cut_by(ledger: &Ledger, index: u64, term: u64) -> Option<Index> {
        ledger.cut_by((Index(index), Term(term)))
    }
}
