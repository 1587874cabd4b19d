//! raft-rs's Ready contract, kept to the letter.
//!
//! For each Ready: what may leave at once leaves; what must be written is gathered; what must wait for the disk is held
//! with the number of its batch; what is committed is applied. In this order (raft-rs 0.7.0, `raw_node.rs`):
//!
//! 1. `messages` leave before the disk is asked: a leader replicates while it writes (dissertation 10.2.1).
//! 2. snapshot, then entries, then hard state, in one batch.
//! 3. `persisted_messages` and `on_persist_ready` wait for that batch and all before it.
//! 4. `advance_append_async` makes entries readable before they are durable.
//! 5. committed entries are handed out only up to what is persisted here, and are applied in order.

use crate::{
    door::Event,
    limits,
    message::{Envelope, PeerMessage},
    persistence::Effect,
    replica::Replica,
};
use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use whitewater_api::{Index, NodeId, Term};

impl Replica {
    /// Carries out all that raft wants done.
    pub(crate) fn drain_ready(&mut self) {
        while self.raft.has_ready() {
            self.pin_timeout();
            let mut ready = self.raft.ready();
            let read_states = ready.take_read_states();
            for message in ready.take_messages() {
                self.send_now(message);
            }
            let installed = match ready.snapshot() {
                snapshot if snapshot.is_empty() => None,
                snapshot => Some(self.install_snapshot(snapshot.get_metadata())),
            };
            let entries = ready.take_entries();
            for entry in &entries {
                self.wal.append_entry(entry);
            }
            if ready.must_sync() {
                self.persistence.require();
            }
            self.note_append(&entries);
            self.raft.mut_store().append(&entries);
            for message in ready.take_persisted_messages() {
                self.send_after_writes(message);
            }
            let committed = ready.take_committed_entries();
            let number = ready.number();
            self.raft.advance_append_async(ready);
            // Not before: an answered keep-alive may propose, and raft-rs takes what is unstable for what this Ready held.
            for state in read_states {
                self.on_read_state(&state.request_ctx, Index(state.index));
            }
            self.persistence.after_writes(Effect::Persisted(number));
            if let Some(installed) = installed {
                self.persistence.after_writes(installed);
            }
            self.release_effects();
            self.apply(committed);
        }
    }

    fn note_append(&mut self, entries: &[Entry]) {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return };
        let held = self.raft.store().last();
        let event = Event::Appended {
            first: Index(first.index),
            last: Index(last.index),
            term: Term(last.term),
            replaced: (held + 1).saturating_sub(first.index),
        };
        self.event(event);
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "two kinds are ours; the others go as they are"
    )]
    fn send_now(&mut self, message: Message) {
        match message.get_msg_type() {
            MessageType::MsgSnapshot => self.start_transfer(NodeId(message.to)),
            MessageType::MsgReadIndexResp => self.forward_read_answer(&message),
            _ => {
                let to = NodeId(message.to);
                self.send(to, PeerMessage::Raft(Box::new(message)));
            }
        }
    }

    fn send_after_writes(&mut self, message: Message) {
        let (from, to) = (self.config.node, NodeId(message.to));
        let body = PeerMessage::Raft(Box::new(message));
        self.persistence.after_writes(Effect::Send(Envelope { from, to, body }));
    }

    /// Applies committed entries, in order.
    fn apply(&mut self, entries: Vec<Entry>) {
        let Some(last) = entries.last().map(|entry| entry.index) else { return };
        for entry in entries {
            let (index, term) = (entry.index, entry.term);
            let (answer, made, done) = match entry.get_entry_type() {
                EntryType::EntryNormal => self.apply_write(&entry),
                EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => {
                    (self.apply_members(&entry), None, None)
                }
            };
            self.raft.mut_store().on_applied(index, term);
            self.tell_watches();
            let event = Event::Applied {
                index: Index(index),
                term: Term(term),
                checksum: checksum(&entry),
                chain: self.store.chain(),
                made,
                done,
            };
            self.event(event);
            if let Some((id, result)) = answer {
                self.reply(id, result);
            }
        }
        self.raft.advance_apply_to(last);
        self.pin_timeout();
        self.store.scrub(limits::SCRUB_STEPS);
        self.serve_reads();
    }
}

/// A checksum of what an entry asks for.
pub(crate) fn checksum(entry: &Entry) -> u64 {
    let kind = match entry.get_entry_type() {
        EntryType::EntryNormal => 0,
        EntryType::EntryConfChange => 1,
        EntryType::EntryConfChangeV2 => 2,
    };
    u64::from(crc32c::crc32c(&entry.data)) | kind << 32
}
