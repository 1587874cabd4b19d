//! A cluster of processes on loopback.

use std::{
    error::Error,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use whitewater_server::{backup, client::Client, loopback};

/// The processes of one system.
pub(crate) struct Cluster {
    binary: PathBuf,
    folder: PathBuf,
    flags: Vec<Vec<String>>,
    children: Vec<Child>,
    pub(crate) urls: Vec<String>,
}

impl Cluster {
    /// Starts it and waits until all members know a leader.
    pub(crate) fn start(
        binary: &Path,
        members: usize,
        folder: &Path,
    ) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let urls = || (0..members).map(|_| format!("http://{}", loopback::next())).collect();
        let (clients, peers): (Vec<String>, Vec<String>) = (urls(), urls());
        let named = |(place, url)| format!("m{place}={url}");
        let named: Vec<String> = peers.iter().enumerate().map(named).collect();
        let flags = (0..members).map(|place| {
            let (client, peer) = (&clients[place], &peers[place]);
            vec![
                format!("--name=m{place}"),
                format!("--data-dir={}", folder.join(format!("m{place}")).display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster={}", named.join(",")),
                "--log-level=error".to_owned(),
            ]
        });
        let mut cluster = Self {
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            flags: flags.collect(),
            children: Vec::new(),
            urls: clients,
        };
        cluster.spawn()?;
        Ok(cluster)
    }

    fn spawn(&mut self) -> Result<(), Box<dyn Error>> {
        for flags in &self.flags {
            let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
            let mut command = Command::new(&self.binary);
            command.args(flags).stdout(Stdio::null()).stderr(log);
            self.children.push(
                command.spawn().map_err(|error| format!("{}: {error}", self.binary.display()))?,
            );
        }
        let deadline = Instant::now() + Duration::from_mins(2);
        for url in &self.urls {
            let mut client = Client::new(url, Duration::from_secs(1))?;
            while client.seat().and_then(|seat| seat.status.leader).is_none() {
                if Instant::now() > deadline {
                    return Err(format!("{url}: no member that knows a leader").into());
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// Ends all members by kill -9 and starts them again: how long until all of them know a leader.
    pub(crate) fn restart(&mut self) -> Result<Duration, Box<dyn Error>> {
        self.end();
        let start = Instant::now();
        self.spawn()?;
        Ok(start.elapsed())
    }

    /// The place of the leader.
    pub(crate) fn leader(&self) -> Result<usize, Box<dyn Error>> {
        for (place, url) in self.urls.iter().enumerate() {
            let seat = Client::new(url, Duration::from_secs(1))?.seat();
            if seat.is_some_and(|seat| seat.status.leader == Some(seat.member)) {
                return Ok(place);
            }
        }
        Err("nobody leads".into())
    }

    /// Resident memory of the leader.
    pub(crate) fn resident_mib(&self) -> Result<u64, Box<dyn Error>> {
        let id = self.children[self.leader()?].id();
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
        Ok(kib.parse::<u64>()? / 1024)
    }

    /// Takes a backup of the first member into a file: how long that takes, and how many bytes it has.
    pub(crate) fn back_up(&self) -> Result<(Duration, u64), Box<dyn Error>> {
        let (file, start) = (self.folder.join("backup"), Instant::now());
        backup::save(&self.urls[0], &file)?;
        Ok((start.elapsed(), fs::metadata(file)?.len()))
    }

    fn end(&mut self) {
        for mut child in self.children.drain(..) {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}
