//! Authentication errors and their HTTP responses.

use http::{HeaderValue, StatusCode, header};

use super::{EmailRefusal, OrganizationRefusal};
use crate::{
    discovery::keys::{KeysError, VerifyError},
    jwt::{StepUp, TokenError},
    names::{ErrorCode, LogEvent},
    store::StoreError,
    texts::{self, Text},
    web::{
        base_url::UnknownBaseUrl,
        error::{Failure, Public},
    },
};

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A claim does not have the value that the rules require.
    #[error("the claim `{0}` does not have the required value")]
    ClaimNotAllowed(String),
    /// The token was issued to a client that is not in `ALLOWED_CLIENTS`.
    #[error("the token's client is not allowed")]
    ClientNotAllowed,
    /// A page of another site may have sent this request with our cookie.
    #[error("a request with a cookie came from another site")]
    CrossSite,
    /// The cookie has no live session.
    #[error("the cookie opens no session")]
    CookieWithoutSession,
    /// The person's e-mail address is not let in.
    #[error(transparent)]
    Email(#[from] EmailRefusal),
    /// The keys are unavailable.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The `Authorization` header is not exactly one bearer token.
    #[error("the Authorization header is not one bearer token")]
    MalformedHeader,
    /// The request has no credential.
    #[error("the request has no credential")]
    MissingCredential,
    /// Not all of these scopes, separated by spaces, were granted.
    #[error("not all of the scopes were granted")]
    MissingScope(String),
    /// The caller is a client that acts for itself, where a person is required.
    #[error("the token belongs to a machine, not a person")]
    NotPerson,
    /// The login or the token is not for the required organization.
    #[error(transparent)]
    Organization(#[from] OrganizationRefusal),
    /// The `Authorization` header has another scheme than `Bearer`.
    #[error("the Authorization header has another scheme")]
    OtherScheme,
    /// The cookie's session is live, but its token has expired.
    #[error("the session's token has expired and was not refreshed")]
    RefreshRequired,
    /// `ROUTE_RULES` is set and does not list this route.
    #[error("the route is not listed in ROUTE_RULES")]
    RouteNotListed,
    /// The token is valid, but its session has ended.
    #[error("good token, bad session")]
    SessionEnded,
    /// The user did not authenticate as the rules require (RFC 9470).
    #[error("the user did not authenticate as required")]
    StepUpRequired(StepUp),
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token is invalid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The query contains a second token besides the one in the header (RFC 6750 §2).
    #[error("the query contains a second token")]
    TwoTokens,
    /// The bundle's own base URL is unknown.
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
        let (status, code, description): (Status, ErrorCode, Text) = match self {
            Self::Keys(_) => return Public::provider_unavailable(),
            Self::Store(_) => return Public::store_unavailable(),
            Self::UnknownBaseUrl(_) => return Public::misconfigured(),
            Self::ClaimNotAllowed(_) => (Status::FORBIDDEN, ErrorCode::ClaimNotAllowed, |texts| {
                texts.refusals.claim_not_allowed
            }),
            Self::ClientNotAllowed => (Status::FORBIDDEN, ErrorCode::ClientNotAllowed, |texts| {
                texts.refusals.client_not_allowed
            }),
            Self::CrossSite => (Status::FORBIDDEN, ErrorCode::CrossSiteRequest, |texts| {
                texts.refusals.cross_site_request
            }),
            Self::CookieWithoutSession => {
                (Status::UNAUTHORIZED, ErrorCode::SessionEnded, |texts| {
                    texts.refusals.session_ended
                })
            }
            Self::Email(refusal) => (Status::FORBIDDEN, refusal.code(), refusal.description()),
            Self::MalformedHeader => (Status::BAD_REQUEST, ErrorCode::InvalidHeader, |texts| {
                texts.refusals.invalid_header
            }),
            Self::MissingCredential => {
                (Status::UNAUTHORIZED, ErrorCode::AuthorizationHeaderMissing, |texts| {
                    texts.refusals.authorization_header_missing
                })
            }
            Self::MissingScope(_) => (Status::FORBIDDEN, ErrorCode::InsufficientScope, |texts| {
                texts.refusals.insufficient_scope
            }),
            Self::NotPerson => (Status::FORBIDDEN, ErrorCode::PersonRequired, |texts| {
                texts.refusals.person_required
            }),
            Self::Organization(refusal) => {
                (Status::FORBIDDEN, refusal.code(), refusal.description())
            }
            Self::OtherScheme => (Status::UNAUTHORIZED, ErrorCode::InvalidHeader, |texts| {
                texts.refusals.other_scheme
            }),
            Self::RefreshRequired => (Status::UNAUTHORIZED, ErrorCode::RefreshRequired, |texts| {
                texts.refusals.refresh_required
            }),
            Self::RouteNotListed => {
                return Public::new(
                    Status::FORBIDDEN,
                    ErrorCode::RouteNotListed,
                    |texts| texts.titles.route_not_listed,
                    |texts| texts.refusals.route_not_listed,
                );
            }
            Self::SessionEnded => (Status::UNAUTHORIZED, ErrorCode::SessionEnded, |texts| {
                texts.refusals.token_without_session
            }),
            Self::StepUpRequired(_) => {
                (Status::UNAUTHORIZED, ErrorCode::InsufficientUserAuthentication, |texts| {
                    texts.refusals.insufficient_user_authentication
                })
            }
            Self::Token(error) => (Status::UNAUTHORIZED, error.code(), error.description()),
            Self::TwoTokens => {
                (Status::BAD_REQUEST, ErrorCode::InvalidRequest, |texts| texts.refusals.two_tokens)
            }
        };
        let message = matches!(self, Self::SessionEnded).then_some("Good token, bad session");
        let headers =
            vec![(header::WWW_AUTHENTICATE, self.challenge(status, texts::english(description)))];
        Public {
            message,
            headers,
            ..Public::new(status, code, |texts| texts.titles.not_logged_in, description)
        }
    }

    fn event(&self) -> LogEvent {
        match self {
            Self::MissingCredential => LogEvent::RequestAnonymous,
            Self::Keys(_) | Self::Store(_) | Self::UnknownBaseUrl(_) => LogEvent::RequestFailed,
            _ => LogEvent::RequestRefused,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Token(error) => error.hint(),
            Self::RouteNotListed => Some(
                "add the route to ROUTE_RULES; leave the part after `=` empty if it requires nothing",
            ),
            _ => None,
        }
    }
}

impl Refusal {
    /// The challenge of RFC 6750 §3, or of RFC 9470 §3. It contains no error if the request has no
    /// credential (RFC 6750 §3.1).
    fn challenge(&self, status: StatusCode, description: &str) -> HeaderValue {
        let error = match (self, status) {
            (Self::MissingCredential | Self::OtherScheme, _) => None,
            (Self::StepUpRequired(_), _) => Some("insufficient_user_authentication"),
            (_, StatusCode::BAD_REQUEST) => Some("invalid_request"),
            (_, StatusCode::FORBIDDEN) => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        };
        let mut challenge = r#"Bearer realm="api""#.to_owned();
        if let Some(error) = error {
            challenge.push_str(&format!(r#", error="{error}", error_description="{description}""#));
        }
        match self {
            Self::MissingScope(scopes) => challenge.push_str(&format!(r#", scope="{scopes}""#)),
            Self::StepUpRequired(step_up) => {
                if let Some(acr_values) = step_up.acr_values() {
                    challenge.push_str(&format!(r#", acr_values="{acr_values}""#));
                }
                if let Some(max_age) = step_up.max_age {
                    challenge.push_str(&format!(r#", max_age="{}""#, max_age.as_secs()));
                }
            }
            _ => {}
        }
        HeaderValue::from_str(&challenge).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}
