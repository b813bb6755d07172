//! Tests against a real server on loopback, which misbehaves in one way per test.

mod refresh;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum::{
    Json, Router,
    body::Body,
    extract::Form,
    response::{IntoResponse, Redirect},
    routing::{get, post},
};
use bytes::Bytes;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::{
    jwt::KeySet,
    provider::{ClientCredentials, Metadata},
    testing::tokens::{TEST_KEY, key_set_document},
};

use super::*;

#[tokio::test]
async fn documents_are_fetched_and_parsed() {
    let (provider, issuer) = serve(|issuer| {
        let document = discovery(&issuer);
        Router::new()
            .route("/.well-known/openid-configuration", get(move || async { Json(document) }))
            .route("/jwks", get(|| async { Json(key_set_document(&[&TEST_KEY])) }))
    })
    .await;
    let metadata = Metadata::parse(&provider.metadata().await.unwrap(), &issuer).unwrap();
    let keys = KeySet::parse(&provider.key_set(&metadata.jwks_uri).await.unwrap()).unwrap();
    assert!(keys.contains("test"));
}

/// R71: not even if the caller passes another host.
#[tokio::test]
async fn r071_nothing_is_sent_to_another_host() {
    let (provider, _) = serve(|_| Router::new()).await;
    let elsewhere = Url::parse("http://169.254.169.254/latest").unwrap();
    let error = provider.key_set(&elsewhere).await.unwrap_err();
    assert!(matches!(error, ProviderError::ForeignEndpoint("jwks_uri")));
    let error = redeem(&provider, elsewhere).await.unwrap_err();
    assert!(matches!(error, RedeemError::ForeignEndpoint));
}

/// R38: the client itself rejects unencrypted requests.
#[tokio::test]
async fn r038_an_https_issuer_never_receives_an_unencrypted_request() {
    let issuer = Issuer::parse("tenant.auth0.com").unwrap();
    let client = build_client(&issuer, &Network::default()).unwrap();
    let error = client.get("http://127.0.0.1:9/").send().await.unwrap_err();
    assert!(error.is_builder());
}

/// R77, and R39 for the provider's documents.
#[tokio::test]
async fn r077_a_document_that_is_not_a_key_set_is_an_error() {
    let key_set = |answer: fn() -> axum::response::Response| async move {
        let (provider, issuer) =
            serve(|_| Router::new().route("/jwks", get(move || async move { answer() }))).await;
        provider.key_set(&issuer.url().join("jwks").unwrap()).await.unwrap_err()
    };
    let error = key_set(|| StatusCode::INTERNAL_SERVER_ERROR.into_response()).await;
    assert!(matches!(error, ProviderError::Status(500)));
    let error = key_set(|| StatusCode::TOO_MANY_REQUESTS.into_response()).await;
    assert!(matches!(error, ProviderError::Status(429)));
    let error = key_set(|| axum::response::Html("<h1>Sorry</h1>").into_response()).await;
    assert!(matches!(error, ProviderError::Malformed(_)));
    let error = key_set(|| Redirect::temporary("/elsewhere").into_response()).await;
    assert!(matches!(error, ProviderError::Redirected));
}

/// R39, R77: one body that announces its length, and one that announces none and never ends.
#[tokio::test]
async fn r039_a_body_above_the_limit_is_refused() {
    let (provider, issuer) = serve(|_| {
        Router::new().route(
            "/jwks",
            get(|| async {
                ([(header::CONTENT_TYPE, "application/json")], vec![b' '; MAX_BODY + 1])
            }),
        )
    })
    .await;
    let error = provider.key_set(&issuer.url().join("jwks").unwrap()).await.unwrap_err();
    assert!(matches!(error, ProviderError::TooLarge(MAX_BODY)));

    let issuer = serve_raw(|mut stream| async move {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok();
        while stream.write_all(&[b' '; 10_000]).await.is_ok() {}
    })
    .await;
    let provider = HttpProvider::new(issuer.clone());
    let error = provider.key_set(issuer.url()).await.unwrap_err();
    assert!(matches!(error, ProviderError::TooLarge(MAX_BODY)));
}

/// R39: a response that arrives slowly times out, even if each byte arrives quickly.
#[tokio::test]
async fn r039_a_slow_response_times_out_after_five_seconds() {
    let issuer = serve_raw(|mut stream| async move {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok();
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let provider = HttpProvider::new(issuer.clone());
    let before = Instant::now();
    let error = redeem(&provider, issuer.url().clone()).await.unwrap_err();
    assert!(matches!(
        error,
        RedeemError::Unavailable { source: Some(ProviderError::TimedOut), .. }
    ));
    assert!((4..8).contains(&before.elapsed().as_secs()));
}

#[tokio::test]
async fn a_code_is_redeemed_with_all_its_proofs() {
    let (provider, issuer) = serve(|_| {
        Router::new().route(
            "/oauth/token",
            post(|Form(form): Form<Vec<(String, String)>>| async move {
                let sent = form.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                assert!(sent.eq([
                    ("grant_type", "authorization_code"),
                    ("code", "the code&"),
                    ("redirect_uri", "https://app.example/callback"),
                    ("code_verifier", "the verifier"),
                    ("client_id", "the client"),
                    ("client_secret", "the secret"),
                ]));
                Json(json!({ "access_token": "at", "id_token": "it", "token_type": "Bearer" }))
            }),
        )
    })
    .await;
    let response = redeem(&provider, issuer.url().join("oauth/token").unwrap()).await.unwrap();
    assert_eq!(response.id_token.expose_secret(), "it");
}

/// R37.
#[tokio::test]
async fn r037_a_redirect_of_the_token_endpoint_is_not_followed() {
    let followed = Arc::new(AtomicUsize::new(0));
    for status in [301_u16, 302, 303, 307, 308] {
        let count = Arc::clone(&followed);
        let (provider, issuer) = serve(move |_| {
            let status = StatusCode::from_u16(status).unwrap();
            Router::new()
                .route("/token", post(move || async move { (status, [("location", "/else")]) }))
                .route(
                    "/else",
                    axum::routing::any(move || async move {
                        count.fetch_add(1, Ordering::SeqCst);
                    }),
                )
        })
        .await;
        let error = redeem(&provider, issuer.url().join("token").unwrap()).await.unwrap_err();
        assert!(matches!(error, RedeemError::Redirected), "{status}");
    }
    assert_eq!(followed.load(Ordering::SeqCst), 0);
}

/// R42, R193: the provider's error is reported, and the request is sent once.
#[tokio::test]
async fn r042_a_refusal_and_an_outage_are_distinguished_and_not_retried() {
    for (status, body, outcome) in [
        (400, r#"{"error":"invalid_grant","error_description":"secret"}"#, "refused invalid_grant"),
        (401, r#"{"error":"invalid_client"}"#, "refused invalid_client"),
        (500, r#"{"error":"access_denied"}"#, "refused access_denied"),
        (403, "<html>", "unavailable 7"),
        (503, r#"{"error":"temporarily_unavailable"}"#, "unavailable 7"),
        (429, "", "unavailable 7"),
        (500, "", "unavailable 7"),
        (503, "", "unavailable 7"),
        (204, "", "malformed"),
        (200, "<html>", "malformed"),
        (200, "[1]", "malformed"),
        (200, r#"{"access_token":"at","token_type":"bearer"}"#, "no id token"),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let (provider, issuer) = serve(move |_| {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = move || async move {
                count.fetch_add(1, Ordering::SeqCst);
                let headers = [("retry-after", "7"), ("content-type", "application/json")];
                (status, headers, body)
            };
            Router::new().route("/token", post(answer))
        })
        .await;
        let error = redeem(&provider, issuer.url().join("token").unwrap()).await.unwrap_err();
        let found = match error {
            RedeemError::Refused(said) => format!("refused {said}"),
            RedeemError::Unavailable { retry_after, .. } => {
                format!("unavailable {}", retry_after.unwrap().as_secs())
            }
            RedeemError::Malformed(_) => "malformed".to_owned(),
            RedeemError::MissingIdToken => "no id token".to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, outcome, "{status} {body}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

/// R39: a token response whose content type is not JSON.
#[tokio::test]
async fn r039_a_token_response_of_another_content_type_is_malformed() {
    let (provider, issuer) = serve(|_| {
        let body = r#"{"access_token":"at","id_token":"it","token_type":"Bearer"}"#;
        Router::new().route("/token", post(move || async move { body }))
    })
    .await;
    let error = redeem(&provider, issuer.url().join("token").unwrap()).await.unwrap_err();
    assert!(matches!(error, RedeemError::Malformed(_)));
}

/// R42: no server listens.
#[tokio::test]
async fn r042_a_provider_that_does_not_listen_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = issuer_at(&listener);
    drop(listener);
    let error = redeem(&HttpProvider::new(issuer.clone()), issuer.url().clone()).await.unwrap_err();
    assert!(matches!(
        error,
        RedeemError::Unavailable { source: Some(ProviderError::Unreachable(_)), .. }
    ));
}

#[tokio::test]
async fn login_methods_are_fetched_as_a_script_and_a_long_one_is_refused() {
    let script =
        r#"Auth0.setClient({"strategies":[{"name":"github","connections":[{"name":"github"}]}]});"#;
    let (provider, _) = serve(move |_| {
        Router::new().route("/client/abc.js", get(move || async move { script })).route(
            "/client/long.js",
            get(|| async { Body::from(Bytes::from(vec![b' '; MAX_SCRIPT + 1])) }),
        )
    })
    .await;
    assert_eq!(provider.login_methods("abc").await.unwrap(), script.as_bytes());
    let error = provider.login_methods("long").await.unwrap_err();
    assert!(matches!(error, ProviderError::TooLarge(MAX_SCRIPT)));
    let error = provider.login_methods("other").await.unwrap_err();
    assert!(matches!(error, ProviderError::Status(404)));
}

#[test]
fn the_script_is_fetched_from_auth0s_address() {
    for (issuer, expected) in [
        ("tenant.auth0.com", "https://cdn.auth0.com/client/abc.js"),
        ("tenant.eu.auth0.com", "https://cdn.eu.auth0.com/client/abc.js"),
        ("login.example.org", "https://login.example.org/client/abc.js"),
        ("evilauth0.com", "https://evilauth0.com/client/abc.js"),
        ("http://localhost:9100", "http://localhost:9100/client/abc.js"),
    ] {
        let issuer = Issuer::parse(issuer).unwrap();
        assert_eq!(script_url(&issuer, "abc").unwrap().as_str(), expected);
    }
    let issuer = Issuer::parse("tenant.auth0.com").unwrap();
    let strange = script_url(&issuer, "../x?y#z").unwrap();
    assert_eq!(strange.as_str(), "https://cdn.auth0.com/client/..%2Fx%3Fy%23z.js");
}

/// A provider with a server that uses the routes that `router` creates for its issuer.
async fn serve(router: impl FnOnce(Issuer) -> Router) -> (HttpProvider, Issuer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = issuer_at(&listener);
    let router = router(issuer.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (HttpProvider::new(issuer.clone()), issuer)
}

/// An issuer with a server that accepts each connection, reads one request and runs `answer`.
async fn serve_raw<F: Future<Output = ()> + Send + 'static>(
    answer: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> Issuer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = issuer_at(&listener);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                tokio::spawn(answer(stream));
            }
        }
    });
    issuer
}

fn issuer_at(listener: &TcpListener) -> Issuer {
    Issuer::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
}

fn discovery(issuer: &Issuer) -> serde_json::Value {
    json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": format!("{issuer}authorize"),
        "token_endpoint": format!("{issuer}oauth/token"),
        "jwks_uri": format!("{issuer}jwks"),
    })
}

async fn redeem(provider: &HttpProvider, endpoint: Url) -> Result<TokenResponse, RedeemError> {
    let credentials = ClientCredentials {
        client_id: "the client".to_owned(),
        client_secret: "the secret".to_owned().into(),
    };
    let grant = AuthorizationCodeGrant {
        code: "the code&",
        redirect_uri: "https://app.example/callback",
        code_verifier: "the verifier",
        credentials: &credentials,
    };
    provider.redeem(&endpoint, grant).await
}
