//! The browser at the development provider.

use tests::{browser::Browser, site::ORIGIN};

/// A browser that opens pages of the provider.
pub(crate) struct Elsewhere(Browser);

impl Elsewhere {
    pub(crate) fn new() -> Self {
        Self(Browser::at(ORIGIN))
    }

    /// Follows redirects up to a page or to our own origin. Returns its URL and its text.
    pub(crate) async fn open(&mut self, url: &str) -> (String, String) {
        let mut page = self.0.get(url).await;
        while let Some(next) = page.location() {
            if next.as_str().starts_with(ORIGIN) {
                return (next.into(), String::new());
            }
            page = page.follow().await;
        }
        (page.url.to_string(), page.text().to_owned())
    }

    /// Submits the login form. Returns the URL to which it redirects.
    pub(crate) async fn sign_in(&mut self, form: &(String, String), email: &str) -> String {
        let form = self.0.get(&form.0).await.form_at("form:has(input[name=email])");
        let answer = form.fill("email", email).submit().await;
        answer.location().unwrap().into()
    }
}
