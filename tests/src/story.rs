//! Steps that many stories share.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use http::Method;
use url::Url;

use crate::{
    answer::Answer,
    misbehaving_provider::{ADA, User},
    site::Site,
    visitor::{SESSION, Sending, Visitor},
};

impl Site {
    /// The product with these settings, and a visitor who has logged in as [`ADA`].
    pub async fn start_logged_in(settings: &[(&str, &str)]) -> (Self, Visitor) {
        let site = Self::start_with(settings).await;
        let visitor = Visitor::logged_in(&site, ADA).await;
        (site, visitor)
    }

    /// A visitor who has logged in at the provider, and the callback URL that it sends them to.
    pub async fn returning(&self, user: User) -> (Visitor, String) {
        let mut visitor = Visitor::new(self);
        let request = visitor.start("/login").await;
        let back = self.provider().log_in(&request, user);
        (visitor, back)
    }

    /// Sends a `POST` with this API key and nothing else, as a program does.
    pub async fn post_with_key(&self, path: &str, key: &str) -> Answer {
        self.send(Method::POST, path, &[("authorization", &format!("Bearer {key}"))]).await
    }

    /// Asserts that a copy of this session cookie gives no access, in any browser.
    pub async fn assert_ended(&self, cookie: &str) {
        let mut thief = Visitor::new(self);
        thief.plant(SESSION, cookie);
        thief.fetch("/protected").await.is_json(401, "session_ended");
    }

    /// Asserts that the visitor's session lives for this number of seconds from now, and ends then.
    pub async fn assert_ends_in(&self, seconds: u64, visitor: &mut Visitor) {
        let cookie = visitor.session().unwrap().to_owned();
        self.pass(seconds - 1);
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
        self.pass(1);
        self.assert_ended(&cookie).await;
    }
}

impl Visitor {
    /// Starts a login at `path` by a request like this. Returns the authentication request.
    pub async fn start_by(&mut self, sending: Sending, path: &str) -> Url {
        let answer = self.send(Method::GET, path, sending, &[]).await;
        Url::parse(answer.location()).unwrap()
    }
}

/// The only value of a parameter in a URL; empty if the parameter is missing. Panics if it occurs twice.
#[track_caller]
#[must_use]
pub fn parameter(url: impl AsRef<str>, name: &str) -> String {
    let url = Url::parse(url.as_ref()).unwrap();
    let mut values = url.query_pairs().filter(|(found, _)| found == name);
    let value = values.next().map_or_else(String::new, |(_, value)| value.into_owned());
    assert!(values.next().is_none(), "{name} occurs twice: {url}");
    value
}
