//! What the token endpoint answers, and what the ID token says.

use serde_json::{Value, json};
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, GRACE, Signature, TokenEndpoint},
    site::{CLIENT_ID, START, Site},
    visitor::{SESSION, Visitor},
};

const FAILED: &str = "You were not logged in";

/// A login that must not end in a session. Its state is used up, its code was sent once.
async fn is_refused(site: &Site, status: u16, heading: &str) -> Answer {
    let (created, asked) = (site.store().sessions_created(), site.provider().token_requests());
    let mut visitor = Visitor::new(site);
    let request = visitor.start("/login?return_to=/reports").await;
    let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    answer.is_a_refusal(status, heading).offers("Start again", "/?return_to=%2Freports");
    assert!(answer.cookies_set().is_empty(), "{answer:?}");
    assert_eq!((visitor.session(), visitor.login_cookies().len()), (None, 0));
    assert_eq!(site.store().sessions_created(), created);
    assert_eq!(site.provider().token_requests(), asked + 1);
    assert!(!answer.text().contains("The text of the provider"));
    answer
}

async fn is_refused_with_claims(changes: &[Value]) {
    let site = Site::start().await;
    for change in changes {
        site.provider().change_claims(change.clone());
        is_refused(&site, 400, FAILED).await;
    }
    site.provider().change_claims(json!({}));
    Visitor::logged_in(&site, ADA).await;
}

async fn is_accepted_with_claims(changes: &[Value]) {
    let site = Site::start().await;
    for change in changes {
        site.provider().change_claims(change.clone());
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        assert_eq!(visitor.fetch("/protected").await.status(), 200, "{change}");
    }
}

/// A moment that lies so many seconds after the login.
fn at(seconds: i64) -> Value {
    json!(i64::try_from(START.as_unix()).unwrap() + seconds)
}

#[tokio::test]
async fn r037_a_redirecting_token_endpoint_is_not_followed() {
    let site = Site::start().await;
    for status in [301, 302, 303, 307, 308] {
        site.provider().set_token_endpoint(TokenEndpoint::Redirects(status));
        is_refused(&site, 502, FAILED).await;
    }
    assert_eq!(site.provider().requests_elsewhere(), 0);
}

#[tokio::test]
async fn r039_an_answer_that_cannot_be_used_is_a_bad_gateway() {
    let site = Site::start().await;
    for behaviour in [TokenEndpoint::Html, TokenEndpoint::Garbage, TokenEndpoint::Huge] {
        site.provider().set_token_endpoint(behaviour);
        is_refused(&site, 502, FAILED).await;
    }
}

#[tokio::test]
async fn r039_a_slow_token_endpoint_is_given_five_seconds() {
    let site = Site::start().await;
    site.provider().set_token_endpoint(TokenEndpoint::Slow);
    let started = tokio::time::Instant::now();
    is_refused(&site, 502, FAILED).await;
    let waited = started.elapsed().as_millis();
    assert!((4_500..6_500).contains(&waited), "{waited} ms");
}

#[tokio::test]
async fn r040_only_bearer_tokens_are_accepted_in_any_case() {
    let site = Site::start().await;
    for token_type in ["bearer", "BEARER", "Bearer"] {
        site.provider().change_response(json!({ "token_type": token_type }));
        Visitor::logged_in(&site, ADA).await;
    }
    for token_type in [json!("DPoP"), json!("mac"), json!(""), Value::Null, json!(7)] {
        site.provider().change_response(json!({ "token_type": token_type }));
        is_refused(&site, 502, FAILED).await;
    }
}

#[tokio::test]
async fn r041_a_missing_or_mad_lifetime_does_no_harm() {
    let site = Site::start().await;
    for lifetime in
        [Value::Null, json!(-1), json!("3600"), json!("soon"), json!(1e300), json!(u64::MAX)]
    {
        site.provider().change_response(json!({ "expires_in": lifetime }));
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
    }
}

#[tokio::test]
async fn r042_a_refused_code_and_a_busy_provider_are_told_apart_and_nothing_is_retried() {
    let site = Site::start().await;
    for (status, error) in [(400, "invalid_grant"), (403, "invalid_grant"), (401, "invalid_client")]
    {
        site.provider().set_token_endpoint(TokenEndpoint::Refuses(status, error));
        is_refused(&site, 400, FAILED).await;
    }
    for status in [429, 500, 502, 503] {
        site.provider().set_token_endpoint(TokenEndpoint::Refuses(status, "too_many_requests"));
        let answer = is_refused(&site, 503, "Please try again in a moment").await;
        assert_eq!(answer.header("retry-after"), "5", "{status}");
    }
}

#[tokio::test]
async fn r043_without_an_id_token_nobody_is_logged_in() {
    let site = Site::start().await;
    for id_token in [Value::Null, json!("")] {
        site.provider().change_response(json!({ "id_token": id_token }));
        is_refused(&site, 400, FAILED).await;
    }
}

#[tokio::test]
async fn r044_what_is_no_token_of_three_parts_is_refused() {
    let site = Site::start().await;
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let good = site.provider().id_token(ADA, &json!({}));
    let sign = |payload: &str| {
        let key = &shared::jwt::testing::TEST_KEY;
        key.sign_text(&key.header().to_string(), payload)
    };
    let issuer = site.provider().issuer.clone();
    for token in [
        "a".to_owned(),
        "a.b".to_owned(),
        "a.b.c.d".to_owned(),
        "a.b.c.d.e".to_owned(),
        format!("{good}="),
        format!("{good}."),
        format!("{good} "),
        good.replace('.', ".\n"),
        "a".repeat(900_000),
        sign("not json"),
        sign(&nested),
        sign(&format!(r#"{{"iss":"{issuer}","iss":"{issuer}"}}"#)),
        sign(&format!(r#"{{"iss":"{issuer}"}} x"#)),
    ] {
        site.provider().change_response(json!({ "id_token": token }));
        let started = tokio::time::Instant::now();
        is_refused(&site, 400, FAILED).await;
        assert!(started.elapsed().as_millis() < 1_000);
    }
}

#[tokio::test]
async fn r045_r046_r047_r049_a_signature_that_is_not_the_providers_is_refused() {
    let site = Site::start().await;
    for signature in [
        Signature::None,
        Signature::HmacWithPublicKey,
        Signature::HmacWithClientSecret,
        Signature::Damaged,
        Signature::Foreign,
        Signature::UnknownKey,
    ] {
        site.provider().sign(signature);
        is_refused(&site, 400, FAILED).await;
    }
    site.provider().sign(Signature::Own);
    Visitor::logged_in(&site, ADA).await;
}

#[tokio::test]
async fn r045_r048_another_algorithm_in_the_header_is_refused() {
    let site = Site::start().await;
    for algorithm in [
        json!("None"),
        json!("nOnE"),
        json!(""),
        Value::Null,
        json!(7),
        json!("RS512"),
        json!("PS256"),
        json!("ES256"),
        json!("rs256"),
    ] {
        site.provider().change_header(json!({ "alg": algorithm }));
        is_refused(&site, 400, FAILED).await;
    }
}

#[tokio::test]
async fn r050_r051_a_token_without_a_key_id_is_tried_with_the_one_key() {
    let site = Site::start().await;
    site.provider().change_header(json!({ "kid": null }));
    Visitor::logged_in(&site, ADA).await;
}

#[tokio::test]
async fn r052_a_key_id_is_a_name_and_nothing_else() {
    let site = Site::start().await;
    for key_id in [
        json!("../../etc/passwd"),
        json!("' OR 1=1"),
        json!(format!("{}elsewhere", site.provider().issuer)),
        json!("k".repeat(10_000)),
        json!(7),
        json!({}),
    ] {
        site.provider().change_header(json!({ "kid": key_id }));
        is_refused(&site, 400, FAILED).await;
    }
    assert_eq!(site.provider().requests_elsewhere(), 0);
}

#[tokio::test]
async fn r053_a_key_that_the_token_brings_along_is_never_looked_at() {
    let site = Site::start().await;
    let elsewhere = format!("{}elsewhere", site.provider().issuer);
    let foreign = shared::jwt::testing::TestKey::rsa("test");
    let bait = json!({ "jku": elsewhere, "x5u": elsewhere, "jwk": foreign.jwk(), "x5c": ["AAAA"] });
    site.provider().change_header(bait);
    Visitor::logged_in(&site, ADA).await;
    site.provider().sign(Signature::Foreign);
    is_refused(&site, 400, FAILED).await;
    assert_eq!(site.provider().requests_elsewhere(), 0);
}

#[tokio::test]
async fn r054_an_extension_in_the_header_is_refused() {
    let site = Site::start().await;
    for extension in [
        json!({ "crit": ["exp"] }),
        json!({ "crit": ["x"], "x": 1 }),
        json!({ "b64": false }),
        json!({ "zip": "DEF" }),
    ] {
        site.provider().change_header(extension);
        is_refused(&site, 400, FAILED).await;
    }
}

#[tokio::test]
async fn r055_another_issuer_is_refused() {
    let site = Site::start().await;
    let issuer = site.provider().issuer.clone();
    for wrong in [
        json!("https://evil.example/"),
        json!(issuer.trim_end_matches('/')),
        json!(issuer.to_ascii_uppercase()),
        json!(format!("{issuer}/")),
        json!(format!("{}.evil/", issuer.trim_end_matches('/'))),
        json!(""),
        json!([issuer]),
        Value::Null,
    ] {
        site.provider().change_claims(json!({ "iss": wrong }));
        is_refused(&site, 400, FAILED).await;
    }
}

#[tokio::test]
async fn r056_another_audience_is_refused() {
    is_refused_with_claims(&[
        json!({ "aud": "other-client" }),
        json!({ "aud": null }),
        json!({ "aud": [] }),
        json!({ "aud": 7 }),
        json!({ "aud": {} }),
        json!({ "aud": "" }),
        json!({ "aud": [7] }),
    ])
    .await;
}

#[tokio::test]
async fn r057_one_audience_in_an_array_is_enough_and_two_are_too_many() {
    is_accepted_with_claims(&[json!({ "aud": [CLIENT_ID] })]).await;
    is_refused_with_claims(&[
        json!({ "aud": [CLIENT_ID, "untrusted"] }),
        json!({ "aud": ["untrusted", CLIENT_ID] }),
    ])
    .await;
}

#[tokio::test]
async fn r058_another_authorized_party_is_refused() {
    is_refused_with_claims(&[
        json!({ "azp": "other-client" }),
        json!({ "azp": "" }),
        json!({ "azp": 7 }),
        json!({ "aud": [CLIENT_ID, "api"], "azp": CLIENT_ID }),
    ])
    .await;
    is_accepted_with_claims(&[json!({ "azp": CLIENT_ID })]).await;
}

#[tokio::test]
async fn r059_a_subject_is_a_short_text() {
    is_refused_with_claims(&[
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": 7 }),
        json!({ "sub": "s".repeat(256) }),
        json!({ "sub": "auth0|ada\u{0}" }),
        json!({ "sub": "auth0|adä" }),
    ])
    .await;
}

#[tokio::test]
async fn r060_a_token_was_issued_just_now() {
    is_refused_with_claims(&[
        json!({ "iat": null }),
        json!({ "iat": "now" }),
        json!({ "iat": at(31) }),
        json!({ "iat": at(-631) }),
    ])
    .await;
    is_accepted_with_claims(&[json!({ "iat": at(30) }), json!({ "iat": at(-630) })]).await;
}

#[tokio::test]
async fn r061_a_token_has_not_expired() {
    is_refused_with_claims(&[
        json!({ "exp": null }),
        json!({ "exp": "tomorrow" }),
        json!({ "exp": at(-30) }),
        json!({ "exp": 1_800_009_999.5 }),
        json!({ "exp": 1e300 }),
        json!({ "exp": 9_223_372_036_854_775_808_u64 }),
        json!({ "exp": -1 }),
    ])
    .await;
}

#[tokio::test]
async fn r062_a_token_is_valid_already() {
    is_refused_with_claims(&[json!({ "nbf": at(31) }), json!({ "nbf": "later" })]).await;
    is_accepted_with_claims(&[json!({ "nbf": at(30) })]).await;
}

#[tokio::test]
async fn r063_the_nonce_is_this_logins() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let other_tab = visitor.start("/login").await;
    let nonce = other_tab.query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned();
    for wrong in [json!("wrong"), json!(""), json!(7), Value::Null, json!(nonce)] {
        site.provider().change_claims(json!({ "nonce": wrong }));
        is_refused(&site, 400, FAILED).await;
    }
    // The token of the other tab is as good as none here, and still good there.
    site.provider().change_claims(json!({}));
    visitor.arrive(&site.provider().log_in(&other_tab, ADA)).await;
    assert!(visitor.session().is_some());
}

#[tokio::test]
async fn r064_the_access_token_is_the_one_that_the_id_token_names() {
    is_refused_with_claims(&[
        json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }),
        json!({ "at_hash": "" }),
        json!({ "at_hash": 7 }),
    ])
    .await;
    is_accepted_with_claims(&[json!({ "at_hash": null })]).await;
}

#[tokio::test]
async fn r065_whoever_must_sign_in_anew_has_done_so() {
    for (auth_time, is_fresh) in [
        (Value::Null, false),
        (at(-31), false),
        (json!("now"), false),
        (at(-30), true),
        (at(0), true),
    ] {
        let site = Site::start().await;
        site.provider().change_claims(json!({ "auth_time": auth_time }));
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login?prompt=login").await;
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        if is_fresh {
            assert_eq!(answer.cookies_set(), [SESSION], "{auth_time}");
        } else {
            answer.is_a_refusal(400, FAILED);
            assert_eq!(site.store().sessions_created(), 0, "{auth_time}");
        }
    }
}

#[tokio::test]
async fn r066_other_tokens_of_the_same_issuer_are_no_id_tokens() {
    let site = Site::start().await;
    let access_token = site.provider().access_token(ADA, CLIENT_ID, &json!({}));
    for token in [
        access_token,
        site.provider().access_token(ADA, "https://api.example", &json!({})),
        site.provider().id_token(ADA, &json!({})),
    ] {
        site.provider().change_response(json!({ "id_token": token }));
        is_refused(&site, 400, FAILED).await;
    }
    site.provider().change_response(json!({}));
    let event = "http://schemas.openid.net/event/backchannel-logout";
    site.provider().change_claims(json!({ "events": { event: {} } }));
    is_refused(&site, 400, FAILED).await;
    site.provider().change_claims(json!({}));
    for kind in ["logout+jwt", "at+jwt", "application/at+jwt", "dpop+jwt"] {
        site.provider().change_header(json!({ "typ": kind }));
        is_refused(&site, 400, FAILED).await;
    }
}

#[tokio::test]
async fn r067_r068_r069_odd_but_honest_claims_are_taken_as_they_are() {
    is_accepted_with_claims(&[
        json!({ "sub": "samlp|acme#1|a b" }),
        json!({ "updated_at": 1_800_000_000 }),
        json!({ "updated_at": "1800000000" }),
        json!({ "https://example.com/roles": ["admin"], "unknown": { "deep": [1] } }),
    ])
    .await;
    for (verified, shown) in [
        (json!(false), Some(json!(false))),
        (json!("true"), None),
        (json!(1), None),
        (Value::Null, None),
    ] {
        let site = Site::start().await;
        site.provider().change_claims(json!({ "email_verified": verified }));
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let user = visitor.fetch("/protected").await.json();
        assert_eq!(user.get("email_verified"), shown.as_ref(), "{verified}");
        assert_eq!(visitor.open("/").await.texts(".badge"), ["e-mail unverified"], "{verified}");
    }
}

#[tokio::test]
async fn with_an_audience_both_tokens_must_be_the_same_users() {
    const API: &str = "https://api.example";
    let site = Site::start_with(&[("AUDIENCE", API)]).await;
    for change in [
        json!({ "sub": GRACE.subject }),
        json!({ "aud": "https://other.example" }),
        json!({ "iss": "https://evil.example/" }),
        json!({ "exp": at(-31) }),
        json!({ "nonce": "x" }),
        json!({ "cnf": { "jkt": "x" } }),
    ] {
        site.provider().change_access_token_claims(change);
        is_refused(&site, 400, FAILED).await;
    }
    site.provider().change_access_token_claims(json!({}));
    Visitor::logged_in(&site, ADA).await;
}

#[tokio::test]
async fn r183_an_organization_that_was_asked_for_is_the_tokens() {
    for (asked, claims, is_fit) in [
        ("org_ours", json!({ "org_id": "org_ours" }), true),
        ("org_ours", json!({ "org_id": "org_theirs" }), false),
        ("org_ours", json!({ "org_name": "org_ours" }), false),
        ("org_ours", json!({}), false),
        ("Acme", json!({ "org_id": "org_1", "org_name": "acme" }), true),
        ("Acme", json!({ "org_id": "Acme" }), false),
    ] {
        let site = Site::start().await;
        site.provider().change_claims(claims.clone());
        let mut visitor = Visitor::new(&site);
        let request = visitor.start(&format!("/login?organization={asked}")).await;
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        assert_eq!(answer.status(), if is_fit { 303 } else { 400 }, "{asked} {claims}");
        assert_eq!(site.store().sessions_created(), usize::from(is_fit));
    }
}
