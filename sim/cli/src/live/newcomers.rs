//! Members that clients add, promote, move and remove: the steps of operators in a plan.
//!
//! Each of them has a process of its own, which starts once a server has said that it is a member and ends once one has
//! said that it is none any more. Ids are the servers' to choose and never come back: whoever is added once more is another one
//! in the history. A URL of a plan that is that of a member of the start stands for one that is taken.

use super::{
    clients::is_change,
    members::{Draft, Member, Members},
    stage::Stage,
};
use crate::exit::CliError;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use whitewater_api::{Body, ClusterRequest, Completion, Error, NodeId, Response};
use whitewater_record::Plan;

/// What a server of ours says that was told by a member which is behind that it is none. It is started again, as one is that is
/// supervised.
const REFUSED: &str = "no member has the peer URLs";

/// Nobody is called that.
const NOBODY: NodeId = NodeId(1_000_000);

/// All newcomers of a plan.
#[derive(Default)]
pub(super) struct Newcomers {
    /// The members of the start are called n1 to this.
    founders: u64,
    lives: Mutex<Lives>,
    /// What could not be done for one of them.
    trouble: Mutex<Option<CliError>>,
}

#[derive(Default)]
struct Lives {
    /// By what the plan calls a newcomer, what the history calls its last life.
    last: BTreeMap<NodeId, NodeId>,
    /// By what the history calls them.
    all: BTreeMap<NodeId, Life>,
}

/// How far a newcomer has come.
enum Life {
    /// Somebody asks for it.
    Asked(Draft),
    /// Nobody knows what came of that.
    Lost(Draft),
    /// It is a member. Whether nobody has asked to remove it.
    Member { member: Arc<Member>, stays: bool },
    /// It was one.
    Gone,
}

/// Whether clients of a plan change who is a member.
pub(super) fn are_in(plan: &Plan) -> bool {
    let mut steps = plan.clients.iter().flat_map(|client| &client.operations);
    steps.any(|operation| is_change(&operation.step))
}

impl Newcomers {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { founders: plan.cluster.nodes, ..Self::default() }
    }

    /// What is asked for a step, with the URLs that there are. What cannot be asked here is a question instead: to change the members of the start
    /// is the nemesis' to do, and who was added once is not added again.
    pub(super) fn request(
        &self,
        stage: &Stage,
        members: &Members,
        request: &ClusterRequest,
    ) -> ClusterRequest {
        self.try_to_request(stage, members, request).unwrap_or_else(|error| {
            self.note(error);
            ClusterRequest::List { linearizable: true }
        })
    }

    fn try_to_request(
        &self,
        stage: &Stage,
        members: &Members,
        request: &ClusterRequest,
    ) -> Result<ClusterRequest, CliError> {
        let mut lives = self.lives();
        Ok(match request {
            ClusterRequest::Add { member, peer_urls, is_learner } if lives.may_add(*member) => {
                let (draft, is_learner) = (members.draft()?, *is_learner);
                let node = draft.node;
                if let Some(taken) = self.taken(members, peer_urls) {
                    return Ok(ClusterRequest::Add { member: node, peer_urls: taken, is_learner });
                }
                let peer_urls = vec![draft.peer_url.clone()];
                stage.expect(draft.peer_url.clone(), node);
                lives.last.insert(*member, node);
                lives.all.insert(node, Life::Asked(draft));
                ClusterRequest::Add { member: node, peer_urls, is_learner }
            }
            ClusterRequest::Update { member, peer_urls } if member.0 > self.founders => {
                let member = lives.last(*member);
                let peer_urls = match (self.taken(members, peer_urls), lives.all.get(&member)) {
                    (Some(taken), _) => taken,
                    (None, Some(Life::Member { member: newcomer, .. })) => {
                        vec![members.another_url(newcomer)?]
                    }
                    (None, _) => peer_urls.clone(),
                };
                ClusterRequest::Update { member, peer_urls }
            }
            ClusterRequest::Remove(member) if member.0 > self.founders => {
                let member = lives.last(*member);
                if let Some(Life::Member { stays, .. }) = lives.all.get_mut(&member) {
                    *stays = false;
                }
                ClusterRequest::Remove(member)
            }
            ClusterRequest::Promote(member) => ClusterRequest::Promote(lives.last(*member)),
            ClusterRequest::List { .. } => request.clone(),
            ClusterRequest::Add { .. }
            | ClusterRequest::Update { .. }
            | ClusterRequest::Remove(_)
            | ClusterRequest::Publish { .. } => ClusterRequest::List { linearizable: true },
        })
    }

    /// The URLs of the member of the start that is meant by these, if one is.
    fn taken(&self, members: &Members, peer_urls: &[String]) -> Option<Vec<String>> {
        let host = peer_urls.first()?.strip_prefix("http://h")?.split(':').next()?;
        let number: u64 = host.parse().ok().filter(|number| *number <= self.founders)?;
        let all = members.all();
        let founder = all.iter().find(|member| member.node == NodeId(number))?;
        Some(vec![founder.own().peer_url.clone()])
    }

    /// What an answer says of them.
    pub(super) fn learn(
        &self,
        members: &Members,
        request: &ClusterRequest,
        completion: &Completion<Response, Error>,
    ) {
        if let Err(error) = self.try_to_learn(members, request, completion) {
            self.note(error);
        }
    }

    fn note(&self, error: CliError) {
        self.trouble.lock().expect("nobody panics with it").get_or_insert(error);
    }

    fn try_to_learn(
        &self,
        members: &Members,
        request: &ClusterRequest,
        completion: &Completion<Response, Error>,
    ) -> Result<(), CliError> {
        let mut lives = self.lives();
        match (request, completion) {
            (ClusterRequest::Add { member, .. }, Completion::Fail(_)) => {
                lives.all.remove(member);
            }
            (ClusterRequest::Add { member, .. }, Completion::Info(_)) => {
                if let Some(Life::Asked(draft)) = lives.all.remove(member) {
                    lives.all.insert(*member, Life::Lost(draft));
                }
            }
            (ClusterRequest::Remove(member), Completion::Ok(_)) => {
                if let Some(Life::Member { member, .. }) = lives.all.insert(*member, Life::Gone) {
                    member.own().process.end();
                    member.own().forget()?;
                }
            }
            _ => {}
        }
        let Completion::Ok(Response { body: Body::Cluster(told), .. }) = completion else {
            return Ok(());
        };
        let urls = |member: &whitewater_api::Member| member.attributes.peer_urls.first().cloned();
        let started = |(node, life): (&NodeId, &Life)| match life {
            Life::Asked(draft) | Life::Lost(draft) => {
                told.iter().any(|it| urls(it).as_ref() == Some(&draft.peer_url)).then_some(*node)
            }
            Life::Member { .. } | Life::Gone => None,
        };
        let started: Vec<NodeId> = lives.all.iter().filter_map(started).collect();
        for node in started {
            let Some(Life::Asked(draft) | Life::Lost(draft)) = lives.all.remove(&node) else {
                continue;
            };
            let others = told.iter().filter_map(|it| Some((format!("u{:x}", it.id.0), urls(it)?)));
            let member = members.join(draft, others);
            member.own().forget()?;
            member.own().process.start()?;
            lives.all.insert(node, Life::Member { member, stays: true });
        }
        Ok(())
    }

    /// Starts those again that were told by somebody who is behind that they are no members. Who has ended otherwise, although
    /// nobody has asked to remove it.
    pub(super) fn tend(&self) -> Result<Option<String>, CliError> {
        if let Some(error) = self.trouble.lock().expect("nobody panics with it").take() {
            return Err(error);
        }
        for life in self.lives().all.values() {
            let Life::Member { member, stays: true } = life else { continue };
            if !revive(member)? {
                let log = member.own().process.log().display();
                return Ok(Some(format!("{} ended by itself: {log}", member.node)));
            }
        }
        Ok(None)
    }

    pub(super) fn end(&self) {
        for life in self.lives().all.values() {
            if let Life::Member { member, .. } = life {
                member.own().process.end();
            }
        }
    }

    /// Removes what they kept.
    pub(super) fn forget(&self) -> Result<(), CliError> {
        let lives = std::mem::take(&mut *self.lives());
        lives.all.into_values().try_for_each(|life| match life {
            Life::Member { member, .. } => member.own().forget(),
            Life::Asked(_) | Life::Lost(_) | Life::Gone => Ok(()),
        })
    }

    fn lives(&self) -> MutexGuard<'_, Lives> {
        self.lives.lock().expect("nobody panics with it")
    }
}

impl Lives {
    /// What the history calls the last life of whom the plan calls so.
    fn last(&self, planned: NodeId) -> NodeId {
        self.last.get(&planned).copied().unwrap_or(NOBODY)
    }

    /// Nobody asks for it just now, and it is not there.
    fn may_add(&self, planned: NodeId) -> bool {
        match self.all.get(&self.last(planned)) {
            Some(Life::Asked(_) | Life::Member { .. }) => false,
            Some(Life::Lost(_) | Life::Gone) | None => true,
        }
    }
}

/// Starts a member again that has ended because somebody who is behind has told it that it is none. Whether it runs.
pub(super) fn revive(member: &Member) -> Result<bool, CliError> {
    let process = &member.own().process;
    if !process.ends_within(Duration::ZERO) {
        return Ok(true);
    }
    let is_refused = process.has_said_last(REFUSED)?;
    if is_refused {
        process.start()?;
    }
    Ok(is_refused)
}
