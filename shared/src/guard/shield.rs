//! A [`Guard`] with its answers, for functions that people copy or write: all in JSON.
//!
//! A bug in such a function must not be able to publish a signing key, so it has the fewest rights. Its
//! policy allows it to read the provider's documents in the store, but not to write them.
//! [`Keys::reader`](crate::discovery::keys::Keys::reader) keeps to the same limit (R205).

use std::sync::Arc;

use super::{Guard, GuardConfig, Refusal, resource::ProtectedResource};
use crate::{
    dependencies::Dependencies,
    pages::respond::Responder,
    settings::Settings,
    web::{
        cors::AllowedOrigins,
        error::Failure as _,
        request::{Request, Response},
    },
};

/// The guard, the origins that may call it, and the responder.
pub(super) struct Shield {
    pub(super) guard: Guard,
    pub(super) origins: AllowedOrigins,
    pub(super) responder: Responder,
}

impl Shield {
    /// Reads the settings of a guarded function.
    pub(super) fn from_settings(settings: &mut Settings) -> Option<Self> {
        let (config, dependencies) =
            (GuardConfig::from_settings(settings), Dependencies::from_settings(settings));
        Some(Self::new(config?, &dependencies?))
    }

    pub(super) fn new(config: GuardConfig, dependencies: &Dependencies) -> Self {
        let dependencies =
            Dependencies { keys: Arc::new(dependencies.keys.reader()), ..dependencies.clone() };
        let issuer = &config.application.issuer;
        Self {
            origins: config.origins.clone(),
            responder: Responder::new(issuer, &config.base_url, &dependencies.random).json_only(),
            guard: Guard::new(config, &dependencies),
        }
    }

    /// Refuses `request`. The challenge names the metadata of this API, if there is some (RFC 9728
    /// §5.1).
    pub(super) fn refuse(&self, request: &Request, refusal: &Refusal) -> Response {
        let mut public = refusal.public();
        let GuardConfig { application, base_url, .. } = &self.guard.config;
        if let Ok(origin) = base_url.resolve(request)
            && let Some(resource) = ProtectedResource::of(application, &origin)
        {
            resource.point_out(&mut public);
        }
        self.responder.refuse(request, refusal, &public)
    }
}
