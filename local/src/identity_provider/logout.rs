//! `/oidc/logout` (OpenID Connect RP-Initiated Logout 1.0) and `/v2/logout` (Auth0's older one).

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{
    browser::{redirect, session_cookie, without_session_cookie},
    pages::{self, LogoutPage},
    parameters::{Parameters, with_query},
    provider::Provider,
    state::PendingLogout,
};

/// Why a logout failed. The error is shown to the user, because the URL to return to is not trusted.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogoutError {
    #[error("A parameter is given more than once.")]
    Repetition,
    #[error("The id_token_hint is not an ID token that this provider issued to an application.")]
    InvalidHint,
    #[error("The id_token_hint and the logout_hint are of different sessions.")]
    HintsDiffer,
    #[error("The client_id is not that of a known application, or not that of the id_token_hint.")]
    UnknownClient,
    /// Without this check, a logout could redirect to an attacker's URL.
    #[error(
        "The URL to return to does not exactly match an allowed logout URL, or the request does not \
         identify the application."
    )]
    DestinationNotAllowed,
    #[error("This confirmation was already answered or has expired.")]
    Expired,
}

impl LogoutError {
    fn into_response(self) -> Response {
        tracing::warn!(reason = %self, "logout refused");
        pages::error(StatusCode::BAD_REQUEST, "You were not logged out", &self.to_string())
    }
}

/// `GET` and `POST /oidc/logout`.
pub(super) async fn logout(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    attempt(&provider, &headers, &parameters).unwrap_or_else(LogoutError::into_response)
}

/// `POST /oidc/logout/confirm`: the user confirms the logout.
pub(super) async fn confirm(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    let id = parameters.find("logout").unwrap_or_default();
    let taken = provider.state.lock().logouts.take(id, provider.now());
    let Some(PendingLogout { session_id, destination }) = taken else {
        return LogoutError::Expired.into_response();
    };
    let cookie = session_cookie(&headers);
    // Another user may have logged in since the confirmation page was shown.
    let asked_about = cookie.as_deref().is_some_and(|cookie| {
        let state = provider.state.lock();
        state.sessions.find(cookie, provider.now()).is_some_and(|session| session.id == session_id)
    });
    if !asked_about {
        return LogoutError::Expired.into_response();
    }
    end_session(&provider, cookie.as_deref(), destination.as_deref())
}

/// `GET /v2/logout`: logs out without confirmation, as at Auth0.
pub(super) async fn without_confirmation(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    let destination = match parameters.has_repetition() {
        true => Err(LogoutError::Repetition),
        false => known_client(&provider, &parameters, false)
            .and_then(|is_known| destination(&provider, parameters.find("returnTo"), is_known)),
    };
    match destination {
        Ok(destination) => {
            end_session(&provider, session_cookie(&headers).as_deref(), destination.as_deref())
        }
        Err(error) => error.into_response(),
    }
}

/// The claims of an ID token hint. Its expiry is ignored (§2).
#[derive(Clone, Deserialize)]
struct IdTokenHint {
    iss: String,
    aud: String,
    sid: Option<String>,
}

fn attempt(
    provider: &Arc<Provider>,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response, LogoutError> {
    if parameters.has_repetition() {
        return Err(LogoutError::Repetition);
    }
    let hint =
        parameters.find("id_token_hint").map(|token| verify_hint(provider, token)).transpose()?;
    let known_client = known_client(provider, parameters, hint.is_some())?;
    let destination =
        destination(provider, parameters.find("post_logout_redirect_uri"), known_client)?.map(
            |uri| match parameters.find("state") {
                Some(state) => with_query(&uri, &[("state", state)]),
                None => uri,
            },
        );
    let hinted_session = hinted_session(hint, parameters.find("logout_hint"))?;

    let cookie = session_cookie(headers);
    let now = provider.now();
    let session = cookie
        .as_deref()
        .and_then(|cookie| provider.state.lock().sessions.find(cookie, now).cloned());
    match session {
        // Without proof that the client means this session, any site could log users out.
        Some(session) if hinted_session.as_deref() != Some(&session.id) => {
            let question =
                PendingLogout { session_id: session.id, destination: destination.clone() };
            let id = provider.state.lock().begin_logout(question, &provider.random, now);
            let page = LogoutPage { logout: &id, name: &session.user.name };
            Ok(pages::page(StatusCode::OK, &page, destination.as_deref()))
        }
        _ => Ok(end_session(provider, cookie.as_deref(), destination.as_deref())),
    }
}

/// Ends the session of the browser with `cookie`, if it has one, and redirects to the destination.
fn end_session(
    provider: &Arc<Provider>,
    cookie: Option<&str>,
    destination: Option<&str>,
) -> Response {
    let ended =
        cookie.and_then(|cookie| provider.state.lock().sessions.take(cookie, provider.now()));
    if let Some(session) = ended {
        tracing::info!("logged out");
        provider.announce_end(session);
    }
    without_session_cookie(match destination {
        Some(destination) => redirect(StatusCode::SEE_OTHER, destination),
        None => pages::message("Logged out", "You are logged out of the identity provider."),
    })
}

fn verify_hint(provider: &Provider, token: &str) -> Result<IdTokenHint, LogoutError> {
    provider
        .key
        .verify_signature::<IdTokenHint>(token)
        // An access token has several audiences. No client sends a logout token as a hint.
        .filter(|hint| hint.iss == provider.issuer && hint.aud == provider.options.client_id)
        .ok_or(LogoutError::InvalidHint)
}

fn known_client(
    provider: &Provider,
    parameters: &Parameters,
    by_hint: bool,
) -> Result<bool, LogoutError> {
    match parameters.find("client_id") {
        Some(id) if id != provider.options.client_id => Err(LogoutError::UnknownClient),
        Some(_) => Ok(true),
        None => Ok(by_hint),
    }
}

/// The session that the client means, by its `sid`. A refreshed ID token has none.
fn hinted_session(
    hint: Option<IdTokenHint>,
    logout_hint: Option<&str>,
) -> Result<Option<String>, LogoutError> {
    match (hint.and_then(|hint| hint.sid), logout_hint) {
        (Some(sid), Some(other)) if sid != other => Err(LogoutError::HintsDiffer),
        (Some(sid), _) => Ok(Some(sid)),
        (None, sid) => Ok(sid.map(str::to_owned)),
    }
}

/// The requested URL, if it exactly matches an entry in the application's list. A request with an
/// application and no URL gets the first entry. Without an application, the tenant's list would apply,
/// which is empty here.
fn destination(
    provider: &Provider,
    asked: Option<&str>,
    known_client: bool,
) -> Result<Option<String>, LogoutError> {
    let allowed = &provider.options.logout_uris;
    match asked {
        None if known_client => Ok(allowed.first().cloned()),
        None => Ok(None),
        Some(uri) if known_client && allowed.iter().any(|known| known == uri) => {
            Ok(Some(uri.to_owned()))
        }
        Some(_) => Err(LogoutError::DestinationNotAllowed),
    }
}
