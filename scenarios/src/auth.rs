//! Who may do what, who changes it, and who tries to get round it.

use crate::{
    dist::{Numbers, Percent},
    error::Complaint,
    scenario::within,
    weights::Weights,
};
use serde::Deserialize;
use whitewater_api::{Key, Value};
use whitewater_record::{AuthStep, PlannedOperation, Seed, Span, Step, Stream, When};

/// The first client is the administrator: it adds users, roles and permissions, enables auth, and goes on changing them in
/// the middle of everything. The others are users. Their steps take the place of other ones, and are drawn from streams
/// of their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// How many users there are besides root. As many roles.
    pub users: Numbers,
    /// How many of a hundred operations of the administrator change users, roles or permissions. Drawn once a run.
    pub changes_percent: Numbers,
    /// How many of a hundred operations of a user try to get round permissions, or are logins. Drawn once a run.
    pub tries_percent: Numbers,
    /// Chance, in a hundred, that one of those is a login as somebody, perhaps with the wrong password.
    pub logins_percent: Percent,
}

/// What one client does.
pub(crate) struct Actor {
    stream: Stream,
    /// Of its operations, in a million.
    share: u32,
    logins: Percent,
    client: u64,
    users: u64,
    count: u64,
}

/// When it all begins.
const FIRST: Span = Span(2_000_000_000);

#[derive(Clone, Copy)]
enum Change {
    Permit,
    Forbid,
    Grant,
    Revoke,
    AddUser,
    DeleteUser,
    Password,
    AddRole,
    DeleteRole,
    Root,
    Enable,
    Disable,
    Look,
}

impl Permissions {
    pub(crate) fn check(&self) -> Result<(), Complaint> {
        within("workload.permissions.users", &self.users, 1, 9)?;
        within("workload.permissions.tries_percent", &self.tries_percent, 0, 100)?;
        within("workload.permissions.changes_percent", &self.changes_percent, 0, 100)
    }

    /// How many users there are besides root.
    pub(crate) fn count(&self, seed: Seed) -> u64 {
        self.users.0.flat(&mut seed.stream("plan/auth/users", 0))
    }

    pub(crate) fn actor(&self, seed: Seed, client: u64) -> Actor {
        let users = self.count(seed);
        let percent = if client == 1 { &self.changes_percent } else { &self.tries_percent };
        let percent = percent.0.flat(&mut seed.stream("plan/auth/percent", client.min(2)));
        let stream = seed.stream("plan/auth", client);
        let share = u32::try_from(percent).expect("at most a hundred") * 10_000;
        Actor { stream, share, logins: self.logins_percent, client, users, count: 0 }
    }
}

impl Actor {
    /// Whether it is the one that the others depend on.
    pub(crate) fn is_administrator(&self) -> bool {
        self.client == 1
    }

    /// What comes before everything else.
    pub(crate) fn beginning(&mut self, keys: &[Key]) -> Vec<PlannedOperation> {
        let mut lines = Vec::new();
        if self.is_administrator() {
            lines.extend(["user-add root secret", "user-grant root root"].map(str::to_owned));
            for user in 1..=self.users {
                let (kind, range) = (self.kind(), self.range(keys));
                lines.push(format!("role-add r{user}"));
                lines.push(format!("role-grant r{user} {kind} {range}"));
                lines.push(format!("user-add u{user} p{user}"));
                lines.push(format!("user-grant u{user} r{user}"));
            }
            lines.extend(["auth-enable", "login root secret"].map(str::to_owned));
        } else {
            let user = (self.client - 2) % self.users + 1;
            lines.push(format!("login u{user} p{user}"));
        }
        // The first after there is a leader, mostly.
        let waits = std::iter::once(FIRST).chain(std::iter::repeat(Span(1_000_000)));
        let operation = |(line, wait): (&String, Span)| PlannedOperation {
            when: When::After(wait),
            step: parse(line),
        };
        lines.iter().zip(waits).map(operation).collect()
    }

    /// What the next operation is instead, if it has to do with who may do what.
    pub(crate) fn step(&mut self, keys: &[Key]) -> Option<Step> {
        if !self.stream.chance(self.share) {
            return None;
        }
        if self.is_administrator() {
            return Some(parse(&self.change(keys)));
        }
        if self.logins.draw(&mut self.stream) {
            let (user, wrong) = (self.user(), self.stream.chance(250_000));
            let letter = if wrong { "q" } else { "p" };
            return Some(parse(&format!("login u{user} {letter}{user}")));
        }
        let key = self.stream.pick(keys).clone();
        Some(match self.stream.below(10) {
            0..=2 => Step::Auth(AuthStep::Sneak(key, self.value())),
            3..=5 => Step::Auth(AuthStep::Look(key, self.value())),
            6..=7 => Step::Auth(AuthStep::Peek(key)),
            8 => parse("role-list"),
            _ => Step::Compact(100),
        })
    }

    fn change(&mut self, keys: &[Key]) -> String {
        let weights = Weights::new([
            (Change::Permit, 30),
            (Change::Forbid, 20),
            (Change::Grant, 12),
            (Change::Revoke, 8),
            (Change::AddUser, 6),
            (Change::DeleteUser, 3),
            (Change::Password, 4),
            (Change::AddRole, 4),
            (Change::DeleteRole, 2),
            (Change::Root, 6),
            (Change::Enable, 8),
            (Change::Disable, 2),
            (Change::Look, 3),
        ]);
        let (user, role) = (self.user(), self.user());
        match weights.draw(&mut self.stream) {
            Change::Permit => format!("role-grant r{role} {} {}", self.kind(), self.range(keys)),
            Change::Forbid => format!("role-revoke r{role} {}", self.range(keys)),
            Change::Grant => format!("user-grant u{user} r{role}"),
            Change::Revoke => format!("user-revoke u{user} r{role}"),
            Change::AddUser => format!("user-add u{user} p{user}"),
            Change::DeleteUser => format!("user-delete u{user}"),
            Change::Password => {
                let letter = if self.stream.chance(700_000) { "p" } else { "q" };
                format!("user-passwd u{user} {letter}{user}")
            }
            Change::AddRole => format!("role-add r{role}"),
            Change::DeleteRole => format!("role-delete r{role}"),
            // What was lost at the beginning.
            Change::Root if self.stream.chance(500_000) => "user-add root secret".to_owned(),
            Change::Root => "user-grant root root".to_owned(),
            Change::Enable => "auth-enable".to_owned(),
            Change::Disable => "auth-disable".to_owned(),
            Change::Look => "user-list".to_owned(),
        }
    }

    fn user(&mut self) -> u64 {
        self.stream.between(1, self.users)
    }

    fn kind(&mut self) -> &'static str {
        match self.stream.below(4) {
            0 => "read",
            1 => "write",
            _ => "readwrite",
        }
    }

    /// A few ranges come again and again, so that permissions meet and are taken back.
    fn range(&mut self, keys: &[Key]) -> String {
        match self.stream.below(8) {
            0 => "k*".to_owned(),
            1 => format!("{}+", self.stream.pick(keys)),
            2 => format!("{}*", self.stream.pick(keys)),
            _ => self.stream.pick(keys).to_string(),
        }
    }

    /// A value that no other operation of the run writes.
    fn value(&mut self) -> Value {
        self.count += 1;
        Value::from(format!("a{}_{}", self.client, self.count))
    }
}

fn parse(line: &str) -> Step {
    line.parse().expect("it is written as steps are")
}
