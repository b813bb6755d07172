mod outages;
mod processes;
mod starts;
mod unreliable_store;

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use self::unreliable_store::UnreliableStore;
use super::*;
use crate::{
    crypto::random::Random,
    jwt::TokenKind,
    store::memory::MemoryStore,
    testing::{
        provider::FakeProvider,
        tokens::{TEST_KEY, TestKey, key_set_document as key_set},
    },
};

const NOW: u64 = 1_800_000_000;

/// R48, R49, R52, R77, R79: a change of the key set takes effect at the next fetch, and not before.
#[tokio::test]
async fn r077_an_accepted_token_is_refused_once_its_key_is_removed_or_changed() {
    let with_key = |change: fn(&mut Value)| {
        let mut jwk = TEST_KEY.jwk();
        change(&mut jwk);
        json!({ "keys": [jwk] })
    };
    for (next, refusal) in [
        (key_set(&[&TestKey::rsa("new")]), TokenError::UnknownKey),
        (key_set(&[&TestKey::rsa("test")]), TokenError::InvalidSignature),
        (with_key(|jwk| jwk["kid"] = "another".into()), TokenError::UnknownKey),
        (with_key(|jwk| jwk["alg"] = "PS256".into()), TokenError::AlgorithmNotAllowed),
    ] {
        let (fleet, process) = Fleet::of_one().await;
        fleet.provider.set_key_set(Some(next));
        let soft = SOFT_AGE.as_secs();
        process.verify(&token(&TEST_KEY), soft - 1).await.unwrap();
        assert_eq!(process.refusal(&token(&TEST_KEY), soft).await, refusal);
    }
}

/// R48.
#[tokio::test]
async fn r048_a_token_is_refused_once_the_provider_drops_its_algorithm() {
    let key = TestKey::p256("ec");
    let fleet = Fleet::new();
    let process = fleet.start();
    fleet.provider.set_key_set(Some(key_set(&[&key])));
    fleet.provider.set_algorithms(vec!["ES256"]);
    process.verify(&token(&key), 0).await.unwrap();
    fleet.provider.set_algorithms(vec![]);
    let refusal = process.refusal(&token(&key), SOFT_AGE.as_secs()).await;
    assert_eq!(refusal, TokenError::AlgorithmNotAllowed);
}

/// R51, R72: keys and tokens without `kid` can be rotated too.
#[tokio::test]
async fn r072_a_rotated_key_without_kid_verifies_after_one_fetch() {
    let nameless = |key: &TestKey| key.sign_with_header(&json!({ "alg": "RS256" }), &claims());
    let fleet = Fleet::new();
    let process = fleet.start();
    process.verify(&nameless(&TEST_KEY), 0).await.unwrap();
    let new = TestKey::rsa("new");
    fleet.provider.set_key_set(Some(key_set(&[&new])));
    process.verify(&nameless(&new), 1).await.unwrap();
    assert_eq!(process.refusal(&nameless(&TEST_KEY), 1).await, TokenError::InvalidSignature);
    assert_eq!(fleet.provider.key_set_fetches(), 2);
}

/// R72, R76: a hundred tokens each with a new key, an invented key id and a known key.
#[tokio::test(start_paused = true)]
async fn r076_concurrent_misses_share_one_fetch_and_known_keys_do_not_wait_for_it() {
    let (fleet, process) = Fleet::of_one().await;
    let process = Arc::new(process);
    let new = TestKey::rsa("new");
    fleet.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    fleet.provider.set_delay(Duration::from_secs(4));
    let started = Instant::now();
    let mut all = JoinSet::new();
    for number in 0..100 {
        for (token, is_known, is_valid) in [
            (token(&new), false, true),
            (invented(number), false, false),
            (token(&TEST_KEY), true, true),
        ] {
            let process = Arc::clone(&process);
            all.spawn(async move {
                match process.verify(&token, 1).await {
                    Ok(_) => assert!(is_valid),
                    Err(VerifyError::Token(TokenError::UnknownKey)) => assert!(!is_valid),
                    Err(error) => panic!("{error}"),
                }
                assert_eq!(started.elapsed().as_secs(), if is_known { 0 } else { 4 });
            });
        }
    }
    all.join_all().await;
    assert_eq!(fleet.fetches(), (1, 2));
}

/// R80: a clock that was ahead and is set back neither keeps a withdrawn key usable nor a new one
/// unknown.
#[tokio::test]
async fn r080_a_clock_that_is_set_back_does_not_rejuvenate_keys() {
    let fleet = Fleet::new();
    let process = fleet.start();
    let ahead = 30 * 24 * 3600;
    let (old, new) = (lasting_token(&TEST_KEY), TestKey::rsa("new"));
    process.verify(&old, ahead).await.unwrap();
    assert_eq!(process.refusal(&lasting_token(&new), ahead).await, TokenError::UnknownKey);
    fleet.provider.set_key_set(Some(key_set(&[&new])));
    assert_eq!(process.refusal(&old, 0).await, TokenError::UnknownKey);
    process.verify(&lasting_token(&new), 0).await.unwrap();

    // Concurrent requests may pass their times out of order.
    let fetches = fleet.provider.key_set_fetches();
    let old_age = SOFT_AGE.as_secs() + 1;
    process.verify(&lasting_token(&new), old_age).await.unwrap();
    process.verify(&lasting_token(&new), old_age - 1).await.unwrap();
    assert_eq!(fleet.provider.key_set_fetches(), fetches + 1);
}

/// A provider, a store, and the processes that are started over them.
struct Fleet {
    provider: Arc<FakeProvider>,
    store: Arc<UnreliableStore>,
    issuer: Issuer,
}

/// One process with its own cache.
struct Process {
    issuer: Issuer,
    keys: Keys,
}

impl Fleet {
    /// A provider that publishes the test key, with an empty store.
    fn new() -> Self {
        let issuer = Issuer::parse("tenant.auth0.com").unwrap();
        let provider = Arc::new(FakeProvider::new(issuer.clone()));
        provider.set_key_set(Some(key_set(&[&TEST_KEY])));
        Self { provider, store: Arc::default(), issuer }
    }

    /// The same, with one process that has accepted a token.
    async fn of_one() -> (Self, Process) {
        let fleet = Self::new();
        let process = fleet.start();
        process.verify(&token(&TEST_KEY), 0).await.unwrap();
        (fleet, process)
    }

    /// The same, with `count` processes.
    async fn of(count: usize) -> (Self, Vec<Process>) {
        let fleet = Self::new();
        let processes: Vec<_> = (0..count).map(|_| fleet.start()).collect();
        for process in &processes {
            process.verify(&lasting_token(&TEST_KEY), 0).await.unwrap();
        }
        (fleet, processes)
    }

    /// Starts a process without any cached document.
    fn start(&self) -> Process {
        let provider = Arc::<FakeProvider>::clone(&self.provider);
        let store = Arc::<UnreliableStore>::clone(&self.store);
        let issuer = self.issuer.clone();
        Process { keys: Keys::new(provider, store, issuer.clone()), issuer }
    }

    /// Starts a process that never writes to the store.
    fn start_reader(&self) -> Process {
        let process = self.start();
        Process { keys: process.keys.reader(), ..process }
    }

    /// Makes every request to the provider fail.
    fn take_provider_down(&self) {
        self.provider.set_key_set(None);
        self.provider.set_metadata_available(false);
    }

    /// The numbers of fetches of the metadata and of the keys.
    fn fetches(&self) -> (usize, usize) {
        (self.provider.metadata_fetches(), self.provider.key_set_fetches())
    }
}

impl Process {
    async fn verify(&self, token: &str, seconds: u64) -> Result<Claims, VerifyError> {
        let kind = TokenKind::ApiKey { client_id: "the-client" };
        let expected = Expected { issuer: &self.issuer, kind };
        self.keys.verify(token, &expected, at(seconds)).await
    }

    async fn refusal(&self, token: &str, seconds: u64) -> TokenError {
        match self.verify(token, seconds).await {
            Err(VerifyError::Token(error)) => error,
            other => panic!("the token must be refused: {other:?}"),
        }
    }

    /// Asserts that the keys are unavailable, so that no decision is made.
    async fn is_undecided(&self, token: &str, seconds: u64) {
        let error = self.verify(token, seconds).await.unwrap_err();
        assert!(matches!(error, VerifyError::Keys(_)), "{error}");
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(NOW + seconds)
}

fn token(key: &TestKey) -> String {
    key.sign(&claims())
}

/// A token that is valid for longer than keys are.
fn lasting_token(key: &TestKey) -> String {
    let mut claims = claims();
    claims["exp"] = (NOW + 365 * 24 * 3600).into();
    key.sign(&claims)
}

/// A token with a key id that does not exist.
fn invented(number: u64) -> String {
    let mut header = TEST_KEY.header();
    header["kid"] = format!("{number} {}", Random::system().token()).into();
    TEST_KEY.sign_with_header(&header, &claims())
}

fn claims() -> Value {
    json!({
        "iss": "https://tenant.auth0.com/",
        "sub": "auth0|ada",
        "aud": "the-client",
        "exp": NOW + 200_000,
        "iat": NOW,
    })
}
