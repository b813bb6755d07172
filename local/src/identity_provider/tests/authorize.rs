//! Tests of the errors of `/authorize`, and of who receives them.

use std::time::Duration;

use super::harness::*;

/// What happens to a request with `changes` made to it: the error that goes back to the client.
async fn error_of(changes: &[(&str, Option<&str>)]) -> String {
    let tenant = Tenant::start().await;
    let answer = Browser::new().get(&tenant.authorize_url(changes)).await;
    assert_eq!(answer.status, 302, "{}", answer.body);
    assert!(answer.header("location").starts_with(CALLBACK), "{}", answer.header("location"));
    assert_eq!(answer.parameter("state").as_deref(), Some("a state & more"));
    assert!(answer.parameter("error_description").is_some());
    assert_eq!(answer.parameter("code"), None);
    answer.parameter("error").unwrap()
}

async fn gets_a_page(url: &str) {
    let answer = Browser::new().get(url).await;
    assert_eq!((answer.status, answer.header("location")), (400, ""));
    assert!(answer.body.contains("<h1>"));
}

#[tokio::test]
async fn an_unknown_client_or_redirect_uri_gets_a_page_and_never_a_redirect() {
    let tenant = Tenant::start().await;
    for (name, value) in [
        ("client_id", None),
        ("client_id", Some("other")),
        ("redirect_uri", None),
        ("redirect_uri", Some("http://localhost:9000/callback/")),
        ("redirect_uri", Some("http://localhost:9000/callback?x=1")),
        ("redirect_uri", Some("http://LOCALHOST:9000/callback")),
        ("redirect_uri", Some("http://127.0.0.1:9000/callback")),
        ("redirect_uri", Some("https://evil.example/callback")),
    ] {
        gets_a_page(&tenant.authorize_url(&[(name, value)])).await;
    }
    let good = tenant.authorize_url(&[]);
    gets_a_page(&format!("{good}&x={}", "x".repeat(8 * 1024))).await;
    gets_a_page(&format!("{good}&client_id={CLIENT_ID}")).await;
    gets_a_page(&format!("{good}&redirect_uri=https%3A%2F%2Fevil.example")).await;
}

#[tokio::test]
async fn pkce_is_required_and_only_s256() {
    assert_eq!(error_of(&[("code_challenge", None)]).await, "invalid_request");
    assert_eq!(error_of(&[("code_challenge", Some("short"))]).await, "invalid_request");
    assert_eq!(error_of(&[("code_challenge_method", None)]).await, "invalid_request");
    assert_eq!(error_of(&[("code_challenge_method", Some("plain"))]).await, "invalid_request");
}

#[tokio::test]
async fn only_codes_are_given_and_only_in_the_query() {
    assert_eq!(error_of(&[("response_type", None)]).await, "invalid_request");
    assert_eq!(error_of(&[("response_type", Some("token"))]).await, "unsupported_response_type");
    assert_eq!(error_of(&[("response_mode", Some("fragment"))]).await, "invalid_request");
    assert_eq!(error_of(&[("request", Some("x"))]).await, "request_not_supported");
    assert_eq!(error_of(&[("request_uri", Some("x"))]).await, "request_uri_not_supported");
}

#[tokio::test]
async fn the_scope_must_contain_openid() {
    assert_eq!(error_of(&[("scope", None)]).await, "invalid_scope");
    assert_eq!(error_of(&[("scope", Some("email openid2"))]).await, "invalid_scope");
}

#[tokio::test]
async fn an_unknown_api_connection_or_organization_is_an_error() {
    assert_eq!(error_of(&[("audience", Some("https://other.example"))]).await, "access_denied");
    assert_eq!(error_of(&[("connection", Some("myspace"))]).await, "invalid_request");
    assert_eq!(error_of(&[("organization", Some("org_1"))]).await, "invalid_request");
}

#[tokio::test]
async fn nonsense_in_prompt_and_max_age_is_an_error() {
    assert_eq!(error_of(&[("prompt", Some("none login"))]).await, "invalid_request");
    assert_eq!(error_of(&[("prompt", Some("dance"))]).await, "invalid_request");
    assert_eq!(error_of(&[("max_age", Some("-1"))]).await, "invalid_request");
}

#[tokio::test]
async fn a_repeated_parameter_is_an_error_and_a_repeated_state_is_not_passed_back() {
    let tenant = Tenant::start().await;
    let good = tenant.authorize_url(&[]);
    let answer = Browser::new().get(&format!("{good}&nonce=other")).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
    let answer = Browser::new().get(&format!("{good}&state=other")).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("invalid_request"));
    assert_eq!(answer.parameter("state"), None);
}

#[tokio::test]
async fn without_a_session_prompt_none_is_login_required() {
    assert_eq!(error_of(&[("prompt", Some("none"))]).await, "login_required");
}

#[tokio::test]
async fn after_signing_in_the_next_login_is_silent_unless_credentials_are_demanded() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::new();
    browser.sign_in(&tenant, "ada@example.com", &[("connection", Some("github"))]).await;

    for silent in [&[][..], &[("prompt", Some("none"))], &[("connection", Some("github"))]] {
        let answer = browser.get(&tenant.authorize_url(silent)).await;
        assert!(answer.parameter("code").is_some(), "{silent:?}");
        assert_eq!(answer.parameter("state").as_deref(), Some("a state & more"));
    }
    for asked in
        [("prompt", Some("login")), ("max_age", Some("0")), ("connection", Some("google-oauth2"))]
    {
        browser.open_login(&tenant, &[asked]).await;
    }
}

#[tokio::test]
async fn max_age_asks_for_credentials_one_second_later() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::new();
    browser.sign_in(&tenant, "ada@example.com", &[]).await;
    let url = tenant.authorize_url(&[("max_age", Some("60")), ("prompt", Some("none"))]);
    tenant.pass(Duration::from_secs(60));
    assert!(browser.get(&url).await.parameter("code").is_some());
    tenant.pass(Duration::from_secs(1));
    assert_eq!(browser.get(&url).await.parameter("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn a_session_ends_after_seven_days_even_if_it_is_used() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::new();
    browser.sign_in(&tenant, "ada@example.com", &[]).await;
    let url = tenant.authorize_url(&[("prompt", Some("none"))]);
    for _ in 0..3 {
        tenant.pass(Duration::from_secs(2 * 24 * 60 * 60));
        assert!(browser.get(&url).await.parameter("code").is_some());
    }
    tenant.pass(Duration::from_secs(24 * 60 * 60));
    assert_eq!(browser.get(&url).await.parameter("error").as_deref(), Some("login_required"));
}
