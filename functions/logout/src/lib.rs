//! `POST /logout`: ends the session, then sends the browser to end the provider's. `GET /logout`:
//! asks first. `GET /signed-out`: where the provider returns to (OpenID Connect RP-Initiated Logout
//! 1.0).

mod provider_logout;

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode, header};
use serde_json::json;
use shared::{
    clock::Timestamp,
    cookie::{CookieJar, RequestCookies, SessionCookie},
    error::{Failure, Public},
    guard::{Credential, Guard, GuardConfig, Refusal},
    keys::Keys,
    random::Random,
    request::{Function, Request, Response},
    respond::{self, Responder},
    seams::Seams,
    session::{Session, Sessions, TokenSession},
    store::StoreError,
    view::{Action, MessageKind, MessagePage, SignOutPage},
};

use provider_logout::ProviderSession;

/// The function.
#[derive(Debug)]
pub struct Logout {
    config: GuardConfig,
    cookies: CookieJar,
    guard: Guard,
    keys: Arc<Keys>,
    random: Random,
    responder: Responder,
    sessions: Sessions,
}

/// Why nobody was logged out.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// The credential, or the page that sent the request, is not believed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store does not answer, so nobody knows whether there is a session.
    #[error(transparent)]
    Read(StoreError),
    /// The store does not answer: the session may still live, though its cookie is taken away.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Logout {
    /// The function with `config`, plugged into `seams`.
    pub fn new(config: GuardConfig, seams: &Seams) -> Self {
        Self {
            cookies: CookieJar::new(&config.base_url),
            guard: Guard::new(config.clone(), seams),
            keys: Arc::clone(&seams.keys),
            random: seams.random.clone(),
            responder: Responder::new(&config.application.issuer, &config.base_url, &seams.random),
            sessions: Sessions::new(Arc::clone(&seams.store), config.limits, seams.random.clone()),
            config,
        }
    }

    async fn log_out(&self, request: &Request, now: Timestamp) -> Response {
        let result = match Credential::of(request, self.cookies) {
            Ok(Credential::Bearer(token)) => self.by_token(request, token, now).await,
            Ok(Credential::Cookie(_) | Credential::MalformedCookie | Credential::Absent) => {
                self.by_cookie(request, now).await
            }
            Err(refusal) => Err(refusal.into()),
        };
        let mut response = match result {
            Ok(response) => response,
            Err(error) => self.responder.failure(request, &error),
        };
        // Whatever the store said: a browser that asked to be logged out keeps no cookie (R96).
        if self.may_clear_cookie(request) {
            response.headers_mut().append(header::SET_COOKIE, self.cookies.clear_session());
        }
        response
    }

    /// For clients of the API. The same token again is no error: it is logged out (R110).
    async fn by_token(
        &self,
        request: &Request,
        token: &str,
        now: Timestamp,
    ) -> Result<Response, LogoutError> {
        let (_, session) = self.guard.verify(token, now).await?;
        let ended = match session {
            TokenSession::Live(session) => {
                self.end(&session, now).await?;
                Some(session)
            }
            TokenSession::Ended | TokenSession::Unknown => None,
        };
        let next = self.provider_session(ended.as_deref()).without_token();
        let next = self.provider_logout_url(request, &next, now).await?;
        Ok(self.signed_out_json(next.as_deref()))
    }

    /// For browsers. Only a page of ours may ask, or one of an allowed origin: a browser would send
    /// the cookie along with a form from anywhere (R104).
    async fn by_cookie(&self, request: &Request, now: Timestamp) -> Result<Response, LogoutError> {
        if !self.is_vouched_for(request)? {
            return Err(Refusal::CrossSite.into());
        }
        let mut ended = None;
        if let SessionCookie::Present(secret) = self.session_cookie(request) {
            ended = self.sessions.by_cookie(&secret, now).await?;
            match &ended {
                Some(session) => self.end(session, now).await?,
                // Its row may lie there unreadable, and is to go as well.
                None => drop(self.sessions.end(secret.digest(), now).await?),
            }
        }
        let provider_session = self.provider_session(ended.as_ref());
        if !respond::wants_page(request) {
            let next =
                self.provider_logout_url(request, &provider_session.without_token(), now).await?;
            return Ok(self.signed_out_json(next.as_deref()));
        }
        Ok(match self.provider_logout_url(request, &provider_session, now).await? {
            Some(next) => self.responder.see_other(&next),
            None => self.provider_unreachable(),
        })
    }

    /// `next` is where a browser ends the provider's session. No token may stand in it (R101).
    fn signed_out_json(&self, next: Option<&str>) -> Response {
        let description = "The session has ended.";
        let body = json!({ "code": "signed_out", "description": description, "logout_url": next });
        self.responder.json(StatusCode::OK, &body)
    }

    /// The store's row goes first: nothing that fails afterwards may leave it alive (R105).
    async fn end(&self, session: &Session, now: Timestamp) -> Result<(), StoreError> {
        self.sessions.end(session.id, now).await?;
        tracing::info!(event = "logout.succeeded", session = %session.id, "a session was ended");
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
    async fn provider_logout_url(
        &self,
        request: &Request,
        session: &ProviderSession<'_>,
        now: Timestamp,
    ) -> Result<Option<String>, LogoutError> {
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
        Ok(Some(
            session
                .logout_url(&metadata, &format!("{base_url}/signed-out"), &self.random.token())
                .into(),
        ))
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

    /// Says what is true, whoever sends the browser here and with whatever `state` (R109).
    async fn signed_out(&self, request: &Request, now: Timestamp) -> Response {
        let signed_in = match self.is_signed_in(request, now).await {
            Ok(signed_in) => signed_in,
            Err(error) => return self.responder.failure(request, &LogoutError::Read(error)),
        };
        if !respond::wants_page(request) {
            let code = if signed_in { "signed_in" } else { "signed_out" };
            return self.responder.json(StatusCode::OK, &json!({ "code": code }));
        }
        let (title, text, action) = if signed_in {
            (
                "You are still logged in",
                "This browser has a session that goes on.",
                Action { label: "Go to your key", href: "/" },
            )
        } else {
            (
                "You are logged out",
                "Your session here has ended, and your API key with it.",
                Action { label: "Log in again", href: "/" },
            )
        };
        self.responder.page(StatusCode::OK, |nonce| {
            MessagePage {
                nonce,
                kind: MessageKind::Ok,
                title,
                text: &[text],
                action: Some(action),
                request_id: None,
            }
            .render()
        })
    }

    fn provider_unreachable(&self) -> Response {
        let text = [
            "Your session here has ended, and your API key with it.",
            "The identity provider does not answer right now, so you may still be logged in there. On a shared computer, close the browser.",
        ];
        let action = Some(Action { label: "Go to the login page", href: "/" });
        self.responder.page(StatusCode::OK, |nonce| {
            MessagePage {
                nonce,
                kind: MessageKind::Ok,
                title: "You are logged out here",
                text: &text,
                action,
                request_id: None,
            }
            .render()
        })
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
        &["/logout", "/signed-out"]
    }

    async fn handle(&self, request: Request, now: Timestamp) -> Response {
        let mut response = match (request.uri().path(), request.method()) {
            ("/logout", &Method::OPTIONS) => {
                return self.config.origins.preflight(
                    &request,
                    &self.responder,
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

impl Failure for LogoutError {
    fn public(&self) -> Public {
        match self {
            Self::Refused(Refusal::CrossSite) => Public {
                title: "You were not logged out",
                description: "The request came from another site. To log out, use the button on this one.",
                action: Some(("Log out", "/logout".to_owned())),
                headers: Vec::new(),
                ..Refusal::CrossSite.public()
            },
            Self::Refused(refusal) => refusal.public(),
            Self::Read(_) => Public::store_unavailable(),
            Self::Store(_) => Public {
                title: "The logout may be incomplete",
                description: "This browser has forgotten the session, but the session store does not answer right now, so the API key may still work. Please try again shortly.",
                ..Public::store_unavailable()
            },
        }
    }

    fn event(&self) -> &'static str {
        match self {
            Self::Refused(Refusal::Keys(_) | Refusal::Store(_) | Refusal::UnknownBaseUrl(_))
            | Self::Read(_)
            | Self::Store(_) => "logout.failed",
            Self::Refused(_) => "logout.refused",
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => refusal.hint(),
            Self::Read(_) | Self::Store(_) => None,
        }
    }
}
