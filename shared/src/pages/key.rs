//! The page of a logged-in user.

use std::time::{Duration, UNIX_EPOCH};

use askama::Template;

use super::{Frame, Picture};
use crate::clock::Timestamp;

/// Shows the user, the API key, and the API's response to it, updated every second.
///
/// It is the only page that may contain a token (R101), so it has no `Debug`.
#[derive(Template)]
#[template(path = "key.html")]
pub struct KeyPage<'a> {
    /// What surrounds the content.
    pub frame: Frame<'a>,
    /// The token. `None` where keys are not shown: the page then authenticates with its cookie.
    pub key: Option<Key<'a>>,
    /// Whether the key is missing because it is too long for a header (R201).
    pub key_is_too_long: bool,
    /// The owner of the session.
    pub user: User<'a>,
    /// The absolute address of `/protected`, for the `curl` line.
    pub protected_url: &'a str,
    /// The path that starts the login that `/protected` requires, where its rule can ask for one.
    pub step_up_href: Option<&'a str>,
    /// The path that starts a login for another organization, where users may choose one.
    pub switch_href: Option<&'a str>,
    /// When the session ends at the latest.
    pub session_ends_at: Timestamp,
    /// When the page should request a new token. `None`: the token cannot be renewed.
    pub renews_at: Option<Timestamp>,
    /// The time of rendering, from which the remaining lifetime of the token is counted.
    pub now: Timestamp,
}

/// The signed token that gives access to the API, with its content.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    /// The token in JWS compact serialization (RFC 7515 §7.1).
    pub token: &'a str,
    /// Its JOSE header as indented JSON.
    pub header: &'a str,
    /// Its claims as indented JSON.
    pub claims: &'a str,
    /// Its `exp`.
    pub expires_at: Timestamp,
}

/// The user as described by the identity provider. Every text is untrusted.
#[derive(Clone, Copy)]
pub struct User<'a> {
    /// The claim `sub`.
    pub subject: &'a str,
    /// The claim `name`.
    pub name: Option<&'a str>,
    /// The claim `email`.
    pub email: Option<&'a str>,
    /// The claim `email_verified`; if it is missing, the address is not verified.
    pub email_verified: bool,
    /// The claim `picture`. If it is missing or does not load, initials are shown.
    pub picture: Option<&'a Picture>,
    /// The organization that the user logged in to.
    pub organization: Option<&'a str>,
}

impl KeyPage<'_> {
    /// Renders the page as HTML.
    pub fn render(&self) -> String {
        super::html(self)
    }

    fn heading(&self) -> &'static str {
        let texts = &self.frame.texts.key;
        if self.key.is_some() { texts.heading } else { texts.heading_without_key }
    }

    /// The texts of the page's script, and those of refusals by their `code`, as JSON.
    fn script_texts(&self) -> String {
        let texts = self.frame.texts;
        serde_json::to_string(&(&texts.script, &texts.refusals)).unwrap_or_default()
    }

    fn renew_in(&self) -> Option<u64> {
        self.renews_at.map(|renews_at| renews_at.since(self.now).as_secs())
    }

    fn seconds_left(&self, key: &Key<'_>) -> u64 {
        key.expires_at.since(self.now).as_secs()
    }

    /// The remaining time in the words of the page's script, shown until that script runs.
    fn time_left(&self, key: &Key<'_>) -> String {
        let left = self.seconds_left(key);
        let (days, hours, minutes) = (left / 86_400, left / 3_600 % 24, left / 60 % 60);
        let texts = &self.frame.texts.script;
        let time = match left {
            0 => return texts.expired.to_owned(),
            1..60 => format!("{left} s"),
            60..3_600 => format!("{minutes} min {} s", left % 60),
            3_600..86_400 => format!("{hours} h {minutes} min {} s", left % 60),
            _ => format!("{days} d {hours} h {minutes} min"),
        };
        let [before, after] = texts.left;
        format!("{before}{time}{after}")
    }
}

impl User<'_> {
    fn display_name(&self) -> &str {
        self.given_name().or(self.email).unwrap_or(self.subject)
    }

    fn given_name(&self) -> Option<&str> {
        self.name.filter(|name| !name.trim().is_empty())
    }

    fn has_unverified_email(&self) -> bool {
        self.email.is_some() && !self.email_verified
    }

    /// The first letters of the first and the last word of the name, or the first letter of the e-mail
    /// address.
    fn initials(&self) -> String {
        let name = self.display_name();
        let words = if name.contains('@') { name.split('@').next() } else { Some(name) };
        let mut letters = words
            .into_iter()
            .flat_map(str::split_whitespace)
            .filter_map(|word| word.chars().find(|letter| letter.is_alphanumeric()));
        let first = letters.next().unwrap_or('?');
        [Some(first), letters.next_back()]
            .into_iter()
            .flatten()
            .flat_map(char::to_uppercase)
            .collect()
    }
}

/// Quotes `word` as one word for a POSIX shell unless it is clearly harmless. So pasting the line runs
/// only `curl`, regardless of the address.
fn shell_word(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@%+,=".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", within_quotes(word))
    }
}

/// Escapes `text` for use between single quotes in a POSIX shell.
fn within_quotes(text: &str) -> String {
    text.replace('\'', r"'\''")
}

/// Formats a time for machines (RFC 3339).
fn rfc3339(moment: Timestamp) -> String {
    // The last second that RFC 3339 can express; the formatter fails for later ones.
    const LAST: u64 = 253_402_300_799;
    let seconds = Duration::from_secs(moment.as_unix().min(LAST));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + seconds).to_string()
}

/// Formats a time for people.
fn utc(moment: Timestamp) -> String {
    rfc3339(moment).replace('T', " ").replace('Z', " UTC")
}
