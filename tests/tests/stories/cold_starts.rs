//! Cold starts: what a new process reads from the store, and that it sends no request to the provider.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Method;
use shared::testing::tokens::TestKey;
use tests::{
    misbehaving_provider::ADA,
    site::{ORIGIN, Site},
    visitor::Visitor,
};

const HOUR: u64 = 3_600;

/// A user is logged in, and each document of the provider has been fetched once.
async fn warm() -> (Site, Visitor, String) {
    let site = Site::start().await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let key = visitor.api_key().await;
    Visitor::new(&site).open("/").await.is_a_page(200, "Log in");
    (site, visitor, key)
}

/// The calls have the names in `RIGHTS`; each is one round trip.
#[tokio::test]
async fn a_cold_start_reads_all_that_it_needs_in_one_call() {
    let (site, mut visitor, key) = warm().await;
    let asked = site.provider().requests();
    site.restart();
    site.store().take_calls();
    assert_eq!(site.call_api(&key).await.status(), 200);
    assert_eq!(site.store().take_calls(), ["documents with a pointer", "session"]);
    assert_eq!(site.call_api(&key).await.status(), 200);
    assert_eq!(site.store().take_calls(), ["session"]);

    // A cookie needs none of the provider's keys.
    site.restart();
    for _ in 0..2 {
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
        assert_eq!(site.store().take_calls(), ["session"]);
        visitor.open("/").await.is_a_page(200, "Your API key");
        assert_eq!(site.store().take_calls(), ["session"]);
    }

    site.restart();
    for calls in [&["documents"][..], &[]] {
        let location = Visitor::new(&site).start("/login").await;
        assert!(location.as_str().starts_with(&site.provider().issuer));
        assert_eq!(site.store().take_calls(), calls);
    }
    // The list of login methods is read.
    for calls in [&["documents"][..], &[]] {
        Visitor::new(&site).open("/").await.is_a_page(200, "Log in");
        assert_eq!(site.store().take_calls(), calls);
    }

    site.restart();
    assert_eq!(visitor.submit("/logout").await.status(), 303);
    assert_eq!(site.store().take_calls(), ["session", "end", "documents"]);
    assert_eq!(site.provider().requests(), asked);
}

#[tokio::test]
async fn a_login_page_with_configured_methods_needs_neither_store_nor_provider() {
    for connections in ["none", "github,google-oauth2"] {
        let site = Site::start_with(&[("CONNECTIONS", connections)]).await;
        Visitor::new(&site).open("/").await.is_a_page(200, "Log in");
        assert_eq!(site.store().take_calls(), [""; 0]);
        assert_eq!(site.provider().requests(), 0);
    }
}

/// A function made from `functions/protected` uses the documents that the others share. It fetches
/// expired ones for its own process only, and needs no further right.
#[tokio::test]
async fn r205_a_guarded_function_reads_the_shared_documents_and_writes_none() {
    let (site, _, key) = warm().await;
    let by_the_login = site.provider().requests();
    site.pass(600);
    site.store().take_calls();
    for processes in 1..=2 {
        site.restart();
        assert_eq!(site.call_api(&key).await.status(), 200);
        assert_eq!(site.call_api(&key).await.status(), 200);
        assert_eq!(site.provider().requests(), by_the_login + 2 * processes);
        assert_eq!(site.store().take_calls(), ["documents with a pointer", "session", "session"]);
    }
    // A login stores the documents that it fetches.
    Visitor::logged_in(&site, ADA).await;
    let by_the_login = site.provider().requests();
    site.restart();
    assert_eq!(site.call_api(&key).await.status(), 200);
    assert_eq!(site.provider().requests(), by_the_login);
    assert_eq!(site.log().errors_of("provider.not_shared"), [""; 0]);
}

/// R77: all functions restart several times during the outage.
#[tokio::test]
async fn r077_cold_starts_work_while_the_provider_is_down() {
    let (site, mut visitor, key) = warm().await;
    site.provider().set_down(true);
    for _ in 0..4 {
        site.pass(HOUR / 4);
        site.restart();
        assert_eq!(site.call_api(&key).await.status(), 200);
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
        let location = Visitor::new(&site).start("/login").await;
        assert!(location.as_str().starts_with(&site.provider().issuer));
        let page = Visitor::new(&site).open("/").await;
        page.is_a_page(200, "Log in");
        assert!(page.text().contains("connection=google-oauth2"), "the last known list");
    }
    // Without the provider it is unknown whether this key exists.
    let unknown = TestKey::rsa("unknown").sign(&shared_claims(&key));
    site.call_api(&unknown).await.is_json(503, "identity_provider_unavailable");

    site.provider().set_down(false);
    site.pass(10);
    let asked = site.provider().requests();
    site.restart();
    assert_eq!(site.call_api(&key).await.status(), 200);
    assert_eq!(site.provider().requests(), asked + 2, "metadata and keys are an hour old");
    site.call_api(&unknown).await.is_json(401, "token_unknown_key");
}

/// R96: without the table a login fetches the provider's documents itself.
#[tokio::test]
async fn r096_a_login_starts_while_the_store_is_down() {
    let (site, ..) = warm().await;
    site.restart();
    site.store().set_down(true);
    let asked = site.provider().requests();
    let location = Visitor::new(&site).start("/login").await;
    assert!(location.as_str().starts_with(&site.provider().issuer));
    let page = Visitor::new(&site).open("/").await;
    page.is_a_page(200, "Log in");
    assert!(page.text().contains("connection=google-oauth2"));
    assert_eq!(site.provider().requests(), asked + 2);
    assert_eq!(site.log().errors_of("provider.not_shared").len(), 2);
}

/// A caller with the token can end its session, even in a cold process while the provider is down.
#[tokio::test]
async fn a_logout_by_token_in_a_cold_start_needs_no_provider() {
    let (site, _, key) = warm().await;
    site.provider().set_down(true);
    site.restart();
    site.store().take_calls();
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("origin", ORIGIN)];
    assert_eq!(site.send(Method::POST, "/logout", &headers).await.status(), 200);
    assert_eq!(site.store().take_calls(), ["documents with a pointer", "session", "end"]);
    assert_eq!(site.call_api(&key).await.json()["message"], "Good token, bad session");
}

/// The claims of the token.
fn shared_claims(token: &str) -> serde_json::Value {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}
