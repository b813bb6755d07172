//! A protected function behind the [`Guard`](super::Guard): everything except its own response.

use std::fmt;

use async_trait::async_trait;
use http::Method;

use super::{GuardConfig, Principal, Rules, shield::Shield};
use crate::{
    clock::Timestamp,
    dependencies::Dependencies,
    pages::respond::Responder,
    settings::Settings,
    web::request::{Function, Request, Response},
};

/// The parts that a protected function defines. [`Guarded`] does the rest.
///
/// ```
/// use http::{Method, StatusCode};
/// use shared::{
///     guard::{Guarded, Principal, ProtectedFunction, Rules},
///     pages::respond::Responder,
///     web::request::{Request, Response},
/// };
///
/// struct Greeting;
///
/// #[async_trait::async_trait]
/// impl ProtectedFunction for Greeting {
///     const PATH: &'static str = "/greeting";
///     const RULES: Rules<'static> = Rules { scopes: &["read:greeting"], ..Rules::NONE };
///
///     async fn answer(&self, caller: &Principal, _: &Request, responder: &Responder) -> Response {
///         responder.json(StatusCode::OK, &caller.user["name"])
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let api = testkit::Api::new();
/// let greeting = Guarded::new(Greeting, api.config(), api.dependencies());
/// let ada = api.person("auth0|ada").claim("name", "Ada").scopes(&["read:greeting"]);
/// let request = ada.log_in().await.request(Method::GET, "/greeting");
/// let answer = api.call(&greeting, request).await;
/// assert_eq!((answer.status(), &answer.body()[..]), (StatusCode::OK, &b"\"Ada\""[..]));
/// # });
/// ```
#[async_trait]
pub trait ProtectedFunction: Send + Sync {
    /// The path under which it is served.
    const PATH: &'static str;

    /// The methods that it accepts, as the `Allow` header lists them (RFC 9110 §10.2.1).
    /// [`Guarded`] answers `OPTIONS`: that is a browser's preflight request, which has no
    /// credential (R154).
    const METHODS: &'static str = "GET, HEAD, OPTIONS";

    /// What is required beyond a valid credential with a live session.
    const RULES: Rules<'static>;

    /// Answers `request`, which `principal` sent with one of [`METHODS`](Self::METHODS).
    async fn answer(
        &self,
        principal: &Principal,
        request: &Request,
        responder: &Responder,
    ) -> Response;
}

/// A protected function behind its [`Guard`](super::Guard). It handles methods, preflight requests, CORS and
/// refusals, all in JSON.
pub struct Guarded<P> {
    protected: P,
    shield: Shield,
}

impl<P: ProtectedFunction> Guarded<P> {
    /// Guards `protected` as the settings define.
    pub fn from_settings(protected: P, settings: &mut Settings) -> Option<Self> {
        Some(Self { protected, shield: Shield::from_settings(settings)? })
    }

    /// Guards `protected` with `config`, over `dependencies`.
    pub fn new(protected: P, config: GuardConfig, dependencies: &Dependencies) -> Self {
        Self { protected, shield: Shield::new(config, dependencies) }
    }
}

#[async_trait]
impl<P: ProtectedFunction> Function for Guarded<P> {
    fn paths(&self) -> &'static [&'static str] {
        const { &[P::PATH] }
    }

    async fn prepare(&self, now: Timestamp) {
        self.shield.guard.prepare(now).await;
    }

    async fn handle(&self, request: Request, now: Timestamp) -> Response {
        let Shield { guard, origins, responder } = &self.shield;
        let is_allowed = P::METHODS.split(", ").any(|method| request.method().as_str() == method);
        let mut response = if request.uri().path() != P::PATH {
            responder.not_found(&request)
        } else if request.method() == Method::OPTIONS {
            return responder.preflight(&request, origins, P::METHODS);
        } else if !is_allowed {
            responder.method_not_allowed(&request, P::METHODS)
        } else {
            match guard.admit(&request, P::PATH, &P::RULES, now).await {
                Ok(principal) => self.protected.answer(&principal, &request, responder).await,
                Err(refusal) => self.shield.refuse(&request, &refusal),
            }
        };
        origins.share(&request, &mut response);
        response
    }
}

impl<P: fmt::Debug> fmt::Debug for Guarded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("protected", &self.protected).finish_non_exhaustive()
    }
}
