//! Sockets, with or without TLS.

use crate::tls::{self, Identity, TlsError};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector, TlsStream,
    rustls::{
        ClientConfig,
        pki_types::{CertificateDer, ServerName},
    },
};

/// One end of a connection.
pub(crate) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What takes connections in.
#[derive(Clone)]
pub(crate) struct Acceptor(Option<Gate>);

/// What takes connections in with TLS.
#[derive(Clone)]
struct Gate {
    identity: Identity,
    protocols: &'static [&'static [u8]],
    acceptor: TlsAcceptor,
}

/// What dials peers.
#[derive(Clone)]
pub(crate) struct Dialer(Option<Arc<ClientConfig>>);

impl Acceptor {
    /// With TLS if there is somebody to be.
    pub(crate) fn new(
        identity: Option<&Identity>,
        protocols: &'static [&'static [u8]],
    ) -> Result<Self, TlsError> {
        let gate = |identity: &Identity| {
            let acceptor = TlsAcceptor::from(identity.server(protocols)?);
            Ok::<_, TlsError>(Gate { identity: identity.clone(), protocols, acceptor })
        };
        Ok(Self(identity.map(gate).transpose()?))
    }

    /// Shakes hands.
    pub(crate) async fn accept(&self, stream: TcpStream, is_tls: bool) -> io::Result<Socket> {
        stream.set_nodelay(true)?;
        match &self.0 {
            Some(gate) if is_tls => gate.accept(stream).await,
            Some(_) | None if !is_tls => Ok(Socket::Plain(stream)),
            Some(_) | None => Err(io::Error::other("no certificate for an https:// address")),
        }
    }
}

impl Gate {
    async fn accept(&self, stream: TcpStream) -> io::Result<Socket> {
        let acceptor = if self.identity.changes() {
            TlsAcceptor::from(self.identity.server(self.protocols).map_err(io::Error::other)?)
        } else {
            self.acceptor.clone()
        };
        let socket = Socket::Tls(Box::new(acceptor.accept(stream).await?.into()));
        if self.identity.allowed.admits(socket.certificate()) {
            Ok(socket)
        } else {
            Err(io::Error::other("the certificate has none of the names that are let in"))
        }
    }
}

impl Dialer {
    /// With TLS if there is somebody to be.
    pub(crate) fn new(identity: Option<&Identity>) -> Result<Self, TlsError> {
        Ok(Self(identity.map(Identity::client).transpose()?))
    }

    /// Whether others are shown a certificate.
    pub(crate) const fn has_tls(&self) -> bool {
        self.0.is_some()
    }

    /// Connects to the host and port of a URL.
    pub(crate) async fn dial(&self, url: &str) -> io::Result<Socket> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("no URL"))?;
        let authority = rest.trim_end_matches('/');
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        match (scheme, &self.0) {
            ("http", _) => Ok(Socket::Plain(stream)),
            ("https", Some(config)) => {
                let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
                let host = host.trim_matches(['[', ']']).to_owned();
                let name = ServerName::try_from(host).map_err(|_| bad("no name of a host"))?;
                let connector = TlsConnector::from(Arc::clone(config));
                Ok(Socket::Tls(Box::new(connector.connect(name, stream).await?.into())))
            }
            ("https", None) => Err(bad("https:// needs --peer-cert-file and --peer-key-file")),
            _ => Err(bad("neither http:// nor https://")),
        }
    }
}

impl Socket {
    /// The common name of the certificate that the other end has shown, if it has.
    pub(crate) fn common_name(&self) -> Option<String> {
        tls::common_name(self.certificate()?)
    }

    fn certificate(&self) -> Option<&CertificateDer<'static>> {
        let Self::Tls(stream) = self else { return None };
        stream.get_ref().1.peer_certificates()?.first()
    }
}

macro_rules! either {
    ($socket:expr, $stream:ident => $call:expr) => {
        match $socket.get_mut() {
            Self::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Self::Tls($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(context))
    }
}
