//! `POST /oauth/revoke` (RFC 7009).

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::{
    Provider,
    client_authentication::{ClientAuthenticationError, authenticate},
    parameters::Parameters,
    token::{media_type, oauth_error},
};

/// Why a revocation request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RevokeError {
    #[error("the request body is too large or incomplete")]
    Body,
    #[error("the body must be a form or JSON")]
    Unreadable,
    #[error("Missing required parameter: token")]
    Missing,
    #[error("{0}")]
    Client(#[from] ClientAuthenticationError),
}

/// Revokes a refresh token and all tokens from the same login. Returns an empty 200 even for an unknown
/// token, so that it cannot be used to guess tokens.
///
/// It does not revoke access tokens, as at Auth0.
pub(super) async fn revoke(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match attempt(&provider, &headers, body) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => error.into_response(),
    }
}

/// A revocation request. It has no `Debug`, because it contains the secret and the token.
#[derive(Default, Deserialize)]
struct Revocation {
    client_id: Option<String>,
    client_secret: Option<String>,
    token: Option<String>,
}

fn attempt(
    provider: &Provider,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), RevokeError> {
    let body = body.map_err(|_| RevokeError::Body)?;
    let request = parse(headers, &body).ok_or(RevokeError::Unreadable)?;
    authenticate(
        &provider.options,
        headers,
        request.client_id.as_deref(),
        request.client_secret.as_deref(),
    )?;
    let token = request.token.ok_or(RevokeError::Missing)?;
    provider.state.lock().revoke_refresh_token(&token, provider.now());
    Ok(())
}

fn parse(headers: &HeaderMap, body: &[u8]) -> Option<Revocation> {
    match media_type(headers)? {
        "application/json" => serde_json::from_slice(body).ok(),
        "application/x-www-form-urlencoded" => {
            let parameters = Parameters::parse(body);
            let find = |name| parameters.find(name).map(str::to_owned);
            (!parameters.has_repetition()).then(|| Revocation {
                client_id: find("client_id"),
                client_secret: find("client_secret"),
                token: find("token"),
            })
        }
        _ => None,
    }
}

impl IntoResponse for RevokeError {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Client(ClientAuthenticationError::Refused) => {
                (StatusCode::UNAUTHORIZED, "access_denied")
            }
            Self::Client(ClientAuthenticationError::TwoWays)
            | Self::Body
            | Self::Unreadable
            | Self::Missing => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Client(_) => (StatusCode::UNAUTHORIZED, "invalid_client"),
        };
        let description = self.to_string();
        tracing::warn!(error, %description, "revocation refused");
        oauth_error(status, error, &description)
    }
}
