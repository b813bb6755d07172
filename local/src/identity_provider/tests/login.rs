//! The login form.

use super::harness::*;

#[tokio::test]
async fn the_form_needs_no_script_and_names_where_it_leads() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::new();
    let answer = browser
        .get(&tenant.authorize_url(&[
            ("login_hint", Some("<script>@example.com")),
            ("screen_hint", Some("signup")),
        ]))
        .await;
    let form = browser.get(answer.header("location")).await;
    assert!(!form.body.contains("<script"));
    assert!(form.body.contains("<h1>Sign up with E-mail</h1>"));
    assert!(form.body.contains("script&#62;@example.com"), "{}", form.body);
    assert!(form.body.contains("Use Google"));
    let policy = form.header("content-security-policy");
    assert!(policy.contains("default-src 'none'"));
    assert!(policy.contains("frame-ancestors 'none'"));
    assert!(policy.contains("form-action 'self' http://localhost:9000;"), "{policy}");
    assert_eq!(form.header("cache-control"), "no-store");
}

#[tokio::test]
async fn the_session_cookie_is_out_of_reach_and_collides_with_none_of_the_applications() {
    let tenant = Tenant::start().await;
    let answer = Browser::new().sign_in(&tenant, "ada@example.com", &[]).await;
    assert_eq!(answer.status, 303);
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("auth0-lambda-provider="), "{cookie}");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
}

#[tokio::test]
async fn a_form_works_once() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::new();
    let login = browser.open_login(&tenant, &[]).await;
    let form = [("state", login.as_str()), ("email", "ada@example.com")];
    assert_eq!(browser.post(&tenant, "u/login", &form).await.status, 303);
    let second = browser.post(&tenant, "u/login", &form).await;
    assert_eq!((second.status, second.header("location")), (400, ""));
}

#[tokio::test]
async fn a_form_from_another_site_logs_no_user_in() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::new();
    let login = browser.open_login(&tenant, &[]).await;
    let form = [("state", login.as_str()), ("email", "ada@example.com")];
    let request = http_client().post(tenant.url("u/login")).form(&form);
    let answer = browser.send(request.header("origin", "http://localhost:1")).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (403, ""));
}

#[tokio::test]
async fn an_invalid_address_shows_the_same_form_again() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::new();
    let login = browser.open_login(&tenant, &[]).await;
    let refused = browser.post(&tenant, "u/login", &[("state", &login), ("email", "\"><b>")]).await;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("aria-invalid"));
    assert!(!refused.body.contains("<b>"));
    let form = [("state", login.as_str()), ("email", "someone@example.com")];
    assert_eq!(browser.post(&tenant, "u/login", &form).await.status, 303);
}

#[tokio::test]
async fn cancelling_is_access_denied() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::new();
    let login = browser.open_login(&tenant, &[]).await;
    let answer = browser.post(&tenant, "u/login", &[("state", &login), ("cancel", "true")]).await;
    assert_eq!(answer.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(answer.parameter("state").as_deref(), Some("a state & more"));
    assert_eq!(answer.header("set-cookie"), "");
}

#[tokio::test]
async fn the_overview_lists_sessions_and_ends_them_only_from_its_own_page() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::new();
    browser.sign_in(&tenant, "ada@example.com", &[]).await;
    let home = browser.get(&tenant.url("")).await;
    let subject = home.field("subject");
    let form = [("subject", subject.as_str())];

    let request = http_client().post(tenant.url("sessions/end")).form(&form);
    assert_eq!(send(request.header("sec-fetch-site", "cross-site")).await.status, 403);
    let silent = tenant.authorize_url(&[("prompt", Some("none"))]);
    assert!(browser.get(&silent).await.parameter("code").is_some());

    assert_eq!(browser.post(&tenant, "sessions/end", &form).await.status, 303);
    assert_eq!(browser.get(&silent).await.parameter("error").as_deref(), Some("login_required"));
}
