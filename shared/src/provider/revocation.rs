//! Revokes refresh tokens that are no longer needed.

use std::error::Error;

use super::{IdentityProvider, Metadata, ProviderError, RefreshTokenGrant};

use crate::names::LogEvent;

/// Revokes a refresh token. The caller has already discarded it, so a failure is only logged (R112):
/// the token is stored nowhere else and expires at the provider.
pub async fn revoke_or_log(
    provider: &dyn IdentityProvider,
    metadata: &Metadata,
    grant: RefreshTokenGrant<'_>,
) {
    let revoked = match &metadata.revocation_endpoint {
        Some(endpoint) => provider.revoke(endpoint, grant).await,
        None => Err(ProviderError::Malformed("metadata: no `revocation_endpoint`".to_owned())),
    };
    if let Err(error) = revoked {
        log_not_revoked(&error);
    }
}

/// Logs that a refresh token was not revoked, and the reason.
pub fn log_not_revoked(error: &(dyn Error + 'static)) {
    tracing::warn!(
        event = LogEvent::RefreshTokenNotRevoked.name(),
        error,
        "an unused refresh token could not be revoked at the provider"
    );
}
