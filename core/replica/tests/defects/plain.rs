//! Defects that the driver meets by its structure: shown on plain raft-rs, and absent here.

use super::{assert_never_says, assert_says, play};
use crate::harness::{disk::Mode, script::Script};
use raft::{
    Config, GetEntriesContext, RaftState, RawNode, Result, Storage,
    eraftpb::{Entry, HardState, Message, MessageType, Snapshot},
    storage::MemStorage,
};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};
use whitewater_api::{Index, NodeId};
use whitewater_mutation::Mutations;
use whitewater_replica::wal::{Follower, Record};

fn logger() -> slog::Logger {
    slog::Logger::root(slog::Discard, slog::o!())
}

fn entry(index: u64, term: u64) -> Entry {
    Entry { index, term, ..Entry::default() }
}

/// A log of so many entries of term 1 with the one voter 1, all committed.
fn storage(last: u64, commit: u64) -> MemStorage {
    let storage = MemStorage::new_with_conf_state((vec![1], vec![]));
    let entries: Vec<Entry> = (1..=last).map(|index| entry(index, 1)).collect();
    storage.wl().append(&entries).unwrap();
    storage.wl().set_hardstate(HardState { term: 1, commit, ..HardState::default() });
    storage
}

fn config(applied: u64) -> Config {
    Config { id: 1, applied, ..Config::new(1) }
}

/// The message of a panic that must come.
fn panic_of(action: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(action)).expect_err("it panics");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// X5: raft-rs stops where the applied index is ahead of the commit index on the disk. Applying alone does not write the
/// commit index; the mark of a snapshot, which is all that a start knows to be applied, takes it along.
#[test]
fn a_snapshot_takes_its_commit_index_along() {
    let panic = panic_of(|| drop(RawNode::new(&config(2), storage(2, 1), &logger())));
    assert!(panic.contains("applied(2) is out of range"), "{panic}");

    let mut script = Script::new(Mutations::none());
    script.play(
        "cluster nodes=1 snapshot_log_bytes=300 catch_up_entries=0
        elect n1
        put n1 a 0123456789012345678901234567890123456789012345678901234567890123456789
        put n1 a 0123456789012345678901234567890123456789012345678901234567890123456789",
    );
    let written = |script: &Script| {
        let (mut commit, mut mark) = (Index(0), Index(0));
        for (file, bytes) in script.cluster.nodes[&NodeId(1)].disk.durable_image() {
            let mut see = |record: &Record| match record {
                Record::HardState { commit: at, .. } => commit = *at,
                Record::Snapshot(at) => mark = at.index,
                Record::Entry(_) | Record::Peer { .. } | Record::Renewal(_) => {}
            };
            Follower::new().advance(&file, &bytes, &mut |record| see(&record)).unwrap();
        }
        (commit, mark)
    };
    let applied = script.cluster.status(NodeId(1)).unwrap().applied;
    assert!(written(&script).0 < applied, "{:?}, applied {applied}", written(&script));
    let told = script.play(
        "put n1 a 0123456789012345678901234567890123456789012345678901234567890123456789
        crash n1 power",
    );
    assert_says(&told, "n1 took snapshot 4@2");
    let (commit, mark) = written(&script);
    assert!(commit >= mark, "hard state {commit}, mark {mark}");
    let told = script.play("restart n1\nstatus n1");
    assert_says(&told, &format!("commit {commit} applied {commit}"));
}

/// Counts the largest read that raft asks for without a bound.
struct Counting {
    inner: MemStorage,
    most: Rc<Cell<usize>>,
}

impl Storage for Counting {
    fn initial_state(&self) -> Result<RaftState> {
        self.inner.initial_state()
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> Result<Vec<Entry>> {
        let entries = self.inner.entries(low, high, max_size, context)?;
        self.most.set(self.most.get().max(entries.len()));
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<u64> {
        self.inner.term(index)
    }

    fn first_index(&self) -> Result<u64> {
        self.inner.first_index()
    }

    fn last_index(&self) -> Result<u64> {
        self.inner.last_index()
    }

    fn snapshot(&self, request_index: u64, to: u64) -> Result<Snapshot> {
        self.inner.snapshot(request_index, to)
    }
}

/// X6: a candidate reads all that is committed and not applied at once (etcd-raft #32). Ours applies what is committed
/// before it does anything else.
#[test]
fn a_candidate_has_nothing_left_to_apply() {
    let most = Rc::new(Cell::new(0));
    let counting = Counting { inner: storage(5000, 5000), most: Rc::clone(&most) };
    let mut node = RawNode::new(&config(0), counting, &logger()).unwrap();
    node.campaign().unwrap();
    assert_eq!(most.get(), 5000);

    let told = play(
        None,
        "cluster nodes=1 apply_bytes_max=200
        elect n1
        fill n1 100
        crash n1 power
        restart n1
        status n1",
    );
    assert_says(&told, "n1@2 follower commit 101 applied 101 log 2..102");
}

/// X9: raft-rs asserts that a new leader's log is durable (raft-rs #489). A member that becomes its own quorum while it
/// writes would lead at once. Ours waits for its disk.
#[test]
fn a_member_alone_does_not_lead_on_a_log_that_is_not_durable() {
    let mut node = RawNode::new(&config(2), storage(2, 2), &logger()).unwrap();
    let mut append = Message::default();
    append.set_msg_type(MessageType::MsgAppend);
    (append.from, append.to, append.term, append.log_term, append.index) = (2, 1, 2, 1, 2);
    append.set_entries(vec![entry(3, 2)].into());
    node.step(append).unwrap();
    let ready = node.ready();
    node.store().wl().append(ready.entries()).unwrap();
    node.advance_append_async(ready);
    let panic = panic_of(|| node.campaign().unwrap());
    assert!(panic.contains("left == right"), "{panic}");

    let mut script = Script::new(Mutations::none());
    let told = script.play(
        "cluster nodes=2
        elect n1
        member-remove n1 n1
        put n1 k v p=2
        deliver kind=append count=1
        disk n2 stalls
        deliver kind=append count=1
        deliver kind=append-ok
        deliver kind=append
        status n2
        tick n2 count=40
        status n2",
    );
    assert_says(&told, "n2 members at 3: voters n2\n");
    assert_says(&told, "n2@2 follower commit 3 applied 3 log 2..4");
    assert_never_says(&told, "n2@3 is leader");
    script.cluster.nodes.get_mut(&NodeId(2)).unwrap().disk.mode = Mode::Works;
    let told = script.play("disk n2 works\ntimeout n2\nstatus n2");
    assert_says(&told, "n2@3 leader commit 5 applied 5 log 2..5");
}

/// X10: raft-rs's own storage makes snapshots up: at the commit index with nothing applied, or at any index that is asked
/// for. Ours covers what was applied, and says that.
#[test]
fn a_snapshot_covers_what_was_applied() {
    let made_up = storage(2, 2).snapshot(0, 2).unwrap();
    assert_eq!(made_up.get_metadata().index, 2, "nothing was ever applied");
    assert_eq!(storage(2, 2).snapshot(99, 2).unwrap().get_metadata().index, 99);

    let told = play(
        None,
        "cluster nodes=5 snapshot_log_bytes=900 catch_up_entries=0
        elect n1
        crash n5
        fill n1 20
        disk n1 stalls
        put n1 k v
        stabilize
        status n1
        restart n5
        run 2
        status n5",
    );
    assert_says(&told, "n1@2 leader commit 23 applied 22 log 17..23");
    assert_says(&told, "n1@2 -> n5 snapshot-part 0 of 22@2, the last");
    assert_says(&told, "n5@2 follower commit 23 applied 23");
}
