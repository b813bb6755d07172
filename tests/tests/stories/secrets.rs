//! Secrets in Secrets Manager: when they are read, after a rotation, and while they are unavailable.

use local::bundle::BundleConfig;
use shared::settings::Settings;
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, Endpoint},
    secrets::assert_absent,
    secrets_manager::{CLIENT_SECRET_ARN, SECRET_KEY_ARN, SecretsManager},
    site::{CLIENT_ID, CLIENT_SECRET, ORIGIN, SECRET_KEY, Site},
    visitor::{SESSION, Visitor},
};

const NEW_KEY: &str = "tR7kPz2mVb9Lq4XwYc6Nj8Hs3Fd5GaEe";
const LATER: &str = "Please try again in a moment";
const REFUSED: &str = "You were not logged in";

async fn start() -> (SecretsManager, Site) {
    let manager = SecretsManager::start().await;
    let site = Site::start_with(&manager.settings()).await;
    (manager, site)
}

fn is_to_come_back(answer: &Answer) {
    answer.is_a_refusal(503, LATER);
    assert_eq!(answer.header("retry-after"), "5");
    assert!(!answer.has("set-cookie"), "{answer:?}");
}

#[tokio::test]
async fn a_secret_is_read_only_by_the_function_that_needs_it_and_only_when_needed() {
    let (manager, site) = start().await;
    let mut visitor = Visitor::new(&site);
    visitor.open("/").await.is_a_page(200, "Log in");
    visitor.fetch("/protected").await;
    visitor.open("/logout").await;
    visitor.open("/signed-out").await;
    visitor.arrive(&format!("{ORIGIN}/callback?code=c&state=s")).await;
    assert_eq!(manager.reads(), 0);

    let request = visitor.start("/login").await;
    assert_eq!((manager.reads(), manager.reads_of(SECRET_KEY_ARN)), (1, 1));
    let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    assert_eq!(answer.cookies_set(), [SESSION]);
    // The callback is another function with a separate cache.
    assert_eq!((manager.reads(), manager.reads_of(SECRET_KEY_ARN)), (3, 2));
    assert_eq!(site.provider().last_token_request()["client_secret"], CLIENT_SECRET);

    for _ in 0..3 {
        visitor.log_in(ADA).await;
        visitor.open("/").await.is_a_page(200, "Your API key");
    }
    assert_eq!(manager.reads(), 3);
}

#[tokio::test]
async fn without_the_secret_key_no_login_starts_until_it_is_available_again() {
    let (manager, site) = start().await;
    manager.forbid(SECRET_KEY_ARN);
    let mut visitor = Visitor::new(&site);
    is_to_come_back(&visitor.open("/login").await);
    // The start page needs no secret. An immediate second attempt causes no further read.
    visitor.open("/").await.is_a_page(200, "Log in");
    is_to_come_back(&visitor.open("/login").await);
    assert_eq!(manager.reads(), 1);

    manager.allow_all();
    site.pass(5);
    assert_eq!(visitor.log_in(ADA).await.cookies_set(), [SESSION]);
}

#[tokio::test]
async fn a_callback_without_its_secrets_leaves_the_login_open() {
    for arn in [SECRET_KEY_ARN, CLIENT_SECRET_ARN] {
        let (manager, site) = start().await;
        let (mut visitor, back) = site.returning(ADA).await;
        manager.forbid(arn);
        is_to_come_back(&visitor.arrive(&back).await);
        assert_eq!((site.store().marks(), site.provider().token_requests()), (0, 0));

        // A reload finishes the login.
        manager.allow_all();
        site.pass(5);
        assert_eq!(visitor.arrive(&back).await.cookies_set(), [SESSION]);
        assert_eq!(site.provider().token_requests(), 1);
    }
}

/// An error response of the provider needs no client secret.
#[tokio::test]
async fn an_error_of_the_provider_is_reported_without_the_client_secret() {
    let (manager, site) = start().await;
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login").await;
    manager.forbid(CLIENT_SECRET_ARN);
    let back = site.provider().refuse(&request, "access_denied");
    visitor.arrive(&back).await.is_a_refusal(403, REFUSED);
    assert_eq!(manager.reads_of(CLIENT_SECRET_ARN), 0);
}

#[tokio::test]
async fn sessions_stay_valid_while_the_secrets_are_unavailable() {
    let (manager, site) = start().await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    manager.forbid(SECRET_KEY_ARN);
    manager.forbid(CLIENT_SECRET_ARN);
    site.pass(2 * 60 * 60);
    visitor.open("/").await.is_a_page(200, "Your API key");
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    is_to_come_back(&visitor.open("/login").await);
    visitor.open("/").await.is_a_page(200, "Your API key");
}

/// `/login` reads the new key first. `/callback` still has the old one in its cache.
#[tokio::test]
async fn a_rotation_of_the_secret_key_loses_no_login() {
    let (manager, site) = start().await;
    let [mut first, mut second, mut third] = [(); 3].map(|()| Visitor::new(&site));
    let request = first.start("/login").await;
    site.pass(100);
    first.arrive(&site.provider().log_in(&request, ADA)).await;
    let under_old = second.start("/login").await;

    manager.put(SECRET_KEY_ARN, &format!("{NEW_KEY},{SECRET_KEY}"));
    site.pass(200);
    let under_new = third.start("/login").await;
    assert_eq!(manager.reads_of(SECRET_KEY_ARN), 3);
    for (visitor, request) in [(&mut third, &under_new), (&mut second, &under_old)] {
        let answer = visitor.arrive(&site.provider().log_in(request, ADA)).await;
        assert_eq!(answer.cookies_set(), [SESSION]);
        assert_eq!(manager.reads_of(SECRET_KEY_ARN), 4);
    }
}

/// The login that discovers the rotation fails, because its code is never sent twice. The next login
/// works.
#[tokio::test]
async fn after_a_rotation_of_the_client_secret_the_next_login_works() {
    // The error of the standard, and the one of Auth0.
    for behaviour in [Endpoint::Works, Endpoint::Refuses(401, "access_denied")] {
        let (manager, site) = start().await;
        manager.put(CLIENT_SECRET_ARN, "the-old-client-secret");
        site.provider().set_token_endpoint(behaviour);
        let mut visitor = Visitor::new(&site);
        visitor.try_to_log_in_from("/login", ADA).await.is_a_refusal(502, REFUSED);
        let sent = site.provider().last_token_request();
        assert_eq!(sent["client_secret"], "the-old-client-secret");
        assert_eq!((site.provider().token_requests(), manager.reads_of(CLIENT_SECRET_ARN)), (1, 1));

        manager.put(CLIENT_SECRET_ARN, CLIENT_SECRET);
        site.provider().set_token_endpoint(Endpoint::Works);
        assert_eq!(visitor.try_to_log_in_from("/login", ADA).await.cookies_set(), [SESSION]);
        assert_eq!((site.provider().token_requests(), manager.reads_of(CLIENT_SECRET_ARN)), (2, 2));
    }
}

/// A code that is rejected for another reason does not cast doubt on the secret.
#[tokio::test]
async fn a_rejected_code_causes_no_read_of_the_secret() {
    let (manager, site) = start().await;
    let mut visitor = Visitor::new(&site);
    site.provider().set_token_endpoint(Endpoint::Refuses(403, "invalid_grant"));
    for _ in 0..3 {
        visitor.try_to_log_in_from("/login", ADA).await.is_a_refusal(400, REFUSED);
    }
    assert_eq!(manager.reads_of(CLIENT_SECRET_ARN), 1);
}

#[tokio::test]
async fn r173_r176_a_malformed_secret_is_reported_in_the_log_without_its_value() {
    let (manager, site) = start().await;
    manager.put(SECRET_KEY_ARN, "hunter2-hunter2");
    let mut visitor = Visitor::new(&site);
    let answer = visitor.open("/login").await;
    is_to_come_back(&answer);
    manager.put(SECRET_KEY_ARN, SECRET_KEY);
    manager.put(CLIENT_SECRET_ARN, r#"{"secret":"swordfish"}"#);
    site.pass(5);
    let request = visitor.start("/login").await;
    is_to_come_back(&visitor.arrive(&site.provider().log_in(&request, ADA)).await);

    let short = "the secret's text must be at least 32 bytes long (each, if it is a list)";
    let object = "the secret's text must be the secret itself, not a JSON object";
    let mut events = site.log().events();
    events.retain(|event| !event.starts_with("provider."));
    assert_eq!(
        events,
        [
            &format!("secret.unavailable: {short}"),
            &format!("login.not_started: SECRET_KEY_ARN is unavailable: {short}"),
            "secret.refreshed",
            "secret.refreshed",
            &format!("secret.unavailable: {object}"),
            &format!("login.failed: CLIENT_SECRET_ARN is unavailable: {object}"),
        ]
    );
    let secrets =
        [("the key", "hunter2-hunter2"), ("the secret", "swordfish"), ("the new key", SECRET_KEY)];
    assert_absent(site.log().text().as_bytes(), &secrets);
    assert_absent(answer.text().as_bytes(), &[("the variable", "SECRET_KEY"), ("why", "32 bytes")]);
}

#[test]
fn r178_r179_inside_lambda_a_secret_in_the_environment_is_a_settings_error() {
    let mut settings = Settings::from_values([
        ("AUTH_HOST", "tenant.eu.auth0.com"),
        ("CLIENT_ID", CLIENT_ID),
        ("CLIENT_SECRET", CLIENT_SECRET),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("SECRET_KEY", SECRET_KEY),
    ]);
    assert!(BundleConfig::from_settings(&mut settings).is_none());
    let message = settings.finish().unwrap_err().to_string();
    for variable in ["CLIENT_SECRET", "SECRET_KEY"] {
        let fault =
            format!("\n  {variable} must not be set inside Lambda: let {variable}_ARN name it");
        assert!(message.contains(&fault), "{message}");
    }
    assert_eq!(message.lines().count(), 3, "{message}");
    assert_absent(message.as_bytes(), &[("the secret", CLIENT_SECRET), ("the key", SECRET_KEY)]);
}
