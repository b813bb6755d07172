//! Converts a function's response (format 2.0) to the client's response.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SET_COOKIE, TRANSFER_ENCODING},
};
use serde_json::{Value, json};

/// The client's response, or `None` if the function's response is invalid.
///
/// Without a `statusCode`, the function's whole response becomes the body, as JSON.
#[must_use]
pub fn read(answer: &[u8]) -> Option<Response<Bytes>> {
    let value: Value = serde_json::from_slice(answer).ok()?;
    let Some(status) = value.get("statusCode") else {
        let body = match value {
            Value::String(text) => text,
            value => value.to_string(),
        };
        let mut response = Response::new(body.into());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Some(response);
    };
    let status = StatusCode::from_u16(u16::try_from(status.as_u64()?).ok()?).ok()?;
    let mut response = Response::builder().status(status).body(body(&value)?).ok()?;
    let headers = response.headers_mut();
    for (name, value) in entries(&value, "headers")? {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&name) {
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
    }
    for cookie in list(&value, "cookies")? {
        headers.append(SET_COOKIE, HeaderValue::from_bytes(cookie.as_str()?.as_bytes()).ok()?);
    }
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain;charset=UTF-8"));
    Some(response)
}

/// A response that the gateway itself makes.
#[must_use]
pub fn message(status: StatusCode, message: &str) -> Response<Bytes> {
    let mut response = Response::new(json!({ "message": message }).to_string().into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The client's response to any failure behind the gateway.
#[must_use]
pub fn internal_error() -> Response<Bytes> {
    message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
}

fn body(answer: &Value) -> Option<Bytes> {
    let text = match answer.get("body") {
        None | Some(Value::Null) => "",
        Some(body) => body.as_str()?,
    };
    match answer.get("isBase64Encoded") {
        None | Some(Value::Null | Value::Bool(false)) => Some(text.to_owned().into()),
        Some(Value::Bool(true)) => Some(BASE64_STANDARD.decode(text).ok()?.into()),
        Some(_) => None,
    }
}

fn entries<'a>(answer: &'a Value, field: &str) -> Option<Vec<(&'a str, String)>> {
    let fields = match answer.get(field) {
        None | Some(Value::Null) => return Some(Vec::new()),
        Some(fields) => fields.as_object()?,
    };
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    fields.iter().map(|(name, value)| Some((name.as_str(), text(value)?))).collect()
}

fn list<'a>(answer: &'a Value, field: &str) -> Option<&'a [Value]> {
    match answer.get(field) {
        None | Some(Value::Null) => Some(&[]),
        Some(list) => list.as_array().map(Vec::as_slice),
    }
}
