//! R196: access tokens without `jti`. All tokens that a user gets within one second are equal, but no
//! two sessions may share one.

use std::time::Duration;

use serde_json::{Value, json};
use tests::{
    answer::Answer,
    misbehaving_provider::ADA,
    site::Site,
    story::parameter,
    visitor::{SESSION, Visitor},
};
use tokio::{task::JoinSet, time::sleep};
use url::Url;

const API: (&str, &str) = ("AUDIENCE", "https://api.example");
const OFFLINE: (&str, &str) = ("SCOPE", "openid profile email offline_access");

async fn site(settings: &[(&str, &str)]) -> Site {
    let site = Site::start_with(&[&[API], settings].concat()).await;
    site.provider().change_access_token_claims(json!({ "jti": null }));
    site.provider().change_refreshed_access_token_claims(json!({ "jti": null }));
    site
}

/// Finishes a login whose token already belongs to another session: the login restarts.
async fn restarted(site: &Site, visitor: &mut Visitor, request: &Url) -> (Answer, Url) {
    let answer = visitor.arrive(&site.provider().log_in(request, ADA)).await;
    assert!(answer.location().starts_with(&format!("{}authorize?", site.provider().issuer)));
    assert_eq!(answer.cookies_set().len(), 1, "{answer:?}");
    let next = Url::parse(answer.location()).unwrap();
    for secret in ["state", "nonce", "code_challenge"] {
        assert_ne!(parameter(&next, secret), parameter(request, secret));
    }
    for same in ["scope", "audience", "redirect_uri", "client_id", "organization"] {
        assert_eq!(parameter(&next, same), parameter(request, same), "{same}");
    }
    assert_eq!(parameter(&next, "prompt"), "");
    (answer, next)
}

/// Finishes the restarted login one second later: the provider's session answers it with a new token.
async fn answered(site: &Site, visitor: &mut Visitor, request: &Url) -> Answer {
    site.pass(1);
    visitor.arrive(&site.provider().log_in(request, ADA)).await
}

#[tokio::test]
async fn r196_two_browsers_that_log_in_within_one_second_get_different_keys() {
    for ends_first in [0, 1] {
        let site = site(&[]).await;
        let mut phone = Visitor::logged_in(&site, ADA).await;
        let mut laptop = Visitor::new(&site);
        let request = laptop.start("/login?return_to=/reports&connection=github").await;
        let (_, next) = restarted(&site, &mut laptop, &request).await;
        assert_eq!((laptop.session(), laptop.login_cookies().len()), (None, 1));
        let answer = answered(&site, &mut laptop, &next).await;
        assert_eq!(answer.location(), "/reports");
        assert_eq!(
            (answer.cookies_set(), laptop.login_cookies().len()),
            (vec![SESSION.to_owned()], 0)
        );

        let mut both = [phone.clone(), laptop.clone()];
        let keys = [phone.api_key().await, laptop.api_key().await];
        assert_ne!(keys[0], keys[1]);
        for key in &keys {
            assert_eq!(site.call_api(key).await.json()["sub"], ADA.subject);
        }
        both[ends_first].submit("/logout").await.location();
        site.call_api(&keys[ends_first]).await.is_json(401, "session_ended");
        assert_eq!(site.call_api(&keys[1 - ends_first]).await.status(), 200);
        assert_eq!(site.log().errors_of("login.restarted").len(), 1);
        assert!(site.log().errors_of("login.failed").is_empty());
    }
}

#[tokio::test]
async fn r196_two_tabs_that_finish_within_one_second_leave_a_session_whose_key_works() {
    let site = site(&[]).await;
    let mut visitor = Visitor::new(&site);
    let first = visitor.start("/login?return_to=/first").await;
    let second = visitor.start("/login?return_to=/second").await;
    visitor.arrive(&site.provider().log_in(&first, ADA)).await;
    let key_of_first = visitor.api_key().await;
    let (_, next) = restarted(&site, &mut visitor, &second).await;
    // The first tab works during the restart.
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    assert_eq!(answered(&site, &mut visitor, &next).await.location(), "/second");
    let key = visitor.api_key().await;
    assert_eq!(site.call_api(&key).await.status(), 200);
    site.call_api(&key_of_first).await.is_json(401, "session_ended");
    assert_eq!(site.live_sessions().await, 1);
}

/// A token stays ended after its session was ended, even if tokens need no session.
#[tokio::test]
async fn r196_a_login_right_after_a_logout_does_not_revive_the_ended_token() {
    for require_session in ["true", "false"] {
        let site = site(&[("REQUIRE_SESSION", require_session)]).await;
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let ended = visitor.api_key().await;
        visitor.submit("/logout").await.location();
        let request = visitor.start("/login").await;
        let (_, next) = restarted(&site, &mut visitor, &request).await;
        assert_eq!(site.provider().last_token_response()["access_token"], ended);
        site.call_api(&ended).await.is_json(401, "session_ended");
        answered(&site, &mut visitor, &next).await;
        let key = visitor.api_key().await;
        assert_eq!(site.call_api(&key).await.status(), 200);
        site.call_api(&ended).await.is_json(401, "session_ended");
        visitor.submit("/logout").await.location();
        for key in [key, ended] {
            site.call_api(&key).await.is_json(401, "session_ended");
        }
    }
}

#[tokio::test]
async fn r196_a_provider_that_always_issues_the_same_token_gets_three_requests() {
    let site = site(&[OFFLINE]).await;
    let now = site.now().as_unix();
    let same = json!({ "jti": null, "iat": now, "exp": now + 3_600 });
    site.provider().change_access_token_claims(same);
    let first = Visitor::logged_in(&site, ADA).await;
    let kept = site.provider().last_token_response()["refresh_token"].clone();
    let mut visitor = Visitor::new(&site);
    let mut request = visitor.start("/login").await;
    let mut dropped = Vec::new();
    for _ in 0..2 {
        (_, request) = restarted(&site, &mut visitor, &request).await;
        dropped.push(site.provider().last_token_response()["refresh_token"].clone());
    }
    let answer = answered(&site, &mut visitor, &request).await;
    answer.is_a_refusal(400, "You were not logged in").offers("Start again", "/");
    dropped.push(site.provider().last_token_response()["refresh_token"].clone());
    assert_eq!((visitor.session(), visitor.login_cookies().len()), (None, 0));

    // The refresh tokens of the rejected logins are revoked, because no session keeps them.
    assert_eq!(json!(site.provider().revoked()), Value::from(dropped.clone()));
    assert!(!dropped.contains(&kept));
    site.pass(100);
    site.provider().change_refreshed_access_token_claims(json!({}));
    assert_eq!(first.clone().refresh().await.status(), 200);
}

/// R65, R183: the restarted login has the requirements of the first request.
#[tokio::test]
async fn r196_a_restart_keeps_the_requirements_of_the_login() {
    let started = 1_800_000_000;
    for (organization, auth_time, refused) in [
        ("org_ours", json!(started), None),
        ("org_theirs", json!(started), Some(403)),
        ("org_ours", json!(started - 31), Some(400)),
        ("org_ours", Value::Null, Some(400)),
    ] {
        let site = site(&[]).await;
        let good = json!({ "org_id": "org_ours", "auth_time": started });
        site.provider().change_claims(good);
        Visitor::logged_in(&site, ADA).await;
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login?organization=org_ours&prompt=login").await;
        let (_, next) = restarted(&site, &mut visitor, &request).await;
        // Auth0 sends `auth_time` if the request has `max_age`.
        assert_eq!(parameter(&next, "max_age"), "600");
        site.provider().change_claims(json!({ "org_id": organization, "auth_time": auth_time }));
        let answer = answered(&site, &mut visitor, &next).await;
        match refused {
            None => assert_eq!(answer.cookies_set(), [SESSION]),
            Some(status) => {
                answer.is_a_refusal(status, "You were not logged in");
            }
        }
    }
}

/// The refresh waits for the next second. Concurrent requests wait for it and get the same result.
#[tokio::test]
async fn r196_two_refreshes_within_one_second_get_different_keys() {
    for require_session in ["true", "false"] {
        let site = site(&[OFFLINE, ("REQUIRE_SESSION", require_session)]).await;
        let mut phone = Visitor::logged_in(&site, ADA).await;
        site.pass(1);
        let laptop = Visitor::logged_in(&site, ADA).await;
        site.pass(100);
        let of_phone = phone.refresh().await.json()["api_key"].as_str().unwrap().to_owned();
        let response = site.provider().last_token_response();
        let mut refreshes = JoinSet::new();
        for _ in 0..3 {
            let mut laptop = laptop.clone();
            refreshes.spawn(async move { laptop.refresh().await });
        }
        while site.provider().last_token_response() == response {
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(site.provider().last_token_response()["access_token"], of_phone);
        site.pass(1);
        let keys: Vec<_> = refreshes
            .join_all()
            .await
            .iter()
            .map(|answer| answer.json()["api_key"].as_str().unwrap().to_owned())
            .collect();
        assert!(keys.iter().all(|key| *key == keys[0] && *key != of_phone));
        assert_eq!(site.provider().refreshes(), 3);
        assert_eq!(site.provider().revoked(), [""; 0]);
        for key in [&keys[0], &of_phone] {
            assert_eq!(site.call_api(key).await.status(), 200);
        }
        phone.submit("/logout").await.location();
        site.call_api(&of_phone).await.is_json(401, "session_ended");
        assert_eq!(site.call_api(&keys[0]).await.status(), 200);
        laptop.clone().submit("/logout").await.location();
        site.call_api(&keys[0]).await.is_json(401, "session_ended");
    }
}
