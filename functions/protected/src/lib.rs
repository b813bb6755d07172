//! `GET /protected`: the user's claims, for whoever sends a good token whose session lives.
//!
//! This is the function to copy for one's own API: change [`PATHS`], [`RULES`] and what
//! [`Protected::answer`] makes of the principal.

use http::{Method, StatusCode};
use shared::{
    clock::Timestamp,
    guard::{Guard, GuardConfig, Principal, Rules},
    origin::AllowedOrigins,
    request::{Request, Response},
    respond::Responder,
    seams::Seams,
};

/// The path that this function serves.
pub const PATHS: [&str; 1] = ["/protected"];

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
            responder: Responder::new(
                config.application.issuer.clone(),
                config.base_url.clone(),
                seams.random.clone(),
            )
            .json_only(),
            guard: Guard::new(config, seams),
        }
    }

    /// Answers `request`, whatever it is, and always by JSON.
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response {
        let responder = &self.responder;
        let mut response = match (request.uri().path(), request.method()) {
            ("/protected", &Method::GET | &Method::HEAD) => {
                match self.guard.authenticate(&request, &RULES, now).await {
                    Ok(principal) => self.answer(&principal),
                    Err(refusal) => responder.failure(&request, &refusal),
                }
            }
            ("/protected", &Method::OPTIONS) => {
                return self.origins.preflight(&request, responder, ALLOW);
            }
            ("/protected", _) => responder.method_not_allowed(&request, ALLOW),
            _ => responder.not_found(&request),
        };
        self.origins.share(&request, &mut response);
        response
    }

    fn answer(&self, principal: &Principal) -> Response {
        self.responder.json(StatusCode::OK, &principal.user)
    }
}

const ALLOW: &str = "GET, HEAD, OPTIONS";
