//! Secrets in AWS Secrets Manager, read at first use and cached for minutes.
//!
//! - No secret is read at the start: most requests are for the login page, which needs none.
//! - A secret younger than [`SOFT_AGE`] is used from the cache. So a rotation takes effect within that
//!   time without any action.
//! - An older secret is read again. While that fails, the last good one is used up to [`HARD_AGE`].
//!   After that, requests get a 503 until a read succeeds.
//! - If a secret is rejected, it is read again at once, but only once per [`COOL_DOWN`]: anyone can
//!   send a cookie that opens under no key.
//!
//! The text is used as it is, without surrounding white space. A JSON object, which the console creates
//! from key/value pairs, is rejected.
//!
//! The permissions that a function needs: `secretsmanager:GetSecretValue` on the ARN in its variable,
//! and `kms:Decrypt` if the secret is not encrypted with the key `aws/secretsmanager`.

use std::{
    error::Error,
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::{self, error::Elapsed};

use super::location::{SecretLocation, SecretUnavailable};
use crate::{
    aws::{CALL_TIMEOUT, CallError, Connection, Service},
    cache::{Cache, Fetched, Terms},
    clock::Timestamp,
    names::LogEvent,
    settings::Settings,
    web::error,
};

/// The age from which a secret is read again.
pub const SOFT_AGE: Duration = Duration::from_secs(5 * 60);

/// The age at which a secret is no longer used.
pub const HARD_AGE: Duration = Duration::from_secs(60 * 60);

/// How long after a failure no request is sent to Secrets Manager.
pub const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// How long one request waits for a newer secret while the old one is still usable.
pub const REFRESH_PATIENCE: Duration = Duration::from_secs(2);

/// The minimum time between two reads caused by a rejected secret.
pub const COOL_DOWN: Duration = Duration::from_secs(10);

const SERVICE: Service = Service { endpoint_variable: "AWS_ENDPOINT_URL_SECRETS_MANAGER" };

const TERMS: Terms = Terms {
    soft_age: SOFT_AGE,
    hard_age: HARD_AGE,
    failure_pause: FAILURE_PAUSE,
    patience: REFRESH_PATIENCE,
    first_patience: CALL_TIMEOUT,
    miss_cool_down: COOL_DOWN,
};

/// Secrets Manager of the region. All clones share one client.
#[derive(Clone)]
pub(crate) struct SecretsManager(Arc<Endpoint>);

struct Endpoint {
    connection: Connection,
    /// Built at first use: many requests need no secret.
    client: OnceLock<Client>,
}

/// The ARN of a secret: its name, account and region.
#[derive(Clone, Debug)]
pub(crate) struct SecretArn(String);

/// One secret with its cache.
pub(crate) struct ManagedSecret<T> {
    /// The variable's name for the log.
    variable: &'static str,
    manager: SecretsManager,
    arn: SecretArn,
    parse: Box<Parse<T>>,
    cache: Cache<T, SecretError>,
    /// The last secret that its recipient rejected.
    refused: Mutex<Option<Arc<T>>>,
}

type Parse<T> = dyn Fn(&str) -> Result<T, &'static str> + Send + Sync;

/// Reasons why a secret was not read. They contain nothing of the secret.
#[derive(Debug, thiserror::Error)]
enum SecretError {
    /// AWS did not respond, or refused.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The HTTP client cannot be built; no request was sent.
    #[error("the HTTP client cannot be built")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// The secret is binary or empty.
    #[error("the secret contains no text")]
    NoText,
    /// The secret does not have the required form.
    #[error("the secret's text {0}")]
    Unusable(&'static str),
}

impl SecretsManager {
    pub(crate) fn from_settings(settings: &mut Settings) -> Option<Self> {
        let connection = Connection::from_settings(settings, SERVICE)?;
        Some(Self(Arc::new(Endpoint { connection, client: OnceLock::new() })))
    }

    pub(crate) fn region(&self) -> &str {
        self.0.connection.region()
    }

    async fn read(&self, arn: &SecretArn) -> Result<SecretString, SecretError> {
        const OPERATION: &str = "GetSecretValue";
        let answer = self.client()?.get_secret_value().secret_id(&arn.0).send();
        let answer = time::timeout(CALL_TIMEOUT, answer)
            .await
            .map_err(|_| CallError::TimedOut(OPERATION))?
            .map_err(|error| CallError::of(OPERATION, error))?;
        answer.secret_string.map(SecretString::from).ok_or(SecretError::NoText)
    }

    fn client(&self) -> Result<&Client, SecretError> {
        let Endpoint { connection, client } = &*self.0;
        if let Some(client) = client.get() {
            return Ok(client);
        }
        let new = Client::new(&connection.sdk_config().map_err(SecretError::Client)?);
        Ok(client.get_or_init(|| new))
    }
}

impl SecretArn {
    /// Parses `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<_> = text.split(':').collect();
        let is_name = |name: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte);
            !name.is_empty() && name.bytes().all(allowed)
        };
        match parts[..] {
            ["arn", _, "secretsmanager", _, _, "secret", name] if is_name(name) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err("must be the ARN of a secret in Secrets Manager"),
        }
    }

    pub(crate) fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }
}

impl<T> ManagedSecret<T> {
    /// The secret `arn`, parsed by `parse`. Sends no request yet.
    pub(crate) fn new(
        variable: &'static str,
        manager: SecretsManager,
        arn: SecretArn,
        parse: impl Fn(&str) -> Result<T, &'static str> + Send + Sync + 'static,
    ) -> Self {
        let report = move |read: Result<(), &SecretError>| match read {
            Ok(()) => tracing::info!(
                event = LogEvent::SecretRefreshed.name(),
                variable,
                "a secret was read"
            ),
            Err(error) => {
                let error = error::chain(error);
                tracing::error!(
                    event = LogEvent::SecretUnavailable.name(),
                    variable,
                    error,
                    "no secret was read"
                );
            }
        };
        let cache = Cache::new(TERMS, report);
        Self { variable, manager, arn, parse: Box::new(parse), cache, refused: Mutex::default() }
    }

    fn is_refused(&self, secret: &Arc<T>) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.as_ref().is_some_and(|refused| Arc::ptr_eq(refused, secret))
    }

    async fn fetch(&self, now: Timestamp) -> Result<Fetched<T>, SecretError> {
        let text = self.manager.read(&self.arn).await?;
        let text = text.expose_secret().trim();
        if text.is_empty() {
            return Err(SecretError::Unusable("must not be empty"));
        }
        if matches!(serde_json::from_str(text), Ok(Value::Object(_))) {
            return Err(SecretError::Unusable("must be the secret itself, not a JSON object"));
        }
        let value = (self.parse)(text).map_err(SecretError::Unusable)?;
        Ok(Fetched { value, fetched_at: now })
    }

    fn unavailable(&self, reason: Arc<SecretError>) -> SecretUnavailable {
        SecretUnavailable { variable: self.variable, reason }
    }
}

#[async_trait]
impl<T: Send + Sync> SecretLocation<T> for ManagedSecret<T> {
    async fn current(&self, now: Timestamp) -> Result<Arc<T>, SecretUnavailable> {
        let current = self
            .cache
            .get(now, || self.fetch(now))
            .await
            .map_err(|error| self.unavailable(error))?;
        if !self.is_refused(&current) {
            return Ok(current);
        }
        Ok(self.newer_than(&current, now).await?.unwrap_or(current))
    }

    async fn newer_than(
        &self,
        seen: &Arc<T>,
        now: Timestamp,
    ) -> Result<Option<Arc<T>>, SecretUnavailable> {
        let newer = self.cache.newer_than(seen, now, || self.fetch(now)).await;
        newer.map_err(|error| self.unavailable(error))
    }

    fn refuse(&self, seen: &Arc<T>) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(seen));
    }
}

impl From<Elapsed> for SecretError {
    fn from(_: Elapsed) -> Self {
        Self::Call(CallError::TimedOut("GetSecretValue"))
    }
}

/// Shows the location only: the connection contains credentials.
impl fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretsManager").field(&self.region()).finish()
    }
}

impl<T> fmt::Debug for ManagedSecret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManagedSecret").field(&self.arn.0).finish()
    }
}

#[cfg(test)]
mod tests;
