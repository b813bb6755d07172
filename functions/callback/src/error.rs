//! Errors of the callback and their HTTP responses.

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use shared::{
    discovery::keys::{KeysError, VerifyError},
    guard::{EmailRefusal, OrganizationRefusal},
    names::{ErrorCode, LogEvent},
    provider::{ErrorMeaning, ErrorResponse, RedeemError},
    secrets::stored_secret::SecretUnavailable,
    store::{CreateError, StoreError},
    texts::Text,
    web::{
        base_url::UnknownBaseUrl,
        error::{Failure, ProviderWords, Public},
        form::InvalidForm,
    },
};

use crate::UserInfoFailure;

/// Why a login did not lead to a session.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// `/protected` would reject the token that becomes the API key.
    #[error("the token for the API key was rejected")]
    ApiKey(#[source] VerifyError),
    /// The user's e-mail address, if there is one, is not let in.
    #[error("{0}")]
    Email(EmailRefusal, Option<SecretString>),
    /// The body is not a form, or is too long.
    #[error(transparent)]
    Form(#[from] InvalidForm),
    /// The session was not created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The ID token is rejected, or the keys to verify it are unavailable.
    #[error("the ID token was rejected")]
    IdToken(#[from] VerifyError),
    /// The provider's metadata is unavailable.
    #[error(transparent)]
    Metadata(#[from] KeysError),
    /// A parameter is missing, duplicated, or not allowed together with another one.
    #[error("the answer is malformed")]
    Malformed,
    /// `prompt=none` was requested and no user is logged in at the provider.
    #[error("no user is logged in at the provider")]
    NotLoggedIn,
    /// The response is from another issuer (RFC 9207 §2.4).
    #[error("the response is from another issuer")]
    OtherIssuer,
    /// The login is not for the required organization. Names that of the login, if it has one.
    #[error("{0}")]
    Organization(OrganizationRefusal, Option<SecretString>),
    /// The session would already have expired when it began.
    #[error("the session would already have expired")]
    Over,
    /// The access token and the ID token belong to different users.
    #[error("the access token belongs to another user")]
    OtherSubject,
    /// Redeeming the code failed.
    #[error("the code was not redeemed")]
    Redeem(#[from] RedeemError),
    /// The provider returned an error.
    #[error("the provider returned the error {0}")]
    Refused(ErrorResponse),
    /// The login attempt was used before.
    #[error("the state was used before")]
    Replayed,
    /// A secret is unavailable; the attempt is not used up.
    #[error(transparent)]
    Secret(#[from] SecretUnavailable),
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ID token does not state that the user authenticated as the login required.
    #[error("the user did not authenticate as required")]
    StepUpMissing,
    /// The bundle's own URL is unknown.
    #[error(transparent)]
    UnknownBaseUrl(#[from] UnknownBaseUrl),
    /// There is no user info, or it is about another user.
    #[error("the login has no user info")]
    UserInfo(#[from] UserInfoFailure),
    /// This browser did not start this attempt, or the attempt has expired.
    #[error("the state matches no current login attempt of this browser")]
    UnknownState,
}

impl CallbackError {
    /// The provider's error response, after its `state` was verified to belong to this browser.
    const fn said(&self) -> Option<&ErrorResponse> {
        match self {
            Self::Redeem(error) => error.said(),
            Self::Refused(said) => Some(said),
            _ => None,
        }
    }

    /// Whether the response belongs to no login of this browser. Such a response does not affect the
    /// browser's session (R203).
    pub(crate) const fn is_of_no_login(&self) -> bool {
        matches!(self, Self::Malformed | Self::UnknownState)
    }
}

/// The error page for a logged-in user when the response belongs to no login.
pub(crate) fn logged_in_already() -> Public {
    Public {
        action: Some((|texts| texts.actions.to_start_page, "/".to_owned())),
        ..Public::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::LoginUnknown,
            |texts| texts.titles.logged_in_already,
            |texts| texts.errors.login_unknown,
        )
    }
}

/// The refusal of a user, with the account or the organization that they used.
fn not_let_in(code: ErrorCode, description: Text, used: Option<&SecretString>) -> Public {
    Public {
        account: used.map(|used| used.expose_secret().to_owned()),
        ..Public::new(
            StatusCode::FORBIDDEN,
            code,
            |texts| texts.titles.were_not_logged_in,
            description,
        )
    }
}

impl Failure for CallbackError {
    fn public(&self) -> Public {
        use ErrorMeaning as Meaning;
        use StatusCode as Status;
        let mut quote = None;
        let (status, code, title, description): (Status, ErrorCode, Text, Text) = match self {
            Self::Create(CreateError::Store(_)) | Self::Store(_) => {
                return Public::store_unavailable();
            }
            Self::Metadata(_)
            | Self::ApiKey(VerifyError::Keys(_))
            | Self::IdToken(VerifyError::Keys(_)) => {
                return Public::provider_unavailable();
            }
            Self::Secret(_) => return Public::secret_unavailable(),
            Self::UnknownBaseUrl(_) => return Public::misconfigured(),
            Self::Redeem(RedeemError::Unavailable { retry_after, source: None, .. }) => {
                return Public::provider_unavailable_for(*retry_after);
            }
            // Not 503: anyone can write this response into a URL, and 5xx raises an alarm (R208).
            Self::Refused(said) if said.meaning() == Meaning::Passes => (
                Status::BAD_REQUEST,
                ErrorCode::LoginRefused,
                |texts| texts.titles.were_not_logged_in,
                |texts| texts.errors.login_cannot_continue,
            ),
            Self::Refused(said) | Self::Redeem(RedeemError::Refused(said))
                if said.meaning() == Meaning::Denied =>
            {
                quote = said.description().map(str::to_owned);
                (
                    Status::FORBIDDEN,
                    ErrorCode::AccessDenied,
                    |texts| texts.titles.were_not_logged_in,
                    |texts| texts.errors.login_denied,
                )
            }
            // The response comes through the browser, so anyone can forge it. It must raise no alarm.
            Self::Refused(_) => (
                Status::BAD_REQUEST,
                ErrorCode::LoginRefused,
                |texts| texts.titles.were_not_logged_in,
                |texts| texts.errors.login_not_accepted,
            ),
            // Not 503, which would invite a retry: the state is already used up (R39).
            Self::Redeem(RedeemError::Refused(said)) if said.is_for_operator() => (
                Status::BAD_GATEWAY,
                ErrorCode::IdentityProviderAnswer,
                |texts| texts.titles.were_not_logged_in,
                |texts| texts.errors.request_not_accepted,
            ),
            Self::Redeem(
                RedeemError::Malformed(_)
                | RedeemError::Redirected
                | RedeemError::ForeignEndpoint
                | RedeemError::Unavailable { source: Some(_), .. },
            ) => (
                Status::BAD_GATEWAY,
                ErrorCode::IdentityProviderAnswer,
                |texts| texts.titles.were_not_logged_in,
                |texts| texts.errors.provider_response,
            ),
            Self::Form(InvalidForm::TooLong) => (
                Status::PAYLOAD_TOO_LARGE,
                ErrorCode::BodyTooLarge,
                |texts| texts.titles.were_not_logged_in,
                |texts| texts.errors.form_too_long,
            ),
            // Not 503: the state is already used up.
            Self::UserInfo(failure) if !failure.is_of_other_user() => (
                Status::BAD_GATEWAY,
                ErrorCode::IdentityProviderAnswer,
                |texts| texts.titles.were_not_logged_in,
                |texts| texts.errors.user_info_unusable,
            ),
            Self::UnknownState | Self::Replayed => (
                Status::BAD_REQUEST,
                ErrorCode::LoginExpired,
                |texts| texts.titles.login_not_finished,
                |texts| texts.errors.login_expired,
            ),
            Self::Email(refusal, address) => {
                return not_let_in(refusal.code(), refusal.description(), address.as_ref());
            }
            Self::Organization(refusal, used) => {
                return not_let_in(refusal.code(), refusal.description(), used.as_ref());
            }
            Self::StepUpMissing => (
                Status::FORBIDDEN,
                ErrorCode::InsufficientUserAuthentication,
                |texts| texts.titles.were_not_logged_in,
                |texts| texts.errors.step_up_missing,
            ),
            Self::Create(CreateError::Ended) => (
                Status::BAD_REQUEST,
                ErrorCode::LoginEnded,
                |texts| texts.titles.logged_out_meanwhile,
                |texts| texts.errors.login_ended,
            ),
            Self::ApiKey(_)
            | Self::Create(CreateError::Exists)
            | Self::Form(InvalidForm::NotAForm)
            | Self::IdToken(_)
            | Self::Malformed
            | Self::NotLoggedIn
            | Self::OtherIssuer
            | Self::OtherSubject
            | Self::Over
            | Self::UserInfo(_)
            | Self::Redeem(RedeemError::MissingIdToken | RedeemError::Refused(_)) => (
                Status::BAD_REQUEST,
                ErrorCode::LoginFailed,
                |texts| texts.titles.were_not_logged_in,
                |texts| texts.errors.login_not_completed,
            ),
        };
        Public {
            action: Some((|texts| texts.actions.start_again, "/".to_owned())),
            quote,
            ..Public::new(status, code, title, description)
        }
    }

    /// `login.failed` raises an alarm, so it covers only failures that a stranger cannot cause (R208).
    /// A stranger can start a login and then write any response to it into the URL.
    fn event(&self) -> LogEvent {
        match self {
            Self::Form(_) | Self::Malformed | Self::UnknownState => LogEvent::LoginUnknown,
            Self::Replayed => LogEvent::LoginReplayed,
            Self::Email(..)
            | Self::NotLoggedIn
            | Self::Organization(..)
            | Self::OtherIssuer
            | Self::Refused(_)
            | Self::StepUpMissing => LogEvent::LoginRefused,
            Self::Redeem(RedeemError::Refused(said)) if !said.is_for_operator() => {
                LogEvent::LoginRefused
            }
            _ => LogEvent::LoginFailed,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::StepUpMissing => Some("let an Action of Auth0 ask for what `acr_values` names"),
            _ => self.said().and_then(ErrorResponse::hint),
        }
    }

    fn provider_words(&self) -> Option<ProviderWords> {
        self.said().map(ErrorResponse::words)
    }
}
