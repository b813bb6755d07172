//! A Lambda authorizer: API Gateway calls it to decide whether a request may reach a function outside
//! the bundle, in any language.
//!
//! The same [`Guard`] as at `/protected` authenticates the caller by bearer token or session cookie.
//! It makes the same checks, rejects requests from other sites, and reads the session for each
//! request. `ROUTE_RULES` ([`RouteRules`]) lists what each route requires in addition.

mod context_claims;

use async_trait::async_trait;
use gateway::authorizer::{Authorizer, Route};
use shared::{
    clock::Timestamp,
    dependencies::Dependencies,
    guard::{Guard, GuardConfig, Principal, Refusal, RouteRule, RouteRules, Rules},
    names::LogEvent,
    settings::{Settings, all_of},
    web::{
        error::{Failure, Public},
        request::Request,
    },
};

/// The authorizer function.
#[derive(Debug)]
pub struct SessionAuthorizer {
    guard: Guard,
    routes: Option<RouteRules>,
    context_claims: Vec<String>,
}

/// The settings of the authorizer.
#[derive(Clone, Debug)]
pub struct AuthorizerConfig {
    /// Which credentials are accepted, and what each route requires.
    pub guard: GuardConfig,
    /// The claims that the function behind the authorizer gets beside the usual fields.
    pub context_claims: Vec<String>,
}

/// Why the authorizer denies a request.
#[derive(Debug, thiserror::Error)]
pub enum Denial {
    /// The guard rejected the request.
    #[error(transparent)]
    Guard(#[from] Refusal),
    /// There are rules for routes, and the gateway's event does not name the route.
    #[error("the gateway does not name the route")]
    RouteNotNamed,
}

impl AuthorizerConfig {
    /// Reads the settings of the authorizer.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        all_of!(Self {
            guard: GuardConfig::from_settings(settings),
            context_claims: context_claims::from_settings(settings),
        })
    }
}

impl SessionAuthorizer {
    /// Creates the function from `config` and `dependencies`.
    pub fn new(config: AuthorizerConfig, dependencies: &Dependencies) -> Self {
        let routes = config.guard.routes.clone();
        let AuthorizerConfig { guard, context_claims } = config;
        Self { guard: Guard::new(guard, dependencies), routes, context_claims }
    }

    /// What `route` requires. `None`: nothing beyond a valid credential.
    fn rule(&self, route: &Route) -> Result<Option<&RouteRule>, Denial> {
        let Some(listed) = &self.routes else { return Ok(None) };
        let resource = route.resource.as_deref().ok_or(Denial::RouteNotNamed)?;
        Ok(Some(listed.of(&route.method, resource)?))
    }
}

#[async_trait]
impl Authorizer for SessionAuthorizer {
    type Error = Denial;

    fn context_claims(&self) -> &[String] {
        &self.context_claims
    }

    async fn prepare(&self, now: Timestamp) {
        self.guard.prepare(now).await;
    }

    async fn authorize(
        &self,
        request: &Request,
        route: &Route,
        now: Timestamp,
    ) -> Result<Principal, Denial> {
        let rule = self.rule(route)?;
        let principal = self.guard.authenticate(request, &Rules::NONE, now).await?;
        if let Some(rule) = rule {
            rule.check(&principal, now)?;
        }
        Ok(principal)
    }
}

impl Failure for Denial {
    fn public(&self) -> Public {
        match self {
            Self::Guard(refusal) => refusal.public(),
            Self::RouteNotNamed => Public::misconfigured(),
        }
    }

    fn event(&self) -> LogEvent {
        match self {
            Self::Guard(refusal) => refusal.event(),
            Self::RouteNotNamed => LogEvent::RequestFailed,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Guard(refusal) => refusal.hint(),
            Self::RouteNotNamed => Some("with ROUTE_RULES, use an authorizer of type REQUEST"),
        }
    }
}
