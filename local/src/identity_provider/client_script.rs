//! `GET /client/{client_id}.js`: the script from which Auth0's own login widget learns an application's
//! login methods.

use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use http::header;
use serde_json::json;

use super::{connections::CONNECTIONS, pages, provider::Provider};

pub(super) async fn client_script(
    State(provider): State<Arc<Provider>>,
    script: Result<Path<String>, PathRejection>,
) -> Response {
    let options = &provider.options;
    match script {
        Ok(Path(script)) if script.strip_suffix(".js") == Some(&options.client_id) => {}
        _ => return pages::not_found().await,
    }
    let strategies = CONNECTIONS
        .iter()
        .map(|connection| json!({"name": connection.strategy, "connections": [connection]}));
    let client = json!({
        "id": options.client_id,
        "tenant": "localhost",
        "callback": options.redirect_uris.first().map_or("", String::as_str),
        "strategies": strategies.collect::<Vec<_>>(),
    });
    let content_type = [(header::CONTENT_TYPE, "application/javascript; charset=utf-8")];
    (content_type, format!("Auth0.setClient({client});")).into_response()
}
