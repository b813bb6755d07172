//! Errors of a refresh and their HTTP responses.

use http::StatusCode;
use shared::{
    discovery::keys::{KeysError, VerifyError},
    guard::Refusal,
    jwt::TokenError,
    names::{ErrorCode, LogEvent},
    provider::{ErrorResponse, RedeemError},
    secrets::stored_secret::SecretUnavailable,
    store::StoreError,
    web::error::{Failure, ProviderWords, Public},
};

/// Why a session got no new tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// `/protected` would reject the new token.
    #[error("the token for the API key was rejected")]
    ApiKey(#[source] VerifyError),
    /// The session was logged out before the provider answered.
    #[error("the session has ended while it was refreshed")]
    EndedMeanwhile,
    /// This request waited for another one, which got no new tokens.
    #[error("another request tried to refresh the session and gave up")]
    GivenUp,
    /// The new ID token is rejected, or the keys to verify it are unavailable.
    #[error("the ID token was rejected")]
    IdToken(#[source] VerifyError),
    /// Another request is still refreshing the session.
    #[error("another request refreshes the session")]
    InProgress,
    /// The provider permanently refuses the refresh token.
    #[error("the provider refuses permanently")]
    ForGood(#[source] RedeemError),
    /// The provider's metadata is unavailable.
    #[error(transparent)]
    Metadata(#[from] KeysError),
    /// The provider issued tokens, but none that can serve as API key.
    #[error("the provider issued no token that can serve as API key")]
    NoApiKey,
    /// The session has no refresh token, because the login returned none.
    #[error("the session has no refresh token")]
    NoRefreshToken,
    /// The provider issued new tokens, but they could not be stored.
    #[error("the new tokens were not stored")]
    NotStored(#[source] StoreError),
    /// The new access token belongs to another user.
    #[error("the access token belongs to another user")]
    OtherSubject,
    /// The provider reports that its session has ended.
    #[error("the provider's session has ended")]
    Over,
    /// The provider issued no new tokens.
    #[error("the provider issued no new tokens")]
    Redeem(#[source] RedeemError),
    /// The cookie opens no session, or the origin of the request was rejected.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The client secret is unavailable; the refresh token was not presented.
    #[error(transparent)]
    Secret(#[from] SecretUnavailable),
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The provider issued the same token to another session of the user within the same second.
    #[error("the new token already belongs to another session")]
    TokenOfAnotherSession,
}

impl RefreshError {
    const fn said(&self) -> Option<&ErrorResponse> {
        match self {
            Self::ForGood(error) | Self::Redeem(error) => error.said(),
            _ => None,
        }
    }

    /// Whether the session continues and a later refresh may succeed.
    pub(crate) const fn may_pass(&self) -> bool {
        match self {
            Self::ApiKey(error) | Self::IdToken(error) => match error {
                VerifyError::Keys(_) => true,
                VerifyError::Token(error) => is_early(error),
            },
            Self::NoApiKey => true,
            _ => false,
        }
    }

    /// Whether the browser's cookie no longer opens a session.
    pub(crate) const fn leaves_no_session(&self) -> bool {
        match self {
            Self::ApiKey(VerifyError::Token(error)) | Self::IdToken(VerifyError::Token(error)) => {
                !is_early(error)
            }
            Self::EndedMeanwhile
            | Self::ForGood(_)
            | Self::NotStored(_)
            | Self::OtherSubject
            | Self::Over
            | Self::Refused(Refusal::CookieWithoutSession) => true,
            Self::ApiKey(VerifyError::Keys(_))
            | Self::GivenUp
            | Self::IdToken(VerifyError::Keys(_))
            | Self::InProgress
            | Self::Metadata(_)
            | Self::NoApiKey
            | Self::NoRefreshToken
            | Self::Redeem(_)
            | Self::Refused(_)
            | Self::Secret(_)
            | Self::Store(_)
            | Self::TokenOfAnotherSession => false,
        }
    }
}

impl Failure for RefreshError {
    fn public(&self) -> Public {
        match self {
            Self::Refused(refusal) => refusal.public(),
            _ if self.leaves_no_session() => Refusal::CookieWithoutSession.public(),
            Self::Secret(_) => Public::secret_unavailable(),
            Self::Store(_) => Public::store_unavailable(),
            Self::Redeem(RedeemError::Unavailable { retry_after, .. }) => {
                Public::provider_unavailable_for(*retry_after)
            }
            Self::Redeem(_)
            | Self::NoApiKey
            | Self::ApiKey(VerifyError::Token(_))
            | Self::IdToken(VerifyError::Token(_)) => Public::new(
                StatusCode::BAD_GATEWAY,
                ErrorCode::IdentityProviderAnswer,
                |texts| texts.titles.key_not_renewed,
                |texts| texts.errors.provider_response_to_refresh,
            ),
            Self::NoRefreshToken => Public::new(
                StatusCode::CONFLICT,
                ErrorCode::NotRefreshable,
                |texts| texts.titles.key_not_renewed,
                |texts| texts.errors.not_refreshable,
            ),
            Self::InProgress | Self::TokenOfAnotherSession => {
                Public::unavailable(ErrorCode::RefreshInProgress, |texts| {
                    texts.errors.refresh_in_progress
                })
            }
            _ => Public::provider_unavailable(),
        }
    }

    fn event(&self) -> LogEvent {
        match self {
            Self::Refused(Refusal::UnknownBaseUrl(_)) => LogEvent::RefreshFailed,
            Self::NoRefreshToken | Self::Refused(_) => LogEvent::RefreshRefused,
            _ if self.leaves_no_session() => LogEvent::RefreshSessionEnded,
            _ => LogEvent::RefreshFailed,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::ApiKey(VerifyError::Token(TokenError::Opaque | TokenError::Encrypted)) => {
                TokenError::Opaque.hint()
            }
            Self::ApiKey(VerifyError::Token(error)) | Self::IdToken(VerifyError::Token(error))
                if is_early(error) =>
            {
                Some("this function's clock is behind the provider's")
            }
            _ => self.said().and_then(ErrorResponse::hint),
        }
    }

    fn provider_words(&self) -> Option<ProviderWords> {
        self.said().map(ErrorResponse::words)
    }
}

/// Whether the token is not valid yet. It has just been issued, so one of the clocks is wrong. That
/// does not make the token another user's, so it must not end the session.
const fn is_early(error: &TokenError) -> bool {
    matches!(error, TokenError::IssuedInFuture | TokenError::NotYetValid)
}
