//! TLS and proxies, as every client of this crate speaks and uses them.

use std::sync::Arc;

use reqwest::{Client, ClientBuilder, Proxy, redirect, retry};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

/// Whose certificates a client believes, and which proxy it goes by.
///
/// The default is the one for Lambda: the bundled web PKI roots, and no proxy. The system's
/// certificate files are never read then: that alone would take longer than everything else a
/// function does before its first request. Nor is a proxy taken from the environment: a variable
/// meant for another program must not send a client secret elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Network {
    roots: Option<RootCertStore>,
    proxy: Option<Proxy>,
}

impl Network {
    /// A network with authorities of its own in place of the bundled ones, or with a proxy.
    pub const fn new(roots: Option<RootCertStore>, proxy: Option<Proxy>) -> Self {
        Self { roots, proxy }
    }

    /// What a client of ours is made of. It follows no redirect and tries nothing again.
    ///
    /// # Errors
    ///
    /// If aws-lc-rs offered no cipher suite for a protocol version.
    pub fn client(&self) -> Result<ClientBuilder, rustls::Error> {
        let builder = Client::builder()
            .tls_backend_preconfigured(self.client_config()?)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy();
        Ok(match &self.proxy {
            Some(proxy) => builder.proxy(proxy.clone()),
            None => builder,
        })
    }

    fn client_config(&self) -> Result<ClientConfig, rustls::Error> {
        let bundled = || RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let roots = self.roots.clone().unwrap_or_else(bundled);
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(config)
    }
}
