//! A function that behaves as its path says, for tests of many requests in one process.

use std::{future::pending, process::ExitCode};

use async_trait::async_trait;
use shared::{
    clock::Timestamp,
    web::request::{Function, Request, RequestContext, Response},
};
use tokio::sync::Barrier;

/// The number of requests that wait for each other at `/meet`.
const COMPANY: usize = 8;

/// The state that all requests share.
struct Obedient {
    company: Barrier,
}

#[async_trait]
impl Function for Obedient {
    fn paths(&self) -> &'static [&'static str] {
        &["/", "/meet", "/never", "/panic"]
    }

    #[expect(clippy::panic, reason = "the path requests a panic")]
    async fn handle(&self, request: Request, _: Timestamp) -> Response {
        let id = RequestContext::of(&request).request_id;
        tracing::info!(event = "obedient.asked", own = id, "a request has come");
        match request.uri().path() {
            "/meet" => {
                self.company.wait().await;
            }
            "/never" => pending().await,
            "/panic" => panic!("the path requests a panic"),
            _ => {}
        }
        tracing::info!(event = "obedient.answers", own = id, "it is answered");
        let mut response = Response::new(id.into());
        let text = http::HeaderValue::from_static("text/plain");
        response.headers_mut().insert(http::header::CONTENT_TYPE, text);
        response
    }
}

fn main() -> ExitCode {
    gateway::run(env!("CARGO_CRATE_NAME"), async |_| {
        Some(Obedient { company: Barrier::new(COMPANY) })
    })
}
