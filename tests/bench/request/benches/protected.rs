//! The time and allocations of one request to `/protected`, from `http` request to `http` response:
//! `cargo bench --package request`.
//!
//! It uses the memory store, so that only our own work is measured. The allocations of a warm request
//! are the same each time.
#![expect(clippy::expect_used, reason = "a benchmark that cannot go on says so")]

use std::sync::Arc;

use divan::{AllocProfiler, Bencher, black_box};
use http::{HeaderName, header};
use protected::Protected;
use serde_json::json;
use shared::{
    clock::Timestamp,
    crypto::{
        random::Random,
        secret::{Digest, SessionSecret},
    },
    dependencies::Dependencies,
    discovery::keys::Keys,
    guard::{GuardConfig, Guarded},
    session::SessionContents,
    settings::Settings,
    store::{Owner, Store, memory::MemoryStore},
    testing::{
        provider::FakeProvider,
        tokens::{TEST_KEY, key_set_document},
    },
    web::request::{Function, Request},
};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const CLIENT_ID: &str = "client-0123456789abcdefghijklmnop";

fn main() {
    divan::main();
}

/// With a token that the process has seen before.
#[divan::bench]
fn by_token(bencher: Bencher<'_, '_>) {
    let site = Site::new();
    let token = format!("Bearer {}", site.token);
    site.ask(request(header::AUTHORIZATION, &token), 200);
    bencher
        .with_inputs(|| request(header::AUTHORIZATION, &token))
        .bench_local_values(|request| site.ask(request, 200));
}

#[divan::bench]
fn by_cookie(bencher: Bencher<'_, '_>) {
    let site = Site::new();
    let cookie = format!("__Host-session={}", site.secret.expose());
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
    token: String,
    secret: SessionSecret,
}

impl Site {
    fn new() -> Self {
        let mut settings = Settings::from_values([
            ("AUTH_HOST", "tenant.eu.auth0.com"),
            ("BASE_URL", "https://api.example.com"),
            ("CLIENT_ID", CLIENT_ID),
        ]);
        let config = GuardConfig::from_settings(&mut settings).expect("the settings are complete");
        let issuer = config.application.issuer.clone();
        let provider = Arc::new(FakeProvider::new(issuer.clone()));
        provider.set_key_set(Some(key_set_document(&[&TEST_KEY])));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let asked = Arc::<FakeProvider>::clone(&provider);
        let dependencies = Dependencies {
            keys: Arc::new(Keys::new(asked, store.clone(), issuer.clone())),
            store,
            provider,
            random: Random::system(),
        };

        let user = json!({
            "sub": "auth0|ada",
            "name": "Ada Lovelace",
            "nickname": "ada",
            "picture": "https://lh3.googleusercontent.com/a/ACg8ocKxQqvG7z5mB2f6yT9wLr3dN1eS=s96-c",
            "updated_at": "2027-01-15T08:00:00.000Z",
            "email": "ada@example.com",
            "email_verified": true,
        });
        let mut claims = user.clone();
        claims["iss"] = issuer.as_str().into();
        claims["aud"] = CLIENT_ID.into();
        claims["iat"] = NOW.as_unix().into();
        claims["exp"] = (NOW.as_unix() + 36_000).into();
        let token = TEST_KEY.sign(&claims);
        let contents = SessionContents {
            user: user.as_object().expect("it is an object").clone(),
            api_claims: Default::default(),
            authentication: Default::default(),
            id_token: token.clone().into(),
            api_key: token.clone().into(),
            api_key_expires_at: Timestamp::from_unix(NOW.as_unix() + 36_000),
            provider_session: None,
            scopes: ["openid", "profile", "email"].map(str::to_owned).into(),
        };
        let owner = Owner { subject: Digest::of("ada"), provider_session: None, issued_at: NOW };
        let runtime =
            Builder::new_current_thread().enable_time().build().expect("a runtime can be built");
        let sessions = dependencies.sessions(config.limits);
        let begun = runtime.block_on(sessions.begin(owner, &contents, None, NOW));
        let (secret, _) = begun.expect("the store has room");
        Self { runtime, function: Guarded::new(Protected, config, &dependencies), token, secret }
    }

    fn ask(&self, request: Request, status: u16) {
        let response = self.runtime.block_on(self.function.handle(request, NOW));
        assert_eq!(response.status(), status);
        black_box(response);
    }
}

fn request(name: HeaderName, value: &str) -> Request {
    let request = http::Request::builder().uri("/protected").header(name, value);
    request.body(bytes::Bytes::new()).expect("it is a request")
}
