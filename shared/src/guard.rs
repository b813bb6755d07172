//! Authentication of requests: the one call that a protected function makes.

mod clients;
mod credential;
mod email;
mod function;
mod organization;
mod refusal;
pub mod resource;
mod route_rules;
#[cfg(feature = "axum")]
pub mod routes;
mod rules;
mod shield;

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    crypto::secret::SessionSecret,
    dependencies::Dependencies,
    discovery::keys::Keys,
    jwt::{Authentication, Claims, TokenError},
    pages::respond,
    provider::application::Application,
    session::{self, Session, SessionLimits, Sessions, TokenSession},
    settings::{Settings, all_of},
    web::{
        base_url::BaseUrl, cookie::CookieJar, cors::AllowedOrigins, request::Request, same_origin,
    },
};

pub use self::{
    clients::OtherTokens,
    credential::Credential,
    email::{EmailPolicy, EmailRefusal},
    function::{Guarded, ProtectedFunction},
    organization::{OrganizationPolicy, OrganizationRefusal},
    refusal::Refusal,
    route_rules::{InvalidRouteRules, RouteRule, RouteRules},
    rules::Rules,
};

/// Authenticates the caller of a request and checks a function's [`Rules`].
#[derive(Clone, Debug)]
pub struct Guard {
    config: GuardConfig,
    cookies: CookieJar,
    keys: Arc<Keys>,
    sessions: Sessions,
    /// The same sessions, not prolonged by use: for requests with [`POLL`].
    polled: Sessions,
}

/// A request header with the value `1`. A page sends it with requests that its user did not cause.
/// Such a request does not count as use of the session (R207), so it can only shorten the session's
/// life.
pub const POLL: &str = "x-session-poll";

/// The settings of a [`Guard`].
#[derive(Clone, Debug)]
pub struct GuardConfig {
    /// The application whose tokens are accepted.
    pub application: Application,
    /// The bundle's public base URL, which determines the cookies.
    pub base_url: BaseUrl,
    /// The origins, besides our own, that may send requests with our cookie.
    pub origins: AllowedOrigins,
    /// How long sessions live.
    pub limits: SessionLimits,
    /// Which e-mail addresses people must have.
    pub email: EmailPolicy,
    /// The organization to which logins and tokens must belong.
    pub organization: OrganizationPolicy,
    /// Which tokens are accepted without a session.
    pub other_tokens: OtherTokens,
    /// What each route requires. `None`: nothing beyond a valid credential.
    pub routes: Option<RouteRules>,
}

/// The authenticated caller of a request.
#[derive(Clone)]
pub struct Principal {
    /// The user's claims, without those of the protocol.
    pub user: Map<String, Value>,
    /// The claims about the user that only the access token has, or has with another value. Rules
    /// see them; `/protected` does not show them.
    pub api_claims: Map<String, Value>,
    /// How the caller authenticated.
    pub authentication: Authentication,
    /// Whether the caller is a person, and not a client that acts for itself.
    pub is_person: bool,
    /// The granted scopes and permissions.
    pub scopes: Vec<String>,
    /// The session. `None` if the token needs none.
    pub session: Option<Session>,
}

impl GuardConfig {
    /// Reads the settings of a protected function.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let application = Application::from_settings(settings);
        let own = application.as_ref().map(|application| application.client_id.as_str());
        let other_tokens = OtherTokens::from_settings(settings, own);
        all_of!(Self {
            application,
            base_url: BaseUrl::from_settings(settings),
            origins: AllowedOrigins::from_settings(settings),
            limits: SessionLimits::from_settings(settings),
            email: EmailPolicy::from_settings(settings),
            organization: OrganizationPolicy::from_settings(settings),
            other_tokens,
            routes: RouteRules::from_settings(settings).ok(),
        })
    }
}

impl Guard {
    /// A guard that uses the sessions and keys in `dependencies`.
    pub fn new(config: GuardConfig, dependencies: &Dependencies) -> Self {
        let cookies = CookieJar::new(&config.base_url);
        let sessions = dependencies.sessions(config.limits);
        let (keys, polled) = (Arc::clone(&dependencies.keys), sessions.unused());
        Self { config, cookies, keys, sessions, polled }
    }

    /// Reads the provider's documents ahead of the first request, see [`Keys::prepare`].
    pub async fn prepare(&self, now: Timestamp) {
        self.keys.prepare(now).await;
    }

    /// The sessions in which callers are looked up.
    pub const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Returns the caller of `request` if the credential is valid, the session is live and `rules`
    /// are met.
    ///
    /// If there is a bearer token, it alone decides, and a cookie is ignored (R151). Nothing that
    /// the gateway or another header states about the caller is used (R153, R164).
    ///
    /// # Errors
    ///
    /// With the reason why the request is refused.
    pub async fn authenticate(
        &self,
        request: &Request,
        rules: &Rules<'_>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let is_poll = request.headers().get(POLL).is_some_and(|value| value == "1");
        let sessions = if is_poll { &self.polled } else { &self.sessions };
        let principal = match Credential::of(request, &self.cookies)? {
            Credential::Bearer(token) => self.by_token(sessions, token, now).await?,
            Credential::Cookie(secret) => self.by_cookie(sessions, request, &secret, now).await?,
            Credential::MalformedCookie => return Err(Refusal::CookieWithoutSession),
            Credential::Absent => return Err(Refusal::MissingCredential),
        };
        self.config.organization.check(&principal.user, &principal.api_claims)?;
        if principal.is_person {
            self.config.email.check(&principal.user)?;
        }
        rules.check(&principal, now)?;
        Ok(principal)
    }

    /// As [`authenticate`](Self::authenticate), for a route of a Rust function. Its entry in
    /// `ROUTE_RULES`, if `path` has one, must be met too.
    ///
    /// # Errors
    ///
    /// With the reason why the request is refused.
    pub async fn admit(
        &self,
        request: &Request,
        path: &str,
        rules: &Rules<'_>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let rule = match &self.config.routes {
            Some(routes) => routes.of_function(request.method(), path)?,
            None => None,
        };
        let principal = self.authenticate(request, rules, now).await?;
        if let Some(rule) = rule {
            rule.check(&principal, now)?;
        }
        Ok(principal)
    }

    /// Returns the claims of `token` if it is valid, and its session.
    ///
    /// # Errors
    ///
    /// When the token is invalid, or the keys or the store are unavailable.
    pub async fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(Claims, TokenSession), Refusal> {
        self.verify_in(&self.sessions, token, now).await
    }

    async fn verify_in(
        &self,
        sessions: &Sessions,
        token: &str,
        now: Timestamp,
    ) -> Result<(Claims, TokenSession), Refusal> {
        let expected = self.config.application.expected_api_key();
        let pointer = session::token_digest(token);
        let (claims, found) = self.keys.verify_with_pointer(token, &expected, pointer, now).await?;
        let session = match found {
            Some(found) => sessions.by_pointer(token, found.pointer, now).await?,
            None => sessions.by_token(token, now).await?,
        };
        Ok((claims, session))
    }

    async fn by_token(
        &self,
        sessions: &Sessions,
        token: &str,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let (claims, session) = self.verify_in(sessions, token, now).await?;
        match session {
            // Not the scopes in the token: after a refresh it may contain more than the login was
            // granted (R138).
            TokenSession::Live(session) => Ok(Principal::of_session(*session)),
            TokenSession::Unknown if !self.config.other_tokens.need_session(&claims) => {
                self.config.other_tokens.check_client(&claims)?;
                let is_person = !clients::is_machine(&claims);
                let scopes = claims.scopes().chain(claims.permissions()).map(str::to_owned);
                Ok(Principal {
                    user: claims.user(),
                    api_claims: Map::new(),
                    authentication: Authentication::of(&claims),
                    is_person,
                    scopes: scopes.collect(),
                    session: None,
                })
            }
            // The session ends when the token expires; the token itself is accepted a little
            // longer.
            _ if claims.expires_at <= now => Err(TokenError::Expired.into()),
            TokenSession::Ended | TokenSession::Unknown => Err(Refusal::SessionEnded),
        }
    }

    async fn by_cookie(
        &self,
        sessions: &Sessions,
        request: &Request,
        secret: &SessionSecret,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let is_cross_site = !respond::is_safe(request.method())
            && !same_origin::is_proven(
                request,
                &self.config.base_url.resolve(request)?,
                &self.config.origins,
            );
        if is_cross_site {
            return Err(Refusal::CrossSite);
        }
        let session =
            sessions.by_cookie(secret, now).await?.ok_or(Refusal::CookieWithoutSession)?;
        // A refreshable session outlives its token, but the rights that the token granted do not.
        // Otherwise a blocked user or a lost role would go unnoticed until the session ends (R188).
        if session.contents.api_key_expires_at <= now {
            return Err(Refusal::RefreshRequired);
        }
        Ok(Principal::of_session(session))
    }
}

impl Principal {
    fn of_session(session: Session) -> Self {
        Self {
            user: session.contents.user.clone(),
            api_claims: session.contents.api_claims.clone(),
            authentication: session.contents.authentication.clone(),
            is_person: true,
            scopes: session.contents.scopes.clone(),
            session: Some(session),
        }
    }

    /// The claim `name` of the access token, else of the user.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.api_claims.get(name).or_else(|| self.user.get(name))
    }
}

/// Shows the scopes and the session's ID, but not the user's claims.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("scopes", &self.scopes)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
