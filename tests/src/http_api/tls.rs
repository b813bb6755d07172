//! The TLS of a domain that is not ours, with a certificate made for the run.

use std::{fmt, net::SocketAddr, sync::Arc};

use ::aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{CertifiedKey, KeyPair, PublicKeyData as _, generate_simple_self_signed};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tls_listener::TlsListener;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

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

    /// Listens on a port of loopback. Also returns the address.
    pub async fn listen(&self) -> (TlsListener<TcpListener, TlsAcceptor>, SocketAddr) {
        let key = PrivatePkcs8KeyDer::from(self.0.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the library supports both versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate().clone()], PrivateKeyDer::Pkcs8(key))
            .expect("the key belongs to the certificate");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        (TlsListener::new(TlsAcceptor::from(Arc::new(config)), listener), address)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}
