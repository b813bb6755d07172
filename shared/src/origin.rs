//! Other origins: which may call us, and which a request came from.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use url::Url;

use crate::{
    config::Settings,
    issuer::is_loopback,
    request::{Request, Response},
    respond::Responder,
};

/// The origins that the operator lets call `/protected` and `/logout` (the CORS protocol, Fetch
/// §3.3). They are compared whole: no wildcard, no suffix (R168).
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// Reads `ALLOWED_ORIGINS`, a comma-separated list.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let origins = settings.optional("ALLOWED_ORIGINS", |text| {
            let origins: Option<Vec<_>> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse_origin).collect();
            origins.ok_or("must be a comma-separated list of origins such as `https://app.example.com`, without paths or wildcards")
        })?;
        Some(Self(origins.unwrap_or_default()))
    }

    /// Whether `origin`, as a browser writes it, is one of them.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == origin)
    }

    /// Tells the browser whether the page that asked may read `response`.
    pub fn share(&self, request: &Request, response: &mut Response) {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin(request.headers()).filter(|origin| self.contains(origin))
            && let Ok(origin) = HeaderValue::from_str(origin)
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers
                .insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("Retry-After, WWW-Authenticate"),
            );
        }
    }

    /// The answer to `OPTIONS`, which needs no credential (R154).
    pub fn preflight(
        &self,
        request: &Request,
        responder: &Responder,
        allow: &'static str,
    ) -> Response {
        let mut response = responder.empty(StatusCode::NO_CONTENT);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        self.share(request, &mut response);
        let headers = response.headers_mut();
        if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allow));
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("Authorization, Content-Type"),
            );
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        }
        response
    }

    /// Whether a page of ours, at `own`, or of an allowed origin sent this request.
    ///
    /// A browser adds our cookie to whatever some other page makes it send, so a request that
    /// changes something needs this proof beside the cookie (R104, R167). One that carries neither
    /// header proves nothing.
    pub fn vouch_for(&self, request: &Request, own: &str) -> bool {
        match origin(request.headers()) {
            Some(origin) => origin == own || self.contains(origin),
            None => {
                header_text(request.headers(), &SEC_FETCH_SITE) == Some("same-origin")
                    && !is_repeated(request.headers(), &header::ORIGIN)
            }
        }
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn origin(headers: &HeaderMap) -> Option<&str> {
    header_text(headers, &header::ORIGIN)
}

/// The one value of a header. A second one makes both worthless.
fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    if is_repeated(headers, name) { None } else { headers.get(name)?.to_str().ok() }
}

fn is_repeated(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().count() > 1
}

fn parse_origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_allowed = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    let origin = url.origin().ascii_serialization();
    (is_allowed && text.trim_end_matches('/') == origin).then_some(origin)
}
