//! Lease.

use super::{Answers, Services, caller};
use crate::{
    convert,
    proto::etcdserverpb::{self as pb, lease_server::Lease},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request as Call, Response as Reply, Status, Streaming};
use whitewater_api::{Body, Caller, Error, Header, LeaseId, LeaseRequest, LeaseResponse, Request};

impl Services {
    async fn ask_lease(
        &self,
        caller: Caller,
        request: LeaseRequest,
    ) -> Result<(Header, LeaseResponse), Status> {
        let response = self.ask(caller, Request::Lease(request)).await?;
        let Body::Lease(lease) = response.body else { return convert::unexpected() };
        Ok((response.header, lease))
    }

    async fn keep_alive(
        &self,
        caller: Caller,
        lease: LeaseId,
    ) -> Result<pb::LeaseKeepAliveResponse, Status> {
        let asked = self.ask_lease(caller, LeaseRequest::KeepAlive(lease)).await?;
        let (header, LeaseResponse::KeepAlive { lease, ttl }) = asked else {
            return convert::unexpected();
        };
        Ok(pb::LeaseKeepAliveResponse { header: convert::header(&header), id: lease.0, ttl })
    }
}

#[tonic::async_trait]
impl Lease for Services {
    type LeaseKeepAliveStream = Answers<pb::LeaseKeepAliveResponse>;

    async fn lease_grant(
        &self,
        call: Call<pb::LeaseGrantRequest>,
    ) -> Result<Reply<pb::LeaseGrantResponse>, Status> {
        let (lease, ttl) = (LeaseId(call.get_ref().id), call.get_ref().ttl);
        let asked = self.ask_lease(caller(&call), LeaseRequest::Grant { lease, ttl }).await?;
        let (header, LeaseResponse::Grant { lease, ttl }) = asked else {
            return convert::unexpected();
        };
        Ok(Reply::new(pb::LeaseGrantResponse {
            header: convert::header(&header),
            id: lease.0,
            ttl,
            error: String::new(),
        }))
    }

    async fn lease_revoke(
        &self,
        call: Call<pb::LeaseRevokeRequest>,
    ) -> Result<Reply<pb::LeaseRevokeResponse>, Status> {
        let revoke = LeaseRequest::Revoke(LeaseId(call.get_ref().id));
        let (header, _) = self.ask_lease(caller(&call), revoke).await?;
        Ok(Reply::new(pb::LeaseRevokeResponse { header: convert::header(&header) }))
    }

    async fn lease_keep_alive(
        &self,
        call: Call<Streaming<pb::LeaseKeepAliveRequest>>,
    ) -> Result<Reply<Self::LeaseKeepAliveStream>, Status> {
        let caller = caller(&call);
        let mut requests = call.into_inner();
        let (answers, stream) = mpsc::channel(1);
        let services = self.clone();
        tokio::spawn(async move {
            loop {
                let request = tokio::select! {
                    biased;
                    () = services.node.stopping() => {
                        // The client may have gone already.
                        drop(answers.send(Err(convert::refusal(&Error::Stopped))).await);
                        return;
                    }
                    request = requests.message() => request,
                };
                let Ok(Some(request)) = request else { return };
                let answer = services.keep_alive(caller.clone(), LeaseId(request.id)).await;
                let is_last = answer.is_err();
                if answers.send(answer).await.is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Reply::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn lease_time_to_live(
        &self,
        call: Call<pb::LeaseTimeToLiveRequest>,
    ) -> Result<Reply<pb::LeaseTimeToLiveResponse>, Status> {
        let (lease, keys) = (LeaseId(call.get_ref().id), call.get_ref().keys);
        let asked = self.ask_lease(caller(&call), LeaseRequest::TimeToLive { lease, keys }).await;
        let (header, response) = asked?;
        let LeaseResponse::TimeToLive { lease, ttl, granted, keys } = response else {
            return convert::unexpected();
        };
        Ok(Reply::new(pb::LeaseTimeToLiveResponse {
            header: convert::header(&header),
            id: lease.0,
            ttl,
            granted_ttl: granted,
            keys: keys.into_iter().map(|key| key.0).collect(),
        }))
    }

    async fn lease_leases(
        &self,
        call: Call<pb::LeaseLeasesRequest>,
    ) -> Result<Reply<pb::LeaseLeasesResponse>, Status> {
        let (header, response) = self.ask_lease(caller(&call), LeaseRequest::List).await?;
        let LeaseResponse::List(leases) = response else { return convert::unexpected() };
        Ok(Reply::new(pb::LeaseLeasesResponse {
            header: convert::header(&header),
            leases: leases.into_iter().map(|lease| pb::LeaseStatus { id: lease.0 }).collect(),
        }))
    }
}
