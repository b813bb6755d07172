//! The SDK's HTTP, on top of the same client that the identity provider's requests use.
//!
//! The SDK's own client would add a second HTTP stack with HTTP/2. It would also read the system's
//! certificates by default, and accept roots only as PEM texts.

use std::{
    error::Error,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use reqwest::{Client, Request, Response};
use tokio::time;

use crate::crypto::tls::Network;

/// How long opening a connection may take, including name resolution and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);

/// The client in CloudTrail's records, where the SDK does not name itself.
const USER_AGENT: &str = concat!("auth0-lambda/", env!("CARGO_PKG_VERSION"));

/// The longest response that is read, in bytes. A row has at most 400 KB, a third more in base64; a
/// secret has 64 KB.
const MAX_BODY: usize = 1_000_000;

/// A connection may be dead this long after the last answer. No server and no NAT ends one sooner, and
/// requests in constant use follow each other faster.
const REST: Duration = Duration::from_secs(1);

/// How long the first answer after a [`REST`] is awaited alone. AWS usually answers within some 10 ms,
/// and the kernel sends a lost packet again after 200 ms.
const PATIENCE: Duration = Duration::from_millis(250);

/// Sends requests over connections that are kept open: a TLS handshake takes longer than a read.
///
/// While Lambda freezes the function, a server or a NAT may end connections. The function notices that
/// when it sends the next request:
///
/// - The connection was closed: the request fails.
/// - The connection was dropped silently: there is no answer. The kernel reports that too late, after
///   some 420 ms even with the shortest `TCP_USER_TIMEOUT`.
///
/// In both cases the request is sent once more, at once and over a new connection. A slow answer to the
/// first one is still taken: opening a connection may take as long. That is as safe as the SDK's own
/// attempts: the calls for sessions and secrets only read, or write under conditions and idempotency
/// tokens. The time limit of one attempt covers both requests.
#[derive(Clone, Debug)]
pub(super) struct Connector(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    https_only: bool,
    network: Network,
    pool: Mutex<Pool>,
}

/// A client and its open connections.
#[derive(Clone, Debug)]
struct Pool {
    client: Client,
    /// How many pools were replaced before.
    number: u64,
    /// By the wall clock, since Lambda may stop a monotonic one.
    last_answer: Option<SystemTime>,
}

impl Pool {
    fn new(
        https_only: bool,
        network: &Network,
        number: u64,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let builder = network.client()?.https_only(https_only).user_agent(USER_AGENT);
        let client = builder.connect_timeout(CONNECT_TIMEOUT).build()?;
        Ok(Self { client, number, last_answer: None })
    }

    fn has_rested(&self, now: SystemTime) -> bool {
        let rest = self.last_answer.and_then(|answer| now.duration_since(answer).ok());
        rest.is_some_and(|rest| rest >= REST)
    }
}

impl Connector {
    /// A connector that follows no redirects; the SDK retries.
    pub(super) fn new(
        https_only: bool,
        network: &Network,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let pool = Mutex::new(Pool::new(https_only, network, 0)?);
        Ok(Self(Arc::new(Connections { https_only, network: network.clone(), pool })))
    }
}

impl Connections {
    /// The answer to `request`, of which the body is still to be read.
    async fn exchange(&self, request: Request, time: &dyn TimeSource) -> reqwest::Result<Response> {
        let pool = self.pool().clone();
        let answer = if pool.has_rested(time.now()) {
            self.exchange_after_rest(request, &pool).await
        } else {
            pool.client.execute(request).await
        }?;
        self.pool().last_answer = Some(time.now());
        Ok(answer)
    }

    async fn exchange_after_rest(
        &self,
        request: Request,
        pool: &Pool,
    ) -> reqwest::Result<Response> {
        let Some(again) = request.try_clone() else { return pool.client.execute(request).await };
        let mut first = pin!(pool.client.execute(request));
        match time::timeout(PATIENCE, &mut first).await {
            Ok(Err(error)) if !error.is_connect() => self.replacement(pool).execute(again).await,
            Ok(result) => result,
            Err(_) => {
                let replacement = self.replacement(pool);
                tokio::select! {
                    biased;
                    Ok(answer) = first => Ok(answer),
                    answer = replacement.execute(again) => answer,
                }
            }
        }
    }

    /// The client after that of `dead`, so that no request takes another dead connection. Requests that
    /// find the same pool dead get the same replacement.
    fn replacement(&self, dead: &Pool) -> Client {
        let mut pool = self.pool();
        if pool.number == dead.number
            && let Ok(new) = Pool::new(self.https_only, &self.network, dead.number + 1)
        {
            *pool = new;
        }
        pool.client.clone()
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for Connector {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let time = components.time_source().unwrap_or_default();
        SharedHttpConnector::new(TimedConnector { connections: Arc::clone(&self.0), time })
    }
}

/// A connector with the SDK's clock.
#[derive(Debug)]
struct TimedConnector {
    connections: Arc<Connections>,
    time: SharedTimeSource,
}

impl HttpConnector for TimedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (connections, time) = (Arc::clone(&self.connections), self.time.clone());
        HttpConnectorFuture::new(async move { send(&connections, request, &time).await })
    }
}

async fn send(
    connections: &Connections,
    request: HttpRequest,
    time: &SharedTimeSource,
) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body
        .bytes()
        .map(<[u8]>::to_vec)
        .ok_or_else(|| ConnectorError::user("the request's body is a stream".into()))?;
    let request = Request::try_from(http::Request::from_parts(parts, body))
        .map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = connections.exchange(request, time).await.map_err(transport)?;
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
