//! `/refresh`: sessions that outlive their token.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use shared::jwt::MULTI_FACTOR;
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, Endpoint, GRACE, Shape},
    site::{ORIGIN, Site},
    visitor::{SESSION, Sending, Visitor},
};
use tokio::task::JoinSet;

use crate::{elsewhere::Elsewhere, guards::question};

const HOUR: u64 = 3_600;
const OFFLINE: (&str, &str) = ("SCOPE", "openid profile email offline_access");
const API: (&str, &str) = ("AUDIENCE", "https://api.example");

/// A visitor whose token is old enough to be refreshed, and their session cookie.
async fn due(site: &Site) -> (Visitor, String) {
    let visitor = Visitor::logged_in(site, ADA).await;
    site.pass(100);
    let cookie = visitor.session().unwrap().to_owned();
    (visitor, cookie)
}

/// The refresh token of the provider's last answer.
fn last_refresh_token(site: &Site) -> String {
    site.provider().last_token_response()["refresh_token"].as_str().unwrap().to_owned()
}

/// The session is still valid and can be refreshed.
async fn assert_goes_on(site: &Site, visitor: &mut Visitor) {
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    site.provider().set_token_endpoint(Endpoint::Works);
    site.provider().change_refreshed_claims(json!({}));
    site.provider().change_refreshed_access_token_claims(json!({}));
    site.provider().change_refresh_response(json!({}));
    site.pass(100);
    assert_eq!(visitor.refresh().await.status(), 200);
}

/// The refresh ends the session: it cannot be refreshed, and the browser's cookie is cleared.
async fn assert_ends_it(site: &Site, visitor: &mut Visitor, cookie: &str) -> Answer {
    let answer = visitor.refresh().await;
    answer.is_json(401, "session_ended").challenges(r#"Bearer realm="api", error="invalid_token""#);
    assert_eq!(answer.cookies_cleared(), [SESSION]);
    assert_eq!((visitor.session(), site.live_sessions().await), (None, 0));
    site.assert_ended(cookie).await;
    answer
}

/// The authorizer grants exactly these scopes, by key and by cookie.
async fn assert_granted(site: &Site, visitor: &mut Visitor, scopes: &str) {
    let bearer = format!("Bearer {}", visitor.api_key().await);
    for headers in [&[("authorization", bearer.as_str())][..], &[]] {
        let request = visitor.request(&Method::GET, "/api/hello", Sending::SCRIPT, headers);
        let decision = site.decide(&question("GET /api/hello", request)).await.unwrap();
        assert_eq!(decision["context"]["scope"], scopes, "{headers:?}");
    }
}

/// R131: a token younger than a minute is returned without a refresh.
#[tokio::test]
async fn a_session_is_refreshed_and_continues_with_a_new_token() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE]).await;
    let first = visitor.api_key().await;
    site.pass(59);
    assert_eq!(visitor.refresh().await.json()["api_key"], first);
    assert_eq!(site.provider().refreshes(), 0);
    site.pass(5 * HOUR - 59);
    let answer = visitor.refresh().await;
    let body = answer.json();
    assert_eq!(answer.status(), 200);
    let second = body["api_key"].as_str().unwrap().to_owned();
    assert_eq!(json!(second), site.provider().last_token_response()["id_token"]);
    let now = site.now().as_unix();
    assert_eq!(
        body,
        json!({
            "api_key": second,
            "expires_at": now + 36_000,
            "expires_in": 36_000,
            "renew_in": 36_000 - 60,
            "session_ends_at": now - 5 * HOUR + 7 * 24 * HOUR,
        })
    );
    assert!(!answer.has("set-cookie") && !answer.has("access-control-allow-origin"));
    assert_eq!(site.call_api(&second).await.json()["email"], ADA.email);
    assert_eq!(visitor.api_key().await, second);
    assert_eq!(visitor.fetch("/protected").await.json()["sub"], ADA.subject);

    // Requests in progress may still use the old token; a minute later it is rejected.
    site.pass(59);
    assert_eq!(site.call_api(&first).await.status(), 200);
    site.pass(1);
    site.call_api(&first).await.is_json(401, "session_ended");
    assert_eq!(site.call_api(&second).await.status(), 200);

    // A second refresh works with the refresh token that came with the first.
    let rotated = site.provider().last_token_response()["refresh_token"].clone();
    let third = visitor.refresh().await.json()["api_key"].as_str().unwrap().to_owned();
    assert_eq!(json!(site.provider().last_token_request()["refresh_token"]), rotated);
    assert_ne!(third, second);
    assert_eq!(site.provider().refreshes(), 2);

    visitor.submit("/logout").await;
    for token in [first, second, third] {
        site.call_api(&token).await.is_json(401, "session_ended");
    }
}

/// R91: neither the token's expiry nor a refresh extends the session's own limits.
#[tokio::test]
async fn r091_a_refreshed_session_ends_with_its_lifetime_and_its_idle_time() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE]).await;
    let (token, cookie) = (visitor.api_key().await, visitor.session().unwrap().to_owned());
    site.pass(11 * HOUR);
    site.call_api(&token).await.is_json(401, "token_expired");
    for _ in 1..15 {
        assert_eq!(visitor.refresh().await.status(), 200);
        site.pass(11 * HOUR);
    }
    assert_eq!(visitor.refresh().await.status(), 200);
    site.pass(3 * HOUR - 1);
    let answer = visitor.refresh().await;
    assert_eq!((answer.status(), &answer.json()["renew_in"]), (200, &Value::Null));
    let token = answer.json()["api_key"].as_str().unwrap().to_owned();
    site.pass(1);
    site.call_api(&token).await.is_json(401, "session_ended");
    visitor.plant(SESSION, &cookie);
    visitor.refresh().await.is_json(401, "session_ended");
}

/// R188: access ends when the token expires. Otherwise a blocked user or a lost role would stay
/// unnoticed.
#[tokio::test]
async fn r188_the_cookie_of_an_expired_key_allows_the_refresh_only() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE]).await;
    let (key, cookie) = (visitor.api_key().await, visitor.session().unwrap().to_owned());
    site.pass(10 * HOUR - 1);
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    site.pass(1);
    let refused = visitor.fetch("/protected").await;
    refused
        .is_json(401, "refresh_required")
        .challenges(r#"Bearer realm="api", error="invalid_token""#);
    // The session still lives: the browser keeps its cookie, and the key page can renew the key.
    assert!(!refused.has("set-cookie"));
    assert_eq!(visitor.api_key().await, key);
    let page = visitor.open("/").await;
    assert_eq!(page.attributes("#live", "data-renew-in"), ["0"]);

    assert_eq!(visitor.refresh().await.status(), 200);
    assert_eq!(visitor.fetch("/protected").await.json()["sub"], ADA.subject);

    // If the provider rejects the refresh, the session ends.
    site.pass(10 * HOUR);
    site.provider().revoke_all();
    visitor.fetch("/protected").await.is_json(401, "refresh_required");
    assert_ends_it(&site, &mut visitor, &cookie).await;

    // A logout works with an expired key.
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    site.pass(10 * HOUR);
    visitor.submit("/logout").await.location();
    assert_eq!((visitor.session(), site.live_sessions().await), (None, 0));
}

/// R187: the user edits the URL of the authorization request.
#[tokio::test]
async fn r187_an_unrequested_refresh_token_is_revoked_and_not_stored() {
    let site = Site::start().await;
    let mut visitor = asking_for("openid email offline_access", &site).await;
    assert_eq!(site.provider().revoked(), [last_refresh_token(&site)]);
    site.pass(100);
    let answer = visitor.refresh().await;
    answer.is_json(409, "not_refreshable");
    assert!(!answer.has("set-cookie"));
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    site.pass(10 * HOUR - 100);
    visitor.fetch("/protected").await.is_json(401, "authorization_header_missing");
    assert_eq!((site.live_sessions().await, site.provider().refreshes()), (0, 0));

    // If the revocation fails, the login still succeeds, and the refresh token is not stored.
    site.provider().set_revocation_endpoint(Endpoint::Refuses(500, "broken"));
    let mut visitor = asking_for("openid email offline_access", &site).await;
    site.pass(100);
    visitor.refresh().await.is_json(409, "not_refreshable");
    let said = site.log().errors_of("refresh_token.not_revoked");
    assert_eq!(said, ["the answer has status 500"]);
}

/// R187: Keycloak issues a refresh token for every login, and ends its own session when it is revoked.
#[tokio::test]
async fn r187_another_provider_s_unrequested_refresh_token_is_dropped_without_a_revocation() {
    let site = Site::start_in_shape(&Shape::recorded("keycloak"), &[]).await;
    let mut visitor = asking_for("openid email offline_access", &site).await;
    assert!(!last_refresh_token(&site).is_empty() && site.provider().revoked().is_empty());
    site.pass(100);
    visitor.refresh().await.is_json(409, "not_refreshable");
}

#[tokio::test]
async fn a_refused_login_revokes_its_refresh_token() {
    let site = Site::start_with(&[OFFLINE, ("REQUIRE_VERIFIED_EMAIL", "true")]).await;
    site.provider().change_claims(json!({ "email_verified": false }));
    let answer = Visitor::new(&site).try_to_log_in_from("/login", ADA).await;
    answer.is_a_refusal(403, "You were not logged in");
    assert_eq!(site.provider().revoked(), [last_refresh_token(&site)]);
}

/// R187: this holds at the login and at each refresh.
#[tokio::test]
async fn r187_unrequested_scopes_are_dropped_and_permissions_are_kept() {
    let scope = "openid email offline_access read:reports";
    let of_route = ("ROUTE_SCOPES", "GET /api/hello =");
    let site = Site::start_with(&[("SCOPE", scope), API, of_route]).await;
    let asked = format!("{scope} admin:all read:reports:all");
    let all = json!({ "scope": asked, "permissions": ["write:reports"] });
    site.provider().change_access_token_claims(all.clone());
    site.provider().change_refreshed_access_token_claims(all);
    let mut visitor = asking_for(&asked, &site).await;
    assert_granted(&site, &mut visitor, &format!("{scope} write:reports")).await;
    site.pass(100);
    assert_eq!(visitor.refresh().await.status(), 200);
    assert_granted(&site, &mut visitor, &format!("{scope} write:reports")).await;
}

/// A visitor who logs in after changing the scope of the authorization request.
async fn asking_for(scope: &str, site: &Site) -> Visitor {
    let mut visitor = Visitor::new(site);
    let request = visitor.start("/login").await;
    let mut edited = request.clone();
    edited.query_pairs_mut().clear().extend_pairs(request.query_pairs().map(|(name, value)| {
        let value = if name == "scope" { scope.into() } else { value };
        (name, value)
    }));
    let answer = visitor.arrive(&site.provider().log_in(&edited, ADA)).await;
    assert_eq!((answer.status(), answer.cookies_set()), (303, vec![SESSION.to_owned()]));
    visitor
}

#[tokio::test]
async fn r099_a_session_ends_at_the_session_expiry_of_a_refreshed_token() {
    let site = Site::start_with(&[OFFLINE]).await;
    let (mut visitor, _) = due(&site).await;
    let ends_at = site.now().as_unix() + HOUR;
    site.provider().change_refreshed_claims(json!({ "session_expiry": ends_at }));
    assert_eq!(visitor.refresh().await.json()["session_ends_at"], ends_at);
    site.assert_ends_in(HOUR, &mut visitor).await;

    let (mut visitor, cookie) = due(&site).await;
    site.provider().change_refreshed_claims(json!({ "session_expiry": site.now().as_unix() }));
    assert_ends_it(&site, &mut visitor, &cookie).await;
}

/// R133: the stored refresh token is already used. The session must not retry it forever.
#[tokio::test]
async fn r133_a_session_whose_new_tokens_cannot_be_stored_ends() {
    let site = Site::start_with(&[OFFLINE]).await;
    let (mut visitor, cookie) = due(&site).await;
    site.store().set_renewals_fail(true);
    let answer = visitor.refresh().await;
    answer.is_json(401, "session_ended");
    assert_eq!(answer.cookies_cleared(), [SESSION]);
    assert_eq!(site.provider().revoked(), [last_refresh_token(&site)]);

    // The row survived, because nothing could be written. A browser that kept the cookie uses its
    // refresh token, which is no longer valid, and the session ends then.
    site.store().set_renewals_fail(false);
    site.store().set_down(false);
    visitor.plant(SESSION, &cookie);
    site.pass(100);
    assert_ends_it(&site, &mut visitor, &cookie).await;
    assert_eq!(site.provider().refreshes(), 2);
}

/// R192: the error decides, not the status. Auth0 sometimes denies with status 500.
#[tokio::test]
async fn r192_a_permanent_refusal_ends_the_session_and_the_reason_is_logged() {
    let site = Site::start_with(&[OFFLINE]).await;
    let mut told = Vec::new();
    for (status, error) in [
        (403, "invalid_grant"),
        (500, "invalid_grant"),
        (403, "access_denied"),
        (500, "access_denied"),
        (403, "login_required"),
        (500, "mfa_required"),
    ] {
        let (mut visitor, cookie) = due(&site).await;
        let token = visitor.api_key().await;
        site.provider().set_token_endpoint(Endpoint::Refuses(status, error));
        let answer = assert_ends_it(&site, &mut visitor, &cookie).await;
        site.call_api(&token).await.is_json(401, "session_ended");
        assert!(!answer.text().contains("The text of the provider"), "{answer:?}");
        site.provider().set_token_endpoint(Endpoint::Works);
        told.push((json!(error), json!("The text of the provider")));
    }
    let lines = site.log().lines();
    let ended = lines.iter().filter(|line| line["event"] == "refresh.session_ended");
    let said =
        |line: &Value| (line["provider_error"].clone(), line["provider_description"].clone());
    assert_eq!(ended.map(said).collect::<Vec<_>>(), told);
}

/// R134, R192: an outage, an error that only the operator can fix, and an unknown error log no user out.
/// For an error that the provider names, the log line has a hint how to fix it.
#[tokio::test]
async fn r134_without_new_tokens_the_session_continues_unless_the_refusal_is_permanent() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE]).await;
    let (unavailable, unusable) =
        ((503, "identity_provider_unavailable"), (502, "identity_provider_answer"));
    for (behaviour, (status, code)) in [
        (Endpoint::Refuses(429, "access_denied"), unavailable),
        (Endpoint::Refuses(400, "temporarily_unavailable"), unavailable),
        (Endpoint::Refuses(500, "made_up"), unavailable),
        (Endpoint::Slow, unavailable),
        (Endpoint::Busy(17), unavailable),
        (Endpoint::Refuses(401, "access_denied"), unusable),
        (Endpoint::Refuses(500, "invalid_client"), unusable),
        (Endpoint::Refuses(403, "unauthorized_client"), unusable),
        (Endpoint::Refuses(400, "made_up"), unusable),
        (Endpoint::Redirects(307), unusable),
        (Endpoint::Html, unusable),
        (Endpoint::Garbage, unusable),
        (Endpoint::Huge, unusable),
    ] {
        site.pass(100);
        site.provider().set_token_endpoint(behaviour);
        let started = Instant::now();
        let answer = visitor.refresh().await;
        assert!(started.elapsed() < Duration::from_secs(8), "{behaviour:?}");
        answer.is_json(status, code);
        let wait = match (status, behaviour) {
            (503, Endpoint::Busy(_)) => "17",
            (503, _) => "5",
            _ => "",
        };
        assert_eq!(answer.header("retry-after"), wait, "{behaviour:?}");
        assert!(!answer.has("set-cookie") && !answer.has("www-authenticate"), "{behaviour:?}");
        if status == 502 {
            let lines = site.log().lines();
            let line = lines.iter().rfind(|line| line["event"] == "refresh.failed").unwrap();
            let is_hinted = matches!(behaviour, Endpoint::Refuses(..));
            assert_eq!((&line["level"], line["hint"].is_string()), (&json!("ERROR"), is_hinted));
        }
        assert_goes_on(&site, &mut visitor).await;
    }
    assert_eq!(site.provider().requests_elsewhere(), 0);
}

/// R136: nor may the new token claim a stronger authentication. The tests of `shared/src/jwt` list the
/// differences.
#[tokio::test]
async fn r135_a_refreshed_token_of_another_login_user_or_api_ends_the_session() {
    let site = Site::start_with(&[OFFLINE, API]).await;
    for (id_token, access_token) in [
        (json!({ "iss": "https://evil.example/" }), json!({})),
        (json!({ "sub": GRACE.subject }), json!({})),
        (json!({ "aud": "another" }), json!({})),
        (json!({ "nonce": "another" }), json!({})),
        (json!({ "auth_time": site.now().as_unix() + 1_000_000 }), json!({})),
        (json!({ "acr": MULTI_FACTOR }), json!({})),
        (json!({ "at_hash": "another" }), json!({})),
        (json!({ "exp": 1 }), json!({})),
        (json!({}), json!({ "sub": GRACE.subject })),
        (json!({}), json!({ "aud": "https://another.example" })),
        (json!({}), json!({ "iss": "https://evil.example/" })),
        (json!({}), json!({ "nonce": "x" })),
    ] {
        let (mut visitor, cookie) = due(&site).await;
        site.provider().change_refreshed_claims(id_token.clone());
        site.provider().change_refreshed_access_token_claims(access_token.clone());
        assert_ends_it(&site, &mut visitor, &cookie).await;
        let revoked = site.provider().revoked().last().cloned();
        assert_eq!(revoked, Some(last_refresh_token(&site)), "{id_token} {access_token}");
    }
}

#[tokio::test]
async fn r135_with_an_audience_the_access_token_is_refreshed_with_or_without_an_id_token() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE, API]).await;
    for change in [json!({}), json!({ "id_token": null })] {
        site.pass(100);
        site.provider().change_refresh_response(change);
        let token = visitor.refresh().await.json()["api_key"].as_str().unwrap().to_owned();
        assert_eq!(json!(token), site.provider().last_token_response()["access_token"]);
        let claims = site.call_api(&token).await.json();
        assert_eq!((&claims["sub"], &claims["name"]), (&json!(ADA.subject), &json!(ADA.name)));
    }
    assert_goes_on(&site, &mut visitor).await;
}

/// Without an audience the ID token is the key, so these refreshes have no new key. The new refresh
/// token is stored all the same.
#[tokio::test]
async fn r135_without_an_audience_a_refresh_without_a_live_id_token_fails_and_keeps_the_session() {
    let site = Site::start_with(&[OFFLINE]).await;
    for is_expired in [false, true] {
        let (mut visitor, _) = due(&site).await;
        let token = visitor.api_key().await;
        if is_expired {
            // Verification alone would tolerate a token that expired less than 30 s ago.
            site.provider().change_refreshed_claims(json!({ "exp": site.now().as_unix() }));
        } else {
            site.provider().change_refresh_response(json!({ "id_token": null }));
        }
        let answer = visitor.refresh().await;
        answer.is_json(502, "identity_provider_answer");
        assert!(!answer.has("set-cookie"));
        assert_eq!(site.call_api(&token).await.status(), 200);
        assert_goes_on(&site, &mut visitor).await;
    }
}

#[tokio::test]
async fn without_rotation_the_same_refresh_token_is_used_again() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE]).await;
    let first = last_refresh_token(&site);
    site.provider().allow_reuse();
    site.provider().change_refresh_response(json!({ "refresh_token": null }));
    for _ in 0..2 {
        site.pass(100);
        assert_eq!(visitor.refresh().await.status(), 200);
        assert_eq!(site.provider().last_token_request()["refresh_token"], first);
    }
}

/// R130: Auth0's refreshed ID tokens have no `sid`.
#[tokio::test]
async fn r130_the_sid_of_the_login_still_ends_a_refreshed_session() {
    let site = Site::start_with(&[OFFLINE]).await;
    site.provider().change_claims(json!({ "sid": "session-of-the-login" }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    for _ in 0..2 {
        site.pass(100);
        assert_eq!(visitor.refresh().await.status(), 200);
    }
    let sid = json!({ "sid": "session-of-the-login", "sub": null });
    let token = site.provider().logout_token(ADA, &sid);
    assert_eq!(site.post_logout_token(&token).await.status(), 200);
    visitor.fetch("/protected").await.is_json(401, "session_ended");

    // The browser's logout at the provider also uses the ID token of the login.
    site.provider().change_claims(json!({ "sid": "session-of-another-login" }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let id_token = site.provider().last_token_response()["id_token"].clone();
    site.pass(100);
    visitor.refresh().await;
    let answer = visitor.submit("/logout").await;
    assert!(answer.location().contains(id_token.as_str().unwrap()), "{answer:?}");
}

/// R137: for each way in which a session can end.
#[tokio::test]
async fn r137_a_session_that_ends_during_its_refresh_stays_ended() {
    let site = Site::start_with(&[OFFLINE]).await;
    for way in ["/logout", "/logout?everywhere=true", "/backchannel-logout"] {
        let (mut visitor, cookie) = due(&site).await;
        let gate = site.provider().hold_refreshes();
        let mut refreshing = visitor.clone();
        let refresh = tokio::spawn(async move { refreshing.refresh().await });
        gate.arrival().await;
        if way == "/backchannel-logout" {
            let token = site.provider().logout_token(ADA, &json!({}));
            assert_eq!(site.post_logout_token(&token).await.status(), 200);
        } else {
            visitor.submit(way).await.location();
        }
        gate.open();
        let answer = refresh.await.unwrap();
        answer.is_json(401, "session_ended");
        assert_eq!(answer.cookies_cleared(), [SESSION]);
        assert!(site.provider().revoked().contains(&last_refresh_token(&site)), "{way}");
        assert_eq!(site.live_sessions().await, 0);
        site.assert_ended(&cookie).await;
        let response = site.provider().last_token_response();
        let token = response["id_token"].as_str().unwrap();
        site.call_api(token).await.is_json(401, "session_ended");
        site.provider().let_refreshes_pass();
        // A logout everywhere ends all sessions up to now, so the next login must come later.
        site.pass(100);
    }
}

#[tokio::test]
async fn r138_a_refresh_drops_removed_scopes_and_grants_no_new_ones() {
    let site = Site::start_with(&[OFFLINE, API]).await;
    site.provider().change_access_token_claims(json!({ "permissions": ["write"] }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let all = "openid profile email offline_access";
    for (scope, permissions, granted) in [
        (all, json!(["write"]), "openid profile email write"),
        ("openid profile email admin", json!(["write", "admin"]), "openid profile email write"),
        ("openid", json!([]), "openid"),
        ("openid email", json!(["write"]), "openid email write"),
    ] {
        site.pass(100);
        site.provider().change_refresh_response(json!({ "scope": scope }));
        let claims = json!({ "scope": scope, "permissions": permissions });
        site.provider().change_refreshed_access_token_claims(claims);
        assert_eq!(visitor.refresh().await.status(), 200, "{scope}");
        assert_granted(&site, &mut visitor, granted).await;
    }
    assert_goes_on(&site, &mut visitor).await;
}

#[tokio::test]
async fn r112_a_logout_by_cookie_revokes_the_refresh_token() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE]).await;
    let answer = visitor.submit("/logout").await;
    assert!(answer.location().starts_with(&site.provider().issuer));
    assert_eq!(site.provider().revoked(), [last_refresh_token(&site)]);

    // The refresh token is sealed with the cookie's secret, so a logout by API key cannot read it.
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let key = visitor.api_key().await;
    site.post_with_key("/logout", &key).await.is_json(200, "signed_out");
    assert_eq!(site.provider().revoked().len(), 1);
    assert_eq!(site.live_sessions().await, 0);
}

#[tokio::test]
async fn r112_a_failed_revocation_does_not_block_the_logout() {
    let site = Site::start_with(&[OFFLINE]).await;
    for behaviour in [Endpoint::Refuses(500, "broken"), Endpoint::Redirects(307), Endpoint::Slow] {
        site.provider().set_revocation_endpoint(behaviour);
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let started = Instant::now();
        let answer = visitor.submit("/logout").await;
        assert!(answer.location().starts_with(&site.provider().issuer), "{behaviour:?}");
        assert!(started.elapsed() < Duration::from_secs(4), "{behaviour:?}");
        assert_eq!((visitor.session(), site.live_sessions().await), (None, 0));
    }
    site.provider().change_metadata(json!({ "revocation_endpoint": null }));
    site.pass(HOUR);
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    visitor.submit("/logout").await.location();
    assert_eq!((visitor.session(), site.live_sessions().await), (None, 0));
    assert!(site.provider().revoked().is_empty());
}

#[tokio::test]
async fn r167_only_our_own_pages_refresh_a_session_and_only_by_its_cookie() {
    let allowed = ("ALLOWED_ORIGINS", "https://app.example");
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE, allowed]).await;
    let bearer = format!("Bearer {}", visitor.api_key().await);
    let cookie = visitor.cookie_header();
    site.pass(100);
    let calls = site.store().calls();
    let (own, cookie) = (("origin", ORIGIN), ("cookie", cookie.as_str()));
    let (foreign, ended) = ((403, "cross_site_request"), (401, "session_ended"));
    for (headers, (status, code)) in [
        (
            &[cookie, ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..],
            foreign,
        ),
        (&[cookie, ("origin", "https://app.example")], foreign),
        (&[cookie], foreign),
        (&[own], ended),
        (&[own, ("authorization", &bearer)], ended),
        (&[own, ("cookie", "__Host-session=x")], ended),
    ] {
        let answer = site.send(Method::POST, "/refresh", headers).await;
        answer.is_json(status, code);
        assert!(!answer.has("access-control-allow-origin"), "{headers:?}");
        assert!(status == 401 || !answer.has("set-cookie"), "{headers:?}");
    }
    assert_eq!((site.store().calls(), site.provider().refreshes()), (calls, 0));
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS] {
        let answer = visitor.send(method, "/refresh", Sending::SCRIPT, &[own]).await;
        assert_eq!((answer.status(), answer.header("allow")), (405, "POST"));
    }
    let mut stranger = Visitor::new(&site);
    stranger.plant(SESSION, &"A".repeat(43));
    let answer = stranger.refresh().await;
    answer.is_json(401, "session_ended");
    assert_eq!(answer.cookies_cleared(), [SESSION]);
    assert_eq!(site.provider().refreshes(), 0);
}

/// R173, R175: each result has an event name. Each site's log is searched for refresh tokens at its end.
#[tokio::test]
async fn r173_r175_the_result_of_a_refresh_is_logged_without_its_tokens() {
    let site = Site::start_with(&[OFFLINE]).await;
    let (mut visitor, _) = due(&site).await;
    visitor.refresh().await;
    site.pass(100);
    site.provider().set_token_endpoint(Endpoint::Refuses(503, "x"));
    visitor.refresh().await;
    site.provider().set_token_endpoint(Endpoint::Works);
    site.provider().revoke_all();
    visitor.refresh().await;
    visitor.refresh().await;
    let (mut visitor, _) = due(&site).await;
    site.provider().set_revocation_endpoint(Endpoint::Refuses(500, "broken"));
    site.provider().change_refreshed_claims(json!({ "sub": GRACE.subject }));
    visitor.refresh().await;
    due(&site).await.0.submit("/logout").await;

    let mut events = site.log().events();
    events.retain(|event| event.starts_with("refresh"));
    assert_eq!(
        events,
        [
            "refresh.succeeded",
            "refresh.failed: the provider issued no new tokens: the provider is unavailable",
            "refresh.session_ended: the provider refuses permanently: the provider refused the grant: invalid_grant",
            "refresh.refused: the cookie opens no session",
            "refresh_token.not_revoked: the answer has status 500",
            "refresh.session_ended: the ID token was rejected: the claim `sub` differs from the login's",
            "refresh_token.not_revoked: the answer has status 500",
        ]
    );
}

/// With the strict development provider: it rotates refresh tokens, and revokes the whole family when a
/// used one comes again.
#[tokio::test]
async fn the_development_provider_refreshes_a_session_from_login_to_logout() {
    let (site, _) = Site::at_development_provider(&[OFFLINE], |options| {
        options.token_lifetime = Some(Duration::from_secs(600));
    })
    .await;
    let (mut visitor, mut elsewhere) = (Visitor::new(&site), Elsewhere::new());
    elsewhere.log_in(&mut visitor, "/login", "ada@example.com").await;
    let first = visitor.api_key().await;

    // Beyond the expiry of the first token and of its successors.
    for _ in 0..5 {
        site.pass(700);
        let mut refreshes = JoinSet::new();
        for _ in 0..4 {
            let mut visitor = visitor.clone();
            refreshes.spawn(async move { visitor.refresh().await });
        }
        for answer in refreshes.join_all().await {
            assert_eq!(answer.status(), 200, "{answer:?}");
            let token = answer.json()["api_key"].as_str().unwrap().to_owned();
            assert_eq!(site.call_api(&token).await.json()["email"], "ada@example.com");
        }
    }
    site.call_api(&first).await.is_json(401, "token_expired");
    let last = visitor.api_key().await;
    visitor.submit("/logout").await;
    site.call_api(&last).await.is_json(401, "session_ended");
}
