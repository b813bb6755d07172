//! JSON Web Tokens: parses and verifies them, and returns the claims or the first error.
//!
//! These functions are pure: the token, the keys, the expectations and the current time are arguments.
//! The checks, in this order:
//!
//! 1. Size, and three parts of strict base64url (RFC 7515 §2, §3.1). Padded or non-canonical encodings
//!    of a token are rejected: such a variant would carry the same claims and bypass everything that
//!    remembers tokens by their digest.
//! 2. The header (RFC 7515 §4). `alg` is one of four asymmetric signatures, so an attacker can choose
//!    neither `none` nor an HMAC keyed with the public key (RFC 8725 §2.1, §3.1, §3.2). `typ` fits the
//!    expected kind (RFC 8725 §3.11, RFC 9068 §4). `crit`, `b64` and `zip` are absent (RFC 7515
//!    §4.1.11, RFC 7797 §6). `jku`, `jwk`, `x5u` and `x5c` are ignored: a token does not choose the key
//!    that verifies it.
//! 3. The payload is one JSON object without duplicate names (RFC 7519 §4). `iss` equals the issuer,
//!    character by character (OpenID Connect Core §3.1.3.7 item 2, RFC 9068 §4).
//!
//!    Up to here no key is needed; none is fetched for a token that fails here.
//! 4. The signature, under a key that is meant for `alg` (§3.1.3.7 items 6-8, RFC 8725 §3.1).
//! 5. The kind: not a security event (OpenID Connect Back-Channel Logout §2.4), and not bound to a key,
//!    because the bearer has not proven to hold it (RFC 7800 §3, RFC 9449 §7). An access token has no
//!    `nonce`.
//! 6. `exp`, `nbf`, `iat` against `now` (§3.1.3.7 items 9-10, RFC 7519 §4.1.4-§4.1.6).
//! 7. `sub` (OpenID Connect Core §2), `aud` and `azp` (§3.1.3.7 items 3-5, RFC 9068 §4).
//! 8. For a login: `nonce` (item 11), `at_hash` (§3.1.3.8), `auth_time` (item 13). For a refresh:
//!    `at_hash`, and that the claims about the login equal those of the login's own ID token (§12.2).
//!
//! A logout token and a signed response of the UserInfo endpoint pass the same steps up to the signature,
//! then other checks: see [`LogoutToken`] and [`UserInfo`].

mod authentication;
mod claims;
mod error;
mod json;
mod key_set;
mod login;
mod logout_token;
#[cfg(test)]
mod tests;
mod user_info;

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{clock::Timestamp, issuer::Issuer};

pub use self::{
    authentication::{Authentication, MULTI_FACTOR, StepUp},
    claims::{Claims, is_email_verified, is_scope, organization, protocol_claim},
    error::TokenError,
    key_set::{Key, KeySet, MalformedKeySet},
    login::LoginClaims,
    logout_token::{EndedAtProvider, LogoutToken},
    user_info::{UserInfo, UserInfoError},
};

/// The longest token that is accepted, in bytes. Most have about 2 kB, but an ID token that lists its
/// user's groups may be much longer (R201). A session's row holds two tokens and the claims of one;
/// together they must fit into a DynamoDB item of 400 KB.
pub const MAX_LENGTH: usize = 64 * 1024;

/// How far the provider's clock and ours may differ.
///
/// A token is valid until `exp` plus this, exclusive, and from `nbf` and `iat` minus this, inclusive.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// The maximum age of the ID token of a login, which the provider has just issued.
pub const MAX_LOGIN_AGE: Duration = Duration::from_secs(10 * 60);

/// The maximum age of a token that a caller presents to an API, regardless of its `exp`. Auth0 issues
/// no token with a longer lifetime.
pub const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). `none` and HMAC are deliberately absent.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// `EdDSA`, with Ed25519.
    EdDsa,
    /// `ES256`.
    Es256,
    /// `PS256`.
    Ps256,
    /// `RS256`.
    Rs256,
}

/// The requirements that a token must meet.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The expected issuer.
    pub issuer: &'a Issuer,
    /// The expected kind.
    pub kind: TokenKind<'a>,
}

/// The purpose of a token. Each kind rejects tokens of the others, even from the same issuer.
#[derive(Clone, Copy)]
pub enum TokenKind<'a> {
    /// An access token for an API (RFC 9068, or Auth0's own profile).
    AccessToken {
        /// The API's identifier, which must be among the token's audiences.
        audience: &'a str,
    },
    /// An ID token that a client presents as its API key, where no API is configured.
    ApiKey {
        /// The application, the token's only audience.
        client_id: &'a str,
    },
    /// An ID token that the token endpoint has just returned for a login.
    IdToken {
        /// The application, the token's only audience.
        client_id: &'a str,
        /// The `nonce` that was sent. Without this check, a login accepts a token of another login.
        nonce: Option<&'a str>,
        /// The access token issued with it. If the ID token has an `at_hash`, it must match.
        access_token: Option<&'a str>,
        /// The `max_age` that was sent: `auth_time` may be at most this long ago.
        max_age: Option<Duration>,
        /// The start of a login with `prompt=login`: `auth_time` may not be earlier.
        authenticated_after: Option<Timestamp>,
    },
    /// An ID token that a refresh has just returned.
    RefreshedIdToken {
        /// The application, the token's only audience.
        client_id: &'a str,
        /// The access token issued with it. If the ID token has an `at_hash`, it must match.
        access_token: &'a str,
        /// The claims of the login that is refreshed.
        login: &'a LoginClaims,
    },
}

/// A token that was parsed but not verified.
pub struct UnverifiedToken<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    payload: Map<String, Value>,
    /// The signed text: header and payload exactly as in the token.
    message: &'a str,
    signature: Vec<u8>,
}

impl<'a> UnverifiedToken<'a> {
    /// Steps 1 to 3 of the [module's](self) list: all checks that need no key.
    ///
    /// # Errors
    ///
    /// Returns the first check that failed.
    pub fn parse(text: &'a str, expected: &Expected<'_>) -> Result<Self, TokenError> {
        Self::read(text, expected.issuer, |header_type| expected.kind.allows_type(header_type))
    }

    /// Parses a token of `issuer` with any type that `allows_type` accepts. It receives the type in
    /// lower case.
    fn read(
        text: &'a str,
        issuer: &Issuer,
        allows_type: impl FnOnce(&str) -> bool,
    ) -> Result<Self, TokenError> {
        if text.len() > MAX_LENGTH {
            return Err(TokenError::TooLarge);
        }
        let (header, payload, signature) = split(text)?;
        let header = json::object(&decode(header)?)?;
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(Algorithm::from_name)
            .ok_or(TokenError::AlgorithmNotAllowed)?;
        if ["crit", "b64", "zip"].iter().any(|name| header.contains_key(*name)) {
            return Err(TokenError::CriticalHeader);
        }
        check_type(header.get("typ"), allows_type)?;
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(key_id)) => Some(key_id.clone()),
            Some(_) => return Err(TokenError::Malformed),
        };
        let payload = json::object(&decode(payload)?)?;
        match payload.get("iss") {
            None => return Err(TokenError::MissingClaim("iss")),
            Some(Value::String(named)) if named == issuer.as_str() => {}
            Some(Value::String(_)) => return Err(TokenError::InvalidIssuer),
            Some(_) => return Err(TokenError::MistypedClaim("iss")),
        }
        // `split` found two dots; the signed text ends before the last one.
        let message = &text[..text.len() - signature.len() - 1];
        let signature = decode(signature)?;
        if signature.is_empty() {
            return Err(TokenError::InvalidSignature);
        }
        Ok(Self { algorithm, key_id, payload, message, signature })
    }

    /// The `kid` that the token claims. Only compare it, never fetch by it: the token's author chose
    /// it.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The algorithm of its signature.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Steps 4 to 8 of the [module's](self) list. `keys` are the candidates, see
    /// [`KeySet::candidates`](crate::jwt::KeySet::candidates).
    /// [`Keys::verify`](crate::discovery::keys::Keys::verify) checks that the provider uses the token's
    /// algorithm.
    ///
    /// # Errors
    ///
    /// Returns the first check that failed.
    pub fn verify(
        self,
        keys: &[&Key],
        expected: &Expected<'_>,
        now: Timestamp,
    ) -> Result<Claims, TokenError> {
        self.check_signature(keys)?;
        claims::check(self.payload, self.algorithm, &expected.kind, now)
    }

    /// Step 4.
    fn check_signature(&self, keys: &[&Key]) -> Result<(), TokenError> {
        if keys.is_empty() {
            Err(TokenError::UnknownKey)
        } else if self.is_signed_by_any(keys) {
            Ok(())
        } else {
            Err(TokenError::InvalidSignature)
        }
    }

    /// Whether one of `keys` made the signature.
    pub(crate) fn is_signed_by_any(&self, keys: &[&Key]) -> bool {
        let message = self.message.as_bytes();
        keys.iter().any(|key| key.has_signed(self.algorithm, message, &self.signature))
    }
}

impl Algorithm {
    /// The algorithm with this `alg` name, if it is supported. The comparison is case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "EdDSA" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "PS256" => Some(Self::Ps256),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }
}

impl TokenKind<'_> {
    /// Whether this kind allows the `typ` given in lower case.
    fn allows_type(&self, header_type: &str) -> bool {
        match self {
            Self::AccessToken { .. } => {
                matches!(header_type, "jwt" | "at+jwt" | "application/at+jwt")
            }
            Self::ApiKey { .. } | Self::IdToken { .. } | Self::RefreshedIdToken { .. } => {
                header_type == "jwt"
            }
        }
    }
}

/// Checks a header's `typ` against the allowed ones. Case is ignored and `application/` is optional
/// (RFC 7515 §4.1.9).
fn check_type(
    header_type: Option<&Value>,
    allows_type: impl FnOnce(&str) -> bool,
) -> Result<(), TokenError> {
    match header_type {
        None => Ok(()),
        Some(Value::String(name)) if allows_type(&name.to_ascii_lowercase()) => Ok(()),
        Some(_) => Err(TokenError::TypeNotAllowed),
    }
}

/// Splits a token in compact form into its three parts (RFC 7515 §7.1).
fn split(text: &str) -> Result<(&str, &str, &str), TokenError> {
    let mut parts = text.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.count()) {
        (Some(header), Some(payload), Some(signature), 0) => Ok((header, payload, signature)),
        (Some(_), Some(_), Some(_), 2) => Err(TokenError::Encrypted),
        (Some(token), None, ..) if !token.is_empty() => Err(TokenError::Opaque),
        _ => Err(TokenError::Malformed),
    }
}

/// Decodes strict base64url: rejects padding, the standard alphabet and non-zero trailing bits.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}
