//! Concurrent refreshes of one session, over both stores, with simulated time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use http::{Method, header};
use refresh::{LEASE, PATIENCE, POLL, Refresh, RefreshConfig};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use shared::{
    clock::Timestamp,
    crypto::{
        random::Random,
        secret::{Digest, SessionSecret},
    },
    dependencies::Dependencies,
    discovery::keys::Keys,
    issuer::Issuer,
    provider::{
        AuthorizationCodeGrant, ErrorResponse, IdentityProvider, ProviderError, RedeemError,
        RefreshResponse, RefreshTokenGrant, TokenResponse,
    },
    session::{RefreshGrant, SessionContents, SessionLimits, Sessions},
    settings::Settings,
    store::{
        Lease, Owner, SessionStore, Store,
        dynamodb::{DynamoConfig, DynamoStore},
        memory::MemoryStore,
        table,
    },
    testing::{
        provider::FakeProvider,
        tokens::{TEST_KEY, key_set_document},
    },
    web::request::{Function, Request, Response},
};
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep},
};
use url::Url;

const ORIGIN: &str = "https://api.example.com";
const CLIENT: &str = "client";
const API: &str = "https://api.example";
const START: Timestamp = Timestamp::from_unix(1_800_000_000);

/// The time at which every test starts. The login's token is old enough to be renewed.
const NOW: Timestamp = Timestamp::from_unix(1_800_000_100);

/// A provider that rotates refresh tokens. A strict one accepts each refresh token only once.
#[derive(Debug)]
struct Provider {
    issuer: Issuer,
    /// Publishes the metadata and the keys.
    documents: FakeProvider,
    delay: Mutex<Duration>,
    failure: Mutex<Option<u16>>,
    is_strict: bool,
    changes: Mutex<Value>,
    requests: AtomicUsize,
    used: Mutex<HashSet<String>>,
    revoked: Mutex<Vec<String>>,
}

impl Provider {
    fn new(is_strict: bool) -> Arc<Self> {
        let issuer = Issuer::parse("tenant.auth0.com").unwrap();
        let documents = FakeProvider::new(issuer.clone());
        documents.set_key_set(Some(key_set_document(&[&TEST_KEY])));
        Arc::new(Self {
            issuer,
            documents,
            delay: Mutex::default(),
            failure: Mutex::default(),
            is_strict,
            changes: Mutex::new(json!({})),
            requests: AtomicUsize::default(),
            used: Mutex::default(),
            revoked: Mutex::default(),
        })
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn access_token(&self, now: Timestamp) -> String {
        let mut claims = json!({
            "iss": self.issuer.as_str(),
            "sub": "auth0|ada",
            "aud": API,
            "iat": now.as_unix(),
            "exp": now.as_unix() + 3_600,
            "scope": "openid read",
            "permissions": ["write"],
        });
        let changes = lock(&self.changes).clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        TEST_KEY.sign(&claims)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

#[async_trait]
impl IdentityProvider for Provider {
    async fn metadata(&self) -> Result<Vec<u8>, ProviderError> {
        self.documents.metadata().await
    }

    async fn key_set(&self, url: &Url) -> Result<Vec<u8>, ProviderError> {
        self.documents.key_set(url).await
    }

    async fn redeem(
        &self,
        _: &Url,
        _: AuthorizationCodeGrant<'_>,
    ) -> Result<TokenResponse, RedeemError> {
        unreachable!("these tests do not log in")
    }

    async fn refresh(
        &self,
        _: &Url,
        grant: RefreshTokenGrant<'_>,
    ) -> Result<RefreshResponse, RedeemError> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let delay = *lock(&self.delay);
        sleep(delay).await;
        if let Some(seconds) = *lock(&self.failure) {
            let retry_after = Some(Duration::from_secs(seconds.into()));
            return Err(RedeemError::Unavailable { retry_after, said: None, source: None });
        }
        let is_new = lock(&self.used).insert(grant.refresh_token.to_owned());
        if self.is_strict && !is_new {
            return Err(RedeemError::Refused(ErrorResponse::of_query("invalid_grant", None)));
        }
        // Each token has a different `iat`.
        let issued_at = NOW + Duration::from_secs(number as u64);
        Ok(RefreshResponse {
            access_token: self.access_token(issued_at).into(),
            id_token: None,
            refresh_token: Some(format!("rotated {number}").into()),
        })
    }

    async fn revoke(&self, _: &Url, grant: RefreshTokenGrant<'_>) -> Result<(), ProviderError> {
        assert_eq!(grant.credentials.client_secret.expose_secret(), "the client secret");
        lock(&self.revoked).push(grant.refresh_token.to_owned());
        Ok(())
    }

    async fn login_methods(&self, _: &str) -> Result<Vec<u8>, ProviderError> {
        unreachable!("these tests request no login methods")
    }
}

/// A session that can be refreshed, and its provider and store.
struct Story {
    store: Arc<dyn Store>,
    provider: Arc<Provider>,
    secret: SessionSecret,
}

impl Story {
    async fn over(store: Arc<dyn Store>, provider: Arc<Provider>) -> Self {
        let login = json!({ "subject": "auth0|ada", "issued_at": START, "amr": [] });
        let grant = RefreshGrant {
            refresh_token: "the first refresh token".to_owned().into(),
            login: serde_json::from_value(login).unwrap(),
            granted: vec!["openid".to_owned(), "read".to_owned(), "write".to_owned()],
        };
        let contents = contents(provider.access_token(START));
        let owner = Owner { subject: Digest::of("ada"), provider_session: None, issued_at: START };
        let sessions = sessions(store.clone());
        let begun = sessions.begin_renewable(owner, &contents, &grant, None, START).await;
        Self { store, provider, secret: begun.unwrap().0 }
    }

    async fn in_memory() -> Self {
        Self::over(Arc::new(MemoryStore::default()), Provider::new(true)).await
    }

    /// Begins another session of the user, with this token.
    async fn begin_another(&self, token: String) {
        let owner = Owner { subject: Digest::of("ada"), provider_session: None, issued_at: NOW };
        let sessions = sessions(self.store.clone());
        sessions.begin(owner, &contents(token), None, NOW).await.unwrap();
    }

    /// An instance of the function. It shares only the store and the provider with other instances.
    fn instance(&self, store: Arc<dyn Store>) -> Refresh {
        let settings = [
            ("AUTH_HOST", "tenant.auth0.com"),
            ("AUDIENCE", API),
            ("BASE_URL", ORIGIN),
            ("CLIENT_ID", CLIENT),
            ("CLIENT_SECRET", "the client secret"),
        ];
        let mut settings = Settings::from_values(settings);
        let config = RefreshConfig::from_settings(&mut settings).unwrap();
        let provider = Arc::<Provider>::clone(&self.provider) as Arc<dyn IdentityProvider>;
        let issuer = self.provider.issuer.clone();
        let keys = Arc::new(Keys::new(Arc::clone(&provider), store.clone(), issuer));
        let random = Random::system();
        Refresh::new(config, &Dependencies { store, provider, keys, random })
    }

    /// Sends a request to a new instance.
    fn refresh(&self, now: Timestamp) -> impl Future<Output = Answer> + Send + use<> {
        let instance = self.instance(Arc::clone(&self.store));
        let request = self.request();
        async move { Answer::of(&instance.handle(request, now).await) }
    }

    fn request(&self) -> Request {
        http::Request::builder()
            .method(Method::POST)
            .uri("/refresh")
            .header(header::ORIGIN, ORIGIN)
            .header(header::COOKIE, format!("__Host-session={}", self.secret.expose()))
            .body(Request::default().into_body())
            .unwrap()
    }

    fn key(&self) -> Digest {
        self.secret.digest()
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    retry_after: Option<String>,
    body: Value,
}

impl Answer {
    fn of(response: &Response) -> Self {
        let retry_after = response.headers().get(header::RETRY_AFTER);
        Self {
            status: response.status().as_u16(),
            retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
            body: serde_json::from_slice(response.body()).unwrap(),
        }
    }

    #[track_caller]
    fn is(&self, status: u16, code: &str) {
        assert_eq!((self.status, &self.body["code"]), (status, &json!(code)), "{self:?}");
    }

    #[track_caller]
    fn key(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.body["api_key"].as_str().unwrap().to_owned()
    }
}

/// The contents of a session whose token is `api_key`.
fn contents(api_key: String) -> SessionContents {
    SessionContents {
        user: json!({ "sub": "auth0|ada" }).as_object().unwrap().clone(),
        api_claims: Default::default(),
        authentication: Default::default(),
        id_token: "the login's ID token".to_owned().into(),
        api_key: api_key.into(),
        api_key_expires_at: NOW + Duration::from_secs(3_600),
        provider_session: None,
        scopes: Vec::new(),
    }
}

const LIMITS: SessionLimits =
    SessionLimits { idle: Duration::from_secs(43_200), lifetime: Duration::from_secs(604_800) };

fn sessions(store: Arc<dyn SessionStore>) -> Sessions {
    Sessions::new(store, LIMITS, Random::system())
}

/// Starts an emulator with an empty table and returns its address.
async fn table() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    let table = serde_json::from_value(table::create_table("sessions")).unwrap();
    database.create_table(table).unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    address
}

fn client(address: &str) -> Arc<dyn Store> {
    let mut settings = Settings::from_values([
        ("SESSION_TABLE", "sessions"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_ENDPOINT_URL_DYNAMODB", address),
    ]);
    let config = DynamoConfig::from_settings(&mut settings).unwrap();
    Arc::new(DynamoStore::new(config, Random::system()).unwrap())
}

async fn twenty(story: &Story, stores: &[Arc<dyn Store>]) -> Vec<Answer> {
    let mut refreshes = JoinSet::new();
    for store in stores.iter().cycle().take(20) {
        let instance = story.instance(Arc::clone(store));
        let request = story.request();
        refreshes.spawn(async move { Answer::of(&instance.handle(request, NOW).await) });
    }
    refreshes.join_all().await
}

#[tokio::test(start_paused = true)]
async fn r131_of_twenty_instances_over_memory_one_refreshes_and_all_succeed() {
    let story = Story::in_memory().await;
    *lock(&story.provider.delay) = Duration::from_secs(4);
    let answers = twenty(&story, &[Arc::clone(&story.store)]).await;
    let keys: HashSet<_> = answers.iter().map(Answer::key).collect();
    assert_eq!((keys.len(), story.provider.requests()), (1, 1));
}

/// Four clients with separate connections, as functions in separate processes have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r131_of_twenty_instances_over_dynamodb_one_refreshes_and_all_succeed() {
    for _ in 0..5 {
        let address = table().await;
        let clients = [(); 4].map(|()| client(&address));
        let story = Story::over(Arc::clone(&clients[0]), Provider::new(true)).await;
        let answers = twenty(&story, &clients).await;
        let keys: HashSet<_> = answers.iter().map(Answer::key).collect();
        assert_eq!((keys.len(), story.provider.requests()), (1, 1));
        let row = story.store.session(story.key(), NOW).await.unwrap().unwrap();
        let refresh = row.refresh.unwrap();
        assert_eq!((refresh.version, refresh.lease), (1, None));
    }
}

/// R132: the first holder of the lease never comes back.
#[tokio::test(start_paused = true)]
async fn r132_after_its_holder_died_the_lease_expires_and_another_request_refreshes() {
    let story = Story::in_memory().await;
    let dead = Lease { owner: [7; 16], expires_at: NOW + Duration::from_secs(5) };
    assert!(story.store.lease(story.key(), 0, dead, NOW).await.unwrap());
    let started = Instant::now();
    let (one, other) = tokio::join!(story.refresh(NOW), story.refresh(NOW));
    assert_eq!(one.key(), other.key());
    assert_eq!(story.provider.requests(), 1);
    let waited = started.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(6)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn r132_a_request_stops_waiting_before_a_long_lease_expires_and_a_later_one_succeeds() {
    let story = Story::in_memory().await;
    let dead = Lease { owner: [7; 16], expires_at: NOW + LEASE };
    assert!(story.store.lease(story.key(), 0, dead, NOW).await.unwrap());
    let started = Instant::now();
    let answer = story.refresh(NOW).await;
    answer.is(503, "refresh_in_progress");
    assert_eq!(answer.retry_after.as_deref(), Some("5"));
    assert!(started.elapsed() >= PATIENCE && started.elapsed() < PATIENCE + 2 * POLL);
    assert_eq!(story.provider.requests(), 0);
    story.refresh(NOW + LEASE).await.key();
    assert_eq!(story.provider.requests(), 1);
}

/// R132: it returns the tokens that the other request stored, and revokes none of them.
#[tokio::test(start_paused = true)]
async fn r132_a_request_that_finishes_after_its_lease_expired_writes_nothing() {
    let story = Story::over(Arc::new(MemoryStore::default()), Provider::new(false)).await;
    *lock(&story.provider.delay) = LEASE + Duration::from_secs(5);
    let late = tokio::spawn(story.refresh(NOW));
    sleep(LEASE).await;
    *lock(&story.provider.delay) = Duration::ZERO;
    let key = story.refresh(NOW + LEASE).await.key();
    assert_eq!(story.provider.requests(), 2);
    assert_eq!(late.await.unwrap().key(), key);
    let row = story.store.session(story.key(), NOW).await.unwrap().unwrap();
    assert_eq!(row.refresh.unwrap().version, 1);
    assert!(lock(&story.provider.revoked).is_empty());
}

#[tokio::test(start_paused = true)]
async fn r134_a_failing_provider_gets_one_request_while_many_callers_wait() {
    let story = Story::in_memory().await;
    *lock(&story.provider.delay) = Duration::from_secs(3);
    *lock(&story.provider.failure) = Some(17);
    let started = Instant::now();
    let answers = twenty(&story, &[Arc::clone(&story.store)]).await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    for answer in &answers {
        answer.is(503, "identity_provider_unavailable");
    }
    let told: HashSet<_> = answers.iter().map(|answer| answer.retry_after.clone()).collect();
    assert_eq!(told, HashSet::from([Some("17".to_owned()), Some("5".to_owned())]));
    assert_eq!(story.provider.requests(), 1);
    *lock(&story.provider.failure) = None;
    story.refresh(NOW + Duration::from_secs(5)).await.key();
}

/// The new tokens cannot be verified yet, but the next refresh token must not be lost.
#[tokio::test(start_paused = true)]
async fn r134_unavailable_keys_keep_the_session_and_its_next_refresh_token() {
    let story = Story::in_memory().await;
    story.provider.documents.set_key_set(None);
    story.refresh(NOW).await.is(503, "identity_provider_unavailable");
    story.provider.documents.set_key_set(Some(key_set_document(&[&TEST_KEY])));
    story.refresh(NOW + Duration::from_secs(10)).await.key();
    assert!(lock(&story.provider.used).contains("rotated 0"));
    assert!(lock(&story.provider.revoked).is_empty());
}

/// R196: two sessions of one user that are refreshed within one second may get the same token. The
/// requests that wait for the refresh receive the next token.
#[tokio::test(start_paused = true)]
async fn r196_a_token_of_another_session_is_skipped_and_the_next_one_is_used() {
    let story = Story::in_memory().await;
    let taken = story.provider.access_token(NOW);
    story.begin_another(taken.clone()).await;
    let started = Instant::now();
    let answers = twenty(&story, &[Arc::clone(&story.store)]).await;
    let keys: HashSet<_> = answers.iter().map(Answer::key).collect();
    assert!(keys.len() == 1 && !keys.contains(&taken), "{keys:?}");
    assert!((1..=2).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert_eq!(story.provider.requests(), 2);
    assert!(lock(&story.provider.used).contains("rotated 0"));
    assert!(lock(&story.provider.revoked).is_empty());
}

/// R196: the number of retries is limited, and the session continues with its next refresh token.
#[tokio::test(start_paused = true)]
async fn r196_a_provider_that_issues_one_token_to_all_sessions_gets_three_requests() {
    let story = Story::in_memory().await;
    let same = json!({ "iat": NOW.as_unix(), "exp": NOW.as_unix() + 3_600 });
    *lock(&story.provider.changes) = same;
    story.begin_another(story.provider.access_token(NOW)).await;
    story.refresh(NOW).await.is(503, "refresh_in_progress");
    assert_eq!(story.provider.requests(), 3);
    *lock(&story.provider.changes) = json!({});
    story.refresh(NOW + Duration::from_secs(10)).await.key();
    assert!(lock(&story.provider.used).contains("rotated 2"));
}
