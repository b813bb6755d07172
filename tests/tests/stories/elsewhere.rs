//! The browser at the development provider.

use std::sync::Arc;

use tests::site::ORIGIN;
use url::Url;

/// A browser that opens pages of the provider.
pub(crate) struct Elsewhere {
    client: reqwest::Client,
    cookies: String,
}

impl Elsewhere {
    pub(crate) fn new() -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { client, cookies: String::new() }
    }

    /// Follows redirects up to a page or to our own origin. Returns its URL and its text.
    pub(crate) async fn open(&mut self, url: &str) -> (String, String) {
        let mut url = Url::parse(url).unwrap();
        loop {
            if url.as_str().starts_with(ORIGIN) {
                return (url.into(), String::new());
            }
            let answer = self.send(self.client.get(url.clone())).await;
            match answer.headers().get("location") {
                Some(location) => url = url.join(location.to_str().unwrap()).unwrap(),
                None => return (url.into(), answer.text().await.unwrap()),
            }
        }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let answer = request.header("cookie", &self.cookies).send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            self.cookies = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        answer
    }

    /// Submits the login form. Returns the URL to which it redirects.
    pub(crate) async fn sign_in(&mut self, form: &(String, String), email: &str) -> String {
        let (_, rest) = form.1.split_once("name=\"state\" value=\"").unwrap();
        let state = rest.split('"').next().unwrap();
        let address = Url::parse(&form.0).unwrap();
        let origin = address.origin().ascii_serialization();
        let request = self
            .client
            .post(format!("{origin}/u/login"))
            .header("origin", origin)
            .form(&[("state", state), ("email", email)]);
        let answer = self.send(request).await;
        answer.headers()["location"].to_str().unwrap().to_owned()
    }
}
