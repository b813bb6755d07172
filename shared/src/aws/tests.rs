//! A server in the place of AWS. It answers as a test says, and records the requests.

#[cfg(feature = "dynamodb")]
mod dead_connection;
#[cfg(all(feature = "dynamodb", feature = "secrets-manager"))]
mod faults;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::net::TcpListener;

/// How the server answers one request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    /// With this status and text.
    Answer(u16, &'static str),
    /// Too many requests: retry after ten seconds.
    AskToWait,
    /// Never.
    Stall,
    /// With the answer of the server behind it.
    Forward,
    /// With an error, after the server behind it has done what the request asks.
    LoseAnswer,
}

pub(crate) const THROTTLED: Deed = Deed::Answer(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down, session#abc"}"#,
);
pub(crate) const DENIED: Deed = Deed::Answer(
    400,
    r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User: arn:aws:sts::123456789012:assumed-role/x is not authorized"}"#,
);
pub(crate) const BROKEN: Deed =
    Deed::Answer(500, r#"{"__type":"InternalServerError","message":"oops"}"#);

/// A server that performs its deeds in order, then repeats the last one.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) requests: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    deeds: Arc<Mutex<VecDeque<Deed>>>,
    behind: Option<String>,
}

impl Server {
    pub(crate) async fn start(deeds: &[Deed]) -> Self {
        Self::start_before(None, deeds).await
    }

    /// Starts a server that can forward requests to the one at `behind`.
    pub(crate) async fn start_before(behind: Option<String>, deeds: &[Deed]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
            deeds: Arc::new(Mutex::new(deeds.iter().copied().collect())),
            behind,
        };
        let router = Router::new().fallback(Self::answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// The address of the server behind it.
    pub(crate) fn behind(&self) -> &str {
        self.behind.as_deref().unwrap()
    }

    /// Performs `deed` from now on.
    pub(crate) fn set(&self, deed: Deed) {
        *self.deeds.lock().unwrap() = VecDeque::from([deed]);
    }

    /// The number of requests received.
    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    async fn answer(State(server): State<Self>, headers: HeaderMap, body: Bytes) -> Response {
        let json = serde_json::from_slice(&body).unwrap();
        server.requests.lock().unwrap().push((headers.clone(), json));
        let deed = {
            let mut deeds = server.deeds.lock().unwrap();
            if deeds.len() > 1 { deeds.pop_front() } else { deeds.front().copied() }
        };
        let (status, text) = match deed.unwrap() {
            Deed::Answer(status, text) => (status, text.to_owned()),
            Deed::AskToWait => {
                let Deed::Answer(_, text) = THROTTLED else { unreachable!("it is an answer") };
                let headers = [("x-amz-retry-after", "10000")];
                return (StatusCode::BAD_REQUEST, headers, text).into_response();
            }
            Deed::Stall => std::future::pending().await,
            Deed::Forward => server.forward(headers, body).await,
            Deed::LoseAnswer => {
                assert_eq!(server.forward(headers, body).await.0, 200);
                (500, "{}".to_owned())
            }
        };
        let content_type = [("content-type", "application/x-amz-json-1.0")];
        (StatusCode::from_u16(status).unwrap(), content_type, text).into_response()
    }

    async fn forward(&self, headers: HeaderMap, body: Bytes) -> (u16, String) {
        let client = crate::crypto::tls::Network::default().client().unwrap().build().unwrap();
        let request = client.post(self.behind()).headers(headers).body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}
