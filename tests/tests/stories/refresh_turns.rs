//! `/refresh`: concurrent requests of one session. Time is simulated, except over DynamoDB.

use std::{slice, sync::Arc, time::Duration};

use refresh::{LEASE, PATIENCE, POLL};
use serde_json::json;
use shared::store::{Lease, SessionStore};
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, Endpoint},
    observed_store::ObservedStore,
    site::Site,
    table,
    visitor::Visitor,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

const SETTINGS: [(&str, &str); 2] =
    [("SCOPE", "openid profile email offline_access"), ("AUDIENCE", "https://api.example")];

/// A visitor whose token is old enough to be refreshed.
async fn start() -> (Site, Visitor) {
    let site = Site::start_without_network(&SETTINGS).await;
    let visitor = Visitor::logged_in(&site, ADA).await;
    site.pass(100);
    (site, visitor)
}

/// Starts twenty concurrent refreshes at these sites.
fn twenty(visitor: &Visitor, sites: &[Site]) -> JoinSet<Answer> {
    let mut refreshes = JoinSet::new();
    for site in sites.iter().cycle().take(20) {
        let mut visitor = visitor.clone().served_by(site);
        refreshes.spawn(async move { visitor.refresh().await });
    }
    refreshes
}

/// All requests got the same new token.
fn assert_share_one_token(answers: &[Answer]) {
    let key = answers[0].json()["api_key"].clone();
    for answer in answers {
        assert_eq!((answer.status(), &answer.json()["api_key"]), (200, &key), "{answer:?}");
    }
}

/// Takes the lease of the session for a request that never ends.
async fn lease_to_a_dead_request(site: &Site, lasts: Duration) {
    let session = site.store().last_session().unwrap().key;
    let lease = Lease { owner: [7; 16], expires_at: site.now() + lasts };
    assert!(site.store().lease(session, 0, lease, site.now()).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn r131_of_twenty_requests_over_memory_one_refreshes_and_all_succeed() {
    let (site, visitor) = start().await;
    let gate = site.provider().hold_refreshes();
    let refreshes = twenty(&visitor, slice::from_ref(&site));
    sleep(Duration::from_secs(4)).await;
    gate.open();
    assert_share_one_token(&refreshes.join_all().await);
    assert_eq!(site.provider().refreshes(), 1);
}

/// Four processes with separate connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r131_of_twenty_requests_over_dynamodb_one_refreshes_and_all_succeed() {
    for _ in 0..5 {
        let mut stores = table::with_stores(4).await.into_iter().map(ObservedStore::over);
        let site = Site::start_over(stores.next().unwrap(), &SETTINGS).await;
        let visitor = Visitor::logged_in(&site, ADA).await;
        site.pass(100);
        let others = stores.map(|store| site.another_process_over(Arc::new(store), &SETTINGS));
        let sites: Vec<_> = [site.clone()].into_iter().chain(others).collect();
        assert_share_one_token(&twenty(&visitor, &sites).join_all().await);
        assert_eq!(site.provider().refreshes(), 1);
        let session = site.store().last_session().unwrap().key;
        let row = site.store().session(session, site.now()).await.unwrap().unwrap();
        let refresh = row.refresh.unwrap();
        assert_eq!((refresh.version, refresh.lease), (1, None));
    }
}

#[tokio::test(start_paused = true)]
async fn r132_after_its_holder_died_the_lease_expires_and_another_request_refreshes() {
    let (site, visitor) = start().await;
    lease_to_a_dead_request(&site, Duration::from_secs(5)).await;
    let started = Instant::now();
    assert_share_one_token(&twenty(&visitor, slice::from_ref(&site)).join_all().await);
    assert_eq!(site.provider().refreshes(), 1);
    let waited = started.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(6)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn r132_a_request_stops_waiting_before_a_long_lease_expires_and_a_later_one_succeeds() {
    let (site, mut visitor) = start().await;
    lease_to_a_dead_request(&site, LEASE).await;
    let started = Instant::now();
    let answer = visitor.refresh().await;
    answer.is_json(503, "refresh_in_progress");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(started.elapsed() >= PATIENCE && started.elapsed() < PATIENCE + 2 * POLL);
    assert_eq!(site.provider().refreshes(), 0);
    site.pass(LEASE.as_secs());
    assert_eq!(visitor.refresh().await.status(), 200);
    assert_eq!(site.provider().refreshes(), 1);
}

/// It returns the tokens that the other request stored, and revokes none of them.
#[tokio::test(start_paused = true)]
async fn r132_a_request_that_finishes_after_its_lease_expired_writes_nothing() {
    let (site, mut visitor) = start().await;
    site.provider().allow_reuse();
    let gate = site.provider().hold_refreshes();
    let mut late = visitor.clone();
    let late = tokio::spawn(async move { late.refresh().await });
    gate.arrival().await;
    site.provider().let_refreshes_pass();
    sleep(LEASE).await;
    site.pass(LEASE.as_secs());
    let answer = visitor.refresh().await;
    assert_eq!(site.provider().refreshes(), 2);
    gate.open();
    assert_share_one_token(&[answer, late.await.unwrap()]);
    let session = site.store().last_session().unwrap().key;
    let row = site.store().session(session, site.now()).await.unwrap().unwrap();
    assert_eq!(row.refresh.unwrap().version, 1);
    assert!(site.provider().revoked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn r132_a_request_that_lost_its_lease_to_an_unfinished_one_returns_no_old_key() {
    let (site, visitor) = start().await;
    let gate = site.provider().hold_refreshes();
    let mut late = visitor.clone();
    let late = tokio::spawn(async move { late.refresh().await });
    gate.arrival().await;
    sleep(LEASE).await;
    site.pass(LEASE.as_secs());
    lease_to_a_dead_request(&site, LEASE).await;
    gate.open();
    late.await.unwrap().is_json(503, "identity_provider_unavailable");
    assert_eq!(site.live_sessions().await, 1);
    assert!(site.provider().revoked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn r134_a_failing_provider_gets_one_request_while_many_callers_wait() {
    let (site, mut visitor) = start().await;
    site.provider().set_token_endpoint(Endpoint::Busy(17));
    let gate = site.provider().hold_refreshes();
    let started = Instant::now();
    let refreshes = twenty(&visitor, slice::from_ref(&site));
    sleep(Duration::from_secs(3)).await;
    gate.open();
    let answers = refreshes.join_all().await;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    for answer in &answers {
        answer.is_json(503, "identity_provider_unavailable");
    }
    assert_eq!(site.provider().refreshes(), 1);
    site.provider().set_token_endpoint(Endpoint::Works);
    site.pass(5);
    assert_eq!(visitor.refresh().await.status(), 200);
}

/// R196: the number of retries is limited, and the session continues with its next refresh token.
#[tokio::test(start_paused = true)]
async fn r196_a_provider_that_issues_one_token_to_all_sessions_gets_three_requests() {
    let (site, mut visitor) = start().await;
    let now = site.now().as_unix();
    let same = json!({ "jti": null, "iat": now, "exp": now + 3_600 });
    site.provider().change_access_token_claims(same.clone());
    site.provider().change_refreshed_access_token_claims(same);
    Visitor::logged_in(&site, ADA).await;
    visitor.refresh().await.is_json(503, "refresh_in_progress");
    assert_eq!(site.provider().refreshes(), 3);
    let next = site.provider().last_token_response()["refresh_token"].clone();
    site.provider().change_refreshed_access_token_claims(json!({}));
    site.pass(10);
    assert_eq!(visitor.refresh().await.status(), 200);
    assert_eq!(json!(site.provider().last_token_request()["refresh_token"]), next);
}
