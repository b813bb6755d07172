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
    certified_provider::{CertifiedProvider, Client, Setup, Spoilt},
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
    registered_with(&Setup::default(), "client_secret_post", &[("SCOPE", scope)], clock).await
}

/// The provider in this setup, and a browser for the product. The product is registered with this
/// kind of client authentication, and has these settings in addition to the usual ones.
async fn registered_with(
    setup: &Setup<'_>,
    authentication: &str,
    settings: &[(&str, &str)],
    clock: Clock,
) -> (CertifiedProvider, Browser) {
    // The provider needs a real port to reach the product. Browsers reach it in this process.
    let listener = Listener::bind().await;
    registered_on(listener, BASE_URL, setup, authentication, settings, clock).await
}

/// Like [`registered_with`], with the product at `base_url`, where real browsers reach it on `listener`.
pub(crate) async fn registered_on(
    listener: Listener,
    base_url: &str,
    setup: &Setup<'_>,
    authentication: &str,
    settings: &[(&str, &str)],
    clock: Clock,
) -> (CertifiedProvider, Browser) {
    let mut client = Client::at(base_url);
    client.backchannel_logout = Some(listener.url("/backchannel-logout"));
    client.authentication = authentication.to_owned();
    let provider = CertifiedProvider::start_with(&client, setup).await;
    let log = WatchedLog::default();
    let secret_key = Random::system().token();
    log.keep_out("the client secret", &client.secret);
    log.keep_out("the secret key", &secret_key);
    log.keep_out("an e-mail address", "ada@example.com");
    let usual = [
        ("AUTH_HOST", provider.auth_host()),
        ("AUTH_ENDPOINT_HOSTS", provider.endpoint_hosts()),
        ("BASE_URL", base_url),
        ("CLIENT_ID", &client.id),
        ("CLIENT_SECRET", &client.secret),
        ("CONNECTIONS", "none"),
        ("SCOPE", "openid profile email"),
        ("SECRET_KEY", &secret_key),
        ("SESSION_STORE", "memory"),
    ];
    let mut settings = Settings::from_values(usual.iter().chain(settings).copied());
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
    let browser = Browser::in_process(base_url, answer);
    (provider, browser)
}

/// Logs in at the provider. Returns the page after that.
pub(crate) async fn log_in(browser: &mut Browser) -> Page<'_> {
    let form = browser.get("/login").await.follow_all().await.form();
    form.fill("email", "ada@example.com").submit().await.follow_all().await
}

/// Requests `/protected` with this token and the browser's cookies.
pub(crate) async fn ask(browser: &mut Browser, token: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let answer = browser.fetch(Method::GET, "/protected", &[("authorization", &bearer)]).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn log_in_call_protected_and_log_out_of_both() {
    let (provider, mut browser) = registered().await;
    log_in_call_and_log_out(&mut browser).await;
    let asked_again = browser.get("/login").await.follow_all().await;
    assert_eq!(asked_again.read("h1").as_deref(), Some("Log in"));
    let served = provider.served().await;
    assert_eq!(served.get("/oauth/token"), Some(&1));
    assert_eq!(served.get("/.well-known/jwks.json"), Some(&1), "the keys are fetched once");
}

/// The whole story, with the issuer under a path and the endpoints on a second port.
#[tokio::test]
async fn r070_r071_an_issuer_with_a_path_and_endpoints_on_a_second_port() {
    let setup = Setup { path: "/realms/main", has_second_port: true, ..Setup::default() };
    let (provider, mut browser) =
        registered_with(&setup, "client_secret_post", &[], Clock::system()).await;
    log_in_call_and_log_out(&mut browser).await;
    let served = provider.served().await;
    for path in ["/realms/main/oauth/token", "/realms/main/.well-known/jwks.json"] {
        assert_eq!(served.get(&format!("second port: {path}")), Some(&1), "{path}");
        assert_eq!(served.get(path), None, "{path}");
    }
    assert_eq!(served.get("/realms/main/.well-known/openid-configuration"), Some(&1));
}

/// RFC 6749 §2.3.1: the provider accepts only the kind that is registered.
#[tokio::test]
async fn each_kind_of_client_authentication_redeems_a_code() {
    for kind in ["client_secret_basic", "client_secret_post"] {
        let settings = [("CLIENT_AUTH", kind)];
        let (_provider, mut browser) =
            registered_with(&Setup::default(), kind, &settings, Clock::system()).await;
        log_in_call_and_log_out(&mut browser).await;
    }
}

/// The provider's page sends the form, then ours.
#[tokio::test]
async fn r033_the_providers_form_finishes_a_login() {
    let settings = [("RESPONSE_MODE", "form_post")];
    let (_provider, mut browser) =
        registered_with(&Setup::default(), "client_secret_post", &settings, Clock::system()).await;
    let of_provider = log_in(&mut browser).await;
    let ours = of_provider.form().submit().await;
    assert_eq!(ours.url.as_str(), format!("{BASE_URL}/callback"));
    assert_eq!(ours.read("h1").as_deref(), Some("Logging in"));
    let key_page = ours.form().submit().await.follow_all().await;
    let token = key_page.api_key();
    assert_eq!(ask(&mut browser, &token).await.0, 200);
}

#[tokio::test]
async fn r081_the_claims_of_a_thin_id_token_come_from_userinfo() {
    let setup = Setup { has_thin_tokens: true, path: "/realms/main", ..Setup::default() };
    for (setting, email, requests) in
        [("required", json!("ada@example.com"), Some(&1)), ("false", Value::Null, None)]
    {
        let settings = [("FETCH_USERINFO", setting)];
        let (provider, mut browser) =
            registered_with(&setup, "client_secret_post", &settings, Clock::system()).await;
        log_in(&mut browser).await;
        let claims = browser.fetch(Method::GET, "/protected", &[]).await.json();
        assert_eq!((&claims["sub"], &claims["email"]), (&json!("ada@example.com"), &email));
        assert_eq!(provider.served().await.get("/realms/main/userinfo"), requests);
    }
}

/// Logs in, calls the API, and logs out here and at the provider.
async fn log_in_call_and_log_out(browser: &mut Browser) {
    let key_page = log_in(browser).await;
    assert_eq!(key_page.url.as_str(), format!("{BASE_URL}/"));
    let token = key_page.api_key();
    let (status, claims) = ask(browser, &token).await;
    assert_eq!((status, &claims["sub"]), (200, &json!("ada@example.com")), "{claims}");
    assert_eq!(claims["email"], "ada@example.com");
    let key_page = browser.get("/").await;
    let confirmation = key_page.form_at("form[action='/logout']").submit().await.follow_all().await;
    let left = confirmation.form().press("Log out").await.follow_all().await;
    assert_eq!(left.url.path(), "/signed-out");
    assert_eq!(left.read("h1").as_deref(), Some("You are logged out"));
    assert_session_ended(browser, &token).await;
}

async fn assert_session_ended(browser: &mut Browser, token: &str) {
    let (status, refusal) = ask(browser, token).await;
    assert_eq!((status, &refusal["code"]), (401, &json!("session_ended")));
    assert_eq!(refusal["message"], "Good token, bad session");
}

/// Uses a real logout token of an independent provider.
#[tokio::test]
async fn r114_a_logout_at_the_provider_ends_the_session_here() {
    let (provider, mut browser) = registered().await;
    let token = log_in(&mut browser).await.api_key();
    // Another session of the same user at the provider.
    let mut elsewhere = browser.clone();
    elsewhere.clear_cookies();
    let other = log_in(&mut elsewhere).await.api_key();
    assert_eq!(ask(&mut browser, &token).await.0, 200);

    let logout = format!("{}oidc/logout", provider.issuer());
    let confirmation = browser.get(&logout).await.follow_all().await;
    let left = confirmation.form().press("Log out").await.follow_all().await;
    assert_eq!(left.read("h1").as_deref(), Some("Logged out"));
    assert_session_ended(&mut browser, &token).await;
    assert_eq!(browser.get("/").await.read("h1").as_deref(), Some("Log in"));
    assert_eq!(ask(&mut elsewhere, &other).await.0, 200);
}

#[tokio::test]
async fn r049_r063_an_id_token_with_another_key_or_nonce_does_not_log_in() {
    let (provider, browser) = registered().await;
    for spoilt in [Spoilt::UnknownKey, Spoilt::Claims(json!({ "nonce": "another" }))] {
        provider.spoil_next_id_token(spoilt).await;
        let mut browser = browser.clone();
        let page = log_in(&mut browser).await;
        assert_eq!((page.url.path(), page.status.as_u16()), ("/callback", 400), "{page:?}");
        assert_eq!(page.read("h1").as_deref(), Some("You were not logged in"));
        assert_eq!(browser.session(), None);
    }
}

#[tokio::test]
async fn r072_a_login_after_the_key_was_rotated_costs_one_more_fetch() {
    let (provider, mut browser) = registered().await;
    let old_token = log_in(&mut browser).await.api_key();
    provider.rotate_keys().await;
    let form = browser.get("/login?prompt=login").await.follow_all().await.form();
    let key_page = form.fill("email", "ada@example.com").submit().await.follow_all().await;
    let new_token = key_page.api_key();
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
