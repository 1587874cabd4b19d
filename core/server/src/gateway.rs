//! The JSON gateway: `POST /v3/...` with etcd's messages as JSON (grpc-gateway's rules: bytes in base64, 64-bit numbers as
//! strings, enums by name).
//!
//! Every method goes the same way, by its descriptor: JSON to a message, the message through the gRPC service of this very
//! process, each answer back to JSON.

use crate::{limits, proto::DESCRIPTORS};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header},
    routing::post,
};
use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Limited};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MethodDescriptor, SerializeOptions,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, service::Routes};
use tower_service::Service as _;

/// Paths and the methods behind them (etcd, the `google.api.http` options of its definitions).
const METHODS: &[(&str, &str)] = &[
    ("/v3/kv/range", "etcdserverpb.KV.Range"),
    ("/v3/kv/put", "etcdserverpb.KV.Put"),
    ("/v3/kv/deleterange", "etcdserverpb.KV.DeleteRange"),
    ("/v3/kv/txn", "etcdserverpb.KV.Txn"),
    ("/v3/kv/compaction", "etcdserverpb.KV.Compact"),
    ("/v3/watch", "etcdserverpb.Watch.Watch"),
    ("/v3/lease/grant", "etcdserverpb.Lease.LeaseGrant"),
    ("/v3/lease/revoke", "etcdserverpb.Lease.LeaseRevoke"),
    ("/v3/kv/lease/revoke", "etcdserverpb.Lease.LeaseRevoke"),
    ("/v3/lease/keepalive", "etcdserverpb.Lease.LeaseKeepAlive"),
    ("/v3/lease/timetolive", "etcdserverpb.Lease.LeaseTimeToLive"),
    ("/v3/kv/lease/timetolive", "etcdserverpb.Lease.LeaseTimeToLive"),
    ("/v3/lease/leases", "etcdserverpb.Lease.LeaseLeases"),
    ("/v3/kv/lease/leases", "etcdserverpb.Lease.LeaseLeases"),
    ("/v3/cluster/member/add", "etcdserverpb.Cluster.MemberAdd"),
    ("/v3/cluster/member/remove", "etcdserverpb.Cluster.MemberRemove"),
    ("/v3/cluster/member/update", "etcdserverpb.Cluster.MemberUpdate"),
    ("/v3/cluster/member/list", "etcdserverpb.Cluster.MemberList"),
    ("/v3/cluster/member/promote", "etcdserverpb.Cluster.MemberPromote"),
    ("/v3/maintenance/alarm", "etcdserverpb.Maintenance.Alarm"),
    ("/v3/maintenance/status", "etcdserverpb.Maintenance.Status"),
    ("/v3/maintenance/defragment", "etcdserverpb.Maintenance.Defragment"),
    ("/v3/maintenance/hash", "etcdserverpb.Maintenance.HashKV"),
    ("/v3/maintenance/hashkv", "etcdserverpb.Maintenance.HashKV"),
    ("/v3/maintenance/snapshot", "etcdserverpb.Maintenance.Snapshot"),
    ("/v3/maintenance/transfer-leadership", "etcdserverpb.Maintenance.MoveLeader"),
    ("/v3/maintenance/downgrade", "etcdserverpb.Maintenance.Downgrade"),
    ("/v3/auth/enable", "etcdserverpb.Auth.AuthEnable"),
    ("/v3/auth/disable", "etcdserverpb.Auth.AuthDisable"),
    ("/v3/auth/status", "etcdserverpb.Auth.AuthStatus"),
    ("/v3/auth/authenticate", "etcdserverpb.Auth.Authenticate"),
    ("/v3/auth/user/add", "etcdserverpb.Auth.UserAdd"),
    ("/v3/auth/user/get", "etcdserverpb.Auth.UserGet"),
    ("/v3/auth/user/list", "etcdserverpb.Auth.UserList"),
    ("/v3/auth/user/delete", "etcdserverpb.Auth.UserDelete"),
    ("/v3/auth/user/changepw", "etcdserverpb.Auth.UserChangePassword"),
    ("/v3/auth/user/grant", "etcdserverpb.Auth.UserGrantRole"),
    ("/v3/auth/user/revoke", "etcdserverpb.Auth.UserRevokeRole"),
    ("/v3/auth/role/add", "etcdserverpb.Auth.RoleAdd"),
    ("/v3/auth/role/get", "etcdserverpb.Auth.RoleGet"),
    ("/v3/auth/role/list", "etcdserverpb.Auth.RoleList"),
    ("/v3/auth/role/delete", "etcdserverpb.Auth.RoleDelete"),
    ("/v3/auth/role/grant", "etcdserverpb.Auth.RoleGrantPermission"),
    ("/v3/auth/role/revoke", "etcdserverpb.Auth.RoleRevokePermission"),
    ("/v3/lock/lock", "v3lockpb.Lock.Lock"),
    ("/v3/lock/unlock", "v3lockpb.Lock.Unlock"),
    ("/v3/election/campaign", "v3electionpb.Election.Campaign"),
    ("/v3/election/proclaim", "v3electionpb.Election.Proclaim"),
    ("/v3/election/leader", "v3electionpb.Election.Leader"),
    ("/v3/election/observe", "v3electionpb.Election.Observe"),
    ("/v3/election/resign", "v3electionpb.Election.Resign"),
];

/// The gateway in front of these services.
pub(crate) fn router(services: &Routes) -> Router {
    let pool = DescriptorPool::decode(DESCRIPTORS).expect("the compiler's descriptors are whole");
    METHODS.iter().fold(Router::new(), |router, (path, name)| {
        let transcoder = Transcoder { method: method(&pool, name), services: services.clone() };
        router.route(path, post(move |request: Request<Body>| transcoder.clone().serve(request)))
    })
}

fn method(pool: &DescriptorPool, name: &str) -> MethodDescriptor {
    let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
    let mut found = methods.filter(|method| method.full_name() == name);
    found.next().unwrap_or_else(|| panic!("{name} is not defined"))
}

/// Takes JSON for the method at the path of this number, for `fuzz/`.
#[cfg(fuzzing)]
pub(crate) fn fuzz(path: usize, json: &[u8]) {
    static POOL: std::sync::LazyLock<DescriptorPool> = std::sync::LazyLock::new(|| {
        DescriptorPool::decode(DESCRIPTORS).expect("the compiler's descriptors are whole")
    });
    let (_, name) = METHODS[path % METHODS.len()];
    let transcoder = Transcoder { method: method(&POOL, name), services: Routes::default() };
    drop(transcoder.message(json));
}

/// One method, between JSON and gRPC.
#[derive(Clone)]
struct Transcoder {
    method: MethodDescriptor,
    services: Routes,
}

impl Transcoder {
    async fn serve(mut self, request: Request<Body>) -> Response<Body> {
        let called = match self.call(request).await {
            Ok(response) => response,
            Err(status) => return refusal(&status),
        };
        let (head, body) = called.into_parts();
        if let Some(status) = Status::from_header_map(&head.headers)
            && status.code() != Code::Ok
        {
            return refusal(&status);
        }
        let answers = Answers { method: self.method.clone(), body, buffer: BytesMut::new() };
        if self.method.is_server_streaming() { answers.stream() } else { answers.single().await }
    }

    async fn call(&mut self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let (head, body) = request.into_parts();
        let json = Limited::new(body, limits::GATEWAY_BYTES).collect().await;
        let json = json.map_err(|_| Status::invalid_argument("the request is too large"))?;
        let message = self.message(&json.to_bytes())?;
        let length = u32::try_from(message.len()).expect("it was read within a bound");
        let mut frame = BytesMut::with_capacity(message.len() + 5);
        frame.extend_from_slice(&[0]);
        #[expect(clippy::big_endian_bytes, reason = "gRPC's own")]
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(&message);
        let (service, name) = (self.method.parent_service().full_name(), self.method.name());
        let mut call = Request::post(format!("/{service}/{name}"))
            .body(Body::from(frame.freeze()))
            .expect("names of methods are well formed");
        *call.extensions_mut() = head.extensions;
        let headers = call.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if let Some(token) = head.headers.get(header::AUTHORIZATION) {
            headers.insert(header::AUTHORIZATION, token.clone());
        }
        let response = self.services.call(call).await;
        let response = response.unwrap_or_else(|error| match error {});
        Ok(response.map(Body::new))
    }

    fn message(&self, json: &[u8]) -> Result<Vec<u8>, Status> {
        let json = if json.iter().all(u8::is_ascii_whitespace) { b"{}" } else { json };
        let mut reader = serde_json::Deserializer::from_slice(json);
        let options = DeserializeOptions::new().deny_unknown_fields(true);
        let read =
            DynamicMessage::deserialize_with_options(self.method.input(), &mut reader, &options);
        let message = read.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(message.encode_to_vec())
    }
}

/// What a method answers, message by message.
struct Answers {
    method: MethodDescriptor,
    body: Body,
    buffer: BytesMut,
}

impl Answers {
    /// The next one; nothing after the last.
    async fn next(&mut self) -> Result<Option<Value>, Status> {
        loop {
            if let Some(message) = take_message(&mut self.buffer) {
                return self.json(message).map(Some);
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| Status::unavailable(error.to_string()))?;
            match frame.into_data() {
                Ok(data) => self.buffer.extend_from_slice(&data),
                Err(frame) => end(frame.trailers_ref())?,
            }
        }
    }

    fn json(&self, message: Bytes) -> Result<Value, Status> {
        let broken = |what: String| Status::internal(what);
        let message = DynamicMessage::decode(self.method.output(), message);
        let message = message.map_err(|error| broken(error.to_string()))?;
        let options = SerializeOptions::new().use_proto_field_name(true);
        let json = message.serialize_with_options(serde_json::value::Serializer, &options);
        json.map_err(|error| broken(error.to_string()))
    }

    async fn single(mut self) -> Response<Body> {
        let answer = match self.next().await {
            Ok(Some(answer)) => answer,
            Ok(None) => return refusal(&Status::internal("no answer")),
            Err(status) => return refusal(&status),
        };
        // What follows is the trailer, which may refuse all the same.
        match self.next().await {
            Ok(_) => respond(StatusCode::OK, &answer),
            Err(status) => refusal(&status),
        }
    }

    /// One line for each.
    fn stream(mut self) -> Response<Body> {
        let (lines, body) = mpsc::channel::<Result<Bytes, std::convert::Infallible>>(1);
        tokio::spawn(async move {
            loop {
                let next = tokio::select! {
                    biased;
                    () = lines.closed() => return,
                    next = self.next() => next,
                };
                let (line, is_last) = match next {
                    Ok(Some(answer)) => (json!({ "result": answer }), false),
                    Ok(None) => return,
                    Err(status) => (json!({ "error": in_stream(&status) }), true),
                };
                if lines.send(Ok(format!("{line}\n").into())).await.is_err() || is_last {
                    return;
                }
            }
        });
        let mut response = Response::new(Body::from_stream(ReceiverStream::new(body)));
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        response
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A message that is there whole, without the five bytes before it.
fn take_message(buffer: &mut BytesMut) -> Option<Bytes> {
    let length = buffer.get(1..5)?.try_into().ok()?;
    #[expect(clippy::big_endian_bytes, reason = "gRPC's own")]
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    if buffer.len() < length + 5 {
        return None;
    }
    let mut message = buffer.split_to(length + 5).freeze();
    message.advance(5);
    Some(message)
}

fn end(trailers: Option<&HeaderMap>) -> Result<(), Status> {
    match trailers.and_then(Status::from_header_map) {
        Some(status) if status.code() != Code::Ok => Err(status),
        Some(_) | None => Ok(()),
    }
}

fn respond(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

fn refusal(status: &Status) -> Response<Body> {
    let (message, code) = (status.message(), status.code() as i32);
    respond(
        http_status(status.code()),
        &json!({ "error": message, "code": code, "message": message }),
    )
}

fn in_stream(status: &Status) -> Value {
    let http = http_status(status.code());
    json!({
        "grpc_code": status.code() as i32,
        "http_code": http.as_u16(),
        "message": status.message(),
        "http_status": http.canonical_reason().unwrap_or_default(),
    })
}

/// grpc-gateway's table.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::Cancelled => StatusCode::REQUEST_TIMEOUT,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
            StatusCode::BAD_REQUEST
        }
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Unknown | Code::Internal | Code::DataLoss => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_leads_to_a_method() {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        for (_, name) in METHODS {
            assert_eq!(method(&pool, name).full_name(), *name);
        }
    }

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 0, 2, 7][..]);
        assert_eq!(take_message(&mut buffer), None);
        buffer.extend_from_slice(&[8, 0]);
        assert_eq!(take_message(&mut buffer).as_deref(), Some(&[7, 8][..]));
        assert_eq!(buffer.as_ref(), [0]);
    }
}
