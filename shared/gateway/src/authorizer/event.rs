//! Converts the event of an authorizer to a request and its route.
//!
//! It uses its own types for the reasons in [`crate::event`]. Format 2.0 is parsed by the same code as
//! the requests of functions.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use shared::web::request::{Request, RequestContext};

use crate::event::{self, Event, EventError};

/// The question of API Gateway: may this request take this route?
#[derive(Debug)]
pub struct Call {
    /// The request, without its body.
    pub request: Request,
    /// The route.
    pub route: Route,
    /// The required form of the response.
    pub form: Form,
}

/// The route of a request, as reported by the gateway. A client cannot forge it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The method of the request.
    pub method: Method,
    /// The path of the route in the API's definition: `/reports/{id}`, or `$default`. `None` for a
    /// `TOKEN` authorizer, which does not receive it.
    pub resource: Option<String>,
}

/// The required form of the response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Form {
    /// `isAuthorized`: HTTP APIs with format 2.0 and simple responses.
    Simple,
    /// An IAM policy: REST APIs, and HTTP APIs with format 1.0.
    Policy {
        /// The ARN of the requested method.
        method_arn: String,
    },
}

/// Reasons why an event cannot be converted. They contain nothing of the event, which may be secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CallError {
    /// Two fields that must agree contradict each other.
    #[error("the event contradicts itself: {0}")]
    Contradiction(&'static str),
    /// A field is missing or has the wrong type.
    #[error("the event of an authorizer cannot be read (line {line}, column {column})")]
    Malformed {
        /// The line in the event, counted from 1.
        line: usize,
        /// The column in the line.
        column: usize,
    },
    /// A request for a function, a manual test event, …
    #[error("the event is not of an authorizer: neither of type REQUEST nor of type TOKEN")]
    NotOfAuthorizer,
    /// The request in the event is invalid.
    #[error(transparent)]
    Request(#[from] EventError),
}

/// The fields that identify the kind of an event.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// The fields of format 2.0 that a function's event does not have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version2 {
    route_key: String,
}

/// Format 1.0, and the event of a REST API, which does not contain a version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version1 {
    method_arn: String,
    resource: String,
    path: String,
    http_method: String,
    #[serde(default)]
    headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    query_string_parameters: Option<BTreeMap<String, String>>,
    #[serde(default)]
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    request_context: Version1Context,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version1Context {
    http_method: String,
    resource_path: String,
    #[serde(default)]
    domain_name: Option<String>,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    stage: Option<String>,
}

/// The event of a REST API for an authorizer of type `TOKEN`: the value of one header.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    authorization_token: String,
    method_arn: String,
}

impl Call {
    /// Parses the JSON of an event; `invocation_id` is the request id if the gateway sent none.
    ///
    /// # Errors
    ///
    /// When it is not an authorizer's event, or its fields contradict each other.
    pub fn read(json: &[u8], invocation_id: &str) -> Result<Self, CallError> {
        let kind: Kind<'_> =
            serde_json::from_slice(json).map_err(|_| CallError::NotOfAuthorizer)?;
        match (kind.version.as_deref(), &*kind.kind) {
            (Some("2.0"), "REQUEST") => Self::version_2(json, invocation_id),
            (Some("1.0") | None, "REQUEST") => parse::<Version1>(json)?.call(invocation_id),
            (None, "TOKEN") => parse::<Token>(json)?.call(invocation_id),
            _ => Err(CallError::NotOfAuthorizer),
        }
    }

    /// The gateway's request id, or the invocation's.
    pub fn request_id(&self) -> &str {
        let context = self.request.extensions().get::<RequestContext>();
        context.map_or("", |context| context.request_id.as_str())
    }

    fn version_2(json: &[u8], invocation_id: &str) -> Result<Self, CallError> {
        let Version2 { route_key } = parse(json)?;
        let request = Event::read(json)?.into_request(invocation_id)?;
        let route = Route::of_key(&route_key, request.method())?;
        Ok(Self { request, route, form: Form::Simple })
    }
}

impl Route {
    /// The route with this key (`GET /reports`, `ANY /reports/{id}` or `$default`) of a request with
    /// `method`.
    fn of_key(key: &str, method: &Method) -> Result<Self, CallError> {
        let resource = match key.split_once(' ') {
            Some((own, path)) if own == "ANY" || own == method.as_str() => path,
            Some(_) => return Err(CallError::Contradiction("the route is of another method")),
            None if key == "$default" => key,
            None => return Err(CallError::Contradiction("the route has no path")),
        };
        Ok(Self { method: method.clone(), resource: Some(resource.to_owned()) })
    }
}

impl Version1 {
    fn call(self, invocation_id: &str) -> Result<Call, CallError> {
        let context = self.request_context;
        if context.http_method != self.http_method {
            return Err(CallError::Contradiction("two methods"));
        }
        if context.resource_path != self.resource {
            return Err(CallError::Contradiction("two resources"));
        }
        method_of(&self.method_arn)?;
        let method = method(&self.http_method)?;
        let headers = match self.multi_value_headers {
            // Contains all values of a repeated name; the other map has only the last one.
            Some(headers) => header_map(several(headers))?,
            None => header_map(self.headers.unwrap_or_default())?,
        };
        let query = match self.multi_value_query_string_parameters {
            Some(parameters) => query(several(parameters)),
            None => query(self.query_string_parameters.unwrap_or_default()),
        };
        let path = event::without_stage(&self.path, context.stage.as_deref());
        let uri = event::uri(event::encode_path(path), &query)?;
        let mut request = request(method.clone(), headers, context.request_id, invocation_id);
        *request.uri_mut() = uri;
        if let Some(own) = request.extensions_mut().get_mut::<RequestContext>() {
            own.domain_name = context.domain_name;
        }
        let route = Route { method, resource: Some(self.resource) };
        Ok(Call { request, route, form: Form::Policy { method_arn: self.method_arn } })
    }
}

impl Token {
    fn call(self, invocation_id: &str) -> Result<Call, CallError> {
        let method = method(method_of(&self.method_arn)?)?;
        let headers = header_map([(header::AUTHORIZATION.as_str(), self.authorization_token)])?;
        let request = request(method.clone(), headers, None, invocation_id);
        let route = Route { method, resource: None };
        Ok(Call { request, route, form: Form::Policy { method_arn: self.method_arn } })
    }
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(json)
        .map_err(|error| CallError::Malformed { line: error.line(), column: error.column() })
}

fn request(
    method: Method,
    headers: HeaderMap,
    request_id: Option<String>,
    invocation_id: &str,
) -> Request {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.headers_mut() = headers;
    let request_id = request_id.filter(|id| event::is_identifier(id));
    let request_id = request_id.unwrap_or_else(|| invocation_id.to_owned());
    request.extensions_mut().insert(RequestContext { request_id, domain_name: None });
    request
}

/// The method in an ARN such as
/// `arn:aws:execute-api:eu-central-1:123456789012:abc123/prod/GET/reports`.
fn method_of(arn: &str) -> Result<&str, CallError> {
    let unlike = CallError::Contradiction("the method's ARN is none");
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(_), Some("execute-api"), Some(_), Some(_), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(unlike);
    };
    resource.split('/').nth(2).filter(|method| !method.is_empty()).ok_or(unlike)
}

fn method(name: &str) -> Result<Method, CallError> {
    Method::from_bytes(name.as_bytes()).map_err(|_| CallError::Contradiction("no method"))
}

fn several(map: BTreeMap<String, Vec<String>>) -> impl Iterator<Item = (String, String)> {
    map.into_iter()
        .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
}

/// Parses headers and skips names and values that are invalid in HTTP. Cookies are kept, because these
/// events contain them only in a header.
fn header_map<N: AsRef<str>>(
    entries: impl IntoIterator<Item = (N, String)>,
) -> Result<HeaderMap, CallError> {
    let mut headers = HeaderMap::new();
    for (name, value) in entries {
        let name = HeaderName::from_bytes(name.as_ref().as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) else { continue };
        // Append, so that names that differ only in case do not overwrite each other.
        headers
            .try_append(name, value)
            .map_err(|_| CallError::Contradiction("too many headers"))?;
    }
    Ok(headers)
}

/// Encodes the decoded parameters again: the gateway does not send the original query.
fn query(parameters: impl IntoIterator<Item = (String, String)>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = parameters.into_iter().map(|(name, value)| (encode(&name), encode(&value)));
    pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
