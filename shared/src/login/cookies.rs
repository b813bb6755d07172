//! The cookies of logins in progress.

use std::cmp::Reverse;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderValue;

use super::attempt::{LIFETIME, LoginAttempt};
use crate::{
    clock::Timestamp,
    crypto::{
        random::Random,
        seal::SealingKeys,
        secret::{self, Digest},
    },
    secrets::stored_secret::{SECRET_KEY, SecretSource, SecretUnavailable, StoredSecret},
    settings::Settings,
    web::{
        base_url::BaseUrl,
        cookie::{CookieJar, RequestCookies},
        return_to::ReturnTo,
    },
};
use secrecy::ExposeSecret;

/// The cookies that contain login attempts, and the keys that seal them.
#[derive(Debug)]
pub struct LoginCookies {
    keys: StoredSecret<SealingKeys>,
    jar: CookieJar,
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
        let flow = flow_of(attempt.state.expose_secret());
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
            secret::equal(attempt.state.expose_secret(), state) && attempt.is_fresh(now)
        }))
    }

    /// The `Set-Cookie` header that deletes the attempt with this `state`.
    pub fn drop(&self, state: &str) -> HeaderValue {
        self.jar.clear_login(&flow_of(state))
    }
}

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
mod tests;
