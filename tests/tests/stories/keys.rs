//! The provider's signing keys: rotated, flooded with unknown names, unavailable, malformed.

use serde_json::{Value, json};
use shared::testing::tokens::{TEST_KEY, TestKey};
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, Endpoint},
    site::{CLIENT_ID, START, Site},
    visitor::Visitor,
};

const LATER: &str = "Please try again in a moment";
const HOUR: u64 = 3_600;

/// A site that accepts any valid token without a session, and has accepted one.
async fn warm() -> (Site, String) {
    let site = Site::start_with(&[("REQUIRE_SESSION", "false")]).await;
    let token = token(&site, &TEST_KEY);
    assert_eq!(site.call_api(&token).await.status(), 200);
    assert_eq!(key_set_requests(&site), 1);
    (site, token)
}

fn token(site: &Site, key: &TestKey) -> String {
    key.sign(&claims(site))
}

fn claims(site: &Site) -> Value {
    json!({
        "iss": site.provider().issuer, "sub": ADA.subject, "aud": CLIENT_ID,
        "iat": site.now().as_unix(), "exp": START.as_unix() + 72 * HOUR,
    })
}

fn key_set_requests(site: &Site) -> usize {
    site.provider().key_set_requests()
}

/// The number of key fetches in the log.
fn fetches_logged(site: &Site) -> usize {
    let is_fetch =
        |line: &&Value| line["event"] == "provider.fetched" && line["document"] == "keys";
    site.log().lines().iter().filter(is_fetch).count()
}

#[tokio::test]
async fn r072_a_rotated_key_costs_one_fetch_and_the_old_key_is_rejected() {
    let (site, old) = warm().await;
    let rotated = TestKey::rsa("rotated");
    let new = token(&site, &rotated);
    site.provider().rotate_to(rotated);
    for _ in 0..3 {
        assert_eq!(site.call_api(&new).await.status(), 200);
    }
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    // The login fetched the keys separately: `/protected` does not write them to the table.
    assert_eq!((key_set_requests(&site), fetches_logged(&site)), (3, 3));
    site.call_api(&old).await.is_json(401, "token_unknown_key");
    assert_eq!(key_set_requests(&site), 3);
}

#[tokio::test]
async fn r073_r074_unknown_key_ids_cost_one_fetch_per_cool_down_and_delay_new_keys_no_longer() {
    let (site, known) = warm().await;
    let invented = |number: u32| {
        let mut header = TEST_KEY.header();
        header["kid"] = format!("made-up-{number}").into();
        TEST_KEY.sign_with_header(&header, &claims(&site))
    };
    for number in 0..1_000 {
        site.call_api(&invented(number)).await.is_json(401, "token_unknown_key");
        if number % 100 == 0 {
            assert_eq!(site.call_api(&known).await.status(), 200);
        }
    }
    assert_eq!(key_set_requests(&site), 2);
    let new = TestKey::rsa("new");
    site.provider().publish(json!({ "keys": [TEST_KEY.jwk(), new.jwk()] }));
    site.call_api(&token(&site, &new)).await.is_json(401, "token_unknown_key");
    site.pass(10);
    assert_eq!(site.call_api(&token(&site, &new)).await.status(), 200);
    assert_eq!(site.call_api(&known).await.status(), 200);
    assert_eq!((key_set_requests(&site), fetches_logged(&site)), (3, 3));
}

#[tokio::test]
async fn r075_a_token_that_no_key_can_verify_causes_no_provider_request() {
    let site = Site::start().await;
    let with = |name: &str, value: Value| {
        let mut claims = claims(&site);
        claims[name] = value;
        TEST_KEY.sign(&claims)
    };
    let mut unsigned = TEST_KEY.header();
    unsigned["alg"] = "none".into();
    let unsigned = TEST_KEY.sign_with_header(&unsigned, &claims(&site));
    let good = token(&site, &TEST_KEY);
    let (cut, _) = good.rsplit_once('.').unwrap();
    for (token, code) in [
        ("opaque", "token_opaque"),
        ("a.b.c", "token_malformed"),
        ("a.b.c.d.e", "token_encrypted"),
        (cut, "token_malformed"),
        (&format!("{cut}."), "token_invalid_signature"),
        (&unsigned, "token_algorithm_not_allowed"),
        (&with("iss", json!("https://evil.example/")), "invalid_issuer"),
    ] {
        site.call_api(token).await.is_json(401, code);
    }
    assert_eq!(key_set_requests(&site) + site.provider().metadata_requests(), 0);
}

#[tokio::test]
async fn r076_concurrent_tokens_with_a_new_key_share_one_fetch() {
    let (site, known) = warm().await;
    let new = TestKey::rsa("new");
    site.provider().publish(json!({ "keys": [TEST_KEY.jwk(), new.jwk()] }));
    let tokens = [token(&site, &new), known];
    // A hundred tokens have the new key, and a hundred the known one.
    let tasks: Vec<_> = (0..200)
        .map(|index: usize| {
            let (site, token) = (site.clone(), tokens[index % 2].clone());
            tokio::spawn(async move { site.call_api(&token).await.status() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert_eq!(key_set_requests(&site), 2);
}

/// Failures of an endpoint, and their reasons in the log. A timeout has a separate test, because it is
/// slow.
const OUTAGES: [(Endpoint, &str); 7] = [
    (Endpoint::Refuses(500, "broken"), "the answer has status 500"),
    (Endpoint::Refuses(429, "busy"), "the answer has status 429"),
    (Endpoint::Redirects(302), "the answer is a redirect"),
    (Endpoint::Html, "the answer is malformed: not JSON by its type"),
    (Endpoint::Garbage, "the key set is not valid: expected value at line 1 column 1"),
    (Endpoint::Huge, "the answer is longer than 1000000 bytes"),
    (Endpoint::Endless, "the answer is longer than 1000000 bytes"),
];

fn is_unavailable(answer: &Answer) {
    answer.is_json(503, "identity_provider_unavailable");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(!answer.has("www-authenticate") && !answer.has("set-cookie"));
}

#[tokio::test]
async fn r077_without_keys_every_token_and_login_gets_a_503() {
    for (outage, reason) in OUTAGES {
        let site = Site::start_with(&[("REQUIRE_SESSION", "false")]).await;
        site.provider().set_key_set_endpoint(outage);
        is_unavailable(&site.call_api(&token(&site, &TEST_KEY)).await);
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login").await;
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        answer.is_a_refusal(503, LATER);
        assert_eq!(site.store().sessions_created(), 0);
        // One line from `/protected`, one from the login.
        assert_eq!(site.log().errors_of("provider.unavailable").len(), 2);
        let reason = format!("the identity provider's keys or metadata are unavailable: {reason}");
        assert_eq!(site.log().errors_of("request.failed"), [reason.as_str()]);
        let reason = format!("the ID token was rejected: {reason}");
        assert_eq!(site.log().errors_of("login.failed"), [reason]);

        site.provider().set_key_set_endpoint(Endpoint::Works);
        site.pass(5);
        Visitor::logged_in(&site, ADA).await;
        assert_eq!(site.provider().requests_elsewhere(), 0);
    }
}

#[tokio::test]
async fn r077_the_last_good_keys_are_used_for_a_day_of_outage() {
    for (outage, _) in OUTAGES {
        let (site, known) = warm().await;
        site.provider().set_key_set_endpoint(outage);
        site.provider().set_metadata_endpoint(outage);
        for hours in [1, 8, 14] {
            site.pass(hours * HOUR);
            assert_eq!(site.call_api(&known).await.status(), 200, "{outage:?}");
        }
        site.pass(HOUR - 1);
        assert_eq!(site.call_api(&known).await.status(), 200, "{outage:?}");
        site.pass(1);
        is_unavailable(&site.call_api(&known).await);
        site.provider().set_key_set_endpoint(Endpoint::Works);
        site.provider().set_metadata_endpoint(Endpoint::Works);
        site.pass(5);
        assert_eq!(site.call_api(&known).await.status(), 200, "{outage:?}");
    }
}

#[tokio::test]
async fn r077_a_provider_that_does_not_answer_delays_only_one_request() {
    let (site, known) = warm().await;
    site.provider().set_key_set_endpoint(Endpoint::Slow);
    site.pass(600);
    let started = tokio::time::Instant::now();
    assert_eq!(site.call_api(&known).await.status(), 200);
    let waited = started.elapsed().as_millis();
    assert!((1_900..3_500).contains(&waited), "{waited} ms");
    let started = tokio::time::Instant::now();
    assert_eq!(site.call_api(&known).await.status(), 200);
    assert!(started.elapsed().as_millis() < 1_000);
    let reasons = site.log().errors_of("provider.unavailable");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
}

/// Keys that cannot verify a signature, most of them with the key id of the good key.
fn unusable_keys() -> Vec<Value> {
    let with = |name: &str, value: Value| {
        let mut key = TEST_KEY.jwk();
        key[name] = value;
        key
    };
    let mut curve = TestKey::p256("test").jwk();
    curve["crv"] = "P-384".into();
    vec![
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "test", "alg": "HS256" }),
        with("use", json!("enc")),
        with("alg", json!("RS512")),
        with("kty", json!("DSA")),
        // 1024 bits.
        with("n", json!("_".repeat(171))),
        with("n", json!("not base64url!")),
        with("e", json!("AQ")),
        curve,
        json!("a text"),
        json!(null),
        json!({}),
    ]
}

#[tokio::test]
async fn r078_unusable_keys_beside_a_good_one_are_ignored() {
    let site = Site::start().await;
    let mut keys = unusable_keys();
    keys.push(TEST_KEY.jwk());
    site.provider().publish(json!({ "keys": keys }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
}

#[tokio::test]
async fn r078_a_key_set_with_only_unusable_keys_is_rejected() {
    let unusable = unusable_keys().into_iter().map(|key| vec![key]);
    for keys in unusable.chain([Vec::new(), unusable_keys()]) {
        let site = Site::start_with(&[("REQUIRE_SESSION", "false")]).await;
        site.provider().publish(json!({ "keys": keys }));
        is_unavailable(&site.call_api(&token(&site, &TEST_KEY)).await);
        assert_eq!(
            site.log().errors_of("request.failed"),
            [
                "the identity provider's keys or metadata are unavailable: the key set contains no usable key"
            ],
            "{keys:?}"
        );
    }
}

#[tokio::test]
async fn r079_a_known_key_id_with_another_algorithm_is_rejected_without_a_fetch() {
    let site = Site::start_with(&[("REQUIRE_SESSION", "false")]).await;
    let supported = json!({ "id_token_signing_alg_values_supported": ["RS256", "ES256"] });
    site.provider().change_metadata(supported);
    assert_eq!(site.call_api(&token(&site, &TEST_KEY)).await.status(), 200);
    let foreign = token(&site, &TestKey::p256("test"));
    site.call_api(&foreign).await.is_json(401, "token_algorithm_not_allowed");
    assert_eq!(key_set_requests(&site), 1);
}
