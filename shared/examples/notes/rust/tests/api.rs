//! The notes of two users, in an emulated table.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use dynoxide::{Database, server};
use notes::{MAX_TEXT, Notes, PAGE};
use serde_json::{Value, json};
use shared::{guard::routes::Routes, settings::Settings, web::request::Request};
use testkit::{Api, Caller};
use tokio::net::TcpListener;

const BOTH: &[&str] = &["read:notes", "write:notes"];

/// The routes, over a new table.
async fn routes(api: &Api) -> Routes {
    let database = Database::memory().unwrap();
    let attribute = |name| json!({ "AttributeName": name, "AttributeType": "S" });
    let table = json!({
        "TableName": "notes",
        "AttributeDefinitions": [attribute("owner_digest"), attribute("id")],
        "KeySchema": [
            { "AttributeName": "owner_digest", "KeyType": "HASH" },
            { "AttributeName": "id", "KeyType": "RANGE" },
        ],
        "BillingMode": "PAY_PER_REQUEST",
    });
    database.create_table(serde_json::from_value(table).unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(server::serve_on(listener, database));
    routes_over(api, &address)
}

fn routes_over(api: &Api, address: &str) -> Routes {
    let mut settings = Settings::from_values([
        ("NOTES_TABLE", "notes"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_ENDPOINT_URL_DYNAMODB", address),
    ]);
    let notes = Notes::from_settings(&mut settings).unwrap();
    Routes::new(notes.router(), api.config(), api.dependencies())
}

async fn send(api: &Api, routes: &Routes, request: Request) -> (u16, Value) {
    let answer = api.call(routes, request).await;
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), body)
}

async fn ask(
    api: &Api,
    routes: &Routes,
    caller: &Caller,
    method: &str,
    path: &str,
) -> (u16, Value) {
    send(api, routes, caller.request(method.parse().unwrap(), path)).await
}

async fn create(api: &Api, routes: &Routes, caller: &Caller, body: impl ToString) -> (u16, Value) {
    let mut request = caller.request("POST".parse().unwrap(), "/notes");
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    send(api, routes, request.map(|_| Bytes::from(body.to_string()))).await
}

#[tokio::test]
async fn each_user_has_separate_notes() {
    let api = Api::new();
    let routes = routes(&api).await;
    let ada = api.person("auth0|ada").scopes(BOTH).log_in().await;
    let grace = api.person("auth0|grace").scopes(BOTH).log_in().await;

    let (status, note) = create(&api, &routes, &ada, json!({ "text": "Note G" })).await;
    assert_eq!((status, &note["text"]), (201, &json!("Note G")));
    let path = format!("/notes/{}", note["id"].as_str().unwrap());

    assert_eq!(ask(&api, &routes, &ada, "GET", &path).await, (200, note.clone()));
    let list = (200, json!({ "notes": [note], "next": null }));
    assert_eq!(ask(&api, &routes, &ada, "GET", "/notes").await, list);

    let empty = (200, json!({ "notes": [], "next": null }));
    assert_eq!(ask(&api, &routes, &grace, "GET", "/notes").await, empty);
    for method in ["GET", "DELETE"] {
        let (status, body) = ask(&api, &routes, &grace, method, &path).await;
        assert_eq!((status, &body["code"]), (404, &json!("note_not_found")), "{method}");
    }

    assert_eq!(ask(&api, &routes, &ada, "DELETE", &path).await.0, 204);
    assert_eq!(ask(&api, &routes, &ada, "DELETE", &path).await.0, 404);
    assert_eq!(ask(&api, &routes, &ada, "GET", "/notes").await, empty);
}

#[tokio::test]
async fn each_route_requires_its_scope() {
    let api = Api::new();
    let routes = routes(&api).await;
    let id = "0".repeat(26);
    let path = format!("/notes/{id}");
    for (method, path, scope) in [
        ("GET", "/notes", "read:notes"),
        ("GET", &path, "read:notes"),
        ("POST", "/notes", "write:notes"),
        ("DELETE", &path, "write:notes"),
    ] {
        let other = BOTH.iter().find(|it| **it != scope).unwrap();
        let caller = api.person("auth0|ada").scopes(&[other]).log_in().await;
        let (status, body) = ask(&api, &routes, &caller, method, path).await;
        assert_eq!((status, &body["code"]), (403, &json!("insufficient_scope")), "{method} {path}");
        let caller = api.person("auth0|ada").scopes(&[scope]).log_in().await;
        assert_ne!(ask(&api, &routes, &caller, method, path).await.0, 403, "{method} {path}");
        api.end_session(&caller).await;
        assert_eq!(ask(&api, &routes, &caller, method, path).await.0, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn invalid_requests_are_refused() {
    let api = Api::new();
    let routes = routes(&api).await;
    let ada = api.person("auth0|ada").scopes(BOTH).log_in().await;
    let invalid = json!("invalid_note");
    for body in [
        json!({ "text": "" }),
        json!({ "text": "x".repeat(MAX_TEXT + 1) }),
        json!({ "text": 7 }),
        json!({ "text": "x", "owner": "auth0|grace" }),
        json!({}),
    ] {
        let (status, answer) = create(&api, &routes, &ada, body).await;
        assert_eq!((status, &answer["code"]), (400, &invalid));
    }
    let longest = json!({ "text": "x".repeat(MAX_TEXT) });
    assert_eq!(create(&api, &routes, &ada, longest).await.0, 201);
    let (status, answer) = create(&api, &routes, &ada, "no JSON").await;
    assert_eq!((status, &answer["code"]), (400, &invalid));
    let (status, answer) = ask(&api, &routes, &ada, "GET", "/notes?after=x").await;
    assert_eq!((status, &answer["code"]), (400, &invalid));
    assert_eq!(ask(&api, &routes, &ada, "GET", "/notes/x").await.0, 404);
}

#[tokio::test]
async fn a_long_list_has_pages_with_the_newest_note_first() {
    let api = Api::new();
    let routes = routes(&api).await;
    let ada = api.person("auth0|ada").scopes(BOTH).log_in().await;
    for number in 0..=PAGE {
        create(&api, &routes, &ada, json!({ "text": number.to_string() })).await;
        api.pass(std::time::Duration::from_secs(1));
    }
    let (_, first) = ask(&api, &routes, &ada, "GET", "/notes").await;
    assert_eq!(first["notes"].as_array().unwrap().len(), PAGE);
    assert_eq!(first["notes"][0]["text"], PAGE.to_string());
    let path = format!("/notes?after={}", first["next"].as_str().unwrap());
    let (_, second) = ask(&api, &routes, &ada, "GET", &path).await;
    assert_eq!((&second["notes"][0]["text"], &second["next"]), (&json!("0"), &Value::Null));
}

#[tokio::test]
async fn without_its_table_the_api_is_unavailable() {
    let api = Api::new();
    let ada = api.person("auth0|ada").scopes(BOTH).log_in().await;
    // Nothing listens on the port.
    let routes = routes_over(&api, "http://127.0.0.1:1");
    let (status, body) = ask(&api, &routes, &ada, "GET", "/notes").await;
    assert_eq!((status, &body["code"]), (503, &json!("notes_unavailable")));
}
