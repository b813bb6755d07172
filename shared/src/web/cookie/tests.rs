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
        assert!(matches!(https().session(&cookies(&alone)), SessionCookie::Absent), "{blank:?}");
        assert!(https().logins(&cookies(&alone)).is_empty());
    }
}

/// Such a name would be written back, regardless of its length.
#[test]
fn r089_a_login_cookie_whose_name_we_cannot_have_generated_is_ignored() {
    for (flow, is_listed) in [("a".repeat(16), true), ("a".repeat(17), false), ("é".into(), false)]
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
