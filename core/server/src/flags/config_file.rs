//! `--config-file`: the flags as a file of YAML (etcd, `etcd.conf.yml.sample`).
//!
//! ```yaml
//! name: one
//! listen-client-urls: http://127.0.0.1:2379
//! peer-transport-security:
//!   cert-file: peer.pem
//! ```

use clap::{Command, Error, error::ErrorKind};
use std::{fs, path::Path};
use yaml_rust2::{Yaml, YamlLoader};

/// What etcd's own sample says, and what means nothing here.
const TAKEN: &[&str] = &[
    "cors",
    "discovery-fallback",
    "enable-pprof",
    "enable-v2",
    "max-snapshots",
    "max-wals",
    "proxy-dial-timeout",
    "proxy-failure-wait",
    "proxy-read-timeout",
    "proxy-refresh-interval",
    "proxy-write-timeout",
];

/// The flags of both sides, by their names in the file's two sections.
const SECTIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "client-transport-security",
        &[
            ("cert-file", "cert-file"),
            ("key-file", "key-file"),
            ("client-cert-auth", "client-cert-auth"),
            ("trusted-ca-file", "trusted-ca-file"),
            ("auto-tls", "auto-tls"),
            ("crl-file", "client-crl-file"),
            ("allowed-hostname", "client-cert-allowed-hostname"),
        ],
    ),
    (
        "peer-transport-security",
        &[
            ("cert-file", "peer-cert-file"),
            ("key-file", "peer-key-file"),
            ("client-cert-auth", "peer-client-cert-auth"),
            ("trusted-ca-file", "peer-trusted-ca-file"),
            ("auto-tls", "peer-auto-tls"),
            ("crl-file", "peer-crl-file"),
            ("allowed-cn", "peer-cert-allowed-cn"),
            ("allowed-hostname", "peer-cert-allowed-hostname"),
        ],
    ),
];

/// A command line that says what the file says. As at a real etcd, nothing else counts beside it: no other flag and no
/// variable of the environment.
pub(super) fn arguments(path: &Path, command: &Command) -> Result<Vec<String>, Error> {
    let text = fs::read_to_string(path).map_err(|error| bad(path, &error.to_string()))?;
    let documents =
        YamlLoader::load_from_str(&text).map_err(|error| bad(path, &error.to_string()))?;
    let mut arguments = vec![command.get_name().to_owned()];
    for document in documents.iter().filter(|document| !document.is_null()) {
        let rows = document.as_hash().ok_or_else(|| bad(path, "it is no map of settings"))?;
        for (key, value) in rows {
            let key = key.as_str().ok_or_else(|| bad(path, "a setting whose name is no text"))?;
            row(path, key, value, &mut arguments)?;
        }
    }
    Ok(arguments)
}

fn row(path: &Path, key: &str, value: &Yaml, arguments: &mut Vec<String>) -> Result<(), Error> {
    let Some((_, names)) = SECTIONS.iter().find(|(section, _)| *section == key) else {
        let is_off = key == "proxy" && value.as_str() == Some("off");
        if let Some(value) = text(path, key, value)?.filter(|_| !is_off && !TAKEN.contains(&key)) {
            arguments.push(format!("--{key}={value}"));
        }
        return Ok(());
    };
    for (inner, value) in value.as_hash().into_iter().flatten() {
        let found = names.iter().find(|(name, _)| inner.as_str() == Some(name));
        let (_, flag) = found
            .ok_or_else(|| bad(path, &format!("{key} has no {}", inner.as_str().unwrap_or("?"))))?;
        if let Some(value) = text(path, inner.as_str().unwrap_or(key), value)? {
            arguments.push(format!("--{flag}={value}"));
        }
    }
    Ok(())
}

/// A value as it stands on a command line; nothing where the file leaves it open.
fn text(path: &Path, key: &str, value: &Yaml) -> Result<Option<String>, Error> {
    Ok(match value {
        Yaml::Null => None,
        Yaml::String(text) | Yaml::Real(text) => (!text.is_empty()).then(|| text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        Yaml::Boolean(is_set) => Some(is_set.to_string()),
        Yaml::Array(items) => {
            let texts = items.iter().map(|item| text(path, key, item));
            let texts: Vec<String> =
                texts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
            (!texts.is_empty()).then(|| texts.join(","))
        }
        Yaml::Hash(_) | Yaml::Alias(_) | Yaml::BadValue => {
            return Err(bad(path, &format!("{key} is neither a value nor a list of values")));
        }
    })
}

fn bad(path: &Path, why: &str) -> Error {
    Error::raw(ErrorKind::Io, format!("--config-file: {}: {why}\n", path.display()))
}

#[cfg(test)]
mod tests {
    use crate::flags::Flags;
    use std::{fs, path::PathBuf};
    use tempfile::TempDir;

    fn read(text: &str, more: &[&str]) -> Result<Flags, String> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("etcd.conf.yml");
        fs::write(&path, text).unwrap();
        let flag = format!("--config-file={}", path.display());
        let arguments = ["whitewater-server", &flag].into_iter().chain(more.iter().copied());
        Flags::read(arguments.map(str::to_owned)).map_err(|error| error.to_string())
    }

    /// As etcd's sample is written: sections, quotes, lists, and much that is left open.
    const SAMPLE: &str = "
# This is the configuration file for the etcd server.
name: 'one'
data-dir:
snapshot-count: 10000
heartbeat-interval: 200
election-timeout: 2000
quota-backend-bytes: -1
listen-peer-urls: http://localhost:2380
listen-client-urls: http://127.0.0.1:2379,http://127.0.0.1:2378
max-snapshots: 5
cors:
initial-advertise-peer-urls: http://localhost:2380
advertise-client-urls: http://localhost:2379
initial-cluster:
strict-reconfig-check: false
enable-pprof: true
proxy: 'off'
client-transport-security:
  cert-file:
  client-cert-auth: false
  auto-tls: false
peer-transport-security:
  cert-file: peer.pem
  client-cert-auth: true
  allowed-cn: member
log-level: debug
log-outputs: [stderr]
force-new-cluster: false
auto-compaction-retention: \"1\"
";

    #[test]
    fn a_file_says_what_flags_say() {
        let flags = read(SAMPLE, &[]).unwrap();
        assert_eq!((flags.name.as_str(), flags.heartbeat_interval), ("one", 200));
        assert_eq!(flags.listen_client_urls.len(), 2);
        assert_eq!((flags.quota_backend_bytes, flags.strict_reconfig_check), (-1, false));
        assert_eq!(flags.log_outputs, ["stderr"]);
        assert_eq!(flags.auto_compaction_retention, "1");
        assert_eq!(flags.data_dir, None);
        assert_eq!(flags.tls.peer_cert_file, Some(PathBuf::from("peer.pem")));
        assert!(flags.tls.peer_client_cert_auth && !flags.tls.client_cert_auth);
        assert_eq!(flags.tls.peer_cert_allowed_cn.as_deref(), Some("member"));
    }

    #[test]
    fn beside_a_file_no_flag_counts() {
        assert_eq!(read("name: one", &["--name=two"]).unwrap().name, "one");
        assert_eq!(read("", &["--name=two"]).unwrap().name, "default");
    }

    #[test]
    fn what_a_file_cannot_say_is_called_by_name() {
        for (text, named) in [
            ("nmae: a", "--nmae"),
            ("proxy: 'on'", "--proxy"),
            ("- a", "map"),
            ("name: {a: b}", "name"),
            ("a: [", "config-file"),
            ("peer-transport-security: {cert: a}", "cert"),
            ("heartbeat-interval: soon", "--heartbeat-interval"),
        ] {
            let error = read(text, &[]).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
