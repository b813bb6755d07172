//! The parts that stand in for AWS and the checks that could pass by mistake: a handful of tests.

use local::emulator::{
    http_api::{DOMAIN, authorizer::Authorizer, route::Route},
    lambda::{Function, Lambda},
};
use serde_json::{Value, json};
use tests::{
    http_api::{self, HttpApi, ORIGIN},
    real_browser::RealBrowser,
};

/// The function of the file beside this one.
fn echo() -> Function {
    tests::emulated_function("echo", tests::project().join("tests/tests/end_to_end/machinery/echo"))
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

/// Responses of a function that the gateway passes on, and one that it rejects for each reason.
#[tokio::test]
async fn a_response_is_read_as_aws_documents_it() {
    let api = api(&["$default"]).await;
    let ask = async |answer: Value| {
        let request = api.http_client().post(format!("{ORIGIN}/answer")).json(&answer);
        let answer = request.send().await.expect("answered");
        let content_type = answer.headers()["content-type"].to_str().expect("ASCII").to_owned();
        let status = answer.status().as_u16();
        (status, content_type, answer.bytes().await.expect("a body"))
    };
    let png = json!({
        "statusCode": 201,
        "headers": { "Content-Type": "image/png" },
        "body": "iVBORw==",
        "isBase64Encoded": true,
    });
    assert_eq!(ask(png).await, (201, "image/png".to_owned(), b"\x89PNG"[..].into()));
    let bare = json!({ "message": "hello" });
    let expected = (200, "application/json".to_owned(), r#"{"message":"hello"}"#.into());
    assert_eq!(ask(bare).await, expected);
    for wrong in [
        json!({ "statusCode": 99 }),
        json!({ "statusCode": 200, "body": { "a": 1 } }),
        json!({ "statusCode": 200, "headers": { "a": ["c"] } }),
        json!({ "statusCode": 200, "cookies": "a=1" }),
        json!({ "statusCode": 200, "body": "%", "isBase64Encoded": true }),
    ] {
        assert_eq!(ask(wrong.clone()).await.0, 500, "{wrong}");
    }
}

/// The client's request sets the authorizer's decision. The function is not called unless it allows the
/// request.
#[tokio::test]
async fn an_authorizer_runs_before_the_function_as_aws_documents_it() {
    let key = "GET /guarded/{path+}";
    let route = Route { key: key.parse().expect("a route key"), function: "echo".to_owned() };
    let functions = [echo(), Function { name: "authorizer".to_owned(), ..echo() }];
    let guarded = [(key.to_owned(), Authorizer { function: "authorizer".to_owned() })].into();
    let api = HttpApi::start_guarded(vec![route], guarded, Lambda::new(functions)).await;
    let decide = async |decision| {
        let headers = [("x-decision", decision), ("cookie", "a=1")];
        http_api::ask(&api.http_client(), "/guarded/a", &headers).await
    };

    let no = r#"{"isAuthorized":false,"context":{"code":"a_code"}}"#;
    assert_eq!(decide(no).await, (403, json!({ "message": "Forbidden" })));
    for wrong in ["", "{}", r#"{"isAuthorized":"true"}"#, r#"{"isAuthorized":true,"context":[]}"#] {
        let internal = (500, json!({ "message": "Internal Server Error" }));
        assert_eq!(decide(wrong).await, internal, "{wrong}");
    }
    assert!(api.lambda().served("echo").is_empty());

    let yes = r#"{"isAuthorized":true,"context":{"sub":"ada","n":1}}"#;
    let (status, mut seen) = decide(yes).await;
    assert_eq!(status, 200);
    let mut event = seen["event"].take();
    let context = event["requestContext"].as_object_mut().expect("an object").remove("authorizer");
    assert_eq!(context, Some(json!({ "lambda": { "sub": "ada", "n": 1 } })));
    let output = api.lambda().output();
    let question = output.lines().rfind(|line| line.starts_with('{')).expect("it was asked");
    let question: Value = serde_json::from_str(question).expect("JSON");
    event.as_object_mut().expect("an object").remove("isBase64Encoded");
    event["type"] = json!("REQUEST");
    event["identitySource"] = json!([]);
    event["routeArn"] =
        json!("arn:aws:execute-api:eu-central-1:123456789012:abc123/$default/GET/guarded/a");
    assert_eq!(question, event);
}

/// Each journey in a real browser relies on this.
#[tokio::test]
#[should_panic(expected = "left messages in the console")]
async fn a_console_message_fails_the_test() {
    let page = "data:text/html,<script>console.error('said by the page')</script>";
    RealBrowser::tell("faulty", async |browser| browser.goto(page).await).await;
}
