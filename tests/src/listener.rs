//! Where a provider, which speaks real HTTP, reaches handlers that need no network.

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
    /// Takes a free port, on which nothing is answered yet.
    pub async fn bind() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        Self { listener, origin: format!("http://{address}") }
    }

    /// The URL of `path` there.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Has `handler` answer every request, until the runtime of the test ends.
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
