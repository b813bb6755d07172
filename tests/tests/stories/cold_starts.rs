//! Cold starts: what a new process reads from the store, at its start and at its first request, and that
//! it sends no request to the provider.

use std::{sync::Arc, time::Instant};

use axum::{Router, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Method;
use serde_json::json;
use shared::{
    guard::{
        Rules,
        routes::{Routes, require},
    },
    testing::tokens::TestKey,
    web::request::Function as _,
};
use tests::{
    line::Condition,
    misbehaving_provider::ADA,
    observed_store::ObservedStore,
    site::{ORIGIN, Site},
    table,
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

/// The calls have the names in `RIGHTS`; each is one round trip. `login` shows its page without the
/// store.
#[tokio::test]
async fn a_process_reads_the_documents_at_its_start_and_not_at_a_request() {
    let (site, mut visitor, key) = warm().await;
    let asked = site.provider().requests();
    let start = async |binary: &str| {
        site.restart();
        site.store().take_calls();
        site.prepare(binary).await;
        site.store().take_calls()
    };
    for binary in ["authorizer", "callback", "logout", "protected", "refresh"] {
        assert_eq!(start(binary).await, ["documents"], "{binary}");
    }
    assert_eq!(start("login").await, [""; 0]);

    start("protected").await;
    for calls in [&["pointer", "session"][..], &["session"]] {
        assert_eq!(site.call_api(&key).await.status(), 200);
        assert_eq!(site.store().take_calls(), calls);
    }
    start("protected").await;
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    assert_eq!(site.store().take_calls(), ["session"]);
    start("logout").await;
    assert_eq!(visitor.submit("/logout").await.status(), 303);
    assert_eq!(site.store().take_calls(), ["session", "end"]);
    start("logout").await;
    let logout_token = site.provider().logout_token(ADA, &json!({}));
    assert_eq!(site.post_logout_token(&logout_token).await.status(), 200);
    let calls = site.store().take_calls();
    assert!(calls.iter().all(|call| !call.contains("document")), "{calls:?}");
    assert_eq!(site.provider().requests(), asked);
}

/// R96: a start without the table delays only itself, for about a second. This test uses a real
/// DynamoDB client, and a function of an application.
#[tokio::test]
async fn r096_a_process_that_starts_while_the_table_is_unavailable_serves_later() {
    for (condition, waits) in [(Condition::Cut, 0), (Condition::Stalls, 900)] {
        let (store, line) = table::at_the_end_of_a_line().await;
        let site = Site::start_over(ObservedStore::over(store), &[]).await;
        let key = Visitor::logged_in(&site, ADA).await.api_key().await;
        let store = Arc::new(ObservedStore::over(table::store_at(line.address())));
        let fresh = site.another_process_over(store, &[]);
        let reports = get(async || "all reports").layer(require(Rules::NONE));
        let function = {
            let api = fresh.api();
            let router = Router::new().route("/reports", reports);
            Routes::new(router, api.config(), api.dependencies())
        };

        line.set(condition);
        let started = Instant::now();
        fresh.log().watch(function.prepare(fresh.now())).await;
        let waited = started.elapsed().as_millis();
        // A second, plus a margin for a busy machine.
        assert!((waits..2_500).contains(&waited), "{condition:?}: {waited} ms");
        assert_eq!(fresh.log().errors_of("provider.not_shared").len(), 1, "{condition:?}");

        line.set(Condition::Works);
        let asked = site.provider().requests();
        let request = http::Request::get("/reports")
            .header("authorization", format!("Bearer {key}"))
            .body(Bytes::new())
            .unwrap();
        let answer = fresh.handle_by_routes(&function, request).await;
        assert_eq!(answer.text(), "all reports");
        let calls = ["documents", "documents with a pointer", "session"];
        assert_eq!(fresh.store().take_calls(), calls, "{condition:?}");
        assert_eq!(site.provider().requests(), asked, "{condition:?}");
    }
}

/// Such a process found no usable documents at its start.
#[tokio::test]
async fn an_unprepared_process_reads_all_that_a_request_needs_in_one_call() {
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
