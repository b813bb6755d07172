//! The identity provider, as a trait.
//!
//! [`HttpProvider`] queries the real one; tests use other implementations. An implementation must limit
//! the size of a body and respond within seconds. It need not check the documents: their readers check
//! them, regardless of the source (see `document`).

pub mod application;
pub(crate) mod error_response;
mod http;
pub mod login_method;
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
    settings::{Faulty, Settings},
};

pub use self::{
    error_response::{ErrorMeaning, ErrorResponse},
    http::HttpProvider,
    metadata::Metadata,
    revocation::{log_not_revoked, revoke_or_log},
    token_response::{RefreshResponse, TokenResponse},
};

/// The requests that this crate sends to the identity provider.
#[async_trait]
pub trait IdentityProvider: fmt::Debug + Send + Sync {
    /// The text of the discovery document (OpenID Connect Discovery §4), for [`Metadata::parse`].
    async fn metadata(&self) -> Result<Vec<u8>, ProviderError>;

    /// The text at `jwks_uri`, for [`KeySet::parse`](crate::jwt::KeySet::parse).
    async fn key_set(&self, jwks_uri: &Url) -> Result<Vec<u8>, ProviderError>;

    /// Redeems an authorization code (RFC 6749 §4.1.3). Never retries: a provider treats a repeated
    /// code as stolen.
    async fn redeem(
        &self,
        token_endpoint: &Url,
        grant: AuthorizationCodeGrant<'_>,
    ) -> Result<TokenResponse, RedeemError>;

    /// Exchanges a refresh token for new tokens (RFC 6749 §6). Never retries: a provider that rotates
    /// refresh tokens treats a repeated one as stolen.
    async fn refresh(
        &self,
        token_endpoint: &Url,
        grant: RefreshTokenGrant<'_>,
    ) -> Result<RefreshResponse, RedeemError>;

    /// Revokes a refresh token (RFC 7009 §2). An unknown token counts as revoked.
    async fn revoke(
        &self,
        revocation_endpoint: &Url,
        grant: RefreshTokenGrant<'_>,
    ) -> Result<(), ProviderError>;

    /// Requests the claims about the user of `access_token` (OpenID Connect Core §5.3), for
    /// [`UserInfo`](crate::jwt::UserInfo).
    async fn user_info(
        &self,
        userinfo_endpoint: &Url,
        access_token: &SecretString,
    ) -> Result<UserInfoResponse, ProviderError>;

    /// The script with the login methods of an application, which the provider publishes for its own
    /// widget, for [`parse_script`](login_method::parse_script).
    async fn login_methods(&self, client_id: &str) -> Result<Vec<u8>, ProviderError>;
}

/// The credentials that authenticate this application to the provider.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The application's public identifier.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// How they are sent. `None`: as the provider offers.
    pub authentication: Option<ClientAuthentication>,
}

/// How this application authenticates to the provider (RFC 6749 §2.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: in the header `Authorization`.
    Basic,
    /// `client_secret_post`: in the form.
    Post,
}

impl ClientCredentials {
    /// Reads `CLIENT_AUTH`, and `CLIENT_SECRET` or `CLIENT_SECRET_ARN`. Its faults are collected even if `application` is
    /// `None` because of another fault.
    pub fn from_settings(
        settings: &mut Settings,
        secrets: &SecretSource,
        application: Option<&Application>,
    ) -> Option<StoredSecret<Self>> {
        let client_id = application.map(|known| known.client_id.clone()).unwrap_or_default();
        let authentication = ClientAuthentication::from_settings(settings);
        let chosen = authentication.unwrap_or_default();
        let what = "the application's client secret";
        let credentials = secrets.secret(settings, CLIENT_SECRET, what, move |text| {
            let (client_id, client_secret) = (client_id.clone(), SecretString::from(text));
            Ok(Self { client_id, client_secret, authentication: chosen })
        });
        authentication.ok().and(credentials)
    }

    /// How they are sent to the provider that published `metadata`.
    pub fn authentication(&self, metadata: &Metadata) -> ClientAuthentication {
        self.authentication.unwrap_or(metadata.client_authentication)
    }
}

impl ClientAuthentication {
    /// Reads `CLIENT_AUTH`. `None`: it is not set.
    ///
    /// # Errors
    ///
    /// If it is invalid.
    pub fn from_settings(settings: &mut Settings) -> Result<Option<Self>, Faulty> {
        settings.optional("CLIENT_AUTH", |text| {
            Self::from_name(text).ok_or("must be `client_secret_basic` or `client_secret_post`")
        })
    }

    /// The kind with this name in the registry of OAuth parameters, if it is supported.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "client_secret_basic" => Some(Self::Basic),
            "client_secret_post" => Some(Self::Post),
            _ => None,
        }
    }
}

/// An authorization code with the proofs that it was issued to us.
#[derive(Clone, Copy)]
pub struct AuthorizationCodeGrant<'a> {
    /// The code from the callback's query.
    pub code: &'a str,
    /// The same redirect URI as in the authorization request.
    pub redirect_uri: &'a str,
    /// The PKCE verifier (RFC 7636 §4.5).
    pub code_verifier: &'a str,
    /// The application's credentials.
    pub credentials: &'a ClientCredentials,
    /// How they are sent.
    pub authentication: ClientAuthentication,
}

/// A refresh token with the application's credentials.
#[derive(Clone, Copy)]
pub struct RefreshTokenGrant<'a> {
    /// The token.
    pub refresh_token: &'a str,
    /// The application's credentials.
    pub credentials: &'a ClientCredentials,
    /// How they are sent.
    pub authentication: ClientAuthentication,
}

/// A successful response of the UserInfo endpoint (OpenID Connect Core §5.3.2). Nothing in it is
/// verified.
#[derive(Debug)]
pub enum UserInfoResponse {
    /// `application/json`.
    Json(Vec<u8>),
    /// `application/jwt`.
    Signed(SecretString),
}

/// Reasons why a document, the keys, the user info or the login methods are unavailable, or a token was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The HTTP client cannot be built; no request was sent.
    #[error("the HTTP client cannot be built")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An endpoint is neither on the issuer's origin nor on `AUTH_ENDPOINT_HOSTS`. The document may be forged to make us send
    /// requests to a host of an attacker's choice.
    #[error("the endpoint `{0}` is neither on the issuer's host nor on AUTH_ENDPOINT_HOSTS")]
    ForeignEndpoint(&'static str),
    /// The response is not JSON, or not of the expected shape.
    #[error("the answer is malformed: {0}")]
    Malformed(String),
    /// The document is not a JWK set.
    #[error(transparent)]
    MalformedKeys(#[from] MalformedKeySet),
    /// The key set has no usable key.
    #[error("the key set contains no usable key")]
    NoUsableKey,
    /// The response is a redirect, which is never followed.
    #[error("the answer is a redirect")]
    Redirected,
    /// The status is not 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// The response did not arrive in time.
    #[error("no answer in time")]
    TimedOut,
    /// The body is too long.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// The connection failed or broke.
    #[error("the provider cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The document belongs to another issuer.
    #[error("the metadata belongs to another issuer: expected `{expected}`, received `{received}`")]
    WrongIssuer {
        /// Our issuer.
        expected: Box<str>,
        /// The document's issuer, truncated and on one line.
        received: Box<str>,
    },
}

/// Reasons why a code or a refresh token was not exchanged for tokens.
#[derive(Debug, thiserror::Error)]
pub enum RedeemError {
    /// The token endpoint is neither on the issuer's origin nor on `AUTH_ENDPOINT_HOSTS`; the secret was
    /// not sent.
    #[error("the token endpoint is neither on the issuer's host nor on AUTH_ENDPOINT_HOSTS")]
    ForeignEndpoint,
    /// The response does not conform to RFC 6749 §5.
    #[error("the token response is malformed: {0}")]
    Malformed(String),
    /// The response has no ID token: `openid` was not granted.
    #[error("the token response has no ID token")]
    MissingIdToken,
    /// The response is a redirect. Following it would send the secret elsewhere.
    #[error("the token endpoint answered with a redirect")]
    Redirected,
    /// The provider refused (RFC 6749 §5.2), and the error is not temporary.
    #[error("the provider refused the grant: {0}")]
    Refused(ErrorResponse),
    /// The provider is temporarily unavailable.
    #[error("the provider is unavailable")]
    Unavailable {
        /// The waiting time that the provider requests.
        retry_after: Option<Duration>,
        /// The provider's error response, if any.
        said: Option<ErrorResponse>,
        /// The cause, if no response arrived.
        #[source]
        source: Option<ProviderError>,
    },
}

impl RedeemError {
    /// The provider's error response.
    pub const fn said(&self) -> Option<&ErrorResponse> {
        match self {
            Self::Refused(said) | Self::Unavailable { said: Some(said), .. } => Some(said),
            _ => None,
        }
    }

    /// The meaning of the provider's refusal. `None` if it did not refuse.
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
