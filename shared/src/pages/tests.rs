//! Renders every page with ordinary and with hostile data.

mod branding;
mod contrast;
mod languages;

use std::{collections::HashSet, sync::LazyLock};

use proptest::prelude::*;
use scraper::{ElementRef, Html, Selector, node::Element};

use super::*;
use crate::{
    clock::Timestamp, issuer::Issuer, provider::login_method::LoginMethodKind, texts::Language,
};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhdXRoMHwxIn0.c2lnbmF0dXJl";
const NOW: Timestamp = Timestamp::from_unix(1_790_000_000);
const HOSTILE: &[&str] = &[
    "<img src=x onerror=alert(1)>",
    "\"><script>alert(1)</script>",
    "'><style>*{display:none}</style>",
    "\" onmouseover=\"alert(1)\" style=\"position:fixed",
    "</script><script>alert(1)</script>",
    "</pre></code></title></textarea><!--",
    "javascript:alert(1)",
    "\u{202e}gpj.exe\u{202d}",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "\0\u{7}\r\nSet-Cookie: session=1",
    "",
];

#[test]
fn every_page_is_sound_with_ordinary_data() {
    for (name, page) in ordinary_pages() {
        assert_sound(name, &page);
    }
}

#[test]
fn r171_every_page_is_sound_with_hostile_data() {
    for value in HOSTILE {
        for (name, page) in pages_made_of(value) {
            assert_sound(name, &page);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn r171_every_page_is_sound_with_any_data(value in "[<>\"'&=/ a-z\u{0}-\u{1f}\u{202a}-\u{202e}]{0,40}|\\PC*") {
        for (name, page) in pages_made_of(&value) {
            assert_sound(name, &page);
        }
    }
}

#[test]
fn r171_hostile_claims_are_shown_as_plain_text() {
    let hostile = "<img src=x onerror=alert(1)> & \"x\"";
    let page = Page::parse(&key_page_made_of(hostile));
    assert_eq!(page.text(".name bdi"), hostile);
    assert_eq!(page.text(".email bdi"), hostile);
    assert_eq!(page.text("#token-header"), hostile);
    assert_eq!(page.text("#token-claims"), hostile);
    assert_eq!(page.text("#token"), hostile);
}

/// R171: an override character in a name must not change the direction of the text around it.
#[test]
fn r171_the_direction_of_user_texts_is_isolated_from_the_page() {
    let page = Page::parse(&key_page_made_of("\u{202e}nimda"));
    assert_eq!(page.all(".who bdi").len(), 3);
}

#[test]
fn r032_no_script_reads_the_fragment() {
    for (name, page) in ordinary_pages() {
        for trace in ["location.hash", "location.href", "document.URL", "innerHTML", "eval("] {
            assert!(!page.contains(trace), "{name} contains {trace}");
        }
    }
}

#[test]
fn r172_only_the_users_picture_is_loaded_from_a_third_party() {
    for (name, page) in ordinary_pages() {
        let page = Page::parse(&page);
        for element in page.all("[src], link[href], [srcset], [data], [poster], [background]") {
            let source = ["src", "href"].into_iter().find_map(|name| element.attr(name));
            let source = source.unwrap_or_else(|| panic!("{name}: {}", element.html()));
            let own_picture = element.attr("id") == Some("picture");
            assert!(own_picture || source.starts_with("data:image/svg+xml,"), "{name}: {source}");
        }
        assert!(page.all("iframe, object, embed, base, meta[http-equiv]").is_empty(), "{name}");
        let style = page.text("style");
        assert!(!style.contains("url(") && !style.contains("@import"), "{name}");
    }
}

#[test]
fn pages_are_small() {
    for (name, page) in ordinary_pages() {
        assert!(page.len() < 33_000, "{name} has {} bytes", page.len());
    }
}

#[test]
fn nonces_are_fresh_and_fit_a_header() {
    let random = Random::system();
    let (one, other) = (Nonce::new(&random), Nonce::new(&random));
    assert_ne!(one.as_str(), other.as_str());
    assert_eq!(one.as_str().len(), 43);
    assert!(one.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
}

#[test]
fn the_login_page_lists_each_method_as_a_link_without_a_script() {
    let page = Page::parse(&login_page(&methods()));
    let links: Vec<_> = page
        .all(".methods a")
        .into_iter()
        .map(|link| (link.attr("href").unwrap_or_default(), words(link)))
        .collect();
    assert_eq!(links[0], ("/login?connection=google-oauth2", "Continue with Google".into()));
    assert_eq!(links[1], ("/login?connection=github", "Continue with GitHub".into()));
    assert_eq!(links[5].0, "/login?connection=db&return_to=%2F");
    assert_eq!(links[8], ("/login?connection=linkedin", "L Continue with LinkedIn".into()));
    assert_eq!(
        page.all(".methods a svg").len(),
        links.len() - 1,
        "one link has a letter, all others an icon"
    );
    assert!(page.all("script").is_empty());
}

#[test]
fn the_login_page_without_methods_has_one_plain_button() {
    let page = Page::parse(&login_page(&[]));
    assert_eq!(page.all("main a").len(), 1);
    assert_eq!(page.attribute("main a", "href"), "/login");
}

#[test]
fn the_login_page_mentions_the_development_provider_only_if_it_is_used() {
    for development in [true, false] {
        let page = LoginPage { development, tenant: "localhost:9001", ..login(&[]) }.render();
        assert_eq!(page.contains("development identity provider"), development);
        assert_eq!(Page::parse(&page).text(".fine bdi"), "localhost:9001");
    }
}

#[test]
fn the_key_page_shows_the_token_a_line_for_a_shell_and_a_logout_without_a_script() {
    let page = Page::parse(&key_page(Some(key())));
    assert_eq!(page.text("h1"), "Your API key");
    assert_eq!(page.text("#token"), TOKEN);
    assert_eq!(page.all("#token span").len(), 3);
    let line = format!("curl -H 'Authorization: Bearer {TOKEN}' https://api.example/protected");
    assert_eq!(page.text("#curl"), line);
    assert_eq!(page.attribute("form", "method"), "post");
    assert_eq!(page.attribute("form", "action"), "/logout");
    assert_eq!(page.text("form button"), "Log out");
}

#[test]
fn a_pasted_line_runs_only_curl() {
    let page = Page::parse(&key_page_made_of("';reboot;'"));
    assert_eq!(
        page.text("#curl"),
        r"curl -H 'Authorization: Bearer '\'';reboot;'\''' ''\'';reboot;'\'''"
    );
}

/// R101: with keys hidden, the page contains neither the key nor a `curl` line, which would need it.
#[test]
fn r101_a_key_page_without_a_key_authenticates_by_cookie() {
    let html = key_page(None);
    let page = Page::parse(&html);
    assert_eq!(page.text("h1"), "Your session");
    assert!(page.all("#token, #curl, #token-claims, #time-left").is_empty());
    assert_eq!(page.all("#live").len(), 1);
    assert!(!html.contains("eyJ"));
}

/// Without JavaScript, a copy button and a live region would not work.
#[test]
fn elements_that_need_a_script_are_hidden_until_it_runs() {
    let page = Page::parse(&key_page(Some(key())));
    let quiet =
        "[data-copy], [data-fold], #verdict, #explanation, #again, #answer, #pace, #renewal";
    for element in page.all(quiet) {
        assert!(element.attr("hidden").is_some(), "{}", element.html());
    }
    assert_eq!(page.all("noscript").len(), 1);
}

#[test]
fn buttons_refer_to_existing_elements() {
    let page = Page::parse(&key_page(Some(key())));
    for attribute in ["data-copy", "aria-controls"] {
        let buttons = page.all(&format!("button[{attribute}]"));
        let targets: Vec<_> = buttons.iter().filter_map(|button| button.attr(attribute)).collect();
        assert_eq!(targets, ["token", "curl"]);
    }
}

/// Elements that identify the user or contain the key are marked for removal at the end of the session.
#[test]
fn all_elements_of_the_session_are_marked_for_removal() {
    let html = key_page_of(User { email_verified: false, ..user() });
    let mut page = Page::parse(&html);
    let marked: Vec<_> = page.all("[data-of-session]").iter().map(|element| element.id()).collect();
    for id in marked {
        page.0.tree.get_mut(id).expect("the element is in the tree").detach();
    }
    let left = page.0.html();
    for trace in ["eyJ", "c2lnbmF0dXJl", "auth0|1", "Ada", "example.com", "pictures.example", "AL<"]
    {
        assert!(html.contains(trace) && !left.contains(trace), "{trace}");
    }
    assert_eq!(page.all("#again, #verdict, #explanation, #pace, #http-status, h1").len(), 6);
}

/// R171: a host with `;` or `,` could add directives to the Content-Security-Policy, which contains it.
#[test]
fn r171_a_picture_has_a_host_that_is_safe_in_a_policy() {
    let origin = |claim: &str| Picture::parse(claim, &issuer()).map(|picture| picture.origin());
    assert_eq!(
        origin("https://Pics.Example:443/a.png?s=1").as_deref(),
        Some("https://pics.example")
    );
    assert_eq!(origin("https://127.0.0.1:9443/").as_deref(), Some("https://127.0.0.1:9443"));
    assert_eq!(origin("http://localhost:9100/a.svg").as_deref(), Some("http://localhost:9100"));
    for claim in [
        "http://pics.example/a.png",
        "http://localhost:9200/a.svg",
        "https://a;form-action/",
        "https://a,sandbox/",
        "https://*.example/",
        "https://'self'/",
        "data:image/png,",
        "/a.png",
    ] {
        assert_eq!(origin(claim), None, "{claim}");
    }
}

#[test]
fn the_time_left_is_counted_from_the_servers_clock() {
    let left = |seconds: u64| {
        let expires_at = Timestamp::from_unix(NOW.as_unix() + seconds);
        let page = Page::parse(&key_page(Some(Key { expires_at, ..key() })));
        let is_over = !page.all(".over #time-left").is_empty();
        (page.text("#time-left"), page.attribute("#time-left", "data-seconds"), is_over)
    };
    for (seconds, text) in [
        (0, "Expired"),
        (1, "1 s left"),
        (59, "59 s left"),
        (60, "1 min 0 s left"),
        (3_599, "59 min 59 s left"),
        (3_600, "1 h 0 min 0 s left"),
        (86_399, "23 h 59 min 59 s left"),
        (86_400, "1 d 0 h 0 min left"),
    ] {
        assert_eq!(left(seconds), (text.to_owned(), seconds.to_string(), seconds == 0));
    }
}

#[test]
fn a_refreshable_session_shows_when_it_is_refreshed() {
    let page = Page::parse(&key_page(Some(key())));
    assert_eq!(page.attribute("#live", "data-renew-in"), "3540");
    assert_eq!(Page::parse(&key_page(None)).attribute("#live", "data-renew-in"), "3540");
    assert!(Page::parse(&key_page_of(user())).all("[data-renew-in]").is_empty());
}

/// A provider may send any number as `exp`; RFC 3339 cannot express dates after the year 9999.
#[test]
fn an_expiry_beyond_the_year_9999_is_shown_as_its_last_second() {
    let expires_at = Timestamp::from_unix(u64::MAX);
    let page = Page::parse(&key_page(Some(Key { expires_at, ..key() })));
    assert_eq!(page.attribute("#key time", "datetime"), "9999-12-31T23:59:59Z");
    assert_eq!(page.text("#key time"), "9999-12-31 23:59:59 UTC");
}

#[test]
fn a_user_is_shown_by_the_best_available_name() {
    let who = |name, email| {
        let page = Page::parse(&key_page_of(User { name, email, ..user() }));
        (page.text(".name"), page.text("#initials"))
    };
    assert_eq!(who(Some("Ada King Lovelace"), None), ("Ada King Lovelace".into(), "AL".into()));
    assert_eq!(who(Some("ada"), None), ("ada".into(), "A".into()));
    assert_eq!(who(Some("  "), Some("bob@example.com")), ("bob@example.com".into(), "B".into()));
    assert_eq!(who(None, None), ("auth0|1".into(), "A".into()));
    assert_eq!(who(Some("ßeta 山田"), None).1, "SS山");
    assert_eq!(who(Some("!!!"), None).1, "?");
}

#[test]
fn an_address_shown_as_name_is_not_repeated() {
    let lines = |name| Page::parse(&key_page_of(User { name, ..user() })).all(".who bdi").len();
    assert_eq!(lines(Some("Ada Lovelace")), 2);
    assert_eq!(lines(None), 1);
}

#[test]
fn an_unverified_address_is_marked() {
    let ada = Some("ada@example.com");
    for (email, email_verified, badges) in [(ada, true, 0), (ada, false, 1), (None, false, 0)] {
        let page = key_page_of(User { email, email_verified, ..user() });
        assert_eq!(Page::parse(&page).all(".badge").len(), badges, "{email:?} {email_verified}");
    }
}

#[test]
fn a_user_without_a_picture_has_initials_and_no_image() {
    let page = Page::parse(&key_page_of(User { picture: None, ..user() }));
    assert!(page.all("img").is_empty());
    assert_eq!(page.text("#initials"), "AL");
}

/// R104: the page only asks, and its form sends a POST. Without a session there is nothing to ask.
#[test]
fn r104_the_logout_page_offers_a_post_and_a_way_back() {
    let page = |signed_in| Page::parse(&SignOutPage { frame: frame(), signed_in }.render());
    let with_session = page(true);
    assert_eq!(with_session.attribute("form", "method"), "post");
    assert_eq!(with_session.attribute("form", "action"), "/logout");
    assert_eq!(with_session.attribute("form a", "href"), "/");
    assert!(page(false).all("form").is_empty());
    assert_eq!(page(false).attribute("main a", "href"), "/");
}

#[test]
fn a_message_shows_its_text_its_action_and_its_request() {
    let page = Page::parse(&message().render());
    assert_eq!(page.text("h1"), "That login did not work");
    assert_eq!(page.text("title"), "That login did not work");
    assert_eq!(page.text("main p"), "It took too long.");
    assert_eq!(page.attribute("main a", "href"), "/login?return_to=%2Fdocs");
    assert_eq!(page.text("#request-id"), "Root=1-abc");
}

/// Asserts the properties that every page has with any data.
fn assert_sound(name: &str, html: &str) {
    let page = Page::parse(html);
    assert!(page.0.errors.is_empty(), "{name}: {:?}", page.0.errors);
    assert!(Language::tagged(&page.attribute("html", "lang")).is_some(), "{name}");
    assert_eq!(page.all("h1").len(), 1, "{name}");
    assert_eq!(page.all("main").len(), 1, "{name}");
    assert_eq!(page.all("title").len(), 1, "{name}");
    assert_eq!(page.all("style").len(), 1, "{name}");
    assert!(page.all("script").len() <= 1, "{name}");
    for element in page.all("script, style") {
        assert_eq!(element.attr("nonce"), Some(NONCE.as_str()), "{name}: {}", element.html());
    }

    let mut ids = HashSet::new();
    for element in page.all("*") {
        assert_plain_attributes(name, element.value());
        if let Some(id) = element.attr("id") {
            assert!(ids.insert(id), "{name}: two elements are called {id}");
        }
    }
    for element in page.all("[aria-labelledby]") {
        let label = element.attr("aria-labelledby").unwrap_or_default();
        assert!(ids.contains(label), "{name}: nothing is called {label}");
    }
    for element in page.all("a, button, h1, h2, h3") {
        let named = element.attr("aria-label").is_some() || !words(element).is_empty();
        let empty_by_data = element.attr("href").is_some() || element.value().name() == "h1";
        assert!(named || empty_by_data, "{name}: nameless {}", element.html());
    }
    for element in page.all("img") {
        assert!(element.attr("alt").is_some(), "{name}: {}", element.html());
    }
    for element in page.all("svg") {
        assert_eq!(element.attr("aria-hidden"), Some("true"), "{name}");
    }
}

fn assert_plain_attributes(name: &str, element: &Element) {
    for (attribute, _) in element.attrs() {
        let inline = attribute.starts_with("on") || attribute == "style";
        assert!(!inline, "{name}: <{}> has {attribute}", element.name());
    }
}

fn ordinary_pages() -> Vec<(&'static str, String)> {
    pages_in(frame())
}

/// Every page with ordinary data, in `frame`.
fn pages_in(frame: Frame<'_>) -> Vec<(&'static str, String)> {
    let Texts { titles, errors, actions, .. } = frame.texts;
    let user = User { email_verified: false, ..user() };
    let message = MessagePage {
        frame,
        title: titles.login_not_finished,
        text: &[errors.login_expired],
        action: Some(Action { label: actions.start_again, href: "/" }),
        ..message()
    };
    vec![
        ("login", LoginPage { frame, ..login(&methods()) }.render()),
        ("login without methods", LoginPage { frame, development: true, ..login(&[]) }.render()),
        ("login again", LoginAgainPage { frame, login_href: "/login" }.render()),
        ("key", KeyPage { frame, step_up_href: Some("/login?for=a"), ..page_of(user) }.render()),
        ("key without key", KeyPage { frame, key: None, ..page_of(user) }.render()),
        (
            "key too long",
            KeyPage { frame, key: None, key_is_too_long: true, ..page_of(user) }.render(),
        ),
        ("logout", SignOutPage { frame, signed_in: true }.render()),
        ("logged out", SignOutPage { frame, signed_in: false }.render()),
        ("message", message.render()),
    ]
}

fn pages_made_of(value: &str) -> Vec<(&'static str, String)> {
    let kinds = [
        LoginMethodKind::Database,
        LoginMethodKind::Passwordless,
        LoginMethodKind::Social,
        LoginMethodKind::Enterprise,
    ];
    let methods =
        kinds.map(|kind| LoginMethodLink { href: value, label: value, kind, strategy: value });
    let login = |methods| {
        let page = login(methods);
        LoginPage {
            plain_href: value,
            tenant: value,
            development: true,
            organization: Some(value),
            ..page
        }
        .render()
    };
    let message = MessagePage {
        frame: frame(),
        kind: MessageKind::Ok,
        title: value,
        text: &[value, value],
        quote: Some(value),
        account: None,
        action: Some(Action { label: value, href: value }),
        request_id: Some(value),
    };
    vec![
        ("login", login(&methods)),
        ("login without methods", login(&[])),
        ("key", key_page_made_of(value)),
        ("message", message.render()),
    ]
}

fn key_page_made_of(value: &str) -> String {
    let picture = picture(value);
    let user = User {
        subject: value,
        name: Some(value),
        email: Some(value),
        email_verified: false,
        picture: picture.as_ref(),
        organization: Some(value),
    };
    let key = Key { token: value, header: value, claims: value, expires_at: NOW };
    KeyPage { key: Some(key), protected_url: value, switch_href: Some(value), ..page_of(user) }
        .render()
}

fn key_page(key: Option<Key<'_>>) -> String {
    let renews_at = Some(Timestamp::from_unix(NOW.as_unix() + 3_540));
    KeyPage { key, renews_at, ..page_of(user()) }.render()
}

fn key_page_of(user: User<'_>) -> String {
    page_of(user).render()
}

fn page_of(user: User<'_>) -> KeyPage<'_> {
    KeyPage {
        frame: frame(),
        key: Some(key()),
        key_is_too_long: false,
        user,
        protected_url: "https://api.example/protected",
        step_up_href: None,
        switch_href: None,
        session_ends_at: NOW,
        renews_at: None,
        now: NOW,
    }
}

fn login_page(methods: &[LoginMethodLink<'_>]) -> String {
    login(methods).render()
}

fn login<'a>(methods: &'a [LoginMethodLink<'a>]) -> LoginPage<'a> {
    LoginPage {
        frame: frame(),
        methods,
        plain_href: "/login",
        provider: None,
        tenant: "tenant.eu.auth0.com",
        development: false,
        organization: None,
        asks_organization: false,
    }
}

fn message() -> MessagePage<'static> {
    MessagePage {
        frame: frame(),
        kind: MessageKind::Problem,
        title: "That login did not work",
        text: &["It took too long."],
        quote: Some("Verify your e-mail first."),
        account: Some("ada@example.com"),
        action: Some(Action { label: "Try again", href: "/login?return_to=%2Fdocs" }),
        request_id: Some("Root=1-abc"),
    }
}

fn methods() -> [LoginMethodLink<'static>; 9] {
    use LoginMethodKind::{Database, Enterprise, Passwordless, Social};
    [
        ("/login?connection=google-oauth2", "Google", Social, "google-oauth2"),
        ("/login?connection=github", "GitHub", Social, "github"),
        ("/login?connection=apple", "Apple", Social, "apple"),
        ("/login?connection=windowslive", "Microsoft", Social, "windowslive"),
        ("/login?connection=email", "e-mail", Passwordless, "email"),
        ("/login?connection=db&return_to=%2F", "e-mail and password", Database, "auth0"),
        ("/login?connection=sms", "a text message", Passwordless, "sms"),
        ("/login?connection=acme", "Acme Corp", Enterprise, "samlp"),
        ("/login?connection=linkedin", "LinkedIn", Social, "linkedin"),
    ]
    .map(|(href, label, kind, strategy)| LoginMethodLink { href, label, kind, strategy })
}

fn key() -> Key<'static> {
    Key {
        token: TOKEN,
        header: "{\n  \"alg\": \"RS256\"\n}",
        claims: "{\n  \"sub\": \"auth0|1\"\n}",
        expires_at: Timestamp::from_unix(NOW.as_unix() + 3_600),
    }
}

fn user() -> User<'static> {
    User {
        subject: "auth0|1",
        name: Some("Ada Lovelace"),
        email: Some("ada@example.com"),
        email_verified: true,
        picture: PICTURE.as_ref(),
        organization: None,
    }
}

/// In English, without a name, logo and colour.
fn frame() -> Frame<'static> {
    Frame { nonce: &NONCE, texts: Language::English.texts(), branding: &PLAIN }
}

static PLAIN: LazyLock<Branding> = LazyLock::new(Branding::default);

static NONCE: LazyLock<Nonce> =
    LazyLock::new(|| Nonce::new(&Random::from_fn(|bytes| bytes.fill(0x42))));

static PICTURE: LazyLock<Option<Picture>> = LazyLock::new(|| picture("ada.png"));

fn picture(path: &str) -> Option<Picture> {
    Picture::parse(&format!("https://pictures.example/{path}"), &issuer())
}

fn issuer() -> Issuer {
    Issuer::parse("http://localhost:9100").expect("an issuer")
}

/// A page as parsed by a browser.
struct Page(Html);

impl Page {
    fn parse(html: &str) -> Self {
        Self(Html::parse_document(html))
    }

    fn all(&self, selector: &str) -> Vec<ElementRef<'_>> {
        let selector = Selector::parse(selector).expect("the selector is valid");
        self.0.select(&selector).collect()
    }

    fn first(&self, selector: &str) -> ElementRef<'_> {
        *self.all(selector).first().unwrap_or_else(|| panic!("the page has {selector}"))
    }

    fn text(&self, selector: &str) -> String {
        self.first(selector).text().collect()
    }

    fn attribute(&self, selector: &str, name: &str) -> String {
        self.first(selector).attr(name).expect("the element has the attribute").to_owned()
    }
}

/// The text of an element, with white space as a browser shows it.
fn words(element: ElementRef<'_>) -> String {
    element.text().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
