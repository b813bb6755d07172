//! `REQUIRE_VERIFIED_EMAIL` and `ALLOWED_EMAIL_DOMAINS`: which people are let in.

use serde_json::{Map, Value};

use crate::{jwt, names::ErrorCode, settings::Settings, texts::Text};

/// Which e-mail addresses people must have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EmailPolicy {
    /// Whether the provider must have verified the address.
    verified: bool,
    /// The domains of which the address must have one, in lower case. Empty: any.
    domains: Vec<String>,
}

/// Why a person is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EmailRefusal {
    /// There is no address that the provider has verified.
    #[error("the user has no verified e-mail address")]
    Unverified,
    /// The address has a domain that is not allowed.
    #[error("the domain of the user's e-mail address is not allowed")]
    OtherDomain,
}

impl EmailPolicy {
    /// Reads both settings. A list of domains requires verified addresses too, because anyone can
    /// register an address of such a domain without owning it.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let verified = settings.flag("REQUIRE_VERIFIED_EMAIL", false);
        let domains = settings.with_default("ALLOWED_EMAIL_DOMAINS", Vec::new(), |text| {
            let domains = text.split(',').map(|domain| domain.trim().to_ascii_lowercase());
            let is_domain = |domain: &String| {
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
                domain.contains('.') && !domain.starts_with('.') && domain.bytes().all(is_plain)
            };
            let domains: Vec<_> = domains.collect();
            let all = domains.iter().all(is_domain);
            all.then_some(domains)
                .ok_or("must be domains such as `example.com`, separated by commas")
        });
        let (verified, domains) = (verified?, domains?);
        Some(Self { verified: verified || !domains.is_empty(), domains })
    }

    /// Whether people need no particular address.
    pub const fn is_empty(&self) -> bool {
        !self.verified
    }

    /// Checks the claims of a person. A claim that is missing counts as not verified (R68).
    ///
    /// # Errors
    ///
    /// With the reason why the person is not let in.
    pub fn check(&self, user: &Map<String, Value>) -> Result<(), EmailRefusal> {
        if !self.verified {
            return Ok(());
        }
        let address = user.get("email").and_then(Value::as_str);
        let address =
            address.filter(|_| jwt::is_email_verified(user)).ok_or(EmailRefusal::Unverified)?;
        let domain = address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
        let is_allowed = domain.is_some_and(|domain| self.domains.contains(&domain));
        if self.domains.is_empty() || is_allowed { Ok(()) } else { Err(EmailRefusal::OtherDomain) }
    }
}

impl EmailRefusal {
    /// The `code` of the response.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Unverified => ErrorCode::EmailNotVerified,
            Self::OtherDomain => ErrorCode::EmailNotAllowed,
        }
    }

    /// The description for the user.
    pub const fn description(&self) -> Text {
        match self {
            Self::Unverified => |texts| texts.refusals.email_not_verified,
            Self::OtherDomain => |texts| texts.refusals.email_not_allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(verified: &str, domains: &str) -> Result<EmailPolicy, String> {
        let values = [("REQUIRE_VERIFIED_EMAIL", verified), ("ALLOWED_EMAIL_DOMAINS", domains)];
        let policy = Settings::from_values(values).read(EmailPolicy::from_settings);
        policy.map_err(|error| error.to_string())
    }

    #[test]
    fn r068_an_address_must_be_verified_and_of_an_allowed_domain() {
        use EmailRefusal::{OtherDomain, Unverified};
        for (email, verified, expected) in [
            (json!("ada@example.com"), json!(true), Ok(())),
            (json!("ada@EXAMPLE.com"), json!(true), Ok(())),
            (json!("\"a@b\"@example.org"), json!(true), Ok(())),
            (json!("ada@example.com"), json!(false), Err(Unverified)),
            (json!("ada@example.com"), json!("true"), Err(Unverified)),
            (json!("ada@example.com"), json!(null), Err(Unverified)),
            (json!(null), json!(true), Err(Unverified)),
            (json!("ada@mail.example.com"), json!(true), Err(OtherDomain)),
            (json!("ada@example.com.evil.example"), json!(true), Err(OtherDomain)),
            (json!("ada@example.com@evil.example"), json!(true), Err(OtherDomain)),
            (json!("ada@notexample.com"), json!(true), Err(OtherDomain)),
            (json!("example.com"), json!(true), Err(OtherDomain)),
        ] {
            let user = json!({ "email": email, "email_verified": verified });
            let policy = policy("", "example.com, Example.ORG").unwrap();
            assert_eq!(policy.check(user.as_object().unwrap()), expected, "{user}");
        }
        assert_eq!(policy("", "").unwrap().check(&Map::new()), Ok(()));
        assert_eq!(policy("true", "").unwrap().check(&Map::new()), Err(Unverified));
    }

    #[test]
    fn a_domain_is_written_without_an_address_or_wildcard() {
        for domains in ["@example.com", "*.example.com", ".example.com", "example", "a.example,,"] {
            assert!(policy("", domains).unwrap_err().contains("ALLOWED_EMAIL_DOMAINS must be"));
        }
    }
}
