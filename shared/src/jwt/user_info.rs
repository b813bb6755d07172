//! The claims of the provider's UserInfo endpoint (OpenID Connect Core §5.3).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{clock::Timestamp, issuer::Issuer};

use super::{
    Key, MAX_AGE, TokenError, UnverifiedToken,
    claims::{PROTOCOL_CLAIMS, audience, check_times, moment, subject},
    json,
};

/// The claims about one user, without those about a token.
///
/// Aggregated and distributed claims (§5.6.2) are left out. Nothing is ever fetched for them (R84).
#[derive(Clone, Default, Deserialize, Serialize)]
pub struct UserInfo(Map<String, Value>);

/// Why a response of the UserInfo endpoint is not used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UserInfoError {
    /// `sub` is missing or another user's (§5.3.2), which makes the whole login doubtful (R82).
    #[error("the user info is about another user")]
    OtherSubject,
    /// The response is no JSON object, or a signed response fails a check.
    #[error(transparent)]
    Invalid(#[from] TokenError),
}

impl UserInfo {
    /// Parses a response in JSON about the user `subject`.
    ///
    /// # Errors
    ///
    /// When it is not JSON, or about another user.
    pub fn parse(text: &[u8], subject: &str) -> Result<Self, UserInfoError> {
        Self::about(subject, json::object(text)?)
    }

    fn about(expected: &str, claims: Map<String, Value>) -> Result<Self, UserInfoError> {
        if subject(&claims).ok().as_deref() != Some(expected) {
            return Err(UserInfoError::OtherSubject);
        }
        let about_user = |name: &str, value: &Value| match name {
            // Only the ID token states the organization of the login (R183).
            "_claim_names" | "_claim_sources" | "org_id" | "org_name" => false,
            "email_verified" | "phone_number_verified" => value.is_boolean(),
            _ => !PROTOCOL_CLAIMS.contains(&name) && !value.is_null(),
        };
        let claims = claims.into_iter().filter(|(name, value)| about_user(name, value));
        Ok(Self(claims.collect()))
    }

    /// Whether there are no claims.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the claims that `user`, the claims of the ID token, lacks.
    ///
    /// An address and whether it is verified come from the same source. Otherwise one source's address
    /// would count as verified by the other.
    pub fn add_to(&self, user: &mut Map<String, Value>) {
        let mut added = self.0.clone();
        for (claim, verified) in VERIFIED {
            match user.get(claim) {
                None => drop(user.remove(verified)),
                Some(own) if added.get(claim) != Some(own) => drop(added.remove(verified)),
                Some(_) => {}
            }
        }
        for (name, value) in added {
            user.entry(name).or_insert(value);
        }
    }
}

const VERIFIED: [(&str, &str); 2] =
    [("email", "email_verified"), ("phone_number", "phone_number_verified")];

impl<'a> UnverifiedToken<'a> {
    /// Steps 1 to 3 of the [parent module's](super) list, for a signed response of `issuer`.
    ///
    /// # Errors
    ///
    /// Returns the first check that failed.
    pub fn parse_user_info(text: &'a str, issuer: &Issuer) -> Result<Self, TokenError> {
        Self::read(text, issuer, |header_type| header_type == "jwt")
    }

    /// Verifies the signature, and the times that the response has (§5.3.2, RFC 7519 §4.1). It must
    /// be for the application `client_id`, and about the user `subject`.
    ///
    /// # Errors
    ///
    /// Returns the first check that failed.
    pub fn verify_user_info(
        self,
        keys: &[&Key],
        client_id: &str,
        subject: &str,
        now: Timestamp,
    ) -> Result<UserInfo, UserInfoError> {
        self.check_signature(keys)?;
        let payload = self.payload;
        // A logout token has the same issuer, audience and subject.
        if payload.contains_key("events") {
            return Err(TokenError::WrongKind.into());
        }
        if !audience(&payload)?.iter().any(|entry| entry == client_id) {
            return Err(TokenError::InvalidAudience.into());
        }
        let expires_at = moment(&payload, "exp", f64::floor)?.unwrap_or(now);
        let issued_at = moment(&payload, "iat", f64::ceil)?.unwrap_or(now);
        check_times(MAX_AGE, expires_at, issued_at, moment(&payload, "nbf", f64::ceil)?, now)?;
        UserInfo::about(subject, payload)
    }
}

/// Shows nothing about the user.
impl fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfo").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The claims of `user` after those of `info` were added.
    fn added(user: &Value, info: &Value) -> Value {
        let mut user = user.as_object().unwrap().clone();
        UserInfo::parse(info.to_string().as_bytes(), "ada").unwrap().add_to(&mut user);
        user.into()
    }

    #[test]
    fn r082_user_info_without_exactly_this_sub_is_refused() {
        for sub in
            [json!("eve"), json!("Ada"), json!("ada "), json!(""), json!(["ada"]), Value::Null]
        {
            let refused = UserInfo::parse(json!({ "sub": sub }).to_string().as_bytes(), "ada");
            assert!(matches!(refused, Err(UserInfoError::OtherSubject)), "{sub}");
        }
        let refused = UserInfo::parse(b"{}", "ada");
        assert!(matches!(refused, Err(UserInfoError::OtherSubject)));
        let twice = UserInfo::parse(br#"{"sub": "eve", "sub": "ada"}"#, "ada");
        assert!(matches!(twice, Err(UserInfoError::Invalid(TokenError::DuplicateClaim))));
    }

    #[test]
    fn the_id_tokens_claims_win_and_claims_about_tokens_are_left_out() {
        let info = json!({
            "sub": "ada", "name": "Eve", "nickname": "ada", "aud": "x", "scope": "admin",
            "permissions": ["admin"], "picture": null, "org_id": "org_ours", "org_name": "ours",
        });
        assert_eq!(
            added(&json!({ "sub": "ada", "name": "Ada" }), &info),
            json!({ "sub": "ada", "name": "Ada", "nickname": "ada" })
        );
    }

    #[test]
    fn r084_aggregated_and_distributed_claims_are_left_out() {
        let info = json!({
            "sub": "ada",
            "_claim_names": { "salary": "bank" },
            "_claim_sources": { "bank": { "endpoint": "https://169.254.169.254/", "JWT": "a.b.c" } },
        });
        assert_eq!(added(&json!({ "sub": "ada" }), &info), json!({ "sub": "ada" }));
    }

    #[test]
    fn no_address_is_verified_by_the_other_source() {
        let verified = json!({ "sub": "ada", "email": "b@x.example", "email_verified": true });
        for (user, expected) in [
            (json!({}), verified.clone()),
            (json!({ "email": "a@x.example" }), json!({ "sub": "ada", "email": "a@x.example" })),
            (json!({ "email": "b@x.example" }), verified.clone()),
            (json!({ "email_verified": false }), verified.clone()),
        ] {
            assert_eq!(added(&user, &verified), expected);
        }
        let unverified = json!({ "sub": "ada", "email": "b@x.example" });
        assert_eq!(added(&json!({ "email_verified": true }), &unverified), unverified);
        let text = json!({ "sub": "ada", "email": "b@x.example", "email_verified": "true" });
        assert_eq!(added(&json!({}), &text), unverified);
    }
}
