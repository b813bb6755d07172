//! `POST /logout`: ends the session, then sends the browser to end the provider's. `GET /logout`:
//! asks first. `GET /signed-out`: where the provider returns to (OpenID Connect RP-Initiated Logout
//! 1.0). `POST /backchannel-logout`: where the provider says that a session has ended.

mod backchannel;
mod config;
mod error;
mod provider_logout;
mod revocation;
mod signed_out;

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::json;
use shared::{
    clock::Timestamp,
    crypto::random::Random,
    dependencies::Dependencies,
    discovery::keys::Keys,
    guard::{Credential, Guard, GuardConfig, Refusal},
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
    },
};

use backchannel::BackchannelLogout;
use provider_logout::{ProviderLogout, ProviderSession};

pub use config::LogoutConfig;
pub use error::LogoutError;

/// The function.
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
    /// The function with `config`, over `dependencies`.
    pub fn new(config: LogoutConfig, dependencies: &Dependencies) -> Self {
        let LogoutConfig { guard: config, credentials } = config;
        let sessions = Sessions::new(
            Arc::clone(&dependencies.store),
            config.limits,
            dependencies.random.clone(),
        );
        let responder =
            Responder::new(&config.application.issuer, &config.base_url, &dependencies.random);
        Self {
            backchannel: BackchannelLogout::new(
                config.application.clone(),
                sessions.clone(),
                responder.clone(),
                dependencies,
            ),
            cookies: CookieJar::new(&config.base_url),
            credentials,
            guard: Guard::new(config.clone(), dependencies),
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
        // Whatever the store said: a browser that asked to be logged out keeps no cookie (R96).
        // Nor does it keep a page or anything else of the session. Cookies are left out: logins
        // under way in other tabs have theirs, and the logout itself sets one.
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

    /// For clients of the API. The same token again is no error: it is logged out (R110).
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
            // Nor does a token that was logged out log its user out everywhere.
            TokenSession::Ended | TokenSession::Unknown if extent == Extent::Everywhere => {
                return Err(Refusal::SessionEnded.into());
            }
            TokenSession::Ended | TokenSession::Unknown => None,
        };
        let next = self.provider_session(ended.as_deref()).without_token();
        let next = self.provider_logout(request, &next, None, now).await?;
        Ok(self.signed_out_json(extent, next.as_ref()))
    }

    /// For browsers. Only a page of ours may ask, or one of an allowed origin: a browser would send
    /// the cookie along with a form from anywhere (R104).
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
                // Its row may lie there unreadable, and is to go as well.
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
        // Nobody who had no session is given a cookie (R100).
        let state = ended.is_some().then(|| self.random.token());
        let next = self.provider_logout(request, &provider_session, state, now).await?;
        let mut response = match &next {
            _ if !wants_page => self.signed_out_json(extent, next.as_ref()),
            Some(next) => self.responder.see_other(&next.url),
            None => self.provider_unreachable(),
        };
        if let Some(state) = next.and_then(|next| next.state) {
            response
                .headers_mut()
                .append(header::SET_COOKIE, self.cookies.set_logout_state(&state));
        }
        Ok(response)
    }

    /// `next` is where a browser ends the provider's session. No token may stand in it (R101).
    fn signed_out_json(&self, extent: Extent, next: Option<&ProviderLogout>) -> Response {
        let description = match extent {
            Extent::Everywhere => "All sessions of the user have ended.",
            Extent::ThisSession => "The session has ended.",
        };
        let next = next.map(|next| next.url.as_str());
        let body = json!({ "code": "signed_out", "description": description, "logout_url": next });
        self.responder.json(StatusCode::OK, &body)
    }

    /// The store's row goes first: nothing that fails afterwards may leave it alive (R105). So it
    /// does when all sessions of the user are to end.
    async fn end(
        &self,
        session: &Session,
        extent: Extent,
        now: Timestamp,
    ) -> Result<(), LogoutError> {
        self.sessions.end(session.id, now).await?;
        tracing::info!(event = "logout.succeeded", session = %session.id, "a session was ended");
        if extent == Extent::Everywhere {
            let ending = Ending::everywhere(session.owner.subject, now);
            let sessions =
                self.sessions.end_all(&ending, now).await.map_err(LogoutError::Everywhere)?;
            tracing::info!(
                event = "logout.everywhere",
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
            id_token: ended.map(|session| session.contents.id_token.expose()),
            session_id: ended.and_then(|session| session.contents.provider_session.as_deref()),
        }
    }

    /// Where the provider's session ends; `None` while the provider cannot be reached (R111).
    /// `state` comes back from there, and is to be bound to the browser that goes (R109).
    async fn provider_logout(
        &self,
        request: &Request,
        session: &ProviderSession<'_>,
        state: Option<String>,
        now: Timestamp,
    ) -> Result<Option<ProviderLogout>, LogoutError> {
        let base_url = self.config.base_url.resolve(request).map_err(Refusal::from)?;
        let metadata = match self.keys.metadata(now).await {
            Ok(metadata) => metadata,
            Err(error) => {
                tracing::warn!(
                    event = "logout.provider_unreachable",
                    error = &error as &dyn std::error::Error,
                    "the provider's session goes on"
                );
                return Ok(None);
            }
        };
        Ok(Some(session.logout(&metadata, &format!("{base_url}/signed-out"), state)))
    }

    /// A link from elsewhere must log nobody out, so `GET` only asks (R104).
    async fn ask(&self, request: &Request, now: Timestamp) -> Response {
        if !respond::wants_page(request) {
            return self.responder.method_not_allowed(request, "POST");
        }
        match self.is_signed_in(request, now).await {
            Ok(signed_in) => self
                .responder
                .page(StatusCode::OK, |nonce| SignOutPage { nonce, signed_in }.render()),
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
        Ok(self.config.origins.vouch_for(request, &self.config.base_url.resolve(request)?))
    }

    /// Not on behalf of another site, whose request must have no effect at all.
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

/// What a logout ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Extent {
    /// All sessions of the user.
    Everywhere,
    /// The one that the credential opens.
    ThisSession,
}

impl Extent {
    /// Reads `everywhere`. What is not understood ends nothing: whoever meant all of their sessions
    /// must not believe that they have ended.
    fn of(uri: &Uri) -> Result<Self, LogoutError> {
        match Query::of(uri).once("everywhere") {
            Ok(Some("true")) => Ok(Self::Everywhere),
            Ok(None | Some("false")) => Ok(Self::ThisSession),
            Ok(Some(_)) | Err(_) => Err(LogoutError::UnclearExtent),
        }
    }
}
