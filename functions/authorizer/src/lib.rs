//! A Lambda authorizer: API Gateway calls it to decide whether a request may reach a function outside
//! the bundle, in any language.
//!
//! The same [`Guard`] as at `/protected` authenticates the caller by bearer token or session cookie.
//! It makes the same checks, rejects requests from other sites, and reads the session for each
//! request. `ROUTE_SCOPES` ([`RouteScopes`]) lists the scopes that each route requires in addition.

mod route_scopes;

use async_trait::async_trait;
use gateway::authorizer::{Authorizer, Route};
use http::StatusCode;
use shared::{
    clock::Timestamp,
    dependencies::Dependencies,
    guard::{Guard, GuardConfig, Principal, Refusal, Rules},
    settings::Settings,
    web::{
        error::{Failure, Public},
        request::Request,
    },
};

pub use route_scopes::RouteScopes;

/// The authorizer function.
#[derive(Debug)]
pub struct SessionAuthorizer {
    guard: Guard,
    scopes: Option<RouteScopes>,
}

/// The settings of the authorizer.
#[derive(Clone, Debug)]
pub struct AuthorizerConfig {
    /// Which credentials are accepted.
    pub guard: GuardConfig,
    /// The scopes that each route requires. `None`: every route accepts any valid credential.
    pub scopes: Option<RouteScopes>,
}

/// Why the authorizer denies a request.
#[derive(Debug, thiserror::Error)]
pub enum Denial {
    /// The guard rejected the request.
    #[error(transparent)]
    Guard(#[from] Refusal),
    /// `ROUTE_SCOPES` is set, and the gateway's event does not name the route.
    #[error("the gateway does not name the route")]
    RouteNotNamed,
    /// `ROUTE_SCOPES` is set and does not list this route.
    #[error("the route is not in ROUTE_SCOPES")]
    RouteNotListed,
}

impl AuthorizerConfig {
    /// Reads the settings of the authorizer.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let guard = GuardConfig::from_settings(settings);
        let scopes = RouteScopes::from_settings(settings);
        Some(Self { guard: guard?, scopes: scopes? })
    }
}

impl SessionAuthorizer {
    /// Creates the function from `config` and `dependencies`.
    pub fn new(config: AuthorizerConfig, dependencies: &Dependencies) -> Self {
        Self { guard: Guard::new(config.guard, dependencies), scopes: config.scopes }
    }

    /// The scopes that `route` requires.
    fn scopes(&self, route: &Route) -> Result<Vec<&str>, Denial> {
        let Some(listed) = &self.scopes else { return Ok(Vec::new()) };
        let resource = route.resource.as_deref().ok_or(Denial::RouteNotNamed)?;
        listed.of(&route.method, resource).ok_or(Denial::RouteNotListed)
    }
}

#[async_trait]
impl Authorizer for SessionAuthorizer {
    type Error = Denial;

    async fn authorize(
        &self,
        request: &Request,
        route: &Route,
        now: Timestamp,
    ) -> Result<Principal, Denial> {
        let scopes = self.scopes(route)?;
        let rules = Rules { scopes: &scopes, ..Rules::default() };
        Ok(self.guard.authenticate(request, &rules, now).await?)
    }
}

impl Failure for Denial {
    fn public(&self) -> Public {
        match self {
            Self::Guard(refusal) => refusal.public(),
            Self::RouteNotNamed => Public::misconfigured(),
            Self::RouteNotListed => Public::new(
                StatusCode::FORBIDDEN,
                "route_not_listed",
                "Route not configured",
                "ROUTE_SCOPES does not list this route.",
            ),
        }
    }

    fn event(&self) -> &'static str {
        match self {
            Self::Guard(refusal) => refusal.event(),
            Self::RouteNotNamed => "request.failed",
            Self::RouteNotListed => "request.refused",
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Guard(refusal) => refusal.hint(),
            Self::RouteNotNamed => Some("with ROUTE_SCOPES, use an authorizer of type REQUEST"),
            Self::RouteNotListed => Some(
                "add the route to ROUTE_SCOPES; leave the part after `=` empty if it needs no scope",
            ),
        }
    }
}
