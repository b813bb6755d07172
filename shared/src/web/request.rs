//! What a handler is given and what it answers.
//!
//! Plain `http` types, so that a handler runs the same under Lambda, in a local run and in a test.

use async_trait::async_trait;
use bytes::Bytes;

use crate::clock::Timestamp;

/// A request whose body is complete in memory: API Gateway hands over no other.
pub type Request = http::Request<Bytes>;

/// An answer whose body is complete in memory.
pub type Response = http::Response<Bytes>;

/// A function of the bundle, as the gateway or a local run sees it.
#[async_trait]
pub trait Function: Send + Sync {
    /// The paths that it serves.
    fn paths(&self) -> &'static [&'static str];

    /// Answers `request`, whatever it is.
    async fn handle(&self, request: Request, now: Timestamp) -> Response;
}

/// What the gateway says about a request, as against what the client says in it.
///
/// It rides in the request's extensions. Headers never fill it: a client can write any header,
/// and none of this may be the client's to choose.
#[derive(Clone, Debug, Default)]
pub struct RequestContext {
    /// The gateway's id of this request, shown on error pages and in every log line.
    pub request_id: String,
    /// The domain name by which the gateway was reached, `requestContext.domainName`.
    pub domain_name: Option<String>,
}

impl RequestContext {
    /// The context of `request`; empty if no gateway gave one.
    pub fn of(request: &Request) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }
}
