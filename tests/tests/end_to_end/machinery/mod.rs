//! The parts that stand in for AWS and the checks that could pass by mistake: a handful of tests.

use std::time::Duration;

use local::emulator::{
    http_api::{DOMAIN, authorizer::Authorizer, route::Route},
    lambda::{Function, Lambda, Surroundings},
};
use serde_json::{Value, json};
use tests::{
    http_api::{HttpApi, ORIGIN},
    real_browser::RealBrowser,
};

/// The function of the file beside this one.
fn echo() -> Function {
    Function {
        name: "echo".to_owned(),
        bootstrap: tests::project().join("tests/tests/end_to_end/machinery/echo"),
        code: None,
        environment: Vec::new(),
        timeout: Duration::from_secs(20),
        memory: 128,
        instances: 3,
        concurrency: 1,
        surroundings: Surroundings::Lambda,
        output: tests::output(),
    }
}

async fn api(keys: &[&str]) -> HttpApi {
    let routes = keys
        .iter()
        .map(|key| Route { key: key.parse().expect("a route key"), function: "echo".to_owned() });
    HttpApi::start(routes.collect(), Lambda::new([echo()])).await
}

#[tokio::test]
async fn an_event_is_as_aws_documents_it() {
    let api = api(&["POST /my/{name}", "$default"]).await;
    let request = api
        .http_client()
        .post(format!("{ORIGIN}/my/a%20path?b=2&b=%2B3&c=%20&a"))
        .header("X-Twice", "one")
        .header("x-twice", "two")
        .header("Cookie", "one=1; two=2")
        .header("Cookie", "three=3")
        .header("User-Agent", "agent")
        .header("X-Forwarded-For", "192.0.2.1")
        .header("X-Forwarded-Proto", "gopher")
        .header("Content-Type", "text/plain; charset=utf-8")
        .body("Hello from Lambda");
    let answer = request.send().await.expect("it is answered");
    assert_eq!(answer.headers()["content-type"], "application/json");
    let request_id = answer.headers()["apigw-requestid"].to_str().expect("plain text").to_owned();
    let seen: Value = answer.json().await.expect("JSON");

    let mut event = seen["event"].clone();
    let context = &mut event["requestContext"];
    let epoch = context["timeEpoch"].take().as_u64().expect("milliseconds");
    let now = shared::clock::Clock::system().now().as_unix();
    assert!((now - 10..=now).contains(&(epoch / 1_000)));
    let time = context["time"].take().as_str().expect("a text").to_owned();
    assert_eq!(time.chars().filter(|sign| "/: +".contains(*sign)).count(), 7, "{time}");
    assert_eq!(context["requestId"].take(), request_id.as_str());
    let trace = event["headers"]["x-amzn-trace-id"].take();
    assert!(trace.as_str().is_some_and(|trace| trace.starts_with("Root=")));
    assert_eq!(
        event,
        json!({
            "version": "2.0",
            "routeKey": "POST /my/{name}",
            "rawPath": "/my/a path",
            "rawQueryString": "b=2&b=%2B3&c=%20&a",
            "cookies": ["one=1", "two=2", "three=3"],
            "headers": {
                "accept": "*/*",
                "content-length": "17",
                "content-type": "text/plain; charset=utf-8",
                "host": DOMAIN,
                "user-agent": "agent",
                "x-amzn-trace-id": null,
                "x-forwarded-for": "192.0.2.1, 127.0.0.1",
                "x-forwarded-port": "443",
                "x-forwarded-proto": "https",
                "x-twice": "one,two",
            },
            "queryStringParameters": { "a": "", "b": "2,+3", "c": " " },
            "pathParameters": { "name": "a path" },
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "abc123",
                "domainName": DOMAIN,
                "domainPrefix": "abc123",
                "http": {
                    "method": "POST",
                    "path": "/my/a path",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "agent",
                },
                "requestId": null,
                "routeKey": "POST /my/{name}",
                "stage": "$default",
                "time": null,
                "timeEpoch": null,
            },
            "body": "Hello from Lambda",
            "isBase64Encoded": false,
        })
    );
}

/// Responses of a function, and the client's responses.
#[tokio::test]
async fn a_response_is_read_as_aws_documents_it() {
    let api = api(&["$default"]).await;
    let ask = async |answer: Value| {
        let request = api.http_client().post(format!("{ORIGIN}/answer")).json(&answer);
        let answer = request.send().await.expect("answered");
        let cookies = answer.headers().get_all("set-cookie").iter().cloned().collect::<Vec<_>>();
        let content_type = answer.headers()["content-type"].clone();
        let status = answer.status().as_u16();
        (status, content_type, cookies, answer.bytes().await.expect("a body"))
    };

    let (status, content_type, cookies, body) = ask(json!({
        "statusCode": 201,
        "headers": { "Content-Type": "image/png" },
        "cookies": ["a=1; Secure", "b=2"],
        "body": "iVBORw==",
        "isBase64Encoded": true,
    }))
    .await;
    assert_eq!((status, content_type.as_bytes()), (201, &b"image/png"[..]));
    assert_eq!(cookies, ["a=1; Secure", "b=2"]);
    assert_eq!(body, &b"\x89PNG"[..]);

    let (status, content_type, _, body) = ask(json!({ "statusCode": 200, "body": "plain" })).await;
    assert_eq!((status, content_type.as_bytes()), (200, &b"text/plain;charset=UTF-8"[..]));
    assert_eq!(body, "plain");

    let (status, content_type, _, body) = ask(json!({ "message": "hello" })).await;
    assert_eq!((status, content_type.as_bytes()), (200, &b"application/json"[..]));
    assert_eq!(body, r#"{"message":"hello"}"#);

    for wrong in [
        json!({ "statusCode": "two hundred" }),
        json!({ "statusCode": 99 }),
        json!({ "statusCode": 200, "body": { "a": 1 } }),
        json!({ "statusCode": 200, "headers": { "a b": "c" } }),
        json!({ "statusCode": 200, "headers": { "a": ["c"] } }),
        json!({ "statusCode": 200, "cookies": "a=1" }),
        json!({ "statusCode": 200, "body": "%", "isBase64Encoded": true }),
    ] {
        let (status, _, _, body) = ask(wrong.clone()).await;
        assert_eq!((status, body), (500, INTERNAL.into()), "{wrong}");
    }
}

const INTERNAL: &str = r#"{"message":"Internal Server Error"}"#;

/// An API with one protected route. The client's request sets the authorizer's decision.
async fn guarded_api(identity_sources: &[&str]) -> HttpApi {
    let functions = [echo(), Function { name: "authorizer".to_owned(), ..echo() }];
    let key = "GET /guarded/{path+}";
    let route =
        |key: &str| Route { key: key.parse().expect("a route key"), function: "echo".to_owned() };
    let authorizer = Authorizer {
        function: "authorizer".to_owned(),
        identity_sources: identity_sources.iter().map(|&source| source.to_owned()).collect(),
    };
    let guarded = [(key.to_owned(), authorizer)].into();
    HttpApi::start_guarded(vec![route(key), route("$default")], guarded, Lambda::new(functions))
        .await
}

async fn ask(api: &HttpApi, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = api.http_client().get(format!("{ORIGIN}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("it is answered");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

#[tokio::test]
async fn an_authorizer_runs_before_the_function_as_aws_documents_it() {
    let api = guarded_api(&[]).await;
    let yes = r#"{"isAuthorized":true,"context":{"sub":"ada","n":1}}"#;
    let (status, seen) = ask(&api, "/guarded/a", &[("x-decision", yes), ("cookie", "a=1")]).await;
    assert_eq!(status, 200);
    let context = &seen["event"]["requestContext"]["authorizer"];
    assert_eq!(context, &json!({ "lambda": { "sub": "ada", "n": 1 } }));

    let output = api.lambda().output();
    let question = output.lines().find(|line| line.starts_with('{')).expect("it was asked");
    let question: Value = serde_json::from_str(question).expect("JSON");
    let mut event = seen["event"].clone();
    event["requestContext"].as_object_mut().expect("an object").remove("authorizer");
    event.as_object_mut().expect("an object").remove("isBase64Encoded");
    event["type"] = json!("REQUEST");
    event["identitySource"] = json!([]);
    event["routeArn"] =
        json!("arn:aws:execute-api:eu-central-1:123456789012:abc123/$default/GET/guarded/a");
    assert_eq!(question, event);
    assert_eq!(
        (&question["routeKey"], &question["cookies"]),
        (&json!("GET /guarded/{path+}"), &json!(["a=1"]))
    );

    let (_, seen) = ask(&api, "/guarded/a", &[("x-decision", r#"{"isAuthorized":true}"#)]).await;
    assert_eq!(seen["event"]["requestContext"]["authorizer"], json!({ "lambda": null }));
    // Routes without an authorizer have no authorizer context, and clients cannot forge one.
    let (_, seen) = ask(&api, "/open", &[("requestContext.authorizer", "{}")]).await;
    assert_eq!(seen["event"]["requestContext"].get("authorizer"), None);
}

#[tokio::test]
async fn the_function_is_not_called_unless_the_authorizer_allows_it() {
    let api = guarded_api(&[]).await;
    let no = r#"{"isAuthorized":false,"context":{"code":"a_code"}}"#;
    let refused = ask(&api, "/guarded/a", &[("x-decision", no)]).await;
    assert_eq!(refused, (403, json!({ "message": "Forbidden" })));
    let internal = (500, json!({ "message": "Internal Server Error" }));
    for wrong in [
        "",
        "{}",
        "true",
        r#"{"isAuthorized":"true"}"#,
        r#"{"isAuthorized":true,"context":[]}"#,
        r#"{"principalId":"a","policyDocument":{}}"#,
    ] {
        assert_eq!(ask(&api, "/guarded/a", &[("x-decision", wrong)]).await, internal, "{wrong}");
    }
    assert!(api.lambda().served("echo").is_empty());
}

/// This is why no identity source can express "a token or a cookie".
#[tokio::test]
async fn a_missing_identity_source_is_rejected_without_calling_the_authorizer() {
    let api = guarded_api(&["$request.header.Authorization", "$context.routeKey"]).await;
    let yes = ("x-decision", r#"{"isAuthorized":true}"#);
    let unauthorized = (401, json!({ "message": "Unauthorized" }));
    assert_eq!(ask(&api, "/guarded/a", &[yes, ("cookie", "session=1")]).await, unauthorized);
    assert_eq!(ask(&api, "/guarded/a", &[yes, ("authorization", "")]).await, unauthorized);
    assert!(api.lambda().served("authorizer").is_empty());
    assert_eq!(ask(&api, "/guarded/a", &[yes, ("authorization", "Bearer x")]).await.0, 200);
    let output = api.lambda().output();
    assert!(
        output.contains(r#""identitySource": ["Bearer x", "GET /guarded/{path+}"]"#),
        "{output}"
    );
}

/// Each journey in a real browser relies on this.
#[tokio::test]
#[should_panic(expected = "left messages in the console")]
async fn a_console_message_fails_the_test() {
    let page = "data:text/html,<script>console.error('said by the page')</script>";
    RealBrowser::tell("faulty", async |browser| browser.goto(page).await).await;
}
