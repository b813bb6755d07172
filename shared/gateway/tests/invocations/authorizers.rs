//! Tests of the authorizer, from event to decision.

use std::time::Duration;

use async_trait::async_trait;
use gateway::{
    authorizer::{Authorizer, CONTEXT_FIELDS, Call, CallError, NoDecision, Route, context, decide},
    proxy::Proxy,
};
use http::{Method, StatusCode};
use lambda_runtime::Diagnostic;
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::{
    clock::{Clock, Timestamp},
    guard::Principal,
    names::{ErrorCode, LogEvent},
    settings::Settings,
    web::{
        error::{Failure, Public},
        request::{Request, RequestContext},
    },
};

use super::{AMPLE, capture, invocation_context};

const VERSION_2: &str = include_str!("fixtures/authorizer-v2.json");
const VERSION_1: &str = include_str!("fixtures/authorizer-v1.json");
const TOKEN: &str = r#"{
    "type": "TOKEN",
    "authorizationToken": "Bearer secret-token",
    "methodArn": "arn:aws:execute-api:us-east-1:123456789012:s4x3opwd6i/test/DELETE/reports/7"
}"#;

/// A sample with `value` at each pointer; `Null` removes the field.
fn with(sample: &str, changes: &[(&str, Value)]) -> Value {
    let mut event: Value = serde_json::from_str(sample).unwrap();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(name);
        } else {
            parent.insert(name.to_owned(), value.clone());
        }
    }
    event
}

fn read(event: &Value) -> Result<Call, CallError> {
    Call::read(event.to_string().as_bytes(), "invocation-id")
}

/// An authorizer with a configured result and delay.
struct Obedient(Duration, Result<Principal, StatusCode>);

#[derive(Debug, thiserror::Error)]
#[error("the reason")]
struct Denied(StatusCode);

#[async_trait]
impl Authorizer for Obedient {
    type Error = Denied;

    async fn authorize(&self, _: &Request, _: &Route, _: Timestamp) -> Result<Principal, Denied> {
        tokio::time::sleep(self.0).await;
        self.1.clone().map_err(Denied)
    }
}

impl Failure for Denied {
    fn public(&self) -> Public {
        Public::new(self.0, ErrorCode::ClaimNotAllowed, |_| "", |_| "")
    }

    fn event(&self) -> LogEvent {
        LogEvent::RequestRefused
    }
}

fn ada() -> Principal {
    let user = json!({
        "sub": "auth0|ada",
        "name": "Ada",
        "email": "ada@example.com",
        "email_verified": "true",
        "picture": "https://pictures.example/ada.png",
        "roles": ["admin"],
    });
    Principal {
        user: user.as_object().unwrap().clone(),
        api_claims: Default::default(),
        authentication: Default::default(),
        is_person: true,
        scopes: vec!["openid".to_owned(), "read:reports".to_owned()],
        session: None,
    }
}

const YES: fn() -> Obedient = || Obedient(Duration::ZERO, Ok(ada()));

fn no(status: StatusCode) -> Obedient {
    Obedient(Duration::ZERO, Err(status))
}

async fn asked(authorizer: &Obedient, event: &Value) -> Result<Value, NoDecision> {
    asked_behind(&Proxy::default(), authorizer, event, AMPLE).await
}

async fn asked_behind(
    proxy: &Proxy,
    authorizer: &Obedient,
    event: &Value,
    time_left: Duration,
) -> Result<Value, NoDecision> {
    let context = invocation_context("invocation-id", time_left);
    let clock = Clock::from_fn(|| Timestamp::from_unix(1_700_000_000));
    let decision =
        decide(authorizer, proxy, event.to_string().as_bytes(), &context, &clock).await?;
    Ok(serde_json::to_value(decision).unwrap())
}

#[test]
fn version_2_is_parsed_like_a_request_for_a_function() {
    let call = read(&with(VERSION_2, &[])).unwrap();
    assert_eq!(call.request.method(), "GET");
    assert_eq!(call.request.uri(), "/api/hello?parameter1=value1&parameter1=value2");
    assert_eq!(call.request.headers()["authorization"], "Bearer secret-token");
    assert_eq!(call.request.headers()["cookie"], "cookie1; cookie2");
    let context = RequestContext::of(&call.request);
    assert_eq!(context.request_id, "gateway-id");
    assert_eq!(
        context.domain_name.as_deref(),
        Some("abcdef123.execute-api.us-east-1.amazonaws.com")
    );
    let route = Route { method: Method::GET, resource: Some("/api/hello".to_owned()) };
    assert_eq!(call.route, route);
}

#[test]
fn all_values_of_a_repeated_name_from_a_rest_api_are_kept() {
    let call = read(&with(VERSION_1, &[])).unwrap();
    assert_eq!(call.request.uri(), "/reports/7?a=1&a=2&b%20c=%26%3D");
    assert_eq!(call.request.headers()["cookie"], "cookie1; cookie2");
    let twice: Vec<_> = call.request.headers().get_all("x-twice").iter().collect();
    assert_eq!(twice, ["one", "two"]);
    let context = RequestContext::of(&call.request);
    assert_eq!(context.request_id, "gateway-id");
    assert!(context.domain_name.unwrap().starts_with("s4x3opwd6i.execute-api."));
    let route = Route { method: Method::GET, resource: Some("/reports/{id}".to_owned()) };
    assert_eq!(call.route, route);

    let changes = [("/multiValueHeaders", Value::Null), ("/version", json!("1.0"))];
    let call = read(&with(VERSION_1, &changes)).unwrap();
    assert_eq!(call.request.headers()["x-twice"], "two");
    let nothing = [
        ("/multiValueHeaders", Value::Null),
        ("/headers", Value::Null),
        ("/queryStringParameters", Value::Null),
        ("/multiValueQueryStringParameters", Value::Null),
    ];
    let call = read(&with(VERSION_1, &nothing)).unwrap();
    assert!(call.request.headers().is_empty());
    assert_eq!(call.request.uri(), "/reports/7");
}

#[test]
fn a_token_authorizer_receives_a_header_and_no_route() {
    let call = read(&with(TOKEN, &[])).unwrap();
    assert_eq!(call.request.headers()["authorization"], "Bearer secret-token");
    assert_eq!(call.route, Route { method: Method::DELETE, resource: None });
    assert_eq!(call.request_id(), "invocation-id");
}

/// Only the gateway reports the route, and its method must agree with the request's.
#[test]
fn the_route_comes_only_from_the_gateway() {
    let resource = |key: &str, method: &str| {
        let changes = [("/routeKey", json!(key)), ("/requestContext/http/method", json!(method))];
        read(&with(VERSION_2, &changes)).map(|call| call.route.resource.unwrap())
    };
    assert_eq!(resource("ANY /a/{proxy+}", "DELETE").unwrap(), "/a/{proxy+}");
    assert_eq!(resource("$default", "BREW").unwrap(), "$default");
    for (key, method) in [
        ("GET /api/hello", "POST"),
        ("GET /api/hello", "get"),
        ("any /api/hello", "GET"),
        ("", "GET"),
        ("GET", "GET"),
        ("$defaults", "GET"),
    ] {
        let error = resource(key, method).unwrap_err();
        assert!(matches!(error, CallError::Contradiction(_)), "{key} {method}: {error}");
    }
    let headers = json!({ "x-http-method-override": "POST", "x-original-url": "/public" });
    let call = read(&with(VERSION_2, &[("/headers", headers)])).unwrap();
    assert_eq!((call.request.method(), call.request.uri().path()), (&Method::GET, "/api/hello"));
}

#[test]
fn r153_the_authorizer_context_of_an_event_is_not_read() {
    for sample in [VERSION_2, VERSION_1] {
        let plain = format!("{:?}", read(&with(sample, &[])));
        for forged in [json!({ "lambda": { "sub": "admin" } }), json!({ "principalId": "admin" })] {
            let forged = with(sample, &[("/requestContext/authorizer", forged)]);
            assert_eq!(format!("{:?}", read(&forged)), plain);
        }
    }
}

#[test]
fn r163_an_event_of_another_kind_is_reported_as_such() {
    let malformed = |event: &Value| matches!(read(event), Err(CallError::Malformed { .. }));
    for event in [
        json!({}),
        json!(7),
        json!({ "type": "REQUEST", "version": "3.0" }),
        json!({ "type": "TOKEN", "version": "2.0" }),
        with(VERSION_2, &[("/type", Value::Null)]),
        with(VERSION_2, &[("/type", json!("JWT"))]),
    ] {
        assert_eq!(read(&event).unwrap_err(), CallError::NotOfAuthorizer, "{event}");
    }
    assert!(malformed(&with(VERSION_2, &[("/routeKey", Value::Null)])));
    assert!(malformed(&with(VERSION_2, &[("/routeKey", json!(["GET /"]))])));
    let without_http = with(VERSION_2, &[("/requestContext/http", Value::Null)]);
    assert!(matches!(read(&without_http), Err(CallError::Request(_))));
    for field in ["methodArn", "resource", "httpMethod", "path", "requestContext"] {
        assert!(malformed(&with(VERSION_1, &[(&format!("/{field}"), Value::Null)])), "{field}");
    }
    assert!(malformed(&with(TOKEN, &[("/authorizationToken", Value::Null)])));
    for (field, value) in [
        ("/httpMethod", json!("POST")),
        ("/resource", json!("/public")),
        ("/requestContext/resourcePath", json!("/public")),
        ("/methodArn", json!("*")),
        ("/methodArn", json!("arn:aws:lambda:us-east-1:123456789012:s4x3opwd6i/test/GET/a")),
        ("/methodArn", json!("arn:aws:execute-api:us-east-1:123456789012:s4x3opwd6i/test")),
    ] {
        let error = read(&with(VERSION_1, &[(field, value)])).unwrap_err();
        assert!(matches!(error, CallError::Contradiction(_)), "{field}: {error}");
    }
}

/// All fields are texts except two booleans; no other claims and no credentials are passed on.
#[tokio::test]
async fn the_function_behind_receives_the_caller_in_a_few_flat_fields() {
    let decision = asked(&YES(), &with(VERSION_2, &[])).await.unwrap();
    assert_eq!(
        decision,
        json!({
            "isAuthorized": true,
            "context": {
                "sub": "auth0|ada",
                "name": "Ada",
                "email": "ada@example.com",
                "person": true,
                "scope": "openid read:reports",
            },
        })
    );
    let mut machine = ada();
    machine.is_person = false;
    machine.user = json!({ "sub": "client@clients", "email_verified": true, "name": ["x"] })
        .as_object()
        .unwrap()
        .clone();
    let machine = Obedient(Duration::ZERO, Ok(machine));
    let decision = asked(&machine, &with(VERSION_1, &[])).await.unwrap();
    assert_eq!(
        decision["context"],
        json!({
            "sub": "client@clients", "email_verified": true, "scope": "openid read:reports",
        })
    );
}

/// A configured claim cannot replace one of these fields.
#[test]
fn every_usual_field_is_in_the_list_of_fields() {
    let mut principal = ada();
    for name in ["org_id", "email_verified"] {
        let value = if name == "org_id" { json!("org_1") } else { json!(true) };
        principal.user.insert(name.to_owned(), value);
    }
    let mut fields: Vec<_> = context(&principal, &[]).into_iter().map(|(name, _)| name).collect();
    fields.push("session".to_owned());
    fields.sort_unstable();
    assert_eq!(fields, CONTEXT_FIELDS);
}

#[tokio::test]
async fn a_refusal_is_a_decision_in_the_requested_form() {
    for status in [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let (log, _guard) = capture(false);
        let decision = asked(&no(status), &with(VERSION_2, &[])).await.unwrap();
        assert_eq!(
            decision,
            json!({ "isAuthorized": false, "context": { "code": "claim_not_allowed" } })
        );
        let lines = log.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(
            (&lines[0]["event"], &lines[0]["code"]),
            (&json!("request.refused"), &json!("claim_not_allowed"))
        );
        assert_eq!(lines[0]["status"], status.as_u16());
        assert_eq!(
            (&lines[1]["event"], &lines[1]["decision"]),
            (&json!("authorizer.decided"), &json!("deny"))
        );
        assert_eq!(
            (&lines[1]["method"], &lines[1]["route"]),
            (&json!("GET"), &json!("/api/hello"))
        );
        assert_eq!(lines[1]["request_id"], "gateway-id");
    }
    let event = with(VERSION_1, &[]);
    let decision = asked(&no(StatusCode::UNAUTHORIZED), &event).await.unwrap();
    assert_eq!(
        decision,
        json!({
            // allowed word: nobody, because it is the principal in the policy.
            "principalId": "nobody",
            "policyDocument": {
                "Version": "2012-10-17",
                "Statement": [{
                    "Action": "execute-api:Invoke",
                    "Effect": "Deny",
                    "Resource": event["methodArn"],
                }],
            },
            "context": { "code": "claim_not_allowed" },
        })
    );
}

/// In every case, one statement about one method. A client controls the end of the ARN: a wildcard
/// there must neither allow nor deny any other path.
#[tokio::test]
async fn r152_a_policy_applies_only_to_the_requested_method() {
    for sample in [VERSION_1, TOKEN] {
        let event = with(sample, &[]);
        let allowed = asked(&YES(), &event).await.unwrap();
        assert_eq!(allowed["principalId"], "auth0|ada");
        assert_eq!(
            allowed["policyDocument"]["Statement"],
            json!([{
                "Action": "execute-api:Invoke",
                "Effect": "Allow",
                "Resource": event["methodArn"],
            }])
        );
    }
    let arn = "arn:aws:execute-api:us-east-1:123456789012:s4x3opwd6i/test/GET/reports/";
    for (path, denied) in [
        ("*", "${*}"),
        ("7/*", "7/${*}"),
        ("?", "${?}"),
        ("${aws:username}", "${$}{aws:username}"),
        ("${*}", "${$}{${*}}"),
    ] {
        let event = with(VERSION_1, &[("/methodArn", json!(format!("{arn}{path}")))]);
        for authorizer in [YES(), no(StatusCode::FORBIDDEN)] {
            let decision = asked(&authorizer, &event).await.unwrap();
            assert_eq!(
                decision["policyDocument"]["Statement"],
                json!([{
                    "Action": "execute-api:Invoke",
                    "Effect": "Deny",
                    "Resource": format!("{arn}{denied}"),
                }]),
                "{path}"
            );
            assert_eq!(decision["context"].as_object().unwrap().len(), 1, "{decision}");
        }
    }
    let stage =
        json!("arn:aws:execute-api:us-east-1:123456789012:abcdef123/$default/GET/reports/7");
    let event = with(VERSION_1, &[("/methodArn", stage.clone()), ("/version", json!("1.0"))]);
    let decision = asked(&YES(), &event).await.unwrap();
    assert_eq!(decision["policyDocument"]["Statement"][0]["Effect"], "Allow");
    assert_eq!(decision["policyDocument"]["Statement"][0]["Resource"], stage);
}

proptest! {
    /// For any path, a policy that allows contains the exact ARN without wildcards or variables.
    #[test]
    fn r152_no_text_in_a_path_widens_a_policy(path in "[a-z/*?${}]{0,12}|.{0,40}") {
        let arn = format!("arn:aws:execute-api:us-east-1:123456789012:s4x3opwd6i/test/GET/{path}");
        let event = with(VERSION_1, &[("/methodArn", json!(arn))]);
        let decision = read(&event).unwrap().form.allow(&ada(), &[]);
        let is_literal = !path.contains(['*', '?']) && !path.contains("${");
        prop_assert_eq!(decision.allows(), is_literal);
        let decision = serde_json::to_value(decision).unwrap();
        let resource = decision["policyDocument"]["Statement"][0]["Resource"].as_str().unwrap();
        let written = resource.replace("${*}", "*").replace("${?}", "?").replace("${$}", "$");
        prop_assert!(!is_literal || resource == arn);
        prop_assert!(is_literal || written.len() == arn.len(), "{}", resource);
    }

    #[test]
    fn r180_any_text_anywhere_in_an_event_of_an_authorizer_is_read_or_refused(
        path in ".*",
        resource in ".*",
        method in ".{0,8}",
        headers in prop::collection::hash_map(".*", prop::collection::vec(".*", 0..3), 0..8),
        parameters in prop::collection::hash_map(".*", ".*", 0..4),
        token in ".*",
    ) {
        let event = with(VERSION_1, &[
            ("/path", json!(path)),
            ("/resource", json!(resource)),
            ("/requestContext/resourcePath", json!(resource)),
            ("/multiValueHeaders", json!(headers)),
            ("/multiValueQueryStringParameters", Value::Null),
            ("/queryStringParameters", json!(parameters)),
        ]);
        let call = read(&event).unwrap();
        prop_assert_eq!(call.route.resource, Some(resource));
        prop_assert!(call.request.uri().path().starts_with('/'));
        let other = with(VERSION_1, &[("/httpMethod", json!(method))]);
        prop_assert!(read(&other).is_ok() == (method == "GET"));
        let call = read(&with(TOKEN, &[("/authorizationToken", json!(token))])).unwrap();
        prop_assert!(call.request.headers().len() <= 1);
    }
}

/// An error, because "no" would tell the caller that they are not logged in.
#[tokio::test]
async fn r096_without_a_decision_there_is_an_error_and_no_access() {
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE] {
        let (log, _guard) = capture(false);
        let outcome = asked(&no(status), &with(VERSION_2, &[])).await;
        assert_eq!(outcome, Err(NoDecision));
        let lines = log.lines();
        assert_eq!(
            (&lines[0]["level"], &lines[0]["status"]),
            (&json!("ERROR"), &json!(status.as_u16()))
        );
        assert_eq!(lines[1]["decision"], "none");
    }
    for event in [json!({}), json!("secret-token"), with(VERSION_2, &[("/routeKey", json!("x"))])] {
        let (log, _guard) = capture(false);
        assert_eq!(asked(&YES(), &event).await, Err(NoDecision));
        let lines = log.lines();
        assert_eq!((lines.len(), &lines[0]["event"]), (2, &json!("request.unreadable")));
        assert_eq!((&lines[1]["decision"], &lines[1]["route"]), (&json!("none"), &json!("other")));
        assert!(!log.text().contains("secret"));
    }
    let diagnostic = Diagnostic::from(NoDecision);
    assert_eq!(
        (&*diagnostic.error_type, &*diagnostic.error_message),
        ("NoDecision", "no decision was made; the log contains the reason")
    );
}

#[tokio::test(start_paused = true)]
async fn r166_an_authorizer_that_times_out_returns_an_error() {
    let (log, _guard) = capture(false);
    let late = Obedient(Duration::from_secs(60), Ok(ada()));
    let event = with(VERSION_2, &[]);
    for time_left in [Duration::from_secs(2), Duration::from_millis(400)] {
        assert_eq!(
            asked_behind(&Proxy::default(), &late, &event, time_left).await,
            Err(NoDecision)
        );
    }
    let events: Vec<_> = log.lines().iter().map(|line| line["event"].clone()).collect();
    assert_eq!(
        events,
        ["request.timed_out", "authorizer.decided", "request.timed_out", "authorizer.decided"]
    );
}

/// The caller is allowed, but the request came past the proxy: the authorizer is not asked.
#[tokio::test]
async fn a_request_past_the_proxy_is_denied() {
    let digest = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
    let mut settings = Settings::from_values([("PROXY_SECRET_DIGEST", digest)]);
    let proxy = Proxy::from_settings(&mut settings).unwrap();
    let mut event = with(VERSION_2, &[]);
    let denied = asked_behind(&proxy, &YES(), &event, AMPLE).await.unwrap();
    assert_eq!(denied, json!({ "isAuthorized": false, "context": { "code": "proxy_required" } }));
    event["headers"]["x-proxy-secret"] = json!("hunter2");
    let allowed = asked_behind(&proxy, &YES(), &event, AMPLE).await.unwrap();
    assert_eq!(allowed["isAuthorized"], true);
}
