//! The login page.

use askama::Template;

use super::Frame;
use crate::provider::login_method::LoginMethodKind;

/// Lists the login methods. It has no JavaScript.
#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage<'a> {
    /// What surrounds the content.
    pub frame: Frame<'a>,
    /// The methods in display order.
    pub methods: &'a [LoginMethodLink<'a>],
    /// The target of the single button that is shown if `methods` is empty.
    pub plain_href: &'a str,
    /// The provider's name on that button, if it is not Auth0.
    pub provider: Option<&'a str>,
    /// The identity provider's host, where the user will enter a password.
    pub tenant: &'a str,
    /// Whether the identity provider is the development one, which the page then states.
    pub development: bool,
    /// The organization that every login is for.
    pub organization: Option<&'a str>,
    /// Whether the identity provider asks for the organization.
    pub asks_organization: bool,
}

impl LoginPage<'_> {
    /// Renders the page as HTML.
    pub fn render(&self) -> String {
        super::html(self)
    }
}

/// A link that starts a login with one method.
#[derive(Clone, Copy, Debug)]
pub struct LoginMethodLink<'a> {
    /// A path of this service that starts the login.
    pub href: &'a str,
    /// The text after "Continue with …".
    pub label: &'a str,
    /// Determines the icon where the strategy alone does not.
    pub kind: LoginMethodKind,
    /// Auth0's name of the strategy, such as `google-oauth2`.
    pub strategy: &'a str,
}

impl LoginMethodLink<'_> {
    /// The icon beside the label.
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

/// Icons drawn inline in the template, so that no picture is loaded from a third party.
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
