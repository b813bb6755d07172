//! The cookies: one for the session and one for each login in progress.

use std::{collections::BTreeMap, fmt, time::Duration};

use cookie::{Cookie, CookieBuilder, SameSite};
use http::{HeaderMap, HeaderValue, header};
use url::Url;

use crate::{crypto::secret::SessionSecret, web::base_url::BaseUrl};

/// The names and attributes of the bundle's cookies.
///
/// Over https they have the `__Host-` prefix. A browser accepts such a cookie only from this exact
/// host, so neither a sibling domain nor a network attacker can plant one (R88, R89).
///
/// On a plain-http loopback address they have neither the prefix nor `Secure`, because Safari would
/// reject them there. Cookies are shared by all ports of a host, so these names contain the port: this
/// separates the bundle's cookies from those of other programs on the machine (R216).
#[derive(Clone, Debug)]
pub struct CookieJar {
    /// The plain-http loopback address. `None`: browsers use https.
    local: Option<Url>,
}

/// The cookies of a request by name. A name that occurs twice has no value.
#[derive(Clone, Default)]
pub struct RequestCookies(BTreeMap<String, Option<String>>);

/// The session cookie of a request.
#[derive(Clone, Debug)]
pub enum SessionCookie {
    /// The cookie is absent.
    Absent,
    /// A value that we never set, or a cookie sent twice.
    Malformed,
    /// A well-formed secret, which may belong to a session.
    Present(SessionSecret),
}

impl CookieJar {
    /// The cookies for a bundle reached at `base_url`.
    pub fn new(base_url: &BaseUrl) -> Self {
        let local = match base_url {
            BaseUrl::Fixed(origin) if !base_url.is_https() => Url::parse(origin).ok(),
            BaseUrl::Fixed(_) | BaseUrl::Gateway => None,
        };
        Self { local }
    }

    /// The session cookie of `request`.
    pub fn session(&self, request: &RequestCookies) -> SessionCookie {
        match request.0.get(&self.name(SESSION)) {
            None => SessionCookie::Absent,
            Some(value) => value
                .as_deref()
                .and_then(SessionSecret::parse)
                .map_or(SessionCookie::Malformed, SessionCookie::Present),
        }
    }

    /// A `Set-Cookie` that sets the session cookie.
    pub fn set_session(&self, secret: &SessionSecret, max_age: Duration) -> HeaderValue {
        self.build(SESSION, &secret.expose(), max_age)
    }

    /// A `Set-Cookie` that clears the session cookie, with the attributes it was set with (R105).
    pub fn clear_session(&self) -> HeaderValue {
        self.build(SESSION, "", Duration::ZERO)
    }

    /// A `Set-Cookie` that clears a second session cookie of the same name that is set for the whole
    /// domain, if `request` contains one. Otherwise every later session cookie would be ambiguous
    /// (R204). The `__Host-` prefix prevents such duplicates. A response that also sets a cookie must
    /// set it after this one, because on `localhost` browsers treat the two as one.
    pub fn clear_session_twin(&self, request: &RequestCookies) -> Option<HeaderValue> {
        let domain = self.local.as_ref()?.host_str()?.to_owned();
        let came_twice = request.0.get(&self.name(SESSION))?.is_none();
        came_twice.then(|| {
            let cookie = self.cookie(SESSION, "", Duration::ZERO).domain(domain);
            header_value(&cookie.build())
        })
    }

    /// The sealed login attempt of `flow`, if there is exactly one.
    pub fn login<'a>(&self, request: &'a RequestCookies, flow: &str) -> Option<&'a str> {
        request.0.get(&self.name(&format!("{LOGIN}{flow}")))?.as_deref()
    }

    /// All login cookies of `request`: the flow, and the sealed attempt unless it came twice.
    pub fn logins<'a>(&self, request: &'a RequestCookies) -> Vec<(&'a str, Option<&'a str>)> {
        let prefix = self.name(LOGIN);
        let flow_of = |name: &'a String| name.strip_prefix(&prefix).filter(|flow| is_flow(flow));
        request
            .0
            .iter()
            .filter_map(|(name, value)| Some((flow_of(name)?, value.as_deref())))
            .collect()
    }

    /// A `Set-Cookie` that stores the sealed login attempt of `flow`.
    pub fn set_login(&self, flow: &str, sealed: &str, max_age: Duration) -> HeaderValue {
        self.build(&format!("{LOGIN}{flow}"), sealed, max_age)
    }

    /// A `Set-Cookie` that clears the login attempt of `flow`.
    pub fn clear_login(&self, flow: &str) -> HeaderValue {
        self.build(&format!("{LOGIN}{flow}"), "", Duration::ZERO)
    }

    /// The state that the browser keeps during the provider's logout, if there is exactly one.
    pub fn logout_state<'a>(&self, request: &'a RequestCookies) -> Option<&'a str> {
        request.0.get(&self.name(LOGOUT))?.as_deref()
    }

    /// A `Set-Cookie` that stores the state of a logout at the provider, in base64url, for
    /// [`LOGOUT_LIFETIME`].
    pub fn set_logout_state(&self, state: &str) -> HeaderValue {
        self.build(LOGOUT, state, LOGOUT_LIFETIME)
    }

    /// A `Set-Cookie` that clears that state.
    pub fn clear_logout_state(&self) -> HeaderValue {
        self.build(LOGOUT, "", Duration::ZERO)
    }

    fn name(&self, bare: &str) -> String {
        match self.local.as_ref().and_then(Url::port_or_known_default) {
            Some(port) => format!("auth0-lambda-{port}.{bare}"),
            None => format!("__Host-{bare}"),
        }
    }

    fn build(&self, bare: &str, value: &str, max_age: Duration) -> HeaderValue {
        header_value(&self.cookie(bare, value, max_age).build())
    }

    /// `Lax`, not `Strict`: the provider's redirect to `/callback` is a cross-site navigation, and
    /// browsers do not send a `Strict` login cookie with it (R8).
    fn cookie<'a>(&self, bare: &str, value: &'a str, max_age: Duration) -> CookieBuilder<'a> {
        let max_age =
            cookie::time::Duration::seconds(i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX));
        Cookie::build((self.name(bare), value))
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(max_age)
            .secure(self.local.is_none())
    }
}

#[expect(clippy::expect_used, reason = "names are ours, values base64url: both fit a header")]
fn header_value(cookie: &Cookie<'_>) -> HeaderValue {
    HeaderValue::from_str(&cookie.to_string()).expect("a cookie of ours is a header value")
}

impl RequestCookies {
    /// Parses the `Cookie` headers. A name that occurs twice has no value: an attacker who plants the
    /// second cookie can choose which one the browser sends first (R89).
    pub fn of(headers: &HeaderMap) -> Self {
        let mut cookies = BTreeMap::new();
        for header in headers.get_all(header::COOKIE) {
            for pair in header.as_bytes().split(|byte| *byte == b';') {
                let Some((name, value)) = name_and_value(pair) else { continue };
                cookies
                    .entry(name.to_owned())
                    .and_modify(|value| *value = None)
                    .or_insert(Some(value));
            }
        }
        Self(cookies)
    }
}

/// Shows names only: a value may be a session secret.
impl fmt::Debug for RequestCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

const SESSION: &str = "session";
const LOGIN: &str = "login.";
const LOGOUT: &str = "logout";

/// How long the logout at the provider may take until the browser returns.
pub const LOGOUT_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Splits one pair of a `Cookie` header (RFC 6265 §4.2.1).
///
/// Only spaces and tabs around it are trimmed. A parser that trims all Unicode white space turns a
/// different name into `__Host-session`. Browsers do not protect that other name, so a sibling domain
/// may set it (R89). A non-ASCII name is never ours, and does not hide any of our cookies.
fn name_and_value(pair: &[u8]) -> Option<(&str, String)> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let name = str::from_utf8(trim(&pair[..equals])).ok()?;
    Some((name, String::from_utf8_lossy(trim(&pair[equals + 1..])).into_owned()))
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Whether `text` is a suffix that we could have generated, so that it may be written back.
fn is_flow(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests;
