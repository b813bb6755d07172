//! `FETCH_USERINFO`.

use serde_json::{Value, json};
use tests::{
    misbehaving_provider::{ADA, Endpoint, Shape, SignedBy, UserInfoAnswer},
    site::Site,
    visitor::Visitor,
};

const WHEN_AVAILABLE: (&str, &str) = ("FETCH_USERINFO", "true");
const REQUIRED: (&str, &str) = ("FETCH_USERINFO", "required");

/// A provider with thin ID tokens.
async fn thin(setting: (&str, &str)) -> Site {
    let site = Site::start_with(&[setting]).await;
    let thin = json!({ "name": null, "email": null, "email_verified": null, "picture": null });
    site.provider().change_claims(thin);
    site
}

#[tokio::test]
async fn r081_the_access_token_is_sent_in_the_header_once_per_login() {
    for audience in [None, Some(("AUDIENCE", "https://api.example.com"))] {
        let settings: Vec<_> = [WHEN_AVAILABLE].into_iter().chain(audience).collect();
        let site = Site::start_with(&settings).await;
        site.provider().change_claims(json!({ "name": null, "email": null }));
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let response = site.provider().last_token_response();
        let bearer = format!("Bearer {}", response["access_token"].as_str().unwrap());
        assert_eq!(site.provider().user_info_requests(), [(bearer, None)]);
        let claims = visitor.fetch("/protected").await.json();
        assert_eq!((&claims["name"], &claims["email"]), (&json!(ADA.name), &json!(ADA.email)));
        assert_eq!(site.provider().user_info_requests().len(), 1);
    }
}

/// With the usual settings the provider gets three requests: for the metadata, the keys and the tokens.
#[tokio::test]
async fn by_default_no_user_info_is_requested() {
    let site = Site::start().await;
    Visitor::logged_in(&site, ADA).await;
    assert_eq!(site.provider().requests(), 3);
    assert!(site.provider().user_info_requests().is_empty());
    let site = thin(WHEN_AVAILABLE).await;
    Visitor::logged_in(&site, ADA).await;
    assert_eq!(site.provider().requests(), 4);
}

#[tokio::test]
async fn r082_user_info_of_another_user_or_of_none_ends_the_login() {
    for setting in [WHEN_AVAILABLE, REQUIRED] {
        for sub in [json!("auth0|eve"), json!(""), Value::Null] {
            for is_signed in [false, true] {
                let site = thin(setting).await;
                let changes = json!({ "sub": sub });
                site.provider().answer_user_info(if is_signed {
                    UserInfoAnswer::Signed(SignedBy::Provider, changes)
                } else {
                    UserInfoAnswer::Claims(changes)
                });
                let answer = Visitor::new(&site).try_to_log_in_from("/login", ADA).await;
                answer.is_a_refusal(400, "You were not logged in");
                assert_eq!(site.store().sessions_created(), 0);
                assert_eq!(site.log().errors_of("login.failed").len(), 1);
            }
        }
    }
}

/// The claims of a signed response are used. One that the provider did not sign, or not for us,
/// counts as no response.
#[tokio::test]
async fn r083_a_failure_is_a_login_without_user_info_or_none_as_the_setting_says() {
    use UserInfoAnswer::{Fails, Signed, Text};
    let unsigned = [
        SignedBy::Attacker,
        SignedBy::Header(json!({ "kid": "unknown" })),
        SignedBy::Header(json!({ "alg": "none" })),
        SignedBy::Header(json!({ "alg": "HS256" })),
        SignedBy::Header(json!({ "typ": "logout+jwt" })),
    ];
    let claims = [
        json!({ "iss": "https://evil.example/" }),
        json!({ "iss": null }),
        json!({ "aud": "another-client" }),
        json!({ "aud": null }),
        json!({ "exp": 1 }),
        json!({ "events": {} }),
    ];
    let failures = [Fails(401), Fails(429), Fails(500), Fails(302), Text("<html>"), Text("[]")]
        .into_iter()
        .chain(unsigned.map(|signed_by| Signed(signed_by, json!({}))))
        .chain(claims.map(|changes| Signed(SignedBy::Provider, changes)));
    for failure in failures {
        let site = thin(WHEN_AVAILABLE).await;
        site.provider().answer_user_info(failure.clone());
        let mut visitor = Visitor::new(&site);
        assert_eq!(visitor.try_to_log_in_from("/login", ADA).await.status(), 303, "{failure:?}");
        let claims = visitor.fetch("/protected").await.json();
        assert_eq!((&claims["sub"], &claims["email"]), (&json!(ADA.subject), &Value::Null));
        assert_eq!(site.log().errors_of("login.userinfo_unavailable").len(), 1, "{failure:?}");

        let site = thin(REQUIRED).await;
        site.provider().answer_user_info(failure.clone());
        let answer = Visitor::new(&site).try_to_log_in_from("/login", ADA).await;
        answer.is_a_refusal(502, "You were not logged in");
        assert_eq!(site.store().sessions_created(), 0, "{failure:?}");
        assert_eq!(site.log().errors_of("login.failed").len(), 1, "{failure:?}");
    }
}

#[tokio::test]
async fn r083_a_silent_endpoint_delays_a_login_by_three_seconds() {
    let site = thin(WHEN_AVAILABLE).await;
    site.provider().answer_user_info(UserInfoAnswer::Silent);
    let started = std::time::Instant::now();
    assert_eq!(Visitor::new(&site).try_to_log_in_from("/login", ADA).await.status(), 303);
    assert!((2..6).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn r083_metadata_without_the_endpoint_or_with_a_foreign_one_is_a_failure_too() {
    for endpoint in [Value::Null, json!("https://169.254.169.254/userinfo"), json!("none")] {
        for (setting, status) in [(WHEN_AVAILABLE, 303), (REQUIRED, 502)] {
            let site = thin(setting).await;
            site.provider().change_metadata(json!({ "userinfo_endpoint": endpoint }));
            assert_eq!(
                Visitor::new(&site).try_to_log_in_from("/login", ADA).await.status(),
                status
            );
            assert!(site.provider().user_info_requests().is_empty());
        }
    }
}

#[tokio::test]
async fn r083_a_signed_response_is_verified_and_used() {
    let site = thin(REQUIRED).await;
    site.provider().answer_user_info(UserInfoAnswer::Signed(SignedBy::Provider, json!({})));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let claims = visitor.fetch("/protected").await.json();
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!(ADA.email), &json!(true)));
    assert_eq!(claims.get("iss").or(claims.get("aud")), None);
}

#[tokio::test]
async fn r084_aggregated_and_distributed_claims_are_never_fetched() {
    let site = thin(REQUIRED).await;
    let elsewhere = format!("{}elsewhere", site.provider().issuer);
    site.provider().answer_user_info(UserInfoAnswer::Claims(json!({
        "_claim_names": { "salary": "bank", "shoe_size": "shop" },
        "_claim_sources": {
            "bank": { "endpoint": elsewhere, "access_token": "ksj3n283dke" },
            "shop": { "JWT": "a.b.c" },
        },
    })));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let claims = visitor.fetch("/protected").await.json();
    for name in ["salary", "shoe_size", "_claim_names", "_claim_sources"] {
        assert_eq!(claims.get(name), None);
    }
    assert_eq!(site.provider().requests_elsewhere(), 0);
}

/// No user info is requested for tokens that are not ours.
#[tokio::test]
async fn r081_a_rejected_id_token_or_code_causes_no_request() {
    let site = thin(WHEN_AVAILABLE).await;
    site.provider().change_claims(json!({ "nonce": "another" }));
    Visitor::new(&site)
        .try_to_log_in_from("/login", ADA)
        .await
        .is_a_refusal(400, "You were not logged in");
    site.provider().change_claims(json!({}));
    site.provider().set_token_endpoint(Endpoint::Refuses(403, "invalid_grant"));
    Visitor::new(&site)
        .try_to_log_in_from("/login", ADA)
        .await
        .is_a_refusal(400, "You were not logged in");
    assert!(site.provider().user_info_requests().is_empty());
}

/// Requirements on the address hold for the address of the user info too.
#[tokio::test]
async fn r068_the_address_of_user_info_must_be_verified_too() {
    for (verified, status) in [(true, 303), (false, 403)] {
        let site = Site::start_with(&[WHEN_AVAILABLE, ("REQUIRE_VERIFIED_EMAIL", "true")]).await;
        site.provider().change_claims(json!({ "email": null, "email_verified": null }));
        let changes = json!({ "email_verified": verified });
        site.provider().answer_user_info(UserInfoAnswer::Claims(changes));
        assert_eq!(Visitor::new(&site).try_to_log_in_from("/login", ADA).await.status(), status);
    }
}

#[tokio::test]
async fn a_refresh_keeps_the_user_info_of_the_login() {
    let settings = [WHEN_AVAILABLE, ("SCOPE", "openid profile email offline_access")];
    let site = Site::start_with(&settings).await;
    let thin = json!({ "name": null, "email": null, "email_verified": null });
    site.provider().change_claims(thin.clone());
    site.provider().change_refreshed_claims(thin);
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    site.pass(36_100);
    assert_eq!(visitor.refresh().await.status(), 200);
    assert_eq!(site.provider().refreshes(), 1);
    assert_eq!(visitor.fetch("/protected").await.json()["email"], ADA.email);
    assert_eq!(site.provider().user_info_requests().len(), 1);
}

/// The endpoints of Entra ID and Google are on other hosts.
#[tokio::test]
async fn r071_user_info_of_each_recorded_provider() {
    for name in Shape::names() {
        let site = Site::start_in_shape(&Shape::recorded(&name), &[REQUIRED]).await;
        Visitor::logged_in(&site, ADA).await;
        assert_eq!(site.provider().user_info_requests().len(), 1, "{name}");
    }
}
