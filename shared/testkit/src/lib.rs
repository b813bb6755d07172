//! Callers for tests of your own functions: persons and machines with any claims and scopes, with
//! live, ended and expired sessions. There is no provider, no network and no table.
//!
//! ```
//! use http::Method;
//! use protected::Protected;
//! use shared::guard::Guarded;
//! use testkit::Api;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let api = Api::new();
//! let function = Guarded::new(Protected, api.config(), api.dependencies());
//!
//! let ada = api.person("auth0|ada").claim("email", "ada@example.com").log_in().await;
//! let answer = api.call(&function, ada.request(Method::GET, "/protected")).await;
//! assert_eq!(answer.status(), 200);
//!
//! api.end_session(&ada).await;
//! let answer = api.call(&function, ada.request(Method::GET, "/protected")).await;
//! assert_eq!(answer.status(), 401); // "Good token, bad session"
//! # });
//! ```
//!
//! Tokens are signed by a key that is generated for the test, and the guard verifies them as it does
//! in a deployment. A fault of the set-up panics.

mod clock;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, header};
use serde_json::{Map, Value, json};
use shared::{
    clock::Timestamp,
    crypto::{random::Random, secret::SessionSecret},
    dependencies::Dependencies,
    discovery::keys::Keys,
    guard::GuardConfig,
    issuer::Issuer,
    jwt::Authentication,
    provider::IdentityProvider,
    session::{SessionContents, Sessions},
    settings::Settings,
    store::{Owner, Store, memory::MemoryStore},
    testing::{
        provider::FakeProvider,
        tokens::{TEST_KEY, key_set_document},
    },
    web::request::{Function, Request, RequestContext, Response},
};

pub use clock::{MovedClock, START};

/// The public address of the API.
pub const ORIGIN: &str = "https://api.example.com";

/// Its `AUDIENCE`.
pub const AUDIENCE: &str = "https://api.example.com/";

const CLIENT_ID: &str = "client-of-the-test";
const ISSUER: &str = "https://tenant.eu.auth0.com/";
const TOKEN_LIFETIME: Duration = Duration::from_secs(3_600);

/// An API with its settings, sessions and clock, as one test sees them.
#[derive(Debug)]
pub struct Api {
    config: GuardConfig,
    dependencies: Dependencies,
    clock: MovedClock,
    secrets: Mutex<Vec<String>>,
}

impl Default for Api {
    fn default() -> Self {
        Self::new()
    }
}

impl Api {
    /// An API whose key is an access token for [`AUDIENCE`].
    pub fn new() -> Self {
        Self::with_settings(&[])
    }

    /// Like [`new`](Self::new), with these settings, for example `REQUIRE_SESSION`. They replace the
    /// usual ones of the same names; an empty value unsets one.
    ///
    /// # Panics
    ///
    /// With the faults of the settings.
    #[expect(clippy::panic, reason = "a test with invalid settings cannot run")]
    pub fn with_settings(settings: &[(&str, &str)]) -> Self {
        let usual = [
            ("AUDIENCE", AUDIENCE),
            ("AUTH_HOST", ISSUER),
            ("BASE_URL", ORIGIN),
            ("CLIENT_ID", CLIENT_ID),
        ];
        let is_replaced = |name: &str| settings.iter().any(|(other, _)| *other == name);
        let usual = usual.iter().filter(|(name, _)| !is_replaced(name));
        let settings = Settings::from_values(usual.chain(settings).copied());
        let config = settings.read(GuardConfig::from_settings);
        let config = config.unwrap_or_else(|faults| panic!("{faults}"));
        let issuer = config.application.issuer.clone();
        let provider = provider(&issuer);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let keys = Arc::new(Keys::new(Arc::clone(&provider), store.clone(), issuer));
        let dependencies = Dependencies { store, provider, keys, random: Random::system() };
        Self::of(config, dependencies, MovedClock::new())
    }

    /// An API of these parts, for example with a store that fails, or with the sessions and the clock
    /// of another API and stricter settings. The callers' tokens are accepted if the dependencies'
    /// provider is [`provider`].
    pub const fn of(config: GuardConfig, dependencies: Dependencies, clock: MovedClock) -> Self {
        Self { config, dependencies, clock, secrets: Mutex::new(Vec::new()) }
    }

    /// The settings that [`Guarded::new`](shared::guard::Guarded::new) takes.
    pub fn config(&self) -> GuardConfig {
        self.config.clone()
    }

    /// The dependencies that [`Guarded::new`](shared::guard::Guarded::new) takes.
    pub const fn dependencies(&self) -> &Dependencies {
        &self.dependencies
    }

    /// The clock of the test.
    pub const fn clock(&self) -> &MovedClock {
        &self.clock
    }

    /// The current time of the test.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock forward, so that tokens and sessions expire.
    pub fn pass(&self, time: Duration) {
        self.clock.pass(time);
    }

    /// A user with this subject.
    pub fn person(&self, subject: &str) -> Identity<'_> {
        let client_id = &self.config.application.client_id;
        self.identity().claims(&json!({ "sub": subject, "azp": client_id }))
    }

    /// A client that acts for itself. It has no session, so the API needs `REQUIRE_SESSION=false`.
    pub fn machine(&self, client_id: &str) -> Identity<'_> {
        let subject = format!("{client_id}@clients");
        let claims = json!({ "sub": subject, "azp": client_id, "gty": "client-credentials" });
        self.identity().claims(&claims)
    }

    /// The tokens and cookies of all callers so far. No log may contain one of them.
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep_secret(&self, secret: String) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(secret);
    }

    fn identity(&self) -> Identity<'_> {
        Identity { api: self, claims: Map::new() }
    }

    /// Ends the caller's session, as a logout does. The caller's token remains valid.
    pub async fn end_session(&self, caller: &Caller) {
        if let Some(cookie) = &caller.cookie {
            let ended = self.sessions().end(cookie.digest(), self.now()).await;
            ended.unwrap_or_else(|_| unreachable!("the memory store is available"));
        }
    }

    /// The response of `function` to `request` at the current time.
    pub async fn call(&self, function: &dyn Function, mut request: Request) -> Response {
        let context = RequestContext { request_id: "test".to_owned(), domain_name: None };
        request.extensions_mut().insert(context);
        function.handle(request, self.now()).await
    }

    fn sessions(&self) -> Sessions {
        self.dependencies.sessions(self.config.limits)
    }
}

/// A provider without logins. It publishes the key that signs the callers' tokens.
pub fn provider(issuer: &Issuer) -> Arc<dyn IdentityProvider> {
    let provider = FakeProvider::new(issuer.clone());
    provider.set_key_set(Some(key_set_document(&[&TEST_KEY])));
    Arc::new(provider)
}

/// What a caller's token will contain.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    api: &'a Api,
    claims: Map<String, Value>,
}

impl Identity<'_> {
    /// With this claim, for example `email` or `https://example.com/roles`.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// With these claims, which replace earlier ones of the same names; `null` leaves a claim out.
    ///
    /// # Panics
    ///
    /// If `claims` is not an object.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a fault of the test")]
    pub fn claims(mut self, claims: &Value) -> Self {
        self.claims.extend(claims.as_object().expect("claims are an object").clone());
        self
    }

    /// With these scopes.
    #[must_use]
    pub fn scopes(self, scopes: &[&str]) -> Self {
        self.claim("scope", scopes.join(" "))
    }

    /// As a member of this organization, `org_…`.
    #[must_use]
    pub fn organization(self, id: &str) -> Self {
        self.claim("org_id", id)
    }

    /// A caller with a token, and without a session here.
    pub fn token(mut self) -> Caller {
        let now = self.api.now();
        let application = &self.api.config.application;
        let protocol = json!({
            "iss": application.issuer.as_str(),
            "aud": application.audience.as_deref().unwrap_or(&application.client_id),
            "iat": now.as_unix(),
            "exp": (now + TOKEN_LIFETIME).as_unix(),
            // Tokens of one second would be equal without it.
            "jti": self.api.dependencies.random.token(),
        });
        for (name, value) in protocol.as_object().into_iter().flatten() {
            self.claims.entry(name).or_insert_with(|| value.clone());
        }
        self.claims.retain(|_, value| !value.is_null());
        let token = TEST_KEY.sign(&self.claims.into());
        self.api.keep_secret(token.clone());
        Caller { token, cookie: None }
    }

    /// A caller with a token and a live session, as after a login.
    ///
    /// # Panics
    ///
    /// If the guard would reject the token, for example because a claim has the wrong type.
    #[expect(clippy::panic, reason = "a test with an invalid token cannot run")]
    pub async fn log_in(self) -> Caller {
        let api = self.api;
        let caller = self.token();
        let (token, now) = (&caller.token, api.now());
        let expected = api.config.application.expected_api_key();
        let claims = match api.dependencies.keys.verify(token, &expected, now).await {
            Ok(claims) => claims,
            Err(error) => panic!("the token is invalid: {error}"),
        };
        let scopes = claims.scopes().chain(claims.permissions()).map(str::to_owned);
        let contents = SessionContents {
            user: claims.user(),
            api_claims: Default::default(),
            authentication: Authentication::of(&claims),
            id_token: token.clone().into(),
            api_key: token.clone().into(),
            api_key_expires_at: claims.expires_at,
            provider_session: claims.session_id.clone(),
            scopes: scopes.collect(),
        };
        let begun = api.sessions().begin(Owner::of(&claims), &contents, None, now).await;
        let (cookie, _) = begun.unwrap_or_else(|error| panic!("no session begins: {error}"));
        api.keep_secret(cookie.expose());
        Caller { cookie: Some(cookie), ..caller }
    }
}

/// A caller with a token and perhaps a session.
#[derive(Debug)]
pub struct Caller {
    token: String,
    cookie: Option<SessionSecret>,
}

impl Caller {
    /// The token, which is the API key.
    pub fn api_key(&self) -> &str {
        &self.token
    }

    /// The value of the `Cookie` header, if the caller has a session.
    pub fn cookie(&self) -> Option<String> {
        self.cookie.as_ref().map(|cookie| format!("__Host-session={}", cookie.expose()))
    }

    /// A request with the token. Add a body with [`Request::map`](http::Request::map).
    pub fn request(&self, method: Method, path: &str) -> Request {
        request(method, path, &[(header::AUTHORIZATION, format!("Bearer {}", self.token))])
    }

    /// A request with the session cookie, as a page of the API sends it.
    ///
    /// # Panics
    ///
    /// If the caller has no session.
    #[expect(clippy::panic, reason = "a test without a session has no cookie")]
    pub fn request_by_cookie(&self, method: Method, path: &str) -> Request {
        let Some(cookie) = self.cookie() else { panic!("the caller has not logged in") };
        request(method, path, &[(header::COOKIE, cookie), (header::ORIGIN, ORIGIN.to_owned())])
    }
}

#[expect(clippy::panic, reason = "a test with an invalid request cannot run")]
fn request(method: Method, path: &str, headers: &[(header::HeaderName, String)]) -> Request {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Bytes::new()).unwrap_or_else(|error| panic!("the request is invalid: {error}"))
}
