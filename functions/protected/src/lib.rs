//! `GET /protected`: returns the user's claims to a caller with a valid token and a live session.
//!
//! `local/new-function` copies it for your own API.

use async_trait::async_trait;
use http::StatusCode;
use shared::{
    guard::{Principal, ProtectedFunction, Rules},
    pages::respond::Responder,
    web::request::{Request, Response},
};

/// The function. Add fields for what `answer` needs, for example a database client.
#[derive(Debug)]
pub struct Protected;

#[async_trait]
impl ProtectedFunction for Protected {
    const PATH: &'static str = "/protected";
    const RULES: Rules<'static> = Rules::NONE;

    async fn answer(&self, who: &Principal, _: &Request, responder: &Responder) -> Response {
        responder.json(StatusCode::OK, &who.user)
    }
}
