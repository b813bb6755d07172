//! The login cookies of several instances during a rotation of their key.

use http::{HeaderValue, header};

use super::*;
use crate::{
    crypto::{random::Random, secret::Digest},
    login::{attempt::LoginAttempt, cookies::LoginCookies},
    web::{cookie::RequestCookies, return_to::ReturnTo},
};
use secrecy::ExposeSecret;

const OLD: &str = "GJ5cWzkR8xHc1vXq9tYb3nMf7sLd2pQa";
const NEW: &str = "tR7kPz2mVb9Lq4XwYc6Nj8Hs3Fd5GaEe";

/// One function instance with its own cache.
struct Instance(LoginCookies);

impl Instance {
    fn of(server: &Server) -> Self {
        let cookies = settings_at(server).read(|settings| {
            let secrets = SecretSource::from_settings(settings);
            LoginCookies::from_settings(settings, &secrets, None)
        });
        Self(cookies.unwrap())
    }

    /// Starts a login after the given number of seconds; `browser` keeps the cookies.
    async fn start(&self, browser: &mut Browser, seconds: u64) -> LoginAttempt {
        let random = Random::system();
        let attempt = LoginAttempt::start(ReturnTo::default(), &random, after(seconds));
        let kept = self.0.keep(&attempt, &browser.cookies(), &random, after(seconds)).await;
        for cookie in kept.unwrap() {
            browser.take(&cookie);
        }
        attempt
    }

    async fn finds(
        &self,
        attempt: &LoginAttempt,
        browser: &Browser,
        seconds: u64,
    ) -> Result<bool, SecretUnavailable> {
        let found =
            self.0.find(attempt.state.expose_secret(), &browser.cookies(), after(seconds)).await;
        found.map(|found| found.is_some())
    }
}

/// Names and values of the browser's cookies.
#[derive(Default)]
struct Browser(Vec<(String, String)>);

impl Browser {
    /// A browser with a forged cookie for `attempt`.
    fn with_junk_for(attempt: &LoginAttempt) -> Self {
        let mut flow = Digest::of(attempt.state.expose_secret()).to_string();
        flow.truncate(8);
        Self(vec![(format!("__Host-login.{flow}"), "A".repeat(400))])
    }

    fn take(&mut self, set_cookie: &HeaderValue) {
        let pair = set_cookie.to_str().unwrap().split(';').next().unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        self.0.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    fn cookies(&self) -> RequestCookies {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        RequestCookies::of(&pairs.map(|pair| (header::COOKIE, pair.parse().unwrap())).collect())
    }
}

fn unknown() -> LoginAttempt {
    LoginAttempt::start(ReturnTo::default(), &Random::system(), NOW)
}

#[tokio::test]
async fn an_instance_with_the_old_key_opens_cookies_sealed_with_the_new_one() {
    let server = serve(OLD).await;
    let (late, early) = (Instance::of(&server), Instance::of(&server));
    let mut browser = Browser::default();
    let before = late.start(&mut browser, 0).await;

    server.set(secret(&format!("{NEW},{OLD}")));
    let after_rotation = early.start(&mut browser, 60).await;
    assert_eq!(server.count(), 2);
    for (instance, attempt) in [(&late, &after_rotation), (&early, &before), (&late, &before)] {
        assert!(instance.finds(attempt, &browser, 61).await.unwrap());
        assert_eq!(server.count(), 3);
    }
    // By now this instance seals with the new key too.
    let third = late.start(&mut browser, 62).await;
    server.set(secret(NEW));
    assert!(Instance::of(&server).finds(&third, &browser, 63).await.unwrap());
}

/// A login in progress in another tab is not discarded as invalid.
#[tokio::test]
async fn an_instance_with_the_old_key_keeps_cookies_sealed_with_the_new_one() {
    let server = serve(OLD).await;
    let (late, early) = (Instance::of(&server), Instance::of(&server));
    late.start(&mut Browser::default(), 0).await;
    server.set(secret(&format!("{NEW},{OLD}")));
    let mut browser = Browser::default();
    let first = early.start(&mut browser, 60).await;
    let second = late.start(&mut browser, 61).await;
    for attempt in [&first, &second] {
        assert!(early.finds(attempt, &browser, 62).await.unwrap());
    }
    // After it has read the new key, it seals with it.
    server.set(secret(NEW));
    assert!(Instance::of(&server).finds(&second, &browser, 63).await.unwrap());
}

/// The two times are one second apart.
#[tokio::test]
async fn r182_a_flood_of_cookies_that_open_under_no_key_costs_one_read_per_cool_down() {
    let server = serve(OLD).await;
    let instance = Instance::of(&server);
    let mut browser = Browser::default();
    let attempt = instance.start(&mut browser, 0).await;
    for number in 0..1_000 {
        let unknown = unknown();
        let mut junk = Browser::with_junk_for(&unknown);
        assert!(!instance.finds(&unknown, &junk, 1).await.unwrap());
        if number % 100 == 0 {
            instance.start(&mut junk, 1).await;
            assert!(instance.finds(&attempt, &browser, 1).await.unwrap());
        }
    }
    assert_eq!(server.count(), 2);

    let unknown = unknown();
    let junk = Browser::with_junk_for(&unknown);
    let cool_down = COOL_DOWN.as_secs();
    assert!(!instance.finds(&unknown, &junk, cool_down).await.unwrap());
    assert_eq!(server.count(), 2);
    assert!(!instance.finds(&unknown, &junk, cool_down + 1).await.unwrap());
    assert_eq!(server.count(), 3);
}

/// The costs stated in the README: an idle instance reads the key twelve times an hour; one that
/// constantly receives garbage reads it once in ten seconds.
#[tokio::test]
async fn r206_an_hour_of_garbage_costs_no_more_reads_than_documented() {
    let server = serve(OLD).await;
    let (alone, flooded) = (Instance::of(&server), Instance::of(&server));
    let hour = 0..60 * 60;
    for seconds in hour.clone() {
        alone.start(&mut Browser::default(), seconds).await;
    }
    assert_eq!(server.count(), 12);
    for seconds in hour {
        let unknown = unknown();
        let mut junk = Browser::with_junk_for(&unknown);
        assert!(!flooded.finds(&unknown, &junk, seconds).await.unwrap());
        flooded.start(&mut junk, seconds).await;
    }
    // The first read is not caused by garbage.
    assert_eq!(server.count() - 12, 1 + 360);
}

/// A request without a cookie contains nothing to open.
#[tokio::test]
async fn r182_without_a_cookie_no_key_is_read() {
    let server = serve(OLD).await;
    let found = Instance::of(&server).finds(&unknown(), &Browser::default(), 0).await.unwrap();
    assert_eq!((found, server.count()), (false, 0));
}

/// It is unknown whether another instance sealed the cookie, but logins must remain possible.
#[tokio::test]
async fn without_readable_keys_logins_continue_with_the_last_good_ones() {
    let server = serve(OLD).await;
    let instance = Instance::of(&server);
    let mut browser = Browser::default();
    let attempt = instance.start(&mut browser, 0).await;
    server.set(DENIED);
    assert!(instance.finds(&attempt, &browser, 599).await.unwrap());

    let unknown = unknown();
    let mut junk = Browser::with_junk_for(&unknown);
    let cool_down = COOL_DOWN.as_secs();
    for seconds in [600, 600 + FAILURE_PAUSE.as_secs(), 600 + cool_down - 1, 600 + cool_down] {
        let error = instance.finds(&unknown, &junk, seconds).await.unwrap_err();
        assert!(chain(&error).contains("AccessDeniedException"), "{error}");
    }
    let started = instance.start(&mut junk, 611).await;
    assert!(instance.finds(&started, &junk, 611).await.unwrap());
}

/// The parser of the keys tests each reason.
#[tokio::test]
async fn r177_a_short_key_seals_nothing() {
    let instance = Instance::of(&serve(&format!("{NEW},hunter2")).await);
    let (none, random) = (RequestCookies::default(), Random::system());
    let error = instance.0.keep(&unknown(), &none, &random, NOW).await.unwrap_err();
    let reason = "must be at least 32 bytes long (each, if it is a list)";
    let expected = format!("SECRET_KEY_ARN is unavailable: the secret's text {reason}");
    assert_eq!(chain(&error), expected);
}
