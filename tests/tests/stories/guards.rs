//! What every guard decides about a given caller: `/protected`, a Rust function with routes, and the
//! authorizer in front of both kinds of API.

use axum::{Json, Router, routing};
use http::Method;
use local::emulator::http_api::{authorizer, event, route};
use serde_json::{Value, json};
use shared::{
    guard::{
        Principal, Rules,
        routes::{Routes, require},
    },
    web::request::Request,
};
use testkit::Caller;
use tests::{
    misbehaving_provider::{ADA, GRACE},
    site::{FORM, ORIGIN, Site},
    visitor::{SESSION, Sending, Visitor},
};

const APP: &str = "https://app.example.com";
const PROTECTED: &str = "/protected";

/// The start of the ARNs of a REST API's methods.
pub(crate) const ARN: &str = "arn:aws:execute-api:eu-central-1:123456789012:rest123/prod";

/// The status and the code of a refusal.
pub(crate) type Refused = (u16, String);

pub(crate) fn refused(status: u16, code: &str) -> Refused {
    (status, code.to_owned())
}

/// What all guards decide about `request`: the context that the authorizer passes on, or the refusal.
pub(crate) async fn decision(site: &Site, request: &Request) -> Result<Value, Refused> {
    let path = request.uri().path();
    let key = format!("{} {path}", request.method());
    let authorized = authorized(site, &key, request).await;
    let mut answers = vec![site.handle_by_routes(&routes(site, path), request.clone()).await];
    if key == "GET /protected" {
        answers.push(site.handle(request.clone()).await);
    }
    let status = answers[0].status();
    for answer in &answers {
        assert_eq!(answer.status(), status, "{request:?} {answer:?}");
        match &authorized {
            Ok(_) if request.method() == Method::HEAD => assert_eq!(status, 200),
            Ok(context) => assert_eq!((status, &answer.json()["sub"]), (200, &context["sub"])),
            Err(code) => {
                answer.is_json(status, code);
                let challenge = answer.header("www-authenticate");
                assert_eq!(challenge.contains("invalid_request"), status == 400, "{challenge}");
            }
        }
    }
    authorized.map_err(|code| (status, code))
}

/// Like [`decision`], about a request of `caller`: by token, and by cookie if there is a session.
pub(crate) async fn decision_on(site: &Site, caller: &Caller) -> Result<Value, Refused> {
    site.log().keep_out("an access token", caller.api_key());
    let by_token = decision(site, &caller.request(Method::GET, PROTECTED)).await;
    if let Some(cookie) = caller.cookie() {
        site.log().keep_out("a cookie", cookie.trim_start_matches("__Host-session="));
        let request = caller.request_by_cookie(Method::GET, PROTECTED);
        assert_eq!(decision(site, &request).await, by_token, "the token and the cookie differ");
    }
    by_token
}

/// The context that the guarded function gets about the caller, or the code of the refusal. Both kinds
/// of API must get the same decision for the route with this key.
pub(crate) async fn authorized(site: &Site, key: &str, request: &Request) -> Result<Value, String> {
    let resource = key.split_once(' ').map_or(key, |(_, path)| path);
    let decision = site.decide(&question(key, request.clone())).await.unwrap();
    let policy = site.decide(&rest_question(resource, request)).await.unwrap();
    let effect = &policy["policyDocument"]["Statement"][0]["Effect"];
    assert_eq!(decision["context"], policy["context"]);
    if decision["isAuthorized"] == true {
        assert_eq!(effect, "Allow", "{policy}");
        return Ok(decision["context"].clone());
    }
    assert_eq!((&decision["isAuthorized"], effect.as_str()), (&json!(false), Some("Deny")));
    assert_eq!(decision["context"].as_object().unwrap().len(), 1, "{decision}");
    Err(decision["context"]["code"].as_str().unwrap().to_owned())
}

/// The event of an HTTP API for a request to the route with this key.
pub(crate) fn question(key: &str, request: Request) -> Value {
    let route = route::Route { key: key.parse().unwrap(), function: "hello".to_owned() };
    let routes = route::Routes::new(vec![route]);
    let (head, body) = request.into_parts();
    let matched = routes.find(&head.method, &event::path(&head.uri)).unwrap();
    let event = event::build(&head, &body, &matched, "gateway-id");
    let event: Value = serde_json::from_slice(&event).unwrap();
    authorizer::question(&head, &event).unwrap()
}

/// The event of a REST API for a request to this resource.
pub(crate) fn rest_question(resource: &str, request: &Request) -> Value {
    let mut headers = serde_json::Map::new();
    for (name, value) in request.headers() {
        let values = headers.entry(name.as_str()).or_insert(json!([]));
        values.as_array_mut().unwrap().push(value.to_str().unwrap().into());
    }
    let (method, path) = (request.method().as_str(), request.uri().path());
    let query = request.uri().query().unwrap_or_default();
    let query: Value = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "type": "REQUEST",
        "methodArn": format!("{ARN}/{method}{path}"),
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "multiValueHeaders": headers,
        "queryStringParameters": query,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "requestId": "gateway-id",
            "stage": "prod",
        },
    })
}

/// A request with only these headers.
pub(crate) fn request(method: &Method, path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(bytes::Bytes::new()).unwrap()
}

pub(crate) fn get(path: &str, headers: &[(&str, &str)]) -> Request {
    request(&Method::GET, path, headers)
}

/// An application's function with one route, which shows the caller.
fn routes(site: &Site, path: &str) -> Routes {
    let show = routing::any(async |caller: Principal| Json(caller.user));
    let router = Router::new().route(path, show.layer(require(Rules::NONE)));
    let api = site.api();
    Routes::new(router, api.config(), api.dependencies())
}

#[tokio::test]
async fn a_token_or_a_cookie_is_accepted_and_the_guarded_function_gets_the_user() {
    let site = Site::without_provider(&[]);
    let api = site.api();
    let ada = api.person(ADA.subject).claim("name", ADA.name).claim("email", ADA.email);
    let ada = ada.log_in().await;
    let context = decision_on(&site, &ada).await.unwrap();
    assert_eq!(
        (&context["sub"], &context["name"], &context["email"]),
        (&json!(ADA.subject), &json!(ADA.name), &json!(ADA.email))
    );
    assert_eq!(context["person"], true);
    let row = site.store().last_session().unwrap();
    assert_eq!(context["session"], row.key.to_string());
    // REST APIs accept only these types. No value is a credential.
    let fields = context.as_object().unwrap();
    assert!(fields.values().all(|value| value.is_string() || value.is_boolean()), "{context}");
    let told = context.to_string();
    let cookie = ada.cookie().unwrap();
    let (_, secret) = cookie.split_once('=').unwrap();
    assert!(!told.contains(ada.api_key()) && !told.contains(secret), "{told}");
}

/// The two credentials are not combined, and a good one does not make up for a bad one.
#[tokio::test]
async fn r139_r140_r141_r151_only_one_valid_credential_is_accepted() {
    let site = Site::without_provider(&[]);
    let api = site.api();
    let (ada, grace) =
        (api.person(ADA.subject).log_in().await, api.person(GRACE.subject).log_in().await);
    let (cookie, token) = (ada.cookie().unwrap(), grace.api_key());
    let cookie = ("cookie", cookie.as_str());
    let bearer = format!("Bearer {token}");
    for scheme in ["bearer", "BEARER", "BeArEr"] {
        let header = format!("{scheme} {token}");
        let context = decision(&site, &get(PROTECTED, &[("authorization", &header)])).await;
        assert_eq!(context.unwrap()["sub"], GRACE.subject, "{scheme}");
    }
    let both = get(PROTECTED, &[cookie, ("authorization", &bearer)]);
    assert_eq!(decision(&site, &both).await.unwrap()["sub"], GRACE.subject);

    let before = site.store().calls();
    for (headers, status, code) in [
        (&[][..], 401, "authorization_header_missing"),
        (&[("authorization", "Basic YTpi")], 401, "invalid_header"),
        (&[("authorization", &format!("DPoP {token}"))], 401, "invalid_header"),
        (&[("authorization", &format!("Bearer\t{token}"))], 401, "invalid_header"),
        (&[("authorization", token)], 401, "invalid_header"),
        (&[("authorization", "Bearer")], 400, "invalid_header"),
        (&[("authorization", &format!("{bearer}, {bearer}"))], 400, "invalid_header"),
        (&[("authorization", &bearer), ("authorization", &bearer)], 400, "invalid_header"),
        (&[("authorization", "Bearer opaque-token")], 401, "token_opaque"),
        // An invalid token beside a valid cookie.
        (&[("authorization", "Bearer opaque-token"), cookie], 401, "token_opaque"),
        (&[("authorization", "Bearer x.y.z"), cookie], 401, "token_malformed"),
        (&[("authorization", "Bearer"), cookie], 400, "invalid_header"),
        (&[("authorization", "Basic YTpi"), cookie], 401, "invalid_header"),
        (&[("cookie", "__Host-session=short")], 401, "session_ended"),
        (&[("cookie", &format!("{0}; {0}", cookie.1))], 401, "session_ended"),
    ] {
        let decided = decision(&site, &get(PROTECTED, headers)).await;
        assert_eq!(decided, Err(refused(status, code)), "{headers:?}");
    }
    assert_eq!(site.store().calls(), before);
    let unknown = get(PROTECTED, &[("cookie", &format!("{SESSION}={}", "B".repeat(43)))]);
    assert_eq!(decision(&site, &unknown).await, Err(refused(401, "session_ended")));
    api.end_session(&grace).await;
    assert_eq!(decision(&site, &both).await, Err(refused(401, "session_ended")));
}

#[tokio::test]
async fn r142_a_token_outside_the_header_is_ignored_and_beside_one_in_the_header_an_error() {
    let site = Site::without_provider(&[]);
    let ada = site.api().person(ADA.subject).log_in().await;
    let path = format!("{PROTECTED}?access_token={}", ada.api_key());
    let missing = "authorization_header_missing";
    assert_eq!(decision(&site, &get(&path, &[])).await, Err(refused(401, missing)));
    let both = ada.request(Method::GET, &path);
    assert_eq!(decision(&site, &both).await, Err(refused(400, "invalid_request")));
    assert!(!site.handle(both).await.text().contains(ada.api_key()));
    let form = get(PROTECTED, &[("content-type", FORM)]);
    let form = form.map(|_| format!("access_token={}", ada.api_key()).into());
    site.handle(form).await.is_json(401, missing);
}

/// Browsers attach the cookie to forms of any site, but not a token.
#[tokio::test]
async fn r167_a_writing_request_by_cookie_is_accepted_only_from_allowed_origins() {
    let site = Site::without_provider(&[("ALLOWED_ORIGINS", APP)]);
    let ada = site.api().person(ADA.subject).log_in().await;
    let (cookie, bearer) = (ada.cookie().unwrap(), format!("Bearer {}", ada.api_key()));
    let browser = Visitor::new(&site);
    let ask = async |method: &Method, sending: Sending, headers: &[(&str, &str)]| {
        let headers = [&[("cookie", cookie.as_str())], headers].concat();
        let request = browser.request(method, "/notes", sending, &headers);
        decision(&site, &request).await.err()
    };
    let cross_site = Some(refused(403, "cross_site_request"));
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for (sending, headers) in [
            (Sending::FROM_ELSEWHERE, &[("origin", "https://evil.example")][..]),
            (Sending::FROM_ELSEWHERE, &[("origin", "null")]),
            (Sending::FROM_ELSEWHERE, &[]),
            (Sending::NAVIGATION, &[]),
            (Sending::FROM_HERE, &[("origin", "http://api.example.com")]),
            (Sending::FROM_HERE, &[("origin", "https://api.example.com.evil.example")]),
            (Sending::SCRIPT, &[("sec-fetch-site", ""), ("origin", "")]),
        ] {
            assert_eq!(ask(&method, sending, headers).await, cross_site, "{method} {headers:?}");
        }
        for origin in [ORIGIN, APP] {
            assert_eq!(ask(&method, Sending::SCRIPT, &[("origin", origin)]).await, None);
        }
        let by_token = [("authorization", bearer.as_str()), ("origin", "https://evil.example")];
        assert_eq!(ask(&method, Sending::FROM_ELSEWHERE, &by_token).await, None);
    }
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(ask(&method, Sending::FROM_ELSEWHERE, &[]).await, None);
    }
    assert_eq!(site.live_sessions().await, 1);
}
