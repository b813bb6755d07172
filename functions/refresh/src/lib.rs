//! `POST /refresh`: new tokens for a session, without a new login (RFC 6749 §6, OpenID Connect Core
//! §12).
//!
//! Only the session's cookie gives access to its refresh token. A refresh token works once, so only
//! one of many concurrent requests, possibly in different processes, may present it: the one that
//! acquires the lease on the session. The others wait for a moment and return the tokens that it stored
//! (R131).

mod error;
mod exchange;
mod turn;

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode, header};
use serde_json::json;
use shared::{
    clock::Timestamp,
    dependencies::Dependencies,
    discovery::keys::Keys,
    guard::Refusal,
    pages::respond::Responder,
    provider::{ClientCredentials, IdentityProvider, application::Application},
    secrets::stored_secret::{SecretSource, StoredSecret},
    session::{Session, SessionLimits, Sessions},
    settings::{Settings, all_of},
    web::{
        base_url::BaseUrl,
        cookie::{CookieJar, RequestCookies, SessionCookie},
        cors::AllowedOrigins,
        request::{Function, Request, Response},
        same_origin,
    },
};

use turn::{Time, Turn};

pub use error::RefreshError;
pub use turn::{LEASE, PATIENCE, POLL};

/// The refresh function.
#[derive(Debug)]
pub struct Refresh {
    config: RefreshConfig,
    cookies: CookieJar,
    keys: Arc<Keys>,
    provider: Arc<dyn IdentityProvider>,
    responder: Responder,
    sessions: Sessions,
}

/// The settings of the refresh function.
#[derive(Debug)]
pub struct RefreshConfig {
    /// The application at the identity provider.
    pub application: Application,
    /// The URL under which the bundle is reached.
    pub base_url: BaseUrl,
    /// The credentials with which this application authenticates to the provider.
    pub credentials: StoredSecret<ClientCredentials>,
    /// How long sessions live.
    pub limits: SessionLimits,
    /// Whether the response contains the token.
    pub show_key: bool,
}

impl RefreshConfig {
    /// Reads the settings of the refresh function.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let secrets = SecretSource::from_settings(settings);
        all_of!(Self {
            application: Application::from_settings(settings),
            base_url: BaseUrl::from_settings(settings),
            credentials: ClientCredentials::from_settings(settings, &secrets, application.as_ref()),
            limits: SessionLimits::from_settings(settings),
            show_key: settings.flag("SHOW_KEY", true),
        })
    }
}

impl Refresh {
    /// Creates the function from `config` and `dependencies`.
    pub fn new(config: RefreshConfig, dependencies: &Dependencies) -> Self {
        Self {
            cookies: CookieJar::new(&config.base_url),
            keys: Arc::clone(&dependencies.keys),
            provider: Arc::clone(&dependencies.provider),
            responder: Responder::new(
                &config.application.issuer,
                &config.base_url,
                &dependencies.random,
            )
            .json_only(),
            sessions: dependencies.sessions(config.limits),
            config,
        }
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Response {
        let time = Time::since(now);
        match self.refresh(request, time).await {
            Ok(session) => self.renewed(&session, time.now()),
            Err(error) => {
                let mut response = self.responder.failure(request, &error);
                let has_cookie = !matches!(self.session_cookie(request), SessionCookie::Absent);
                if has_cookie && error.leaves_no_session() {
                    response.headers_mut().append(header::SET_COOKIE, self.cookies.clear_session());
                }
                response
            }
        }
    }

    /// Refreshes the session of the cookie. A bearer token is ignored: it gives no access to a refresh
    /// token.
    async fn refresh(&self, request: &Request, time: Time) -> Result<Session, RefreshError> {
        let own = self.config.base_url.resolve(request).map_err(Refusal::from)?;
        // The new token is for our own page, so requests from other origins are rejected (R167).
        if !same_origin::is_proven(request, &own, &AllowedOrigins::default()) {
            return Err(Refusal::CrossSite.into());
        }
        let SessionCookie::Present(secret) = self.session_cookie(request) else {
            return Err(Refusal::CookieWithoutSession.into());
        };
        match self.turn(&secret, time).await? {
            Turn::Ours(held, client) => self.exchange(&secret, *held, &client, time).await,
            Turn::Theirs(session) => Ok(*session),
        }
    }

    fn session_cookie(&self, request: &Request) -> SessionCookie {
        self.cookies.session(&RequestCookies::of(request.headers()))
    }

    /// The response that updates the key page. It contains durations as well as timestamps, because
    /// the visitor's clock may be wrong.
    fn renewed(&self, session: &Session, now: Timestamp) -> Response {
        let contents = &session.contents;
        let mut body = json!({
            "expires_at": contents.api_key_expires_at,
            "expires_in": contents.api_key_expires_at.since(now).as_secs(),
            "renew_in": session.renews_at.map(|renews_at| renews_at.since(now).as_secs()),
            "session_ends_at": session.ends_at,
        });
        if self.config.show_key
            && let Some(key) = contents.usable_key()
        {
            body["api_key"] = key.into();
        }
        self.responder.json(StatusCode::OK, &body)
    }
}

#[async_trait]
impl Function for Refresh {
    fn paths(&self) -> &'static [&'static str] {
        &["/refresh"]
    }

    async fn prepare(&self, now: Timestamp) {
        self.keys.prepare(now).await;
    }

    async fn handle(&self, request: Request, now: Timestamp) -> Response {
        match (request.uri().path(), request.method()) {
            ("/refresh", &Method::POST) => self.answer(&request, now).await,
            ("/refresh", _) => self.responder.method_not_allowed(&request, "POST"),
            _ => self.responder.not_found(&request),
        }
    }
}
