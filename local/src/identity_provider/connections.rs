//! The tenant's connections: the ways to log in.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::header;
use serde::Serialize;

use super::{Provider, pages};

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

/// Every connection; the first is used when the client names none.
pub(super) static CONNECTIONS: [Connection; 4] = [
    Connection {
        name: "Username-Password-Authentication",
        strategy: "auth0",
        label: "E-mail",
        show_signup: Some(true),
        domain: None,
    },
    Connection {
        name: "google-oauth2",
        strategy: "google-oauth2",
        label: "Google",
        show_signup: None,
        domain: None,
    },
    Connection {
        name: "github",
        strategy: "github",
        label: "GitHub",
        show_signup: None,
        domain: None,
    },
    Connection {
        name: "acme",
        strategy: "samlp",
        label: "Acme Corporation",
        show_signup: None,
        domain: Some("acme.example"),
    },
];

/// The connection of that name.
pub(super) fn find(name: &str) -> Option<&'static Connection> {
    CONNECTIONS.iter().find(|connection| connection.name == name)
}

/// `GET /client/{client_id}.js`: the script from which Auth0's own login widget learns an
/// application's login methods.
pub(super) async fn client_script(
    State(provider): State<Arc<Provider>>,
    script: Result<Path<String>, PathRejection>,
) -> Response {
    let options = &provider.options;
    match script {
        Ok(Path(script)) if script.strip_suffix(".js") == Some(&options.client_id) => {}
        _ => return pages::not_found().await,
    }
    let client = Client {
        id: &options.client_id,
        tenant: "localhost",
        callback: options.redirect_uris.first().map_or("", String::as_str),
        strategies: CONNECTIONS
            .iter()
            .map(|connection| Strategy { name: connection.strategy, connections: [connection] })
            .collect(),
    };
    match serde_json::to_string(&client) {
        Ok(json) => (
            [(header::CONTENT_TYPE, "application/javascript; charset=utf-8")],
            format!("Auth0.setClient({json});"),
        )
            .into_response(),
        Err(_) => pages::internal_error(),
    }
}

#[derive(Serialize)]
struct Client<'a> {
    id: &'a str,
    tenant: &'a str,
    callback: &'a str,
    strategies: Vec<Strategy>,
}

#[derive(Serialize)]
struct Strategy {
    name: &'static str,
    connections: [&'static Connection; 1],
}
