//! Which e-mail addresses are let in. Who is not let in sees why, with the address.

use serde_json::{Value, json};
use tests::{misbehaving_provider::ADA, site::Site, visitor::Visitor};

const ANOTHER: &str = "/login?prompt=login&return_to=%2Freports";

#[tokio::test]
async fn r068_a_login_with_another_address_is_refused_with_the_reason() {
    let unverified = "the user has no verified e-mail address";
    let other_domain = "the domain of the user's e-mail address is not allowed";
    let verified = ("REQUIRE_VERIFIED_EMAIL", "true");
    let domains = ("ALLOWED_EMAIL_DOMAINS", "allowed.example");
    for (setting, claims, said, reason) in [
        (verified, json!({ "email_verified": false }), "must be verified", unverified),
        (verified, json!({ "email_verified": "true" }), "must be verified", unverified),
        (verified, json!({ "email_verified": null }), "must be verified", unverified),
        (domains, json!({ "email_verified": false }), "must be verified", unverified),
        (domains, json!({}), "not of a domain that is allowed", other_domain),
    ] {
        let site = Site::start_with(&[setting]).await;
        site.provider().change_claims(claims.clone());
        let mut visitor = Visitor::new(&site);
        let answer = visitor.try_to_log_in_from("/login?return_to=/reports", ADA).await;
        answer.is_a_refusal(403, "You were not logged in").offers("Use another account", ANOTHER);
        assert!(answer.text().contains(said), "{answer:?}");
        assert_eq!(answer.texts("#account"), [ADA.email]);
        assert_eq!(site.store().sessions_created(), 0);
        assert_eq!(site.log().errors_of("login.refused"), [reason], "{claims}");

        // The link asks the provider for another account.
        let request = visitor.start(ANOTHER).await;
        assert!(request.query().unwrap().contains("prompt=login"), "{request}");
        let auth_time = site.now().as_unix();
        let email = json!({ "email": "grace@allowed.example", "auth_time": auth_time });
        site.provider().change_claims(email);
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        assert_eq!(answer.location(), "/reports");
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
    }
}

/// The address is escaped, and missing if the provider sends none.
#[tokio::test]
async fn r171_the_address_on_the_page_is_escaped() {
    let site = Site::start_with(&[("REQUIRE_VERIFIED_EMAIL", "true")]).await;
    for (email, shown) in [
        (json!("<img src=x>@evil.example"), vec!["<img src=x>@evil.example"]),
        (json!(null), vec![]),
    ] {
        site.provider().change_claims(json!({ "email": email, "email_verified": false }));
        let mut visitor = Visitor::new(&site);
        let answer = visitor.try_to_log_in_from("/login", ADA).await;
        answer.is_a_refusal(403, "You were not logged in");
        assert_eq!(answer.texts("#account"), shown);
    }
}

/// Sessions from before the setting, and tokens of other applications, are checked at each request.
#[tokio::test]
async fn a_request_of_a_person_with_another_address_is_refused() {
    let api = ("AUDIENCE", "https://api.example");
    let site = Site::start_with(&[api]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let token = visitor.api_key().await;
    let settings =
        [api, ("ALLOWED_EMAIL_DOMAINS", "allowed.example"), ("REQUIRE_SESSION", "false")];
    let stricter = site.another_process(&settings);
    stricter.call_api(&token).await.is_json(403, "email_not_allowed");
    let visitor = visitor.served_by(&stricter);
    let cookie = visitor.cookie_header();
    stricter.get("/protected", &[("cookie", &cookie)]).await.is_json(403, "email_not_allowed");

    let call = async |claims: Value| {
        let token = site.provider().access_token(ADA, api.1, &claims);
        stricter.call_api(&token).await
    };
    call(json!({})).await.is_json(403, "email_not_verified");
    let address = json!({ "email": "a@allowed.example", "email_verified": true });
    assert_eq!(call(address).await.status(), 200);
    // A machine has no address.
    assert_eq!(call(json!({ "gty": "client-credentials" })).await.status(), 200);
}
