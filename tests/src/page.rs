//! A [`Browser`]'s response: a redirect to follow, a page with links and forms, or JSON.

use std::fmt;

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use scraper::{ElementRef, Html, Selector};
use serde_json::Value;
use url::Url;

use crate::browser::{Browser, Navigation};

/// A response. It borrows the browser, which then sends the requests that follow from it.
pub struct Page<'browser> {
    /// The URL of the response.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    pub(crate) browser: &'browser mut Browser,
    pub(crate) navigation: Option<Navigation>,
}

impl<'browser> Page<'browser> {
    pub(crate) fn new(
        browser: &'browser mut Browser,
        url: Url,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        Self { url, status, headers, body, browser, navigation: None }
    }

    /// The target of a redirect.
    #[must_use]
    pub fn location(&self) -> Option<Url> {
        let location = self.headers.get(LOCATION)?.to_str().expect("a location is ASCII");
        Some(self.url.join(location).expect("a location is a URL"))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The visible text of the first element that `selector` matches, with white space collapsed.
    #[must_use]
    pub fn read(&self, selector: &str) -> Option<String> {
        let document = Html::parse_document(self.text());
        document.select(&parsed(selector)).next().map(visible_text)
    }

    /// The API key on the key page. The token's three parts are coloured, so there is markup between
    /// them.
    #[must_use]
    pub fn api_key(&self) -> String {
        assert_eq!(self.read("h1").as_deref(), Some("Your API key"), "{self:?}");
        self.read("#token").expect("the token is shown").split_whitespace().collect()
    }

    /// Follows one redirect.
    pub async fn follow(self) -> Page<'browser> {
        let location = match self.location() {
            Some(location) if self.status.is_redirection() => location,
            _ => panic!("not a redirect: {self:?}"),
        };
        let navigation = match self.navigation {
            Some(navigation) => navigation.redirected(location, self.status),
            None => Navigation::to(location),
        };
        self.browser.navigate(navigation).await
    }

    /// Follows redirects until there is a page.
    pub async fn follow_all(self) -> Page<'browser> {
        let mut page = self;
        for _ in 0..20 {
            if !page.status.is_redirection() {
                return page;
            }
            page = page.follow().await;
        }
        panic!("too many redirects: {page:?}");
    }

    /// Clicks the link with this visible text.
    pub async fn click(self, text: &str) -> Page<'browser> {
        let href = {
            let document = Html::parse_document(self.text());
            let links = parsed("a[href]");
            let link = document.select(&links).find(|link| visible_text(*link) == text);
            link.and_then(|link| link.attr("href")).map(str::to_owned)
        };
        let href = href.unwrap_or_else(|| panic!("no link {text:?}: {self:?}"));
        let url = self.url.join(&href).expect("a link is a URL");
        self.browser.navigate(Navigation::to(url)).await
    }

    /// The page's only form.
    #[must_use]
    pub fn form(self) -> Form<'browser> {
        self.form_at("form")
    }

    /// The only form that matches `selector`: `form[action='/logout']`.
    #[must_use]
    pub fn form_at(self, selector: &str) -> Form<'browser> {
        let (action, posts, fields, buttons) = {
            let document = Html::parse_document(self.text());
            let selector = parsed(selector);
            let mut forms = document.select(&selector);
            let form = forms.next().unwrap_or_else(|| panic!("no form: {self:?}"));
            assert!(forms.next().is_none(), "more than one form: {self:?}");
            (
                form.attr("action").unwrap_or_default().to_owned(),
                form.attr("method").is_some_and(|method| method.eq_ignore_ascii_case("post")),
                form.select(&parsed("input[name]")).filter_map(named_value).collect(),
                form.select(&parsed("button")).map(Button::of).collect(),
            )
        };
        let action = self.url.join(&action).expect("an action is a URL");
        Form { browser: self.browser, action, posts, fields, buttons }
    }
}

impl fmt::Debug for Page<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        write!(formatter, "{} of {}\n{:#?}\n{body}", self.status, self.url, self.headers)
    }
}

/// A form that is being filled in.
pub struct Form<'browser> {
    browser: &'browser mut Browser,
    action: Url,
    posts: bool,
    fields: Vec<(String, String)>,
    buttons: Vec<Button>,
}

impl<'browser> Form<'browser> {
    /// Fills in a field of the form.
    #[must_use]
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        let mut fields = self.fields.iter_mut();
        let field = fields.find(|(found, _)| found == name);
        let (_, found) = field.unwrap_or_else(|| panic!("the form has no field {name:?}"));
        value.clone_into(found);
        self
    }

    /// Presses the first button, as the Enter key does.
    pub async fn submit(self) -> Page<'browser> {
        let button = self.buttons.first().cloned();
        self.send(button).await
    }

    /// Presses the button with this visible text.
    pub async fn press(self, text: &str) -> Page<'browser> {
        let button = self.buttons.iter().find(|button| button.text == text).cloned();
        assert!(button.is_some(), "no button {text:?} among {:?}", self.buttons);
        self.send(button).await
    }

    async fn send(self, button: Option<Button>) -> Page<'browser> {
        let Self { browser, mut action, posts, mut fields, .. } = self;
        fields.extend(button.and_then(|button| button.field));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        if posts {
            return browser.navigate(Navigation::post(action, &fields)).await;
        }
        action.query_pairs_mut().clear().extend_pairs(fields);
        browser.navigate(Navigation::to(action)).await
    }
}

#[derive(Clone, Debug)]
struct Button {
    text: String,
    field: Option<(String, String)>,
}

impl Button {
    fn of(element: ElementRef<'_>) -> Self {
        Self { text: visible_text(element), field: named_value(element) }
    }
}

/// The name and the value that a field or a button adds to its form.
fn named_value(element: ElementRef<'_>) -> Option<(String, String)> {
    let value = element.attr("value").unwrap_or_default();
    Some((element.attr("name")?.to_owned(), value.to_owned()))
}

fn visible_text(element: ElementRef<'_>) -> String {
    element.text().flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

fn parsed(selector: &str) -> Selector {
    Selector::parse(selector).unwrap_or_else(|error| panic!("{selector:?}: {error}"))
}
