//! Responses by the gateway itself, when no handler was called or it failed.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use shared::web::request::Response;

/// The error, in words that anyone may read: no cause and no part of the request (R176).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The error code for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub description: &'static str,
}

/// The handler panicked.
pub const FAILED: Refusal = Refusal {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    code: "internal_error",
    description: "The request could not be answered.",
};

/// The handler ran out of time (R166).
pub const OUT_OF_TIME: Refusal = Refusal {
    status: StatusCode::SERVICE_UNAVAILABLE,
    code: "timeout",
    description: "The request took too long. Please try again.",
};

impl Refusal {
    /// The response: JSON, or a line of plain text for a browser.
    ///
    /// `request_id` lets the caller identify the log line.
    pub fn response(self, headers: &HeaderMap, request_id: &str) -> Response {
        let Self { status, code, description } = self;
        let (content_type, body) = if wants_page(headers) {
            ("text/plain; charset=utf-8", format!("{description} (request {request_id})\n"))
        } else {
            let body = serde_json::json!({
                "code": code, "description": description, "request_id": request_id,
            });
            ("application/json", body.to_string())
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        fields.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        fields.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        fields.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOTHING_ALLOWED));
        // API Gateway supports only https. In a local run over http, browsers ignore the header.
        let always_https = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        fields.insert(header::STRICT_TRANSPORT_SECURITY, always_https);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            fields.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

const NOTHING_ALLOWED: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

fn wants_page(headers: &HeaderMap) -> bool {
    let mut accepts = headers.get_all(header::ACCEPT).iter();
    accepts.any(|value| value.to_str().is_ok_and(|text| text.contains("text/html")))
}
