//! Requested and granted scopes.

use serde::{Serialize, Serializer};
use shared::jwt;

/// The scopes that every tenant supports.
pub(super) const STANDARD: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// A set of scope tokens (RFC 6749 §3.3) in the order of the request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Scope(Vec<String>);

impl Scope {
    /// Parses scopes. `None` if one contains an invalid character.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut tokens: Vec<String> = Vec::new();
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            if !jwt::is_scope(token) {
                return None;
            }
            if !tokens.iter().any(|known| known == token) {
                tokens.push(token.to_owned());
            }
        }
        Some(Self(tokens))
    }

    pub(super) fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|own| own == token)
    }

    pub(super) fn is_subset_of(&self, other: &Self) -> bool {
        self.0.iter().all(|token| other.contains(token))
    }

    /// The granted scopes. Scopes of an API are only granted if the request names an API. Every user of
    /// this provider has all of them.
    pub(super) fn granted(self, with_audience: bool) -> Self {
        Self(
            self.0
                .into_iter()
                .filter(|token| with_audience || STANDARD.contains(&token.as_str()))
                .collect(),
        )
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_api_only_the_standard_scopes_are_granted() {
        let asked = Scope::parse("openid email read:notes email").unwrap();
        assert_eq!(asked.clone().granted(true), Scope::parse("openid email read:notes").unwrap());
        assert_eq!(asked.granted(false), Scope::parse("openid email").unwrap());
    }
}
