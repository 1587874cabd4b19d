//! What flags mean, checked.

use crate::{
    flags::Flags,
    tls::{TlsError, TlsSettings},
};
use std::{collections::BTreeMap, fs, io, path::PathBuf};
use thiserror::Error as ThisError;
use whitewater_api::{Tuning, release::Release};

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) name: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) wal_dir: Option<PathBuf>,
    pub(crate) listen_client_urls: Vec<Url>,
    pub(crate) advertise_client_urls: Vec<String>,
    pub(crate) listen_peer_urls: Vec<Url>,
    pub(crate) advertise_peer_urls: Vec<String>,
    pub(crate) listen_metrics_urls: Vec<Url>,
    /// Peer URLs by name.
    pub(crate) initial_cluster: BTreeMap<String, Vec<String>>,
    pub(crate) cluster_token: String,
    pub(crate) joins: bool,
    pub(crate) force_new_cluster: bool,
    pub(crate) max_concurrent_streams: u32,
    pub(crate) token_key: Option<Vec<u8>>,
    pub(crate) unsafe_no_fsync: bool,
    pub(crate) release: Release,
    pub(crate) tuning: Tuning,
    pub(crate) tls: TlsSettings,
}

/// Flags that make no sense, each called by its name.
#[derive(Debug, ThisError)]
pub enum SettingsError {
    /// A value that a flag cannot have.
    #[error("--{flag}: {value:?} is not {expected}")]
    Value {
        /// Which flag.
        flag: &'static str,
        /// What was given.
        value: String,
        /// What can be.
        expected: &'static str,
    },
    /// Clients would not know where to come.
    #[error("--advertise-client-urls is required when --listen-client-urls is set explicitly")]
    NoAdvertised,
    /// A follower would stand for election between two heartbeats.
    #[error(
        "--election-timeout[{election}ms] should be at least as 5 times as --heartbeat-interval[{heartbeat}ms]"
    )]
    Election {
        /// In milliseconds.
        election: u64,
        /// In milliseconds.
        heartbeat: u64,
    },
    /// The member is none of the first ones.
    #[error(
        "couldn't find local name {name:?} in the initial cluster configuration (--initial-cluster)"
    )]
    NameMissing {
        /// The member's name.
        name: String,
    },
    /// The member is another one than it says.
    #[error(
        "--initial-cluster has {name}={listed:?} but missing from --initial-advertise-peer-urls={advertised:?}"
    )]
    PeerUrls {
        /// The member's name.
        name: String,
        /// What the first members say.
        listed: Vec<String>,
        /// What it says itself.
        advertised: Vec<String>,
    },
    /// A file cannot be read.
    #[error("--{flag}: {path}: {error}")]
    File {
        /// Which flag.
        flag: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Certificates and keys make no sense.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) is_tls: bool,
    /// Host and port.
    pub(crate) authority: String,
}

const CLIENT_URL: &str = "http://localhost:2379";

/// 2 GiB (etcd, `server/storage/quota.go`).
const QUOTA: u64 = 2 << 30;

impl Settings {
    /// Of these flags.
    pub fn new(flags: Flags) -> Result<Self, SettingsError> {
        let tuning = tuning(&flags)?;
        let (token_key, token_ttl) = token(&flags.auth_token)?;
        let tuning = Tuning { token_ttl_s: token_ttl.unwrap_or(flags.auth_token_ttl), ..tuning };
        if !flags.listen_client_urls.is_empty() && flags.advertise_client_urls.is_empty() {
            return Err(SettingsError::NoAdvertised);
        }
        let or_default = |urls: Vec<String>| {
            if urls.is_empty() { vec![CLIENT_URL.to_owned()] } else { urls }
        };
        let joins = match flags.initial_cluster_state.as_str() {
            "new" => false,
            "existing" => true,
            _ => {
                let (flag, value) = ("initial-cluster-state", flags.initial_cluster_state);
                return Err(SettingsError::Value { flag, value, expected: "new or existing" });
            }
        };
        let advertise_peer_urls = flags.initial_advertise_peer_urls;
        let data_dir = flags.data_dir.unwrap_or_else(|| format!("{}.etcd", flags.name).into());
        let listen_client_urls = urls("listen-client-urls", &or_default(flags.listen_client_urls))?;
        let listen_peer_urls = urls("listen-peer-urls", &flags.listen_peer_urls)?;
        let hosts = [hosts(&listen_client_urls), hosts(&listen_peer_urls)];
        let settings = Self {
            initial_cluster: match &flags.initial_cluster {
                Some(text) => initial_cluster(text)?,
                None => [(flags.name.clone(), advertise_peer_urls.clone())].into(),
            },
            tls: TlsSettings::new(flags.tls, &data_dir, [&hosts[0], &hosts[1]])?,
            data_dir,
            name: flags.name,
            wal_dir: flags.wal_dir,
            listen_client_urls,
            advertise_client_urls: or_default(flags.advertise_client_urls),
            listen_peer_urls,
            listen_metrics_urls: urls("listen-metrics-urls", &flags.listen_metrics_urls)?,
            advertise_peer_urls,
            cluster_token: flags.initial_cluster_token,
            joins,
            force_new_cluster: flags.force_new_cluster,
            max_concurrent_streams: flags.max_concurrent_streams,
            token_key,
            unsafe_no_fsync: flags.unsafe_no_fsync,
            release: if flags.downgradable { Release::Compatible } else { Release::Newest },
            tuning,
        };
        settings.check_name()?;
        Ok(settings)
    }

    pub(crate) fn data_dir(&self) -> &std::path::Path {
        &self.data_dir
    }

    fn check_name(&self) -> Result<(), SettingsError> {
        let name = self.name.clone();
        let Some(listed) = self.initial_cluster.get(&name) else {
            return Err(SettingsError::NameMissing { name });
        };
        let sorted = |urls: &[String]| {
            let mut urls = urls.to_vec();
            urls.sort_unstable();
            urls
        };
        let (listed, advertised) = (sorted(listed), sorted(&self.advertise_peer_urls));
        if listed == advertised {
            Ok(())
        } else {
            Err(SettingsError::PeerUrls { name, listed, advertised })
        }
    }
}

fn tuning(flags: &Flags) -> Result<Tuning, SettingsError> {
    let (heartbeat, election) = (flags.heartbeat_interval, flags.election_timeout);
    if heartbeat == 0 || election < 5 * heartbeat {
        return Err(SettingsError::Election { election, heartbeat });
    }
    let retention = &flags.auto_compaction_retention;
    let bad_retention = |expected| SettingsError::Value {
        flag: "auto-compaction-retention",
        value: retention.clone(),
        expected,
    };
    let (period, revisions) = match flags.auto_compaction_mode.as_str() {
        // A bare number means hours (etcd, `embed/etcd.go`).
        "periodic" => {
            let hours = retention.parse::<u64>().ok().and_then(|n| n.checked_mul(3_600_000));
            let period = hours.or_else(|| milliseconds(retention));
            (period.ok_or_else(|| bad_retention("hours, or a time such as 30m"))?, 0)
        }
        "revision" => (0, retention.parse().map_err(|_| bad_retention("a number of revisions"))?),
        mode => {
            let (flag, value) = ("auto-compaction-mode", mode.to_owned());
            return Err(SettingsError::Value { flag, value, expected: "periodic or revision" });
        }
    };
    let time = |flag, value: &String| {
        let (value, expected) = (value.clone(), "a time such as 10m");
        milliseconds(&value).ok_or(SettingsError::Value { flag, value, expected })
    };
    Ok(Tuning {
        tick_ms: heartbeat,
        heartbeat_ticks: 1,
        election_ticks: election / heartbeat,
        pre_vote: flags.pre_vote,
        alone_at_once: true,
        advance_at_start: flags.initial_election_tick_advance,
        strict_reconfig_check: flags.strict_reconfig_check,
        request_bytes_max: flags.max_request_bytes,
        txn_ops_max: flags.max_txn_ops,
        quota_bytes: match u64::try_from(flags.quota_backend_bytes) {
            Ok(0) => QUOTA,
            Ok(bytes) => bytes,
            Err(_) => 0,
        },
        catch_up_entries: flags.experimental_snapshot_catchup_entries,
        corruption_check_at_start: flags.experimental_initial_corrupt_check,
        corruption_check_ms: time(
            "experimental-corrupt-check-time",
            &flags.experimental_corrupt_check_time,
        )?,
        auto_compaction_period_ms: period,
        auto_compaction_revisions: revisions,
        bcrypt_cost: flags.bcrypt_cost.clamp(4, 31),
        watch_progress_ms: time(
            "experimental-watch-progress-notify-interval",
            &flags.experimental_watch_progress_notify_interval,
        )?,
        ..Tuning::default()
    })
}

/// The key that signs tokens and how long they are good, unless tokens are simple.
fn token(text: &str) -> Result<(Option<Vec<u8>>, Option<u64>), SettingsError> {
    let bad =
        |expected| SettingsError::Value { flag: "auth-token", value: text.to_owned(), expected };
    let mut parts = text.split(',');
    match parts.next() {
        Some("simple" | "") => return Ok((None, None)),
        Some("jwt") => {}
        _ => return Err(bad("simple or jwt")),
    }
    let options: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
    if options.get("sign-method") != Some(&"HS256") {
        return Err(bad("signed by HS256, the only method that is known here"));
    }
    let path = options.get("priv-key").ok_or_else(|| bad("given a priv-key"))?;
    let key = fs::read(path).map_err(|error| {
        let (flag, path) = ("auth-token", PathBuf::from(path));
        SettingsError::File { flag, path, error }
    })?;
    let ttl = match options.get("ttl") {
        Some(ttl) => milliseconds(ttl).ok_or_else(|| bad("given a ttl such as 5m"))? / 1000,
        None => 300,
    };
    Ok((Some(key), Some(ttl)))
}

/// `a=http://h:1,b=http://h:2,b=http://h:3`
fn initial_cluster(text: &str) -> Result<BTreeMap<String, Vec<String>>, SettingsError> {
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let Some((name, url)) = part.split_once('=') else {
            let (flag, value) = ("initial-cluster", text.to_owned());
            return Err(SettingsError::Value { flag, value, expected: "NAME=URL,NAME=URL" });
        };
        Url::parse("initial-cluster", url)?;
        members.entry(name.to_owned()).or_default().push(url.to_owned());
    }
    Ok(members)
}

fn urls(flag: &'static str, urls: &[String]) -> Result<Vec<Url>, SettingsError> {
    urls.iter().map(|url| Url::parse(flag, url)).collect()
}

fn hosts(urls: &[Url]) -> Vec<String> {
    urls.iter().map(|url| url.host().to_owned()).collect()
}

impl Url {
    /// Without the port.
    pub(crate) fn host(&self) -> &str {
        let host = self.authority.rsplit_once(':').map_or("", |(host, _)| host);
        host.trim_matches(['[', ']'])
    }

    fn parse(flag: &'static str, url: &str) -> Result<Self, SettingsError> {
        let expected = "http://HOST:PORT or https://HOST:PORT";
        let bad = || SettingsError::Value { flag, value: url.to_owned(), expected };
        let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
        let authority = rest.trim_end_matches('/').to_owned();
        let port = authority.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) || authority.contains('/') {
            return Err(bad());
        }
        match scheme {
            "http" => Ok(Self { is_tls: false, authority }),
            "https" => Ok(Self { is_tls: true, authority }),
            _ => Err(bad()),
        }
    }
}

/// A time as Go writes it: `1h30m`, `10s`, `500ms`.
fn milliseconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[letters..];
    }
    (!text.is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Result<Settings, String> {
        let arguments = ["whitewater-server"].iter().chain(arguments).map(|a| (*a).to_owned());
        let flags = Flags::read(arguments).map_err(|error| error.to_string())?;
        flags.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn times_are_read_as_go_writes_them() {
        assert_eq!(milliseconds("1h30m"), Some(5_400_000));
        assert_eq!(milliseconds("500ms"), Some(500));
        for bad in ["", "10", "5 m", "m"] {
            assert_eq!(milliseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn flags_may_be_written_in_four_ways() {
        for arguments in [&["--name=a"][..], &["--name", "a"], &["-name=a"], &["-name", "a"]] {
            assert_eq!(settings(arguments).unwrap().name, "a");
        }
        assert!(!settings(&["--pre-vote=false"]).unwrap().tuning.pre_vote);
        assert!(settings(&[]).unwrap().tuning.advance_at_start);
        let advance = "--initial-election-tick-advance=false";
        assert!(!settings(&[advance]).unwrap().tuning.advance_at_start);
        assert!(settings(&["--unsafe-no-fsync"]).unwrap().unsafe_no_fsync);
        assert_eq!(settings(&[]).unwrap().release, Release::Newest);
        assert_eq!(settings(&["--downgradable"]).unwrap().release, Release::Compatible);
    }

    #[test]
    fn what_makes_no_sense_is_called_by_name() {
        for (arguments, named) in [
            (&["--nmae=a"][..], "--nmae"),
            (&["--listen-client-urls=http://h:1"], "--advertise-client-urls"),
            (&["--heartbeat-interval=300"], "--election-timeout"),
            (&["--initial-cluster=b=http://h:1"], "default"),
            (&["--listen-peer-urls=h:1"], "--listen-peer-urls"),
            (&["--initial-cluster-state=old"], "--initial-cluster-state"),
            (&["--auto-compaction-mode=x"], "--auto-compaction-mode"),
            (&["--auth-token=jwt,sign-method=RS256"], "--auth-token"),
            (&["--initial-cluster=default=http://h:1"], "--initial-advertise-peer-urls"),
        ] {
            let error = settings(arguments).unwrap_err();
            assert!(error.contains(named), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn compaction_is_set_as_in_etcd() {
        let of = |arguments: &[&str]| settings(arguments).unwrap().tuning;
        assert_eq!(of(&["--auto-compaction-retention=2"]).auto_compaction_period_ms, 7_200_000);
        assert_eq!(of(&["--auto-compaction-retention=5m"]).auto_compaction_period_ms, 300_000);
        let by_revision = ["--auto-compaction-mode=revision", "--auto-compaction-retention=1000"];
        assert_eq!(of(&by_revision).auto_compaction_revisions, 1000);
    }
}
