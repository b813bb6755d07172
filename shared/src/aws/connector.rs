//! The SDK's HTTP, on top of the same client that the identity provider's requests use.
//!
//! The SDK's own client would add a second HTTP stack with HTTP/2. It would also read the system's
//! certificates by default, and accept roots only as PEM texts.

use std::{
    error::Error,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use reqwest::{Client, Url};

use crate::crypto::tls::Network;

/// How long opening a connection may take, including name resolution and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);

/// The client in CloudTrail's records, where the SDK does not name itself.
const USER_AGENT: &str = concat!("auth0-lambda/", env!("CARGO_PKG_VERSION"));

/// The longest response that is read, in bytes. A row has at most 400 KB, a third more in base64; a
/// secret has 64 KB.
const MAX_BODY: usize = 1_000_000;

/// One pool of connections that are kept open: a TLS handshake takes longer than a read.
///
/// A connection that broke while Lambda had frozen the function costs one of the SDK's attempts.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    client: Client,
    /// The first address that was called, as the SDK writes it and parsed. A service has no other.
    address: Arc<OnceLock<(String, Url)>>,
}

impl Connector {
    /// A connector that follows no redirects; the SDK retries.
    pub(super) fn new(
        https_only: bool,
        network: &Network,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let builder = network.client()?.https_only(https_only).user_agent(USER_AGENT);
        let client = builder.connect_timeout(CONNECT_TIMEOUT).build()?;
        Ok(Self { client, address: Arc::default() })
    }
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.send(request).await })
    }
}

impl Connector {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let url = self.url(request.uri())?;
        let request =
            request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (parts, body) = request.into_parts();
        let body = body
            .bytes()
            .map(<[u8]>::to_vec)
            .ok_or_else(|| ConnectorError::user("the request's body is a stream".into()))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(body.into());
        let mut response = self.client.execute(request).await.map_err(transport)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(transport)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(ConnectorError::other("the answer is too long".into(), None));
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body.into());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        answer.try_into().map_err(|error| ConnectorError::other(Box::new(error), None))
    }

    fn url(&self, text: &str) -> Result<Url, ConnectorError> {
        if let Some((known, url)) = self.address.get()
            && known == text
        {
            return Ok(url.clone());
        }
        let url = Url::parse(text).map_err(|error| ConnectorError::user(error.into()))?;
        self.address.get_or_init(|| (text.to_owned(), url.clone()));
        Ok(url)
    }
}

/// The SDK retries after either error.
fn transport(error: reqwest::Error) -> ConnectorError {
    let timeout = error.is_timeout();
    let source = Box::new(error.without_url());
    if timeout { ConnectorError::timeout(source) } else { ConnectorError::io(source) }
}
