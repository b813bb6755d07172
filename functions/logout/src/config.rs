//! The settings of the logout function.

use shared::{
    guard::GuardConfig,
    pages::Branding,
    provider::ClientCredentials,
    secrets::stored_secret::{SecretSource, StoredSecret},
    settings::{Settings, all_of},
};

/// The settings of the logout function.
#[derive(Debug)]
pub struct LogoutConfig {
    /// Which tokens are accepted, and the URL under which the bundle is reached.
    pub guard: GuardConfig,
    /// The name, the logo and the colour on the pages.
    pub branding: Branding,
    /// The credentials with which this application authenticates to the provider. Only used to revoke
    /// a refresh token.
    pub credentials: StoredSecret<ClientCredentials>,
}

impl LogoutConfig {
    /// Reads the settings of the logout function.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let guard = GuardConfig::from_settings(settings);
        let application = guard.as_ref().map(|guard| &guard.application);
        let secrets = SecretSource::from_settings(settings);
        let credentials = ClientCredentials::from_settings(settings, &secrets, application);
        all_of!(Self { guard, branding: Branding::from_settings(settings), credentials })
    }
}
