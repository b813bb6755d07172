//! Which e-mail addresses are let in. Who is not let in sees why, with the address.

use serde_json::json;
use tests::{misbehaving_provider::ADA, site::Site, visitor::Visitor};

use super::guards::{decision_on, refused};

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
    let audience = ("AUDIENCE", "https://api.example");
    let site = Site::without_provider(&[audience]);
    let api = site.api();
    let address = json!({ "email": ADA.email, "email_verified": true });
    let ada = api.person(ADA.subject);
    let visitor = ada.clone().claims(&address).log_in().await;
    let domains = ("ALLOWED_EMAIL_DOMAINS", "allowed.example");
    let stricter = site.another_process(&[audience, domains, ("REQUIRE_SESSION", "false")]);
    let allowed = json!({ "email": "a@allowed.example", "email_verified": true });
    for (caller, code) in [
        (visitor, Some("email_not_allowed")),
        (ada.clone().token(), Some("email_not_verified")),
        (ada.claims(&allowed).token(), None),
        // A machine has no address.
        (api.machine("robot").token(), None),
    ] {
        let expected = code.map(|code| refused(403, code));
        assert_eq!(decision_on(&stricter, &caller).await.err(), expected);
    }
}
