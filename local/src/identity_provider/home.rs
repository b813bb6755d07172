//! `/`: describes the provider and lists its sessions.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{Redirect, Response},
};
use http::StatusCode;

use super::{
    connections::CONNECTIONS,
    pages::{self, HomePage},
    parameters::Parameters,
    provider::Provider,
    users::SAMPLE_USERS,
};

/// `GET /`.
pub(super) async fn show(State(provider): State<Arc<Provider>>) -> Response {
    let page = HomePage {
        issuer: &provider.issuer,
        client_id: &provider.options.client_id,
        connections: &CONNECTIONS,
        sample_users: &SAMPLE_USERS,
        sessions: provider.state.lock().open_sessions(provider.now()),
    };
    pages::page(StatusCode::OK, &page, None)
}

/// `POST /sessions/end`: ends every session of one user, as an administrator would.
pub(super) async fn end_session(
    State(provider): State<Arc<Provider>>,
    parameters: Parameters,
) -> Redirect {
    let subject = parameters.find("subject").unwrap_or_default();
    for session in provider.state.lock().end_sessions_of(subject, provider.now()) {
        provider.announce_end(session);
    }
    Redirect::to("/")
}
