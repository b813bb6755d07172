use shared::clock::Clock;
use tests::{
    deployment::Deployment,
    misbehaving_provider::{ADA, MisbehavingProvider},
    secrets_manager::SECRET_KEY_ARN,
    site::CLIENT_ID,
};

/// For tests in which the provider misbehaves, or counts requests.
#[tokio::test]
async fn a_test_can_bring_its_own_provider() {
    let provider = MisbehavingProvider::start(Clock::system()).await;
    let parameters = [("AuthHost", provider.issuer.as_str()), ("ClientId", CLIENT_ID)];
    let deployment = Deployment::start(2, &parameters).await;
    let mut browser = deployment.browser();
    let request = browser.get("/login").await.location().expect("a redirect");
    let back = provider.log_in(&request, ADA);
    let arrived = browser.get(&back).await;
    assert_eq!(arrived.status, 303, "{arrived:?}\n{}", deployment.lambda().output());
    assert!(browser.cookie("__Host-session").is_some());
    assert_eq!(provider.token_requests(), 1);
}

#[tokio::test]
async fn a_function_logs_that_a_secret_cannot_be_read() {
    let deployment = Deployment::start(1, &[]).await;
    deployment.secrets().forbid(SECRET_KEY_ARN);
    let mut browser = deployment.browser();
    let page = browser.get("/login?connection=github").await;
    assert_eq!(page.status, 503);
    assert_eq!(page.read("h1").as_deref(), Some("Please try again in a moment"));
    assert!(deployment.lambda().output().contains("\"event\":\"secret.unavailable\""));
}
