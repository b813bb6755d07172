//! The settings of the logout function.

use shared::{
    guard::GuardConfig,
    provider::ClientCredentials,
    secrets::stored_secret::{SecretSource, StoredSecret},
    settings::Settings,
};

/// What the logout function uses.
#[derive(Debug)]
pub struct LogoutConfig {
    /// Whose tokens are believed, and where the bundle is reached.
    pub guard: GuardConfig,
    /// What proves this application to the provider. It is needed to revoke a refresh token, and for
    /// nothing else.
    pub credentials: StoredSecret<ClientCredentials>,
}

impl LogoutConfig {
    /// Reads what the logout function uses.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let guard = GuardConfig::from_settings(settings);
        let secrets = SecretSource::from_settings(settings);
        let application = guard.as_ref().map(|guard| &guard.application);
        let credentials = ClientCredentials::from_settings(settings, &secrets, application);
        Some(Self { guard: guard?, credentials: credentials? })
    }
}
