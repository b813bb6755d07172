//! Several guarded routes in one function, with [axum].
//!
//! ```no_run
//! use axum::{Router, extract::Path, routing};
//! use shared::guard::{Principal, Rules, routes::require};
//!
//! const READER: Rules<'_> = Rules { scopes: &["read:notes"], ..Rules::NONE };
//! const WRITER: Rules<'_> = Rules { scopes: &["write:notes"], ..Rules::NONE };
//!
//! async fn read(caller: Principal, Path(id): Path<String>) -> String {
//!     format!("note {id} of {:?}", caller.user.get("sub"))
//! }
//!
//! async fn delete(Path(id): Path<String>) -> String {
//!     format!("deleted {id}")
//! }
//!
//! let reading = routing::get(read).layer(require(READER));
//! let writing = routing::delete(delete).layer(require(WRITER));
//! let router: Router = Router::new().route("/notes/{id}", reading.merge(writing));
//! ```
//!
//! `gateway::run(env!("CARGO_CRATE_NAME"), async |settings| Routes::from_settings(router, settings))`
//! runs it as a Lambda function.
//!
//! A handler can take the time of the request as `Extension<Timestamp>`.
//!
//! A route without [`require`] is public. If its handler takes a [`Principal`], it answers 500, so
//! that a forgotten rule opens nothing.

use std::{
    convert::Infallible,
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::axum::{
    Router,
    body::{self, Body},
    extract::{FromRequestParts, MatchedPath},
    response::IntoResponse,
};
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode, header, request::Parts};
use tower_layer::Layer;
use tower_service::Service;

use super::{GuardConfig, Principal, Rules, shield::Shield};
use crate::{
    clock::Timestamp,
    dependencies::Dependencies,
    names::LogEvent,
    settings::Settings,
    web::{
        error::{Failure, Public},
        request::{Function, Request, Response},
    },
};

/// The methods in the answer to a preflight request. The router decides which of them a route accepts.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The size limit of a response in bytes, as Lambda sets it.
const MAX_BODY: usize = 6 * 1024 * 1024;

type HttpRequest = http::Request<Body>;
type HttpResponse = http::Response<Body>;

/// A router behind one [`Guard`](super::Guard). It handles preflight requests, CORS, refusals and unknown paths, all
/// in JSON.
pub struct Routes {
    router: Router,
    shield: Arc<Shield>,
}

/// A request under way, with what the layers need to check it. [`Routes`] puts it into the request's
/// extensions.
#[derive(Clone)]
struct Arrival {
    shield: Arc<Shield>,
    now: Timestamp,
}

impl Routes {
    /// Guards `router` as the settings define.
    pub fn from_settings(router: Router, settings: &mut Settings) -> Option<Self> {
        Some(Self::guarded(router, Shield::from_settings(settings)?))
    }

    /// Guards `router` with `config`, over `dependencies`.
    pub fn new(router: Router, config: GuardConfig, dependencies: &Dependencies) -> Self {
        Self::guarded(router, Shield::new(config, dependencies))
    }

    fn guarded(router: Router, shield: Shield) -> Self {
        let (missing, refusing) = (shield.responder.clone(), shield.responder.clone());
        let router = router
            .fallback(async move |request: HttpRequest| {
                missing.not_found(&without_body(request)).map(Body::from)
            })
            .method_not_allowed_fallback(async move |request: HttpRequest| {
                let mut response = refusing.method_not_allowed(&without_body(request), METHODS);
                // The router adds the methods that this route accepts.
                response.headers_mut().remove(header::ALLOW);
                response.map(Body::from)
            });
        Self { router, shield: Arc::new(shield) }
    }
}

#[async_trait]
impl Function for Routes {
    fn paths(&self) -> &'static [&'static str] {
        &["/{*path}"]
    }

    async fn prepare(&self, now: Timestamp) {
        self.shield.guard.prepare(now).await;
    }

    async fn handle(&self, mut request: Request, now: Timestamp) -> Response {
        let Shield { origins, responder, .. } = &*self.shield;
        if request.method() == Method::OPTIONS {
            return responder.preflight(&request, origins, METHODS);
        }
        request.extensions_mut().insert(now);
        request.extensions_mut().insert(Arrival { shield: Arc::clone(&self.shield), now });
        let (parts, body) = request.into_parts();
        let asked = Request::from_parts(parts.clone(), Bytes::new());
        let Ok(answer) =
            self.router.clone().call(HttpRequest::from_parts(parts, Body::from(body))).await;
        let (parts, body) = answer.into_parts();
        let mut response = match body::to_bytes(body, MAX_BODY).await {
            Ok(body) => responder.complete(Response::from_parts(parts, body)),
            Err(error) => responder.failure(&asked, &RouteError::Incomplete(error)),
        };
        origins.share(&asked, &mut response);
        response
    }
}

/// The layer that lets a request through if its caller meets `rules`. Handlers behind it can take the
/// [`Principal`].
pub const fn require(rules: Rules<'static>) -> Require {
    Require(rules)
}

/// The layer that [`require`] creates.
#[derive(Clone, Debug)]
pub struct Require(Rules<'static>);

impl<S> Layer<S> for Require {
    type Service = Required<S>;

    fn layer(&self, inner: S) -> Required<S> {
        Required { inner, rules: self.0 }
    }
}

/// A service behind [`Require`].
#[derive(Clone, Debug)]
pub struct Required<S> {
    inner: S,
    rules: Rules<'static>,
}

impl<S> Service<HttpRequest> for Required<S>
where
    S: Service<HttpRequest, Response = HttpResponse, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = HttpResponse;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest) -> Self::Future {
        // The clone may not be ready, so it stays here and the ready service is used.
        let next = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, next);
        let rules = self.rules;
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let Some(Arrival { shield, now }) = parts.extensions.get().cloned() else {
                return Ok(unguarded(parts));
            };
            let request = Request::from_parts(parts, Bytes::new());
            let path = request.extensions().get::<MatchedPath>().cloned();
            let path = path.as_ref().map_or_else(|| request.uri().path(), MatchedPath::as_str);
            match shield.guard.admit(&request, path, &rules, now).await {
                Ok(principal) => {
                    let (mut parts, _) = request.into_parts();
                    parts.extensions.insert(principal);
                    inner.call(HttpRequest::from_parts(parts, body)).await
                }
                Err(refusal) => Ok(shield.refuse(&request, &refusal).map(Body::from)),
            }
        })
    }
}

/// The caller that [`require`] let through.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = HttpResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpResponse> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| unguarded(parts.clone()))
    }
}

/// A fault of the program that has these routes.
#[derive(Debug, thiserror::Error)]
enum RouteError {
    /// The body of a response failed, or is larger than Lambda allows.
    #[error("a route's response is incomplete")]
    Incomplete(#[source] ::axum::Error),
    /// No [`require`] has checked the request.
    #[error("a handler takes a `Principal`, but its route has no `require`")]
    Unguarded,
}

impl Failure for RouteError {
    fn public(&self) -> Public {
        Public::misconfigured()
    }

    fn event(&self) -> LogEvent {
        LogEvent::RequestFailed
    }
}

fn unguarded(parts: Parts) -> HttpResponse {
    match parts.extensions.get::<Arrival>().cloned() {
        Some(Arrival { shield, .. }) => {
            let request = Request::from_parts(parts, Bytes::new());
            shield.responder.failure(&request, &RouteError::Unguarded).map(Body::from)
        }
        // A router outside `Routes`.
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn without_body(request: HttpRequest) -> Request {
    request.map(|_| Bytes::new())
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("router", &self.router).finish_non_exhaustive()
    }
}
