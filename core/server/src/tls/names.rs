//! The names in a certificate that was verified before, and which of them are let in.

use tokio_rustls::rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName},
    server::ParsedCertificate,
};

/// Which of those who are vouched for are let in; where nothing is said, all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowed {
    /// The common name that the certificate must have.
    pub(crate) common_name: Option<String>,
    /// A host name that it must be good for.
    pub(crate) host_name: Option<String>,
}

impl Allowed {
    /// Whether somebody with this certificate is let in (etcd, `transport/listener.go`, `baseConfig`).
    pub(crate) fn admits(&self, certificate: Option<&CertificateDer<'_>>) -> bool {
        let has_name = |wanted: &String| {
            certificate.and_then(common_name).is_some_and(|found| found == *wanted)
        };
        let is_good_for = |host: &String| {
            let parsed = certificate.and_then(|der| ParsedCertificate::try_from(der).ok());
            let (Some(parsed), Ok(host)) = (parsed, ServerName::try_from(host.as_str())) else {
                return false;
            };
            verify_server_name(&parsed, &host).is_ok()
        };
        self.common_name.as_ref().is_none_or(has_name)
            && self.host_name.as_ref().is_none_or(is_good_for)
    }
}

/// The common name in the subject of a certificate that was verified before.
///
/// ```text
///   Certificate { TBSCertificate { [0] version, serial, algorithm, issuer, validity, subject .. } .. }
///   subject: SEQUENCE of SET of SEQUENCE { type, value }
/// ```
pub(crate) fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    /// 2.5.4.3
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
    const EXPLICIT_VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut rest, _) = element(certificate)?;
    if rest.first() == Some(&EXPLICIT_VERSION) {
        rest = element(rest)?.2;
    }
    for _ in ["serial", "algorithm", "issuer", "validity"] {
        rest = element(rest)?.2;
    }
    let (_, mut names, _) = element(rest)?;
    while !names.is_empty() {
        let (_, set, others) = element(names)?;
        let (_, attribute, _) = element(set)?;
        let (_, kind, value) = element(attribute)?;
        if kind == COMMON_NAME {
            return String::from_utf8(element(value)?.1.to_vec()).ok();
        }
        names = others;
    }
    None
}

/// The first element of DER: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match *first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}
