//! The provider's metadata and key set (OpenID Connect Discovery 1.0 §3).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use serde_json::json;
use shared::jwt::MULTI_FACTOR;

use super::{provider::Provider, scope};

/// `GET /.well-known/openid-configuration`.
pub(super) async fn metadata(State(provider): State<Arc<Provider>>) -> Response {
    Json(json!({
        "issuer": provider.issuer,
        "authorization_endpoint": provider.endpoint("authorize"),
        "token_endpoint": provider.endpoint("oauth/token"),
        "userinfo_endpoint": provider.endpoint("userinfo"),
        "revocation_endpoint": provider.endpoint("oauth/revoke"),
        "end_session_endpoint": provider.endpoint("oidc/logout"),
        "jwks_uri": provider.endpoint(".well-known/jwks.json"),
        "scopes_supported": scope::STANDARD,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "acr_values_supported": [MULTI_FACTOR],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported": [
            "acr", "amr", "aud", "auth_time", "email", "email_verified", "exp", "iat", "iss", "name",
            "nickname", "nonce", "org_id", "org_name", "picture", "sid", "sub", "updated_at",
        ],
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "authorization_response_iss_parameter_supported": false,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    }))
    .into_response()
}

/// `GET /.well-known/jwks.json`.
pub(super) async fn key_set(State(provider): State<Arc<Provider>>) -> Response {
    ([(header::CACHE_CONTROL, "public, max-age=15")], Json(provider.key.published()))
        .into_response()
}
