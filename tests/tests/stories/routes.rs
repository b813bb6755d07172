//! An application's function with several routes, each with its own rule.

use axum::{Router, extract::Path, routing};
use http::Method;
use serde_json::{Value, json};
use shared::{
    guard::{
        Principal, Rules,
        routes::{Routes, require},
    },
    web::request::Function as _,
};
use testkit::Caller;
use tests::{
    answer::Answer,
    misbehaving_provider::ADA,
    site::{ORIGIN, Site},
    visitor::Visitor,
};

use super::guards::{get, request};

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

fn routes_of(site: &Site) -> Routes {
    let api = site.api();
    Routes::new(notes(), api.config(), api.dependencies())
}

fn api() -> (Site, Routes) {
    let site = Site::without_provider(&[("AUDIENCE", API), ("ALLOWED_ORIGINS", APP)]);
    let routes = routes_of(&site);
    (site, routes)
}

/// A user who may read notes.
async fn reader(site: &Site) -> Caller {
    let api = site.api();
    api.person(ADA.subject).claim("permissions", json!(["read:notes"])).log_in().await
}

async fn send(
    (site, routes): &(Site, Routes),
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    site.handle_by_routes(routes, request(&method, path, headers)).await
}

#[tokio::test]
async fn each_route_has_its_own_rule_and_its_parameters() {
    let (site, routes) = api();
    let ada = reader(&site).await;
    let ask = async |method| site.handle_by_routes(&routes, ada.request(method, "/notes/7")).await;
    let answer = ask(Method::GET).await;
    assert_eq!((answer.status(), answer.text()), (200, format!("7 {}", ADA.subject).as_str()));
    let answer = ask(Method::DELETE).await;
    answer.is_json(403, "insufficient_scope").challenges(r#"Bearer realm="api""#);
    assert!(answer.header("www-authenticate").ends_with(r#"scope="write:notes""#), "{answer:?}");
    let answer = site.handle_by_routes(&routes, get("/notes/7", &[])).await;
    answer.is_json(401, "authorization_header_missing");

    site.api().end_session(&ada).await;
    let answer = ask(Method::GET).await;
    answer.is_json(401, "session_ended");
    assert_eq!(answer.json()["message"], "Good token, bad session");
}

/// The entry of a route names it as the router does.
#[tokio::test]
async fn a_route_must_meet_its_entry_in_the_list_too() {
    let rules = ("ROUTE_RULES", "GET:/notes/{id}=amr=mfa");
    let site = Site::without_provider(&[("AUDIENCE", API), rules]);
    let (api, routes) = (site.api(), routes_of(&site));
    let ada = api.person(ADA.subject).scopes(&["read:notes", "write:notes"]);
    let (strong, weak) =
        (ada.clone().claim("amr", json!(["mfa"])).log_in().await, ada.log_in().await);
    let ask = async |caller: &Caller, method| {
        site.handle_by_routes(&routes, caller.request(method, "/notes/7")).await
    };
    ask(&weak, Method::GET).await.is_json(401, "insufficient_user_authentication");
    assert_eq!(ask(&strong, Method::GET).await.status(), 200);
    // The path has an entry, and this method has none.
    ask(&strong, Method::DELETE).await.is_json(403, "route_not_listed");
    // The login for the route asks for what the entry requires.
    let asked = Visitor::new(&site).start("/login?for=GET:/notes/{id}").await;
    assert!(asked.query().unwrap().contains("acr_values="), "{asked}");
}

#[tokio::test]
async fn a_route_without_a_rule_is_public_but_has_no_caller() {
    let api = api();
    let answer = send(&api, Method::GET, "/open", &[]).await;
    assert_eq!((answer.status(), answer.text()), (200, "open"));

    let (site, routes) = &api;
    let request = reader(site).await.request(Method::GET, "/forgotten");
    let answer = site.log().watch(routes.handle(request, site.now())).await;
    assert_eq!(answer.status(), 500);
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(body["code"], "misconfigured");
}

#[tokio::test]
async fn unknown_paths_and_methods_get_json() {
    let api = api();
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
    let api = api();
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
    let api = api();
    let cookie = reader(&api.0).await.cookie().unwrap();
    let evil = [("cookie", cookie.as_str()), ("origin", "https://evil.example")];
    send(&api, Method::DELETE, "/notes/7", &evil).await.is_json(403, "cross_site_request");
    let own = [("cookie", cookie.as_str()), ("origin", ORIGIN)];
    send(&api, Method::DELETE, "/notes/7", &own).await.is_json(403, "insufficient_scope");
    let answer = send(&api, Method::GET, "/notes/7", &[("cookie", &cookie)]).await;
    assert_eq!((answer.status(), answer.text()), (200, format!("7 {}", ADA.subject).as_str()));
}
