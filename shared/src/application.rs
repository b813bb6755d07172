//! This application, as the identity provider knows it.

use crate::{
    config::Settings,
    issuer::{InvalidIssuer, Issuer},
    jwt::{Expected, Kind},
};

/// The application's registration with its identity provider.
#[derive(Clone, Debug)]
pub struct Application {
    /// Who signs its tokens.
    pub issuer: Issuer,
    /// Its public name there, `client_id`.
    pub client_id: String,
    /// The API that its access tokens are for. Without one the ID token is the API key.
    pub audience: Option<String>,
}

impl Application {
    /// Reads `AUTH_HOST`, `CLIENT_ID` and `AUDIENCE`.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let inside_lambda = settings.inside_lambda();
        let issuer = settings.required(
            "AUTH_HOST",
            "the provider's host, such as `tenant.eu.auth0.com`",
            |text| match Issuer::parse(text) {
                // The development provider lets everybody in as anybody (R178).
                Ok(issuer) if inside_lambda && issuer.is_loopback() => Err(InvalidIssuer::NotHttps),
                outcome => outcome,
            },
        );
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
        Some(Self { issuer: issuer?, client_id: client_id?, audience: audience? })
    }

    /// What a token must be to serve as API key here (R143): never both kinds.
    pub fn expected_api_key(&self) -> Expected<'_> {
        let kind = match &self.audience {
            Some(audience) => Kind::AccessToken { audience },
            None => Kind::ApiKey { client_id: &self.client_id },
        };
        Expected { issuer: &self.issuer, kind }
    }
}
