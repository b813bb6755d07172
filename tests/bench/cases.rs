//! What is measured: a function, an event, and the status that it must be answered with.

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use tests::{
    artifacts::Artifacts,
    browser::Browser,
    deployment::Deployment,
    http_api::{
        ORIGIN, event,
        route::{Matched, Route},
    },
    lambda::{Function, Surroundings},
};

/// One thing to measure.
pub(crate) struct Case {
    /// In the table.
    pub(crate) name: &'static str,
    /// Whose process is started.
    pub(crate) function: Function,
    /// What it is sent, time and again.
    pub(crate) event: Bytes,
    /// The status of its answer: nothing is measured that is not the case.
    pub(crate) status: u16,
}

/// All cases, with what they need while they run.
pub(crate) struct Cases {
    all: Vec<Case>,
    deployment: Deployment,
}

impl Cases {
    /// Starts the counterparts, builds the programs, and logs somebody in.
    pub(crate) async fn prepare() -> Self {
        let parameters = [("Connections", "none"), ("Scope", "openid profile email")];
        let deployment = Deployment::start(1, &parameters).await;
        let mut browser = deployment.browser();
        let token = api_key(&mut browser).await;
        let cookie =
            format!("__Host-session={}", browser.cookie("__Host-session").expect("a session"));
        let bearer = format!("Bearer {token}");

        let function = |name: &str| {
            let mut functions = deployment.lambda().functions();
            functions.find(|function| function.name == name).expect("it is deployed").clone()
        };
        let protected = function("protected");
        let [empty, verify] = baselines(&protected).await;
        let authorization = [("authorization", bearer.as_str())];
        let all = vec![
            case("empty function", &empty, "/", &[], 200),
            case("jsonwebtoken alone", &verify, "/", &authorization, 200),
            case("login: the login page", &function("login"), "/", &[], 200),
            case("callback: refused", &function("callback"), "/callback?code=c&state=s", &[], 400),
            case("logout: signed out", &function("logout"), "/signed-out", &[], 200),
            case("protected: refused", &protected, "/protected", &[], 401),
            case("protected: token", &protected, "/protected", &authorization, 200),
            case("protected: cookie", &protected, "/protected", &[("cookie", &cookie)], 200),
        ];
        Self { all, deployment }
    }

    /// The cases; the empty function is the first.
    pub(crate) fn all(&self) -> &[Case] {
        &self.all
    }

    /// Whose programs are measured.
    pub(crate) const fn artifacts(&self) -> &Artifacts {
        self.deployment.artifacts()
    }
}

/// The two that are measured for comparison, with what the second needs: the provider's key.
async fn baselines(like: &Function) -> [Function; 2] {
    let value = |name: &str| {
        let mut variables = like.environment.iter();
        variables.find(|(found, _)| found == name).expect("it is set").1.clone()
    };
    let keys = format!("{}/.well-known/jwks.json", value("AUTH_HOST").trim_end_matches('/'));
    let keys = tests::http_client().get(keys).send().await.expect("the provider answers");
    let keys: Value = keys.json().await.expect("JSON");
    let part = |name: &str| keys["keys"][0][name].as_str().expect("an RSA key").to_owned();
    let key = [("MODULUS", part("n")), ("EXPONENT", part("e")), ("CLIENT_ID", value("CLIENT_ID"))];
    let environment: Vec<_> =
        key.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Artifacts::build(&["empty", "verify"]).map(|bootstrap| Function {
        name: "baseline".to_owned(),
        bootstrap,
        environment: environment.clone(),
        surroundings: Surroundings::Workplace,
        ..like.clone()
    })
}

async fn api_key(browser: &mut Browser) -> String {
    let form = browser.get("/login?connection=github").await.follow_all().await;
    let page = form.form_at("form.people").submit().await.follow_all().await;
    page.read("#token").expect("the token is shown").split_whitespace().collect()
}

fn case(
    name: &'static str,
    function: &Function,
    path: &str,
    headers: &[(&str, &str)],
    status: u16,
) -> Case {
    let mut request = Request::get(format!("{ORIGIN}{path}")).header("accept", "text/html");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let route = Route { key: "$default".parse().expect("a key"), function: function.name.clone() };
    let matched = Matched { route: &route, parameters: [].into() };
    let event = event::build(&head, &Bytes::new(), &matched, "benchmark");
    Case { name, function: function.clone(), event, status }
}
