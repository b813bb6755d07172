//! From an event to a request.
//!
//! The event is read by types of our own that hold no more than what is used. Those of
//! `aws_lambda_events` panic on a header map above its limit and refuse a whole event for one
//! claim of another type in `authorizer`; `lambda_http` panics on a path that is no URI and on
//! broken base64. Here a panic ends the process. And `authorizer`, which whoever may invoke the
//! function directly can forge, is never read at all (R153).

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
use shared::web::request::{Request, RequestContext};

use crate::refusal::Refusal;

/// The largest body taken, in bytes. API Gateway's own limit is 10 MB; no route needs more than a
/// form.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// What may not stand in a path (RFC 3986 §3.3). A decoded `?` or `#` must be among it: it would
/// turn the rest of the path into a query.
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

/// What the `http` crate takes for no part of a query, or for its end.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// Why an event gives no request. Holds nothing of the event, which may be a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EventError {
    /// Flagged as base64, and is not.
    #[error("the body is flagged as base64 and is not")]
    BodyNotBase64,
    /// Above [`BODY_LIMIT`].
    #[error("the body is larger than {BODY_LIMIT} bytes")]
    BodyTooLarge,
    /// Says it is version 2.0, and has a field that is missing or of another type.
    #[error(
        "the event claims payload format 2.0 but cannot be read (line {line}, column {column})"
    )]
    Malformed {
        /// Where in the event, counted from 1.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A REST API's event, a load balancer's, a test event made by hand, …
    #[error("the event is not of payload format 2.0: only an HTTP API with that format is served")]
    NotPayloadV2,
    /// Longer than a URI may be.
    #[error("the path and query are longer than a URI may be")]
    UriTooLong,
}

impl EventError {
    /// What the caller is told.
    pub const fn refusal(self) -> Refusal {
        let (status, code, description) = match self {
            Self::BodyNotBase64 | Self::Malformed { .. } | Self::NotPayloadV2 => {
                (StatusCode::BAD_REQUEST, "invalid_event", "The request cannot be read.")
            }
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "The request body is too large.")
            }
            Self::UriTooLong => {
                (StatusCode::URI_TOO_LONG, "uri_too_long", "The address is too long.")
            }
        };
        Refusal { status, code, description }
    }
}

/// Turns the JSON of an event into a request; `invocation_id` names it if the gateway did not.
///
/// # Errors
///
/// When the event is not of payload format 2.0, or its body or address cannot be taken.
pub fn parse(json: &[u8], invocation_id: &str) -> Result<Request, EventError> {
    Event::read(json)?.into_request(invocation_id)
}

/// An event of payload format 2.0 whose body has not been looked at.
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

/// Enough of any event to tell whether it claims to be version 2.0.
#[derive(Deserialize)]
struct Version {
    version: String,
}

impl<'a> Event<'a> {
    /// Reads the JSON of an event.
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

    /// The method, from the gateway's own field: no header overrides it (R161).
    pub const fn method(&self) -> &Method {
        &self.payload.request_context.http.method
    }

    /// The path without the stage, encoded so that it is part of a valid URI (R160).
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The headers, without `Cookie`.
    pub const fn headers(&self) -> &HeaderMap {
        &self.payload.headers
    }

    /// The gateway's id of the request, or `invocation_id` if it gave none that can be shown.
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

/// A stage other than `$default` stands before every path; handlers know of no stage.
pub(crate) fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let Some(stage) = stage.filter(|stage| !stage.is_empty() && *stage != "$default") else {
        return path;
    };
    match path.strip_prefix('/').and_then(|rest| rest.strip_prefix(stage)) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ => path,
    }
}

/// Encodes what a URI path may not hold. What is encoded stays as it is: to decode it here would
/// be to decode it twice. A `%` that begins no escape is a percent sign.
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
    // Length is all that is left to go wrong. Not by way of `Uri`'s own parser, which could take
    // what begins with two slashes for a host.
    PathAndQuery::try_from(path_and_query).map(Uri::from).map_err(|_| EventError::UriTooLong)
}

fn decode_body(body: Cow<'_, str>, is_base64: bool) -> Result<Bytes, EventError> {
    // Before decoding: padding accounts for two bytes at most.
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

/// One `Cookie` header of all cookies that can stand in one.
fn join_cookies(cookies: &[String]) -> Option<HeaderValue> {
    let fit = cookies.iter().filter(|cookie| HeaderValue::from_str(cookie).is_ok());
    let joined = fit.map(String::as_str).collect::<Vec<_>>().join("; ");
    if joined.is_empty() { None } else { HeaderValue::try_from(joined).ok() }
}

/// The id stands on pages and in logs.
pub(crate) fn is_identifier(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+/.:".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(is_plain)
}

fn method<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    let name = Cow::<'_, str>::deserialize(deserializer)?;
    Method::from_bytes(name.as_bytes()).map_err(|_| D::Error::custom("no method"))
}

/// Reads headers. A name or value that HTTP does not know is left out, and so is `Cookie`: cookies
/// come in the event's own array, and a second place for them could contradict the first (R90).
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
                    // Appended: of two twins in different case neither may win.
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
