//! The members: processes that were started here, or addresses that were given.

use super::{failed, newcomers::Newcomers, processes::Process, wires::Wires};
use crate::exit::CliError;
use std::{
    fs, io,
    net::SocketAddrV4,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};
use whitewater_api::{MemberStatus, NodeId};
use whitewater_record::Plan;
use whitewater_server::{
    client::{Client, Seat},
    loopback,
};

/// How long a cluster may take to serve.
const START: Duration = Duration::from_mins(1);

/// How long a member may take to say who leads.
const SEAT_PATIENCE: Duration = Duration::from_millis(300);

/// Entries between two snapshots: so few that those who were away get one.
const SNAPSHOT_COUNT: u64 = 200;

/// One member: a process that was started here, or an address that was given.
pub(super) struct Member {
    /// The history's name for it.
    pub(super) node: NodeId,
    /// Where clients reach it.
    pub(super) url: String,
    /// What only those of our own have.
    own: Option<Own>,
}

/// A member that was started here.
pub(super) struct Own {
    name: String,
    pub(super) process: Process,
    /// Where it keeps what it holds.
    pub(super) data: PathBuf,
    /// Where the others reach it: by a wire.
    pub(super) peer_url: String,
    /// Where it listens to them.
    listens: SocketAddrV4,
}

/// All members.
pub(super) struct Members {
    /// By place. Another one may come to the place of one that goes.
    places: Mutex<Vec<Arc<Member>>>,
    /// How to make another one of our own.
    yard: Option<Yard>,
    wires: Arc<Wires>,
    newcomers: Newcomers,
}

/// What all members of our own have in common.
struct Yard {
    binary: PathBuf,
    folder: PathBuf,
    /// Flags besides those that say who is who.
    flags: Vec<String>,
    repair_themselves: bool,
    made: Mutex<u64>,
}

impl Members {
    /// A cluster at these addresses.
    pub(super) fn of(endpoints: &[String]) -> Self {
        let with_scheme = |url: &String| {
            if url.contains("://") { url.clone() } else { format!("http://{url}") }
        };
        let member = |(node, url)| Member { node: NodeId(node), url: with_scheme(url), own: None };
        let places = (1..).zip(endpoints).map(member).map(Arc::new).collect();
        let (wires, newcomers) = (Arc::default(), Newcomers::default());
        Self { places: Mutex::new(places), yard: None, wires, newcomers }
    }

    /// A cluster of processes of its own, in folders below `folder` that are made anew. Members reach each other through
    /// wires that can be cut.
    pub(super) fn start(
        binary: &Path,
        repair_themselves: bool,
        plan: &Plan,
        folder: &Path,
    ) -> Result<Self, CliError> {
        let wires = Arc::new(Wires::default());
        // Of etcd's, what the judges hang on.
        let bcrypt = format!("--bcrypt-cost={}", plan.cluster.tuning.bcrypt_cost);
        let mut flags = vec![format!("--snapshot-count={SNAPSHOT_COUNT}"), bcrypt];
        // What a real etcd holds in its database before anything is put is more than the quotas of plans.
        if repair_themselves && plan.cluster.tuning.quota_bytes > 0 {
            flags.push(format!("--quota-backend-bytes={}", plan.cluster.tuning.quota_bytes));
        }
        let (binary, folder) = (binary.to_owned(), folder.to_owned());
        let made = Mutex::new(0);
        let yard = Yard { binary, folder, flags, repair_themselves, made };
        let count = usize::try_from(plan.cluster.nodes).expect("at most 7");
        let drafts = (0..count).map(|_| yard.draft(&wires));
        let drafts = drafts.collect::<Result<Vec<_>, _>>()?;
        let cluster = cluster(drafts.iter().map(|draft| (&draft.name, &draft.peer_url)));
        let mut places = Vec::new();
        for draft in drafts {
            let member = yard.member(draft, &["new", &cluster], &wires);
            // An earlier round of this seed may have left something.
            member.own().forget()?;
            member.own().process.start()?;
            places.push(member);
        }
        let newcomers = Newcomers::of(plan);
        Ok(Self { places: Mutex::new(places), yard: Some(yard), wires, newcomers })
    }

    /// One more, whose process is not started yet, and who will be told that these are the members besides.
    pub(super) fn newcomer(&self, others: &[Arc<Member>]) -> Result<Arc<Member>, CliError> {
        let yard = self.yard.as_ref().expect("who changes members has started them");
        let draft = yard.draft(&self.wires)?;
        let others = others.iter().map(|member| (&member.own().name, &member.own().peer_url));
        let cluster = cluster(others.chain([(&draft.name, &draft.peer_url)]));
        let member = yard.member(draft, &["existing", &cluster], &self.wires);
        member.own().forget()?;
        Ok(member)
    }

    /// Those whom clients add.
    pub(super) const fn newcomers(&self) -> &Newcomers {
        &self.newcomers
    }

    /// Where somebody will be whom a client adds.
    pub(super) fn draft(&self) -> Result<Draft, CliError> {
        let yard = self.yard.as_ref().expect("whose members are given is asked nothing like that");
        yard.draft(&self.wires)
    }

    /// Somebody has become a member whom a client has added. `others`: names for all members, and their URLs.
    pub(super) fn join(
        &self,
        draft: Draft,
        others: impl Iterator<Item = (String, String)>,
    ) -> Arc<Member> {
        let yard = self.yard.as_ref().expect("who makes drafts has one");
        let is_other = |(_, url): &(String, String)| *url != draft.peer_url;
        let others: Vec<_> = others.filter(is_other).collect();
        let all = others.iter().map(|(name, url)| (name, url));
        let cluster = cluster(all.chain([(&draft.name, &draft.peer_url)]));
        yard.member(draft, &["existing", &cluster], &self.wires)
    }

    /// Another URL by which a member is reached from now on, too.
    pub(super) fn another_url(&self, member: &Arc<Member>) -> Result<String, CliError> {
        let own = member.own();
        let laid = self.wires.lay(own.listens);
        let (wire, line) = laid.map_err(|error| failed(&own.data, &error))?;
        self.wires.know(wire, member);
        Ok(url_of_line(line))
    }

    /// Ends the processes.
    pub(super) fn end(&self) {
        self.wires.end();
        self.newcomers.end();
        for member in self.all() {
            member.own.iter().for_each(|own| own.process.end());
        }
    }

    /// Removes what they kept.
    pub(super) fn forget(&self) -> Result<(), CliError> {
        self.newcomers.forget()?;
        self.all().iter().filter_map(|member| member.own.as_ref()).try_for_each(Own::forget)
    }

    /// The members' own ids by place, once all of them know a leader.
    pub(super) fn seats(&self) -> Result<Vec<NodeId>, CliError> {
        let deadline = Instant::now() + START;
        let mut seats = Vec::new();
        for member in self.all() {
            loop {
                match member.status() {
                    Some(Seat { member, status: MemberStatus { leader: Some(_), .. } }) => {
                        seats.push(member);
                        break;
                    }
                    _ if Instant::now() > deadline => {
                        let url = &member.url;
                        let text = format!("{url}: no member that knows a leader, for a minute");
                        return Err(CliError::Usage(text));
                    }
                    _ => thread::sleep(super::TICK),
                }
            }
        }
        Ok(seats)
    }

    /// The place of who takes itself for the leader.
    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |member: &Arc<Member>| {
            member.status().is_some_and(|seat| seat.status.leader == Some(seat.member))
        };
        self.all().iter().position(leads)
    }

    pub(super) fn len(&self) -> usize {
        self.places().len()
    }

    pub(super) const fn are_ours(&self) -> bool {
        self.yard.is_some()
    }

    /// Whether a member whose files are damaged is made whole by the others. A real etcd's has to be replaced.
    pub(super) const fn repair_themselves(&self) -> bool {
        matches!(&self.yard, Some(Yard { repair_themselves: true, .. }))
    }

    /// Who is in a place now.
    pub(super) fn at(&self, place: usize) -> Arc<Member> {
        Arc::clone(&self.places()[place])
    }

    /// All of now, by place.
    pub(super) fn all(&self) -> Vec<Arc<Member>> {
        self.places().clone()
    }

    /// Whether all processes of our own run, which nobody but the nemesis ends. Who does not, if somebody does not.
    pub(super) fn all_run(&self) -> Result<(), String> {
        let all = self.all();
        let own = all.iter().filter_map(|member| Some((member.node, member.own.as_ref()?)));
        let mut ended = own.filter(|(_, own)| own.process.ends_within(Duration::ZERO));
        ended.next().map_or(Ok(()), |(node, own)| {
            Err(format!("{node} ended by itself: {}", own.process.log().display()))
        })
    }

    /// Somebody takes the place of who was there.
    pub(super) fn seat(&self, place: usize, member: Arc<Member>) {
        self.places()[place] = member;
    }

    pub(super) fn wires(&self) -> &Wires {
        &self.wires
    }

    fn places(&self) -> MutexGuard<'_, Vec<Arc<Member>>> {
        self.places.lock().expect("nobody panics with it")
    }
}

impl Member {
    /// What only those of our own have.
    pub(super) const fn own(&self) -> &Own {
        self.own.as_ref().expect("only members of our own are tormented")
    }

    /// The number of its process, while that runs, if it is one of our own.
    pub(super) fn process_id(&self) -> Option<u32> {
        self.own.as_ref()?.process.id()
    }

    /// Who it is and how it is, if it says so soon.
    pub(super) fn status(&self) -> Option<Seat> {
        Client::new(&self.url, SEAT_PATIENCE).ok()?.seat()
    }
}

impl Own {
    /// Removes what it kept.
    pub(super) fn forget(&self) -> Result<(), CliError> {
        match fs::remove_dir_all(&self.data) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(&self.data, &error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// A member of which it is settled where it will be.
pub(super) struct Draft {
    pub(super) node: NodeId,
    name: String,
    client_url: String,
    /// Where it listens to the others.
    listens: SocketAddrV4,
    pub(super) peer_url: String,
    wire: usize,
}

fn url_of_line(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

impl Yard {
    /// The next name for a member in the history.
    fn number(&self) -> NodeId {
        let mut made = self.made.lock().expect("nobody panics with it");
        *made += 1;
        NodeId(*made)
    }

    fn draft(&self, wires: &Arc<Wires>) -> Result<Draft, CliError> {
        let (node, listens) = (self.number(), loopback::next());
        let (wire, line) = wires.lay(listens).map_err(|error| failed(&self.folder, &error))?;
        let (name, client_url) = (format!("m{}", node.0), format!("http://{}", loopback::next()));
        Ok(Draft { node, name, client_url, listens, peer_url: url_of_line(line), wire })
    }

    fn member(&self, draft: Draft, [state, cluster]: &[&str; 2], wires: &Wires) -> Arc<Member> {
        let Draft { node, name, client_url, listens, peer_url, wire } = draft;
        let data = self.folder.join(&name);
        let mut flags = vec![
            format!("--name={name}"),
            format!("--data-dir={}", data.display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls=http://{listens}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster={cluster}"),
            format!("--initial-cluster-state={state}"),
        ];
        flags.extend(self.flags.iter().cloned());
        let log = self.folder.join(format!("{name}.log"));
        let process = Process::new(self.binary.clone(), flags, log);
        let own = Own { name, process, data, peer_url, listens };
        let member = Arc::new(Member { node, url: client_url, own: Some(own) });
        wires.know(wire, &member);
        member
    }
}

/// `--initial-cluster`
fn cluster<'a>(members: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    members.map(|(name, url)| format!("{name}={url}")).collect::<Vec<_>>().join(",")
}

impl Drop for Members {
    fn drop(&mut self) {
        self.wires.end();
    }
}
