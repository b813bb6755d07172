//! The functions that are measured, with the backends they need.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request};
use local::emulator::{
    http_api::{
        DOMAIN,
        authorizer::question,
        event,
        route::{Matched, Route},
    },
    lambda::{Function, Surroundings},
};
use serde_json::Value;
use shared::crypto::secret::SessionSecret;
use tests::{artifacts::Artifacts, deployment::Deployment, http_api::ORIGIN};

use crate::{
    remote_table::RemoteTable,
    rounds::{Case, REQUESTS, WARM_UP},
};

/// A function that does nothing.
pub(crate) const EMPTY: &str = "empty function";
/// The empty function with one RSA-2048 verification and the reads of `protected`: four rows until the
/// first answer, and then one each time. The SDK has its default configuration, but our HTTP client.
pub(crate) const BARE: &str = "the bare SDK: the same reads, one RSA verification";
/// The empty function with one consistent read by our client.
pub(crate) const GET: &str = "one GetItem by our client";
/// The empty function with the same read, sent and signed by hand.
pub(crate) const SIGNED: &str = "one GetItem signed by hand";
/// The login page.
pub(crate) const LOGIN: &str = "login: the login page";
/// A valid token that the process has not seen before, different each time.
pub(crate) const UNSEEN: &str = "protected: token, first seen";
/// A valid token, the same each time.
pub(crate) const SEEN: &str = "protected: token, seen";

/// Deployment parameters for a session without a refresh token.
const PARAMETERS: [(&str, &str); 2] = [("Connections", "none"), ("Scope", "openid profile email")];

/// Deployment parameters for a session with a refresh token.
const REFRESHABLE: [(&str, &str); 2] =
    [("Connections", "none"), ("Scope", "openid profile email offline_access")];

/// The deployed functions, the baselines, and logged-in users.
pub(crate) struct Cases {
    deployment: Deployment,
    table: RemoteTable,
    /// A deployed function whose environment the baselines copy.
    like: Function,
    token: String,
    cookie: String,
    /// The public key as the provider publishes it.
    keys: Value,
}

impl Cases {
    /// Starts the backends and the line to the table, builds the functions, and logs a user in.
    pub(crate) async fn prepare() -> Self {
        let deployment = Deployment::start(1, &PARAMETERS).await;
        let table = RemoteTable::in_front_of(deployment.table_endpoint()).await;
        let (token, cookie) = log_in(&deployment).await;
        let like = function(&deployment, &table, "protected");
        let keys = format!("{}/.well-known/jwks.json", value(&like, "AUTH_HOST"));
        let keys = tests::http_client().get(keys).send().await.expect("the provider answers");
        let keys = keys.json().await.expect("JSON");
        Self { deployment, table, like, token, cookie, keys }
    }

    /// All functions, preceded by the baselines they are compared with.
    pub(crate) async fn functions(&self) -> Vec<Case> {
        let [empty, floor] = self.baselines(["empty", "floor"]).await;
        let protected = &self.like;
        let function = |name| function(&self.deployment, &self.table, name);
        let bearer = format!("Bearer {}", self.token);
        let authorization = [("authorization", &*bearer)];
        let cookie = [("cookie", &*self.cookie)];
        let mut unseen = case(UNSEEN, protected, "/protected", &authorization, 200);
        unseen.events = Vec::new();
        for _ in 0..=WARM_UP + REQUESTS {
            let bearer = format!("Bearer {}", log_in(&self.deployment).await.0);
            unseen.events.push(get(protected, "/protected", &[("authorization", &bearer)]));
        }
        vec![
            case(EMPTY, &empty, "/", &[], 200),
            case("one RSA verification", &floor, "/verify", &authorization, 200),
            case("one GetItem by the bare SDK", &floor, "/get", &authorization, 200),
            case(GET, &floor, "/ours", &authorization, 200),
            case(SIGNED, &floor, "/signed", &authorization, 200),
            case(BARE, &floor, "/", &authorization, 200),
            case(LOGIN, &function("login"), "/", &[], 200),
            case("login: the key page", &function("login"), "/", &cookie, 200),
            case("callback: refused", &function("callback"), "/callback?code=c&state=s", &[], 400),
            case("logout: after the logout", &function("logout"), "/signed-out", &[], 200),
            case("protected: refused", protected, "/protected", &[], 401),
            unseen,
            self.seen(protected),
            case("protected: cookie", protected, "/protected", &cookie, 200),
            authorizer(&function("authorizer"), &authorization),
        ]
    }

    /// `protected` and the two pages with each memory size.
    pub(crate) fn sizes(&self, memory: u32) -> [Case; 3] {
        let sized = |name| Function { memory, ..function(&self.deployment, &self.table, name) };
        let (protected, login) = (sized("protected"), sized("login"));
        let cookie = [("cookie", &*self.cookie)];
        let page = case("login: the key page", &login, "/", &cookie, 200);
        let all = [self.seen(&protected), page, case(LOGIN, &login, "/", &[], 200)];
        all.map(|case| Case { name: format!("{memory} MB, {}", case.name).into(), ..case })
    }

    /// A refresh of a session before it is due, as the key page sends it; no request goes to the
    /// provider. The others must live as long as the case.
    pub(crate) async fn refresh() -> (Case, Deployment, RemoteTable) {
        let deployment = Deployment::start(1, &REFRESHABLE).await;
        let table = RemoteTable::in_front_of(deployment.table_endpoint()).await;
        let (_, cookie) = log_in(&deployment).await;
        let refresh = function(&deployment, &table, "refresh");
        let headers = [("cookie", &*cookie), ("origin", ORIGIN), ("sec-fetch-site", "same-origin")];
        let event = send(&refresh, &Method::POST, "/refresh", &headers);
        let mut case = case("refresh: not due", &refresh, "/refresh", &[], 200);
        case.events = vec![event];
        (case, deployment, table)
    }

    /// A form of `protected`, with the same token each time.
    pub(crate) fn seen(&self, protected: &Function) -> Case {
        let bearer = format!("Bearer {}", self.token);
        case(SEEN, protected, "/protected", &[("authorization", &bearer)], 200)
    }

    /// Programs that verify the same token, with a request for `/`. boto3 reads `authorities`.
    pub(crate) async fn peers(
        &self,
        peers: &[(&'static str, PathBuf)],
        authorities: &Path,
    ) -> Vec<Case> {
        let bearer = format!("Bearer {}", self.token);
        let mut environment = self.environment().await;
        environment.push(("AWS_CA_BUNDLE".to_owned(), authorities.display().to_string()));
        let case = |(name, bootstrap): &(&'static str, PathBuf)| {
            let function = self.other(bootstrap.clone(), environment.clone());
            Case {
                is_whole: false,
                ..case(name, &function, "/", &[("authorization", &bearer)], 200)
            }
        };
        peers.iter().map(case).collect()
    }

    /// The deployed function `protected`.
    pub(crate) const fn protected(&self) -> &Function {
        &self.like
    }

    /// `protected` with the table nearby: over plain HTTP and without a delay.
    pub(crate) fn protected_nearby(&self) -> Function {
        let endpoint = self.deployment.table_endpoint();
        Function { environment: with_table(&self.like, endpoint), ..self.like.clone() }
    }

    /// The line to the table.
    pub(crate) const fn table(&self) -> &RemoteTable {
        &self.table
    }

    /// Baseline programs, which `tests/bench/run` builds.
    async fn baselines<const N: usize>(&self, names: [&str; N]) -> [Function; N] {
        let environment = self.environment().await;
        names.map(|name| {
            let bootstrap = tests::artifact(&format!("bench/baselines/{name}"), "bootstrap");
            self.other(bootstrap, environment.clone())
        })
    }

    /// Another program with this environment.
    fn other(&self, bootstrap: PathBuf, environment: Vec<(String, String)>) -> Function {
        Function {
            name: "baseline".to_owned(),
            bootstrap,
            environment,
            surroundings: Surroundings::Workplace,
            ..self.like.clone()
        }
    }

    /// The environment of a baseline or a peer: the key, and how to find the rows.
    async fn environment(&self) -> Vec<(String, String)> {
        let rows = async |kind: &str| self.deployment.rows(kind).await;
        let part = |name: &str| self.keys["keys"][0][name].as_str().expect("an RSA key").to_owned();
        let secret = self.cookie.split_once('=').expect("name and value").1;
        let secret = SessionSecret::parse(secret).expect("a session's secret");
        let issuer = format!("{}/", value(&self.like, "AUTH_HOST"));
        let authority = self.table.authority().display().to_string();
        let pointer = rows("token").await.swap_remove(0);
        let variables = [
            ("DOCUMENTS", rows("provider").await.join(" ")),
            ("POINTER", pointer),
            ("SSL_CERT_FILE", authority.clone()),
            ("NODE_EXTRA_CA_CERTS", authority),
            ("MODULUS", part("n")),
            ("EXPONENT", part("e")),
            ("JWKS", self.keys.to_string()),
            ("JWKS_URI", format!("{issuer}.well-known/jwks.json")),
            ("ISSUER", issuer),
            ("CLIENT_ID", value(&self.like, "CLIENT_ID")),
            ("SESSION_TABLE", value(&self.like, "SESSION_TABLE")),
            ("AWS_ACCESS_KEY_ID", value(&self.like, "AWS_ACCESS_KEY_ID")),
            ("AWS_ENDPOINT_URL_DYNAMODB", value(&self.like, "AWS_ENDPOINT_URL_DYNAMODB")),
            ("ROW", format!("session#{}", secret.digest())),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// The programs that are measured.
    pub(crate) const fn artifacts(&self) -> &Artifacts {
        self.deployment.artifacts()
    }
}

/// A deployed function with this line to the table.
fn function(deployment: &Deployment, table: &RemoteTable, name: &str) -> Function {
    let mut functions = deployment.lambda().functions();
    let function = functions.find(|function| function.name == name).expect("it is deployed");
    let mut environment = with_table(function, table.endpoint());
    environment.push(("SSL_CERT_FILE".to_owned(), table.authority().display().to_string()));
    Function { environment, ..function.clone() }
}

/// The function's environment with this endpoint of the table.
fn with_table(function: &Function, endpoint: &str) -> Vec<(String, String)> {
    let mut environment = function.environment.clone();
    for (_, value) in environment.iter_mut().filter(|(name, _)| name == "AWS_ENDPOINT_URL_DYNAMODB")
    {
        endpoint.clone_into(value);
    }
    environment
}

fn value(function: &Function, name: &str) -> String {
    let mut variables = function.environment.iter();
    let value = &variables.find(|(found, _)| found == name).expect("it is set").1;
    value.trim_end_matches('/').to_owned()
}

/// A new session: its token and its cookie.
async fn log_in(deployment: &Deployment) -> (String, String) {
    let mut browser = deployment.browser();
    let token = browser.log_in("ada@example.com").await;
    let secret = browser.cookie("__Host-session").expect("a session");
    (token, format!("__Host-session={secret}"))
}

fn case(
    name: &'static str,
    function: &Function,
    path: &str,
    headers: &[(&str, &str)],
    status: u16,
) -> Case {
    let events = vec![get(function, path, headers)];
    let expected = ("statusCode", status.into());
    Case { name: name.into(), function: function.clone(), events, expected, is_whole: true }
}

/// The authorizer's case for a request to the example's route.
fn authorizer(authorizer: &Function, headers: &[(&str, &str)]) -> Case {
    let (head, ()) = request(&Method::GET, "/api/hello", headers).into_parts();
    let event = get(authorizer, "/api/hello", headers);
    let event: Value = serde_json::from_slice(&event).expect("events are JSON");
    let question = question(&head, &event).expect("it is asked about every request");
    Case {
        name: "authorizer: token, seen".into(),
        function: authorizer.clone(),
        events: vec![question.to_string().into()],
        expected: ("isAuthorized", true.into()),
        is_whole: true,
    }
}

fn get(function: &Function, path: &str, headers: &[(&str, &str)]) -> Bytes {
    send(function, &Method::GET, path, headers)
}

/// The event of such a request.
fn send(function: &Function, method: &Method, path: &str, headers: &[(&str, &str)]) -> Bytes {
    let (head, ()) = request(method, path, headers).into_parts();
    let route = Route { key: "$default".parse().expect("a key"), function: function.name.clone() };
    let matched = Matched { route: &route, parameters: [].into() };
    event::build(&head, &Bytes::new(), &matched, "benchmark")
}

fn request(method: &Method, path: &str, headers: &[(&str, &str)]) -> Request<()> {
    let request = Request::builder().method(method).uri(format!("{ORIGIN}{path}"));
    let mut request = request.header("host", DOMAIN).header("accept", "text/html");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}
