//! Which versions of TLS and which ciphers are spoken, by etcd's names, which are Go's.

use super::TlsError;
use std::sync::Arc;
use tokio_rustls::rustls::{
    SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, ring},
    version::{TLS12, TLS13},
};

/// What is spoken on both sides.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(super) provider: Arc<CryptoProvider>,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
}

/// The versions that etcd knows, the oldest first, and what there is here of them.
const VERSIONS: [(&str, Option<&SupportedProtocolVersion>); 4] =
    [("TLS1.0", None), ("TLS1.1", None), ("TLS1.2", Some(&TLS12)), ("TLS1.3", Some(&TLS13))];

impl Default for Policy {
    fn default() -> Self {
        let provider = Arc::new(ring::default_provider());
        Self { provider, versions: vec![&TLS13, &TLS12] }
    }
}

impl Policy {
    /// By what the flags say. Ciphers are chosen for TLS 1.2 only, as in etcd: those of 1.3 are all good.
    pub(super) fn new(suites: &[String], min: &str, max: &str) -> Result<Self, TlsError> {
        let least = place("tls-min-version", min)?;
        let most = if max.is_empty() { VERSIONS.len() - 1 } else { place("tls-max-version", max)? };
        let between = VERSIONS.iter().take(most + 1).skip(least);
        let versions: Vec<_> = between.filter_map(|(_, version)| *version).collect();
        if versions.is_empty() {
            let (min, max) = (min.to_owned(), VERSIONS[most].0.to_owned());
            return Err(TlsError::NoVersion { min, max });
        }
        if !suites.is_empty() && !versions.contains(&&TLS12) {
            return Err(TlsError::FixedCiphers);
        }
        Ok(Self { provider: Arc::new(provider(suites)?), versions })
    }
}

fn place(flag: &'static str, version: &str) -> Result<usize, TlsError> {
    let found = VERSIONS.iter().position(|(name, _)| *name == version);
    found.ok_or_else(|| TlsError::Version { flag, version: version.to_owned() })
}

/// With all ciphers of TLS 1.3, and those of 1.2 that are named; all of them if none is.
fn provider(suites: &[String]) -> Result<CryptoProvider, TlsError> {
    let mut provider = ring::default_provider();
    if suites.is_empty() {
        return Ok(provider);
    }
    let (new, old): (Vec<_>, Vec<_>) =
        provider.cipher_suites.iter().partition(|suite| suite.version() == &TLS13);
    let name = |suite: &SupportedCipherSuite| suite.suite().as_str().unwrap_or_default();
    let mut chosen = new.clone();
    for wanted in suites {
        // Go calls those of 1.3 so, and some others for short.
        let is_new = new.iter().any(|suite| name(suite).replacen("TLS13", "TLS", 1) == *wanted);
        let long = format!("{wanted}_SHA256");
        let is_it =
            |suite: &&SupportedCipherSuite| [wanted, &long].contains(&&name(suite).to_owned());
        match old.iter().find(is_it) {
            Some(suite) => chosen.push(*suite),
            None if is_new => {}
            None => {
                let known: Vec<_> = old.iter().map(name).collect();
                let (suite, known) = (wanted.clone(), known.join(", "));
                return Err(TlsError::Cipher { suite, known });
            }
        }
    }
    provider.cipher_suites = chosen;
    Ok(provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(suites: &[&str], min: &str, max: &str) -> Result<Policy, String> {
        let suites: Vec<String> = suites.iter().map(|suite| (*suite).to_owned()).collect();
        Policy::new(&suites, min, max).map_err(|error| error.to_string())
    }

    #[test]
    fn versions_are_those_between_the_two() {
        assert_eq!(policy(&[], "TLS1.2", "").unwrap().versions, [&TLS12, &TLS13]);
        assert_eq!(policy(&[], "TLS1.0", "TLS1.2").unwrap().versions, [&TLS12]);
        assert_eq!(policy(&[], "TLS1.3", "TLS1.3").unwrap().versions, [&TLS13]);
        let refused = |min, max| policy(&[], min, max).unwrap_err();
        assert!(
            refused("SSL3", "").starts_with("--tls-min-version: unexpected TLS version \"SSL3\"")
        );
        assert!(refused("TLS1.2", "1.3").starts_with("--tls-max-version"));
        assert!(refused("TLS1.3", "TLS1.2").contains("TLS1.3"), "nothing between");
        assert!(refused("TLS1.0", "TLS1.1").contains("TLS1.1"), "too old for us");
    }

    #[test]
    fn ciphers_are_called_by_their_names_in_go_and_an_unknown_one_is_named() {
        let name = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
        let policy_of = policy(&[name, "TLS_AES_128_GCM_SHA256"], "TLS1.2", "").unwrap();
        let old = policy_of.provider.cipher_suites.iter().filter(|suite| suite.version() == &TLS12);
        let old: Vec<_> = old.map(|suite| suite.suite().as_str().unwrap()).collect();
        assert_eq!(old, [name]);
        assert!(policy(&["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"], "TLS1.2", "").is_ok());
        let refused = policy(&["TLS_RSA_WITH_RC4_128_SHA"], "TLS1.2", "").unwrap_err();
        assert!(refused.contains("\"TLS_RSA_WITH_RC4_128_SHA\""), "{refused}");
        let refused = policy(&[name], "TLS1.3", "").unwrap_err();
        assert!(refused.starts_with("--cipher-suites"), "{refused}");
    }
}
