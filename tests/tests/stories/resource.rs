//! A client that knows only the address of the API finds its provider (RFC 9728).

use http::Method;
use serde_json::json;
use tests::site::{ORIGIN, Site};

const PATH: &str = "/.well-known/oauth-protected-resource";
const APP: &str = "https://app.example.com";

async fn site(audience: &str) -> Site {
    let settings = [
        ("AUDIENCE", audience),
        ("ALLOWED_ORIGINS", APP),
        ("SCOPE", "openid email read:notes offline_access"),
    ];
    Site::start_with(&settings).await
}

#[tokio::test]
async fn a_challenge_leads_to_the_metadata_of_the_api() {
    for (audience, suffix) in [("", ""), ("/", ""), ("/mcp", "/mcp"), ("/a/b/", "/a/b/")] {
        let audience = format!("{ORIGIN}{audience}");
        let site = site(&audience).await;
        let answer = site.get("/protected", &[]).await;
        let challenge =
            format!(r#"Bearer realm="api", resource_metadata="{ORIGIN}{PATH}{suffix}""#);
        assert_eq!(answer.header("www-authenticate"), challenge);
        let answer = site.call_api("x.y.z").await;
        assert!(answer.header("www-authenticate").contains(r#"error="invalid_token""#));
        assert!(answer.header("www-authenticate").contains("resource_metadata="));

        let answer = site.get(&format!("{PATH}{suffix}"), &[("origin", APP)]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.header("access-control-allow-origin"), APP);
        let metadata = json!({
            "resource": audience,
            "authorization_servers": [site.provider().issuer.as_str()],
            "scopes_supported": ["read:notes"],
            "bearer_methods_supported": ["header"],
        });
        assert_eq!(answer.json(), metadata);
    }
}

/// §3.3: the metadata of another address would mislead a client.
#[tokio::test]
async fn an_audience_that_is_no_address_of_the_api_publishes_nothing() {
    for audience in [
        "https://api.example",
        "https://api.example.com.evil.example/",
        "https://other.example/",
        "urn:reports",
        "https://api.example.com/a?b",
    ] {
        let site = site(audience).await;
        site.get(PATH, &[]).await.is_json(404, "not_found");
        let answer = site.get("/protected", &[]).await;
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="api""#, "{audience}");
    }
    let site = Site::start().await;
    site.get(PATH, &[]).await.is_json(404, "not_found");
}

#[tokio::test]
async fn the_metadata_has_one_path_and_is_only_read() {
    let site = site(&format!("{ORIGIN}/mcp")).await;
    for path in [PATH, "/.well-known/oauth-protected-resource/other"] {
        site.get(path, &[]).await.is_json(404, "not_found");
    }
    let path = format!("{PATH}/mcp");
    site.post(&path, &[], "").await.is_json(405, "method_not_allowed");
    let answer = site.send(Method::OPTIONS, &path, &[("origin", APP)]).await;
    assert_eq!((answer.status(), answer.header("access-control-allow-origin")), (204, APP));
}
