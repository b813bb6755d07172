//! From the event of an authorizer to a request and the route that it takes.
//!
//! Own types for the reasons that [`crate::event`] names; and what is read of format 2.0 is read by
//! the very code that reads the requests of functions.

use std::{borrow::Cow, collections::BTreeMap};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use shared::web::request::{Request, RequestContext};

use crate::event::{self, Event, EventError};

/// What API Gateway asks: may this request take this route?
#[derive(Debug)]
pub struct Call {
    /// The request, without its body.
    pub request: Request,
    /// The route.
    pub route: Route,
    /// How the answer must look.
    pub form: Form,
}

/// The route that a request takes, as the gateway names it and no client can.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The method of the request.
    pub method: Method,
    /// The path of the route, as the API defines it: `/reports/{id}`, or `$default`. `None` where the
    /// gateway does not say: to a `TOKEN` authorizer.
    pub resource: Option<String>,
}

/// How the answer must look.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Form {
    /// `isAuthorized`: HTTP APIs with format 2.0 and simple responses.
    Simple,
    /// An IAM policy: REST APIs, and HTTP APIs with format 1.0.
    Policy {
        /// The one method that is asked about.
        method_arn: String,
    },
}

/// Why an event gives no call. Holds nothing of the event, which may be a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CallError {
    /// Two of its fields that must say the same do not.
    #[error("the event contradicts itself: {0}")]
    Contradiction(&'static str),
    /// It has a field that is missing or of another type.
    #[error("the event of an authorizer cannot be read (line {line}, column {column})")]
    Malformed {
        /// Where in the event, counted from 1.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A request for a function, a test event made by hand, …
    #[error("the event is not of an authorizer: neither of type REQUEST nor of type TOKEN")]
    NotOfAuthorizer,
    /// The request in it cannot be taken.
    #[error(transparent)]
    Request(#[from] EventError),
}

/// Enough of any event to tell what it is.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, default)]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

/// What format 2.0 has beside what a function gets.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version2 {
    route_key: String,
}

/// Format 1.0, and what a REST API sends, which does not name its format.
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

/// What a REST API sends to an authorizer of type `TOKEN`: the value of one header.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    authorization_token: String,
    method_arn: String,
}

impl Call {
    /// Reads the JSON of an event; `invocation_id` names the request if the gateway did not.
    ///
    /// # Errors
    ///
    /// When it is no event of an authorizer, or one that cannot be believed.
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

    /// The gateway's id of the request, or the invocation's.
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
    /// The route of a request with `method` that takes the route with this key: `GET /reports`,
    /// `ANY /reports/{id}` or `$default`.
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
            // All values of a name that came twice; the other map has the last one alone.
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

/// `arn:aws:execute-api:eu-central-1:123456789012:abc123/prod/GET/reports`: the method.
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

/// A name or value that HTTP does not know is left out. Here cookies are in a header: there is no other
/// place for them.
fn header_map<N: AsRef<str>>(
    entries: impl IntoIterator<Item = (N, String)>,
) -> Result<HeaderMap, CallError> {
    let mut headers = HeaderMap::new();
    for (name, value) in entries {
        let name = HeaderName::from_bytes(name.as_ref().as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) else { continue };
        // Appended: of two twins in different case neither may win.
        headers
            .try_append(name, value)
            .map_err(|_| CallError::Contradiction("too many headers"))?;
    }
    Ok(headers)
}

/// What the gateway decoded, encoded again: it sends no query as it was.
fn query(parameters: impl IntoIterator<Item = (String, String)>) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs = parameters.into_iter().map(|(name, value)| (encode(&name), encode(&value)));
    pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
