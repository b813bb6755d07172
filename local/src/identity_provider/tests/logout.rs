//! Tests of logouts and of the notification of the client.

use std::time::Duration;

use axum::{Router, routing::post};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{super::Options, harness::*};

/// A browser that is signed in, and the ID token that its client got.
async fn signed_in(tenant: &Tenant) -> (Browser, String) {
    let mut browser = Browser::new();
    let answer = browser.sign_in(tenant, "ada@example.com", &[]).await;
    let code = answer.parameter("code").unwrap();
    let tokens = tenant.token(&[("code", Some(&code))]).await.json();
    (browser, tokens["id_token"].as_str().unwrap().to_owned())
}

async fn is_signed_in(browser: &mut Browser, tenant: &Tenant) -> bool {
    let url = tenant.authorize_url(&[("prompt", Some("none"))]);
    browser.get(&url).await.parameter("code").is_some()
}

fn logout_url(tenant: &Tenant, path: &str, parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    tenant.url(&format!("{path}?{query}"))
}

#[tokio::test]
async fn with_its_id_token_the_client_signs_out_and_credentials_are_asked_again() {
    let tenant = Tenant::start().await;
    let (mut browser, id_token) = signed_in(&tenant).await;
    tenant.pass(Duration::from_secs(40_000));
    let url = logout_url(
        &tenant,
        "oidc/logout",
        &[("id_token_hint", &id_token), ("post_logout_redirect_uri", SIGNED_OUT), ("state", "a b")],
    );
    let answer = browser.get(&url).await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), format!("{SIGNED_OUT}&state=a+b"));
    assert!(answer.header("set-cookie").contains("Max-Age=0"));
    assert!(!is_signed_in(&mut browser, &tenant).await);
    browser.open_login(&tenant, &[]).await;
    assert_eq!(browser.get(&url).await.status, 302, "a second logout has the same result");
}

#[tokio::test]
async fn without_a_matching_hint_the_user_is_asked_first() {
    let tenant = Tenant::start().await;
    let (mut browser, _) = signed_in(&tenant).await;
    let (_, of_another_session) = signed_in(&tenant).await;
    for hint in [("client_id", CLIENT_ID), ("id_token_hint", &of_another_session)] {
        let parameters = [hint, ("post_logout_redirect_uri", SIGNED_OUT)];
        let page = browser.get(&logout_url(&tenant, "oidc/logout", &parameters)).await;
        assert_eq!(page.status, 200);
        assert!(is_signed_in(&mut browser, &tenant).await);
    }
    let page = browser.get(&logout_url(&tenant, "oidc/logout", &[("client_id", CLIENT_ID)])).await;
    let sign_out = page.field("sign_out");
    let foreign = http_client().post(tenant.url("oidc/logout/confirm"));
    let foreign = foreign.form(&[("sign_out", &sign_out)]).header("origin", "http://localhost:1");
    assert_eq!(browser.send(foreign).await.status, 400);
    let answer = browser.post(&tenant, "oidc/logout/confirm", &[("sign_out", &sign_out)]).await;
    assert_eq!((answer.status, answer.header("location")), (303, SIGNED_OUT));
    assert!(!is_signed_in(&mut browser, &tenant).await);
    let again = browser.post(&tenant, "oidc/logout/confirm", &[("sign_out", &sign_out)]).await;
    assert_eq!(again.status, 400);
}

#[tokio::test]
async fn a_destination_off_the_list_is_refused_and_the_session_stays() {
    let tenant = Tenant::start().await;
    let (mut browser, id_token) = signed_in(&tenant).await;
    for uri in [
        "https://evil.example/",
        "http://localhost:9000/signed-out",
        "http://localhost:9000/signed-out?from=provider&x=1",
    ] {
        let parameters = [("id_token_hint", id_token.as_str()), ("post_logout_redirect_uri", uri)];
        let answer = browser.get(&logout_url(&tenant, "oidc/logout", &parameters)).await;
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{uri}");
        let parameters = [("client_id", CLIENT_ID), ("returnTo", uri)];
        let answer = browser.get(&logout_url(&tenant, "v2/logout", &parameters)).await;
        assert_eq!((answer.status, answer.header("location")), (400, ""), "{uri}");
    }
    let nobodys = [("post_logout_redirect_uri", SIGNED_OUT)];
    assert_eq!(browser.get(&logout_url(&tenant, "oidc/logout", &nobodys)).await.status, 400);
    assert!(is_signed_in(&mut browser, &tenant).await);
}

#[tokio::test]
async fn a_hint_that_is_not_our_id_token_is_refused() {
    let tenant = Tenant::start().await;
    let other = Tenant::start().await;
    let (mut browser, id_token) = signed_in(&tenant).await;
    let (_, foreign) = signed_in(&other).await;
    let tokens = tenant.tokens(&[("audience", Some(API))]).await;
    let unsigned = format!("{}.", id_token.rsplit_once('.').unwrap().0);
    for hint in [&foreign, &unsigned, "nonsense", tokens["access_token"].as_str().unwrap()] {
        let url = logout_url(&tenant, "oidc/logout", &[("id_token_hint", hint)]);
        assert_eq!(browser.get(&url).await.status, 400);
    }
    let both = [("id_token_hint", id_token.as_str()), ("logout_hint", "another sid")];
    assert_eq!(browser.get(&logout_url(&tenant, "oidc/logout", &both)).await.status, 400);
    let wrong = [("id_token_hint", id_token.as_str()), ("client_id", "other")];
    assert_eq!(browser.get(&logout_url(&tenant, "oidc/logout", &wrong)).await.status, 400);
    let twice = format!("{}&state=a&state=b", logout_url(&tenant, "oidc/logout", &both[..1]));
    assert_eq!(browser.get(&twice).await.status, 400);
    assert!(is_signed_in(&mut browser, &tenant).await);
}

#[tokio::test]
async fn the_session_id_is_a_hint_too_and_a_form_is_as_good_as_a_link() {
    let tenant = Tenant::start().await;
    let (mut browser, id_token) = signed_in(&tenant).await;
    let claims = tenant.verify(&id_token).await;
    let form = [
        ("client_id", CLIENT_ID),
        ("logout_hint", claims["sid"].as_str().unwrap()),
        ("post_logout_redirect_uri", SIGNED_OUT),
    ];
    let json = http_client().post(tenant.url("oidc/logout"));
    let json = json.header("content-type", "application/json").body("{}");
    assert_eq!(browser.send(json).await.status, 400);
    assert!(is_signed_in(&mut browser, &tenant).await);
    let answer = browser.send(http_client().post(tenant.url("oidc/logout")).form(&form)).await;
    assert_eq!((answer.status, answer.header("location")), (303, SIGNED_OUT));
    assert!(!is_signed_in(&mut browser, &tenant).await);
}

#[tokio::test]
async fn the_older_logout_signs_out_and_returns() {
    let tenant = Tenant::start().await;
    let (mut browser, _) = signed_in(&tenant).await;
    let parameters = [("client_id", CLIENT_ID), ("returnTo", SIGNED_OUT)];
    let answer = browser.get(&logout_url(&tenant, "v2/logout", &parameters)).await;
    assert_eq!((answer.status, answer.header("location")), (302, SIGNED_OUT));
    assert!(!is_signed_in(&mut browser, &tenant).await);
    let unknown = [("client_id", "other"), ("returnTo", SIGNED_OUT)];
    assert_eq!(browser.get(&logout_url(&tenant, "v2/logout", &unknown)).await.status, 400);
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

    let (mut browser, id_token) = signed_in(&tenant).await;
    let session = tenant.verify(&id_token).await;
    browser.get(&logout_url(&tenant, "oidc/logout", &[("id_token_hint", &id_token)])).await;
    let claims = logout_token(&tenant, &mut received).await;
    for shared in ["iss", "sub", "aud", "sid"] {
        assert_eq!(claims[shared], session[shared], "{shared}");
    }
    assert_eq!(claims["exp"], json!(tenant.now() + 120));
    assert_eq!(claims["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    assert!(claims["jti"].is_string());
    assert_eq!(claims.get("nonce"), None);

    signed_in(&tenant).await;
    signed_in(&tenant).await;
    let subject = session["sub"].as_str().unwrap();
    assert_eq!(tenant.handle.end_sessions_of(subject).await, 2);
    let (first, second) =
        (logout_token(&tenant, &mut received).await, logout_token(&tenant, &mut received).await);
    assert_ne!(first["sid"], second["sid"]);
    assert_ne!(first["jti"], second["jti"]);
}

async fn logout_token(tenant: &Tenant, received: &mut mpsc::UnboundedReceiver<String>) -> Value {
    let body = tokio::time::timeout(Duration::from_secs(10), received.recv()).await.unwrap();
    tenant.verify(body.unwrap().strip_prefix("logout_token=").unwrap()).await
}
