//! Users, roles and permissions.

use super::kv::{key_and_end, key_range};
use crate::proto::{authpb, etcdserverpb as pb};
use whitewater_api::{
    AuthRequest, KeyRange,
    auth::{Credential, Permission, PermissionKind},
};

/// A message that is a request about users or roles.
pub(crate) trait IntoAuth {
    /// The request.
    fn into_auth(self) -> AuthRequest;
}

/// The request in a message.
pub(crate) fn auth_request(message: impl IntoAuth) -> AuthRequest {
    message.into_auth()
}

macro_rules! into_auth {
    ($($message:ident => |$name:pat_param| $request:expr;)+) => {
        $(impl IntoAuth for pb::$message {
            fn into_auth(self) -> AuthRequest {
                let $name = self;
                $request
            }
        })+
    };
}

into_auth! {
    AuthEnableRequest => |_| AuthRequest::Enable;
    AuthDisableRequest => |_| AuthRequest::Disable;
    AuthStatusRequest => |_| AuthRequest::Status;
    AuthenticateRequest => |m| AuthRequest::Authenticate { user: m.name, password: m.password.into() };
    AuthUserAddRequest => |m| {
        let no_password = m.options.is_some_and(|options| options.no_password);
        let credential = credential(no_password, m.password, m.hashed_password);
        AuthRequest::UserAdd { user: m.name, credential }
    };
    AuthUserGetRequest => |m| AuthRequest::UserGet(m.name);
    AuthUserListRequest => |_| AuthRequest::UserList;
    AuthUserDeleteRequest => |m| AuthRequest::UserDelete(m.name);
    AuthUserChangePasswordRequest => |m| {
        let credential = credential(false, m.password, m.hashed_password);
        AuthRequest::UserChangePassword { user: m.name, credential }
    };
    AuthUserGrantRoleRequest => |m| AuthRequest::UserGrantRole { user: m.user, role: m.role };
    AuthUserRevokeRoleRequest => |m| AuthRequest::UserRevokeRole { user: m.name, role: m.role };
    AuthRoleAddRequest => |m| AuthRequest::RoleAdd(m.name);
    AuthRoleGetRequest => |m| AuthRequest::RoleGet(m.role);
    AuthRoleListRequest => |_| AuthRequest::RoleList;
    AuthRoleDeleteRequest => |m| AuthRequest::RoleDelete(m.role);
    AuthRoleGrantPermissionRequest => |m| AuthRequest::RoleGrantPermission {
        role: m.name,
        permission: m.perm.map(permission),
    };
    AuthRoleRevokePermissionRequest => |m| AuthRequest::RoleRevokePermission {
        role: m.role,
        range: key_range(m.key, m.range_end),
    };
}

fn credential(no_password: bool, password: String, hash: String) -> Credential {
    if no_password {
        Credential::None
    } else if hash.is_empty() {
        Credential::Password(password.into())
    } else {
        Credential::Hash(hash)
    }
}

fn permission(permission: authpb::Permission) -> Permission {
    let kind = match permission.perm_type() {
        authpb::permission::Type::Read => PermissionKind::Read,
        authpb::permission::Type::Write => PermissionKind::Write,
        authpb::permission::Type::Readwrite => PermissionKind::ReadWrite,
    };
    let range: KeyRange = key_range(permission.key, permission.range_end);
    Permission { kind, range }
}

/// The permissions of a role.
pub(crate) fn permissions(permissions: Vec<Permission>) -> Vec<authpb::Permission> {
    let wire = |permission: Permission| {
        use authpb::permission::Type;
        let kind = match permission.kind {
            PermissionKind::Read => Type::Read,
            PermissionKind::Write => Type::Write,
            PermissionKind::ReadWrite => Type::Readwrite,
        };
        let (key, range_end) = key_and_end(permission.range);
        authpb::Permission { perm_type: kind.into(), key, range_end }
    };
    permissions.into_iter().map(wire).collect()
}
