//! Whom the history means: members give themselves ids that say nothing, and the history calls them n1, n2 and so on.

use std::collections::BTreeMap;
use whitewater_api::{
    Body, ClusterRequest, Completion, MaintenanceRequest, MaintenanceResponse, NodeId, Request,
    Response,
};
use whitewater_record::{History, WatchMessage};

/// The history's names for the members, by their own ids.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<NodeId, NodeId>);

impl Names {
    /// Of the members of the start, by place.
    pub(super) fn of(seats: Vec<NodeId>) -> Self {
        Self(seats.into_iter().zip((1..).map(NodeId)).collect())
    }

    pub(super) fn meet(&mut self, own: NodeId, node: NodeId) {
        self.0.insert(own, node);
    }

    /// Whether somebody was introduced by its own id.
    pub(super) fn has(&self, own: NodeId) -> bool {
        self.0.contains_key(&own)
    }

    /// The history's name; one that nobody was introduced by stays as it is.
    fn name(&self, own: NodeId) -> NodeId {
        self.0.get(&own).copied().unwrap_or(own)
    }

    fn own(&self, node: NodeId) -> NodeId {
        // The last life of a member that was added twice, because the first answer was lost.
        let own = self.0.iter().rev().find(|(_, name)| **name == node);
        own.map_or(node, |(own, _)| *own)
    }

    pub(super) fn as_known(&self, request: &Request) -> Request {
        let mut request = request.clone();
        if let Request::MoveLeader(node)
        | Request::Maintenance(MaintenanceRequest::Alarm { member: node, .. })
        | Request::Cluster(
            ClusterRequest::Remove(node)
            | ClusterRequest::Promote(node)
            | ClusterRequest::Update { member: node, .. },
        ) = &mut request
        {
            *node = self.own(*node);
        }
        request
    }

    /// Puts the names for the ids in all answers.
    pub(super) fn tell(&self, history: &mut History) {
        for operation in &mut history.operations {
            if let Completion::Ok(response) = &mut operation.completion {
                self.tell_answer(response);
            }
        }
        for row in &mut history.watches {
            if let WatchMessage::Received(message) = &mut row.message {
                message.header.node = self.name(message.header.node);
            }
        }
    }

    fn tell_answer(&self, response: &mut Response) {
        response.header.node = self.name(response.header.node);
        if let Body::Cluster(members) = &mut response.body {
            for member in members {
                member.id = self.name(member.id);
            }
        } else if let Body::Maintenance(answer) = &mut response.body {
            let mut none = Vec::new();
            let alarms = match answer {
                MaintenanceResponse::Status(status) => {
                    status.leader = status.leader.map(|leader| self.name(leader));
                    &mut status.alarms
                }
                MaintenanceResponse::Alarm(alarms) => alarms,
                MaintenanceResponse::Defragment { .. }
                | MaintenanceResponse::Hash(_)
                | MaintenanceResponse::HashKv(_)
                | MaintenanceResponse::Backup { .. }
                | MaintenanceResponse::CheckCorruption { .. } => &mut none,
            };
            for alarm in alarms {
                alarm.member = self.name(alarm.member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use whitewater_api::{Header, Member};

    #[test]
    fn members_are_asked_by_their_own_ids_and_told_of_by_their_names() {
        let mut names = Names::of(vec![NodeId(700), NodeId(300)]);
        names.meet(NodeId(500), NodeId(3));
        let remove = Request::Cluster(ClusterRequest::Remove(NodeId(3)));
        let known = Request::Cluster(ClusterRequest::Remove(NodeId(500)));
        assert_eq!(names.as_known(&remove), known);
        let member = |id| Member { id: NodeId(id), ..Member::default() };
        let mut answer = Response {
            header: Header { node: NodeId(300), ..Header::default() },
            body: Body::Cluster(vec![member(700), member(500), member(999)]),
        };
        names.tell_answer(&mut answer);
        assert_eq!(answer.header.node, NodeId(2));
        assert_eq!(answer.body, Body::Cluster(vec![member(1), member(3), member(999)]));
    }
}
