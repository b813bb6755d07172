//! Rejects requests from foreign hosts and other sites, and sets protective headers.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use shared::issuer::Issuer;

use super::{pages, provider::Provider};

/// The Content-Security-Policy of responses without a page: they may load nothing.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// Rejects requests for other hosts than localhost. Otherwise a website could point its own name at
/// 127.0.0.1 and read the responses (DNS rebinding).
pub(super) async fn own_name_only(
    State(provider): State<Arc<Provider>>,
    request: Request,
    next: Next,
) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    match host {
        Some(host) if hosts.next().is_none() && is_own_host(host, provider.port) => {
            next.run(request).await
        }
        _ => pages::error(
            StatusCode::MISDIRECTED_REQUEST,
            "Unknown host",
            "The development identity provider accepts requests to localhost only.",
        ),
    }
}

/// Rejects forms that another site sent. Such a form could log the user in as a user of its choice
/// (login CSRF), or end sessions.
pub(super) async fn own_forms_only(
    State(provider): State<Arc<Provider>>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() == Method::POST && !is_same_origin(request.headers(), provider.port) {
        let text = "This form was sent by another site.";
        return pages::error(StatusCode::FORBIDDEN, "Form rejected", text);
    }
    next.run(request).await
}

/// Sets the headers that every response must have.
pub(super) async fn protective_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    response
}

/// Whether a form comes from our own origin. Browsers send the origin of every POST. A request without
/// one does not come from a browser, so no page has forged it.
fn is_same_origin(headers: &HeaderMap, port: u16) -> bool {
    if let Some(site) = headers.get("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
    {
        return false;
    }
    match headers.get(header::ORIGIN) {
        None => true,
        Some(origin) => origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|host| is_own_host(host, port)),
    }
}

fn is_own_host(host: &str, port: u16) -> bool {
    own_port(host) == Some(port)
}

/// Whether a `Host` header is one of localhost's names, with any port.
#[cfg(feature = "backends")]
pub(crate) fn is_loopback_name(host: &str) -> bool {
    own_port(host).is_some()
}

/// The port of a host that is one of this machine's names.
fn own_port(host: &str) -> Option<u16> {
    // `http` is accepted for such a host only.
    let origin = Issuer::parse(&format!("http://{host}")).ok()?;
    (origin.url().path() == "/").then(|| origin.url().port_or_known_default())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_localhost_at_the_own_port_is_its_own_name() {
        for host in ["localhost:9001", "127.0.0.1:9001", "[::1]:9001"] {
            assert!(is_own_host(host, 9001), "{host}");
        }
        for host in [
            "localhost",
            "localhost:9002",
            "localhost.evil.example:9001",
            "evil.example:9001",
            "a@localhost:9001",
            "",
        ] {
            assert!(!is_own_host(host, 9001), "{host}");
        }
    }

    #[test]
    fn a_form_from_another_site_is_refused() {
        let headers = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))])
        };
        assert!(is_same_origin(&headers("origin", "http://localhost:9001"), 9001));
        assert!(is_same_origin(&HeaderMap::new(), 9001));
        assert!(!is_same_origin(&headers("origin", "http://localhost:9000"), 9001));
        assert!(!is_same_origin(&headers("origin", "null"), 9001));
        assert!(!is_same_origin(&headers("sec-fetch-site", "same-site"), 9001));
        assert!(!is_same_origin(&headers("sec-fetch-site", "cross-site"), 9001));
    }
}
