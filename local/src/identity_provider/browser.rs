//! The provider's session cookie, and redirects.

use axum::response::{IntoResponse, Response};
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::{pages, state::SESSION_LIFETIME};

/// The name of the session cookie. Cookies ignore ports, so on localhost the provider shares them with
/// the application and other programs. The name must differ from theirs (R216).
pub(super) const COOKIE: &str = "auth0-lambda-provider";

/// The value of the session cookie.
pub(super) fn session_cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == COOKIE)
        .map(|cookie| cookie.value().to_owned())
}

/// Sets the session cookie.
pub(super) fn with_session_cookie(response: Response, value: String) -> Response {
    let lifetime = cookie::time::Duration::try_from(SESSION_LIFETIME).unwrap_or_default();
    with_cookie(response, Cookie::build((COOKIE, value)).max_age(lifetime))
}

/// Clears the session cookie.
pub(super) fn without_session_cookie(response: Response) -> Response {
    with_cookie(response, Cookie::build((COOKIE, "")).max_age(cookie::time::Duration::ZERO))
}

/// A redirect to a verified URL. A URL that is not valid in a header is an error.
pub(super) fn redirect(status: StatusCode, location: &str) -> Response {
    match HeaderValue::try_from(location) {
        Ok(location) => (status, [(header::LOCATION, location)]).into_response(),
        Err(_) => pages::internal_error(),
    }
}

/// Adds the cookie. Not `Secure`: this is plain HTTP, where Safari stores no Secure cookie. No domain:
/// the cookie is for this host only.
fn with_cookie(mut response: Response, cookie: cookie::CookieBuilder<'_>) -> Response {
    let cookie = cookie.path("/").http_only(true).same_site(SameSite::Lax).build();
    if let Ok(value) = HeaderValue::try_from(cookie.to_string()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
