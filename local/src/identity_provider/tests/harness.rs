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
use cookie::Cookie;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use reqwest::RequestBuilder;
use secrecy::SecretString;
use serde_json::Value;
use shared::{
    clock::{Clock, Timestamp},
    crypto::{random::Random, tls::Network},
};
use url::Url;

use super::super::{Handle, IdentityProvider, Options, Surroundings};

pub(super) const CLIENT_ID: &str = "client";
pub(super) const SECRET: &str = "a secret that only this test knows";
pub(super) const CALLBACK: &str = "http://localhost:9000/callback";
pub(super) const AFTER_LOGOUT: &str = "http://localhost:9000/signed-out?from=provider";
pub(super) const API: &str = "https://api.example";
pub(super) const ADA: &str = "ada@example.com";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Changes to the parameters of a valid request. `None` removes a parameter.
type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

/// A provider that is serving.
pub(super) struct Tenant {
    pub(super) issuer: String,
    pub(super) handle: Handle,
    seconds: Arc<AtomicU64>,
}

pub(super) fn options() -> Options {
    let mut options = Options::new(CLIENT_ID, SecretString::from(SECRET));
    options.redirect_uris = vec![CALLBACK.to_owned()];
    options.logout_uris = vec![AFTER_LOGOUT.to_owned()];
    options.audiences = vec![API.to_owned()];
    options
}

impl Tenant {
    pub(super) async fn start() -> Self {
        Self::start_with(options()).await
    }

    pub(super) async fn start_with(options: Options) -> Self {
        let seconds = Arc::new(AtomicU64::new(1_800_000_000));
        let moving = Arc::clone(&seconds);
        let clock = Clock::from_fn(move || Timestamp::from_unix(moving.load(Ordering::SeqCst)));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let (place, random) = (Surroundings::Machine, Random::system());
        let provider =
            IdentityProvider::bind(address, options, place, clock, random).await.unwrap();
        let (issuer, handle) = (provider.issuer().to_owned(), provider.handle());
        tokio::spawn(provider.serve());
        Self { issuer, handle, seconds }
    }

    pub(super) fn pass(&self, time: Duration) {
        self.seconds.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> u64 {
        self.seconds.load(Ordering::SeqCst)
    }

    /// A URL of the provider by its address, because its name may mean `::1` first.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer.replace("localhost", "127.0.0.1"))
    }

    /// A valid authorization request with `changes`.
    pub(super) fn authorize_url(&self, changes: Changes<'_>) -> String {
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let mut parameters = HashMap::from([
            ("response_type", "code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", CALLBACK),
            ("scope", "openid email"),
            ("state", "a state & more"),
            ("nonce", "a nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        change(&mut parameters, changes);
        Url::parse_with_params(&self.url("authorize"), parameters).unwrap().into()
    }

    /// The code of a login as Ada in a new browser.
    pub(super) async fn code(&self, changes: Changes<'_>) -> String {
        Browser::default().log_in(self, changes).await.parameter("code").unwrap()
    }

    /// The response to a valid token request with `changes`.
    pub(super) async fn token(&self, changes: Changes<'_>) -> HttpResponse {
        let mut form = HashMap::from([
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT_ID),
            ("client_secret", SECRET),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ]);
        change(&mut form, changes);
        send(http_client().post(self.url("oauth/token")).form(&form)).await
    }

    /// The tokens of a new login.
    pub(super) async fn tokens(&self, changes: Changes<'_>) -> Value {
        let code = self.code(changes).await;
        let response = self.token(&[("code", Some(&code))]).await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()
    }

    pub(super) async fn refresh(&self, token: &str) -> HttpResponse {
        self.token(&[("grant_type", Some("refresh_token")), ("refresh_token", Some(token))]).await
    }

    pub(super) async fn get(&self, path: &str) -> HttpResponse {
        send(http_client().get(self.url(path))).await
    }

    pub(super) async fn userinfo(&self, token: &str) -> HttpResponse {
        send(http_client().get(self.url("userinfo")).bearer_auth(token)).await
    }

    /// The claims of a token, verified with the published keys.
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

fn change<'a>(parameters: &mut HashMap<&'a str, &'a str>, changes: Changes<'a>) {
    for (name, value) in changes {
        match value {
            Some(value) => parameters.insert(name, value),
            None => parameters.remove(name),
        };
    }
}

/// The text in a member of a JSON object.
pub(super) fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap()
}

pub(super) struct HttpResponse {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: String,
}

impl HttpResponse {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The status and the OAuth error code.
    pub(super) fn error(&self) -> (u16, String) {
        (self.status, text(&self.json(), "error").to_owned())
    }

    /// The status and the target of a redirect.
    pub(super) fn redirect(&self) -> (u16, &str) {
        (self.status, self.header("location"))
    }

    /// A parameter of the redirect's target.
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

/// A browser that stores the provider's cookie and does not follow redirects.
#[derive(Default)]
pub(super) struct Browser {
    cookie: Option<String>,
}

impl Browser {
    pub(super) async fn get(&mut self, url: &str) -> HttpResponse {
        let url = url.replacen("http://localhost", "http://127.0.0.1", 1);
        self.send(http_client().get(url)).await
    }

    /// Sends a form of one of the provider's pages.
    pub(super) async fn post(
        &mut self,
        tenant: &Tenant,
        path: &str,
        form: &[(&str, &str)],
    ) -> HttpResponse {
        let origin = tenant.url("").trim_end_matches('/').to_owned();
        self.send(http_client().post(tenant.url(path)).form(form).header("origin", origin)).await
    }

    /// Logs in as Ada, and returns the redirect to the client.
    pub(super) async fn log_in(&mut self, tenant: &Tenant, changes: Changes<'_>) -> HttpResponse {
        let login = self.open_login(tenant, changes).await;
        self.post(tenant, "u/login", &[("state", &login), ("email", ADA)]).await
    }

    /// Opens the login form, and returns its id.
    pub(super) async fn open_login(&mut self, tenant: &Tenant, changes: Changes<'_>) -> String {
        let response = self.get(&tenant.authorize_url(changes)).await;
        let form = self.get(response.header("location")).await;
        assert_eq!(form.status, 200, "{}", form.header("location"));
        form.field("state")
    }

    /// Whether the browser gets a code without a login form.
    pub(super) async fn is_logged_in(&mut self, tenant: &Tenant) -> bool {
        let response = self.get(&tenant.authorize_url(&[("prompt", Some("none"))])).await;
        let error = response.parameter("error");
        assert!(error.as_deref().is_none_or(|error| error == "login_required"), "{error:?}");
        response.parameter("code").is_some()
    }

    pub(super) async fn send(&mut self, mut request: RequestBuilder) -> HttpResponse {
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = send(request).await;
        if let Some(cookie) = response.headers.get("set-cookie") {
            let cookie = Cookie::parse(cookie.to_str().unwrap()).unwrap();
            let is_cleared = cookie.max_age() == Some(cookie::time::Duration::ZERO);
            self.cookie = (!is_cleared).then(|| cookie.stripped().to_string());
        }
        response
    }
}

pub(super) fn http_client() -> reqwest::Client {
    Network::default().client().unwrap().build().unwrap()
}

pub(super) async fn send(request: RequestBuilder) -> HttpResponse {
    let response = request.send().await.unwrap();
    HttpResponse {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}
