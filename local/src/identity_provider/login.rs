//! `/u/login`: the login form, at the same path as at Auth0.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};

use super::{
    authorize::{AuthorizeError, redirect_with_code},
    browser::{redirect, session_cookie, with_session_cookie},
    connections::{self, CONNECTIONS, Connection},
    organizations::{Organization, SAMPLE_ORGANIZATIONS},
    pages::{self, LoginPage, OrganizationPage},
    parameters::Parameters,
    provider::Provider,
    state::AuthorizationRequest,
    users::{SAMPLE_USERS, User},
};

/// `GET`: shows the form of a login that `/authorize` started.
pub(super) async fn show(
    State(provider): State<Arc<Provider>>,
    parameters: Parameters,
) -> Response {
    let login = parameters.find("state").unwrap_or_default();
    let request = provider.state.lock().logins.find(login, provider.now()).cloned();
    match request {
        Some(request) => form(&provider, login, &request, &parameters, None),
        None => expired(),
    }
}

/// `POST`: logs in the selected user, or cancels the login.
pub(super) async fn submit(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    let login = parameters.find("state").unwrap_or_default();
    let now = provider.now();
    let mut state = provider.state.lock();

    if parameters.find("cancel").is_some() {
        let Some(request) = state.logins.take(login, now) else {
            return expired();
        };
        return AuthorizeError::ForClient {
            redirect_uri: request.redirect_uri,
            state: request.state,
            error: "access_denied",
            description: "The user cancelled the login".to_owned(),
        }
        .into_response(StatusCode::SEE_OTHER);
    }

    let Some(request) = state.logins.find(login, now) else {
        return expired();
    };
    let email = parameters.find("email").unwrap_or_default();
    let connection = chosen_connection(request, &parameters);
    let Some(user) = User::of(connection, email, &provider.issuer) else {
        return form(&provider, login, request, &parameters, Some(email));
    };
    let organization = chosen_organization(request, &parameters);
    if provider.asks_organization(organization.as_ref()) {
        return form(&provider, login, request, &parameters, None);
    }
    let Some(mut request) = state.logins.take(login, now) else {
        return expired();
    };
    request.organization = organization;
    let (cookie, classes) = (session_cookie(&headers), request.classes.clone());
    let (cookie, session) = state.log_in(user, classes, cookie.as_deref(), &provider.random, now);
    tracing::info!(connection = session.user.connection, "logged in");
    let location = redirect_with_code(&provider, &mut state, request, session);
    with_session_cookie(redirect(StatusCode::SEE_OTHER, &location), cookie)
}

/// The form, or first the choice of an organization.
fn form(
    provider: &Provider,
    login: &str,
    request: &AuthorizationRequest,
    parameters: &Parameters,
    refused_email: Option<&str>,
) -> Response {
    let connection = chosen_connection(request, parameters);
    let organization = chosen_organization(request, parameters);
    if provider.asks_organization(organization.as_ref()) {
        let page = OrganizationPage { login, connection, organizations: &SAMPLE_ORGANIZATIONS };
        return pages::page(StatusCode::OK, &page, Some(&request.redirect_uri));
    }
    let others = match request.connection {
        Some(_) => Vec::new(),
        None => CONNECTIONS.iter().filter(|other| other.name != connection.name).collect(),
    };
    let status = if refused_email.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let page = LoginPage {
        login,
        sign_up: request.sign_up,
        connection,
        organization: organization.as_ref().map(|organization| organization.id.as_str()),
        classes: &request.classes,
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

/// The organization that the client asked for, or else the user chose.
fn chosen_organization(
    request: &AuthorizationRequest,
    parameters: &Parameters,
) -> Option<Organization> {
    request
        .organization
        .clone()
        .or_else(|| parameters.find("organization").and_then(Organization::find))
}

fn expired() -> Response {
    pages::error(
        StatusCode::BAD_REQUEST,
        "This login has ended",
        "It was finished or cancelled, or it waited too long. Go back to the application and start \
         again.",
    )
}
