//! A provider, a browser and a client.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use reqwest::{RequestBuilder, redirect::Policy};
use secrecy::SecretString;
use serde_json::Value;
use shared::{
    clock::{Clock, Timestamp},
    crypto::random::Random,
};
use url::Url;

use super::super::{Handle, IdentityProvider, Options, Surroundings};

pub(super) const CLIENT_ID: &str = "client";
pub(super) const SECRET: &str = "a secret that only this test knows";
pub(super) const CALLBACK: &str = "http://localhost:9000/callback";
pub(super) const SIGNED_OUT: &str = "http://localhost:9000/signed-out?from=provider";
pub(super) const API: &str = "https://api.example";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const START: u64 = 1_800_000_000;

/// A provider that is serving.
pub(super) struct Tenant {
    pub(super) issuer: String,
    pub(super) handle: Handle,
    seconds: Arc<AtomicU64>,
}

pub(super) fn options() -> Options {
    let mut options = Options::new(CLIENT_ID, SecretString::from(SECRET));
    options.redirect_uris = vec![CALLBACK.to_owned()];
    options.logout_uris = vec![SIGNED_OUT.to_owned()];
    options.audiences = vec![API.to_owned()];
    options
}

impl Tenant {
    pub(super) async fn start() -> Self {
        Self::start_with(options()).await
    }

    pub(super) async fn start_with(options: Options) -> Self {
        let seconds = Arc::new(AtomicU64::new(START));
        let clock = Clock::from_fn({
            let seconds = Arc::clone(&seconds);
            move || Timestamp::from_unix(seconds.load(Ordering::SeqCst))
        });
        let provider = IdentityProvider::bind(
            SocketAddr::from(([127, 0, 0, 1], 0)),
            options,
            Surroundings::Machine,
            clock,
            Random::system(),
        )
        .await
        .unwrap();
        let issuer = provider.issuer().to_owned();
        let handle = provider.handle();
        tokio::spawn(provider.serve());
        Self { issuer, handle, seconds }
    }

    pub(super) fn pass(&self, time: Duration) {
        self.seconds.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> u64 {
        self.seconds.load(Ordering::SeqCst)
    }

    pub(super) fn url(&self, path: &str) -> String {
        // By address: the name may stand for ::1 first.
        format!("{}{path}", self.issuer.replace("localhost", "127.0.0.1"))
    }

    /// `/authorize` as a careful client calls it, with `changes` made to it: a value of `None`
    /// leaves the parameter out.
    pub(super) fn authorize_url(&self, changes: &[(&str, Option<&str>)]) -> String {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let mut parameters: Vec<(&str, &str)> = vec![
            ("response_type", "code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", CALLBACK),
            ("scope", "openid email"),
            ("state", "a state & more"),
            ("nonce", "a nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            parameters.retain(|(known, _)| known != name);
            parameters.extend(value.map(|value| (*name, value)));
        }
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        self.url(&format!("authorize?{query}"))
    }

    /// Logs in as Ada in a new browser and returns the code.
    pub(super) async fn code(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut browser = Browser::new();
        browser.sign_in(self, "ada@example.com", changes).await.parameter("code").unwrap()
    }

    /// A token request of the careful client, with `changes` made to it.
    pub(super) async fn token(&self, changes: &[(&str, Option<&str>)]) -> Answer {
        let mut form: HashMap<&str, &str> = HashMap::from([
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("client_secret", SECRET),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]);
        for (name, value) in changes {
            match value {
                Some(value) => form.insert(name, value),
                None => form.remove(name),
            };
        }
        send(http_client().post(self.url("oauth/token")).form(&form)).await
    }

    /// Tokens of a fresh login.
    pub(super) async fn tokens(&self, changes: &[(&str, Option<&str>)]) -> Value {
        let code = self.code(changes).await;
        let answer = self.token(&[("code", Some(&code))]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    pub(super) async fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", Some("refresh_token")), ("refresh_token", Some(token))]).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        send(http_client().get(self.url(path))).await
    }

    pub(super) async fn userinfo(&self, token: &str) -> Answer {
        send(http_client().get(self.url("userinfo")).bearer_auth(token)).await
    }

    /// Verifies a token with the published keys and returns its claims.
    pub(super) async fn verify(&self, token: &str) -> Value {
        let keys: JwkSet =
            serde_json::from_value(self.get(".well-known/jwks.json").await.json()).unwrap();
        let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(super) fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap().to_owned())
    }

    /// A parameter of the URL that the browser is sent to.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let url = Url::parse(self.header("location")).unwrap();
        url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }

    /// The value of a hidden field.
    pub(super) fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = self.body.split_once(&start).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

/// A browser that stores cookies and does not follow redirects.
#[derive(Default)]
pub(super) struct Browser {
    cookies: HashMap<String, String>,
}

impl Browser {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) async fn get(&mut self, url: &str) -> Answer {
        let url = url.replacen("http://localhost", "http://127.0.0.1", 1);
        self.send(http_client().get(url)).await
    }

    /// Sends a form as a page of the provider does.
    pub(super) async fn post(
        &mut self,
        tenant: &Tenant,
        path: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        let origin = tenant.url("").trim_end_matches('/').to_owned();
        self.send(http_client().post(tenant.url(path)).form(form).header("origin", origin)).await
    }

    /// From `/authorize` through the form to the redirect back.
    pub(super) async fn sign_in(
        &mut self,
        tenant: &Tenant,
        email: &str,
        changes: &[(&str, Option<&str>)],
    ) -> Answer {
        let login = self.open_login(tenant, changes).await;
        self.post(tenant, "u/login", &[("state", &login), ("email", email)]).await
    }

    /// From `/authorize` to the form; returns the form's id.
    pub(super) async fn open_login(
        &mut self,
        tenant: &Tenant,
        changes: &[(&str, Option<&str>)],
    ) -> String {
        let answer = self.get(&tenant.authorize_url(changes)).await;
        assert_eq!(answer.status, 302, "{}", answer.body);
        let form = self.get(answer.header("location")).await;
        assert_eq!(form.status, 200, "{}", form.header("location"));
        form.field("state")
    }

    pub(super) async fn send(&mut self, request: RequestBuilder) -> Answer {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = send(request.header("cookie", cookies.join("; "))).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie::Cookie::parse(cookie.to_str().unwrap()).unwrap();
            if cookie.max_age() == Some(cookie::time::Duration::ZERO) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
        answer
    }
}

pub(super) fn http_client() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

pub(super) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}
