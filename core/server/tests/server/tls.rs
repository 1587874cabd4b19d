//! Certificates: of the server, of clients, of members; and what happens to who has none.

use crate::common::{Cluster, Server, put};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    sync::Arc,
};
use tempfile::TempDir;
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use whitewater_server::loopback;

/// Certificates and keys in a folder that goes with the test.
struct Papers {
    folder: TempDir,
}

impl Papers {
    /// Two authorities, `ours` and `strange`, and papers of both: `server`, `renewed`, `alice`; `mallory`.
    fn new() -> Self {
        let papers = Self { folder: TempDir::new().unwrap() };
        for (authority, names) in
            [("ours", &["server", "renewed", "alice"][..]), ("strange", &["mallory"])]
        {
            let mut params = named(authority);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let issuer =
                CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            fs::write(papers.path(&format!("{authority}.pem")), issuer.pem()).unwrap();
            for name in names {
                let key = KeyPair::generate().unwrap();
                let certificate = named(name).signed_by(&key, &issuer).unwrap();
                fs::write(papers.path(&format!("{name}.pem")), certificate.pem()).unwrap();
                fs::write(papers.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
            }
        }
        papers
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn flag(&self, flag: &str, file: &str) -> String {
        format!("--{flag}={}", self.path(file).display())
    }

    /// The flags of a server, for clients or with `peer-` before each.
    fn flags(&self, side: &str) -> Vec<String> {
        vec![
            self.flag(&format!("{side}cert-file"), "server.pem"),
            self.flag(&format!("{side}key-file"), "server.key"),
        ]
    }

    fn certificate(&self, name: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap()
    }

    /// Asks for the health of who listens there, believing an authority and showing papers, if any. The certificate that
    /// was shown, and the first line of the answer.
    fn ask(
        &self,
        at: &str,
        authority: &str,
        shown: Option<&str>,
    ) -> io::Result<(CertificateDer<'static>, String)> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate(authority)).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(vec![self.certificate(name)], key).unwrap()
            }
        };
        let host = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::new(config), host).unwrap();
        let mut stream = StreamOwned::new(connection, TcpStream::connect(at)?);
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
        let mut first = [0; 15];
        stream.read_exact(&mut first)?;
        let certificates = stream.conn.peer_certificates().unwrap();
        Ok((certificates[0].clone().into_owned(), String::from_utf8_lossy(&first).into_owned()))
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params =
        CertificateParams::new(vec!["127.0.0.1".to_owned(), loopback::host().to_string()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

#[test]
fn who_is_named_to_vouch_for_clients_vouches_for_each_of_them() {
    let papers = Papers::new();
    for more in [&[][..], &["--client-cert-auth".to_owned()]] {
        let flags = [&papers.flags("")[..], &[papers.flag("trusted-ca-file", "ours.pem")], more];
        let directory = TempDir::new().unwrap();
        let server = Server::alone_by("https", directory.path(), &flags.concat());
        let at = server.url.trim_start_matches("https://");
        let (_, answer) = papers.ask(at, "ours", Some("alice")).unwrap();
        assert_eq!(answer, "HTTP/1.1 200 OK");
        papers.ask(at, "ours", None).unwrap_err();
        papers.ask(at, "ours", Some("mallory")).unwrap_err();
        papers.ask(at, "strange", Some("alice")).unwrap_err();
    }
}

#[test]
fn a_certificate_that_is_replaced_is_shown_from_the_next_handshake_on() {
    let papers = Papers::new();
    let directory = TempDir::new().unwrap();
    let server = Server::alone_by("https", directory.path(), &papers.flags(""));
    let at = server.url.trim_start_matches("https://");
    let shown = |authority| papers.ask(at, authority, None).map(|(certificate, _)| certificate);
    assert_eq!(shown("ours").unwrap(), papers.certificate("server"));
    for ending in ["pem", "key"] {
        let [new, old] = ["renewed", "server"].map(|name| papers.path(&format!("{name}.{ending}")));
        fs::rename(new, old).unwrap();
    }
    // What was the renewed one lies where the server's did.
    assert_eq!(shown("ours").unwrap(), papers.certificate("server"));
    shown("strange").unwrap_err();
}

#[tokio::test]
async fn members_show_each_other_certificates_and_turn_strangers_away() {
    let papers = Papers::new();
    let mut flags = papers.flags("peer-");
    flags.push(papers.flag("peer-trusted-ca-file", "ours.pem"));
    flags.push("--peer-client-cert-auth".to_owned());
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let cluster = Cluster::start_by("https", 3, &flags);
    for server in &cluster.servers {
        server.kv().await.put(put("k", "v")).await.unwrap();
    }
    let peer = cluster.flags[0].iter().find_map(|flag| flag.strip_prefix("--listen-peer-urls="));
    let at = peer.unwrap().trim_start_matches("https://");
    papers.ask(at, "ours", None).unwrap_err();
    papers.ask(at, "ours", Some("mallory")).unwrap_err();
}

/// A list of what an authority has taken back, by serial numbers.
fn revocations(issuer: &CertifiedIssuer<'_, KeyPair>, serials: &[u64]) -> String {
    let revoked = serials.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2020, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(4000, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    list.signed_by(issuer).unwrap().pem().unwrap()
}

#[test]
fn a_certificate_that_is_taken_back_is_turned_away_from_the_next_handshake_on() {
    let papers = Papers::new();
    let mut params = named("authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(papers.path("authority.pem"), issuer.pem()).unwrap();
    for (serial, name) in [(7, "bob"), (8, "carol")] {
        let (mut params, key) = (named(name), KeyPair::generate().unwrap());
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &issuer).unwrap();
        fs::write(papers.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(papers.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    fs::write(papers.path("list.pem"), revocations(&issuer, &[7])).unwrap();
    let mut flags = papers.flags("");
    flags.push(papers.flag("trusted-ca-file", "authority.pem"));
    flags.push(papers.flag("client-crl-file", "list.pem"));
    let directory = TempDir::new().unwrap();
    let server = Server::alone_by("https", directory.path(), &flags);
    let at = server.url.trim_start_matches("https://");
    papers.ask(at, "ours", Some("bob")).unwrap_err();
    papers.ask(at, "ours", Some("carol")).unwrap();
    fs::write(papers.path("list.pem"), revocations(&issuer, &[8])).unwrap();
    papers.ask(at, "ours", Some("bob")).unwrap();
    papers.ask(at, "ours", Some("carol")).unwrap_err();
}

#[test]
fn only_who_has_the_name_that_is_allowed_is_let_in() {
    let papers = Papers::new();
    let flags = |host: &str| {
        let mut flags = papers.flags("");
        flags.push(papers.flag("trusted-ca-file", "ours.pem"));
        flags.push(format!("--client-cert-allowed-hostname={host}"));
        flags
    };
    for (host, is_let_in) in [("127.0.0.1", true), ("elsewhere", false)] {
        let directory = TempDir::new().unwrap();
        let server = Server::alone_by("https", directory.path(), &flags(host));
        let at = server.url.trim_start_matches("https://");
        assert_eq!(papers.ask(at, "ours", Some("alice")).is_ok(), is_let_in, "{host}");
    }
}

#[tokio::test]
async fn members_with_certificates_of_their_own_making_talk() {
    let cluster = Cluster::start_by("https", 3, &["--peer-auto-tls", "--auto-tls"]);
    for server in &cluster.servers {
        server.kv().await.put(put("k", "v")).await.unwrap();
    }
    let made = cluster.directories[0].path().join("fixtures/peer/cert.pem");
    assert!(made.is_file(), "{} is not there", made.display());
}

#[tokio::test]
async fn a_member_shows_peers_the_certificate_that_lies_there_when_it_dials() {
    let papers = Papers::new();
    let mut flags = papers.flags("peer-");
    flags.push(papers.flag("peer-trusted-ca-file", "ours.pem"));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut cluster = Cluster::start_by("https", 3, &flags);
    cluster.servers[1].kill();
    for ending in ["pem", "key"] {
        let [new, old] = ["renewed", "server"].map(|name| papers.path(&format!("{name}.{ending}")));
        fs::rename(new, old).unwrap();
    }
    // From now on it lets in only who has the new papers. The two others have been running since before them.
    cluster.flags[1].push("--peer-cert-allowed-cn=renewed".to_owned());
    cluster.restart(1);
    cluster.servers[1].kv().await.put(put("k", "v")).await.unwrap();
}
