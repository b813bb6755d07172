//! A function that answers whoever the [`Guard`] lets in: all of it but what it answers.
//!
//! People copy such a function for code of their own, so it gets the least rights of all: a defect in it
//! must not be able to publish a signing key. Its policy lets it read the provider's documents in the
//! store and write none, and so does [`Keys::reader`](crate::keys::Keys::reader) (R205).

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use http::Method;

use super::{Guard, GuardConfig, Principal, Rules};
use crate::{
    clock::Timestamp,
    config::Settings,
    origin::AllowedOrigins,
    request::{Function, Request, Response},
    respond::Responder,
    seams::Seams,
};

/// What a protected function says of itself. All else is done by [`Guarded`].
#[async_trait]
pub trait ProtectedFunction: Send + Sync {
    /// Where it is served.
    const PATH: &'static str;

    /// The methods that it answers, as they stand in `Allow` (RFC 9110 §10.2.1). `OPTIONS` is
    /// answered for it: that is a browser's preflight, which has no credential (R154).
    const METHODS: &'static str = "GET, HEAD, OPTIONS";

    /// What is asked beyond a good credential with a live session.
    const RULES: Rules<'static>;

    /// Answers `request`, of one of [`METHODS`](Self::METHODS), which `principal` sent.
    async fn answer(
        &self,
        principal: &Principal,
        request: &Request,
        responder: &Responder,
    ) -> Response;
}

/// A protected function behind its [`Guard`]: methods, preflights, CORS and refusals, all in JSON.
pub struct Guarded<P> {
    protected: P,
    guard: Guard,
    origins: AllowedOrigins,
    responder: Responder,
}

impl<P: ProtectedFunction> Guarded<P> {
    /// `protected` with what the settings say.
    pub fn from_settings(protected: P, settings: &mut Settings) -> Option<Self> {
        let (config, seams) =
            (GuardConfig::from_settings(settings), Seams::from_settings(settings));
        Some(Self::new(protected, config?, &seams?))
    }

    /// `protected` with `config`, plugged into `seams`.
    pub fn new(protected: P, config: GuardConfig, seams: &Seams) -> Self {
        let seams = Seams { keys: Arc::new(seams.keys.reader()), ..seams.clone() };
        Self {
            protected,
            origins: config.origins.clone(),
            responder: Responder::new(&config.application.issuer, &config.base_url, &seams.random)
                .json_only(),
            guard: Guard::new(config, &seams),
        }
    }
}

#[async_trait]
impl<P: ProtectedFunction> Function for Guarded<P> {
    fn paths(&self) -> &'static [&'static str] {
        const { &[P::PATH] }
    }

    async fn handle(&self, request: Request, now: Timestamp) -> Response {
        let responder = &self.responder;
        let is_allowed = P::METHODS.split(", ").any(|method| request.method().as_str() == method);
        let mut response = if request.uri().path() != P::PATH {
            responder.not_found(&request)
        } else if request.method() == Method::OPTIONS {
            return self.origins.preflight(&request, responder, P::METHODS);
        } else if !is_allowed {
            responder.method_not_allowed(&request, P::METHODS)
        } else {
            match self.guard.authenticate(&request, &P::RULES, now).await {
                Ok(principal) => self.protected.answer(&principal, &request, responder).await,
                Err(refusal) => responder.failure(&request, &refusal),
            }
        };
        self.origins.share(&request, &mut response);
        response
    }
}

impl<P: fmt::Debug> fmt::Debug for Guarded<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("protected", &self.protected).finish_non_exhaustive()
    }
}
