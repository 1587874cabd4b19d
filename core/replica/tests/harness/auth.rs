//! The verbs about users, roles and tokens, and those that can be refused in more ways than one.
//!
//! | verb | what is asked |
//! |---|---|
//! | `auth-enable n1`, `auth-disable n1`, `auth-status n1` | |
//! | `authenticate n1 alice PASSWORD` | a token |
//! | `user-add n1 alice PASSWORD`, `user-add n1 alice` | a user, with and without a password |
//! | `user-get`, `user-list`, `user-delete`, `user-passwd n1 alice PASSWORD`, `user-grant n1 alice ROLE`, `user-revoke` | |
//! | `role-add n1 ROLE`, `role-get`, `role-list`, `role-delete` | |
//! | `role-grant n1 ROLE read/write/readwrite RANGE`, `role-revoke n1 ROLE RANGE` | ranges are `k`, `k*` (prefix), `k+` (from on) or `a-c` |
//! | `put-prev n1 k v`, `range n1 RANGE`, `stale-range n1 RANGE`, `delete-range n1 RANGE [prev=yes]` | |
//! | `nested n1 k v`, `peek n1 k v` | a put in a transaction in a transaction; a transaction that only compares |

use goldenscript::ArgumentConsumer;
use std::error::Error;
use whitewater_api::{
    AuthRequest, KeyRange, Request,
    auth::{Credential, Permission, PermissionKind},
    request::{
        Compare, CompareTarget, DeleteRangeRequest, PutRequest, RangeRequest, Relation, TxnOp,
        TxnRequest,
    },
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The request of a verb, if it is one of these.
pub(crate) fn request(verb: &str, args: &mut ArgumentConsumer) -> Outcome<Option<Request>> {
    if let Some(request) = data(verb, args)? {
        return Ok(Some(request));
    }
    let mut next =
        || args.next_pos().map(str::to_owned).ok_or_else(|| format!("{verb} wants more"));
    Ok(Some(Request::Auth(match verb {
        "auth-enable" => AuthRequest::Enable,
        "auth-disable" => AuthRequest::Disable,
        "auth-status" => AuthRequest::Status,
        "authenticate" => AuthRequest::Authenticate { user: next()?, password: next()?.into() },
        "user-add" => AuthRequest::UserAdd {
            user: next()?,
            credential: next()
                .map_or(Credential::None, |password| Credential::Password(password.into())),
        },
        "user-get" => AuthRequest::UserGet(next()?),
        "user-list" => AuthRequest::UserList,
        "user-delete" => AuthRequest::UserDelete(next()?),
        "user-passwd" => AuthRequest::UserChangePassword {
            user: next()?,
            credential: Credential::Password(next()?.into()),
        },
        "user-grant" => AuthRequest::UserGrantRole { user: next()?, role: next()? },
        "user-revoke" => AuthRequest::UserRevokeRole { user: next()?, role: next()? },
        "role-add" => AuthRequest::RoleAdd(next()?),
        "role-get" => AuthRequest::RoleGet(next()?),
        "role-list" => AuthRequest::RoleList,
        "role-delete" => AuthRequest::RoleDelete(next()?),
        "role-grant" => {
            let role = next()?;
            let kind = match next()?.as_str() {
                "read" => PermissionKind::Read,
                "write" => PermissionKind::Write,
                "readwrite" => PermissionKind::ReadWrite,
                other => return Err(format!("no permission to {other}").into()),
            };
            let permission = next().ok().map(|text| Permission { kind, range: range(&text) });
            AuthRequest::RoleGrantPermission { role, permission }
        }
        "role-revoke" => {
            AuthRequest::RoleRevokePermission { role: next()?, range: range(&next()?) }
        }
        _ => return Ok(None),
    })))
}

fn data(verb: &str, args: &mut ArgumentConsumer) -> Outcome<Option<Request>> {
    let prev_kv = verb == "delete-range" && args.take_key("prev") == Some("yes");
    let mut next = || args.next_pos().ok_or_else(|| format!("{verb} wants more"));
    Ok(Some(match verb {
        "put-prev" => {
            Request::Put(PutRequest { prev_kv: true, ..PutRequest::new(next()?, next()?) })
        }
        "txn-put-prev" => {
            let put = PutRequest { prev_kv: true, ..PutRequest::new(next()?, next()?) };
            Request::Txn(TxnRequest { success: vec![TxnOp::Put(put)], ..TxnRequest::default() })
        }
        "range" | "stale-range" => Request::Range(RangeRequest {
            serializable: verb == "stale-range",
            ..RangeRequest::new(range(next()?))
        }),
        "delete-range" => {
            Request::DeleteRange(DeleteRangeRequest { range: range(next()?), prev_kv })
        }
        "nested" => {
            let put = TxnOp::Put(PutRequest::new(next()?, next()?));
            let inner = TxnRequest { success: vec![put], ..TxnRequest::default() };
            Request::Txn(TxnRequest { success: vec![TxnOp::Txn(inner)], ..TxnRequest::default() })
        }
        "peek" => Request::Txn(TxnRequest {
            compares: vec![Compare {
                range: KeyRange::single(next()?),
                relation: Relation::Equal,
                target: CompareTarget::Value(next()?.into()),
            }],
            ..TxnRequest::default()
        }),
        _ => return Ok(None),
    }))
}

/// `k`, `k*`, `k+` or `a-c`.
fn range(text: &str) -> KeyRange {
    if let Some(prefix) = text.strip_suffix('*') {
        return KeyRange::prefix(prefix);
    }
    if let Some(start) = text.strip_suffix('+') {
        return KeyRange::from_key(start);
    }
    match text.split_once('-') {
        Some((start, end)) => KeyRange::span(start, end),
        None => KeyRange::single(text),
    }
}
