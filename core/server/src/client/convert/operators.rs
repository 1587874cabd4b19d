//! What operators and administrators ask, and what they are told.

use super::{header, unsigned};
use crate::{
    convert::key_range,
    proto::{
        authpb,
        etcdserverpb::{self as pb, AlarmType},
    },
};
use whitewater_api::{
    Alarm, AlarmMember, Index, KvHash, Member, MemberAttributes, MemberStatus, NodeId, Revision,
    Term,
    auth::{Credential, Permission, PermissionKind},
};

pub(in crate::client) const fn alarm_type(alarm: Option<Alarm>) -> AlarmType {
    match alarm {
        None => AlarmType::None,
        Some(Alarm::NoSpace) => AlarmType::Nospace,
        Some(Alarm::Corrupt) => AlarmType::Corrupt,
    }
}

/// Those that are of a kind which is known here.
pub(in crate::client) fn alarms(alarms: &[pb::AlarmMember]) -> Vec<AlarmMember> {
    let known = |alarm: &pb::AlarmMember| {
        let kind = match alarm.alarm() {
            AlarmType::None => return None,
            AlarmType::Nospace => Alarm::NoSpace,
            AlarmType::Corrupt => Alarm::Corrupt,
        };
        Some(AlarmMember { member: NodeId(alarm.member_id), alarm: kind })
    };
    alarms.iter().filter_map(known).collect()
}

/// How a member is. The quota is not told.
pub(in crate::client) fn status(status: &pb::StatusResponse) -> MemberStatus {
    MemberStatus {
        size: unsigned(status.db_size),
        size_in_use: unsigned(status.db_size_in_use),
        quota: 0,
        leader: (status.leader != 0).then_some(NodeId(status.leader)),
        index: Index(status.raft_index),
        term: Term(status.raft_term),
        applied: Index(status.raft_applied_index),
        is_learner: status.is_learner,
        alarms: status.errors.iter().filter_map(|error| raised(error)).collect(),
    }
}

/// An alarm in the words of a status: `memberID:7 alarm:NOSPACE `.
fn raised(error: &str) -> Option<AlarmMember> {
    let (member, alarm) = error.trim().strip_prefix("memberID:")?.split_once(" alarm:")?;
    let alarm = [Alarm::NoSpace, Alarm::Corrupt].into_iter().find(|it| it.name() == alarm)?;
    Some(AlarmMember { member: NodeId(member.parse().ok()?), alarm })
}

/// A hash that was asked for as of a revision. As of the newest, the header says which that was: etcd takes both from one
/// look at the store.
pub(in crate::client) fn hash(answer: &pb::HashKvResponse, asked: Revision) -> KvHash {
    let newest = header(answer.header).revision;
    KvHash {
        hash: answer.hash,
        revision: if asked == Revision::LATEST { newest } else { asked },
        compacted: Revision(unsigned(answer.compact_revision)),
    }
}

pub(in crate::client) fn members(members: Vec<pb::Member>) -> Vec<Member> {
    let known = |member: pb::Member| Member {
        id: NodeId(member.id),
        attributes: MemberAttributes {
            name: member.name,
            peer_urls: member.peer_ur_ls,
            client_urls: member.client_ur_ls,
        },
        is_learner: member.is_learner,
    };
    members.into_iter().map(known).collect()
}

pub(in crate::client) fn user_add(name: String, credential: Credential) -> pb::AuthUserAddRequest {
    let no_password = matches!(credential, Credential::None);
    let (password, hashed_password) = password(credential);
    let options = Some(authpb::UserAddOptions { no_password });
    pb::AuthUserAddRequest { name, password, options, hashed_password }
}

pub(in crate::client) fn user_passwd(
    name: String,
    credential: Credential,
) -> pb::AuthUserChangePasswordRequest {
    let (password, hashed_password) = password(credential);
    pb::AuthUserChangePasswordRequest { name, password, hashed_password }
}

/// In the clear, or its hash.
fn password(credential: Credential) -> (String, String) {
    match credential {
        Credential::None => (String::new(), String::new()),
        Credential::Password(password) => (password.reveal().to_owned(), String::new()),
        Credential::Hash(hash) => (String::new(), hash),
    }
}

pub(in crate::client) fn permissions(permissions: Vec<authpb::Permission>) -> Vec<Permission> {
    let known = |permission: authpb::Permission| {
        let kind = match permission.perm_type() {
            authpb::permission::Type::Read => PermissionKind::Read,
            authpb::permission::Type::Write => PermissionKind::Write,
            authpb::permission::Type::Readwrite => PermissionKind::ReadWrite,
        };
        Permission { kind, range: key_range(permission.key, permission.range_end) }
    };
    permissions.into_iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_in_words_which_alarms_are_raised() {
        let told = MemberStatus {
            alarms: vec![AlarmMember { member: NodeId(7), alarm: Alarm::NoSpace }],
            ..MemberStatus::default()
        };
        let errors = told.errors();
        assert_eq!(errors.len(), 2, "there is no leader either");
        let read = status(&pb::StatusResponse { errors, ..pb::StatusResponse::default() });
        assert_eq!(read.alarms, told.alarms);
    }
}
