//! How a user authenticated, and what a rule requires of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

use super::{Claims, LEEWAY};

/// How and when a user authenticated, as a token states it (OpenID Connect Core §2, RFC 9068 §2.2.1).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Authentication {
    /// `auth_time`: when the user authenticated.
    pub auth_time: Option<Timestamp>,
    /// `acr`: the class of the authentication.
    pub acr: Option<String>,
    /// `amr`: the methods of the authentication. Empty if the claim is not an array of texts.
    pub amr: Vec<String>,
}

/// What a rule requires of the user's authentication. Without it, the user can provide it by another
/// login (step-up, RFC 9470).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct StepUp {
    /// Classes, of which `acr` must be one. Empty: any.
    pub acr: Vec<String>,
    /// Methods that `amr` must all contain, e.g. `mfa`.
    pub amr: Vec<String>,
    /// How long ago the user may have authenticated.
    pub max_age: Option<Duration>,
}

/// The class that asks Auth0 for a second factor.
pub const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

impl Authentication {
    /// Takes it from the claims of a token.
    pub fn of(claims: &Claims) -> Self {
        Self {
            auth_time: claims.auth_time,
            acr: claims.string("acr").map(str::to_owned),
            amr: claims.strings("amr").unwrap_or_default(),
        }
    }
}

impl StepUp {
    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.acr.is_empty() && self.amr.is_empty() && self.max_age.is_none()
    }

    /// Whether `authentication` is sufficient. A claim that is missing is not (R185, R186).
    pub fn is_met_by(&self, authentication: &Authentication, now: Timestamp) -> bool {
        let has_class = self.acr.is_empty()
            || authentication.acr.as_ref().is_some_and(|class| self.acr.contains(class));
        let is_recent = |max_age| {
            let recent = now - max_age..=now + LEEWAY;
            authentication.auth_time.is_some_and(|moment| recent.contains(&moment))
        };
        has_class
            && self.amr.iter().all(|method| authentication.amr.contains(method))
            && self.max_age.is_none_or(is_recent)
    }

    /// The classes to request from the provider (`acr_values`), separated by spaces.
    pub fn acr_values(&self) -> Option<String> {
        if !self.acr.is_empty() {
            return Some(self.acr.join(" "));
        }
        self.amr.iter().any(|method| method == "mfa").then(|| MULTI_FACTOR.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn r185_every_method_and_one_of_the_classes_are_required() {
        let required =
            StepUp { acr: texts(&["gold", "silver"]), amr: texts(&["mfa"]), max_age: None };
        for (acr, amr, expected) in [
            (Some("silver"), &["pwd", "mfa"][..], true),
            (Some("gold"), &["mfa"], true),
            (Some("bronze"), &["mfa"], false),
            (None, &["mfa"], false),
            (Some("gold"), &["pwd"], false),
            (Some("gold"), &[], false),
        ] {
            let acr = acr.map(str::to_owned);
            let authentication = Authentication { auth_time: None, acr, amr: texts(amr) };
            assert_eq!(required.is_met_by(&authentication, NOW), expected, "{authentication:?}");
        }
        assert!(StepUp::default().is_met_by(&Authentication::default(), NOW));
    }

    #[test]
    fn r186_an_authentication_is_recent_up_to_its_age_and_not_from_the_future() {
        let required = StepUp { max_age: Some(Duration::from_secs(300)), ..StepUp::default() };
        let is_met = |auth_time| {
            required.is_met_by(&Authentication { auth_time, ..Authentication::default() }, NOW)
        };
        for (seconds, expected) in [(-301, false), (-300, true), (0, true), (30, true), (31, false)]
        {
            let moment = NOW.as_unix().saturating_add_signed(seconds);
            assert_eq!(is_met(Some(Timestamp::from_unix(moment))), expected, "{seconds}");
        }
        assert!(!is_met(None));
    }

    #[test]
    fn r185_a_second_factor_is_requested_by_its_class() {
        let asked = |acr: &[&str], amr: &[&str]| {
            StepUp { acr: texts(acr), amr: texts(amr), max_age: None }.acr_values()
        };
        assert_eq!(asked(&[], &["mfa"]).as_deref(), Some(MULTI_FACTOR));
        assert_eq!(asked(&["gold", "silver"], &["mfa"]).as_deref(), Some("gold silver"));
        assert_eq!(asked(&[], &["pwd"]), None);
    }
}
