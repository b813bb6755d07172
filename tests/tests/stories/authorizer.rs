//! A function outside the bundle, guarded by the bundle's authorizer.

use gateway::authorizer::NoDecision;
use http::Method;
use serde_json::{Value, json};
use shared::web::request::Request;
use tests::{
    misbehaving_provider::{ADA, GRACE},
    site::Site,
    visitor::{Sending, Visitor},
};

use super::guards::{
    ARN, authorized, decision, decision_on, get, question, refused, rest_question,
};

const API: &str = "https://api.example";
const HELLO: &str = "GET /api/hello";

/// What the authorizer decides about `GET /api/hello`.
async fn ask(site: &Site, request: &Request) -> Result<Value, String> {
    authorized(site, HELLO, request).await
}

fn with_cookie(visitor: &Visitor) -> Request {
    visitor.request(&Method::GET, "/api/hello", Sending::SCRIPT, &[])
}

/// R191: the guarded function, in any language, splits the list at white space.
#[tokio::test]
async fn r191_a_permission_with_white_space_is_dropped() {
    let settings = [("AUDIENCE", API), ("SCOPE", "openid read"), ("REQUIRE_SESSION", "false")];
    let site = Site::start_with(&settings).await;
    let claims = json!({
        "scope": "openid read read\tadmin read\u{a0}admin read\u{1c}admin read\nadmin",
        "permissions": ["write", "read admin", " admin", "admin\n", "", "a\u{2028}admin", "\"admin"],
    });
    site.provider().change_access_token_claims(claims.clone());
    let visitor = Visitor::logged_in(&site, ADA).await;
    let context = ask(&site, &with_cookie(&visitor)).await.unwrap();
    assert_eq!(context["scope"], "openid read write");
    // The same for a token without a session here.
    let stranger = site.api().person(ADA.subject).claims(&claims).token();
    let request = stranger.request(Method::GET, "/api/hello");
    assert_eq!(ask(&site, &request).await.unwrap()["scope"], "openid read write");
}

/// Values that are not texts are JSON texts, so that both kinds of API pass them on unchanged.
#[tokio::test]
async fn the_guarded_function_gets_the_claims_that_are_configured() {
    let names = "https://example.com/roles,nickname,level,https://example.com/team,missing";
    let site = Site::start_with(&[("AUDIENCE", API), ("CONTEXT_CLAIMS", names)]).await;
    let roles = json!({ "https://example.com/roles": ["admin", "a \"b\""], "nickname": "ada" });
    site.provider().change_access_token_claims(roles);
    site.provider().change_claims(json!({
        "nickname": "ada of the ID token",
        "level": 3,
        "https://example.com/team": { "lead": true },
        "other": "not configured",
    }));
    let visitor = Visitor::logged_in(&site, ADA).await;
    let context = ask(&site, &with_cookie(&visitor)).await.unwrap();
    assert_eq!(context["https://example.com/roles"], r#"["admin","a \"b\""]"#);
    assert_eq!(context["nickname"], "ada");
    assert_eq!(context["level"], "3");
    assert_eq!(context["https://example.com/team"], r#"{"lead":true}"#);
    assert_eq!((context.get("missing"), context.get("other")), (None, None));
    assert_eq!(context["sub"], ADA.subject);

    // The gateway could not pass on such a context.
    site.provider().change_claims(json!({ "nickname": null, "level": "\"".repeat(4_096) }));
    let visitor = Visitor::logged_in(&site, ADA).await;
    let decided = ask(&site, &with_cookie(&visitor)).await;
    assert_eq!(decided, Err("context_too_large".to_owned()));
}

/// The next decision of every guard rejects it, whichever function ended the session.
#[tokio::test]
async fn r106_a_valid_token_of_an_ended_session_is_rejected() {
    let site = Site::start().await;
    let ended = Err(refused(401, "session_ended"));
    for (user, is_logout) in [(ADA, true), (GRACE, false)] {
        let mut visitor = Visitor::logged_in(&site, user).await;
        let bearer = format!("Bearer {}", visitor.api_key().await);
        let cookie = visitor.cookie_header();
        let by_token = get("/protected", &[("authorization", &bearer)]);
        assert!(decision(&site, &by_token).await.is_ok());
        if is_logout {
            visitor.submit("/logout").await;
        } else {
            let logout_token = site.provider().logout_token(user, &json!({}));
            assert_eq!(site.post_logout_token(&logout_token).await.status(), 200);
        }
        assert_eq!(decision(&site, &by_token).await, ended);
        assert_eq!(decision(&site, &get("/protected", &[("cookie", &cookie)])).await, ended);
    }
}

/// The gateway names the route, and the list defines its scopes. A route that is not in the list is
/// closed to all callers.
#[tokio::test]
async fn r140_each_route_requires_the_scopes_listed_for_it() {
    let scopes = "GET /api/hello = read:hello; ANY /api/admin/{proxy+} = admin; GET /api/me =";
    let settings = [("AUDIENCE", API), ("REQUIRE_SESSION", "false")];
    let site = Site::without_provider(&[&settings[..], &[("ROUTE_SCOPES", scopes)]].concat());
    let api = site.api();
    let caller = |scopes: &[&str]| api.person(ADA.subject).scopes(scopes).token();
    let (reader, admin) = (caller(&["openid", "read:hello"]), caller(&["openid", "admin"]));
    for (caller, key, path, expected) in [
        (&reader, HELLO, "/api/hello", None),
        (&admin, HELLO, "/api/hello", Some("insufficient_scope")),
        (&caller(&["read:hello:all"]), HELLO, "/api/hello", Some("insufficient_scope")),
        (&reader, "ANY /api/admin/{proxy+}", "/api/admin/users", Some("insufficient_scope")),
        (&admin, "ANY /api/admin/{proxy+}", "/api/admin/users", None),
        (&reader, "GET /api/me", "/api/me", None),
        (&caller(&["openid"]), "ANY /api/me", "/api/me", None),
        // The scopes depend on the route, not on the path.
        (&reader, "ANY /{proxy+}", "/api/hello", Some("route_not_listed")),
        (&admin, "$default", "/api/admin/users", Some("route_not_listed")),
        (&admin, "GET /api/admin/{id}", "/api/admin/users", Some("route_not_listed")),
    ] {
        let decided = authorized(&site, key, &caller.request(Method::GET, path)).await;
        assert_eq!(decided.err().as_deref(), expected, "{key} {path}");
    }

    // If the event does not name the route, its scopes are unknown.
    let unnamed = json!({
        "type": "TOKEN",
        "authorizationToken": format!("Bearer {}", reader.api_key()),
        "methodArn": format!("{ARN}/GET/api/hello"),
    });
    assert_eq!(site.decide(&unnamed).await, Err(NoDecision));
    let plain = Site::without_provider(&settings);
    let decision = plain.decide(&unnamed).await.unwrap();
    assert_eq!(decision["policyDocument"]["Statement"][0]["Effect"], "Allow");
}

/// The authorizer neither denies, because the session still exists, nor allows.
#[tokio::test]
async fn r096_r077_without_the_store_or_the_keys_the_authorizer_makes_no_decision() {
    let site = Site::without_provider(&[]);
    let ada = site.api().person(ADA.subject).log_in().await;
    let path = "/protected";
    site.store().set_down(true);
    for request in [ada.request(Method::GET, path), ada.request_by_cookie(Method::GET, path)] {
        for event in [question("GET /protected", request.clone()), rest_question(path, &request)] {
            assert_eq!(site.decide(&event).await, Err(NoDecision));
        }
    }
    // A request without credentials is rejected without the store.
    let missing = Err(refused(401, "authorization_header_missing"));
    assert_eq!(decision(&site, &get(path, &[])).await, missing);
    site.store().set_down(false);
    assert!(decision_on(&site, &ada).await.is_ok());
}
