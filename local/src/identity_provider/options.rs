//! The settings that an administrator of Auth0 makes in the dashboard.

use std::time::Duration;

use secrecy::SecretString;
use shared::{issuer::is_loopback, settings::Settings};
use url::Url;

/// The application's settings, and some of the tenant's.
#[derive(Clone, Debug)]
pub struct Options {
    /// The id of its only client.
    pub client_id: String,
    /// That client's secret.
    pub client_secret: SecretString,
    /// "Allowed Callback URLs": compared exactly.
    pub redirect_uris: Vec<String>,
    /// "Allowed Logout URLs": compared exactly, including the query.
    pub logout_uris: Vec<String>,
    /// Lifetime of ID and access tokens. `None`: 10 and 24 hours, as at Auth0.
    pub token_lifetime: Option<Duration>,
    /// The APIs for which access tokens may be requested.
    pub audiences: Vec<String>,
    /// Whether a login that names no organization asks the user for one.
    pub requires_organization: bool,
    /// The URL that receives logout tokens by POST. It is an `http` URL on loopback; Auth0 uses TLS.
    pub backchannel_logout_uri: Option<String>,
}

impl Options {
    /// An application with these credentials and no allowed URLs or APIs.
    pub fn new(client_id: impl Into<String>, client_secret: SecretString) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret,
            redirect_uris: Vec::new(),
            logout_uris: Vec::new(),
            token_lifetime: None,
            audiences: Vec::new(),
            requires_organization: false,
            backchannel_logout_uri: None,
        }
    }

    /// Lifetime of ID tokens.
    pub(super) fn id_token_lifetime(&self) -> Duration {
        self.token_lifetime.unwrap_or(Duration::from_secs(36_000))
    }

    /// Lifetime of access tokens.
    pub(super) fn access_token_lifetime(&self) -> Duration {
        self.token_lifetime.unwrap_or(Duration::from_secs(86_400))
    }

    pub(super) fn check(&self) -> Result<(), InvalidUrl> {
        for uri in &self.redirect_uris {
            check_redirect_target("redirect_uris", uri)?;
        }
        for uri in &self.logout_uris {
            check_redirect_target("logout_uris", uri)?;
        }
        match &self.backchannel_logout_uri {
            Some(uri) if !is_plain_loopback(uri) => {
                Err(InvalidUrl { option: "backchannel_logout_uri", url: uri.clone() })
            }
            _ => Ok(()),
        }
    }
}

/// An option contains an unusable URL.
#[derive(Debug, thiserror::Error)]
#[error("{option}: {url:?} is not a URL that can be used there")]
pub struct InvalidUrl {
    /// The field of [`Options`].
    pub option: &'static str,
    /// The unusable URL.
    pub url: String,
}

/// The environment in which the process runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Surroundings {
    /// Anywhere but in Lambda.
    Machine,
    /// In AWS Lambda, where the provider must not run.
    Lambda,
}

impl Surroundings {
    /// Detects Lambda from the settings of this process.
    pub fn of(settings: &Settings) -> Self {
        if settings.inside_lambda() { Self::Lambda } else { Self::Machine }
    }
}

/// Checks `uri` for use in a `Location` header with parameters appended. It must be absolute, printable
/// ASCII, and without a fragment (RFC 6749 §3.1.2).
fn check_redirect_target(option: &'static str, uri: &str) -> Result<(), InvalidUrl> {
    let printable = uri.bytes().all(|byte| byte.is_ascii_graphic());
    match Url::parse(uri) {
        Ok(url) if printable && url.has_host() && url.fragment().is_none() => Ok(()),
        _ => Err(InvalidUrl { option, url: uri.to_owned() }),
    }
}

/// Whether a URL is plain HTTP to this machine.
pub(crate) fn is_plain_loopback(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| url.scheme() == "http" && is_loopback(&url))
}
