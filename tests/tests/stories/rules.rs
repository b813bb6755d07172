//! Functions with additional rules, made as a copy of `functions/protected`.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use shared::{
    guard::{Guard, Rules},
    web::error::Failure,
};
use tests::{
    misbehaving_provider::ADA,
    site::{CLIENT_ID, Site},
};

use super::step_up::UNAUTHENTICATED;

/// A site whose API accepts access tokens, including those of machines.
fn api() -> Site {
    Site::without_provider(&[("AUDIENCE", "https://api.example"), ("REQUIRE_SESSION", "false")])
}

/// Calls a function with these rules, by an access token with these claims. Returns `None` if it is
/// accepted, else the status, the code and the challenge.
async fn ask(site: &Site, rules: &Rules<'_>, claims: Value) -> Option<(u16, &'static str, String)> {
    let api = site.api();
    let request = api.person(ADA.subject).claims(&claims).token().request(Method::GET, "/reports");
    let guard = Guard::new(api.config(), api.dependencies());
    let outcome = site.log().watch(guard.authenticate(&request, rules, site.now())).await;
    outcome.err().map(|refusal| {
        let public = refusal.public();
        let (name, challenge) = &public.headers[0];
        assert_eq!(name, "www-authenticate");
        (public.status.as_u16(), public.code.name(), challenge.to_str().unwrap().to_owned())
    })
}

#[tokio::test]
async fn r140_r148_a_scope_must_match_as_a_whole_word() {
    let site = api();
    let rules = Rules { scopes: &["read", "write"], ..Rules::default() };
    for granted in [
        json!({ "scope": "openid read write" }),
        json!({ "scope": "write read" }),
        json!({ "scope": "read", "permissions": ["write"] }),
        json!({ "scope": null, "permissions": ["read", "write"] }),
    ] {
        assert_eq!(ask(&site, &rules, granted.clone()).await, None, "{granted}");
    }
    for granted in [
        json!({ "scope": null }),
        json!({ "scope": "read" }),
        json!({ "scope": "read:all write" }),
        json!({ "scope": "rea write" }),
        json!({ "scope": "read,write" }),
        json!({ "scope": "Read Write" }),
        json!({ "scope": ["read", "write"] }),
        json!({ "scope": "read", "permissions": [["write"]] }),
        json!({ "scope": "read", "permissions": ["write:own"] }),
    ] {
        let (status, code, challenge) = ask(&site, &rules, granted.clone()).await.unwrap();
        assert_eq!((status, code), (403, "insufficient_scope"), "{granted}");
        assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
        assert!(challenge.ends_with(r#"scope="read write""#), "{challenge}");
    }
}

/// R191: a scope that contains white space is not split into two, and two scopes do not form one.
#[tokio::test]
async fn r191_a_scope_with_white_space_satisfies_no_rule() {
    let site = api();
    let claims = json!({ "scope": "read\twrite", "permissions": ["read write", "read", "write"] });
    let both = Rules { scopes: &["read write"], ..Rules::default() };
    assert_eq!(ask(&site, &both, claims).await.unwrap().1, "insufficient_scope");
    for scopes in [&["read"][..], &["write"], &["read\twrite"]] {
        let rules = Rules { scopes, ..Rules::default() };
        let claims =
            json!({ "scope": "read\twrite", "permissions": ["read write", "write\nread"] });
        let (status, code, challenge) = ask(&site, &rules, claims).await.unwrap();
        assert_eq!((status, code), (403, "insufficient_scope"), "{scopes:?} {challenge}");
    }
}

#[tokio::test]
async fn r147_a_machine_is_rejected_where_a_person_is_required() {
    let site = api();
    let rules = Rules { person: true, ..Rules::default() };
    assert_eq!(ask(&site, &rules, json!({})).await, None);
    for machine in [
        json!({ "sub": format!("{CLIENT_ID}@clients"), "gty": "client-credentials" }),
        json!({ "sub": format!("{CLIENT_ID}@clients") }),
        json!({ "gty": "client-credentials" }),
        json!({ "sub": CLIENT_ID }),
        json!({ "sub": "other", "azp": null, "client_id": "other" }),
    ] {
        let (status, code, _) = ask(&site, &rules, machine.clone()).await.unwrap();
        assert_eq!((status, code), (403, "person_required"), "{machine}");
        assert_eq!(ask(&site, &Rules::default(), machine).await, None);
    }
}

#[tokio::test]
async fn r150_a_claim_must_have_exactly_the_required_value() {
    let site = api();
    let rules = Rules { claims: &[("org_id", "org_ours")], ..Rules::default() };
    assert_eq!(ask(&site, &rules, json!({ "org_id": "org_ours" })).await, None);
    let roles = Rules { claims: &[("https://example.com/roles", "admin")], ..Rules::default() };
    let claims = json!({ "https://example.com/roles": ["auditor", "admin"] });
    assert_eq!(ask(&site, &roles, claims).await, None);
    for claims in [
        json!({}),
        json!({ "org_id": "org_theirs" }),
        json!({ "org_id": "org_ours_not" }),
        json!({ "org_name": "org_ours" }),
    ] {
        let (status, code, _) = ask(&site, &rules, claims.clone()).await.unwrap();
        assert_eq!((status, code), (403, "claim_not_allowed"), "{claims}");
    }
}

#[tokio::test]
async fn r185_r186_a_token_must_state_how_and_when_its_user_authenticated() {
    let site = api();
    let rules = Rules {
        max_age: Some(Duration::from_secs(60)),
        amr: &["mfa"],
        acr: &["gold"],
        ..Rules::NONE
    };
    let now = site.now().as_unix();
    let full = json!({ "acr": "gold", "amr": ["pwd", "mfa"], "auth_time": now - 60 });
    assert_eq!(ask(&site, &rules, full.clone()).await, None);
    for (claim, value) in [
        ("acr", json!("silver")),
        ("acr", json!(["gold"])),
        ("amr", json!("mfa")),
        ("auth_time", json!(now - 61)),
        ("auth_time", json!(now + 31)),
        ("auth_time", json!(null)),
    ] {
        let mut claims = full.clone();
        claims[claim] = value;
        let (status, code, challenge) = ask(&site, &rules, claims.clone()).await.unwrap();
        assert_eq!((status, code), (401, "insufficient_user_authentication"), "{claims}");
        let expected = format!(r#"{UNAUTHENTICATED}, acr_values="gold", max_age="60""#);
        assert_eq!(challenge, expected, "{claims}");
    }
}
