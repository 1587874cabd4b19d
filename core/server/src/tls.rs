//! Certificates: for clients and for peers, read anew at each handshake, so that they can be replaced under way.

mod anybody;
mod names;
mod policy;
mod self_signed;

pub(crate) use self::names::{Allowed, common_name};
use self::{anybody::Anybody, policy::Policy};
use clap::{ArgAction, Args};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use thiserror::Error as ThisError;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig, SignatureScheme,
    client::ResolvesClientCert,
    crypto::ring,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier, danger::ClientCertVerifier},
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
    /// The certificates of clients that are taken back, in PEM or DER.
    #[arg(long, env = "ETCD_CLIENT_CRL_FILE")]
    pub client_crl_file: Option<PathBuf>,
    /// A host name that a client's certificate must be good for.
    #[arg(long, env = "ETCD_CLIENT_CERT_ALLOWED_HOSTNAME")]
    pub client_cert_allowed_hostname: Option<String>,
    /// Make a certificate for clients, if none is named.
    #[arg(long, env = "ETCD_AUTO_TLS", default_value_t = false, action = ArgAction::Set)]
    pub auto_tls: bool,
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
    /// The certificates of peers that are taken back, in PEM or DER.
    #[arg(long, env = "ETCD_PEER_CRL_FILE")]
    pub peer_crl_file: Option<PathBuf>,
    /// The common name that a peer's certificate must have.
    #[arg(long, env = "ETCD_PEER_CERT_ALLOWED_CN")]
    pub peer_cert_allowed_cn: Option<String>,
    /// A host name that a peer's certificate must be good for.
    #[arg(long, env = "ETCD_PEER_CERT_ALLOWED_HOSTNAME")]
    pub peer_cert_allowed_hostname: Option<String>,
    /// Make a certificate for peers, if none is named.
    #[arg(long, env = "ETCD_PEER_AUTO_TLS", default_value_t = false, action = ArgAction::Set)]
    pub peer_auto_tls: bool,
    /// Years that a certificate of the server's own making is good for.
    #[arg(long, env = "ETCD_SELF_SIGNED_CERT_VALIDITY", default_value_t = 1)]
    pub self_signed_cert_validity: u64,
    /// The ciphers of TLS 1.2 that are spoken, by Go's names; all good ones, if none is named.
    #[arg(long, env = "ETCD_CIPHER_SUITES", value_delimiter = ',')]
    pub cipher_suites: Vec<String>,
    /// The oldest version of TLS that is spoken: TLS1.2 or TLS1.3.
    #[arg(long, env = "ETCD_TLS_MIN_VERSION", default_value = "TLS1.2")]
    pub tls_min_version: String,
    /// The newest; none if not said.
    #[arg(long, env = "ETCD_TLS_MAX_VERSION", default_value = "")]
    pub tls_max_version: String,
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
    /// Who vouches for the others. Each of them must show a certificate then.
    authority: Option<PathBuf>,
    /// The certificates that were taken back.
    revoked: Option<PathBuf>,
    pub(crate) allowed: Allowed,
    policy: Policy,
}

/// The flags of one side.
struct Side {
    /// Certificate, key and authority: the flags' names.
    names: [&'static str; 3],
    files: [Option<PathBuf>; 3],
    must_show: bool,
    revoked: Option<PathBuf>,
    allowed: Allowed,
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
    /// A version that nobody knows.
    #[error("--{flag}: unexpected TLS version {version:?}; TLS1.2 and TLS1.3 can be named")]
    Version {
        /// Which flag.
        flag: &'static str,
        /// What was given.
        version: String,
    },
    /// No version can be spoken.
    #[error(
        "--tls-min-version {min} and --tls-max-version {max} leave no version of TLS that is spoken here"
    )]
    NoVersion {
        /// The oldest.
        min: String,
        /// The newest.
        max: String,
    },
    /// Ciphers are named of a version that is not spoken.
    #[error(
        "--cipher-suites cannot be given with --tls-min-version TLS1.3, whose ciphers are fixed"
    )]
    FixedCiphers,
    /// A cipher that is not spoken.
    #[error("--cipher-suites: unexpected TLS cipher suite {suite:?}; there are {known}")]
    Cipher {
        /// What was given.
        suite: String,
        /// What can be.
        known: String,
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
    /// `data`: the data directory, where certificates of the server's own making are kept. `hosts`: what those are good for,
    /// for clients and for peers.
    pub(crate) fn new(
        mut flags: TlsFlags,
        data: &Path,
        hosts: [&[String]; 2],
    ) -> Result<Self, TlsError> {
        let policy =
            Policy::new(&flags.cipher_suites, &flags.tls_min_version, &flags.tls_max_version)?;
        let years = flags.self_signed_cert_validity;
        let make = |side: &str, hosts: &[String]| {
            self_signed::pair(&data.join("fixtures").join(side), hosts, years)
        };
        if flags.auto_tls && flags.cert_file.is_none() && flags.key_file.is_none() {
            let (certificate, key) = make("client", hosts[0])?;
            (flags.cert_file, flags.key_file) = (Some(certificate), Some(key));
        }
        if flags.peer_auto_tls && flags.peer_cert_file.is_none() && flags.peer_key_file.is_none() {
            let (certificate, key) = make("peer", hosts[1])?;
            (flags.peer_cert_file, flags.peer_key_file) = (Some(certificate), Some(key));
        }
        let client = Side {
            names: ["cert-file", "key-file", "trusted-ca-file"],
            files: [flags.cert_file, flags.key_file, flags.trusted_ca_file],
            must_show: flags.client_cert_auth,
            revoked: flags.client_crl_file,
            allowed: Allowed { common_name: None, host_name: flags.client_cert_allowed_hostname },
        };
        let peer = Side {
            names: ["peer-cert-file", "peer-key-file", "peer-trusted-ca-file"],
            files: [flags.peer_cert_file, flags.peer_key_file, flags.peer_trusted_ca_file],
            must_show: flags.peer_client_cert_auth,
            revoked: flags.peer_crl_file,
            allowed: Allowed {
                common_name: flags.peer_cert_allowed_cn,
                host_name: flags.peer_cert_allowed_hostname,
            },
        };
        Ok(Self { client: client.identity(&policy)?, peer: peer.identity(&policy)? })
    }
}

impl Side {
    fn identity(self, policy: &Policy) -> Result<Option<Identity>, TlsError> {
        let Self { names: [certificate_flag, key_flag, authority_flag], files, .. } = self;
        let half = |given, missing| Err(TlsError::Half { given, missing });
        let [certificate, key, authority] = files;
        let (certificate, key) = match (certificate, key) {
            (Some(certificate), Some(key)) => (certificate, key),
            (None, None) => return Ok(None),
            (Some(_), None) => return half(certificate_flag, key_flag),
            (None, Some(_)) => return half(key_flag, certificate_flag),
        };
        // Who names somebody to vouch for the others wants them vouched for (etcd, `transport/listener.go`, `ServerConfig`).
        if self.must_show && authority.is_none() {
            return half(certificate_flag, authority_flag);
        }
        let (revoked, allowed) = (self.revoked, self.allowed);
        let policy = policy.clone();
        let identity = Identity { certificate, key, authority, revoked, allowed, policy };
        identity.read()?;
        Ok(Some(identity))
    }
}

impl Identity {
    /// Whether what it shows and believes has to be put together anew for each connection.
    pub(crate) const fn changes(&self) -> bool {
        self.revoked.is_some()
    }

    /// What this side shows to whoever connects.
    pub(crate) fn server(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, TlsError> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.policy.provider))
            .with_protocol_versions(&self.policy.versions)
            .expect("there are ciphers for each version");
        let builder = match &self.authority {
            Some(authority) => builder.with_client_cert_verifier(self.verifier(authority)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(Reread(self.clone())));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// Whom it believes. Only the certificate itself is looked for among those that were taken back, as in etcd.
    fn verifier(&self, authority: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let roots = Arc::new(roots(authority)?);
        let mut builder =
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&self.policy.provider));
        let mut blamed = authority;
        if let Some(path) = &self.revoked {
            builder = builder
                .with_crls(revocations(path)?)
                .only_check_end_entity_revocation()
                .allow_unknown_revocation_status();
            blamed = path;
        }
        builder
            .build()
            .map_err(|error| TlsError::File { path: blamed.to_owned(), why: error.to_string() })
    }

    /// What this side shows where it connects itself, and whom it believes there. Without an authority it believes anybody,
    /// as etcd does.
    pub(crate) fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.policy.provider))
            .with_protocol_versions(&self.policy.versions)
            .expect("there are ciphers for each version");
        let builder = match &self.authority {
            Some(authority) => builder.with_root_certificates(roots(authority)?),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody)),
        };
        Ok(Arc::new(builder.with_client_cert_resolver(Arc::new(Reread(self.clone())))))
    }

    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let key = PrivateKeyDer::from_pem_file(&self.key);
        let key =
            key.map_err(|error| TlsError::File { path: self.key.clone(), why: error.to_string() })?;
        Ok((certificates(&self.certificate)?, key))
    }
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

/// The lists of certificates that were taken back, in PEM or as it is.
fn revocations(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let file = |why: String| TlsError::File { path: path.to_owned(), why };
    let bytes = fs::read(path).map_err(|error| file(error.to_string()))?;
    let lists = CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let lists = lists.map_err(|error| file(error.to_string()))?;
    Ok(if lists.is_empty() { vec![bytes.into()] } else { lists })
}

/// Reads the certificate and its key at each handshake.
#[derive(Debug)]
struct Reread(Identity);

impl Reread {
    fn certified(&self) -> Option<Arc<CertifiedKey>> {
        let (chain, key) =
            self.0.read().inspect_err(|error| tracing::error!(%error, "no certificate")).ok()?;
        let key = ring::sign::any_supported_type(&key)
            .inspect_err(|error| tracing::error!(%error, "no key that can sign"))
            .ok()?;
        Some(Arc::new(CertifiedKey::new(chain, key)))
    }
}

impl ResolvesServerCert for Reread {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.certified()
    }
}

impl ResolvesClientCert for Reread {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.certified()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
