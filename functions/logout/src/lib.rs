//! `POST /logout`: ends the session, then redirects the browser to end the provider's session.
//! `GET /logout`: shows a confirmation page. `GET /signed-out`: the page to which the provider returns
//! (OpenID Connect RP-Initiated Logout 1.0). `POST /backchannel-logout`: receives the provider's
//! notice that a session has ended.

mod backchannel;
mod config;
mod error;
mod provider_logout;
mod revocation;
mod signed_out;

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use secrecy::ExposeSecret;
use serde_json::json;
use shared::{
    clock::Timestamp,
    crypto::random::Random,
    dependencies::Dependencies,
    discovery::keys::Keys,
    guard::{Credential, Guard, GuardConfig, Refusal},
    names::LogEvent,
    pages::{
        SignOutPage,
        respond::{self, Responder},
    },
    provider::{ClientCredentials, IdentityProvider},
    secrets::stored_secret::StoredSecret,
    session::{Ending, Renewability, Session, Sessions, TokenSession},
    store::StoreError,
    web::{
        cookie::{CookieJar, RequestCookies, SessionCookie},
        query::Query,
        request::{Function, Request, Response},
        same_origin,
    },
};

use backchannel::BackchannelLogout;
use provider_logout::AtProvider;

pub use config::LogoutConfig;
pub use error::LogoutError;
pub use provider_logout::{ProviderLogout, ProviderSession};

/// The logout function.
#[derive(Debug)]
pub struct Logout {
    backchannel: BackchannelLogout,
    config: GuardConfig,
    cookies: CookieJar,
    credentials: StoredSecret<ClientCredentials>,
    guard: Guard,
    keys: Arc<Keys>,
    provider: Arc<dyn IdentityProvider>,
    random: Random,
    responder: Responder,
    sessions: Sessions,
}

impl Logout {
    /// Creates the function from `config` and `dependencies`.
    pub fn new(config: LogoutConfig, dependencies: &Dependencies) -> Self {
        let LogoutConfig { guard: config, branding, credentials } = config;
        let guard = Guard::new(config.clone(), dependencies);
        let sessions = guard.sessions().clone();
        let responder =
            Responder::new(&config.application.issuer, &config.base_url, &dependencies.random)
                .branded(branding);
        Self {
            backchannel: BackchannelLogout::new(
                config.application.clone(),
                sessions.clone(),
                responder.clone(),
                dependencies,
            ),
            cookies: CookieJar::new(&config.base_url),
            credentials,
            guard,
            keys: Arc::clone(&dependencies.keys),
            provider: Arc::clone(&dependencies.provider),
            random: dependencies.random.clone(),
            responder,
            sessions,
            config,
        }
    }

    async fn log_out(&self, request: &Request, now: Timestamp) -> Response {
        let mut response = match self.end_sessions(request, now).await {
            Ok(response) => response,
            Err(error) => self.responder.failure(request, &error),
        };
        // Clear the cookie even if the store failed: a browser that requests a logout keeps no session
        // cookie (R96). Clear-Site-Data removes pages and other data of the session. It does not name
        // cookies, because logins in other tabs need theirs and the logout itself sets one.
        if self.may_clear_cookie(request) {
            let headers = response.headers_mut();
            headers.append(header::SET_COOKIE, self.cookies.clear_session());
            headers.insert(CLEAR_SITE_DATA, HeaderValue::from_static(r#""cache", "storage""#));
        }
        response
    }

    async fn end_sessions(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Response, LogoutError> {
        let extent = Extent::of(request.uri())?;
        match Credential::of(request, &self.cookies)? {
            Credential::Bearer(token) => self.by_token(request, token, extent, now).await,
            Credential::Cookie(_) | Credential::MalformedCookie | Credential::Absent => {
                self.by_cookie(request, extent, now).await
            }
        }
    }

    /// Logs out a client of the API by its bearer token. Repeating it with the same token is no error
    /// (R110).
    async fn by_token(
        &self,
        request: &Request,
        token: &str,
        extent: Extent,
        now: Timestamp,
    ) -> Result<Response, LogoutError> {
        let (_, session) = self.guard.verify(token, now).await?;
        let ended = match session {
            TokenSession::Live(session) => {
                self.end(&session, extent, now).await?;
                Some(session)
            }
            // A token whose session has ended cannot log its user out everywhere.
            TokenSession::Ended | TokenSession::Unknown if extent == Extent::Everywhere => {
                return Err(Refusal::SessionEnded.into());
            }
            TokenSession::Ended | TokenSession::Unknown => None,
        };
        let next = self.provider_session(ended.as_deref()).without_token();
        let next = self.provider_logout(request, &next, None, now).await?;
        Ok(self.signed_out_json(extent, next.redirect()))
    }

    /// Logs out a browser by its session cookie. The request must come from our own page or from an
    /// allowed origin, because browsers may send the cookie with a form from any site (R104).
    async fn by_cookie(
        &self,
        request: &Request,
        extent: Extent,
        now: Timestamp,
    ) -> Result<Response, LogoutError> {
        if !self.is_vouched_for(request)? {
            return Err(Refusal::CrossSite.into());
        }
        let mut ended = None;
        if let SessionCookie::Present(secret) = self.session_cookie(request) {
            ended = self.sessions.renewable(&secret, now).await?;
            match &ended {
                Some(found) => {
                    let outcome = self.end(found.session(), extent, now).await;
                    self.revoke_refresh_token(found, now).await;
                    outcome?;
                }
                // Delete the row even if it is unreadable.
                None => drop(self.sessions.end(secret.digest(), now).await?),
            }
        }
        if ended.is_none() && extent == Extent::Everywhere {
            return Err(Refusal::CookieWithoutSession.into());
        }
        let mut provider_session = self.provider_session(ended.as_ref().map(Renewability::session));
        let wants_page = respond::wants_page(request);
        if !wants_page {
            provider_session = provider_session.without_token();
        }
        // A browser that had no session gets no state cookie (R100).
        let state = ended.is_some().then(|| self.random.token());
        let next = self.provider_logout(request, &provider_session, state, now).await?;
        let mut response = match &next {
            _ if !wants_page => self.signed_out_json(extent, next.redirect()),
            AtProvider::Redirect(next) => self.responder.see_other(&next.url),
            AtProvider::NotOffered => {
                self.logged_out_here(request, |texts| texts.logout.provider_offers_none)
            }
            AtProvider::Unreachable => {
                self.logged_out_here(request, |texts| texts.logout.provider_silent)
            }
        };
        if let Some(state) = next.redirect().and_then(|next| next.state.as_deref()) {
            response.headers_mut().append(header::SET_COOKIE, self.cookies.set_logout_state(state));
        }
        Ok(response)
    }

    /// The JSON response. `next` is the redirect that ends the provider's session; it must not contain
    /// a token (R101).
    fn signed_out_json(&self, extent: Extent, next: Option<&ProviderLogout>) -> Response {
        let description = match extent {
            Extent::Everywhere => "All sessions of the user have ended.",
            Extent::ThisSession => "The session has ended.",
        };
        let next = next.map(|next| next.url.as_str());
        let body = json!({ "code": "signed_out", "description": description, "logout_url": next });
        self.responder.json(StatusCode::OK, &body)
    }

    /// Ends the session, and all sessions of the user if `extent` says so. The row of this session is
    /// deleted first, so a later failure cannot leave it alive (R105).
    async fn end(
        &self,
        session: &Session,
        extent: Extent,
        now: Timestamp,
    ) -> Result<(), LogoutError> {
        self.sessions.end(session.id, now).await?;
        tracing::info!(event = LogEvent::LogoutSucceeded.name(), session = %session.id, "a session was ended");
        if extent == Extent::Everywhere {
            let ending = Ending::everywhere(session.owner.subject, now);
            let sessions =
                self.sessions.end_all(&ending, now).await.map_err(LogoutError::Everywhere)?;
            tracing::info!(
                event = LogEvent::LogoutEverywhere.name(),
                session = %session.id,
                sessions,
                "the other sessions of its user were ended"
            );
        }
        Ok(())
    }

    fn provider_session<'a>(&'a self, ended: Option<&'a Session>) -> ProviderSession<'a> {
        ProviderSession {
            client_id: &self.config.application.client_id,
            id_token: ended.map(|session| session.contents.id_token.expose_secret()),
            session_id: ended.and_then(|session| session.contents.provider_session.as_deref()),
        }
    }

    /// How the provider's session is ended. The provider returns `state`, which the caller binds to the
    /// browser (R109).
    async fn provider_logout(
        &self,
        request: &Request,
        session: &ProviderSession<'_>,
        state: Option<String>,
        now: Timestamp,
    ) -> Result<AtProvider, LogoutError> {
        let base_url = self.config.base_url.resolve(request).map_err(Refusal::from)?;
        let metadata = match self.keys.metadata(now).await {
            Ok(metadata) => metadata,
            Err(error) => {
                tracing::warn!(
                    event = LogEvent::LogoutProviderUnreachable.name(),
                    error = &error as &dyn std::error::Error,
                    "the provider's session was not ended"
                );
                return Ok(AtProvider::Unreachable);
            }
        };
        let logout = session.logout(&metadata, &format!("{base_url}/signed-out"), state);
        Ok(logout.map_or(AtProvider::NotOffered, AtProvider::Redirect))
    }

    /// Shows the confirmation page. `GET` itself ends no session, so that a link from another site
    /// cannot log a user out (R104).
    async fn ask(&self, request: &Request, now: Timestamp) -> Response {
        if !respond::wants_page(request) {
            return self.responder.method_not_allowed(request, "POST");
        }
        match self.is_signed_in(request, now).await {
            Ok(signed_in) => self
                .responder
                .page(request, StatusCode::OK, |frame| SignOutPage { frame, signed_in }.render()),
            Err(error) => self.responder.failure(request, &LogoutError::Read(error)),
        }
    }

    async fn is_signed_in(&self, request: &Request, now: Timestamp) -> Result<bool, StoreError> {
        match self.session_cookie(request) {
            SessionCookie::Present(secret) => {
                Ok(self.sessions.by_cookie(&secret, now).await?.is_some())
            }
            SessionCookie::Absent | SessionCookie::Malformed => Ok(false),
        }
    }

    fn session_cookie(&self, request: &Request) -> SessionCookie {
        self.cookies.session(&RequestCookies::of(request.headers()))
    }

    fn is_vouched_for(&self, request: &Request) -> Result<bool, Refusal> {
        let own = self.config.base_url.resolve(request)?;
        Ok(same_origin::is_proven(request, &own, &self.config.origins))
    }

    /// Whether the response may clear the cookie. A request from another site must have no effect.
    fn may_clear_cookie(&self, request: &Request) -> bool {
        let has_cookie = !matches!(self.session_cookie(request), SessionCookie::Absent);
        has_cookie
            && request.method() == Method::POST
            && self.is_vouched_for(request).unwrap_or(false)
    }
}

#[async_trait]
impl Function for Logout {
    fn paths(&self) -> &'static [&'static str] {
        &["/backchannel-logout", "/logout", "/signed-out"]
    }

    async fn prepare(&self, now: Timestamp) {
        self.keys.prepare(now).await;
    }

    async fn handle(&self, request: Request, now: Timestamp) -> Response {
        let mut response = match (request.uri().path(), request.method()) {
            ("/logout", &Method::OPTIONS) => {
                return self.responder.preflight(
                    &request,
                    &self.config.origins,
                    "GET, HEAD, POST, OPTIONS",
                );
            }
            ("/logout", &Method::POST) => self.log_out(&request, now).await,
            ("/logout", &Method::GET) if request.headers().contains_key(header::AUTHORIZATION) => {
                self.log_out(&request, now).await
            }
            ("/logout", &Method::GET | &Method::HEAD) => self.ask(&request, now).await,
            ("/logout", _) => {
                self.responder.method_not_allowed(&request, "GET, HEAD, POST, OPTIONS")
            }
            ("/backchannel-logout", _) => return self.backchannel.handle(&request, now).await,
            ("/signed-out", &Method::GET | &Method::HEAD) => {
                return self.signed_out(&request, now).await;
            }
            ("/signed-out", _) => return self.responder.method_not_allowed(&request, "GET, HEAD"),
            _ => return self.responder.not_found(&request),
        };
        self.config.origins.share(&request, &mut response);
        response
    }
}

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// Which sessions a logout ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Extent {
    /// All sessions of the user.
    Everywhere,
    /// The session of the credential only.
    ThisSession,
}

impl Extent {
    /// Reads the parameter `everywhere`. An invalid value ends no session. Otherwise a user who meant
    /// all sessions would wrongly assume that all have ended.
    fn of(uri: &Uri) -> Result<Self, LogoutError> {
        match Query::of(uri).once("everywhere") {
            Ok(Some("true")) => Ok(Self::Everywhere),
            Ok(None | Some("false")) => Ok(Self::ThisSession),
            Ok(Some(_)) | Err(_) => Err(LogoutError::UnclearExtent),
        }
    }
}
