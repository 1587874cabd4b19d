//! Nobody does what is not permitted, and nobody is refused what is (etcd, `server/auth/store.go`).
//!
//! Answers do not tell as of which users and roles they were given. What is known is when each change was asked for and
//! answered, so each fact (auth is enabled; a user has a role; a role has a permission) may be true, or false, or either
//! at the time of an operation. An operation that succeeded must be permitted if everything that may be in its favour is;
//! one that was refused must be forbidden if everything that may be against it is. A change of unknown outcome may come
//! at any time after it was asked for, or never.
//!
//! | code | promise |
//! |---|---|
//! | `forbidden-success` | what may not be permitted at any moment between question and answer does not succeed |
//! | `permitted-refusal` | what is permitted at every such moment is not refused for want of a permission |
//! | `wrong-password` | there is no token for another password than the user's |
//! | `refused-password` | and there is one for the user's own |
//! | `disabled-refusal` | nobody is asked who it is while auth is certainly disabled |
//! | `dead-token` | nobody reads or writes by a token whose time is up, or that a change has ended: of its user's password, or, if it is signed, of anything |
//!
//! A token that is unknown or old is always a reason to refuse, while auth may be enabled: members forget, and every change
//! makes tokens old. A serializable read may be judged by any older state. Which keys hang on a lease is known where an answer
//! tells them, and not otherwise: that a lease may not be used is not held against anybody. What an operation wrote lies behind every change
//! whose answer told an older revision, be they asked at the same time.
//!
//! For which password a token was given is known from its login ([`CallerRow::login`](whitewater_record::CallerRow)), how long it is good from the
//! plan ([`TokenBound`](crate::TokenBound)). That an administrator's token is old does not keep it from what takes root, as in etcd.
//!
//! Watches are held to the first two, at their opening ([`streams`]).
//!
//! Evaluations: operations and openings while auth may be enabled. Discriminating: those not by root.

mod facts;
mod needs;
mod streams;
mod tokens;

use crate::{
    case::Case,
    deed::deeds,
    limits::Budget,
    ruling::{Anomaly, Judgement, Ruling},
};
use facts::{Facts, Window};
use needs::{Need, needs};
use std::collections::BTreeMap;
use streams::Opening;
use tokens::Tokens;
use whitewater_api::{
    AuthRequest, Completion, Error, Request, RequestId, Revision, WatchRequest,
    auth::{Credential, PermissionKind, ROOT},
};
use whitewater_record::{Checked, Operation, SimTime};

/// The name of the judge.
pub(crate) const JUDGE: &str = "auth";

/// Judges who was let do what.
pub(crate) fn judge(case: &Case, budget: &Budget) -> Judgement {
    let history = case.history;
    let facts = Facts::new(&history.operations);
    let callers = history.callers.iter().map(|row| (row.id, row.user.as_str())).collect();
    let tokens = Tokens::new(history, budget.tokens);
    let mut review = Review { case, facts, callers, tokens, checked: Checked::default() };
    let ruling = if review.facts.is_empty() {
        Ruling::NotApplicable("auth was never enabled".to_owned())
    } else {
        review.run().map_or(Ruling::Holds, Ruling::Broken)
    };
    Judgement { judge: JUDGE, ruling, checked: review.checked }
}

struct Review<'a, 'h> {
    case: &'a Case<'h>,
    facts: Facts<'h>,
    callers: BTreeMap<RequestId, &'h str>,
    tokens: Tokens<'h>,
    checked: Checked,
}

/// What an operation did wrong.
type Objection = (&'static str, String);

impl<'h> Review<'_, 'h> {
    fn run(&mut self) -> Option<Anomaly> {
        let mut first: Option<Anomaly> = None;
        for (position, operation) in self.case.history.operations.iter().enumerate() {
            let user = self.callers.get(&operation.id).copied();
            let Some((code, what)) = self.look(operation, user) else { continue };
            let number = u32::try_from(position).expect("operations are numbered by u32");
            let by = user.map_or_else(|| "nobody".to_owned(), str::to_owned);
            let sentence = format!("{}, as {by}: {what}", self.case.operation(number));
            let at = operation.completed;
            let anomaly = Anomaly {
                code: code.to_owned(),
                sentence,
                operations: vec![position],
                rows: Vec::new(),
                at,
            };
            first = first.into_iter().chain([anomaly]).min_by_key(|anomaly| anomaly.at);
        }
        let openings = streams::openings(self.case);
        let wrong = openings.iter().filter_map(|opening| self.opening(opening));
        wrong.chain(first).min_by_key(|anomaly| anomaly.at)
    }

    /// Whether somebody was wrongly let watch, or kept from it.
    fn opening(&mut self, opening: &Opening<'h>) -> Option<Anomaly> {
        let Opening { row, user, create, window, is_open } = opening;
        if self.facts.may_be_enabled(*window) {
            self.checked.evaluations += 1;
            self.checked.discriminating += u64::from(*user != Some(ROOT));
        }
        let needs = [Need::Range(PermissionKind::Read, create.range.clone())];
        let (code, what) = if *is_open {
            self.allowed(&needs, *user, *window)?
        } else {
            self.denied(&needs, true, *user, *window)?
        };
        let told = &self.case.history.watches[*row];
        let asked = WatchRequest::Create((*create).clone());
        let (at, by) = (told.at, user.unwrap_or("nobody"));
        let sentence = format!(
            "at {at} {} answered {}/{}, as {by}, to {asked}: {what}",
            told.node, told.process, told.stream
        );
        let (code, rows) = (code.to_owned(), vec![*row]);
        Some(Anomaly { code, sentence, operations: Vec::new(), rows, at })
    }

    fn look(&mut self, operation: &'h Operation, user: Option<&'h str>) -> Option<Objection> {
        // What a member answers alone, it permits by what it knows (etcd, v3rpc/maintenance.go).
        let is_local = matches!(&operation.request, Request::Maintenance(it) if it.is_local());
        let is_alone = is_local || operation.request.is_serializable();
        let from = if is_alone { SimTime(0) } else { operation.invoked };
        let window = Window { from, to: operation.completed, made: made(operation) };
        if self.facts.may_be_enabled(window) {
            self.checked.evaluations += 1;
            self.checked.discriminating += u64::from(user != Some(ROOT));
        }
        if let Request::Auth(AuthRequest::Authenticate { user, password }) = &operation.request {
            let credential = Credential::Password(password.clone());
            return self.login(user, &credential, operation, window);
        }
        match &operation.completion {
            Completion::Ok(_) => self.success(operation, user, window),
            Completion::Fail(Error::PermissionDenied) => self.refusal(operation, user, window),
            Completion::Fail(Error::UserEmpty | Error::InvalidToken | Error::AuthOldRevision) => {
                self.disabled(window)
            }
            Completion::Fail(_) | Completion::Info(_) => None,
        }
    }

    fn success(
        &self,
        operation: &'h Operation,
        user: Option<&'h str>,
        window: Window,
    ) -> Option<Objection> {
        let mut needs = needs(&operation.request, user.unwrap_or_default()).all;
        needs.extend(needs::told(operation));
        self.allowed(&needs, user, window).or_else(|| {
            let is_dead = !self.facts.may_be_disabled(window)
                && needs.iter().any(|need| matches!(need, Need::Range(..)))
                && !operation.request.is_serializable();
            let why = is_dead.then(|| self.tokens.end(operation, &self.facts, window)).flatten()?;
            Some(("dead-token", format!("it succeeded by a token {why}")))
        })
    }

    /// What takes these permissions was done.
    fn allowed(&self, needs: &[Need], user: Option<&'h str>, window: Window) -> Option<Objection> {
        if self.facts.may_be_disabled(window) {
            return None;
        }
        let object = |what: String| Some(("forbidden-success", what));
        let Some(user) = user else {
            return object("it succeeded, though auth was certainly enabled".to_owned());
        };
        if !self.facts.may_exist(user, window) {
            return object("it succeeded, and there was certainly no such user".to_owned());
        }
        let missing = needs.iter().find(|need| match need {
            Need::Root => !self.facts.may_be_root(user, window),
            Need::Range(kind, range) => !self.facts.may_permit(user, *kind, range, window),
        });
        missing.and_then(|need| object(format!("it succeeded, though {need} was not permitted")))
    }

    fn refusal(
        &self,
        operation: &'h Operation,
        user: Option<&'h str>,
        window: Window,
    ) -> Option<Objection> {
        let needs = needs(&operation.request, user.unwrap_or_default());
        self.denied(&needs.all, needs.are_all_known, user, window)
    }

    /// What takes these permissions, and none but these if all are known, was refused for want of one.
    fn denied(
        &self,
        needs: &[Need],
        are_all_known: bool,
        user: Option<&'h str>,
        window: Window,
    ) -> Option<Objection> {
        let object = |what: &str| Some(("permitted-refusal", what.to_owned()));
        if !self.facts.may_be_enabled(window) {
            return object("permission was denied, though auth was certainly disabled");
        }
        let Some(user) = user else {
            return object("permission was denied to nobody in particular");
        };
        let may_lack = |need: &Need| match need {
            Need::Root => self.facts.may_not_be_root(user, window),
            Need::Range(kind, range) => self.facts.may_forbid(user, *kind, range, window),
        };
        let is_explained =
            !are_all_known || self.facts.may_be_absent(user, window) || needs.iter().any(may_lack);
        if is_explained { None } else { object("permission was denied, and certainly given") }
    }

    fn disabled(&self, window: Window) -> Option<Objection> {
        let what = "somebody was asked who it is, though auth was certainly disabled";
        (!self.facts.may_be_enabled(window)).then(|| ("disabled-refusal", what.to_owned()))
    }

    fn login(
        &self,
        user: &'h str,
        credential: &Credential,
        operation: &Operation,
        window: Window,
    ) -> Option<Objection> {
        match &operation.completion {
            Completion::Ok(_) => {
                let what = "there is a token for it, though it was certainly not the password";
                let is_right = self.facts.may_fit(user, credential, window);
                (!is_right).then(|| ("wrong-password", what.to_owned()))
            }
            Completion::Fail(Error::AuthFailed) => {
                let what = "it was refused, though it was certainly the password";
                let is_explained = self.facts.may_be_absent(user, window)
                    || self.facts.may_not_fit(user, credential, window);
                (!is_explained).then(|| ("refused-password", what.to_owned()))
            }
            Completion::Fail(Error::AuthNotEnabled) => {
                let what = "there was no token, though auth was certainly enabled";
                let is_explained = self.facts.may_be_disabled(window);
                (!is_explained).then(|| ("refused-password", what.to_owned()))
            }
            Completion::Fail(_) | Completion::Info(_) => None,
        }
    }
}

/// The revision that an operation made, if it is known to have made one.
fn made(operation: &Operation) -> Option<Revision> {
    let Completion::Ok(response) = &operation.completion else { return None };
    let mut has_effect = false;
    deeds(operation, &mut |deed| has_effect |= deed.has_effect());
    has_effect.then_some(response.header.revision)
}
