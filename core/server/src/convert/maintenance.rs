//! What operators ask of a member.

use super::{header, signed};
use crate::proto::etcdserverpb::{self as pb, AlarmType, alarm_request::AlarmAction as Action};
use tonic::Status;
use whitewater_api::{
    Alarm, AlarmAction, AlarmMember, Header, MaintenanceRequest, MemberStatus, NodeId,
};

pub(crate) fn alarm_request(request: &pb::AlarmRequest) -> Result<MaintenanceRequest, Status> {
    let unknown = || Status::invalid_argument("etcdserver: unknown alarm or action");
    let action = match Action::try_from(request.action).map_err(|_| unknown())? {
        Action::Get => AlarmAction::Get,
        Action::Activate => AlarmAction::Activate,
        Action::Deactivate => AlarmAction::Deactivate,
    };
    let alarm = match AlarmType::try_from(request.alarm).map_err(|_| unknown())? {
        AlarmType::None => None,
        AlarmType::Nospace => Some(Alarm::NoSpace),
        AlarmType::Corrupt => Some(Alarm::Corrupt),
    };
    Ok(MaintenanceRequest::Alarm { action, member: NodeId(request.member_id), alarm })
}

pub(crate) fn alarms(alarms: &[AlarmMember]) -> Vec<pb::AlarmMember> {
    let wire = |alarm: &AlarmMember| pb::AlarmMember {
        member_id: alarm.member.0,
        alarm: match alarm.alarm {
            Alarm::NoSpace => AlarmType::Nospace.into(),
            Alarm::Corrupt => AlarmType::Corrupt.into(),
        },
    };
    alarms.iter().map(wire).collect()
}

pub(crate) fn status_response(at: &Header, status: &MemberStatus) -> pb::StatusResponse {
    pb::StatusResponse {
        header: header(at),
        version: crate::VERSION.to_owned(),
        db_size: signed(status.size),
        leader: status.leader.map_or(0, |leader| leader.0),
        raft_index: status.index.0,
        raft_term: status.term.0,
        raft_applied_index: status.applied.0,
        errors: status.errors(),
        db_size_in_use: signed(status.size_in_use),
        is_learner: status.is_learner,
    }
}
