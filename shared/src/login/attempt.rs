//! A login in progress, kept in a cookie of the browser.

use std::{cmp::Reverse, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    crypto::{
        random::Random,
        seal::SealingKeys,
        secret::{self, Digest, SecretText},
    },
    secrets::stored_secret::{SECRET_KEY, SecretSource, SecretUnavailable, StoredSecret},
    settings::Settings,
    web::{
        base_url::BaseUrl,
        cookie::{CookieJar, RequestCookies},
        return_to::ReturnTo,
    },
};

/// How long a user may take between `/login` and `/callback`.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// The data that the callback needs about the request that started the login.
///
/// It is sealed in a cookie of the browser that started the login. So a flood of anonymous requests
/// writes no row (R182), and a response that another browser obtained is useless here (R15).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LoginAttempt {
    /// `state` (RFC 6749 §10.12), which the provider returns.
    pub state: SecretText,
    /// `nonce` (OpenID Connect Core §3.1.2.1), which the ID token must repeat.
    pub nonce: SecretText,
    /// `code_verifier` (RFC 7636 §4.1), which proves that we requested the code.
    pub code_verifier: SecretText,
    /// Where the browser is sent after the login.
    pub return_to: ReturnTo,
    /// When the login was started.
    pub started_at: Timestamp,
    /// The requested scopes (RFC 6749 §3.3), separated by spaces.
    pub scope: String,
    /// Whether another site sent the browser to `/login`. Such a login ends no session (R189).
    pub from_elsewhere: bool,
    /// The requested organization, which the ID token must then name (R183).
    pub organization: Option<String>,
    /// When the user had to authenticate again (`prompt=login`): `auth_time` must not be earlier
    /// (R65). A restart keeps it.
    pub authenticated_after: Option<Timestamp>,
    /// How often the login was restarted (R196).
    pub restarts: u8,
    /// One more than the sequence of the newest other attempt in the browser. Start times in seconds
    /// cannot order two attempts of the same second (R197).
    #[serde(default)]
    sequence: u64,
}

/// The cookies that contain login attempts, and the keys that seal them.
#[derive(Debug)]
pub struct LoginCookies {
    keys: StoredSecret<SealingKeys>,
    jar: CookieJar,
}

impl LoginAttempt {
    /// A new attempt that returns to `return_to`.
    pub fn start(return_to: ReturnTo, random: &Random, now: Timestamp) -> Self {
        Self {
            state: SecretText::from(random.token()),
            nonce: SecretText::from(random.token()),
            code_verifier: SecretText::from(random.token()),
            return_to,
            started_at: now,
            scope: String::new(),
            from_elsewhere: false,
            organization: None,
            authenticated_after: None,
            restarts: 0,
            sequence: 0,
        }
    }

    /// Whether this attempt requested `scope`. The user can change the URL of the authorization
    /// request. A granted scope that we did not write there was requested by the user (R187).
    pub fn asked_for(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|asked| asked == scope)
    }

    /// The same login with new secrets. `None` if it was already restarted the maximum number of
    /// times.
    ///
    /// The count is sealed, so a provider cannot cause an endless loop of redirects.
    pub fn restart(&self, random: &Random, now: Timestamp) -> Option<Self> {
        (self.restarts < MAXIMUM_RESTARTS).then(|| Self {
            organization: self.organization.clone(),
            scope: self.scope.clone(),
            from_elsewhere: self.from_elsewhere,
            authenticated_after: self.authenticated_after,
            restarts: self.restarts + 1,
            ..Self::start(self.return_to.clone(), random, now)
        })
    }

    /// The `code_challenge` of method `S256` (RFC 7636 §4.2).
    pub fn code_challenge(&self) -> String {
        Digest::of(self.code_verifier.expose()).to_string()
    }

    /// The key under which the store records that this attempt was used.
    pub fn mark(&self) -> Digest {
        Digest::of(self.state.expose())
    }

    /// When that record may expire: after the attempt itself, or it could be used twice.
    pub fn mark_expires_at(&self) -> Timestamp {
        self.started_at + LIFETIME + LIFETIME
    }

    /// Rejects an attempt from the future as well as an expired one (R19).
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.started_at <= now && now.since(self.started_at) < LIFETIME
    }
}

impl LoginCookies {
    /// Reads `SECRET_KEY` or `SECRET_KEY_ARN`. Without a valid `base_url` (`None`), their faults are
    /// still reported.
    pub fn from_settings(
        settings: &mut Settings,
        secrets: &SecretSource,
        base_url: Option<&BaseUrl>,
    ) -> Option<Self> {
        let jar = CookieJar::new(base_url.unwrap_or(&BaseUrl::Gateway));
        let what = "at least 32 random bytes, e.g. `openssl rand -base64 48`";
        let parse = |text: &str| SealingKeys::parse(text, "login attempt");
        Some(Self { keys: secrets.secret(settings, SECRET_KEY, what, parse)?, jar })
    }

    /// The `Set-Cookie` headers that store `attempt`. They delete the oldest attempts where there
    /// would be more than five or more than 4 kB (R7, R102). `attempt` itself is always kept (R197).
    ///
    /// # Errors
    ///
    /// When the keys for sealing are unavailable.
    pub async fn keep(
        &self,
        attempt: &LoginAttempt,
        request: &RequestCookies,
        random: &Random,
        now: Timestamp,
    ) -> Result<Vec<HeaderValue>, SecretUnavailable> {
        let flow = flow_of(attempt.state.expose());
        let mut others = self.jar.logins(request);
        others.retain(|(other, _)| *other != flow);
        let mut keys = self.keys.current(now).await?;
        let mut opened = open_all(&keys, &others);
        // Another instance may have sealed it with a newer key. If that key is unavailable, a browser
        // with such a cookie may log in all the same.
        if is_any_foreign(&others, &opened)
            && let Ok(Some(newer)) = self.keys.newer_than(&keys, now).await
        {
            keys = newer;
            opened = open_all(&keys, &others);
        }
        let fresh = opened.into_iter().map(|attempt| attempt.filter(|it| it.is_fresh(now)));
        let mut others: Vec<_> = others
            .into_iter()
            .zip(fresh)
            .map(|((other, sealed), attempt)| {
                let order = attempt.map(|it| (it.sequence, it.started_at));
                (order, other, sealed.map_or(0, str::len))
            })
            .collect();
        others.sort_by_key(|(order, ..)| Reverse(*order));
        let newest = others.first().and_then(|(order, ..)| *order);

        let mut attempt = attempt.clone();
        attempt.sequence = newest.map_or(0, |(sequence, _)| sequence.saturating_add(1));
        let mut sealed = seal(&keys, &attempt, &flow, random);
        if sealed.len() > MAXIMUM_COOKIE {
            attempt.return_to = ReturnTo::default();
            sealed = seal(&keys, &attempt, &flow, random);
        }
        let mut headers = vec![self.jar.set_login(&flow, &sealed, LIFETIME)];
        let mut budget = MAXIMUM_BYTES.saturating_sub(sealed.len());
        let mut kept = MAXIMUM_COUNT - 1;
        for (order, other, length) in others {
            if order.is_some() && kept > 0 && length <= budget {
                kept -= 1;
                budget -= length;
            } else {
                // Older attempts are deleted too, even if they would fit.
                kept = 0;
                headers.push(self.jar.clear_login(other));
            }
        }
        Ok(headers)
    }

    /// The attempt with this `state`, if this browser started it and it is still fresh.
    ///
    /// # Errors
    ///
    /// When the keys are unavailable.
    pub async fn find(
        &self,
        state: &str,
        request: &RequestCookies,
        now: Timestamp,
    ) -> Result<Option<LoginAttempt>, SecretUnavailable> {
        let flow = flow_of(state);
        let Some(sealed) = self.jar.login(request, &flow) else { return Ok(None) };
        let keys = self.keys.current(now).await?;
        let mut attempt = open(&keys, sealed, &flow);
        // Another instance may have sealed it with a newer key.
        if attempt.is_none()
            && let Some(newer) = self.keys.newer_than(&keys, now).await?
        {
            attempt = open(&newer, sealed, &flow);
        }
        Ok(attempt.filter(|attempt| {
            secret::equal(attempt.state.expose(), state) && attempt.is_fresh(now)
        }))
    }

    /// The `Set-Cookie` header that deletes the attempt with this `state`.
    pub fn drop(&self, state: &str) -> HeaderValue {
        self.jar.clear_login(&flow_of(state))
    }
}

const MAXIMUM_RESTARTS: u8 = 2;
const MAXIMUM_COUNT: usize = 5;
const MAXIMUM_BYTES: usize = 3_500;

/// The longest value that every browser keeps: 4,096 bytes together with its name (RFC 6265 §6.1). A
/// login whose return target does not fit ends at the key page.
const MAXIMUM_COOKIE: usize = 4_000;

#[expect(clippy::expect_used, reason = "an attempt is texts and numbers, which are JSON")]
fn seal(keys: &SealingKeys, attempt: &LoginAttempt, flow: &str, random: &Random) -> String {
    let plaintext = serde_json::to_vec(attempt).expect("an attempt is JSON");
    BASE64_URL_SAFE_NO_PAD.encode(keys.seal(&plaintext, flow.as_bytes(), random))
}

/// A value opens only under the flow that its cookie names, so it cannot be moved to another name.
fn open(keys: &SealingKeys, sealed: &str, flow: &str) -> Option<LoginAttempt> {
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
    serde_json::from_slice(&keys.open(&sealed, flow.as_bytes())?).ok()
}

/// Whether one of `cookies` has a sealed value that no known key opens.
fn is_any_foreign(cookies: &[(&str, Option<&str>)], opened: &[Option<LoginAttempt>]) -> bool {
    cookies.iter().zip(opened).any(|((_, sealed), opened)| sealed.is_some() && opened.is_none())
}

fn open_all(keys: &SealingKeys, cookies: &[(&str, Option<&str>)]) -> Vec<Option<LoginAttempt>> {
    cookies.iter().map(|(flow, sealed)| open(keys, (*sealed)?, flow)).collect()
}

/// The name of a flow, derived from its `state`, so that logins in tabs that start at once do not
/// collide. It is a digest, so a cookie's name does not reveal the `state`.
fn flow_of(state: &str) -> String {
    let mut flow = Digest::of(state).to_string();
    flow.truncate(8);
    flow
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header};
    use proptest::prelude::*;
    use tokio::runtime;

    use super::*;

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

    async fn kept(cookies: &LoginCookies, attempt: &LoginAttempt) -> RequestCookies {
        sent_back(&keep(cookies, attempt, &RequestCookies::default(), NOW).await)
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
        cookies.find(attempt.state.expose(), request, now).await.unwrap()
    }

    #[tokio::test]
    async fn an_attempt_is_found_by_its_state() {
        let cookies = login_cookies();
        let attempt = LoginAttempt::start(ReturnTo::parse("/reports"), &Random::system(), NOW);
        let request = kept(&cookies, &attempt).await;
        let found = find(&cookies, &attempt, &request, NOW).await.unwrap();
        assert_eq!(found.return_to.as_str(), "/reports");
        assert_eq!(found.code_verifier.expose(), attempt.code_verifier.expose());
    }

    #[test]
    fn r001_two_attempts_share_no_secret_and_each_is_256_bits() {
        let random = Random::system();
        let [one, two] = [(); 2].map(|()| LoginAttempt::start(ReturnTo::default(), &random, NOW));
        let secrets = [
            &one.state,
            &one.nonce,
            &one.code_verifier,
            &two.state,
            &two.nonce,
            &two.code_verifier,
        ];
        let mut texts: Vec<_> = secrets.iter().map(|secret| secret.expose()).collect();
        assert!(texts.iter().all(|text| text.len() == 43));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 6);
    }

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
        let mut attempt = LoginAttempt::start(ReturnTo::default(), &Random::system(), NOW);
        attempt.code_verifier =
            SecretText::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(attempt.code_challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[tokio::test]
    async fn r016_a_state_does_not_match_the_cookie_of_another_tab() {
        let cookies = login_cookies();
        let [one, two] =
            [(); 2].map(|()| LoginAttempt::start(ReturnTo::default(), &Random::system(), NOW));
        assert!(find(&cookies, &one, &kept(&cookies, &two).await, NOW).await.is_none());
    }

    #[tokio::test]
    async fn r019_an_attempt_is_fresh_for_ten_minutes_and_not_before_its_start() {
        let cookies = login_cookies();
        let attempt = LoginAttempt::start(ReturnTo::default(), &Random::system(), NOW);
        let request = kept(&cookies, &attempt).await;
        let found_at = async |now| find(&cookies, &attempt, &request, now).await.is_some();
        assert!(found_at(NOW + LIFETIME - Duration::from_secs(1)).await);
        assert!(!found_at(NOW + LIFETIME).await);
        assert!(!found_at(NOW - Duration::from_secs(1)).await);
    }

    #[tokio::test]
    async fn r020_a_cookie_of_another_bundle_does_not_open() {
        let attempt = LoginAttempt::start(ReturnTo::default(), &Random::system(), NOW);
        let request = kept(&login_cookies(), &attempt).await;
        assert!(find(&login_cookies(), &attempt, &request, NOW).await.is_none());
    }

    #[tokio::test]
    async fn r007_a_sixth_attempt_replaces_the_oldest() {
        let cookies = login_cookies();
        let random = Random::system();
        let mut browser: Vec<(String, String)> = Vec::new();
        for second in 0..50 {
            let now = NOW + Duration::from_secs(second);
            let pairs: Vec<_> = browser
                .iter()
                .map(|(name, value)| HeaderValue::from_str(&format!("{name}={value}")).unwrap())
                .collect();
            let attempt = LoginAttempt::start(ReturnTo::default(), &random, now);
            for header in keep(&cookies, &attempt, &sent_back(&pairs), now).await {
                let (name, value) =
                    header.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
                browser.retain(|(kept, _)| kept != name);
                if !value.is_empty() {
                    browser.push((name.to_owned(), value.to_owned()));
                }
            }
            assert!(browser.len() <= 5);
            assert!(
                browser.iter().map(|(name, value)| name.len() + value.len() + 3).sum::<usize>()
                    < 4_096
            );
            let newest = format!("__Host-login.{}", flow_of(attempt.state.expose()));
            assert_eq!(browser.last().unwrap().0, newest);
        }
        assert_eq!(browser.len(), 5);
    }

    /// The cookies of a browser after logins to `targets`, all within one second.
    async fn after_logins(
        targets: &[ReturnTo],
    ) -> (LoginCookies, Vec<LoginAttempt>, RequestCookies) {
        let (cookies, random) = (login_cookies(), Random::system());
        let mut browser: Vec<(String, HeaderValue)> = Vec::new();
        let mut attempts = Vec::new();
        for target in targets {
            let attempt = LoginAttempt::start(target.clone(), &random, NOW);
            let pairs: Vec<_> = browser.iter().map(|(_, pair)| pair.clone()).collect();
            for header in keep(&cookies, &attempt, &sent_back(&pairs), NOW).await {
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
        let pairs: Vec<_> = browser.into_iter().map(|(_, pair)| pair).collect();
        (cookies, attempts, sent_back(&pairs))
    }

    /// Which of these logins, all started within one second, can still be finished.
    async fn survivors(targets: &[ReturnTo]) -> Vec<bool> {
        let (cookies, attempts, request) = after_logins(targets).await;
        let mut found = Vec::new();
        for attempt in &attempts {
            found.push(find(&cookies, attempt, &request, NOW).await.is_some());
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

    /// Escaped as JSON, an organization may be twice as long.
    #[tokio::test]
    async fn r197_a_login_too_long_for_a_cookie_loses_its_return_target() {
        let cookies = login_cookies();
        let target = ReturnTo::parse(&format!("/{}", "a".repeat(2_047)));
        for (organization, returns) in [("o".repeat(256), true), ("\"".repeat(512), false)] {
            let mut attempt = LoginAttempt::start(target.clone(), &Random::system(), NOW);
            attempt.organization = Some(organization.clone());
            let request = kept(&cookies, &attempt).await;
            let found = find(&cookies, &attempt, &request, NOW).await.unwrap();
            assert_eq!(
                (found.return_to == target, found.organization),
                (returns, Some(organization))
            );
        }
    }

    #[tokio::test]
    async fn r102_long_return_targets_reduce_the_number_of_attempts() {
        let cookies = login_cookies();
        let random = Random::system();
        let long = ReturnTo::parse(&format!("/{}", "a".repeat(2_000)));
        let one = LoginAttempt::start(long.clone(), &random, NOW);
        let two = LoginAttempt::start(long, &random, NOW);
        let first = keep(&cookies, &one, &RequestCookies::default(), NOW).await;
        let second = keep(&cookies, &two, &sent_back(&first), NOW).await;
        assert!(first[0].len() < 4_096);
        assert!(second[1].to_str().unwrap().contains("Max-Age=0"));
    }

    /// R187: a long return target is dropped to make room for the scopes.
    #[tokio::test]
    async fn r187_an_attempt_with_many_scopes_fits_its_cookie() {
        let cookies = login_cookies();
        let long = ReturnTo::parse(&format!("/{}", "a".repeat(2_047)));
        let mut attempt = LoginAttempt::start(long, &Random::system(), NOW);
        attempt.scope = format!("openid{}", " read:something".repeat(100));
        let set = keep(&cookies, &attempt, &RequestCookies::default(), NOW).await;
        assert!(set[0].len() < 4_096);
        let found = find(&cookies, &attempt, &sent_back(&set), NOW).await.unwrap();
        assert_eq!((found.scope, found.return_to), (attempt.scope, ReturnTo::default()));
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
            let state = attempt.state.expose();
            let found = wait(cookies.find(state, &sent_back(&set), NOW)).unwrap().unwrap();
            prop_assert_eq!(&found.return_to, &attempt.return_to);
            prop_assert_eq!(&found.organization, &attempt.organization);
            prop_assert_eq!(found.authenticated_after, attempt.authenticated_after);
            prop_assert_eq!(found.from_elsewhere, from_elsewhere);
            prop_assert!(found.asked_for("openid") && found.asked_for("read:reports"));
            prop_assert!(!found.asked_for("read") && !found.asked_for("openid read:reports"));
            prop_assert_eq!(found.nonce.expose(), attempt.nonce.expose());

            let pair = set[0].to_str().unwrap().split(';').next().unwrap();
            let start = pair.find('=').unwrap() + 1;
            let place = start + place.index(pair.len() - start);
            prop_assume!(pair[place..=place] != letter);
            let damaged = format!("{}{letter}{}", &pair[..place], &pair[place + 1..]);
            let request = sent_back(&[HeaderValue::from_str(&damaged).unwrap()]);
            prop_assert!(wait(cookies.find(state, &request, NOW)).unwrap().is_none());
        }
    }
}
