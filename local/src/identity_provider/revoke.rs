//! `POST /oauth/revoke` (RFC 7009).

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::{
    parameters::Parameters,
    provider::Provider,
    token::{TokenError, authenticated, required},
};

/// Revokes a refresh token and all refresh tokens from the same login. Returns an empty 200 even for an
/// unknown token, so that it cannot be used to guess tokens.
///
/// It does not revoke access tokens, as at Auth0.
pub(super) async fn revoke(
    State(provider): State<Arc<Provider>>,
    parameters: Result<Parameters, Response>,
) -> Result<StatusCode, TokenError> {
    let parameters = authenticated(&provider, parameters)?;
    let token = required(&parameters, "token")?;
    provider.state.lock().revoke_refresh_token(token, provider.now());
    Ok(StatusCode::OK)
}
