//! The time and allocations of one request to `/protected`, from `http` request to `http` response:
//! `cargo bench --package request`.
//!
//! It uses the memory store, so that only our own work is measured. The allocations of a warm request
//! are the same each time.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on says so")]

use divan::{AllocProfiler, Bencher, black_box};
use http::{HeaderName, Method, header};
use protected::Protected;
use serde_json::json;
use shared::{
    clock::Timestamp,
    guard::Guarded,
    web::request::{Function, Request},
};
use testkit::{Api, Caller};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// With a token that the process has seen before.
#[divan::bench]
fn by_token(bencher: Bencher<'_, '_>) {
    let site = Site::new();
    let request = || site.ada.request(Method::GET, "/protected");
    site.ask(request(), 200);
    bencher.with_inputs(request).bench_local_values(|request| site.ask(request, 200));
}

#[divan::bench]
fn by_cookie(bencher: Bencher<'_, '_>) {
    let site = Site::new();
    let cookie = site.ada.cookie().expect("a session");
    bencher
        .with_inputs(|| request(header::COOKIE, &cookie))
        .bench_local_values(|request| site.ask(request, 200));
}

/// Without credentials; the request is rejected.
#[divan::bench]
fn refused(bencher: Bencher<'_, '_>) {
    let site = Site::new();
    bencher
        .with_inputs(|| request(header::ACCEPT, "*/*"))
        .bench_local_values(|request| site.ask(request, 401));
}

/// The function and a logged-in user.
struct Site {
    runtime: Runtime,
    function: Guarded<Protected>,
    ada: Caller,
    now: Timestamp,
}

impl Site {
    fn new() -> Self {
        // The API key is an ID token.
        let api = Api::with_settings(&[("AUDIENCE", "")]);
        let ada = api.person("auth0|ada").scopes(&["openid", "profile", "email"]).claims(&json!({
            "name": "Ada Lovelace",
            "nickname": "ada",
            "picture": "https://lh3.googleusercontent.com/a/ACg8ocKxQqvG7z5mB2f6yT9wLr3dN1eS=s96-c",
            "updated_at": "2027-01-15T08:00:00.000Z",
            "email": "ada@example.com",
            "email_verified": true,
        }));
        let runtime =
            Builder::new_current_thread().enable_time().build().expect("a runtime can be built");
        let ada = runtime.block_on(ada.log_in());
        let function = Guarded::new(Protected, api.config(), api.dependencies());
        Self { runtime, function, ada, now: api.now() }
    }

    fn ask(&self, request: Request, status: u16) {
        let response = self.runtime.block_on(self.function.handle(request, self.now));
        assert_eq!(response.status(), status);
        black_box(response);
    }
}

fn request(name: HeaderName, value: &str) -> Request {
    let request = http::Request::builder().uri("/protected").header(name, value);
    request.body(bytes::Bytes::new()).expect("it is a request")
}
