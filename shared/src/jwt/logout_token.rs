//! Logout tokens: the provider's notice that a session has ended.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use super::{
    LEEWAY, TokenError, UnverifiedToken,
    claims::{audience, check_times, moment, required, subject, text},
};
use crate::{clock::Timestamp, crypto::secret::Digest, issuer::Issuer, jwt::Key};

/// The maximum age of a logout token, regardless of its `exp`. Auth0's are valid for two minutes.
const MAX_AGE: Duration = Duration::from_secs(10 * 60);

/// The member of `events` that identifies a logout token (OpenID Connect Back-Channel Logout §2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims of a verified logout token (OpenID Connect Back-Channel Logout 1.0).
///
/// The checks follow §2.6, after steps 1 to 4 of the [parent module's](super) list. `typ` is
/// `logout+jwt`, `JWT` or missing (§2.4):
///
/// 1. `events` is an object in which the logout event is an object (§2.4, item 5), and `nonce` is
///    absent (item 6). So neither an ID token nor another security event can end a session.
/// 2. `exp`, `iat` and, if present, `nbf` against `now` (item 3).
/// 3. `aud` contains this application (item 3). Other audiences are allowed, because the token grants
///    no access.
/// 4. `sub`, `sid` or both identify the session (item 4).
/// 5. `jti` is present. The caller checks that the token is not a replay (item 7), by
///    [`mark`](Self::mark).
///
/// Unknown claims are ignored (§2.4).
#[derive(Clone, Eq, PartialEq)]
pub struct LogoutToken {
    /// `iss`.
    pub issuer: String,
    /// The session or sessions that ended.
    pub ended: EndedAtProvider,
    /// `iat`: when the session ended.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `jti`.
    pub id: String,
}

/// What a logout token declares as ended (§2.7).
#[derive(Clone, Eq, PartialEq)]
pub enum EndedAtProvider {
    /// `sid`: one session at the provider.
    Session {
        /// `sid`.
        id: String,
        /// `sub`, if the token contains it as well.
        subject: Option<String>,
    },
    /// `sub` alone: every session of the user.
    Subject(String),
}

impl LogoutToken {
    /// The mark that the caller claims in the store, so that a replay of the token is recognized.
    pub fn mark(&self) -> Digest {
        Digest::of(format!("logout token {} {}", Digest::of(&self.issuer), self.id))
    }

    /// When the token becomes invalid, so that its mark may be deleted.
    pub fn mark_expires_at(&self) -> Timestamp {
        let last_moment = self.expires_at.min(self.issued_at + MAX_AGE);
        last_moment + LEEWAY + Duration::from_secs(1)
    }
}

impl<'a> UnverifiedToken<'a> {
    /// Steps 1 to 3 of the [parent module's](super) list, for a logout token of `issuer`.
    ///
    /// # Errors
    ///
    /// Returns the first check that failed.
    pub fn parse_logout_token(text: &'a str, issuer: &Issuer) -> Result<Self, TokenError> {
        Self::read(text, issuer, |header_type| {
            matches!(header_type, "jwt" | "logout+jwt" | "application/logout+jwt")
        })
    }

    /// Verifies the signature and the claims as [`LogoutToken`] lists them. `keys` are the candidates,
    /// see [`KeySet::candidates`](crate::jwt::KeySet::candidates).
    ///
    /// # Errors
    ///
    /// Returns the first check that failed.
    pub fn verify_logout_token(
        self,
        keys: &[&Key],
        client_id: &str,
        now: Timestamp,
    ) -> Result<LogoutToken, TokenError> {
        self.check_signature(keys)?;
        check(&self.payload, client_id, now)
    }
}

fn check(
    payload: &Map<String, Value>,
    client_id: &str,
    now: Timestamp,
) -> Result<LogoutToken, TokenError> {
    check_events(payload)?;
    if payload.contains_key("nonce") {
        return Err(TokenError::WrongKind);
    }
    let expires_at = required("exp", moment(payload, "exp", f64::floor)?)?;
    let issued_at = required("iat", moment(payload, "iat", f64::ceil)?)?;
    check_times(MAX_AGE, expires_at, issued_at, moment(payload, "nbf", f64::ceil)?, now)?;
    if !audience(payload)?.iter().any(|entry| entry == client_id) {
        return Err(TokenError::InvalidAudience);
    }
    let subject = payload.contains_key("sub").then(|| subject(payload)).transpose()?;
    let ended = match (named(payload, "sid")?, subject) {
        (Some(id), subject) => EndedAtProvider::Session { id, subject },
        (None, Some(subject)) => EndedAtProvider::Subject(subject),
        (None, None) => return Err(TokenError::MissingClaim("sub or sid")),
    };
    Ok(LogoutToken {
        issuer: required("iss", text(payload, "iss")?)?,
        ended,
        issued_at,
        expires_at,
        id: required("jti", named(payload, "jti")?)?,
    })
}

fn check_events(payload: &Map<String, Value>) -> Result<(), TokenError> {
    match required("events", payload.get("events"))? {
        Value::Object(events) => match events.get(EVENT) {
            Some(Value::Object(_)) => Ok(()),
            Some(_) => Err(TokenError::MistypedClaim("events")),
            None => Err(TokenError::WrongKind),
        },
        _ => Err(TokenError::MistypedClaim("events")),
    }
}

/// A claim that is a non-empty string: an empty string identifies nothing.
fn named(payload: &Map<String, Value>, name: &'static str) -> Result<Option<String>, TokenError> {
    match text(payload, name)? {
        Some(text) if text.is_empty() => Err(TokenError::MistypedClaim(name)),
        text => Ok(text),
    }
}

/// Shows times only: the subject and the session are personal data.
impl fmt::Debug for LogoutToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutToken")
            .field("issued_at", &self.issued_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
