//! The product against an OpenID provider that is certified by the OpenID Foundation.

use std::sync::Arc;

use http::Method;
use local::bundle::{Bundle, BundleConfig};
use serde_json::{Value, json};
use shared::{
    clock::Clock, crypto::random::Random, dependencies::Dependencies, settings::Settings,
    web::request::Function,
};
use tests::{
    browser::Browser,
    certified_provider::{CertifiedProvider, Client, Spoilt},
    listener::Listener,
    page::Page,
    watched_log::WatchedLog,
};

const BASE_URL: &str = "http://localhost:9000";

/// The provider, and a browser for the product, which is registered with the provider.
async fn registered() -> (CertifiedProvider, Browser) {
    registered_for("openid profile email", Clock::system()).await
}

/// Like [`registered`], for these scopes and with this clock.
pub(crate) async fn registered_for(scope: &str, clock: Clock) -> (CertifiedProvider, Browser) {
    // The provider needs a real port to reach the product. Browsers reach it in this process.
    let listener = Listener::bind().await;
    let mut client = Client::at(BASE_URL);
    client.backchannel_logout = Some(listener.url("/backchannel-logout"));
    let provider = CertifiedProvider::start(&client).await;
    let log = WatchedLog::new();
    let secret_key = Random::system().token();
    log.keep_out("the client secret", &client.secret);
    log.keep_out("the secret key", &secret_key);
    log.keep_out("an e-mail address", "ada@example.com");
    let mut settings = Settings::from_values([
        ("AUTH_HOST", provider.auth_host().to_owned()),
        ("BASE_URL", BASE_URL.to_owned()),
        ("CLIENT_ID", client.id),
        ("CLIENT_SECRET", client.secret),
        ("CONNECTIONS", "none".to_owned()),
        ("SCOPE", scope.to_owned()),
        ("SECRET_KEY", secret_key),
        ("SESSION_STORE", "memory".to_owned()),
    ]);
    let (config, dependencies) =
        (BundleConfig::from_settings(&mut settings), Dependencies::from_settings(&mut settings));
    settings.finish().expect("the settings are valid");
    let bundle = Arc::new((Bundle::new(config.expect("read"), &dependencies.expect("read")), log));
    let answer = move |request| {
        let (parts, now) = (Arc::clone(&bundle), clock.now());
        async move {
            let (bundle, log) = &*parts;
            log.exchange(request, |request| bundle.handle(request, now)).await
        }
    };
    listener.serve(answer.clone());
    let browser = Browser::in_process(BASE_URL, answer);
    (provider, browser)
}

async fn log_in(browser: &mut Browser) -> Page<'_> {
    let form = browser.get("/login").await.follow_all().await.form();
    form.fill("email", "ada@example.com").submit().await.follow_all().await
}

async fn ask(browser: &mut Browser, token: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let answer = browser.fetch(Method::GET, "/protected", &[("authorization", &bearer)]).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn log_in_call_protected_and_log_out_of_both() {
    let (provider, mut browser) = registered().await;
    let key_page = log_in(&mut browser).await;
    assert_eq!(key_page.url.as_str(), format!("{BASE_URL}/"));
    assert_eq!(key_page.read("h1").as_deref(), Some("Your API key"));
    let token = shown_token(&key_page);

    let (status, claims) = ask(&mut browser, &token).await;
    assert_eq!(status, 200, "{claims}");
    assert_eq!(claims["email"], "ada@example.com");

    let confirmation =
        browser.get("/").await.form_at("form[action='/logout']").submit().await.follow_all().await;
    let left = confirmation.form().press("Log out").await.follow_all().await;
    assert_eq!(left.url.path(), "/signed-out");
    assert_eq!(left.read("h1").as_deref(), Some("You are logged out"));

    let (status, refusal) = ask(&mut browser, &token).await;
    assert_eq!((status, &refusal["code"]), (401, &json!("session_ended")));
    assert_eq!(refusal["message"], "Good token, bad session");
    let asked_again = browser.get("/login").await.follow_all().await;
    assert_eq!(asked_again.read("h1").as_deref(), Some("Log in"));
    let served = provider.served().await;
    assert_eq!(served.get("/oauth/token"), Some(&1));
    assert_eq!(served.get("/.well-known/jwks.json"), Some(&1), "the keys are fetched once");
}

/// Uses a real logout token of an independent provider.
#[tokio::test]
async fn r114_a_logout_at_the_provider_ends_the_session_here() {
    let (provider, mut browser) = registered().await;
    let token = shown_token(&log_in(&mut browser).await);
    // Another session of the same user at the provider.
    let mut elsewhere = browser.clone();
    elsewhere.clear_cookies();
    let other = shown_token(&log_in(&mut elsewhere).await);
    assert_eq!(ask(&mut browser, &token).await.0, 200);

    let logout = format!("{}oidc/logout", provider.issuer());
    let confirmation = browser.get(&logout).await.follow_all().await;
    let left = confirmation.form().press("Log out").await.follow_all().await;
    assert_eq!(left.read("h1").as_deref(), Some("Logged out"));
    let (status, refusal) = ask(&mut browser, &token).await;
    assert_eq!((status, &refusal["code"]), (401, &json!("session_ended")));
    assert_eq!(refusal["message"], "Good token, bad session");
    assert_eq!(browser.get("/").await.read("h1").as_deref(), Some("Log in"));
    assert_eq!(ask(&mut elsewhere, &other).await.0, 200);
}

#[tokio::test]
async fn r063_an_id_token_with_another_nonce_does_not_log_in() {
    let (provider, mut browser) = registered().await;
    provider.spoil_next_id_token(Spoilt::Claims(json!({ "nonce": "another" }))).await;
    assert_refused(&log_in(&mut browser).await);
    assert_eq!(browser.session(), None);
}

#[tokio::test]
async fn r049_an_id_token_signed_by_an_unpublished_key_does_not_log_in() {
    let (provider, mut browser) = registered().await;
    provider.spoil_next_id_token(Spoilt::UnknownKey).await;
    assert_refused(&log_in(&mut browser).await);
    assert_eq!(browser.session(), None);
}

#[tokio::test]
async fn r072_a_login_after_the_key_was_rotated_costs_one_more_fetch() {
    let (provider, mut browser) = registered().await;
    let old_token = shown_token(&log_in(&mut browser).await);
    provider.rotate_keys().await;
    let key_page = browser.get("/login?prompt=login").await.follow_all().await;
    let key_page =
        key_page.form().fill("email", "ada@example.com").submit().await.follow_all().await;
    let new_token = shown_token(&key_page);
    assert_eq!(ask(&mut browser, &new_token).await.0, 200);
    assert_eq!(provider.served().await.get("/.well-known/jwks.json"), Some(&2));

    // The old key is no longer published, so its signatures are invalid.
    let (status, refusal) = ask(&mut browser, &old_token).await;
    assert_eq!((status, &refusal["code"]), (401, &json!("token_unknown_key")));
}

#[tokio::test]
async fn r023_a_cancelled_login_can_be_restarted() {
    let (_provider, mut browser) = registered().await;
    let form = browser.get("/login?return_to=/reports").await.follow_all().await.form();
    let page = form.press("Cancel").await.follow_all().await;
    assert_eq!(page.status, 403);
    assert_eq!(page.read("h1").as_deref(), Some("You were not logged in"));
    let login_page = page.click("Start again").await;
    let link = login_page.read("main").expect("the login page");
    assert!(link.contains("Log in"), "{link}");
    assert!(login_page.url.query().is_some_and(|query| query.contains("return_to=%2Freports")));
}

/// The token's three parts are coloured, so there is markup between them.
fn shown_token(page: &Page<'_>) -> String {
    page.read("#token").expect("the token is shown").split_whitespace().collect()
}

fn assert_refused(page: &Page<'_>) {
    assert_eq!(page.status, 400);
    assert_eq!(page.url.path(), "/callback");
    assert_eq!(page.read("h1").as_deref(), Some("You were not logged in"));
}
