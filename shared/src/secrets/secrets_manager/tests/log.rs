//! The log lines for an operator.

use super::*;
use crate::testing::captured_log::{CapturedLog, hear};

#[tokio::test]
async fn r173_each_read_is_one_line_with_the_variable_and_without_the_value() {
    let log = CapturedLog::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true);
    let subscriber = subscriber.with_max_level(tracing::Level::DEBUG).with_writer(log.writer());
    let _guard = hear(subscriber.finish());

    let server = serve("battery staple").await;
    let credentials = Credentials::at_server(&server);
    credentials.at(0).await.unwrap();
    credentials.at(1).await.unwrap();
    server.set(secret(r#"{"key":"battery staple"}"#));
    // An unusable secret does not replace a good one.
    assert_eq!(credentials.at(SOFT_AGE.as_secs()).await, told("battery staple"));

    let ours = log.lines().into_iter();
    let ours = ours.filter(|line| line["target"].as_str().unwrap().starts_with("shared::"));
    let told: Vec<_> = ours
        .map(|line| ["level", "event", "variable", "error"].map(|name| line[name].clone()))
        .collect();
    let error = "the secret's text must be the secret itself, not a JSON object";
    let variable = "CLIENT_SECRET_ARN";
    assert_eq!(
        json!(told),
        json!([
            ["INFO", "secret.refreshed", variable, null],
            ["ERROR", "secret.unavailable", variable, error],
        ])
    );
    // The libraries log nothing at this level either. (At `TRACE` the SDK logs responses with their
    // bodies, but a function logs libraries only from `WARN` up.)
    let text = log.text();
    let shown: Vec<_> = text.lines().filter(|line| line.contains("battery")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}
