//! Watches of users. Whether a user may watch a range is asked once, when the watch is opened, by the member that serves
//! it and as it knows users and roles; a watch that is open goes on, whatever becomes of its token and its permissions
//! (etcd, `v3rpc/watch.go`, `isWatchPermitted`).
//!
//! A member may be behind, but its answer has a header: it has applied that revision, and all that had been answered
//! before somebody asked for it.

use super::facts::Window;
use crate::case::Case;
use std::collections::BTreeMap;
use whitewater_api::{
    Error, Process, WatchId, WatchRequest,
    watch::{CancelReason, WatchBody, WatchCreate},
};
use whitewater_record::{SimTime, WatchMessage};

/// The answer to somebody who would open a watch.
pub(super) struct Opening<'h> {
    /// The row of the answer.
    pub(super) row: usize,
    pub(super) user: Option<&'h str>,
    pub(super) create: &'h WatchCreate,
    /// As of when users and roles may have been asked about.
    pub(super) window: Window,
    /// It was let; else permission was denied.
    pub(super) is_open: bool,
}

/// All of them.
pub(super) fn openings<'h>(case: &Case<'h>) -> Vec<Opening<'h>> {
    let history = case.history;
    let known = Known::new(case);
    let mut users: BTreeMap<(Process, u32), &'h str> = BTreeMap::new();
    let mut asked: BTreeMap<(Process, u32), Vec<&'h WatchCreate>> = BTreeMap::new();
    let mut all = Vec::new();
    for (row, told) in history.watches.iter().enumerate() {
        let stream = (told.process, told.stream);
        match &told.message {
            WatchMessage::As(user) => drop(users.insert(stream, user)),
            WatchMessage::Sent(WatchRequest::Create(create)) => {
                asked.entry(stream).or_default().push(create);
            }
            WatchMessage::Received(response) => {
                let Some(open) = asked.get_mut(&stream) else { continue };
                let denied = Error::PermissionDenied.to_string();
                let is_open = match &response.body {
                    WatchBody::Created => true,
                    WatchBody::Canceled(CancelReason::Refused(why)) if *why == denied => false,
                    WatchBody::Canceled(CancelReason::Refused(_))
                        if response.watch == WatchId::ALL =>
                    {
                        open.clear();
                        continue;
                    }
                    WatchBody::Canceled(_) | WatchBody::Events { .. } | WatchBody::Progress => {
                        continue;
                    }
                };
                // A refusal does not say of which watch: of several any may be meant.
                let place = open.iter().position(|create| create.watch == response.watch);
                let only = (open.len() == 1).then_some(0);
                let Some(place) = place.or(only) else { continue };
                let create = open.remove(place);
                let from = known.since(response.header.revision.0);
                let window = Window { from, to: told.at, made: None };
                let user = users.get(&stream).copied();
                all.push(Opening { row, user, create, window, is_open });
            }
            WatchMessage::Sent(_) | WatchMessage::Broken => {}
        }
    }
    all
}

/// What whoever has come to a revision must know.
struct Known {
    /// By revision that somebody made: all that was answered before this is known there.
    since: Vec<(u64, SimTime)>,
}

impl Known {
    fn new(case: &Case) -> Self {
        let made = case.recorded_operations().iter().filter(|op| op.has_effect);
        let mut since: Vec<(u64, SimTime)> = made.map(|op| (op.revision, op.invoked)).collect();
        since.sort_unstable();
        let mut latest = SimTime::ZERO;
        for (_, since) in &mut since {
            latest = latest.max(*since);
            *since = latest;
        }
        Self { since }
    }

    fn since(&self, revision: u64) -> SimTime {
        let end = self.since.partition_point(|(made, _)| *made <= revision);
        end.checked_sub(1).map_or(SimTime::ZERO, |last| self.since[last].1)
    }
}
