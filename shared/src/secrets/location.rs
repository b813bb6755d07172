//! Where a secret is kept: in the environment or in AWS Secrets Manager.

use std::{error::Error, fmt, sync::Arc};

use async_trait::async_trait;

use crate::clock::Timestamp;

/// The two variables for one secret.
#[derive(Clone, Copy, Debug)]
pub struct SecretVariables {
    /// The variable that contains the secret itself.
    pub plain: &'static str,
    /// The variable that contains the secret's ARN in Secrets Manager.
    pub arn: &'static str,
}

/// The client secret, which authenticates the application to the identity provider.
pub const CLIENT_SECRET: SecretVariables =
    SecretVariables { plain: "CLIENT_SECRET", arn: "CLIENT_SECRET_ARN" };

/// The key that seals the login cookies.
pub const SECRET_KEY: SecretVariables =
    SecretVariables { plain: "SECRET_KEY", arn: "SECRET_KEY_ARN" };

/// The location of one secret; `StoredSecret` describes its methods.
#[async_trait]
pub(crate) trait SecretLocation<T>: fmt::Debug + Send + Sync {
    async fn current(&self, now: Timestamp) -> Result<Arc<T>, SecretUnavailable>;

    async fn newer_than(
        &self,
        seen: &Arc<T>,
        now: Timestamp,
    ) -> Result<Option<Arc<T>>, SecretUnavailable>;

    fn refuse(&self, seen: &Arc<T>);
}

/// A secret is unavailable or unusable. This does not mean that the caller is unauthorized: respond
/// with 503.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{variable} is unavailable")]
pub struct SecretUnavailable {
    /// The variable for the secret.
    pub variable: &'static str,
    /// The reason. It contains nothing of the secret.
    #[source]
    pub reason: Arc<dyn Error + Send + Sync>,
}
