//! Reasons for which a token is rejected.

use crate::names::ErrorCode;

/// The reason why a token was rejected. It contains nothing from the token, so it may be logged and
/// shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// `at_hash` does not match the access token (OpenID Connect Core §3.1.3.8).
    #[error("at_hash does not match the access token")]
    AccessTokenHashMismatch,
    /// `alg` is not supported, not used by the provider, or not allowed for the key.
    #[error("the signature algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// `auth_time` is earlier than requested.
    #[error("the user authenticated too long ago")]
    AuthenticationTooOld,
    /// `cnf`: only the holder of a key may present the token (RFC 7800).
    #[error("the token is bound to a key")]
    BoundToKey,
    /// The header has `crit`, `b64` or `zip`.
    #[error("the header requires an unsupported extension")]
    CriticalHeader,
    /// A JSON object contains a name twice.
    #[error("a JSON object contains a duplicate name")]
    DuplicateClaim,
    /// Five parts: a JWE, which only the provider can decrypt.
    #[error("the token is encrypted")]
    Encrypted,
    /// `exp` is in the past.
    #[error("the token has expired")]
    Expired,
    /// `aud` does not contain the expected audience.
    #[error("the token is for another audience")]
    InvalidAudience,
    /// `azp` is a different application.
    #[error("the token was issued to another application")]
    InvalidAuthorizedParty,
    /// `iss` is a different issuer.
    #[error("the token is from another issuer")]
    InvalidIssuer,
    /// No key of the provider made the signature.
    #[error("the signature is not valid")]
    InvalidSignature,
    /// `iat` is in the future.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// `iat` is too long ago.
    #[error("the token was issued too long ago")]
    IssuedTooLongAgo,
    /// Not three parts of base64url with JSON objects in the first two.
    #[error("the token is malformed")]
    Malformed,
    /// A required claim is missing.
    #[error("the claim `{0}` is missing")]
    MissingClaim(&'static str),
    /// A claim has the wrong type or is out of range.
    #[error("the claim `{0}` has an invalid value")]
    MistypedClaim(&'static str),
    /// `nonce` belongs to another login.
    #[error("the nonce belongs to another login")]
    NonceMismatch,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// One part: an opaque token that only the provider can read.
    #[error("the token is opaque")]
    Opaque,
    /// A refreshed token has another subject, or its claims about the login differ from the login's
    /// (OpenID Connect Core §12.2).
    #[error("the claim `{0}` differs from the login's")]
    OtherLogin(&'static str),
    /// Longer than [`MAX_LENGTH`](super::MAX_LENGTH).
    #[error("the token is too long")]
    TooLarge,
    /// `typ` is that of another kind of token.
    #[error("the header names another type of token")]
    TypeNotAllowed,
    /// The provider has no key with this `kid`.
    #[error("the signing key is not known")]
    UnknownKey,
    /// The claims belong to another kind of token.
    #[error("the claims belong to another kind of token")]
    WrongKind,
}

impl TokenError {
    /// The `code` of an API response. It is public and stable, because clients compare it.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::AlgorithmNotAllowed => ErrorCode::TokenAlgorithmNotAllowed,
            Self::BoundToKey => ErrorCode::TokenBoundToKey,
            Self::CriticalHeader => ErrorCode::TokenExtensionNotSupported,
            Self::DuplicateClaim | Self::Malformed | Self::TooLarge => ErrorCode::TokenMalformed,
            Self::Encrypted => ErrorCode::TokenEncrypted,
            Self::Expired => ErrorCode::TokenExpired,
            Self::InvalidAudience => ErrorCode::InvalidAudience,
            Self::InvalidAuthorizedParty => ErrorCode::InvalidAuthorizedParty,
            Self::InvalidIssuer => ErrorCode::InvalidIssuer,
            Self::InvalidSignature => ErrorCode::TokenInvalidSignature,
            Self::IssuedInFuture | Self::NotYetValid => ErrorCode::TokenNotYetValid,
            Self::IssuedTooLongAgo => ErrorCode::TokenTooOld,
            Self::MissingClaim(_) => ErrorCode::TokenMissingClaim,
            // The first four occur only in logins and refreshes, which have their own responses.
            Self::AccessTokenHashMismatch
            | Self::AuthenticationTooOld
            | Self::NonceMismatch
            | Self::OtherLogin(_)
            | Self::MistypedClaim(_) => ErrorCode::TokenInvalidClaim,
            Self::Opaque => ErrorCode::TokenOpaque,
            Self::TypeNotAllowed | Self::WrongKind => ErrorCode::TokenTypeNotAllowed,
            Self::UnknownKey => ErrorCode::TokenUnknownKey,
        }
    }

    /// The `description` of an API response: a sentence for the person whose token it is.
    pub const fn description(&self) -> &'static str {
        match self {
            Self::AccessTokenHashMismatch => "The token does not belong to the access token.",
            Self::AlgorithmNotAllowed => "The token is signed with an algorithm not allowed here.",
            Self::AuthenticationTooOld => "The last authentication is too long ago. Log in again.",
            Self::BoundToKey => "The token is bound to a key and cannot be used as a bearer token.",
            Self::CriticalHeader => "The token uses an extension that is not supported.",
            Self::DuplicateClaim => "The token contains a duplicate claim.",
            Self::Encrypted | Self::Opaque => {
                "The token is not a signed JWT. Was it requested without an audience?"
            }
            Self::Expired => "The token has expired. Log in again.",
            Self::InvalidAudience => "The token is for another audience.",
            Self::InvalidAuthorizedParty => "The token was issued to another application.",
            Self::InvalidIssuer => "The token is from another issuer.",
            Self::InvalidSignature => "The token's signature is not valid.",
            Self::IssuedInFuture | Self::NotYetValid => "The token is not valid yet.",
            Self::IssuedTooLongAgo => "The token was issued too long ago. Log in again.",
            Self::Malformed => "The token is not a well-formed JWT.",
            Self::MissingClaim(_) => "The token lacks a required claim.",
            Self::MistypedClaim(_) => "The token has a claim with an invalid value.",
            Self::NonceMismatch | Self::OtherLogin(_) => "The token belongs to another login.",
            Self::TooLarge => "The token is too long.",
            Self::TypeNotAllowed | Self::WrongKind => "The token is of another kind.",
            Self::UnknownKey => "The token is signed with a key that is not known.",
        }
    }

    /// The setting that an operator should check, where one is the usual cause.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Encrypted | Self::Opaque => {
                Some("no audience requested: the provider issues a JWT for an API only")
            }
            _ => None,
        }
    }
}
