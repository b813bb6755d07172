//! A TLS listener for a domain that is not ours, with a certificate made for the run.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use ::aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A certificate for one name, and its key.
pub struct Identity(CertifiedKey<KeyPair>);

impl Identity {
    /// Creates a new self-signed certificate.
    pub fn new(domain: &str) -> Self {
        Self(generate_simple_self_signed([domain.to_owned()]).expect("a certificate can be made"))
    }

    /// The certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.0.cert.der()
    }

    /// The SHA-256 hash of the public key, in Chromium's format.
    pub fn public_key_pin(&self) -> String {
        BASE64_STANDARD.encode(digest(&SHA256, &self.0.signing_key.subject_public_key_info()))
    }

    fn server_config(&self) -> ServerConfig {
        let key = PrivatePkcs8KeyDer::from(self.0.signing_key.serialize_der());
        ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the library supports both versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate().clone()], PrivateKeyDer::Pkcs8(key))
            .expect("the key belongs to the certificate")
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// A listener whose connections have completed the TLS handshake.
pub struct Listener {
    address: SocketAddr,
    connections: mpsc::Receiver<TlsStream<TcpStream>>,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Listens on a port of loopback.
    pub async fn bind(identity: &Identity) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let acceptor = TlsAcceptor::from(Arc::new(identity.server_config()));
        let (sender, connections) = mpsc::channel(64);
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                // Each handshake has its own task: a silent client must not delay the others.
                tokio::spawn(async move {
                    // A failed handshake concerns only that client.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = sender.send(stream).await;
                    }
                });
            }
        });
        Self { address, connections, accepting }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl axum::serve::Listener for Listener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let stream = self.connections.recv().await.expect("the accepting task never ends");
        (stream, self.address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
