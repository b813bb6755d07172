//! The identity provider, as a seam.
//!
//! [`HttpProvider`] asks the real one; a test may put anything else in its place. Whoever
//! implements the trait answers for what comes through: a body that is bounded, an answer within
//! seconds. What a document says is checked by whoever reads it, in the same way wherever it comes
//! from: see `document`.

pub mod application;
pub(crate) mod error_response;
mod http;
mod metadata;
mod revocation;
mod token_response;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::time::error::Elapsed;
use url::Url;

use crate::{
    jwt::MalformedKeySet,
    provider::application::Application,
    secrets::stored_secret::{CLIENT_SECRET, SecretSource, StoredSecret},
    settings::Settings,
};

pub use self::{
    error_response::{ErrorMeaning, ErrorResponse},
    http::HttpProvider,
    metadata::Metadata,
    revocation::{log_not_revoked, revoke_or_log},
    token_response::{RefreshResponse, TokenResponse},
};

/// What is asked of the identity provider.
#[async_trait]
pub trait IdentityProvider: fmt::Debug + Send + Sync {
    /// The text of the discovery document (OpenID Connect Discovery §4), for [`Metadata::parse`].
    async fn metadata(&self) -> Result<Vec<u8>, ProviderError>;

    /// The text at `jwks_uri`, for [`KeySet::parse`](crate::jwt::KeySet::parse).
    async fn key_set(&self, jwks_uri: &Url) -> Result<Vec<u8>, ProviderError>;

    /// Redeems an authorization code (RFC 6749 §4.1.3). Never asks twice: a provider that sees a
    /// code again takes it for stolen.
    async fn redeem(
        &self,
        token_endpoint: &Url,
        grant: AuthorizationCodeGrant<'_>,
    ) -> Result<TokenResponse, RedeemError>;

    /// Exchanges a refresh token for new tokens (RFC 6749 §6). Never asks twice: a provider that
    /// rotates refresh tokens takes one that it sees again for stolen.
    async fn refresh(
        &self,
        token_endpoint: &Url,
        grant: RefreshTokenGrant<'_>,
    ) -> Result<RefreshResponse, RedeemError>;

    /// Revokes a refresh token (RFC 7009 §2). An unknown one is as good as revoked.
    async fn revoke(
        &self,
        revocation_endpoint: &Url,
        grant: RefreshTokenGrant<'_>,
    ) -> Result<(), ProviderError>;

    /// The script with the login methods of an application, as the provider publishes it for its own
    /// widget, for [`parse_script`](crate::discovery::login_methods::parse_script).
    async fn login_methods(&self, client_id: &str) -> Result<Vec<u8>, ProviderError>;
}

/// What proves this application to the provider.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The application's public name.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
}

impl ClientCredentials {
    /// Reads `CLIENT_SECRET` or `CLIENT_SECRET_ARN`, whose faults are to be found even where
    /// `application` has one too.
    pub fn from_settings(
        settings: &mut Settings,
        secrets: &SecretSource,
        application: Option<&Application>,
    ) -> Option<StoredSecret<Self>> {
        let client_id = application.map(|known| known.client_id.clone()).unwrap_or_default();
        secrets.secret(settings, CLIENT_SECRET, "the application's client secret", move |text| {
            Ok(Self { client_id: client_id.clone(), client_secret: SecretString::from(text) })
        })
    }
}

/// An authorization code and what proves that it is ours.
#[derive(Clone, Copy)]
pub struct AuthorizationCodeGrant<'a> {
    /// The code from the callback's query.
    pub code: &'a str,
    /// The same redirect URI as at the authorization endpoint.
    pub redirect_uri: &'a str,
    /// The PKCE verifier (RFC 7636 §4.5).
    pub code_verifier: &'a str,
    /// Sent in the body, `client_secret_post`.
    pub credentials: &'a ClientCredentials,
}

/// A refresh token and what proves that it is ours.
#[derive(Clone, Copy)]
pub struct RefreshTokenGrant<'a> {
    /// The token.
    pub refresh_token: &'a str,
    /// Sent in the body, `client_secret_post`.
    pub credentials: &'a ClientCredentials,
}

/// Why the provider's document, keys or login methods cannot be had, or a token is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The HTTP client cannot be built; nothing was sent.
    #[error("the HTTP client cannot be built")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An endpoint is not the issuer's own: the answer may be forged, and would make us a client
    /// of whatever it names.
    #[error("the endpoint `{0}` is not on the issuer's host")]
    ForeignEndpoint(&'static str),
    /// No JSON where JSON is due, or not of the right shape.
    #[error("the answer is malformed: {0}")]
    Malformed(String),
    /// No JWK set.
    #[error(transparent)]
    MalformedKeys(#[from] MalformedKeySet),
    /// The key set holds nothing to verify with.
    #[error("the key set contains no usable key")]
    NoUsableKey,
    /// A redirect, which is never followed.
    #[error("the answer is a redirect")]
    Redirected,
    /// Another status than 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The body is too long.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// No connection, or it broke.
    #[error("the provider cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The document is another issuer's.
    #[error("the metadata belongs to another issuer: expected `{expected}`, received `{received}`")]
    WrongIssuer {
        /// Ours.
        expected: Box<str>,
        /// The document's, bounded and on one line.
        received: Box<str>,
    },
}

/// Why a code or a refresh token brought no tokens.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// The token endpoint is not the issuer's own; the secret was not sent.
    #[error("the token endpoint is not on the issuer's host")]
    ForeignEndpoint,
    /// An answer that is none of RFC 6749 §5.
    #[error("the token response is malformed: {0}")]
    Malformed(String),
    /// No ID token: `openid` was not granted.
    #[error("the token response has no ID token")]
    MissingIdToken,
    /// A redirect, which would have carried the secret elsewhere.
    #[error("the token endpoint answered with a redirect")]
    Redirected,
    /// The provider said no (RFC 6749 §5.2): its error is not one that passes.
    #[error("the provider refused the grant: {0}")]
    Refused(ErrorResponse),
    /// The provider cannot answer now.
    #[error("the provider is unavailable")]
    Unavailable {
        /// How long it asks to wait.
        retry_after: Option<Duration>,
        /// What it says, if it says anything.
        said: Option<ErrorResponse>,
        /// Why, if no answer came at all.
        #[source]
        source: Option<ProviderError>,
    },
}

impl RedeemError {
    /// What the provider says.
    pub const fn said(&self) -> Option<&ErrorResponse> {
        match self {
            Self::Refused(said) | Self::Unavailable { said: Some(said), .. } => Some(said),
            _ => None,
        }
    }

    /// What the provider's refusal means. `None`: it has not refused.
    pub const fn refusal(&self) -> Option<ErrorMeaning> {
        match self {
            Self::Refused(said) => Some(said.meaning()),
            _ => None,
        }
    }
}

impl From<Elapsed> for ProviderError {
    fn from(_: Elapsed) -> Self {
        Self::TimedOut
    }
}

/// Shows no code and no verifier.
impl fmt::Debug for AuthorizationCodeGrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationCodeGrant")
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

/// Shows no token.
impl fmt::Debug for RefreshTokenGrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokenGrant").finish_non_exhaustive()
    }
}
