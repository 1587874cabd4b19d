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

pub use password::{PasswordDone, PasswordWork};

use crate::{door::Output, leases::OwnCommand, limits, replica::Replica, writes::Answer};
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
    /// Requests that wait for the host to hash or compare their password.
    waiting: BTreeMap<RequestId, Waiting>,
    /// How often entropy was drawn.
    draws: u64,
}

/// What goes on when the work on a password is done.
#[derive(Debug)]
enum Waiting {
    /// A request that wants the hash in the place of the password.
    Change(Option<Identity>, Request),
    /// A user, and the hash that its password is compared with.
    Login(String, String),
}

impl Doorkeeper {
    /// How many requests wait for the work on their password.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
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

    /// Answers a read for whoever asks, at once. A range has `long_reads.rs`.
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

    /// Lets the host turn a password into its hash, before the request goes into the log. Whether there is one to turn.
    pub(crate) fn hash_first(
        &mut self,
        id: RequestId,
        who: Option<&Identity>,
        request: &Request,
    ) -> Result<bool, Error> {
        let Request::Auth(
            AuthRequest::UserAdd { credential: Credential::Password(password), .. }
            | AuthRequest::UserChangePassword { credential: Credential::Password(password), .. },
        ) = request
        else {
            return Ok(false);
        };
        let [salt, _] = self.draw();
        let (password, cost) = (password.clone(), self.config.tuning.bcrypt_cost);
        let waiting = Waiting::Change(who.cloned(), request.clone());
        self.await_password(id, PasswordWork::Hash { password, cost, salt }, waiting)?;
        Ok(true)
    }

    /// A client shows a password and wants a token for it, and a quorum has confirmed that this member is not behind.
    pub(crate) fn log_in(
        &mut self,
        id: RequestId,
        user: &str,
        password: &Secret,
    ) -> Result<(), Error> {
        if !self.is_leader() {
            return Err(self.not_leader());
        }
        let hash = self.store.auth().password_hash(user)?.to_owned();
        let waiting = Waiting::Login(user.to_owned(), hash.clone());
        let password = password.clone();
        self.await_password(id, PasswordWork::Compare { password, hash }, waiting)
    }

    fn await_password(
        &mut self,
        id: RequestId,
        work: PasswordWork,
        waiting: Waiting,
    ) -> Result<(), Error> {
        if self.doorkeeper.waiting.len() >= limits::PASSWORDS_MAX {
            return Err(Error::TooManyRequests);
        }
        self.doorkeeper.waiting.insert(id, waiting);
        self.outputs.push(Output::Password { id, work: Box::new(work) });
        Ok(())
    }

    /// The host is done with a password. Much may have changed meanwhile: a change is permitted or not where it is
    /// applied, and a login counts if the hash is still the user's then.
    pub(crate) fn on_password_done(&mut self, id: RequestId, done: PasswordDone) {
        let Some(waiting) = self.doorkeeper.waiting.remove(&id) else { return };
        let result = match (waiting, done) {
            _ if !self.is_leader() => Err(self.not_leader()),
            (Waiting::Change(who, mut request), PasswordDone::Hash(hash)) => {
                put_hash(&mut request, hash);
                self.propose(id, who, request)
            }
            (Waiting::Login(user, hash), PasswordDone::Fits(true)) => {
                self.propose_login(id, user, hash)
            }
            (Waiting::Login(..), PasswordDone::Fits(false)) => Err(Error::AuthFailed),
            (waiting, done) => panic!("{waiting:?} got {done:?}"),
        };
        if let Err(error) = result {
            self.reply(id, Err(error));
        }
    }

    fn propose_login(&mut self, id: RequestId, user: String, hash: String) -> Result<(), Error> {
        let login = Login { id, user, hash, word: tokens::word(&self.draw()[0]) };
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
        let is_changed = auth.password_hash(&login.user)? != login.hash;
        if is_changed && !self.config.mutations.has(Mutation::LoginNotRechecked) {
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

/// Puts the hash in the place of the password.
fn put_hash(request: &mut Request, hash: String) {
    if let Request::Auth(
        AuthRequest::UserAdd { credential, .. }
        | AuthRequest::UserChangePassword { credential, .. },
    ) = request
    {
        *credential = Credential::Hash(hash);
    }
}
