//! `CONTEXT_CLAIMS`: which claims the function behind the authorizer gets beside the usual fields.

use gateway::authorizer::CONTEXT_FIELDS;
use shared::{jwt, settings::Settings};

/// Reads `CONTEXT_CLAIMS`. Each claim keeps its name in the context, so a name that the context or the
/// gateway uses already is a fault. So is a claim about the token: it is never passed on.
pub(crate) fn from_settings(settings: &mut Settings) -> Option<Vec<String>> {
    settings.with_default("CONTEXT_CLAIMS", Vec::new(), |text| {
        let mut claims: Vec<String> = Vec::new();
        for name in text.split(',').map(str::trim) {
            if name.is_empty() || name.chars().any(|letter| letter.is_whitespace()) {
                return Err("must be names of claims, separated by commas".to_owned());
            }
            if let Some(taken) = CONTEXT_FIELDS.iter().chain(&OF_GATEWAY).find(|it| **it == name) {
                return Err(format!(
                    "must not name `{taken}`: the context has a field of that name"
                ));
            }
            if let Some(claim) = jwt::protocol_claim(name) {
                return Err(format!(
                    "must not name `{claim}`: it is about the token, not the user"
                ));
            }
            if claims.iter().any(|earlier| earlier == name) {
                return Err("must not name a claim twice".to_owned());
            }
            claims.push(name.to_owned());
        }
        Ok(claims)
    })
}

/// The names that a refusal, and a REST API itself, put beside the context's fields.
const OF_GATEWAY: [&str; 3] = ["code", "integrationLatency", "principalId"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let settings = Settings::from_values([("CONTEXT_CLAIMS", text)]);
        settings.read(from_settings).map_err(|error| error.to_string())
    }

    #[test]
    fn claims_are_listed_by_name() {
        assert_eq!(read(""), Ok(vec![]));
        let names = ["https://example.com/roles", "nickname"].map(str::to_owned);
        assert_eq!(read("https://example.com/roles, nickname"), Ok(names.into()));
    }

    #[test]
    fn a_name_that_collides_is_refused_by_name() {
        for (text, fault) in [
            ("roles,scope", "must not name `scope`: the context has a field of that name"),
            ("email", "must not name `email`: the context has a field of that name"),
            ("person", "must not name `person`: the context has a field of that name"),
            ("code", "must not name `code`: the context has a field of that name"),
            ("principalId", "must not name `principalId`: the context has a field of that name"),
            ("permissions", "must not name `permissions`: it is about the token, not the user"),
            ("roles,nickname,roles", "must not name a claim twice"),
            ("roles,,nickname", "must be names of claims, separated by commas"),
            ("roles nickname", "must be names of claims, separated by commas"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.ends_with(&format!("\n  CONTEXT_CLAIMS {fault}")), "{said}");
        }
    }
}
