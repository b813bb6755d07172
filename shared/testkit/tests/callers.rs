//! A function of one's own, tested with the callers of this crate.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use async_trait::async_trait;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use shared::{
    guard::{Guarded, Principal, ProtectedFunction, Rules},
    pages::respond::Responder,
    web::request::{Request, Response},
};
use testkit::{Api, Caller};

struct Reports;

#[async_trait]
impl ProtectedFunction for Reports {
    const PATH: &'static str = "/reports";
    const METHODS: &'static str = "GET, POST, OPTIONS";
    const RULES: Rules<'static> =
        Rules { scopes: &["read:reports"], claims: &[("org_id", "org_ours")], ..Rules::NONE };

    async fn answer(&self, who: &Principal, _: &Request, responder: &Responder) -> Response {
        responder.json(StatusCode::OK, &who.user)
    }
}

async fn ask(api: &Api, caller: &Caller) -> (u16, Value) {
    let reports = Guarded::new(Reports, api.config(), api.dependencies());
    let answer = api.call(&reports, caller.request(Method::GET, "/reports")).await;
    if answer.status() == 200 {
        let by_cookie = caller.request_by_cookie(Method::POST, "/reports");
        assert_eq!(api.call(&reports, by_cookie).await.body(), answer.body());
    }
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
}

#[tokio::test]
async fn scopes_claims_and_organizations_are_those_of_the_test() {
    let api = Api::new();
    let ada = api.person("auth0|ada").scopes(&["read:reports"]).claim("email", "ada@example.com");
    let member = ada.clone().organization("org_ours").log_in().await;
    let user = json!({ "sub": "auth0|ada", "email": "ada@example.com", "org_id": "org_ours" });
    assert_eq!(ask(&api, &member).await, (200, user));

    let stranger = ada.clone().organization("org_theirs").log_in().await;
    assert_eq!(ask(&api, &stranger).await.1["code"], "claim_not_allowed");
    let unscoped = ada.organization("org_ours").scopes(&["openid"]).log_in().await;
    assert_eq!(ask(&api, &unscoped).await.1["code"], "insufficient_scope");
}

#[tokio::test]
async fn sessions_end_and_tokens_expire() {
    let api = Api::new();
    let ada = api.person("auth0|ada").scopes(&["read:reports"]).organization("org_ours");
    let (leaving, staying) = (ada.clone().log_in().await, ada.clone().log_in().await);
    api.end_session(&leaving).await;
    let (status, body) = ask(&api, &leaving).await;
    assert_eq!((status, &body["message"]), (401, &json!("Good token, bad session")));
    assert_eq!(ask(&api, &staying).await.0, 200);
    assert_eq!(ask(&api, &ada.token()).await.1["code"], "session_ended");

    api.pass(Duration::from_secs(7_200));
    assert_eq!(ask(&api, &staying).await.1["code"], "token_expired");
}

/// The other API has stricter settings and shares the sessions and the clock.
#[tokio::test]
async fn sessions_from_before_other_settings_are_checked_by_the_new_ones() {
    let api = Api::new();
    let ada = api.person("auth0|ada").scopes(&["read:reports"]).organization("org_ours");
    let ada = ada.log_in().await;
    let config = Api::with_settings(&[("ORGANIZATION", "org_theirs")]).config();
    let stricter = Api::of(config, api.dependencies().clone(), api.clock().clone());
    assert_eq!(ask(&stricter, &ada).await.1["code"], "organization_not_allowed");
    stricter.pass(Duration::from_secs(7_200));
    assert_eq!(ask(&api, &ada).await.1["code"], "token_expired");
}

#[test]
#[should_panic(expected = "AUTH_HOST")]
fn invalid_settings_are_named() {
    let _ = Api::with_settings(&[("AUTH_HOST", "not a host")]);
}
