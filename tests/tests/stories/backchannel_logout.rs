//! `/backchannel-logout`: the provider ends sessions.

use http::Method;
use serde_json::{Value, json};
use shared::testing::tokens::{TEST_KEY, TestKey};
use tests::{
    answer::Answer,
    listener::Listener,
    misbehaving_provider::{ADA, GRACE, User},
    site::{FORM, ORIGIN, Site},
    visitor::{SESSION, Visitor},
};

use crate::elsewhere::Elsewhere;

const PATH: &str = "/backchannel-logout";
const SID: &str = "the provider's session";

/// A user whose ID token has this `sid`.
async fn logged_in(site: &Site, sid: &str) -> Visitor {
    site.provider().change_claims(json!({ "sid": sid }));
    let visitor = Visitor::logged_in(site, ADA).await;
    site.provider().change_claims(json!({}));
    visitor
}

/// Sends a logout token of this user with these changes.
async fn end(site: &Site, user: User, changes: Value) -> Answer {
    site.post_logout_token(&site.provider().logout_token(user, &changes)).await
}

#[track_caller]
fn accepted(answer: &Answer) {
    assert_eq!((answer.status(), answer.text()), (200, ""), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.has("set-cookie") && !answer.has("location"), "{answer:?}");
}

#[track_caller]
fn refused(answer: &Answer, description: &str) {
    assert_eq!(answer.status(), 400, "{answer:?}");
    let body = json!({ "error": "invalid_request", "error_description": description });
    assert_eq!(answer.json(), body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.has("set-cookie") && !answer.has("www-authenticate"), "{answer:?}");
}

#[tokio::test]
async fn r114_a_session_that_ends_at_the_provider_ends_here_at_once() {
    let site = Site::start().await;
    let mut visitor = logged_in(&site, SID).await;
    let mut other = logged_in(&site, "another").await;
    let (token, cookie) = (visitor.api_key().await, visitor.session().unwrap().to_owned());
    accepted(&end(&site, ADA, json!({ "sid": SID })).await);

    site.call_api(&token).await.is_json(401, "session_ended");
    site.assert_ended(&cookie).await;
    other.open("/").await.is_a_page(200, "Your API key");
    assert_eq!(site.live_sessions().await, 1);
}

#[tokio::test]
async fn r115_a_logout_token_without_sid_ends_all_sessions_of_this_user_only() {
    let site = Site::start().await;
    let (_phone, _laptop) = (logged_in(&site, SID).await, logged_in(&site, "another").await);
    let mut grace = Visitor::logged_in(&site, GRACE).await;
    accepted(&end(&site, ADA, json!({})).await);
    assert_eq!(site.live_sessions().await, 1);
    grace.open("/").await.is_a_page(200, "Your API key");
}

#[tokio::test]
async fn r115_a_sid_with_the_sub_of_another_user_ends_no_session() {
    let site = Site::start().await;
    let _visitor = logged_in(&site, SID).await;
    accepted(&end(&site, GRACE, json!({ "sid": SID })).await);
    assert_eq!(site.live_sessions().await, 1);
    accepted(&end(&site, ADA, json!({ "sub": null, "sid": SID })).await);
    assert_eq!(site.live_sessions().await, 0);
}

#[tokio::test]
async fn r116_a_token_that_the_provider_did_not_sign_ends_nothing() {
    let (site, _visitor) = Site::start_logged_in(&[]).await;
    let claims = site.provider().logout_claims(ADA, &json!({}));
    let under =
        |alg: &str| TEST_KEY.sign_with_header(&json!({ "alg": alg, "kid": "test" }), &claims);
    for (token, description) in [
        (under("none"), "the signature algorithm is not allowed"),
        (under("HS256"), "the signature algorithm is not allowed"),
        (TestKey::p256("test").sign(&claims), "the signature algorithm is not allowed"),
        (TestKey::rsa("test").sign(&claims), "the signature is not valid"),
        (TestKey::rsa("another").sign(&claims), "the signing key is not known"),
    ] {
        refused(&site.post_logout_token(&token).await, description);
    }
    assert_eq!(site.live_sessions().await, 1);
}

/// One case for each reason. The tests of `LogoutToken` list the defects.
#[tokio::test]
async fn r117_r118_r119_r120_r121_r122_a_token_with_other_claims_ends_nothing() {
    let (site, _visitor) = Site::start_logged_in(&[]).await;
    let now = site.now().as_unix();
    for (changes, description) in [
        (json!({ "events": null }), "the claim `events` is missing"),
        (json!({ "events": [] }), "the claim `events` has an invalid value"),
        (json!({ "events": { "foobar": {} } }), "the claims belong to another kind of token"),
        (json!({ "nonce": "n" }), "the claims belong to another kind of token"),
        (json!({ "aud": "another" }), "the token is for another audience"),
        (json!({ "iss": "https://evil.example/" }), "the token is from another issuer"),
        (json!({ "sub": null }), "the claim `sub or sid` is missing"),
        (json!({ "iat": now + 31 }), "the token was issued in the future"),
        (json!({ "iat": now - 700 }), "the token was issued too long ago"),
        (json!({ "exp": now - 30 }), "the token has expired"),
        (json!({ "jti": null }), "the claim `jti` is missing"),
    ] {
        refused(&end(&site, ADA, changes).await, description);
        assert_eq!(site.live_sessions().await, 1, "{description}");
    }
    // R118, R123: neither an ID token nor an access token is accepted as a logout token.
    let id_token = site.provider().id_token(ADA, &json!({}));
    refused(&site.post_logout_token(&id_token).await, "the claim `events` is missing");
    let mut header = TEST_KEY.header();
    header["typ"] = "at+jwt".into();
    let claims = site.provider().logout_claims(ADA, &json!({}));
    let token = TEST_KEY.sign_with_header(&header, &claims);
    refused(&site.post_logout_token(&token).await, "the header names another type of token");
    assert_eq!(site.live_sessions().await, 1);
}

#[tokio::test]
async fn r122_a_replayed_token_does_not_end_a_later_session() {
    let (site, _visitor) = Site::start_logged_in(&[]).await;
    let token = site.provider().logout_token(ADA, &json!({}));
    accepted(&site.post_logout_token(&token).await);
    assert_eq!(site.live_sessions().await, 0);
    site.pass(1);
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    for seconds in [0, 60, 88] {
        site.pass(seconds);
        accepted(&site.post_logout_token(&token).await);
        visitor.open("/").await.is_a_page(200, "Your API key");
    }
    site.pass(1);
    refused(&site.post_logout_token(&token).await, "the token has expired");
    // One mark for each of the two logins, and one for the token.
    assert_eq!(site.store().marks(), 3);
}

#[tokio::test]
async fn r125_a_logout_token_for_an_unknown_session_is_no_error() {
    let site = Site::start().await;
    accepted(&end(&site, GRACE, json!({ "sid": "never seen" })).await);
}

#[tokio::test]
async fn r126_only_a_form_with_exactly_one_token_is_accepted() {
    let (site, _visitor) = Site::start_logged_in(&[]).await;
    let token = site.provider().logout_token(ADA, &json!({}));
    let no_form = "the body is not application/x-www-form-urlencoded";
    let no_token = "the form does not have exactly one logout_token";
    let form = format!("logout_token={token}");
    let multipart = format!(
        "--x\r\ncontent-disposition: form-data; name=\"logout_token\"\r\n\r\n{token}\r\n--x--\r\n"
    );
    for (content_type, body, description) in [
        ("application/json", json!({ "logout_token": token }).to_string(), no_form),
        ("multipart/form-data; boundary=x", multipart, no_form),
        ("application/x-www-form-urlencodedx", form.clone(), no_form),
        ("text/plain", form.clone(), no_form),
        ("", form.clone(), no_form),
        (FORM, format!("{form}&{form}"), no_token),
        (FORM, format!("{form}&logout_token="), no_token),
        (FORM, "token=x".to_owned(), no_token),
        (FORM, String::new(), no_token),
        (FORM, "logout_token=".to_owned(), "the token is malformed"),
        (FORM, "logout_token=x".to_owned(), "the token is opaque"),
    ] {
        let answer = site.post(PATH, &[("content-type", content_type)], body).await;
        refused(&answer, description);
    }
    refused(&site.post(PATH, &[], form.clone()).await, no_form);
    let twice = [("content-type", FORM), ("content-type", "application/json")];
    refused(&site.post(PATH, &twice, form.clone()).await, no_form);

    let huge = format!("{form}&padding={}", "x".repeat(1_000_000));
    let answer = site.post(PATH, &[("content-type", FORM)], huge).await;
    assert_eq!((answer.status(), &answer.json()["error"]), (413, &json!("invalid_request")));
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = site.send(method, &format!("{PATH}?{form}"), &[("accept", "text/html")]).await;
        answer.is_json(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), "POST");
    }
    assert_eq!(site.live_sessions().await, 1);

    // Parameters of the content type and unknown fields are allowed.
    let content_type = [("content-type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")];
    accepted(&site.post(PATH, &content_type, format!("other=1&{form}&other=2")).await);
    assert_eq!(site.live_sessions().await, 0);
}

#[tokio::test]
async fn r127_cookie_and_origin_are_ignored() {
    let site = Site::start().await;
    let mut grace = Visitor::logged_in(&site, GRACE).await;
    for (name, value) in [
        ("cookie", format!("{SESSION}={}", grace.session().unwrap())),
        ("cookie", format!("{SESSION}=x; {SESSION}=y")),
        ("origin", "https://evil.example".to_owned()),
        ("origin", "null".to_owned()),
        ("sec-fetch-site", "cross-site".to_owned()),
        ("authorization", "Basic eDp5".to_owned()),
    ] {
        let _visitor = Visitor::logged_in(&site, ADA).await;
        assert_eq!(site.live_sessions().await, 2);
        let token = site.provider().logout_token(ADA, &json!({}));
        let headers = [("content-type", FORM), (name, value.as_str()), ("accept", "text/html")];
        let answer = site.post(PATH, &headers, format!("logout_token={token}")).await;
        accepted(&answer);
        assert!(!answer.has("access-control-allow-origin"), "{answer:?}");
        assert_eq!(site.live_sessions().await, 1, "{name}: {value}");
        site.pass(1);
    }
    grace.open("/").await.is_a_page(200, "Your API key");
    let answer =
        site.post(PATH, &[("content-type", FORM), ("origin", ORIGIN)], "logout_token=a.b.c").await;
    refused(&answer, "the token is malformed");
}

#[tokio::test]
async fn r128_a_failed_logout_is_reported_and_its_retry_is_no_replay() {
    let (site, _visitor) = Site::start_logged_in(&[]).await;
    let token = site.provider().logout_token(ADA, &json!({}));
    let fails = async || {
        let answer = site.post_logout_token(&token).await;
        assert_eq!(answer.status(), 503, "{answer:?}");
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
        assert_eq!(answer.json()["error_description"], "the sessions may not all have ended");
        assert_eq!(answer.header("retry-after"), "5");
        assert!(!answer.text().contains("arn:aws"), "{answer:?}");
    };
    site.store().set_down(true);
    fails().await;
    site.store().set_down(false);
    site.store().set_index_down(true);
    fails().await;
    assert_eq!(site.live_sessions().await, 1);
    site.store().set_index_down(false);
    accepted(&site.post_logout_token(&token).await);
    assert_eq!(site.live_sessions().await, 0);
}

#[tokio::test]
async fn r129_a_login_whose_logout_arrives_first_creates_no_session() {
    let site = Site::start().await;
    for changes in [json!({ "sid": SID, "sub": null }), json!({ "sid": SID }), json!({})] {
        site.provider().change_claims(json!({ "sid": SID }));
        let (mut visitor, back) = site.returning(ADA).await;
        // The provider has ended the session before the browser arrives with the code.
        accepted(&end(&site, ADA, changes.clone()).await);
        let answer = visitor.arrive(&back).await;
        answer.is_a_refusal(400, "You were logged out meanwhile").offers("Start again", "/");
        assert_eq!(visitor.session(), None, "{changes}");
        assert_eq!(site.live_sessions().await, 0, "{changes}");

        // After another login the user has another session at the provider, and is logged in.
        site.pass(1);
        site.provider().change_claims(json!({}));
        visitor.log_in(ADA).await;
        assert_eq!(site.live_sessions().await, 1, "{changes}");
        visitor.submit("/logout").await;
        site.pass(1);
    }
}

/// The development provider sends logout tokens when its administrator ends a user's sessions.
#[tokio::test]
async fn r114_the_development_provider_ends_a_users_sessions() {
    let listener = Listener::bind().await;
    let (site, administrator) = Site::at_development_provider(&[], |options| {
        options.backchannel_logout_uri = Some(listener.url(PATH));
    })
    .await;
    let told = site.clone();
    listener.serve(move |request| {
        let site = told.clone();
        async move { site.answer(request, site.now()).await }
    });

    let mut visitors = Vec::new();
    for email in ["ada@example.com", "ada@example.com", "grace@example.com"] {
        let mut visitor = Visitor::new(&site);
        let answer = Elsewhere::new().log_in(&mut visitor, "/login", email).await;
        assert_eq!(answer.location(), "/");
        visitors.push(visitor);
    }
    let subject = visitors[0].fetch("/protected").await.json()["sub"].as_str().unwrap().to_owned();
    assert_eq!(site.live_sessions().await, 3);
    assert_eq!(administrator.end_sessions_of(&subject).await, 2);
    assert_eq!(site.live_sessions().await, 1);
    visitors[0].fetch("/protected").await.is_json(401, "session_ended");
    visitors[2].open("/").await.is_a_page(200, "Your API key");
}
