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

/// R183: the setting counts beside the function's own rules.
#[tokio::test]
async fn the_organization_of_the_settings_is_required() {
    let api = Api::with_settings(&[("ORGANIZATION", "org_theirs")]);
    let ada = api.person("auth0|ada").scopes(&["read:reports"]);
    let (status, body) = ask(&api, &ada.clone().log_in().await).await;
    assert_eq!((status, &body["code"]), (403, &json!("organization_required")));
    let (status, body) = ask(&api, &ada.organization("org_ours").log_in().await).await;
    assert_eq!((status, &body["code"]), (403, &json!("organization_not_allowed")));
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

#[tokio::test]
async fn machines_need_no_session_if_the_settings_say_so() {
    let api = Api::with_settings(&[("REQUIRE_SESSION", "false")]);
    let machine = api.machine("reporter").scopes(&["read:reports"]).organization("org_ours");
    assert_eq!(ask(&api, &machine.clone().token()).await.0, 200);
    assert_eq!(ask(&Api::new(), &machine.token()).await.1["code"], "session_ended");
}

#[tokio::test]
async fn a_cookie_authenticates_as_on_a_page_of_the_api() {
    let api = Api::new();
    let ada = api.person("auth0|ada").scopes(&["read:reports"]).organization("org_ours");
    let ada = ada.log_in().await;
    let reports = Guarded::new(Reports, api.config(), api.dependencies());
    let answer = api.call(&reports, ada.request_by_cookie(Method::POST, "/reports")).await;
    assert_eq!(answer.status(), 200);
}

#[test]
#[should_panic(expected = "AUTH_HOST")]
fn invalid_settings_are_named() {
    let _ = Api::with_settings(&[("AUTH_HOST", "not a host")]);
}
