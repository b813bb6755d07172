//! Reasons for which a token is rejected.

use crate::{names::ErrorCode, texts::Text};

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
    pub const fn description(&self) -> Text {
        match self {
            Self::AccessTokenHashMismatch => |texts| texts.tokens.other_access_token,
            Self::AlgorithmNotAllowed => |texts| texts.tokens.algorithm,
            Self::AuthenticationTooOld => |texts| texts.tokens.too_old_authentication,
            Self::BoundToKey => |texts| texts.tokens.bound_to_key,
            Self::CriticalHeader => |texts| texts.tokens.extension,
            Self::DuplicateClaim => |texts| texts.tokens.duplicate_claim,
            Self::Encrypted | Self::Opaque => |texts| texts.tokens.not_a_jwt,
            Self::Expired => |texts| texts.tokens.expired,
            Self::InvalidAudience => |texts| texts.tokens.other_audience,
            Self::InvalidAuthorizedParty => |texts| texts.tokens.other_application,
            Self::InvalidIssuer => |texts| texts.tokens.other_issuer,
            Self::InvalidSignature => |texts| texts.tokens.signature,
            Self::IssuedInFuture | Self::NotYetValid => |texts| texts.tokens.not_yet_valid,
            Self::IssuedTooLongAgo => |texts| texts.tokens.too_old,
            Self::Malformed => |texts| texts.tokens.malformed,
            Self::MissingClaim(_) => |texts| texts.tokens.missing_claim,
            Self::MistypedClaim(_) => |texts| texts.tokens.invalid_claim,
            Self::NonceMismatch | Self::OtherLogin(_) => |texts| texts.tokens.other_login,
            Self::TooLarge => |texts| texts.tokens.too_long,
            Self::TypeNotAllowed | Self::WrongKind => |texts| texts.tokens.other_kind,
            Self::UnknownKey => |texts| texts.tokens.unknown_key,
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
