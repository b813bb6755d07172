//! The provider's pages.

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
    /// The id of the organization that the login is for.
    pub(super) organization: Option<&'a str>,
    /// The classes of authentication that the login counts as, because the client asks for them.
    pub(super) classes: &'a [String],
    /// The other connections to choose from; empty if the client chose one.
    pub(super) others: Vec<&'static Connection>,
    pub(super) sample_users: &'static [SampleUser],
    /// The initial value of the e-mail field.
    pub(super) email: &'a str,
    /// Whether the e-mail address was rejected.
    pub(super) invalid: bool,
}

/// The page that asks for the organization of a login.
#[derive(Template)]
#[template(path = "identity_provider/organization.html")]
pub(super) struct OrganizationPage<'a> {
    /// The form's single-use id.
    pub(super) login: &'a str,
    pub(super) connection: &'static Connection,
    /// Each with its id and its name.
    pub(super) organizations: &'static [(&'static str, &'static str)],
}

/// The page that asks the user to confirm a logout.
#[derive(Template)]
#[template(path = "identity_provider/log_out.html")]
pub(super) struct LogoutPage<'a> {
    /// The form's single-use id.
    pub(super) logout: &'a str,
    pub(super) name: &'a str,
}

/// The page at `/`.
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

/// A page. `leads_to` is an origin to which its form may redirect. Browsers apply `form-action` to
/// redirects too, so the policy must contain the client's origin.
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

/// A page with a message only.
pub(super) fn message(title: &str, text: &str) -> Response {
    page(StatusCode::OK, &MessagePage { title, text }, None)
}

/// An error page. Its texts contain nothing from the request.
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

/// Only for errors that no client can cause.
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
