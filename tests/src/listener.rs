//! A loopback listener through which a provider, which uses real HTTP, reaches in-process handlers.

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{Request, Response};
use tokio::net::TcpListener;

/// A port of loopback.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    origin: String,
}

impl Listener {
    /// Reserves a free port. Nothing answers on it yet.
    pub async fn bind() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, origin: format!("http://{address}") }
    }

    /// The URL of `path` on this listener.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Answers every request with `handler` until the test's runtime ends.
    pub fn serve<F, A>(self, handler: F)
    where
        F: Fn(Request<Bytes>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response<Bytes>> + Send + 'static,
    {
        let answer = async move |request: Request<Body>| {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1_000_000).await.expect("a whole request");
            handler(Request::from_parts(head, body)).await.map(Body::from)
        };
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(self.listener, router).await });
    }
}
