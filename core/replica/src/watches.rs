//! Watches, served from what is applied here: by followers and learners too, and never through the log.
//!
//! Every entry that makes a revision tells the watches at once, and an installed snapshot sends them on from where they
//! were. What they say leaves at the end of the step, within the credit that the host has granted.

use crate::{
    door::{Output, Phase},
    limits,
    replica::Replica,
};
use std::mem;
use whitewater_api::{
    Header, Monotonic, Revision, StreamEnd, StreamId, Term, Tuning, WatchRequest, WatchResponse,
};
use whitewater_mutation::Mutations;
use whitewater_store::{WatchLimits, WatchOutput, Watches};

/// The watches of a replica.
pub(crate) struct Watching {
    watches: Watches,
    /// What has not left yet.
    outputs: Vec<WatchOutput>,
    /// Since when it has known no leader.
    leaderless: Option<Monotonic>,
}

impl Watching {
    /// None yet, of a store at `revision`.
    pub(crate) fn new(tuning: &Tuning, revision: Revision, mutations: Mutations) -> Self {
        let watches = Watches::new(WatchLimits::new(tuning), revision, mutations);
        Self { watches, outputs: Vec::new(), leaderless: None }
    }

    /// When the watches want to be looked after again, if they do.
    pub(crate) fn next_wake(&self, now: Monotonic) -> Option<Monotonic> {
        self.watches.next_wake(now)
    }

    /// How many watches there are.
    pub(crate) fn len(&self) -> usize {
        self.watches.len().1
    }

    /// How many of them have not been told everything.
    pub(crate) fn behind(&self) -> usize {
        self.watches.behind()
    }
}

impl Replica {
    /// A client opens a stream. Where nobody is served yet, or nobody leads and the client minds, it is ended at once.
    pub(crate) fn on_stream_opened(&mut self, stream: StreamId, require_leader: bool) {
        let has_nothing = self.phase != Phase::Active || self.raft.store().applied().0 == 0;
        if has_nothing || self.is_under_suspicion() || require_leader && self.leader().is_none() {
            let end = StreamEnd::NoLeader;
            return self.watching.outputs.push(WatchOutput::End { stream, end });
        }
        self.watching.watches.open(stream, require_leader, &mut self.watching.outputs);
    }

    /// The host has room for so many more messages.
    pub(crate) fn on_stream_ready(&mut self, stream: StreamId, credit: u64) {
        self.watching.watches.grant(stream, credit, &mut self.watching.outputs);
    }

    pub(crate) fn on_stream_closed(&mut self, stream: StreamId) {
        self.watching.watches.close(stream);
        self.forget_stream_caller(stream);
    }

    pub(crate) fn on_watch(&mut self, stream: StreamId, request: WatchRequest) {
        if let WatchRequest::Create(create) = &request
            && let Err(error) = self.permit_watch(stream, &create.range)
        {
            let Watching { watches, outputs, .. } = &mut self.watching;
            return watches.refuse(stream, &error, outputs);
        }
        let Watching { watches, outputs, .. } = &mut self.watching;
        watches.request(self.now, stream, request, outputs);
    }

    /// An entry was applied.
    pub(crate) fn tell_watches(&mut self) {
        let Watching { watches, outputs, .. } = &mut self.watching;
        watches.on_applied(&self.store, self.now, outputs);
    }

    /// The store was replaced by that of a snapshot.
    pub(crate) fn move_watches(&mut self) {
        self.forget_tokens();
        if self.watching.len() > 0 {
            self.sometimes("watches went on behind a snapshot");
        }
        self.watching.watches.on_restored(&self.store);
    }

    /// Clients that mind lose their streams when there was no leader for a while (etcd, `v3rpc/interceptor.go`).
    pub(crate) fn on_watch_tick(&mut self) {
        if self.leader().is_some() {
            self.watching.leaderless = None;
            return;
        }
        let since = *self.watching.leaderless.get_or_insert(self.now);
        if self.now.since(since) >= limits::WATCH_LEADERLESS_ELECTIONS * self.election_nanos() {
            self.watching.watches.end_leaderless(&mut self.watching.outputs);
        }
    }

    /// Lets watches catch up a bounded step, and everything out that they say.
    pub(crate) fn pump_watches(&mut self) {
        let Watching { watches, outputs, .. } = &mut self.watching;
        if self.phase == Phase::Active {
            watches.pump(&self.store, self.now, outputs);
        }
        if outputs.is_empty() {
            return;
        }
        let (cluster, node, term) =
            (self.config.cluster, self.config.node, Term(self.raft.raft.term));
        let mut told = mem::take(outputs);
        for output in &told {
            if let WatchOutput::End { stream, .. } = output {
                self.forget_stream_caller(*stream);
            }
        }
        self.outputs.extend(told.drain(..).map(|output| match output {
            WatchOutput::Message { stream, watch, revision, body } => {
                let header = Header { cluster, node, term, revision };
                Output::Watch { stream, response: Box::new(WatchResponse { header, watch, body }) }
            }
            WatchOutput::End { stream, end } => Output::StreamEnded { stream, end },
        }));
        self.watching.outputs = told;
    }
}
