//! Enforces the template's IAM policies on the calls to a table.
//!
//! A DynamoDB emulator knows no policies. [`GuardedTable`] sits in front of one and answers as
//! DynamoDB does, for allowed and for denied calls. It takes the condition keys from the actual
//! requests, independently of the code: `dynamodb:LeadingKeys` are the partition keys,
//! `dynamodb:Attributes` are all attributes that a request names in keys, items and expressions.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use shared::store::table::PARTITION_KEY;
use tokio::net::TcpListener;

use local::emulator::template::Statement;

/// One action for which IAM checks permission.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Action {
    /// `dynamodb:GetItem`
    pub name: String,
    /// The ARN of the table or an index, in the format of [`template`](local::emulator::template).
    pub resource: String,
    /// The condition keys with their values. A key without values is missing.
    pub context: BTreeMap<&'static str, Vec<String>>,
}

impl Action {
    /// The actions of a DynamoDB request. A transaction has the actions of its parts.
    ///
    /// # Panics
    ///
    /// Panics if it is not a DynamoDB request.
    #[must_use]
    pub fn of(operation: &str, body: &Value) -> Vec<Self> {
        match operation {
            "TransactWriteItems" => {
                let parts = body["TransactItems"].as_array().expect("a transaction has parts");
                let parts = parts.iter().flat_map(|part| part.as_object().expect("a part"));
                let name = |kind: &str| {
                    if kind == "ConditionCheck" {
                        "ConditionCheckItem".to_owned()
                    } else {
                        format!("{kind}Item")
                    }
                };
                parts.map(|(kind, part)| Self::one(&name(kind), part)).collect()
            }
            operation => vec![Self::one(operation, body)],
        }
    }

    fn one(operation: &str, body: &Value) -> Self {
        let tables =
            body["RequestItems"].as_object().into_iter().flat_map(|tables| tables.values());
        let keys = tables.filter_map(|table| table["Keys"].as_array()).flatten();
        let items =
            keys.chain(["Key", "Item"].map(|name| &body[name])).filter_map(Value::as_object);
        let mut context = BTreeMap::<_, Vec<_>>::new();
        let mut add = |key, value: &str| context.entry(key).or_default().push(value.to_owned());
        for (name, value) in items.flatten() {
            add("dynamodb:Attributes", name);
            if name == PARTITION_KEY {
                add("dynamodb:LeadingKeys", value["S"].as_str().expect("the key is a string"));
            }
        }
        let expressions = [
            "ConditionExpression",
            "KeyConditionExpression",
            "ProjectionExpression",
            "UpdateExpression",
        ];
        for expression in expressions.iter().filter_map(|name| body[name].as_str()) {
            for name in names_in(expression) {
                let name = body["ExpressionAttributeNames"][name].as_str().unwrap_or(name);
                add("dynamodb:Attributes", name);
            }
        }
        if ["DeleteItem", "PutItem", "UpdateItem"].contains(&operation) {
            add("dynamodb:ReturnValues", body["ReturnValues"].as_str().unwrap_or("NONE"));
        }
        let index = body["IndexName"].as_str().map(|index| format!("/index/{index}"));
        let resource = format!("SessionTable.Arn{}", index.unwrap_or_default());
        Self { name: format!("dynamodb:{operation}"), resource, context }
    }

    /// Whether one of these statements allows the action.
    #[must_use]
    pub fn is_allowed(&self, statements: &[Statement]) -> bool {
        statements.iter().any(|statement| {
            statement.actions.contains(&self.name)
                && statement.resources.contains(&self.resource)
                && statement.conditions.iter().all(|((operator, key), values)| {
                    let found = self.context.get(&**key).map_or(&[][..], Vec::as_slice);
                    holds(operator, found, values)
                })
        })
    }
}

/// Whether a condition holds, given the request's values for its key.
///
/// # Panics
///
/// Panics for an operator that the template does not use.
fn holds(operator: &str, found: &[String], values: &[String]) -> bool {
    let equals = |found: &String| values.contains(found);
    match operator {
        // True without values: no value differs.
        "ForAllValues:StringEquals" => found.iter().all(equals),
        "ForAllValues:StringLike" => {
            found.iter().all(|found| values.iter().any(|pattern| is_like(found, pattern)))
        }
        "StringEqualsIfExists" => found.iter().all(equals),
        "Null" => values == [found.is_empty().to_string()],
        other => panic!("{other} is not supported"),
    }
}

/// Whether `text` matches a pattern whose only wildcard is a `*` at the end.
fn is_like(text: &str, pattern: &str) -> bool {
    let start = pattern.strip_suffix('*').filter(|start| !start.contains(['*', '?']));
    text.starts_with(start.unwrap_or_else(|| panic!("{pattern} is not supported")))
}

/// The attributes in a DynamoDB expression, without keywords, functions and `:values`.
fn names_in(expression: &str) -> impl Iterator<Item = &str> {
    const FUNCTIONS: [&str; 3] = ["attribute_exists", "attribute_not_exists", "if_not_exists"];
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_:#".contains(letter);
    let words = expression.split(move |letter| !is_part(letter));
    words.filter(|word| {
        !word.is_empty()
            && !word.starts_with(':')
            && !word.chars().all(|letter| letter.is_ascii_uppercase())
            && !FUNCTIONS.contains(word)
    })
}

/// A table that enforces policies. It stops with the runtime of the test that started it.
#[derive(Clone, Debug)]
pub struct GuardedTable {
    address: SocketAddr,
    state: Arc<Enforcement>,
}

#[derive(Debug)]
struct Enforcement {
    /// The URL of the emulator.
    emulator: String,
    client: reqwest::Client,
    /// Every one of these policies must allow an action: the role's policy and its permissions
    /// boundary.
    policies: Vec<Vec<Statement>>,
    asked: Mutex<Vec<Action>>,
}

impl GuardedTable {
    /// Starts a table in front of `emulator` that enforces all these policies.
    pub async fn before(emulator: &str, policies: Vec<Vec<Statement>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let (client, emulator) = (crate::http_client(), emulator.to_owned());
        let state = Arc::new(Enforcement { emulator, client, policies, asked: Mutex::default() });
        let router = Router::new().fallback(enforce).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, state }
    }

    /// The address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The actions requested since the last call.
    #[must_use]
    pub fn take_asked(&self) -> Vec<Action> {
        std::mem::take(&mut *self.state.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn enforce(
    State(state): State<Arc<Enforcement>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let target = headers["x-amz-target"].to_str().expect("an operation is ASCII");
    let operation = target.strip_prefix("DynamoDB_20120810.").expect("an operation of DynamoDB");
    let request = serde_json::from_slice(&body).expect("a request is JSON");
    let actions = Action::of(operation, &request);
    let is_allowed =
        |action: &Action| state.policies.iter().all(|policy| action.is_allowed(policy));
    let refused = actions.iter().find(|action| !is_allowed(action)).cloned();
    state.asked.lock().unwrap_or_else(PoisonError::into_inner).extend(actions);
    if let Some(refused) = refused {
        let message = format!("not authorized to perform {}", refused.name);
        let answer = json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "message": message });
        return (StatusCode::BAD_REQUEST, answer.to_string()).into_response();
    }
    let forwarded = state.client.post(&state.emulator).headers(headers).body(body).send().await;
    match forwarded {
        Ok(answer) => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            (status, headers, answer.bytes().await.unwrap_or_default()).into_response()
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
