//! `POST /backchannel-logout`: the provider reports that a user's session has ended (OpenID Connect
//! Back-Channel Logout 1.0).
//!
//! Only the provider's signature is checked. The request's cookies and `Origin` are ignored, and no
//! cookie is set (R127).

use std::sync::Arc;

use http::{Method, StatusCode, header};
use serde_json::json;
use shared::{
    clock::Timestamp,
    dependencies::Dependencies,
    discovery::keys::{Keys, KeysError, VerifyError},
    jwt::TokenError,
    names::{ErrorCode, LogEvent},
    pages::respond::Responder,
    provider::application::Application,
    session::{Ending, Sessions},
    store::{SessionStore, StoreError},
    web::{
        error,
        form::{self, InvalidForm},
        request::{Request, Response},
    },
};

/// The endpoint that receives logout tokens from the provider.
#[derive(Debug)]
pub(crate) struct BackchannelLogout {
    application: Application,
    keys: Arc<Keys>,
    responder: Responder,
    sessions: Sessions,
    store: Arc<dyn SessionStore>,
}

/// Why a logout token ended no session.
#[derive(Debug, thiserror::Error)]
enum BackchannelError {
    /// The body is not a form (§2.5), or is longer than any valid form with one token.
    #[error(transparent)]
    Form(#[from] InvalidForm),
    /// The keys to verify the token are unavailable.
    #[error(transparent)]
    Keys(KeysError),
    /// The form's `logout_token` is missing or duplicated.
    #[error("the form does not have exactly one logout_token")]
    NoSingleToken,
    /// The store is unavailable, so sessions may still be valid.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token is invalid (§2.6).
    #[error(transparent)]
    Token(TokenError),
}

impl BackchannelLogout {
    pub(crate) fn new(
        application: Application,
        sessions: Sessions,
        responder: Responder,
        dependencies: &Dependencies,
    ) -> Self {
        Self {
            application,
            keys: Arc::clone(&dependencies.keys),
            responder: responder.json_only(),
            sessions,
            store: dependencies.store.clone(),
        }
    }

    pub(crate) async fn handle(&self, request: &Request, now: Timestamp) -> Response {
        if request.method() != Method::POST {
            return self.responder.method_not_allowed(request, "POST");
        }
        match self.log_out(request, now).await {
            // Not 204: Auth0 accepts only 200 as success. Not cached (§2.8), like every response.
            Ok(()) => self.responder.empty(StatusCode::OK),
            Err(error) => self.refuse(&error),
        }
    }

    /// Ends the sessions that the token names, then claims the token.
    ///
    /// The order matters. If the token were claimed first and ending its sessions failed, the
    /// provider's retry would look like a replay, and the sessions would stay valid. Ending them twice
    /// is harmless: the token only ends sessions that existed when it was issued (R122).
    async fn log_out(&self, request: &Request, now: Timestamp) -> Result<(), BackchannelError> {
        let token = logout_token(request)?;
        let token = self.keys.verify_logout_token(&token, &self.application.client_id, now).await?;
        let sessions = self.sessions.end_all(&Ending::by_provider(&token), now).await?;
        if self.store.claim(token.mark(), token.mark_expires_at(), now).await? {
            tracing::info!(
                event = LogEvent::BackchannelLogoutSucceeded.name(),
                sessions,
                "the provider ended sessions"
            );
        } else {
            tracing::warn!(
                event = LogEvent::BackchannelLogoutReplayed.name(),
                sessions,
                "a logout token was received again"
            );
        }
        Ok(())
    }

    /// The response with `error` and `error_description` of §2.8. The reason helps the reader of the
    /// provider's log. A stranger learns from it only that the token is invalid.
    fn refuse(&self, error: &BackchannelError) -> Response {
        let (status, code) = error.status();
        let reason = error::chain(error);
        let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
        if unavailable {
            tracing::error!(
                event = LogEvent::BackchannelLogoutFailed.name(),
                error = reason,
                "sessions that ended at the provider may still be valid"
            );
        } else {
            tracing::warn!(
                event = LogEvent::BackchannelLogoutRefused.name(),
                error = reason,
                "a logout token was refused"
            );
        }
        let description = error.description();
        let body = json!({ "error": code.name(), "error_description": description });
        let mut response = self.responder.json(status, &body);
        if unavailable {
            response.headers_mut().insert(header::RETRY_AFTER, 5.into());
        }
        response
    }
}

/// Maximum length of the body: longer than any form with one token that [`jwt`](shared::jwt) accepts.
const MAX_BODY_LENGTH: usize = 32 * 1024;

/// The form's single `logout_token`. Other parameters are ignored (§2.5).
fn logout_token(request: &Request) -> Result<String, BackchannelError> {
    let form = form::parse(request, MAX_BODY_LENGTH)?;
    match form.once("logout_token") {
        Ok(Some(token)) => Ok(token.to_owned()),
        Ok(None) | Err(_) => Err(BackchannelError::NoSingleToken),
    }
}

impl BackchannelError {
    fn status(&self) -> (StatusCode, ErrorCode) {
        match self {
            Self::Form(InvalidForm::TooLong) => {
                (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest)
            }
            Self::Form(InvalidForm::NotAForm) | Self::NoSingleToken | Self::Token(_) => {
                (StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest)
            }
            Self::Keys(_) | Self::Store(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable)
            }
        }
    }

    /// The description that the provider receives. It reveals nothing about the services behind us.
    fn description(&self) -> String {
        match self {
            Self::Keys(_) => "the keys to verify the token are unavailable".to_owned(),
            Self::Store(_) => "the sessions may not all have ended".to_owned(),
            refused => refused.to_string(),
        }
    }
}

impl From<VerifyError> for BackchannelError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Keys(error) => Self::Keys(error),
            VerifyError::Token(error) => Self::Token(error),
        }
    }
}
