//! The faults that the client of DynamoDB and the client of Secrets Manager handle alike.

use std::time::{Duration, Instant};

use super::{BROKEN, DENIED, Deed, Server, THROTTLED};
use crate::{
    aws::CALL_TIMEOUT,
    clock::Timestamp,
    crypto::{random::Random, secret::Digest},
    provider::{ClientCredentials, application::Application},
    secrets::stored_secret::SecretSource,
    settings::Settings,
    store::{
        SessionStore,
        dynamodb::{DynamoConfig, DynamoStore},
    },
    web::error::chain,
};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

#[derive(Clone, Copy, Debug)]
enum Client {
    DynamoDb,
    SecretsManager,
}

const CLIENTS: [Client; 2] = [Client::DynamoDb, Client::SecretsManager];

impl Client {
    /// The result of one call to the server at `address`, with all causes of an error.
    async fn call(self, address: &str) -> Result<(), String> {
        let mut settings = Settings::from_values([
            ("AUTH_HOST", "tenant.auth0.com"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_ENDPOINT_URL", address),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "swordfish"),
            ("CLIENT_ID", "client"),
            (
                "CLIENT_SECRET_ARN",
                "arn:aws:secretsmanager:eu-central-1:123456789012:secret:one-AbCdEf",
            ),
            ("SESSION_TABLE", "sessions"),
        ]);
        match self {
            Self::DynamoDb => {
                let config = DynamoConfig::from_settings(&mut settings).unwrap();
                let store = DynamoStore::new(config, Random::system()).unwrap();
                let row = store.session(Digest::of("one"), NOW).await;
                row.map(drop).map_err(|error| chain(&error))
            }
            Self::SecretsManager => {
                let secrets = SecretSource::from_settings(&mut settings);
                let application = Application::from_settings(&mut settings);
                let secret =
                    ClientCredentials::from_settings(&mut settings, &secrets, application.as_ref());
                let secret = secret.unwrap().current(NOW).await;
                secret.map(drop).map_err(|error| chain(&error))
            }
        }
    }

    /// The beginning of each error, up to the operation.
    const fn failure(self) -> &'static str {
        match self {
            Self::DynamoDb => "the session store is unavailable: GetItem",
            Self::SecretsManager => "CLIENT_SECRET_ARN is unavailable: GetSecretValue",
        }
    }
}

/// The error names the operation and the reason, and quotes nothing of the request or of the answer.
#[tokio::test]
async fn r096_r176_each_fault_has_a_reason_and_a_number_of_attempts_within_three_seconds() {
    let long: &'static str = format!(r#"{{"SecretString":"{}"}}"#, "x".repeat(1_000_000)).leak();
    for client in CLIENTS {
        for (deed, reason, attempts) in [
            (THROTTLED, "was refused: ThrottlingException, request unknown", 3),
            (BROKEN, "was refused: InternalServerError, request unknown", 3),
            (Deed::Answer(502, "<html>bad gateway</html>"), "was refused: 502, request unknown", 3),
            (DENIED, "was refused: AccessDeniedException, request unknown", 1),
            (Deed::Answer(200, "<html>welcome</html>"), "is not understood", 1),
            (Deed::Answer(200, long), "did not reach AWS: other: the answer is too long", 1),
            (Deed::Stall, "timed out", 3),
            (Deed::AskToWait, "timed out", 1),
        ] {
            let server = Server::start(&[deed]).await;
            let before = Instant::now();
            let error = client.call(&server.address).await.unwrap_err();
            assert!(before.elapsed() < CALL_TIMEOUT + Duration::from_millis(500), "{deed:?}");
            assert_eq!(error, format!("{} {reason}", client.failure()));
            assert_eq!(server.count(), attempts, "{client:?}: {reason}");
        }
        let error = client.call("http://127.0.0.1:1").await.unwrap_err();
        let expected = format!("{} did not reach AWS: ", client.failure());
        assert!(error.starts_with(&expected) && error.contains("refused"), "{error}");
        assert!(!error.contains(&Digest::of("one").to_string()), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_recovers_in_time_causes_no_error() {
    for client in CLIENTS {
        let done = Deed::Answer(200, r#"{"SecretString":"one"}"#);
        let server = Server::start(&[THROTTLED, BROKEN, done]).await;
        client.call(&server.address).await.unwrap();
        assert_eq!(server.count(), 3);
    }
}

#[tokio::test]
async fn requests_are_signed_with_the_credentials_of_the_environment() {
    for (client, service) in CLIENTS.into_iter().zip(["dynamodb", "secretsmanager"]) {
        let server = Server::start(&[Deed::Answer(200, r#"{"SecretString":"one"}"#)]).await;
        client.call(&server.address).await.unwrap();
        let (headers, _) = server.requests.lock().unwrap()[0].clone();
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
        let scope = format!("/eu-central-1/{service}/aws4_request, ");
        assert!(authorization.contains(&scope), "{authorization}");
        assert_eq!(headers["x-amz-security-token"], "swordfish");
    }
}
