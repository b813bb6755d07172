//! Converts a request to an event of payload format 2.0.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, Uri,
    header::{self, HeaderName},
    request::Parts,
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{API_ID, DOMAIN, route::Matched};
use crate::emulator::lambda::ACCOUNT;

/// The client's address in every event.
const LOOPBACK: &str = "127.0.0.1";

/// Headers that concern only the client's connection, or that the gateway sets itself.
const NOT_PASSED_ON: &[&str] = &[
    "connection",
    "cookie",
    "expect",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-amzn-trace-id",
    "x-forwarded-port",
    "x-forwarded-proto",
];

/// The decoded path of a request. Routes are matched against it, and `rawPath` contains it despite
/// its name: `/a%20b` arrives as `/a b`. Everything after a decoded `?` is lost.
#[must_use]
pub fn path(uri: &Uri) -> String {
    let decoded = percent_decode_str(uri.path()).decode_utf8_lossy().into_owned();
    decoded.split('?').next().unwrap_or_default().to_owned()
}

/// The event of a request for this route.
///
/// - Header names are in lower case; values with the same name are joined by a comma.
/// - Cookies are in `cookies` and not among the headers.
/// - `rawQueryString` is unchanged; `queryStringParameters` are decoded, and repeated ones are joined
///   by a comma.
/// - The body is base64 with the flag set, unless its type is `text/*` or JSON, XML or JavaScript
///   named `application/…`. Forms and bodies without a type are base64 too.
#[must_use]
pub fn build(head: &Parts, body: &Bytes, matched: &Matched<'_>, request_id: &str) -> Bytes {
    let path = path(&head.uri);
    let query = head.uri.query().unwrap_or_default();
    let route_key = matched.route.key.to_string();
    let user_agent = text(&head.headers, &header::USER_AGENT);
    let (time, time_epoch) = now();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(&head.headers, body, request_id),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": DOMAIN,
            "domainPrefix": API_ID,
            "http": {
                "method": head.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", head.version),
                "sourceIp": LOOPBACK,
                "userAgent": user_agent.unwrap_or_default(),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": time,
            "timeEpoch": time_epoch,
        },
        "isBase64Encoded": false,
    });
    let cookies = cookies(&head.headers);
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(query));
    }
    if !matched.parameters.is_empty() {
        event["pathParameters"] = json!(matched.parameters);
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(text) if is_text(&head.headers) => event["body"] = json!(text),
            _ => {
                event["body"] = json!(BASE64_STANDARD.encode(body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    event.to_string().into()
}

fn headers(sent: &HeaderMap, body: &Bytes, request_id: &str) -> Map<String, Value> {
    let names = sent.keys().filter(|name| !NOT_PASSED_ON.contains(&name.as_str()));
    let mut headers: Map<_, _> = names
        .filter_map(|name| Some((name.as_str().to_owned(), text(sent, name)?.into())))
        .collect();
    let forwarded_for = text(sent, &HeaderName::from_static("x-forwarded-for"));
    let forwarded_for =
        forwarded_for.map_or_else(|| LOOPBACK.to_owned(), |before| format!("{before}, {LOOPBACK}"));
    headers.insert("content-length".to_owned(), body.len().to_string().into());
    headers.insert("x-amzn-trace-id".to_owned(), format!("Root={request_id}").into());
    headers.insert("x-forwarded-for".to_owned(), forwarded_for.into());
    headers.insert("x-forwarded-port".to_owned(), "443".into());
    headers.insert("x-forwarded-proto".to_owned(), "https".into());
    headers
}

fn cookies(sent: &HeaderMap) -> Vec<String> {
    let values = sent.get_all(header::COOKIE).iter();
    values
        .flat_map(|value| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            value.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>()
        })
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

fn query_parameters(query: &str) -> BTreeMap<Cow<'_, str>, String> {
    let mut parameters = BTreeMap::<_, String>::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let values = parameters.entry(name).or_default();
        if !values.is_empty() {
            values.push(',');
        }
        values.push_str(&value);
    }
    parameters
}

fn is_text(headers: &HeaderMap) -> bool {
    let content_type = text(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = ["application/javascript", "application/json", "application/xml"];
    essence.starts_with("text/") || text.contains(&essence.as_str())
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values = headers.get_all(name).iter();
    let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    (!values.is_empty()).then(|| values.join(","))
}

/// The time in the format of a web server's access log, and in milliseconds since the epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the gateway stamps its events in milliseconds; a Timestamp is too coarse"
)]
fn now() -> (String, u64) {
    let now = SystemTime::now();
    let epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    // `Thu, 12 Mar 2020 19:03:58 GMT`
    let date = httpdate::fmt_http_date(now);
    let time =
        format!("{}/{}/{}:{} +0000", &date[5..7], &date[8..11], &date[12..16], &date[17..25]);
    (time, u64::try_from(epoch).unwrap_or(u64::MAX))
}
