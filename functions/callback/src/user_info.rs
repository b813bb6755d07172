//! The claims of the provider's UserInfo endpoint, for providers whose ID tokens lack them.

use secrecy::ExposeSecret;
use shared::{
    clock::Timestamp,
    discovery::keys::VerifyUserInfoError,
    jwt::{Claims, UserInfo, UserInfoError},
    names::LogEvent,
    provider::{Metadata, ProviderError, TokenResponse, UserInfoResponse},
    settings::Settings,
};

use crate::{Callback, CallbackError};

/// Whether a login requests user info.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FetchUserInfo {
    /// No.
    Never,
    /// Yes. Without it, the login goes on with the claims of the ID token.
    IfAvailable,
    /// Yes. Without it, the login fails.
    Required,
}

/// Why there is no user info.
#[derive(Debug, thiserror::Error)]
pub enum UserInfoFailure {
    /// The response is invalid or about another user.
    #[error("the user info was rejected")]
    Rejected(#[from] UserInfoError),
    /// A signed response was not verified.
    #[error("the signed user info was rejected")]
    Signed(#[from] VerifyUserInfoError),
    /// There is no usable response.
    #[error("the user info is unavailable")]
    Unavailable(#[from] ProviderError),
}

impl FetchUserInfo {
    /// Reads `FETCH_USERINFO`.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        settings.with_default("FETCH_USERINFO", Self::Never, |text| match text {
            "false" => Ok(Self::Never),
            "true" => Ok(Self::IfAvailable),
            "required" => Ok(Self::Required),
            _ => Err("must be `true`, `false` or `required`"),
        })
    }
}

impl UserInfoFailure {
    /// Whether the response is about another user, or does not say about whom it is.
    pub(crate) const fn is_of_other_user(&self) -> bool {
        matches!(
            self,
            Self::Rejected(UserInfoError::OtherSubject)
                | Self::Signed(VerifyUserInfoError::UserInfo(UserInfoError::OtherSubject))
        )
    }
}

impl Callback {
    /// The user info for the login of `claims`. It is empty if it is not requested, or if it is
    /// unavailable and not required (R83). User info about another user ends the login (R82).
    pub(crate) async fn user_info(
        &self,
        metadata: &Metadata,
        tokens: &TokenResponse,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<UserInfo, CallbackError> {
        let fetch = self.config.fetch_user_info;
        if fetch == FetchUserInfo::Never {
            return Ok(UserInfo::default());
        }
        match self.requested(metadata, tokens, &claims.subject, now).await {
            Ok(user_info) => Ok(user_info),
            Err(failure) if fetch == FetchUserInfo::IfAvailable && !failure.is_of_other_user() => {
                tracing::warn!(
                    event = LogEvent::LoginUserinfoUnavailable.name(),
                    error = &failure as &dyn std::error::Error,
                    "a login goes on without user info"
                );
                Ok(UserInfo::default())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn requested(
        &self,
        metadata: &Metadata,
        tokens: &TokenResponse,
        subject: &str,
        now: Timestamp,
    ) -> Result<UserInfo, UserInfoFailure> {
        let endpoint = metadata.userinfo_endpoint.as_ref().ok_or_else(|| {
            ProviderError::Malformed("metadata: no `userinfo_endpoint`".to_owned())
        })?;
        match self.provider.user_info(endpoint, &tokens.access_token).await? {
            UserInfoResponse::Json(text) => Ok(UserInfo::parse(&text, subject)?),
            UserInfoResponse::Signed(text) => {
                let client_id = &self.config.application.client_id;
                let text = text.expose_secret();
                Ok(self.keys.verify_user_info(text, client_id, subject, now).await?)
            }
        }
    }
}
