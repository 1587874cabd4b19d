//! Who asks: passwords, tokens and identities.
//!
//! A request is admitted for somebody, who travels with it through the log; whether that is permitted is asked where it
//! is carried out, so that all members answer alike and no leader refuses by what it has yet to hear. Passwords do not
//! travel: a leader compares them, or turns them into hashes, before anything is written (etcd,
//! `server/etcdserver/v3_server.go`).
//!
//! Entropy comes from the host, once, when the process starts; salts and tokens are drawn from it.

mod password;
mod tokens;

use crate::{leases::OwnCommand, replica::Replica, writes::Answer};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use tokens::Tokens;
use whitewater_api::{
    AuthRequest, AuthResponse, Body, Caller, End, Error, Identity, KeyRange, Request, RequestId,
    StreamId,
    auth::{Credential, PermissionKind, Secret},
};
use whitewater_mutation::Mutation;

/// What a member knows of those who ask.
#[derive(Default)]
pub(crate) struct Doorkeeper {
    tokens: Tokens,
    /// Who has opened each stream of watches.
    streams: BTreeMap<StreamId, Caller>,
    /// How often entropy was drawn.
    draws: u64,
}

/// A password was right. Travels through the log, so that every member learns of the token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Login {
    /// Who waits for the token.
    id: RequestId,
    user: String,
    /// The hash that the password was compared with.
    hash: String,
    /// What nobody can guess of a simple token.
    word: String,
}

impl Replica {
    /// Who asks, as far as it matters.
    pub(crate) fn identify(&mut self, caller: &Caller) -> Result<Option<Identity>, Error> {
        if !self.store.auth().is_enabled() {
            return Ok(None);
        }
        let revision = self.store.auth().revision();
        match caller {
            Caller::Nobody => Ok(None),
            Caller::Certificate(user) => Ok(Some(Identity { user: user.clone(), revision })),
            Caller::Token(token) => self.owner(token).map(Some).ok_or(Error::InvalidToken),
        }
    }

    /// Whose token it is. A simple one counts as of now, a signed one as of when it was given.
    fn owner(&mut self, token: &Secret) -> Option<Identity> {
        if let Some(key) = &self.config.security.token_key {
            let now = self.unix_seconds();
            return tokens::verify(key, token.reveal(), now, self.config.mutations);
        }
        let (now, ttl) = (self.now, self.token_nanos());
        let user = self.doorkeeper.tokens.user(token.reveal(), now, ttl)?.to_owned();
        Some(Identity { user, revision: self.store.auth().revision() })
    }

    /// Answers a read for whoever asks.
    pub(crate) fn read_for(&mut self, caller: &Caller, request: &Request) -> Result<Body, Error> {
        let who = self.identify(caller)?;
        if matches!(request, Request::Cluster(_)) {
            self.store.permit(who.as_ref(), request)?;
            return Ok(Body::Cluster(self.members()));
        }
        self.store.read_for(who.as_ref(), request)
    }

    /// Whether whoever asks may do this, as far as this member knows.
    pub(crate) fn permit_for(&mut self, caller: &Caller, request: &Request) -> Result<(), Error> {
        let who = self.identify(caller)?;
        self.store.permit(who.as_ref(), request)
    }

    // Passwords.

    /// Turns a password into its hash, before the request goes into the log.
    pub(crate) fn settle_credential(&mut self, request: &mut Request) {
        if let Request::Auth(
            AuthRequest::UserAdd { credential, .. }
            | AuthRequest::UserChangePassword { credential, .. },
        ) = request
            && let Credential::Password(password) = credential
        {
            let [salt, _] = self.draw();
            let hash = password::hash(password.reveal(), self.config.tuning.bcrypt_cost, salt);
            *credential = Credential::Hash(hash);
        }
    }

    /// A client shows a password and wants a token for it.
    pub(crate) fn log_in(
        &mut self,
        id: RequestId,
        user: &str,
        password: &Secret,
    ) -> Result<(), Error> {
        let hash = self.store.auth().password_hash(user)?.to_owned();
        if !password::verify(password.reveal(), &hash) {
            return Err(Error::AuthFailed);
        }
        let login = Login { id, user: user.to_owned(), hash, word: tokens::word(&self.draw()[0]) };
        let index = self.propose_own(&OwnCommand::Login(login)).ok_or(Error::TooManyRequests)?;
        self.writes.wait(id, index);
        Ok(())
    }

    /// A login was applied, at `index`.
    pub(crate) fn apply_login(&mut self, index: u64, login: &Login) -> Option<Answer> {
        let token = self.give_token(index, login);
        let id = self.writes.take(login.id)?;
        Some((id, token.map(|token| Body::Auth(AuthResponse::Token(token)))))
    }

    /// Gives a token, if the password is still the one that was compared.
    fn give_token(&mut self, index: u64, login: &Login) -> Result<Secret, Error> {
        let auth = self.store.auth();
        if auth.password_hash(&login.user)? != login.hash {
            return Err(Error::AuthOldRevision);
        }
        let user = login.user.clone();
        if let Some(key) = &self.config.security.token_key {
            let until = self.unix_seconds().saturating_add(self.config.tuning.token_ttl_s);
            let who = Identity { user, revision: auth.revision() };
            return Ok(tokens::sign(key, &who, until).into());
        }
        let token = format!("{}.{index}", login.word);
        let until = self.now.after(self.token_nanos());
        self.doorkeeper.tokens.assign(token.clone(), user, until);
        Ok(token.into())
    }

    /// Something about users was applied: some tokens are good no more.
    pub(crate) fn on_auth_applied(&mut self, request: &Request) {
        let tokens = &mut self.doorkeeper.tokens;
        if let Request::Auth(
            AuthRequest::UserDelete(user) | AuthRequest::UserChangePassword { user, .. },
        ) = request
            && !self.config.mutations.has(Mutation::TokenOutlivesPassword)
        {
            tokens.forget_user(user);
        }
        if matches!(request, Request::Auth(AuthRequest::Disable)) {
            tokens.clear();
        }
    }

    /// The store was replaced by that of a snapshot, and what became of users meanwhile is not known.
    pub(crate) fn forget_tokens(&mut self) {
        self.doorkeeper.tokens.clear();
    }

    pub(crate) fn on_auth_tick(&mut self) {
        self.doorkeeper.tokens.expire(self.now);
    }

    fn token_nanos(&self) -> u64 {
        let never = self.config.mutations.has(Mutation::TokenNeverExpires);
        let seconds = if never { u64::MAX } else { self.config.tuning.token_ttl_s };
        seconds.saturating_mul(1_000_000_000)
    }

    /// Seconds since 1970, by the monotonic clock from what the host said at the start.
    fn unix_seconds(&self) -> u64 {
        self.config.security.unix_seconds + self.now.since(self.booted) / 1_000_000_000
    }

    /// Bytes that nobody can guess: a keyed hash of a counter.
    fn draw(&mut self) -> [[u8; 16]; 2] {
        self.doorkeeper.draws += 1;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.config.security.entropy)
            .expect("a key of any length will do");
        mac.update(&self.doorkeeper.draws.to_le_bytes());
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        let (first, second) = bytes.split_at(16);
        [first, second].map(|half| half.try_into().expect("half of it"))
    }

    // Watches.

    /// Who has opened a stream is who asks for all its watches.
    pub(crate) fn keep_stream_caller(&mut self, stream: StreamId, caller: Caller) {
        if caller != Caller::Nobody {
            self.doorkeeper.streams.insert(stream, caller);
        }
    }

    pub(crate) fn forget_stream_caller(&mut self, stream: StreamId) {
        self.doorkeeper.streams.remove(&stream);
    }

    /// Whether who has opened a stream may watch these keys. Asked once: a watch that is open goes on, as in etcd.
    pub(crate) fn permit_watch(&mut self, stream: StreamId, range: &KeyRange) -> Result<(), Error> {
        let caller = self.doorkeeper.streams.get(&stream).cloned().unwrap_or_default();
        let who = self.identify(&caller)?;
        let mut range = range.clone();
        if range.end == End::Unbounded
            && self.config.mutations.has(Mutation::AuthWatchFromKeyUnchecked)
        {
            range.end = End::Single;
        }
        self.store.permit_range(who.as_ref(), &range, PermissionKind::Read)
    }
}
