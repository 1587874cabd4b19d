//! What is known of members at a time.

use crate::deed::{Fate, fate};
use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{Body, ClusterRequest, NodeId, Request, RequestId};
use whitewater_record::{Operation, SimTime};

/// When something may have been carried out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: SimTime,
    pub(super) to: SimTime,
}

/// What becomes of a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'h> {
    Added { urls: &'h [String], is_learner: bool },
    Moved(&'h [String]),
    Votes,
    Gone,
}

impl<'h> Change<'h> {
    pub(super) fn of(request: &'h ClusterRequest) -> Option<Self> {
        match request {
            ClusterRequest::Add { peer_urls: urls, is_learner, .. } => {
                Some(Self::Added { urls, is_learner: *is_learner })
            }
            ClusterRequest::Remove(_) => Some(Self::Gone),
            ClusterRequest::Update { peer_urls, .. } => Some(Self::Moved(peer_urls)),
            ClusterRequest::Promote(_) => Some(Self::Votes),
            ClusterRequest::Publish { .. } | ClusterRequest::List { .. } => None,
        }
    }

    const fn is_there(&self) -> Option<bool> {
        match self {
            Self::Added { .. } => Some(true),
            Self::Gone => Some(false),
            Self::Moved(_) | Self::Votes => None,
        }
    }

    const fn votes(&self) -> Option<bool> {
        match self {
            Self::Added { is_learner, .. } => Some(!*is_learner),
            Self::Votes => Some(true),
            Self::Moved(_) | Self::Gone => None,
        }
    }

    const fn urls(&self) -> Option<&'h [String]> {
        match self {
            Self::Added { urls, .. } | Self::Moved(urls) => Some(urls),
            Self::Votes | Self::Gone => None,
        }
    }
}

/// A change that was asked for, and was not refused.
#[derive(Clone, Copy, Debug)]
struct Attempt<'h> {
    id: RequestId,
    asked: SimTime,
    /// When it had certainly come about; never, if that is not known.
    done: SimTime,
    change: Change<'h>,
}

/// The changes of one member, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Life<'h> {
    all: Vec<Attempt<'h>>,
}

impl<'h> Life<'h> {
    /// What something may be, of all that changes made of it; nothing if it may be as it was before any of them.
    fn possible<T>(
        &self,
        aspect: impl Fn(&Change<'h>) -> Option<T>,
        window: Window,
    ) -> Option<Vec<T>> {
        let certain = self.all.iter().filter(|it| it.done < window.from);
        let certain = certain.filter(|it| aspect(&it.change).is_some()).map(|it| it.asked).max()?;
        let open = self.all.iter().filter(|it| it.asked < window.to && it.done >= certain);
        Some(open.filter_map(|it| aspect(&it.change)).collect())
    }

    pub(super) fn must_be_there(&self, window: Window) -> bool {
        let possible = self.possible(Change::is_there, window);
        possible.is_some_and(|possible| possible.iter().all(|is_there| *is_there))
    }

    /// Before somebody was added, it was no member.
    pub(super) fn may_be_there(&self, window: Window) -> bool {
        if let Some(possible) = self.possible(Change::is_there, window) {
            return possible.contains(&true);
        }
        let is_added = |it: &Attempt| matches!(it.change, Change::Added { .. });
        let was_added = self.all.iter().any(|it| is_added(it) && it.done < SimTime::NEVER);
        !was_added || self.all.iter().any(|it| is_added(it) && it.asked < window.to)
    }

    pub(super) fn may_have(&self, urls: &[String], window: Window) -> bool {
        self.possible(Change::urls, window).is_none_or(|possible| possible.contains(&urls))
    }

    pub(super) fn may_vote(&self, window: Window) -> bool {
        self.possible(Change::votes, window).is_none_or(|possible| possible.contains(&true))
    }

    /// Whether somebody else may have added it.
    pub(super) fn may_have_been_added(&self, but: RequestId, window: Window) -> bool {
        let is_added = |it: &Attempt| matches!(it.change, Change::Added { .. });
        self.all.iter().any(|it| it.id != but && is_added(it) && it.asked < window.to)
    }
}

/// All changes that clients asked for, and who was ever told to be a member.
#[derive(Debug, Default)]
pub(super) struct Changes<'h> {
    lives: BTreeMap<NodeId, Life<'h>>,
    /// Every member with every URL that it was ever told to have.
    told: BTreeMap<NodeId, BTreeSet<&'h str>>,
}

impl<'h> Changes<'h> {
    pub(super) fn new(operations: &'h [Operation]) -> Self {
        let mut changes = Self::default();
        for operation in operations {
            let Request::Cluster(request) = &operation.request else { continue };
            let done = match fate(operation) {
                Fate::Done(response) => {
                    if let Body::Cluster(members) = &response.body {
                        for member in members {
                            let urls = changes.told.entry(member.id).or_default();
                            urls.extend(member.attributes.peer_urls.iter().map(String::as_str));
                        }
                    }
                    operation.completed
                }
                Fate::Open => SimTime::NEVER,
                Fate::Refused(_) => continue,
            };
            let (Some(member), Some(change)) = (super::subject(request), Change::of(request))
            else {
                continue;
            };
            let asked = Attempt { id: operation.id, asked: operation.invoked, done, change };
            changes.lives.entry(member).or_default().all.push(asked);
        }
        changes
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (NodeId, &Life<'h>)> {
        self.lives.iter().map(|(member, life)| (*member, life))
    }

    pub(super) fn of(&self, member: NodeId) -> Option<&Life<'h>> {
        self.lives.get(&member)
    }

    pub(super) fn has(&self, member: NodeId) -> bool {
        self.lives.contains_key(&member)
    }

    pub(super) fn is_told(&self, member: NodeId) -> bool {
        self.told.contains_key(&member)
    }

    /// Whether another member may have one of these URLs.
    pub(super) fn may_be_taken(&self, member: NodeId, urls: &[String], before: SimTime) -> bool {
        let is_one = |url: &str| urls.iter().any(|wanted| wanted == url);
        let is_told = self
            .told
            .iter()
            .any(|(other, told)| *other != member && told.iter().any(|url| is_one(url)));
        is_told
            || self.lives.iter().filter(|(other, _)| **other != member).any(|(_, life)| {
                let given = life.all.iter().filter(|it| it.asked < before);
                given.filter_map(|it| it.change.urls()).flatten().any(|url| is_one(url))
            })
    }

    /// Whether a change of who votes may have come about.
    pub(super) fn may_be_changed(&self, window: Window) -> bool {
        let changes = self.lives.values().flat_map(|life| &life.all);
        changes
            .filter(|it| !matches!(it.change, Change::Moved(_)))
            .any(|it| it.asked < window.to && it.done >= window.from)
    }
}
