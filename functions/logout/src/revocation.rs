//! The refresh token of a session that was logged out.

use std::{error::Error, sync::Arc};

use shared::{
    clock::Timestamp,
    provider::{self, ClientCredentials, Metadata, RefreshTokenGrant},
    session::Renewability,
};

use crate::Logout;

impl Logout {
    /// Lets the provider know that nobody shall refresh a session that has ended, if it has a refresh
    /// token. It is in nobody's hands by then, so whatever fails is logged and no more (R112).
    pub(crate) async fn revoke_refresh_token(&self, ended: &Renewability, now: Timestamp) {
        let Renewability::Renewable(renewable) = ended else { return };
        match self.client(now).await {
            Ok((metadata, credentials)) => {
                let refresh_token = renewable.grant.refresh_token.expose();
                let grant = RefreshTokenGrant { refresh_token, credentials: &credentials };
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
