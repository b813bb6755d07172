//! The pages: data in, HTML out.
//!
//! Every value is escaped for HTML where it is put (R171); none is ever put inside a `<script>` or
//! a `<style>`, where HTML escaping does not protect. The two carry the nonce of the page's
//! Content-Security-Policy, and nothing else on a page is inline: no `style` attribute, no event
//! handler. Nothing is loaded from a third party but the user's own picture (R172), and no script
//! reads `location.hash` (R32).
//!
//! The addresses written into templates (`/`, `/logout`, `/protected`) are this service's routes.

mod key;
mod login;
mod picture;
pub mod respond;

use std::fmt;

use askama::Template;

use crate::crypto::random::Random;

pub use self::{
    key::{Key, KeyPage, User},
    login::{LoginMethodLink, LoginPage},
    picture::Picture,
};

/// What ties a page's own `<style>` and `<script>` to its Content-Security-Policy (CSP3 §6.1).
///
/// One per answer. A nonce used twice lets markup injected into the second page borrow it from
/// the first.
pub struct Nonce(String);

impl Nonce {
    /// A fresh nonce of 256 bits.
    pub fn new(random: &Random) -> Self {
        Self(random.token())
    }

    /// The value, for `'nonce-…'` in the header; made of base64url characters only.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `GET /logout` shows in a browser: a question, never an act, so that a link from
/// elsewhere logs nobody out (R104).
#[derive(Template)]
#[template(path = "logout.html")]
pub struct SignOutPage<'a> {
    /// Of this answer's Content-Security-Policy.
    pub nonce: &'a Nonce,
    /// Whether the browser sent a live session.
    pub signed_in: bool,
}

impl SignOutPage<'_> {
    /// The page as HTML.
    pub fn render(&self) -> String {
        html(self)
    }
}

/// What `/login` shows a visitor who is logged in and was sent there by another site: a question, so
/// that no link from elsewhere ends a session (R189).
#[derive(Template)]
#[template(path = "login_again.html")]
pub struct LoginAgainPage<'a> {
    /// Of this answer's Content-Security-Policy.
    pub nonce: &'a Nonce,
    /// The same login, from here.
    pub login_href: &'a str,
}

impl LoginAgainPage<'_> {
    /// The page as HTML.
    pub fn render(&self) -> String {
        html(self)
    }
}

/// A page that says one thing: logged out, a login that failed, no such page.
#[derive(Template)]
#[template(path = "message.html")]
pub struct MessagePage<'a> {
    /// Of this answer's Content-Security-Policy.
    pub nonce: &'a Nonce,
    /// Good news or bad.
    pub kind: MessageKind,
    /// The heading, and the title of the tab.
    pub title: &'a str,
    /// One paragraph each. Public: what is known about a failure belongs in the log, which is
    /// found by `request_id`.
    pub text: &'a [&'a str],
    /// What the identity provider says in its own words.
    pub quote: Option<&'a str>,
    /// The one thing to do next.
    pub action: Option<Action<'a>>,
    /// Where to look in the log.
    pub request_id: Option<&'a str>,
}

impl MessagePage<'_> {
    /// The page as HTML.
    pub fn render(&self) -> String {
        html(self)
    }
}

/// The mark that a [`MessagePage`] shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MessageKind {
    /// It went as wanted.
    Ok,
    /// It did not.
    Problem,
}

/// A link that looks like a button.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// What it says.
    pub label: &'a str,
    /// Where it leads: a path of this service, or an address that the caller vouches for.
    /// Escaping keeps it inside the attribute, but does not make `javascript:` harmless.
    pub href: &'a str,
}

/// Renders a template. Only a `Display` that fails could make it fail, and none here does; should
/// it happen all the same, the visitor is told, and half a page is not sent.
///
/// NUL is the one character that HTML cannot hold, not even escaped (HTML §13.2.3.5); it becomes
/// U+FFFD here, as it would in some places of a browser's parser but not in all.
fn html(template: &impl Template) -> String {
    match template.render() {
        Ok(page) if page.contains('\0') => page.replace('\0', "\u{fffd}"),
        Ok(page) => page,
        Err(error) => {
            tracing::error!(event = "page.failed", %error, "a page could not be rendered");
            String::from(
                "<!doctype html><html lang=\"en\"><title>Problem</title>\
                 <h1>This page cannot be shown</h1></html>",
            )
        }
    }
}

#[cfg(test)]
mod contrast;
#[cfg(test)]
mod tests;
