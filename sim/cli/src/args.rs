//! The command line.

use crate::{
    limits,
    search::PolicyName,
    shard::Shard,
    view::{LanesArg, NodeArg, Until},
};
use clap::{
    ArgGroup, Parser, Subcommand, ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use std::path::PathBuf;
use tracing_subscriber::filter::LevelFilter;
use whitewater_record::{Format, Seed, SimTime, Span, time::SpanError};
use whitewater_reports::{Query, kills};

/// Hostile, deterministic runs of a replicated key-value store, judged.
///
/// Exit codes: 0 ok, 1 property violated, 2 usage, 3 inconclusive, 4 nothing ran, 5 nondeterminism, 6 a gate failed,
/// 70 internal, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "whitewater", version, max_term_width = 100)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Print the result for machines.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Color the result.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Log what happens inside, to stderr: off, error, warn, info, debug or trace.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log: Option<LevelFilter>,
}

/// When to use color.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a scenario: one seed with all detail, or many seeds in worker processes.
    Run(RunArgs),
    /// Play a plan again, or one seed of a scenario.
    Replay(ReplayArgs),
    /// Make a failing plan small: what is left is what it takes to fail.
    Shrink(ShrinkArgs),
    /// Run seeds several times, in fresh processes and after others, and compare every byte.
    Doctor(DoctorArgs),
    /// Find the first seed in which something happens.
    Find(FindArgs),
    /// Judge recorded histories, ours or anybody's.
    Check(CheckArgs),
    /// Play the workload of a scenario on real processes, kill and pause them, and judge what the clients saw.
    #[cfg(feature = "live")]
    Live(LiveArgs),
    /// Print the plan of a seed as TOML.
    Plan(PlanArgs),
    /// Look for each deliberate bug, and print who found which, how soon.
    Zoo(ZooArgs),
    /// Compare ways of choosing what to play next by how soon they find each deliberate bug.
    Search(SearchArgs),
    /// Find the commit with which a plan began to fail.
    Bisect(BisectArgs),
    /// Compare two runs: the first event that differs, then terms, entries and operations side by side.
    Diff(DiffArgs),
    /// Write a window of a run for another viewer.
    Export(ExportArgs),
    /// Say what a failing plan hangs on; or what a code of a violation means, where it is from, and what to look at.
    Explain(ExplainArgs),
    /// Show the results of a campaign again, or compare them with an earlier one.
    Report(ReportArgs),
    /// List the scenarios of the catalogue.
    Scenarios,
    /// Run seeds or plans from stdin for another process.
    #[command(hide = true)]
    Worker,
}

/// What the command line says instead of the scenario.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct OverrideArgs {
    /// Switch a deliberate bug on. `whitewater zoo --list` names them.
    #[arg(long = "mutation", value_name = "NAME")]
    pub(crate) mutations: Vec<String>,
    /// Members of the cluster at the start.
    #[arg(long, value_name = "N")]
    pub(crate) nodes: Option<u64>,
    /// Clients.
    #[arg(long, value_name = "N")]
    pub(crate) clients: Option<u64>,
    /// Keys that the clients share.
    #[arg(long, value_name = "N")]
    pub(crate) keys: Option<u64>,
    /// Operations of each client.
    #[arg(long, value_name = "N")]
    pub(crate) operations: Option<u64>,
    /// Simulated length of the safety phase, such as 60s.
    #[arg(long, value_name = "TIME")]
    pub(crate) duration: Option<Span>,
    /// No faults: the same cluster and workload, as a placebo.
    #[arg(long)]
    pub(crate) calm: bool,
}

impl OverrideArgs {
    /// The same as words of a command line, each with a space in front.
    pub(crate) fn words(&self) -> String {
        let number = |name: &str, n: Option<u64>| n.map(|n| format!(" --{name} {n}"));
        let mutations = self.mutations.iter().map(|name| format!(" --mutation {name}"));
        let numbers = [
            number("nodes", self.nodes),
            number("clients", self.clients),
            number("keys", self.keys),
            number("operations", self.operations),
            self.duration.map(|duration| format!(" --duration {duration}")),
            self.calm.then(|| " --calm".to_owned()),
        ];
        mutations.chain(numbers.into_iter().flatten()).collect()
    }
}

/// `whitewater run`
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// A name of the catalogue (`whitewater scenarios`), or a file.
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "swarm")]
    pub(crate) scenario: String,
    /// The first seed, decimal or 0x. Alone, it is the only one.
    #[arg(long, value_parser = seed)]
    pub(crate) seed: Option<Seed>,
    /// How many seeds, counting up from the first.
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<u64>,
    /// Start no seed after this much time on the wall, such as 10m.
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<Span>,
    /// Worker processes; one a core if not given.
    #[arg(short = 'j', long = "jobs", value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Start no seed after the first failure.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Run only a part of the seeds, such as 2/8: the second of eight. Each part needs its own `--out`.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Go on with the campaign in `--out` that was interrupted.
    #[arg(long)]
    pub(crate) resume: bool,
    /// The results of another campaign (campaign.jsonl), whose failures are no news; those of the campaigns before in
    /// `--out` are none in any case.
    #[arg(long, value_name = "CAMPAIGN.jsonl")]
    pub(crate) known: Option<PathBuf>,
    /// Do not replay the pinned plans of fixed bugs first.
    #[arg(long)]
    pub(crate) no_regressions: bool,
    /// What the command line says instead of the scenario.
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
    /// Where failures and the campaign's results go.
    #[arg(long, value_name = "DIR", default_value = "reports/out")]
    pub(crate) out: PathBuf,
    /// Send the results to this folder or object store (`s3://bucket/path`) too, where `report merge` joins them with others.
    #[arg(long, value_name = "PLACE")]
    pub(crate) to: Option<String>,
    /// Time on the wall after which a seed counts as stuck.
    #[arg(long, value_name = "TIME", default_value = limits::PATIENCE)]
    pub(crate) patience: Span,
    /// Time on the wall for shrinking the first failure of each signature.
    #[arg(long, value_name = "TIME", default_value = limits::SHRINK_BUDGET)]
    pub(crate) shrink_budget: Span,
    /// Do not shrink failures.
    #[arg(long)]
    pub(crate) no_shrink: bool,
    /// Show hashes instead of values in reports.
    #[arg(long)]
    pub(crate) redact: bool,
}

/// `whitewater replay`
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").required(true).args(["plan", "scenario"]))]
pub(crate) struct ReplayArgs {
    /// The plan.
    #[arg(value_name = "PLAN.toml")]
    pub(crate) plan: Option<PathBuf>,
    /// Instead of a plan: a scenario, with `--seed`.
    #[arg(long, requires = "seed")]
    pub(crate) scenario: Option<String>,
    /// The seed of the scenario, decimal or 0x.
    #[arg(long, value_parser = seed, requires = "scenario")]
    pub(crate) seed: Option<Seed>,
    /// What the command line says instead of the scenario.
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
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
#[command(group = ArgGroup::new("failure").required(true).args(["plan", "scenario"]))]
pub(crate) struct ShrinkArgs {
    /// The failing plan.
    #[arg(value_name = "PLAN.toml")]
    pub(crate) plan: Option<PathBuf>,
    /// Instead of a plan: a scenario, with `--seed`.
    #[arg(long, requires = "seed")]
    pub(crate) scenario: Option<String>,
    /// The seed of the scenario, decimal or 0x.
    #[arg(long, value_parser = seed, requires = "scenario")]
    pub(crate) seed: Option<Seed>,
    /// What the command line says instead of the scenario.
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
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

/// `whitewater doctor`
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// A name of the catalogue, or a file.
    #[arg(long, value_name = "SCENARIO|FILE.toml", default_value = "swarm")]
    pub(crate) scenario: String,
    /// The first seed, decimal or 0x.
    #[arg(long, value_parser = seed, default_value = "1")]
    pub(crate) seed: Seed,
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) seeds: u64,
    /// Compare with another build of this program too, such as a debug build.
    #[arg(long, value_name = "BINARY")]
    pub(crate) other: Option<PathBuf>,
    /// What the command line says instead of the scenario.
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
    /// Time on the wall after which a seed counts as stuck.
    #[arg(long, value_name = "TIME", default_value = limits::PATIENCE)]
    pub(crate) patience: Span,
}

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

/// `whitewater find`
#[derive(Debug, clap::Args)]
pub(crate) struct FindArgs {
    /// What shall hold after an event, such as `role(n2)=leader, term(n2)>=9` or `kind=snapshot, installed=1`.
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) condition: Query,
    /// A name of the catalogue, or a file.
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "swarm")]
    pub(crate) scenario: String,
    /// The first seed, decimal or 0x.
    #[arg(long, value_parser = seed, default_value = "1")]
    pub(crate) seed: Seed,
    /// How many seeds to try.
    #[arg(long, value_name = "N", default_value_t = limits::SEEDS)]
    pub(crate) seeds: u64,
    /// What the command line says instead of the scenario.
    #[command(flatten)]
    pub(crate) overrides: OverrideArgs,
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

/// `whitewater report`
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ReportArgs {
    /// Something else than showing one campaign.
    #[command(subcommand)]
    pub(crate) verb: Option<ReportVerb>,
    /// The results of a campaign, as JSON lines.
    #[arg(value_name = "RESULTS.jsonl", default_value = "reports/out/campaign.jsonl")]
    pub(crate) results: PathBuf,
    /// Compare with these results, and exit with 6 if this campaign has a new failure, sees less or costs more.
    #[arg(long, value_name = "RESULTS.jsonl")]
    pub(crate) against: Option<PathBuf>,
    /// CPU time that a simulated second may cost more than in the earlier campaign.
    #[arg(long, value_name = "PERCENT", default_value_t = limits::SLOWER_PERCENT, requires = "against")]
    pub(crate) slower: u64,
    /// Write the page here; `campaign.html` beside the results if not given.
    #[arg(short, long, value_name = "FILE.html")]
    pub(crate) output: Option<PathBuf>,
}

/// What else there is to do with results.
#[derive(Debug, Subcommand)]
pub(crate) enum ReportVerb {
    /// Join the parts of a campaign that ran on several machines (`run --shard I/N --to PLACE`).
    Merge(MergeArgs),
}

/// `whitewater report merge`
#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// A folder, or the URL of an object store, to which the parts were sent.
    #[arg(value_name = "PLACE")]
    pub(crate) place: String,
    /// Where the whole goes.
    #[arg(long, value_name = "DIR", default_value = "reports/out")]
    pub(crate) out: PathBuf,
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

/// `whitewater zoo`
#[derive(Debug, clap::Args)]
pub(crate) struct ZooArgs {
    /// Only name, story and source of each bug.
    #[arg(long)]
    pub(crate) list: bool,
    /// A name of the catalogue, or a file.
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "everything")]
    pub(crate) scenario: String,
    /// Look for this bug only; may be given several times.
    #[arg(long = "mutation", value_name = "NAME")]
    pub(crate) mutations: Vec<String>,
    /// The first seed, decimal or 0x.
    #[arg(long, value_parser = seed, default_value = "1")]
    pub(crate) seed: Seed,
    /// Give a bug up after so many seeds.
    #[arg(long, value_name = "N", default_value_t = limits::ZOO_SEEDS)]
    pub(crate) seeds: u64,
    /// Look for a bug until it was found so often: more finds, narrower intervals.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=kills::FINDS_MAX))]
    pub(crate) finds: u64,
    /// Shrink the first find of each bug.
    #[arg(long)]
    pub(crate) shrink: bool,
    /// Exit with 6 if fewer than so many of a hundred bugs are found.
    #[arg(long, value_name = "PERCENT", default_value_t = limits::ZOO_PERCENT)]
    pub(crate) gate: u64,
    /// Worker processes; one a core if not given.
    #[arg(short = 'j', long = "jobs", value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Where the matrix goes, as `zoo.txt` and `zoo.jsonl`.
    #[arg(long, value_name = "DIR", default_value = "reports/out")]
    pub(crate) out: PathBuf,
    /// Time on the wall after which a seed counts as stuck.
    #[arg(long, value_name = "TIME", default_value = limits::PATIENCE)]
    pub(crate) patience: Span,
}

/// `whitewater search`
#[derive(Debug, clap::Args)]
pub(crate) struct SearchArgs {
    /// A name of the catalogue, or a file.
    #[arg(value_name = "SCENARIO|FILE.toml", default_value = "everything")]
    pub(crate) scenario: String,
    /// Only this policy; may be given several times.
    #[arg(long = "policy", value_name = "NAME")]
    pub(crate) policies: Vec<PolicyName>,
    /// Only this bug; may be given several times.
    #[arg(long = "mutation", value_name = "NAME")]
    pub(crate) mutations: Vec<String>,
    /// The first seed, decimal or 0x.
    #[arg(long, value_parser = seed, default_value = "1")]
    pub(crate) seed: Seed,
    /// Give a bug up after so many plans.
    #[arg(long, value_name = "N", default_value_t = limits::SEARCH_PLANS)]
    pub(crate) plans: u64,
    /// Look for a bug until it was found so often.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) finds: u64,
    /// Worker processes; one a core if not given.
    #[arg(short = 'j', long = "jobs", value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Where the comparison goes, as `search.txt` and `search.jsonl`.
    #[arg(long, value_name = "DIR", default_value = "reports/out")]
    pub(crate) out: PathBuf,
    /// Time on the wall after which a plan counts as stuck.
    #[arg(long, value_name = "TIME", default_value = limits::PATIENCE)]
    pub(crate) patience: Span,
}

fn seed(text: &str) -> Result<Seed, String> {
    text.parse().map_err(|_| "expected a decimal or 0x number below 2^64".to_owned())
}

/// A time; a number without a unit is one of seconds.
fn patience(text: &str) -> Result<Span, SpanError> {
    text.parse::<u64>().map_or_else(|_| text.parse(), |seconds| Ok(Span::seconds(seconds)))
}

/// A number of bytes, with K, M or G for the powers of 1,024.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => Some(0),
        "k" | "kib" => Some(10),
        "m" | "mib" => Some(20),
        "g" | "gib" => Some(30),
        _ => None,
    };
    let bytes = digits.parse::<u64>().ok().zip(unit).and_then(|(n, unit)| n.checked_mul(1 << unit));
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "expected a number of bytes, such as 512M or 4G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(size("512M"), Ok(512 << 20));
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("100"), Ok(100));
        for bad in ["", "0", "M", "4T", "1.5G", "99999999999G"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        assert_eq!(patience("30"), Ok(Span::seconds(30)));
        assert_eq!(patience("500ms"), Ok(Span::millis(500)));
        assert!(patience("soon").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
