//! The whole product in this process, with a manual clock.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use authorizer::{AuthorizerConfig, SessionAuthorizer};
use bytes::Bytes;
use gateway::{
    authorizer::{Authorizer as _, NoDecision, decide},
    proxy::Proxy,
};
use http::{Method, header};
use lambda_runtime::Context;
use local::{
    bundle::{Bundle, BundleConfig},
    identity_provider::{Handle, IdentityProvider as DevelopmentProvider, Options, Surroundings},
};
use secrecy::SecretString;
use serde_json::Value;
use shared::{
    clock::Timestamp,
    crypto::random::Random,
    dependencies::Dependencies,
    discovery::keys::Keys,
    guard::{GuardConfig, routes::Routes},
    issuer::Issuer,
    provider::{HttpProvider, IdentityProvider},
    settings::Settings,
    store::Store,
    web::request::{Function, Request, RequestContext, Response},
};
use testkit::Api;
use url::Url;

use crate::{
    answer::Answer,
    documentation::Documentation,
    misbehaving_provider::{ADA, GRACE, MisbehavingProvider, Shape, in_process::InProcess},
    observed_store::ObservedStore,
    watched_log::WatchedLog,
};

pub use testkit::{MovedClock, START};

/// The origin that browsers use.
pub const ORIGIN: &str = "https://api.example.com";

/// The client id at the provider.
pub const CLIENT_ID: &str = "client-0123456789";

/// The client secret at the provider.
pub const CLIENT_SECRET: &str = "b9Q2mZ7xT4kL8vR1cW6s";

/// The key that seals login cookies.
pub const SECRET_KEY: &str = "GJ5cWzkR8xHc1vXq9tYb3nMf7sLd2pQa";

/// The content type of a logout token request.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// The product, its store and its provider.
#[derive(Clone)]
pub struct Site(Arc<Parts>);

struct Parts {
    clock: MovedClock,
    /// The number of seconds by which the functions' clock is ahead.
    clock_error: AtomicI64,
    log: WatchedLog,
    process: Mutex<Arc<Process>>,
    provider: Provider,
    settings: Vec<(String, String)>,
    store: Arc<ObservedStore>,
    requests: AtomicU64,
    nonces: Mutex<HashSet<String>>,
}

/// The provider that the functions call.
#[derive(Clone)]
enum Provider {
    Development,
    /// One for callers of `testkit`, who do not log in.
    Keys,
    Misbehaving(MisbehavingProvider),
    /// The same, called without a network.
    InProcess(MisbehavingProvider),
}

/// The functions as in a new process, with no document of the provider in memory.
struct Process {
    api: Arc<Api>,
    authorizer: SessionAuthorizer,
    bundle: Bundle,
}

impl Site {
    /// The product with a [`MisbehavingProvider`].
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Like [`Self::start`], with these settings added to the usual ones or replacing them.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::start_over(ObservedStore::default(), settings).await
    }

    /// The product with a provider of this shape, the settings that the shape needs, and these.
    pub async fn start_in_shape(shape: &Shape, settings: &[(&str, &str)]) -> Self {
        let clock = MovedClock::new();
        let (provider, hosts) = MisbehavingProvider::in_shape(clock.as_clock(), shape).await;
        let issuer = provider.issuer.clone();
        let of_shape = shape.settings();
        let mut all = vec![("AUTH_ENDPOINT_HOSTS", hosts.as_str())];
        all.extend(of_shape.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        all.extend(settings);
        Self::build(&issuer, Provider::Misbehaving(provider), Arc::default(), clock, &all)
    }

    /// The product with these settings and a provider without logins. Its callers are those of
    /// [`Self::api`].
    pub fn without_provider(settings: &[(&str, &str)]) -> Self {
        let issuer = "https://tenant.eu.auth0.com/";
        Self::build(issuer, Provider::Keys, Arc::default(), MovedClock::new(), settings)
    }

    /// Like [`Self::start_with`], with its sessions in `store`.
    pub async fn start_over(store: ObservedStore, settings: &[(&str, &str)]) -> Self {
        Self::start_by(false, store, settings).await
    }

    /// Like [`Self::start_with`], with a provider that is called without a network: tokio's time can be
    /// paused.
    pub async fn start_without_network(settings: &[(&str, &str)]) -> Self {
        Self::start_by(true, ObservedStore::default(), settings).await
    }

    async fn start_by(
        is_in_process: bool,
        store: ObservedStore,
        settings: &[(&str, &str)],
    ) -> Self {
        let clock = MovedClock::new();
        let provider = MisbehavingProvider::start(clock.as_clock()).await;
        let issuer = provider.issuer.clone();
        let provider = if is_in_process {
            Provider::InProcess(provider)
        } else {
            Provider::Misbehaving(provider)
        };
        Self::build(&issuer, provider, Arc::new(store), clock, settings)
    }

    /// The same product in another process, started with the same settings and with an empty memory.
    /// Provider, store and clock are shared with this one.
    pub fn another_process(&self, settings: &[(&str, &str)]) -> Self {
        self.another_process_over(Arc::clone(&self.0.store), settings)
    }

    /// Like [`Self::another_process`], with another connection to the same table.
    pub fn another_process_over(
        &self,
        store: Arc<ObservedStore>,
        settings: &[(&str, &str)],
    ) -> Self {
        let Parts { clock, provider, .. } = &*self.0;
        let issuer = self.api().config().application.issuer;
        Self::build(issuer.as_str(), provider.clone(), store, clock.clone(), settings)
    }

    /// The product with the development provider, which is strict. `adjust` changes the provider's
    /// options; the returned handle administers it.
    pub async fn at_development_provider(
        settings: &[(&str, &str)],
        adjust: impl FnOnce(&mut Options),
    ) -> (Self, Handle) {
        let clock = MovedClock::new();
        let mut options = Options::new(CLIENT_ID, SecretString::from(CLIENT_SECRET));
        options.redirect_uris = vec![format!("{ORIGIN}/callback")];
        adjust(&mut options);
        let provider = DevelopmentProvider::bind(
            ([127, 0, 0, 1], 0).into(),
            options,
            Surroundings::Machine,
            clock.as_clock(),
            Random::system(),
        )
        .await
        .unwrap();
        let (issuer, store) = (provider.issuer(), Arc::default());
        let site = Self::build(issuer, Provider::Development, store, clock, settings);
        let administrator = provider.handle();
        tokio::spawn(provider.serve());
        (site, administrator)
    }

    fn build(
        issuer: &str,
        provider: Provider,
        store: Arc<ObservedStore>,
        clock: MovedClock,
        settings: &[(&str, &str)],
    ) -> Self {
        let usual = [
            ("AUTH_HOST", issuer),
            ("BASE_URL", ORIGIN),
            ("CLIENT_ID", CLIENT_ID),
            ("CLIENT_SECRET", CLIENT_SECRET),
            ("SCOPE", "openid profile email"),
            ("SECRET_KEY", SECRET_KEY),
        ];
        // A setting that comes from Secrets Manager is not set in the environment too.
        let is_named = |variable: &str| {
            settings.iter().any(|(name, _)| name.strip_suffix("_ARN") == Some(variable))
        };
        let usual = usual.iter().filter(|(variable, _)| !is_named(variable));
        let settings: Vec<_> = usual
            .chain(settings)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let log = WatchedLog::default();
        for (variable, secret_name) in
            [("CLIENT_SECRET", "the client secret"), ("SECRET_KEY", "a key")]
        {
            let values = settings.iter().filter(|(name, _)| name == variable);
            values.for_each(|(_, secret)| log.keep_out(secret_name, secret));
        }
        for user in [ADA, GRACE] {
            log.keep_out("an e-mail address", user.email);
            log.keep_out("a name", user.name);
            log.keep_out("a subject", user.subject);
        }
        Self(Arc::new(Parts {
            process: Mutex::new(Arc::new(Process::start(&settings, &store, &provider, &clock))),
            clock,
            clock_error: AtomicI64::new(0),
            log,
            provider,
            settings,
            store,
            requests: AtomicU64::new(0),
            nonces: Mutex::default(),
        }))
    }

    /// Restarts the process of all functions: memory is lost, the store is kept.
    pub fn restart(&self) {
        let Parts { settings, store, provider, clock, .. } = &*self.0;
        let process = Arc::new(Process::start(settings, store, provider, clock));
        *self.0.process.lock().unwrap_or_else(PoisonError::into_inner) = process;
    }

    /// Prepares the function with this binary, as the start of its process does, with only its
    /// permissions.
    pub async fn prepare(&self, binary: &str) {
        let (process, now) = (self.process(), self.functions_now());
        let preparing = async {
            match binary {
                "authorizer" => process.authorizer.prepare(now).await,
                other => process.bundle.function(other).unwrap().prepare(now).await,
            }
        };
        let preparing = self.0.log.watch(preparing);
        self.0.store.permissions().hold_as(binary, preparing).await;
    }

    fn process(&self) -> Arc<Process> {
        Arc::clone(&self.0.process.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its provider.
    pub fn provider(&self) -> &MisbehavingProvider {
        self.0.provider.misbehaving().unwrap()
    }

    /// Its store.
    pub fn store(&self) -> &ObservedStore {
        &self.0.store
    }

    /// Its clock.
    pub fn clock(&self) -> &MovedClock {
        &self.0.clock
    }

    /// The API of the functions, which makes callers without a login.
    pub fn api(&self) -> Arc<Api> {
        Arc::clone(&self.process().api)
    }

    /// The log of the functions.
    pub fn log(&self) -> &WatchedLog {
        &self.0.log
    }

    /// The current time of the test clock.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Sets how many seconds the functions' clock is ahead of the test clock; negative means behind.
    pub fn set_clock_error(&self, seconds: i64) {
        self.0.clock_error.store(seconds, Ordering::SeqCst);
    }

    /// The current time of the functions' clock.
    fn functions_now(&self) -> Timestamp {
        let error = self.0.clock_error.load(Ordering::SeqCst);
        Timestamp::from_unix(self.now().as_unix().saturating_add_signed(error))
    }

    /// Moves the test clock forward.
    pub fn pass(&self, seconds: u64) {
        self.0.clock.pass(Duration::from_secs(seconds));
    }

    /// The number of live sessions.
    pub async fn live_sessions(&self) -> usize {
        self.0.store.live_sessions(self.now()).await
    }

    /// Sends a request with only these headers, as a program does.
    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send_body(method, path, headers, Bytes::new()).await
    }

    /// Sends a `GET` with only these headers, as a program does.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers).await
    }

    /// Sends a `POST` with this body and only these headers, as a provider does.
    pub async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.send_body(Method::POST, path, headers, body.into()).await
    }

    async fn send_body(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.handle(request.body(body).unwrap()).await
    }

    /// Sends a logout token as the provider does.
    pub async fn post_logout_token(&self, token: &str) -> Answer {
        self.post("/backchannel-logout", &[("content-type", FORM)], format!("logout_token={token}"))
            .await
    }

    /// Requests `/protected` with this token.
    pub async fn call_api(&self, token: &str) -> Answer {
        self.get("/protected", &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// Sends a request as the gateway does, and runs the checks that apply to every response.
    pub async fn handle(&self, request: Request) -> Answer {
        self.handle_by(async |request, now| self.answer(request, now).await, request).await
    }

    /// Like [`handle`](Self::handle), with an application's function in the place of the product's. It
    /// has the permissions of `protected`.
    pub async fn handle_by_routes(&self, routes: &Routes, request: Request) -> Answer {
        let answer = async |request, now| {
            let answer = self.0.log.exchange(request, |request| routes.handle(request, now));
            self.0.store.permissions().hold_as("protected", answer).await
        };
        self.handle_by(answer, request).await
    }

    async fn handle_by(
        &self,
        answer: impl AsyncFnOnce(Request, Timestamp) -> Response,
        mut request: Request,
    ) -> Answer {
        let number = self.0.requests.fetch_add(1, Ordering::SeqCst);
        let request_id = format!("request-{number}");
        request
            .extensions_mut()
            .insert(RequestContext { request_id: request_id.clone(), domain_name: None });
        let path = request.uri().path().to_owned();
        let answer = Answer::new(request_id, answer(request, self.functions_now()).await);
        self.check_headers(&path, &answer);
        check_error(&path, &answer);
        check_cookies(&answer);
        if answer.is_page() {
            self.check_page(&answer);
        }
        answer
    }

    /// The product's unchecked response. Each function has only the permissions that `template.yaml`
    /// grants it (R181).
    pub async fn answer(&self, request: Request, now: Timestamp) -> Response {
        let path = request.uri().path().to_owned();
        let process = self.process();
        let answer = self.0.log.exchange(request, |request| process.bundle.handle(request, now));
        self.0.store.permissions().hold(&path, answer).await
    }

    /// The authorizer's decision about an API Gateway event, with only the authorizer's permissions.
    pub async fn decide(&self, event: &Value) -> Result<Value, NoDecision> {
        let (event, clock) = (event.to_string(), self.0.clock.as_clock());
        let (process, context) = (self.process(), Context::default());
        let proxy = Proxy::default();
        let deciding = decide(&process.authorizer, &proxy, event.as_bytes(), &context, &clock);
        let deciding = self.0.store.permissions().hold_as("authorizer", self.0.log.watch(deciding));
        Ok(serde_json::to_value(deciding.await?).unwrap())
    }

    /// The binary that serves each path.
    pub fn routes(&self) -> BTreeMap<&'static str, &'static str> {
        self.process().bundle.routes()
    }

    /// R169, R170, R176: checks the headers that every response must have, and that none reveals the
    /// client secret or details of the store.
    fn check_headers(&self, path: &str, answer: &Answer) {
        assert_ne!(answer.status(), 500, "{path}: {answer:?}");
        for trace in [CLIENT_SECRET, "secret-table", "panicked", ".rs:"] {
            assert!(!answer.text().contains(trace), "{trace}: {answer:?}");
        }
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(answer.header(name), value, "{path}: {answer:?}");
        }
        let policy = answer.header("content-security-policy");
        for directive in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.split("; ").any(|found| found == directive), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert!(!answer.has("server") && !answer.has("x-powered-by"), "{path}");
        assert_ne!(answer.header("access-control-allow-origin"), "*", "{path}");
        if let Some(challenge) = answer.has("www-authenticate").then_some(answer.status()) {
            assert!([400, 401, 403].contains(&challenge), "{path}: {answer:?}");
        }
    }

    /// R169, R172: checks that a page runs and loads only its own content.
    fn check_page(&self, answer: &Answer) {
        let policy = answer.header("content-security-policy");
        let (_, rest) = policy.split_once("script-src 'nonce-").unwrap();
        let nonce = rest.split('\'').next().unwrap();
        let is_new =
            self.0.nonces.lock().unwrap_or_else(PoisonError::into_inner).insert(nonce.to_owned());
        assert!(is_new && nonce.len() >= 22, "the nonce is not fresh: {nonce}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        let permissions = answer.header("permissions-policy");
        let granted: Vec<_> =
            permissions.split(", ").filter(|feature| !feature.ends_with("=()")).collect();
        assert_eq!(granted, ["clipboard-write=(self)"], "{permissions}");
        let pictures = answer.attributes("img", "src");
        let pictures = pictures.iter().map(|url| url.parse::<Url>().unwrap().origin());
        let pictures: String =
            pictures.map(|origin| format!(" {}", origin.ascii_serialization())).collect();
        for directive in [
            &*format!("img-src data:{pictures}"),
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ] {
            assert!(policy.split("; ").any(|found| found == directive), "{directive}: {policy}");
        }
        assert!(
            !policy.split("; ").any(|part| part.starts_with("script-src") && part.contains("http"))
        );

        let page = answer.page();
        for element in page.root_element().descendent_elements() {
            let name = element.value().name();
            for (attribute, value) in element.value().attrs() {
                let is_inline = attribute == "style" || attribute.starts_with("on");
                assert!(!is_inline, "<{name}> has an inline {attribute}");
                let is_address =
                    ["action", "data", "formaction", "href", "src"].contains(&attribute);
                let scheme =
                    value.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
                assert!(!is_address || scheme != "javascript", "<{name}> has {value}");
            }
            match name {
                "script" | "style" => {
                    assert_eq!(element.attr("nonce"), Some(nonce), "<{name}> without the nonce");
                    assert_eq!(element.attr("src"), None, "<{name}> loads from a URL");
                }
                "link" => assert!(element.attr("href").unwrap().starts_with("data:")),
                other => assert!(!EMBEDDING.contains(&other), "<{name}> is not allowed on a page"),
            }
        }
    }
}

impl Provider {
    const fn misbehaving(&self) -> Option<&MisbehavingProvider> {
        match self {
            Self::Development | Self::Keys => None,
            Self::InProcess(provider) | Self::Misbehaving(provider) => Some(provider),
        }
    }

    fn client(&self, issuer: &Issuer) -> Arc<dyn IdentityProvider> {
        match self {
            Self::Development | Self::Misbehaving(_) => Arc::new(HttpProvider::new(issuer.clone())),
            Self::InProcess(provider) => Arc::new(InProcess(provider.clone())),
            Self::Keys => testkit::provider(issuer),
        }
    }
}

impl Process {
    fn start(
        settings: &[(String, String)],
        store: &Arc<ObservedStore>,
        provider: &Provider,
        clock: &MovedClock,
    ) -> Self {
        let values = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut settings = Settings::from_values(values);
        let config = BundleConfig::from_settings(&mut settings);
        let guard = GuardConfig::from_settings(&mut settings).unwrap();
        let authorizer = AuthorizerConfig::from_settings(&mut settings);
        settings.finish().unwrap();
        let issuer = guard.application.issuer.clone();
        let store = Arc::<ObservedStore>::clone(store) as Arc<dyn Store>;
        let provider = provider.client(&issuer);
        let keys = Arc::new(Keys::new(Arc::clone(&provider), store.clone(), issuer));
        let dependencies = Dependencies { store, keys, provider, random: Random::system() };
        let bundle = Bundle::new(config.unwrap(), &dependencies);
        let authorizer = SessionAuthorizer::new(authorizer.unwrap(), &dependencies);
        Self { api: Arc::new(Api::of(guard, dependencies, clock.clone())), authorizer, bundle }
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let provider = self.provider.misbehaving();
        let secrets = provider.into_iter().flat_map(MisbehavingProvider::secrets);
        secrets.for_each(|(name, secret)| self.log.keep_out(name, &secret));
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        let secrets = process.api.secrets().into_iter();
        secrets.for_each(|secret| self.log.keep_out("the token or cookie of a caller", &secret));
    }
}

/// Checks that `functions/README.md` documents the error.
fn check_error(path: &str, answer: &Answer) {
    static ERRORS: LazyLock<BTreeSet<(u16, String)>> =
        LazyLock::new(|| Documentation::read().errors());
    if answer.status() >= 400 && !answer.is_page() {
        let body = answer.json();
        // OpenID Connect Back-Channel Logout §2.8 uses a different error code.
        let code =
            body.get("code").or_else(|| body.get("error")).and_then(serde_json::Value::as_str);
        let code = code.unwrap_or_default().to_owned();
        let error = (answer.status(), code);
        assert!(
            ERRORS.contains(&error),
            "{path}: functions/README.md does not document the error: {error:?}"
        );
    }
}

const EMBEDDING: [&str; 5] = ["base", "embed", "frame", "iframe", "object"];

/// R8, R88, R102: checks that every cookie is bound to this host and hidden from scripts.
fn check_cookies(answer: &Answer) {
    for cookie in answer.cookies() {
        assert!(cookie.name().starts_with("__Host-"), "{cookie}");
        assert_eq!((cookie.secure(), cookie.http_only()), (Some(true), Some(true)), "{cookie}");
        assert_eq!((cookie.path(), cookie.domain()), (Some("/"), None), "{cookie}");
        assert_eq!(cookie.same_site(), Some(cookie::SameSite::Lax), "{cookie}");
        assert!(cookie.max_age().is_some(), "{cookie}");
        assert!(cookie.to_string().len() <= 4_096, "{cookie}");
    }
    assert!(
        !answer.has(header::SET_COOKIE.as_str()) || answer.header("cache-control") == "no-store"
    );
}
