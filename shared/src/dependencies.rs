//! The dependencies of a function: session store, identity provider and randomness.

use std::sync::Arc;

#[cfg(feature = "dynamodb")]
use crate::store::dynamodb::{DynamoConfig, DynamoStore};
use crate::{
    crypto::{random::Random, tls::Network},
    discovery::keys::Keys,
    provider::{HttpProvider, IdentityProvider, application::Application},
    session::{SessionLimits, Sessions},
    settings::Settings,
    store::{Store, memory::MemoryStore},
};

/// The two seams (session store and identity provider), the provider's keys and randomness.
#[derive(Clone, Debug)]
pub struct Dependencies {
    /// The store of sessions and documents.
    pub store: Arc<dyn Store>,
    /// The identity provider.
    pub provider: Arc<dyn IdentityProvider>,
    /// The provider's metadata and keys, cached.
    pub keys: Arc<Keys>,
    /// The source of random bytes.
    pub random: Random,
}

impl Dependencies {
    /// Builds the dependencies from the settings, such as `SESSION_STORE` and `AUTH_HOST`. Sends no
    /// request.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        Self::over(settings, Network::default())
    }

    /// As [`from_settings`](Self::from_settings), but reaches the provider over `network`, for
    /// local runs.
    pub fn over(settings: &mut Settings, network: Network) -> Option<Self> {
        let application = Application::from_settings(settings);
        let random = Random::system();
        let store = store(settings, &random);
        let issuer = application?.issuer;
        let provider: Arc<dyn IdentityProvider> =
            Arc::new(HttpProvider::over(issuer.clone(), network));
        let store = store?;
        let keys = Arc::new(Keys::new(Arc::clone(&provider), store.clone(), issuer));
        Some(Self { store, provider, keys, random })
    }

    /// The sessions in the store, within `limits`. All clones share one memory of pointers.
    pub fn sessions(&self, limits: SessionLimits) -> Sessions {
        Sessions::new(self.store.clone(), limits, self.random.clone())
    }
}

/// The kinds of session stores.
#[derive(Clone, Copy)]
enum StoreChoice {
    DynamoDb,
    Memory,
}

/// Reads `SESSION_STORE`. The default is `dynamodb` inside Lambda, and wherever `SESSION_TABLE` is
/// set.
///
/// Refuses `memory` inside Lambda: each instance would have separate sessions, and a logout would
/// end them in one instance only (R178).
fn store(settings: &mut Settings, random: &Random) -> Option<Arc<dyn Store>> {
    let inside_lambda = settings.inside_lambda();
    if inside_lambda || settings.is_set("SESSION_TABLE") {
        settings.assume("SESSION_STORE", "dynamodb");
    }
    let what = "must be `dynamodb`, or `memory`, which is for local runs";
    let choice = settings.required("SESSION_STORE", what, |text| match text {
        "dynamodb" => Ok(StoreChoice::DynamoDb),
        "memory" if inside_lambda => {
            Err("must not be `memory` inside Lambda: instances share no memory")
        }
        "memory" => Ok(StoreChoice::Memory),
        _ => Err("must be `dynamodb` or `memory`"),
    })?;
    match choice {
        StoreChoice::DynamoDb => dynamodb(settings, random),
        StoreChoice::Memory => Some(Arc::new(MemoryStore::default())),
    }
}

#[cfg(feature = "dynamodb")]
fn dynamodb(settings: &mut Settings, random: &Random) -> Option<Arc<dyn Store>> {
    let config = DynamoConfig::from_settings(settings)?;
    match DynamoStore::new(config, random.clone()) {
        Ok(store) => Some(Arc::new(store)),
        Err(error) => {
            settings.fault("SESSION_STORE", format_args!("cannot be `dynamodb`: {error}"));
            None
        }
    }
}

#[cfg(not(feature = "dynamodb"))]
fn dynamodb(settings: &mut Settings, _: &Random) -> Option<Arc<dyn Store>> {
    settings.fault("SESSION_STORE", "cannot be `dynamodb`: this program was built without it");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE_LAMBDA: (&str, &str) = ("LAMBDA_TASK_ROOT", "/var/task");
    #[cfg(feature = "dynamodb")]
    const TABLE: [(&str, &str); 4] = [
        ("SESSION_TABLE", "sessions"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ];

    fn choose(values: &[(&str, &str)]) -> Result<String, String> {
        let settings = Settings::from_values(values.iter().copied());
        let store = settings.read(|settings| store(settings, &Random::system()));
        store.map(|store| format!("{store:?}")).map_err(|error| error.to_string())
    }

    fn fault(variable: &str, expected: &str) -> Result<String, String> {
        Err(format!("the configuration cannot be used:\n  {variable} {expected}"))
    }

    #[test]
    fn the_memory_store_must_be_chosen_explicitly() {
        assert!(choose(&[("SESSION_STORE", "memory")]).unwrap().starts_with("MemoryStore"));
        assert_eq!(
            choose(&[]),
            fault(
                "SESSION_STORE",
                "is not set: must be `dynamodb`, or `memory`, which is for local runs"
            )
        );
        assert_eq!(
            choose(&[("SESSION_STORE", "redis")]),
            fault("SESSION_STORE", "must be `dynamodb` or `memory`")
        );
    }

    #[test]
    fn r178_memory_is_refused_inside_lambda() {
        assert_eq!(
            choose(&[INSIDE_LAMBDA, ("SESSION_STORE", "memory")]),
            fault("SESSION_STORE", "must not be `memory` inside Lambda: instances share no memory")
        );
    }

    #[cfg(feature = "dynamodb")]
    #[test]
    fn dynamodb_is_the_default_with_a_table_or_inside_lambda() {
        assert!(choose(&TABLE).unwrap().starts_with("DynamoStore"));
        assert!(choose(&[&TABLE[..], &[INSIDE_LAMBDA]].concat()).is_ok());
        assert_eq!(
            choose(&[&TABLE[1..], &[INSIDE_LAMBDA]].concat()),
            fault("SESSION_TABLE", "is not set: the table that keeps sessions")
        );
        let memory = choose(&[&TABLE[..], &[("SESSION_STORE", "memory")]].concat());
        assert!(memory.unwrap().starts_with("MemoryStore"));
    }

    /// An operator can then fix all of them at once.
    #[cfg(feature = "dynamodb")]
    #[test]
    fn faults_of_the_store_and_of_the_provider_are_reported_together() {
        let read = Settings::from_values([INSIDE_LAMBDA]).read(Dependencies::from_settings);
        let message = read.err().unwrap().to_string();
        for variable in ["AUTH_HOST", "CLIENT_ID", "SESSION_TABLE", "AWS_REGION"] {
            assert!(message.contains(&format!("\n  {variable} is not set")), "{message}");
        }
    }

    #[cfg(not(feature = "dynamodb"))]
    #[test]
    fn a_build_without_dynamodb_reports_it_as_missing() {
        assert_eq!(
            choose(&[INSIDE_LAMBDA]),
            fault("SESSION_STORE", "cannot be `dynamodb`: this program was built without it")
        );
    }
}
