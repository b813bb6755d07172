//! The exchange and the revocation of refresh tokens.

use std::collections::HashMap;

use super::*;

fn credentials() -> ClientCredentials {
    ClientCredentials {
        client_id: "the client".to_owned(),
        client_secret: "the secret".to_owned().into(),
    }
}

async fn refresh(provider: &HttpProvider, endpoint: &Url) -> Result<RefreshResponse, RedeemError> {
    let grant = RefreshTokenGrant { refresh_token: "the token&", credentials: &credentials() };
    provider.refresh(endpoint, grant).await
}

async fn revoke(provider: &HttpProvider, endpoint: &Url) -> Result<(), ProviderError> {
    let grant = RefreshTokenGrant { refresh_token: "the token&", credentials: &credentials() };
    provider.revoke(endpoint, grant).await
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_with_the_applications_credentials() {
    let (provider, issuer) = serve(|_| {
        let answer = async |Form(form): Form<HashMap<String, String>>| {
            let expected = HashMap::from(
                [
                    ("grant_type", "refresh_token"),
                    ("refresh_token", "the token&"),
                    ("client_id", "the client"),
                    ("client_secret", "the secret"),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            assert_eq!(form, expected);
            Json(json!({ "access_token": "at", "refresh_token": "rt", "token_type": "Bearer" }))
        };
        Router::new().route("/token", post(answer))
    })
    .await;
    let tokens = refresh(&provider, &issuer.url().join("token").unwrap()).await.unwrap();
    assert_eq!(tokens.access_token.expose_secret(), "at");
    assert_eq!(tokens.refresh_token.unwrap().expose_secret(), "rt");
}

#[tokio::test]
async fn r134_a_refusal_and_an_outage_are_distinguished_and_not_retried() {
    for (status, body, outcome) in [
        (400, r#"{"error":"invalid_grant"}"#, "refused invalid_grant"),
        (403, r#"{"error":"invalid_grant"}"#, "refused invalid_grant"),
        (401, r#"{"error":"access_denied"}"#, "refused access_denied"),
        (429, r#"{"error":"invalid_grant"}"#, "unavailable"),
        (500, r#"{"error":"invalid_grant"}"#, "refused invalid_grant"),
        (500, r#"{"error":"server_error"}"#, "unavailable"),
        (403, "<html>", "unavailable"),
        (200, r#"{"error":"invalid_grant"}"#, "malformed"),
    ] {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let (provider, issuer) = serve(move |_| {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = move || async move {
                count.fetch_add(1, Ordering::SeqCst);
                (status, [("content-type", "application/json")], body)
            };
            Router::new().route("/token", post(answer))
        })
        .await;
        let error = refresh(&provider, &issuer.url().join("token").unwrap()).await.unwrap_err();
        let found = match error {
            RedeemError::Refused(said) => format!("refused {said}"),
            RedeemError::Unavailable { source: None, .. } => "unavailable".to_owned(),
            RedeemError::Malformed(_) => "malformed".to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, outcome, "{status} {body}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn r112_a_refresh_token_is_revoked_with_the_applications_credentials() {
    let (provider, issuer) = serve(|_| {
        let answer = async |Form(form): Form<HashMap<String, String>>| {
            assert_eq!(form["token"], "the token&");
            assert_eq!(form["token_type_hint"], "refresh_token");
            assert_eq!(form["client_id"], "the client");
            assert_eq!(form["client_secret"], "the secret");
        };
        Router::new()
            .route("/revoke", post(answer))
            .route("/refuses", post(async || StatusCode::UNAUTHORIZED))
            .route("/redirects", post(async || Redirect::temporary("/revoke")))
    })
    .await;
    let at = |path: &str| issuer.url().join(path).unwrap();
    assert!(revoke(&provider, &at("revoke")).await.is_ok());
    let refused = revoke(&provider, &at("refuses")).await.unwrap_err();
    assert!(matches!(refused, ProviderError::Status(401)));
    let redirected = revoke(&provider, &at("redirects")).await.unwrap_err();
    assert!(matches!(redirected, ProviderError::Redirected));
}

/// R112: a user who logs out does not wait for an unresponsive provider.
#[tokio::test]
async fn r112_a_revocation_times_out_after_two_seconds() {
    let issuer = serve_raw(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let started = Instant::now();
    let error = revoke(&HttpProvider::new(issuer.clone()), issuer.url()).await.unwrap_err();
    assert!(matches!(error, ProviderError::TimedOut), "{error:?}");
    let elapsed = started.elapsed();
    assert!((REVOCATION_TIMEOUT..REVOCATION_TIMEOUT * 2).contains(&elapsed), "{elapsed:?}");
}

#[tokio::test]
async fn r071_no_refresh_token_is_sent_to_another_host() {
    let (provider, _) = serve(|_| Router::new()).await;
    let elsewhere = Url::parse("http://169.254.169.254/token").unwrap();
    let error = refresh(&provider, &elsewhere).await.unwrap_err();
    assert!(matches!(error, RedeemError::ForeignEndpoint));
    let error = revoke(&provider, &elsewhere).await.unwrap_err();
    assert!(matches!(error, ProviderError::ForeignEndpoint("revocation_endpoint")));
}

#[test]
fn r179_debug_output_shows_no_refresh_token() {
    let grant = RefreshTokenGrant { refresh_token: "hunter2", credentials: &credentials() };
    let shown = format!("{grant:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("the secret"), "{shown}");
}
