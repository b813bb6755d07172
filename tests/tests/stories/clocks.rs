//! The functions' clock is wrong by five minutes, and is set right.

use serde_json::json;
use shared::{login::attempt::LIFETIME, testing::tokens::TestKey};
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

/// Somebody logs in and comes back at once.
async fn arrives(site: &Site) -> (Visitor, Answer) {
    let mut visitor = Visitor::new(site);
    let request = visitor.start("/login").await;
    let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    (visitor, answer)
}

/// To a clock that is behind, the provider's tokens come from the future.
#[tokio::test]
async fn r060_behind_the_provider_nobody_logs_in_and_sessions_go_on() {
    let site = Site::start_with(&[OFFLINE]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
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

    // Half a minute is forgiven, and a token that is older than the clock is wrong is not in question.
    site.call_api(&new).await.is_json(401, "token_not_yet_valid");
    assert_eq!(site.call_api(&first).await.status(), 200);
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    visitor.open("/").await.is_a_page(200, "Your API key");
    site.pass(269);
    site.call_api(&new).await.is_json(401, "token_not_yet_valid");
    site.pass(1);
    assert_eq!(site.call_api(&new).await.status(), 200);

    // Nobody is logged out from elsewhere, and the provider hears it.
    let logout_token = site.provider().logout_token(GRACE, &json!({}));
    let answer = site.post_logout_token(&logout_token).await;
    assert_eq!(
        (answer.status(), &answer.json()["error_description"]),
        (400, &json!("the token was issued in the future"))
    );
    assert_eq!(grace.fetch("/protected").await.status(), 200);

    // Whoever is in can leave.
    visitor.submit("/logout").await.location();
    site.call_api(&new).await.is_json(401, "session_ended");

    site.set_clock_error(0);
    assert_eq!(arrives(&site).await.1.location(), "/");
    assert_eq!(site.post_logout_token(&logout_token).await.status(), 200);
    grace.fetch("/protected").await.is_json(401, "session_ended");
}

/// R134: a refresh brings tokens from the future too. They cannot be used, and the refresh token that
/// came with them is kept.
#[tokio::test]
async fn r134_behind_the_provider_a_session_is_not_refreshed_and_goes_on() {
    for audience in ["", "https://api.example"] {
        let settings = [OFFLINE, ("AUDIENCE", audience)];
        let site = Site::start_with(&settings[..1 + usize::from(!audience.is_empty())]).await;
        let mut visitor = Visitor::logged_in(&site, ADA).await;
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

/// To a clock that is ahead, the provider's tokens are old. Five minutes are not too old for a login,
/// and too old for a logout token, which lives for two.
#[tokio::test]
async fn r060_r121_ahead_of_the_provider_people_log_in_and_no_logout_from_elsewhere_counts() {
    let site = Site::start_with(&[OFFLINE]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
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
    // Ten minutes and a half are as much as a login may differ by.
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

/// R99: what is over by the wrong clock is there again by the right one.
#[tokio::test]
async fn r099_ahead_of_everybody_a_session_ends_early_and_not_for_good() {
    let site = Site::start().await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
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
    visitor.plant(SESSION, &cookie);
    visitor.fetch("/protected").await.is_json(401, "session_ended");
}

/// R19: a login that was started by a clock that was ahead lies in the future once that is set right.
/// It is none until its time comes, and nothing of it is used up by then.
#[tokio::test]
async fn r019_a_login_from_the_future_is_none_until_its_time_comes() {
    let site = Site::start().await;
    site.set_clock_error(AHEAD);
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login").await;
    let back = site.provider().log_in(&request, ADA);
    site.set_clock_error(0);
    let answer = visitor.arrive(&back).await;
    answer.is_a_refusal(400, "This login can't be finished").offers("Start again", "/");
    assert!(!answer.has("set-cookie"), "{answer:?}");
    assert_eq!((site.store().marks(), site.provider().token_requests()), (0, 0));
    // Another one can be started beside it, and is as good as any.
    let mut other_tab = visitor.clone();
    other_tab.log_in(GRACE).await;
    site.pass(299);
    visitor.arrive(&back).await.is_a_refusal(400, "This login can't be finished");
    site.pass(1);
    assert_eq!(visitor.arrive(&back).await.location(), "/");
}

/// R19: to one that was behind, a login has taken five minutes of its ten already.
#[tokio::test]
async fn r019_a_login_from_the_past_has_less_time() {
    let left = LIFETIME.as_secs() - 300;
    for (taken, is_fresh) in [(left - 1, true), (left, false)] {
        let site = Site::start().await;
        site.set_clock_error(BEHIND);
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login").await;
        site.set_clock_error(0);
        site.pass(taken);
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        if is_fresh {
            assert_eq!(answer.location(), "/");
        } else {
            answer.is_a_refusal(400, "This login can't be finished");
            assert_eq!(site.provider().token_requests(), 0);
        }
    }
}

/// R17: nor is a used state forgotten by a clock that is ahead, to be fresh again when that is set
/// right.
#[tokio::test]
async fn r017_a_used_state_is_remembered_past_any_clock_that_is_wrong() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login").await;
    let back = site.provider().log_in(&request, ADA);
    let mut hoarder = visitor.clone();
    assert_eq!(visitor.arrive(&back).await.location(), "/");
    site.pass(LIFETIME.as_secs() - 300);
    // By this clock the login is over, and its mark may be too: whatever is written drops what is.
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

/// Somebody whose session's token lives for eight days.
async fn with_a_lasting_token(site: &Site) -> Visitor {
    site.provider().change_claims(json!({ "exp": site.now().as_unix() + 8 * DAY }));
    Visitor::logged_in(site, ADA).await
}

/// R91: the idle time counts from the last use that was noted, by the clock that noted it. A clock that
/// is set back notes an earlier one or none, and no session ends later for it; one that was noted by a
/// clock that was ahead ends later by as much, and never later than its lifetime.
#[tokio::test]
async fn r091_a_clock_that_is_set_back_lengthens_no_session() {
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
    let cookie = visitor.session().unwrap().to_owned();
    for number in 0..(7 * DAY / (6 * HOUR) - 1) {
        site.set_clock_error([BEHIND, 0, AHEAD][usize::try_from(number % 3).unwrap()]);
        site.pass(6 * HOUR);
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
    }
    site.set_clock_error(0);
    site.pass(6 * HOUR - 1);
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    site.pass(1);
    visitor.plant(SESSION, &cookie);
    visitor.fetch("/protected").await.is_json(401, "session_ended");
}

/// R80: a key that the provider withdrew is not kept alive by a clock that was ahead when it was
/// fetched.
#[tokio::test]
async fn r080_a_clock_that_is_set_back_keeps_no_withdrawn_key() {
    let site = Site::start_with(&[("REQUIRE_SESSION", "false")]).await;
    site.set_clock_error(i64::try_from(30 * DAY).unwrap());
    let lasting = json!({ "exp": site.now().as_unix() + 90 * DAY });
    let old = site.provider().id_token(ADA, &lasting);
    assert_eq!(site.call_api(&old).await.status(), 200);
    site.provider().rotate_to(TestKey::rsa("rotated"));
    site.set_clock_error(0);
    site.call_api(&old).await.is_json(401, "token_unknown_key");
    assert_eq!(Visitor::logged_in(&site, ADA).await.fetch("/protected").await.status(), 200);
}
