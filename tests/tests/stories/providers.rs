//! Providers other than Auth0, in the shapes that their documentation prints.

use serde_json::{Value, json};
use tests::{
    misbehaving_provider::{ADA, Shape},
    site::Site,
    visitor::Visitor,
};

const LATER: &str = "Please try again in a moment";

const SHAPES: [&str; 6] = ["auth0", "cognito", "entra", "google", "keycloak", "okta"];

#[tokio::test]
async fn r070_r071_a_visitor_of_each_provider_logs_in_calls_the_api_and_logs_out() {
    assert!(Shape::names().iter().eq(&SHAPES), "every recorded shape has its login");
    for name in SHAPES {
        let shape = Shape::recorded(name);
        let site = Site::start_in_shape(&shape, &[]).await;
        let login = Visitor::new(&site).open("/").await;
        let is_development = login.text().contains("development identity provider");
        assert_eq!(is_development, name == "auth0", "{name}");
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let token = visitor.api_key().await;
        let answer = site.call_api(&token).await;
        assert_eq!(answer.status(), 200, "{name}");
        assert_eq!(answer.json()["sub"], ADA.subject, "{name}");
        assert_eq!(answer.json()["email"], ADA.email, "{name}");
        // The sessions are found by the digest of the issuer exactly as it is in the tokens.
        let logout_token = site.provider().logout_token(ADA, &json!({}));
        assert_eq!(site.post_logout_token(&logout_token).await.status(), 200, "{name}");
        assert_eq!(site.live_sessions().await, 0, "{name}");
        site.call_api(&token).await.is_json(401, "session_ended");
    }
}

#[tokio::test]
async fn r071_endpoints_on_other_hosts_are_refused_unless_they_are_listed() {
    for name in ["cognito", "google"] {
        let site =
            Site::start_in_shape(&Shape::recorded(name), &[("AUTH_ENDPOINT_HOSTS", "localhost:9")])
                .await;
        let answer = Visitor::new(&site).open("/login").await;
        answer.is_a_refusal(503, LATER);
        assert_eq!(site.provider().requests(), 1, "{name}");
    }
}

#[tokio::test]
async fn r070_an_issuer_that_differs_only_in_its_last_slash_is_another_one() {
    let site = Site::start_in_shape(&Shape::recorded("keycloak"), &[]).await;
    let issuer = &site.provider().issuer;
    for other in [format!("{issuer}/"), issuer.replace("main", "Main"), issuer.replace("/main", "")]
    {
        site.restart();
        site.provider().change_metadata_member("issuer", &other);
        let answer = Visitor::new(&site).open("/login").await;
        answer.is_a_refusal(503, LATER);
    }
}

#[tokio::test]
async fn r060_the_response_and_the_token_name_the_issuer_with_its_path() {
    let site = Site::start_in_shape(&Shape::recorded("keycloak"), &[]).await;
    let origin = site.provider().issuer.replace("/realms/main", "/");
    for other in [Value::from(origin), Value::Null] {
        site.provider().change_claims(json!({ "iss": other }));
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login").await;
        let back = site.provider().log_in(&request, ADA);
        visitor.arrive(&back).await.is_a_refusal(400, "You were not logged in");
    }
    assert_eq!(site.live_sessions().await, 0);
}

/// RFC 6749 §2.3: the secret is sent in one place only, which the provider checks.
#[tokio::test]
async fn the_secret_is_sent_as_the_setting_names_or_as_the_provider_offers() {
    let both = json!(["client_secret_post", "client_secret_basic"]);
    for (offered, setting, is_basic) in [
        (json!(["client_secret_basic"]), None, true),
        (both.clone(), None, false),
        (both.clone(), Some("client_secret_basic"), true),
        (json!(["client_secret_basic"]), Some("client_secret_post"), false),
        (Value::Null, None, false),
    ] {
        let setting = setting.map(|kind| ("CLIENT_AUTH", kind));
        let site = Site::start_with(setting.as_slice()).await;
        let changes = json!({ "token_endpoint_auth_methods_supported": offered });
        site.provider().change_metadata(changes);
        Visitor::logged_in(&site, ADA).await;
        let request = site.provider().last_token_request();
        assert_eq!(request.contains_key("authentication"), is_basic, "{offered} {setting:?}");
    }
}

#[tokio::test]
async fn the_login_page_of_another_provider_has_one_button_with_its_name() {
    for (name, button) in
        [("auth0", "Continue with Email and password"), ("okta", "Continue with Okta")]
    {
        let site = Site::start_in_shape(&Shape::recorded(name), &[]).await;
        let page = Visitor::new(&site).open("/").await;
        page.is_a_page(200, "Log in");
        let buttons = page.texts("main a.button");
        assert_eq!(buttons[0], button);
        let asked = usize::from(name == "auth0");
        assert_eq!((buttons.len() == 1, site.provider().requests()), (name == "okta", asked));
    }
}

#[tokio::test]
async fn r111_a_logout_goes_where_the_provider_offers_one_and_the_page_says_if_it_offers_none() {
    for (name, path) in [
        ("auth0", "v2/logout?client_id="),
        ("keycloak", "/protocol/openid-connect/logout?id_token_hint="),
        ("okta", "/v1/logout?id_token_hint="),
    ] {
        let site = Site::start_in_shape(&Shape::recorded(name), &[]).await;
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let answer = visitor.submit("/logout").await;
        let start = format!("{}{path}", site.provider().issuer);
        assert!(answer.location().starts_with(&start), "{}", answer.location());
        assert_eq!(site.live_sessions().await, 0);
    }
    let site = Site::start_in_shape(&Shape::recorded("google"), &[]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let page = visitor.submit("/logout").await;
    page.is_a_page(200, "You are logged out here");
    assert!(page.texts("main p").join(" ").contains("offers no logout"));
    assert_eq!(site.live_sessions().await, 0);
}
