//! JSON Web Tokens: from text to claims, or the one reason why not.
//!
//! Pure: the token, the keys, what is expected and the present moment go in. What is checked, in
//! this order:
//!
//! 1. Size, and three parts of strict base64url (RFC 7515 §2, §3.1): a padded or sloppily encoded
//!    twin of a token would be another text for the same claims, and slip past whatever remembers
//!    tokens by their digest.
//! 2. The header (RFC 7515 §4): `alg` is one of four asymmetric signatures, so neither `none` nor
//!    an HMAC keyed with the public key can be asked for (RFC 8725 §2.1, §3.1, §3.2); `typ` is one
//!    of the kind wanted (RFC 8725 §3.11, RFC 9068 §4); no `crit`, `b64` or `zip` (RFC 7515 §4.1.11,
//!    RFC 7797 §6). `jku`, `jwk`, `x5u` and `x5c` are never looked at: a token does not say which
//!    key proves it.
//! 3. The payload is one JSON object in which no name stands twice (RFC 7519 §4), and `iss` is the
//!    issuer, character by character (OpenID Connect Core §3.1.3.7 item 2, RFC 9068 §4).
//!
//!    So far no key was needed; none is fetched for a token that fails here.
//! 4. The signature, under a key that is meant for `alg` (§3.1.3.7 items 6-8, RFC 8725 §3.1).
//! 5. The kind: no security event (OpenID Connect Back-Channel Logout §2.4) and no token bound to
//!    a key that the bearer did not prove to hold (RFC 7800 §3, RFC 9449 §7); an access token has
//!    no `nonce`.
//! 6. `exp`, `nbf`, `iat` against `now` (§3.1.3.7 items 9-10, RFC 7519 §4.1.4-§4.1.6).
//! 7. `sub` (OpenID Connect Core §2), `aud` and `azp` (§3.1.3.7 items 3-5, RFC 9068 §4).
//! 8. For a login: `nonce` (item 11), `at_hash` (§3.1.3.8), `auth_time` (item 13). For a refresh:
//!    `at_hash`, and that it says of the login what the login's own ID token said (§12.2).
//!
//! A logout token goes the same way up to the signature, and then its own: see [`LogoutToken`].

mod claims;
mod error;
mod json;
mod key_set;
mod login;
mod logout_token;
#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::{clock::Timestamp, issuer::Issuer};

pub use self::{
    claims::{Claims, is_scope},
    error::TokenError,
    key_set::{Key, KeySet, MalformedKeySet},
    login::LoginClaims,
    logout_token::{EndedAtProvider, LogoutToken},
};

/// The longest token that is looked at, in bytes. Most have about 2 kB, but an ID token that lists the
/// groups of its user may have many more (R201). A session's row holds two of them and the claims of
/// one, which must fit into a DynamoDB item of 400 KB.
pub const MAX_LENGTH: usize = 64 * 1024;

/// How far the provider's clock and ours may differ.
///
/// A token is good until `exp` plus this, that second excluded; from `nbf` and `iat` minus this,
/// that second included.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// How old the ID token of a login may be: it was made for the very answer it came in.
pub const MAX_LOGIN_AGE: Duration = Duration::from_secs(10 * 60);

/// How old a token shown to an API may be, whatever its `exp` says: Auth0 issues none that lives
/// longer.
pub const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1). There is no value for `none`, nor for an
/// HMAC.
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

/// What a token must be to be accepted.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// Who issued it.
    pub issuer: &'a Issuer,
    /// What it is for.
    pub kind: Kind<'a>,
}

/// What a token is for. Each kind refuses the others, though all come from the same issuer.
#[derive(Clone, Copy)]
pub enum Kind<'a> {
    /// An access token for an API (RFC 9068, or Auth0's own profile).
    AccessToken {
        /// The API's identifier, which must be among the token's audiences.
        audience: &'a str,
    },
    /// An ID token that a client shows as its API key, where no API is configured.
    ApiKey {
        /// The application, the token's only audience.
        client_id: &'a str,
    },
    /// An ID token that just came from the token endpoint.
    IdToken {
        /// The application, the token's only audience.
        client_id: &'a str,
        /// What was sent as `nonce`. A login without it accepts the token of somebody else's login.
        nonce: Option<&'a str>,
        /// The access token beside it, which `at_hash` must fit if the token has one.
        access_token: Option<&'a str>,
        /// What was sent as `max_age`: `auth_time` may lie no longer ago.
        max_age: Option<Duration>,
        /// When a login with `prompt=login` began: `auth_time` may lie no earlier.
        authenticated_after: Option<Timestamp>,
    },
    /// An ID token that a refresh just brought.
    RefreshedIdToken {
        /// The application, the token's only audience.
        client_id: &'a str,
        /// The access token beside it, which `at_hash` must fit if the token has one.
        access_token: &'a str,
        /// What is refreshed.
        login: &'a LoginClaims,
    },
}

/// A token that was parsed and of which nothing is believed yet.
pub struct UnverifiedToken<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    payload: Map<String, Value>,
    /// What is signed: header and payload as they stand in the token.
    message: &'a str,
    signature: Vec<u8>,
}

impl<'a> UnverifiedToken<'a> {
    /// Steps 1 to 3 of the [module's](self) list: all that decides whether a key is worth fetching.
    ///
    /// # Errors
    ///
    /// With the first reason not to go on.
    pub fn parse(text: &'a str, expected: &Expected<'_>) -> Result<Self, TokenError> {
        Self::read(text, expected.issuer, |header_type| expected.kind.allows_type(header_type))
    }

    /// The same for a token of `issuer` of any type that `allows_type`, which is told it in lower
    /// case.
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
        // `split` found two dots: the last one ends what is signed.
        let message = &text[..text.len() - signature.len() - 1];
        let signature = decode(signature)?;
        if signature.is_empty() {
            return Err(TokenError::InvalidSignature);
        }
        Ok(Self { algorithm, key_id, payload, message, signature })
    }

    /// The name of the key that is said to have signed it. A name to compare, nothing to look up:
    /// whoever wrote the token chose it.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The algorithm of its signature.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Steps 4 to 8 of the [module's](self) list. `keys` are the candidates, see
    /// [`KeySet::candidates`](crate::jwt::KeySet::candidates); whether the provider uses the
    /// token's algorithm at all is for [`Keys::verify`](crate::discovery::keys::Keys::verify) to know.
    ///
    /// # Errors
    ///
    /// With the first reason not to believe it.
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
    /// The algorithm called `name` in a header's `alg`, if it is one of ours. Case matters.
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

impl Kind<'_> {
    /// Whether a token of this kind may be of that type, given in lower case.
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

/// Whether a header's `typ` is one of those allowed (RFC 7515 §4.1.9: without regard to case, and
/// `application/` may be left out).
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

/// The three parts of a token in the compact form (RFC 7515 §7.1).
fn split(text: &str) -> Result<(&str, &str, &str), TokenError> {
    let mut parts = text.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.count()) {
        (Some(header), Some(payload), Some(signature), 0) => Ok((header, payload, signature)),
        (Some(_), Some(_), Some(_), 2) => Err(TokenError::Encrypted),
        (Some(token), None, ..) if !token.is_empty() => Err(TokenError::Opaque),
        _ => Err(TokenError::Malformed),
    }
}

/// Refuses padding, the other alphabet, and bits that belong to no byte.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}
