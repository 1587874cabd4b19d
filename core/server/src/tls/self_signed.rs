//! A certificate of one's own making (etcd, `transport/listener.go`, `SelfCert`).

use super::TlsError;
use crate::server::unix_seconds;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where a certificate and its key are.
pub(super) type Pair = (PathBuf, PathBuf);

/// The certificate in this folder; if there is none, a new one for these hosts, good for so many years.
pub(super) fn pair(folder: &Path, hosts: &[String], years: u64) -> Result<Pair, TlsError> {
    let pair = (folder.join("cert.pem"), folder.join("key.pem"));
    if pair.0.is_file() && pair.1.is_file() {
        return Ok(pair);
    }
    let failed = |why: String| TlsError::File { path: folder.to_owned(), why };
    let (certificate, key) = make(hosts, years).map_err(|error| failed(error.to_string()))?;
    write(folder, &pair, &certificate, &key).map_err(|error| failed(error.to_string()))?;
    Ok(pair)
}

fn make(hosts: &[String], years: u64) -> Result<(String, String), rcgen::Error> {
    const YEAR: u64 = 365 * 24 * 3600;
    let mut params = CertificateParams::new(hosts.to_vec())?;
    params.distinguished_name.push(DnType::OrganizationName, "etcd");
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_seconds());
    params.not_after = params.not_before + Duration::from_secs(years.saturating_mul(YEAR));
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn write(folder: &Path, pair: &Pair, certificate: &str, key: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&pair.1)?;
    file.write_all(key.as_bytes())?;
    fs::write(&pair.0, certificate)
}
