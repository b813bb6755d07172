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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crypto::random::Random;

    fn https() -> CookieJar {
        CookieJar::new(&BaseUrl::Gateway)
    }

    fn cookies(header: &str) -> RequestCookies {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_bytes(header.as_bytes()).unwrap());
        RequestCookies::of(&headers)
    }

    #[test]
    fn r088_the_session_cookie_is_bound_to_this_host_and_hidden_from_scripts() {
        let secret = SessionSecret::parse(&"A".repeat(43)).unwrap();
        assert_eq!(
            https().set_session(&secret, Duration::from_secs(60)),
            format!(
                "__Host-session={}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60",
                "A".repeat(43)
            )
        );
    }

    #[test]
    fn r105_a_cookie_is_cleared_with_the_attributes_it_was_set_with() {
        assert_eq!(
            https().clear_session(),
            "__Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
        );
    }

    fn local(origin: &str) -> CookieJar {
        CookieJar::new(&BaseUrl::Fixed(origin.to_owned()))
    }

    #[test]
    fn r088_on_a_loopback_address_the_names_have_no_prefix() {
        assert_eq!(
            local("http://localhost:9000").clear_login("x"),
            "auth0-lambda-9000.login.x=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0"
        );
    }

    /// Cookies of other programs on the machine, of an older release and of a bundle on another port.
    #[test]
    fn r216_on_a_loopback_address_cookies_of_others_are_neither_read_nor_listed() {
        let jar = local("http://localhost");
        let value = "A".repeat(43);
        for name in ["session", "auth0-lambda-9000.session", "__Host-session"] {
            let request = cookies(&format!("{name}={value}; login.a=1; auth0-lambda-81.login.a=1"));
            assert!(matches!(jar.session(&request), SessionCookie::Absent), "{name}");
            assert!(jar.logins(&request).is_empty() && jar.logout_state(&request).is_none());
        }
        let own = cookies(&format!("session=x; auth0-lambda-80.session={value}"));
        assert!(matches!(jar.session(&own), SessionCookie::Present(_)));
    }

    #[test]
    fn r204_a_duplicate_for_the_whole_domain_is_cleared_where_one_is_possible() {
        let jar = local("http://localhost:9000");
        let [once, twice] = [1, 2].map(|times| {
            let names = ["auth0-lambda-9000.session", "__Host-session"];
            cookies(&names.map(|name| format!("{name}=x; ").repeat(times)).concat())
        });
        assert_eq!(
            jar.clear_session_twin(&twice).unwrap(),
            "auth0-lambda-9000.session=; HttpOnly; SameSite=Lax; Path=/; Domain=localhost; Max-Age=0"
        );
        assert_eq!(jar.clear_session_twin(&once), None);
        assert_eq!(https().clear_session_twin(&twice), None);
    }

    #[test]
    fn a_session_cookie_is_read_back() {
        let secret = SessionSecret::generate(&Random::system());
        let request = cookies(&format!("theme=dark; __Host-session={}", secret.expose()));
        let SessionCookie::Present(read) = https().session(&request) else { panic!("no session") };
        assert_eq!(read.digest(), secret.digest());
    }

    #[test]
    fn r089_duplicates_unprefixed_names_and_altered_values_are_rejected() {
        let value = "A".repeat(43);
        for header in [
            format!("__Host-session={value}; __Host-session={value}"),
            format!("__Host-session=\"{value}\""),
            format!("__Host-session={value}, x"),
            "__Host-session=".to_owned(),
        ] {
            assert!(
                matches!(https().session(&cookies(&header)), SessionCookie::Malformed),
                "{header}"
            );
        }
        for header in [
            format!("session={value}"),
            format!("__host-session={value}"),
            format!("$Version=1; =__Host-session={value}"),
            format!("x=1,__Host-session={value}"),
            String::new(),
        ] {
            assert!(
                matches!(https().session(&cookies(&header)), SessionCookie::Absent),
                "{header}"
            );
        }
    }

    #[test]
    fn r089_a_duplicate_in_a_second_header_is_rejected_as_well() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            let value = format!("__Host-session={}", "A".repeat(43));
            headers.append(header::COOKIE, value.parse().unwrap());
        }
        assert!(matches!(https().session(&RequestCookies::of(&headers)), SessionCookie::Malformed));
    }

    #[test]
    fn r087_a_cookie_that_is_not_ascii_hides_no_other_and_is_malformed_itself() {
        let value = "A".repeat(43);
        let present = https().session(&cookies(&format!("theme=dünkel; __Host-session={value}")));
        assert!(matches!(present, SessionCookie::Present(_)));
        let malformed = https().session(&cookies("__Host-session=é"));
        assert!(matches!(malformed, SessionCookie::Malformed));
    }

    #[test]
    fn r089_unicode_white_space_is_part_of_the_name() {
        let (own, planted) = ("A".repeat(43), "B".repeat(42) + "A");
        for blank in ["\u{2000}", "\u{a0}", "\u{3000}", "\u{85}"] {
            let header = format!("{blank}__Host-session={planted}; __Host-session={own}");
            let SessionCookie::Present(read) = https().session(&cookies(&header)) else {
                panic!("{blank:?}")
            };
            assert_eq!(read.expose(), own);
            let alone = format!("{blank}__Host-session={planted}; {blank}__Host-login.a=1");
            assert!(
                matches!(https().session(&cookies(&alone)), SessionCookie::Absent),
                "{blank:?}"
            );
            assert!(https().logins(&cookies(&alone)).is_empty());
        }
    }

    /// Such a name would be written back, regardless of its length.
    #[test]
    fn r089_a_login_cookie_whose_name_we_cannot_have_generated_is_ignored() {
        for (flow, is_listed) in
            [("a".repeat(16), true), ("a".repeat(17), false), ("é".into(), false)]
        {
            let request = cookies(&format!("__Host-login.{flow}=x"));
            assert_eq!(https().logins(&request).len(), usize::from(is_listed), "{flow}");
        }
    }

    #[test]
    fn r179_debug_output_contains_names_and_no_values() {
        assert_eq!(format!("{:?}", cookies("__Host-session=hunter2")), r#"{"__Host-session"}"#);
    }

    #[test]
    fn login_cookies_are_listed_by_flow() {
        let request = cookies(
            "__Host-login.a=1; __Host-login.b=2; __Host-login.b=3; __Host-login.%41=4; login.c=5",
        );
        assert_eq!(https().logins(&request), [("a", Some("1")), ("b", None)]);
        assert_eq!(https().login(&request, "a"), Some("1"));
    }

    proptest! {
        #[test]
        fn r180_no_cookie_header_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(header::COOKIE, value);
                let cookies = RequestCookies::of(&headers);
                https().logins(&cookies);
                https().session(&cookies);
            }
        }

        /// A cookie that was set is read back, among any other cookies of a browser.
        #[test]
        fn r180_a_cookie_that_was_set_is_read_back(
            secret: [u8; 32],
            flow in "[A-Za-z0-9_-]{1,16}",
            sealed in "[A-Za-z0-9_-]{1,200}",
            others in prop::collection::vec("[a-z$]{0,8}(=[!-:<-~]{0,8})?", 0..4),
            is_https: bool,
        ) {
            let jar = if is_https { https() } else { local("http://localhost:9000") };
            let secret = SessionSecret::generate(&Random::from_fn(move |bytes| {
                bytes.copy_from_slice(&secret);
            }));
            let set = [
                jar.set_session(&secret, Duration::from_secs(1)),
                jar.set_login(&flow, &sealed, Duration::from_secs(1)),
            ];
            let pairs = set.iter().map(|header| header.to_str().unwrap().split(';').next().unwrap());
            let header = others.iter().map(String::as_str).chain(pairs).collect::<Vec<_>>().join("; ");
            let request = cookies(&header);
            let is_hidden = |name: &str| others.iter().any(|other| other.split('=').next() == Some(name));
            prop_assume!(!is_hidden("session") && !is_hidden("login"));
            let SessionCookie::Present(read) = jar.session(&request) else {
                return Err(TestCaseError::fail(header));
            };
            prop_assert_eq!(read.as_bytes(), secret.as_bytes());
            prop_assert_eq!(jar.login(&request, &flow), Some(sealed.as_str()));
            prop_assert_eq!(jar.logins(&request), [(flow.as_str(), Some(sealed.as_str()))]);
        }

        /// R89: only a single pair with exactly this name and the issued value opens a session,
        /// regardless of what surrounds it.
        #[test]
        fn r089_only_the_exact_name_and_value_open_a_session(
            pairs in prop::collection::vec(
                (
                    "[ \t\"$,]?(__Host-|__host-|__Secure-|__Host)?(session|sessio|Session)[ \t\"]?",
                    "[ \t\"]?[AE]{42,44}[ \t\",=]?",
                ),
                0..4,
            ),
        ) {
            let header = pairs.iter().map(|(name, value)| format!("{name}={value}"));
            let header = header.collect::<Vec<_>>().join(";");
            let is_blank = |character: char| character == ' ' || character == '\t';
            let named: Vec<_> = pairs
                .iter()
                .filter(|(name, _)| name.trim_matches(is_blank) == "__Host-session")
                .map(|(_, value)| value.trim_matches(is_blank))
                .collect();
            let read = https().session(&cookies(&header));
            match named[..] {
                [] => prop_assert!(matches!(read, SessionCookie::Absent)),
                [value] if value.len() == 43 && value.chars().all(|letter| letter.is_ascii_uppercase()) => {
                    let SessionCookie::Present(secret) = read else {
                        return Err(TestCaseError::fail(header));
                    };
                    prop_assert_eq!(secret.expose(), value);
                }
                _ => prop_assert!(matches!(read, SessionCookie::Malformed), "{}", header),
            }
        }
    }
}
