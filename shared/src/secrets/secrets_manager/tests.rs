//! Tests against a server with configurable responses, including invalid ones.

use std::time::Instant;

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::{
    aws::tests::{
        BROKEN, DENIED,
        Deed::{self, Answer, Stall},
        Server,
    },
    provider::{ClientCredentials, application::Application},
    secrets::stored_secret::{SecretSource, StoredSecret},
    web::error::chain,
};

mod log;
mod rotation;

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:bundle/one-AbCdEf";
const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// The answer with a secret of this text.
fn secret(text: &str) -> Deed {
    Answer(200, json!({ "ARN": ARN, "SecretString": text }).to_string().leak())
}

/// A server whose secret has this text.
async fn serve(text: &str) -> Server {
    Server::start(&[secret(text)]).await
}

/// The settings of a function whose secrets are on this server.
fn settings_at(server: &Server) -> Settings {
    settings(&[
        ("CLIENT_SECRET_ARN", ARN),
        ("SECRET_KEY_ARN", ARN),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &server.address),
    ])
}

fn settings(more: &[(&str, &str)]) -> Settings {
    let usual = [
        ("AUTH_HOST", "tenant.auth0.com"),
        ("CLIENT_ID", "client"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "swordfish"),
    ];
    Settings::from_values(usual.iter().chain(more).copied())
}

/// Reads the credentials as a function does.
pub(crate) fn credentials(settings: &mut Settings) -> Option<StoredSecret<ClientCredentials>> {
    let secrets = SecretSource::from_settings(settings);
    let application = Application::from_settings(settings);
    ClientCredentials::from_settings(settings, &secrets, application.as_ref())
}

struct Credentials(StoredSecret<ClientCredentials>);

impl Credentials {
    /// The credentials of one function instance, whose secrets are on this server.
    fn at_server(server: &Server) -> Self {
        Self(settings_at(server).read(credentials).unwrap())
    }

    /// The secret after the given number of seconds.
    async fn at(&self, seconds: u64) -> Result<String, String> {
        match self.0.current(after(seconds)).await {
            Ok(credentials) => Ok(credentials.client_secret.expose_secret().to_owned()),
            Err(error) => Err(chain(&error)),
        }
    }

    /// Marks the secret of that time as rejected by the provider.
    async fn refuse_at(&self, seconds: u64) {
        self.0.refuse(&self.0.current(after(seconds)).await.unwrap());
    }
}

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn told(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// White space around it is removed.
#[tokio::test]
async fn a_secret_is_read_at_first_use() {
    let server = serve(" one\n").await;
    let credentials = Credentials::at_server(&server);
    assert_eq!(server.count(), 0);
    assert_eq!(credentials.at(0).await, told("one"));

    let requests = server.requests.lock().unwrap();
    let (headers, body) = &requests[0];
    assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
    assert_eq!(*body, json!({ "SecretId": ARN }));
}

/// The two times are one second apart.
#[tokio::test]
async fn a_secret_is_read_again_after_five_minutes() {
    let server = serve("one").await;
    let credentials = Credentials::at_server(&server);
    credentials.at(0).await.unwrap();
    server.set(secret("two"));
    assert_eq!(credentials.at(SOFT_AGE.as_secs() - 1).await, told("one"));
    assert_eq!(server.count(), 1);
    assert_eq!(credentials.at(SOFT_AGE.as_secs()).await, told("two"));
    assert_eq!(credentials.at(2 * SOFT_AGE.as_secs() - 1).await, told("two"));
    assert_eq!(server.count(), 2);
}

/// The times of each pair are one second apart.
#[tokio::test]
async fn the_last_good_secret_is_used_during_an_outage_up_to_an_hour() {
    let server = serve("one").await;
    let credentials = Credentials::at_server(&server);
    credentials.at(0).await.unwrap();
    server.set(DENIED);

    let (soft, hard, pause) = (SOFT_AGE.as_secs(), HARD_AGE.as_secs(), FAILURE_PAUSE.as_secs());
    assert_eq!(credentials.at(soft).await, told("one"));
    assert_eq!(credentials.at(soft + pause - 1).await, told("one"));
    assert_eq!(server.count(), 2);
    assert_eq!(credentials.at(soft + pause).await, told("one"));
    assert_eq!(server.count(), 3);

    assert_eq!(credentials.at(hard - 1).await, told("one"));
    assert_eq!(server.count(), 4);
    // Fails at once: the last failure is one second old.
    assert!(credentials.at(hard).await.unwrap_err().contains("AccessDeniedException"));
    assert_eq!(server.count(), 4);
    assert!(credentials.at(hard - 1 + pause).await.is_err());
    assert_eq!(server.count(), 5);

    server.set(secret("two"));
    assert!(credentials.at(hard - 1 + 2 * pause - 1).await.is_err());
    assert_eq!(credentials.at(hard - 1 + 2 * pause).await, told("two"));
    assert_eq!(server.count(), 6);
}

#[tokio::test]
async fn a_slow_response_delays_a_request_briefly_while_the_secret_is_usable() {
    let server = serve("one").await;
    let credentials = Credentials::at_server(&server);
    credentials.at(0).await.unwrap();
    server.set(Stall);
    let before = Instant::now();
    assert_eq!(credentials.at(SOFT_AGE.as_secs()).await, told("one"));
    let waited = before.elapsed();
    assert!((REFRESH_PATIENCE..CALL_TIMEOUT).contains(&waited), "{waited:?}");
    // The next request does not wait again.
    let before = Instant::now();
    assert_eq!(credentials.at(SOFT_AGE.as_secs() + 1).await, told("one"));
    assert!(before.elapsed() < REFRESH_PATIENCE);
}

#[tokio::test]
async fn a_hundred_requests_share_one_read() {
    let server = serve("one").await;
    let credentials = Arc::new(Credentials::at_server(&server));
    for (seconds, reads) in [(0, 1), (SOFT_AGE.as_secs(), 2), (HARD_AGE.as_secs() * 2, 3)] {
        let mut requests = JoinSet::new();
        for _ in 0..100 {
            let credentials = Arc::clone(&credentials);
            requests.spawn(async move { credentials.at(seconds).await });
        }
        while let Some(answer) = requests.join_next().await {
            assert_eq!(answer.unwrap(), told("one"));
        }
        assert_eq!(server.count(), reads);
    }
}

/// Both secrets of a function are read over one connection; each is cached separately.
#[tokio::test]
async fn the_secrets_of_a_function_are_cached_separately() {
    let server = serve("one").await;
    let mut settings = settings_at(&server);
    let secrets = SecretSource::from_settings(&mut settings);
    let [key, client_secret] =
        [crate::secrets::stored_secret::SECRET_KEY, crate::secrets::stored_secret::CLIENT_SECRET]
            .map(|variables| {
                secrets.secret(&mut settings, variables, "", |text| Ok(text.to_owned())).unwrap()
            });
    settings.finish().unwrap();
    assert_eq!(*key.current(NOW).await.unwrap(), "one");
    server.set(secret("two"));
    assert_eq!(*client_secret.current(NOW).await.unwrap(), "two");
    assert_eq!(*key.current(NOW).await.unwrap(), "one");
}

/// A rejected secret is read again before its next use. The two times are one second apart: the provider
/// keeps rejecting the secret that Secrets Manager
/// returns.
#[tokio::test]
async fn rejections_cost_one_read_per_cool_down() {
    let server = serve("one").await;
    let credentials = Credentials::at_server(&server);
    credentials.refuse_at(0).await;
    for _ in 0..100 {
        assert_eq!(credentials.at(1).await, told("one"));
        credentials.refuse_at(1).await;
    }
    assert_eq!(server.count(), 2);
    server.set(secret("two"));
    assert_eq!(credentials.at(COOL_DOWN.as_secs()).await, told("one"));
    assert_eq!(credentials.at(COOL_DOWN.as_secs() + 1).await, told("two"));
    assert_eq!(server.count(), 3);
}

/// A code sent with it would be wasted.
#[tokio::test]
async fn a_rejected_secret_is_not_used_while_no_newer_one_is_available() {
    let server = serve("one").await;
    let credentials = Credentials::at_server(&server);
    credentials.refuse_at(0).await;
    server.set(BROKEN);
    for seconds in [1, 2, COOL_DOWN.as_secs()] {
        let error = credentials.at(seconds).await.unwrap_err();
        assert!(error.contains("InternalServerError"), "{error}");
    }
    assert_eq!(server.count(), 1 + 3);
    server.set(secret("two"));
    assert_eq!(credentials.at(COOL_DOWN.as_secs() + 1).await, told("two"));
}

/// The tests of `aws` prove the reasons that are not about a secret.
#[tokio::test]
async fn r176_every_failure_contains_the_variable_and_the_reason_and_no_value() {
    let refused = |code: &str| format!("GetSecretValue was refused: {code}, request unknown");
    let object = r#"{"SecretString":"{\"key\":\"hunter2\"}"}"#;
    let cases = [
        (
            Answer(400, r#"{"__type":"ResourceNotFoundException","Message":"can't find it"}"#),
            refused("ResourceNotFoundException"),
        ),
        (
            Answer(400, r#"{"__type":"DecryptionFailure","Message":"KMS hunter2"}"#),
            refused("DecryptionFailure"),
        ),
        (
            Answer(200, r#"{"SecretString":["hunter2"]}"#),
            "GetSecretValue is not understood".to_owned(),
        ),
        (
            Answer(200, r#"{"SecretBinary":"aHVudGVyMg=="}"#),
            "the secret contains no text".to_owned(),
        ),
        (Answer(200, "{}"), "the secret contains no text".to_owned()),
        (
            Answer(200, r#"{"SecretString":" \n"}"#),
            "the secret's text must not be empty".to_owned(),
        ),
        (
            Answer(200, object),
            "the secret's text must be the secret itself, not a JSON object".to_owned(),
        ),
    ];
    for (deed, reason) in cases {
        let server = Server::start(&[deed]).await;
        let error = Credentials::at_server(&server).0.current(NOW).await.unwrap_err();
        assert_eq!(chain(&error), format!("CLIENT_SECRET_ARN is unavailable: {reason}"));
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(server.count(), 1, "{reason}");
    }
}

#[test]
fn an_invalid_or_foreign_arn_is_a_fault() {
    let fault = |variable: &str, expected: &str| {
        format!("the configuration cannot be used:\n  {variable} {expected}")
    };
    let faults =
        |values: &[(&str, &str)]| settings(values).read(credentials).unwrap_err().to_string();
    for bad in [
        "bundle/one",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:one two",
        "arn:aws:secretsmanager:eu-central-1:123456789012:secret:one:json-key::",
        "arn:aws:dynamodb:eu-central-1:123456789012:table/sessions",
    ] {
        assert_eq!(
            faults(&[("CLIENT_SECRET_ARN", bad)]),
            fault("CLIENT_SECRET_ARN", "must be the ARN of a secret in Secrets Manager")
        );
    }
    assert_eq!(
        faults(&[("CLIENT_SECRET_ARN", &ARN.replace("eu-central-1", "us-east-1"))]),
        fault("CLIENT_SECRET_ARN", "must be a secret in AWS_REGION")
    );
    assert_eq!(
        faults(&[("CLIENT_SECRET_ARN", ARN), ("CLIENT_SECRET", "hunter2")]),
        fault("CLIENT_SECRET_ARN", "must not be set beside CLIENT_SECRET")
    );
    // Reported together with all other faults.
    let message = faults(&[("CLIENT_SECRET_ARN", ARN), ("AWS_REGION", "evil.example/")]);
    assert_eq!(message, fault("AWS_REGION", "must be a region such as `eu-central-1`"));
}

#[tokio::test]
async fn r179_debug_output_hides_secret_and_credentials() {
    let server = serve("battery staple").await;
    let credentials = Credentials::at_server(&server);
    credentials.refuse_at(0).await;
    let shown = format!(
        "{:?} {:#?}",
        credentials.0,
        SecretSource::from_settings(&mut settings_at(&server))
    );
    assert!(shown.contains(ARN), "{shown}");
    for secret in ["battery", "hunter2", "swordfish"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
