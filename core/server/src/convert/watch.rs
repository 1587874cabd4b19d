//! Watches.

use super::{header, kv, revision, signed};
use crate::proto::{
    etcdserverpb::{self as pb, watch_create_request::FilterType},
    mvccpb,
};
use whitewater_api::{
    WatchId, WatchResponse,
    watch::{CancelReason, EventKind, WatchBody, WatchCreate, WatchEvent},
};

/// A watch to open. The store refuses what makes no sense.
pub(crate) fn watch_create(request: pb::WatchCreateRequest) -> WatchCreate {
    let has = |filter: FilterType| request.filters.contains(&(filter as i32));
    WatchCreate {
        watch: WatchId(request.watch_id),
        start: revision(request.start_revision),
        prev_kv: request.prev_kv,
        progress: request.progress_notify,
        no_put: has(FilterType::Noput),
        no_delete: has(FilterType::Nodelete),
        fragment: request.fragment,
        range: kv::key_range(request.key, request.range_end),
    }
}

pub(crate) fn watch_response(response: WatchResponse) -> pb::WatchResponse {
    let WatchResponse { header: at, watch, body } = response;
    let mut message = pb::WatchResponse {
        header: header(&at),
        watch_id: watch.0,
        ..pb::WatchResponse::default()
    };
    match body {
        WatchBody::Created => message.created = true,
        WatchBody::Progress => {}
        WatchBody::Events { events, fragment } => {
            message.events = events.into_iter().map(event).collect();
            message.fragment = fragment;
        }
        WatchBody::Canceled(reason) => {
            message.canceled = true;
            // A watch that never was is said to have begun, so that a client matches the two (etcd, `v3rpc/watch.go`).
            message.created = watch == WatchId::ALL;
            match &reason {
                CancelReason::Asked => {}
                CancelReason::Compacted(at) => {
                    message.compact_revision = signed(at.0);
                    message.cancel_reason = reason.to_string();
                }
                CancelReason::Duplicate | CancelReason::Refused(_) => {
                    message.cancel_reason = reason.to_string();
                }
            }
        }
    }
    message
}

fn event(event: WatchEvent) -> mvccpb::Event {
    use mvccpb::event::EventType;
    let kind = match event.kind {
        EventKind::Put => EventType::Put,
        EventKind::Delete => EventType::Delete,
    };
    mvccpb::Event {
        r#type: kind.into(),
        kv: Some(kv::key_value(event.kv)),
        prev_kv: event.prev_kv.map(kv::key_value),
    }
}
