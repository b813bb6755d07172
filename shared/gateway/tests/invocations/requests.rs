//! Invocations through the same service that the Lambda runtime polls: JSON in, JSON and log out.

use std::{
    future::{Future, pending},
    time::Duration,
};

use bytes::Bytes;
use gateway::logging::Logging;
use lambda_runtime::{Context, LambdaEvent, Service};
use serde_json::{Value, json, value::RawValue};
use shared::{
    clock::{Clock, Timestamp},
    settings::Settings,
    testing::captured_log::CapturedLog,
    web::request::{Request, RequestContext, Response},
};

use super::{AMPLE, capture, capture_as, invocation_context};

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

fn event(method: &str, path: &str) -> Value {
    json!({
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "code=secret-code",
        "cookies": ["session=secret-cookie"],
        "headers": {"authorization": "Bearer secret-token"},
        "requestContext": {
            "http": {"method": method}, "requestId": "gateway-id", "stage": "$default",
        },
        "body": "secret-body",
        "isBase64Encoded": false,
    })
}

/// An invocation with `time_left` before Lambda ends it.
async fn invoke<H, F>(handler: H, event: &Value, time_left: Duration) -> Value
where
    H: Fn(Request, Timestamp) -> F,
    F: Future<Output = Response>,
{
    invoke_within(handler, event, invocation_context("invocation-id", time_left)).await
}

async fn invoke_within<H, F>(handler: H, event: &Value, context: Context) -> Value
where
    H: Fn(Request, Timestamp) -> F,
    F: Future<Output = Response>,
{
    let payload = RawValue::from_string(event.to_string()).unwrap();
    let mut service = gateway::service(handler, Clock::from_fn(|| NOW));
    let Ok(answer) = service.call(LambdaEvent::new(payload, context)).await;
    serde_json::to_value(answer).unwrap()
}

async fn echo(request: Request, now: Timestamp) -> Response {
    tracing::debug!("inside");
    let id = RequestContext::of(&request).request_id;
    let text = format!("{} {} {id} {}", request.method(), request.uri(), now.as_unix());
    http::Response::builder().header("content-type", "text/plain").body(Bytes::from(text)).unwrap()
}

async fn never(_: Request, _: Timestamp) -> Response {
    pending().await
}

#[tokio::test]
async fn a_handler_is_called_and_its_response_returned() {
    let answer = invoke(echo, &event("GET", "/callback"), AMPLE).await;
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["body"], "GET /callback?code=secret-code gateway-id 1700000000");
    let head = invoke(echo, &event("HEAD", "/callback"), AMPLE).await;
    assert_eq!(head.get("body"), None);
}

#[tokio::test]
async fn r163_another_event_is_answered_400_with_one_clear_line_and_the_access_line() {
    for other in [json!({}), json!(7), json!({"version": "1.0", "secret": "secret-token"})] {
        let (log, _guard) = capture(false);
        let answer = invoke(echo, &other, AMPLE).await;
        assert_eq!(answer["statusCode"], 400);
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "code": "invalid_event",
                "description": "The request cannot be read.",
                "request_id": "invocation-id",
            })
        );
        let lines = log.lines();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["event"], "request.unreadable");
        assert_eq!(lines[0]["level"], "ERROR");
        assert!(lines[0]["error"].as_str().unwrap().contains("payload format 2.0"));
        assert_eq!(lines[1]["message"], "request");
        assert_eq!(lines[1]["status"], 400);
        assert_eq!(lines[1]["route"], "other");
        assert!(!log.text().contains("secret"));
    }
}

#[tokio::test]
async fn r169_r170_a_response_by_the_gateway_has_the_headers_of_every_response() {
    for accept in ["text/html", "*/*"] {
        let mut late = event("GET", "/");
        late["headers"] = json!({ "accept": accept });
        let answer = invoke(never, &late, Duration::from_millis(600)).await;
        assert_eq!(answer["statusCode"], 503);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
            ),
        ] {
            assert_eq!(answer["headers"][name], value, "{name}");
        }
        assert_eq!(answer["cookies"], json!([]));
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_answered_413_without_an_alarm() {
    let (log, _guard) = capture(false);
    let mut large = event("POST", "/logout");
    large["body"] = json!("a".repeat(gateway::event::BODY_LIMIT + 1));
    let answer = invoke(echo, &large, AMPLE).await;
    assert_eq!(answer["statusCode"], 413);
    let lines = log.lines();
    assert_eq!(lines[0]["level"], "WARN");
    assert_eq!(
        (&lines[1]["route"], &lines[1]["request_id"]),
        (&json!("/logout"), &json!("gateway-id"))
    );
}

#[tokio::test(start_paused = true)]
async fn r166_a_slow_handler_is_cancelled_before_lambda_ends_it() {
    let started = tokio::time::Instant::now();
    let answer = invoke(never, &event("GET", "/"), Duration::from_secs(3)).await;
    let taken = started.elapsed();
    assert!(taken <= Duration::from_secs(3) - gateway::DEADLINE_MARGIN + Duration::from_millis(1));
    assert!(taken > Duration::from_secs(2), "{taken:?}");
    assert_eq!(answer["statusCode"], 503);
    assert_eq!(answer["headers"]["retry-after"], "1");
    assert_eq!(answer["headers"]["cache-control"], "no-store");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["code"], "timeout");

    let mut navigation = event("GET", "/");
    navigation["headers"] = json!({"accept": "text/html,*/*"});
    let answer = invoke(never, &navigation, Duration::from_secs(3)).await;
    assert_eq!(answer["headers"]["content-type"], "text/plain; charset=utf-8");
    assert_eq!(
        answer["body"],
        "The request took too long. Please try again. (Request gateway-id)\n"
    );
}

#[tokio::test]
async fn r166_without_time_left_the_handler_is_not_called() {
    let unasked = |_: Request, _: Timestamp| async { panic!("called without time left") };
    let answer = invoke(unasked, &event("GET", "/"), Duration::from_millis(400)).await;
    assert_eq!(answer["statusCode"], 503);
}

#[tokio::test]
async fn the_emulators_deadline_of_1970_is_ignored() {
    let mut context = Context::default();
    context.deadline = 600_000;
    let answer = invoke_within(echo, &event("GET", "/"), context).await;
    assert_eq!(answer["statusCode"], 200);
}

#[tokio::test]
async fn r173_the_access_line_contains_no_query_header_cookie_or_body() {
    let (log, _guard) = capture(false);
    invoke(echo, &event("GET", "/callback"), AMPLE).await;
    let lines = log.lines();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert_eq!(line["message"], "request");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["route"], "/callback");
    assert_eq!(line["status"], 200);
    assert_eq!(line["request_id"], "gateway-id");
    assert!(line["duration_ms"].is_u64());
    assert!(!log.text().contains("secret"), "{}", log.text());
}

#[tokio::test]
async fn log_lines_of_a_handler_contain_the_request_id() {
    let (log, _guard) = capture(true);
    invoke(echo, &event("GET", "/"), AMPLE).await;
    let lines = log.lines();
    assert_eq!(lines[0]["message"], "inside");
    assert_eq!(lines[0]["span"]["request_id"], "gateway-id");
}

#[test]
fn libraries_are_logged_from_warn_up() {
    let (log, _guard) = capture(true);
    tracing::info!(target: "hyper::client", "chatter");
    tracing::warn!(target: "hyper::client", "trouble");
    let lines = log.lines();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["message"], "trouble");
}

#[tokio::test]
async fn r174_a_clients_path_or_method_is_not_in_the_log() {
    for (method, path) in [
        ("GET", "/\n{\"level\":\"ERROR\"}".to_owned()),
        ("GET", "/someone@example.org".to_owned()),
        ("GET", format!("/{}", "a".repeat(100))),
        ("AAAA", "/<script>".to_owned()),
    ] {
        let (log, _guard) = capture(false);
        invoke(echo, &event(method, &path), AMPLE).await;
        let lines = log.lines();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["route"], "other");
        assert_eq!(lines[0]["method"], if method == "GET" { "GET" } else { "other" });
    }
}

#[test]
fn r174_a_line_break_in_a_field_stays_inside_its_line() {
    let (log, _guard) = capture(false);
    tracing::info!(state = "a\n{\"level\":\"ERROR\"}", "login\nfailed");
    assert_eq!(log.text().lines().count(), 1);
    assert_eq!(log.lines()[0]["state"], "a\n{\"level\":\"ERROR\"}");
}

fn capture_by(
    settings: &[(&str, &str)],
    is_terminal: bool,
) -> (CapturedLog, tracing::subscriber::DefaultGuard) {
    let mut settings = Settings::from_values(settings.iter().copied());
    let logging = Logging::from_settings(&mut settings, is_terminal);
    settings.finish().unwrap();
    capture_as(logging)
}

#[test]
fn a_person_at_a_terminal_reads_text_and_a_program_json() {
    const LAMBDA: (&str, &str) = ("LAMBDA_TASK_ROOT", "/var/task");
    for (settings, is_terminal, is_text) in [
        (&[][..], true, true),
        (&[], false, false),
        (&[("LOG_FORMAT", "text")], false, true),
        (&[("LOG_FORMAT", "json")], true, false),
        (&[LAMBDA], true, false),
        (&[LAMBDA, ("LOG_FORMAT", "json")], true, false),
    ] {
        let (log, _guard) = capture_by(settings, is_terminal);
        tracing::info!(event = "login.succeeded", status = 303, "a login");
        let text = log.text();
        assert_eq!(text.starts_with('{'), !is_text, "{settings:?}: {text}");
        assert_eq!(
            text.ends_with(" INFO a login event=\"login.succeeded\" status=303\n"),
            is_text,
            "{text}"
        );
    }
    for (settings, expected) in [
        (&[LAMBDA, ("LOG_FORMAT", "text")][..], "LOG_FORMAT must not be `text` inside Lambda"),
        (&[("LOG_FORMAT", "xml")], "LOG_FORMAT must be `json` or `text`"),
    ] {
        let mut settings = Settings::from_values(settings.iter().copied());
        Logging::from_settings(&mut settings, true);
        let message = settings.finish().unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

/// No client can start a line or send a command to the terminal.
#[test]
fn r174_control_characters_are_escaped_in_text_lines() {
    let (log, _guard) = capture_by(&[("LOG_FORMAT", "text")], false);
    let span = tracing::info_span!("request", request_id = %"id\n1");
    let _entered = span.enter();
    let (error, state) = ("a\r\nINFO login\u{1b}[2J", "b\nc\u{9b}d");
    tracing::warn!(%error, state, "login\nfailed {}", "x\u{7}");
    let text = log.text();
    assert_eq!(text.lines().count(), 1, "{text:?}");
    assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    assert!(text.contains(r"error=a\r\nINFO login\u{1b}[2J"), "{text:?}");
}

/// The emulator of `cargo lambda watch` sets the variable itself. Inside Lambda the operator set it.
#[test]
fn a_local_run_logs_no_warning_about_a_setting_of_its_emulator() {
    for (settings, expected) in [(&[][..], 0), (&[("LAMBDA_TASK_ROOT", "/var/task")], 1)] {
        let (log, _guard) = capture_by(settings, false);
        tracing::warn!(target: "lambda_runtime::runtime", "AWS_LAMBDA_MAX_CONCURRENCY is set");
        assert_eq!(log.lines().len(), expected);
    }
}
