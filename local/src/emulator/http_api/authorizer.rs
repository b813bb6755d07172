//! A Lambda authorizer in front of a route: payload format 2.0, simple responses, no cache.
//!
//! As AWS documents it:
//!
//! - `{"message":"Forbidden"}` with 403 if the authorizer refuses;
//! - `{"message":"Internal Server Error"}` with 500 if the authorizer cannot be called, fails, takes
//!   more than ten seconds, or returns an invalid response;
//! - the function's `requestContext.authorizer.lambda` contains exactly the authorizer's `context`.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use serde_json::{Map, Value, json};

use super::{API_ID, answer};
use crate::emulator::{
    lambda::{ACCOUNT, Lambda, REGION},
    template::Stack,
};

/// How long the gateway waits for the authorizer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An authorizer of the API.
#[derive(Clone, Debug)]
pub struct Authorizer {
    /// The name of the authorizer's function.
    pub function: String,
}

impl Authorizer {
    /// The authorizers of the stack, by the keys of the routes that they protect.
    ///
    /// # Panics
    ///
    /// Panics if one has a cache or an identity source, which the emulated gateway does not have.
    #[must_use]
    pub fn of(stack: &Stack) -> BTreeMap<String, Self> {
        let (functions, authorizers) = (stack.functions(), stack.authorizers());
        let binary_of = |id: &str| {
            let function = functions.iter().find(|function| function.logical_id == id);
            function.expect("an authorizer is a function").binary.clone()
        };
        let guarded = functions.iter().flat_map(|function| &function.guarded);
        guarded
            .map(|(route, name)| {
                let authorizer = &authorizers[name];
                assert_eq!(authorizer.result_ttl, 0, "{name} has a cache");
                assert!(!authorizer.has_identity_sources, "{name} has an identity source");
                (route.clone(), Self { function: binary_of(&authorizer.function) })
            })
            .collect()
    }

    /// The function's event, with the authorizer's context added.
    ///
    /// # Errors
    ///
    /// The caller's response if the authorizer does not allow the request.
    pub async fn authorize(
        &self,
        head: &Parts,
        event: &Bytes,
        lambda: &Lambda,
    ) -> Result<Bytes, Response<Bytes>> {
        let mut event: Value = serde_json::from_slice(event).expect("events are JSON");
        let question = question(head, &event).ok_or_else(answer::internal_error)?;
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
}

/// The authorizer's event; `None` unless `event` has a path.
#[must_use]
pub fn question(head: &Parts, event: &Value) -> Option<Value> {
    let (method, path) = (head.method.as_str(), event["rawPath"].as_str()?);
    let mut question = event.clone();
    let fields = question.as_object_mut()?;
    fields.remove("body");
    fields.remove("isBase64Encoded");
    let arn = format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/$default/{method}{path}");
    fields.insert("type".to_owned(), "REQUEST".into());
    fields.insert("routeArn".to_owned(), arn.into());
    fields.insert("identitySource".to_owned(), json!([]));
    Some(question)
}

/// Whether the request is allowed, and the context; `None` if the response is invalid.
fn read(decision: &[u8]) -> Option<(bool, Option<Map<String, Value>>)> {
    let decision: Value = serde_json::from_slice(decision).ok()?;
    let is_authorized = decision.get("isAuthorized")?.as_bool()?;
    match decision.get("context") {
        None | Some(Value::Null) => Some((is_authorized, None)),
        Some(context) => Some((is_authorized, Some(context.as_object()?.clone()))),
    }
}
