//! Why a token is not accepted.

/// The one reason why a token is not accepted. Nothing in it comes from the token, so it may be
/// logged and shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TokenError {
    /// `at_hash` belongs to another access token (OpenID Connect Core §3.1.3.8).
    #[error("at_hash does not match the access token")]
    AccessTokenHashMismatch,
    /// `alg` is none of ours, not the provider's, or not the key's.
    #[error("the signature algorithm is not allowed")]
    AlgorithmNotAllowed,
    /// `auth_time` lies before what was asked for.
    #[error("the user authenticated too long ago")]
    AuthenticationTooOld,
    /// `cnf`: only the holder of a key may show it (RFC 7800).
    #[error("the token is bound to a key")]
    BoundToKey,
    /// `crit`, `b64` or `zip`.
    #[error("the header requires an unsupported extension")]
    CriticalHeader,
    /// A name stands twice in a JSON object.
    #[error("a JSON object contains a duplicate name")]
    DuplicateClaim,
    /// Five parts: a JWE, for the provider's own eyes.
    #[error("the token is encrypted")]
    Encrypted,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `aud` is somebody else.
    #[error("the token is for another audience")]
    InvalidAudience,
    /// `azp` is another application.
    #[error("the token was issued to another application")]
    InvalidAuthorizedParty,
    /// `iss` is somebody else.
    #[error("the token is from another issuer")]
    InvalidIssuer,
    /// No key of the provider made the signature.
    #[error("the signature is not valid")]
    InvalidSignature,
    /// `iat` lies in the future.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// `iat` lies too far in the past.
    #[error("the token was issued too long ago")]
    IssuedTooLongAgo,
    /// No three parts of base64url with a JSON object in the first two.
    #[error("the token is malformed")]
    Malformed,
    /// A claim that must be there is not.
    #[error("the claim `{0}` is missing")]
    MissingClaim(&'static str),
    /// A claim's value is of the wrong type or out of bounds.
    #[error("the claim `{0}` has an invalid value")]
    MistypedClaim(&'static str),
    /// `nonce` belongs to another login.
    #[error("the nonce belongs to another login")]
    NonceMismatch,
    /// `nbf` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// One part: only the provider can read it.
    #[error("the token is opaque")]
    Opaque,
    /// A refreshed token is another user's, or says of the login what the login did not (OpenID
    /// Connect Core §12.2).
    #[error("the claim `{0}` differs from the login's")]
    OtherLogin(&'static str),
    /// Longer than [`MAX_LENGTH`](super::MAX_LENGTH).
    #[error("the token is too long")]
    TooLarge,
    /// `typ` names another kind of token.
    #[error("the header names another type of token")]
    TypeNotAllowed,
    /// The provider has no key of this name.
    #[error("the signing key is not known")]
    UnknownKey,
    /// The claims are those of another kind of token.
    #[error("the claims belong to another kind of token")]
    WrongKind,
}

impl TokenError {
    /// The `code` of an API answer. It is public: clients compare it, so it never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlgorithmNotAllowed => "token_algorithm_not_allowed",
            Self::BoundToKey => "token_bound_to_key",
            Self::CriticalHeader => "token_extension_not_supported",
            Self::DuplicateClaim | Self::Malformed | Self::TooLarge => "token_malformed",
            Self::Encrypted => "token_encrypted",
            Self::Expired => "token_expired",
            Self::InvalidAudience => "invalid_audience",
            Self::InvalidAuthorizedParty => "invalid_authorized_party",
            Self::InvalidIssuer => "invalid_issuer",
            Self::InvalidSignature => "token_invalid_signature",
            Self::IssuedInFuture | Self::NotYetValid => "token_not_yet_valid",
            Self::IssuedTooLongAgo => "token_too_old",
            Self::MissingClaim(_) => "token_missing_claim",
            // Only a login or a refresh asks for the first four, and answers in words of its own.
            Self::AccessTokenHashMismatch
            | Self::AuthenticationTooOld
            | Self::NonceMismatch
            | Self::OtherLogin(_)
            | Self::MistypedClaim(_) => "token_invalid_claim",
            Self::Opaque => "token_opaque",
            Self::TypeNotAllowed | Self::WrongKind => "token_type_not_allowed",
            Self::UnknownKey => "token_unknown_key",
        }
    }

    /// The `description` of an API answer: a sentence for the person whose token it is.
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

    /// What an operator should look at, where one setting is the usual cause.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Encrypted | Self::Opaque => {
                Some("no audience requested: the provider issues a JWT for an API only")
            }
            _ => None,
        }
    }
}
