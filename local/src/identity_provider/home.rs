//! `/`: describes the provider and lists its sessions.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    response::Response,
};
use http::{HeaderMap, StatusCode};

use super::{
    Provider,
    browser::redirect,
    connections::CONNECTIONS,
    guard::is_same_origin,
    pages::{self, HomePage},
    parameters::Parameters,
    users::SAMPLE_USERS,
};

/// `GET /`.
pub(super) async fn show(State(provider): State<Arc<Provider>>) -> Response {
    let sessions = provider.state.lock().open_sessions(provider.now());
    let page = HomePage {
        issuer: &provider.issuer,
        client_id: &provider.options.client_id,
        connections: &CONNECTIONS,
        sample_users: &SAMPLE_USERS,
        sessions,
    };
    pages::page(StatusCode::OK, &page, None)
}

/// `POST /sessions/end`: ends every session of one user, as an administrator would.
pub(super) async fn end_session(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !is_same_origin(&headers, provider.port) {
        return pages::foreign_form();
    }
    let parameters = Parameters::parse(&body.unwrap_or_default());
    let subject = parameters.find("subject").unwrap_or_default();
    let ended = provider.state.lock().end_sessions_of(subject, provider.now());
    for session in ended {
        provider.announce_end(session);
    }
    redirect(StatusCode::SEE_OTHER, "/")
}
