//! Secrets in AWS Secrets Manager, read when they are first needed and remembered for minutes.
//!
//! - Nothing is asked at the start: the page that most people see first needs no secret.
//! - A secret younger than [`SOFT_AGE`] is used as it is, so that a rotation is honoured within
//!   that time without anyone's doing.
//! - An older one is read anew; while that fails, the last good one serves up to [`HARD_AGE`].
//!   Then the request is answered with 503, and so is every other until one read succeeds.
//! - Whoever finds that a secret does not do has it read anew at once, but only once per
//!   [`COOL_DOWN`]: anybody can send a cookie that opens under no key.
//!
//! The text is used as it stands, without white space around it; a JSON object, which the console
//! makes of key/value pairs, is refused.
//!
//! What a function must be allowed to do: `secretsmanager:GetSecretValue` on the ARN that its
//! variable names, and `kms:Decrypt` where the secret is encrypted under a key other than
//! `aws/secretsmanager`.

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

use crate::{
    aws::{CALL_TIMEOUT, CallError, Connection, Service},
    cache::{Cache, Fetched, Terms},
    clock::Timestamp,
    secrets::stored_secret::{Place, SecretUnavailable},
    settings::Settings,
    web::error,
};

/// The age from which a secret is read anew.
pub const SOFT_AGE: Duration = Duration::from_secs(5 * 60);

/// The age at which a secret is used no more.
pub const HARD_AGE: Duration = Duration::from_secs(60 * 60);

/// How long a failure is remembered before Secrets Manager is asked again.
pub const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// How long one request waits for a newer secret while the old one is still good.
pub const REFRESH_PATIENCE: Duration = Duration::from_secs(2);

/// How long after a read for a secret that did not do the next such read may be.
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

/// The region's Secrets Manager. All clones share one client.
#[derive(Clone)]
pub(crate) struct SecretsManager(Arc<Endpoint>);

struct Endpoint {
    connection: Connection,
    /// Built when first used: many requests need no secret.
    client: OnceLock<Client>,
}

/// The name of a secret in Secrets Manager: which one, whose, and where.
#[derive(Clone, Debug)]
pub(crate) struct SecretArn(String);

/// One secret, and what is known of it.
pub(crate) struct ManagedSecret<T> {
    /// Names it in the log.
    variable: &'static str,
    manager: SecretsManager,
    arn: SecretArn,
    parse: Box<Parse<T>>,
    cache: Cache<T, SecretError>,
    /// The last one that was refused by whom it was shown to.
    refused: Mutex<Option<Arc<T>>>,
}

type Parse<T> = dyn Fn(&str) -> Result<T, &'static str> + Send + Sync;

/// Why a secret was not read. It shows nothing of it.
#[derive(Debug, thiserror::Error)]
enum SecretError {
    /// No answer, or a refusal.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The HTTP client cannot be built; nothing was sent.
    #[error("the HTTP client cannot be built")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// It holds bytes, or nothing.
    #[error("the secret contains no text")]
    NoText,
    /// It is not what it must be.
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
    /// Reads `arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME`.
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
    /// The secret `arn`, as `parse` reads it. Nothing is asked yet.
    pub(crate) fn new(
        variable: &'static str,
        manager: SecretsManager,
        arn: SecretArn,
        parse: impl Fn(&str) -> Result<T, &'static str> + Send + Sync + 'static,
    ) -> Self {
        let report = move |read: Result<(), &SecretError>| match read {
            Ok(()) => tracing::info!(event = "secret.refreshed", variable, "a secret was read"),
            Err(error) => {
                let error = error::chain(error);
                tracing::error!(
                    event = "secret.unavailable",
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
impl<T: Send + Sync> Place<T> for ManagedSecret<T> {
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

/// Where, and nothing else: the connection holds credentials.
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
