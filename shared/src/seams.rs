//! What a function is plugged into: the session store and the identity provider.

use std::sync::Arc;

use crate::{
    application::Application,
    config::Settings,
    keys::Keys,
    provider::{HttpProvider, IdentityProvider},
    random::Random,
    store::{SessionStore, memory::MemoryStore},
};

/// The two seams, and randomness.
#[derive(Clone, Debug)]
pub struct Seams {
    /// Where sessions are kept.
    pub store: Arc<dyn SessionStore>,
    /// Who people log in with.
    pub provider: Arc<dyn IdentityProvider>,
    /// The provider's metadata and keys, cached.
    pub keys: Arc<Keys>,
    /// Where secrets come from.
    pub random: Random,
}

impl Seams {
    /// The seams that the settings name: `SESSION_STORE` and `AUTH_HOST`.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let application = Application::from_settings(settings);
        let store = store(settings);
        let issuer = application?.issuer;
        let provider: Arc<dyn IdentityProvider> = Arc::new(HttpProvider::new(issuer.clone()));
        let keys = Arc::new(Keys::new(Arc::clone(&provider), issuer));
        Some(Self { store: store?, provider, keys, random: Random::system() })
    }
}

/// Memory is refused inside Lambda: each instance would have sessions of its own, and a logout
/// would end them in one instance alone (R178).
fn store(settings: &mut Settings) -> Option<Arc<dyn SessionStore>> {
    let inside_lambda = settings.inside_lambda();
    settings.required("SESSION_STORE", "must be `memory`, which is for local runs", |text| {
        match text {
            "memory" if inside_lambda => {
                Err("must not be `memory` inside Lambda: instances share no memory")
            }
            "memory" => Ok(Arc::new(MemoryStore::default()) as Arc<dyn SessionStore>),
            _ => Err("must be `memory`"),
        }
    })
}
