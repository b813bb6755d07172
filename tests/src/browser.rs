//! A browser without a screen: cookies, navigations, redirects, links and forms over HTTP.
//!
//! Unlike a bare HTTP client, it does this as a real browser does:
//!
//! - It keeps cookies per host with their attributes, including `__Host-` and `SameSite`.
//! - It sends where a navigation comes from (`Sec-Fetch-*`, `Origin`).
//!
//! It follows a redirect only on request, so that a test can check every step.
//!
//! ```no_run
//! # async fn story() {
//! use tests::browser::Browser;
//!
//! let mut browser = Browser::at("http://localhost:9000");
//! let login = browser.get("/login").await.follow().await;
//! let home = login.form().fill("email", "ada@example.com").submit().await.follow_all().await;
//! assert_eq!(home.url.path(), "/");
//! # }
//! ```

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use cookie_store::{CookieStore, RawCookie};
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, HeaderValue, ORIGIN, SET_COOKIE};
use http::{Method, Request, Response, request};
use url::{Origin, Url};

use crate::{
    http_api::{self, HttpApi},
    page::Page,
};

type Handling = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;
type Handler = Arc<dyn Fn(Request<Bytes>) -> Handling + Send + Sync>;

/// One browser profile. A clone is a copy of the profile, for a second device or a thief.
#[derive(Clone)]
pub struct Browser {
    base: Url,
    in_process: Option<Handler>,
    http: reqwest::Client,
    cookies: CookieStore,
    /// The page that is shown; `None` in a fresh tab.
    shown: Option<Url>,
}

impl Browser {
    /// A browser for the application at `base_url`, over real HTTP.
    #[must_use]
    pub fn at(base_url: &str) -> Self {
        Self {
            base: Url::parse(base_url).expect("a base URL"),
            in_process: None,
            http: crate::http_client(),
            cookies: CookieStore::new(),
            shown: None,
        }
    }

    /// A browser for the application behind `api`, over real HTTP and TLS.
    #[must_use]
    pub fn in_front_of(api: &HttpApi) -> Self {
        Self { http: api.http_client(), ..Self::at(http_api::ORIGIN) }
    }

    /// A browser whose requests to the origin of `base_url` go to `handler`, without a network.
    /// Requests to other origins, such as a provider, go over real HTTP.
    #[must_use]
    pub fn in_process<F, A>(base_url: &str, handler: F) -> Self
    where
        F: Fn(Request<Bytes>) -> A + Send + Sync + 'static,
        A: Future<Output = Response<Bytes>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |request| Box::pin(handler(request)));
        Self { in_process: Some(handler), ..Self::at(base_url) }
    }

    /// Types an address, absolute or relative to the application. The request names no previous page.
    pub async fn get(&mut self, address: &str) -> Page<'_> {
        let url = self.resolve(address);
        self.shown = None;
        self.navigate(Navigation::to(url)).await
    }

    /// Sends a request as a script on the application's page does with `fetch(address, {method,
    /// headers})`.
    pub async fn fetch(
        &mut self,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
    ) -> Page<'_> {
        let url = self.resolve(address);
        let site = Distance::of(&self.base.origin(), &url);
        let mut request = Request::builder()
            .method(&method)
            .header(ACCEPT, "*/*")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty");
        if !method.is_safe() {
            request = request.header(ORIGIN, self.base.origin().ascii_serialization());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.exchange(url, request, Bytes::new(), site).await
    }

    /// Logs in at the development provider with this e-mail address. Returns the API key.
    pub async fn log_in(&mut self, email: &str) -> String {
        let page = self.get("/login?connection=github").await.follow_all().await;
        let form = page.form_at("form:has(input[name=email])").fill("email", email);
        form.submit().await.follow_all().await.api_key()
    }

    /// The value of a cookie that the browser would send to the application.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let mut values = self.cookies.get_request_values(&self.base);
        values.find_map(|(found, value)| (found == name).then_some(value))
    }

    /// The value of the application's session cookie, under whichever name its address gives it.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        // A provider on the same host has a session cookie too.
        let is_ours = |name: &str| {
            name == "__Host-session"
                || name.starts_with("auth0-lambda-") && name.ends_with(".session")
        };
        let mut values = self.cookies.get_request_values(&self.base);
        values.find_map(|(name, value)| is_ours(name).then_some(value))
    }

    /// The names of all cookies that the browser would send to the application, in any order.
    #[must_use]
    pub fn cookie_names(&self) -> Vec<&str> {
        self.cookies.get_request_values(&self.base).map(|(name, _)| name).collect()
    }

    /// Sets a cookie as if the application had sent it: `name=value; Path=/; HttpOnly`.
    pub fn set_cookie(&mut self, set_cookie: &str) {
        self.keep(set_cookie, &self.base.clone());
    }

    /// Deletes every cookie.
    pub fn clear_cookies(&mut self) {
        self.cookies.clear();
    }

    pub(crate) async fn navigate(&mut self, navigation: Navigation) -> Page<'_> {
        let Navigation { url, method, body, site, initiator } = navigation;
        let initiator = initiator.or_else(|| self.shown.as_ref().map(Url::origin));
        let site =
            site.max(initiator.as_ref().map_or(Distance::None, |from| Distance::of(from, &url)));
        let mut request = Request::builder()
            .method(&method)
            .header(ACCEPT, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-user", "?1");
        if method == Method::POST {
            let origin = initiator.as_ref().map(Origin::ascii_serialization);
            request = request
                .header(ORIGIN, origin.as_deref().unwrap_or("null"))
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let mut page = self.exchange(url.clone(), request, body.clone(), site).await;
        page.navigation = Some(Navigation { url: url.clone(), method, body, site, initiator });
        if !page.status.is_redirection() {
            page.browser.shown = Some(url);
        }
        page
    }

    /// Sends a request with the headers that every request has, and keeps the cookies of the response.
    async fn exchange(
        &mut self,
        url: Url,
        request: request::Builder,
        body: Bytes,
        site: Distance,
    ) -> Page<'_> {
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = request.uri(url.as_str()).header(HOST, host);
        let request = request.header("sec-fetch-site", site.as_str());
        let mut request = request.body(body).expect("headers are well-formed");
        let cookies = self.cookies_for(&url, request.method(), site);
        if !cookies.is_empty() && !request.headers().contains_key(COOKIE) {
            let cookies = HeaderValue::from_str(&cookies).expect("cookies are ASCII");
            request.headers_mut().insert(COOKIE, cookies);
        }

        let response = match &self.in_process {
            Some(handler) if url.origin() == self.base.origin() => handler(request).await,
            _ => self.over_http(request).await,
        };

        let (parts, body) = response.into_parts();
        for value in parts.headers.get_all(SET_COOKIE) {
            self.keep(value.to_str().expect("Set-Cookie is ASCII"), &url);
        }
        Page::new(self, url, parts.status, parts.headers, body)
    }

    async fn over_http(&self, request: Request<Bytes>) -> Response<Bytes> {
        let request = request.map(reqwest::Body::from);
        let request = reqwest::Request::try_from(request).expect("a request");
        let url = request.url().clone();
        let response = self.http.execute(request).await;
        let mut response = response.unwrap_or_else(|error| panic!("{url}: {error}"));
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        *answer.body_mut() = response.bytes().await.expect("the body arrives whole");
        answer
    }

    /// The cookies of a request. Other sites cause `Lax` ones to be sent only with safe navigations.
    fn cookies_for(&self, url: &Url, method: &Method, site: Distance) -> String {
        if site == Distance::CrossSite && !method.is_safe() {
            return String::new();
        }
        let sent = self.cookies.get_request_values(url);
        sent.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, set_cookie: &str, url: &Url) {
        let cookie = RawCookie::parse(set_cookie.to_owned()).expect("Set-Cookie is well-formed");
        if prefix_is_honoured(&cookie) {
            // A browser silently drops cookies that the cookie store refuses, such as one for another
            // host's Domain.
            let _ = self.cookies.insert_raw(&cookie.into_owned(), url);
        }
    }

    pub(crate) fn resolve(&self, address: &str) -> Url {
        self.base.join(address).unwrap_or_else(|error| panic!("{address:?}: {error}"))
    }
}

/// One page load, with the data that a redirect needs.
#[derive(Clone, Debug)]
pub(crate) struct Navigation {
    url: Url,
    method: Method,
    body: Bytes,
    /// The greatest distance from the start of the navigation over all hops so far.
    site: Distance,
    initiator: Option<Origin>,
}

impl Navigation {
    pub(crate) fn to(url: Url) -> Self {
        Self { url, method: Method::GET, body: Bytes::new(), site: Distance::None, initiator: None }
    }

    pub(crate) fn post(url: Url, fields: &[(&str, &str)]) -> Self {
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self { method: Method::POST, body: body.into(), ..Self::to(url) }
    }

    /// The navigation after a redirect. 307 and 308 repeat the request; other statuses use GET.
    pub(crate) fn redirected(self, url: Url, status: http::StatusCode) -> Self {
        if matches!(status.as_u16(), 307 | 308) {
            return Self { url, ..self };
        }
        Self { url, method: Method::GET, body: Bytes::new(), ..self }
    }
}

/// The value of `Sec-Fetch-Site`, from nearest to farthest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Distance {
    None,
    SameOrigin,
    SameSite,
    CrossSite,
}

impl Distance {
    /// Test hosts have no public suffix, so a site is a scheme and a host.
    fn of(from: &Origin, to: &Url) -> Self {
        let to = to.origin();
        match (from, &to) {
            _ if *from == to => Self::SameOrigin,
            (Origin::Tuple(scheme, host, _), Origin::Tuple(to_scheme, to_host, _))
                if scheme == to_scheme && host == to_host =>
            {
                Self::SameSite
            }
            _ => Self::CrossSite,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SameOrigin => "same-origin",
            Self::SameSite => "same-site",
            Self::CrossSite => "cross-site",
        }
    }
}

/// Whether the attributes match the name prefix. Browsers drop the cookie otherwise (RFC 6265bis
/// §4.1.3).
fn prefix_is_honoured(cookie: &RawCookie<'_>) -> bool {
    let secure = cookie.secure() == Some(true);
    if cookie.name().starts_with("__Host-") {
        return secure && cookie.path() == Some("/") && cookie.domain().is_none();
    }
    secure || !cookie.name().starts_with("__Secure-")
}
