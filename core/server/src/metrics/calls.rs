//! What is counted of gRPC's calls, under the names of go-grpc-prometheus, which etcd uses.

use super::{Maker, WELL_FORMED};
use crate::proto::DESCRIPTORS;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use tonic::Code;

/// By path: every method there is, so that nothing is counted under a name that somebody made up.
pub(crate) struct CallMetrics(BTreeMap<String, Arc<Method>>);

/// What is counted of one method.
pub(crate) struct Method {
    started: IntCounter,
    /// The most frequent outcome, found once.
    ok: IntCounter,
    /// By code, as of all methods.
    handled: IntCounterVec,
    labels: [String; 3],
    seconds: Histogram,
    pub(crate) received: Flow,
    pub(crate) sent: Flow,
}

/// What flows one way.
#[derive(Clone)]
pub(crate) struct Flow {
    pub(crate) messages: IntCounter,
    /// Without what gRPC puts around them (etcd, `v3rpc/codec.go`).
    pub(crate) bytes: IntCounter,
}

/// One call. It counts as given up by its client unless it has ended otherwise.
pub(crate) struct Call {
    pub(crate) method: Arc<Method>,
    start: Instant,
    is_over: bool,
}

impl CallMetrics {
    pub(super) fn new(make: &Maker<'_>) -> Self {
        let families = Families::new(make);
        let pool =
            DescriptorPool::decode(DESCRIPTORS).expect("the compiler's descriptors are whole");
        let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let by_path = methods.map(|method| {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            (path, Arc::new(families.method(&method)))
        });
        Self(by_path.collect())
    }

    /// A call of `/service/method` begins; nothing where there is no such method.
    pub(crate) fn begin(&self, path: &str) -> Option<Call> {
        let method = Arc::clone(self.0.get(path)?);
        method.started.inc();
        Some(Call { method, start: Instant::now(), is_over: false })
    }
}

impl Call {
    /// It has ended so. What is said after that does not count.
    pub(crate) fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let Method { ok, handled, labels: [service, method, kind], seconds, .. } = &*self.method;
        if code == Code::Ok {
            ok.inc();
        } else {
            handled.with_label_values(&[service, method, kind, &name(code)]).inc();
        }
        seconds.observe(self.start.elapsed().as_secs_f64());
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// As Go's gRPC spells it.
fn name(code: Code) -> String {
    if code == Code::Cancelled { "Canceled".to_owned() } else { format!("{code:?}") }
}

struct Families {
    started: IntCounterVec,
    handled: IntCounterVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    seconds: HistogramVec,
    received_bytes: IntCounter,
    sent_bytes: IntCounter,
}

impl Families {
    fn new(make: &Maker<'_>) -> Self {
        let labels = ["grpc_service", "grpc_method", "grpc_type"];
        let with_code = ["grpc_service", "grpc_method", "grpc_type", "grpc_code"];
        let seconds =
            HistogramOpts::new("grpc_server_handling_seconds", "How long calls take to end.");
        let bytes = |what: &str, help: &str| {
            make.counter(&format!("etcd_network_client_grpc_{what}_bytes_total"), help)
        };
        let calls = |what: &str, help: &str, labels: &[&str]| {
            make.counters(&format!("grpc_server_{what}_total"), help, labels)
        };
        Self {
            started: calls("started", "Calls begun.", &labels),
            handled: calls("handled", "Calls ended.", &with_code),
            received: calls("msg_received", "Messages of clients.", &labels),
            sent: calls("msg_sent", "Messages to clients.", &labels),
            seconds: make.register(HistogramVec::new(seconds, &labels).expect(WELL_FORMED)),
            received_bytes: bytes("received", "Bytes of messages of clients."),
            sent_bytes: bytes("sent", "Bytes of messages to clients."),
        }
    }

    fn method(&self, method: &MethodDescriptor) -> Method {
        let kind = match (method.is_client_streaming(), method.is_server_streaming()) {
            (false, false) => "unary",
            (true, false) => "client_stream",
            (false, true) => "server_stream",
            (true, true) => "bidi_stream",
        };
        let service = method.parent_service().full_name().to_owned();
        let labels = [service, method.name().to_owned(), kind.to_owned()];
        let [service, name, kind] = &labels;
        let of = |family: &IntCounterVec| family.with_label_values(&[service, name, kind]);
        let flow = |messages, bytes: &IntCounter| Flow { messages, bytes: bytes.clone() };
        Method {
            started: of(&self.started),
            ok: self.handled.with_label_values(&[&**service, name, kind, "OK"]),
            handled: self.handled.clone(),
            seconds: self.seconds.with_label_values(&[service, name, kind]),
            received: flow(of(&self.received), &self.received_bytes),
            sent: flow(of(&self.sent), &self.sent_bytes),
            labels,
        }
    }
}
