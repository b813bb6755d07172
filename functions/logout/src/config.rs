//! The settings of the logout function.

use shared::{
    config::Settings,
    guard::GuardConfig,
    provider::ClientCredentials,
    stored_secret::{CLIENT_SECRET, SecretSource, StoredSecret},
};

/// What the logout function uses.
#[derive(Debug)]
pub struct LogoutConfig {
    /// Whose tokens are believed, and where the bundle is reached.
    pub guard: GuardConfig,
    /// What proves this application to the provider. It is needed to revoke a refresh token, and for
    /// nothing else: without it they are not revoked.
    pub credentials: Option<StoredSecret<ClientCredentials>>,
}

impl LogoutConfig {
    /// Reads what the logout function uses.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let guard = GuardConfig::from_settings(settings);
        let is_given = settings.is_set(CLIENT_SECRET.plain) || settings.is_set(CLIENT_SECRET.arn);
        let credentials = if is_given {
            let secrets = SecretSource::from_settings(settings);
            let application = guard.as_ref().map(|guard| &guard.application);
            ClientCredentials::from_settings(settings, &secrets, application).map(Some)
        } else {
            Some(None)
        };
        Some(Self { guard: guard?, credentials: credentials? })
    }
}
