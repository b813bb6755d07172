//! Tests of codes, refresh tokens and the tokens issued for them.

use std::time::Duration;

use serde_json::json;
use shared::jwt::MULTI_FACTOR;

use super::{super::Options, harness::*};

fn forbidden(error: &str) -> (u16, String) {
    (403, error.to_owned())
}

#[tokio::test]
async fn a_login_returns_tokens_that_the_published_keys_verify() {
    let tenant = Tenant::start().await;
    let tokens = tenant.tokens(&[]).await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 86_400);
    assert_eq!(tokens["scope"], "openid email");
    assert_eq!(tokens.get("refresh_token"), None);
    assert!(!text(&tokens, "access_token").contains('.'), "opaque without an audience");

    let claims = tenant.verify(text(&tokens, "id_token")).await;
    assert_eq!(claims["iss"], json!(tenant.issuer));
    assert_eq!(claims["aud"], CLIENT_ID);
    assert_eq!(claims["nonce"], "a nonce");
    assert_eq!(claims["iat"], json!(tenant.now()));
    assert_eq!(claims["exp"], json!(tenant.now() + 36_000));
    assert_eq!((&claims["email"], &claims["email_verified"]), (&json!(ADA), &json!(true)));
    assert!(text(&claims, "sub").starts_with("auth0|"));
    assert!(claims["sid"].is_string());
    for absent in ["name", "picture", "auth_time", "updated_at", "acr", "amr", "org_id"] {
        assert_eq!(claims.get(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn the_id_token_contains_profile_and_auth_time_if_requested() {
    let tenant = Tenant::start().await;
    let requested = [("scope", Some("openid profile")), ("prompt", Some("login")), ("nonce", None)];
    let tokens = tenant.tokens(&requested).await;
    let claims = tenant.verify(text(&tokens, "id_token")).await;
    assert_eq!((&claims["name"], &claims["nickname"]), (&json!("Ada Lovelace"), &json!("ada")));
    assert_eq!(claims["picture"], json!(format!("{}pictures/ada.svg", tenant.issuer)));
    assert_eq!(claims["auth_time"], json!(tenant.now()));
    assert_eq!(claims["updated_at"], "2027-01-15T08:00:00.000Z");
    assert_eq!((claims.get("email"), claims.get("nonce")), (None, None));
}

#[tokio::test]
async fn a_login_states_only_the_classes_and_methods_that_were_asked_for() {
    let tenant = Tenant::start().await;
    for (asked, acr, amr) in [
        (MULTI_FACTOR, json!(MULTI_FACTOR), json!(["mfa"])),
        ("gold silver", json!("gold"), json!(null)),
        ("", json!(null), json!(null)),
    ] {
        let scope = Some("openid offline_access");
        let tokens = tenant.tokens(&[("acr_values", Some(asked)), ("scope", scope)]).await;
        let claims = tenant.verify(text(&tokens, "id_token")).await;
        assert_eq!((&claims["acr"], &claims["amr"]), (&acr, &amr), "{asked}");
        let refreshed = tenant.refresh(text(&tokens, "refresh_token")).await.json();
        let claims = tenant.verify(text(&refreshed, "id_token")).await;
        assert_eq!((claims.get("acr"), claims.get("amr")), (None, None), "{asked}");
    }
}

#[tokio::test]
async fn both_tokens_are_for_the_requested_organization() {
    let tenant = Tenant::start().await;
    for (asked, id, name) in [
        ("org_acme", "org_acme", json!("acme")),
        ("Globex", "org_globex", json!("globex")),
        ("org_9ybsU1dN2dKfDkBi", "org_9ybsU1dN2dKfDkBi", json!(null)),
    ] {
        let tokens = tenant.tokens(&[("organization", Some(asked)), ("audience", Some(API))]).await;
        for token in ["id_token", "access_token"] {
            let claims = tenant.verify(text(&tokens, token)).await;
            assert_eq!((&claims["org_id"], &claims["org_name"]), (&json!(id), &name), "{token}");
        }
    }
}

#[tokio::test]
async fn for_an_api_the_access_token_is_a_jwt_of_auth0s_profile() {
    let tenant = Tenant::start().await;
    let requested = [("audience", Some(API)), ("scope", Some("openid read:notes"))];
    let tokens = tenant.tokens(&requested).await;
    let token = text(&tokens, "access_token");
    assert_eq!(jsonwebtoken::decode_header(token).unwrap().typ.as_deref(), Some("JWT"));
    let claims = tenant.verify(token).await;
    assert_eq!(claims["aud"], json!([API, format!("{}userinfo", tenant.issuer)]));
    assert_eq!(
        (&claims["azp"], &claims["scope"]),
        (&json!(CLIENT_ID), &json!("openid read:notes"))
    );
    assert_eq!(claims["exp"], json!(tenant.now() + 86_400));
    assert_eq!(claims.get("jti"), None);
}

#[tokio::test]
async fn userinfo_returns_the_claims_of_the_scope_until_the_token_expires() {
    let tenant = Tenant::start().await;
    for audience in [None, Some(API)] {
        let tokens = tenant.tokens(&[("audience", audience)]).await;
        let token = text(&tokens, "access_token");
        let claims = tenant.verify(text(&tokens, "id_token")).await;
        let expected = json!({ "sub": claims["sub"], "email": ADA, "email_verified": true });
        assert_eq!(tenant.userinfo(token).await.json(), expected);
        tenant.pass(Duration::from_secs(86_400));
        let response = tenant.userinfo(token).await;
        assert_eq!(response.error(), (401, "invalid_token".to_owned()));
        assert_eq!(response.header("www-authenticate"), r#"Bearer error="invalid_token""#);
    }
    let response = tenant.get("userinfo").await;
    assert_eq!((response.status, response.header("www-authenticate")), (401, "Bearer"));
    let tokens = tenant.tokens(&[("scope", Some("openid email offline_access"))]).await;
    let narrowed = [
        ("grant_type", Some("refresh_token")),
        ("refresh_token", tokens["refresh_token"].as_str()),
        ("scope", Some("email")),
    ];
    let tokens = tenant.token(&narrowed).await.json();
    let response = tenant.userinfo(text(&tokens, "access_token")).await;
    assert_eq!(response.error(), forbidden("insufficient_scope"));
}

#[tokio::test]
async fn a_configured_lifetime_applies_to_both_tokens() {
    let options = Options { token_lifetime: Some(Duration::from_secs(5)), ..options() };
    let tenant = Tenant::start_with(options).await;
    let tokens = tenant.tokens(&[("audience", Some(API))]).await;
    assert_eq!(tokens["expires_in"], 5);
    for token in ["id_token", "access_token"] {
        let claims = tenant.verify(text(&tokens, token)).await;
        assert_eq!(claims["exp"], json!(tenant.now() + 5), "{token}");
    }
}

#[tokio::test]
async fn a_code_is_rejected_without_its_verifier_and_redirect_uri_and_is_then_used_up() {
    let tenant = Tenant::start().await;
    let other = "http://localhost:9000/callback/";
    for (change, expected) in [
        (("code_verifier", None), (400, "invalid_request".to_owned())),
        (("code_verifier", Some("wrong")), forbidden("invalid_grant")),
        (("redirect_uri", Some(other)), forbidden("invalid_grant")),
    ] {
        let code = tenant.code(&[]).await;
        let code = ("code", Some(code.as_str()));
        assert_eq!(tenant.token(&[code, change]).await.error(), expected, "{change:?}");
        assert_eq!(tenant.token(&[code]).await.error(), forbidden("invalid_grant"), "{change:?}");
    }
}

#[tokio::test]
async fn a_wrong_or_missing_id_or_secret_is_rejected_and_leaves_the_code_usable() {
    let tenant = Tenant::start().await;
    let code = tenant.code(&[]).await;
    let code = ("code", Some(code.as_str()));
    for name in ["client_id", "client_secret"] {
        for (value, expected) in [(Some("wrong"), "access_denied"), (None, "invalid_client")] {
            let response = tenant.token(&[code, (name, value)]).await;
            assert_eq!(response.error(), (401, expected.to_owned()), "{name} {value:?}");
        }
    }
    assert_eq!(tenant.token(&[code]).await.status, 200);
}

#[tokio::test]
async fn a_replayed_code_revokes_the_tokens_of_its_first_use() {
    let tenant = Tenant::start().await;
    let code = tenant.code(&[("scope", Some("openid offline_access"))]).await;
    let tokens = tenant.token(&[("code", Some(&code))]).await.json();
    let replay = tenant.token(&[("code", Some(&code))]).await;
    assert_eq!(replay.error(), forbidden("invalid_grant"));
    let refresh = tenant.refresh(text(&tokens, "refresh_token")).await;
    assert_eq!(refresh.error(), forbidden("invalid_grant"));
    assert_eq!(tenant.userinfo(text(&tokens, "access_token")).await.status, 401);
}

#[tokio::test]
async fn a_code_lives_for_less_than_sixty_seconds() {
    let tenant = Tenant::start().await;
    let (first, second) = (tenant.code(&[]).await, tenant.code(&[]).await);
    tenant.pass(Duration::from_secs(59));
    assert_eq!(tenant.token(&[("code", Some(&first))]).await.status, 200);
    tenant.pass(Duration::from_secs(1));
    let late = tenant.token(&[("code", Some(&second))]).await;
    assert_eq!(late.error(), forbidden("invalid_grant"));
}

#[tokio::test]
async fn malformed_token_requests_are_invalid_requests() {
    let tenant = Tenant::start().await;
    let post = |media_type: &str, body: String| {
        let request = http_client().post(tenant.url("oauth/token"));
        send(request.header("content-type", media_type).body(body))
    };
    let form = "application/x-www-form-urlencoded";
    for (media_type, body) in [
        ("application/json", "{}".to_owned()),
        (form, format!("grant_type=authorization_code&code=a&code=b&client_id={CLIENT_ID}")),
        (form, "x".repeat(70_000)),
    ] {
        let response = post(media_type, body).await;
        assert_eq!(response.error(), (400, "invalid_request".to_owned()));
        assert_eq!(response.header("cache-control"), "no-store");
    }
    assert_eq!(tenant.token(&[]).await.error(), (400, "invalid_request".to_owned()), "no code");
    let other = tenant.token(&[("grant_type", Some("password"))]).await;
    assert_eq!(other.error(), forbidden("unsupported_grant_type"));
}

#[tokio::test]
async fn a_refresh_token_rotates_and_its_id_token_has_no_session() {
    let tenant = Tenant::start().await;
    let first = tenant.tokens(&[("scope", Some("openid email offline_access"))]).await;
    tenant.pass(Duration::from_secs(100));
    let second = tenant.refresh(text(&first, "refresh_token")).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);
    let claims = tenant.verify(text(&second, "id_token")).await;
    assert_eq!(claims["iat"], json!(tenant.now()));
    assert_eq!((claims.get("sid"), claims.get("nonce"), claims.get("amr")), (None, None, None));
    assert_eq!(tenant.refresh(text(&second, "refresh_token")).await.status, 200);
}

#[tokio::test]
async fn a_reused_refresh_token_revokes_its_successors() {
    let tenant = Tenant::start().await;
    let first = tenant.tokens(&[("scope", Some("openid offline_access"))]).await;
    let second = tenant.refresh(text(&first, "refresh_token")).await.json();
    for tokens in [first, second] {
        let response = tenant.refresh(text(&tokens, "refresh_token")).await;
        assert_eq!(response.error(), forbidden("invalid_grant"));
    }
}

#[tokio::test]
async fn a_refresh_cannot_add_scopes() {
    let tenant = Tenant::start().await;
    let tokens = tenant.tokens(&[("scope", Some("openid email offline_access"))]).await;
    let token = tokens["refresh_token"].as_str();
    let with = |scope| {
        [("grant_type", Some("refresh_token")), ("refresh_token", token), ("scope", Some(scope))]
    };
    assert_eq!(tenant.token(&with("openid profile")).await.error(), forbidden("invalid_scope"));
    let narrowed = tenant.token(&with("openid")).await.json();
    assert_eq!(narrowed["scope"], "openid");
    let claims = tenant.verify(text(&narrowed, "id_token")).await;
    assert_eq!(claims.get("email"), None);
}

#[tokio::test]
async fn a_refresh_token_is_revoked_and_an_unknown_one_gets_the_same_response() {
    let tenant = Tenant::start().await;
    let tokens = tenant.tokens(&[("scope", Some("openid offline_access"))]).await;
    let token = text(&tokens, "refresh_token");
    let revoke = |secret: &str, token: &str| {
        let form = [("client_id", CLIENT_ID), ("client_secret", secret), ("token", token)];
        send(http_client().post(tenant.url("oauth/revoke")).form(&form))
    };
    assert_eq!(revoke("wrong", token).await.error(), (401, "access_denied".to_owned()));
    assert_eq!(revoke(SECRET, "").await.error(), (400, "invalid_request".to_owned()));
    let unknown = revoke(SECRET, "unknown").await;
    assert_eq!((unknown.status, unknown.body.as_str()), (200, ""));
    let revoked = revoke(SECRET, token).await;
    assert_eq!((revoked.status, revoked.body.as_str()), (200, ""));
    assert_eq!(tenant.refresh(token).await.error(), forbidden("invalid_grant"));
}
