//! The login methods of an application.
//!
//! Auth0 publishes them for its own widget, in a script that calls `Auth0.setClient({…})`. The script
//! is parsed as data and never executed.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::error_response::one_line;
use crate::texts::Texts;

/// The maximum number of methods on a page.
const MAX_METHODS: usize = 20;

/// Auth0's own limit for the length of a connection's name.
const MAX_CONNECTION_LENGTH: usize = 128;

/// The longest label, in characters.
const MAX_LABEL_LENGTH: usize = 64;

/// One login method.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoginMethod {
    /// The value for `/authorize?connection=`: letters, digits, `-`, `_` and `.`.
    pub connection: String,
    /// Auth0's name of the strategy, such as `google-oauth2` or `samlp`.
    pub strategy: String,
    /// The sort of strategy.
    pub kind: LoginMethodKind,
    /// The name of the method, if it has one. It comes from the provider: plain text, never markup.
    name: Option<String>,
}

/// The sorts of login methods.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LoginMethodKind {
    /// A password stored by Auth0.
    Database,
    /// The directory of an organization.
    Enterprise,
    /// A code sent by e-mail or text message.
    Passwordless,
    /// An account at another service.
    Social,
}

impl LoginMethod {
    /// The method for a connection of which only the name is known. `None` if the name is not valid.
    pub fn named(connection: &str) -> Option<Self> {
        let strategy = match connection {
            "Username-Password-Authentication" => "auth0",
            other => other,
        };
        Self::new(strategy, connection, None)
    }

    fn new(strategy: &str, connection: &str, display_name: Option<&str>) -> Option<Self> {
        if !is_connection_name(connection) || !is_connection_name(strategy) {
            return None;
        }
        let (kind, usual) = match strategy {
            "auth0" => (LoginMethodKind::Database, None),
            "email" | "sms" => (LoginMethodKind::Passwordless, None),
            other => match social_name(other) {
                Some(name) => (LoginMethodKind::Social, Some(name)),
                None => (LoginMethodKind::Enterprise, Some(connection)),
            },
        };
        let display_name = display_name
            .map(|name| one_line(name, MAX_LABEL_LENGTH))
            .filter(|name| !name.is_empty());
        let name = display_name.or_else(|| usual.map(|name| one_line(name, MAX_LABEL_LENGTH)));
        Some(Self { connection: connection.to_owned(), strategy: strategy.to_owned(), kind, name })
    }

    /// The label of the button: plain text, never markup.
    pub fn label(&self, texts: &'static Texts) -> &str {
        let usual = match self.strategy.as_str() {
            "email" => texts.login.code_by_email,
            "sms" => texts.login.code_by_text_message,
            _ => texts.login.password,
        };
        self.name.as_deref().unwrap_or(usual)
    }
}

/// Whether `text` is a valid name of a connection.
fn is_connection_name(text: &str) -> bool {
    (1..=MAX_CONNECTION_LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Parses the methods from the script that calls `Auth0.setClient({…})`, in its order, each connection
/// once. `None` if the script has no such call. Invalid methods are skipped.
pub fn parse_script(script: &[u8]) -> Option<Vec<LoginMethod>> {
    const CALL: &str = "Auth0.setClient(";

    #[derive(Deserialize)]
    struct Client {
        strategies: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct Strategy {
        name: String,
        #[serde(default)]
        connections: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct Connection {
        name: String,
        #[serde(alias = "displayName")]
        display_name: Option<Value>,
    }

    let script = str::from_utf8(script).ok()?;
    let argument = &script[script.find(CALL)? + CALL.len()..];
    let mut values = serde_json::Deserializer::from_str(argument).into_iter::<Client>();
    let client = values.next()?.ok()?;
    let mut seen = HashSet::new();
    let mut methods = Vec::new();
    for strategy in client.strategies {
        let Ok(strategy) = Strategy::deserialize(strategy) else { continue };
        for connection in strategy.connections {
            let Ok(connection) = Connection::deserialize(connection) else { continue };
            let display_name = connection.display_name.as_ref().and_then(Value::as_str);
            let method = LoginMethod::new(&strategy.name, &connection.name, display_name);
            methods.extend(method.filter(|method| seen.insert(method.connection.clone())));
        }
    }
    methods.truncate(MAX_METHODS);
    Some(methods)
}

/// The common name of a social strategy.
fn social_name(strategy: &str) -> Option<&'static str> {
    Some(match strategy {
        "amazon" => "Amazon",
        "apple" => "Apple",
        "bitbucket" => "Bitbucket",
        "box" => "Box",
        "discord" => "Discord",
        "dropbox" => "Dropbox",
        "evernote" => "Evernote",
        "facebook" => "Facebook",
        "figma" => "Figma",
        "fitbit" => "Fitbit",
        "github" => "GitHub",
        "gitlab" => "GitLab",
        "google-oauth2" => "Google",
        "instagram" => "Instagram",
        "line" => "LINE",
        "linkedin" => "LinkedIn",
        "paypal" => "PayPal",
        "salesforce" => "Salesforce",
        "shopify" => "Shopify",
        "slack" | "slack-oauth-2" => "Slack",
        "soundcloud" => "SoundCloud",
        "spotify" => "Spotify",
        "twitch" => "Twitch",
        "twitter" => "X",
        "vkontakte" => "VK",
        "windowslive" => "Microsoft",
        "wordpress" => "WordPress",
        "yahoo" => "Yahoo",
        "yandex" => "Yandex",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
