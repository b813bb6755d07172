//! The rules of a protected function.

use std::time::Duration;

use serde_json::Value;

use super::{Principal, Refusal};
use crate::{clock::Timestamp, jwt::StepUp};

/// What a protected function requires beyond a valid credential.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// Scopes or permissions that must all have been granted.
    pub scopes: &'a [&'a str],
    /// Claims of the user, each with its required value, e.g. `org_id`, or a role in
    /// `https://example.com/roles`. A claim may be a text, a number, a boolean, or an array that
    /// contains the value; the value is written as in JSON, a text without quotes.
    pub claims: &'a [(&'a str, &'a str)],
    /// Whether the caller must be a person: a client that acts for itself is refused (R147).
    pub person: bool,
    /// How long ago the user may have authenticated (`auth_time`, R186).
    pub max_age: Option<Duration>,
    /// Methods by which the user must have authenticated, e.g. `mfa` (`amr`, R185).
    pub amr: &'a [&'a str],
    /// Classes of authentication, of which the user must have one (`acr`). Empty: any.
    pub acr: &'a [&'a str],
}

impl Rules<'_> {
    /// No rules, for a constant that sets only some: `Rules { person: true, ..Rules::NONE }`.
    pub const NONE: Rules<'static> =
        Rules { scopes: &[], claims: &[], person: false, max_age: None, amr: &[], acr: &[] };

    /// Compares whole words: `read:all` does not grant `read` (R148).
    ///
    /// What another login can change comes last, so that a user logs in again only where it helps.
    pub(super) fn check(&self, principal: &Principal, now: Timestamp) -> Result<(), Refusal> {
        if self.person && !principal.is_person {
            return Err(Refusal::NotPerson);
        }
        let is_met = |(name, value): &&(&str, &str)| {
            principal.claim(name).is_some_and(|claim| contains(claim, value))
        };
        if let Some((name, _)) = self.claims.iter().find(|claim| !is_met(claim)) {
            return Err(Refusal::ClaimNotAllowed((*name).to_owned()));
        }
        let is_granted = |scope: &&str| principal.scopes.iter().any(|granted| granted == scope);
        if !self.scopes.iter().all(is_granted) {
            return Err(Refusal::MissingScope(self.scopes.join(" ")));
        }
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let step_up = StepUp { acr: owned(self.acr), amr: owned(self.amr), max_age: self.max_age };
        if !step_up.is_met_by(&principal.authentication, now) {
            return Err(Refusal::StepUpRequired(step_up));
        }
        Ok(())
    }
}

/// Whether `claim` is `value`, or an array with such an entry. Objects and arrays in arrays contain
/// nothing.
fn contains(claim: &Value, value: &str) -> bool {
    let is_value = |claim: &Value| match claim {
        Value::String(text) => text == value,
        Value::Number(number) => number.to_string() == value,
        Value::Bool(flag) => flag.to_string() == value,
        Value::Array(_) | Value::Null | Value::Object(_) => false,
    };
    match claim {
        Value::Array(entries) => entries.iter().any(is_value),
        claim => is_value(claim),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::jwt::Authentication;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn principal(user: &Value) -> Principal {
        Principal {
            user: user.as_object().unwrap().clone(),
            api_claims: Map::new(),
            authentication: Authentication::default(),
            scopes: Vec::new(),
            session: None,
            is_person: true,
        }
    }

    #[test]
    fn r150_a_claim_must_have_the_required_value() {
        let check = |required, claim: &Value| {
            let rules = Rules { claims: &[("claim", required)], ..Rules::default() };
            rules.check(&principal(&json!({ "claim": claim })), NOW)
        };
        for (required, claim) in [
            ("admin", json!("admin")),
            ("admin", json!(["auditor", "admin"])),
            ("42", json!(42)),
            ("-1.5", json!(-1.5)),
            ("true", json!(true)),
            ("7", json!([1, 7])),
        ] {
            assert!(check(required, &claim).is_ok(), "{required} {claim}");
        }
        for (required, claim) in [
            ("admin", json!(null)),
            ("admin", json!("admins")),
            ("admin", json!("Admin")),
            ("admin", json!("auditor admin")),
            ("admin", json!(["administrator"])),
            ("admin", json!([["admin"]])),
            ("admin", json!({ "admin": true })),
            ("42", json!(42.5)),
            ("42", json!(420)),
            ("true", json!(false)),
            ("", json!([])),
        ] {
            let refused = check(required, &claim);
            assert!(
                matches!(&refused, Err(Refusal::ClaimNotAllowed(name)) if name == "claim"),
                "{required} {claim}"
            );
        }
        let rules = Rules { claims: &[("org_id", "org_ours")], ..Rules::default() };
        assert!(rules.check(&principal(&json!({})), NOW).is_err());
    }

    /// The access token decides: it was issued for this API.
    #[test]
    fn a_claim_of_the_access_token_has_precedence_over_the_same_claim_of_the_user() {
        let rules = Rules { claims: &[("roles", "admin")], ..Rules::default() };
        let with = |user: Value, api: Value| Principal {
            api_claims: api.as_object().unwrap().clone(),
            ..principal(&user)
        };
        assert!(rules.check(&with(json!({}), json!({ "roles": ["admin"] })), NOW).is_ok());
        let denied = with(json!({ "roles": ["admin"] }), json!({ "roles": [] }));
        assert!(rules.check(&denied, NOW).is_err());
    }
}
