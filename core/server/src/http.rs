//! What is asked over plain HTTP: health, version, metrics (etcd, `server/etcdserver/api/etcdhttp`).

use crate::node::Node;
use axum::{
    Router,
    extract::{Path, RawQuery, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use whitewater_api::{
    Alarm, Body, Caller, KeyRange, MaintenanceRequest, MaintenanceResponse, MemberStatus, Request,
    request::RangeRequest,
};

/// The routes for whoever watches over this member.
pub(crate) fn router(node: Node) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/livez", get(livez))
        .route("/livez/{check}", get(livez_one))
        .route("/readyz", get(readyz))
        .route("/readyz/{check}", get(readyz_one))
        .route("/version", get(version))
        .route("/metrics", get(metrics))
        .with_state(node)
}

/// Something that a member is checked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    SerializableRead,
    LinearizableRead,
    DataCorruption,
}

const LIVE: &[Check] = &[Check::SerializableRead];
const READY: &[Check] = &[Check::DataCorruption, Check::SerializableRead, Check::LinearizableRead];

impl Check {
    const fn name(self) -> &'static str {
        match self {
            Self::SerializableRead => "serializable_read",
            Self::LinearizableRead => "linearizable_read",
            Self::DataCorruption => "data_corruption",
        }
    }

    /// Why not, if it does not pass.
    async fn run(self, node: &Node) -> Result<(), String> {
        match self {
            Self::SerializableRead => read(node, true).await,
            Self::LinearizableRead => read(node, false).await,
            Self::DataCorruption => {
                let status = member_status(node).await?;
                let corrupt = status.alarms.iter().any(|alarm| alarm.alarm == Alarm::Corrupt);
                if corrupt { Err("alarm activated: CORRUPT".to_owned()) } else { Ok(()) }
            }
        }
    }
}

/// Asks for a key that is not there.
async fn read(node: &Node, serializable: bool) -> Result<(), String> {
    let range = RangeRequest { serializable, ..RangeRequest::new(KeyRange::single("health")) };
    let answer = node.ask(Caller::Nobody, Request::Range(range)).await;
    match answer {
        // Who asks is nobody: where that is refused, somebody was there to refuse it.
        Ok(_) | Err(whitewater_api::Error::UserEmpty | whitewater_api::Error::PermissionDenied) => {
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

async fn member_status(node: &Node) -> Result<MemberStatus, String> {
    let status = Request::Maintenance(MaintenanceRequest::Status);
    match node.ask_here(Caller::Nobody, status).await.map(|response| response.body) {
        Ok(Body::Maintenance(MaintenanceResponse::Status(status))) => Ok(status),
        Ok(_) => Err("the member answered something else".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The values of a parameter of the query.
fn values<'a>(query: &'a str, name: &str) -> Vec<&'a str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('=').or(Some((pair, ""))));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).collect()
}

async fn health(State(node): State<Node>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let excluded = values(&query, "exclude");
    let serializable = values(&query, "serializable") == ["true"];
    let reason = reason_against(&node, &excluded, serializable).await;
    let metrics = node.metrics();
    if reason.is_empty() {
        metrics.health_success.inc();
    } else {
        metrics.health_failures.inc();
    }
    let status = if reason.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let health = if reason.is_empty() { "true" } else { "false" };
    // In this order, and nothing behind it: some compare the text.
    let text = format!(r#"{{"health":"{health}","reason":{}}}"#, json!(reason));
    (status, [(header::CONTENT_TYPE, JSON)], text).into_response()
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

async fn reason_against(node: &Node, excluded: &[&str], serializable: bool) -> String {
    let status = match member_status(node).await {
        Ok(status) => status,
        Err(error) => return error,
    };
    let mut alarms = status.alarms.iter().map(|alarm| alarm.alarm.name());
    if let Some(alarm) = alarms.find(|alarm| !excluded.contains(alarm)) {
        return format!("ALARM {alarm}");
    }
    if !serializable && status.leader.is_none() {
        return "RAFT NO LEADER".to_owned();
    }
    match read(node, serializable).await {
        Ok(()) => String::new(),
        Err(error) => format!("RANGE ERROR:{error}"),
    }
}

async fn livez(State(node): State<Node>, RawQuery(query): RawQuery) -> Response {
    checks("livez", LIVE, &node, &query.unwrap_or_default()).await
}

async fn readyz(State(node): State<Node>, RawQuery(query): RawQuery) -> Response {
    checks("readyz", READY, &node, &query.unwrap_or_default()).await
}

async fn livez_one(State(node): State<Node>, Path(name): Path<String>) -> Response {
    one("livez", LIVE, &node, &name).await
}

async fn readyz_one(State(node): State<Node>, Path(name): Path<String>) -> Response {
    one("readyz", READY, &node, &name).await
}

async fn one(path: &str, known: &[Check], node: &Node, name: &str) -> Response {
    match known.iter().find(|check| check.name() == name) {
        Some(check) => checks(path, &[*check], node, "").await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn checks(path: &str, known: &[Check], node: &Node, query: &str) -> Response {
    let excluded = values(query, "exclude");
    let mut lines = String::new();
    let mut passes = true;
    for check in known.iter().filter(|check| !excluded.contains(&check.name())) {
        let line = match check.run(node).await {
            Ok(()) => format!("[+]{} ok\n", check.name()),
            Err(why) => {
                passes = false;
                format!("[-]{} failed: {why}\n", check.name())
            }
        };
        lines.push_str(&line);
    }
    if !passes {
        let text = format!("{lines}{path} check failed\n");
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    if values(query, "verbose").is_empty() {
        return "ok\n".into_response();
    }
    format!("{lines}{path} check passed\n").into_response()
}

async fn version() -> Response {
    let text = format!(r#"{{"etcdserver":"{}","etcdcluster":"3.5.0"}}"#, crate::VERSION);
    ([(header::CONTENT_TYPE, JSON)], text).into_response()
}

async fn metrics(State(node): State<Node>) -> Response {
    let member = member_status(&node).await.ok();
    let text = node.metrics().text(&node.status(), member.as_ref());
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::values;

    #[test]
    fn a_query_may_name_a_parameter_twice_or_without_a_value() {
        assert_eq!(
            values("exclude=NOSPACE&verbose&exclude=CORRUPT", "exclude"),
            ["NOSPACE", "CORRUPT"]
        );
        assert_eq!(values("exclude=NOSPACE&verbose", "verbose"), [""]);
        assert!(values("", "verbose").is_empty());
    }
}
