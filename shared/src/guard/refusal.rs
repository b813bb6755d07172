//! Why nobody is believed, and what they are told.

use http::{HeaderValue, StatusCode, header};

use crate::{
    discovery::keys::{KeysError, VerifyError},
    jwt::TokenError,
    store::StoreError,
    web::{
        base_url::UnknownBaseUrl,
        error::{Failure, Public},
    },
};

/// Why nobody is believed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A claim is not what the rules ask.
    #[error("the claim `{0}` does not have the required value")]
    ClaimNotAllowed(String),
    /// A request with our cookie that may have been sent by a page elsewhere.
    #[error("a request with a cookie came from another site")]
    CrossSite,
    /// The cookie opens no session.
    #[error("the cookie opens no session")]
    CookieWithoutSession,
    /// The keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// An `Authorization` header that is not one bearer token.
    #[error("the Authorization header is not one bearer token")]
    MalformedHeader,
    /// No credential.
    #[error("the request has no credential")]
    MissingCredential,
    /// Not all of these scopes, with a space between two, were granted.
    #[error("not all of the scopes were granted")]
    MissingScope(String),
    /// A client that acts for itself, where a person is needed.
    #[error("the token belongs to a machine, not a person")]
    NotPerson,
    /// Another scheme than `Bearer`.
    #[error("the Authorization header has another scheme")]
    OtherScheme,
    /// The session of the cookie lives, and its token has expired.
    #[error("the session's token has expired and was not refreshed")]
    RefreshRequired,
    /// The token is good, its session is gone.
    #[error("good token, bad session")]
    SessionEnded,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A token in the query beside the one in the header (RFC 6750 §2).
    #[error("the query contains a second token")]
    TwoTokens,
    /// Where the bundle itself is reached is not known.
    #[error(transparent)]
    UnknownBaseUrl(#[from] UnknownBaseUrl),
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Token(error) => Self::Token(error),
            VerifyError::Keys(error) => Self::Keys(error),
        }
    }
}

impl Failure for Refusal {
    fn public(&self) -> Public {
        use StatusCode as Status;
        let (status, code, description) = match self {
            Self::Keys(_) => return Public::provider_unavailable(),
            Self::Store(_) => return Public::store_unavailable(),
            Self::UnknownBaseUrl(_) => return Public::misconfigured(),
            Self::ClaimNotAllowed(_) => (
                Status::FORBIDDEN,
                "claim_not_allowed",
                "A claim does not have the required value.",
            ),
            Self::CrossSite => {
                (Status::FORBIDDEN, "cross_site_request", "The request came from another site.")
            }
            Self::CookieWithoutSession => {
                (Status::UNAUTHORIZED, "session_ended", "The session has ended. Log in again.")
            }
            Self::MalformedHeader => (
                Status::BAD_REQUEST,
                "invalid_header",
                "The Authorization header must be `Bearer`, a space and one token.",
            ),
            Self::MissingCredential => (
                Status::UNAUTHORIZED,
                "authorization_header_missing",
                "An Authorization header is expected.",
            ),
            Self::MissingScope(_) => {
                (Status::FORBIDDEN, "insufficient_scope", "The token lacks a required scope.")
            }
            Self::NotPerson => (
                Status::FORBIDDEN,
                "person_required",
                "The token belongs to a machine; a person's token is required.",
            ),
            Self::OtherScheme => (
                Status::UNAUTHORIZED,
                "invalid_header",
                "The Authorization header must start with Bearer.",
            ),
            Self::RefreshRequired => (
                Status::UNAUTHORIZED,
                "refresh_required",
                "The session's key has expired. Renew it with POST /refresh and try again.",
            ),
            Self::SessionEnded => (
                Status::UNAUTHORIZED,
                "session_ended",
                "The token is valid, but its session has ended. Log in again.",
            ),
            Self::Token(error) => (Status::UNAUTHORIZED, error.code(), error.description()),
            Self::TwoTokens => (
                Status::BAD_REQUEST,
                "invalid_request",
                "Send the token once, in the Authorization header.",
            ),
        };
        let message = matches!(self, Self::SessionEnded).then_some("Good token, bad session");
        let headers = vec![(header::WWW_AUTHENTICATE, self.challenge(status, description))];
        Public {
            message,
            headers,
            ..Public::new(status, code, "You are not logged in", description)
        }
    }

    fn event(&self) -> &'static str {
        match self {
            Self::MissingCredential => "request.anonymous",
            Self::Keys(_) | Self::Store(_) | Self::UnknownBaseUrl(_) => "request.failed",
            _ => "request.refused",
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Token(error) => error.hint(),
            _ => None,
        }
    }
}

impl Refusal {
    /// The challenge of RFC 6750 §3. Whoever sent no credential is told no error (§3.1).
    fn challenge(&self, status: StatusCode, description: &str) -> HeaderValue {
        let error = match (self, status) {
            (Self::MissingCredential | Self::OtherScheme, _) => None,
            (_, StatusCode::BAD_REQUEST) => Some("invalid_request"),
            (_, StatusCode::FORBIDDEN) => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        };
        let mut challenge = r#"Bearer realm="api""#.to_owned();
        if let Some(error) = error {
            challenge.push_str(&format!(r#", error="{error}", error_description="{description}""#));
        }
        if let Self::MissingScope(scopes) = self {
            challenge.push_str(&format!(r#", scope="{scopes}""#));
        }
        HeaderValue::from_str(&challenge).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r140_a_missing_scope_is_named_in_the_challenge() {
        let public = Refusal::MissingScope("read write".to_owned()).public();
        assert_eq!(public.status, StatusCode::FORBIDDEN);
        let challenge = public.headers[0].1.to_str().unwrap();
        assert!(
            challenge.contains(r#"error="insufficient_scope""#)
                && challenge.ends_with(r#"scope="read write""#),
            "{challenge}"
        );
    }

    #[test]
    fn r139_whoever_sent_no_credential_is_told_no_error() {
        let public = Refusal::MissingCredential.public();
        assert_eq!(public.headers[0].1, r#"Bearer realm="api""#);
    }
}
