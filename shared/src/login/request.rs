//! The authentication request that sends a browser to the provider.

use url::Url;

use secrecy::ExposeSecret;

use crate::{login::attempt::LoginAttempt, settings::Settings};

/// How the provider sends its response to `/callback`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ResponseMode {
    /// In the query of a redirect, the default for a code (OAuth 2.0 Multiple Response Types §3).
    #[default]
    Query,
    /// As a form that a page of the provider sends (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

impl ResponseMode {
    /// Reads `RESPONSE_MODE`.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        settings.with_default("RESPONSE_MODE", Self::default(), |text| match text {
            "query" => Ok(Self::Query),
            "form_post" => Ok(Self::FormPost),
            _ => Err("must be `query` or `form_post`"),
        })
    }
}

/// The parameters of an authentication request, without the secrets of its attempt (OpenID Connect
/// Core §3.1.2.1, RFC 7636 §4.3).
#[derive(Clone, Copy, Debug)]
pub struct LoginRequest<'a> {
    /// The provider's authorization endpoint.
    pub endpoint: &'a Url,
    /// The application's client ID.
    pub client_id: &'a str,
    /// Where the provider sends the browser back.
    pub redirect_uri: &'a str,
    /// The requested scopes (RFC 6749 §3.3).
    pub scope: &'a str,
    /// The API whose access token is requested.
    pub audience: Option<&'a str>,
    /// How the provider sends its response.
    pub response_mode: ResponseMode,
    /// Additional parameters. None of them may be one of the above.
    pub passed_on: &'a [(&'a str, &'a str)],
}

impl LoginRequest<'_> {
    /// The URL to which the browser is sent for `attempt`.
    pub fn url(&self, attempt: &LoginAttempt) -> Url {
        let mut url = self.endpoint.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("scope", self.scope)
            .append_pair("state", attempt.state.expose_secret())
            .append_pair("nonce", attempt.nonce.expose_secret())
            .append_pair("code_challenge", &attempt.code_challenge())
            .append_pair("code_challenge_method", "S256");
        if let Some(audience) = self.audience {
            query.append_pair("audience", audience);
        }
        if self.response_mode == ResponseMode::FormPost {
            query.append_pair("response_mode", "form_post");
        }
        query.extend_pairs(self.passed_on);
        drop(query);
        url
    }
}
