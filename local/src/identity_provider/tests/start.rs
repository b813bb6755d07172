//! Tests of the start, the metadata and the host check of the provider.

use std::{collections::BTreeSet, net::SocketAddr};

use serde_json::{Value, json};
use shared::{clock::Clock, crypto::random::Random, settings::Settings};

use super::{
    super::{IdentityProvider, Options, StartError, Surroundings},
    harness::*,
};

const ANY_PORT: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

async fn bind(
    address: ([u8; 4], u16),
    options: Options,
    surroundings: Surroundings,
) -> Result<IdentityProvider, StartError> {
    let (clock, random) = (Clock::system(), Random::system());
    IdentityProvider::bind(SocketAddr::from(address), options, surroundings, clock, random).await
}

#[tokio::test]
async fn r177_it_refuses_any_address_but_loopback() {
    let outcome = bind(([0, 0, 0, 0], 0), options(), Surroundings::Machine).await;
    assert!(matches!(outcome, Err(StartError::NotLoopback(_))));
}

#[tokio::test]
async fn r178_it_refuses_to_run_inside_lambda() {
    let outcome = bind(ANY_PORT, options(), Surroundings::Lambda).await;
    assert!(matches!(outcome, Err(StartError::InsideLambda)));
    let with = |set: &str| Surroundings::of(&Settings::from_values([(set, "set")]));
    assert_eq!(with("AWS_LAMBDA_INITIALIZATION_TYPE"), Surroundings::Lambda);
    assert_eq!(with("LAMBDA_TASK_ROOT"), Surroundings::Lambda);
    // `cargo lambda watch` sets it too.
    assert_eq!(with("AWS_LAMBDA_FUNCTION_NAME"), Surroundings::Machine);
}

#[tokio::test]
async fn an_unusable_url_in_the_options_prevents_the_start() {
    let redirects = ["callback", "http://localhost/#fragment", "http://local host/", "mailto:a@b"]
        .map(|uri| Options { redirect_uris: vec![uri.to_owned()], ..options() });
    let backchannel = ["https://localhost/logout", "http://example.com/logout"]
        .map(|uri| Options { backchannel_logout_uri: Some(uri.to_owned()), ..options() });
    for options in redirects.into_iter().chain(backchannel) {
        let outcome = bind(ANY_PORT, options, Surroundings::Machine).await;
        assert!(matches!(outcome, Err(StartError::InvalidUrl(_))));
    }
}

#[tokio::test]
async fn a_port_in_use_prevents_the_start() {
    let first = bind(ANY_PORT, options(), Surroundings::Machine).await.ok().unwrap();
    let port = url::Url::parse(first.issuer()).unwrap().port().unwrap();
    let second = bind(([127, 0, 0, 1], port), options(), Surroundings::Machine).await;
    assert!(matches!(second, Err(StartError::Bind { .. })));
}

#[test]
fn r179_options_do_not_show_the_secret() {
    assert!(!format!("{:?}", options()).contains(SECRET));
}

#[tokio::test]
async fn discovery_names_the_issuer_with_its_slash_and_every_endpoint() {
    let tenant = Tenant::start().await;
    let metadata = tenant.get(".well-known/openid-configuration").await.json();
    let issuer = &tenant.issuer;
    assert!(issuer.ends_with('/'));
    assert_eq!(metadata["issuer"], json!(issuer));
    for (name, path) in [
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "oauth/token"),
        ("revocation_endpoint", "oauth/revoke"),
        ("jwks_uri", ".well-known/jwks.json"),
        ("end_session_endpoint", "oidc/logout"),
    ] {
        assert_eq!(metadata[name], json!(format!("{issuer}{path}")));
    }
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["RS256"]));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], json!(false));
}

#[tokio::test]
async fn the_published_key_has_no_private_part() {
    let keys = Tenant::start().await.get(".well-known/jwks.json").await.json();
    let key = keys["keys"][0].as_object().unwrap();
    let members: BTreeSet<_> = key.keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["alg", "e", "kid", "kty", "n", "use"]));
    assert_eq!((&key["alg"], &key["kty"]), (&json!("RS256"), &json!("RSA")));
}

#[tokio::test]
async fn the_script_lists_the_login_methods_as_auth0_does() {
    let tenant = Tenant::start().await;
    let script = tenant.get("client/client.js").await;
    assert_eq!(script.header("content-type"), "application/javascript; charset=utf-8");
    let json = script.body.strip_prefix("Auth0.setClient(").unwrap().strip_suffix(");").unwrap();
    let client: Value = serde_json::from_str(json).unwrap();
    assert_eq!(client["id"], json!(CLIENT_ID));
    let strategies = client["strategies"].as_array().unwrap();
    let names: Vec<_> = strategies.iter().map(|strategy| text(strategy, "name")).collect();
    assert_eq!(names, ["auth0", "google-oauth2", "github", "samlp"]);
    assert_eq!(
        strategies[0]["connections"][0],
        json!({"name": "Username-Password-Authentication", "showSignup": true})
    );
}

#[tokio::test]
async fn pictures_are_images() {
    let tenant = Tenant::start().await;
    for name in ["ada", "grace"] {
        let picture = tenant.get(&format!("pictures/{name}.svg")).await;
        assert_eq!((picture.status, picture.header("content-type")), (200, "image/svg+xml"));
        assert_eq!(picture.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn a_foreign_host_name_is_rejected() {
    let tenant = Tenant::start().await;
    let response = send(http_client().get(tenant.url("")).header("host", "evil.example")).await;
    assert_eq!(response.status, 421);
    assert_eq!(tenant.get("").await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_get_an_error_page() {
    let tenant = Tenant::start().await;
    for path in
        ["nothing", "client/other.js", "client/%FF", "pictures/%FF", "pictures/..%2Fstyle.css"]
    {
        let response = tenant.get(path).await;
        assert_eq!(response.status, 404, "{path}");
        assert!(response.body.contains("<h1>"), "{path}");
    }
    let response = send(http_client().post(tenant.url("authorize"))).await;
    assert_eq!((response.status, response.header("allow")), (405, "GET,HEAD"));
    assert!(response.body.contains("<h1>"));
}
