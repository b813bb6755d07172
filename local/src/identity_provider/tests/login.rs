//! Tests of the login form and of the list of sessions.

use super::harness::*;

#[tokio::test]
async fn the_form_needs_no_script_and_may_redirect_only_to_the_client() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::default();
    let hints = [("login_hint", Some("<script>@example.com")), ("screen_hint", Some("signup"))];
    let response = browser.get(&tenant.authorize_url(&hints)).await;
    let form = browser.get(response.header("location")).await;
    assert!(!form.body.contains("<script"));
    for text in ["<h1>Sign up with E-mail</h1>", "script&#62;@example.com", "Use Google"] {
        assert!(form.body.contains(text), "{text}: {}", form.body);
    }
    let policy = form.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'self' http://localhost:9000;",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(form.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_form_works_once_and_sets_a_cookie_that_scripts_cannot_read() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::default();
    let login = browser.open_login(&tenant, &[]).await;
    let form = [("state", login.as_str()), ("email", ADA)];
    let response = browser.post(&tenant, "u/login", &form).await;
    assert_eq!(response.status, 303);
    let cookie = response.header("set-cookie");
    assert!(cookie.starts_with("auth0-lambda-provider="), "{cookie}");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
    assert_eq!(browser.post(&tenant, "u/login", &form).await.redirect(), (400, ""));
}

#[tokio::test]
async fn a_form_from_another_site_is_rejected() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::default();
    let login = browser.open_login(&tenant, &[]).await;
    let form = [("state", login.as_str()), ("email", ADA)];
    for path in ["u/login", "sessions/end", "oidc/logout/confirm"] {
        let request = http_client().post(tenant.url(path)).form(&form);
        let response = browser.send(request.header("origin", "http://localhost:1")).await;
        assert_eq!((response.status, response.header("set-cookie")), (403, ""), "{path}");
    }
    assert_eq!(browser.post(&tenant, "u/login", &form).await.status, 303);
}

#[tokio::test]
async fn an_invalid_address_shows_the_same_form_again() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::default();
    let login = browser.open_login(&tenant, &[]).await;
    let invalid = [("state", login.as_str()), ("email", "\"><b>")];
    let response = browser.post(&tenant, "u/login", &invalid).await;
    assert_eq!(response.status, 400);
    assert!(response.body.contains("aria-invalid"));
    assert!(!response.body.contains("<b>"));
    let form = [("state", login.as_str()), ("email", "someone@example.com")];
    assert_eq!(browser.post(&tenant, "u/login", &form).await.status, 303);
}

#[tokio::test]
async fn cancelling_is_access_denied() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::default();
    let login = browser.open_login(&tenant, &[]).await;
    let response = browser.post(&tenant, "u/login", &[("state", &login), ("cancel", "true")]).await;
    assert_eq!(response.parameter("error").as_deref(), Some("access_denied"));
    assert_eq!(response.parameter("state").as_deref(), Some("a state & more"));
    assert_eq!(response.header("set-cookie"), "");
}

#[tokio::test]
async fn the_overview_lists_sessions_and_ends_them() {
    let tenant = Tenant::start().await;
    let mut browser = Browser::default();
    assert!(tenant.get("").await.body.contains("No user is logged in."));
    browser.log_in(&tenant, &[]).await;
    let subject = tenant.get("").await.field("subject");
    assert!(browser.is_logged_in(&tenant).await);
    let response = browser.post(&tenant, "sessions/end", &[("subject", &subject)]).await;
    assert_eq!(response.redirect(), (303, "/"));
    assert!(!browser.is_logged_in(&tenant).await);
}
