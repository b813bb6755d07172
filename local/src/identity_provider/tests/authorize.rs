//! Tests of `/authorize`: its errors and their recipients, and when it shows the login form.

use std::time::Duration;

use super::harness::*;

#[tokio::test]
async fn an_unknown_client_or_redirect_uri_gets_a_page_and_never_a_redirect() {
    let tenant = Tenant::start().await;
    let changed = [
        ("client_id", None),
        ("client_id", Some("other")),
        ("redirect_uri", None),
        ("redirect_uri", Some("http://localhost:9000/callback/")),
        ("redirect_uri", Some("http://localhost:9000/callback?x=1")),
        ("redirect_uri", Some("http://LOCALHOST:9000/callback")),
        ("redirect_uri", Some("http://127.0.0.1:9000/callback")),
        ("redirect_uri", Some("https://evil.example/callback")),
    ]
    .map(|change| tenant.authorize_url(&[change]));
    let good = tenant.authorize_url(&[]);
    let extended = [
        format!("{good}&x={}", "x".repeat(8 * 1024)),
        format!("{good}&client_id={CLIENT_ID}"),
        format!("{good}&redirect_uri=https%3A%2F%2Fevil.example"),
    ];
    for url in changed.iter().chain(&extended) {
        let response = Browser::default().get(url).await;
        assert_eq!(response.redirect(), (400, ""), "{url}");
        assert!(response.body.contains("<h1>"), "{url}");
    }
}

#[tokio::test]
async fn each_invalid_parameter_is_reported_to_the_client_and_causes_no_code() {
    let tenant = Tenant::start().await;
    for (name, value, expected) in [
        ("code_challenge", None, "invalid_request"),
        ("code_challenge", Some("short"), "invalid_request"),
        ("code_challenge_method", None, "invalid_request"),
        ("code_challenge_method", Some("plain"), "invalid_request"),
        ("response_type", None, "invalid_request"),
        ("response_type", Some("token"), "unsupported_response_type"),
        ("response_mode", Some("fragment"), "invalid_request"),
        ("request", Some("x"), "request_not_supported"),
        ("request_uri", Some("x"), "request_uri_not_supported"),
        ("scope", None, "invalid_scope"),
        ("scope", Some("email openid2"), "invalid_scope"),
        ("scope", Some("openid em\"ail"), "invalid_scope"),
        ("audience", Some("https://other.example"), "access_denied"),
        ("connection", Some("myspace"), "invalid_request"),
        ("organization", Some("org_1"), "invalid_request"),
        ("prompt", Some("none login"), "invalid_request"),
        ("prompt", Some("dance"), "invalid_request"),
        ("max_age", Some("-1"), "invalid_request"),
        ("prompt", Some("none"), "login_required"),
    ] {
        let response = Browser::default().get(&tenant.authorize_url(&[(name, value)])).await;
        assert_eq!(response.status, 302, "{name}: {}", response.body);
        assert!(response.header("location").starts_with(CALLBACK), "{name}");
        assert_eq!(response.parameter("error").as_deref(), Some(expected), "{name}");
        assert_eq!(response.parameter("state").as_deref(), Some("a state & more"), "{name}");
        assert!(response.parameter("error_description").is_some(), "{name}");
        assert_eq!(response.parameter("code"), None, "{name}");
    }
}

#[tokio::test]
async fn a_repeated_parameter_is_an_error_and_a_repeated_state_is_not_passed_back() {
    let tenant = Tenant::start().await;
    for (repeated, state) in [("nonce", Some("a state & more")), ("state", None)] {
        let url = format!("{}&{repeated}=", tenant.authorize_url(&[]));
        let response = Browser::default().get(&url).await;
        assert_eq!(response.parameter("error").as_deref(), Some("invalid_request"));
        assert_eq!(response.parameter("state").as_deref(), state);
    }
}

#[tokio::test]
async fn a_second_login_is_silent_unless_the_client_requires_credentials() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::default();
    browser.log_in(&tenant, &[("connection", Some("github"))]).await;
    for silent in [&[][..], &[("prompt", Some("none"))], &[("connection", Some("github"))]] {
        let response = browser.get(&tenant.authorize_url(silent)).await;
        assert!(response.parameter("code").is_some(), "{silent:?}");
        assert_eq!(response.parameter("state").as_deref(), Some("a state & more"));
    }
    for required in
        [("prompt", Some("login")), ("max_age", Some("0")), ("connection", Some("google-oauth2"))]
    {
        browser.open_login(&tenant, &[required]).await;
    }
    let url = tenant.authorize_url(&[("max_age", Some("60")), ("prompt", Some("none"))]);
    tenant.pass(Duration::from_secs(60));
    assert!(browser.get(&url).await.parameter("code").is_some());
    tenant.pass(Duration::from_secs(1));
    assert_eq!(browser.get(&url).await.parameter("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn a_session_ends_after_seven_days_even_if_it_is_used() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::default();
    browser.log_in(&tenant, &[]).await;
    for _ in 0..3 {
        tenant.pass(Duration::from_secs(2 * 24 * 60 * 60));
        assert!(browser.is_logged_in(&tenant).await);
    }
    tenant.pass(Duration::from_secs(24 * 60 * 60));
    assert!(!browser.is_logged_in(&tenant).await);
}
