//! Codes, refresh tokens and what they are exchanged for.

use std::time::Duration;

use serde_json::json;

use super::{super::Options, harness::*};

fn refused(error: &str) -> (u16, String) {
    (403, error.to_owned())
}

#[tokio::test]
async fn a_careful_client_gets_tokens_that_the_published_keys_prove() {
    let tenant = Tenant::start().await;
    let tokens = tenant.tokens(&[]).await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 86_400);
    assert_eq!(tokens["scope"], "openid email");
    assert_eq!(tokens.get("refresh_token"), None);
    assert!(!tokens["access_token"].as_str().unwrap().contains('.'), "opaque without an audience");

    let claims = tenant.verify(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!(claims["iss"], json!(tenant.issuer));
    assert_eq!(claims["aud"], CLIENT_ID);
    assert_eq!(claims["nonce"], "a nonce");
    assert_eq!(claims["iat"], json!(tenant.now()));
    assert_eq!(claims["exp"], json!(tenant.now() + 36_000));
    assert_eq!(
        (&claims["email"], &claims["email_verified"]),
        (&json!("ada@example.com"), &json!(true))
    );
    assert!(claims["sub"].as_str().unwrap().starts_with("auth0|"));
    assert!(claims["sid"].is_string());
    for absent in ["name", "picture", "auth_time", "updated_at"] {
        assert_eq!(claims.get(absent), None, "{absent}");
    }

    let userinfo = tenant.userinfo(tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!(
        userinfo,
        json!({"sub": claims["sub"], "email": "ada@example.com", "email_verified": true})
    );
}

#[tokio::test]
async fn the_profile_and_the_time_of_signing_in_are_given_when_asked_for() {
    let tenant = Tenant::start().await;
    let asked = [("scope", Some("openid profile")), ("prompt", Some("login")), ("nonce", None)];
    let tokens = tenant.tokens(&asked).await;
    let claims = tenant.verify(tokens["id_token"].as_str().unwrap()).await;
    assert_eq!((&claims["name"], &claims["nickname"]), (&json!("Ada Lovelace"), &json!("ada")));
    assert_eq!(claims["picture"], json!(format!("{}pictures/ada.svg", tenant.issuer)));
    assert_eq!(claims["auth_time"], json!(tenant.now()));
    assert_eq!(claims["updated_at"], "2027-01-15T08:00:00.000Z");
    assert_eq!((claims.get("email"), claims.get("nonce")), (None, None));
}

#[tokio::test]
async fn for_an_api_the_access_token_is_a_jwt_of_auth0s_profile() {
    let tenant = Tenant::start().await;
    let asked = [("audience", Some(API)), ("scope", Some("openid read:notes"))];
    let tokens = tenant.tokens(&asked).await;
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(jsonwebtoken::decode_header(token).unwrap().typ.as_deref(), Some("JWT"));
    let claims = tenant.verify(token).await;
    assert_eq!(claims["aud"], json!([API, format!("{}userinfo", tenant.issuer)]));
    assert_eq!(
        (&claims["azp"], &claims["scope"]),
        (&json!(CLIENT_ID), &json!("openid read:notes"))
    );
    assert_eq!(claims["exp"], json!(tenant.now() + 86_400));
    assert_eq!(claims.get("jti"), None);
    assert_eq!(tenant.userinfo(token).await.status, 200);
}

#[tokio::test]
async fn a_short_lifetime_makes_tokens_expire_soon() {
    let options = Options { token_lifetime: Some(Duration::from_secs(5)), ..options() };
    let tenant = Tenant::start_with(options).await;
    let tokens = tenant.tokens(&[]).await;
    assert_eq!(tokens["expires_in"], 5);
    let token = tokens["access_token"].as_str().unwrap();
    tenant.pass(Duration::from_secs(4));
    assert_eq!(tenant.userinfo(token).await.status, 200);
    tenant.pass(Duration::from_secs(1));
    let answer = tenant.userinfo(token).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
}

#[tokio::test]
async fn a_code_needs_its_verifier() {
    let tenant = Tenant::start().await;
    let code = tenant.code(&[]).await;
    let answer = tenant.token(&[("code", Some(&code)), ("code_verifier", None)]).await;
    assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
    let code = tenant.code(&[]).await;
    let answer = tenant.token(&[("code", Some(&code)), ("code_verifier", Some("wrong"))]).await;
    assert_eq!(answer.error(), refused("invalid_grant"));
    let again = tenant.token(&[("code", Some(&code))]).await;
    assert_eq!(again.error(), refused("invalid_grant"), "a failed attempt uses up the code");
}

#[tokio::test]
async fn a_wrong_or_missing_secret_is_refused_and_leaves_the_code_usable() {
    let tenant = Tenant::start().await;
    let code = tenant.code(&[]).await;
    let wrong = tenant.token(&[("code", Some(&code)), ("client_secret", Some("wrong"))]).await;
    assert_eq!(wrong.error(), (401, "access_denied".to_owned()));
    let missing = tenant.token(&[("code", Some(&code)), ("client_secret", None)]).await;
    assert_eq!(missing.error(), (401, "invalid_client".to_owned()));
    assert_eq!(tenant.token(&[("code", Some(&code))]).await.status, 200);
}

#[tokio::test]
async fn the_redirect_uri_must_be_the_one_of_the_request() {
    let tenant = Tenant::start().await;
    let code = tenant.code(&[]).await;
    let other = "http://localhost:9000/callback/";
    let answer = tenant.token(&[("code", Some(&code)), ("redirect_uri", Some(other))]).await;
    assert_eq!(answer.error(), refused("invalid_grant"));
}

#[tokio::test]
async fn a_replayed_code_revokes_what_it_gave() {
    let tenant = Tenant::start().await;
    let code = tenant.code(&[("scope", Some("openid offline_access"))]).await;
    let tokens = tenant.token(&[("code", Some(&code))]).await.json();
    let replay = tenant.token(&[("code", Some(&code))]).await;
    assert_eq!(replay.error(), refused("invalid_grant"));
    assert_eq!(tenant.userinfo(tokens["access_token"].as_str().unwrap()).await.status, 401);
    let refresh = tenant.refresh(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(refresh.error(), refused("invalid_grant"));
}

#[tokio::test]
async fn a_code_lives_for_less_than_sixty_seconds() {
    let tenant = Tenant::start().await;
    let (first, second) = (tenant.code(&[]).await, tenant.code(&[]).await);
    tenant.pass(Duration::from_secs(59));
    assert_eq!(tenant.token(&[("code", Some(&first))]).await.status, 200);
    tenant.pass(Duration::from_secs(1));
    let late = tenant.token(&[("code", Some(&second))]).await;
    assert_eq!(late.error(), refused("invalid_grant"));
}

#[tokio::test]
async fn malformed_token_requests_are_invalid_requests() {
    let tenant = Tenant::start().await;
    let post = || http_client().post(tenant.url("oauth/token"));
    let invalid = (400, "invalid_request".to_owned());
    assert_eq!(
        send(post().body("{}").header("content-type", "application/json")).await.error(),
        invalid
    );
    let repeated = format!("grant_type=authorization_code&code=a&code=b&client_id={CLIENT_ID}");
    let form = "application/x-www-form-urlencoded";
    assert_eq!(send(post().body(repeated).header("content-type", form)).await.error(), invalid);
    let huge = "x".repeat(70_000);
    assert_eq!(send(post().body(huge).header("content-type", form)).await.error(), invalid);
    assert_eq!(tenant.token(&[]).await.error(), invalid, "no code");
    let other = tenant.token(&[("grant_type", Some("password"))]).await;
    assert_eq!(other.error(), refused("unsupported_grant_type"));
    assert_eq!(other.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_refresh_token_rotates_and_its_id_token_has_no_session() {
    let tenant = Tenant::start().await;
    let first = tenant.tokens(&[("scope", Some("openid email offline_access"))]).await;
    tenant.pass(Duration::from_secs(100));
    let second = tenant.refresh(first["refresh_token"].as_str().unwrap()).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);
    let claims = tenant.verify(second["id_token"].as_str().unwrap()).await;
    assert_eq!(claims["iat"], json!(tenant.now()));
    assert_eq!((claims.get("sid"), claims.get("nonce"), claims.get("amr")), (None, None, None));
    assert_eq!(tenant.refresh(second["refresh_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn a_reused_refresh_token_kills_the_family() {
    let tenant = Tenant::start().await;
    let first = tenant.tokens(&[("scope", Some("openid offline_access"))]).await;
    let first_token = first["refresh_token"].as_str().unwrap();
    let second = tenant.refresh(first_token).await.json();
    assert_eq!(tenant.refresh(first_token).await.error(), refused("invalid_grant"));
    let heir = tenant.refresh(second["refresh_token"].as_str().unwrap()).await;
    assert_eq!(heir.error(), refused("invalid_grant"));
    assert_eq!(tenant.userinfo(second["access_token"].as_str().unwrap()).await.status, 401);
}

#[tokio::test]
async fn a_refresh_can_request_no_more_than_was_granted() {
    let tenant = Tenant::start().await;
    let tokens = tenant.tokens(&[("scope", Some("openid email offline_access"))]).await;
    let token = tokens["refresh_token"].as_str();
    let asked = |scope| {
        [("grant_type", Some("refresh_token")), ("refresh_token", token), ("scope", Some(scope))]
    };
    assert_eq!(tenant.token(&asked("openid profile")).await.error(), refused("invalid_scope"));
    let narrowed = tenant.token(&asked("openid")).await.json();
    assert_eq!(narrowed["scope"], "openid");
    let claims = tenant.verify(narrowed["id_token"].as_str().unwrap()).await;
    assert_eq!(claims.get("email"), None);
}

#[tokio::test]
async fn a_revoked_refresh_token_is_dead_and_an_unknown_one_is_answered_alike() {
    let tenant = Tenant::start().await;
    let tokens = tenant.tokens(&[("scope", Some("openid offline_access"))]).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let revoke = |secret: &str, token: &str| {
        let body = json!({"client_id": CLIENT_ID, "client_secret": secret, "token": token});
        send(
            http_client()
                .post(tenant.url("oauth/revoke"))
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
    };
    assert_eq!(revoke("wrong", token).await.error(), (401, "access_denied".to_owned()));
    let unknown = revoke(SECRET, "unknown").await;
    assert_eq!((unknown.status, unknown.body.as_str()), (200, ""));
    let revoked = revoke(SECRET, token).await;
    assert_eq!((revoked.status, revoked.body.as_str()), (200, ""));
    assert_eq!(tenant.refresh(token).await.error(), refused("invalid_grant"));
}

#[tokio::test]
async fn the_secret_may_be_in_the_header_but_not_in_two_places() {
    let tenant = Tenant::start().await;
    let tokens = tenant.tokens(&[("scope", Some("openid offline_access"))]).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let encoded = SECRET.replace(' ', "+");
    let post = |path: &str, form: &[(&str, &str)]| {
        let request = http_client().post(tenant.url(path)).basic_auth(CLIENT_ID, Some(&encoded));
        send(request.form(form))
    };
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    let twice = [form[0], form[1], ("client_id", CLIENT_ID), ("client_secret", SECRET)];
    let refusal = post("oauth/token", &twice).await;
    assert_eq!(refusal.error(), (400, "invalid_request".to_owned()));
    let heir = post("oauth/token", &form).await.json();
    let heir = heir["refresh_token"].as_str().unwrap();
    assert_eq!(post("oauth/revoke", &[("token", heir)]).await.status, 200);
    assert_eq!(tenant.refresh(heir).await.error(), refused("invalid_grant"));
}

#[tokio::test]
async fn userinfo_takes_a_token_from_the_header_only() {
    let tenant = Tenant::start().await;
    let tokens = tenant.tokens(&[]).await;
    let token = tokens["access_token"].as_str().unwrap();
    let answer = tenant.get(&format!("userinfo?access_token={token}")).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"));
    let id_token = tokens["id_token"].as_str().unwrap();
    assert_eq!(tenant.userinfo(id_token).await.error(), (401, "invalid_token".to_owned()));
}
