//! `POST /backchannel-logout`: the provider says that somebody's session has ended (OpenID Connect
//! Back-Channel Logout 1.0).
//!
//! The provider's signature is all that counts. A cookie on the request is not looked at, no
//! `Origin` stands in its way, and no cookie is set (R127).

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;
use shared::{
    clock::Timestamp,
    dependencies::Dependencies,
    discovery::keys::{Keys, KeysError, VerifyError},
    jwt::TokenError,
    pages::respond::Responder,
    provider::application::Application,
    session::{Ending, Sessions},
    store::{SessionStore, StoreError},
    web::{
        error,
        request::{Request, Response},
    },
};

/// Where the provider sends logout tokens.
#[derive(Debug)]
pub(crate) struct BackchannelLogout {
    application: Application,
    keys: Arc<Keys>,
    responder: Responder,
    sessions: Sessions,
    store: Arc<dyn SessionStore>,
}

/// Why no session was ended.
#[derive(Debug, thiserror::Error)]
enum BackchannelError {
    /// The body is longer than any form with a token.
    #[error("the body is too long")]
    BodyTooLong,
    /// The keys to tell whether the token is good cannot be had.
    #[error(transparent)]
    Keys(KeysError),
    /// The form does not have `logout_token`, or has it more than once.
    #[error("the form does not have exactly one logout_token")]
    NoSingleToken,
    /// The body is no form (§2.5).
    #[error("the body is not application/x-www-form-urlencoded")]
    NotAForm,
    /// The store does not answer: sessions may still live.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token is not a good one (§2.6).
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
            store: Arc::clone(&dependencies.store),
        }
    }

    pub(crate) async fn handle(&self, request: &Request, now: Timestamp) -> Response {
        if request.method() != Method::POST {
            return self.responder.method_not_allowed(request, "POST");
        }
        match self.log_out(request, now).await {
            // Not 204: Auth0 takes 200 alone for a success. No caching (§2.8), as on every answer.
            Ok(()) => self.responder.empty(StatusCode::OK),
            Err(error) => self.refuse(&error),
        }
    }

    /// Ends what the token says has ended, then claims the token.
    ///
    /// In this order: claimed first, a token whose sessions could not be ended would be taken for
    /// a replay when the provider sends it again, and they would live on. To end them twice does
    /// no harm, for what the token ends is what there was when it was issued (R122).
    async fn log_out(&self, request: &Request, now: Timestamp) -> Result<(), BackchannelError> {
        let token = logout_token(request)?;
        let token = self.keys.verify_logout_token(&token, &self.application.client_id, now).await?;
        let sessions = self.sessions.end_all(&Ending::by_provider(&token), now).await?;
        if self.store.claim(token.mark(), token.mark_expires_at(), now).await? {
            tracing::info!(
                event = "backchannel_logout.succeeded",
                sessions,
                "the provider ended sessions"
            );
        } else {
            tracing::warn!(
                event = "backchannel_logout.replayed",
                sessions,
                "a logout token came again"
            );
        }
        Ok(())
    }

    /// `error` and `error_description` as §2.8 has them. The reason is the provider's to know: it
    /// helps whoever reads its log, and tells a stranger no more than that the token is not good.
    fn refuse(&self, error: &BackchannelError) -> Response {
        let (status, code) = error.status();
        let reason = error::chain(error);
        let unavailable = status == StatusCode::SERVICE_UNAVAILABLE;
        if unavailable {
            tracing::error!(
                event = "backchannel_logout.failed",
                error = reason,
                "sessions that ended at the provider may live on"
            );
        } else {
            tracing::warn!(
                event = "backchannel_logout.refused",
                error = reason,
                "a logout token was refused"
            );
        }
        let description = error.description();
        let body = json!({ "error": code, "error_description": description });
        let mut response = self.responder.json(status, &body);
        if unavailable {
            response.headers_mut().insert(header::RETRY_AFTER, 5.into());
        }
        response
    }
}

/// Longer than any form with one token that [`jwt`](shared::jwt) would look at.
const MAX_BODY_LENGTH: usize = 32 * 1024;

/// The one `logout_token` of the form. Whatever else is in it is left alone (§2.5).
fn logout_token(request: &Request) -> Result<String, BackchannelError> {
    if !is_form(request.headers()) {
        return Err(BackchannelError::NotAForm);
    }
    if request.body().len() > MAX_BODY_LENGTH {
        return Err(BackchannelError::BodyTooLong);
    }
    let mut tokens = form_urlencoded::parse(request.body())
        .filter(|(name, _)| name == "logout_token")
        .map(|(_, value)| value);
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token.into_owned()),
        _ => Err(BackchannelError::NoSingleToken),
    }
}

/// The media type alone decides; it may have parameters.
fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else { return false };
    content_type.to_str().is_ok_and(|text| {
        let media_type = text.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

impl BackchannelError {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BodyTooLong => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            Self::NoSingleToken | Self::NotAForm | Self::Token(_) => {
                (StatusCode::BAD_REQUEST, "invalid_request")
            }
            Self::Keys(_) | Self::Store(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
        }
    }

    /// What the provider is told. Nothing of what is behind us is in it.
    fn description(&self) -> String {
        match self {
            Self::Keys(_) => "the keys to verify the token cannot be had".to_owned(),
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
