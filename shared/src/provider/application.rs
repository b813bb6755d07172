//! This application's registration with the identity provider.

use url::Url;

use crate::{
    issuer::Issuer,
    jwt::{Expected, TokenKind},
    settings::Settings,
};

/// The application's registration with its identity provider.
#[derive(Clone, Debug)]
pub struct Application {
    /// The issuer of its tokens.
    pub issuer: Issuer,
    /// Its public identifier there, `client_id`.
    pub client_id: String,
    /// The API that its access tokens are for. Without an audience, the ID token is the API key.
    pub audience: Option<String>,
}

impl Application {
    /// Reads `AUTH_HOST`, `CLIENT_ID` and `AUDIENCE`.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let issuer =
            Issuer::from_settings(settings, "the provider's host, such as `tenant.eu.auth0.com`");
        let client_id = settings.required("CLIENT_ID", "the application's client id", |text| {
            if text.bytes().all(|byte| byte.is_ascii_graphic()) {
                Ok(text.to_owned())
            } else {
                Err("must be a client id: printable, without spaces")
            }
        });
        let audience = settings.optional("AUDIENCE", |text| {
            if text.chars().any(char::is_whitespace) {
                Err("must be an API identifier, without spaces")
            } else {
                Ok(text.to_owned())
            }
        });
        let application = Self { issuer: issuer?, client_id: client_id?, audience: audience.ok()? };
        if let Some(why) = application.shared_audience() {
            settings.fault("AUDIENCE", why);
            return None;
        }
        Some(application)
    }

    /// Why `AUDIENCE` does not separate the tokens of one API from the provider's other tokens. With
    /// such an audience, tokens issued for a different purpose would be API keys here (R190).
    fn shared_audience(&self) -> Option<&'static str> {
        let audience = self.audience.as_deref()?;
        if audience == self.client_id {
            return Some(
                "must not be CLIENT_ID, which is the audience of every ID token: leave it out to have ID tokens as API keys",
            );
        }
        let url = Url::parse(audience).ok()?;
        // Under a custom domain, the Management API keeps the tenant's domain.
        let is_providers = self.issuer.url().host() == url.host()
            || url.domain().is_some_and(|domain| domain.ends_with(".auth0.com"));
        match url.path().to_ascii_lowercase().trim_end_matches('/') {
            path if is_providers && path.ends_with("/userinfo") => Some(
                "must not be the provider's `/userinfo`, which every login's access token is good for: name an API of this tenant",
            ),
            "/api/v2" if is_providers => Some(
                "must not be the provider's Management API, whose tokens administer the tenant: name an API of this tenant",
            ),
            _ => None,
        }
    }

    /// The requirements for a token to be an API key here (R143): exactly one of the two kinds.
    pub fn expected_api_key(&self) -> Expected<'_> {
        let kind = match &self.audience {
            Some(audience) => TokenKind::AccessToken { audience },
            None => TokenKind::ApiKey { client_id: &self.client_id },
        };
        Expected { issuer: &self.issuer, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(host: &str, audience: &str) -> Result<Option<String>, String> {
        let values = [("AUTH_HOST", host), ("CLIENT_ID", "client"), ("AUDIENCE", audience)];
        let application = Settings::from_values(values).read(Application::from_settings);
        application.map(|application| application.audience).map_err(|error| error.to_string())
    }

    #[test]
    fn r190_an_audience_that_is_not_one_api_is_refused_with_the_reason() {
        for (host, audience, why) in [
            ("tenant.eu.auth0.com", "client", "CLIENT_ID"),
            ("tenant.eu.auth0.com", "https://tenant.eu.auth0.com/userinfo", "`/userinfo`"),
            ("login.example.com", "https://login.example.com/userinfo", "`/userinfo`"),
            ("login.example.com", "https://tenant.eu.auth0.com/userinfo", "`/userinfo`"),
            ("https://a.example/realms/b", "https://a.example/realms/b/UserInfo", "`/userinfo`"),
            ("tenant.eu.auth0.com", "https://tenant.eu.auth0.com/api/v2/", "Management API"),
            ("tenant.eu.auth0.com", "https://tenant.eu.auth0.com/api/v2", "Management API"),
            ("login.example.com", "https://tenant.eu.auth0.com/api/v2/", "Management API"),
            ("http://localhost:9100", "http://localhost:9100/api/v2/", "Management API"),
        ] {
            let said = read(host, audience).unwrap_err();
            assert!(said.contains("\n  AUDIENCE must not be ") && said.contains(why), "{said}");
            assert!(!said.contains("tenant.eu") && !said.contains("login.example"), "{said}");
        }
    }

    #[test]
    fn r190_the_tenants_own_api_is_accepted_as_audience() {
        for audience in [
            "https://api.example.com/api/v2/",
            "https://api.example.com/userinfo",
            "https://tenant.eu.auth0.com/api/v2/reports",
            "urn:reports",
            "client-api",
        ] {
            assert_eq!(read("tenant.eu.auth0.com", audience), Ok(Some(audience.to_owned())));
        }
    }
}
