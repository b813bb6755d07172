//! An identity provider over real HTTP that behaves as a test configures it, correctly or not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod in_process;
mod refresh;
mod shape;
mod user_info;
mod visits;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::digest;
use axum::{
    Form, Json, Router,
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};
use shared::{
    clock::Clock,
    crypto::{random::Random, secret::Digest},
    testing::tokens::{TEST_KEY, TestKey, changed, key_set_document},
};
use tokio::{net::TcpListener, time::sleep};
use url::Url;

use crate::site::{CLIENT_ID, CLIENT_SECRET};

pub use self::visits::{Visit, VisitedPage};
pub use self::{
    shape::Shape,
    user_info::{SignedBy, UserInfoAnswer},
};

/// A user with an account at the provider.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// `sub`.
    pub subject: &'static str,
    /// `email`.
    pub email: &'static str,
    /// `name`.
    pub name: &'static str,
    /// `picture`.
    pub picture: &'static str,
}

/// A user.
pub const ADA: User = User {
    subject: "auth0|64b1f0c2a9d3",
    email: "ada@lovelace.example",
    name: "Ada Lovelace",
    picture: "https://pictures.example/ada.png",
};

/// Another user.
pub const GRACE: User = User {
    subject: "auth0|77c0ffee1234",
    email: "grace@hopper.example",
    name: "Grace Hopper",
    picture: "https://pictures.example/grace.png",
};

/// How an endpoint responds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Endpoint {
    /// Correctly.
    #[default]
    Works,
    /// With this status and this `error`.
    Refuses(u16, &'static str),
    /// With a redirect of this status.
    Redirects(u16),
    /// With an HTML page.
    Html,
    /// Correctly, but with the content type of plain text.
    PlainText,
    /// With text that is not JSON, under the content type of JSON.
    Garbage,
    /// With 2 MB of JSON.
    Huge,
    /// With JSON that never ends, without a content length.
    Endless,
    /// After every client's timeout.
    Slow,
    /// With a 503 that asks the client to wait this number of seconds.
    Busy(u16),
}

impl Endpoint {
    /// The response; `good` is the correct one. `endless_bytes` counts the bytes sent of an endless
    /// one.
    async fn answer(self, good: Value, endless_bytes: Arc<AtomicUsize>) -> Response {
        let json_type = [(header::CONTENT_TYPE, "application/json")];
        match self {
            Self::Works => Json(good).into_response(),
            Self::Refuses(status, error) => {
                let text = "The text of the provider";
                let body = json!({ "error": error, "error_description": text });
                (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
            }
            Self::Redirects(status) => {
                let mut response = Redirect::to(ELSEWHERE).into_response();
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                response
            }
            Self::Html => Html("<h1>The text of the provider</h1>").into_response(),
            Self::PlainText => good.to_string().into_response(),
            Self::Garbage => (json_type, "The text of the provider").into_response(),
            Self::Huge => {
                let response = json!({ "access_token": "a".repeat(2_000_000) });
                (json_type, response.to_string()).into_response()
            }
            Self::Endless => {
                let spaces = futures_util::stream::repeat_with(move || {
                    endless_bytes.fetch_add(SPACES.len(), Ordering::SeqCst);
                    Ok::<_, std::convert::Infallible>(Bytes::from_static(SPACES))
                });
                (json_type, Body::from_stream(spaces)).into_response()
            }
            Self::Slow => {
                sleep(TOO_LONG).await;
                StatusCode::NO_CONTENT.into_response()
            }
            Self::Busy(seconds) => {
                let wait = [(header::RETRY_AFTER, seconds.to_string())];
                (StatusCode::SERVICE_UNAVAILABLE, wait).into_response()
            }
        }
    }
}

/// A provider on loopback. It stops with the runtime of the test that started it.
#[derive(Clone)]
pub struct MisbehavingProvider {
    /// Its issuer identifier, with a trailing slash unless it has a [`Shape`].
    pub issuer: String,
    clock: Clock,
    state: Arc<Mutex<Behaviour>>,
    endless_bytes: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    is_down: Arc<AtomicBool>,
}

/// How the provider behaves, and what it has issued and received. `header` and `metadata` change the
/// usual ones.
#[derive(Default)]
struct Behaviour {
    of_logins: Changes,
    of_refreshes: Changes,
    header: Value,
    metadata: Value,
    keys: Value,
    /// The id of the test key, if a shape gives it another one.
    key_id: Option<String>,
    signing_key: Option<Arc<TestKey>>,
    /// Whether its answers have `iss` (RFC 9207 §2).
    sends_issuer: bool,
    token_endpoint: Endpoint,
    metadata_endpoint: Endpoint,
    key_set_endpoint: Endpoint,
    script_endpoint: Endpoint,
    login_methods: Vec<(&'static str, &'static str)>,
    codes: HashMap<String, Grant>,
    token_requests: Vec<HashMap<String, String>>,
    metadata_requests: usize,
    key_set_requests: usize,
    elsewhere: usize,
    secrets: Vec<(&'static str, String)>,
    refreshing: refresh::Refreshing,
    is_basic_required: bool,
    visits: HashMap<VisitedPage, Visit>,
    date: Option<HeaderValue>,
    user_info: UserInfoAnswer,
    user_info_requests: Vec<(String, Option<String>)>,
    /// The users of the access tokens of logins.
    access_tokens: HashMap<String, User>,
    last: Option<Value>,
}

/// Changes of what the token endpoint issues.
#[derive(Clone, Default)]
struct Changes {
    claims: Value,
    access_token_claims: Value,
    response: Value,
}

/// The paths of the endpoints.
struct Paths {
    metadata: String,
    keys: String,
    token: String,
    revocation: String,
    user_info: String,
}

/// Auth0's.
impl Default for Paths {
    fn default() -> Self {
        Self {
            metadata: "/.well-known/openid-configuration".to_owned(),
            keys: "/.well-known/jwks.json".to_owned(),
            token: "/oauth/token".to_owned(),
            revocation: "/oauth/revoke".to_owned(),
            user_info: "/userinfo".to_owned(),
        }
    }
}

/// A free port on loopback, with its origin.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let origin = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    (listener, origin)
}

/// The login that a code belongs to.
#[derive(Clone, Debug)]
struct Grant {
    user: User,
    request: HashMap<String, String>,
}

impl MisbehavingProvider {
    /// Starts a provider that behaves correctly.
    pub async fn start(clock: Clock) -> Self {
        let (listener, origin) = listen().await;
        let provider = Self::new(clock, format!("{origin}/"));
        provider.serve(listener, &Paths::default());
        provider
    }

    fn new(clock: Clock, issuer: String) -> Self {
        let behaviour = Behaviour {
            keys: key_set_document(&[&TEST_KEY]),
            login_methods: vec![
                ("auth0", "Username-Password-Authentication"),
                ("google-oauth2", "google-oauth2"),
            ],
            ..Behaviour::default()
        };
        Self {
            issuer,
            clock,
            state: Arc::new(Mutex::new(behaviour)),
            endless_bytes: Arc::default(),
            requests: Arc::default(),
            is_down: Arc::default(),
        }
    }

    fn serve(&self, listener: TcpListener, paths: &Paths) {
        let router = Router::new()
            .route(&paths.metadata, get(metadata))
            .route(&paths.keys, get(key_set))
            .route(&paths.token, post(token))
            .route(ELSEWHERE, get(elsewhere).post(elsewhere))
            .route(&paths.revocation, post(refresh::revoke))
            .route(&paths.user_info, get(user_info::user_info))
            .route("/authorize", get(visits::authorize))
            .route("/oidc/logout", get(visits::logout))
            .route("/v2/logout", get(visits::logout))
            .route("/client/{script}", get(script))
            .layer(middleware::from_fn_with_state(self.clone(), Self::count))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    async fn count(State(provider): State<Self>, request: Request, next: Next) -> Response {
        provider.requests.fetch_add(1, Ordering::SeqCst);
        if provider.is_down.load(Ordering::SeqCst) {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let mut response = next.run(request).await;
        if let Some(date) = &provider.state().date {
            response.headers_mut().insert(header::DATE, date.clone());
        }
        response
    }

    /// The number of requests to any endpoint.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Makes every endpoint fail, or work again.
    pub fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Accepts the client secret by `client_secret_basic` alone.
    pub fn require_basic(&self) {
        self.state().is_basic_required = true;
    }

    /// Sends this header `Date` from now on, in the form of RFC 9110 §5.6.7.
    pub fn set_date(&self, date: &'static str) {
        self.state().date = Some(HeaderValue::from_static(date));
    }

    /// Changes claims of the ID tokens from now on; `null` removes one.
    pub fn change_claims(&self, changes: Value) {
        self.state().of_logins.claims = changes;
    }

    /// Changes claims of the access tokens from now on; `null` removes one.
    pub fn change_access_token_claims(&self, changes: Value) {
        self.state().of_logins.access_token_claims = changes;
    }

    /// Changes the header of the ID tokens from now on; `null` removes a member.
    pub fn change_header(&self, changes: Value) {
        self.state().header = changes;
    }

    /// Changes members of the token response from now on; `null` removes one.
    pub fn change_response(&self, changes: Value) {
        self.state().of_logins.response = changes;
    }

    /// Changes members of the discovery document from now on; `null` removes one.
    pub fn change_metadata(&self, changes: Value) {
        self.state().metadata = changes;
    }

    /// Changes one more member of the discovery document from now on.
    pub fn change_metadata_member(&self, name: &str, value: &str) {
        self.state().metadata[name] = value.into();
    }

    /// Sets how the discovery document is served from now on.
    pub fn set_metadata_endpoint(&self, behaviour: Endpoint) {
        self.state().metadata_endpoint = behaviour;
    }

    /// Sets how the key set is served from now on.
    pub fn set_key_set_endpoint(&self, behaviour: Endpoint) {
        self.state().key_set_endpoint = behaviour;
    }

    /// Publishes this key set from now on.
    pub fn publish(&self, keys: Value) {
        self.state().keys = keys;
    }

    /// Signs ID tokens with this key from now on, and publishes it instead of the previous one.
    pub fn rotate_to(&self, key: TestKey) {
        let mut state = self.state();
        state.keys = key_set_document(&[&key]);
        state.signing_key = Some(Arc::new(key));
    }

    /// Sets how the token endpoint responds from now on.
    pub fn set_token_endpoint(&self, behaviour: Endpoint) {
        self.state().token_endpoint = behaviour;
    }

    /// Sets how the script with the login methods is served from now on.
    pub fn set_script_endpoint(&self, behaviour: Endpoint) {
        self.state().script_endpoint = behaviour;
    }

    /// Lists these login methods from now on, as pairs of strategy and connection.
    pub fn set_login_methods(&self, methods: Vec<(&'static str, &'static str)>) {
        self.state().login_methods = methods;
    }

    /// The number of token requests.
    pub fn token_requests(&self) -> usize {
        self.state().token_requests.len()
    }

    /// The number of requests for the discovery document.
    pub fn metadata_requests(&self) -> usize {
        self.state().metadata_requests
    }

    /// The number of requests for the key set.
    pub fn key_set_requests(&self) -> usize {
        self.state().key_set_requests
    }

    /// Every secret that the provider issued or received, with a name.
    pub fn secrets(&self) -> Vec<(&'static str, String)> {
        let state = self.state();
        let issued = state.refreshing.tokens.keys().map(|token| ("a refresh token", token.clone()));
        state.secrets.iter().cloned().chain(issued).collect()
    }

    /// The number of bytes of endless responses sent so far, including those in socket buffers.
    pub fn endless_bytes(&self) -> usize {
        self.endless_bytes.load(Ordering::SeqCst)
    }

    /// The number of requests to the target of a redirect.
    pub fn requests_elsewhere(&self) -> usize {
        self.state().elsewhere
    }

    /// The form of the last token request.
    pub fn last_token_request(&self) -> HashMap<String, String> {
        self.state().token_requests.last().cloned().unwrap()
    }

    /// The last token response.
    pub fn last_token_response(&self) -> Value {
        self.state().last.clone().unwrap()
    }

    /// Logs `user` in for the authentication request `request`. Returns the callback URL.
    pub fn log_in(&self, request: &Url, user: User) -> String {
        self.log_in_with_code(request, user, Random::system().token())
    }

    /// Like [`Self::log_in`], with this code.
    pub fn log_in_with_code(&self, request: &Url, user: User, code: String) -> String {
        let parameters: HashMap<_, _> = request.query_pairs().into_owned().collect();
        let back = self.back(request, &[("code", &code)]);
        let mut state = self.state();
        state.secrets.push(("a code", code.clone()));
        state.codes.insert(code, Grant { user, request: parameters });
        back
    }

    /// Ends the authentication request `request` with this `error`. Returns the callback URL.
    pub fn refuse(&self, request: &Url, error: &str) -> String {
        self.back(request, &[("error", error), ("error_description", "The text of the provider")])
    }

    /// The redirect URI of `request` with its `state` and these parameters.
    pub fn back(&self, request: &Url, answer: &[(&str, &str)]) -> String {
        let parameter = |name: &str| {
            let found = request.query_pairs().find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned()).unwrap()
        };
        let mut url = Url::parse(&parameter("redirect_uri")).unwrap();
        let issuer = self.state().sends_issuer.then_some(("iss", self.issuer.as_str()));
        url.query_pairs_mut()
            .extend_pairs(answer)
            .append_pair("state", &parameter("state"))
            .extend_pairs(issuer);
        url.into()
    }

    /// An access token of `user` for the API `audience`, for any client.
    pub fn access_token(&self, user: User, audience: &str, changes: &Value) -> String {
        let now = self.clock.now().as_unix();
        let mut claims = json!({
            "iss": self.issuer,
            "sub": user.subject,
            "aud": [audience, format!("{}userinfo", self.issuer)],
            "azp": CLIENT_ID,
            "iat": now,
            "exp": now + 86_400,
            "scope": "openid profile email",
            "jti": Random::system().token(),
        });
        claims = changed(claims, changes);
        let token = self.signed(&claims);
        self.state().keep_secret("an access token", &token);
        token
    }

    /// An ID token of `user` that belongs to no login.
    pub fn id_token(&self, user: User, changes: &Value) -> String {
        let mut claims = self.id_token_claims(user);
        claims = changed(claims, changes);
        let token = self.signed(&claims);
        self.state().keep_secret("an ID token", &token);
        token
    }

    /// The claims of a logout token for a session of `user` that ends now.
    pub fn logout_claims(&self, user: User, changes: &Value) -> Value {
        let now = self.clock.now().as_unix();
        let mut claims = json!({
            "iss": self.issuer,
            "sub": user.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 120,
            "jti": Random::system().token(),
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
            "trace_id": Random::system().token(),
        });
        claims = changed(claims, changes);
        claims
    }

    /// A logout token for a session of `user` that ends now.
    pub fn logout_token(&self, user: User, changes: &Value) -> String {
        self.signed(&self.logout_claims(user, changes))
    }

    /// A token with these claims, with the key id that the shape publishes.
    fn signed(&self, claims: &Value) -> String {
        let mut header = TEST_KEY.header();
        if let Some(key_id) = &self.state().key_id {
            header["kid"] = key_id.as_str().into();
        }
        TEST_KEY.sign_with_header(&header, claims)
    }

    fn id_token_claims(&self, user: User) -> Value {
        let now = self.clock.now().as_unix();
        json!({
            "iss": self.issuer,
            "sub": user.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 36_000,
            "sid": Random::system().token(),
            "name": user.name,
            "email": user.email,
            "email_verified": true,
            "picture": user.picture,
            "updated_at": "2026-11-24T20:35:51.000Z",
        })
    }

    /// New tokens of a login; or of a refresh, then without `nonce` and `sid`, as Auth0 issues them.
    fn tokens(&self, grant: &Grant, is_refresh: bool) -> Value {
        let changes = {
            let state = self.state();
            if is_refresh { state.of_refreshes.clone() } else { state.of_logins.clone() }
        };
        let access_token = match grant.request.get("audience") {
            Some(audience) => self.access_token(grant.user, audience, &changes.access_token_claims),
            None => format!("opaque-{}", Random::system().token()),
        };
        let mut state = self.state();
        let key = state.signing_key.clone();
        let key = key.as_deref().unwrap_or(&TEST_KEY);
        let mut claims = self.id_token_claims(grant.user);
        claims["at_hash"] = at_hash(&access_token).into();
        if is_refresh {
            claims = changed(claims, &json!({ "sid": null }));
        } else {
            claims["nonce"] = grant.request["nonce"].as_str().into();
        }
        claims = changed(claims, &changes.claims);
        let mut header = key.header();
        header = changed(header, &state.header);
        let id_token = key.sign_with_header(&header, &claims);
        state.keep_secret("an access token", &access_token);
        state.keep_secret("an ID token", &id_token);
        state.access_tokens.insert(access_token.clone(), grant.user);
        let scope = if is_refresh { &*grant.request["scope"] } else { "openid profile email" };
        json!({
            "access_token": access_token,
            "id_token": id_token,
            "token_type": "Bearer",
            "expires_in": 86_400,
            "scope": scope,
        })
    }

    /// Checks a token request as a strict provider does. Returns the code's login.
    fn redeem(&self, form: &HashMap<String, String>) -> Result<Grant, &'static str> {
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        if field("client_id") != CLIENT_ID || field("client_secret") != CLIENT_SECRET {
            return Err("invalid_client");
        }
        let grant = self.state().codes.remove(field("code")).ok_or("invalid_grant")?;
        let asked = |name: &str| grant.request.get(name).map_or("", String::as_str);
        let is_ours = field("grant_type") == "authorization_code"
            && field("redirect_uri") == asked("redirect_uri")
            && asked("code_challenge_method") == "S256"
            && Digest::of(field("code_verifier")).to_string() == asked("code_challenge");
        if is_ours { Ok(grant) } else { Err("invalid_grant") }
    }

    fn state(&self) -> MutexGuard<'_, Behaviour> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `at_hash` for RS256 (OpenID Connect Core §3.1.3.6).
fn at_hash(access_token: &str) -> String {
    let hash = digest::digest(&digest::SHA256, access_token.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

/// Longer than the timeout of any client in the product.
const TOO_LONG: Duration = Duration::from_secs(20);

async fn metadata(State(provider): State<MisbehavingProvider>) -> Response {
    let issuer = &provider.issuer;
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}authorize"),
        "token_endpoint": format!("{issuer}oauth/token"),
        "jwks_uri": format!("{issuer}.well-known/jwks.json"),
        "end_session_endpoint": format!("{issuer}oidc/logout"),
        "revocation_endpoint": format!("{issuer}oauth/revoke"),
        "userinfo_endpoint": format!("{issuer}userinfo"),
        "id_token_signing_alg_values_supported": ["HS256", "RS256"],
    });
    let behaviour = {
        let mut state = provider.state();
        state.metadata_requests += 1;
        document = changed(document, &state.metadata);
        state.metadata_endpoint
    };
    behaviour.answer(document, provider.endless_bytes).await
}

async fn key_set(State(provider): State<MisbehavingProvider>) -> Response {
    let (behaviour, keys) = {
        let mut state = provider.state();
        state.key_set_requests += 1;
        (state.key_set_endpoint, state.keys.clone())
    };
    behaviour.answer(keys, provider.endless_bytes).await
}

/// The credentials of `client_secret_basic` (RFC 6749 §2.3.1), as fields of a form.
fn basic_credentials(headers: &HeaderMap) -> Option<[(String, String); 2]> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let pair = BASE64_STANDARD.decode(authorization.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decoded = |text: &str| {
        let (text, _) = form_urlencoded::parse(text.as_bytes()).next()?;
        Some(text.into_owned())
    };
    let field = |name: &str, text| Some((name.to_owned(), decoded(text)?));
    Some([field("client_id", id)?, field("client_secret", secret)?])
}

async fn token(
    State(provider): State<MisbehavingProvider>,
    headers: HeaderMap,
    Form(mut form): Form<HashMap<String, String>>,
) -> Response {
    let is_basic = !form.contains_key("client_id");
    if is_basic != headers.contains_key(header::AUTHORIZATION) {
        let error = Json(json!({ "error": "invalid_request" }));
        return (StatusCode::BAD_REQUEST, error).into_response();
    }
    if is_basic {
        form.extend(basic_credentials(&headers).into_iter().flatten());
        form.insert("authentication".to_owned(), "client_secret_basic".to_owned());
    }
    let behaviour = {
        let mut state = provider.state();
        let secrets = [("code_verifier", "a verifier"), ("refresh_token", "a refresh token")];
        for (parameter, name) in secrets {
            let sent = form.get(parameter).filter(|secret| !secret.is_empty());
            state.secrets.extend(sent.map(|secret| (name, secret.clone())));
        }
        state.token_requests.push(form.clone());
        if state.is_basic_required && !is_basic {
            let error = Json(json!({ "error": "invalid_client" }));
            return (StatusCode::UNAUTHORIZED, error).into_response();
        }
        state.token_endpoint
    };
    if !matches!(behaviour, Endpoint::Works | Endpoint::PlainText) {
        provider.wait_at_the_gate().await;
        return behaviour.answer(Value::Null, provider.endless_bytes).await;
    }
    if form["grant_type"] == "refresh_token" {
        return refresh::exchange(&provider, &form).await;
    }
    match provider.redeem(&form) {
        Ok(grant) => {
            let mut response = provider.tokens(&grant, false);
            {
                let mut state = provider.state();
                response = changed(response, &state.of_logins.response);
                state.refreshing.begin_family(&grant, &mut response);
                state.last = Some(response.clone());
            }
            behaviour.answer(response, provider.endless_bytes).await
        }
        Err(error) => (StatusCode::FORBIDDEN, Json(json!({ "error": error }))).into_response(),
    }
}

/// One chunk of an endless response.
const SPACES: &[u8] = &[b' '; 10_000];

/// The target of redirects, which no client may request.
const ELSEWHERE: &str = "/elsewhere";

impl Behaviour {
    /// Records the last part of a token, its signature. It identifies the token even if the rest is
    /// re-encoded.
    fn keep_secret(&mut self, name: &'static str, token: &str) {
        let parts = token.rsplit('.').take(2).filter(|part| part.len() >= 16);
        self.secrets.extend(parts.map(|part| (name, part.to_owned())));
    }
}

async fn elsewhere(State(provider): State<MisbehavingProvider>) -> StatusCode {
    provider.state().elsewhere += 1;
    StatusCode::NO_CONTENT
}

async fn script(State(provider): State<MisbehavingProvider>) -> Response {
    let (behaviour, methods) = {
        let state = provider.state();
        (state.script_endpoint, state.login_methods.clone())
    };
    if behaviour != Endpoint::Works {
        return behaviour.answer(Value::Null, provider.endless_bytes).await;
    }
    let strategy =
        |(name, connection)| json!({ "name": name, "connections": [{ "name": connection }] });
    let strategies: Vec<_> = methods.into_iter().map(strategy).collect();
    let client = json!({ "id": CLIENT_ID, "strategies": strategies });
    format!("Auth0.setClient({client});").into_response()
}
