//! Verbs that judge what clients saw.

#[cfg(feature = "live")]
use super::{OverrideArgs, seed};
use super::{patience, size};
use crate::limits;
use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use std::path::PathBuf;
#[cfg(feature = "live")]
use whitewater_record::Seed;
use whitewater_record::{Format, Span};

/// `whitewater check`
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// Histories, plain or compressed with gzip or zstd; folders of them, or of the clients of one run of etcd's robustness
    /// tests; `-` is stdin.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// How the histories are written down, if it is not to be detected.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>()))]
    pub(crate) format: Option<Format>,
    /// What the store promises, if it is not to be detected: the command objects where a history is of something else.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<Model>,
    /// What every key of a register or kv holds at the start; nothing, if not given.
    #[arg(long, value_name = "VALUE")]
    pub(crate) initial: Option<String>,
    /// Threads over the keys of a history; one a core if not given.
    #[arg(short = 'j', long = "jobs", value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Seek a verdict on each history for so long, in seconds or such as 500ms. Without it, as far as a fixed number of
    /// steps goes.
    #[arg(long, value_name = "TIME", value_parser = patience)]
    pub(crate) timeout: Option<Span>,
    /// Judge by revisions alone, while the history is read: for histories of this project that do not fit into memory.
    #[arg(long, conflicts_with_all = ["timeout", "memory", "jobs", "initial"])]
    pub(crate) stream: bool,
    /// Judge a file of this project of so many bytes or more while it is read, if that comes to the same: it has neither
    /// watches, locks nor leases. A compressed one counts ten times.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = limits::STREAM_FROM)]
    pub(crate) stream_from: u64,
    /// Bytes that the search may hold, all threads together, such as 512M or 4G.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memory: Option<u64>,
    /// If the history is wrong, write why as a page to be opened in a browser.
    #[arg(long, value_name = "FILE.html", conflicts_with = "stream")]
    pub(crate) report: Option<PathBuf>,
    /// Show hashes instead of values in the report.
    #[arg(long, requires = "report")]
    pub(crate) redact: bool,
}

impl CheckArgs {
    /// Whether nothing is asked for that only a whole history gives.
    pub(crate) fn may_stream(&self) -> bool {
        self.timeout.is_none()
            && self.memory.is_none()
            && self.initial.is_none()
            && self.report.is_none()
            && self.format.is_none_or(|format| format == Format::Whitewater)
            && self.model.is_none_or(|model| model == Model::Etcd)
    }
}

#[cfg(feature = "live")]
impl CheckArgs {
    /// Of one history, with nothing else said.
    pub(crate) fn of(file: PathBuf) -> Self {
        Self {
            files: vec![file],
            format: None,
            model: None,
            initial: None,
            jobs: None,
            timeout: None,
            stream: false,
            stream_from: u64::MAX,
            memory: None,
            report: None,
            redact: false,
        }
    }
}

/// `whitewater live`
#[cfg(feature = "live")]
#[derive(Debug, clap::Args)]
pub(crate) struct LiveArgs {
    /// Names of the catalogue, or files, a round each in turn: their clients and their steps are played, not their faults.
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "register")]
    pub(crate) scenarios: Vec<String>,
    /// The seed of the first round's steps and faults, decimal or 0x.
    #[arg(long, value_parser = seed, default_value = "1")]
    pub(crate) seed: Seed,
    /// How long in all, such as 10m or 1h; longer, if not every scenario has had its round by then.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub(crate) time: Span,
    /// These faults in turn, such as kill,replace, instead of drawn ones. All of them are played before the last scenario has had its round.
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    pub(crate) faults: Vec<String>,
    /// How long with one cluster and one seed.
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub(crate) round: Span,
    /// The server to start: ours, beside this command, if not given. A real etcd will do.
    #[arg(long, value_name = "FILE")]
    pub(crate) server: Option<PathBuf>,
    /// A cluster that is there already, which nobody torments.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub(crate) endpoints: Vec<String>,
    /// Where data, logs and the history go.
    #[arg(long, value_name = "FOLDER", default_value = "reports/out")]
    pub(crate) out: PathBuf,
    /// What the command line says instead of the scenario.
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
}

/// What a store promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Model {
    /// One key: read, write, compare and swap.
    Register,
    /// Keys that have nothing to do with each other.
    Kv,
    /// etcd's requests and revisions.
    Etcd,
}

impl Model {
    /// The name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Kv => "kv",
            Self::Etcd => "etcd",
        }
    }
}
