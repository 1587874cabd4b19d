//! Reads of ranges, a bounded number of rows with every step.
//!
//! A range of a million keys would hold the replica, and with it everybody else, for some 0.2 s. What does not come to its end
//! within the rows of its own step goes on from a view with the next ones, which the replica asks for at once; long reads take turns, so
//! that a longer one does not hold up a shorter one.
//!
//! ```text
//!  range ─▶ rows of this step ─┬─ that was all ───────────────────────────────────────────────────▶ answer
//!                              └─ a view is opened ─▶ queue ─▶ rows of every step, in turns ─▶ answer as of the view
//! ```
//!
//! The answer is that of the moment at which the view was opened, its header too: whoever lists keys and then watches from the revision
//! in the header on would else miss what came in between.
//!
//! Views hold physical compaction up. So that there is not always one open where many read all the time, no read begins while compaction waits
//! for those that have; it comes first when they are done.
//!
//! Ranges inside of transactions are read in one step, whether they write or not: compares and operations see one state, and a
//! transaction that writes is carried out at one place in the log.

use crate::{door::Event, limits, replica::Replica};
use std::collections::VecDeque;
use whitewater_api::{Body, Caller, Error, Header, Index, Monotonic, Request, RequestId};
use whitewater_mutation::Mutation;
use whitewater_store::{RangeScan, View};

/// The reads that take more than one step.
#[derive(Default)]
pub(crate) struct LongReads {
    queue: VecDeque<LongRead>,
    /// Invariant: so many of them have a view open.
    under_way: usize,
    /// Rows that were looked at in this step.
    looked_at: usize,
    /// Long reads had the last turn, and work on everything has the next.
    had_turn: bool,
}

/// A range that somebody reads.
pub(crate) struct RangeRead {
    /// Whom to answer.
    pub(crate) id: RequestId,
    pub(crate) caller: Caller,
    /// A range.
    pub(crate) request: Request,
    pub(crate) backing: Backing,
}

/// What stands behind the answer to a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backing {
    /// Nothing: it may be stale.
    Nothing,
    /// What is applied holds all that was acknowledged before it was asked.
    Confirmed {
        /// The leader lease says so.
        lease: bool,
    },
}

struct LongRead {
    asked: RangeRead,
    /// None if it is to begin, or to begin anew.
    under_way: Option<UnderWay>,
}

/// A read that was begun.
struct UnderWay {
    /// As of the moment at which it was.
    header: Header,
    scan: RangeScan,
    view: View,
}

impl LongReads {
    /// Reads that wait for an answer.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn check_invariants(&self) {
        let begun = self.queue.iter().filter(|read| read.under_way.is_some()).count();
        assert_eq!(self.under_way, begun, "reads are under way that do not wait for their turn");
    }

    /// An input comes.
    pub(crate) fn begin_step(&mut self) {
        self.looked_at = 0;
    }
}

impl Replica {
    /// Answers a range, at once if it is not long.
    pub(crate) fn read_range(&mut self, asked: RangeRead) {
        self.go_on_reading(LongRead { asked, under_way: None });
    }

    /// When there is more to read: soon. Whoever has waited comes in between.
    pub(crate) fn long_reads_wake(&self) -> Option<Monotonic> {
        let rest = self.now.after(limits::LONG_READ_REST_NANOS);
        (!self.long_reads.queue.is_empty()).then_some(rest)
    }

    /// Goes on with what takes many steps. Long reads and work on everything take turns where both are there.
    pub(crate) fn pump_turns(&mut self) {
        let has_turn = !self.long_reads.queue.is_empty()
            && (self.chores.is_idle() || !self.long_reads.had_turn);
        self.long_reads.had_turn = has_turn;
        if has_turn { self.pump_long_reads() } else { self.pump_chores() }
    }

    fn pump_long_reads(&mut self) {
        if self.long_reads.under_way == 0 {
            self.store.scrub(limits::CHORE_ROWS_MAX);
        }
        for _ in 0..self.long_reads.queue.len() {
            if self.rows_left() == 0 {
                return;
            }
            let Some(read) = self.long_reads.queue.pop_front() else { return };
            if read.under_way.is_none() && self.must_wait() {
                self.long_reads.queue.push_back(read);
            } else {
                self.go_on_reading(read);
            }
        }
    }

    /// Whether no view is to be opened: compaction waits for those of reads, and for no other, or there are enough.
    fn must_wait(&self) -> bool {
        let open = self.long_reads.under_way;
        let holds_up = self.store.has_scrubbing_left() && self.store.views_open() == open;
        holds_up || open >= limits::LONG_READS_MAX
    }

    /// Reads on. What does not come to its end waits for its next turn, behind all others.
    fn go_on_reading(&mut self, read: LongRead) {
        let LongRead { asked, under_way } = read;
        let (mut scan, header, view) = match under_way {
            Some(UnderWay { scan, header, view }) => (scan, header, Some(view)),
            None => match self.begin_reading(&asked) {
                Ok(scan) => (scan, self.header(), None),
                Err(error) => return self.reply(asked.id, Err(error)),
            },
        };
        let before = self.rows_left();
        let mut left = before;
        let answer = scan.step(&self.store, &mut left);
        self.long_reads.looked_at += before - left;
        let Some(answer) = answer else {
            let view = view.or_else(|| self.open_view_to_read());
            let under_way = view.map(|view| UnderWay { header, scan, view });
            return self.long_reads.queue.push_back(LongRead { asked, under_way });
        };
        let Some(view) = view else { return self.reply(asked.id, Ok(Body::Range(answer))) };
        self.store.close_view(&view);
        self.long_reads.under_way -= 1;
        self.sometimes("long read answered");
        let tells_later = self.config.mutations.has(Mutation::LongReadTellsLater);
        let header = if tells_later { self.header() } else { header };
        self.reply_as_of(header, asked.id, Ok(Body::Range(answer)));
    }

    fn open_view_to_read(&mut self) -> Option<View> {
        if self.must_wait() {
            self.sometimes("long read put off");
            return None;
        }
        self.long_reads.under_way += 1;
        Some(self.store.open_view())
    }

    /// Begins to read, if that is permitted now.
    fn begin_reading(&mut self, asked: &RangeRead) -> Result<RangeScan, Error> {
        let who = self.identify(&asked.caller);
        let scan = who.and_then(|who| self.store.scan_for(who.as_ref(), &asked.request));
        if let Backing::Confirmed { lease } = asked.backing {
            let applied = Index(self.raft.store().applied().0);
            let revision = self.store.revision();
            self.event(Event::Read { id: asked.id, applied, revision, lease });
        }
        scan
    }

    /// How many rows this step may yet look at.
    fn rows_left(&self) -> usize {
        let rows = usize::try_from(self.config.tuning.read_rows.max(1)).unwrap_or(usize::MAX);
        rows.saturating_sub(self.long_reads.looked_at)
    }

    /// The store was replaced: what was begun begins anew, and whether it is permitted is asked anew.
    pub(crate) fn restart_long_reads(&mut self) {
        self.long_reads.under_way = 0;
        for read in &mut self.long_reads.queue {
            read.under_way = None;
        }
    }
}
