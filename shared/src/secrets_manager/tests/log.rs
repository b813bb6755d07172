//! What an operator hears.

use std::io;

use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn r173_each_read_is_one_line_with_the_variable_and_without_the_value() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true);
    let subscriber = subscriber.with_max_level(tracing::Level::DEBUG).with_writer(log.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());

    let server = Server::start("battery staple").await;
    let credentials = server.credentials();
    credentials.at(0).await.unwrap();
    credentials.at(1).await.unwrap();
    server.rotate(r#"{"key":"battery staple"}"#);
    credentials.at(SOFT_AGE.as_secs()).await.unwrap();

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["target"].as_str().unwrap().starts_with("shared::"));
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
    // Nor do the libraries at this level. (At `TRACE` the SDK prints answers, body and all; a function
    // hears nothing of libraries below `WARN`.)
    let shown: Vec<_> = text.lines().filter(|line| line.contains("battery")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}
