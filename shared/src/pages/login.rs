//! The page of somebody who is not logged in.

use askama::Template;

use super::Nonce;
use crate::discovery::login_methods::LoginMethodKind;

/// Lists the ways to log in; works without JavaScript, and has none.
#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage<'a> {
    /// Of this answer's Content-Security-Policy.
    pub nonce: &'a Nonce,
    /// In the order in which they are shown.
    pub methods: &'a [LoginMethodLink<'a>],
    /// Where the one plain button leads that is shown when `methods` is empty.
    pub plain_href: &'a str,
    /// The identity provider's host: where the visitor is about to type a password.
    pub tenant: &'a str,
    /// The identity provider is the development one, and the page says so.
    pub development: bool,
    /// One sentence above the buttons, such as why the visitor is here again.
    pub notice: Option<&'a str>,
}

impl LoginPage<'_> {
    /// The page as HTML.
    pub fn render(&self) -> String {
        super::html(self)
    }
}

/// One way to log in.
#[derive(Clone, Copy, Debug)]
pub struct LoginMethodLink<'a> {
    /// A path of this service that starts the login.
    pub href: &'a str,
    /// What completes "Continue with …".
    pub label: &'a str,
    /// Chooses the mark where the strategy alone does not.
    pub kind: LoginMethodKind,
    /// Auth0's name of the strategy, such as `google-oauth2`.
    pub strategy: &'a str,
}

impl LoginMethodLink<'_> {
    /// The picture beside the label.
    fn mark(&self) -> Mark {
        match (self.strategy, self.kind) {
            ("google-oauth2" | "google-apps", _) => Mark::Google,
            ("github", _) => Mark::GitHub,
            ("apple", _) => Mark::Apple,
            ("windowslive" | "waad", _) => Mark::Microsoft,
            ("sms", _) => Mark::Phone,
            (_, LoginMethodKind::Database) => Mark::Password,
            (_, LoginMethodKind::Passwordless) => Mark::Mail,
            (_, LoginMethodKind::Enterprise) => Mark::Building,
            (_, LoginMethodKind::Social) => Mark::Letter(
                self.label
                    .chars()
                    .find(|letter| letter.is_alphanumeric())
                    .map_or_else(|| String::from("?"), |letter| letter.to_uppercase().collect()),
            ),
        }
    }
}

/// Drawn inline in the template, so that no picture is fetched from anybody.
enum Mark {
    Google,
    GitHub,
    Apple,
    Microsoft,
    Password,
    Mail,
    Phone,
    Building,
    Letter(String),
}
