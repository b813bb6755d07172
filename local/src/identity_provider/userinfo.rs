//! `GET /userinfo` (OIDC Core §5.3).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::Provider;

/// Why a userinfo request failed.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum UserinfoError {
    /// The header has no token. A token in the URL is ignored, because URLs end up in logs.
    #[error("Unauthorized")]
    Missing,
    /// The token is unknown, expired or revoked.
    #[error("the access token is unknown, expired or revoked")]
    InvalidToken,
    /// The token is not for this endpoint.
    #[error("the access token lacks the scope openid")]
    InsufficientScope,
}

/// Returns the user's claims that the token's scope allows.
pub(super) async fn userinfo(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
) -> Response {
    match describe(&provider, &headers) {
        Ok(claims) => Json(claims).into_response(),
        Err(error) => error.into_response(),
    }
}

fn describe(provider: &Provider, headers: &HeaderMap) -> Result<Map<String, Value>, UserinfoError> {
    let token = bearer_token(headers).ok_or(UserinfoError::Missing)?;
    let state = provider.state.lock();
    let (grant, scope) =
        state.find_access_token(token, provider.now()).ok_or(UserinfoError::InvalidToken)?;
    if !scope.contains("openid") {
        return Err(UserinfoError::InsufficientScope);
    }
    Ok(grant.user.userinfo_claims(scope, grant.authenticated_at))
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = values.next()?.to_str().ok()?.split_once(' ')?;
    (values.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then_some(token)
}

impl IntoResponse for UserinfoError {
    fn into_response(self) -> Response {
        let (status, error, challenge) = match self {
            // RFC 6750 §3.1: without a token, the challenge contains no error code.
            Self::Missing => (StatusCode::UNAUTHORIZED, "unauthorized", "Bearer"),
            Self::InvalidToken => {
                (StatusCode::UNAUTHORIZED, "invalid_token", "Bearer error=\"invalid_token\"")
            }
            Self::InsufficientScope => (
                StatusCode::FORBIDDEN,
                "insufficient_scope",
                "Bearer error=\"insufficient_scope\", scope=\"openid\"",
            ),
        };
        let body = Json(json!({"error": error, "error_description": self.to_string()}));
        (status, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))], body)
            .into_response()
    }
}
