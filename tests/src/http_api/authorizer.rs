//! A Lambda authorizer in front of a route: payload format 2.0, simple responses, no cache.
//!
//! As AWS documents it:
//!
//! - `{"message":"Unauthorized"}` with 401 where a request has not all of the identity sources; the
//!   authorizer is not asked then;
//! - `{"message":"Forbidden"}` with 403 where it says no;
//! - `{"message":"Internal Server Error"}` with 500 where it cannot be asked, fails, takes more than ten
//!   seconds, or answers what is no answer;
//! - what it says in `context` is all that the function finds in `requestContext.authorizer.lambda`.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use serde_json::{Map, Value, json};

use super::{API_ID, answer};
use crate::lambda::{ACCOUNT, Lambda, REGION};

/// How long the gateway waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An authorizer of the API.
#[derive(Clone, Debug)]
pub struct Authorizer {
    /// The name of the function that is asked.
    pub function: String,
    /// `$request.header.Authorization`, `$request.querystring.key`, `$context.routeKey`
    pub identity_sources: Vec<String>,
}

impl Authorizer {
    /// The event of the function with what the authorizer says of the request.
    ///
    /// # Errors
    ///
    /// With what the caller gets instead.
    pub async fn authorize(
        &self,
        head: &Parts,
        event: &Bytes,
        lambda: &Lambda,
    ) -> Result<Bytes, Response<Bytes>> {
        let mut event: Value = serde_json::from_slice(event).expect("events are JSON");
        let question = self
            .question(head, &event)
            .ok_or_else(|| answer::message(StatusCode::UNAUTHORIZED, "Unauthorized"))?;
        let asking = lambda.invoke(&self.function, question.to_string().into());
        let Ok(Ok(decision)) = tokio::time::timeout(TIMEOUT, asking).await else {
            return Err(answer::internal_error());
        };
        match read(&decision) {
            Some((true, context)) => {
                event["requestContext"]["authorizer"] = json!({ "lambda": context });
                Ok(event.to_string().into())
            }
            Some((false, _)) => Err(answer::message(StatusCode::FORBIDDEN, "Forbidden")),
            None => Err(answer::internal_error()),
        }
    }

    /// The event of the authorizer, if the request has all that identifies it.
    #[must_use]
    pub fn question(&self, head: &Parts, event: &Value) -> Option<Value> {
        let sources = self.identity_sources.iter();
        let identity: Option<Vec<_>> = sources.map(|source| value(source, event)).collect();
        let (method, path) = (head.method.as_str(), event["rawPath"].as_str()?);
        let mut question = event.clone();
        let fields = question.as_object_mut()?;
        fields.remove("body");
        fields.remove("isBase64Encoded");
        let arn =
            format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/$default/{method}{path}");
        fields.insert("type".to_owned(), "REQUEST".into());
        fields.insert("routeArn".to_owned(), arn.into());
        fields.insert("identitySource".to_owned(), json!(identity?));
        Some(question)
    }
}

/// What an identity source comes to, unless that is nothing.
fn value<'a>(source: &str, event: &'a Value) -> Option<&'a str> {
    let value = if let Some(name) = source.strip_prefix("$request.header.") {
        &event["headers"][name.to_lowercase()]
    } else if let Some(name) = source.strip_prefix("$request.querystring.") {
        &event["queryStringParameters"][name]
    } else if source == "$context.routeKey" {
        &event["routeKey"]
    } else {
        panic!("{source} is not understood here")
    };
    value.as_str().filter(|value| !value.is_empty())
}

/// Whether it says yes, and the context; `None` if it is no answer.
fn read(decision: &[u8]) -> Option<(bool, Option<Map<String, Value>>)> {
    let decision: Value = serde_json::from_slice(decision).ok()?;
    let is_authorized = decision.get("isAuthorized")?.as_bool()?;
    match decision.get("context") {
        None | Some(Value::Null) => Some((is_authorized, None)),
        Some(context) => Some((is_authorized, Some(context.as_object()?.clone()))),
    }
}
