//! Who may do what: users, roles, permissions and tokens (etcd, `rpc.proto`, service Auth, and `auth.proto`).

use crate::KeyRange;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// The user that may do everything once it has [`ROOT`] for a role, too.
pub const ROOT: &str = "root";

/// The logical clock of users, roles and permissions: one step for each change of them. A new cluster is at 1.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct AuthRevision(pub u64);

/// A password or a token: something that who reads a log, a trace, a history or an error must not learn. What is shown
/// and written of it is a mark of 16 bits, by which two of them can mostly be told apart. Two with the same mark are
/// equal, so compare the texts where it matters.
#[derive(Clone)]
pub struct Secret {
    /// Empty where it was read back from a record.
    text: String,
    mark: u16,
}

/// What a client shows with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Caller {
    /// Nothing.
    #[default]
    Nobody,
    /// A token that it was given for its password.
    Token(Secret),
    /// A certificate that the host has checked, of this common name.
    Certificate(String),
}

/// Whom a request counts for, as of which state of users and roles. Travels through the log with the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user.
    pub user: String,
    /// The revision that was in force when the token was given, or the request admitted.
    pub revision: AuthRevision,
}

/// What a client may ask about users and roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthRequest {
    /// From now on, ask who it is. There must be a user root with the role root.
    Enable,
    /// From now on, let everybody do everything.
    Disable,
    /// Whether it is enabled, and the revision.
    Status,
    /// Give a token for a password.
    Authenticate {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// Add a user.
    UserAdd {
        /// The user.
        user: String,
        /// How it proves who it is.
        credential: Credential,
    },
    /// The roles of a user.
    UserGet(String),
    /// All users.
    UserList,
    /// Delete a user.
    UserDelete(String),
    /// Change how a user proves who it is. A user without a password stays without.
    UserChangePassword {
        /// The user.
        user: String,
        /// The new password.
        credential: Credential,
    },
    /// Give a user a role.
    UserGrantRole {
        /// The user.
        user: String,
        /// The role.
        role: String,
    },
    /// Take a role from a user.
    UserRevokeRole {
        /// The user.
        user: String,
        /// The role.
        role: String,
    },
    /// Add a role without permissions.
    RoleAdd(String),
    /// The permissions of a role.
    RoleGet(String),
    /// All roles.
    RoleList,
    /// Delete a role, and take it from all users.
    RoleDelete(String),
    /// Give a role a permission, in place of the one that it has for the same range.
    RoleGrantPermission {
        /// The role.
        role: String,
        /// The permission.
        permission: Option<Permission>,
    },
    /// Take the permission for just this range from a role.
    RoleRevokePermission {
        /// The role.
        role: String,
        /// The range.
        range: KeyRange,
    },
}

/// How a user proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// By a certificate only.
    None,
    /// By this password. Never goes into the log.
    Password(Secret),
    /// By the password with this bcrypt hash, in its usual text form.
    Hash(String),
}

/// What a role may do in a range of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// What.
    pub kind: PermissionKind,
    /// Where. Only keys that lie in it wholly, or in a union of such ranges.
    pub range: KeyRange,
}

/// What a permission permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermissionKind {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Both.
    ReadWrite,
}

/// The answer to each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthResponse {
    /// It is done.
    Done,
    /// To a question for the status.
    Status {
        /// Whether it is enabled.
        enabled: bool,
        /// The revision.
        revision: AuthRevision,
    },
    /// To a password.
    Token(Secret),
    /// The users, in order.
    Users(Vec<String>),
    /// The roles, all of them or a user's, in order.
    Roles(Vec<String>),
    /// The permissions of a role, in order.
    Permissions(Vec<Permission>),
}

impl AuthRequest {
    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(
            self,
            Self::Status | Self::UserGet(_) | Self::UserList | Self::RoleGet(_) | Self::RoleList
        )
    }
}

impl PermissionKind {
    /// Whether it permits this. Never asked about both.
    #[must_use]
    pub fn permits(self, wanted: Self) -> bool {
        self == wanted || self == Self::ReadWrite
    }
}

impl Secret {
    /// What it is, for whom it is meant.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether it is known at all: one that was read back from a record is not.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.text.is_empty()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        // FNV-1a, folded: enough to see whether it is another one, too little to find it by.
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, step);
        let folded = (hash ^ hash >> 16 ^ hash >> 32 ^ hash >> 48) & 0xffff;
        let mark = u16::try_from(folded).expect("16 bits are left");
        Self { text, mark }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.mark == other.mark
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:04x}", self.mark)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.mark.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { text: String::new(), mark: u16::deserialize(deserializer)? })
    }
}

impl fmt::Display for AuthRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{}", self.0)
    }
}

impl fmt::Display for PermissionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadWrite => "readwrite",
        })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.range)
    }
}

impl fmt::Display for AuthRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enable => f.write_str("auth-enable"),
            Self::Disable => f.write_str("auth-disable"),
            Self::Status => f.write_str("auth-status"),
            Self::Authenticate { user, .. } => write!(f, "authenticate {user}"),
            Self::UserAdd { user, .. } => write!(f, "user-add {user}"),
            Self::UserGet(user) => write!(f, "user-get {user}"),
            Self::UserList => f.write_str("user-list"),
            Self::UserDelete(user) => write!(f, "user-delete {user}"),
            Self::UserChangePassword { user, .. } => write!(f, "user-passwd {user}"),
            Self::UserGrantRole { user, role } => write!(f, "user-grant {user} {role}"),
            Self::UserRevokeRole { user, role } => write!(f, "user-revoke {user} {role}"),
            Self::RoleAdd(role) => write!(f, "role-add {role}"),
            Self::RoleGet(role) => write!(f, "role-get {role}"),
            Self::RoleList => f.write_str("role-list"),
            Self::RoleDelete(role) => write!(f, "role-delete {role}"),
            Self::RoleGrantPermission { role, permission: Some(permission) } => {
                write!(f, "role-grant {role} {permission}")
            }
            Self::RoleGrantPermission { role, permission: None } => {
                write!(f, "role-grant {role} nothing")
            }
            Self::RoleRevokePermission { role, range } => write!(f, "role-revoke {role} {range}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_written_or_shown_tells_a_secret() {
        let request = AuthRequest::UserAdd {
            user: "alice".into(),
            credential: Credential::Password("open sesame".into()),
        };
        let shown = format!("{request} {request:?} {}", serde_json::to_string(&request).unwrap());
        assert!(!shown.contains("sesame"), "{shown}");
        let caller = Caller::Token("k3RtXb.7".into());
        assert!(!format!("{caller:?}").contains("k3RtXb"));
        let read: AuthRequest =
            serde_json::from_str(&serde_json::to_string(&request).unwrap()).unwrap();
        assert_eq!(read, request);
    }
}
