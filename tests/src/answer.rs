//! A response of the product, with accessors and assertions for tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cookie::Cookie;
use http::header;
use scraper::{Html, Selector};
use serde_json::Value;
use shared::web::request::Response;

/// A response of the product.
///
/// Every method panics when the response is not as expected, and prints the response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The id that the gateway assigned to the request.
    pub request_id: String,
    response: Response,
}

impl Answer {
    /// The response to the request with this id.
    pub const fn new(request_id: String, response: Response) -> Self {
        Self { request_id, response }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The only value of a header; empty if the header is missing. Panics if it occurs twice.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.response.headers().get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "header {name} occurs twice: {self:?}");
        value
    }

    /// Whether the header is present.
    pub fn has(&self, name: &str) -> bool {
        self.response.headers().contains_key(name)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        str::from_utf8(self.response.body()).unwrap()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_slice(self.response.body()).unwrap()
    }

    /// Whether the body is an HTML page.
    pub fn is_page(&self) -> bool {
        self.header("content-type").starts_with("text/html")
    }

    /// The parsed HTML page.
    #[track_caller]
    pub fn page(&self) -> Html {
        assert!(self.is_page(), "not a page: {self:?}");
        Html::parse_document(self.text())
    }

    /// The trimmed text of each element that `selector` matches.
    #[track_caller]
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let (page, selector) = (self.page(), Selector::parse(selector).unwrap());
        let found = page.select(&selector);
        found.map(|element| element.text().collect::<String>().trim().to_owned()).collect()
    }

    /// The attribute `name` of each element that `selector` matches.
    #[track_caller]
    pub fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let (page, selector) = (self.page(), Selector::parse(selector).unwrap());
        let found = page.select(&selector);
        found.filter_map(|element| element.attr(name).map(str::to_owned)).collect()
    }

    /// The redirect target.
    #[track_caller]
    pub fn location(&self) -> &str {
        assert_eq!(self.status(), 303, "not a redirect: {self:?}");
        assert!(self.response.body().is_empty(), "a redirect with a body: {self:?}");
        self.header("location")
    }

    /// The cookies of the response, in order.
    pub fn cookies(&self) -> Vec<Cookie<'static>> {
        let values = self.response.headers().get_all(header::SET_COOKIE).iter();
        values.map(|value| Cookie::parse(value.to_str().unwrap().to_owned()).unwrap()).collect()
    }

    /// The names of the cookies that the response sets. Cleared cookies are not included.
    pub fn cookies_set(&self) -> Vec<String> {
        self.cookies_where(false)
    }

    /// The names of the cookies that the response clears.
    pub fn cookies_cleared(&self) -> Vec<String> {
        self.cookies_where(true)
    }

    fn cookies_where(&self, cleared: bool) -> Vec<String> {
        let is_cleared = |cookie: &Cookie<'_>| {
            cookie.max_age().is_some_and(|age| age.is_zero()) && cookie.value().is_empty()
        };
        let cookies = self.cookies().into_iter();
        cookies
            .filter(|cookie| is_cleared(cookie) == cleared)
            .map(|cookie| cookie.name().to_owned())
            .collect()
    }

    /// Asserts that the response is a page with this status and heading.
    #[track_caller]
    pub fn is_a_page(&self, status: u16, heading: &str) -> &Self {
        assert_eq!(
            (self.status(), self.texts("h1")),
            (status, vec![heading.to_owned()]),
            "{self:?}"
        );
        self
    }

    /// Asserts that the response is an error page with this status and heading. The page shows the
    /// request id and sets no session cookie.
    #[track_caller]
    pub fn is_a_refusal(&self, status: u16, heading: &str) -> &Self {
        self.is_a_page(status, heading);
        assert_eq!(self.texts("#request-id"), [self.request_id.as_str()], "{self:?}");
        assert!(!self.cookies_set().iter().any(|name| name.ends_with("session")), "{self:?}");
        self
    }

    /// Asserts that the response is JSON with this status and `code`, and sets no session cookie.
    #[track_caller]
    pub fn is_json(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status(), status, "{self:?}");
        assert_eq!(self.json()["code"], code, "{self:?}");
        assert!(!self.cookies_set().iter().any(|name| name.ends_with("session")), "{self:?}");
        self
    }

    /// Asserts that the `WWW-Authenticate` challenge starts with this text.
    #[track_caller]
    pub fn challenges(&self, challenge: &str) -> &Self {
        let found = self.header("www-authenticate");
        assert!(found.starts_with(challenge), "{found}");
        self
    }

    /// Asserts that the page has exactly one button, with this label and link.
    #[track_caller]
    pub fn offers(&self, label: &str, href: &str) -> &Self {
        assert_eq!(self.texts("a.button"), [label], "{self:?}");
        assert_eq!(self.attributes("a.button", "href"), [href], "{self:?}");
        self
    }
}
