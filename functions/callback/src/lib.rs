//! `/callback`: the end of a login (OpenID Connect Core §3.1.2.5 to §3.1.3.7). `GET`, or `POST` with
//! `RESPONSE_MODE=form_post`.
//!
//! The order of the steps is a defence. Cheap checks come first. The `state` is used up before any
//! request to the provider. The session begins only after every check has passed.

mod admission;
mod answer;
mod error;
mod form_post;
mod user_info;

use std::sync::Arc;

use async_trait::async_trait;
use http::{Method, StatusCode, header};
use secrecy::ExposeSecret;
use shared::{
    clock::Timestamp,
    crypto::random::Random,
    dependencies::Dependencies,
    discovery::keys::Keys,
    guard::{EmailPolicy, OrganizationPolicy},
    jwt::LoginClaims,
    login::{
        attempt::{LIFETIME, LoginAttempt},
        cookies::LoginCookies,
        request::{LoginRequest, ResponseMode},
    },
    names::LogEvent,
    pages::{
        Branding,
        respond::{Responder, is_not_navigation},
    },
    provider::{
        self, AuthorizationCodeGrant, ClientCredentials, ErrorMeaning, IdentityProvider,
        RefreshTokenGrant, application::Application,
    },
    secrets::stored_secret::{SecretSource, StoredSecret},
    session::{RefreshGrant, SAME_TOKEN, SessionLimits, Sessions},
    settings::{Settings, all_of},
    store::{CreateError, Owner, SessionStore},
    texts::Text,
    web::{
        base_url::BaseUrl,
        cookie::{CookieJar, RequestCookies, SessionCookie},
        error::{Failure, Public},
        query::Query,
        request::{Function, Request, Response},
    },
};
use tokio::time::sleep;

use admission::Admitted;
use answer::{Answer, Outcome};
use error::logged_in_already;

pub use error::CallbackError;
pub use user_info::{FetchUserInfo, UserInfoFailure};

/// The callback function.
#[derive(Debug)]
pub struct Callback {
    config: CallbackConfig,
    cookies: CookieJar,
    keys: Arc<Keys>,
    provider: Arc<dyn IdentityProvider>,
    random: Random,
    responder: Responder,
    sessions: Sessions,
    store: Arc<dyn SessionStore>,
}

/// The settings of the callback function.
#[derive(Debug)]
pub struct CallbackConfig {
    /// The application at the identity provider.
    pub application: Application,
    /// The URL under which the bundle is reached.
    pub base_url: BaseUrl,
    /// The name, the logo and the colour on the pages.
    pub branding: Branding,
    /// The credentials with which this application authenticates to the provider.
    pub credentials: StoredSecret<ClientCredentials>,
    /// Which e-mail addresses people must have.
    pub email: EmailPolicy,
    /// Whether user info is requested.
    pub fetch_user_info: FetchUserInfo,
    /// How long sessions live.
    pub limits: SessionLimits,
    /// Seals login attempts into cookies.
    pub login_cookies: LoginCookies,
    /// The organization to which a login must belong.
    pub organization: OrganizationPolicy,
    /// How the provider sends its response.
    pub response_mode: ResponseMode,
}

impl CallbackConfig {
    /// Reads the settings of the callback function.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let secrets = SecretSource::from_settings(settings);
        all_of!(Self {
            application: Application::from_settings(settings),
            base_url: BaseUrl::from_settings(settings),
            branding: Branding::from_settings(settings),
            credentials: ClientCredentials::from_settings(settings, &secrets, application.as_ref()),
            email: EmailPolicy::from_settings(settings),
            fetch_user_info: FetchUserInfo::from_settings(settings),
            limits: SessionLimits::from_settings(settings),
            login_cookies: LoginCookies::from_settings(settings, &secrets, base_url.as_ref()),
            organization: OrganizationPolicy::from_settings(settings),
            response_mode: ResponseMode::from_settings(settings),
        })
    }
}

impl Callback {
    /// Creates the function from `config` and `dependencies`.
    pub fn new(config: CallbackConfig, dependencies: &Dependencies) -> Self {
        Self {
            cookies: CookieJar::new(&config.base_url),
            keys: Arc::clone(&dependencies.keys),
            provider: Arc::clone(&dependencies.provider),
            random: dependencies.random.clone(),
            responder: Responder::new(
                &config.application.issuer,
                &config.base_url,
                &dependencies.random,
            )
            .branded(config.branding.clone()),
            sessions: dependencies.sessions(config.limits),
            store: dependencies.store.clone(),
            config,
        }
    }

    /// Finishes the login that `parameters`, the provider's response, belong to.
    async fn finish(&self, request: &Request, parameters: &Query, now: Timestamp) -> Response {
        let cookies = RequestCookies::of(request.headers());
        let (answer, attempt) = match self.take(parameters, &cookies, now).await {
            Ok(taken) => taken,
            Err(error) if error.is_of_no_login() && self.is_logged_in(&cookies, now).await => {
                return self.responder.refuse(request, &error, &logged_in_already());
            }
            Err(error) => return self.responder.failure(request, &error),
        };
        let mut result = self.complete(request, &cookies, &answer, &attempt, now).await;
        if matches!(result, Err(CallbackError::Create(CreateError::Exists))) {
            result = self.restart(request, &cookies, &attempt, now).await;
        }
        let mut response = match result {
            Ok(response) => response,
            Err(CallbackError::NotLoggedIn) => {
                self.responder.see_other(&attempt.return_to.home_link())
            }
            Err(error) => {
                let action: (Text, String) = match error {
                    CallbackError::Organization(..) => {
                        let asked = attempt.organization.as_deref();
                        let parameters = asked.map(|name| ("organization", name));
                        let parameters: Vec<_> =
                            parameters.into_iter().chain([("prompt", "login")]).collect();
                        (
                            |texts| texts.actions.log_in_again,
                            attempt.return_to.login_link(&parameters),
                        )
                    }
                    CallbackError::Email(..) => {
                        let another = attempt.return_to.login_link(&[("prompt", "login")]);
                        (|texts| texts.actions.use_another_account, another)
                    }
                    _ => (|texts| texts.actions.start_again, attempt.return_to.home_link()),
                };
                let action = Some(action);
                self.responder.refuse(request, &error, &Public { action, ..error.public() })
            }
        };
        response.headers_mut().append(
            header::SET_COOKIE,
            self.config.login_cookies.drop(attempt.state.expose_secret()),
        );
        response
    }

    /// Whether the session cookie opens a live session. `false` if the store is unavailable.
    async fn is_logged_in(&self, cookies: &RequestCookies, now: Timestamp) -> bool {
        match self.cookies.session(cookies) {
            SessionCookie::Present(secret) => {
                self.sessions.lives(&secret, now).await.unwrap_or(false)
            }
            SessionCookie::Absent | SessionCookie::Malformed => false,
        }
    }

    /// The provider's response and the login attempt that it belongs to. A response with a code uses
    /// up the attempt.
    ///
    /// The attempt is claimed in the store, not only deleted from the browser. Otherwise a copy of the
    /// cookie could replay the response (R17). An error response redeems no code, so it writes no row
    /// (R206).
    async fn take(
        &self,
        parameters: &Query,
        cookies: &RequestCookies,
        now: Timestamp,
    ) -> Result<(Answer, LoginAttempt), CallbackError> {
        let answer = Answer::parse(parameters)?;
        let attempt = self
            .config
            .login_cookies
            .find(&answer.state, cookies, now)
            .await?
            .ok_or(CallbackError::UnknownState)?;
        if matches!(answer.outcome, Outcome::Code(_)) && !self.is_of_other_issuer(&answer) {
            // Read the secret before the attempt is used up. If it is unavailable, the code is not
            // used up either, and the browser can repeat the request.
            self.config.credentials.current(now).await?;
            if !self.store.claim(attempt.mark(), attempt.mark_expires_at(), now).await? {
                return Err(CallbackError::Replayed);
            }
        }
        Ok((answer, attempt))
    }

    fn is_of_other_issuer(&self, answer: &Answer) -> bool {
        let issuer = self.config.application.issuer.as_str();
        answer.issuer.as_ref().is_some_and(|named| named != issuer)
    }

    async fn complete(
        &self,
        request: &Request,
        cookies: &RequestCookies,
        answer: &Answer,
        attempt: &LoginAttempt,
        now: Timestamp,
    ) -> Result<Response, CallbackError> {
        if self.is_of_other_issuer(answer) {
            return Err(CallbackError::OtherIssuer);
        }
        let code = match &answer.outcome {
            Outcome::Code(code) => code,
            // The answer to `prompt=none`: no user is logged in at the provider (R24).
            Outcome::Error(said) if said.meaning() == ErrorMeaning::NeedsPerson => {
                return Err(CallbackError::NotLoggedIn);
            }
            Outcome::Error(said) => return Err(CallbackError::Refused(said.clone())),
        };
        // Another site started this login, and the user has logged in meanwhile (R189).
        if attempt.from_elsewhere
            && let SessionCookie::Present(current) = self.cookies.session(cookies)
            && self.sessions.lives(&current, now).await?
        {
            let session = current.digest();
            tracing::info!(event = LogEvent::LoginDropped.name(), %session, "a login that another site started was dropped");
            return Ok(self.responder.see_other(attempt.return_to.as_str()));
        }
        let metadata = self.keys.metadata(now).await?;
        if metadata.authorization_response_iss_parameter_supported && answer.issuer.is_none() {
            return Err(CallbackError::OtherIssuer);
        }

        let redirect_uri = format!("{}/callback", self.config.base_url.resolve(request)?);
        let credentials = self.config.credentials.current(now).await?;
        let grant = AuthorizationCodeGrant {
            code,
            redirect_uri: &redirect_uri,
            code_verifier: attempt.code_verifier.expose_secret(),
            credentials: &credentials,
            authentication: credentials.authentication(&metadata),
        };
        let tokens =
            self.provider.redeem(&metadata.token_endpoint, grant).await.inspect_err(|error| {
                if error.refusal() == Some(ErrorMeaning::WrongSecret) {
                    self.config.credentials.refuse(&credentials);
                }
            })?;
        let mut refresh_token = tokens.refresh_token.as_ref().map(ExposeSecret::expose_secret);
        let is_asked_for = attempt.asked_for("offline_access");
        // Keycloak issues one for every login, and ends its own session when that one is revoked.
        let is_revocable = is_asked_for || self.config.application.issuer.is_auth0();
        let revoke = async |refresh_token: Option<&str>| {
            if let Some(refresh_token) = refresh_token.filter(|_| is_revocable) {
                let authentication = credentials.authentication(&metadata);
                let grant =
                    RefreshTokenGrant { refresh_token, credentials: &credentials, authentication };
                provider::revoke_or_log(&*self.provider, &metadata, grant).await;
            }
        };
        let Admitted { claims, user_info, contents } =
            match self.admit(&metadata, &tokens, attempt, now).await {
                Ok(admitted) => admitted,
                Err(error) => {
                    revoke(refresh_token).await;
                    return Err(error);
                }
            };
        let owner = Owner::of(&claims);
        let ends_by = claims.session_expiry;
        if !is_asked_for {
            revoke(refresh_token.take()).await;
        }
        let begun = match refresh_token {
            Some(refresh_token) => {
                let grant = RefreshGrant {
                    refresh_token: refresh_token.to_owned().into(),
                    login: LoginClaims::of(&claims),
                    granted: contents.scopes.clone(),
                    user_info,
                };
                self.sessions.begin_renewable(owner, &contents, &grant, ends_by, now).await
            }
            None => self.sessions.begin(owner, &contents, ends_by, now).await,
        };
        let (secret, ends_at) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                // No session stores the refresh token, so it could not be revoked later.
                revoke(refresh_token).await;
                return Err(error.into());
            }
        };
        // End the session that this browser had before (R36).
        if let SessionCookie::Present(previous) = self.cookies.session(cookies)
            && let Err(error) = self.sessions.end(previous.digest(), now).await
        {
            // The browser does not receive the new session's cookie, so end the session.
            let _ = self.sessions.end(secret.digest(), now).await;
            return Err(error.into());
        }
        tracing::info!(event = LogEvent::LoginSucceeded.name(), session = %secret.digest(), "a session began");
        let mut response = self.responder.see_other(attempt.return_to.as_str());
        let headers = response.headers_mut();
        headers.extend(
            self.cookies.clear_session_twin(cookies).map(|twin| (header::SET_COOKIE, twin)),
        );
        headers.append(header::SET_COOKIE, self.cookies.set_session(&secret, ends_at.since(now)));
        Ok(response)
    }

    /// Restarts the login because its token already belongs to another session.
    ///
    /// A token without `jti` is identical for all logins of a user within one second. If two sessions
    /// shared it, ending one would either leave a working copy or invalidate the other's key (R196).
    /// One second later the provider issues a different token. It uses its own session, so the user
    /// sees no prompt.
    async fn restart(
        &self,
        request: &Request,
        cookies: &RequestCookies,
        attempt: &LoginAttempt,
        now: Timestamp,
    ) -> Result<Response, CallbackError> {
        let next = attempt.restart(&self.random, now).ok_or(CreateError::Exists)?;
        sleep(SAME_TOKEN).await;
        let application = &self.config.application;
        let metadata = self.keys.metadata(now).await?;
        let redirect_uri = format!("{}/callback", self.config.base_url.resolve(request)?);
        let organization = next.organization.as_deref().map(|name| ("organization", name));
        // Replaces `prompt=login`, because the user has just authenticated. Auth0 sends `auth_time`
        // only for a request with `prompt=login` or `max_age`.
        let max_age = next.authenticated_after.map(|moment| now.since(moment) + LIFETIME);
        let max_age = max_age.map(|age| age.as_secs().to_string());
        let max_age = max_age.as_deref().map(|age| ("max_age", age));
        let acr_values = next.step_up.acr_values();
        let acr_values = acr_values.as_deref().map(|values| ("acr_values", values));
        let location = LoginRequest {
            endpoint: &metadata.authorization_endpoint,
            client_id: &application.client_id,
            redirect_uri: &redirect_uri,
            scope: &next.scope,
            audience: application.audience.as_deref(),
            response_mode: self.config.response_mode,
            passed_on: &organization
                .into_iter()
                .chain(max_age)
                .chain(acr_values)
                .collect::<Vec<_>>(),
        }
        .url(&next);
        let kept = self.config.login_cookies.keep(&next, cookies, &self.random, now).await?;
        tracing::info!(
            event = LogEvent::LoginRestarted.name(),
            restarts = next.restarts,
            "the token belongs to another session, so the login is restarted"
        );
        let mut response = self.responder.see_other(location.as_str());
        for cookie in kept {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }
}

#[async_trait]
impl Function for Callback {
    fn paths(&self) -> &'static [&'static str] {
        &["/callback"]
    }

    async fn prepare(&self, now: Timestamp) {
        self.keys.prepare(now).await;
    }

    /// `HEAD` is not allowed, because a link scanner must not use up the code (R34). Neither must a
    /// browser's prefetch, whose response is thrown away (R202).
    async fn handle(&self, request: Request, now: Timestamp) -> Response {
        let is_form = self.config.response_mode == ResponseMode::FormPost;
        match (request.uri().path(), request.method()) {
            ("/callback", &Method::GET) if is_not_navigation(&request) => {
                self.responder.empty(StatusCode::NO_CONTENT)
            }
            ("/callback", &Method::GET) if !is_form => {
                self.finish(&request, &Query::of(request.uri()), now).await
            }
            ("/callback", &Method::POST) if is_form => self.receive(&request, now).await,
            ("/callback", _) => {
                let allowed = if is_form { "POST" } else { "GET" };
                self.responder.method_not_allowed(&request, allowed)
            }
            _ => self.responder.not_found(&request),
        }
    }
}
