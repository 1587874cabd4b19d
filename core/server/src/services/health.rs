//! The health service of gRPC: this member serves, or not.

use super::{Answers, Services};
use crate::proto::grpc::health::v1::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};
use tokio_stream::{StreamExt, wrappers::WatchStream};
use tonic::{Request as Call, Response as Reply, Status};

#[tonic::async_trait]
impl Health for Services {
    type WatchStream = Answers<HealthCheckResponse>;

    async fn check(
        &self,
        call: Call<HealthCheckRequest>,
    ) -> Result<Reply<HealthCheckResponse>, Status> {
        // etcd answers for itself as a whole, and knows no other service.
        if !call.get_ref().service.is_empty() {
            return Err(Status::not_found("unknown service"));
        }
        Ok(Reply::new(serving(true)))
    }

    async fn watch(&self, _: Call<HealthCheckRequest>) -> Result<Reply<Self::WatchStream>, Status> {
        let mut told = None;
        let statuses = WatchStream::new(self.node.statuses());
        let changes = statuses.filter_map(move |_| {
            let is_new = told.replace(true) != Some(true);
            is_new.then(|| Ok(serving(true)))
        });
        Ok(Reply::new(Box::pin(changes)))
    }
}

fn serving(serves: bool) -> HealthCheckResponse {
    let status = if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: status.into() }
}
