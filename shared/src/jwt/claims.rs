//! The claims of a verified token.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::clock::Timestamp;

use super::{Algorithm, LEEWAY, MAX_AGE, MAX_LOGIN_AGE, TokenError, TokenKind};

/// The last second of the year 9999. A larger `NumericDate` is a mistake or an attempted overflow.
const LAST_MOMENT: u64 = 253_402_300_799;

/// The maximum length of `sub` in characters (OpenID Connect Core §2).
const MAX_SUBJECT_LENGTH: usize = 255;

/// Claims about the token, not about the user.
pub(super) const PROTOCOL_CLAIMS: [&str; 25] = [
    "acr",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "exp",
    "gty",
    "iat",
    "iss",
    "jti",
    "nbf",
    "nonce",
    "permissions",
    "s_hash",
    "scope",
    "session_expiry",
    "sid",
    "sub_jwk",
    "trace_id",
    "typ",
    "ver",
];

/// The claims of a verified token. They are personal data: `Debug` shows issuer, audience and times
/// only.
#[derive(Clone)]
pub struct Claims {
    /// `iss`.
    pub issuer: String,
    /// `sub`: the user, unique within the issuer. 1 to 255 characters, without control characters.
    pub subject: String,
    /// `aud`: the expected audience; an access token may have others as well.
    pub audience: Vec<String>,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `azp`: the application that the token was issued to.
    pub authorized_party: Option<String>,
    /// `sid`: the user's session at the provider.
    pub session_id: Option<String>,
    /// `nonce`.
    pub nonce: Option<String>,
    /// `auth_time`: when the user last authenticated.
    pub auth_time: Option<Timestamp>,
    /// `session_expiry`: our session must end by then.
    pub session_expiry: Option<Timestamp>,
    all: Map<String, Value>,
}

impl Claims {
    /// The claim `name`, of any type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.all.get(name)
    }

    /// The claim `name` if it is a string.
    pub fn string(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The texts of the claim `name`, if it is an array of texts.
    pub fn strings(&self, name: &str) -> Option<Vec<String>> {
        let entries = self.get(name)?.as_array()?.iter();
        entries.map(|entry| entry.as_str().map(str::to_owned)).collect()
    }

    /// The granted scopes (RFC 8693 §4.2). `scope` is one string, separated by spaces; an array grants
    /// nothing.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.string("scope").unwrap_or_default().split(' ').filter(|scope| is_scope(scope))
    }

    /// The granted permissions, for APIs with role-based access control. A value that is not an array
    /// of strings grants nothing; neither does a permission that is not a valid scope.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        self.get("permissions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|permission| is_scope(permission))
    }

    /// Those of [`user`](Self::user) that `known` lacks or has with another value.
    pub fn user_beyond(&self, known: &Map<String, Value>) -> Map<String, Value> {
        let claims = self.user().into_iter();
        claims.filter(|(name, value)| known.get(name) != Some(value)).collect()
    }

    /// The claims about the user, without those about the token. `email_verified` is included only if
    /// it is a boolean, so that no reader treats the string `"false"` as true.
    pub fn user(&self) -> Map<String, Value> {
        let about_user = |name: &str, value: &Value| match name {
            "email_verified" => value.is_boolean(),
            _ => !PROTOCOL_CLAIMS.contains(&name),
        };
        self.all
            .iter()
            .filter(|(name, value)| about_user(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// Whether the provider has verified the e-mail address of `user`. The string `"true"` does not count.
pub fn is_email_verified(user: &Map<String, Value>) -> bool {
    user.get("email_verified") == Some(&Value::Bool(true))
}

/// The organization that `user` logged in to: its name, or its id if the token has no name.
pub fn organization(user: &Map<String, Value>) -> Option<&str> {
    ["org_name", "org_id"].into_iter().find_map(|name| user.get(name)?.as_str())
}

/// The claim `name` if it is about the token, not about the user.
pub fn protocol_claim(name: &str) -> Option<&'static str> {
    PROTOCOL_CLAIMS.into_iter().find(|claim| *claim == name)
}

/// Whether `text` is one scope (RFC 6749 §3.3). Such a text is safe inside the quotes of a challenge.
///
/// Scopes are passed on separated by spaces, so a scope that contains white space would be read as two
/// (R191).
pub fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Claims")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("expires_at", &self.expires_at)
            .field("issued_at", &self.issued_at)
            .finish_non_exhaustive()
    }
}

/// Steps 5 to 8 of the parent module's list, for a payload with verified signature and issuer.
pub(super) fn check(
    payload: Map<String, Value>,
    algorithm: Algorithm,
    kind: &TokenKind<'_>,
    now: Timestamp,
) -> Result<Claims, TokenError> {
    check_kind(&payload, kind)?;

    let expires_at = required("exp", moment(&payload, "exp", f64::floor)?)?;
    let issued_at = required("iat", moment(&payload, "iat", f64::ceil)?)?;
    let not_before = moment(&payload, "nbf", f64::ceil)?;
    check_times(max_age(kind), expires_at, issued_at, not_before, now)?;

    let claims = Claims {
        issuer: required("iss", text(&payload, "iss")?)?,
        subject: subject(&payload)?,
        audience: audience(&payload)?,
        expires_at,
        issued_at,
        authorized_party: text(&payload, "azp")?,
        session_id: text(&payload, "sid")?,
        nonce: text(&payload, "nonce")?,
        auth_time: moment(&payload, "auth_time", f64::floor)?,
        session_expiry: moment(&payload, "session_expiry", f64::floor)?,
        all: payload,
    };
    match *kind {
        TokenKind::AccessToken { audience } => {
            if !claims.audience.iter().any(|entry| entry == audience) {
                return Err(TokenError::InvalidAudience);
            }
        }
        TokenKind::ApiKey { client_id } => check_application(&claims, client_id)?,
        TokenKind::IdToken { client_id, nonce, access_token, max_age, authenticated_after } => {
            check_application(&claims, client_id)?;
            if let Some(nonce) = nonce
                && required("nonce", claims.nonce.as_deref())? != nonce
            {
                return Err(TokenError::NonceMismatch);
            }
            if let Some(access_token) = access_token {
                check_access_token(&claims, access_token, algorithm)?;
            }
            let earliest =
                max_age.map(|age| now - age).into_iter().chain(authenticated_after).max();
            if let Some(earliest) = earliest
                && required("auth_time", claims.auth_time)? + LEEWAY < earliest
            {
                return Err(TokenError::AuthenticationTooOld);
            }
        }
        TokenKind::RefreshedIdToken { client_id, access_token, login } => {
            check_application(&claims, client_id)?;
            check_access_token(&claims, access_token, algorithm)?;
            login.check(&claims)?;
        }
    }
    Ok(claims)
}

/// The maximum age of a token of this kind.
const fn max_age(kind: &TokenKind<'_>) -> Duration {
    match kind {
        TokenKind::AccessToken { .. } | TokenKind::ApiKey { .. } => MAX_AGE,
        TokenKind::IdToken { .. } | TokenKind::RefreshedIdToken { .. } => MAX_LOGIN_AGE,
    }
}

/// Checks the kind by the claims: all tokens of an issuer are signed with the same keys.
fn check_kind(payload: &Map<String, Value>, kind: &TokenKind<'_>) -> Result<(), TokenError> {
    if payload.contains_key("events") {
        return Err(TokenError::WrongKind);
    }
    match kind {
        TokenKind::AccessToken { .. } if payload.contains_key("nonce") => {
            Err(TokenError::WrongKind)
        }
        TokenKind::AccessToken { .. } | TokenKind::ApiKey { .. } if payload.contains_key("cnf") => {
            Err(TokenError::BoundToKey)
        }
        _ => Ok(()),
    }
}

pub(super) fn check_times(
    max_age: Duration,
    expires_at: Timestamp,
    issued_at: Timestamp,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), TokenError> {
    if now >= expires_at + LEEWAY {
        Err(TokenError::Expired)
    } else if not_before.is_some_and(|not_before| now + LEEWAY < not_before) {
        Err(TokenError::NotYetValid)
    } else if now + LEEWAY < issued_at {
        Err(TokenError::IssuedInFuture)
    } else if now > issued_at + max_age + LEEWAY {
        Err(TokenError::IssuedTooLongAgo)
    } else {
        Ok(())
    }
}

/// An ID token has one audience. With two, the other application could present the token here in the
/// user's name.
fn check_application(claims: &Claims, client_id: &str) -> Result<(), TokenError> {
    if claims.audience != [client_id] {
        return Err(TokenError::InvalidAudience);
    }
    if claims.authorized_party.as_deref().is_some_and(|party| party != client_id) {
        return Err(TokenError::InvalidAuthorizedParty);
    }
    Ok(())
}

/// Checks `at_hash`: an access token that does not match may belong to another user.
fn check_access_token(
    claims: &Claims,
    access_token: &str,
    algorithm: Algorithm,
) -> Result<(), TokenError> {
    match text(&claims.all, "at_hash")? {
        Some(hash) if hash != half_hash(access_token, algorithm) => {
            Err(TokenError::AccessTokenHashMismatch)
        }
        _ => Ok(()),
    }
}

/// The required `sub`. OpenID Connect Core §2 demands ASCII, but providers pass on names from other
/// directories (R200).
pub(super) fn subject(payload: &Map<String, Value>) -> Result<String, TokenError> {
    let subject = required("sub", text(payload, "sub")?)?;
    let length = subject.chars().count();
    if !(1..=MAX_SUBJECT_LENGTH).contains(&length) || subject.chars().any(char::is_control) {
        return Err(TokenError::MistypedClaim("sub"));
    }
    Ok(subject)
}

/// `aud`: one string or an array of strings (RFC 7519 §4.1.3).
pub(super) fn audience(payload: &Map<String, Value>) -> Result<Vec<String>, TokenError> {
    let entry = |value: &Value| value.as_str().map(str::to_owned);
    let audience = match required("aud", payload.get("aud"))? {
        Value::Array(entries) => entries.iter().map(entry).collect(),
        value => entry(value).map(|entry| vec![entry]),
    };
    audience.ok_or(TokenError::MistypedClaim("aud"))
}

pub(super) fn text(
    payload: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<String>, TokenError> {
    match payload.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(TokenError::MistypedClaim(name)),
    }
}

/// A `NumericDate` (RFC 7519 §2): seconds, possibly with a fraction. `round` makes it whole and must
/// round towards rejection: down for an expiry or an authentication time, up for a start (R199).
pub(super) fn moment(
    payload: &Map<String, Value>,
    name: &'static str,
    round: fn(f64) -> f64,
) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = payload.get(name) else { return Ok(None) };
    let rounded = || {
        let date = value.as_f64().filter(|date| *date >= 0.0)?;
        Some(Duration::try_from_secs_f64(round(date)).ok()?.as_secs())
    };
    match value.as_u64().or_else(rounded) {
        Some(seconds) if seconds <= LAST_MOMENT => Ok(Some(Timestamp::from_unix(seconds))),
        _ => Err(TokenError::MistypedClaim(name)),
    }
}

pub(super) fn required<T>(name: &'static str, value: Option<T>) -> Result<T, TokenError> {
    value.ok_or(TokenError::MissingClaim(name))
}

/// The required value of `at_hash`: the left half of the token's hash, by the hash function of the ID
/// token's algorithm (OpenID Connect Core §3.1.3.6).
pub(super) fn half_hash(token: &str, algorithm: Algorithm) -> String {
    let function = match algorithm {
        Algorithm::Es256 | Algorithm::Ps256 | Algorithm::Rs256 => &digest::SHA256,
        Algorithm::EdDsa => &digest::SHA512,
    };
    let hash = digest::digest(function, token.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}
