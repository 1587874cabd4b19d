//! etcd's gRPC services. Each method turns a message into a request, asks the node, and turns the answer back.

mod auth;
mod cluster;
mod concurrency;
mod health;
mod kv;
mod lease;
mod maintenance;
mod watch;

use crate::{
    convert::refusal,
    limits,
    node::Node,
    proto::{
        etcdserverpb::{
            auth_server::AuthServer, cluster_server::ClusterServer, kv_server::KvServer,
            lease_server::LeaseServer, maintenance_server::MaintenanceServer,
            watch_server::WatchServer,
        },
        grpc::health::v1::health_server::HealthServer,
        v3electionpb::election_server::ElectionServer,
        v3lockpb::lock_server::LockServer,
    },
};
use std::{pin::Pin, sync::Arc};
use tokio::sync::Semaphore;
use tokio_stream::Stream;
use tonic::{Request as Call, Status, service::Routes};
use whitewater_api::{Caller, Request, Response};

/// All services, of one node.
#[derive(Clone)]
pub(crate) struct Services {
    node: Node,
    /// Bytes of one message from a client.
    message_bytes_max: usize,
    /// One for each backup on its way: it is in memory until a client that may be slow has it.
    backups: Arc<Semaphore>,
}

/// What is told again and again.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Who a connection's client is, by the certificate that was checked.
#[derive(Clone, Debug)]
pub(crate) struct CommonName(pub(crate) String);

impl Services {
    pub(crate) fn new(node: Node, message_bytes_max: usize) -> Self {
        let backups = Arc::new(Semaphore::new(limits::BACKUPS_MAX));
        Self { node, message_bytes_max, backups }
    }

    /// By path, as gRPC addresses methods.
    pub(crate) fn routes(&self) -> Routes {
        let bytes = self.message_bytes_max;
        let mut routes = Routes::builder();
        routes
            .add_service(KvServer::new(self.clone()).max_decoding_message_size(bytes))
            .add_service(WatchServer::new(self.clone()).max_decoding_message_size(bytes))
            .add_service(LeaseServer::new(self.clone()).max_decoding_message_size(bytes))
            .add_service(ClusterServer::new(self.clone()).max_decoding_message_size(bytes))
            .add_service(MaintenanceServer::new(self.clone()).max_decoding_message_size(bytes))
            .add_service(AuthServer::new(self.clone()).max_decoding_message_size(bytes))
            .add_service(LockServer::new(self.clone()).max_decoding_message_size(bytes))
            .add_service(ElectionServer::new(self.clone()).max_decoding_message_size(bytes))
            .add_service(HealthServer::new(self.clone()));
        routes.routes()
    }

    /// Asks the node in the name of a caller.
    async fn ask(&self, caller: Caller, request: Request) -> Result<Response, Status> {
        self.node.ask(caller, request).await.map_err(|error| refusal(&error))
    }
}

/// What the client of a call shows of itself: a token first, as in etcd (`auth/store.go`, `AuthInfoFromCtx`).
fn caller<T>(call: &Call<T>) -> Caller {
    let token = ["token", "authorization"].iter().find_map(|key| call.metadata().get(*key));
    if let Some(token) = token.and_then(|token| token.to_str().ok()) {
        return Caller::Token(token.into());
    }
    match call.extensions().get::<CommonName>() {
        Some(CommonName(name)) => Caller::Certificate(name.clone()),
        None => Caller::Nobody,
    }
}
