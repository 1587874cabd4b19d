//! Requests in the trace.

use whitewater_api::{Request, request::CompareTarget};

/// A few words of a request for the trace.
pub(crate) fn digest(request: &Request) -> u64 {
    let mut mixer = whitewater_record::Mixer::default();
    let mut add = |word: u64, bytes: &[u8]| {
        mixer.add(word);
        for chunk in bytes.chunks(8) {
            mixer.add(chunk.iter().fold(1, |word, byte| word << 8 | u64::from(*byte)));
        }
    };
    match request {
        Request::Put(put) => {
            add(1, put.key.as_slice());
            add(1, put.value.as_slice());
        }
        Request::Range(range) => {
            add(2 + u64::from(range.serializable), range.range.start.as_slice());
        }
        Request::DeleteRange(delete) => add(4, delete.range.start.as_slice()),
        Request::Txn(txn) => {
            for compare in &txn.compares {
                let target = match &compare.target {
                    CompareTarget::Mod(revision) | CompareTarget::Create(revision) => revision.0,
                    CompareTarget::Version(version) => *version,
                    CompareTarget::Value(_) | CompareTarget::Lease(_) => 0,
                };
                add(5, compare.range.start.as_slice());
                add(target, &[]);
            }
        }
        Request::Compact(compact) => add(6, &compact.revision.0.to_le_bytes()),
        Request::Lease(lease) => add(9, lease.to_string().as_bytes()),
        Request::Member(_) => add(7, &[]),
        Request::MoveLeader(to) => add(8, &to.0.to_le_bytes()),
        Request::Maintenance(maintenance) => add(10, maintenance.to_string().as_bytes()),
        Request::Auth(auth) => add(11, auth.to_string().as_bytes()),
        Request::Cluster(cluster) => add(12, cluster.to_string().as_bytes()),
    }
    mixer.finish()
}
