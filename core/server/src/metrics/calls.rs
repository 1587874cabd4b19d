//! What is counted of gRPC's calls, under the names of go-grpc-prometheus, which etcd uses.

use super::{Maker, WELL_FORMED};
use crate::proto::DESCRIPTORS;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};
use tonic::{Code, codegen::http::HeaderMap};

/// By path: every method there is, so that nothing is counted under a name that somebody made up.
pub(crate) struct CallMetrics {
    methods: BTreeMap<String, Arc<Method>>,
    /// By what clients call their version.
    requests: IntCounterVec,
    /// The versions that were seen, few of them.
    versions: RwLock<BTreeSet<String>>,
}

/// Versions that are counted apart at most: clients say what they want.
const VERSIONS_MAX: usize = 32;

/// Bytes of a version at most.
const VERSION_BYTES: usize = 32;

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
        Self {
            methods: by_path.collect(),
            requests: make.counters(
                "etcd_server_client_requests_total",
                "Calls by the version of the client.",
                &["type", "client_api_version"],
            ),
            versions: RwLock::default(),
        }
    }

    /// A call of `/service/method` begins; nothing where there is no such method.
    pub(crate) fn begin(&self, path: &str, headers: &HeaderMap) -> Option<Call> {
        let method = Arc::clone(self.methods.get(path)?);
        method.started.inc();
        let version = headers.get("client-api-version").and_then(|version| version.to_str().ok());
        let version = version.filter(|version| self.is_counted(version)).unwrap_or("unknown");
        let kind = if method.labels[2] == "unary" { "unary" } else { "stream" };
        self.requests.with_label_values(&[kind, version]).inc();
        Some(Call { method, start: Instant::now(), is_over: false })
    }

    /// Whether a version is one of the first few.
    fn is_counted(&self, version: &str) -> bool {
        // Nearly every call is of a version that is known, and waits for no other call.
        if self.versions.read().unwrap_or_else(PoisonError::into_inner).contains(version) {
            return true;
        }
        let mut versions = self.versions.write().unwrap_or_else(PoisonError::into_inner);
        if versions.len() < VERSIONS_MAX && version.len() <= VERSION_BYTES {
            versions.insert(version.to_owned());
        }
        versions.contains(version)
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
