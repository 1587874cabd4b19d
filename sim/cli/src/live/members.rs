//! The members: processes that were started here, or addresses that were given.

use super::{failed, processes::Process, wires::Wires};
use crate::exit::CliError;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use whitewater_api::NodeId;
use whitewater_server::{
    client::{Client, Seat},
    loopback::free_ports,
};

/// How long a cluster may take to serve.
const START: Duration = Duration::from_mins(1);

/// How long a member may take to say who leads.
const SEAT_PATIENCE: Duration = Duration::from_millis(300);

/// Entries between two snapshots: so few that those who were away get one.
const SNAPSHOT_COUNT: u64 = 200;

/// All members.
pub(super) struct Members {
    urls: Vec<String>,
    /// Those of our own, by place; none, or all.
    processes: Vec<Arc<Process>>,
    /// Where they keep what they hold, by place.
    data: Vec<PathBuf>,
    wires: Arc<Wires>,
}

impl Members {
    /// A cluster at these addresses.
    pub(super) fn of(endpoints: &[String]) -> Self {
        let with_scheme = |url: &String| {
            if url.contains("://") { url.clone() } else { format!("http://{url}") }
        };
        let urls = endpoints.iter().map(with_scheme).collect();
        Self { urls, processes: Vec::new(), data: Vec::new(), wires: Arc::default() }
    }

    /// A cluster of processes of its own, in folders below `folder` that are made anew. Members reach each other through
    /// wires that can be cut.
    pub(super) fn start(binary: &Path, count: usize, folder: &Path) -> Result<Self, CliError> {
        let ports = free_ports(2 * count).map_err(|error| failed(folder, &error))?;
        let (clients, peers) = ports.split_at(count);
        let wires = Arc::new(Wires::default());
        let lines = wires.lay(peers).map_err(|error| failed(folder, &error))?;
        let url = |port: &u16| format!("http://127.0.0.1:{port}");
        let cluster: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(place, line)| format!("m{place}={}", url(line)))
            .collect();
        let (mut processes, mut all_data) = (Vec::new(), Vec::new());
        for place in 0..count {
            let data = folder.join(format!("m{place}"));
            remove(&data)?;
            let (client, line) = (url(&clients[place]), url(&lines[place]));
            let flags = vec![
                format!("--name=m{place}"),
                format!("--data-dir={}", data.display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={}", url(&peers[place])),
                format!("--initial-advertise-peer-urls={line}"),
                format!("--initial-cluster={}", cluster.join(",")),
                format!("--snapshot-count={SNAPSHOT_COUNT}"),
            ];
            let log = folder.join(format!("m{place}.log"));
            let process = Arc::new(Process::new(binary.to_owned(), flags, log));
            process.start()?;
            processes.push(process);
            all_data.push(data);
        }
        wires.know(&processes);
        let urls = clients.iter().map(url).collect();
        Ok(Self { urls, processes, data: all_data, wires })
    }

    /// Ends the processes.
    pub(super) fn end(&self) {
        self.wires.end();
        for process in &self.processes {
            process.end();
        }
    }

    /// Removes what they kept.
    pub(super) fn forget(&self) -> Result<(), CliError> {
        self.data.iter().try_for_each(|data| remove(data))
    }

    /// The members' own ids by place, once all of them know a leader.
    pub(super) fn seats(&self) -> Result<Vec<NodeId>, CliError> {
        let deadline = Instant::now() + START;
        let mut seats = Vec::new();
        for url in &self.urls {
            loop {
                match seat(url) {
                    Some(Seat { member, leader: Some(_) }) => {
                        seats.push(member);
                        break;
                    }
                    _ if Instant::now() > deadline => {
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
        self.urls
            .iter()
            .position(|url| seat(url).is_some_and(|Seat { member, leader }| leader == Some(member)))
    }

    pub(super) fn len(&self) -> usize {
        self.urls.len()
    }

    pub(super) fn are_ours(&self) -> bool {
        !self.processes.is_empty()
    }

    pub(super) fn url(&self, place: usize) -> &str {
        &self.urls[place]
    }

    /// By its place, from 1: the history's name for it.
    pub(super) fn node(&self, place: usize) -> NodeId {
        assert!(place < self.urls.len(), "no member {place}");
        NodeId(place as u64 + 1)
    }

    pub(super) fn process(&self, place: usize) -> &Process {
        &self.processes[place]
    }

    pub(super) fn wires(&self) -> &Wires {
        &self.wires
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        self.wires.end();
    }
}

fn remove(data: &Path) -> Result<(), CliError> {
    match fs::remove_dir_all(data) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(data, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn seat(url: &str) -> Option<Seat> {
    Client::new(url, SEAT_PATIENCE).ok()?.seat()
}
