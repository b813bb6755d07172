//! The configured secrets: from the environment in a local run, from AWS Secrets Manager inside Lambda.
//!
//! Everyone with access to a function's configuration or its template can read its environment
//! variables. So inside Lambda a variable may only contain the ARN of the secret (R179).

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::location::SecretLocation;
#[cfg(feature = "secrets-manager")]
use super::secrets_manager::{ManagedSecret, SecretArn, SecretsManager};
use crate::{clock::Timestamp, settings::Settings};

pub use super::location::{CLIENT_SECRET, SECRET_KEY, SecretUnavailable, SecretVariables};

/// The source of a function's secrets. Those in Secrets Manager share one connection.
#[derive(Debug)]
pub struct SecretSource {
    #[cfg(feature = "secrets-manager")]
    manager: Option<SecretsManager>,
}

/// A secret in the form that the function uses, such as a key: `T` is parsed from its text.
#[derive(Debug)]
pub struct StoredSecret<T>(Box<dyn SecretLocation<T>>);

/// A secret from the environment, which never changes.
struct Environment<T>(Arc<T>);

impl SecretSource {
    /// Reads the connection to Secrets Manager if a variable contains the ARN of a secret:
    /// `AWS_REGION`, the credentials, and `AWS_ENDPOINT_URL_SECRETS_MANAGER` or else
    /// `AWS_ENDPOINT_URL`.
    pub fn from_settings(settings: &mut Settings) -> Self {
        #[cfg(not(feature = "secrets-manager"))]
        let _ = settings;
        Self {
            #[cfg(feature = "secrets-manager")]
            manager: [CLIENT_SECRET, SECRET_KEY]
                .iter()
                .any(|secret| settings.is_set(secret.arn))
                .then(|| SecretsManager::from_settings(settings))
                .flatten(),
        }
    }

    /// The secret of `variables`. It is a fault to set both variables, or to set the secret itself
    /// inside Lambda. `what` describes the secret in a fault, `parse` parses it.
    ///
    /// Sends no request to Secrets Manager yet.
    pub fn secret<T: Send + Sync + 'static>(
        &self,
        settings: &mut Settings,
        variables: SecretVariables,
        what: &str,
        parse: impl Fn(&str) -> Result<T, &'static str> + Send + Sync + 'static,
    ) -> Option<StoredSecret<T>> {
        let SecretVariables { plain, arn } = variables;
        let place = match (settings.is_set(plain), settings.is_set(arn)) {
            (false, true) => return self.managed(settings, variables, parse),
            (true, true) => Err((arn, format!("must not be set beside {plain}"))),
            (true, false) if settings.inside_lambda() => Err((
                plain,
                format!("must not be set inside Lambda: let {arn} name it in Secrets Manager"),
            )),
            (false, false) if settings.inside_lambda() => {
                Err((arn, format!("is not set: the secret in Secrets Manager that is {plain}")))
            }
            (_, false) => Ok(()),
        };
        match place {
            Ok(()) => {
                let secret = settings.required(plain, what, parse)?;
                Some(StoredSecret(Box::new(Environment(Arc::new(secret)))))
            }
            Err((variable, expected)) => {
                settings.fault(variable, expected);
                None
            }
        }
    }

    #[cfg(feature = "secrets-manager")]
    fn managed<T: Send + Sync + 'static>(
        &self,
        settings: &mut Settings,
        variables: SecretVariables,
        parse: impl Fn(&str) -> Result<T, &'static str> + Send + Sync + 'static,
    ) -> Option<StoredSecret<T>> {
        let arn = settings.required(variables.arn, "a secret's ARN", SecretArn::parse)?;
        let manager = self.manager.clone()?;
        if arn.region() != manager.region() {
            settings.fault(variables.arn, "must be a secret in AWS_REGION");
            return None;
        }
        Some(StoredSecret(Box::new(ManagedSecret::new(variables.arn, manager, arn, parse))))
    }

    #[cfg(not(feature = "secrets-manager"))]
    fn managed<T: Send + Sync + 'static>(
        &self,
        settings: &mut Settings,
        variables: SecretVariables,
        _: impl Fn(&str) -> Result<T, &'static str> + Send + Sync + 'static,
    ) -> Option<StoredSecret<T>> {
        let expected = "cannot be used: this program was built without Secrets Manager";
        settings.fault(variables.arn, format_args!("{expected}, set {}", variables.plain));
        None
    }
}

impl<T> StoredSecret<T> {
    /// The current secret. Fetches it if it was never fetched or is too old.
    ///
    /// # Errors
    ///
    /// When no secret is young enough and none can be fetched.
    pub async fn current(&self, now: Timestamp) -> Result<Arc<T>, SecretUnavailable> {
        self.0.current(now).await
    }

    /// Fetches a newer secret after `seen` was rejected. `None` if there is none: a secret from the
    /// environment never changes, and Secrets Manager is not queried for every rejection.
    ///
    /// # Errors
    ///
    /// When it is unknown whether there is a newer secret.
    pub async fn newer_than(
        &self,
        seen: &Arc<T>,
        now: Timestamp,
    ) -> Result<Option<Arc<T>>, SecretUnavailable> {
        self.0.newer_than(seen, now).await
    }

    /// Records that its recipient rejected `seen`, so that the next [`current`](Self::current) requests
    /// a newer secret.
    pub fn refuse(&self, seen: &Arc<T>) {
        self.0.refuse(seen);
    }
}

#[async_trait]
impl<T: Send + Sync> SecretLocation<T> for Environment<T> {
    async fn current(&self, _: Timestamp) -> Result<Arc<T>, SecretUnavailable> {
        Ok(Arc::clone(&self.0))
    }

    async fn newer_than(
        &self,
        _: &Arc<T>,
        _: Timestamp,
    ) -> Result<Option<Arc<T>>, SecretUnavailable> {
        Ok(None)
    }

    fn refuse(&self, _: &Arc<T>) {}
}

/// Shows nothing of the secret.
impl<T> fmt::Debug for Environment<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE_LAMBDA: (&str, &str) = ("LAMBDA_TASK_ROOT", "/var/task");

    fn read(values: &[(&str, &str)]) -> Result<StoredSecret<String>, String> {
        let secret = Settings::from_values(values.iter().copied()).read(|settings| {
            let secrets = SecretSource::from_settings(settings);
            secrets.secret(settings, SECRET_KEY, "a word", |text| {
                if text == "hunter2" { Err("must be another word") } else { Ok(text.to_owned()) }
            })
        });
        secret.map_err(|error| error.to_string())
    }

    fn fault(variable: &str, expected: &str) -> String {
        format!("the configuration cannot be used:\n  {variable} {expected}")
    }

    #[tokio::test]
    async fn a_secret_from_the_environment_never_changes() {
        let secret = read(&[("SECRET_KEY", "word")]).unwrap();
        let now = Timestamp::from_unix(1_800_000_000);
        let word = secret.current(now).await.unwrap();
        secret.refuse(&word);
        assert_eq!(secret.current(now).await.unwrap(), word);
        assert_eq!(secret.newer_than(&word, now).await.unwrap(), None);
    }

    #[test]
    fn outside_lambda_the_plain_variable_is_required() {
        assert_eq!(read(&[]).unwrap_err(), fault("SECRET_KEY", "is not set: a word"));
        let message = read(&[("SECRET_KEY", "hunter2")]).unwrap_err();
        assert_eq!(message, fault("SECRET_KEY", "must be another word"));
    }

    /// Everyone with access to a function's configuration could read it.
    #[test]
    fn r179_inside_lambda_a_variable_with_the_secret_itself_is_refused() {
        assert_eq!(
            read(&[INSIDE_LAMBDA, ("SECRET_KEY", "word")]).unwrap_err(),
            fault(
                "SECRET_KEY",
                "must not be set inside Lambda: let SECRET_KEY_ARN name it in Secrets Manager"
            )
        );
        assert_eq!(
            read(&[INSIDE_LAMBDA]).unwrap_err(),
            fault("SECRET_KEY_ARN", "is not set: the secret in Secrets Manager that is SECRET_KEY")
        );
        let both = read(&[INSIDE_LAMBDA, ("SECRET_KEY", "word"), ("SECRET_KEY_ARN", "arn")]);
        let expected = "\n  SECRET_KEY_ARN must not be set beside SECRET_KEY";
        assert!(both.unwrap_err().contains(expected));
    }

    #[cfg(not(feature = "secrets-manager"))]
    #[test]
    fn a_build_without_secrets_manager_reports_it() {
        assert_eq!(
            read(&[("SECRET_KEY_ARN", "arn")]).unwrap_err(),
            fault(
                "SECRET_KEY_ARN",
                "cannot be used: this program was built without Secrets Manager, set SECRET_KEY"
            )
        );
    }

    #[test]
    fn r179_debug_output_hides_the_secret() {
        let shown = format!("{:?}", read(&[("SECRET_KEY", "swordfish")]).unwrap());
        assert_eq!(shown, "StoredSecret(Environment)");
    }
}
