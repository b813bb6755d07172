//! Tests the provider without the product, so that failures of other tests against it are the
//! product's fault.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tests::browser::Browser;
use tests::certified_provider::{CertifiedProvider, Client, Spoilt};

const APPLICATION: &str = "http://localhost:9000";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn has_auth0s_paths() {
    let provider = CertifiedProvider::start(&Client::at(APPLICATION)).await;
    let metadata = get_json(&provider, ".well-known/openid-configuration").await;
    let issuer = provider.issuer();
    assert!(issuer.ends_with('/'));
    assert_eq!(metadata["issuer"], issuer);
    assert_eq!(metadata["authorization_endpoint"], format!("{issuer}authorize"));
    assert_eq!(metadata["token_endpoint"], format!("{issuer}oauth/token"));
    assert_eq!(metadata["end_session_endpoint"], format!("{issuer}oidc/logout"));
    assert_eq!(metadata["jwks_uri"], format!("{issuer}.well-known/jwks.json"));
    assert_eq!(metadata["userinfo_endpoint"], format!("{issuer}userinfo"));
    assert_eq!(metadata["revocation_endpoint"], format!("{issuer}oauth/revoke"));
    assert_eq!(metadata["id_token_signing_alg_values_supported"], json!(["RS256"]));
}

#[tokio::test]
async fn logs_in_and_out_and_then_requires_a_new_login() {
    let client = Client::at(APPLICATION);
    let provider = CertifiedProvider::start(&client).await;
    let mut browser = browser();

    let tokens = sign_in(&provider, &client, &mut browser).await;
    let id_token = tokens["id_token"].as_str().expect("an ID token");
    let claims = claims(id_token);
    assert_eq!(claims["iss"], provider.issuer());
    assert_eq!(claims["aud"], client.id);
    assert_eq!(claims["nonce"], "nonce-1");
    assert_eq!(claims["email"], "ada@example.com");
    assert_eq!(claims["name"], "ada");

    // The provider remembers the login: no form this time.
    let again = browser.get(&authorize(&provider, &client)).await;
    assert_eq!(again.location().expect("a redirect").path(), "/callback");

    let logout = format!(
        "{}oidc/logout?id_token_hint={id_token}&post_logout_redirect_uri={APPLICATION}/signed-out",
        provider.issuer()
    );
    let left = browser.get(&logout).await.form().press("Sign out").await.follow_all().await;
    assert_eq!(left.url.as_str(), format!("{APPLICATION}/signed-out"));

    let asked = browser.get(&authorize(&provider, &client)).await.follow_all().await;
    assert_eq!(asked.read("h1").as_deref(), Some("Sign in"));
    let served = provider.served().await;
    assert_eq!(served.get("/oauth/token"), Some(&1));
    assert_eq!(served.get("/.well-known/jwks.json"), None);
}

#[tokio::test]
async fn a_cancelled_login_returns_an_error() {
    let client = Client::at(APPLICATION);
    let provider = CertifiedProvider::start(&client).await;
    let mut browser = browser();
    let form = browser.get(&authorize(&provider, &client)).await.follow_all().await.form();
    let back = form.press("Cancel").await.follow_all().await;
    let query: Vec<_> = back.url.query_pairs().into_owned().collect();
    assert!(query.contains(&("error".to_owned(), "access_denied".to_owned())), "{query:?}");
    assert!(query.contains(&("state".to_owned(), "state-1".to_owned())), "{query:?}");
}

#[tokio::test]
async fn refuses_a_login_without_pkce() {
    let client = Client::at(APPLICATION);
    let provider = CertifiedProvider::start(&client).await;
    let mut browser = browser();
    let address = authorize(&provider, &client);
    let address = address.split("&code_challenge").next().expect("the beginning");
    let back = browser.get(address).await.location().expect("a redirect");
    assert!(back.query().expect("a query").contains("error=invalid_request"), "{back}");
}

#[tokio::test]
async fn spoils_one_id_token_on_request() {
    let client = Client::at(APPLICATION);
    let provider = CertifiedProvider::start(&client).await;

    provider.spoil_next_id_token(Spoilt::Claims(json!({ "nonce": "another" }))).await;
    let spoilt = sign_in(&provider, &client, &mut browser()).await;
    assert_eq!(claims(spoilt["id_token"].as_str().expect("one"))["nonce"], "another");
    assert!(published(&provider, &spoilt).await, "only the claim is wrong");

    provider.spoil_next_id_token(Spoilt::UnknownKey).await;
    let unknown = sign_in(&provider, &client, &mut browser()).await;
    assert_eq!(claims(unknown["id_token"].as_str().expect("one"))["nonce"], "nonce-1");
    assert!(!published(&provider, &unknown).await);

    let sound = sign_in(&provider, &client, &mut browser()).await;
    assert_eq!(claims(sound["id_token"].as_str().expect("one"))["nonce"], "nonce-1");
    assert!(published(&provider, &sound).await);
}

#[tokio::test]
async fn works_after_a_key_rotation() {
    let client = Client::at(APPLICATION);
    let provider = CertifiedProvider::start(&client).await;
    let before = sign_in(&provider, &client, &mut browser()).await;
    assert!(published(&provider, &before).await);

    provider.rotate_keys().await;

    assert!(!published(&provider, &before).await);
    let after = sign_in(&provider, &client, &mut browser()).await;
    assert!(published(&provider, &after).await);
}

/// There is no application: requests for it go no further.
fn browser() -> Browser {
    Browser::in_process(APPLICATION, async |_| Response::new(Bytes::new()))
}

fn authorize(provider: &CertifiedProvider, client: &Client) -> String {
    format!(
        "{}authorize?client_id={}&response_type=code&scope=openid+email+profile\
         &redirect_uri={APPLICATION}/callback&state=state-1&nonce=nonce-1\
         &code_challenge={CHALLENGE}&code_challenge_method=S256",
        provider.issuer(),
        client.id
    )
}

async fn sign_in(provider: &CertifiedProvider, client: &Client, browser: &mut Browser) -> Value {
    let form = browser.get(&authorize(provider, client)).await.follow_all().await.form();
    let back = form.fill("email", "ada@example.com").submit().await.follow_all().await;
    assert_eq!(back.url.path(), "/callback", "{back:?}");
    let code = back.url.query_pairs().find_map(|(name, value)| (name == "code").then_some(value));
    let redirect_uri = format!("{APPLICATION}/callback");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code.expect("a code")),
        ("redirect_uri", &redirect_uri),
        ("client_id", &client.id),
        ("client_secret", &client.secret),
        ("code_verifier", VERIFIER),
    ];
    let token_endpoint = format!("{}oauth/token", provider.issuer());
    let answer = tests::http_client().post(token_endpoint).form(&form).send().await.expect("sent");
    assert_eq!(answer.status(), 200);
    serde_json::from_slice(&answer.bytes().await.expect("whole")).expect("JSON")
}

/// Whether the JWKS contains the key of the ID token.
async fn published(provider: &CertifiedProvider, tokens: &Value) -> bool {
    let header = part(tokens["id_token"].as_str().expect("an ID token"), 0);
    let keys = get_json(provider, ".well-known/jwks.json").await;
    let keys = keys["keys"].as_array().expect("keys").clone();
    keys.iter().any(|key| key["kid"] == header["kid"])
}

fn claims(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, index: usize) -> Value {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
    let part = token.split('.').nth(index).expect("a JWT");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

async fn get_json(provider: &CertifiedProvider, path: &str) -> Value {
    let url = format!("{}{path}", provider.issuer());
    let answer = tests::http_client().get(url).send().await.expect("sent");
    serde_json::from_slice(&answer.bytes().await.expect("whole")).expect("JSON")
}
