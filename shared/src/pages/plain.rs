//! Responses without markup: the headers of every response, and failures as JSON or a line of text.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue,
    header::{self, HeaderMap},
};
use serde_json::{Value, json};

use super::language;
use crate::{
    texts::{self, Language},
    web::{error::Public, request::Response},
};

/// A failure before a handler is called, or without one that finishes: JSON, or a line of text for a
/// person who reads `page`. `request_id` lets the caller identify the log line.
pub fn failure(public: &Public, page: Option<Language>, request_id: &str) -> Response {
    let (content_type, body) = match page.map(Language::texts) {
        Some(texts) => {
            let (description, request) = ((public.description)(texts), texts.message.request);
            ("text/plain; charset=utf-8", format!("{description} ({request} {request_id})\n"))
        }
        None => ("application/json", body(public, Some(request_id)).to_string()),
    };
    // API Gateway supports only https. In a local run over http, browsers ignore the header.
    let mut response = complete(Response::new(Bytes::from(body)), true);
    *response.status_mut() = public.status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    if page.is_some() {
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Language"));
    }
    add_headers(public, &mut response);
    response
}

/// Whether `headers` are those of a navigation by a person, which gets pages and redirects. Other
/// requests get JSON and a 401, never a redirect to a login page.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let is_html = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
    match headers.get(SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => headers.get_all(header::ACCEPT).iter().any(is_html),
    }
}

/// The language of a page for a person. `None`: `headers` are not those of a person's navigation.
pub fn language(headers: &HeaderMap) -> Option<Language> {
    wants_page(headers).then(|| language::accepted(headers))
}

/// The JSON of a failure.
pub(super) fn body(public: &Public, request_id: Option<&str>) -> Value {
    let mut body =
        json!({ "code": public.code.name(), "description": texts::english(public.description) });
    if let Some(message) = public.message {
        body["message"] = message.into();
    }
    if let Some(request_id) = request_id {
        body["request_id"] = request_id.into();
    }
    body
}

/// Adds `Retry-After` and the headers that `public` names.
pub(super) fn add_headers(public: &Public, response: &mut Response) {
    let headers = response.headers_mut();
    if let Some(retry_after) = public.retry_after {
        headers.insert(header::RETRY_AFTER, retry_after.as_secs().into());
    }
    for (name, value) in &public.headers {
        headers.append(name, value.clone());
    }
}

/// Adds the headers that every response needs and that `response` lacks. No cache may keep it: each
/// response depends on a session or sets a cookie, or may do so for the next user (R170).
pub(super) fn complete(mut response: Response, is_https: bool) -> Response {
    let transport = is_https.then_some((
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=63072000; includeSubDomains"),
    ));
    for (name, value) in DEFAULT_HEADERS.into_iter().chain(transport) {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

const DEFAULT_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // Not `no-referrer`: with it, a browser sends `Origin: null` from our own forms.
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ),
];
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
