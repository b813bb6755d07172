//! `GET /protected`: the user's claims, for whoever sends a good token whose session lives.
//!
//! This is the function to copy for one's own API: change `PATH`, `RULES` and what
//! `answer` makes of the principal.

use async_trait::async_trait;
use http::{Method, StatusCode};
use shared::{
    clock::Timestamp,
    guard::{Guard, GuardConfig, Principal, Rules},
    origin::AllowedOrigins,
    request::{Function, Request, Response},
    respond::Responder,
    seams::Seams,
};

/// Where it is served.
const PATH: &str = "/protected";

/// What is asked beyond a good token with a live session.
const RULES: Rules = Rules { scopes: &[], claims: &[], person: false };

/// The function.
#[derive(Debug)]
pub struct Protected {
    guard: Guard,
    origins: AllowedOrigins,
    responder: Responder,
}

impl Protected {
    /// The function with `config`, plugged into `seams`.
    pub fn new(config: GuardConfig, seams: &Seams) -> Self {
        Self {
            origins: config.origins.clone(),
            responder: Responder::new(&config.application.issuer, &config.base_url, &seams.random)
                .json_only(),
            guard: Guard::new(config, seams),
        }
    }

    fn answer(&self, principal: &Principal) -> Response {
        self.responder.json(StatusCode::OK, &principal.user)
    }
}

#[async_trait]
impl Function for Protected {
    fn paths(&self) -> &'static [&'static str] {
        &[PATH]
    }

    async fn handle(&self, request: Request, now: Timestamp) -> Response {
        let responder = &self.responder;
        let mut response = match (request.uri().path(), request.method()) {
            (PATH, &Method::GET | &Method::HEAD) => {
                match self.guard.authenticate(&request, &RULES, now).await {
                    Ok(principal) => self.answer(&principal),
                    Err(refusal) => responder.failure(&request, &refusal),
                }
            }
            (PATH, &Method::OPTIONS) => {
                return self.origins.preflight(&request, responder, ALLOW);
            }
            (PATH, _) => responder.method_not_allowed(&request, ALLOW),
            _ => responder.not_found(&request),
        };
        self.origins.share(&request, &mut response);
        response
    }
}

const ALLOW: &str = "GET, HEAD, OPTIONS";
