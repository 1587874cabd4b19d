//! Cluster.

use super::{Services, caller};
use crate::{
    convert,
    node::Node,
    proto::etcdserverpb::{self as pb, cluster_server::Cluster},
};
use tonic::{Request as Call, Response as Reply, Status};
use whitewater_api::{Body, Caller, ClusterRequest, Header, NodeId, Request, Revision};

impl Services {
    async fn ask_cluster(
        &self,
        caller: Caller,
        request: ClusterRequest,
    ) -> Result<(Option<pb::ResponseHeader>, Vec<pb::Member>), Status> {
        let response = self.ask(caller, Request::Cluster(request)).await?;
        let Body::Cluster(members) = response.body else { return convert::unexpected() };
        // etcd says nothing of the store here.
        let header = Header { revision: Revision(0), ..response.header };
        Ok((convert::header(&header), convert::members(members)))
    }
}

#[tonic::async_trait]
impl Cluster for Services {
    async fn member_add(
        &self,
        call: Call<pb::MemberAddRequest>,
    ) -> Result<Reply<pb::MemberAddResponse>, Status> {
        let caller = caller(&call);
        let pb::MemberAddRequest { peer_ur_ls: peer_urls, is_learner } = call.into_inner();
        let member = Node::new_member(&peer_urls);
        let request = ClusterRequest::Add { member, peer_urls, is_learner };
        let (header, members) = self.ask_cluster(caller, request).await?;
        let added = members.iter().find(|other| other.id == member.0).cloned();
        Ok(Reply::new(pb::MemberAddResponse { header, member: added, members }))
    }

    async fn member_remove(
        &self,
        call: Call<pb::MemberRemoveRequest>,
    ) -> Result<Reply<pb::MemberRemoveResponse>, Status> {
        let request = ClusterRequest::Remove(NodeId(call.get_ref().id));
        let (header, members) = self.ask_cluster(caller(&call), request).await?;
        Ok(Reply::new(pb::MemberRemoveResponse { header, members }))
    }

    async fn member_update(
        &self,
        call: Call<pb::MemberUpdateRequest>,
    ) -> Result<Reply<pb::MemberUpdateResponse>, Status> {
        let caller = caller(&call);
        let pb::MemberUpdateRequest { id, peer_ur_ls: peer_urls } = call.into_inner();
        let request = ClusterRequest::Update { member: NodeId(id), peer_urls };
        let (header, members) = self.ask_cluster(caller, request).await?;
        Ok(Reply::new(pb::MemberUpdateResponse { header, members }))
    }

    async fn member_list(
        &self,
        call: Call<pb::MemberListRequest>,
    ) -> Result<Reply<pb::MemberListResponse>, Status> {
        let request = ClusterRequest::List { linearizable: call.get_ref().linearizable };
        let (header, members) = self.ask_cluster(caller(&call), request).await?;
        Ok(Reply::new(pb::MemberListResponse { header, members }))
    }

    async fn member_promote(
        &self,
        call: Call<pb::MemberPromoteRequest>,
    ) -> Result<Reply<pb::MemberPromoteResponse>, Status> {
        let request = ClusterRequest::Promote(NodeId(call.get_ref().id));
        let (header, members) = self.ask_cluster(caller(&call), request).await?;
        Ok(Reply::new(pb::MemberPromoteResponse { header, members }))
    }
}
