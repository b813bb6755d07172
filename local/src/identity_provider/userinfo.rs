//! `GET /userinfo` (OIDC Core §5.3).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::provider::Provider;

/// Returns the user's claims that the token's scope allows. A token in the URL is ignored, because URLs
/// end up in logs.
pub(super) async fn userinfo(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
) -> Response {
    let Some(token) = bearer_token(&headers) else {
        // RFC 6750 §3.1: without a token, the challenge contains no error code.
        return refuse(StatusCode::UNAUTHORIZED, "unauthorized", "Bearer");
    };
    let state = provider.state.lock();
    match state.find_access_token(token, provider.now()) {
        Some((grant, scope)) if scope.contains("openid") => {
            Json(grant.session.user.claims(scope, grant.session.authenticated_at)).into_response()
        }
        Some(_) => refuse(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            r#"Bearer error="insufficient_scope", scope="openid""#,
        ),
        None => {
            refuse(StatusCode::UNAUTHORIZED, "invalid_token", r#"Bearer error="invalid_token""#)
        }
    }
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (scheme, token) = values.next()?.to_str().ok()?.split_once(' ')?;
    (values.next().is_none() && scheme.eq_ignore_ascii_case("bearer")).then_some(token)
}

fn refuse(status: StatusCode, error: &str, challenge: &'static str) -> Response {
    (status, [(header::WWW_AUTHENTICATE, challenge)], Json(json!({ "error": error })))
        .into_response()
}
