//! TLS, as every client of this crate speaks it.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

/// A client's TLS: certificates by the bundled web PKI roots, cryptography by aws-lc-rs.
///
/// The system's certificate files are never read: that alone would take longer than everything
/// else a function does before its first request.
///
/// # Errors
///
/// If aws-lc-rs offered no cipher suite for a protocol version.
pub(crate) fn client_config() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
