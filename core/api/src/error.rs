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
    /// The disk is full. The request did not happen.
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
            | Self::NoPasswordUser => Effect::None,
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
