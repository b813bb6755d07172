//! A function outside the bundle, guarded by the bundle's authorizer.

use gateway::authorizer::NoDecision;
use http::Method;
use local::emulator::http_api::{
    authorizer::Authorizer,
    event,
    route::{Route, Routes},
};
use serde_json::{Value, json};
use shared::web::request::Request;
use tests::{
    misbehaving_provider::{ADA, GRACE},
    site::{ORIGIN, Site},
    visitor::{SESSION, Sending, Visitor},
};

const API: &str = "https://api.example";
const HELLO: &str = "GET /api/hello";
const ARN: &str = "arn:aws:execute-api:eu-central-1:123456789012:rest123/prod";

/// The event of an HTTP API for a request to the route with this key.
pub(crate) fn question(key: &str, request: Request) -> Value {
    let route = Route { key: key.parse().unwrap(), function: "hello".to_owned() };
    let routes = Routes::new(vec![route]);
    let (head, body) = request.into_parts();
    let matched = routes.find(&head.method, &event::path(&head.uri)).unwrap();
    let event = event::build(&head, &body, &matched, "gateway-id");
    let event: Value = serde_json::from_slice(&event).unwrap();
    let authorizer = Authorizer { function: "authorizer".to_owned(), identity_sources: vec![] };
    authorizer.question(&head, &event).unwrap()
}

/// The event of a REST API for a request to this resource.
fn rest_question(resource: &str, request: Request) -> Value {
    let (head, _) = request.into_parts();
    let mut headers = serde_json::Map::new();
    for (name, value) in &head.headers {
        let values = headers.entry(name.as_str()).or_insert(json!([]));
        values.as_array_mut().unwrap().push(value.to_str().unwrap().into());
    }
    let (method, path) = (head.method.as_str(), head.uri.path());
    json!({
        "type": "REQUEST",
        "methodArn": format!("{ARN}/{method}{path}"),
        "resource": resource,
        "path": path,
        "httpMethod": method,
        "multiValueHeaders": headers,
        "requestContext": {
            "httpMethod": method,
            "resourcePath": resource,
            "requestId": "gateway-id",
            "stage": "prod",
        },
    })
}

fn get(path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = http::Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(bytes::Bytes::new()).unwrap()
}

fn with_token(token: &str) -> Request {
    get("/api/hello", &[("authorization", &format!("Bearer {token}"))])
}

fn with_cookie(visitor: &Visitor) -> Request {
    visitor.request(&Method::GET, "/api/hello", Sending::SCRIPT, &[])
}

/// The context that the guarded function gets about the caller, or the code of the rejection. Both
/// kinds of API must get the same decision.
async fn ask(site: &Site, request: impl Fn() -> Request) -> Result<Value, String> {
    let decision = site.decide(&question(HELLO, request())).await.unwrap();
    let policy = site.decide(&rest_question("/api/hello", request())).await.unwrap();
    let effect = &policy["policyDocument"]["Statement"][0]["Effect"];
    assert_eq!(decision["isAuthorized"] == true, effect == "Allow", "{decision} {policy}");
    assert_eq!(decision["context"], policy["context"]);
    if decision["isAuthorized"] == true {
        return Ok(decision["context"].clone());
    }
    assert_eq!(decision["isAuthorized"], false);
    assert_eq!(decision["context"].as_object().unwrap().len(), 1, "{decision}");
    Err(decision["context"]["code"].as_str().unwrap().to_owned())
}

async fn refused(site: &Site, request: impl Fn() -> Request) -> String {
    ask(site, request).await.unwrap_err()
}

#[tokio::test]
async fn a_token_or_a_cookie_is_accepted_and_the_guarded_function_gets_the_user() {
    let site = Site::start().await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let token = visitor.api_key().await;
    let context = ask(&site, || with_token(&token)).await.unwrap();
    assert_eq!(ask(&site, || with_cookie(&visitor)).await.unwrap(), context);
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
    assert!(!told.contains(&token) && !told.contains(visitor.session().unwrap()), "{told}");
}

/// The guard is the same as that of `/protected`.
#[tokio::test]
async fn r139_r151_a_request_without_a_valid_credential_is_rejected() {
    let site = Site::start().await;
    let visitor = Visitor::logged_in(&site, ADA).await;
    let cookie = visitor.cookie_header();
    let before = site.store().calls();
    for (headers, code) in [
        (&[][..], "authorization_header_missing"),
        (&[("authorization", "Basic YTpi")], "invalid_header"),
        (&[("authorization", "Bearer a, Bearer b")], "invalid_header"),
        (&[("authorization", "Bearer opaque-token")], "token_opaque"),
        // An invalid token beside a valid cookie.
        (&[("authorization", "Bearer opaque-token"), ("cookie", &cookie)], "token_opaque"),
        (&[("cookie", "__Host-session=short")], "session_ended"),
        (&[("cookie", &format!("{cookie}; {cookie}"))], "session_ended"),
    ] {
        assert_eq!(refused(&site, || get("/api/hello", headers)).await, code, "{headers:?}");
        let protected = site.get("/protected", headers).await;
        assert_eq!(protected.json()["code"], code);
    }
    assert_eq!(site.store().calls(), before);
    let unknown = format!("{SESSION}={}", "B".repeat(43));
    assert_eq!(
        refused(&site, || get("/api/hello", &[("cookie", &unknown)])).await,
        "session_ended"
    );
}

#[tokio::test]
async fn r142_a_token_in_the_query_is_ignored_and_beside_one_in_the_header_an_error() {
    let site = Site::start().await;
    let token = Visitor::logged_in(&site, ADA).await.api_key().await;
    let path = format!("/api/hello?access_token={token}");
    let bearer = format!("Bearer {token}");
    let decide = async |headers: &[(&str, &str)]| {
        site.decide(&question(HELLO, get(&path, headers))).await.unwrap()["context"]["code"].clone()
    };
    assert_eq!(decide(&[]).await, "authorization_header_missing");
    assert_eq!(decide(&[("authorization", &bearer)]).await, "invalid_request");
    let mut rest = rest_question("/api/hello", with_token(&token));
    rest["queryStringParameters"] = json!({ "access_token": token });
    assert_eq!(site.decide(&rest).await.unwrap()["context"]["code"], "invalid_request");
}

/// R191: the guarded function, in any language, splits the list at white space.
#[tokio::test]
async fn r191_a_permission_with_white_space_is_dropped() {
    let settings = [("AUDIENCE", API), ("SCOPE", "openid read"), ("REQUIRE_SESSION", "false")];
    let site = Site::start_with(&settings).await;
    let claims = json!({
        "scope": "openid read read\tadmin read\u{a0}admin read\u{1c}admin read\nadmin",
        "permissions": ["write", "read admin", " admin", "admin\n", "", "a\u{2028}admin", "\"admin"],
    });
    site.provider().change_access_token_claims(claims.clone());
    let visitor = Visitor::logged_in(&site, ADA).await;
    let context = ask(&site, || with_cookie(&visitor)).await.unwrap();
    assert_eq!(context["scope"], "openid read write");
    // The same for a token without a session here.
    let token = site.provider().access_token(ADA, API, &claims);
    assert_eq!(ask(&site, || with_token(&token)).await.unwrap()["scope"], "openid read write");
}

/// Values that are not texts are JSON texts, so that both kinds of API pass them on unchanged.
#[tokio::test]
async fn the_guarded_function_gets_the_claims_that_are_configured() {
    let names = "https://example.com/roles,nickname,level,https://example.com/team,missing";
    let site = Site::start_with(&[("AUDIENCE", API), ("CONTEXT_CLAIMS", names)]).await;
    let roles = json!({ "https://example.com/roles": ["admin", "a \"b\""], "nickname": "ada" });
    site.provider().change_access_token_claims(roles);
    site.provider().change_claims(json!({
        "nickname": "ada of the ID token",
        "level": 3,
        "https://example.com/team": { "lead": true },
        "other": "not configured",
    }));
    let visitor = Visitor::logged_in(&site, ADA).await;
    let context = ask(&site, || with_cookie(&visitor)).await.unwrap();
    assert_eq!(context["https://example.com/roles"], r#"["admin","a \"b\""]"#);
    assert_eq!(context["nickname"], "ada");
    assert_eq!(context["level"], "3");
    assert_eq!(context["https://example.com/team"], r#"{"lead":true}"#);
    assert_eq!((context.get("missing"), context.get("other")), (None, None));
    assert_eq!(context["sub"], ADA.subject);

    // The gateway could not pass on such a context.
    site.provider().change_claims(json!({ "nickname": null, "level": "\"".repeat(4_096) }));
    let visitor = Visitor::logged_in(&site, ADA).await;
    assert_eq!(refused(&site, || with_cookie(&visitor)).await, "context_too_large");
}

/// The next decision rejects it, whichever function ended the session.
#[tokio::test]
async fn r106_a_valid_token_of_an_ended_session_is_rejected() {
    let site = Site::start().await;
    let mut ada = Visitor::logged_in(&site, ADA).await;
    let mut grace = Visitor::logged_in(&site, GRACE).await;
    let (token, other) = (ada.api_key().await, grace.api_key().await);
    let cookie = ada.cookie_header();
    assert!(ask(&site, || with_token(&token)).await.is_ok());
    ada.submit("/logout").await;
    assert_eq!(refused(&site, || with_token(&token)).await, "session_ended");
    assert_eq!(refused(&site, || get("/api/hello", &[("cookie", &cookie)])).await, "session_ended");

    assert!(ask(&site, || with_token(&other)).await.is_ok());
    let logout_token = site.provider().logout_token(GRACE, &json!({}));
    assert_eq!(site.post_logout_token(&logout_token).await.status(), 200);
    assert_eq!(refused(&site, || with_token(&other)).await, "session_ended");
    assert_eq!(refused(&site, || with_cookie(&grace)).await, "session_ended");
}

/// The gateway names the route, and the list defines its scopes. A route that is not in the list is
/// closed to all callers.
#[tokio::test]
async fn r140_each_route_requires_the_scopes_listed_for_it() {
    let scopes = "GET /api/hello = read:hello; ANY /api/admin/{proxy+} = admin; GET /api/me =";
    let site = Site::start_with(&[
        ("AUDIENCE", API),
        ("REQUIRE_SESSION", "false"),
        ("ROUTE_SCOPES", scopes),
    ])
    .await;
    let token = |scope: &str| site.provider().access_token(ADA, API, &json!({ "scope": scope }));
    let decide = async |token: &str, key: &str, path: &str| {
        let request = get(path, &[("authorization", &format!("Bearer {token}"))]);
        let decision = site.decide(&question(key, request)).await.unwrap();
        let code = decision["context"]["code"].as_str().unwrap_or("allowed").to_owned();
        assert_eq!(decision["isAuthorized"] == true, code == "allowed");
        code
    };
    let (reader, admin) = (token("openid read:hello"), token("openid admin"));
    for (token, key, path, expected) in [
        (&reader, HELLO, "/api/hello", "allowed"),
        (&admin, HELLO, "/api/hello", "insufficient_scope"),
        (&token("read:hello:all"), HELLO, "/api/hello", "insufficient_scope"),
        (&reader, "ANY /api/admin/{proxy+}", "/api/admin/users", "insufficient_scope"),
        (&admin, "ANY /api/admin/{proxy+}", "/api/admin/users", "allowed"),
        (&reader, "GET /api/me", "/api/me", "allowed"),
        (&token("openid"), "ANY /api/me", "/api/me", "allowed"),
        // The scopes depend on the route, not on the path.
        (&reader, "ANY /{proxy+}", "/api/hello", "route_not_listed"),
        (&admin, "$default", "/api/admin/users", "route_not_listed"),
        (&admin, "GET /api/admin/{id}", "/api/admin/users", "route_not_listed"),
    ] {
        assert_eq!(decide(token, key, path).await, expected, "{key} {path}");
    }
    let rest = async |resource: &str, token: &str| {
        let decision = site.decide(&rest_question(resource, with_token(token))).await.unwrap();
        decision["policyDocument"]["Statement"][0]["Effect"].clone()
    };
    assert_eq!(rest("/api/hello", &reader).await, "Allow");
    assert_eq!(rest("/api/hello", &admin).await, "Deny");
    assert_eq!(rest("/{proxy+}", &reader).await, "Deny");

    // If the event does not name the route, its scopes are unknown.
    let unnamed = json!({
        "type": "TOKEN",
        "authorizationToken": format!("Bearer {reader}"),
        "methodArn": format!("{ARN}/GET/api/hello"),
    });
    assert_eq!(site.decide(&unnamed).await, Err(NoDecision));
    let plain = Site::start_with(&[("AUDIENCE", API), ("REQUIRE_SESSION", "false")]).await;
    let token = plain.provider().access_token(ADA, API, &json!({}));
    let named = json!({
        "type": "TOKEN",
        "authorizationToken": format!("Bearer {token}"),
        "methodArn": format!("{ARN}/GET/api/hello"),
    });
    let decision = plain.decide(&named).await.unwrap();
    assert_eq!(decision["policyDocument"]["Statement"][0]["Effect"], "Allow");
}

/// Browsers attach the cookie to forms of any site, but not a token.
#[tokio::test]
async fn r167_a_writing_request_by_cookie_must_come_from_our_own_pages() {
    let site = Site::start().await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let token = visitor.api_key().await;
    let cookie = visitor.cookie_header();
    let post = |headers: &[(&str, &str)]| {
        let mut request = http::Request::post("/api/notes");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(bytes::Bytes::from_static(b"note=1")).unwrap()
    };
    let decide = async |headers: &[(&str, &str)]| {
        let decision = site.decide(&question("ANY /api/notes", post(headers))).await.unwrap();
        let policy = site.decide(&rest_question("/api/notes", post(headers))).await.unwrap();
        let effect = &policy["policyDocument"]["Statement"][0]["Effect"];
        assert_eq!(decision["isAuthorized"] == true, effect == "Allow");
        decision["context"]["code"].as_str().unwrap_or("allowed").to_owned()
    };
    let cookie = ("cookie", cookie.as_str());
    for elsewhere in [
        &[cookie, ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")][..],
        &[cookie, ("origin", "null")],
        &[cookie, ("sec-fetch-site", "cross-site")],
        &[cookie],
    ] {
        assert_eq!(decide(elsewhere).await, "cross_site_request", "{elsewhere:?}");
    }
    assert_eq!(decide(&[cookie, ("origin", ORIGIN)]).await, "allowed");
    let bearer = format!("Bearer {token}");
    let authorization = ("authorization", bearer.as_str());
    assert_eq!(decide(&[authorization, ("origin", "https://evil.example")]).await, "allowed");
    assert_eq!(site.live_sessions().await, 1);
}

/// The authorizer neither denies, because the session still exists, nor allows.
#[tokio::test]
async fn r096_r077_without_the_store_or_the_keys_the_authorizer_makes_no_decision() {
    let site = Site::start().await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let token = visitor.api_key().await;
    site.store().set_down(true);
    for request in [
        |token: &str, _: &Visitor| with_token(token),
        |_: &str, visitor: &Visitor| with_cookie(visitor),
    ] {
        let event = question(HELLO, request(&token, &visitor));
        assert_eq!(site.decide(&event).await, Err(NoDecision));
        let event = rest_question("/api/hello", request(&token, &visitor));
        assert_eq!(site.decide(&event).await, Err(NoDecision));
    }
    // A request without credentials is rejected without the store.
    assert_eq!(refused(&site, || get("/api/hello", &[])).await, "authorization_header_missing");
    site.store().set_down(false);
    assert!(ask(&site, || with_token(&token)).await.is_ok());
    assert!(ask(&site, || with_cookie(&visitor)).await.is_ok());
}
