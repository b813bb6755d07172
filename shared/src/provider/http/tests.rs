//! Tests against a real server on loopback. The stories prove how responses of every kind end; here is
//! what they cannot see.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use axum::{
    Json, Router,
    body::Body,
    routing::{get, post},
};
use bytes::Bytes;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::provider::ClientCredentials;

/// R71: not even if the caller passes another host.
#[tokio::test]
async fn r071_nothing_is_sent_to_another_host() {
    let provider = HttpProvider::new(Issuer::parse("tenant.auth0.com").unwrap());
    let elsewhere = Url::parse("http://169.254.169.254/latest").unwrap();
    let error = provider.key_set(&elsewhere).await.unwrap_err();
    assert!(matches!(error, ProviderError::ForeignEndpoint("jwks_uri")));
    let error = redeem(&provider, &elsewhere).await.unwrap_err();
    assert!(matches!(error, RedeemError::ForeignEndpoint));
    let error = refresh(&provider, &elsewhere).await.unwrap_err();
    assert!(matches!(error, RedeemError::ForeignEndpoint));
    let error = provider.revoke(&elsewhere, refresh_token(&credentials())).await.unwrap_err();
    assert!(matches!(error, ProviderError::ForeignEndpoint("revocation_endpoint")));
    let error = provider.user_info(&elsewhere, &"at".to_owned().into()).await.unwrap_err();
    assert!(matches!(error, ProviderError::ForeignEndpoint("userinfo_endpoint")));
}

/// R38: the client itself rejects unencrypted requests.
#[tokio::test]
async fn r038_an_https_issuer_never_receives_an_unencrypted_request() {
    let issuer = Issuer::parse("tenant.auth0.com").unwrap();
    let client = build_client(&issuer, &Network::default()).unwrap();
    let error = client.get("http://127.0.0.1:9/").send().await.unwrap_err();
    assert!(error.is_builder());
}

/// R39: a response that arrives slowly times out, even if each byte arrives quickly.
#[tokio::test]
async fn r039_a_slow_response_times_out_after_five_seconds() {
    let (provider, issuer) = serve_raw(|mut stream| async move {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
        stream.write_all(head.as_bytes()).await.ok();
        while stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let before = Instant::now();
    let error = redeem(&provider, issuer.url()).await.unwrap_err();
    let RedeemError::Unavailable { source: Some(ProviderError::TimedOut), .. } = error else {
        panic!("{error:?}")
    };
    assert!((4..8).contains(&before.elapsed().as_secs()));
}

/// R112: a user who logs out does not wait for an unresponsive provider.
#[tokio::test]
async fn r112_a_revocation_times_out_after_two_seconds() {
    let (provider, issuer) = serve_raw(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let started = Instant::now();
    let error = provider.revoke(issuer.url(), refresh_token(&credentials())).await.unwrap_err();
    assert!(matches!(error, ProviderError::TimedOut), "{error:?}");
    let elapsed = started.elapsed();
    assert!((REVOCATION_TIMEOUT..REVOCATION_TIMEOUT * 2).contains(&elapsed), "{elapsed:?}");
}

/// R112.
#[tokio::test]
async fn r112_each_grant_is_sent_as_a_form_with_the_applications_credentials() {
    let (provider, endpoint, sent) = recorded().await;
    let tokens = redeem(&provider, &endpoint).await.unwrap();
    assert_eq!(tokens.id_token.expose_secret(), "it");
    let tokens = refresh(&provider, &endpoint).await.unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "at");
    assert_eq!(tokens.refresh_token.unwrap().expose_secret(), "rt");
    provider.revoke(&endpoint, refresh_token(&credentials())).await.unwrap();

    let forms = [
        "grant_type=authorization_code&code=the+code%26\
         &redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&code_verifier=the+verifier",
        "grant_type=refresh_token&refresh_token=the+token%26",
        "token=the+token%26&token_type_hint=refresh_token",
    ];
    let own = "&client_id=the+client&client_secret=the+secret";
    let expected = forms.map(|form| (String::new(), format!("{form}{own}")));
    assert_eq!(*sent.lock().unwrap(), expected);
}

/// RFC 6749 §2.3.1: identifier and secret are form-encoded before they are joined by a colon, and the
/// form contains neither.
#[tokio::test]
async fn in_the_header_the_credentials_are_form_encoded_and_the_form_has_none() {
    let (provider, endpoint, sent) = recorded().await;
    let credentials = ClientCredentials {
        client_id: "id:1".to_owned(),
        client_secret: "s %+ü".to_owned().into(),
        authentication: Some(ClientAuthentication::Basic),
    };
    let grant = RefreshTokenGrant {
        authentication: ClientAuthentication::Basic,
        ..refresh_token(&credentials)
    };
    provider.refresh(&endpoint, grant).await.unwrap();
    provider.revoke(&endpoint, grant).await.unwrap();
    // `id%3A1:s+%25%2B%C3%BC` in base64.
    let authorization = "Basic aWQlM0ExOnMrJTI1JTJCJUMzJUJD";
    let forms = [
        "grant_type=refresh_token&refresh_token=the+token%26",
        "token=the+token%26&token_type_hint=refresh_token",
    ];
    let expected = forms.map(|form| (authorization.to_owned(), form.to_owned()));
    assert_eq!(*sent.lock().unwrap(), expected);
}

/// R42: the provider's waiting time is passed on, up to an hour, and the request is sent once.
#[tokio::test]
async fn r042_an_outage_and_an_unusable_response_are_distinguished_and_not_retried() {
    for (status, wait, body, outcome) in [
        (403, "7", "<html>", Some(7)),
        (503, "7", r#"{"error":"temporarily_unavailable"}"#, Some(7)),
        (429, "7", r#"{"error":"invalid_grant"}"#, Some(7)),
        (500, "7", "", Some(7)),
        (503, "86400", "", Some(3_600)),
        (204, "7", "", None),
        (200, "7", "[1]", None),
        (200, "7", r#"{"error":"invalid_grant"}"#, None),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let answer = move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            let headers = [("retry-after", wait), ("content-type", "application/json")];
            (StatusCode::from_u16(status).unwrap(), headers, body)
        };
        let (provider, issuer) = serve(Router::new().route("/token", post(answer))).await;
        let error = redeem(&provider, &issuer.url().join("token").unwrap()).await.unwrap_err();
        let found = match error {
            RedeemError::Unavailable { retry_after, .. } => retry_after.map(|wait| wait.as_secs()),
            RedeemError::Malformed(_) => None,
            other => panic!("{other:?}"),
        };
        assert_eq!((found, asked.load(Ordering::SeqCst)), (outcome, 1), "{status} {body}");
    }
}

/// R42: no server listens.
#[tokio::test]
async fn r042_a_provider_that_does_not_listen_is_unavailable() {
    let (listener, issuer) = listen().await;
    drop(listener);
    let error = redeem(&HttpProvider::new(issuer.clone()), issuer.url()).await.unwrap_err();
    let RedeemError::Unavailable { source: Some(ProviderError::Unreachable(_)), .. } = error else {
        panic!("{error:?}")
    };
}

#[tokio::test]
async fn login_methods_are_fetched_as_a_script_and_a_long_one_is_refused() {
    let long = || async { Body::from(Bytes::from(vec![b' '; MAX_SCRIPT + 1])) };
    let router = Router::new()
        .route("/client/abc.js", get(|| async { "the script" }))
        .route("/client/long.js", get(long));
    let (provider, _) = serve(router).await;
    assert_eq!(provider.login_methods("abc").await.unwrap(), b"the script");
    let error = provider.login_methods("long").await.unwrap_err();
    assert!(matches!(error, ProviderError::TooLarge(MAX_SCRIPT)));
    let error = provider.login_methods("other").await.unwrap_err();
    assert!(matches!(error, ProviderError::Status(404)));
}

#[test]
fn the_script_is_fetched_from_auth0s_address() {
    for (issuer, client_id, expected) in [
        ("tenant.auth0.com", "abc", "https://cdn.auth0.com/client/abc.js"),
        ("tenant.auth0.com", "../x?y#z", "https://cdn.auth0.com/client/..%2Fx%3Fy%23z.js"),
        ("tenant.eu.auth0.com", "abc", "https://cdn.eu.auth0.com/client/abc.js"),
        ("login.example.org", "abc", "https://login.example.org/client/abc.js"),
        ("evilauth0.com", "abc", "https://evilauth0.com/client/abc.js"),
        ("http://localhost:9100", "abc", "http://localhost:9100/client/abc.js"),
    ] {
        let issuer = Issuer::parse(issuer).unwrap();
        assert_eq!(script_url(&issuer, client_id).unwrap().as_str(), expected);
    }
}

#[test]
fn r179_debug_output_shows_no_refresh_token() {
    let credentials = credentials();
    let shown = format!("{:?}", refresh_token(&credentials));
    assert!(!shown.contains("the token") && !shown.contains("the secret"), "{shown}");
}

/// The header `Authorization` and the form of each request.
type Sent = Arc<Mutex<Vec<(String, String)>>>;

/// A provider whose server answers every request with tokens, its endpoint, and the requests.
async fn recorded() -> (HttpProvider, Url, Sent) {
    let sent = Sent::default();
    let requests = Arc::clone(&sent);
    let answer = async move |headers: http::HeaderMap, form: String| {
        let authorization = headers.get(header::AUTHORIZATION);
        let authorization = authorization.map_or("", |header| header.to_str().unwrap());
        requests.lock().unwrap().push((authorization.to_owned(), form));
        Json(json!({
            "access_token": "at", "id_token": "it", "refresh_token": "rt", "token_type": "Bearer",
        }))
    };
    let (provider, issuer) = serve(Router::new().route("/endpoint", post(answer))).await;
    (provider, issuer.url().join("endpoint").unwrap(), sent)
}

/// A provider with a server that has these routes.
async fn serve(router: Router) -> (HttpProvider, Issuer) {
    let (listener, issuer) = listen().await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    (HttpProvider::new(issuer.clone()), issuer)
}

/// A provider with a server that accepts each connection, reads one request and runs `answer`.
async fn serve_raw<F: Future<Output = ()> + Send + 'static>(
    answer: impl Fn(tokio::net::TcpStream) -> F + Send + 'static,
) -> (HttpProvider, Issuer) {
    let (listener, issuer) = listen().await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                tokio::spawn(answer(stream));
            }
        }
    });
    (HttpProvider::new(issuer.clone()), issuer)
}

async fn listen() -> (TcpListener, Issuer) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = Issuer::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    (listener, issuer)
}

fn credentials() -> ClientCredentials {
    ClientCredentials {
        client_id: "the client".to_owned(),
        client_secret: "the secret".to_owned().into(),
        authentication: None,
    }
}

const fn refresh_token(credentials: &ClientCredentials) -> RefreshTokenGrant<'_> {
    let authentication = ClientAuthentication::Post;
    RefreshTokenGrant { refresh_token: "the token&", credentials, authentication }
}

async fn refresh(provider: &HttpProvider, endpoint: &Url) -> Result<RefreshResponse, RedeemError> {
    provider.refresh(endpoint, refresh_token(&credentials())).await
}

async fn redeem(provider: &HttpProvider, endpoint: &Url) -> Result<TokenResponse, RedeemError> {
    let grant = AuthorizationCodeGrant {
        code: "the code&",
        redirect_uri: "https://app.example/callback",
        code_verifier: "the verifier",
        credentials: &credentials(),
        authentication: ClientAuthentication::Post,
    };
    provider.redeem(endpoint, grant).await
}
