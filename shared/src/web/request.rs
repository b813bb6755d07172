//! The types of requests, responses and functions.
//!
//! They are plain `http` types, so that a handler runs the same under Lambda, in a local run and in a
//! test.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::clock::Timestamp;

/// A request with its complete body in memory, as API Gateway delivers it.
pub type Request = http::Request<Bytes>;

/// A response with its complete body in memory.
pub type Response = http::Response<Bytes>;

/// A function of the bundle, as called by the gateway or a local run.
#[async_trait]
pub trait Function: Send + Sync {
    /// The paths that it serves.
    fn paths(&self) -> &'static [&'static str];

    /// Does at the start of the process, at time `now`, what the first request would wait for. Lambda
    /// gives a process the whole processor until the start ends, and may start it ahead of a request.
    ///
    /// No request is handled before this returns, and Lambda ends a start that takes ten seconds. So an
    /// implementation must limit its waits, and leave to the requests what fails.
    async fn prepare(&self, _now: Timestamp) {}

    /// Returns a response to every `request`.
    async fn handle(&self, request: Request, now: Timestamp) -> Response;
}

/// The gateway's own information about a request.
///
/// It is stored in the request's extensions and never filled from headers: a client can write any
/// header, and must not control any of these values.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// The gateway's id of this request, shown on error pages and in every log line.
    pub request_id: String,
    /// The domain name through which the gateway was called, `requestContext.domainName`.
    pub domain_name: Option<String>,
}

impl RequestContext {
    /// The context of `request`; empty if there was no gateway.
    pub fn of(request: &Request) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }
}

/// The text of the header `name`; `None` if the header is missing or repeated.
pub(super) fn single_header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}
