//! The provider's error responses (RFC 6749 §4.1.2.1 and §5.2) and their meaning.

use http::StatusCode;
use serde_json::Value;

use crate::web::error::ProviderWords;

/// What an error of the provider means for the session or the login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorMeaning {
    /// The user cancelled, or an Action or a block at the provider denies access.
    Denied,
    /// The provider needs an interaction with the user, which only a login allows.
    NeedsPerson,
    /// The code or the refresh token was revoked, has expired, or was already used.
    GrantOver,
    /// The provider rejected the client secret.
    WrongSecret,
    /// A setting of the application is wrong, or the error code is unknown.
    WrongSettings,
    /// The provider made no decision: a later request may succeed.
    Passes,
}

impl ErrorMeaning {
    /// The decision table. `status` is `None` if the error came through the browser.
    ///
    /// An unknown code never ends a session: only a code that is known to be final may log a user out.
    /// With a 5xx status it counts as temporary. Otherwise the same request would fail again, so it
    /// counts as a fault of the application, for its operator to look up.
    fn of(status: Option<StatusCode>, code: &str) -> Self {
        match (status.map(|status| status.as_u16()), code) {
            // The provider limits the request rate; the code has no meaning then.
            (Some(429), _) => Self::Passes,
            (_, "server_error" | "temporarily_unavailable") => Self::Passes,
            // Auth0 uses 401 for a wrong client secret, and 403 or 500 where an Action denies access.
            (Some(401), "access_denied" | "unauthorized") => Self::WrongSecret,
            (_, "access_denied" | "unauthorized") => Self::Denied,
            (
                _,
                "account_selection_required"
                | "consent_required"
                | "interaction_required"
                | "login_required"
                | "mfa_required",
            ) => Self::NeedsPerson,
            (_, "invalid_grant") => Self::GrantOver,
            (_, "invalid_client") => Self::WrongSecret,
            (
                _,
                "invalid_request"
                | "invalid_scope"
                | "unauthorized_client"
                | "unsupported_grant_type",
            ) => Self::WrongSettings,
            (Some(500..), _) => Self::Passes,
            _ => Self::WrongSettings,
        }
    }

    /// Whether the refusal is final, so that the session ends.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Denied | Self::NeedsPerson | Self::GrantOver)
    }

    /// Whether the application's operator must fix something.
    pub const fn is_own_fault(self) -> bool {
        matches!(self, Self::WrongSecret | Self::WrongSettings)
    }
}

/// An error response. Each field is truncated and on one line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{code}")]
pub struct ErrorResponse {
    code: Box<str>,
    description: Option<Box<str>>,
    logged_description: Option<Box<str>>,
    meaning: ErrorMeaning,
}

impl ErrorResponse {
    /// The error in the query of an authorization response. `error_uri` is ignored: an attacker could
    /// use it to put any link on our page (R27).
    pub fn of_query(code: &str, description: Option<&str>) -> Self {
        Self::new(None, code, description)
    }

    /// The error in the body of a response with `status`. `None` if the body has none.
    pub fn of_body(status: StatusCode, body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |name| body.get(name).and_then(Value::as_str);
        Some(Self::new(Some(status), text("error")?, text("error_description")))
    }

    fn new(status: Option<StatusCode>, code: &str, description: Option<&str>) -> Self {
        let line =
            |text: String| Some(text).filter(|text| !text.is_empty()).map(String::into_boxed_str);
        Self {
            meaning: ErrorMeaning::of(status, code),
            code: one_line(&without_identities(code), LONGEST_CODE).into(),
            description: description.and_then(|text| line(one_line(text, LONGEST_DESCRIPTION))),
            logged_description: description
                .and_then(|text| line(one_line(&without_identities(text), LONGEST_DESCRIPTION))),
        }
    }

    /// The meaning of this error.
    pub const fn meaning(&self) -> ErrorMeaning {
        self.meaning
    }

    /// Whether only the operator can mend it. `invalid_request` may also blame the code that was
    /// presented, and anyone can write a code into an address (R208).
    pub fn is_for_operator(&self) -> bool {
        self.meaning.is_own_fault() && &*self.code != "invalid_request"
    }

    /// The description, only for the user concerned: it may contain their e-mail address.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The parts that may be logged.
    pub fn words(&self) -> ProviderWords {
        ProviderWords {
            error: self.code.to_string(),
            description: self.logged_description.as_deref().map(str::to_owned),
        }
    }

    /// What the operator should check.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match (self.meaning, &*self.code) {
            (ErrorMeaning::Denied, _) => {
                "the person cancelled, or an Action, a rule or a block at the provider denies them"
            }
            (ErrorMeaning::NeedsPerson, _) => {
                "the provider must ask the person something, which only a login can do"
            }
            (ErrorMeaning::GrantOver, _) => {
                "it was revoked, has expired, or was presented twice: a rotation overlap at the provider forgives an answer that was lost"
            }
            (ErrorMeaning::WrongSecret, _) => {
                "CLIENT_ID or CLIENT_SECRET is not the application's, or its authentication method at the provider is not the one of CLIENT_AUTH or of the provider's metadata"
            }
            (_, "unauthorized_client" | "unsupported_grant_type") => {
                "the application's grant types at the provider must include Authorization Code, and Refresh Token for offline_access"
            }
            (_, "invalid_scope") => {
                "SCOPE asks for what the application or the API of AUDIENCE does not offer"
            }
            (_, "invalid_request") => {
                "the provider does not understand the request: compare BASE_URL and AUDIENCE with its settings"
            }
            (ErrorMeaning::WrongSettings, _) => {
                "the provider's documentation explains this code; it is none of the codes of OAuth 2.0 or OpenID Connect that are known here"
            }
            (ErrorMeaning::Passes, _) => return None,
        })
    }
}

/// Returns `text` as one line of at most `longest` characters, without control characters and without
/// characters that change the text direction.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let is_invisible = |c: &char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let shown: String = text
        .chars()
        .filter(|c| !is_invisible(c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let words: Vec<_> = shown.split_whitespace().collect();
    words.join(" ").chars().take(longest).collect()
}

/// Returns `text` without words that may be an e-mail address, a user id or a token. The author of an
/// Action may have put them into a description, and the log must contain none (R173).
fn without_identities(text: &str) -> String {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_identity = |word: &str| {
        let lower = word.to_ascii_lowercase();
        ["@", "%40", "|", "%7c"].iter().any(|sign| lower.contains(sign))
            || word.split(|c| !is_of_token(c)).any(|run| run.len() >= SHORTEST_TOKEN)
    };
    let words = text.split_whitespace();
    let words: Vec<_> =
        words.map(|word| if is_identity(word) { "(left out)" } else { word }).collect();
    words.join(" ")
}

const LONGEST_CODE: usize = 64;
const LONGEST_DESCRIPTION: usize = 200;

/// Shorter than a `state`, a code or a refresh token, and longer than a client id.
const SHORTEST_TOKEN: usize = 40;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, code: &str) -> ErrorMeaning {
        let body = json!({ "error": code }).to_string();
        let status = StatusCode::from_u16(status).unwrap();
        ErrorResponse::of_body(status, body.as_bytes()).unwrap().meaning()
    }

    #[test]
    fn r192_each_error_has_one_meaning() {
        use ErrorMeaning::{Denied, GrantOver, NeedsPerson, Passes, WrongSecret, WrongSettings};
        for (statuses, codes, meaning) in [
            (&[400, 403, 500, 503][..], &["access_denied", "unauthorized"][..], Denied),
            (&[401], &["access_denied", "unauthorized"], WrongSecret),
            (&[400, 401, 403, 500], &["invalid_grant"], GrantOver),
            (
                &[400, 401, 403, 500],
                &[
                    "account_selection_required",
                    "consent_required",
                    "interaction_required",
                    "login_required",
                    "mfa_required",
                ],
                NeedsPerson,
            ),
            (&[400, 401, 403, 500], &["invalid_client"], WrongSecret),
            (
                &[400, 401, 403, 500],
                &[
                    "invalid_request",
                    "invalid_scope",
                    "unauthorized_client",
                    "unsupported_grant_type",
                ],
                WrongSettings,
            ),
            (&[400, 403, 500], &["server_error", "temporarily_unavailable"], Passes),
            (&[429], &["access_denied", "invalid_grant", "invalid_client", "anything"], Passes),
            (&[500, 502, 503], &["anything", "ACCESS_DENIED", ""], Passes),
            (&[400, 401, 403, 418], &["anything", "ACCESS_DENIED", ""], WrongSettings),
        ] {
            for (status, code) in
                statuses.iter().flat_map(|status| codes.iter().map(move |code| (*status, *code)))
            {
                assert_eq!(of(status, code), meaning, "{status} {code}");
            }
        }
    }

    #[test]
    fn r192_a_body_without_an_error_is_not_an_error_response() {
        for body in ["", "<html>", "[1]", "{}", r#"{"error":{"code":7}}"#, r#"{"error":null}"#] {
            assert_eq!(ErrorResponse::of_body(StatusCode::FORBIDDEN, body.as_bytes()), None);
        }
    }

    #[test]
    fn r192_every_fault_of_the_application_has_a_hint_for_its_code() {
        let hint = |code| ErrorResponse::of_query(code, None).hint();
        let codes = [
            "invalid_client",
            "unauthorized_client",
            "invalid_request",
            "invalid_scope",
            "strange",
        ];
        let hints: std::collections::BTreeSet<_> = codes.into_iter().filter_map(hint).collect();
        assert_eq!(hints.len(), codes.len());
        assert_eq!(hint("server_error"), None);
    }

    #[test]
    fn r194_logged_words_are_one_bounded_line_without_identities() {
        let words = |code: &str, description: &str| {
            let words = ErrorResponse::of_query(code, Some(description)).words();
            (words.error, words.description.unwrap_or_default())
        };
        for (description, logged) in [
            ("verify your e-mail first", "verify your e-mail first"),
            ("Service not found: https://api.example", "Service not found: https://api.example"),
            ("a\r\nb\0c\u{85}d\u{2028}e", "a b c d e"),
            ("\u{202e}reversed\u{2066}", "reversed"),
            ("no access for <ada@lovelace.example>.", "no access for (left out)"),
            ("mailto:ada%40lovelace.example no", "(left out) no"),
            ("auth0|64b1f0c2a9d3 is blocked", "(left out) is blocked"),
            (&format!("token {} is over", "a".repeat(43)), "token (left out) is over"),
            (&"d".repeat(39), &"d".repeat(39)),
            (&"ab ".repeat(1_000), &"ab ".repeat(67)[..200]),
            ("\r\n\t", ""),
        ] {
            assert_eq!(words("access_denied", description).1, logged);
        }
        assert_eq!(words("strange code!", "").0, "strange code!");
        assert_eq!(words(&"no ".repeat(100), "").0.len(), 64);
        let said = ErrorResponse::of_query("access_denied", Some("verify ada@lovelace.example"));
        assert_eq!(said.description(), Some("verify ada@lovelace.example"));
    }
}
