//! Tests of `/authorize`: its errors and their recipients, and when it shows the login form.

use std::time::Duration;

use shared::jwt::MULTI_FACTOR;

use super::{super::Options, harness::*};

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
        ("organization", Some("unknown"), "invalid_request"),
        ("organization", Some("org_"), "invalid_request"),
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
async fn a_class_of_authentication_needs_a_form_that_stated_it() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::default();
    browser.log_in(&tenant, &[]).await;
    let asked = ("acr_values", Some(MULTI_FACTOR));
    let silent = browser.get(&tenant.authorize_url(&[asked, ("prompt", Some("none"))])).await;
    assert_eq!(silent.parameter("error").as_deref(), Some("login_required"));
    let response = browser.get(&tenant.authorize_url(&[asked])).await;
    let form = browser.get(response.header("location")).await;
    assert!(form.body.contains("counts as a stronger login"), "{}", form.body);
    assert!(form.body.contains(MULTI_FACTOR), "{}", form.body);
    browser.log_in(&tenant, &[asked]).await;
    assert!(browser.get(&tenant.authorize_url(&[asked])).await.parameter("code").is_some());
    browser.open_login(&tenant, &[("acr_values", Some("gold"))]).await;
}

#[tokio::test]
async fn a_login_without_an_organization_asks_for_one_if_the_options_require_it() {
    let tenant = Tenant::start_with(Options { requires_organization: true, ..options() }).await;
    let mut browser = Browser::default();
    let login = browser.open_login(&tenant, &[]).await;
    let page = browser.get(&tenant.url(&format!("u/login?state={login}"))).await;
    assert!(page.body.contains("<h1>Choose an organization</h1>"), "{}", page.body);
    let incomplete = [("state", login.as_str()), ("email", ADA), ("organization", "unknown")];
    let page = browser.post(&tenant, "u/login", &incomplete).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<h1>Choose an organization</h1>"), "{}", page.body);
    let form =
        browser.get(&tenant.url(&format!("u/login?state={login}&organization=org_acme"))).await;
    assert_eq!(form.field("organization"), "org_acme");
    let chosen = [("state", login.as_str()), ("email", ADA), ("organization", "org_acme")];
    let response = browser.post(&tenant, "u/login", &chosen).await;
    let code = response.parameter("code").unwrap();
    let tokens = tenant.token(&[("code", Some(&code))]).await.json();
    assert_eq!(tenant.verify(text(&tokens, "id_token")).await["org_id"], "org_acme");
    // A client that names an organization needs no choice, and a session no form.
    let named = [("organization", Some("org_globex"))];
    assert!(browser.get(&tenant.authorize_url(&named)).await.parameter("code").is_some());
    browser.open_login(&tenant, &[]).await;
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
