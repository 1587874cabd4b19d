//! Steps about who may do what: `login alice sesame`, `role-grant reader read k*`.

use std::fmt;
use whitewater_api::{
    AuthRequest, Key, KeyRange, Value,
    auth::{Credential, Permission, PermissionKind, Secret},
};

/// What a client does with users and roles, and the ways round permissions that it tries. The passwords of a plan are no
/// secrets, so a plan shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthStep {
    /// `login USER PASSWORD`: from then on the client shows a token of that user, and gets another one when it is refused.
    Login(String, String),
    /// `logout`: from then on it shows nothing.
    Logout,
    /// `auth-enable`, `user-add U P`, `user-delete U`, `user-passwd U P`, `user-grant U R`, `user-revoke U R`,
    /// `user-list`, `role-add R`, `role-delete R`, `role-grant R KIND RANGE`, `role-revoke R RANGE`, `role-list`,
    /// `auth-disable` or `auth-status`. A range is a key `k3`, a prefix `k*`, or all from a key on `k3+`.
    Manage(Box<AuthRequest>, Option<String>),
    /// `sneak KEY VALUE`: a put in a transaction in a transaction.
    Sneak(Key, Value),
    /// `look KEY VALUE`: a put in a transaction that asks what was there before.
    Look(Key, Value),
    /// `peek KEY`: a transaction that does nothing but compare.
    Peek(Key),
}

impl AuthStep {
    /// Reads a step; nothing if the words are of another kind of steps.
    pub(super) fn parse(words: &[&str]) -> Option<Result<Self, &'static str>> {
        let text = |word: &str| word.to_owned();
        let manage = |request| Ok(Self::Manage(Box::new(request), None));
        let with_password = |request, password: &str| {
            Ok(Self::Manage(Box::new(request), Some(password.to_owned())))
        };
        Some(match *words {
            ["login", user, password] => Ok(Self::Login(text(user), text(password))),
            ["logout"] => Ok(Self::Logout),
            ["sneak", key, value] => Ok(Self::Sneak(key.into(), value.into())),
            ["look", key, value] => Ok(Self::Look(key.into(), value.into())),
            ["peek", key] => Ok(Self::Peek(key.into())),
            ["auth-enable"] => manage(AuthRequest::Enable),
            ["auth-disable"] => manage(AuthRequest::Disable),
            ["auth-status"] => manage(AuthRequest::Status),
            ["user-list"] => manage(AuthRequest::UserList),
            ["role-list"] => manage(AuthRequest::RoleList),
            ["user-add", user, password] => {
                let credential = Credential::Password(Secret::from(password));
                with_password(AuthRequest::UserAdd { user: text(user), credential }, password)
            }
            ["user-passwd", user, password] => {
                let (user, credential) = (text(user), Credential::Password(Secret::from(password)));
                with_password(AuthRequest::UserChangePassword { user, credential }, password)
            }
            ["user-delete", user] => manage(AuthRequest::UserDelete(text(user))),
            ["user-grant", user, role] => {
                manage(AuthRequest::UserGrantRole { user: text(user), role: text(role) })
            }
            ["user-revoke", user, role] => {
                manage(AuthRequest::UserRevokeRole { user: text(user), role: text(role) })
            }
            ["role-add", role] => manage(AuthRequest::RoleAdd(text(role))),
            ["role-delete", role] => manage(AuthRequest::RoleDelete(text(role))),
            ["role-grant", role, kind, range] => kind_of(kind).and_then(|kind| {
                let permission = Some(Permission { kind, range: range_of(range) });
                manage(AuthRequest::RoleGrantPermission { role: text(role), permission })
            }),
            ["role-revoke", role, range] => {
                let range = range_of(range);
                manage(AuthRequest::RoleRevokePermission { role: text(role), range })
            }
            _ => return None,
        })
    }

    /// The same with its range written as a plan writes it.
    fn range(range: &KeyRange) -> String {
        if *range == KeyRange::single(range.start.clone()) {
            range.start.to_string()
        } else if *range == KeyRange::from_key(range.start.clone()) {
            format!("{}+", range.start)
        } else {
            format!("{}*", range.start)
        }
    }
}

fn kind_of(word: &str) -> Result<PermissionKind, &'static str> {
    match word {
        "read" => Ok(PermissionKind::Read),
        "write" => Ok(PermissionKind::Write),
        "readwrite" => Ok(PermissionKind::ReadWrite),
        _ => Err("read, write or readwrite"),
    }
}

fn range_of(word: &str) -> KeyRange {
    if let Some(prefix) = word.strip_suffix('*') {
        return KeyRange::prefix(prefix);
    }
    word.strip_suffix('+').map_or_else(|| KeyRange::single(word), KeyRange::from_key)
}

impl fmt::Display for AuthStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(user, password) => write!(f, "login {user} {password}"),
            Self::Logout => f.write_str("logout"),
            Self::Sneak(key, value) => write!(f, "sneak {key} {value}"),
            Self::Look(key, value) => write!(f, "look {key} {value}"),
            Self::Peek(key) => write!(f, "peek {key}"),
            Self::Manage(request, password) => match (&**request, password) {
                (request, Some(password)) => write!(f, "{request} {password}"),
                (AuthRequest::RoleGrantPermission { role, permission: Some(permission) }, None) => {
                    let range = Self::range(&permission.range);
                    write!(f, "role-grant {role} {} {range}", permission.kind)
                }
                (AuthRequest::RoleRevokePermission { role, range }, None) => {
                    write!(f, "role-revoke {role} {}", Self::range(range))
                }
                (request, None) => request.fmt(f),
            },
        }
    }
}
