//! `POST /oauth/token` (RFC 6749 §4.1.3 and §6, RFC 7636 §4.5).

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use super::{
    client_authentication::{ClientAuthenticationError, authenticate, equal_in_constant_time},
    issuance::{Occasion, Tokens, issue},
    keys::KeyError,
    parameters::Parameters,
    provider::Provider,
    scope::Scope,
    state::{CodeError, RefreshError},
};

/// Why a token request or a revocation failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the body must be application/x-www-form-urlencoded and short")]
    NotAForm,
    #[error("a parameter is given more than once")]
    Repetition,
    #[error("Missing required parameter: {0}")]
    Missing(&'static str),
    #[error("{0}")]
    Client(#[from] ClientAuthenticationError),
    #[error("the grant type is not supported")]
    UnsupportedGrantType,
    #[error("{0}")]
    Code(#[from] CodeError),
    #[error("The redirect URI is wrong: it is not the one of the authorization request")]
    RedirectUri,
    #[error("Failed to verify code verifier")]
    CodeVerifier,
    #[error("{0}")]
    RefreshToken(#[from] RefreshError),
    #[error("the scope is malformed or goes beyond what was granted")]
    Scope,
    #[error("{0}")]
    Signing(#[from] KeyError),
}

/// Exchanges a code or a refresh token.
pub(super) async fn token(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    parameters: Result<Parameters, Response>,
) -> impl IntoResponse {
    // RFC 6749 §5.1 requires both headers.
    let no_cache = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (no_cache, exchange(&provider, &headers, parameters).map(Json))
}

fn exchange(
    provider: &Provider,
    headers: &HeaderMap,
    parameters: Result<Parameters, Response>,
) -> Result<Tokens, TokenError> {
    let parameters = authenticated(provider, headers, parameters)?;
    match required(&parameters, "grant_type")? {
        "authorization_code" => redeem_code(provider, &parameters),
        "refresh_token" => refresh(provider, &parameters),
        _ => Err(TokenError::UnsupportedGrantType),
    }
}

/// The parameters of a request by the authenticated client.
pub(super) fn authenticated(
    provider: &Provider,
    headers: &HeaderMap,
    parameters: Result<Parameters, Response>,
) -> Result<Parameters, TokenError> {
    let parameters = parameters.map_err(|_| TokenError::NotAForm)?;
    if parameters.has_repetition() {
        return Err(TokenError::Repetition);
    }
    let [id, secret] = ["client_id", "client_secret"].map(|name| parameters.find(name));
    authenticate(&provider.options, headers, id, secret)?;
    Ok(parameters)
}

fn redeem_code(provider: &Provider, parameters: &Parameters) -> Result<Tokens, TokenError> {
    let code = required(parameters, "code")?;
    let now = provider.now();
    let mut state = provider.state.lock();
    // Use up the code before any comparison, so that a failed client cannot guess again.
    let code = state.use_code(code, now)?;
    if required(parameters, "redirect_uri")? != code.redirect_uri {
        return Err(TokenError::RedirectUri);
    }
    let verifier = required(parameters, "code_verifier")?;
    if !equal_in_constant_time(&s256_challenge(verifier), &code.code_challenge) {
        return Err(TokenError::CodeVerifier);
    }
    let (grant, nonce, session_id) =
        (code.grant.clone(), code.nonce.clone(), code.session_id.clone());
    let grant_id = state.create_grant(code, now);
    let occasion = Occasion::Login { session_id: &session_id, nonce: nonce.as_deref() };
    let scope = grant.scope.clone();
    Ok(issue(provider, &mut state, (&grant_id, &grant), scope, &occasion, now)?)
}

fn refresh(provider: &Provider, parameters: &Parameters) -> Result<Tokens, TokenError> {
    let token = required(parameters, "refresh_token")?;
    let now = provider.now();
    let mut state = provider.state.lock();
    let (grant_id, grant) = state.find_refresh_token(token, now)?;
    let scope = match parameters.find("scope") {
        None => grant.scope.clone(),
        Some(asked) => Scope::parse(asked)
            .filter(|asked| asked.is_subset_of(&grant.scope))
            .ok_or(TokenError::Scope)?,
    };
    state.rotate_refresh_token(token, now);
    Ok(issue(provider, &mut state, (&grant_id, &grant), scope, &Occasion::Refresh, now)?)
}

impl TokenError {
    /// Status and code as at Auth0: 403 instead of RFC 6749 §5.2's 400, and `access_denied` for a wrong
    /// secret.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotAForm
            | Self::Repetition
            | Self::Missing(_)
            | Self::Client(ClientAuthenticationError::TwoWays) => {
                (StatusCode::BAD_REQUEST, "invalid_request")
            }
            Self::Client(ClientAuthenticationError::Refused) => {
                (StatusCode::UNAUTHORIZED, "access_denied")
            }
            Self::Client(_) => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::UnsupportedGrantType => (StatusCode::FORBIDDEN, "unsupported_grant_type"),
            Self::Code(_) | Self::RedirectUri | Self::CodeVerifier | Self::RefreshToken(_) => {
                (StatusCode::FORBIDDEN, "invalid_grant")
            }
            Self::Scope => (StatusCode::FORBIDDEN, "invalid_scope"),
            Self::Signing(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        }
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let (status, error) = self.status_and_code();
        let description = self.to_string();
        tracing::warn!(error, %description, "token request refused");
        let body = json!({"error": error, "error_description": description});
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // A client that failed to authenticate receives a challenge (RFC 6749 §5.2).
            let challenge = HeaderValue::from_static("Basic realm=\"identity provider\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

pub(super) fn required<'a>(
    parameters: &'a Parameters,
    name: &'static str,
) -> Result<&'a str, TokenError> {
    parameters.find(name).ok_or(TokenError::Missing(name))
}

fn s256_challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        assert_eq!(
            s256_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
