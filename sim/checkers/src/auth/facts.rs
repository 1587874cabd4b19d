//! What is known of users and roles at a time.

use std::collections::{BTreeMap, BTreeSet};
use whitewater_api::{
    AuthRequest, Completion, Effect, End, Key, KeyRange, Request, Revision,
    auth::{Credential, Permission, PermissionKind, ROOT},
};
use whitewater_record::{Operation, SimTime};

/// When an operation may have been carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: SimTime,
    pub(crate) to: SimTime,
    /// The revision that it made, if it made one: what was answered at an older one lies before it in the log, whatever the
    /// clock says.
    pub(crate) made: Option<Revision>,
}

/// Something that is false in a new cluster, and that changes make true or false.
#[derive(Clone, Copy, Debug)]
enum Fact<'a> {
    Enabled,
    Exists(&'a str),
    HasRole(&'a str, &'a str),
    Permits(&'a str, &'a KeyRange, PermissionKind),
    Fits(&'a str, &'a Credential),
}

/// A change that was asked for, and may have come about.
#[derive(Debug)]
struct Change<'h> {
    asked: SimTime,
    /// When it had certainly come about; never, if its outcome is not known.
    done: SimTime,
    /// The revision of the answer: it came about at that one, or at an older one.
    revision: Option<Revision>,
    request: &'h AuthRequest,
}

/// All changes of users and roles, by whom they are about: a run may have many of each, and a question is about few.
#[derive(Debug, Default)]
pub(crate) struct Facts<'h> {
    /// Of whether auth is enabled.
    switches: Vec<Change<'h>>,
    /// By user: of whether there is one, of its password and its roles.
    users: BTreeMap<&'h str, Vec<Change<'h>>>,
    /// By role: of whether there is one, and of what it permits.
    roles: BTreeMap<&'h str, Vec<Change<'h>>>,
    /// By role: every permission that was ever asked for.
    grants: BTreeMap<&'h str, BTreeSet<(&'h KeyRange, PermissionKind)>>,
}

impl<'h> Facts<'h> {
    pub(crate) fn new(operations: &'h [Operation]) -> Self {
        let mut facts = Self::default();
        for operation in operations {
            let Request::Auth(request) = &operation.request else { continue };
            let mut revision = None;
            let done = match &operation.completion {
                Completion::Ok(response) => {
                    revision = Some(response.header.revision);
                    operation.completed
                }
                Completion::Fail(error) if error.effect() == Effect::None => continue,
                Completion::Fail(_) | Completion::Info(_) => SimTime::NEVER,
            };
            if let AuthRequest::RoleGrantPermission { role, permission: Some(permission) } = request
            {
                let grants = facts.grants.entry(role.as_str()).or_default();
                grants.insert((&permission.range, permission.kind));
            }
            facts.add(Change { asked: operation.invoked, done, revision, request });
        }
        facts
    }

    fn add(&mut self, change: Change<'h>) {
        let about = match change.request {
            AuthRequest::Enable | AuthRequest::Disable => &mut self.switches,
            AuthRequest::UserAdd { user, .. }
            | AuthRequest::UserDelete(user)
            | AuthRequest::UserChangePassword { user, .. }
            | AuthRequest::UserGrantRole { user, .. }
            | AuthRequest::UserRevokeRole { user, .. } => self.users.entry(user).or_default(),
            AuthRequest::RoleAdd(role)
            | AuthRequest::RoleDelete(role)
            | AuthRequest::RoleGrantPermission { role, .. }
            | AuthRequest::RoleRevokePermission { role, .. } => self.roles.entry(role).or_default(),
            AuthRequest::Status
            | AuthRequest::Authenticate { .. }
            | AuthRequest::UserGet(_)
            | AuthRequest::UserList
            | AuthRequest::RoleGet(_)
            | AuthRequest::RoleList => return,
        };
        about.push(change);
    }

    /// Whether auth cannot have been enabled at all.
    pub(crate) fn is_empty(&self) -> bool {
        !self.switches.iter().any(|change| matches!(change.request, AuthRequest::Enable))
    }

    pub(crate) fn may_be_enabled(&self, window: Window) -> bool {
        self.may(Fact::Enabled, true, window)
    }

    pub(crate) fn may_be_disabled(&self, window: Window) -> bool {
        self.may(Fact::Enabled, false, window)
    }

    pub(crate) fn may_exist(&self, user: &str, window: Window) -> bool {
        self.may(Fact::Exists(user), true, window)
    }

    pub(crate) fn may_be_absent(&self, user: &str, window: Window) -> bool {
        self.may(Fact::Exists(user), false, window)
    }

    pub(crate) fn may_be_root(&self, user: &str, window: Window) -> bool {
        self.may(Fact::HasRole(user, ROOT), true, window)
    }

    pub(crate) fn may_not_be_root(&self, user: &str, window: Window) -> bool {
        self.may(Fact::HasRole(user, ROOT), false, window)
    }

    pub(crate) fn may_fit(&self, user: &str, credential: &Credential, window: Window) -> bool {
        self.may(Fact::Fits(user, credential), true, window)
    }

    pub(crate) fn may_not_fit(&self, user: &str, credential: &Credential, window: Window) -> bool {
        self.may(Fact::Fits(user, credential), false, window)
    }

    /// Whether a user may be permitted this in all of a range.
    pub(crate) fn may_permit(
        &self,
        user: &str,
        kind: PermissionKind,
        range: &KeyRange,
        window: Window,
    ) -> bool {
        let may = |fact: Fact| self.may(fact, true, window);
        may(Fact::HasRole(user, ROOT)) || self.covers(user, kind, range, may)
    }

    /// Whether a user may not be permitted this in some part of a range.
    pub(crate) fn may_forbid(
        &self,
        user: &str,
        kind: PermissionKind,
        range: &KeyRange,
        window: Window,
    ) -> bool {
        let must = |fact: Fact| !self.may(fact, false, window);
        !must(Fact::HasRole(user, ROOT)) && !self.covers(user, kind, range, must)
    }

    /// Whether the permissions that hold, and that the user has by a role that holds, reach over a range.
    fn covers(
        &self,
        user: &str,
        kind: PermissionKind,
        wanted: &KeyRange,
        holds: impl Fn(Fact) -> bool,
    ) -> bool {
        let fits = |has: PermissionKind| has == kind || has == PermissionKind::ReadWrite;
        let roles = self.grants.iter().filter(|(role, _)| holds(Fact::HasRole(user, role)));
        let permitted = roles.flat_map(|(role, grants)| {
            let holds = &holds;
            let is_given = move |(range, has): &&(&'h KeyRange, PermissionKind)| {
                fits(*has) && holds(Fact::Permits(role, range, *has))
            };
            grants.iter().filter(is_given)
        });
        let ranges: Vec<&KeyRange> = permitted.map(|(range, _)| *range).collect();
        // Between two neighbours of these nothing changes.
        let points = ranges.iter().flat_map(|range| boundaries(range));
        let inside = points.filter(|point| wanted.contains(point));
        let is_in = |point: &Key| ranges.iter().any(|range| range.contains(point));
        is_in(&wanted.start) && inside.collect::<Vec<_>>().iter().all(is_in)
    }

    /// Whether a change that ends a token was asked for after `given`, and has certainly come about before a window: any change
    /// of anything if tokens are signed, else one of the user itself.
    pub(crate) fn must_have_ended(
        &self,
        user: &str,
        is_signed: bool,
        given: SimTime,
        window: Window,
    ) -> bool {
        let ends = |change: &Change| {
            let is_later = change.asked > given && change.is_before(window);
            let is_of_user = matches!(
                change.request,
                AuthRequest::UserDelete(_) | AuthRequest::UserChangePassword { .. }
            );
            is_later && (is_of_user || is_signed && change.ends_tokens())
        };
        let own = self.users.get(user).into_iter().flatten();
        let others = self.users.values().chain(self.roles.values()).flatten();
        let others = others.filter(|_| is_signed);
        own.chain(others).any(ends)
    }

    /// Whether a fact may have this value at some moment of a window.
    fn may(&self, fact: Fact, value: bool, window: Window) -> bool {
        // The last to be asked for of those that have certainly unmade it before.
        let unmade = self.about(fact).filter(|change| change.is_before(window));
        let unmade = unmade.filter(|change| change.makes(fact) == Some(!value));
        let unmade = unmade.map(|change| change.asked).max();
        let since_ever = !value && unmade.is_none();
        since_ever
            || self.about(fact).any(|made| {
                made.asked < window.to
                    && unmade.is_none_or(|unmade| unmade <= made.done)
                    && made.makes(fact) == Some(value)
            })
    }

    /// The changes that may be about a fact.
    fn about(&self, fact: Fact) -> impl Iterator<Item = &Change<'h>> {
        let (switches, user, role) = match fact {
            Fact::Enabled => (&self.switches[..], None, None),
            Fact::Exists(user) | Fact::Fits(user, _) => (&[][..], Some(user), None),
            Fact::HasRole(user, role) => (&[][..], Some(user), Some(role)),
            Fact::Permits(role, ..) => (&[][..], None, Some(role)),
        };
        let user = user.and_then(|user| self.users.get(user));
        let role = role.and_then(|role| self.roles.get(role));
        switches.iter().chain(user.into_iter().flatten()).chain(role.into_iter().flatten())
    }
}

impl Change<'_> {
    /// Whether it has certainly come about before an operation was carried out.
    fn is_before(&self, window: Window) -> bool {
        let is_older = |made: Revision| self.revision.is_some_and(|revision| revision < made);
        self.done < window.from || window.made.is_some_and(is_older)
    }

    /// Whether it ends every signed token that was given before. To give a role that somebody has changes nothing.
    const fn ends_tokens(&self) -> bool {
        !matches!(
            self.request,
            AuthRequest::Enable | AuthRequest::Disable | AuthRequest::UserGrantRole { .. }
        )
    }

    /// What it makes of a fact, if anything.
    fn makes(&self, fact: Fact) -> Option<bool> {
        match (fact, self.request) {
            (Fact::Enabled, AuthRequest::Enable) => Some(true),
            (Fact::Enabled, AuthRequest::Disable) => Some(false),
            (Fact::Exists(who), AuthRequest::UserAdd { user, .. }) if who == user => Some(true),
            (
                Fact::Exists(who) | Fact::HasRole(who, _) | Fact::Fits(who, _),
                AuthRequest::UserDelete(user),
            ) if who == user => Some(false),
            (Fact::HasRole(who, which), AuthRequest::UserGrantRole { user, role })
                if who == user && which == role =>
            {
                Some(true)
            }
            (Fact::HasRole(who, which), AuthRequest::UserRevokeRole { user, role })
                if who == user && which == role =>
            {
                Some(false)
            }
            (Fact::HasRole(_, which) | Fact::Permits(which, ..), AuthRequest::RoleDelete(role))
                if which == role =>
            {
                Some(false)
            }
            (
                Fact::Permits(which, range, kind),
                AuthRequest::RoleGrantPermission { role, permission: Some(permission) },
            ) if which == role && *range == permission.range => {
                let Permission { kind: new, .. } = permission;
                Some(*new == kind)
            }
            (
                Fact::Permits(which, range, _),
                AuthRequest::RoleRevokePermission { role, range: old },
            ) if which == role && range == old => Some(false),
            (
                Fact::Fits(who, credential),
                AuthRequest::UserAdd { user, credential: new }
                | AuthRequest::UserChangePassword { user, credential: new },
            ) if who == user => Some(credential == new),
            _ => None,
        }
    }
}

/// Where a range begins and ends.
fn boundaries(range: &KeyRange) -> impl Iterator<Item = Key> + use<> {
    let end = match &range.end {
        End::Single => {
            let mut next = range.start.as_slice().to_vec();
            next.push(0);
            Some(Key::from(next))
        }
        End::Before(end) => Some(end.clone()),
        End::Unbounded => None,
    };
    std::iter::once(range.start.clone()).chain(end)
}
