//! `local/doctor` with the certified provider.

use local::doctor::Doctor;
use shared::{clock::Clock, crypto::random::Random, settings::Settings};
use tests::certified_provider::{CertifiedProvider, Client};

/// The findings about `provider` with the settings of `client`, and whether nothing is wrong.
async fn examine(provider: &CertifiedProvider, client: Client) -> (Vec<String>, bool) {
    let mut settings = Settings::from_values([
        ("AUTH_HOST", provider.auth_host().to_owned()),
        ("BASE_URL", client.base_url),
        ("CLIENT_ID", client.id),
        ("CLIENT_SECRET", client.secret),
        ("CONNECTIONS", "none".to_owned()),
        ("SCOPE", "openid email offline_access".to_owned()),
    ]);
    let doctor = Doctor::from_settings(&mut settings, Clock::system(), Random::system());
    settings.finish().expect("the settings are valid");
    let mut findings = Vec::new();
    let is_healthy =
        doctor.expect("read").examine(|finding| findings.push(finding.to_string())).await;
    (findings, is_healthy)
}

#[tokio::test]
async fn a_registered_client_is_healthy() {
    let client = Client::at("http://localhost:9000");
    let provider = CertifiedProvider::start(&client).await;
    let (findings, is_healthy) = examine(&provider, client).await;
    assert!(is_healthy, "{findings:#?}");
    let expected = [
        "ok       clock: this machine's agrees with the provider's",
        "ok       keys: 1 key for RS256",
        "ok       end session: discovery names the endpoint",
        "ok       callback URL: http://localhost:9000/callback is registered",
        "ok       logout URL: http://localhost:9000/signed-out is registered",
        "ok       client secret: accepted, by Client Secret (Post)",
        "ok       authorization code: the grant type is allowed",
        "ok       refresh token: the grant type is allowed",
    ];
    assert_eq!(findings[1..9], expected);
}

/// Each mistake of the settings is found by the words of this provider's own error pages.
#[tokio::test]
async fn each_mistake_of_the_settings_is_found() {
    let client = Client::at("http://localhost:9000");
    let elsewhere = Client { base_url: "http://localhost:9001".to_owned(), ..client.clone() };
    let other_secret = Client { secret: "hunter2".to_owned(), ..client.clone() };
    let unknown = Client { id: "unknown".to_owned(), ..client.clone() };
    for (used, expected) in [
        (
            elsewhere.clone(),
            "wrong    callback URL: http://localhost:9001/callback is not registered\n",
        ),
        (elsewhere, "wrong    logout URL: http://localhost:9001/signed-out is not registered\n"),
        (unknown, "wrong    client id: CLIENT_ID is no application of this tenant\n"),
        (other_secret, "wrong    client secret: CLIENT_SECRET is not this application's, or "),
    ] {
        let provider = CertifiedProvider::start(&client).await;
        let (findings, is_healthy) = examine(&provider, used).await;
        assert!(!is_healthy);
        let is_found = findings.iter().any(|finding| finding.starts_with(expected));
        assert!(is_found, "{expected}: {findings:#?}");
    }
}
