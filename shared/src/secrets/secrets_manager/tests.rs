//! Tests against a server with configurable responses, including invalid ones.

use std::time::Instant;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::*;
use crate::{
    provider::{ClientCredentials, application::Application},
    secrets::stored_secret::{SecretSource, StoredSecret},
    web::error::chain,
};

mod log;
mod rotation;

const ARN: &str = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:bundle/one-AbCdEf";
const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// The reaction of a server to requests.
#[derive(Clone)]
enum Deed {
    Tell(String),
    Answer(u16, &'static str),
    /// Too many requests: retry after ten seconds.
    AskToWait,
    Stall,
}

use Deed::{Answer, AskToWait, Stall, Tell};

const THROTTLED: Deed = Answer(400, r#"{"__type":"ThrottlingException","message":"slow down"}"#);
const DENIED: Deed = Answer(
    400,
    r#"{"__type":"AccessDeniedException","Message":"User: arn:aws:sts::123456789012:assumed-role/x is not authorized"}"#,
);
const BROKEN: Deed = Answer(500, r#"{"__type":"InternalServiceError","Message":"oops"}"#);

#[derive(Clone)]
struct Server {
    address: String,
    state: Arc<Mutex<Told>>,
}

struct Told {
    deed: Deed,
    requests: Vec<(HeaderMap, Value)>,
}

impl Server {
    /// Starts a server whose secret has this text.
    async fn start(text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let told = Told { deed: Tell(text.to_owned()), requests: Vec::new() };
        let server = Self { address, state: Arc::new(Mutex::new(told)) };
        let router = Router::new().fallback(Self::answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// Sets the reaction to later requests.
    fn set(&self, deed: Deed) {
        self.state.lock().unwrap().deed = deed;
    }

    fn rotate(&self, text: &str) {
        self.set(Tell(text.to_owned()));
    }

    /// The number of requests received.
    fn count(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }

    async fn answer(State(server): State<Self>, headers: HeaderMap, body: Bytes) -> Response {
        let deed = {
            let mut told = server.state.lock().unwrap();
            told.requests.push((headers, serde_json::from_slice(&body).unwrap()));
            told.deed.clone()
        };
        let (status, text) = match deed {
            Tell(text) => (200, json!({ "ARN": ARN, "SecretString": text }).to_string()),
            Answer(status, text) => (status, text.to_owned()),
            AskToWait => {
                let headers = [("x-amz-retry-after", "10000")];
                let body = r#"{"__type":"ThrottlingException","message":"slow down"}"#;
                return (StatusCode::BAD_REQUEST, headers, body).into_response();
            }
            Stall => std::future::pending().await,
        };
        let content_type = [("content-type", "application/x-amz-json-1.1")];
        (StatusCode::from_u16(status).unwrap(), content_type, text).into_response()
    }

    /// The settings of a function whose secrets are on this server.
    fn settings(&self) -> Settings {
        settings(&[
            ("CLIENT_SECRET_ARN", ARN),
            ("SECRET_KEY_ARN", ARN),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.address),
        ])
    }

    /// The credentials of one function instance.
    fn credentials(&self) -> Credentials {
        let mut settings = self.settings();
        let secrets = SecretSource::from_settings(&mut settings);
        let application = Application::from_settings(&mut settings);
        let secret =
            ClientCredentials::from_settings(&mut settings, &secrets, application.as_ref());
        settings.finish().unwrap();
        Credentials(secret.unwrap())
    }
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

struct Credentials(StoredSecret<ClientCredentials>);

impl Credentials {
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
    let server = Server::start(" one\n").await;
    let credentials = server.credentials();
    assert_eq!(server.count(), 0);
    assert_eq!(credentials.at(0).await, told("one"));

    let requests = server.state.lock().unwrap();
    let (headers, body) = &requests.requests[0];
    assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
    assert_eq!(headers["x-amz-security-token"], "swordfish");
    let authorization = headers["authorization"].to_str().unwrap();
    let scope = "/eu-central-1/secretsmanager/aws4_request, ";
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert!(authorization.contains(scope), "{authorization}");
    assert_eq!(*body, json!({ "SecretId": ARN }));
}

/// The two times are one second apart.
#[tokio::test]
async fn a_secret_is_read_again_after_five_minutes() {
    let server = Server::start("one").await;
    let credentials = server.credentials();
    credentials.at(0).await.unwrap();
    server.rotate("two");
    assert_eq!(credentials.at(SOFT_AGE.as_secs() - 1).await, told("one"));
    assert_eq!(server.count(), 1);
    assert_eq!(credentials.at(SOFT_AGE.as_secs()).await, told("two"));
    assert_eq!(credentials.at(2 * SOFT_AGE.as_secs() - 1).await, told("two"));
    assert_eq!(server.count(), 2);
}

/// The times of each pair are one second apart.
#[tokio::test]
async fn the_last_good_secret_is_used_during_an_outage_up_to_an_hour() {
    let server = Server::start("one").await;
    let credentials = server.credentials();
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

    server.rotate("two");
    assert!(credentials.at(hard - 1 + 2 * pause - 1).await.is_err());
    assert_eq!(credentials.at(hard - 1 + 2 * pause).await, told("two"));
    assert_eq!(server.count(), 6);
}

#[tokio::test]
async fn a_slow_response_delays_a_request_briefly_while_the_secret_is_usable() {
    let server = Server::start("one").await;
    let credentials = server.credentials();
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
    let server = Server::start("one").await;
    let credentials = Arc::new(server.credentials());
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
    let server = Server::start("one").await;
    let mut settings = server.settings();
    let secrets = SecretSource::from_settings(&mut settings);
    let [key, client_secret] =
        [crate::secrets::stored_secret::SECRET_KEY, crate::secrets::stored_secret::CLIENT_SECRET]
            .map(|variables| {
                secrets.secret(&mut settings, variables, "", |text| Ok(text.to_owned())).unwrap()
            });
    settings.finish().unwrap();
    assert_eq!(*key.current(NOW).await.unwrap(), "one");
    server.rotate("two");
    assert_eq!(*client_secret.current(NOW).await.unwrap(), "two");
    assert_eq!(*key.current(NOW).await.unwrap(), "one");
}

/// A rejected secret is read again before its next use. The two times are one second apart: the provider
/// keeps rejecting the secret that Secrets Manager
/// returns.
#[tokio::test]
async fn rejections_cost_one_read_per_cool_down() {
    let server = Server::start("one").await;
    let credentials = server.credentials();
    credentials.refuse_at(0).await;
    for _ in 0..100 {
        assert_eq!(credentials.at(1).await, told("one"));
        credentials.refuse_at(1).await;
    }
    assert_eq!(server.count(), 2);
    server.rotate("two");
    assert_eq!(credentials.at(COOL_DOWN.as_secs()).await, told("one"));
    assert_eq!(credentials.at(COOL_DOWN.as_secs() + 1).await, told("two"));
    assert_eq!(server.count(), 3);
}

/// A code sent with it would be wasted.
#[tokio::test]
async fn a_rejected_secret_is_not_used_while_no_newer_one_is_available() {
    let server = Server::start("one").await;
    let credentials = server.credentials();
    credentials.refuse_at(0).await;
    server.set(BROKEN);
    for seconds in [1, 2, COOL_DOWN.as_secs()] {
        let error = credentials.at(seconds).await.unwrap_err();
        assert!(error.contains("InternalServiceError"), "{error}");
    }
    assert_eq!(server.count(), 1 + 3);
    server.rotate("two");
    assert_eq!(credentials.at(COOL_DOWN.as_secs() + 1).await, told("two"));
}

/// Each reason, and the number of attempts made.
#[tokio::test]
async fn r176_every_failure_contains_the_variable_and_the_reason_and_no_value() {
    let refused = |code: &str| format!("GetSecretValue was refused: {code}, request unknown");
    let object = r#"{"SecretString":"{\"key\":\"hunter2\"}"}"#;
    let cases = [
        (THROTTLED, refused("ThrottlingException"), 3),
        (BROKEN, refused("InternalServiceError"), 3),
        (DENIED, refused("AccessDeniedException"), 1),
        (
            Answer(400, r#"{"__type":"ResourceNotFoundException","Message":"can't find it"}"#),
            refused("ResourceNotFoundException"),
            1,
        ),
        (
            Answer(400, r#"{"__type":"DecryptionFailure","Message":"KMS hunter2"}"#),
            refused("DecryptionFailure"),
            1,
        ),
        (Answer(502, "<html>hunter2</html>"), refused("502"), 3),
        (Answer(200, "<html>hunter2</html>"), "GetSecretValue is not understood".to_owned(), 1),
        (
            Answer(200, r#"{"SecretString":["hunter2"]}"#),
            "GetSecretValue is not understood".to_owned(),
            1,
        ),
        (
            Answer(200, r#"{"SecretBinary":"aHVudGVyMg=="}"#),
            "the secret contains no text".to_owned(),
            1,
        ),
        (Answer(200, "{}"), "the secret contains no text".to_owned(), 1),
        (
            Answer(200, r#"{"SecretString":" \n"}"#),
            "the secret's text must not be empty".to_owned(),
            1,
        ),
        (
            Answer(200, object),
            "the secret's text must be the secret itself, not a JSON object".to_owned(),
            1,
        ),
        (Stall, "GetSecretValue timed out".to_owned(), 3),
        (AskToWait, "GetSecretValue timed out".to_owned(), 1),
    ];
    for (deed, reason, attempts) in cases {
        let server = Server::start("").await;
        server.set(deed);
        let credentials = server.credentials();
        let before = Instant::now();
        let error = credentials.0.current(NOW).await.unwrap_err();
        assert!(before.elapsed() < CALL_TIMEOUT + Duration::from_millis(500));
        assert_eq!(chain(&error), format!("CLIENT_SECRET_ARN is unavailable: {reason}"));
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert_eq!(server.count(), attempts, "{reason}");
    }
}

#[tokio::test]
async fn a_secrets_manager_that_does_not_listen_is_unavailable() {
    let mut server = Server::start("one").await;
    server.address = "http://127.0.0.1:1".to_owned();
    let error = server.credentials().at(0).await.unwrap_err();
    let expected = "CLIENT_SECRET_ARN is unavailable: GetSecretValue did not reach AWS: ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn an_invalid_or_foreign_arn_is_a_fault() {
    let fault = |variable: &str, expected: &str| {
        format!("the configuration cannot be used:\n  {variable} {expected}")
    };
    let faults = |values: &[(&str, &str)]| {
        let mut settings = settings(values);
        let secrets = SecretSource::from_settings(&mut settings);
        let application = Application::from_settings(&mut settings);
        let secret =
            ClientCredentials::from_settings(&mut settings, &secrets, application.as_ref());
        assert!(secret.is_none());
        settings.finish().unwrap_err().to_string()
    };
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
    let server = Server::start("battery staple").await;
    let credentials = server.credentials();
    credentials.refuse_at(0).await;
    let shown =
        format!("{:?} {:#?}", credentials.0, SecretSource::from_settings(&mut server.settings()));
    assert!(shown.contains(ARN), "{shown}");
    for secret in ["battery", "hunter2", "swordfish"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
