//! The operator: changes who is a member, moves the leadership and takes backups, and insists until it is done.
//!
//! What it asks and is told is part of the history, as what clients ask is.

use super::{
    asking::Asker,
    members::{Member, Members},
    nemesis::Trouble,
    newcomers::revive,
    stage::Stage,
};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use whitewater_api::{
    Alarm, AlarmAction, Body, ClusterRequest, Completion, Error, Header, KvHash,
    MaintenanceRequest, MaintenanceResponse, NodeId, Request, Response,
};
use whitewater_record::{Operation, SimTime, Step};
use whitewater_server::backup;
use whitewater_world::session::Session;

/// An answer that takes longer is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// A cluster that is not otherwise tormented may take so long to do one thing that an operator asks for. A real etcd wants its
/// members to have been connected for 5 s.
const INSISTENCE: Duration = Duration::from_mins(1);

/// How long a member is away that is killed while another one is replaced.
const FIRE: Duration = Duration::from_millis(700);

/// Between two attempts.
const BACKOFF: Duration = Duration::from_millis(200);

/// Who operates.
pub(super) struct Operator<'a> {
    asker: Asker<'a>,
    members: &'a Members,
    session: Session,
    login: Option<Step>,
    /// Who is on its way to become a member.
    newcomer: Option<Arc<Member>>,
}

impl<'a> Operator<'a> {
    /// One that becomes root by this login, where somebody has to.
    pub(super) fn new(stage: &'a Stage, members: &'a Members, login: Option<&Step>) -> Self {
        let asker = Asker::new(stage, members, 0, PATIENCE);
        let (session, login) = (Session::default(), login.cloned());
        Self { asker, members, session, login, newcomer: None }
    }

    /// Asks the leader to give way. Whether it has.
    pub(super) fn move_leader(&mut self, leader: usize, to: NodeId) -> bool {
        self.asker.go_to(leader);
        matches!(self.attempt(&Request::MoveLeader(to)), Completion::Ok(_))
    }

    /// Raises NOSPACE for a member, or puts it down. Whether that was answered.
    pub(super) fn alarm(&mut self, action: AlarmAction, member: NodeId) -> bool {
        let alarm = MaintenanceRequest::Alarm { action, member, alarm: Some(Alarm::NoSpace) };
        self.repeat(&Request::Maintenance(alarm), |_| false).is_ok()
    }

    /// Takes a backup, which is one more answer to the question for the hash over revisions, and asks all members the same.
    /// Whether it was given, and another member has told something to compare it with.
    pub(super) fn back_up(&mut self, member: &Member) -> bool {
        let invoked = self.asker.stage().now();
        let Ok(content) = backup::content(&member.url) else { return false };
        self.note_backup(member, invoked, content);
        let revision = content.revision;
        let hash = Request::Maintenance(MaintenanceRequest::HashKv { revision });
        let mut compared = false;
        for place in 0..self.members.len() {
            self.asker.go_to(place);
            compared |= match self.attempt(&hash) {
                Completion::Ok(Response { body, .. }) => is_of(&body, content),
                Completion::Fail(_) | Completion::Info(_) => false,
            };
        }
        compared
    }

    fn note_backup(&self, member: &Member, invoked: SimTime, content: KvHash) {
        let stage = self.asker.stage();
        let request = MaintenanceRequest::HashKv { revision: content.revision };
        let body = Body::Maintenance(MaintenanceResponse::HashKv(content));
        stage.note(Operation {
            id: stage.new_process(),
            node: member.node,
            invoked,
            completed: stage.now(),
            request: Request::Maintenance(request),
            completion: Completion::Ok(Response { header: Header::default(), body }),
            witness: None,
        });
    }

    /// Brings another member to a place: first it learns, then it votes. Who was there goes after that; or before, if its disk
    /// is lost. `fire`: whom the nemesis kills meanwhile; who is asked may be gone, too.
    pub(super) fn replace(
        &mut self,
        place: usize,
        is_lost: bool,
        fire: Option<&Member>,
    ) -> Result<bool, Trouble> {
        let old = self.members.at(place);
        let mut others = self.members.all();
        self.asker.go_to((place + 1) % others.len());
        if is_lost {
            old.own().process.kill()?;
            old.own().forget()?;
            others.remove(place);
            self.insist(&ClusterRequest::Remove(old.node))?;
        }
        let newcomer = self.members.newcomer(&others)?;
        self.add(&newcomer)?;
        newcomer.own().process.start()?;
        if let Some(fire) = fire {
            fire.own().process.kill()?;
            thread::sleep(FIRE);
            fire.own().process.start()?;
        }
        self.insist(&ClusterRequest::Promote(newcomer.node))?;
        self.newcomer = None;
        self.members.seat(place, Arc::clone(&newcomer));
        if !is_lost {
            if others.len() == 1 {
                self.asker.go_to(place);
            }
            self.insist(&ClusterRequest::Remove(old.node))?;
            old.own().process.end();
            old.own().forget()?;
        }
        Ok(true)
    }

    /// Adds a member, and learns what it is called.
    fn add(&mut self, newcomer: &Arc<Member>) -> Result<(), Trouble> {
        let (member, url) = (newcomer.node, &newcomer.own().peer_url);
        let peer_urls = vec![url.clone()];
        self.asker.stage().expect(url.clone(), member);
        self.insist(&ClusterRequest::Add { member, peer_urls, is_learner: true })?;
        // If the answer was lost, this tells what it is called.
        let told = self.insist(&ClusterRequest::List { linearizable: true })?;
        let is_told = matches!(told.map(|response| response.body), Some(Body::Cluster(all))
            if all.iter().any(|member| member.attributes.peer_urls.contains(url)));
        if !is_told {
            return Err(Trouble::Objection(format!("{member} was added, and is not in the list")));
        }
        self.newcomer = Some(Arc::clone(newcomer));
        Ok(())
    }

    /// Asks until it is done. The answer, unless that was lost and it was done all the same.
    fn insist(&mut self, request: &ClusterRequest) -> Result<Option<Response>, Trouble> {
        let whole = Request::Cluster(request.clone());
        self.repeat(&whole, |error| is_done(request, error)).map_err(|last| {
            let seconds = INSISTENCE.as_secs();
            Trouble::Objection(format!("{request} is not done within {seconds}s: {last}"))
        })
    }

    /// Asks one member after the other until it is answered, or refused because it is done. How it was refused last, if that
    /// takes too long.
    fn repeat(
        &mut self,
        request: &Request,
        is_done: impl Fn(&Error) -> bool,
    ) -> Result<Option<Response>, Error> {
        let deadline = Instant::now() + INSISTENCE;
        loop {
            if let Some(newcomer) = &self.newcomer {
                // If it has ended for another reason, that is found out.
                drop(revive(newcomer));
            }
            let last = match self.attempt(request) {
                Completion::Ok(response) => return Ok(Some(response)),
                Completion::Fail(error) if is_done(&error) => return Ok(None),
                Completion::Fail(error) | Completion::Info(error) => error,
            };
            if Instant::now() > deadline {
                return Err(last);
            }
            self.asker.turn();
            thread::sleep(BACKOFF);
        }
    }

    /// One attempt, and as many for a token as that takes.
    fn attempt(&mut self, request: &Request) -> Completion<Response, Error> {
        if let Some(login) = self.login.take()
            && let Some(first) = self.session.request(&login)
        {
            // Where nobody is asked who it is, there are no tokens, and none are needed.
            drop(self.asker.ask(&mut self.session, &first));
        }
        loop {
            let token = self.session.renewal();
            let is_asked = token.is_none();
            let completion = self.asker.ask(&mut self.session, &token.unwrap_or(request.clone()));
            if !self.asker.again() && (is_asked || !matches!(completion, Completion::Ok(_))) {
                return completion;
            }
        }
    }
}

/// Whether it is a hash after the same compaction; there may have been another one since.
fn is_of(body: &Body, content: KvHash) -> bool {
    matches!(body, Body::Maintenance(MaintenanceResponse::HashKv(hash)) if hash.compacted == content.compacted)
}

/// Whether a refusal says that an earlier attempt, whose answer was lost, has done it.
const fn is_done(request: &ClusterRequest, error: &Error) -> bool {
    matches!(
        (request, error),
        (ClusterRequest::Add { .. }, Error::PeerUrlsExist | Error::MemberExists)
            | (ClusterRequest::Promote(_), Error::NotLearner)
            | (ClusterRequest::Remove(_), Error::MemberNotFound)
    )
}
