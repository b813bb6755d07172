use std::time::Duration;

use http::{HeaderMap, header};
use proptest::prelude::*;
use tokio::runtime;

use super::*;
use secrecy::ExposeSecret;

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

fn login_cookies() -> LoginCookies {
    let mut settings = Settings::from_values([("SECRET_KEY", Random::system().token())]);
    let secrets = SecretSource::from_settings(&mut settings);
    LoginCookies::from_settings(&mut settings, &secrets, None).unwrap()
}

/// The cookies that a browser sends after a response with `set_cookies`.
fn sent_back(set_cookies: &[HeaderValue]) -> RequestCookies {
    let mut headers = HeaderMap::new();
    for set_cookie in set_cookies {
        let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
        headers.append(header::COOKIE, pair.parse().unwrap());
    }
    RequestCookies::of(&headers)
}

async fn keep(
    cookies: &LoginCookies,
    attempt: &LoginAttempt,
    request: &RequestCookies,
    now: Timestamp,
) -> Vec<HeaderValue> {
    cookies.keep(attempt, request, &Random::system(), now).await.unwrap()
}

async fn find(
    cookies: &LoginCookies,
    attempt: &LoginAttempt,
    request: &RequestCookies,
    now: Timestamp,
) -> Option<LoginAttempt> {
    cookies.find(attempt.state.expose_secret(), request, now).await.unwrap()
}

#[tokio::test]
async fn r019_an_attempt_is_fresh_for_ten_minutes_and_not_before_its_start() {
    let cookies = login_cookies();
    let attempt = LoginAttempt::start(ReturnTo::default(), &Random::system(), NOW);
    let set = keep(&cookies, &attempt, &RequestCookies::default(), NOW).await;
    let request = sent_back(&set);
    let found_at = async |now| find(&cookies, &attempt, &request, now).await.is_some();
    assert!(found_at(NOW + LIFETIME - Duration::from_secs(1)).await);
    assert!(!found_at(NOW + LIFETIME).await);
    assert!(!found_at(NOW - Duration::from_secs(1)).await);
}

/// R14: the name of the cookie contains only 48 bits of the state's digest, so the whole state counts.
#[tokio::test]
async fn a_state_that_shares_only_its_flow_with_a_login_finds_nothing() {
    let cookies = login_cookies();
    let attempt = LoginAttempt::start(ReturnTo::default(), &Random::system(), NOW);
    let keys = cookies.keys.current(NOW).await.unwrap();
    for (state, is_found) in [(attempt.state.expose_secret(), true), ("another state", false)] {
        let flow = flow_of(state);
        let sealed = seal(&keys, &attempt, &flow, &Random::system());
        let request = sent_back(&[cookies.jar.set_login(&flow, &sealed, LIFETIME)]);
        let found = cookies.find(state, &request, NOW).await.unwrap();
        assert_eq!(found.is_some(), is_found, "{state}");
    }
}

/// Which of the logins to `targets`, all started within one second, can still be finished.
async fn survivors(targets: &[ReturnTo]) -> Vec<bool> {
    let cookies = login_cookies();
    let mut browser: Vec<(String, HeaderValue)> = Vec::new();
    let mut attempts = Vec::new();
    let request = |browser: &[(String, HeaderValue)]| {
        sent_back(&browser.iter().map(|(_, pair)| pair.clone()).collect::<Vec<_>>())
    };
    for target in targets {
        let attempt = LoginAttempt::start(target.clone(), &Random::system(), NOW);
        for header in keep(&cookies, &attempt, &request(&browser), NOW).await {
            let text = header.to_str().unwrap();
            let name = text.split('=').next().unwrap().to_owned();
            assert!(text.split(';').next().unwrap().len() <= 4_096);
            browser.retain(|(kept, _)| *kept != name);
            if !text.contains("Max-Age=0") {
                browser.push((name, header));
            }
        }
        attempts.push(attempt);
    }
    let mut found = Vec::new();
    for attempt in &attempts {
        found.push(find(&cookies, attempt, &request(&browser), NOW).await.is_some());
    }
    found
}

/// Names of cookies are random. With twenty browsers the test is unlikely to pass by chance.
#[tokio::test]
async fn r197_of_six_logins_within_a_second_the_oldest_is_deleted() {
    for _ in 0..20 {
        let six = [(); 6].map(|()| ReturnTo::default());
        assert_eq!(survivors(&six).await, [false, true, true, true, true, true]);
    }
}

/// A short older login is not kept in place of a long newer one.
#[tokio::test]
async fn r197_the_oldest_login_is_deleted_first_whatever_its_length() {
    let [short, long, longest] =
        [1, 1_400, 2_047].map(|length| ReturnTo::parse(&format!("/{}", "a".repeat(length))));
    for (targets, expected) in [
        ([&short, &long, &long], [false, false, true]),
        ([&long, &short, &long], [false, true, true]),
        ([&longest, &short, &short], [false, true, true]),
        ([&short, &short, &longest], [false, false, true]),
    ] {
        assert_eq!(survivors(&targets.map(Clone::clone)).await, expected);
    }
}

/// R187: a return target is dropped to make room for the rest. Escaped as JSON, an organization may be
/// twice as long.
#[tokio::test]
async fn r197_a_login_too_long_for_a_cookie_loses_its_return_target() {
    let cookies = login_cookies();
    let target = ReturnTo::parse(&format!("/{}", "a".repeat(2_047)));
    for (organization, scopes, returns) in
        [("o".repeat(256), 0, true), ("\"".repeat(512), 0, false), (String::new(), 100, false)]
    {
        let mut attempt = LoginAttempt::start(target.clone(), &Random::system(), NOW);
        attempt.organization = Some(organization);
        attempt.scope = format!("openid{}", " read:something".repeat(scopes));
        let set = keep(&cookies, &attempt, &RequestCookies::default(), NOW).await;
        assert!(set[0].len() < 4_096);
        let found = find(&cookies, &attempt, &sent_back(&set), NOW).await.unwrap();
        let expected = (attempt.organization, attempt.scope, returns);
        assert_eq!((found.organization, found.scope, found.return_to == target), expected);
    }
}

/// Runs `future`: tests by proptest are not async.
fn wait<F: Future>(future: F) -> F::Output {
    runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    /// R20, R157, R180: every attempt is read back unchanged, and none once a character of its
    /// cookie has changed.
    #[test]
    fn r020_an_attempt_is_read_back_unchanged_and_rejected_when_damaged(
        target in "/[!-~]{0,200}",
        organization in prop::option::of("\\PC{0,20}"),
        from_elsewhere: bool,
        authenticated_after in prop::option::of(any::<u32>()),
        (place, letter) in (any::<prop::sample::Index>(), "[!-:<-~]"),
    ) {
        let cookies = login_cookies();
        let mut attempt = LoginAttempt::start(ReturnTo::parse(&target), &Random::system(), NOW);
        attempt.organization = organization;
        attempt.from_elsewhere = from_elsewhere;
        attempt.scope = "openid read:reports".to_owned();
        attempt.authenticated_after =
            authenticated_after.map(|moment| Timestamp::from_unix(moment.into()));
        let set = wait(keep(&cookies, &attempt, &RequestCookies::default(), NOW));
        let state = attempt.state.expose_secret();
        let found = wait(cookies.find(state, &sent_back(&set), NOW)).unwrap().unwrap();
        prop_assert_eq!(&found.return_to, &attempt.return_to);
        prop_assert_eq!(&found.organization, &attempt.organization);
        prop_assert_eq!(found.authenticated_after, attempt.authenticated_after);
        prop_assert_eq!(found.from_elsewhere, from_elsewhere);
        prop_assert!(found.asked_for("openid") && found.asked_for("read:reports"));
        prop_assert!(!found.asked_for("read") && !found.asked_for("openid read:reports"));
        prop_assert_eq!(found.nonce.expose_secret(), attempt.nonce.expose_secret());

        let pair = set[0].to_str().unwrap().split(';').next().unwrap();
        let start = pair.find('=').unwrap() + 1;
        let place = start + place.index(pair.len() - start);
        prop_assume!(pair[place..=place] != letter);
        let damaged = format!("{}{letter}{}", &pair[..place], &pair[place + 1..]);
        let request = sent_back(&[HeaderValue::from_str(&damaged).unwrap()]);
        prop_assert!(wait(cookies.find(state, &request, NOW)).unwrap().is_none());
    }
}
