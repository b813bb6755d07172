//! `/u/login`: the login form, at the same path as at Auth0.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{RawQuery, State, rejection::BytesRejection},
    response::Response,
};
use http::{HeaderMap, StatusCode};

use super::{
    Provider,
    authorize::{AuthorizeError, answer_with_code},
    browser::{redirect, session_cookie, with_session_cookie},
    connections::{self, CONNECTIONS, Connection},
    guard::is_same_origin,
    pages::{self, LoginPage},
    parameters::Parameters,
    state::AuthorizationRequest,
    users::{SAMPLE_USERS, User},
};

/// `GET`: shows the form of a login that `/authorize` started.
pub(super) async fn show(
    State(provider): State<Arc<Provider>>,
    RawQuery(query): RawQuery,
) -> Response {
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    let login = parameters.find("state").unwrap_or_default();
    let request = provider.state.lock().find_login(login, provider.now()).cloned();
    match request {
        Some(request) => form(login, &request, &parameters, None),
        None => expired(),
    }
}

/// `POST`: logs in the selected user, or cancels the login.
pub(super) async fn submit(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // Another site's form must not log the user in as a user of its choice (login CSRF).
    if !is_same_origin(&headers, provider.port) {
        return pages::foreign_form();
    }
    let Ok(body) = body else { return expired() };
    let parameters = Parameters::parse(&body);
    if parameters.has_repetition() {
        return pages::error(
            StatusCode::BAD_REQUEST,
            "Bad request",
            "A field of the form was sent more than once.",
        );
    }
    let login = parameters.find("state").unwrap_or_default();
    let now = provider.now();
    let mut state = provider.state.lock();

    if parameters.find("cancel").is_some() {
        let Some(request) = state.take_login(login, now) else {
            return expired();
        };
        return AuthorizeError::Answer {
            redirect_uri: request.redirect_uri,
            state: request.state,
            error: "access_denied",
            description: "The user cancelled the login".to_owned(),
        }
        .into_response(StatusCode::SEE_OTHER);
    }

    let Some(request) = state.find_login(login, now) else {
        return expired();
    };
    let email = parameters.find("email").unwrap_or_default();
    let connection = chosen_connection(request, &parameters);
    let Some(user) = User::of(connection, email, &provider.issuer) else {
        return form(login, request, &parameters, Some(email));
    };
    let Some(request) = state.take_login(login, now) else {
        return expired();
    };
    let cookie = session_cookie(&headers);
    let (cookie, session) = state.sign_in(user, cookie.as_deref(), &provider.random, now);
    let location = answer_with_code(&provider, &mut state, &request, &session);
    tracing::info!(connection = session.user.connection, "signed in");
    with_session_cookie(redirect(StatusCode::SEE_OTHER, &location), cookie)
}

fn form(
    login: &str,
    request: &AuthorizationRequest,
    parameters: &Parameters,
    refused_email: Option<&str>,
) -> Response {
    let connection = chosen_connection(request, parameters);
    let others = match request.connection {
        Some(_) => Vec::new(),
        None => CONNECTIONS.iter().filter(|other| other.name != connection.name).collect(),
    };
    let status = if refused_email.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = LoginPage {
        login,
        sign_up: request.sign_up,
        connection,
        others,
        sample_users: &SAMPLE_USERS,
        email: refused_email.or(request.login_hint.as_deref()).unwrap_or_default(),
        invalid: refused_email.is_some(),
    };
    pages::page(status, &page, Some(&request.redirect_uri))
}

/// The connection that the client chose, or else the user, or else the first one.
fn chosen_connection(
    request: &AuthorizationRequest,
    parameters: &Parameters,
) -> &'static Connection {
    request
        .connection
        .or_else(|| parameters.find("connection").and_then(connections::find))
        .unwrap_or(&CONNECTIONS[0])
}

fn expired() -> Response {
    pages::error(
        StatusCode::BAD_REQUEST,
        "This login has ended",
        "It was finished or cancelled, or it waited too long. Go back to the application and start \
         again.",
    )
}
