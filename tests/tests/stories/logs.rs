//! The log, the texts for clients, and the robustness against any input.

use std::time::Duration;

use http::{HeaderValue, Method, uri::PathAndQuery};
use local::{bundle::BundleConfig, settings::LocalRun};
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::{crypto::random::Random, dependencies::Dependencies, settings::Settings};
use tests::{
    misbehaving_provider::{ADA, Endpoint},
    processor_time,
    secrets::assert_absent,
    site::{CLIENT_ID, CLIENT_SECRET, ORIGIN, SECRET_KEY, Site},
    visitor::{Sending, Visitor},
};

#[tokio::test]
async fn r174_no_input_of_a_client_can_forge_a_log_line() {
    let site = Site::start().await;
    let bait = "x%0a%7B%22event%22%3A%22login.succeeded%22%7D%0d%0a";
    let mut visitor = Visitor::new(&site);
    for path in [
        format!("/callback?state={bait}&code={bait}"),
        format!("/callback?state={bait}&error={bait}&error_description={bait}"),
        format!("/login?connection={bait}"),
        format!("/{bait}"),
        format!("/protected?{bait}"),
    ] {
        let agent = [("user-agent", "x\u{85}{\"event\":\"login.succeeded\"}")];
        visitor.send(Method::GET, &path, Sending::NAVIGATION, &agent).await;
    }
    let request = visitor.start("/login").await;
    let back = site.provider().back(
        &request,
        &[("error", "x\n{\"event\":\"login.succeeded\"}"), ("error_description", "\r\n{}")],
    );
    visitor.arrive(&back).await;
    let lines = site.log().lines();
    let events: Vec<_> = lines.iter().filter_map(|line| line.get("event")).collect();
    assert_eq!(
        events,
        [
            "login.unknown",
            "login.unknown",
            "login.not_started",
            "request.anonymous",
            "provider.fetched",
            "login.refused"
        ]
    );
    assert!(!site.log().text().contains(r#""event":"login.succeeded""#));
}

/// R194: the provider's error is in the line as fields, whichever way it came. R173: text that may
/// identify a person is left out, and each site's log is searched for it.
#[tokio::test]
async fn r194_the_providers_error_and_its_description_are_fields_of_the_line() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let token = "t".repeat(43);
    let long = format!("no\r\n{{\"event\":\"x\"}} {}", "word ".repeat(100));
    let mut told = Vec::new();
    for (error, description, logged) in [
        ("access_denied", "verify your e-mail first", "verify your e-mail first"),
        (
            "unauthorized",
            &format!("{} ({}) shows {token}", ADA.email, ADA.subject),
            "(left out) (left out) shows (left out)",
        ),
        ("made_up", &long, &format!("no {{\"event\":\"x\"}} {}", "word ".repeat(100))[..200]),
        ("login_required", "x", ""),
        ("invalid_scope", "", ""),
    ] {
        let request = visitor.start("/login").await;
        let answer = [("error", error), ("error_description", description)];
        visitor.arrive(&site.provider().back(&request, &answer)).await;
        if error != "login_required" {
            told.push((error, logged.to_owned()));
        }
    }
    for (status, error) in [(403, "invalid_grant"), (500, "access_denied"), (503, "made_up")] {
        site.provider().set_token_endpoint(Endpoint::Refuses(status, error));
        visitor.try_to_log_in_from("/login", ADA).await;
        told.push((error, "The text of the provider".to_owned()));
    }
    let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
    let lines = site.log().lines();
    let is_failure = |event: &Value| event == "login.failed" || event == "login.refused";
    let failed: Vec<_> = lines.iter().filter(|line| is_failure(&line["event"])).collect();
    let said: Vec<_> = failed
        .iter()
        .map(|line| (text(line, "provider_error"), text(line, "provider_description")))
        .collect();
    let told = told.into_iter().map(|(error, description)| (error.to_owned(), description));
    assert_eq!(said, told.collect::<Vec<_>>());
    // The line has a hint if the operator must fix the error.
    let hints: Vec<_> = failed.iter().map(|line| text(line, "hint")).collect();
    assert!(hints[3].starts_with("SCOPE asks for"), "{hints:?}");
}

#[tokio::test]
async fn r175_each_login_and_logout_event_has_a_name_and_a_reason() {
    let site = Site::start().await;
    let (mut visitor, back) = site.returning(ADA).await;
    let mut hoarder = visitor.clone();
    visitor.arrive(&back).await;
    hoarder.arrive(&back).await;
    let token = visitor.api_key().await;
    let session = site.store().last_session().unwrap().key.to_string();
    site.call_api("opaque").await;
    site.get("/protected", &[]).await;
    let forged = [("origin", "null"), ("cookie", &visitor.cookie_header())];
    visitor.send(Method::POST, "/logout", Sending::FROM_ELSEWHERE, &forged).await;
    visitor.submit("/logout").await;
    site.call_api(&token).await;
    site.provider().change_claims(json!({ "nonce": "wrong" }));
    visitor.try_to_log_in_from("/login", ADA).await;
    let request = visitor.start("/login").await;
    visitor.arrive(&site.provider().refuse(&request, "access_denied")).await;
    assert_eq!(
        site.log().events(),
        [
            "provider.fetched",
            "provider.fetched",
            "login.succeeded",
            "login.replayed: the state was used before",
            "request.refused: the token is opaque",
            "request.anonymous: the request has no credential",
            "logout.refused: a request with a cookie came from another site",
            "logout.succeeded",
            "request.refused: good token, bad session",
            "login.failed: the ID token was rejected: the nonce belongs to another login",
            "login.refused: the provider returned the error access_denied",
        ]
    );
    // The digest connects login and logout, and is no credential.
    let lines = site.log().lines();
    let ids: Vec<_> = lines.iter().filter_map(|line| line.get("session")).collect();
    assert_eq!(ids, [&session, &session]);
}

#[tokio::test]
async fn r175_the_end_of_several_sessions_has_a_name_and_a_reason() {
    let (site, mut phone) = Site::start_logged_in(&[]).await;
    let mut laptop = Visitor::logged_in(&site, ADA).await;
    let before = site.log().events().len();
    site.store().set_index_down(true);
    let token = site.provider().logout_token(ADA, &json!({}));
    site.post_logout_token(&token).await;
    phone.submit("/logout?everywhere=true").await;
    site.store().set_index_down(false);
    laptop.submit("/logout?everywhere=true").await;
    for token in [&token, &token, "x"] {
        site.post_logout_token(token).await;
    }
    let state = laptop.cookie("__Host-logout").unwrap().to_owned();
    laptop.open(&format!("/signed-out?state={state}")).await;
    let down = "the session store is unavailable: index arn:aws:dynamodb:secret-table";
    assert_eq!(
        site.log().events()[before..],
        [
            &format!("backchannel_logout.failed: {down}"),
            "logout.succeeded",
            &format!("logout.failed: other sessions of the user were not ended: {down}"),
            "logout.succeeded",
            "logout.everywhere",
            "backchannel_logout.succeeded",
            "backchannel_logout.replayed",
            "backchannel_logout.refused: the token is opaque",
            "logout.completed",
        ]
    );
    // R173: none of these values is logged.
    let secrets = [("token", token.as_str()), ("subject", ADA.subject), ("state", &state)];
    assert_absent(site.log().text().as_bytes(), &secrets);
}

fn faults(settings: &[(&str, &str)]) -> String {
    let good = [
        ("AUTH_HOST", "tenant.eu.auth0.com"),
        ("BASE_URL", ORIGIN),
        ("CLIENT_ID", CLIENT_ID),
        ("CLIENT_SECRET", CLIENT_SECRET),
        ("SECRET_KEY", SECRET_KEY),
        ("SESSION_STORE", "memory"),
    ];
    let is_changed = |name: &str| settings.iter().any(|(changed, _)| *changed == name);
    let kept = good.iter().filter(|(name, _)| !is_changed(name));
    let mut settings = Settings::from_values(kept.chain(settings).copied());
    let config = BundleConfig::from_settings(&mut settings);
    let dependencies = Dependencies::from_settings(&mut settings);
    let is_whole = config.is_some() && dependencies.is_some();
    match settings.finish() {
        Ok(()) => {
            assert!(is_whole);
            String::new()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn r177_r178_the_bundle_does_not_start_with_insecure_settings() {
    assert_eq!(faults(&[]), "");
    for (variable, value) in [
        ("CLIENT_SECRET", ""),
        ("CLIENT_ID", ""),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "hunter2-hunter2"),
        ("SECRET_KEY", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("SECRET_KEY", "changeme-changeme-changeme-changeme"),
        ("AUTH_HOST", "http://tenant.eu.auth0.com"),
        ("AUTH_HOST", "https://"),
        ("AUTH_HOST", "https://tenant.eu.auth0.com/path"),
        ("BASE_URL", "http://api.example.com"),
        ("BASE_URL", "https://api.example.com/path"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "http://app.example.com"),
        ("SCOPE", "email"),
        ("SESSION_IDLE", "0s"),
        ("SESSION_STORE", "redis"),
    ] {
        let message = faults(&[(variable, value)]);
        assert!(message.contains(&format!("\n  {variable} ")), "{variable}={value}: {message}");
        assert_eq!(message.lines().count(), 2, "{message}");
        assert!(value.len() < 8 || !message.contains(value), "{message}");
    }
    for inside in ["AWS_LAMBDA_INITIALIZATION_TYPE", "LAMBDA_TASK_ROOT"] {
        assert!(
            faults(&[(inside, "x")]).contains("SESSION_STORE must not be `memory` inside Lambda")
        );
        let mut settings = Settings::from_values([(inside, "x")]);
        assert!(LocalRun::from_settings(&mut settings, &Random::system()).is_none());
        assert!(settings.finish().is_err());
    }
}

/// One of our paths or any other.
fn any_path() -> impl Strategy<Value = Vec<u8>> {
    let ours = ["/", "/login", "/callback", "/protected", "/logout", "/signed-out"];
    prop_oneof![
        6 => proptest::sample::select(ours.to_vec()).prop_map(|path| path.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| [&b"/"[..], &bytes].concat()),
    ]
}

fn any_query() -> impl Strategy<Value = Vec<u8>> {
    let name = "(state|code|error|iss|return_to|connection|prompt|access_token|[a-z%]{0,6})";
    let pair = (name, proptest::collection::vec(any::<u8>(), 0..60))
        .prop_map(|(name, value)| [name.as_bytes(), b"=", &value].concat());
    proptest::collection::vec(pair, 0..5).prop_map(|pairs| pairs.join(&b'&'))
}

fn any_cookies() -> impl Strategy<Value = Vec<u8>> {
    let name = "(__Host-session|__Host-login\\.[A-Za-z0-9_-]{0,18}|[ -~]{0,8})";
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        "[A-Za-z0-9_-]{43}".prop_map(String::into_bytes),
    ];
    let pair = (name, value).prop_map(|(name, value)| [name.as_bytes(), b"=", &value].concat());
    proptest::collection::vec(pair, 0..4).prop_map(|pairs| pairs.join(&b"; "[..]))
}

fn any_authorization() -> impl Strategy<Value = Option<Vec<u8>>> {
    let anything = proptest::collection::vec(any::<u8>(), 0..60);
    proptest::option::of(prop_oneof![
        anything.clone(),
        anything.prop_map(|bytes| [&b"Bearer "[..], &bytes].concat()),
        "Bearer [A-Za-z0-9_-]{0,20}(\\.[A-Za-z0-9_=-]{0,20}){0,5}".prop_map(String::into_bytes),
        "Bearer eyJhbGciOiJSUzI1NiJ9\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}"
            .prop_map(String::into_bytes),
    ])
}

/// The maximum processor time for one input, including the assertions about its response. The fuzz
/// targets enforce the same limit for each parser.
const LONGEST: Duration = Duration::from_millis(50);

/// `Site::handle` asserts that no response is a 500 and that each has its headers. Only our credentials
/// give access. No input takes long, measured as processor time of this thread.
#[test]
fn r180_nothing_that_a_client_sends_breaks_a_function() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let site = runtime.block_on(Site::start_with(&[("CONNECTIONS", "none")]));
    let method = prop_oneof![
        4 => Just(Method::GET),
        1 => Just(Method::POST),
        1 => Just(Method::HEAD),
        1 => Just(Method::OPTIONS),
        1 => Just(Method::DELETE),
    ];
    let inputs =
        (method, any_path(), any_query(), any_cookies(), any_authorization(), any::<bool>());
    let config =
        ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() };
    let served = std::cell::Cell::new(0);
    proptest::test_runner::TestRunner::new(config)
        .run(&inputs, |(method, path, query, cookies, authorization, is_page)| {
            let target = [&path[..], b"?", &query].concat();
            let mut request = http::Request::new(bytes::Bytes::new());
            if let Ok(target) = PathAndQuery::try_from(target.as_slice()) {
                *request.uri_mut() = target.into();
            }
            *request.method_mut() = method;
            let headers = request.headers_mut();
            for (name, value) in [("cookie", Some(cookies)), ("authorization", authorization)] {
                if let Some(Ok(value)) = value.map(|value| HeaderValue::from_bytes(&value)) {
                    headers.insert(name, value);
                }
            }
            if is_page {
                headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
                headers.insert("origin", HeaderValue::from_static(ORIGIN));
            }
            let is_protected =
                request.uri().path() == "/protected" && request.method() != Method::OPTIONS;
            let before = processor_time();
            let answer = runtime.block_on(site.handle(request));
            let taken = processor_time() - before;
            prop_assert!(taken < LONGEST, "{:?}: {:?}", taken, answer);
            prop_assert!(!is_protected || answer.status() >= 400, "{:?}", answer);
            served.set(served.get() + 1);
            Ok(())
        })
        .unwrap();
    assert!(served.get() >= 1_000);
    assert_eq!(site.store().sessions_created() + site.store().marks(), 0);
    assert_eq!(site.provider().token_requests(), 0);
}
