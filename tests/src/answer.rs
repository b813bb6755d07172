//! What the bundle answered, and what may be asked of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cookie::Cookie;
use http::header;
use scraper::{Html, Selector};
use serde_json::Value;
use shared::web::request::Response;

/// An answer of the bundle.
///
/// Every method panics where the answer is not as expected, and shows the answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The id that the gateway gave the request.
    pub request_id: String,
    response: Response,
}

impl Answer {
    /// The answer to the request with this id.
    pub const fn new(request_id: String, response: Response) -> Self {
        Self { request_id, response }
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The one value of a header; empty if there is none.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.response.headers().get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "{name} stands there twice: {self:?}");
        value
    }

    /// Whether there is such a header.
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

    /// Whether it is a page.
    pub fn is_page(&self) -> bool {
        self.header("content-type").starts_with("text/html")
    }

    /// The page.
    #[track_caller]
    pub fn page(&self) -> Html {
        assert!(self.is_page(), "no page: {self:?}");
        Html::parse_document(self.text())
    }

    /// The text of the elements that `selector` finds, without the white space around each.
    #[track_caller]
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let (page, selector) = (self.page(), Selector::parse(selector).unwrap());
        let found = page.select(&selector);
        found.map(|element| element.text().collect::<String>().trim().to_owned()).collect()
    }

    /// An attribute of every element that `selector` finds.
    #[track_caller]
    pub fn attributes(&self, selector: &str, name: &str) -> Vec<String> {
        let (page, selector) = (self.page(), Selector::parse(selector).unwrap());
        let found = page.select(&selector);
        found.filter_map(|element| element.attr(name).map(str::to_owned)).collect()
    }

    /// Where it redirects to.
    #[track_caller]
    pub fn location(&self) -> &str {
        assert_eq!(self.status(), 303, "no redirect: {self:?}");
        assert!(self.response.body().is_empty(), "a redirect with a body: {self:?}");
        self.header("location")
    }

    /// Its cookies, in order.
    pub fn cookies(&self) -> Vec<Cookie<'static>> {
        let values = self.response.headers().get_all(header::SET_COOKIE).iter();
        values.map(|value| Cookie::parse(value.to_str().unwrap().to_owned()).unwrap()).collect()
    }

    /// The names of the cookies that it sets, without those that it clears.
    pub fn cookies_set(&self) -> Vec<String> {
        self.cookies_where(false)
    }

    /// The names of the cookies that it clears.
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

    /// Asserts that it is a page with this status and heading.
    #[track_caller]
    pub fn is_a_page(&self, status: u16, heading: &str) -> &Self {
        assert_eq!(
            (self.status(), self.texts("h1")),
            (status, vec![heading.to_owned()]),
            "{self:?}"
        );
        self
    }

    /// Asserts that it is a page about a failure, with this status and heading, on which the
    /// request's id stands, and no cookie of a session.
    #[track_caller]
    pub fn is_a_refusal(&self, status: u16, heading: &str) -> &Self {
        self.is_a_page(status, heading);
        assert_eq!(self.texts("#request-id"), [self.request_id.as_str()], "{self:?}");
        assert!(!self.cookies_set().iter().any(|name| name.ends_with("session")), "{self:?}");
        self
    }

    /// Asserts that it is JSON with this status and `code`.
    #[track_caller]
    pub fn is_json(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status(), status, "{self:?}");
        assert_eq!(self.json()["code"], code, "{self:?}");
        assert!(!self.cookies_set().iter().any(|name| name.ends_with("session")), "{self:?}");
        self
    }

    /// Asserts that the challenge beside a 400, 401 or 403 is this one.
    #[track_caller]
    pub fn challenges(&self, challenge: &str) -> &Self {
        let found = self.header("www-authenticate");
        assert!(found.starts_with(challenge), "{found}");
        self
    }

    /// Asserts that the page's one button leads there.
    #[track_caller]
    pub fn offers(&self, label: &str, href: &str) -> &Self {
        assert_eq!(self.texts("a.button"), [label], "{self:?}");
        assert_eq!(self.attributes("a.button", "href"), [href], "{self:?}");
        self
    }
}
