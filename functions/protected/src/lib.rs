//! `GET /protected`: the user's claims, for whoever sends a good token whose session lives.
//!
//! This is the function to copy for one's own API: change `PATH`, `RULES` and what `answer` makes
//! of the principal.

use async_trait::async_trait;
use http::StatusCode;
use shared::{
    guard::{Principal, ProtectedFunction, Rules},
    pages::respond::Responder,
    web::request::{Request, Response},
};

/// The function. What its answers need, a client of a table say, is a field of it.
#[derive(Debug)]
pub struct Protected;

#[async_trait]
impl ProtectedFunction for Protected {
    const PATH: &'static str = "/protected";
    const RULES: Rules<'static> = Rules { scopes: &[], claims: &[], person: false };

    async fn answer(&self, who: &Principal, _: &Request, responder: &Responder) -> Response {
        responder.json(StatusCode::OK, &who.user)
    }
}
