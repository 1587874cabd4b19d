//! Certificates: for clients and for peers, read anew at each handshake, so that they can be replaced under way.

use clap::{ArgAction, Args};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error as ThisError;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
};

/// etcd's flags for certificates.
#[derive(Clone, Debug, Args)]
pub struct TlsFlags {
    /// The certificate shown to clients.
    #[arg(long, env = "ETCD_CERT_FILE")]
    pub cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, env = "ETCD_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// Who vouches for clients.
    #[arg(long, env = "ETCD_TRUSTED_CA_FILE")]
    pub trusted_ca_file: Option<PathBuf>,
    /// Clients must show a certificate.
    #[arg(long, env = "ETCD_CLIENT_CERT_AUTH", default_value_t = false, action = ArgAction::Set)]
    pub client_cert_auth: bool,
    /// The certificate shown to peers.
    #[arg(long, env = "ETCD_PEER_CERT_FILE")]
    pub peer_cert_file: Option<PathBuf>,
    /// Its key.
    #[arg(long, env = "ETCD_PEER_KEY_FILE")]
    pub peer_key_file: Option<PathBuf>,
    /// Who vouches for peers.
    #[arg(long, env = "ETCD_PEER_TRUSTED_CA_FILE")]
    pub peer_trusted_ca_file: Option<PathBuf>,
    /// Peers must show a certificate.
    #[arg(long, env = "ETCD_PEER_CLIENT_CERT_AUTH", default_value_t = false, action = ArgAction::Set)]
    pub peer_client_cert_auth: bool,
}

/// Certificates for both sides.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsSettings {
    pub(crate) client: Option<Identity>,
    pub(crate) peer: Option<Identity>,
}

/// Who this member is on one side, and whom it believes there.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    authority: Option<PathBuf>,
    asks_for_certificates: bool,
}

/// Why certificates do not do.
#[derive(Debug, ThisError)]
pub enum TlsError {
    /// One half is missing.
    #[error("--{given} is given and --{missing} is not")]
    Half {
        /// The flag that is there.
        given: &'static str,
        /// The flag that is not.
        missing: &'static str,
    },
    /// A file holds nothing of use.
    #[error("{path}: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl TlsSettings {
    pub(crate) fn new(flags: TlsFlags) -> Result<Self, TlsError> {
        let (client, peer) = (
            Identity::new(
                ["cert-file", "key-file", "trusted-ca-file"],
                [flags.cert_file, flags.key_file, flags.trusted_ca_file],
                flags.client_cert_auth,
            )?,
            Identity::new(
                ["peer-cert-file", "peer-key-file", "peer-trusted-ca-file"],
                [flags.peer_cert_file, flags.peer_key_file, flags.peer_trusted_ca_file],
                flags.peer_client_cert_auth,
            )?,
        );
        Ok(Self { client, peer })
    }
}

impl Identity {
    fn new(
        [certificate_flag, key_flag, authority_flag]: [&'static str; 3],
        [certificate, key, authority]: [Option<PathBuf>; 3],
        asks_for_certificates: bool,
    ) -> Result<Option<Self>, TlsError> {
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err(TlsError::Half { given: certificate_flag, missing: key_flag });
            }
            (None, Some(_)) => {
                return Err(TlsError::Half { given: key_flag, missing: certificate_flag });
            }
        };
        if asks_for_certificates && authority.is_none() {
            return Err(TlsError::Half { given: certificate_flag, missing: authority_flag });
        }
        // Who names somebody to vouch for the others wants them vouched for (etcd, `transport/listener.go`, `ServerConfig`).
        let asks_for_certificates = authority.is_some();
        let identity = Self { certificate, key, authority, asks_for_certificates };
        identity.read()?;
        Ok(Some(identity))
    }

    /// What this side shows to whoever connects.
    pub(crate) fn server(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider knows the usual versions");
        let builder = match &self.authority {
            Some(authority) if self.asks_for_certificates => {
                let roots = Arc::new(roots(authority)?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
                let verifier = verifier.map_err(|error| TlsError::File {
                    path: authority.clone(),
                    why: error.to_string(),
                })?;
                builder.with_client_cert_verifier(verifier)
            }
            Some(_) | None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Reread(self.clone())));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// What this side shows where it connects itself, and whom it believes there. Without an authority it believes anybody,
    /// as etcd does.
    pub(crate) fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider knows the usual versions");
        let builder = match &self.authority {
            Some(authority) => builder.with_root_certificates(roots(authority)?),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)),
        };
        let (chain, key) = self.read()?;
        let config = builder.with_client_auth_cert(chain, key);
        let config = config.map_err(|error| TlsError::File {
            path: self.certificate.clone(),
            why: error.to_string(),
        })?;
        Ok(Arc::new(config))
    }

    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key =
            key.map_err(|error| TlsError::File { path: self.key.clone(), why: error.to_string() })?;
        Ok((certificates(&self.certificate)?, key))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = |why: String| TlsError::File { path: path.to_owned(), why };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| file(error.to_string()))?;
    let chain = read.collect::<Result<Vec<_>, _>>().map_err(|error| file(error.to_string()))?;
    if chain.is_empty() { Err(file("no certificate in it".to_owned())) } else { Ok(chain) }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| TlsError::File { path: path.to_owned(), why: error.to_string() })?;
    }
    Ok(roots)
}

/// Reads the certificate and its key at each handshake.
#[derive(Debug)]
struct Reread(Identity);

impl ResolvesServerCert for Reread {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let (chain, key) =
            self.0.read().inspect_err(|error| tracing::error!(%error, "no certificate")).ok()?;
        let key = ring::sign::any_supported_type(&key)
            .inspect_err(|error| tracing::error!(%error, "no key that can sign"))
            .ok()?;
        Some(Arc::new(CertifiedKey::new(chain, key)))
    }
}

/// Believes any certificate whose key the other end really has.
struct Anybody;

impl fmt::Debug for Anybody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anybody")
    }
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
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
