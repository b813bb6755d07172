//! `GET /`: the login page or the key page.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, StatusCode, header};
use secrecy::ExposeSecret;
use serde_json::Value;
use shared::{
    clock::Timestamp,
    guard::OrganizationPolicy,
    jwt,
    names::LogEvent,
    pages::{Key, KeyPage, LoginMethodLink, LoginPage, Picture, UI_LOCALES, User},
    provider::login_method::LoginMethod,
    session::Session,
    store::StoreError,
    web::{
        base_url::UnknownBaseUrl,
        cookie::{RequestCookies, SessionCookie},
        error::{Failure, Public},
        query::Query,
        request::{Request, Response},
        return_to::ReturnTo,
    },
};

use crate::{Connections, Login, start::FOR};

/// Why neither the login page nor the key page can be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    /// The store is unavailable, so it is unknown whether the browser has a session.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bundle's own URL is unknown.
    #[error(transparent)]
    UnknownBaseUrl(#[from] UnknownBaseUrl),
}

impl Login {
    pub(crate) async fn home(&self, request: &Request, now: Timestamp) -> Response {
        match self.either_page(request, now).await {
            Ok(response) => response,
            Err(error) => self.responder.failure(request, &error),
        }
    }

    async fn either_page(&self, request: &Request, now: Timestamp) -> Result<Response, HomeError> {
        let cookies = RequestCookies::of(request.headers());
        let cookie = self.cookies.session(&cookies);
        if let SessionCookie::Present(secret) = &cookie
            && let Some(session) = self.sessions.by_cookie(secret, now).await?
        {
            let protected_url = format!("{}/protected", self.config.base_url.resolve(request)?);
            return Ok(self.key_page(request, &session, &protected_url, now));
        }
        let mut response = self.login_page(request, now).await;
        if !matches!(cookie, SessionCookie::Absent) {
            let cleared = self.cookies.clear_session_twin(&cookies).into_iter();
            let cleared = cleared.chain([self.cookies.clear_session()]);
            response.headers_mut().extend(cleared.map(|cookie| (header::SET_COOKIE, cookie)));
        }
        Ok(response)
    }

    async fn login_page(&self, request: &Request, now: Timestamp) -> Response {
        let query = Query::of(request.uri());
        let once = |name| query.once(name).ok().flatten().filter(|value| !value.is_empty());
        let return_to = once("return_to").map(ReturnTo::parse).unwrap_or_default();
        let locales = once(UI_LOCALES).map(|locales| (UI_LOCALES, locales));
        let login_link = |connection: Option<&str>| {
            let connection = connection.map(|connection| ("connection", connection));
            let passed_on: Vec<_> = connection.into_iter().chain(locales).collect();
            return_to.login_link(&passed_on)
        };
        let asked;
        let methods: &[LoginMethod] = match &self.config.connections {
            Connections::Listed(methods) => methods,
            Connections::AskProvider => {
                asked = self.methods.list(now).await;
                &asked
            }
        };
        let links: Vec<_> =
            methods.iter().map(|method| login_link(Some(&method.connection))).collect();
        let issuer = &self.config.application.issuer;
        self.responder.page(request, StatusCode::OK, |frame| {
            let methods: Vec<_> = methods
                .iter()
                .zip(&links)
                .map(|(method, href)| LoginMethodLink {
                    href,
                    label: method.label(frame.texts),
                    kind: method.kind,
                    strategy: &method.strategy,
                })
                .collect();
            LoginPage {
                frame,
                methods: &methods,
                plain_href: &login_link(None),
                provider: issuer.provider_name(),
                tenant: issuer.url().host_str().unwrap_or_default(),
                development: issuer.is_loopback() && issuer.is_auth0(),
                organization: self.config.organization.only(),
                asks_organization: self.config.organization == OrganizationPolicy::Required,
            }
            .render()
        })
    }

    fn key_page(
        &self,
        request: &Request,
        session: &Session,
        protected_url: &str,
        now: Timestamp,
    ) -> Response {
        let contents = &session.contents;
        let [header, claims] = readable_parts(contents.api_key.expose_secret());
        let text = |name: &str| contents.user.get(name).and_then(Value::as_str);
        let key = contents.usable_key().map(|token| Key {
            token,
            header: &header,
            claims: &claims,
            expires_at: contents.api_key_expires_at,
        });
        let step_up_href = self
            .config
            .routes
            .as_ref()
            .and_then(|routes| routes.name_for_login(&Method::GET, "/protected"))
            .map(|name| ReturnTo::default().login_link(&[(FOR, &name)]));
        // Auth0 asks for the organization if a login names none.
        let switch_href = (self.config.organization == OrganizationPolicy::Required)
            .then(|| ReturnTo::default().login_link(&[("prompt", "login")]));
        let key_is_too_long = self.config.show_key && key.is_none();
        let picture =
            text("picture").and_then(|url| Picture::parse(url, &self.config.application.issuer));
        self.responder.page_with_picture(request, StatusCode::OK, picture.as_ref(), |frame| {
            KeyPage {
                frame,
                key: key.filter(|_| self.config.show_key),
                key_is_too_long,
                user: User {
                    subject: text("sub").unwrap_or_default(),
                    name: text("name"),
                    email: text("email"),
                    email_verified: jwt::is_email_verified(&contents.user),
                    picture: picture.as_ref(),
                    organization: jwt::organization(&contents.user),
                },
                protected_url,
                step_up_href: step_up_href.as_deref(),
                switch_href: switch_href.as_deref(),
                session_ends_at: session.ends_at,
                renews_at: session.renews_at,
                now,
            }
            .render()
        })
    }
}

impl Failure for HomeError {
    fn public(&self) -> Public {
        match self {
            Self::Store(_) => Public::store_unavailable(),
            Self::UnknownBaseUrl(_) => Public::misconfigured(),
        }
    }

    fn event(&self) -> LogEvent {
        LogEvent::HomeFailed
    }
}

/// Header and claims of a token as indented JSON. The token was verified when the session began.
fn readable_parts(token: &str) -> [String; 2] {
    let mut parts = token.split('.').map(|part| {
        let json: Value =
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()?;
        serde_json::to_string_pretty(&json).ok()
    });
    [(); 2].map(|()| parts.next().flatten().unwrap_or_default())
}
