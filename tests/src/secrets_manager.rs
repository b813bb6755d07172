//! An emulated AWS Secrets Manager over real HTTP, with only the operations that functions call.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::site::{CLIENT_SECRET, SECRET_KEY};

/// The ARN of the client secret.
pub const CLIENT_SECRET_ARN: &str =
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:bundle/client-secret-AbCdEf";

/// The ARN of the secret key.
pub const SECRET_KEY_ARN: &str =
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:bundle/secret-key-GhIjKl";

/// A service on loopback. It stops with the runtime of the test that started it.
#[derive(Clone, Debug)]
pub struct SecretsManager {
    address: String,
    state: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    secrets: HashMap<String, String>,
    forbidden: HashSet<String>,
    reads: Vec<String>,
}

impl SecretsManager {
    /// Starts a service with the secrets that [`Site`](crate::site::Site) usually has in its
    /// environment.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let manager = Self { address, state: Arc::default() };
        manager.put(CLIENT_SECRET_ARN, CLIENT_SECRET);
        manager.put(SECRET_KEY_ARN, SECRET_KEY);
        let router = Router::new().fallback(answer).with_state(manager.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        manager
    }

    /// Its address: `http://127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The settings that make the product read its secrets here.
    pub fn settings(&self) -> [(&str, &str); 6] {
        [
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.address),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
            ("CLIENT_SECRET_ARN", CLIENT_SECRET_ARN),
            ("SECRET_KEY_ARN", SECRET_KEY_ARN),
        ]
    }

    /// Sets the text of the secret `arn`.
    pub fn put(&self, arn: &str, text: &str) {
        self.state().secrets.insert(arn.to_owned(), text.to_owned());
    }

    /// Denies all reads of the secret `arn` from now on.
    pub fn forbid(&self, arn: &str) {
        self.state().forbidden.insert(arn.to_owned());
    }

    /// Allows all reads of every secret from now on.
    pub fn allow_all(&self) {
        self.state().forbidden.clear();
    }

    /// The number of requests for any secret.
    pub fn reads(&self) -> usize {
        self.state().reads.len()
    }

    /// The number of requests for the secret `arn`.
    pub fn reads_of(&self, arn: &str) -> usize {
        self.state().reads.iter().filter(|read| *read == arn).count()
    }

    fn state(&self) -> MutexGuard<'_, Kept> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(
    State(manager): State<SecretsManager>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // Not axum's `Json`, which rejects AWS's content type.
    let request: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
    let arn = request["SecretId"].as_str().unwrap();
    let mut state = manager.state();
    state.reads.push(arn.to_owned());
    let refuse = |error: &str| {
        let body = json!({ "__type": error, "Message": format!("cannot read {arn}") });
        (StatusCode::BAD_REQUEST, body)
    };
    let (status, body) = match state.secrets.get(arn) {
        _ if state.forbidden.contains(arn) => refuse("AccessDeniedException"),
        None => refuse("ResourceNotFoundException"),
        Some(text) => (StatusCode::OK, json!({ "ARN": arn, "SecretString": text })),
    };
    let content_type = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    (status, content_type, body.to_string()).into_response()
}
