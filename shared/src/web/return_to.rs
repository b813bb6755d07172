//! The address that a browser returns to after a login.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

/// A path on our own origin, with its query.
///
/// No other value is possible, so a redirect to it cannot leave the site (R155). A doubtful value
/// becomes [`ReturnTo::default`], the key page, because returning is only a convenience.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// Parses a return target; the default if it is not clearly a path of ours.
    pub fn parse(text: &str) -> Self {
        if is_own_path(text) { Self(text.to_owned()) } else { Self::default() }
    }

    /// The target for a `Location` header or a link.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the target is the key page.
    pub fn is_default(&self) -> bool {
        self.0 == "/"
    }

    /// The link to the login page that returns here after the login.
    pub fn home_link(&self) -> String {
        self.link("/", &[])
    }

    /// The link that starts a login and returns here, with additional `parameters`.
    pub fn login_link(&self, parameters: &[(&str, &str)]) -> String {
        self.link("/login", parameters)
    }

    fn link(&self, path: &str, parameters: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if !self.is_default() {
            query.append_pair("return_to", &self.0);
        }
        let query = query.finish();
        if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
    }
}

impl Default for ReturnTo {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses and checks the value again, because an older release with weaker checks may have sealed it
/// (R157).
impl<'de> Deserialize<'de> for ReturnTo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&String::deserialize(deserializer)?))
    }
}

const MAXIMUM_LENGTH: usize = 2_048;

/// Paths that would restart, end or reject the login that has just succeeded (R156).
const LOOPS: [&str; 5] = ["/login", "/callback", "/logout", "/signed-out", "/backchannel-logout"];

fn is_own_path(text: &str) -> bool {
    // A quotation mark is not valid in a URL, and is escaped when the target is sealed as JSON (R102).
    let is_url = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if text.len() > MAXIMUM_LENGTH || !is_url || !is_plain_path(text) {
        return false;
    }
    // Decoding once or twice may reveal a second slash or a backslash.
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let mut decoded = path.to_owned();
    for _ in 0..3 {
        let Ok(next) = percent_decode_str(&decoded).decode_utf8() else { return false };
        let next: String = next.chars().map(plain_twin).collect();
        if !is_plain_path(&next) {
            return false;
        }
        decoded = next;
    }
    // Resolve the path as a browser does: removing dot segments may leave `//host`.
    let Ok(base) = Url::parse("https://us.invalid/") else { return false };
    let Ok(resolved) = base.join(text) else { return false };
    let Ok(resolved_decoded) = base.join(&decoded) else { return false };
    [&resolved, &resolved_decoded].iter().all(|url| {
        url.origin() == base.origin()
            && !url.path().starts_with("//")
            && !LOOPS.contains(&url.path().trim_end_matches('/').to_ascii_lowercase().as_str())
    })
}

/// Whether `text` starts with exactly one slash, and no browser would read or drop a further character
/// as a slash.
fn is_plain_path(text: &str) -> bool {
    text.starts_with('/')
        && !["//", "/.", "/ "].iter().any(|start| text.starts_with(start))
        && !text.chars().any(|character| character.is_control() || character == '\\')
}

/// The ASCII character that a reader may see after Unicode normalization (NFKC, UTS 46): some slashes,
/// backslashes and full stops have lookalikes. Other characters are unchanged (R198).
const fn plain_twin(character: char) -> char {
    match character {
        '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{ff0f}' => '/',
        '\u{2216}' | '\u{29f5}' | '\u{29f9}' | '\u{fe68}' | '\u{ff3c}' => '\\',
        '\u{2024}' | '\u{3002}' | '\u{fe52}' | '\u{ff0e}' | '\u{ff61}' => '.',
        other => other,
    }
}

#[cfg(test)]
mod tests;
