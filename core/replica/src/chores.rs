//! Work that looks at everything, a bounded step at a time: hashes and defragmentation.
//!
//! What it answers is as of its beginning: a view keeps what it needs while applying goes on. One thing is done after the
//! other, some rows with every step of the replica, which asks to be stepped again at once while there is any.
//!
//! ```text
//!  client: hash, hash-kv ──┐                       ┌──▶ answer to the client
//!  peer: its hash? ────────┼──▶ queue ──▶ rows ... ┼──▶ HashAnswer
//!  comparison of members ──┤                       ├──▶ the round goes on
//!  defragment, compaction ─┘                       └──▶ answers
//! ```

use crate::{limits, message::PeerMessage, replica::Replica};
use std::{collections::VecDeque, mem};
use whitewater_api::{
    Body, Error, KvHash, MaintenanceResponse, Monotonic, NodeId, RequestId, Revision,
};
use whitewater_store::{Cursor, Defragmentation, KvHasher, View};

/// What is to be done, the first of it under way.
#[derive(Default)]
pub(crate) struct Chores {
    queue: VecDeque<Chore>,
    /// Compactions whose clients wait until the space is free.
    scrubbing: Vec<RequestId>,
}

enum Chore {
    /// The hash over revisions as of one, for somebody.
    HashKv { asker: Asker, revision: Revision, under_way: Option<(View, KvHasher)> },
    /// The hash of everything, for a client.
    Hash { id: RequestId, under_way: Option<(View, Cursor)> },
    /// Room is given back, for these clients.
    Defragment { ids: Vec<RequestId>, under_way: Defragmentation },
}

/// Who wants a hash.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asker {
    /// A client.
    Client(RequestId),
    /// A member that compares, with the number of its round.
    Peer(NodeId, u64),
    /// The round of this member with this number.
    Round(u64),
}

impl Chores {
    /// Requests that wait for an answer.
    pub(crate) fn len(&self) -> usize {
        let clients = |chore: &Chore| match chore {
            Chore::HashKv { asker: Asker::Client(_), .. } | Chore::Hash { .. } => 1,
            Chore::HashKv { .. } => 0,
            Chore::Defragment { ids, .. } => ids.len(),
        };
        self.queue.iter().map(clients).sum::<usize>() + self.scrubbing.len()
    }

    /// Whether nothing is to be done.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.scrubbing.is_empty()
    }
}

impl Replica {
    /// Somebody wants the hash over revisions as of `revision`.
    pub(crate) fn want_hash_kv(&mut self, asker: Asker, revision: Revision) {
        self.chores.queue.push_back(Chore::HashKv { asker, revision, under_way: None });
    }

    /// A client wants the hash of everything.
    pub(crate) fn want_hash(&mut self, id: RequestId) {
        self.chores.queue.push_back(Chore::Hash { id, under_way: None });
    }

    /// The log before now is gone; room may be given back.
    pub(crate) fn want_room(&mut self, ids: Vec<RequestId>) {
        self.chores
            .queue
            .push_back(Chore::Defragment { ids, under_way: Defragmentation::default() });
    }

    /// Whether a member is being answered already.
    pub(crate) fn hashes_for(&self, peer: NodeId, number: u64) -> bool {
        self.chores.queue.iter().any(|chore| {
            matches!(chore, Chore::HashKv { asker: Asker::Peer(to, of), .. }
                if (*to, *of) == (peer, number))
        })
    }

    /// A compaction was applied, and its client waits until the space is free.
    pub(crate) fn want_scrubbed(&mut self, id: RequestId) {
        self.chores.scrubbing.push(id);
    }

    /// When there is more to do, at once. What waits for a view to close is looked at again with every tick.
    pub(crate) fn chores_wake(&self) -> Option<Monotonic> {
        let scrubs = !self.chores.scrubbing.is_empty() && !self.store.is_viewed();
        (scrubs || !self.chores.queue.is_empty()).then_some(self.now)
    }

    /// Whether a client waits for space.
    pub(crate) fn is_scrubbing(&self) -> bool {
        !self.chores.scrubbing.is_empty()
    }

    fn scrub_for_clients(&mut self) {
        if self.chores.scrubbing.is_empty() || self.store.scrub(limits::CHORE_ROWS_MAX) {
            return;
        }
        for id in mem::take(&mut self.chores.scrubbing) {
            self.reply(id, Ok(Body::Compact));
        }
    }

    /// Does so many rows of what is to be done.
    pub(crate) fn pump_chores(&mut self) {
        self.scrub_for_clients();
        // Small ones are done at once, all that are there.
        let mut rows = limits::CHORE_ROWS_MAX;
        while rows > 0
            && let Some(chore) = self.chores.queue.pop_front()
        {
            match chore {
                Chore::HashKv { asker, revision, under_way } => {
                    self.hash_kv(asker, revision, under_way, &mut rows);
                }
                Chore::Hash { id, under_way } => self.hash(id, under_way, &mut rows),
                Chore::Defragment { ids, under_way } => self.defragment(ids, under_way, &mut rows),
            }
        }
    }

    fn hash_kv(
        &mut self,
        asker: Asker,
        revision: Revision,
        under_way: Option<(View, KvHasher)>,
        rows: &mut usize,
    ) {
        let begun = under_way.map_or_else(
            || {
                let hasher = KvHasher::new(&self.store, revision)?;
                Ok((self.store.open_view(), hasher))
            },
            Ok,
        );
        let (view, mut hasher) = match begun {
            Ok(begun) => begun,
            Err(error) => return self.tell_hash_kv(asker, Err(error)),
        };
        let Some(hash) = hasher.step(&self.store, rows) else {
            let under_way = Some((view, hasher));
            return self.chores.queue.push_front(Chore::HashKv { asker, revision, under_way });
        };
        self.store.close_view(&view);
        self.tell_hash_kv(asker, Ok(hash));
    }

    fn tell_hash_kv(&mut self, asker: Asker, hash: Result<KvHash, Error>) {
        match asker {
            Asker::Client(id) => {
                let body = |hash| Body::Maintenance(MaintenanceResponse::HashKv(hash));
                self.reply(id, hash.map(body));
            }
            Asker::Peer(to, number) => {
                // It asks again for what is not there yet.
                if let Ok(hash) = hash {
                    let newest = self.store.revision();
                    self.send(to, PeerMessage::HashAnswer { number, hash, newest });
                }
            }
            Asker::Round(number) => self.begin_round(number, hash),
        }
    }

    fn hash(&mut self, id: RequestId, under_way: Option<(View, Cursor)>, rows: &mut usize) {
        let (view, cursor) = under_way.unwrap_or_else(|| (self.store.open_view(), Cursor::start()));
        let part = self.store.part(&view, &cursor, limits::CHORE_PART_BYTES);
        *rows = rows.saturating_sub(limits::CHORE_PART_ROWS);
        if let Some(next) = part.next {
            let under_way = Some((view, next));
            return self.chores.queue.push_front(Chore::Hash { id, under_way });
        }
        self.store.close_view(&view);
        let digest = part.digest.expect("the last part has it");
        let hash = MaintenanceResponse::Hash(crc32c::crc32c(&digest.to_le_bytes()));
        self.reply(id, Ok(Body::Maintenance(hash)));
    }

    fn defragment(
        &mut self,
        ids: Vec<RequestId>,
        mut under_way: Defragmentation,
        rows: &mut usize,
    ) {
        let Some((before, after)) = self.store.defragment(&mut under_way, rows) else {
            return self.chores.queue.push_front(Chore::Defragment { ids, under_way });
        };
        self.sometimes("defragmented");
        for id in ids {
            let response = MaintenanceResponse::Defragment { before, after };
            self.reply(id, Ok(Body::Maintenance(response)));
        }
    }

    /// The store was replaced: what was begun begins anew.
    pub(crate) fn restart_chores(&mut self) {
        for chore in &mut self.chores.queue {
            match chore {
                Chore::HashKv { under_way, .. } => *under_way = None,
                Chore::Hash { under_way, .. } => *under_way = None,
                Chore::Defragment { under_way, .. } => *under_way = Defragmentation::default(),
            }
        }
    }
}
