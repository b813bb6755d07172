mod processes;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    crypto::random::Random,
    jwt::TokenKind,
    store::memory::MemoryStore,
    testing::{
        provider::FakeProvider,
        tokens::{TEST_KEY, TestKey, key_set_document as key_set},
    },
};

use super::*;

const NOW: u64 = 1_800_000_000;

/// R50.
#[tokio::test]
async fn r050_the_first_token_fetches_each_document_once_and_the_next_none() {
    let story = Story::new();
    for _ in 0..3 {
        story.verify(&story.token(&TEST_KEY), 0).await.unwrap();
    }
    assert_eq!(story.provider.metadata_fetches(), 1);
    assert_eq!(story.provider.key_set_fetches(), 1);
}

/// R75.
#[tokio::test]
async fn r075_a_token_that_no_key_could_make_valid_causes_no_fetch() {
    let story = Story::new();
    let mut wrong_issuer = claims();
    wrong_issuer["iss"] = "https://evil/".into();
    let mut unsigned = TEST_KEY.header();
    unsigned["alg"] = "none".into();
    let unsigned = TEST_KEY.sign_with_header(&unsigned, &claims());
    let cut = story.token(&TEST_KEY);
    let cut = &cut[..=cut.rfind('.').unwrap()];
    for token in ["", "opaque", "a.b.c", "a.b.c.d.e", &TEST_KEY.sign(&wrong_issuer), &unsigned, cut]
    {
        let error = story.verify(token, 0).await.unwrap_err();
        assert!(matches!(error, VerifyError::Token(_)), "{error}");
    }
    assert_eq!(story.provider.metadata_fetches() + story.provider.key_set_fetches(), 0);
}

/// R48: the key fits, but the provider does not advertise the algorithm.
#[tokio::test]
async fn r048_an_algorithm_that_the_provider_does_not_advertise_is_refused() {
    let key = TestKey::p256("ec");
    let story = Story::new();
    story.provider.set_key_set(Some(key_set(&[&TEST_KEY, &key])));
    let token = story.token(&key);
    let refused = story.refusal(&token, 0).await;
    assert_eq!(refused, TokenError::AlgorithmNotAllowed);

    let story = Story::new();
    story.provider.set_key_set(Some(key_set(&[&TEST_KEY, &key])));
    story.provider.set_algorithms(vec!["ES256"]);
    story.verify(&token, 0).await.unwrap();
}

/// R79: a known key with another algorithm is not worth a fetch.
#[tokio::test]
async fn r079_a_known_key_of_another_type_is_refused_without_a_fetch() {
    let story = Story::new();
    story.provider.set_algorithms(vec!["ES256"]);
    story.verify(&story.token(&TEST_KEY), 0).await.unwrap();
    let token = story.token(&TestKey::p256("test"));
    assert_eq!(story.refusal(&token, 0).await, TokenError::AlgorithmNotAllowed);
    assert_eq!(story.provider.key_set_fetches(), 1);
}

/// R72.
#[tokio::test]
async fn r072_a_rotated_key_verifies_after_exactly_one_fetch() {
    let story = Story::new();
    story.verify(&story.token(&TEST_KEY), 0).await.unwrap();
    let new = TestKey::rsa("new");
    story.provider.set_key_set(Some(key_set(&[&new])));
    for _ in 0..3 {
        story.verify(&story.token(&new), 1).await.unwrap();
    }
    assert_eq!(story.provider.key_set_fetches(), 2);
    assert_eq!(story.refusal(&story.token(&TEST_KEY), 1).await, TokenError::UnknownKey);
}

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
        let story = Story::new();
        let token = story.token(&TEST_KEY);
        story.verify(&token, 0).await.unwrap();
        story.provider.set_key_set(Some(next));
        let soft = SOFT_AGE.as_secs();
        story.verify(&token, soft - 1).await.unwrap();
        assert_eq!(story.refusal(&token, soft).await, refusal);
    }
}

/// R48.
#[tokio::test]
async fn r048_a_token_is_refused_once_the_provider_drops_its_algorithm() {
    let key = TestKey::p256("ec");
    let story = Story::new();
    story.provider.set_key_set(Some(key_set(&[&key])));
    story.provider.set_algorithms(vec!["ES256"]);
    let token = story.token(&key);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_algorithms(vec![]);
    assert_eq!(story.refusal(&token, SOFT_AGE.as_secs()).await, TokenError::AlgorithmNotAllowed);
}

/// R51, R72: keys and tokens without `kid` can be rotated too.
#[tokio::test]
async fn r072_a_rotated_key_without_kid_verifies_after_one_fetch() {
    let story = Story::new();
    let nameless = |key: &TestKey| key.sign_with_header(&json!({ "alg": "RS256" }), &claims());
    story.verify(&nameless(&TEST_KEY), 0).await.unwrap();
    let new = TestKey::rsa("new");
    story.provider.set_key_set(Some(key_set(&[&new])));
    story.verify(&nameless(&new), 1).await.unwrap();
    assert_eq!(story.refusal(&nameless(&TEST_KEY), 1).await, TokenError::InvalidSignature);
    assert_eq!(story.provider.key_set_fetches(), 2);
}

/// R73.
#[tokio::test]
async fn r073_a_flood_of_unknown_key_ids_costs_one_fetch_per_cool_down() {
    let story = Story::new();
    story.verify(&story.token(&TEST_KEY), 0).await.unwrap();
    let mut header = TEST_KEY.header();
    for number in 0..1_000 {
        header["kid"] = number.to_string().into();
        let token = TEST_KEY.sign_with_header(&header, &claims());
        assert_eq!(story.refusal(&token, 1).await, TokenError::UnknownKey);
        if number % 100 == 0 {
            story.verify(&story.token(&TEST_KEY), 1).await.unwrap();
        }
    }
    assert_eq!(story.provider.key_set_fetches(), 2);
}

/// R73: one minute of flood, with a valid token after each invalid one.
#[tokio::test]
async fn r073_a_lasting_flood_costs_one_fetch_per_cool_down_and_valid_tokens_are_unaffected() {
    let story = Story::new();
    let good = story.token(&TEST_KEY);
    story.verify(&good, 0).await.unwrap();
    let mut header = TEST_KEY.header();
    for number in 0..1_000 {
        let second = number * 60 / 1_000;
        header["kid"] = Random::system().token().into();
        let token = TEST_KEY.sign_with_header(&header, &claims());
        assert_eq!(story.refusal(&token, second).await, TokenError::UnknownKey);
        story.verify(&good, second).await.unwrap();
        let cool_downs = usize::try_from(second / MISS_COOL_DOWN.as_secs()).unwrap();
        assert_eq!(story.provider.key_set_fetches(), 1 + 1 + cool_downs, "at {second} s");
    }
    assert_eq!(story.provider.metadata_fetches(), 1);
}

/// R73, R77: during an outage, a flood costs no more, and an unknown key id does not make a token
/// invalid.
#[tokio::test]
async fn r073_a_flood_during_an_outage_costs_one_fetch_per_cool_down() {
    let story = Story::new();
    let good = story.token(&TEST_KEY);
    story.verify(&good, 0).await.unwrap();
    story.provider.set_key_set(None);
    let mut header = TEST_KEY.header();
    for number in 0..200 {
        header["kid"] = number.to_string().into();
        let token = TEST_KEY.sign_with_header(&header, &claims());
        let error = story.verify(&token, 1).await.unwrap_err();
        assert!(matches!(error, VerifyError::Keys(_)), "{error}");
        story.verify(&good, 1).await.unwrap();
    }
    assert_eq!(story.provider.key_set_fetches(), 2);
}

/// R74: the values of the pair are one second apart.
#[tokio::test]
async fn r074_a_new_key_is_unknown_for_no_longer_than_the_cool_down() {
    let story = Story::new();
    story.verify(&story.token(&TEST_KEY), 0).await.unwrap();
    let new = TestKey::rsa("new");
    assert_eq!(
        story.refusal(&story.token(&TestKey::rsa("made up")), 1).await,
        TokenError::UnknownKey
    );
    story.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    let cool_down = MISS_COOL_DOWN.as_secs();
    assert_eq!(story.refusal(&story.token(&new), cool_down).await, TokenError::UnknownKey);
    story.verify(&story.token(&new), cool_down + 1).await.unwrap();
}

/// R76.
#[tokio::test(start_paused = true)]
async fn r076_a_hundred_misses_share_one_fetch_and_known_keys_do_not_wait_for_it() {
    let story = Arc::new(Story::new());
    story.verify(&story.token(&TEST_KEY), 0).await.unwrap();
    let new = TestKey::rsa("new");
    story.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    story.provider.set_delay(Duration::from_secs(4));
    let token = story.token(&new);
    let mut misses = JoinSet::new();
    for _ in 0..100 {
        let (story, token) = (Arc::clone(&story), token.clone());
        misses.spawn(async move { story.verify(&token, 1).await });
    }
    tokio::task::yield_now().await;
    let before = tokio::time::Instant::now();
    story.verify(&story.token(&TEST_KEY), 1).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
    while let Some(verified) = misses.join_next().await {
        verified.unwrap().unwrap();
    }
    assert_eq!(story.provider.key_set_fetches(), 2);
}

/// R76: one hundred concurrent tokens with an invented key id gain no more than one.
#[tokio::test(start_paused = true)]
async fn r076_a_hundred_invented_key_ids_share_one_fetch_and_are_refused() {
    let story = Arc::new(Story::new());
    story.verify(&story.token(&TEST_KEY), 0).await.unwrap();
    story.provider.set_delay(Duration::from_secs(4));
    let mut header = TEST_KEY.header();
    let mut misses = JoinSet::new();
    for number in 0..100 {
        header["kid"] = number.to_string().into();
        let (story, token) = (Arc::clone(&story), TEST_KEY.sign_with_header(&header, &claims()));
        misses.spawn(async move { story.refusal(&token, 1).await });
    }
    while let Some(refusal) = misses.join_next().await {
        assert_eq!(refusal.unwrap(), TokenError::UnknownKey);
    }
    assert_eq!(story.provider.key_set_fetches(), 2);
}

/// R72, R76: a rotation with a warm cache, met by old and new tokens concurrently.
#[tokio::test(start_paused = true)]
async fn r072_a_rotation_under_load_costs_exactly_one_fetch() {
    let story = Arc::new(Story::new());
    story.verify(&story.token(&TEST_KEY), 0).await.unwrap();
    let new = TestKey::rsa("new");
    story.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    story.provider.set_delay(Duration::from_secs(1));
    let mut all = JoinSet::new();
    for number in 0..100 {
        let key = if number % 2 == 0 { &new } else { &TEST_KEY };
        let (story, token) = (Arc::clone(&story), story.token(key));
        all.spawn(async move { story.verify(&token, 1).await });
    }
    while let Some(verified) = all.join_next().await {
        verified.unwrap().unwrap();
    }
    assert_eq!((story.provider.metadata_fetches(), story.provider.key_set_fetches()), (1, 2));
    for second in 2..SOFT_AGE.as_secs() {
        story.verify(&story.token(&new), second).await.unwrap();
    }
    assert_eq!((story.provider.metadata_fetches(), story.provider.key_set_fetches()), (1, 2));
}

/// R76: the same for one hundred first tokens.
#[tokio::test(start_paused = true)]
async fn r076_a_hundred_first_tokens_share_one_fetch() {
    let story = Arc::new(Story::new());
    story.provider.set_delay(Duration::from_secs(1));
    let mut firsts = JoinSet::new();
    for _ in 0..100 {
        let (story, token) = (Arc::clone(&story), story.token(&TEST_KEY));
        firsts.spawn(async move { story.verify(&token, 0).await });
    }
    while let Some(verified) = firsts.join_next().await {
        verified.unwrap().unwrap();
    }
    assert_eq!((story.provider.metadata_fetches(), story.provider.key_set_fetches()), (1, 1));
}

/// R77: the values of each pair are one second apart.
#[tokio::test]
async fn r077_the_last_good_keys_are_used_during_an_outage_up_to_the_hard_age() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_key_set(None);
    story.provider.set_metadata_available(false);

    let soft = SOFT_AGE.as_secs();
    story.verify(&token, soft - 1).await.unwrap();
    assert_eq!(story.provider.key_set_fetches(), 1);
    story.verify(&token, soft).await.unwrap();
    assert_eq!(story.provider.key_set_fetches(), 2);

    let pause = FAILURE_PAUSE.as_secs();
    story.verify(&token, soft + pause - 1).await.unwrap();
    assert_eq!(story.provider.key_set_fetches(), 2);
    story.verify(&token, soft + pause).await.unwrap();
    assert_eq!(story.provider.key_set_fetches(), 3);

    let hard = HARD_AGE.as_secs();
    story.verify(&token, hard - 1).await.unwrap();
    let error = story.verify(&token, hard).await.unwrap_err();
    assert!(matches!(error, VerifyError::Keys(_)));

    story.provider.set_key_set(Some(key_set(&[&TEST_KEY])));
    story.provider.set_metadata_available(true);
    story.verify(&token, hard + pause).await.unwrap();
}

/// R77: a set without usable keys counts as a failure, not as an empty set.
#[tokio::test]
async fn r077_an_empty_key_set_does_not_replace_a_good_one() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_key_set(Some(key_set(&[])));
    story.verify(&token, SOFT_AGE.as_secs()).await.unwrap();
    let error = story.verify(&story.token(&TestKey::rsa("new")), SOFT_AGE.as_secs()).await;
    let Err(VerifyError::Keys(error)) = error else { panic!("the keys must be unavailable") };
    assert!(matches!(*error.0, ProviderError::NoUsableKey));
}

/// R77: a slow provider delays one request briefly, and no other.
#[tokio::test(start_paused = true)]
async fn r077_a_slow_provider_delays_one_request_briefly_while_keys_are_usable() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_delay(Duration::from_secs(3600));
    let before = tokio::time::Instant::now();
    story.verify(&token, SOFT_AGE.as_secs()).await.unwrap();
    assert_eq!(before.elapsed().as_secs(), 2 * REFRESH_PATIENCE.as_secs());
}

/// R77: without keys, a failure is remembered for a moment.
#[tokio::test]
async fn r077_without_keys_a_token_is_neither_accepted_nor_refused() {
    let story = Story::new();
    story.provider.set_key_set(None);
    for second in [0, 1] {
        let error = story.verify(&story.token(&TEST_KEY), second).await.unwrap_err();
        assert!(matches!(error, VerifyError::Keys(_)));
    }
    assert_eq!(story.provider.key_set_fetches(), 1);
    story.provider.set_key_set(Some(key_set(&[&TEST_KEY])));
    story.verify(&story.token(&TEST_KEY), FAILURE_PAUSE.as_secs()).await.unwrap();
}

/// R80: only the time passed in counts; no timer runs here.
#[tokio::test(start_paused = true)]
async fn r080_keys_age_by_the_time_passed_in() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.verify(&token, SOFT_AGE.as_secs()).await.unwrap();
    assert_eq!((story.provider.metadata_fetches(), story.provider.key_set_fetches()), (2, 2));
}

/// R80: a clock that was ahead and is set back neither keeps a withdrawn key usable nor a new one
/// unknown.
#[tokio::test]
async fn r080_a_clock_that_is_set_back_does_not_rejuvenate_keys() {
    let story = Story::new();
    let ahead = 30 * 24 * 3600;
    let old = TEST_KEY.sign(&lasting_claims());
    let new = TestKey::rsa("new");
    story.verify(&old, ahead).await.unwrap();
    assert_eq!(story.refusal(&new.sign(&lasting_claims()), ahead).await, TokenError::UnknownKey);
    story.provider.set_key_set(Some(key_set(&[&new])));
    assert_eq!(story.refusal(&old, 0).await, TokenError::UnknownKey);
    story.verify(&new.sign(&lasting_claims()), 0).await.unwrap();

    // Concurrent requests may pass their times out of order.
    let fetches = story.provider.key_set_fetches();
    let old_age = SOFT_AGE.as_secs() + 1;
    story.verify(&new.sign(&lasting_claims()), old_age).await.unwrap();
    story.verify(&new.sign(&lasting_claims()), old_age - 1).await.unwrap();
    assert_eq!(story.provider.key_set_fetches(), fetches + 1);
}

/// R70: with any implementation of the provider.
#[tokio::test]
async fn r070_metadata_of_another_issuer_is_refused() {
    let provider = FakeProvider::new(Issuer::parse("evil.example").unwrap());
    let store = Arc::new(MemoryStore::default());
    let keys = Keys::new(Arc::new(provider), store, Issuer::parse("tenant.auth0.com").unwrap());
    let error = keys.metadata(Timestamp::from_unix(NOW)).await.unwrap_err();
    assert!(matches!(*error.0, ProviderError::WrongIssuer { .. }));
}

struct Story {
    provider: Arc<FakeProvider>,
    issuer: Issuer,
    keys: Keys,
}

impl Story {
    /// A provider that publishes the test key.
    fn new() -> Self {
        let issuer = Issuer::parse("tenant.auth0.com").unwrap();
        let provider = Arc::new(FakeProvider::new(issuer.clone()));
        provider.set_key_set(Some(key_set(&[&TEST_KEY])));
        let store = Arc::new(MemoryStore::default());
        let keys = Keys::new(Arc::<FakeProvider>::clone(&provider), store, issuer.clone());
        Self { provider, issuer, keys }
    }

    fn token(&self, key: &TestKey) -> String {
        key.sign(&claims())
    }

    async fn verify(&self, token: &str, seconds: u64) -> Result<Claims, VerifyError> {
        self.keys.verify(token, &self.expected(), Timestamp::from_unix(NOW + seconds)).await
    }

    fn expected(&self) -> Expected<'_> {
        Expected { issuer: &self.issuer, kind: TokenKind::ApiKey { client_id: "the-client" } }
    }

    async fn refusal(&self, token: &str, seconds: u64) -> TokenError {
        match self.verify(token, seconds).await {
            Err(VerifyError::Token(error)) => error,
            other => panic!("the token must be refused: {other:?}"),
        }
    }
}

/// The claims of a token that is valid for longer than keys are.
fn lasting_claims() -> Value {
    let mut claims = claims();
    claims["exp"] = (NOW + 365 * 24 * 3600).into();
    claims
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
