//! Tests of logouts and of the notification of the client.

use std::time::Duration;

use axum::{Router, routing::post};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;

use super::{super::Options, harness::*};

/// A browser with a session, and the ID token of its login.
async fn logged_in(tenant: &Tenant) -> (Browser, String) {
    let mut browser = Browser::default();
    let code = browser.log_in(tenant, &[]).await.parameter("code").unwrap();
    let tokens = tenant.token(&[("code", Some(&code))]).await.json();
    (browser, text(&tokens, "id_token").to_owned())
}

fn logout_url(tenant: &Tenant, parameters: &[(&str, &str)]) -> String {
    Url::parse_with_params(&tenant.url("oidc/logout"), parameters).unwrap().into()
}

#[tokio::test]
async fn with_its_id_token_the_client_ends_the_session_without_confirmation() {
    let tenant = Tenant::start().await;
    let (mut browser, id_token) = logged_in(&tenant).await;
    tenant.pass(Duration::from_secs(40_000));
    let url = logout_url(
        &tenant,
        &[
            ("id_token_hint", &id_token),
            ("post_logout_redirect_uri", AFTER_LOGOUT),
            ("state", "a b"),
        ],
    );
    let response = browser.get(&url).await;
    assert_eq!(response.redirect(), (303, format!("{AFTER_LOGOUT}&state=a+b").as_str()));
    assert!(response.header("set-cookie").contains("Max-Age=0"));
    assert!(!browser.is_logged_in(&tenant).await);
    browser.open_login(&tenant, &[]).await;
    assert_eq!(browser.get(&url).await.status, 303, "a second logout has the same result");
}

#[tokio::test]
async fn without_a_matching_hint_the_user_must_confirm_once() {
    let tenant = Tenant::start().await;
    let (mut browser, _) = logged_in(&tenant).await;
    let (_, of_another_session) = logged_in(&tenant).await;
    for hint in [("client_id", CLIENT_ID), ("id_token_hint", &of_another_session)] {
        let parameters = [hint, ("post_logout_redirect_uri", AFTER_LOGOUT)];
        assert_eq!(browser.get(&logout_url(&tenant, &parameters)).await.status, 200);
        assert!(browser.is_logged_in(&tenant).await);
    }
    let page = browser.get(&logout_url(&tenant, &[("client_id", CLIENT_ID)])).await;
    let logout = page.field("logout");
    let confirmation = [("logout", logout.as_str())];
    let response = browser.post(&tenant, "oidc/logout/confirm", &confirmation).await;
    assert_eq!(response.redirect(), (303, AFTER_LOGOUT));
    assert!(!browser.is_logged_in(&tenant).await);
    assert_eq!(browser.post(&tenant, "oidc/logout/confirm", &confirmation).await.status, 400);
}

#[tokio::test]
async fn auth0s_older_logout_needs_no_confirmation_but_an_allowed_destination() {
    let tenant = Tenant::start().await;
    let (mut browser, _) = logged_in(&tenant).await;
    let url = |destination| {
        let parameters = [("client_id", CLIENT_ID), ("returnTo", destination)];
        Url::parse_with_params(&tenant.url("v2/logout"), parameters).unwrap()
    };
    assert_eq!(browser.get(url("https://evil.example/").as_str()).await.status, 400);
    assert!(browser.is_logged_in(&tenant).await);
    assert_eq!(browser.get(url(AFTER_LOGOUT).as_str()).await.redirect(), (303, AFTER_LOGOUT));
    assert!(!browser.is_logged_in(&tenant).await);
}

#[tokio::test]
async fn an_invalid_logout_request_gets_a_page_and_ends_no_session() {
    let tenant = Tenant::start().await;
    let (mut browser, id_token) = logged_in(&tenant).await;
    let (_, foreign) = logged_in(&Tenant::start().await).await;
    let tokens = tenant.tokens(&[("audience", Some(API))]).await;
    let unsigned = format!("{}.", id_token.rsplit_once('.').unwrap().0);
    let own = ("id_token_hint", id_token.as_str());
    let destination = |uri| ("post_logout_redirect_uri", uri);
    let requests: [&[(&str, &str)]; 11] = [
        &[own, destination("https://evil.example/")],
        &[own, destination("http://localhost:9000/signed-out")],
        &[own, destination("http://localhost:9000/signed-out?from=provider&x=1")],
        // The application is unknown.
        &[destination(AFTER_LOGOUT)],
        &[("id_token_hint", &foreign)],
        &[("id_token_hint", &unsigned)],
        &[("id_token_hint", "nonsense")],
        &[("id_token_hint", text(&tokens, "access_token"))],
        &[own, ("logout_hint", "another sid")],
        &[own, ("client_id", "other")],
        &[own, ("state", "a"), ("state", "b")],
    ];
    for parameters in requests {
        let response = browser.get(&logout_url(&tenant, parameters)).await;
        assert_eq!(response.redirect(), (400, ""), "{parameters:?}");
    }
    let json = http_client().post(tenant.url("oidc/logout"));
    let json = json.header("content-type", "application/json").body("{}");
    assert_eq!(browser.send(json).await.status, 400);
    assert!(browser.is_logged_in(&tenant).await);
}

#[tokio::test]
async fn the_session_id_in_a_form_ends_the_session_too() {
    let tenant = Tenant::start().await;
    let (mut browser, id_token) = logged_in(&tenant).await;
    let claims = tenant.verify(&id_token).await;
    let form = [
        ("client_id", CLIENT_ID),
        ("logout_hint", text(&claims, "sid")),
        ("post_logout_redirect_uri", AFTER_LOGOUT),
    ];
    let response = browser.send(http_client().post(tenant.url("oidc/logout")).form(&form)).await;
    assert_eq!(response.redirect(), (303, AFTER_LOGOUT));
    assert!(!browser.is_logged_in(&tenant).await);
}

#[tokio::test]
async fn the_client_is_notified_by_back_channel() {
    let (sender, mut received) = mpsc::unbounded_channel::<String>();
    let client = Router::new().route(
        "/backchannel-logout",
        post(move |body: String| {
            let sender = sender.clone();
            async move { sender.send(body).unwrap() }
        }),
    );
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let uri = format!("http://{}/backchannel-logout", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, client).await });
    let tenant =
        Tenant::start_with(Options { backchannel_logout_uri: Some(uri), ..options() }).await;

    let (mut browser, id_token) = logged_in(&tenant).await;
    let session = tenant.verify(&id_token).await;
    browser.get(&logout_url(&tenant, &[("id_token_hint", &id_token)])).await;
    let claims = logout_token(&tenant, &mut received).await;
    for shared in ["iss", "sub", "aud", "sid"] {
        assert_eq!(claims[shared], session[shared], "{shared}");
    }
    assert_eq!(claims["exp"], json!(tenant.now() + 120));
    assert_eq!(claims["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    assert!(claims["jti"].is_string());
    assert_eq!(claims.get("nonce"), None);

    logged_in(&tenant).await;
    logged_in(&tenant).await;
    assert_eq!(tenant.handle.end_sessions_of(text(&session, "sub")).await, 2);
    let (first, second) =
        (logout_token(&tenant, &mut received).await, logout_token(&tenant, &mut received).await);
    assert_ne!(first["sid"], second["sid"]);
    assert_ne!(first["jti"], second["jti"]);
}

async fn logout_token(tenant: &Tenant, received: &mut mpsc::UnboundedReceiver<String>) -> Value {
    let body = tokio::time::timeout(Duration::from_secs(10), received.recv()).await.unwrap();
    tenant.verify(body.unwrap().strip_prefix("logout_token=").unwrap()).await
}
