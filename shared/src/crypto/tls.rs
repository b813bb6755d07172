//! TLS and proxy configuration of all HTTP clients of this crate.

use std::sync::Arc;

use reqwest::{Client, ClientBuilder, Proxy, redirect, retry};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

/// The certificate authorities that a client trusts, and the proxy it uses.
///
/// The default is for Lambda: the bundled web PKI roots and no proxy. The system's certificate files
/// are not read, because reading them takes longer than the rest of a cold start. No proxy is taken
/// from the environment, because a variable for another program must not redirect a client secret.
#[derive(Clone, Debug, Default)]
pub struct Network {
    roots: Option<RootCertStore>,
    proxy: Option<Proxy>,
}

impl Network {
    /// A network with these authorities instead of the bundled ones, or with a proxy.
    pub const fn new(roots: Option<RootCertStore>, proxy: Option<Proxy>) -> Self {
        Self { roots, proxy }
    }

    /// A builder of clients that follow no redirects and never retry.
    ///
    /// # Errors
    ///
    /// When aws-lc-rs offers no cipher suite for a protocol version.
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
