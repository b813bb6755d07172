//! Measures the duration and the allocations of the parts of a request: `cargo bench --package shared
//! --features testing --bench pieces`.
//!
//! It uses the memory store, so that only our own code is measured.
#![expect(clippy::expect_used, reason = "a benchmark panics if it fails")]

use std::sync::{Arc, LazyLock};

use divan::{AllocProfiler, Bencher, black_box};
use http::{HeaderMap, Method, header};
use serde_json::{Map, Value, json};
use shared::{
    clock::Timestamp,
    crypto::{random::Random, seal::SealingKey, secret::SessionSecret},
    discovery::keys::Keys,
    guard::{Guard, Rules},
    issuer::Issuer,
    jwt::{Expected, TokenKind},
    pages::{Branding, Frame, Key, KeyPage, LoginMethodLink, LoginPage, Nonce, User},
    provider::login_method::LoginMethodKind,
    session::SessionContents,
    store::memory::MemoryStore,
    testing::{
        provider::FakeProvider,
        tokens::{TEST_KEY, TestKey, key_set_document},
    },
    texts::Language,
    web::{
        base_url::BaseUrl,
        cookie::{CookieJar, RequestCookies, SessionCookie},
        request::Request,
    },
};
use testkit::{Api, Caller};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const CLIENT_ID: &str = "client-0123456789abcdefghijklmnop";

static ISSUER: LazyLock<Issuer> =
    LazyLock::new(|| Issuer::parse("tenant.eu.auth0.com").expect("it is a host"));
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread().enable_time().build().expect("the runtime starts")
});

fn main() {
    divan::main();
}

/// Verifies a token with cached keys.
#[divan::bench(args = ["RS256", "ES256", "EdDSA"])]
fn verify_token(bencher: Bencher<'_, '_>, algorithm: &str) {
    let key = match algorithm {
        "ES256" => TestKey::p256("key"),
        "EdDSA" => TestKey::ed25519("key"),
        _ => TestKey::rsa("key"),
    };
    let (keys, token) = (keys(&key), key.sign(&claims("auth0|ada")));
    verify(&keys, &token);
    bencher.bench_local(|| verify(&keys, black_box(&token)));
}

#[divan::bench]
fn seal_contents(bencher: Bencher<'_, '_>) {
    let (key, random) = (SealingKey::new([7; 32], "session contents"), Random::system());
    let plaintext = serde_json::to_vec(&contents("token")).expect("contents are JSON");
    bencher.bench_local(|| key.seal(black_box(&plaintext), b"a row", &random));
}

#[divan::bench]
fn open_contents(bencher: Bencher<'_, '_>) {
    let key = SealingKey::new([7; 32], "session contents");
    let plaintext = serde_json::to_vec(&contents("token")).expect("contents are JSON");
    let sealed = key.seal(&plaintext, b"a row", &Random::system());
    bencher.bench_local(|| key.open(black_box(&sealed), b"a row").expect("it opens"));
}

#[divan::bench]
fn parse_contents(bencher: Bencher<'_, '_>) {
    let text = serde_json::to_vec(&contents("token")).expect("contents are JSON");
    bencher.bench_local(|| {
        serde_json::from_slice::<SessionContents>(black_box(&text)).expect("contents are JSON")
    });
}

#[divan::bench]
fn parse_cookies(bencher: Bencher<'_, '_>) {
    let secret = SessionSecret::generate(&Random::system()).expose();
    let text =
        format!("__Host-login.4f2a={secret}; theme=dark; _ga=GA1.1.12.34; __Host-session={secret}");
    let mut headers = HeaderMap::new();
    headers.insert(header::COOKIE, text.parse().expect("a header"));
    let jar = CookieJar::new(&BaseUrl::Gateway);
    bencher.bench_local(|| {
        let found = jar.session(&RequestCookies::of(black_box(&headers)));
        assert!(matches!(found, SessionCookie::Present(_)));
    });
}

#[divan::bench]
fn render_login_page(bencher: Bencher<'_, '_>) {
    let (nonce, branding) = (Nonce::new(&Random::system()), Branding::default());
    let frame = Frame { nonce: &nonce, texts: Language::English.texts(), branding: &branding };
    let strategies = ["google-oauth2", "github", "apple", "windowslive", "auth0"];
    let methods = strategies.map(|strategy| LoginMethodLink {
        href: "/login?connection=connection",
        label: strategy,
        kind: LoginMethodKind::Social,
        strategy,
    });
    bencher.bench_local(|| {
        let page = LoginPage {
            frame,
            methods: black_box(&methods),
            plain_href: "/login",
            provider: None,
            tenant: "tenant.eu.auth0.com",
            development: false,
            organization: None,
            asks_organization: false,
        };
        page.render()
    });
}

#[divan::bench]
fn render_key_page(bencher: Bencher<'_, '_>) {
    let (nonce, branding) = (Nonce::new(&Random::system()), Branding::default());
    let frame = Frame { nonce: &nonce, texts: Language::English.texts(), branding: &branding };
    let token = TEST_KEY.sign(&claims("auth0|ada"));
    let text = serde_json::to_string_pretty(&claims("auth0|ada")).expect("claims are JSON");
    bencher.bench_local(|| {
        let key = Key {
            token: black_box(&token),
            header: "{\n  \"alg\": \"RS256\"\n}",
            claims: &text,
            expires_at: NOW,
        };
        let user = User {
            subject: "auth0|ada",
            name: Some("Ada Lovelace"),
            email: Some("ada@example.com"),
            email_verified: true,
            picture: None,
            organization: None,
        };
        let page = KeyPage {
            frame,
            key: Some(key),
            key_is_too_long: false,
            user,
            protected_url: "https://api.example.com/protected",
            step_up_href: None,
            switch_href: None,
            session_ends_at: NOW,
            renews_at: None,
            now: NOW,
        };
        page.render()
    });
}

/// A request with a token that was already used.
#[divan::bench]
fn guard_by_token(bencher: Bencher<'_, '_>) {
    let site = Site::new();
    let request = site.ada.request(Method::GET, "/protected");
    site.authenticate(&request);
    bencher.bench_local(|| site.authenticate(black_box(&request)));
}

/// A request with a session cookie.
#[divan::bench]
fn guard_by_cookie(bencher: Bencher<'_, '_>) {
    let site = Site::new();
    let request = site.ada.request_by_cookie(Method::GET, "/protected");
    bencher.bench_local(|| site.authenticate(black_box(&request)));
}

/// A guard with a logged-in user.
struct Site {
    guard: Guard,
    ada: Caller,
}

impl Site {
    fn new() -> Self {
        // The API key is an ID token.
        let api = Api::with_settings(&[("AUDIENCE", ""), ("CLIENT_ID", CLIENT_ID)]);
        let ada = api.person("auth0|ada").claims(&claims("auth0|ada"));
        let ada = RUNTIME.block_on(ada.log_in());
        Self { guard: Guard::new(api.config(), api.dependencies()), ada }
    }

    fn authenticate(&self, request: &Request) {
        let rules = Rules::default();
        let authenticated = RUNTIME.block_on(self.guard.authenticate(request, &rules, NOW));
        black_box(authenticated.expect("a user is logged in"));
    }
}

fn provider(key: &TestKey) -> Arc<FakeProvider> {
    let provider = FakeProvider::new(ISSUER.clone());
    provider.set_algorithms(vec!["ES256", "EdDSA"]);
    provider.set_key_set(Some(key_set_document(&[key])));
    Arc::new(provider)
}

fn keys(key: &TestKey) -> Keys {
    Keys::new(provider(key), Arc::new(MemoryStore::default()), ISSUER.clone())
}

fn verify(keys: &Keys, token: &str) {
    let expected = Expected { issuer: &ISSUER, kind: TokenKind::ApiKey { client_id: CLIENT_ID } };
    let verified = RUNTIME.block_on(keys.verify(token, &expected, NOW));
    black_box(verified.expect("the token is valid"));
}

fn contents(token: &str) -> SessionContents {
    SessionContents {
        user: user("auth0|ada"),
        api_claims: Default::default(),
        authentication: Default::default(),
        id_token: token.to_owned().into(),
        api_key: token.to_owned().into(),
        api_key_expires_at: Timestamp::from_unix(NOW.as_unix() + 36_000),
        provider_session: Some("H3kPq8vTz2mYw7Rn".to_owned()),
        scopes: ["openid", "profile", "email"].map(str::to_owned).into(),
    }
}

fn user(subject: &str) -> Map<String, Value> {
    let user = json!({
        "sub": subject,
        "given_name": "Ada",
        "family_name": "Lovelace",
        "nickname": "ada",
        "name": "Ada Lovelace",
        "picture": "https://lh3.googleusercontent.com/a/ACg8ocKxQqvG7z5mB2f6yT9wLr3dN1eS=s96-c",
        "updated_at": "2027-01-15T08:00:00.000Z",
        "email": "ada@example.com",
        "email_verified": true,
    });
    user.as_object().expect("it is an object").clone()
}

/// The claims that Auth0 puts into an ID token.
fn claims(subject: &str) -> Value {
    let mut claims = Value::Object(user(subject));
    claims["iss"] = ISSUER.as_str().into();
    claims["aud"] = CLIENT_ID.into();
    claims["iat"] = NOW.as_unix().into();
    claims["exp"] = (NOW.as_unix() + 36_000).into();
    claims["sid"] = "H3kPq8vTz2mYw7Rn".into();
    claims["nonce"] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG".into();
    claims
}
