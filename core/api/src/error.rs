//! Why a request was refused, and whether it took effect all the same.

use crate::{NodeId, Revision};
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

/// A refusal. Texts are etcd's where etcd has one, because clients match on them.
#[derive(Clone, Debug, PartialEq, Eq, ThisError, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Error {
    /// A request without a key.
    #[error("etcdserver: key is not provided")]
    EmptyKey,
    /// `ignore_value` or `ignore_lease` on an absent key.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// `ignore_value` together with a value.
    #[error("etcdserver: value is provided")]
    ValueProvided,
    /// `ignore_lease` together with a lease.
    #[error("etcdserver: lease is provided")]
    LeaseProvided,
    /// The lease does not exist.
    #[error("etcdserver: requested lease not found")]
    LeaseNotFound,
    /// A lease of that id is there already.
    #[error("etcdserver: lease already exists")]
    LeaseExists,
    /// No lease may last that long.
    #[error("etcdserver: too large lease TTL")]
    LeaseTtlTooLarge,
    /// Too many compares, or operations in a branch.
    #[error("etcdserver: too many operations in txn request")]
    TooManyOps,
    /// A branch writes the same key twice.
    #[error("etcdserver: duplicate key given in txn request")]
    DuplicateKey,
    /// The revision lies below the last compaction.
    #[error("etcdserver: mvcc: required revision has been compacted")]
    Compacted {
        /// The oldest revision that can still be read.
        compacted: Revision,
    },
    /// The revision does not exist yet.
    #[error("etcdserver: mvcc: required revision is a future revision")]
    FutureRevision {
        /// The newest revision.
        current: Revision,
    },
    /// The encoded request is larger than the limit.
    #[error("etcdserver: request is too large")]
    RequestTooLarge,
    /// A bounded queue is full. The request did not happen.
    #[error("etcdserver: too many requests")]
    TooManyRequests,
    /// This node does not lead; ask the one in the hint.
    #[error("etcdserver: not leader")]
    NotLeader {
        /// Who leads, as far as this node knows.
        hint: Option<NodeId>,
    },
    /// Nobody leads, as far as this node knows. The request did not happen.
    #[error("etcdserver: no leader")]
    NoLeader,
    /// The leader changed before the outcome was known.
    #[error("etcdserver: leader changed")]
    LeaderChanged,
    /// The answer did not come in time.
    #[error("etcdserver: request timed out")]
    TimedOut,
    /// The replica has stopped.
    #[error("etcdserver: server stopped")]
    Stopped,
    /// A learner does not serve this.
    #[error("etcdserver: rpc not supported for learner")]
    Learner,
    /// Another membership change has not finished.
    #[error("etcdserver: another membership change is in progress")]
    ChangeInProgress,
    /// The member is not there.
    #[error("etcdserver: member not found")]
    MemberNotFound,
    /// The member is there already, or its id was used before.
    #[error("etcdserver: member ID already exist")]
    MemberExists,
    /// Only a learner that has caught up may be promoted.
    #[error("etcdserver: can only promote a learner member which is in sync with leader")]
    LearnerNotReady,
    /// The change would leave no voter.
    #[error("etcdserver: re-configuration failed due to not enough started members")]
    NotEnoughMembers,
    /// The leadership cannot go to that member.
    #[error("etcdserver: bad leader transferee")]
    BadTransferee,
    /// The quota is used up, or the disk is full. The request did not happen.
    #[error("etcdserver: mvcc: database space exceeded")]
    NoSpace,
    /// Auth cannot be enabled without the user root.
    #[error("etcdserver: root user does not exist")]
    RootUserMissing,
    /// Auth cannot be enabled unless the user root has the role root.
    #[error("etcdserver: root user does not have root role")]
    RootRoleMissing,
    /// A user of that name is there already.
    #[error("etcdserver: user name already exists")]
    UserExists,
    /// A user without a name; or a request that shows nobody, where auth is enabled.
    #[error("etcdserver: user name is empty")]
    UserEmpty,
    /// There is no such user.
    #[error("etcdserver: user name not found")]
    UserNotFound,
    /// A role of that name is there already.
    #[error("etcdserver: role name already exists")]
    RoleExists,
    /// There is no such role.
    #[error("etcdserver: role name not found")]
    RoleNotFound,
    /// A role without a name.
    #[error("etcdserver: role name is empty")]
    RoleEmpty,
    /// The user is unknown, or the password another one.
    #[error("etcdserver: authentication failed, invalid user ID or password")]
    AuthFailed,
    /// A permission to grant was not given.
    #[error("etcdserver: permission not given")]
    PermissionMissing,
    /// The user may not do that.
    #[error("etcdserver: permission denied")]
    PermissionDenied,
    /// The user does not have that role.
    #[error("etcdserver: role is not granted to the user")]
    RoleNotGranted,
    /// The role does not have a permission for just that range.
    #[error("etcdserver: permission is not granted to the role")]
    PermissionNotGranted,
    /// There are no tokens while auth is not enabled.
    #[error("etcdserver: authentication is not enabled")]
    AuthNotEnabled,
    /// The token is unknown here, or its time is over.
    #[error("etcdserver: invalid auth token")]
    InvalidToken,
    /// The change would lock everybody out, or is about no range.
    #[error("etcdserver: invalid auth management")]
    InvalidAuthManagement,
    /// Users, roles or permissions have changed since the token was given.
    #[error("etcdserver: revision of auth store is old")]
    AuthOldRevision,
    /// The user has no password (etcd has no code for this one).
    #[error("auth: authentication failed, password was given for no password user")]
    NoPasswordUser,
    /// Members hold different content: nothing that they say can be trusted.
    #[error("etcdserver: corrupt cluster")]
    Corrupt,
    /// Another member has one of these peer URLs.
    #[error("etcdserver: Peer URLs already exists")]
    PeerUrlsExist,
    /// A member needs peer URLs.
    #[error("etcdserver: given member URLs are invalid")]
    BadPeerUrls,
    /// There are as many learners as there may be.
    #[error("etcdserver: too many learner members in cluster")]
    TooManyLearners,
    /// The member votes already.
    #[error("etcdserver: can only promote a learner member")]
    NotLearner,
    /// Too few voters are connected for a change of the membership.
    #[error("etcdserver: unhealthy cluster")]
    Unhealthy,
}

/// The codes of gRPC that are used, with their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// None of the others.
    Unknown = 2,
    /// The request makes no sense, whatever the state.
    InvalidArgument = 3,
    /// What it names is not there.
    NotFound = 5,
    /// The caller may not.
    PermissionDenied = 7,
    /// A bound is reached.
    ResourceExhausted = 8,
    /// The state does not allow it.
    FailedPrecondition = 9,
    /// A number lies outside of what is kept or possible.
    OutOfRange = 11,
    /// Nobody can serve it now.
    Unavailable = 14,
    /// Content is lost or wrong.
    DataLoss = 15,
    /// Who the caller is cannot be told.
    Unauthenticated = 16,
}

/// What a refused request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, and it never will.
    None,
    /// Unknown: it may have happened, or may yet.
    Unknown,
}

impl Error {
    /// Whether the refused request took effect.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::LeaderChanged | Self::TimedOut | Self::Stopped => Effect::Unknown,
            Self::EmptyKey
            | Self::KeyNotFound
            | Self::ValueProvided
            | Self::LeaseProvided
            | Self::LeaseNotFound
            | Self::LeaseExists
            | Self::LeaseTtlTooLarge
            | Self::TooManyOps
            | Self::DuplicateKey
            | Self::Compacted { .. }
            | Self::FutureRevision { .. }
            | Self::RequestTooLarge
            | Self::TooManyRequests
            | Self::NotLeader { .. }
            | Self::NoLeader
            | Self::Learner
            | Self::ChangeInProgress
            | Self::MemberNotFound
            | Self::MemberExists
            | Self::LearnerNotReady
            | Self::NotEnoughMembers
            | Self::BadTransferee
            | Self::NoSpace
            | Self::RootUserMissing
            | Self::RootRoleMissing
            | Self::UserExists
            | Self::UserEmpty
            | Self::UserNotFound
            | Self::RoleExists
            | Self::RoleNotFound
            | Self::RoleEmpty
            | Self::AuthFailed
            | Self::PermissionMissing
            | Self::PermissionDenied
            | Self::RoleNotGranted
            | Self::PermissionNotGranted
            | Self::AuthNotEnabled
            | Self::InvalidToken
            | Self::InvalidAuthManagement
            | Self::AuthOldRevision
            | Self::NoPasswordUser
            | Self::Corrupt
            | Self::PeerUrlsExist
            | Self::BadPeerUrls
            | Self::TooManyLearners
            | Self::NotLearner
            | Self::Unhealthy => Effect::None,
        }
    }

    /// The gRPC code that etcd gives with the text (`api/v3rpc/rpctypes/error.go`).
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::EmptyKey
            | Self::KeyNotFound
            | Self::ValueProvided
            | Self::LeaseProvided
            | Self::TooManyOps
            | Self::DuplicateKey
            | Self::RequestTooLarge
            | Self::BadPeerUrls
            | Self::RootUserMissing
            | Self::RootRoleMissing
            | Self::UserExists
            | Self::UserEmpty
            | Self::UserNotFound
            | Self::RoleExists
            | Self::RoleNotFound
            | Self::RoleEmpty
            | Self::AuthFailed
            | Self::PermissionMissing
            | Self::RoleNotGranted
            | Self::PermissionNotGranted
            | Self::InvalidAuthManagement
            | Self::AuthOldRevision
            | Self::AuthNotEnabled => Code::InvalidArgument,
            Self::PermissionDenied => Code::PermissionDenied,
            Self::InvalidToken => Code::Unauthenticated,
            // etcd lets it through without a code.
            Self::NoPasswordUser => Code::Unknown,
            Self::LeaseNotFound | Self::MemberNotFound => Code::NotFound,
            Self::TooManyRequests | Self::NoSpace => Code::ResourceExhausted,
            Self::LeaseExists
            | Self::NotLeader { .. }
            | Self::Learner
            | Self::MemberExists
            | Self::LearnerNotReady
            | Self::NotEnoughMembers
            | Self::BadTransferee
            | Self::PeerUrlsExist
            | Self::TooManyLearners
            | Self::NotLearner => Code::FailedPrecondition,
            Self::Compacted { .. } | Self::FutureRevision { .. } | Self::LeaseTtlTooLarge => {
                Code::OutOfRange
            }
            // The change in progress is ours: etcd lets the second one time out.
            Self::NoLeader
            | Self::LeaderChanged
            | Self::TimedOut
            | Self::Stopped
            | Self::ChangeInProgress
            | Self::Unhealthy => Code::Unavailable,
            Self::Corrupt => Code::DataLoss,
        }
    }

    /// Whether the refusal is itself an observation of the store's state, decided when the request was executed.
    #[must_use]
    pub const fn is_observation(&self) -> bool {
        matches!(
            self,
            Self::KeyNotFound
                | Self::LeaseNotFound
                | Self::LeaseExists
                | Self::Compacted { .. }
                | Self::FutureRevision { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// etcd's `rpctypes/error.go`, row by row.
    const TABLE: &[(Error, &str, Code)] = &[
        (Error::EmptyKey, "key is not provided", Code::InvalidArgument),
        (Error::KeyNotFound, "key not found", Code::InvalidArgument),
        (Error::ValueProvided, "value is provided", Code::InvalidArgument),
        (Error::LeaseProvided, "lease is provided", Code::InvalidArgument),
        (Error::LeaseNotFound, "requested lease not found", Code::NotFound),
        (Error::LeaseExists, "lease already exists", Code::FailedPrecondition),
        (Error::LeaseTtlTooLarge, "too large lease TTL", Code::OutOfRange),
        (Error::TooManyOps, "too many operations in txn request", Code::InvalidArgument),
        (Error::DuplicateKey, "duplicate key given in txn request", Code::InvalidArgument),
        (
            Error::Compacted { compacted: Revision(1) },
            "mvcc: required revision has been compacted",
            Code::OutOfRange,
        ),
        (
            Error::FutureRevision { current: Revision(1) },
            "mvcc: required revision is a future revision",
            Code::OutOfRange,
        ),
        (Error::RequestTooLarge, "request is too large", Code::InvalidArgument),
        (Error::TooManyRequests, "too many requests", Code::ResourceExhausted),
        (Error::NotLeader { hint: None }, "not leader", Code::FailedPrecondition),
        (Error::NoLeader, "no leader", Code::Unavailable),
        (Error::LeaderChanged, "leader changed", Code::Unavailable),
        (Error::TimedOut, "request timed out", Code::Unavailable),
        (Error::Stopped, "server stopped", Code::Unavailable),
        (Error::Learner, "rpc not supported for learner", Code::FailedPrecondition),
        // Ours: etcd lets the second change time out.
        (Error::ChangeInProgress, "another membership change is in progress", Code::Unavailable),
        (Error::MemberNotFound, "member not found", Code::NotFound),
        (Error::MemberExists, "member ID already exist", Code::FailedPrecondition),
        (
            Error::LearnerNotReady,
            "can only promote a learner member which is in sync with leader",
            Code::FailedPrecondition,
        ),
        (
            Error::NotEnoughMembers,
            "re-configuration failed due to not enough started members",
            Code::FailedPrecondition,
        ),
        (Error::BadTransferee, "bad leader transferee", Code::FailedPrecondition),
        (Error::NoSpace, "mvcc: database space exceeded", Code::ResourceExhausted),
        (Error::Corrupt, "corrupt cluster", Code::DataLoss),
        (Error::PeerUrlsExist, "Peer URLs already exists", Code::FailedPrecondition),
        (Error::BadPeerUrls, "given member URLs are invalid", Code::InvalidArgument),
        (Error::TooManyLearners, "too many learner members in cluster", Code::FailedPrecondition),
        (Error::NotLearner, "can only promote a learner member", Code::FailedPrecondition),
        (Error::Unhealthy, "unhealthy cluster", Code::Unavailable),
        (Error::RootUserMissing, "root user does not exist", Code::InvalidArgument),
        (Error::RootRoleMissing, "root user does not have root role", Code::InvalidArgument),
        (Error::UserExists, "user name already exists", Code::InvalidArgument),
        (Error::UserEmpty, "user name is empty", Code::InvalidArgument),
        (Error::UserNotFound, "user name not found", Code::InvalidArgument),
        (Error::RoleExists, "role name already exists", Code::InvalidArgument),
        (Error::RoleNotFound, "role name not found", Code::InvalidArgument),
        (Error::RoleEmpty, "role name is empty", Code::InvalidArgument),
        (
            Error::AuthFailed,
            "authentication failed, invalid user ID or password",
            Code::InvalidArgument,
        ),
        (Error::PermissionMissing, "permission not given", Code::InvalidArgument),
        (Error::PermissionDenied, "permission denied", Code::PermissionDenied),
        (Error::RoleNotGranted, "role is not granted to the user", Code::InvalidArgument),
        (
            Error::PermissionNotGranted,
            "permission is not granted to the role",
            Code::InvalidArgument,
        ),
        (Error::AuthNotEnabled, "authentication is not enabled", Code::InvalidArgument),
        (Error::InvalidToken, "invalid auth token", Code::Unauthenticated),
        (Error::InvalidAuthManagement, "invalid auth management", Code::InvalidArgument),
        (Error::AuthOldRevision, "revision of auth store is old", Code::InvalidArgument),
        (
            Error::NoPasswordUser,
            "auth: authentication failed, password was given for no password user",
            Code::Unknown,
        ),
    ];

    #[test]
    fn every_refusal_has_the_text_and_the_code_of_etcd() {
        for (error, text, code) in TABLE {
            let prefix = if text.starts_with("auth: ") { "" } else { "etcdserver: " };
            assert_eq!(error.to_string(), format!("{prefix}{text}"));
            assert_eq!(error.code(), *code, "{error}");
        }
    }

    /// The names of the variants come from this file, so that a new one without a row fails here.
    #[test]
    fn no_refusal_is_left_out_of_the_table() {
        let source = include_str!("error.rs");
        let (_, rest) = source.split_once("pub enum Error {").expect("the enum is here");
        let (body, _) = rest.split_once("\n}\n").expect("it ends");
        let is_variant = |line: &&str| {
            line.strip_prefix("    ")
                .is_some_and(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        };
        for line in body.lines().filter(is_variant) {
            let name = line.trim().trim_end_matches([',', '{', ' ']);
            let name = name.split('(').next().expect("a name");
            let has_row = TABLE.iter().any(|(error, ..)| {
                let debug = format!("{error:?}");
                debug.split([' ', '(']).next() == Some(name)
            });
            assert!(has_row, "{name} has no row");
        }
    }
}
