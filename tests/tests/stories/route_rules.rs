//! What `ROUTE_RULES` requires of a route: of the authorizer, and of a Rust function.

use http::Method;
use serde_json::{Value, json};
use tests::{
    misbehaving_provider::ADA,
    site::Site,
    visitor::{Sending, Visitor},
};

use super::guards::{authorized, get};

const API: (&str, &str) = ("AUDIENCE", "https://api.example");
const ROLES: &str = "https://example.com/roles";

#[tokio::test]
async fn each_route_requires_the_scopes_and_claims_listed_for_it() {
    let rules = "GET:/api/hello=read:hello;\
        ANY:/api/admin/{proxy+}=https://example.com/roles=Billing%20Admin;\
        GET:/api/beta=beta=true,level=3,person=true;GET:/api/me=";
    let site =
        Site::start_with(&[API, ("SCOPE", "openid read:hello"), ("ROUTE_RULES", rules)]).await;
    for (access, id, expected) in [
        // Everything is in the access token.
        (
            json!({ "scope": "openid read:hello", ROLES: ["Billing Admin"], "beta": true, "level": 3 }),
            json!({}),
            ["allowed"; 3],
        ),
        // A claim of the ID token counts too.
        (
            json!({ "scope": "openid" }),
            json!({ ROLES: "Billing Admin", "beta": [true], "level": [2, 3] }),
            ["insufficient_scope", "allowed", "allowed"],
        ),
        // The access token decides if both have the claim.
        (
            json!({ "scope": "read:hello", ROLES: [] }),
            json!({ ROLES: ["Billing Admin"], "beta": true }),
            ["allowed", "claim_not_allowed", "claim_not_allowed"],
        ),
    ] {
        site.provider().change_access_token_claims(access);
        site.provider().change_claims(id);
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let bearer = format!("Bearer {}", visitor.api_key().await);
        let cookie = visitor.cookie_header();
        for (key, expected) in [
            ("GET /api/hello", expected[0]),
            ("ANY /api/admin/{proxy+}", expected[1]),
            ("GET /api/beta", expected[2]),
            ("GET /api/me", "allowed"),
            ("GET /api/other", "route_not_listed"),
        ] {
            let (_, path) = key.split_once(' ').unwrap();
            for credential in [("authorization", bearer.as_str()), ("cookie", &cookie)] {
                let decided = authorized(&site, key, &get(path, &[credential])).await;
                let code = decided.err().unwrap_or_else(|| "allowed".to_owned());
                assert_eq!(code, expected, "{key} {}", credential.0);
            }
        }
        visitor.submit("/logout").await;
    }
}

/// They are kept for rules, and a page that shows the user does not show them.
#[tokio::test]
async fn roles_of_the_access_token_are_kept_and_not_shown_by_the_api() {
    let rules = ("ROUTE_RULES", "GET:/protected=https://example.com/roles=admin");
    let scope = ("SCOPE", "openid email offline_access");
    let site = Site::start_with(&[API, scope, rules]).await;
    site.provider().change_access_token_claims(json!({ ROLES: ["admin"], "name": "Ada" }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let answer = visitor.fetch("/protected").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json()["name"], ADA.name);
    assert_eq!(answer.json().get(ROLES), None);
    assert_eq!(site.call_api(&visitor.api_key().await).await.json(), answer.json());

    // A refresh brings the roles of the new access token, and loses those that it lacks.
    let is_refused_after = async |visitor: &mut Visitor, claims: Value| {
        site.provider().change_refreshed_access_token_claims(claims);
        site.pass(100);
        assert_eq!(visitor.refresh().await.status(), 200);
        let answer = visitor.fetch("/protected").await;
        if answer.status() != 200 {
            answer.is_json(403, "claim_not_allowed").challenges(
                r#"Bearer realm="api", error="insufficient_scope", error_description="A claim does not have the required value.""#,
            );
        }
        answer.status() != 200
    };
    assert!(!is_refused_after(&mut visitor, json!({ ROLES: ["admin", "auditor"] })).await);
    assert!(is_refused_after(&mut visitor, json!({ ROLES: null })).await);
}

/// A typing error in the method closes the function instead of opening it.
#[tokio::test]
async fn a_function_in_the_list_is_closed_for_methods_without_an_entry() {
    let site = Site::start_with(&[("ROUTE_RULES", "GET:/protected=;GET:/other=person=true")]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    let head = visitor.send(Method::HEAD, "/protected", Sending::SCRIPT, &[]).await;
    assert_eq!(head.status(), 403);
    head.is_json(403, "route_not_listed");

    // The list does not concern a function that it does not name.
    let site = Site::start_with(&[("ROUTE_RULES", "GET:/other=person=true")]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
}
