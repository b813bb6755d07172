//! The claims about a login that a refresh must not change.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::Timestamp;

use super::{Authentication, Claims, LEEWAY, TokenError};

/// What the ID token of a login states about that login. A refreshed ID token may repeat it but must
/// not contradict it (OpenID Connect Core §12.2): same user, no later and no stronger authentication.
#[derive(Clone, Deserialize, Serialize)]
pub struct LoginClaims {
    subject: String,
    issued_at: Timestamp,
    nonce: Option<String>,
    #[serde(flatten)]
    authentication: Authentication,
    organization: Option<String>,
}

impl LoginClaims {
    /// Takes them from `claims`, the claims of a login's ID token.
    pub fn of(claims: &Claims) -> Self {
        let text = |name| claims.string(name).map(str::to_owned);
        Self {
            subject: claims.subject.clone(),
            issued_at: claims.issued_at,
            nonce: claims.nonce.clone(),
            authentication: Authentication::of(claims),
            organization: text("org_id"),
        }
    }

    /// `sub`: the user who logged in.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Compares only the claims that are present, because Auth0 omits most of them (R135, R136).
    pub(super) fn check(&self, refreshed: &Claims) -> Result<(), TokenError> {
        if refreshed.subject != self.subject {
            return Err(TokenError::OtherLogin("sub"));
        }
        if refreshed.nonce.is_some() && refreshed.nonce != self.nonce {
            return Err(TokenError::NonceMismatch);
        }
        let login = &self.authentication;
        let is_same_moment = |time: Timestamp| match login.auth_time {
            Some(auth_time) => time == auth_time,
            // The login had no `auth_time`; it was not later than its own token.
            None => time <= self.issued_at + LEEWAY,
        };
        if !refreshed.auth_time.is_none_or(is_same_moment) {
            return Err(TokenError::OtherLogin("auth_time"));
        }
        let is_same = |name: &str, login: &Option<String>| {
            let text = refreshed.get(name).map(Value::as_str);
            text.is_none_or(|text| text.is_some() && text == login.as_deref())
        };
        if !is_same("acr", &login.acr) {
            return Err(TokenError::OtherLogin("acr"));
        }
        if !is_same("org_id", &self.organization) {
            return Err(TokenError::OtherLogin("org_id"));
        }
        let is_known = |method: &String| login.amr.contains(method);
        match (refreshed.get("amr"), refreshed.strings("amr")) {
            (_, Some(amr)) if !amr.iter().all(is_known) => Err(TokenError::OtherLogin("amr")),
            (Some(_), None) => Err(TokenError::MistypedClaim("amr")),
            _ => Ok(()),
        }
    }
}

/// Shows nothing about the user.
impl fmt::Debug for LoginClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginClaims").field("issued_at", &self.issued_at).finish_non_exhaustive()
    }
}
