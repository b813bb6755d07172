//! The tenant's connections: the ways to log in.

use serde::Serialize;

/// One way to log in.
#[derive(Debug, Serialize)]
pub(super) struct Connection {
    /// The value for `/authorize?connection=`.
    pub(super) name: &'static str,
    /// The kind of connection, and how the `sub` of its users begins.
    #[serde(skip)]
    pub(super) strategy: &'static str,
    /// The name that users see.
    #[serde(skip)]
    pub(super) label: &'static str,
    #[serde(rename = "showSignup", skip_serializing_if = "Option::is_none")]
    show_signup: Option<bool>,
    /// The e-mail domain of an enterprise connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'static str>,
}

impl Connection {
    const fn new(name: &'static str, strategy: &'static str, label: &'static str) -> Self {
        Self { name, strategy, label, show_signup: None, domain: None }
    }
}

/// Every connection; the first is used when the client names none.
pub(super) static CONNECTIONS: [Connection; 4] = [
    Connection {
        show_signup: Some(true),
        ..Connection::new("Username-Password-Authentication", "auth0", "E-mail")
    },
    Connection::new("google-oauth2", "google-oauth2", "Google"),
    Connection::new("github", "github", "GitHub"),
    Connection {
        domain: Some("acme.example"),
        ..Connection::new("acme", "samlp", "Acme Corporation")
    },
];

/// The connection of that name.
pub(super) fn find(name: &str) -> Option<&'static Connection> {
    CONNECTIONS.iter().find(|connection| connection.name == name)
}
