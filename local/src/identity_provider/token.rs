//! `POST /oauth/token` (RFC 6749 §4.1.3 and §6, RFC 7636 §4.5).

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use secrecy::ExposeSecret as _;
use serde_json::json;
use shared::crypto::secret::{Digest, equal};

use super::{
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
    #[error("Missing client authentication")]
    MissingSecret,
    /// The id or the secret is wrong. The error does not reveal which one.
    #[error("Unauthorized")]
    WrongSecret,
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
    parameters: Result<Parameters, Response>,
) -> impl IntoResponse {
    // RFC 6749 §5.1 requires both headers.
    let no_cache = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (no_cache, exchange(&provider, parameters).map(Json))
}

fn exchange(
    provider: &Provider,
    parameters: Result<Parameters, Response>,
) -> Result<Tokens, TokenError> {
    let parameters = authenticated(provider, parameters)?;
    match required(&parameters, "grant_type")? {
        "authorization_code" => redeem_code(provider, &parameters),
        "refresh_token" => refresh(provider, &parameters),
        _ => Err(TokenError::UnsupportedGrantType),
    }
}

/// The parameters of a request, whose client has authenticated by `client_secret_post`.
pub(super) fn authenticated(
    provider: &Provider,
    parameters: Result<Parameters, Response>,
) -> Result<Parameters, TokenError> {
    let parameters = parameters.map_err(|_| TokenError::NotAForm)?;
    if parameters.has_repetition() {
        return Err(TokenError::Repetition);
    }
    let (Some(id), Some(secret)) = (parameters.find("client_id"), parameters.find("client_secret"))
    else {
        return Err(TokenError::MissingSecret);
    };
    let options = &provider.options;
    // Digests have one length, so the time taken reveals nothing about the secret.
    let expected = [&options.client_id, options.client_secret.expose_secret()].map(Digest::of);
    if [id, secret].map(Digest::of) == expected {
        Ok(parameters)
    } else {
        Err(TokenError::WrongSecret)
    }
}

fn redeem_code(provider: &Provider, parameters: &Parameters) -> Result<Tokens, TokenError> {
    let code = required(parameters, "code")?;
    let now = provider.now();
    let mut state = provider.state.lock();
    // Use up the code before any comparison, so that a failed client cannot guess again.
    let code = state.use_code(code, now)?;
    let request = &code.grant.request;
    if required(parameters, "redirect_uri")? != request.redirect_uri {
        return Err(TokenError::RedirectUri);
    }
    let verifier = required(parameters, "code_verifier")?;
    if !equal(&s256_challenge(verifier), &request.code_challenge) {
        return Err(TokenError::CodeVerifier);
    }
    let grant_id = state.create_grant(&code, now);
    let grant = (grant_id.as_str(), &code.grant);
    Ok(issue(provider, &mut state, grant, request.scope.clone(), Occasion::Login, now)?)
}

fn refresh(provider: &Provider, parameters: &Parameters) -> Result<Tokens, TokenError> {
    let token = required(parameters, "refresh_token")?;
    let now = provider.now();
    let mut state = provider.state.lock();
    let (grant_id, grant) = state.find_refresh_token(token, now)?;
    let scope = match parameters.find("scope") {
        None => grant.request.scope.clone(),
        Some(asked) => Scope::parse(asked)
            .filter(|asked| asked.is_subset_of(&grant.request.scope))
            .ok_or(TokenError::Scope)?,
    };
    state.rotate_refresh_token(token, now);
    Ok(issue(provider, &mut state, (&grant_id, &grant), scope, Occasion::Refresh, now)?)
}

impl TokenError {
    /// Status and code as at Auth0: 403 instead of RFC 6749 §5.2's 400, and `access_denied` for a wrong
    /// secret.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotAForm | Self::Repetition | Self::Missing(_) => {
                (StatusCode::BAD_REQUEST, "invalid_request")
            }
            Self::MissingSecret => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::WrongSecret => (StatusCode::UNAUTHORIZED, "access_denied"),
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
        (status, Json(body)).into_response()
    }
}

pub(super) fn required<'a>(
    parameters: &'a Parameters,
    name: &'static str,
) -> Result<&'a str, TokenError> {
    parameters.find(name).ok_or(TokenError::Missing(name))
}

fn s256_challenge(verifier: &str) -> String {
    Digest::of(verifier).to_string()
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
