//! Verbs that are about one plan, or two.

use super::{OverrideArgs, seed};
use crate::{
    limits,
    source::PlanSource,
    view::{LanesArg, NodeArg, Until},
};
use clap::ValueEnum;
use std::path::PathBuf;
use whitewater_record::{Seed, SimTime, Span};

/// `whitewater replay`
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// The plan.
    #[command(flatten)]
    pub(crate) source: PlanSource,
    /// Stop at this simulated time (3.5s), event (15204), or when this holds for the first time (role(n2)=leader).
    #[arg(long, value_name = "TIME|EVENT|CONDITION")]
    pub(crate) until: Option<Until>,
    /// Show events, one a line and one column a node. The default is the end of the story of a run that failed.
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) lanes: Option<LanesArg>,
    /// Show only the life of one operation (p7#3), log index (41), or key (k3).
    #[arg(long, value_name = "OPERATION|INDEX|KEY", conflicts_with = "lanes")]
    pub(crate) follow: Option<String>,
    /// Show what a node (n1) looks like at the end, or at `--until`.
    #[arg(long, value_name = "NODE")]
    pub(crate) dump: Vec<NodeArg>,
    /// Step through the events in the terminal; `?` lists the keys. Begins at the first bad moment, or at `--until`.
    #[arg(long, conflicts_with_all = ["lanes", "dump"])]
    pub(crate) browse: bool,
    /// Write the events as JSON lines; `-` is stdout, and the outcome then goes to stderr.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Write what happened as a page to be opened in a browser.
    #[arg(long, value_name = "FILE.html", conflicts_with = "until")]
    pub(crate) report: Option<PathBuf>,
    /// Show hashes instead of values in the report.
    #[arg(long, requires = "report")]
    pub(crate) redact: bool,
}

/// `whitewater shrink`
#[derive(Debug, clap::Args)]
pub(crate) struct ShrinkArgs {
    /// The plan.
    #[command(flatten)]
    pub(crate) source: PlanSource,
    /// Where the small plan goes; beside the plan, as PLAN.min.toml, if not given.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Stop after this much time on the wall.
    #[arg(long, value_name = "TIME", default_value = limits::SHRINK_TIME)]
    pub(crate) time: Span,
    /// Stop after so many runs.
    #[arg(long, value_name = "N")]
    pub(crate) runs: Option<u64>,
    /// Worker processes; one a core if not given.
    #[arg(short = 'j', long = "jobs", value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Time on the wall after which a run counts as stuck.
    #[arg(long, value_name = "TIME", default_value = limits::SHRINK_PATIENCE)]
    pub(crate) patience: Span,
    /// Show hashes instead of values in the report.
    #[arg(long)]
    pub(crate) redact: bool,
}

/// `whitewater bisect`
#[derive(Debug, clap::Args)]
pub(crate) struct BisectArgs {
    /// The failing plan.
    #[arg(value_name = "PLAN.toml")]
    pub(crate) plan: PathBuf,
    /// A commit at which it passes.
    #[arg(long, value_name = "COMMIT")]
    pub(crate) good: String,
    /// A commit at which it fails.
    #[arg(long, value_name = "COMMIT", default_value = "HEAD")]
    pub(crate) bad: String,
    /// What builds the command at a commit.
    #[arg(long, value_name = "COMMAND", default_value = "cargo build --release -p whitewater")]
    pub(crate) build: String,
    /// The command that was built, from the top of the checkout.
    #[arg(long, value_name = "FILE", default_value = "target/release/whitewater")]
    pub(crate) binary: PathBuf,
    /// Where commits are checked out and built. It stays, so that the next search builds less.
    #[arg(long, value_name = "DIR", default_value = "target/bisect")]
    pub(crate) checkout: PathBuf,
}

/// `whitewater diff`
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// A plan, which is played; a packed trace with its plan beside it; or the folder of a failure.
    #[arg(value_name = "PLAN.toml|TRACE.wwt|FOLDER")]
    pub(crate) first: PathBuf,
    /// The other run. If not given, and the first one fails: its nearest neighbour that passes, which lacks its deliberate
    /// bug, one of its faults or one of its operations.
    #[arg(value_name = "PLAN.toml|TRACE.wwt|FOLDER")]
    pub(crate) other: Option<PathBuf>,
    /// Write the report of the first run as a page, with the other one beside it.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    /// Show hashes instead of values in the report.
    #[arg(long, requires = "report")]
    pub(crate) redact: bool,
}

/// `whitewater export`
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// A plan, which is played; a packed trace with its plan beside it; or the folder of a failure.
    #[arg(value_name = "PLAN.toml|TRACE.wwt|FOLDER")]
    pub(crate) run: PathBuf,
    /// The viewer.
    #[arg(long = "as", value_enum, value_name = "VIEWER")]
    pub(crate) viewer: Viewer,
    /// From this simulated time on.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<SimTime>,
    /// Up to this simulated time.
    #[arg(long, value_name = "TIME")]
    pub(crate) to: Option<SimTime>,
    /// Where it goes; stdout if not given.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// Other people's viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Viewer {
    /// Perfetto, and Chrome's tracing: time, nodes, disks, messages.
    Perfetto,
    /// `ShiViz`: causes between hosts.
    Shiviz,
}

/// `whitewater explain`
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// A code, such as `promise` or `linearizable`, or a failing plan, best a shrunk one; all codes if not given.
    #[arg(value_name = "CODE|PLAN.toml")]
    pub(crate) what: Option<String>,
    /// Of a plan: moments from which its future is played anew, from its beginning to its failure.
    #[arg(long, value_name = "N", default_value_t = limits::FORKS, value_parser = clap::value_parser!(u64).range(1..=limits::FORKS_MAX))]
    pub(crate) points: u64,
    /// Of a plan: futures from each of these moments.
    #[arg(long, value_name = "N", default_value_t = limits::FUTURES, value_parser = clap::value_parser!(u64).range(1..=limits::FUTURES_MAX))]
    pub(crate) futures: u64,
    /// Of a plan: stop after this much time on the wall.
    #[arg(long, value_name = "TIME", default_value = limits::SHRINK_TIME)]
    pub(crate) time: Span,
    /// Of a plan: worker processes; one a core if not given.
    #[arg(short = 'j', long = "jobs", value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Of a plan: write it as a page to be opened in a browser, with the run.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
}

/// `whitewater plan`
#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// A name of the catalogue, or a file.
    #[arg(value_name = "SCENARIO|FILE.toml")]
    pub(crate) scenario: String,
    /// The seed, decimal or 0x.
    #[arg(long, value_parser = seed)]
    pub(crate) seed: Seed,
    /// What the command line says instead of the scenario.
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
}
