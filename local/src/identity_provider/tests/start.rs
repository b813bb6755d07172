//! Tests of the start, the metadata and the host check of the provider.

use std::net::SocketAddr;

use serde_json::{Value, json};
use shared::{clock::Clock, crypto::random::Random};

use shared::settings::Settings;

use super::{
    super::{IdentityProvider, Options, StartError, Surroundings},
    harness::*,
};

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
    let outcome = bind(([127, 0, 0, 1], 0), options(), Surroundings::Lambda).await;
    assert!(matches!(outcome, Err(StartError::InsideLambda)));
}

#[test]
fn the_emulators_variable_alone_is_not_lambda() {
    let with = |set: &str| Surroundings::of(&Settings::from_values([(set, "set")]));
    assert_eq!(with("AWS_LAMBDA_INITIALIZATION_TYPE"), Surroundings::Lambda);
    assert_eq!(with("LAMBDA_TASK_ROOT"), Surroundings::Lambda);
    assert_eq!(with("AWS_LAMBDA_FUNCTION_NAME"), Surroundings::Machine);
}

#[tokio::test]
async fn it_refuses_urls_that_could_never_be_used() {
    for uri in ["callback", "http://localhost/#fragment", "http://local host/", "mailto:a@b"] {
        let options = Options { redirect_uris: vec![uri.to_owned()], ..options() };
        let outcome = bind(([127, 0, 0, 1], 0), options, Surroundings::Machine).await;
        assert!(matches!(outcome, Err(StartError::InvalidUrl(_))), "{uri}");
    }
    for uri in ["https://localhost/logout", "http://example.com/logout"] {
        let options = Options { backchannel_logout_uri: Some(uri.to_owned()), ..options() };
        let outcome = bind(([127, 0, 0, 1], 0), options, Surroundings::Machine).await;
        assert!(matches!(outcome, Err(StartError::InvalidUrl(_))), "{uri}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error() {
    let first = bind(([127, 0, 0, 1], 0), options(), Surroundings::Machine).await.unwrap();
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
        ("userinfo_endpoint", "userinfo"),
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
async fn an_older_tenant_leaves_the_end_session_endpoint_out() {
    let options = Options { advertise_end_session_endpoint: false, ..options() };
    let tenant = Tenant::start_with(options).await;
    let metadata = tenant.get(".well-known/openid-configuration").await.json();
    assert_eq!(metadata.get("end_session_endpoint"), None);
}

#[tokio::test]
async fn a_new_signing_key_is_published_beside_the_old_one_until_that_is_revoked() {
    let tenant = Tenant::start().await;
    let tokens = tenant.tokens(&[]).await;
    tenant.handle.rotate_signing_key().unwrap();
    tenant.verify(tokens["id_token"].as_str().unwrap()).await;
    let keys = tenant.get(".well-known/jwks.json").await.json();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        assert_eq!(
            (&key["use"], &key["alg"], &key["kty"]),
            (&json!("sig"), &json!("RS256"), &json!("RSA"))
        );
        assert!(["kid", "n", "e"].iter().all(|member| key[member].is_string()));
        assert_eq!(key.get("d"), None);
    }
    tenant.handle.revoke_previous_signing_keys();
    let left = tenant.get(".well-known/jwks.json").await.json();
    assert_eq!(left["keys"].as_array().unwrap().len(), 1);
    assert_eq!(left["keys"][0], keys[0]);
}

#[tokio::test]
async fn the_script_lists_the_login_methods_as_auth0_does() {
    let tenant = Tenant::start().await;
    let script = tenant.get("client/client.js").await;
    assert_eq!(script.header("content-type"), "application/javascript; charset=utf-8");
    let json = script.body.strip_prefix("Auth0.setClient(").unwrap().strip_suffix(");").unwrap();
    let client: Value = serde_json::from_str(json).unwrap();
    assert_eq!(client["id"], json!(CLIENT_ID));
    let names: Vec<_> = client["strategies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|strategy| strategy["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["auth0", "google-oauth2", "github", "samlp"]);
    assert_eq!(
        client["strategies"][0]["connections"][0],
        json!({"name": "Username-Password-Authentication", "showSignup": true})
    );
    assert_eq!(tenant.get("client/other.js").await.status, 404);
}

#[tokio::test]
async fn pictures_are_images_and_nothing_else() {
    let tenant = Tenant::start().await;
    for name in ["ada", "grace"] {
        let picture = tenant.get(&format!("pictures/{name}.svg")).await;
        assert_eq!((picture.status, picture.header("content-type")), (200, "image/svg+xml"));
        assert_eq!(picture.header("x-content-type-options"), "nosniff");
    }
    assert_eq!(tenant.get("pictures/..%2Fstyle.css").await.status, 404);
}

#[tokio::test]
async fn a_foreign_host_name_is_refused() {
    let tenant = Tenant::start().await;
    let answer = send(http_client().get(tenant.url("")).header("host", "evil.example")).await;
    assert_eq!(answer.status, 421);
    assert_eq!(tenant.get("").await.status, 200);
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_get_an_error_page() {
    let tenant = Tenant::start().await;
    for path in ["nothing", "client/%FF", "pictures/%FF"] {
        let answer = tenant.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("<h1>"), "{path}");
    }
    let answer = send(http_client().post(tenant.url("authorize"))).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET,HEAD"));
    assert!(answer.body.contains("<h1>"));
}
