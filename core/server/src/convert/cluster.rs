//! Members.

use crate::proto::etcdserverpb as pb;
use whitewater_api::Member;

/// Members as etcd lists them.
pub(crate) fn members(members: Vec<Member>) -> Vec<pb::Member> {
    let wire = |member: Member| pb::Member {
        id: member.id.0,
        name: member.attributes.name,
        peer_ur_ls: member.attributes.peer_urls,
        client_ur_ls: member.attributes.client_urls,
        is_learner: member.is_learner,
    };
    members.into_iter().map(wire).collect()
}
