//! `ORGANIZATION`: the members of which organization are let in.

use serde_json::{Map, Value};

use crate::{names::ErrorCode, settings::Settings, texts::Text};

/// The organization to which a login must belong.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum OrganizationPolicy {
    /// A login may be for any organization or for none.
    #[default]
    Any,
    /// A login must be for an organization. Auth0 asks the user for which one.
    Required,
    /// A login must be for the organization with this id, or with this name.
    Only(String),
}

/// Why a login or a token of an organization is not let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OrganizationRefusal {
    /// It is for no organization.
    #[error("the token names no organization")]
    Missing,
    /// It is for another organization.
    #[error("the token is for another organization")]
    Other,
}

impl OrganizationPolicy {
    /// Reads `ORGANIZATION`. It takes no name: an organization can be renamed, and another one can then
    /// take the name.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let default = Self::default();
        settings.with_default("ORGANIZATION", default, |text| match text.strip_prefix("org_") {
            None if text == "required" => Ok(Self::Required),
            Some(rest) if !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                Ok(Self::Only(text.to_owned()))
            }
            _ => Err("must be `required`, or an organization's id such as `org_9ybsU1dN2dKfDkBi`"),
        })
    }

    /// The organization that every login is for.
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::Only(organization) => Some(organization),
            Self::Any | Self::Required => None,
        }
    }

    /// Checks the claims of a user, and those that only the access token has, or has with another value.
    ///
    /// An id must match exactly, a name in any case (R183).
    ///
    /// # Errors
    ///
    /// With the reason why the user is not let in.
    pub fn check(
        &self,
        user: &Map<String, Value>,
        api_claims: &Map<String, Value>,
    ) -> Result<(), OrganizationRefusal> {
        let id = text(user, "org_id");
        let is_met = match self {
            Self::Any => return Ok(()),
            Self::Required => id.is_some(),
            Self::Only(organization) if organization.starts_with("org_") => {
                id == Some(organization)
            }
            Self::Only(name) => {
                text(user, "org_name").is_some_and(|known| known.eq_ignore_ascii_case(name))
            }
        };
        match id {
            None => Err(OrganizationRefusal::Missing),
            // The access token would be for another organization than the login.
            Some(_) if !is_met || api_claims.contains_key("org_id") => {
                Err(OrganizationRefusal::Other)
            }
            Some(_) => Ok(()),
        }
    }
}

impl OrganizationRefusal {
    /// The `code` of the response.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Missing => ErrorCode::OrganizationRequired,
            Self::Other => ErrorCode::OrganizationNotAllowed,
        }
    }

    /// The description for the user.
    pub const fn description(&self) -> Text {
        match self {
            Self::Missing => |texts| texts.refusals.organization_required,
            Self::Other => |texts| texts.refusals.organization_not_allowed,
        }
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        OrganizationRefusal::{Missing, Other},
        *,
    };

    fn policy(text: &str) -> Result<OrganizationPolicy, String> {
        let settings = Settings::from_values([("ORGANIZATION", text)]);
        settings.read(OrganizationPolicy::from_settings).map_err(|error| error.to_string())
    }

    #[test]
    fn r183_the_organization_must_be_the_required_one() {
        let ours = json!({ "org_id": "org_ours" });
        let named = json!({ "org_id": "org_1", "org_name": "acme" });
        let name = OrganizationPolicy::Only("Acme".to_owned());
        for (policy, user, expected) in [
            (policy("").unwrap(), json!({}), Ok(())),
            (policy("required").unwrap(), ours.clone(), Ok(())),
            (policy("required").unwrap(), json!({}), Err(Missing)),
            (policy("required").unwrap(), json!({ "org_id": "" }), Err(Missing)),
            (policy("required").unwrap(), json!({ "org_id": ["org_ours"] }), Err(Missing)),
            (policy("required").unwrap(), json!({ "org_name": "acme" }), Err(Missing)),
            (policy("org_ours").unwrap(), ours, Ok(())),
            (policy("org_ours").unwrap(), json!({}), Err(Missing)),
            (policy("org_ours").unwrap(), json!({ "org_name": "org_ours" }), Err(Missing)),
            (policy("org_ours").unwrap(), json!({ "org_id": "org_theirs" }), Err(Other)),
            (policy("org_ours").unwrap(), json!({ "org_id": "org_OURS" }), Err(Other)),
            (policy("org_ours").unwrap(), json!({ "org_id": "org_oursX" }), Err(Other)),
            (name.clone(), named, Ok(())),
            (name.clone(), json!({ "org_id": "Acme" }), Err(Other)),
            (name, json!({ "org_name": "acme" }), Err(Missing)),
        ] {
            let checked = policy.check(user.as_object().unwrap(), &Map::new());
            assert_eq!(checked, expected, "{policy:?} {user}");
        }
    }

    #[test]
    fn r183_the_access_token_must_not_be_for_another_organization() {
        let user = json!({ "org_id": "org_ours" });
        let api_claims = json!({ "org_id": "org_theirs" });
        for (setting, expected) in
            [("org_ours", Err(Other)), ("required", Err(Other)), ("", Ok(()))]
        {
            let [user, api_claims] = [&user, &api_claims].map(|it| it.as_object().unwrap());
            assert_eq!(policy(setting).unwrap().check(user, api_claims), expected, "{setting}");
        }
    }

    #[test]
    fn a_name_is_no_setting() {
        for text in ["acme", "org_", "org_a b", "org_a,org_b", "Required", "true"] {
            assert!(policy(text).unwrap_err().contains("ORGANIZATION must be"), "{text}");
        }
    }
}
