//! A client of the Model Context Protocol that knows nothing but the address of a guarded server. It
//! finds the provider by itself (RFC 9728), and logs in there.

use std::{sync::Arc, time::Duration};

use axum::{Json, Router, routing};
use http::StatusCode;
use local::bundle::{Bundle, BundleConfig};
use serde_json::{Value, json};
use shared::{
    clock::Clock,
    dependencies::Dependencies,
    guard::{
        GuardConfig, Principal, Rules,
        routes::{Routes, require},
    },
    settings::Settings,
    web::request::Function,
};
use tests::{
    certified_provider::{CertifiedProvider, Client, Setup},
    listener::Listener,
    watched_log::WatchedLog,
};
use tokio::{process::Command, time::timeout};

const READER: Rules<'_> = Rules { scopes: &["read:notes"], ..Rules::NONE };

/// An MCP server with one tool, which answers who calls it.
fn server() -> Router {
    let answer = async |caller: Principal, Json(message): Json<Value>| {
        let result = match message["method"].as_str() {
            Some("initialize") => json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "server", "version": "1.0.0" },
            }),
            Some("tools/list") => {
                json!({ "tools": [{ "name": "whoami", "inputSchema": { "type": "object" } }] })
            }
            Some("tools/call") => {
                json!({ "content": [{ "type": "text", "text": caller.user["sub"] }] })
            }
            // A notification.
            _ => return (StatusCode::ACCEPTED, Json(Value::Null)),
        };
        let id = message["id"].clone();
        (StatusCode::OK, Json(json!({ "jsonrpc": "2.0", "id": id, "result": result })))
    };
    Router::new().route("/mcp", routing::post(answer).layer(require(READER)))
}

#[tokio::test]
async fn a_client_that_knows_only_the_server_finds_the_provider_and_calls_a_tool() {
    let listener = Listener::bind().await;
    let resource = listener.url("/mcp");
    let client = Client::at(resource.trim_end_matches("/mcp"));
    let setup = Setup { resource: &resource, ..Setup::default() };
    let provider = CertifiedProvider::start_with(&client, &setup).await;
    let log = WatchedLog::default();
    log.keep_out("the client secret", &client.secret);
    log.keep_out("an e-mail address", "ada@example.com");
    let mut settings = Settings::from_values([
        ("AUDIENCE", resource.as_str()),
        ("AUTH_HOST", provider.auth_host()),
        ("BASE_URL", &client.base_url),
        ("CLIENT_ID", &client.id),
        ("CLIENT_SECRET", &client.secret),
        ("REQUIRE_SESSION", "false"),
        ("SCOPE", "openid email read:notes"),
        ("SECRET_KEY", "GJ5cWzkR8xHc1vXq9tYb3nMf7sLd2pQa"),
        ("SESSION_STORE", "memory"),
    ]);
    let (bundle, guard, dependencies) = (
        BundleConfig::from_settings(&mut settings),
        GuardConfig::from_settings(&mut settings),
        Dependencies::from_settings(&mut settings),
    );
    settings.finish().expect("the settings are valid");
    let dependencies = dependencies.expect("read");
    let routes = Routes::new(server(), guard.expect("read"), &dependencies);
    let parts = Arc::new((Bundle::new(bundle.expect("read"), &dependencies), routes, log));
    listener.serve(move |request| {
        let parts = Arc::clone(&parts);
        async move {
            let (bundle, routes, log) = &*parts;
            let is_server = request.uri().path() == "/mcp";
            let function: &dyn Function = if is_server { routes } else { bundle };
            log.exchange(request, |request| function.handle(request, Clock::system().now())).await
        }
    });

    let program = Command::new("node")
        .arg(CertifiedProvider::folder().join("mcp_client.mjs"))
        .args([&resource, &client.id, &client.secret, &format!("{}/callback", client.base_url)])
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(60), program).await.expect("it ends");
    let output = output.expect("node can be run");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let expected = json!({
        "provider": provider.auth_host(),
        "resource": resource,
        "scope": "read:notes",
        "tools": ["whoami"],
        "answer": "ada@example.com",
    });
    assert_eq!(answer, expected, "{}", String::from_utf8_lossy(&output.stderr));
}
