//! The command line.

mod campaigns;
mod histories;
mod plans;

pub(crate) use self::{campaigns::*, histories::*, plans::*};

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use tracing_subscriber::filter::LevelFilter;
use whitewater_record::{Seed, Span, time::SpanError};

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
    /// A backup of a cluster (`etcdctl snapshot save`) whose keys the cluster begins with.
    #[arg(long, value_name = "FILE.db")]
    pub(crate) backup: Option<PathBuf>,
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
            self.backup.as_ref().map(|file| format!(" --backup {}", file.display())),
        ];
        mutations.chain(numbers.into_iter().flatten()).collect()
    }
}

pub(crate) fn seed(text: &str) -> Result<Seed, String> {
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
