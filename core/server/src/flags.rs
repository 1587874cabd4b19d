//! etcd's flags and environment variables, where the meaning is the same.

mod config_file;

use crate::settings::{Settings, SettingsError};
use clap::{Arg, ArgAction, CommandFactory, FromArgMatches, Parser};
use std::{any::TypeId, path::PathBuf};

/// A key-value store that speaks etcd's v3 API.
#[derive(Clone, Debug, Parser)]
#[command(name = "whitewater-server", disable_version_flag = true)]
pub struct Flags {
    /// Print the version and leave.
    #[arg(long, action = ArgAction::SetTrue)]
    pub version: bool,
    /// A file with the flags in YAML. Other flags and the environment count for nothing then.
    #[arg(long, env = "ETCD_CONFIG_FILE")]
    pub config_file: Option<PathBuf>,
    /// Human-readable name of this member.
    #[arg(long, env = "ETCD_NAME", default_value = "default")]
    pub name: String,
    /// Where the data is. By default NAME.etcd.
    #[arg(long, env = "ETCD_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the log is, if not with the data.
    #[arg(long, env = "ETCD_WAL_DIR")]
    pub wal_dir: Option<PathBuf>,
    /// Where clients are listened to.
    #[arg(long, env = "ETCD_LISTEN_CLIENT_URLS", value_delimiter = ',')]
    pub listen_client_urls: Vec<String>,
    /// Where clients shall come to.
    #[arg(long, env = "ETCD_ADVERTISE_CLIENT_URLS", value_delimiter = ',')]
    pub advertise_client_urls: Vec<String>,
    /// Where the other members are listened to.
    #[arg(
        long,
        env = "ETCD_LISTEN_PEER_URLS",
        value_delimiter = ',',
        default_value = "http://localhost:2380"
    )]
    pub listen_peer_urls: Vec<String>,
    /// Where the other members shall come to.
    #[arg(
        long,
        env = "ETCD_INITIAL_ADVERTISE_PEER_URLS",
        value_delimiter = ',',
        default_value = "http://localhost:2380"
    )]
    pub initial_advertise_peer_urls: Vec<String>,
    /// Where health and metrics are told besides.
    #[arg(long, env = "ETCD_LISTEN_METRICS_URLS", value_delimiter = ',')]
    pub listen_metrics_urls: Vec<String>,
    /// The first members: NAME=URL,NAME=URL.
    #[arg(long, env = "ETCD_INITIAL_CLUSTER")]
    pub initial_cluster: Option<String>,
    /// `new`, or `existing` to join one.
    #[arg(long, env = "ETCD_INITIAL_CLUSTER_STATE", default_value = "new")]
    pub initial_cluster_state: String,
    /// Go on alone with what is on this disk: the other members are forgotten, and have to be added again with empty disks.
    #[arg(long, env = "ETCD_FORCE_NEW_CLUSTER", default_value_t = false, action = ArgAction::Set)]
    pub force_new_cluster: bool,
    /// Tells clusters with the same URLs apart.
    #[arg(long, env = "ETCD_INITIAL_CLUSTER_TOKEN", default_value = "etcd-cluster")]
    pub initial_cluster_token: String,
    /// Milliseconds between heartbeats.
    #[arg(long, env = "ETCD_HEARTBEAT_INTERVAL", default_value_t = 100)]
    pub heartbeat_interval: u64,
    /// Milliseconds without a leader before an election.
    #[arg(long, env = "ETCD_ELECTION_TIMEOUT", default_value_t = 1000)]
    pub election_timeout: u64,
    /// Bytes that the store may hold; 0 for 2 GiB, negative for no bound.
    #[arg(
        long,
        env = "ETCD_QUOTA_BACKEND_BYTES",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub quota_backend_bytes: i64,
    /// Bytes of one request.
    #[arg(long, env = "ETCD_MAX_REQUEST_BYTES", default_value_t = 1_572_864)]
    pub max_request_bytes: u64,
    /// Operations of one transaction.
    #[arg(long, env = "ETCD_MAX_TXN_OPS", default_value_t = 128)]
    pub max_txn_ops: u64,
    /// Streams of one client's connection.
    #[arg(long, env = "ETCD_MAX_CONCURRENT_STREAMS", default_value_t = u32::MAX)]
    pub max_concurrent_streams: u32,
    /// Entries that are kept behind a snapshot for slow members.
    #[arg(
        long,
        alias = "snapshot-catchup-entries",
        env = "ETCD_EXPERIMENTAL_SNAPSHOT_CATCHUP_ENTRIES",
        default_value_t = 5000
    )]
    pub experimental_snapshot_catchup_entries: u64,
    /// Taken for etcd's sake. Snapshots are taken when the log outgrows the state, whatever is said here.
    #[arg(long, env = "ETCD_SNAPSHOT_COUNT", default_value_t = 10_000)]
    pub snapshot_count: u64,
    /// `periodic` or `revision`.
    #[arg(long, env = "ETCD_AUTO_COMPACTION_MODE", default_value = "periodic")]
    pub auto_compaction_mode: String,
    /// How much history is kept: hours, or a time such as 30m; revisions in the other mode. 0 for all.
    #[arg(long, env = "ETCD_AUTO_COMPACTION_RETENTION", default_value = "0")]
    pub auto_compaction_retention: String,
    /// How often quiet watches are told how far they have come.
    #[arg(
        long,
        alias = "watch-progress-notify-interval",
        env = "ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL",
        default_value = "10m"
    )]
    pub experimental_watch_progress_notify_interval: String,
    /// Taken for etcd's sake: compaction goes in bounded steps anyway.
    #[arg(
        long,
        alias = "compaction-batch-limit",
        env = "ETCD_EXPERIMENTAL_COMPACTION_BATCH_LIMIT",
        default_value_t = 1000
    )]
    pub experimental_compaction_batch_limit: u64,
    /// Compare the members' content before serving.
    #[arg(long, env = "ETCD_EXPERIMENTAL_INITIAL_CORRUPT_CHECK", default_value_t = false, action = ArgAction::Set)]
    pub experimental_initial_corrupt_check: bool,
    /// How often the members' content is compared.
    #[arg(long, env = "ETCD_EXPERIMENTAL_CORRUPT_CHECK_TIME", default_value = "0s")]
    pub experimental_corrupt_check_time: String,
    /// Refuse changes of the members that could lose the quorum.
    #[arg(long, env = "ETCD_STRICT_RECONFIG_CHECK", default_value_t = true, action = ArgAction::Set)]
    pub strict_reconfig_check: bool,
    /// Ask for votes before raising the term.
    #[arg(long, env = "ETCD_PRE_VOTE", default_value_t = true, action = ArgAction::Set)]
    pub pre_vote: bool,
    /// Stand for election soon after a start, if no leader is heard.
    #[arg(long, env = "ETCD_INITIAL_ELECTION_TICK_ADVANCE", default_value_t = true, action = ArgAction::Set)]
    pub initial_election_tick_advance: bool,
    /// `simple`, or `jwt,sign-method=HS256,priv-key=FILE[,ttl=5m]`.
    #[arg(long, env = "ETCD_AUTH_TOKEN", default_value = "simple")]
    pub auth_token: String,
    /// Seconds that a simple token lives.
    #[arg(long, env = "ETCD_AUTH_TOKEN_TTL", default_value_t = 300)]
    pub auth_token_ttl: u64,
    /// Two to this power are the rounds of a password's hash.
    #[arg(long, env = "ETCD_BCRYPT_COST", default_value_t = 10)]
    pub bcrypt_cost: u64,
    /// `debug`, `info`, `warn`, `error`.
    #[arg(long, env = "ETCD_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Taken for etcd's sake.
    #[arg(long, env = "ETCD_LOGGER", default_value = "zap")]
    pub logger: String,
    /// Taken for etcd's sake: the log goes to stderr.
    #[arg(long, env = "ETCD_LOG_OUTPUTS", value_delimiter = ',', default_value = "default")]
    pub log_outputs: Vec<String>,
    /// Do not sync. A crash of the machine loses what was promised: for tests only.
    #[arg(long, env = "ETCD_UNSAFE_NO_FSYNC", default_value_t = false, action = ArgAction::Set)]
    pub unsafe_no_fsync: bool,
    /// Write the log so that the previous release can read it: for the time of a rolling upgrade, and before a downgrade.
    #[arg(long, env = "ETCD_DOWNGRADABLE", default_value_t = false, action = ArgAction::Set)]
    pub downgradable: bool,
    /// Certificates.
    #[command(flatten)]
    pub tls: crate::tls::TlsFlags,
}

impl Flags {
    /// From the command line and the environment. Go's flags may have one dash.
    pub fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, clap::Error> {
        let command = Self::command().mut_args(switch);
        let flags: Self = read(command.clone(), arguments)?;
        let Some(path) = &flags.config_file else { return Ok(flags) };
        let arguments = config_file::arguments(path, &command)?;
        read(command.mut_args(|argument| argument.env(None)), arguments)
    }

    /// What they mean.
    pub fn settings(self) -> Result<Settings, SettingsError> {
        Settings::new(self)
    }
}

/// Flags, or a command with flags, from a command line as Go's programs take it.
pub(crate) fn read<T: FromArgMatches>(
    mut command: clap::Command,
    arguments: impl IntoIterator<Item = String>,
) -> Result<T, clap::Error> {
    let two_dashes = |argument: String| {
        let is_short = argument.starts_with('-') && !argument.starts_with("--");
        let is_word = argument.chars().nth(1).is_some_and(|c| c.is_ascii_alphabetic());
        if is_short && is_word && argument != "-h" { format!("-{argument}") } else { argument }
    };
    let matches = command.try_get_matches_from_mut(arguments.into_iter().map(two_dashes))?;
    T::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// A flag that is true or false stands alone, for true, or has a value behind `=`, as Go's do.
pub(crate) fn switch(argument: Arg) -> Arg {
    let is_set = matches!(argument.get_action(), ArgAction::Set);
    if is_set && argument.get_value_parser().type_id() == TypeId::of::<bool>() {
        return argument.num_args(0..=1).require_equals(true).default_missing_value("true");
    }
    argument
}
