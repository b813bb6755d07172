//! The clock of the functions is wrong by five minutes, and is corrected later.

use serde_json::json;
use shared::login::attempt::LIFETIME;
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, GRACE},
    site::Site,
    visitor::{SESSION, Visitor},
};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const OFFLINE: (&str, &str) = ("SCOPE", "openid profile email offline_access");
const AHEAD: i64 = 300;
const BEHIND: i64 = -300;

/// A visitor logs in and returns at once.
async fn arrives(site: &Site) -> (Visitor, Answer) {
    let mut visitor = Visitor::new(site);
    let answer = visitor.try_to_log_in_from("/login", ADA).await;
    (visitor, answer)
}

/// If our clock is behind, the provider's tokens seem to be from the future.
#[tokio::test]
async fn r060_with_a_clock_behind_logins_fail_and_sessions_stay_valid() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE]).await;
    let first = visitor.api_key().await;
    site.pass(400);
    let new = visitor.refresh().await.json()["api_key"].as_str().unwrap().to_owned();
    let mut grace = Visitor::logged_in(&site, GRACE).await;
    let created = site.store().sessions_created();
    site.set_clock_error(BEHIND);

    let (stranger, answer) = arrives(&site).await;
    answer.is_a_refusal(400, "You were not logged in").offers("Start again", "/");
    assert_eq!((stranger.session(), site.store().sessions_created()), (None, created));
    let reason = "the ID token was rejected: the token was issued in the future";
    assert_eq!(site.log().errors_of("login.failed"), [reason]);

    // Half a minute is tolerated. A token that is older than the clock's error is accepted.
    site.call_api(&new).await.is_json(401, "token_not_yet_valid");
    assert_eq!(site.call_api(&first).await.status(), 200);
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    visitor.open("/").await.is_a_page(200, "Your API key");
    site.pass(269);
    site.call_api(&new).await.is_json(401, "token_not_yet_valid");
    site.pass(1);
    assert_eq!(site.call_api(&new).await.status(), 200);

    // A back-channel logout is rejected, and the provider gets the error.
    let logout_token = site.provider().logout_token(GRACE, &json!({}));
    let answer = site.post_logout_token(&logout_token).await;
    assert_eq!(
        (answer.status(), &answer.json()["error_description"]),
        (400, &json!("the token was issued in the future"))
    );
    assert_eq!(grace.fetch("/protected").await.status(), 200);

    // A user can still log out.
    visitor.submit("/logout").await.location();
    site.call_api(&new).await.is_json(401, "session_ended");

    site.set_clock_error(0);
    assert_eq!(arrives(&site).await.1.location(), "/");
    assert_eq!(site.post_logout_token(&logout_token).await.status(), 200);
    grace.fetch("/protected").await.is_json(401, "session_ended");
}

/// R134: refreshed tokens seem to be from the future too. They are rejected, and the new refresh token
/// is stored.
#[tokio::test]
async fn r134_with_a_clock_behind_a_refresh_fails_and_the_session_stays_valid() {
    for settings in [&[OFFLINE][..], &[OFFLINE, ("AUDIENCE", "https://api.example")]] {
        let (site, mut visitor) = Site::start_logged_in(settings).await;
        let token = visitor.api_key().await;
        site.pass(400);
        site.set_clock_error(BEHIND);
        for refreshes in 1..4 {
            let answer = visitor.refresh().await;
            answer.is_json(502, "identity_provider_answer");
            assert!(!answer.has("set-cookie"), "{answer:?}");
            assert_eq!(site.provider().refreshes(), refreshes);
            assert_eq!(visitor.fetch("/protected").await.status(), 200);
            assert_eq!(site.call_api(&token).await.status(), 200);
        }
        assert_eq!(site.provider().revoked(), [""; 0]);
        let hint = "this function's clock is behind the provider's";
        let lines = site.log().lines();
        let hints: Vec<_> = lines.iter().filter_map(|line| line.get("hint")).collect();
        assert_eq!(hints, [hint; 3]);

        site.set_clock_error(0);
        let renewed = visitor.refresh().await.json()["api_key"].as_str().unwrap().to_owned();
        assert_ne!(renewed, token);
        assert_eq!(site.call_api(&renewed).await.status(), 200);
    }
}

/// If our clock is ahead, the provider's tokens seem to be old. A login tolerates five minutes; a
/// logout token lives for two minutes and is rejected.
#[tokio::test]
async fn r060_r121_with_a_clock_ahead_logins_work_and_back_channel_logouts_are_rejected() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE]).await;
    let token = visitor.api_key().await;
    site.set_clock_error(AHEAD);

    let (mut other, answer) = arrives(&site).await;
    assert_eq!(answer.location(), "/");
    assert_eq!(other.fetch("/protected").await.json()["sub"], ADA.subject);
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    assert_eq!(site.call_api(&token).await.status(), 200);
    let renewed = visitor.refresh().await.json()["api_key"].as_str().unwrap().to_owned();
    assert_eq!(site.call_api(&renewed).await.status(), 200);

    let logout_token = site.provider().logout_token(ADA, &json!({}));
    let answer = site.post_logout_token(&logout_token).await;
    assert_eq!(
        (answer.status(), &answer.json()["error_description"]),
        (400, &json!("the token has expired"))
    );
    assert_eq!(site.live_sessions().await, 2);
    // A login tolerates a clock that is up to ten and a half minutes ahead.
    site.set_clock_error(630);
    assert_eq!(arrives(&site).await.1.location(), "/");
    site.set_clock_error(631);
    arrives(&site).await.1.is_a_refusal(400, "You were not logged in");
    let reason = "the ID token was rejected: the token was issued too long ago";
    assert_eq!(site.log().errors_of("login.failed"), [reason]);
    assert_eq!(site.live_sessions().await, 3);

    site.set_clock_error(0);
    for visitor in [&mut visitor, &mut other] {
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
    }
    assert_eq!(site.call_api(&renewed).await.status(), 200);
    assert_eq!(site.post_logout_token(&logout_token).await.status(), 200);
    assert_eq!(site.live_sessions().await, 0);
}

/// R99: a session that has expired by the wrong clock is valid again by the corrected one.
#[tokio::test]
async fn r099_with_a_clock_ahead_a_session_ends_early_but_not_permanently() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let token = visitor.api_key().await;
    let cookie = visitor.session().unwrap().to_owned();
    site.pass(10 * HOUR - 200);
    site.set_clock_error(AHEAD);
    visitor.fetch("/protected").await.is_json(401, "session_ended");
    site.call_api(&token).await.is_json(401, "token_expired");
    site.set_clock_error(0);
    visitor.plant(SESSION, &cookie);
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    assert_eq!(site.call_api(&token).await.status(), 200);
    site.pass(200);
    site.assert_ended(&cookie).await;
}

/// R17: a clock that is ahead must not delete a used state, which would be valid again after the
/// correction.
#[tokio::test]
async fn r017_a_used_state_is_remembered_even_if_the_clock_was_wrong() {
    let site = Site::start().await;
    let (mut visitor, back) = site.returning(ADA).await;
    let mut hoarder = visitor.clone();
    assert_eq!(visitor.arrive(&back).await.location(), "/");
    site.pass(LIFETIME.as_secs() - 300);
    // By this clock the login has expired. Its mark may have too, and each write deletes expired rows.
    site.set_clock_error(AHEAD);
    hoarder.arrive(&back).await.is_a_refusal(400, "This login can't be finished");
    Visitor::logged_in(&site, GRACE).await;
    for (seconds, error) in [(0, 0), (299, 0), (0, BEHIND), (300, BEHIND), (300, BEHIND)] {
        site.pass(seconds);
        site.set_clock_error(error);
        let answer = hoarder.arrive(&back).await;
        answer.is_a_refusal(400, "This login can't be finished");
    }
    assert_eq!((site.provider().token_requests(), site.store().sessions_created()), (2, 2));
}

/// A user whose session's token lives for eight days.
async fn with_a_lasting_token(site: &Site) -> Visitor {
    site.provider().change_claims(json!({ "exp": site.now().as_unix() + 8 * DAY }));
    Visitor::logged_in(site, ADA).await
}

/// R91: the idle time starts at the last recorded use, by the clock that recorded it. A clock that is
/// set back records an earlier use or none, so no session ends later. A use recorded by a clock that
/// was ahead extends the session by that error, but never beyond its lifetime.
#[tokio::test]
async fn r091_a_clock_that_is_set_back_extends_no_session() {
    let used = HOUR * 11;
    for (errors, ends) in [
        (&[0][..], used + 12 * HOUR),
        (&[0, BEHIND], used + 12 * HOUR),
        (&[BEHIND], used + 12 * HOUR - 300),
        (&[AHEAD], used + 12 * HOUR + 300),
    ] {
        for (asks, status) in [(ends - 1, 200), (ends, 401)] {
            let site = Site::start().await;
            let mut visitor = with_a_lasting_token(&site).await;
            site.pass(used);
            for error in errors {
                site.set_clock_error(*error);
                assert_eq!(visitor.fetch("/protected").await.status(), 200);
            }
            site.set_clock_error(0);
            site.pass(asks - used);
            assert_eq!(visitor.fetch("/protected").await.status(), status, "{errors:?} {asks}");
        }
    }

    let site = Site::start().await;
    let mut visitor = with_a_lasting_token(&site).await;
    for number in 0..(7 * DAY / (6 * HOUR) - 1) {
        site.set_clock_error([BEHIND, 0, AHEAD][usize::try_from(number % 3).unwrap()]);
        site.pass(6 * HOUR);
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
    }
    site.set_clock_error(0);
    site.assert_ends_in(6 * HOUR, &mut visitor).await;
}
