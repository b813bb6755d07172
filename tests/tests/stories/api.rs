//! `/protected` for API clients.

use http::Method;
use serde_json::{Value, json};
use shared::testing::tokens::{TEST_KEY, TestKey};
use tests::{
    misbehaving_provider::{ADA, GRACE, MisbehavingProvider},
    site::{ORIGIN, START, Site},
    visitor::{Sending, Visitor},
};

const API: &str = "https://api.example";
const APP: &str = "https://app.example.com";
const INVALID_TOKEN: &str = r#"Bearer realm="api", error="invalid_token""#;

/// The token is rejected with this code before the store is read.
async fn is_refused(site: &Site, token: &str, code: &str) {
    let before = site.store().calls();
    let answer = site.call_api(token).await;
    answer.is_json(401, code).challenges(INVALID_TOKEN);
    let body = answer.json();
    assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
    let description = format!("error_description={}", body["description"]);
    assert!(answer.header("www-authenticate").ends_with(&description), "{answer:?}");
    assert_eq!(site.store().calls(), before, "{code}");
}

fn at(seconds: i64) -> Value {
    json!(i64::try_from(START.as_unix()).unwrap() + seconds)
}

#[tokio::test]
async fn r139_without_credentials_the_challenge_has_no_error_code() {
    let site = Site::without_provider(&[]);
    let answer = site.get("/protected", &[]).await;
    answer.is_json(401, "authorization_header_missing");
    assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="api""#);
    assert_eq!(
        answer.json(),
        json!({
            "code": "authorization_header_missing",
            "description": "An Authorization header is expected.",
        })
    );
    // It never redirects to a login, not even for a navigation.
    let answer = Visitor::new(&site).open("/protected").await;
    answer.is_json(401, "authorization_header_missing");
    assert!(!answer.has("location"));
    assert_eq!(site.store().calls(), 0);
}

#[tokio::test]
async fn r143_with_an_audience_only_the_access_token_is_an_api_key() {
    let site = Site::start_with(&[("AUDIENCE", API)]).await;
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login").await;
    assert!(request.query_pairs().any(|(name, value)| (&*name, &*value) == ("audience", API)));
    visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    let response = site.provider().last_token_response();
    assert_eq!(visitor.api_key().await, response["access_token"]);
    let user = site.call_api(response["access_token"].as_str().unwrap()).await;
    assert_eq!((user.status(), &user.json()["email"]), (200, &json!(ADA.email)));
    // The ID token of the same login is for the application, and has a nonce.
    is_refused(&site, response["id_token"].as_str().unwrap(), "token_type_not_allowed").await;
    is_refused(&site, &site.provider().id_token(ADA, &json!({})), "invalid_audience").await;
}

#[tokio::test]
async fn r143_without_an_audience_only_the_id_token_is_an_api_key() {
    let site = Site::start().await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let response = site.provider().last_token_response();
    assert_eq!(visitor.api_key().await, response["id_token"]);
    is_refused(&site, response["access_token"].as_str().unwrap(), "token_opaque").await;
    let access_token = site.provider().access_token(ADA, API, &json!({}));
    is_refused(&site, &access_token, "invalid_audience").await;
}

#[tokio::test]
async fn r144_an_opaque_or_encrypted_token_is_reported_as_such() {
    let site = Site::start_with(&[("AUDIENCE", API)]).await;
    is_refused(&site, "opaque-token", "token_opaque").await;
    is_refused(&site, "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn", "token_encrypted").await;
    assert_eq!(site.provider().metadata_requests() + site.provider().key_set_requests(), 0);
    let hints: Vec<_> = site.log().lines().iter().map(|line| line["hint"].to_string()).collect();
    assert_eq!(hints.len(), 2);
    assert!(hints.iter().all(|hint| hint.contains("no audience requested")), "{hints:?}");
}

/// One token for each error code. The tests of `shared/src/jwt` prove which tokens have which defect.
fn bad_access_tokens(provider: &MisbehavingProvider) -> Vec<(String, &'static str)> {
    let with = |changes: Value| provider.access_token(ADA, API, &changes);
    let good = with(json!({}));
    let claims = json!({
        "iss": provider.issuer, "sub": ADA.subject, "aud": API,
        "iat": START.as_unix(), "exp": START.as_unix() + 600,
    });
    let foreign = TestKey::rsa("test");
    let elsewhere = format!("{}elsewhere", provider.issuer);
    let signed_by = |key: &TestKey, name: &str, value: Value| {
        let mut header = TEST_KEY.header();
        header[name] = value;
        key.sign_with_header(&header, &claims)
    };
    let header = |name: &str, value: Value| signed_by(&TEST_KEY, name, value);
    vec![
        (header("alg", json!("HS256")), "token_algorithm_not_allowed"),
        (header("crit", json!(["exp"])), "token_extension_not_supported"),
        (header("kid", json!(elsewhere)), "token_unknown_key"),
        (header("typ", json!("logout+jwt")), "token_type_not_allowed"),
        (signed_by(&foreign, "jwk", foreign.jwk()), "token_invalid_signature"),
        (signed_by(&foreign, "jku", json!(elsewhere)), "token_invalid_signature"),
        (signed_by(&foreign, "x5u", json!(elsewhere)), "token_invalid_signature"),
        (format!("{good}="), "token_malformed"),
        (with(json!({ "iss": "https://evil.example/" })), "invalid_issuer"),
        (with(json!({ "sub": null })), "token_missing_claim"),
        (with(json!({ "aud": "https://other.example" })), "invalid_audience"),
        (with(json!({ "aud": 7 })), "token_invalid_claim"),
        (with(json!({ "exp": at(-30) })), "token_expired"),
        (with(json!({ "iat": at(31) })), "token_not_yet_valid"),
        (with(json!({ "iat": at(-31 * 86_400) })), "token_too_old"),
        (with(json!({ "nonce": "x" })), "token_type_not_allowed"),
        (with(json!({ "cnf": { "jkt": "x" } })), "token_bound_to_key"),
    ]
}

#[tokio::test]
async fn r140_r146_each_defect_of_a_token_has_its_error_code() {
    let site = Site::start_with(&[("AUDIENCE", API), ("REQUIRE_SESSION", "false")]).await;
    for (token, code) in bad_access_tokens(site.provider()) {
        is_refused(&site, &token, code).await;
    }
    assert_eq!(site.provider().requests_elsewhere(), 0);
    assert_eq!(site.provider().key_set_requests(), 2, "the first fetch, and one for unknown names");
    let two_audiences = site.provider().access_token(ADA, API, &json!({}));
    assert_eq!(site.call_api(&two_audiences).await.status(), 200);
}

#[tokio::test]
async fn r154_r168_only_an_allowed_origin_may_read_an_answer() {
    let site = Site::without_provider(&[("ALLOWED_ORIGINS", APP)]);
    let ada = site.api().person(ADA.subject).log_in().await;
    let authorization = format!("Bearer {}", ada.api_key());
    let preflight = [("origin", APP), ("access-control-request-method", "GET")];
    let answer = site.send(Method::OPTIONS, "/protected", &preflight).await;
    assert_eq!((answer.status(), answer.text()), (204, ""));
    for (name, value) in [
        ("access-control-allow-origin", APP),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, HEAD, OPTIONS"),
        ("access-control-allow-headers", "Authorization, Content-Type"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ] {
        assert_eq!(answer.header(name), value, "{name}");
    }
    // The preflight needs no credential, but the request does.
    let answer = site.get("/protected", &[("origin", APP)]).await;
    answer.is_json(401, "authorization_header_missing");
    assert_eq!(answer.header("access-control-allow-origin"), APP);
    let answer =
        site.get("/protected", &[("origin", APP), ("authorization", &authorization)]).await;
    assert_eq!((answer.status(), answer.header("access-control-allow-origin")), (200, APP));

    for origin in ["null", "https://app.example.com.evil.example", ORIGIN] {
        for method in [Method::OPTIONS, Method::GET] {
            let headers = [("origin", origin), ("authorization", authorization.as_str())];
            let answer = site.send(method, "/protected", &headers).await;
            for name in ["origin", "credentials", "methods", "headers"] {
                let name = format!("access-control-allow-{name}");
                assert!(!answer.has(&name), "{origin}: {name}");
            }
            assert_eq!(answer.header("vary"), "Origin", "{origin}");
        }
    }
    let two = [("origin", APP), ("origin", "https://evil.example")];
    assert!(!site.get("/protected", &two).await.has("access-control-allow-origin"));
    for path in ["/", "/login", "/callback", "/signed-out"] {
        let answer = site.get(path, &[("origin", APP)]).await;
        assert!(!answer.has("access-control-allow-origin"), "{path}");
    }
}

/// R167, tested with the only route that changes something.
#[tokio::test]
async fn r167_an_allowed_origin_can_log_its_visitor_out() {
    let site = Site::start_with(&[("ALLOWED_ORIGINS", APP)]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let sibling = Sending { site: "same-site", ..Sending::SCRIPT };
    let answer = visitor.send(Method::POST, "/logout", sibling, &[("origin", APP)]).await;
    answer.is_json(200, "signed_out");
    assert_eq!(answer.header("access-control-allow-origin"), APP);
    assert_eq!(site.live_sessions().await, 0);
}

#[tokio::test]
async fn r154_a_preflight_of_a_logout_needs_no_credential_and_ends_nothing() {
    let site = Site::without_provider(&[("ALLOWED_ORIGINS", APP)]);
    let cookie = site.api().person(ADA.subject).log_in().await.cookie().unwrap();
    for (origin, is_allowed) in [(APP, true), ("https://evil.example", false)] {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("cookie", cookie.as_str()),
        ];
        let answer = site.send(Method::OPTIONS, "/logout", &headers).await;
        assert_eq!(answer.status(), 204);
        assert_eq!(answer.has("access-control-allow-origin"), is_allowed);
        let methods = if is_allowed { "GET, HEAD, POST, OPTIONS" } else { "" };
        assert_eq!(answer.header("access-control-allow-methods"), methods);
        assert!(!answer.has("set-cookie"));
    }
    assert_eq!(site.live_sessions().await, 1);
}

/// A missing session is not cached, because the token may get one a moment later.
#[tokio::test]
async fn a_token_without_a_session_costs_one_read_each_time() {
    let site = Site::without_provider(&[("AUDIENCE", API), ("REQUIRE_SESSION", "false")]);
    let stranger = site.api().person(GRACE.subject).token();
    assert_eq!(site.call_api(stranger.api_key()).await.status(), 200);
    site.store().take_calls();
    for _ in 0..2 {
        assert_eq!(site.call_api(stranger.api_key()).await.status(), 200);
        assert_eq!(site.store().take_calls(), ["pointer"]);
    }
}
