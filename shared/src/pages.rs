//! The HTML pages.
//!
//! Every value is escaped for HTML where it is inserted (R171). None is inserted into a `<script>` or a
//! `<style>`, where HTML escaping does not protect. Both carry the nonce of the page's
//! Content-Security-Policy; there is no other inline code, neither `style` attributes nor event
//! handlers. The only values in a `<style>` are the digits of the accent colour. Only the user's picture
//! and the configured logo are loaded from elsewhere (R172). No script reads `location.hash` (R32).
//!
//! The addresses in the templates (`/`, `/logout`, `/protected`) are routes of this service.

mod branding;
mod contrast;
mod key;
mod language;
mod login;
mod picture;
pub mod plain;
pub mod respond;

use std::fmt;

use askama::Template;

use crate::{crypto::random::Random, names::LogEvent, texts::Texts};

pub use self::{
    branding::Branding,
    key::{Key, KeyPage, User},
    language::UI_LOCALES,
    login::{LoginMethodLink, LoginPage},
    picture::Picture,
};

/// A nonce that allows a page's own `<style>` and `<script>` in its Content-Security-Policy (CSP3
/// §6.1).
///
/// Each response has its own. If a nonce were reused, markup injected into the second page could copy
/// it from the first.
pub struct Nonce(String);

impl Nonce {
    /// A fresh nonce of 256 bits.
    pub fn new(random: &Random) -> Self {
        Self(random.token())
    }

    /// The value for `'nonce-…'` in the header, in base64url characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What surrounds the content of every page.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The nonce of this response's Content-Security-Policy.
    pub nonce: &'a Nonce,
    /// The texts in the language of the reader.
    pub texts: &'static Texts,
    /// The application's name, logo and colour.
    pub branding: &'a Branding,
}

/// The page of `GET /logout` in a browser. It only asks, so that a link from another site logs no user
/// out (R104).
#[derive(Template)]
#[template(path = "logout.html")]
pub struct SignOutPage<'a> {
    /// What surrounds the content.
    pub frame: Frame<'a>,
    /// Whether the browser has a live session.
    pub signed_in: bool,
}

impl SignOutPage<'_> {
    /// Renders the page as HTML.
    pub fn render(&self) -> String {
        html(self)
    }
}

/// The page that `/login` shows to a logged-in user who comes from another site. It only asks, so that
/// no link from another site ends a session (R189).
#[derive(Template)]
#[template(path = "login_again.html")]
pub struct LoginAgainPage<'a> {
    /// What surrounds the content.
    pub frame: Frame<'a>,
    /// A link to the same login from this site.
    pub login_href: &'a str,
}

impl LoginAgainPage<'_> {
    /// Renders the page as HTML.
    pub fn render(&self) -> String {
        html(self)
    }
}

/// The page that sends a form of the provider once more, from our own origin, so that our cookies come
/// with it.
#[derive(Template)]
#[template(path = "continue.html")]
pub struct ContinuePage<'a> {
    /// What surrounds the content.
    pub frame: Frame<'a>,
    /// The path that receives the form.
    pub action: &'a str,
    /// The names and values of its fields.
    pub fields: &'a [(&'a str, &'a str)],
}

impl ContinuePage<'_> {
    /// Renders the page as HTML.
    pub fn render(&self) -> String {
        html(self)
    }
}

/// A page with one message: logged out, login failed, page not found.
#[derive(Template)]
#[template(path = "message.html")]
pub struct MessagePage<'a> {
    /// What surrounds the content.
    pub frame: Frame<'a>,
    /// Success or problem.
    pub kind: MessageKind,
    /// The heading, and the title of the browser tab.
    pub title: &'a str,
    /// One paragraph each. They are public: details of a failure belong in the log, where `request_id`
    /// identifies them.
    pub text: &'a [&'a str],
    /// The identity provider's own description.
    pub quote: Option<&'a str>,
    /// The e-mail address that the user logged in with.
    pub account: Option<&'a str>,
    /// The next step for the user.
    pub action: Option<Action<'a>>,
    /// Identifies the request in the log.
    pub request_id: Option<&'a str>,
}

impl MessagePage<'_> {
    /// Renders the page as HTML.
    pub fn render(&self) -> String {
        html(self)
    }
}

/// The mark on a [`MessagePage`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageKind {
    /// Success.
    Ok,
    /// A problem.
    Problem,
}

/// A link that looks like a button.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// The label.
    pub label: &'a str,
    /// The target: a path of this service, or an address that the caller has checked. Escaping keeps it
    /// inside the attribute, but does not make `javascript:` harmless.
    pub href: &'a str,
}

/// Renders a template. It fails only if a `Display` fails, and none here does. If it fails
/// nevertheless, the user sees an error page instead of half a page.
///
/// HTML cannot contain NUL, not even escaped (HTML §13.2.3.5). It is replaced by U+FFFD here, because
/// browsers replace it only in some places.
fn html(template: &impl Template) -> String {
    match template.render() {
        Ok(page) if page.contains('\0') => page.replace('\0', "\u{fffd}"),
        Ok(page) => page,
        Err(error) => {
            tracing::error!(event = LogEvent::PageFailed.name(), %error, "a page could not be rendered");
            String::from(
                "<!doctype html><html lang=\"en\"><title>Problem</title>\
                 <h1>This page cannot be shown</h1></html>",
            )
        }
    }
}

#[cfg(test)]
mod tests;
