//! An in-process browser that follows a browser's cookie rules and sends a browser's headers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::Method;
use shared::{clock::Timestamp, web::request::Request};
use url::Url;

use crate::{
    answer::Answer,
    misbehaving_provider::User,
    site::{FORM, ORIGIN, Site},
};

/// A user with a browser.
#[derive(Clone)]
pub struct Visitor {
    site: Site,
    jar: BTreeMap<String, Kept>,
}

#[derive(Clone, Debug)]
struct Kept {
    value: String,
    expires_at: Timestamp,
}

/// The `Sec-Fetch-*` headers of a request, which also select the cookies to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sending {
    /// `Sec-Fetch-Site`.
    pub site: &'static str,
    /// `Sec-Fetch-Mode`.
    pub mode: &'static str,
    /// `Sec-Fetch-Dest`.
    pub destination: &'static str,
}

impl Sending {
    /// A navigation by the user, such as a typed address.
    pub const NAVIGATION: Self = Self { site: "none", mode: "navigate", destination: "document" };
    /// A link, form or redirect on another site.
    pub const FROM_ELSEWHERE: Self = Self { site: "cross-site", ..Self::NAVIGATION };
    /// A link, form or redirect on this site.
    pub const FROM_HERE: Self = Self { site: "same-origin", ..Self::NAVIGATION };
    /// A `fetch` by a script on this site.
    pub const SCRIPT: Self = Self { site: "same-origin", mode: "cors", destination: "empty" };
    /// An image on another site.
    pub const IMAGE_ELSEWHERE: Self =
        Self { site: "cross-site", mode: "no-cors", destination: "image" };

    /// Whether `Lax` cookies are sent: within the site, and with safe navigations.
    fn takes_lax_cookies(self, method: &Method) -> bool {
        self.site != "cross-site" || self.mode == "navigate" && method.is_safe()
    }
}

impl Visitor {
    /// A user with a new browser.
    pub fn new(site: &Site) -> Self {
        Self { site: site.clone(), jar: BTreeMap::new() }
    }

    /// A user who has logged in.
    pub async fn logged_in(site: &Site, user: User) -> Self {
        let mut visitor = Self::new(site);
        visitor.log_in(user).await;
        visitor
    }

    /// The same browser with requests sent to `site` from now on.
    pub fn served_by(self, site: &Site) -> Self {
        Self { site: site.clone(), ..self }
    }

    /// Opens an address that the user types.
    pub async fn open(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, Sending::NAVIGATION, &[]).await
    }

    /// Follows the provider's redirect.
    pub async fn arrive(&mut self, url: &str) -> Answer {
        let path = own_path(url);
        self.send(Method::GET, &path, Sending::FROM_ELSEWHERE, &[]).await
    }

    /// Follows a redirect within the site.
    pub async fn follow(&mut self, answer: &Answer) -> Answer {
        let path = own_path(answer.location());
        self.send(Method::GET, &path, Sending::FROM_HERE, &[]).await
    }

    /// Submits a form on one of our pages.
    pub async fn submit(&mut self, path: &str) -> Answer {
        self.send(Method::POST, path, Sending::FROM_HERE, &[("origin", ORIGIN)]).await
    }

    /// Sends a `fetch` request of a script on one of our pages.
    pub async fn fetch(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, Sending::SCRIPT, &[]).await
    }

    /// Requests new tokens as the key page does.
    pub async fn refresh(&mut self) -> Answer {
        self.send(Method::POST, "/refresh", Sending::SCRIPT, &[("origin", ORIGIN)]).await
    }

    /// Sends a request as this browser would, with additional headers. A header given here replaces
    /// the browser's own; an empty value removes it.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        sending: Sending,
        headers: &[(&str, &str)],
    ) -> Answer {
        let request = self.request(&method, path, sending, headers);
        let answer = self.site.handle(request).await;
        self.hear(&answer);
        answer
    }

    /// Like [`send`](Self::send), with this form. An empty content type leaves the header out.
    pub async fn send_form(
        &mut self,
        path: &str,
        sending: Sending,
        headers: &[(&str, &str)],
        form: &str,
    ) -> Answer {
        let headers: Vec<_> = [("content-type", FORM)].iter().chain(headers).copied().collect();
        let mut request = self.request(&Method::POST, path, sending, &headers);
        *request.body_mut() = form.to_owned().into();
        let answer = self.site.handle(request).await;
        self.hear(&answer);
        answer
    }

    /// The request that [`send`](Self::send) sends.
    pub fn request(
        &self,
        method: &Method,
        path: &str,
        sending: Sending,
        headers: &[(&str, &str)],
    ) -> Request {
        let accept = if sending.mode == "navigate" {
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        } else {
            "*/*"
        };
        let mut all = BTreeMap::from([
            ("host", ORIGIN.trim_start_matches("https://").to_owned()),
            ("accept", accept.to_owned()),
            ("sec-fetch-site", sending.site.to_owned()),
            ("sec-fetch-mode", sending.mode.to_owned()),
            ("sec-fetch-dest", sending.destination.to_owned()),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Visitor/1.0".to_owned()),
        ]);
        if sending.takes_lax_cookies(method) {
            all.insert("cookie", self.cookie_header());
        }
        all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in all.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, value);
        }
        request.body(Bytes::new()).unwrap()
    }

    /// Starts a login at `path`. Returns the authentication request.
    pub async fn start(&mut self, path: &str) -> Url {
        let answer = self.send(Method::GET, path, Sending::FROM_HERE, &[]).await;
        Url::parse(answer.location()).unwrap()
    }

    /// Logs in, from `/login` through the callback. Returns the callback's response.
    pub async fn log_in(&mut self, user: User) -> Answer {
        self.log_in_from("/login", user).await
    }

    /// Logs in, from this login link through the callback. Returns the callback's response.
    pub async fn log_in_from(&mut self, path: &str, user: User) -> Answer {
        let answer = self.try_to_log_in_from(path, user).await;
        assert_eq!(answer.status(), 303, "{answer:?}");
        assert_eq!(answer.cookies_set(), [SESSION], "{answer:?}");
        answer
    }

    /// Like [`Self::log_in_from`], with any response of the callback.
    pub async fn try_to_log_in_from(&mut self, path: &str, user: User) -> Answer {
        let request = self.start(path).await;
        let back = self.site.provider().log_in(&request, user);
        self.arrive(&back).await
    }

    /// The API key shown on the key page.
    pub async fn api_key(&mut self) -> String {
        let page = self.open("/").await;
        page.is_a_page(200, "Your API key");
        page.texts("#token").remove(0)
    }

    /// The value of a stored cookie that has not expired.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let kept = self.jar.get(name).filter(|kept| self.site.now() < kept.expires_at);
        kept.map(|kept| kept.value.as_str())
    }

    /// The value of the session cookie.
    pub fn session(&self) -> Option<&str> {
        self.cookie(SESSION)
    }

    /// The names of the stored login cookies that have not expired.
    pub fn login_cookies(&self) -> Vec<String> {
        let names = self.jar.keys().filter(|name| name.starts_with(LOGIN));
        names.filter(|name| self.cookie(name).is_some()).cloned().collect()
    }

    /// Plants a cookie as an attacker's tool does, without a browser's checks.
    pub fn plant(&mut self, name: &str, value: &str) {
        let expires_at = self.site.now() + Duration::from_secs(86_400);
        self.jar.insert(name.to_owned(), Kept { value: value.to_owned(), expires_at });
    }

    /// Deletes a cookie.
    pub fn forget(&mut self, name: &str) {
        self.jar.remove(name);
    }

    /// The value of the `Cookie` header.
    pub fn cookie_header(&self) -> String {
        let live = self.jar.iter().filter(|(_, kept)| self.site.now() < kept.expires_at);
        live.map(|(name, kept)| format!("{name}={}", kept.value)).collect::<Vec<_>>().join("; ")
    }

    /// Stores the cookies that a response sets and removes those that it clears. A response to a
    /// clone can be passed in, as if another tab had received it.
    pub fn hear(&mut self, answer: &Answer) {
        for cookie in answer.cookies() {
            let max_age = cookie.max_age().unwrap().whole_seconds();
            if let Ok(max_age @ 1..) = u64::try_from(max_age) {
                let expires_at = self.site.now() + Duration::from_secs(max_age);
                let kept = Kept { value: cookie.value().to_owned(), expires_at };
                self.jar.insert(cookie.name().to_owned(), kept);
            } else {
                self.jar.remove(cookie.name());
            }
        }
    }
}

/// The name of the session cookie.
pub const SESSION: &str = "__Host-session";

/// The prefix of login cookie names.
pub const LOGIN: &str = "__Host-login.";

/// The path of a URL on this site. Panics for other sites, so that no redirect leaves the site
/// unnoticed.
#[track_caller]
fn own_path(url: &str) -> String {
    let url = Url::parse(ORIGIN).unwrap().join(url).unwrap();
    assert_eq!(url.origin().ascii_serialization(), ORIGIN, "{url} leads off the site");
    url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
}
