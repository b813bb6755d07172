//! Validation of the token response and of the ID token.

use serde_json::{Value, json};
use shared::{
    jwt::TokenError,
    testing::tokens::{TEST_KEY, TestKey, key_set_document},
};
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, Endpoint, GRACE},
    site::{CLIENT_ID, START, Site},
    visitor::{SESSION, Visitor},
};

const FAILED: &str = "You were not logged in";
const LATER: &str = "Please try again in a moment";

/// The login is rejected for exactly this reason. Its state is used up, and the code was sent once.
async fn is_refused(site: &Site, status: u16, heading: &str, reason: &str) -> Answer {
    let (created, asked) = (site.store().sessions_created(), site.provider().token_requests());
    let mut visitor = Visitor::new(site);
    let answer = visitor.try_to_log_in_from("/login?return_to=/reports", ADA).await;
    answer.is_a_refusal(status, heading).offers("Start again", "/?return_to=%2Freports");
    assert!(answer.cookies_set().is_empty(), "{answer:?}");
    assert_eq!((visitor.session(), visitor.login_cookies().len()), (None, 0));
    assert_eq!(site.store().sessions_created(), created);
    assert_eq!(site.provider().token_requests(), asked + 1);
    assert!(!answer.text().contains("The text of the provider"));
    // Anyone can put a wrong code into the URL, so its rejection must not raise an alarm (R208).
    let event = if reason.ends_with("invalid_grant") { "login.refused" } else { "login.failed" };
    assert_eq!(site.log().errors_of(event).last().unwrap(), reason);
    answer
}

/// The code was sent, and the token response is unusable.
async fn is_not_redeemed(site: &Site, status: u16, reason: &str) -> Answer {
    let heading = if status == 503 { LATER } else { FAILED };
    is_refused(site, status, heading, &format!("the code was not redeemed: {reason}")).await
}

/// The ID token is rejected for this reason.
async fn is_no_id_token(site: &Site, reason: TokenError) {
    is_refused(site, 400, FAILED, &format!("the ID token was rejected: {reason}")).await;
}

async fn is_accepted_with_claims(changes: &[Value]) {
    let site = Site::start().await;
    for change in changes {
        site.provider().change_claims(change.clone());
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        assert_eq!(visitor.fetch("/protected").await.status(), 200, "{change}");
    }
}

/// The time that many seconds after the login.
fn at(seconds: i64) -> Value {
    json!(i64::try_from(START.as_unix()).unwrap() + seconds)
}

#[tokio::test]
async fn r037_a_redirecting_token_endpoint_is_not_followed() {
    let site = Site::start().await;
    for status in [301, 302, 303, 307, 308] {
        site.provider().set_token_endpoint(Endpoint::Redirects(status));
        is_not_redeemed(&site, 502, "the token endpoint answered with a redirect").await;
    }
    assert_eq!(site.provider().requests_elsewhere(), 0);
}

#[tokio::test]
async fn r039_an_unusable_token_response_is_a_bad_gateway() {
    let site = Site::start().await;
    let other_type = "the answer is malformed: not JSON by its type";
    let too_long = "the answer is longer than 1000000 bytes";
    for (behaviour, reason) in [
        (Endpoint::Html, other_type),
        (Endpoint::PlainText, other_type),
        (Endpoint::Garbage, "not the JSON of a token response"),
        (Endpoint::Huge, too_long),
        (Endpoint::Endless, too_long),
    ] {
        site.provider().set_token_endpoint(behaviour);
        let reason = format!("the token response is malformed: {reason}");
        is_not_redeemed(&site, 502, &reason).await;
    }
    // At most one megabyte was read; the rest was in the sockets' buffers.
    let taken = site.provider().endless_bytes();
    assert!((1_000_000..20_000_000).contains(&taken), "{taken}");
}

#[tokio::test]
async fn r039_a_token_request_times_out_after_five_seconds() {
    let site = Site::start().await;
    site.provider().set_token_endpoint(Endpoint::Slow);
    let started = tokio::time::Instant::now();
    let reason = "the code was not redeemed: the provider is unavailable: no answer in time";
    is_refused(&site, 502, FAILED, reason).await;
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
    for token_type in [json!("DPoP"), json!("mac"), json!(""), Value::Null] {
        site.provider().change_response(json!({ "token_type": token_type }));
        let reason = "the token response is malformed: token_type is not Bearer";
        is_not_redeemed(&site, 502, reason).await;
    }
    site.provider().change_response(json!({ "token_type": 7 }));
    let reason = "the token response is malformed: not the JSON of a token response";
    is_not_redeemed(&site, 502, reason).await;
}

#[tokio::test]
async fn r041_a_missing_or_invalid_expires_in_does_not_matter() {
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
async fn r042_a_busy_provider_is_unavailable_and_the_code_is_sent_once() {
    let site = Site::start().await;
    for status in [429, 500, 502, 503] {
        site.provider().set_token_endpoint(Endpoint::Refuses(status, "too_many_requests"));
        let answer = is_not_redeemed(&site, 503, "the provider is unavailable").await;
        assert_eq!(answer.header("retry-after"), "5", "{status}");
    }
}

/// R42, R192, R193: an error means the same with any status. For an error that the operator must fix, the
/// log has an ERROR line with a hint.
#[tokio::test]
async fn r193_a_rejected_code_is_not_reported_as_an_outage_whatever_its_status() {
    for (status, error, told, level) in [
        (403, "invalid_grant", 400, "WARN"),
        (500, "invalid_grant", 400, "WARN"),
        (400, "invalid_request", 400, "WARN"),
        (500, "mfa_required", 400, "WARN"),
        (403, "access_denied", 403, "WARN"),
        (500, "access_denied", 403, "WARN"),
        (503, "unauthorized", 403, "WARN"),
        (401, "access_denied", 502, "ERROR"),
        (500, "invalid_client", 502, "ERROR"),
        (400, "unauthorized_client", 502, "ERROR"),
        (400, "made_up", 502, "ERROR"),
    ] {
        let site = Site::start().await;
        site.provider().set_token_endpoint(Endpoint::Refuses(status, error));
        let mut visitor = Visitor::new(&site);
        let answer = visitor.try_to_log_in_from("/login", ADA).await;
        answer.is_a_refusal(told, FAILED);
        assert_eq!((site.provider().token_requests(), site.live_sessions().await), (1, 0));
        let is_quoted = answer.text().contains("The text of the provider");
        assert_eq!(is_quoted, told == 403, "{answer:?}");
        let lines = site.log().lines();
        let event = if told == 502 { "login.failed" } else { "login.refused" };
        let line = lines.iter().find(|line| line["event"] == event).unwrap();
        assert_eq!((&line["level"], &line["provider_error"]), (&json!(level), &json!(error)));
        assert!(line["hint"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn r043_a_response_without_an_id_token_is_rejected() {
    let site = Site::start().await;
    for id_token in [Value::Null, json!("")] {
        site.provider().change_response(json!({ "id_token": id_token }));
        is_not_redeemed(&site, 400, "the token response has no ID token").await;
    }
}

/// R45, R49, R54, R55, R56, R58, R59, R60, R61, R62, R64, R66: one case for each reason. The tests of
/// `shared/src/jwt` prove the reason for each defect.
#[tokio::test]
async fn r044_a_token_with_a_defect_does_not_log_in() {
    let site = Site::start().await;
    let provider = site.provider();
    let good = provider.id_token(ADA, &json!({}));
    let ambiguous =
        TEST_KEY.sign_text(&TEST_KEY.header().to_string(), r#"{"iss":"one","iss":"two"}"#);
    for (token, reason) in [
        ("a".to_owned(), TokenError::Opaque),
        (format!("{good}.c"), TokenError::Malformed),
        (format!("{good}.c.d"), TokenError::Encrypted),
        (good.repeat(500), TokenError::TooLarge),
        (ambiguous, TokenError::DuplicateClaim),
        // Tokens of the same issuer for another purpose.
        (good, TokenError::MissingClaim("nonce")),
        (provider.access_token(ADA, CLIENT_ID, &json!({})), TokenError::InvalidAudience),
        (
            provider.access_token(ADA, CLIENT_ID, &json!({ "aud": CLIENT_ID })),
            TokenError::MissingClaim("nonce"),
        ),
    ] {
        provider.change_response(json!({ "id_token": token }));
        is_no_id_token(&site, reason).await;
    }
    provider.change_response(json!({}));

    for (header, reason) in [
        (json!({ "alg": "none" }), TokenError::AlgorithmNotAllowed),
        (json!({ "crit": ["exp"] }), TokenError::CriticalHeader),
        (json!({ "typ": "at+jwt" }), TokenError::TypeNotAllowed),
    ] {
        provider.change_header(header);
        is_no_id_token(&site, reason).await;
    }
    provider.change_header(json!({}));

    for (claims, reason) in [
        (json!({ "iss": "https://evil.example/" }), TokenError::InvalidIssuer),
        (json!({ "aud": "another" }), TokenError::InvalidAudience),
        (json!({ "azp": "another" }), TokenError::InvalidAuthorizedParty),
        (json!({ "sub": null }), TokenError::MissingClaim("sub")),
        (json!({ "sub": 7 }), TokenError::MistypedClaim("sub")),
        (json!({ "exp": at(-30) }), TokenError::Expired),
        (json!({ "nbf": at(31) }), TokenError::NotYetValid),
        (json!({ "iat": at(31) }), TokenError::IssuedInFuture),
        (json!({ "iat": at(-631) }), TokenError::IssuedTooLongAgo),
        (json!({ "at_hash": "another" }), TokenError::AccessTokenHashMismatch),
        (json!({ "events": {} }), TokenError::WrongKind),
    ] {
        provider.change_claims(claims);
        is_no_id_token(&site, reason).await;
    }
    provider.change_claims(json!({}));

    for (key_id, reason) in
        [("test", TokenError::InvalidSignature), ("another", TokenError::UnknownKey)]
    {
        provider.rotate_to(TestKey::rsa(key_id));
        provider.publish(key_set_document(&[&TEST_KEY]));
        is_no_id_token(&site, reason).await;
    }
}

/// Verification tolerates a key that expired less than 30 s ago, but no session can begin with it.
#[tokio::test]
async fn r099_a_login_whose_session_would_have_expired_begins_none() {
    let site = Site::start().await;
    for claims in [json!({ "exp": at(0) }), json!({ "session_expiry": at(0) })] {
        site.provider().change_claims(claims);
        is_refused(&site, 400, FAILED, "the session would already have expired").await;
    }
}

#[tokio::test]
async fn r046_r047_an_hmac_is_rejected_even_if_the_provider_publishes_its_secret() {
    let site = Site::start().await;
    let secret = json!({ "kty": "oct", "kid": "test", "alg": "HS256", "k": "c2VjcmV0" });
    site.provider().publish(json!({ "keys": [secret, TEST_KEY.jwk()] }));
    site.provider().change_metadata(json!({ "id_token_signing_alg_values_supported": ["HS256"] }));
    site.provider().change_header(json!({ "alg": "HS256" }));
    is_no_id_token(&site, TokenError::AlgorithmNotAllowed).await;
}

/// The key is published and the signature is correct, but the metadata does not list the algorithm.
#[tokio::test]
async fn r048_a_signature_with_an_unadvertised_algorithm_is_rejected() {
    for (name, key) in [
        ("PS256", TestKey::rsa("k").with_algorithm(shared::jwt::Algorithm::Ps256)),
        ("ES256", TestKey::p256("k")),
    ] {
        let site = Site::start().await;
        site.provider().rotate_to(key);
        is_no_id_token(&site, TokenError::AlgorithmNotAllowed).await;
        let supported = json!({ "id_token_signing_alg_values_supported": ["RS256", name] });
        site.provider().change_metadata(supported);
        site.pass(600);
        Visitor::logged_in(&site, ADA).await;
    }
}

#[tokio::test]
async fn r050_r051_a_token_without_a_key_id_is_verified_with_each_suitable_key() {
    let site = Site::start().await;
    site.provider().change_header(json!({ "kid": null }));
    Visitor::logged_in(&site, ADA).await;

    let keys = [TestKey::rsa("a").jwk(), TEST_KEY.jwk(), TestKey::p256("b").jwk()];
    let site = Site::start().await;
    site.provider().publish(json!({ "keys": keys }));
    site.provider().change_header(json!({ "kid": null }));
    Visitor::logged_in(&site, ADA).await;
    site.provider().rotate_to(TestKey::rsa("test"));
    site.provider().publish(json!({ "keys": keys }));
    is_no_id_token(&site, TokenError::InvalidSignature).await;
}

#[tokio::test]
async fn r052_a_key_id_is_never_used_as_a_path_or_url() {
    let site = Site::start().await;
    for key_id in ["../../etc/passwd", &format!("{}elsewhere", site.provider().issuer)] {
        site.provider().change_header(json!({ "kid": key_id }));
        is_no_id_token(&site, TokenError::UnknownKey).await;
    }
    assert_eq!(site.provider().requests_elsewhere(), 0);
    assert_eq!(site.provider().key_set_requests(), 2, "the first, and one for the unknown key");
}

#[tokio::test]
async fn r053_a_key_inside_the_token_is_ignored() {
    let site = Site::start().await;
    let elsewhere = format!("{}elsewhere", site.provider().issuer);
    let foreign = TestKey::rsa("test");
    let bait = json!({ "jku": elsewhere, "x5u": elsewhere, "jwk": foreign.jwk(), "x5c": ["AAAA"] });
    site.provider().change_header(bait);
    Visitor::logged_in(&site, ADA).await;
    site.provider().rotate_to(foreign);
    site.provider().publish(key_set_document(&[&TEST_KEY]));
    is_no_id_token(&site, TokenError::InvalidSignature).await;
    assert_eq!(site.provider().requests_elsewhere(), 0);
}

/// The user has the same name in the login, in the API by key and by cookie, and in the logout token.
#[tokio::test]
async fn r200_a_subject_in_any_script_works_for_login_and_back_channel_logout() {
    let audience = "https://reports.example/";
    for settings in [&[][..], &[("AUDIENCE", audience)]] {
        let site = Site::start_with(settings).await;
        for subject in ["auth0|jürgen".to_owned(), format!("adfs|{}", "東".repeat(250))] {
            let named = json!({ "sub": subject });
            site.provider().change_claims(named.clone());
            site.provider().change_access_token_claims(named.clone());
            let mut visitor = Visitor::logged_in(&site, ADA).await;
            let key = visitor.api_key().await;
            for answer in [visitor.fetch("/protected").await, site.call_api(&key).await] {
                assert_eq!((answer.status(), &answer.json()["sub"]), (200, &json!(subject)));
            }
            let logout_token = site.provider().logout_token(ADA, &named);
            assert_eq!(site.post_logout_token(&logout_token).await.status(), 200);
            site.call_api(&key).await.is_json(401, "session_ended");
        }
    }
}

/// A directory with hundreds of groups makes an ID token of 50 KB. It is too long for a header and
/// therefore no API key; the session works with its cookie.
#[tokio::test]
async fn r201_a_token_too_long_for_a_header_logs_in_and_is_not_offered_as_a_key() {
    let site = Site::start_with(&[("SCOPE", "openid profile email offline_access")]).await;
    let groups: Vec<_> = (0..500).map(|number| format!("{number:0>70}")).collect();
    site.provider().change_claims(json!({ "groups": groups }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let token = site.provider().last_token_response()["id_token"].as_str().unwrap().len();
    assert!(token > 48 * 1024 && token < 64 * 1024, "{token}");

    let page = visitor.open("/").await;
    page.is_a_page(200, "Your session");
    assert!(page.texts("#token").is_empty() && page.texts("#curl").is_empty());
    assert!(page.text().contains("too long for a header"));
    assert_eq!(visitor.fetch("/protected").await.json()["groups"], json!(groups));
    let renewed = visitor.refresh().await;
    assert_eq!((renewed.status(), renewed.json().get("api_key")), (200, None));
    // Nor does it fit into the URL of the provider's logout (R113).
    let answer = visitor.submit("/logout").await;
    let provider_logout = answer.location();
    assert!(provider_logout.contains("logout_hint=") && provider_logout.len() < 1_000);
}

/// The ID token, the access token and the logout token have dates as providers in JavaScript or Python
/// write them.
#[tokio::test]
async fn r199_tokens_with_fractional_dates_work_for_login_and_logout() {
    for fraction in [0.0, 0.5] {
        let date = |seconds| json!(at(seconds).as_f64().unwrap() + fraction);
        let dates = json!({ "iat": date(0), "nbf": date(-1), "exp": date(600) });
        let site = Site::start_with(&[("AUDIENCE", "https://reports.example/")]).await;
        site.provider().change_claims(dates.clone());
        site.provider().change_access_token_claims(dates.clone());
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let key = visitor.api_key().await;
        assert_eq!(site.call_api(&key).await.status(), 200);
        let logout_token = site.provider().logout_token(ADA, &dates);
        assert_eq!(site.post_logout_token(&logout_token).await.status(), 200);
        site.call_api(&key).await.is_json(401, "session_ended");
    }
}

#[tokio::test]
async fn r063_a_token_with_the_nonce_of_another_login_is_rejected() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let other_tab = visitor.start("/login").await;
    let nonce = other_tab.query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned();
    site.provider().change_claims(json!({ "nonce": nonce }));
    is_no_id_token(&site, TokenError::NonceMismatch).await;
    // The token for the other tab is rejected here, and still works there.
    site.provider().change_claims(json!({}));
    visitor.arrive(&site.provider().log_in(&other_tab, ADA)).await;
    assert!(visitor.session().is_some());
}

#[tokio::test]
async fn r065_with_prompt_login_an_old_authentication_is_rejected() {
    for (auth_time, refused) in [
        (Value::Null, Some(TokenError::MissingClaim("auth_time"))),
        (at(-31), Some(TokenError::AuthenticationTooOld)),
        (at(-30), None),
        (at(0), None),
    ] {
        let site = Site::start().await;
        site.provider().change_claims(json!({ "auth_time": auth_time }));
        let mut visitor = Visitor::new(&site);
        let answer = visitor.try_to_log_in_from("/login?prompt=login", ADA).await;
        if let Some(reason) = refused {
            answer.is_a_refusal(400, FAILED);
            assert_eq!(site.store().sessions_created(), 0, "{auth_time}");
            let reason = format!("the ID token was rejected: {reason}");
            assert_eq!(site.log().errors_of("login.failed"), [reason]);
        } else {
            assert_eq!(answer.cookies_set(), [SESSION], "{auth_time}");
        }
    }
}

/// R67: these subjects contain characters that a store might use to separate the parts of a key.
#[tokio::test]
async fn r067_users_with_similar_subjects_are_kept_apart() {
    let site = Site::start().await;
    let mut visitors = Vec::new();
    let subjects = ["auth0|a#b", "auth0|a|b", "auth0|a", "auth0#a|b", "AUTH0|a", "auth0|a#b "];
    for subject in subjects {
        site.provider().change_claims(json!({ "sub": subject }));
        visitors.push((subject, Visitor::logged_in(&site, ADA).await));
    }
    assert_eq!(site.live_sessions().await, subjects.len());
    for (subject, visitor) in &mut visitors {
        assert_eq!(visitor.fetch("/protected").await.json()["sub"], *subject);
        visitor.submit("/logout").await.location();
        visitor.fetch("/protected").await.is_json(401, "authorization_header_missing");
    }
    assert_eq!(site.live_sessions().await, 0);
}

#[tokio::test]
async fn r057_r067_r068_r069_unusual_but_valid_claims_are_accepted() {
    is_accepted_with_claims(&[
        json!({ "aud": [CLIENT_ID] }),
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
async fn with_an_audience_both_tokens_must_belong_to_the_same_user() {
    const API: &str = "https://api.example";
    let site = Site::start_with(&[("AUDIENCE", API)]).await;
    site.provider().change_access_token_claims(json!({ "sub": GRACE.subject }));
    is_refused(&site, 400, FAILED, "the access token belongs to another user").await;
    for (change, reason) in [
        (json!({ "aud": "https://other.example" }), TokenError::InvalidAudience),
        (json!({ "iss": "https://evil.example/" }), TokenError::InvalidIssuer),
        (json!({ "exp": at(-31) }), TokenError::Expired),
        (json!({ "nonce": "x" }), TokenError::WrongKind),
        (json!({ "cnf": { "jkt": "x" } }), TokenError::BoundToKey),
    ] {
        site.provider().change_access_token_claims(change);
        let reason = format!("the token for the API key was rejected: {reason}");
        is_refused(&site, 400, FAILED, &reason).await;
    }
    site.provider().change_access_token_claims(json!({}));
    Visitor::logged_in(&site, ADA).await;
}

#[tokio::test]
async fn r183_the_token_must_have_the_requested_organization() {
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
        let answer = visitor.try_to_log_in_from(&format!("/login?organization={asked}"), ADA).await;
        assert_eq!(answer.status(), if is_fit { 303 } else { 403 }, "{asked} {claims}");
        assert_eq!(site.store().sessions_created(), usize::from(is_fit));
    }
}
