//! An identity provider over real HTTP that does what a test tells it, be it wrong.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod refresh;

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_lc_rs::{digest, hmac};
use axum::{
    Form, Json, Router,
    extract::State,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use serde_json::{Value, json};
use shared::{
    clock::Clock,
    jwt::testing::{TEST_KEY, TestKey, key_set_document},
    random::Random,
    secret::Digest,
};
use tokio::{net::TcpListener, time::sleep};
use url::Url;

use crate::site::{CLIENT_ID, CLIENT_SECRET};

pub use self::refresh::{Gate, Revocation};

/// Somebody with an account at the provider.
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

/// How ID tokens are signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signature {
    /// As they should be.
    Own,
    /// By a key of somebody else that has the same name.
    Foreign,
    /// By a key whose name is not in the key set.
    UnknownKey,
    /// With one byte changed.
    Damaged,
    /// Not at all: `alg` is `none`.
    None,
    /// By HMAC with the public key as the secret.
    HmacWithPublicKey,
    /// By HMAC with the client secret.
    HmacWithClientSecret,
}

/// How the token endpoint behaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenEndpoint {
    /// As it should.
    Works,
    /// It answers with this status and this `error`.
    Refuses(u16, &'static str),
    /// It redirects with this status.
    Redirects(u16),
    /// It answers with a page.
    Html,
    /// It answers with text that is no JSON, and says that it is.
    Garbage,
    /// It answers with 2 MB of JSON.
    Huge,
    /// It takes longer than anybody waits.
    Slow,
}

/// How the script with the login methods behaves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum MethodsScript {
    /// It lists these connections of these strategies.
    Lists(Vec<(&'static str, &'static str)>),
    /// It answers with this status.
    Fails(u16),
    /// It answers with a page.
    Html,
    /// It takes longer than anybody waits.
    Silent,
}

/// A provider on loopback. It stops with the runtime of the test that started it.
#[derive(Clone, Debug)]
pub struct MisbehavingProvider {
    /// Its identifier, with a trailing slash.
    pub issuer: String,
    clock: Clock,
    state: Arc<Mutex<Behaviour>>,
}

#[derive(Debug)]
struct Behaviour {
    claims: Value,
    access_token_claims: Value,
    header: Value,
    response: Value,
    metadata: Value,
    metadata_is_down: bool,
    signature: Signature,
    token_endpoint: TokenEndpoint,
    methods_script: MethodsScript,
    codes: HashMap<String, Grant>,
    token_requests: Vec<HashMap<String, String>>,
    elsewhere: usize,
    refreshing: refresh::Refreshing,
    last: Option<Value>,
}

/// What a code stands for.
#[derive(Clone, Debug)]
struct Grant {
    user: User,
    request: HashMap<String, String>,
}

impl MisbehavingProvider {
    /// Starts one that behaves.
    pub async fn start(clock: Clock) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let issuer = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
        let none = || json!({});
        let behaviour = Behaviour {
            claims: none(),
            access_token_claims: none(),
            header: none(),
            response: none(),
            metadata: none(),
            metadata_is_down: false,
            signature: Signature::Own,
            token_endpoint: TokenEndpoint::Works,
            methods_script: MethodsScript::Lists(vec![
                ("auth0", "Username-Password-Authentication"),
                ("google-oauth2", "google-oauth2"),
            ]),
            codes: HashMap::new(),
            token_requests: Vec::new(),
            elsewhere: 0,
            refreshing: refresh::Refreshing::default(),
            last: None,
        };
        let provider = Self { issuer, clock, state: Arc::new(Mutex::new(behaviour)) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/.well-known/jwks.json", get(async || Json(key_set_document(&[&TEST_KEY]))))
            .route("/oauth/token", post(token))
            .route("/oauth/revoke", post(refresh::revoke))
            .route("/elsewhere", get(elsewhere).post(elsewhere))
            .route("/client/{script}", get(script))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// Changes claims of the ID tokens from now on; `null` takes one out.
    pub fn change_claims(&self, changes: Value) {
        self.state().claims = changes;
    }

    /// Changes claims of the access tokens from now on; `null` takes one out.
    pub fn change_access_token_claims(&self, changes: Value) {
        self.state().access_token_claims = changes;
    }

    /// Changes the header of the ID tokens from now on; `null` takes a member out.
    pub fn change_header(&self, changes: Value) {
        self.state().header = changes;
    }

    /// Changes members of the token response from now on; `null` takes one out.
    pub fn change_response(&self, changes: Value) {
        self.state().response = changes;
    }

    /// Changes members of the discovery document from now on; `null` takes one out.
    pub fn change_metadata(&self, changes: Value) {
        self.state().metadata = changes;
    }

    /// Whether the discovery document can be had.
    pub fn set_metadata_down(&self, is_down: bool) {
        self.state().metadata_is_down = is_down;
    }

    /// Signs ID tokens like that from now on.
    pub fn sign(&self, signature: Signature) {
        self.state().signature = signature;
    }

    /// The token endpoint behaves like that from now on.
    pub fn set_token_endpoint(&self, behaviour: TokenEndpoint) {
        self.state().token_endpoint = behaviour;
    }

    /// The script with the login methods behaves like that from now on.
    pub fn set_methods_script(&self, behaviour: MethodsScript) {
        self.state().methods_script = behaviour;
    }

    /// How many token requests came.
    pub fn token_requests(&self) -> usize {
        self.state().token_requests.len()
    }

    /// How many requests came where a redirect pointed to.
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

    /// What `/authorize` does with `request` once `user` has logged in: the address that the
    /// browser is sent back to.
    pub fn log_in(&self, request: &Url, user: User) -> String {
        let code = Random::system().token();
        let parameters: HashMap<_, _> = request.query_pairs().into_owned().collect();
        let back = self.back(request, &[("code", &code)]);
        self.state().codes.insert(code, Grant { user, request: parameters });
        back
    }

    /// What `/authorize` does with `request` when it ends in this `error`.
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
        url.query_pairs_mut().extend_pairs(answer).append_pair("state", &parameter("state"));
        url.into()
    }

    /// An access token of `user` for the API `audience`, to whomever it was issued.
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
        change(&mut claims, changes);
        TEST_KEY.sign(&claims)
    }

    /// An ID token of `user` that no login here brought.
    pub fn id_token(&self, user: User, changes: &Value) -> String {
        let mut claims = self.id_token_claims(user);
        change(&mut claims, changes);
        TEST_KEY.sign(&claims)
    }

    /// The claims of a logout token about a session of `user` that ends now.
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
        change(&mut claims, changes);
        claims
    }

    /// A logout token about a session of `user` that ends now.
    pub fn logout_token(&self, user: User, changes: &Value) -> String {
        TEST_KEY.sign(&self.logout_claims(user, changes))
    }

    /// A logout token that is signed like that.
    pub fn logout_token_signed(&self, signature: Signature, user: User) -> String {
        sign(signature, TEST_KEY.header(), &self.logout_claims(user, &json!({})))
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

    fn tokens(&self, grant: &Grant) -> Value {
        let state = self.state();
        let access_token = match grant.request.get("audience") {
            Some(audience) => self.access_token(grant.user, audience, &state.access_token_claims),
            None => format!("opaque-{}", Random::system().token()),
        };
        let mut claims = self.id_token_claims(grant.user);
        claims["nonce"] = grant.request["nonce"].as_str().into();
        claims["at_hash"] = at_hash(&access_token).into();
        change(&mut claims, &state.claims);
        let mut header = TEST_KEY.header();
        change(&mut header, &state.header);
        let mut response = json!({
            "access_token": access_token,
            "id_token": sign(state.signature, header, &claims),
            "token_type": "Bearer",
            "expires_in": 86_400,
            "scope": "openid profile email",
        });
        change(&mut response, &state.response);
        response
    }

    /// What a strict provider demands of a token request.
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

fn sign(signature: Signature, mut header: Value, claims: &Value) -> String {
    let mut with_algorithm = |algorithm: &str| {
        header["alg"] = algorithm.into();
        let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", encode(&header), encode(claims))
    };
    let mut hmac = |secret: &[u8]| {
        let message = with_algorithm("HS256");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
    };
    match signature {
        Signature::Own => TEST_KEY.sign_with_header(&header, claims),
        Signature::Foreign => TestKey::rsa("test").sign_with_header(&header, claims),
        Signature::UnknownKey => TestKey::rsa("unknown").sign(claims),
        Signature::Damaged => {
            let token = TEST_KEY.sign_with_header(&header, claims);
            let (message, signature) = token.rsplit_once('.').unwrap();
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
            bytes[100] ^= 1;
            format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
        }
        Signature::None => format!("{}.", with_algorithm("none")),
        Signature::HmacWithPublicKey => hmac(TEST_KEY.jwk()["n"].as_str().unwrap().as_bytes()),
        Signature::HmacWithClientSecret => hmac(CLIENT_SECRET.as_bytes()),
    }
}

/// Sets each member of `changes`, and takes those out that are `null`.
fn change(object: &mut Value, changes: &Value) {
    let object = object.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            object.remove(name);
        } else {
            object.insert(name.clone(), value.clone());
        }
    }
}

/// Longer than any client of the bundle waits.
const TOO_LONG: Duration = Duration::from_secs(20);

async fn metadata(State(provider): State<MisbehavingProvider>) -> Response {
    let state = provider.state();
    if state.metadata_is_down {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let issuer = &provider.issuer;
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}authorize"),
        "token_endpoint": format!("{issuer}oauth/token"),
        "jwks_uri": format!("{issuer}.well-known/jwks.json"),
        "end_session_endpoint": format!("{issuer}oidc/logout"),
        "revocation_endpoint": format!("{issuer}oauth/revoke"),
        "id_token_signing_alg_values_supported": ["HS256", "RS256"],
    });
    change(&mut document, &state.metadata);
    Json(document).into_response()
}

async fn token(
    State(provider): State<MisbehavingProvider>,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let behaviour = {
        let mut state = provider.state();
        state.token_requests.push(form.clone());
        state.token_endpoint
    };
    let json_type = [(header::CONTENT_TYPE, "application/json")];
    match behaviour {
        TokenEndpoint::Works if form["grant_type"] == "refresh_token" => {
            refresh::exchange(&provider, &form).await
        }
        TokenEndpoint::Works => match provider.redeem(&form) {
            Ok(grant) => {
                let mut response = provider.tokens(&grant);
                provider.begin_family(&grant, &mut response);
                provider.state().last = Some(response.clone());
                Json(response).into_response()
            }
            Err(error) => (StatusCode::FORBIDDEN, Json(json!({ "error": error }))).into_response(),
        },
        TokenEndpoint::Refuses(status, error) => {
            let body = json!({ "error": error, "error_description": "The text of the provider" });
            (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
        }
        TokenEndpoint::Redirects(status) => {
            let mut response = Redirect::to("/elsewhere").into_response();
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        }
        TokenEndpoint::Html => Html("<h1>The text of the provider</h1>").into_response(),
        TokenEndpoint::Garbage => (json_type, "The text of the provider").into_response(),
        TokenEndpoint::Huge => {
            let response = json!({ "access_token": "a".repeat(2_000_000) });
            (json_type, response.to_string()).into_response()
        }
        TokenEndpoint::Slow => {
            sleep(TOO_LONG).await;
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

async fn elsewhere(State(provider): State<MisbehavingProvider>) -> StatusCode {
    provider.state().elsewhere += 1;
    StatusCode::NO_CONTENT
}

async fn script(State(provider): State<MisbehavingProvider>) -> Response {
    let behaviour = provider.state().methods_script.clone();
    match behaviour {
        MethodsScript::Lists(methods) => {
            let strategies: Vec<_> = methods
                .iter()
                .map(|(strategy, connection)| {
                    json!({ "name": strategy, "connections": [{ "name": connection }] })
                })
                .collect();
            let client = json!({ "id": CLIENT_ID, "strategies": strategies });
            format!("Auth0.setClient({client});").into_response()
        }
        MethodsScript::Fails(status) => StatusCode::from_u16(status).unwrap().into_response(),
        MethodsScript::Html => Html("<h1>The text of the provider</h1>").into_response(),
        MethodsScript::Silent => {
            sleep(TOO_LONG).await;
            StatusCode::NO_CONTENT.into_response()
        }
    }
}
