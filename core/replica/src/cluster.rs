//! The members as operators see them (etcd, `server/etcdserver/server.go`, `api/membership/cluster.go`).
//!
//! Raft knows ids; here are names and URLs, which are replicated too, and the rules that keep an operator from losing the
//! cluster: no URL twice, so many learners, a learner votes only when it has caught up, and no change of the voters while too
//! few of them are connected.
//!
//! Invariants:
//!
//! - Every member of the applied configuration may have attributes, nobody else has.
//! - No two members have a peer URL in common.
//! - One change is under way at a time, so that what was checked when it was proposed still holds when it is applied. Whoever
//!   asks for another one meanwhile has it when its turn comes, as in etcd, where the log alone puts them into order: members
//!   that tell their names as they start are nobody's concern.

use crate::{limits, replica::Replica};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
};
use whitewater_api::{
    Body, ClusterRequest, Error, Identity, Member, MemberAttributes, MemberChange, Monotonic,
    NodeId, Request, RequestId,
};
use whitewater_mutation::Mutation;

/// Names and URLs, by member.
pub(crate) type Roster = BTreeMap<NodeId, MemberAttributes>;

/// What operators ask of the leader, one after the other.
#[derive(Default)]
pub(crate) struct Changes {
    waiting: VecDeque<Change>,
    /// Where the one that is under way, or was last, stands in the log.
    last: u64,
}

struct Change {
    id: RequestId,
    who: Option<Identity>,
    request: ClusterRequest,
}

impl Changes {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Who was heard from, and since when without a break.
#[derive(Default)]
pub(crate) struct Contacts {
    by_node: BTreeMap<NodeId, Contact>,
}

#[derive(Clone, Copy)]
struct Contact {
    since: Monotonic,
    last: Monotonic,
}

impl Contacts {
    /// A message came. `patience`: nanoseconds of silence that break a contact.
    pub(crate) fn note(&mut self, from: NodeId, now: Monotonic, patience: u64) {
        let contact = self.by_node.entry(from).or_insert(Contact { since: now, last: now });
        if now.since(contact.last) > patience {
            contact.since = now;
        }
        contact.last = now;
    }

    fn has_met(&self, node: NodeId) -> bool {
        self.by_node.contains_key(&node)
    }

    fn is_connected(&self, node: NodeId, now: Monotonic, patience: u64) -> bool {
        self.by_node.get(&node).is_some_and(|contact| now.since(contact.last) <= patience)
    }

    fn is_connected_for(&self, node: NodeId, length: u64, now: Monotonic, patience: u64) -> bool {
        self.is_connected(node, now, patience)
            && self.by_node.get(&node).is_some_and(|contact| now.since(contact.since) >= length)
    }
}

impl Replica {
    /// Proposes what an operator asks for, if it makes sense when its turn comes.
    pub(crate) fn on_cluster(
        &mut self,
        id: RequestId,
        who: Option<Identity>,
        request: ClusterRequest,
    ) -> Result<(), Error> {
        if self.is_settled() {
            return self.propose_cluster(id, who, request);
        }
        self.sometimes("change of members waited for its turn");
        self.changes.waiting.push_back(Change { id, who, request });
        Ok(())
    }

    /// Goes on with those who wait, as far as it is their turn. They are asked again who they are: users may have changed.
    pub(crate) fn pump_changes(&mut self) {
        while self.is_leader() && self.is_settled() {
            let Some(Change { id, who, request }) = self.changes.waiting.pop_front() else {
                return;
            };
            self.on_write(id, who, Request::Cluster(request));
        }
    }

    /// This member leads no more. Nothing of what waits was proposed.
    pub(crate) fn drop_changes(&mut self) {
        for change in mem::take(&mut self.changes).waiting {
            self.reply(change.id, Err(self.not_leader()));
        }
    }

    /// Whether all changes that this leader knows of are applied. A new one may have yet to apply what it finds in its log,
    /// and then it does not know who the members are.
    fn is_settled(&self) -> bool {
        self.changes.last <= self.raft.store().applied().0 && !self.is_changing_members()
    }

    fn propose_cluster(
        &mut self,
        id: RequestId,
        who: Option<Identity>,
        request: ClusterRequest,
    ) -> Result<(), Error> {
        let change = self.check_cluster(&request)?;
        let request = Request::Cluster(request);
        match change {
            Some(change) => self.propose_configuration(id, request, change)?,
            None => self.propose(id, who, request)?,
        }
        self.changes.last = self.raft.raft.raft_log.last_index();
        Ok(())
    }

    /// Whether the request makes sense, and which change of the configuration it is.
    fn check_cluster(&self, request: &ClusterRequest) -> Result<Option<MemberChange>, Error> {
        match request {
            ClusterRequest::Add { member, peer_urls, is_learner } => {
                check_urls(peer_urls)?;
                if self.is_member(*member)
                    || self.membership.removed.contains(member)
                    || member.0 == 0
                {
                    return Err(Error::MemberExists);
                }
                self.check_urls_are_free(*member, peer_urls)?;
                if *is_learner {
                    self.check_learners()?;
                } else {
                    self.check_started(1, None)?;
                }
                self.check_health()?;
                Ok(Some(if *is_learner {
                    MemberChange::AddLearner(*member)
                } else {
                    MemberChange::Add(*member)
                }))
            }
            ClusterRequest::Remove(member) => {
                self.check_member(*member)?;
                self.check_removal(*member)?;
                if self.membership.needs_word_of(*member) {
                    return Err(Error::Unhealthy);
                }
                Ok(Some(MemberChange::Remove(*member)))
            }
            ClusterRequest::Promote(member) => {
                self.check_member(*member)?;
                if !self.is_learner_here(*member) {
                    return Err(Error::NotLearner);
                }
                if !self.has_caught_up(*member)
                    && !self.config.mutations.has(Mutation::PromoteUnready)
                {
                    return Err(Error::LearnerNotReady);
                }
                self.check_started(1, None)?;
                Ok(Some(MemberChange::Promote(*member)))
            }
            ClusterRequest::Update { member, peer_urls } => {
                check_urls(peer_urls)?;
                self.check_member(*member)?;
                self.check_urls_are_free(*member, peer_urls)?;
                let promotes = self.is_learner_here(*member)
                    && self.config.mutations.has(Mutation::MemberUpdatePromotes);
                Ok(promotes.then_some(MemberChange::Promote(*member)))
            }
            ClusterRequest::Publish { member, .. } => self.check_member(*member).map(|()| None),
            ClusterRequest::List { .. } => panic!("not a change: {request}"),
        }
    }

    fn voters(&self) -> BTreeSet<NodeId> {
        let conf = self.raft.store().conf_state();
        conf.voters.iter().chain(&conf.voters_outgoing).copied().map(NodeId).collect()
    }

    fn is_learner_here(&self, member: NodeId) -> bool {
        let conf = self.raft.store().conf_state();
        conf.learners.contains(&member.0) || conf.learners_next.contains(&member.0)
    }

    pub(crate) fn is_member(&self, member: NodeId) -> bool {
        self.voters().contains(&member) || self.is_learner_here(member)
    }

    fn check_member(&self, member: NodeId) -> Result<(), Error> {
        if self.is_member(member) { Ok(()) } else { Err(Error::MemberNotFound) }
    }

    fn check_urls_are_free(&self, member: NodeId, urls: &[String]) -> Result<(), Error> {
        let mut others = self.membership.roster.iter().filter(|(other, _)| **other != member);
        let is_taken =
            others.any(|(_, others)| others.peer_urls.iter().any(|url| urls.contains(url)));
        if is_taken && !self.config.mutations.has(Mutation::PeerUrlsShared) {
            return Err(Error::PeerUrlsExist);
        }
        Ok(())
    }

    fn check_learners(&self) -> Result<(), Error> {
        let conf = self.raft.store().conf_state();
        let learners = (conf.learners.len() + conf.learners_next.len()) as u64;
        if learners >= self.config.tuning.learners_max {
            Err(Error::TooManyLearners)
        } else {
            Ok(())
        }
    }

    /// With so many voters more, and one less, most must be such as were ever heard from. A cluster of one may always get
    /// its second (etcd, `IsReadyToAddVotingMember`).
    fn check_started(&self, more: usize, without: Option<NodeId>) -> Result<(), Error> {
        if !self.config.tuning.strict_reconfig_check {
            return Ok(());
        }
        let voters: Vec<NodeId> =
            self.voters().into_iter().filter(|voter| Some(*voter) != without).collect();
        let started = voters.iter().filter(|voter| self.has_started(**voter)).count();
        let members = voters.len() + more;
        let is_second = more == 1 && started == 1 && members == 2;
        if is_second || started > members / 2 { Ok(()) } else { Err(Error::NotEnoughMembers) }
    }

    fn has_started(&self, node: NodeId) -> bool {
        node == self.config.node || self.contacts.has_met(node)
    }

    /// A quorum of voters must have been connected for a while. Not all of them: with one down there would be no way to
    /// add its replacement (etcd PR 21667).
    fn check_health(&self) -> Result<(), Error> {
        if !self.config.tuning.strict_reconfig_check {
            return Ok(());
        }
        let voters = self.voters();
        let needed = if self.config.mutations.has(Mutation::MemberAddNeedsAll) {
            voters.len()
        } else {
            voters.len() / 2 + 1
        };
        if self.connected(&voters) >= needed { Ok(()) } else { Err(Error::Unhealthy) }
    }

    fn connected(&self, voters: &BTreeSet<NodeId>) -> usize {
        let (length, now, patience) =
            (self.config.tuning.health_ms * 1_000_000, self.now, self.contact_patience());
        let is_connected = |voter: &&NodeId| {
            **voter == self.config.node
                || self.contacts.is_connected_for(**voter, length, now, patience)
        };
        voters.iter().filter(is_connected).count()
    }

    /// The voters that stay must still be a quorum that is connected. One that is down is no part of it and may always
    /// go (etcd, `mayRemoveMember`).
    fn check_removal(&self, member: NodeId) -> Result<(), Error> {
        let voters = self.voters();
        if !voters.contains(&member) {
            return Ok(());
        }
        if voters.len() == 1 {
            return Err(Error::NotEnoughMembers);
        }
        if !self.config.tuning.strict_reconfig_check {
            return Ok(());
        }
        self.check_started(0, Some(member))?;
        let is_down = member != self.config.node
            && !self.contacts.is_connected(member, self.now, self.contact_patience());
        if is_down {
            return Ok(());
        }
        let left = self.connected(&voters).saturating_sub(1);
        if left > (voters.len() - 1) / 2 { Ok(()) } else { Err(Error::Unhealthy) }
    }

    pub(crate) fn contact_patience(&self) -> u64 {
        self.election_nanos() * limits::CONTACT_PATIENCE_ELECTIONS
    }

    /// A request that is no change of the configuration was applied. It was checked when it was proposed, and nothing
    /// else was under way; but what an older leader proposed may come before it.
    pub(crate) fn apply_cluster(&mut self, request: &ClusterRequest) -> Result<Body, Error> {
        match request {
            ClusterRequest::Update { member, peer_urls } => {
                self.check_member(*member)?;
                self.check_urls_are_free(*member, peer_urls)?;
            }
            ClusterRequest::Publish { member, .. } => self.check_member(*member)?,
            ClusterRequest::Add { .. }
            | ClusterRequest::Remove(_)
            | ClusterRequest::Promote(_)
            | ClusterRequest::List { .. } => panic!("not in an entry of its own: {request}"),
        }
        self.note_roster(request);
        Ok(Body::Cluster(self.members()))
    }

    /// Names and URLs follow what was applied.
    pub(crate) fn note_roster(&mut self, request: &ClusterRequest) {
        match request {
            ClusterRequest::Add { member, peer_urls, .. } => {
                let peer_urls = peer_urls.clone();
                let attributes = MemberAttributes { peer_urls, ..MemberAttributes::default() };
                self.membership.roster.insert(*member, attributes);
            }
            ClusterRequest::Remove(member) => {
                self.membership.roster.remove(member);
            }
            ClusterRequest::Update { member, peer_urls } => {
                self.membership.roster.entry(*member).or_default().peer_urls.clone_from(peer_urls);
            }
            ClusterRequest::Publish { member, name, client_urls } => {
                let attributes = self.membership.roster.entry(*member).or_default();
                attributes.name.clone_from(name);
                attributes.client_urls.clone_from(client_urls);
            }
            ClusterRequest::Promote(_) | ClusterRequest::List { .. } => {}
        }
    }

    /// All members, by id, with their names and URLs, as applied here. A host that wants to know where its peers are asks
    /// from time to time: URLs change without a change of the configuration.
    pub fn members(&self) -> Vec<Member> {
        let conf = self.raft.store().conf_state();
        let learners = conf.learners.iter().copied().map(NodeId);
        let ids: BTreeSet<NodeId> = self.voters().into_iter().chain(learners).collect();
        let members = ids.into_iter().map(|id| Member {
            id,
            attributes: self.membership.roster.get(&id).cloned().unwrap_or_default(),
            is_learner: self.is_learner_here(id),
        });
        members.collect()
    }
}

/// URLs with a scheme, a host and a port, and nothing behind (etcd, `client/pkg/types/urls.go`).
fn check_urls(urls: &[String]) -> Result<(), Error> {
    let is_url = |url: &String| {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        let host = rest.and_then(|rest| rest.rsplit_once(':'));
        host.is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
        })
    };
    if !urls.is_empty() && urls.iter().all(is_url) { Ok(()) } else { Err(Error::BadPeerUrls) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_url_has_a_host_and_a_port_and_no_path() {
        let check = |url: &str| check_urls(&[url.to_owned()]);
        assert_eq!(check("http://10.0.0.1:2380"), Ok(()));
        assert_eq!(check("https://one.example:2380"), Ok(()));
        for bad in
            ["", "10.0.0.1:2380", "http://10.0.0.1", "http://:1", "http://a/b:1", "ftp://a:1"]
        {
            assert_eq!(check(bad), Err(Error::BadPeerUrls), "{bad}");
        }
        assert_eq!(check_urls(&[]), Err(Error::BadPeerUrls));
    }

    #[test]
    fn a_contact_counts_from_its_last_break() {
        let mut contacts = Contacts::default();
        let node = NodeId(2);
        for now in [0, 5, 10] {
            contacts.note(node, Monotonic(now), 6);
        }
        assert!(contacts.is_connected_for(node, 10, Monotonic(12), 6));
        assert!(!contacts.is_connected_for(node, 10, Monotonic(17), 6), "silent for too long");
        contacts.note(node, Monotonic(20), 6);
        assert!(!contacts.is_connected_for(node, 10, Monotonic(21), 6), "since 20 only");
        assert!(!contacts.is_connected(NodeId(3), Monotonic(21), 6));
    }
}
