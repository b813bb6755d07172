//! Converts an event to a request.
//!
//! The event is parsed by our own types, which contain only the fields that are used. Those of
//! `aws_lambda_events` panic on a header map above its limit, and reject a whole event because of one
//! claim of another type in `authorizer`. `lambda_http` panics on a path that is not a URI and on
//! broken base64. A panic here ends the process. `authorizer` is never read (R153): everyone who may
//! invoke the function directly can forge it.

use std::{borrow::Cow, fmt, str};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::PathAndQuery,
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use shared::{
    names::ErrorCode,
    texts::Text,
    web::{
        error::Public,
        request::{Request, RequestContext},
    },
};

/// The maximum size of a body, in bytes. API Gateway's own limit is 10 MB; no route needs more than a
/// form.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// The characters that are not allowed in a path (RFC 3986 §3.3). They must include a decoded `?` or
/// `#`, which would turn the rest of the path into a query.
const NOT_IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The characters that the `http` crate rejects in a query or treats as its end.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// Reasons why an event cannot be converted. They contain nothing of the event, which may be secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EventError {
    /// The body is flagged as base64 but is not.
    #[error("the body is flagged as base64 and is not")]
    BodyNotBase64,
    /// The body is larger than [`BODY_LIMIT`].
    #[error("the body is larger than {BODY_LIMIT} bytes")]
    BodyTooLarge,
    /// The event has version 2.0, but a field is missing or has the wrong type.
    #[error(
        "the event claims payload format 2.0 but cannot be read (line {line}, column {column})"
    )]
    Malformed {
        /// The line in the event, counted from 1.
        line: usize,
        /// The column in the line.
        column: usize,
    },
    /// An event of a REST API or a load balancer, a manual test event, …
    #[error("the event is not of payload format 2.0: only an HTTP API with that format is served")]
    NotPayloadV2,
    /// The path and query are longer than a URI may be.
    #[error("the path and query are longer than a URI may be")]
    UriTooLong,
}

impl EventError {
    /// The response for the caller.
    pub const fn public(self) -> Public {
        let (status, code, description): (StatusCode, ErrorCode, Text) = match self {
            Self::BodyNotBase64 | Self::Malformed { .. } | Self::NotPayloadV2 => {
                (StatusCode::BAD_REQUEST, ErrorCode::InvalidEvent, |texts| texts.errors.unreadable)
            }
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge, |texts| {
                    texts.errors.body_too_large
                })
            }
            Self::UriTooLong => (StatusCode::URI_TOO_LONG, ErrorCode::UriTooLong, |texts| {
                texts.errors.address_too_long
            }),
        };
        Public::new(status, code, |texts| texts.titles.request_rejected, description)
    }
}

/// Converts the JSON of an event to a request; `invocation_id` is its id if the gateway sent none.
///
/// # Errors
///
/// When the event is not of payload format 2.0, or its body or address is invalid.
pub fn parse(json: &[u8], invocation_id: &str) -> Result<Request, EventError> {
    Event::read(json)?.into_request(invocation_id)
}

/// An event of payload format 2.0 whose body is not decoded yet.
pub struct Event<'a> {
    payload: Payload<'a>,
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    version: String,
    raw_path: String,
    #[serde(default)]
    raw_query_string: Option<String>,
    #[serde(default)]
    cookies: Option<Vec<String>>,
    #[serde(default, deserialize_with = "headers")]
    headers: HeaderMap,
    request_context: Context,
    #[serde(borrow, default)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    #[serde(default)]
    domain_name: Option<String>,
    http: Http,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    stage: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    #[serde(deserialize_with = "method")]
    method: Method,
}

/// The field that identifies version 2.0 in any event.
#[derive(Deserialize)]
struct Version {
    version: String,
}

impl<'a> Event<'a> {
    /// Parses the JSON of an event.
    ///
    /// # Errors
    ///
    /// [`EventError::NotPayloadV2`] or [`EventError::Malformed`].
    pub fn read(json: &'a [u8]) -> Result<Self, EventError> {
        let payload = match serde_json::from_slice::<Payload<'_>>(json) {
            Ok(payload) if payload.version == "2.0" => payload,
            Ok(_) => return Err(EventError::NotPayloadV2),
            Err(error) => {
                return Err(match serde_json::from_slice::<Version>(json) {
                    Ok(Version { version }) if version == "2.0" => {
                        EventError::Malformed { line: error.line(), column: error.column() }
                    }
                    _ => EventError::NotPayloadV2,
                });
            }
        };
        let stage = payload.request_context.stage.as_deref();
        let path = encode_path(without_stage(&payload.raw_path, stage));
        Ok(Self { payload, path })
    }

    /// The method, from the gateway's own field: a header cannot override it (R161).
    pub const fn method(&self) -> &Method {
        &self.payload.request_context.http.method
    }

    /// The path without the stage, encoded so that it is valid in a URI (R160).
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The headers, without `Cookie`.
    pub const fn headers(&self) -> &HeaderMap {
        &self.payload.headers
    }

    /// The gateway's request id, or `invocation_id` if it sent none that is safe to show.
    pub fn request_id<'b>(&'b self, invocation_id: &'b str) -> &'b str {
        let id = self.payload.request_context.request_id.as_deref();
        id.filter(|id| is_identifier(id)).unwrap_or(invocation_id)
    }

    /// The request.
    ///
    /// # Errors
    ///
    /// [`EventError::BodyNotBase64`], [`EventError::BodyTooLarge`], [`EventError::UriTooLong`].
    pub fn into_request(self, invocation_id: &str) -> Result<Request, EventError> {
        let request_id = self.request_id(invocation_id).to_owned();
        let Payload { raw_query_string, cookies, mut headers, request_context, body, .. } =
            self.payload;
        let uri = uri(self.path, raw_query_string.as_deref().unwrap_or_default())?;
        let body = decode_body(body.unwrap_or_default(), self.payload.is_base64_encoded)?;
        if let Some(cookie) = join_cookies(&cookies.unwrap_or_default()) {
            headers.insert(header::COOKIE, cookie);
        }

        let mut request = Request::new(body);
        *request.method_mut() = request_context.http.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        let domain_name = request_context.domain_name;
        request.extensions_mut().insert(RequestContext { request_id, domain_name });
        Ok(request)
    }
}

/// Removes the stage from the path. A stage other than `$default` precedes every path; handlers do not
/// know stages.
pub(crate) fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let Some(stage) = stage.filter(|stage| !stage.is_empty() && *stage != "$default") else {
        return path;
    };
    match path.strip_prefix('/').and_then(|rest| rest.strip_prefix(stage)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Encodes characters that are not allowed in a URI path. Existing escapes are kept: decoding them here
/// would decode them twice. A `%` that does not start an escape is encoded.
pub(crate) fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        encoded.push('/');
    }
    for (index, part) in path.split('%').enumerate() {
        if index > 0 {
            let digits = part.as_bytes().get(..2);
            let is_escape = digits.is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
            encoded.push_str(if is_escape { "%" } else { "%25" });
        }
        encoded.extend(utf8_percent_encode(part, NOT_IN_PATH));
    }
    encoded
}

pub(crate) fn uri(mut path_and_query: String, query: &str) -> Result<Uri, EventError> {
    if !query.is_empty() {
        path_and_query.push('?');
        path_and_query.extend(utf8_percent_encode(query, NOT_IN_QUERY));
    }
    // Only the length can be invalid here. `Uri`'s own parser is not used, because it could parse the
    // text after two leading slashes as a host.
    PathAndQuery::try_from(path_and_query).map(Uri::from).map_err(|_| EventError::UriTooLong)
}

fn decode_body(body: Cow<'_, str>, is_base64: bool) -> Result<Bytes, EventError> {
    // Check the size before decoding: padding accounts for at most two bytes.
    let size = if is_base64 { (body.len() / 4 * 3).saturating_sub(2) } else { body.len() };
    if size > BODY_LIMIT {
        return Err(EventError::BodyTooLarge);
    }
    if !is_base64 {
        return Ok(Bytes::from(body.into_owned()));
    }
    let decoded = BASE64_STANDARD.decode(body.as_bytes()).map_err(|_| EventError::BodyNotBase64)?;
    if decoded.len() > BODY_LIMIT {
        return Err(EventError::BodyTooLarge);
    }
    Ok(Bytes::from(decoded))
}

/// One `Cookie` header with all cookies that are valid in one.
fn join_cookies(cookies: &[String]) -> Option<HeaderValue> {
    let fit = cookies.iter().filter(|cookie| HeaderValue::from_str(cookie).is_ok());
    let joined = fit.map(String::as_str).collect::<Vec<_>>().join("; ");
    if joined.is_empty() { None } else { HeaderValue::try_from(joined).ok() }
}

/// Whether `text` is a safe id: it is shown on pages and in logs.
pub(crate) fn is_identifier(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+/.:".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(is_plain)
}

fn method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    let name = Cow::<'_, str>::deserialize(deserializer)?;
    Method::from_bytes(name.as_bytes()).map_err(|_| D::Error::custom("no method"))
}

/// Parses headers and skips names and values that are invalid in HTTP. Skips `Cookie` too: cookies are
/// in the event's own array, and a second source could contradict it (R90).
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
    struct Headers;

    impl<'de> Visitor<'de> for Headers {
        type Value = HeaderMap;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("headers, each with one text")
        }

        fn visit_unit<E: Error>(self) -> Result<HeaderMap, E> {
            Ok(HeaderMap::new())
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<HeaderMap, A::Error> {
            let mut headers = HeaderMap::new();
            while let Some((name, value)) = entries.next_entry::<String, String>()? {
                let name = HeaderName::from_bytes(name.as_bytes());
                let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) else { continue };
                if name != header::COOKIE {
                    // Append, so that names that differ only in case do not overwrite each other.
                    headers
                        .try_append(name, value)
                        .map_err(|_| A::Error::custom("too many headers"))?;
                }
            }
            Ok(headers)
        }
    }

    deserializer.deserialize_any(Headers)
}
