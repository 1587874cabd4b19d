//! Why a request was refused, and whether it took effect all the same.

use crate::{NodeId, Revision};
use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $({ $($(#[$about:meta])* $field:ident: $type:ty,)* })? = $code:ident $effect:ident $text:literal;)*) => {
        /// A refusal. Texts are etcd's where etcd has one, because clients match on them.
        #[derive(Clone, Debug, PartialEq, Eq, ThisError, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Error {
            $($(#[$doc])* #[error($text)] $name $({ $($(#[$about])* $field: $type,)* })?,)*
        }

        /// The names of all, for tests.
        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name),)*];

        impl Error {
            /// The gRPC code that etcd gives with the text, and what the refused request did.
            const fn row(&self) -> (Code, Effect) {
                match self {
                    $(Self::$name $({ $($field: _,)* })? => (Code::$code, Effect::$effect),)*
                }
            }
        }
    };
}

// As in etcd's `api/v3rpc/rpctypes/error.go`: the code, whether it took effect all the same, and the text.
refusals! {
    /// A request without a key.
    EmptyKey = InvalidArgument None "etcdserver: key is not provided";
    /// `ignore_value` or `ignore_lease` on an absent key.
    KeyNotFound = InvalidArgument None "etcdserver: key not found";
    /// `ignore_value` together with a value.
    ValueProvided = InvalidArgument None "etcdserver: value is provided";
    /// `ignore_lease` together with a lease.
    LeaseProvided = InvalidArgument None "etcdserver: lease is provided";
    /// The lease does not exist.
    LeaseNotFound = NotFound None "etcdserver: requested lease not found";
    /// A lease of that id is there already.
    LeaseExists = FailedPrecondition None "etcdserver: lease already exists";
    /// No lease may last that long.
    LeaseTtlTooLarge = OutOfRange None "etcdserver: too large lease TTL";
    /// Too many compares, or operations in a branch.
    TooManyOps = InvalidArgument None "etcdserver: too many operations in txn request";
    /// A branch writes the same key twice.
    DuplicateKey = InvalidArgument None "etcdserver: duplicate key given in txn request";
    /// The revision lies below the last compaction.
    Compacted {
        /// The oldest revision that can still be read.
        compacted: Revision,
    } = OutOfRange None "etcdserver: mvcc: required revision has been compacted";
    /// The revision does not exist yet.
    FutureRevision {
        /// The newest revision.
        current: Revision,
    } = OutOfRange None "etcdserver: mvcc: required revision is a future revision";
    /// The encoded request is larger than the limit.
    RequestTooLarge = InvalidArgument None "etcdserver: request is too large";
    /// A bounded queue is full. The request did not happen.
    TooManyRequests = ResourceExhausted None "etcdserver: too many requests";
    /// This node does not lead; ask the one in the hint.
    NotLeader {
        /// Who leads, as far as this node knows.
        hint: Option<NodeId>,
    } = FailedPrecondition None "etcdserver: not leader";
    /// Nobody leads, as far as this node knows. The request did not happen.
    NoLeader = Unavailable None "etcdserver: no leader";
    /// The leader changed before the outcome was known.
    LeaderChanged = Unavailable Unknown "etcdserver: leader changed";
    /// The answer did not come in time.
    TimedOut = Unavailable Unknown "etcdserver: request timed out";
    /// The replica has stopped.
    Stopped = Unavailable Unknown "etcdserver: server stopped";
    /// A learner does not serve this.
    Learner = FailedPrecondition None "etcdserver: rpc not supported for learner";
    /// Another membership change has not finished. Ours: etcd lets the second one time out.
    ChangeInProgress = Unavailable None "etcdserver: another membership change is in progress";
    /// The member is not there.
    MemberNotFound = NotFound None "etcdserver: member not found";
    /// The member is there already, or its id was used before.
    MemberExists = FailedPrecondition None "etcdserver: member ID already exist";
    /// Only a learner that has caught up may be promoted.
    LearnerNotReady = FailedPrecondition None "etcdserver: can only promote a learner member which is in sync with leader";
    /// The change would leave no voter.
    NotEnoughMembers = FailedPrecondition None "etcdserver: re-configuration failed due to not enough started members";
    /// The leadership cannot go to that member.
    BadTransferee = FailedPrecondition None "etcdserver: bad leader transferee";
    /// The quota is used up, or the disk is full. The request did not happen.
    NoSpace = ResourceExhausted None "etcdserver: mvcc: database space exceeded";
    /// Auth cannot be enabled without the user root.
    RootUserMissing = FailedPrecondition None "etcdserver: root user does not exist";
    /// Auth cannot be enabled unless the user root has the role root.
    RootRoleMissing = FailedPrecondition None "etcdserver: root user does not have root role";
    /// A user of that name is there already.
    UserExists = FailedPrecondition None "etcdserver: user name already exists";
    /// A user without a name; or a request that shows nobody, where auth is enabled.
    UserEmpty = InvalidArgument None "etcdserver: user name is empty";
    /// There is no such user.
    UserNotFound = FailedPrecondition None "etcdserver: user name not found";
    /// A role of that name is there already.
    RoleExists = FailedPrecondition None "etcdserver: role name already exists";
    /// There is no such role.
    RoleNotFound = FailedPrecondition None "etcdserver: role name not found";
    /// A role without a name.
    RoleEmpty = InvalidArgument None "etcdserver: role name is empty";
    /// The user is unknown, or the password another one.
    AuthFailed = InvalidArgument None "etcdserver: authentication failed, invalid user ID or password";
    /// A permission to grant was not given.
    PermissionMissing = InvalidArgument None "etcdserver: permission not given";
    /// The user may not do that.
    PermissionDenied = PermissionDenied None "etcdserver: permission denied";
    /// The user does not have that role.
    RoleNotGranted = FailedPrecondition None "etcdserver: role is not granted to the user";
    /// The role does not have a permission for just that range.
    PermissionNotGranted = FailedPrecondition None "etcdserver: permission is not granted to the role";
    /// There are no tokens while auth is not enabled.
    AuthNotEnabled = FailedPrecondition None "etcdserver: authentication is not enabled";
    /// The token is unknown here, or its time is over.
    InvalidToken = Unauthenticated None "etcdserver: invalid auth token";
    /// The change would lock everybody out, or is about no range.
    InvalidAuthManagement = InvalidArgument None "etcdserver: invalid auth management";
    /// Users, roles or permissions have changed since the token was given.
    AuthOldRevision = InvalidArgument None "etcdserver: revision of auth store is old";
    /// The user has no password (etcd has no code for this one).
    NoPasswordUser = Unknown None "auth: authentication failed, password was given for no password user";
    /// Members hold different content: nothing that they say can be trusted.
    Corrupt = DataLoss None "etcdserver: corrupt cluster";
    /// Another member has one of these peer URLs.
    PeerUrlsExist = FailedPrecondition None "etcdserver: Peer URLs already exists";
    /// A member needs peer URLs.
    BadPeerUrls = InvalidArgument None "etcdserver: given member URLs are invalid";
    /// There are as many learners as there may be.
    TooManyLearners = FailedPrecondition None "etcdserver: too many learner members in cluster";
    /// The member votes already.
    NotLearner = FailedPrecondition None "etcdserver: can only promote a learner member";
    /// Too few voters are connected for a change of the membership.
    Unhealthy = Unavailable None "etcdserver: unhealthy cluster";
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
        self.row().1
    }

    /// The gRPC code that etcd gives with the text.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.row().0
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
        (Error::RootUserMissing, "root user does not exist", Code::FailedPrecondition),
        (Error::RootRoleMissing, "root user does not have root role", Code::FailedPrecondition),
        (Error::UserExists, "user name already exists", Code::FailedPrecondition),
        (Error::UserEmpty, "user name is empty", Code::InvalidArgument),
        (Error::UserNotFound, "user name not found", Code::FailedPrecondition),
        (Error::RoleExists, "role name already exists", Code::FailedPrecondition),
        (Error::RoleNotFound, "role name not found", Code::FailedPrecondition),
        (Error::RoleEmpty, "role name is empty", Code::InvalidArgument),
        (
            Error::AuthFailed,
            "authentication failed, invalid user ID or password",
            Code::InvalidArgument,
        ),
        (Error::PermissionMissing, "permission not given", Code::InvalidArgument),
        (Error::PermissionDenied, "permission denied", Code::PermissionDenied),
        (Error::RoleNotGranted, "role is not granted to the user", Code::FailedPrecondition),
        (
            Error::PermissionNotGranted,
            "permission is not granted to the role",
            Code::FailedPrecondition,
        ),
        (Error::AuthNotEnabled, "authentication is not enabled", Code::FailedPrecondition),
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

    #[test]
    fn no_refusal_is_left_out_of_the_table() {
        for name in NAMES {
            let has_row = TABLE.iter().any(|(error, ..)| {
                let debug = format!("{error:?}");
                debug.split([' ', '(']).next() == Some(name)
            });
            assert!(has_row, "{name} has no row");
        }
    }
}
