//! Why a login did not end in a session.

use http::StatusCode;
use shared::{
    discovery::keys::{KeysError, VerifyError},
    provider::{ErrorMeaning, ErrorResponse, RedeemError},
    secrets::stored_secret::SecretUnavailable,
    store::{CreateError, StoreError},
    web::{
        base_url::UnknownBaseUrl,
        error::{Failure, ProviderWords, Public},
    },
};

/// Why a login did not end in a session.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// The token to be shown as API key would not be accepted.
    #[error("the token to be shown as API key is not acceptable")]
    ApiKey(#[source] VerifyError),
    /// The session was not created.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The ID token is not acceptable, or the keys to check it cannot be had.
    #[error("the ID token is not acceptable")]
    IdToken(#[from] VerifyError),
    /// The provider's metadata cannot be had.
    #[error(transparent)]
    Metadata(#[from] KeysError),
    /// A parameter is missing, came twice, or has no business beside another.
    #[error("the answer is malformed")]
    Malformed,
    /// `prompt=none` found nobody logged in.
    #[error("nobody is logged in at the provider")]
    NotLoggedIn,
    /// The answer is another issuer's (RFC 9207 §2.4).
    #[error("the answer does not name the issuer that was asked")]
    OtherIssuer,
    /// The token is not for the organization that was asked for.
    #[error("the token is for another organization")]
    OtherOrganization,
    /// The session would have ended before it began.
    #[error("the session would have ended before it began")]
    Over,
    /// The access token is another user's than the ID token.
    #[error("the access token is another user's")]
    OtherSubject,
    /// The code was not redeemed.
    #[error("the code was not redeemed")]
    Redeem(#[from] RedeemError),
    /// The provider said no.
    #[error("the provider answered {0}")]
    Refused(ErrorResponse),
    /// The attempt has been used.
    #[error("the state was used before")]
    Replayed,
    /// A secret cannot be had; the attempt is not used up.
    #[error(transparent)]
    Secret(#[from] SecretUnavailable),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Where the bundle itself is reached is not known.
    #[error(transparent)]
    UnknownBaseUrl(#[from] UnknownBaseUrl),
    /// This browser did not start such an attempt, or it did so too long ago.
    #[error("no fresh login attempt of this browser has this state")]
    UnknownState,
}

impl CallbackError {
    /// What the provider says, which is known to answer a login of this browser.
    const fn said(&self) -> Option<&ErrorResponse> {
        match self {
            Self::Redeem(error) => error.said(),
            Self::Refused(said) => Some(said),
            _ => None,
        }
    }

    /// Whether the answer belongs to no login of this browser, so that it says nothing of the session
    /// that the browser may have (R203).
    pub(crate) const fn is_of_no_login(&self) -> bool {
        matches!(self, Self::Malformed | Self::UnknownState)
    }
}

/// What somebody who is logged in is told of an answer that belongs to no login.
pub(crate) fn logged_in_already() -> Public {
    Public {
        action: Some(("Go to the start page", "/".to_owned())),
        ..Public::new(
            StatusCode::BAD_REQUEST,
            "login_unknown",
            "You are logged in already",
            "This address belongs to no login that is under way in this browser. Your session goes on.",
        )
    }
}

impl Failure for CallbackError {
    fn public(&self) -> Public {
        use ErrorMeaning as Meaning;
        use StatusCode as Status;
        let mut quote = None;
        let (status, code, title, description) = match self {
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
            // Not 503: anybody can write this answer into an address, and 5xx raises an alarm (R208).
            Self::Refused(said) if said.meaning() == Meaning::Passes => (
                Status::BAD_REQUEST,
                "login_refused",
                "You were not logged in",
                "The identity provider cannot log you in right now. Please start again in a moment.",
            ),
            Self::Refused(said) | Self::Redeem(RedeemError::Refused(said))
                if said.meaning() == Meaning::Denied =>
            {
                quote = said.description().map(str::to_owned);
                (
                    Status::FORBIDDEN,
                    "access_denied",
                    "You were not logged in",
                    "You cancelled the login, or your account is not allowed to use this application.",
                )
            }
            // By way of the browser anyone can say so, and no alarm may hear of it.
            Self::Refused(_) => (
                Status::BAD_REQUEST,
                "login_refused",
                "You were not logged in",
                "The identity provider did not accept the login. Please start again.",
            ),
            // Not 503, which invites to ask the same again: the state is used up by now (R39).
            Self::Redeem(RedeemError::Refused(said))
                if said.meaning().is_own_fault() && !said.may_blame_grant() =>
            {
                (
                    Status::BAD_GATEWAY,
                    "identity_provider_answer",
                    "You were not logged in",
                    "The identity provider did not accept this application's request. Please start again.",
                )
            }
            Self::Redeem(
                RedeemError::Malformed(_)
                | RedeemError::Redirected
                | RedeemError::ForeignEndpoint
                | RedeemError::Unavailable { source: Some(_), .. },
            ) => (
                Status::BAD_GATEWAY,
                "identity_provider_answer",
                "You were not logged in",
                "The identity provider gave no answer that can be used. Please start again.",
            ),
            Self::UnknownState | Self::Replayed => (
                Status::BAD_REQUEST,
                "login_expired",
                "This login can't be finished",
                "It was started in another browser, took too long, or was finished already. Please start again.",
            ),
            Self::Create(CreateError::Ended) => (
                Status::BAD_REQUEST,
                "login_ended",
                "You were logged out meanwhile",
                "A logout ended this login before it was finished. Please start again.",
            ),
            Self::ApiKey(_)
            | Self::Create(CreateError::Exists)
            | Self::IdToken(_)
            | Self::Malformed
            | Self::NotLoggedIn
            | Self::OtherIssuer
            | Self::OtherOrganization
            | Self::OtherSubject
            | Self::Over
            | Self::Redeem(RedeemError::MissingIdToken | RedeemError::Refused(_)) => (
                Status::BAD_REQUEST,
                "login_failed",
                "You were not logged in",
                "The login could not be completed. Please start again.",
            ),
        };
        let action = Some(("Start again", "/".to_owned()));
        Public { action, quote, ..Public::new(status, code, title, description) }
    }

    /// `login.failed` raises an alarm, so it names only what no stranger can bring about (R208): a
    /// stranger can start a login, and then write any answer to it into the address.
    fn event(&self) -> &'static str {
        match self {
            Self::Malformed | Self::UnknownState => "login.unknown",
            Self::Replayed => "login.replayed",
            Self::NotLoggedIn | Self::OtherIssuer | Self::Refused(_) => "login.refused",
            Self::Redeem(RedeemError::Refused(said))
                if !said.meaning().is_own_fault() || said.may_blame_grant() =>
            {
                "login.refused"
            }
            _ => "login.failed",
        }
    }

    fn hint(&self) -> Option<&'static str> {
        self.said().and_then(ErrorResponse::hint)
    }

    fn provider_words(&self) -> Option<ProviderWords> {
        self.said().map(ErrorResponse::words)
    }
}
