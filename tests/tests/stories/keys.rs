//! The provider's signing keys: rotated, unavailable, malformed. The tests of `discovery/keys` prove when
//! they are fetched, and for how long they are used.

use serde_json::{Value, json};
use shared::testing::tokens::{TEST_KEY, TestKey};
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, Endpoint},
    site::{CLIENT_ID, Site},
    visitor::Visitor,
};

const LATER: &str = "Please try again in a moment";

/// A site that accepts any valid token without a session, and has accepted one.
async fn warm() -> (Site, String) {
    let site = Site::start_with(&[("REQUIRE_SESSION", "false")]).await;
    let token = token(&site, &TEST_KEY);
    assert_eq!(site.call_api(&token).await.status(), 200);
    assert_eq!(key_set_requests(&site), 1);
    (site, token)
}

fn token(site: &Site, key: &TestKey) -> String {
    let now = site.now().as_unix();
    key.sign(&json!({
        "iss": site.provider().issuer, "sub": ADA.subject, "aud": CLIENT_ID,
        "iat": now, "exp": now + 3_600,
    }))
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
async fn r079_a_known_key_id_with_another_algorithm_is_rejected_without_a_fetch() {
    let site = Site::start_with(&[("REQUIRE_SESSION", "false")]).await;
    let supported = json!({ "id_token_signing_alg_values_supported": ["RS256", "ES256"] });
    site.provider().change_metadata(supported);
    assert_eq!(site.call_api(&token(&site, &TEST_KEY)).await.status(), 200);
    let foreign = token(&site, &TestKey::p256("test"));
    site.call_api(&foreign).await.is_json(401, "token_algorithm_not_allowed");
    assert_eq!(key_set_requests(&site), 1);
}
