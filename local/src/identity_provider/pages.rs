//! Everything a person gets to see.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use url::Url;

use super::{connections::Connection, state::Session, users::SampleUser};

/// The login form.
#[derive(Template)]
#[template(path = "identity_provider/login.html")]
pub(super) struct LoginPage<'a> {
    /// The form's single-use id.
    pub(super) login: &'a str,
    pub(super) sign_up: bool,
    pub(super) connection: &'static Connection,
    /// The connections to change to; none if the client chose one.
    pub(super) others: Vec<&'static Connection>,
    pub(super) sample_users: &'static [SampleUser],
    /// What the field holds already.
    pub(super) email: &'a str,
    /// Whether that was refused.
    pub(super) invalid: bool,
}

/// The question whether to sign out.
#[derive(Template)]
#[template(path = "identity_provider/sign_out.html")]
pub(super) struct SignOutPage<'a> {
    /// The form's single-use id.
    pub(super) sign_out: &'a str,
    pub(super) name: &'a str,
}

/// What `/` shows.
#[derive(Template)]
#[template(path = "identity_provider/home.html")]
pub(super) struct HomePage<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) connections: &'static [Connection],
    pub(super) sample_users: &'static [SampleUser],
    pub(super) sessions: Vec<Session>,
}

#[derive(Template)]
#[template(path = "identity_provider/message.html")]
struct MessagePage<'a> {
    title: &'a str,
    text: &'a str,
}

/// A page. `leads_to` is where its form may end up: browsers apply `form-action` to the redirects
/// that follow a form, so the client's origin must be named.
pub(super) fn page(
    status: StatusCode,
    template: &impl Template,
    leads_to: Option<&str>,
) -> Response {
    let Ok(html) = template.render() else {
        return internal_error();
    };
    let target = leads_to
        .and_then(|url| Url::parse(url).ok())
        .map(|url| format!(" {}", url.origin().ascii_serialization()))
        .unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{target}; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    match HeaderValue::try_from(policy) {
        Ok(policy) => {
            (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
        }
        Err(_) => internal_error(),
    }
}

/// A page that only says something.
pub(super) fn message(title: &str, text: &str) -> Response {
    page(StatusCode::OK, &MessagePage { title, text }, None)
}

/// The answer to a form that another site sent.
pub(super) fn foreign_form() -> Response {
    error(StatusCode::FORBIDDEN, "Form rejected", "This form was sent by another site.")
}

/// A page that says what went wrong. The texts are the provider's own: what a client sent is not
/// repeated.
pub(super) fn error(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, &MessagePage { title, text }, None)
}

pub(super) async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "Not found", "No page exists at this address.")
}

pub(super) async fn method_not_allowed() -> Response {
    error(
        StatusCode::METHOD_NOT_ALLOWED,
        "Method not allowed",
        "This address does not accept this method.",
    )
}

/// Only for what no client can bring about.
pub(super) fn internal_error() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").into_response()
}

/// An SVG image.
pub(super) fn image(svg: &'static str) -> Response {
    (
        [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=3600")],
        svg,
    )
        .into_response()
}

pub(super) async fn icon() -> Response {
    image(include_str!("../../templates/identity_provider/icon.svg"))
}

pub(super) async fn stylesheet() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
        include_str!("../../templates/identity_provider/style.css"),
    )
        .into_response()
}
