//! A linearizable read sees all that anybody had been told of before it was asked. Dissertation 6.4; etcd #20418.

use whitewater_api::{RequestId, Revision};

/// A read was answered from `seen`; when it was asked, somebody had been told of `floor`.
pub(crate) fn check(id: RequestId, seen: Revision, floor: Revision) -> Option<String> {
    (seen < floor).then(|| {
        format!("the read {id} saw {seen}; before it was asked, {floor} had been acknowledged")
    })
}
