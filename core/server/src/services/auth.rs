//! Auth.

use super::{Services, caller};
use crate::{
    convert::{self, auth_request},
    proto::etcdserverpb::{self as pb, auth_server::Auth},
};
use tonic::{Request as Call, Response as Reply, Status};
use whitewater_api::{AuthRequest, AuthResponse, Body, Caller, Header, Request};

impl Services {
    async fn ask_auth(
        &self,
        caller: Caller,
        request: AuthRequest,
    ) -> Result<(Header, AuthResponse), Status> {
        let response = self.ask(caller, Request::Auth(request)).await?;
        let Body::Auth(auth) = response.body else { return convert::unexpected() };
        Ok((response.header, auth))
    }
}

/// Methods whose answer is a header, and what else the core's answer tells.
macro_rules! methods {
    ($($method:ident($request:ident) -> $response:ident {
        $($answer:pat => $($field:ident: $value:expr),+)?
    })+) => {
        #[tonic::async_trait]
        impl Auth for Services {
            $(async fn $method(
                &self,
                call: Call<pb::$request>,
            ) -> Result<Reply<pb::$response>, Status> {
                let caller = caller(&call);
                let asked = self.ask_auth(caller, auth_request(call.into_inner())).await?;
                let (header, answer) = asked;
                let _ = &answer;
                $(let $answer = answer else { return convert::unexpected() };)?
                Ok(Reply::new(pb::$response {
                    header: convert::header(&header),
                    $($($field: $value),+)?
                }))
            })+
        }
    };
}

methods! {
    auth_enable(AuthEnableRequest) -> AuthEnableResponse {}
    auth_disable(AuthDisableRequest) -> AuthDisableResponse {}
    auth_status(AuthStatusRequest) -> AuthStatusResponse {
        AuthResponse::Status { enabled: is_enabled, revision } => enabled: is_enabled, auth_revision: revision.0
    }
    authenticate(AuthenticateRequest) -> AuthenticateResponse {
        AuthResponse::Token(token) => token: token.reveal().to_owned()
    }
    user_add(AuthUserAddRequest) -> AuthUserAddResponse {}
    user_get(AuthUserGetRequest) -> AuthUserGetResponse {
        AuthResponse::Roles(names) => roles: names
    }
    user_list(AuthUserListRequest) -> AuthUserListResponse {
        AuthResponse::Users(names) => users: names
    }
    user_delete(AuthUserDeleteRequest) -> AuthUserDeleteResponse {}
    user_change_password(AuthUserChangePasswordRequest) -> AuthUserChangePasswordResponse {}
    user_grant_role(AuthUserGrantRoleRequest) -> AuthUserGrantRoleResponse {}
    user_revoke_role(AuthUserRevokeRoleRequest) -> AuthUserRevokeRoleResponse {}
    role_add(AuthRoleAddRequest) -> AuthRoleAddResponse {}
    role_get(AuthRoleGetRequest) -> AuthRoleGetResponse {
        AuthResponse::Permissions(permissions) => perm: convert::permissions(permissions)
    }
    role_list(AuthRoleListRequest) -> AuthRoleListResponse {
        AuthResponse::Roles(names) => roles: names
    }
    role_delete(AuthRoleDeleteRequest) -> AuthRoleDeleteResponse {}
    role_grant_permission(AuthRoleGrantPermissionRequest) -> AuthRoleGrantPermissionResponse {}
    role_revoke_permission(AuthRoleRevokePermissionRequest) -> AuthRoleRevokePermissionResponse {}
}
