//! The browser at the development provider.

use tests::{answer::Answer, browser::Browser, site::ORIGIN, visitor::Visitor};

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

    /// Logs this visitor in by the provider's form. Returns the callback's answer.
    pub(crate) async fn log_in(
        &mut self,
        visitor: &mut Visitor,
        path: &str,
        email: &str,
    ) -> Answer {
        let (address, _) = self.open(visitor.start(path).await.as_str()).await;
        let form = self.0.get(&address).await.form_at("form:has(input[name=email])");
        let answer = form.fill("email", email).submit().await;
        visitor.arrive(answer.location().unwrap().as_str()).await
    }
}
