//! The SDK's HTTP, on top of the same client that the identity provider's requests use.
//!
//! The SDK's own client would add a second HTTP stack with HTTP/2. It would also read the system's
//! certificates by default, and accept roots only as PEM texts.

use std::{error::Error, time::Duration};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use reqwest::Client;

use crate::crypto::tls::Network;

/// How long opening a connection may take, including name resolution and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);

/// The longest response that is read, in bytes. A row has at most 400 KB, a third more in base64; a
/// secret has 64 KB.
const MAX_BODY: usize = 1_000_000;

/// One pool of connections that are kept open: a TLS handshake takes longer than a read.
///
/// A connection that broke while Lambda had frozen the function costs one of the SDK's attempts.
#[derive(Clone, Debug)]
pub(super) struct Connector(Client);

impl Connector {
    /// A connector that follows no redirects; the SDK retries.
    pub(super) fn new(
        https_only: bool,
        network: &Network,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let builder = network.client()?.https_only(https_only);
        Ok(Self(builder.connect_timeout(CONNECT_TIMEOUT).build()?))
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
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { send(&client, request).await })
    }
}

async fn send(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body
        .bytes()
        .map(<[u8]>::to_vec)
        .ok_or_else(|| ConnectorError::user("the request's body is a stream".into()))?;
    let request = reqwest::Request::try_from(http::Request::from_parts(parts, body))
        .map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = client.execute(request).await.map_err(transport)?;
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

/// The SDK retries after either error.
fn transport(error: reqwest::Error) -> ConnectorError {
    let timeout = error.is_timeout();
    let source = Box::new(error.without_url());
    if timeout { ConnectorError::timeout(source) } else { ConnectorError::io(source) }
}
