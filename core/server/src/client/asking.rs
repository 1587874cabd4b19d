//! Requests of the core as calls of etcd's services, and the answers.

use super::convert;
use crate::{
    convert::{key_and_end, signed},
    proto::etcdserverpb::{
        self as pb, alarm_request::AlarmAction as Action, auth_client::AuthClient,
        cluster_client::ClusterClient, kv_client::KvClient, lease_client::LeaseClient,
        maintenance_client::MaintenanceClient,
    },
};
use tonic::{
    Request as Call, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use whitewater_api::{
    AlarmAction, AuthRequest, AuthResponse, AuthRevision, Body, Caller, ClusterRequest, LeaseId,
    LeaseRequest, LeaseResponse, MaintenanceRequest, MaintenanceResponse, Request, Response,
};

/// A connection on which the same is shown with each request.
pub(super) type Line = InterceptedService<Channel, Badge>;

/// What is shown.
#[derive(Clone, Debug)]
pub(super) struct Badge(Option<MetadataValue<Ascii>>);

impl Badge {
    /// Of a caller. Certificates are shown when a connection is made, not here.
    pub(super) fn of(caller: &Caller) -> Self {
        let Caller::Token(token) = caller else { return Self(None) };
        // One that is no text of a header is none that a server has given.
        Self(token.reveal().parse().ok())
    }
}

impl Interceptor for Badge {
    fn call(&mut self, mut call: Call<()>) -> Result<Call<()>, Status> {
        if let Some(token) = &self.0 {
            call.metadata_mut().insert("token", token.clone());
        }
        Ok(call)
    }
}

/// A connection on which a caller's token is shown.
pub(super) fn line_of(channel: Channel, caller: &Caller) -> Line {
    InterceptedService::new(channel, Badge::of(caller))
}

/// One call. How it was answered, or refused.
pub(super) async fn ask(line: Line, request: &Request) -> Result<Response, Status> {
    let mut kv = KvClient::new(line.clone());
    let (header, body) = match request {
        Request::Put(put) => {
            let answer = kv.put(convert::put(put)).await?.into_inner();
            (answer.header, Body::Put(convert::put_response(answer.prev_kv)))
        }
        Request::Range(range) => {
            let mut answer = kv.range(convert::range(range)).await?.into_inner();
            (answer.header.take(), Body::Range(convert::range_response(answer)))
        }
        Request::DeleteRange(delete) => {
            let mut answer = kv.delete_range(convert::delete(delete)).await?.into_inner();
            (answer.header.take(), Body::DeleteRange(convert::delete_response(answer)))
        }
        Request::Txn(txn) => {
            let mut answer = kv.txn(convert::txn(txn)).await?.into_inner();
            (answer.header.take(), Body::Txn(convert::txn_response(answer)?))
        }
        Request::Compact(compact) => {
            let answer = kv.compact(convert::compact(compact)).await?.into_inner();
            (answer.header, Body::Compact)
        }
        Request::Lease(lease) => {
            let (header, answer) = ask_lease(LeaseClient::new(line), *lease).await?;
            (header, Body::Lease(answer))
        }
        Request::MoveLeader(node) => {
            let call = pb::MoveLeaderRequest { target_id: node.0 };
            let answer = MaintenanceClient::new(line).move_leader(call).await?.into_inner();
            (answer.header, Body::MoveLeader)
        }
        Request::Maintenance(request) => {
            let (header, answer) = ask_maintenance(MaintenanceClient::new(line), *request).await?;
            (header, Body::Maintenance(answer))
        }
        Request::Auth(request) => {
            let (header, answer) = ask_auth(AuthClient::new(line), request).await?;
            (header, Body::Auth(answer))
        }
        Request::Cluster(request) => {
            let (header, members) = ask_cluster(ClusterClient::new(line), request).await?;
            (header, Body::Cluster(convert::members(members)))
        }
        Request::Member(_) => unreachable!("etcd's wire has no joint changes: {request}"),
    };
    Ok(Response { header: convert::header(header), body })
}

async fn ask_lease(
    mut client: LeaseClient<Line>,
    request: LeaseRequest,
) -> Answered<LeaseResponse> {
    Ok(match request {
        LeaseRequest::Grant { lease, ttl } => {
            let grant = pb::LeaseGrantRequest { ttl, id: lease.0 };
            let answer = client.lease_grant(grant).await?.into_inner();
            (answer.header, LeaseResponse::Grant { lease: LeaseId(answer.id), ttl: answer.ttl })
        }
        LeaseRequest::Revoke(lease) => {
            let revoke = pb::LeaseRevokeRequest { id: lease.0 };
            (client.lease_revoke(revoke).await?.into_inner().header, LeaseResponse::Revoke)
        }
        LeaseRequest::KeepAlive(lease) => {
            let keep = tokio_stream::once(pb::LeaseKeepAliveRequest { id: lease.0 });
            let mut answers = client.lease_keep_alive(keep).await?.into_inner();
            let answer = answers.message().await?;
            let answer = answer.ok_or_else(|| Status::unavailable("no answer"))?;
            (answer.header, LeaseResponse::KeepAlive { lease, ttl: answer.ttl })
        }
        LeaseRequest::TimeToLive { lease, keys } => {
            let ask = pb::LeaseTimeToLiveRequest { id: lease.0, keys };
            let answer = client.lease_time_to_live(ask).await?.into_inner();
            let (ttl, granted) = (answer.ttl, answer.granted_ttl);
            let keys = answer.keys.into_iter().map(whitewater_api::Key).collect();
            (answer.header, LeaseResponse::TimeToLive { lease, ttl, granted, keys })
        }
        LeaseRequest::List => {
            let answer = client.lease_leases(pb::LeaseLeasesRequest {}).await?.into_inner();
            let leases = answer.leases.iter().map(|lease| LeaseId(lease.id)).collect();
            (answer.header, LeaseResponse::List(leases))
        }
    })
}

type Answered<T> = Result<(Option<pb::ResponseHeader>, T), Status>;

async fn ask_maintenance(
    mut client: MaintenanceClient<Line>,
    request: MaintenanceRequest,
) -> Answered<MaintenanceResponse> {
    Ok(match request {
        MaintenanceRequest::Status => {
            let mut answer = client.status(pb::StatusRequest {}).await?.into_inner();
            (answer.header.take(), MaintenanceResponse::Status(convert::status(&answer)))
        }
        MaintenanceRequest::Alarm { action, member, alarm } => {
            let action = match action {
                AlarmAction::Get => Action::Get,
                AlarmAction::Activate => Action::Activate,
                AlarmAction::Deactivate => Action::Deactivate,
            };
            let (action, alarm) = (action.into(), convert::alarm_type(alarm).into());
            let call = pb::AlarmRequest { action, member_id: member.0, alarm };
            let answer = client.alarm(call).await?.into_inner();
            (answer.header, MaintenanceResponse::Alarm(convert::alarms(&answer.alarms)))
        }
        MaintenanceRequest::Defragment => {
            let answer = client.defragment(pb::DefragmentRequest {}).await?.into_inner();
            // The wire does not say.
            (answer.header, MaintenanceResponse::Defragment { before: 0, after: 0 })
        }
        MaintenanceRequest::Hash => {
            let answer = client.hash(pb::HashRequest {}).await?.into_inner();
            (answer.header, MaintenanceResponse::Hash(answer.hash))
        }
        MaintenanceRequest::HashKv { revision } => {
            let call = pb::HashKvRequest { revision: signed(revision.0) };
            let answer = client.hash_kv(call).await?.into_inner();
            let hash = convert::hash(&answer, revision);
            (answer.header, MaintenanceResponse::HashKv(hash))
        }
        MaintenanceRequest::Backup { .. } | MaintenanceRequest::CheckCorruption => {
            unreachable!("etcd's wire has no call for it: {request}")
        }
    })
}

async fn ask_cluster(
    mut client: ClusterClient<Line>,
    request: &ClusterRequest,
) -> Answered<Vec<pb::Member>> {
    Ok(match request {
        // Its id is for the server to say.
        ClusterRequest::Add { member: _, peer_urls, is_learner } => {
            let (peer_ur_ls, is_learner) = (peer_urls.clone(), *is_learner);
            let call = pb::MemberAddRequest { peer_ur_ls, is_learner };
            let answer = client.member_add(call).await?.into_inner();
            (answer.header, answer.members)
        }
        ClusterRequest::Remove(member) => {
            let call = pb::MemberRemoveRequest { id: member.0 };
            let answer = client.member_remove(call).await?.into_inner();
            (answer.header, answer.members)
        }
        ClusterRequest::Update { member, peer_urls } => {
            let call = pb::MemberUpdateRequest { id: member.0, peer_ur_ls: peer_urls.clone() };
            let answer = client.member_update(call).await?.into_inner();
            (answer.header, answer.members)
        }
        ClusterRequest::Promote(member) => {
            let call = pb::MemberPromoteRequest { id: member.0 };
            let answer = client.member_promote(call).await?.into_inner();
            (answer.header, answer.members)
        }
        ClusterRequest::List { linearizable } => {
            let call = pb::MemberListRequest { linearizable: *linearizable };
            let answer = client.member_list(call).await?.into_inner();
            (answer.header, answer.members)
        }
        ClusterRequest::Publish { .. } => unreachable!("members alone say that: {request}"),
    })
}

/// The calls that answer nothing but that it is done.
macro_rules! done {
    ($client:ident, $call:ident, $message:expr) => {
        ($client.$call($message).await?.into_inner().header, AuthResponse::Done)
    };
}

async fn ask_auth(mut client: AuthClient<Line>, request: &AuthRequest) -> Answered<AuthResponse> {
    Ok(match request.clone() {
        AuthRequest::Enable => done!(client, auth_enable, pb::AuthEnableRequest {}),
        AuthRequest::Disable => done!(client, auth_disable, pb::AuthDisableRequest {}),
        AuthRequest::Status => {
            let answer = client.auth_status(pb::AuthStatusRequest {}).await?.into_inner();
            let (enabled, revision) = (answer.enabled, AuthRevision(answer.auth_revision));
            (answer.header, AuthResponse::Status { enabled, revision })
        }
        AuthRequest::Authenticate { user, password } => {
            let password = password.reveal().to_owned();
            let call = pb::AuthenticateRequest { name: user, password };
            let answer = client.authenticate(call).await?.into_inner();
            (answer.header, AuthResponse::Token(answer.token.into()))
        }
        AuthRequest::UserAdd { user, credential } => {
            done!(client, user_add, convert::user_add(user, credential))
        }
        AuthRequest::UserGet(name) => {
            let answer = client.user_get(pb::AuthUserGetRequest { name }).await?.into_inner();
            (answer.header, AuthResponse::Roles(answer.roles))
        }
        AuthRequest::UserList => {
            let answer = client.user_list(pb::AuthUserListRequest {}).await?.into_inner();
            (answer.header, AuthResponse::Users(answer.users))
        }
        AuthRequest::UserDelete(name) => {
            done!(client, user_delete, pb::AuthUserDeleteRequest { name })
        }
        AuthRequest::UserChangePassword { user, credential } => {
            done!(client, user_change_password, convert::user_passwd(user, credential))
        }
        AuthRequest::UserGrantRole { user, role } => {
            done!(client, user_grant_role, pb::AuthUserGrantRoleRequest { user, role })
        }
        AuthRequest::UserRevokeRole { user: name, role } => {
            done!(client, user_revoke_role, pb::AuthUserRevokeRoleRequest { name, role })
        }
        AuthRequest::RoleAdd(name) => done!(client, role_add, pb::AuthRoleAddRequest { name }),
        AuthRequest::RoleGet(role) => {
            let answer = client.role_get(pb::AuthRoleGetRequest { role }).await?.into_inner();
            (answer.header, AuthResponse::Permissions(convert::permissions(answer.perm)))
        }
        AuthRequest::RoleList => {
            let answer = client.role_list(pb::AuthRoleListRequest {}).await?.into_inner();
            (answer.header, AuthResponse::Roles(answer.roles))
        }
        AuthRequest::RoleDelete(role) => {
            done!(client, role_delete, pb::AuthRoleDeleteRequest { role })
        }
        AuthRequest::RoleGrantPermission { role: name, permission } => {
            let perm = permission.and_then(|it| crate::convert::permissions(vec![it]).pop());
            done!(client, role_grant_permission, pb::AuthRoleGrantPermissionRequest { name, perm })
        }
        AuthRequest::RoleRevokePermission { role, range } => {
            let (key, range_end) = key_and_end(range);
            done!(
                client,
                role_revoke_permission,
                pb::AuthRoleRevokePermissionRequest { role, key, range_end }
            )
        }
    })
}
