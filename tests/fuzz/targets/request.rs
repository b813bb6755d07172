//! Any request to any function with any credential: no response may be an internal error, and only
//! the real credentials give access.
#![no_main]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use fuzz::{ISSUER, NOW};
use http::StatusCode;
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use local::bundle::{Bundle, BundleConfig};
use serde_json::json;
use shared::{
    crypto::{random::Random, secret::Digest},
    dependencies::Dependencies,
    discovery::keys::Keys,
    session::{SessionContents, SessionLimits, Sessions},
    settings::Settings,
    store::{Owner, memory::MemoryStore},
    testing::{
        provider::FakeProvider,
        tokens::{TEST_KEY, key_set_document},
    },
    web::request::Function,
};
use tokio::runtime::{Builder, Runtime};

#[derive(Arbitrary, Debug)]
struct Sent<'a> {
    method: u8,
    path: Choice<'a>,
    query: &'a str,
    headers: Vec<(Choice<'a>, &'a str)>,
    cookies: Vec<&'a str>,
    credential: Credential<'a>,
    body: &'a str,
    is_base64: bool,
}

/// A member of a list, or any text.
#[derive(Arbitrary, Debug)]
enum Choice<'a> {
    Known(u8),
    Other(&'a str),
}

impl Choice<'_> {
    fn of<'b>(&'b self, known: &[&'b str]) -> &'b str {
        match self {
            Self::Known(number) => known[usize::from(*number) % known.len()],
            Self::Other(text) => text,
        }
    }
}

const METHODS: [&str; 5] = ["DELETE", "GET", "HEAD", "OPTIONS", "POST"];
const PATHS: [&str; 6] = ["/", "/callback", "/login", "/logout", "/protected", "/signed-out"];
const HEADERS: [&str; 5] = ["accept", "origin", "sec-fetch-mode", "sec-fetch-site", "sec-purpose"];

#[derive(Arbitrary, Debug)]
enum Credential<'a> {
    None,
    Bearer,
    Cookie,
    Authorization(&'a str),
    SessionCookie(&'a str),
}

const CLIENT_SECRET: &str = "b9Q2mZ7xT4kL8vR1cW6s";
const EMAIL: &str = "ada@lovelace.example";

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

static TOKEN: LazyLock<String> = LazyLock::new(|| TEST_KEY.sign(&fuzz::claims()));

/// The provider and its keys are kept across requests, as in a warm function.
static PROVIDER: LazyLock<(Arc<FakeProvider>, Arc<Keys>)> = LazyLock::new(|| {
    let provider = Arc::new(FakeProvider::new(ISSUER.clone()));
    provider.set_key_set(Some(key_set_document(&[&TEST_KEY])));
    let store = Arc::new(MemoryStore::default());
    let keys = Keys::new(Arc::<FakeProvider>::clone(&provider), store, ISSUER.clone());
    (provider, Arc::new(keys))
});

/// The product with one session, and the session cookie's value.
async fn bundle() -> (Bundle, String) {
    let mut settings = Settings::from_values([
        ("AUTH_HOST", ISSUER.as_str()),
        ("BASE_URL", "https://api.example.com"),
        ("CLIENT_ID", "the-client"),
        ("CLIENT_SECRET", CLIENT_SECRET),
        ("SECRET_KEY", "GJ5cWzkR8xHc1vXq9tYb3nMf7sLd2pQa"),
        ("CONNECTIONS", "none"),
    ]);
    let config = BundleConfig::from_settings(&mut settings).expect("these settings are valid");
    let (provider, keys) = &*PROVIDER;
    let dependencies = Dependencies {
        store: Arc::new(MemoryStore::default()),
        provider: Arc::<FakeProvider>::clone(provider),
        keys: Arc::clone(keys),
        random: Random::system(),
    };
    let day = Duration::from_secs(86_400);
    let limits = SessionLimits { idle: day, lifetime: day };
    let sessions = Sessions::new(dependencies.store.clone(), limits, Random::system());
    let contents = SessionContents {
        user: json!({ "sub": "auth0|ada", "email": EMAIL }).as_object().expect("claims").clone(),
        api_claims: Default::default(),
        authentication: Default::default(),
        id_token: TOKEN.clone().into(),
        api_key: TOKEN.clone().into(),
        api_key_expires_at: NOW + day,
        provider_session: None,
        scopes: Vec::new(),
    };
    let owner = Owner { subject: Digest::of("auth0|ada"), provider_session: None, issued_at: NOW };
    let (secret, _) = sessions.begin(owner, &contents, None, NOW).await.expect("there is room");
    (Bundle::new(config, &dependencies), secret.expose())
}

fuzz_target!(|sent: Sent<'_>| {
    let (bundle, session) = RUNTIME.block_on(bundle());
    let mut headers = serde_json::Map::new();
    for (header, value) in &sent.headers {
        let name = header.of(&HEADERS);
        if name.eq_ignore_ascii_case("authorization") {
            continue;
        }
        headers.insert(name.to_owned(), json!(value));
    }
    let mut cookies: Vec<_> = sent.cookies.iter().map(|cookie| (*cookie).to_owned()).collect();
    match sent.credential {
        Credential::None => {}
        Credential::Bearer => {
            headers.insert("authorization".to_owned(), json!(format!("Bearer {}", *TOKEN)));
        }
        Credential::Cookie => cookies.push(format!("__Host-session={session}")),
        Credential::Authorization(value) => {
            headers.insert("authorization".to_owned(), json!(value));
        }
        Credential::SessionCookie(value) => cookies.push(format!("__Host-session={value}")),
    }
    let method = METHODS[usize::from(sent.method) % METHODS.len()];
    let path = sent.path.of(&PATHS);
    let event = json!({
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": sent.query,
        "cookies": cookies,
        "headers": headers,
        "requestContext": { "http": { "method": method }, "requestId": "id", "stage": "$default" },
        "body": sent.body,
        "isBase64Encoded": sent.is_base64,
    });
    let Ok(request) = gateway::event::parse(event.to_string().as_bytes(), "invocation") else {
        return;
    };
    let is_preflight = method == "OPTIONS";
    let response = fuzz::bounded(|| RUNTIME.block_on(bundle.handle(request, NOW)));

    assert_ne!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let header = |name: &str| {
        response.headers().get(name).map_or("", |value| value.to_str().expect("printable"))
    };
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    let location = header("location");
    let provider = ISSUER.as_str();
    let is_own = location.starts_with('/') && !location[1..].starts_with(['/', '\\']);
    assert!(location.is_empty() || is_own || location.starts_with(provider), "{location}");
    for cookie in response.headers().get_all("set-cookie") {
        let cookie = cookie.to_str().expect("printable");
        assert!(
            cookie.starts_with("__Host-") && cookie.contains("; HttpOnly; SameSite=Lax; Secure")
        );
        assert!(!cookie.contains(&session));
    }
    let is_credential = matches!(sent.credential, Credential::Bearer | Credential::Cookie);
    let body = String::from_utf8_lossy(response.body());
    assert!(is_credential || !body.contains(EMAIL));
    assert!(!body.contains(&session) && !body.contains(CLIENT_SECRET));
    if path == "/protected" && !is_preflight {
        assert!(is_credential || !response.status().is_success());
    }
});
