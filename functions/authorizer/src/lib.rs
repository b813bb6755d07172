//! Guards functions that are not of the bundle, in whatever language: API Gateway asks here whether a
//! request may go on to them.
//!
//! Who somebody is, the same [`Guard`] says as at `/protected`: bearer token or session cookie, with
//! the same checks, the same defence against other sites, and a session that is read anew each time.
//! What is asked beyond that is said by route, in `ROUTE_SCOPES` ([`RouteScopes`]).

mod route_scopes;

use async_trait::async_trait;
use gateway::authorizer::{Authorizer, Route};
use http::StatusCode;
use shared::{
    clock::Timestamp,
    dependencies::Dependencies,
    guard::{self, Guard, GuardConfig, Principal, Rules},
    settings::Settings,
    web::{
        error::{Failure, Public},
        request::Request,
    },
};

pub use route_scopes::RouteScopes;

/// The function.
#[derive(Debug)]
pub struct SessionAuthorizer {
    guard: Guard,
    scopes: Option<RouteScopes>,
}

/// Its settings.
#[derive(Clone, Debug)]
pub struct AuthorizerConfig {
    /// Who is believed.
    pub guard: GuardConfig,
    /// What each route asks beyond that. `None`: nothing, of any route.
    pub scopes: Option<RouteScopes>,
}

/// Why somebody may not take a route.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The guard believes nobody.
    #[error(transparent)]
    Guard(#[from] guard::Refusal),
    /// The gateway does not say which route is taken, and routes have rules.
    #[error("the gateway does not name the route")]
    RouteNotNamed,
    /// There is a list of routes, and this is none of them.
    #[error("the route is not in ROUTE_SCOPES")]
    RouteNotListed,
}

impl AuthorizerConfig {
    /// Reads what the authorizer uses.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let guard = GuardConfig::from_settings(settings);
        let scopes = RouteScopes::from_settings(settings);
        Some(Self { guard: guard?, scopes: scopes? })
    }
}

impl SessionAuthorizer {
    /// The function with `config`, over `dependencies`.
    pub fn new(config: AuthorizerConfig, dependencies: &Dependencies) -> Self {
        Self { guard: Guard::new(config.guard, dependencies), scopes: config.scopes }
    }

    /// What `route` asks.
    fn scopes(&self, route: &Route) -> Result<Vec<&str>, Refusal> {
        let Some(listed) = &self.scopes else { return Ok(Vec::new()) };
        let resource = route.resource.as_deref().ok_or(Refusal::RouteNotNamed)?;
        listed.of(&route.method, resource).ok_or(Refusal::RouteNotListed)
    }
}

#[async_trait]
impl Authorizer for SessionAuthorizer {
    type Refusal = Refusal;

    async fn authorize(
        &self,
        request: &Request,
        route: &Route,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let scopes = self.scopes(route)?;
        let rules = Rules { scopes: &scopes, ..Rules::default() };
        Ok(self.guard.authenticate(request, &rules, now).await?)
    }
}

impl Failure for Refusal {
    fn public(&self) -> Public {
        match self {
            Self::Guard(refusal) => refusal.public(),
            Self::RouteNotNamed => Public::misconfigured(),
            Self::RouteNotListed => Public::new(
                StatusCode::FORBIDDEN,
                "route_not_listed",
                "There is no way in here",
                "The route is open to nobody.",
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
            Self::RouteNotListed => {
                Some("list it, with nothing after `=` if a good credential is all that it needs")
            }
        }
    }
}
