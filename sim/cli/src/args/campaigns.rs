//! Verbs that play many seeds, or show what came of them.

use super::{OverrideArgs, seed};
use crate::{limits, search::PolicyName, shard::Shard};
use clap::Subcommand;
use std::path::PathBuf;
use whitewater_record::{Seed, Span};
use whitewater_reports::{Query, kills};

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
