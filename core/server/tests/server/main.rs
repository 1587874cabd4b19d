//! Real processes, real sockets, real files.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that fails says where and shows the logs"
)]

mod backup;
mod bounds;
mod cluster;
mod common;
mod counted;
mod details;
mod etcdctl;
mod gauges;
mod single;
mod tls;
mod works;
