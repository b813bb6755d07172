//! Revokes the refresh token of a session that was logged out.

use std::{error::Error, sync::Arc};

use secrecy::ExposeSecret;
use shared::{
    clock::Timestamp,
    provider::{self, ClientCredentials, Metadata, RefreshTokenGrant},
    session::Renewability,
};

use crate::Logout;

impl Logout {
    /// Revokes the refresh token of an ended session at the provider, if the session has one. The
    /// session's row is already deleted and no one else has the token, so a failure is only logged
    /// (R112).
    pub(crate) async fn revoke_refresh_token(&self, ended: &Renewability, now: Timestamp) {
        let Renewability::Renewable(renewable) = ended else { return };
        match self.client(now).await {
            Ok((metadata, credentials)) => {
                let refresh_token = renewable.grant.refresh_token.expose_secret();
                let authentication = credentials.authentication(&metadata);
                let grant =
                    RefreshTokenGrant { refresh_token, credentials: &credentials, authentication };
                provider::revoke_or_log(&*self.provider, &metadata, grant).await;
            }
            Err(error) => provider::log_not_revoked(&*error),
        }
    }

    async fn client(
        &self,
        now: Timestamp,
    ) -> Result<(Arc<Metadata>, Arc<ClientCredentials>), Box<dyn Error + Send + Sync>> {
        Ok((self.keys.metadata(now).await?, self.credentials.current(now).await?))
    }
}
