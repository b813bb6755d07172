//! Functions with additional rules, made as a copy of `functions/protected`.

use http::Method;
use serde_json::{Value, json};
use shared::{guard::Rules, web::error::Failure};
use tests::{
    misbehaving_provider::ADA,
    site::{CLIENT_ID, ORIGIN, Site},
    visitor::{Sending, Visitor},
};

const API: &str = "https://api.example";

/// A site whose API accepts access tokens, including those of machines.
async fn api() -> Site {
    Site::start_with(&[("AUDIENCE", API), ("REQUIRE_SESSION", "false")]).await
}

/// Calls a function with these rules, by an access token with these claims. Returns `None` if it is
/// accepted, else the status, the code and the challenge.
async fn ask(site: &Site, rules: &Rules<'_>, claims: Value) -> Option<(u16, &'static str, String)> {
    let token = site.provider().access_token(ADA, API, &claims);
    let request = http::Request::get("/reports")
        .header("authorization", format!("Bearer {token}"))
        .body(bytes::Bytes::new())
        .unwrap();
    let outcome = site.log().watch(site.guard().authenticate(&request, rules, site.now())).await;
    outcome.err().map(|refusal| {
        let public = refusal.public();
        let (name, challenge) = &public.headers[0];
        assert_eq!(name, "www-authenticate");
        (public.status.as_u16(), public.code.name(), challenge.to_str().unwrap().to_owned())
    })
}

#[tokio::test]
async fn r140_r148_a_scope_must_match_as_a_whole_word() {
    let site = api().await;
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
    let site = api().await;
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
    let site = api().await;
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
    let site = api().await;
    let rules = Rules { claims: &[("org_id", "org_ours")], ..Rules::default() };
    assert_eq!(ask(&site, &rules, json!({ "org_id": "org_ours" })).await, None);
    let roles = Rules { claims: &[("https://example.com/roles", "admin")], ..Rules::default() };
    let claims = json!({ "https://example.com/roles": ["auditor", "admin"] });
    assert_eq!(ask(&site, &roles, claims).await, None);
    for claims in [
        json!({}),
        json!({ "org_id": "org_theirs" }),
        json!({ "org_id": "ORG_OURS" }),
        json!({ "org_id": ["org_theirs"] }),
        json!({ "org_id": { "org_ours": true } }),
        json!({ "org_id": "org_ours_not" }),
        json!({ "org_name": "org_ours" }),
    ] {
        let (status, code, _) = ask(&site, &rules, claims.clone()).await.unwrap();
        assert_eq!((status, code), (403, "claim_not_allowed"), "{claims}");
    }
}

/// Browsers attach the cookie to forms of any site, but not a token.
#[tokio::test]
async fn r167_a_writing_request_by_cookie_is_accepted_only_from_allowed_origins() {
    let site = Site::start_with(&[("ALLOWED_ORIGINS", "https://app.example.com")]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let token = visitor.api_key().await;
    let ask = async |method: &Method, sending: Sending, headers: &[(&str, &str)]| {
        let cookie = visitor.cookie_header();
        let headers = [&[("cookie", cookie.as_str())], headers].concat();
        let request = visitor.request(method, "/reports", sending, &headers);
        let guard = site.guard();
        let outcome = guard.authenticate(&request, &Rules::default(), site.now()).await;
        outcome
            .err()
            .map(|refusal| (refusal.public().status.as_u16(), refusal.public().code.name()))
    };
    let cross_site = Some((403, "cross_site_request"));
    let writing = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    for method in &writing {
        for (sending, headers) in [
            (Sending::FROM_ELSEWHERE, &[("origin", "https://evil.example")][..]),
            (Sending::FROM_ELSEWHERE, &[("origin", "null")]),
            (Sending::FROM_ELSEWHERE, &[]),
            (Sending::NAVIGATION, &[]),
            (Sending::FROM_HERE, &[("origin", "http://api.example.com")]),
            (Sending::FROM_HERE, &[("origin", "https://api.example.com.evil.example")]),
            (Sending::SCRIPT, &[("sec-fetch-site", ""), ("origin", "")]),
        ] {
            assert_eq!(ask(method, sending, headers).await, cross_site, "{method} {headers:?}");
        }
        for origin in [ORIGIN, "https://app.example.com"] {
            assert_eq!(ask(method, Sending::SCRIPT, &[("origin", origin)]).await, None);
        }
        let authorization = format!("Bearer {token}");
        let bearer =
            [("authorization", authorization.as_str()), ("origin", "https://evil.example")];
        assert_eq!(ask(method, Sending::FROM_ELSEWHERE, &bearer).await, None);
    }
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(ask(&method, Sending::FROM_ELSEWHERE, &[]).await, None);
    }
    assert_eq!(site.live_sessions().await, 1);
}
