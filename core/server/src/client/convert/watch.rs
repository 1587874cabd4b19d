//! Watches.

use super::{header, key_value, unsigned};
use crate::{
    convert::{key_and_end, signed},
    proto::{
        etcdserverpb::{self as pb, watch_create_request::FilterType, watch_request::RequestUnion},
        mvccpb::{self, event::EventType},
    },
};
use whitewater_api::{
    Revision, WatchId, WatchRequest, WatchResponse,
    watch::{CancelReason, EventKind, WatchBody, WatchCreate, WatchEvent},
};

/// What a client says on a stream.
pub(in crate::client) fn watch(request: &WatchRequest) -> pb::WatchRequest {
    let union = match request {
        WatchRequest::Create(create) => RequestUnion::CreateRequest(watch_create(create)),
        WatchRequest::Cancel(watch) => {
            RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id: watch.0 })
        }
        WatchRequest::Progress => RequestUnion::ProgressRequest(pb::WatchProgressRequest {}),
    };
    pb::WatchRequest { request_union: Some(union) }
}

fn watch_create(create: &WatchCreate) -> pb::WatchCreateRequest {
    let (key, range_end) = key_and_end(create.range.clone());
    let filters = [(create.no_put, FilterType::Noput), (create.no_delete, FilterType::Nodelete)];
    pb::WatchCreateRequest {
        key,
        range_end,
        start_revision: signed(create.start.0),
        progress_notify: create.progress,
        filters: filters.into_iter().filter(|(wanted, _)| *wanted).map(|(_, f)| f.into()).collect(),
        prev_kv: create.prev_kv,
        watch_id: create.watch.0,
        fragment: create.fragment,
    }
}

/// What comes back.
pub(in crate::client) fn watch_response(message: pb::WatchResponse) -> WatchResponse {
    let body = if message.canceled {
        WatchBody::Canceled(cancel_reason(&message))
    } else if message.created {
        WatchBody::Created
    } else if message.events.is_empty() {
        WatchBody::Progress
    } else {
        let events = message.events.into_iter().map(event).collect();
        WatchBody::Events { events, fragment: message.fragment }
    };
    WatchResponse { header: header(message.header), watch: WatchId(message.watch_id), body }
}

fn cancel_reason(message: &pb::WatchResponse) -> CancelReason {
    match &message.cancel_reason[..] {
        _ if message.compact_revision != 0 => {
            CancelReason::Compacted(Revision(unsigned(message.compact_revision)))
        }
        "" => CancelReason::Asked,
        reason => CancelReason::Refused(reason.to_owned()),
    }
}

fn event(event: mvccpb::Event) -> WatchEvent {
    let kind = match event.r#type() {
        EventType::Put => EventKind::Put,
        EventType::Delete => EventKind::Delete,
    };
    WatchEvent {
        kind,
        kv: key_value(event.kv.unwrap_or_default()),
        prev_kv: event.prev_kv.map(key_value),
    }
}
