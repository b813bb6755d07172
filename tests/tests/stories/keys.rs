//! The provider's keys under attack, and without the provider.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    jwt::testing::{TEST_KEY, TestKey},
    keys::{FAILURE_PAUSE, HARD_AGE, MISS_COOL_DOWN, SOFT_AGE},
    random::Random,
};
use tests::{
    misbehaving_provider::{ADA, KeySetEndpoint},
    site::Site,
};
use tokio::task::JoinSet;

/// A site that takes tokens which no login here ever showed, with its keys fetched, and a token that
/// outlives them.
async fn warm_site() -> (Site, String) {
    let site = Site::start_with(&[("REQUIRE_SESSION", "false")]).await;
    let token = site.provider().id_token(ADA, &lasting(&site));
    assert_eq!(site.call_api(&token).await.status(), 200);
    assert_eq!(requests(&site), (1, 1));
    (site, token)
}

/// How often the discovery document and the key set were asked for.
fn requests(site: &Site) -> (usize, usize) {
    (site.provider().metadata_requests(), site.provider().key_set_requests())
}

fn lasting(site: &Site) -> Value {
    json!({ "exp": site.now().as_unix() + 10 * HARD_AGE.as_secs() })
}

fn pass(site: &Site, time: Duration) {
    site.pass(time.as_secs());
}

#[tokio::test]
async fn r073_a_thousand_invented_key_names_cost_one_request_per_cool_down() {
    let (site, good) = warm_site().await;
    let claims = json!({ "iss": site.provider().issuer });
    let mut header = TEST_KEY.header();
    for number in 0..1_000_usize {
        // 25 seconds of it: two cool-downs, and the beginning of a third.
        if number > 0 && number % 40 == 0 {
            site.pass(1);
        }
        header["kid"] = Random::system().token().into();
        let token = TEST_KEY.sign_with_header(&header, &claims);
        site.call_api(&token).await.is_json(401, "token_unknown_key");
        if number % 10 == 0 {
            assert_eq!(site.call_api(&good).await.status(), 200);
        }
        let cool_downs = number / 40 / usize::try_from(MISS_COOL_DOWN.as_secs()).unwrap();
        assert_eq!(requests(&site), (1, 2 + cool_downs), "after {number}");
    }
    assert_eq!(requests(&site), (1, 4));
}

#[tokio::test]
async fn r072_r076_a_rotation_met_by_a_hundred_requests_at_once_costs_one_request() {
    let (site, good) = warm_site().await;
    let new = TestKey::rsa("new");
    site.provider().publish(&[&TEST_KEY, &new]);
    let token = site.provider().id_token_by(&new, ADA, &lasting(&site));
    let mut all = JoinSet::new();
    for number in 0..100 {
        let (site, token) = (site.clone(), if number % 4 == 0 { &good } else { &token }.clone());
        all.spawn(async move { site.call_api(&token).await.status() });
    }
    while let Some(status) = all.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(requests(&site), (1, 2));

    // The old key is withdrawn: its tokens end when that is heard of, and with the keys' age at last.
    site.provider().publish(&[&new]);
    assert_eq!(site.call_api(&good).await.status(), 200);
    pass(&site, SOFT_AGE);
    site.call_api(&good).await.is_json(401, "token_unknown_key");
    assert_eq!(site.call_api(&token).await.status(), 200);
}

#[tokio::test]
async fn r075_what_no_key_could_make_good_asks_for_none() {
    let site = Site::start_with(&[("REQUIRE_SESSION", "false")]).await;
    let good = site.provider().id_token(ADA, &lasting(&site));
    let foreign = site.provider().id_token(ADA, &json!({ "iss": "https://evil.example/" }));
    let mut header = TEST_KEY.header();
    header["alg"] = "HS256".into();
    let claims = json!({ "iss": site.provider().issuer });
    let symmetric = TEST_KEY.sign_with_header(&header, &claims);
    for token in ["opaque", "a.b.c", "a.b.c.d.e", &good.replace('.', ".."), &foreign, &symmetric] {
        assert_eq!(site.call_api(token).await.status(), 401, "{token}");
    }
    assert_eq!(requests(&site), (0, 0));
}

#[tokio::test]
async fn r077_an_outage_is_bridged_by_the_last_good_keys_and_no_longer_than_they_are_good() {
    let (site, good) = warm_site().await;
    site.provider().set_metadata_down(true);
    site.provider().set_key_set_endpoint(KeySetEndpoint::Fails(500));

    pass(&site, SOFT_AGE);
    assert_eq!(site.call_api(&good).await.status(), 200);
    assert_eq!(requests(&site), (2, 2));
    let unknown = site.provider().id_token_by(&TestKey::rsa("new"), ADA, &lasting(&site));
    let answer = site.call_api(&unknown).await;
    assert_eq!(answer.is_json(503, "identity_provider_unavailable").header("retry-after"), "5");

    pass(&site, HARD_AGE - SOFT_AGE - Duration::from_secs(1));
    assert_eq!(site.call_api(&good).await.status(), 200);
    pass(&site, Duration::from_secs(1));
    for _ in 0..10 {
        let answer = site.call_api(&good).await;
        assert_eq!(answer.is_json(503, "identity_provider_unavailable").header("retry-after"), "5");
    }

    site.provider().set_metadata_down(false);
    site.provider().set_key_set_endpoint(KeySetEndpoint::Works);
    pass(&site, FAILURE_PAUSE);
    assert_eq!(site.call_api(&good).await.status(), 200);
}

#[tokio::test]
async fn r077_whatever_the_key_set_endpoint_answers_the_last_good_keys_serve() {
    for behaviour in [
        KeySetEndpoint::Fails(500),
        KeySetEndpoint::Fails(429),
        KeySetEndpoint::Fails(404),
        KeySetEndpoint::Empty,
        KeySetEndpoint::Html,
        KeySetEndpoint::Huge,
        KeySetEndpoint::Silent,
    ] {
        let (site, good) = warm_site().await;
        site.provider().set_key_set_endpoint(behaviour);
        pass(&site, SOFT_AGE);
        for _ in 0..3 {
            assert_eq!(site.call_api(&good).await.status(), 200, "{behaviour:?}");
        }
        assert_eq!(requests(&site), (2, 2), "{behaviour:?}");

        // Without keys at all it is another matter.
        let cold = Site::start().await;
        cold.provider().set_key_set_endpoint(behaviour);
        let token = cold.provider().id_token(ADA, &json!({}));
        let answer = cold.call_api(&token).await;
        answer.is_json(503, "identity_provider_unavailable");
        assert!(answer.has("retry-after"), "{behaviour:?}");
    }
}
