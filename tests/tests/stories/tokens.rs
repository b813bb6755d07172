//! Validation of the token response and of the ID token.

use serde_json::{Value, json};
use shared::{
    jwt::TokenError,
    testing::tokens::{TEST_KEY, TestKey},
};
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, Endpoint, GRACE, Rewrite, Signature},
    site::{CLIENT_ID, START, Site},
    visitor::{SESSION, Visitor},
};

const FAILED: &str = "You were not logged in";
const LATER: &str = "Please try again in a moment";

/// The login is rejected for exactly this reason. Its state is used up, and the code was sent once.
async fn is_refused(site: &Site, status: u16, heading: &str, reason: &str) -> Answer {
    let (created, asked) = (site.store().sessions_created(), site.provider().token_requests());
    let mut visitor = Visitor::new(site);
    let request = visitor.start("/login?return_to=/reports").await;
    let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    answer.is_a_refusal(status, heading).offers("Start again", "/?return_to=%2Freports");
    assert!(answer.cookies_set().is_empty(), "{answer:?}");
    assert_eq!((visitor.session(), visitor.login_cookies().len()), (None, 0));
    assert_eq!(site.store().sessions_created(), created);
    assert_eq!(site.provider().token_requests(), asked + 1);
    // R176: the page shows neither the provider's words nor our configuration.
    for trace in ["The text of the provider", "invalid_", "server_error", CLIENT_ID] {
        assert!(!answer.text().contains(trace), "{trace}: {answer:?}");
    }
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

/// The time that many seconds after the login.
fn at(seconds: i64) -> Value {
    json!(i64::try_from(START.as_unix()).unwrap() + seconds)
}

/// R37, R39, R40, R43: the code was sent, and the response is unusable. No redirect is followed.
#[tokio::test]
async fn r039_an_unusable_token_response_is_rejected_for_its_reason() {
    let site = Site::start().await;
    let malformed = |reason: &str| format!("the token response is malformed: {reason}");
    let other_type = || malformed("the answer is malformed: not JSON by its type");
    let too_long = || malformed("the answer is longer than 1000000 bytes");
    for (behaviour, reason) in [
        (Endpoint::Redirects(302), "the token endpoint answered with a redirect".to_owned()),
        (Endpoint::Redirects(307), "the token endpoint answered with a redirect".to_owned()),
        (Endpoint::Html, other_type()),
        (Endpoint::PlainText, other_type()),
        (Endpoint::Garbage, malformed("not the JSON of a token response")),
        (Endpoint::Huge, too_long()),
        (Endpoint::Endless, too_long()),
    ] {
        site.provider().set_token_endpoint(behaviour);
        is_not_redeemed(&site, 502, &reason).await;
    }
    assert_eq!(site.provider().requests_elsewhere(), 0);
    // At most one megabyte was read; the rest was in the sockets' buffers.
    let taken = site.provider().endless_bytes();
    assert!((1_000_000..20_000_000).contains(&taken), "{taken}");

    site.provider().set_token_endpoint(Endpoint::Works);
    site.provider().change_response(json!({ "token_type": "DPoP" }));
    is_not_redeemed(&site, 502, &malformed("token_type is not Bearer")).await;
    site.provider().change_response(json!({ "id_token": null }));
    is_not_redeemed(&site, 400, "the token response has no ID token").await;
}

#[tokio::test]
async fn r042_a_rejected_code_and_a_busy_provider_differ_and_neither_is_retried() {
    let site = Site::start().await;
    for (status, error) in [(400, "invalid_grant"), (403, "invalid_grant")] {
        site.provider().set_token_endpoint(Endpoint::Refuses(status, error));
        is_not_redeemed(&site, 400, &format!("the provider refused the grant: {error}")).await;
    }
    for status in [429, 500, 502, 503] {
        site.provider().set_token_endpoint(Endpoint::Refuses(status, "too_many_requests"));
        let answer = is_not_redeemed(&site, 503, "the provider is unavailable").await;
        assert_eq!(answer.header("retry-after"), "5", "{status}");
    }
}

/// R192, R193: an error means the same with any status. For an error that the operator must fix, the
/// log has an ERROR line with a hint.
#[tokio::test]
async fn r193_a_rejected_code_is_not_reported_as_an_outage_whatever_its_status() {
    for (status, error, told, level) in [
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
        let request = visitor.start("/login").await;
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
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

/// One login for each reason to reject an ID token, so that a rejected token never creates a session.
/// `shared/src/jwt/tests.rs` proves which tokens have which defect.
///
/// R44, R45, R47, R48, R49, R54, R63, R66.
#[tokio::test]
async fn a_defect_of_the_id_tokens_text_header_or_signature_rejects_the_login() {
    let site = Site::start().await;
    let provider = site.provider();
    let texts: [(Rewrite, TokenError); 5] = [
        (|_| "a".to_owned(), TokenError::Opaque),
        (|good| format!("{good}.c"), TokenError::Malformed),
        (|good| format!("{good} "), TokenError::Malformed),
        (|good| format!("{good}.c.d"), TokenError::Encrypted),
        (|good| good.repeat(500), TokenError::TooLarge),
    ];
    for (text, reason) in texts {
        provider.rewrite(Some(text));
        is_no_id_token(&site, reason).await;
    }
    provider.rewrite(None);
    for (header, reason) in [
        (json!({ "alg": "RS512" }), TokenError::AlgorithmNotAllowed),
        (json!({ "crit": ["exp"] }), TokenError::CriticalHeader),
        (json!({ "kid": 7 }), TokenError::Malformed),
        (json!({ "typ": "at+jwt" }), TokenError::TypeNotAllowed),
    ] {
        provider.change_header(header);
        is_no_id_token(&site, reason).await;
    }
    provider.change_header(json!({}));
    for (signature, reason) in [
        (Signature::None, TokenError::AlgorithmNotAllowed),
        (Signature::HmacWithClientSecret, TokenError::AlgorithmNotAllowed),
        (Signature::HmacWithPublicKey, TokenError::AlgorithmNotAllowed),
        (Signature::Damaged, TokenError::InvalidSignature),
        (Signature::Stripped, TokenError::InvalidSignature),
        (Signature::Foreign, TokenError::InvalidSignature),
        (Signature::UnknownKey, TokenError::UnknownKey),
    ] {
        provider.sign(signature);
        is_no_id_token(&site, reason).await;
    }
    provider.sign(Signature::Own);
    // Signed by the provider, but not for this login.
    for (token, reason) in [
        (provider.access_token(ADA, CLIENT_ID, &json!({})), TokenError::InvalidAudience),
        (provider.id_token(ADA, &json!({})), TokenError::MissingClaim("nonce")),
    ] {
        provider.change_response(json!({ "id_token": token }));
        is_no_id_token(&site, reason).await;
    }
    provider.change_response(json!({}));
    Visitor::logged_in(&site, ADA).await;
}

/// R55, R56, R57, R58, R59, R60, R61, R62, R64, R66.
#[tokio::test]
async fn a_defect_of_the_id_tokens_claims_rejects_the_login() {
    let site = Site::start().await;
    let event = "http://schemas.openid.net/event/backchannel-logout";
    for (change, reason) in [
        (json!({ "iss": "https://evil.example/" }), TokenError::InvalidIssuer),
        (json!({ "aud": "other-client" }), TokenError::InvalidAudience),
        (json!({ "aud": [CLIENT_ID, "untrusted"] }), TokenError::InvalidAudience),
        (json!({ "azp": "other-client" }), TokenError::InvalidAuthorizedParty),
        (json!({ "sub": null }), TokenError::MissingClaim("sub")),
        (json!({ "sub": "" }), TokenError::MistypedClaim("sub")),
        (json!({ "iat": at(31) }), TokenError::IssuedInFuture),
        (json!({ "iat": at(-631) }), TokenError::IssuedTooLongAgo),
        (json!({ "exp": at(-30) }), TokenError::Expired),
        (json!({ "nbf": at(31) }), TokenError::NotYetValid),
        (json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" }), TokenError::AccessTokenHashMismatch),
        (json!({ "events": { event: {} } }), TokenError::WrongKind),
    ] {
        site.provider().change_claims(change);
        is_no_id_token(&site, reason).await;
    }
    for permitted in [
        json!({ "aud": [CLIENT_ID], "azp": CLIENT_ID, "iat": at(30), "nbf": at(30) }),
        json!({ "at_hash": null, "iat": at(-630), "https://example.com/roles": ["admin"] }),
    ] {
        site.provider().change_claims(permitted);
        Visitor::logged_in(&site, ADA).await;
    }
}

/// R46: not even if the metadata lists HS256 and the secret is in the key set.
#[tokio::test]
async fn r046_an_hmac_is_rejected_even_if_the_provider_publishes_its_secret() {
    let site = Site::start().await;
    let secret = json!({ "kty": "oct", "kid": "test", "alg": "HS256", "k": "c2VjcmV0" });
    site.provider().publish(json!({ "keys": [secret, TEST_KEY.jwk()] }));
    site.provider().change_metadata(json!({ "id_token_signing_alg_values_supported": ["HS256"] }));
    site.provider().sign(Signature::HmacWithClientSecret);
    is_no_id_token(&site, TokenError::AlgorithmNotAllowed).await;
}

/// R52, R53: neither a key id nor a member for keys makes us request a URL of the token.
#[tokio::test]
async fn r052_r053_a_url_in_the_header_is_never_requested() {
    let site = Site::start().await;
    let elsewhere = format!("{}elsewhere", site.provider().issuer);
    let key = TestKey::rsa("test").jwk();
    let bait = json!({ "jku": elsewhere, "x5u": elsewhere, "jwk": key, "x5c": ["AAAA"] });
    site.provider().change_header(bait);
    Visitor::logged_in(&site, ADA).await;
    site.provider().sign(Signature::Foreign);
    is_no_id_token(&site, TokenError::InvalidSignature).await;
    site.provider().sign(Signature::Own);
    site.provider().change_header(json!({ "kid": elsewhere }));
    is_no_id_token(&site, TokenError::UnknownKey).await;
    assert_eq!(site.provider().requests_elsewhere(), 0);
}

/// The token for the other tab is rejected here, and still works there.
#[tokio::test]
async fn r063_a_token_with_the_nonce_of_another_login_is_rejected() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let other_tab = visitor.start("/login").await;
    let nonce = other_tab.query_pairs().find(|(name, _)| name == "nonce").unwrap().1.into_owned();
    site.provider().change_claims(json!({ "nonce": nonce }));
    is_no_id_token(&site, TokenError::NonceMismatch).await;
    site.provider().change_claims(json!({}));
    visitor.arrive(&site.provider().log_in(&other_tab, ADA)).await;
    assert!(visitor.session().is_some());
}

#[tokio::test]
async fn r068_only_the_boolean_true_verifies_an_address() {
    for (verified, shown) in [(json!(false), Some(json!(false))), (json!("true"), None)] {
        let site = Site::start().await;
        site.provider().change_claims(json!({ "email_verified": verified }));
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let user = visitor.fetch("/protected").await.json();
        assert_eq!(user.get("email_verified"), shown.as_ref(), "{verified}");
        assert_eq!(visitor.open("/").await.texts(".badge"), ["e-mail unverified"], "{verified}");
    }
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
async fn r065_with_prompt_login_an_old_authentication_is_rejected() {
    for (auth_time, refused) in [
        (Value::Null, Some(TokenError::MissingClaim("auth_time"))),
        (at(-31), Some(TokenError::AuthenticationTooOld)),
        (json!("now"), Some(TokenError::MistypedClaim("auth_time"))),
        (at(-30), None),
        (at(0), None),
    ] {
        let site = Site::start().await;
        site.provider().change_claims(json!({ "auth_time": auth_time }));
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login?prompt=login").await;
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
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
        let request = visitor.start(&format!("/login?organization={asked}")).await;
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        assert_eq!(answer.status(), if is_fit { 303 } else { 400 }, "{asked} {claims}");
        assert_eq!(site.store().sessions_created(), usize::from(is_fit));
    }
}
