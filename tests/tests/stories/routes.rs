//! An application's function with several routes, each with its own rule.

use axum::{Router, extract::Path, routing};
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use shared::{
    guard::{
        Principal, Rules,
        routes::{Routes, require},
    },
    web::request::Function as _,
};
use tests::{
    answer::Answer,
    misbehaving_provider::ADA,
    site::{ORIGIN, Site},
    visitor::Visitor,
};

const API: &str = "https://api.example";
const APP: &str = "https://app.example.com";
const READER: Rules<'_> = Rules { scopes: &["read:notes"], ..Rules::NONE };
const WRITER: Rules<'_> = Rules { scopes: &["write:notes"], ..Rules::NONE };

fn subject(caller: &Principal) -> String {
    caller.user["sub"].as_str().unwrap().to_owned()
}

/// Reads and deletes notes. `/open` is public; `/forgotten` takes a caller, and has no rule.
fn notes() -> Router {
    let read = async |caller: Principal, Path(id): Path<u32>| format!("{id} {}", subject(&caller));
    let delete = async |Path(id): Path<u32>| format!("deleted {id}");
    let note = routing::get(read)
        .layer(require(READER))
        .merge(routing::delete(delete).layer(require(WRITER)));
    Router::new()
        .route("/notes/{id}", note)
        .route("/open", routing::get(async || "open"))
        .route("/forgotten", routing::get(async |caller: Principal| subject(&caller)))
}

async fn api() -> (Site, Routes) {
    let settings = [("AUDIENCE", API), ("ALLOWED_ORIGINS", APP), ("SCOPE", "openid email")];
    let site = Site::start_with(&settings).await;
    site.provider().change_access_token_claims(json!({ "permissions": ["read:notes"] }));
    let routes = site.routes_of(notes());
    (site, routes)
}

/// Sends a request to the routes, with the permissions of `protected`.
async fn send(
    (site, routes): &(Site, Routes),
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let permissions = site.store().permissions();
    let answer = async |request, now| {
        let answer = site.log().exchange(request, |request| routes.handle(request, now));
        permissions.hold_as("protected", answer).await
    };
    site.handle_by(answer, request.body(Bytes::new()).unwrap()).await
}

#[tokio::test]
async fn each_route_has_its_own_rule_and_its_parameters() {
    let api = api().await;
    let mut visitor = Visitor::logged_in(&api.0, ADA).await;
    let token = visitor.api_key().await;
    let bearer = format!("Bearer {token}");
    let authorization = [("authorization", bearer.as_str())];

    let answer = send(&api, Method::GET, "/notes/7", &authorization).await;
    assert_eq!((answer.status(), answer.text()), (200, format!("7 {}", ADA.subject).as_str()));
    let answer = send(&api, Method::DELETE, "/notes/7", &authorization).await;
    answer.is_json(403, "insufficient_scope").challenges(r#"Bearer realm="api""#);
    assert!(answer.header("www-authenticate").ends_with(r#"scope="write:notes""#), "{answer:?}");
    let answer = send(&api, Method::GET, "/notes/7", &[]).await;
    answer.is_json(401, "authorization_header_missing");

    assert_eq!(visitor.submit("/logout").await.status(), 303);
    let answer = send(&api, Method::GET, "/notes/7", &authorization).await;
    answer.is_json(401, "session_ended");
    assert_eq!(answer.json()["message"], "Good token, bad session");
}

/// The entry of a route names it as the router does.
#[tokio::test]
async fn a_route_must_meet_its_entry_in_the_list_too() {
    let rules = "GET:/notes/{id}=amr=mfa";
    let site = Site::start_with(&[("AUDIENCE", API), ("ROUTE_RULES", rules)]).await;
    site.provider()
        .change_access_token_claims(json!({ "permissions": ["read:notes", "write:notes"] }));
    let routes = site.routes_of(notes());
    let api = (site, routes);
    let bearer = format!("Bearer {}", Visitor::logged_in(&api.0, ADA).await.api_key().await);
    let authorization = [("authorization", bearer.as_str())];
    let answer = send(&api, Method::GET, "/notes/7", &authorization).await;
    answer.is_json(401, "insufficient_user_authentication");
    // The path has an entry, and this method has none.
    let answer = send(&api, Method::DELETE, "/notes/7", &authorization).await;
    answer.is_json(403, "route_not_listed");
    let mut visitor = Visitor::new(&api.0);
    api.0.provider().change_claims(json!({ "amr": ["mfa"] }));
    visitor.log_in_from("/login?for=GET:/notes/{id}", ADA).await;
    let bearer = format!("Bearer {}", visitor.api_key().await);
    let answer = send(&api, Method::GET, "/notes/7", &[("authorization", &bearer)]).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_route_without_a_rule_is_public_but_has_no_caller() {
    let api = api().await;
    let answer = send(&api, Method::GET, "/open", &[]).await;
    assert_eq!((answer.status(), answer.text()), (200, "open"));

    let token = Visitor::logged_in(&api.0, ADA).await.api_key().await;
    let request = http::Request::get("/forgotten")
        .header("authorization", format!("Bearer {token}"))
        .body(Bytes::new())
        .unwrap();
    let (site, routes) = &api;
    let answer = site.log().watch(routes.handle(request, site.now())).await;
    assert_eq!(answer.status(), 500);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["code"], "misconfigured");
}

#[tokio::test]
async fn unknown_paths_and_methods_get_json() {
    let api = api().await;
    send(&api, Method::GET, "/other", &[]).await.is_json(404, "not_found");
    let answer = send(&api, Method::PUT, "/notes/7", &[]).await;
    answer.is_json(405, "method_not_allowed");
    let mut allowed: Vec<_> = answer.header("allow").split(',').collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD"]);
}

/// R154 for several routes.
#[tokio::test]
async fn pages_of_allowed_origins_may_call_the_routes() {
    let api = api().await;
    for (origin, is_allowed) in [(APP, true), ("https://evil.example", false), (ORIGIN, false)] {
        for method in [Method::OPTIONS, Method::GET] {
            let answer = send(&api, method.clone(), "/notes/7", &[("origin", origin)]).await;
            assert_eq!(answer.status(), if method == Method::GET { 401 } else { 204 });
            assert_eq!(answer.has("access-control-allow-origin"), is_allowed, "{origin}");
        }
    }
}

#[tokio::test]
async fn a_cookie_from_another_site_changes_nothing() {
    let api = api().await;
    let visitor = Visitor::logged_in(&api.0, ADA).await;
    let cookie = visitor.cookie_header();
    let evil = [("cookie", cookie.as_str()), ("origin", "https://evil.example")];
    send(&api, Method::DELETE, "/notes/7", &evil).await.is_json(403, "cross_site_request");
    let own = [("cookie", cookie.as_str()), ("origin", ORIGIN)];
    send(&api, Method::DELETE, "/notes/7", &own).await.is_json(403, "insufficient_scope");
    let answer = send(&api, Method::GET, "/notes/7", &[("cookie", &cookie)]).await;
    assert_eq!((answer.status(), answer.text()), (200, format!("7 {}", ADA.subject).as_str()));
}
