//! The ID token of a refresh, compared with that of the login (OpenID Connect Core §12.2).

use super::*;

/// The claims as Auth0 sends them: without `nonce`, `sid` and `amr`.
fn refreshed() -> Value {
    json!({
        "iss": "https://tenant.auth0.com/",
        "sub": "auth0|ada",
        "aud": CLIENT,
        "exp": NOW + 3600,
        "iat": NOW,
    })
}

/// The claims of a login whose ID token had all claims, with these changes.
fn login_claims(changes: &Value) -> LoginClaims {
    let mut claims = id_token();
    claims["auth_time"] = json!(NOW - 60);
    claims["acr"] = json!("silver");
    claims["amr"] = json!(["pwd", "otp"]);
    claims["org_id"] = json!("org_ours");
    change(&mut claims, changes);
    LoginClaims::of(&login(&claims).unwrap())
}

fn change(claims: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}

fn refresh(login: &LoginClaims, changes: &Value) -> Result<Claims, TokenError> {
    let mut claims = refreshed();
    change(&mut claims, changes);
    let kind =
        TokenKind::RefreshedIdToken { client_id: CLIENT, access_token: "access token", login };
    verify(&TEST_KEY.sign(&claims), kind)
}

#[test]
fn r135_a_refreshed_token_needs_neither_nonce_nor_sid_nor_amr() {
    let claims = refresh(&login_claims(&json!({})), &json!({})).unwrap();
    assert_eq!((claims.session_id, claims.nonce), (None, None));
}

#[test]
fn r135_a_refreshed_token_may_repeat_the_claims_of_the_login() {
    let same = json!({
        "nonce": "n-1",
        "auth_time": NOW - 60,
        "acr": "silver",
        "amr": ["otp", "pwd"],
        "org_id": "org_ours",
        "azp": CLIENT,
    });
    assert!(refresh(&login_claims(&json!({})), &same).is_ok());
    assert!(refresh(&login_claims(&json!({})), &json!({ "amr": ["pwd"] })).is_ok());
    assert!(refresh(&login_claims(&json!({})), &json!({ "amr": [] })).is_ok());
}

#[test]
fn r135_another_issuer_user_or_application_is_refused() {
    for (changes, error) in [
        (json!({ "iss": "https://evil/" }), TokenError::InvalidIssuer),
        (json!({ "iss": null }), TokenError::MissingClaim("iss")),
        (json!({ "sub": "auth0|eve" }), TokenError::OtherLogin("sub")),
        (json!({ "sub": "AUTH0|ada" }), TokenError::OtherLogin("sub")),
        (json!({ "sub": null }), TokenError::MissingClaim("sub")),
        (json!({ "aud": "another" }), TokenError::InvalidAudience),
        (json!({ "aud": [CLIENT, "another"] }), TokenError::InvalidAudience),
        (json!({ "azp": "another" }), TokenError::InvalidAuthorizedParty),
        (json!({ "org_id": "org_theirs" }), TokenError::OtherLogin("org_id")),
        (json!({ "org_id": ["org_ours"] }), TokenError::OtherLogin("org_id")),
    ] {
        assert_eq!(refresh(&login_claims(&json!({})), &changes).unwrap_err(), error, "{changes}");
    }
    let without = login_claims(&json!({ "org_id": null }));
    let refused = refresh(&without, &json!({ "org_id": "org_ours" })).unwrap_err();
    assert_eq!(refused, TokenError::OtherLogin("org_id"));
}

#[test]
fn r135_a_nonce_other_than_the_logins_is_refused() {
    let login = login_claims(&json!({}));
    let refused = refresh(&login, &json!({ "nonce": "n-2" })).unwrap_err();
    assert_eq!(refused, TokenError::NonceMismatch);
    let refused = refresh(&login, &json!({ "nonce": 1 })).unwrap_err();
    assert_eq!(refused, TokenError::MistypedClaim("nonce"));
}

#[test]
fn r135_an_auth_time_other_than_the_logins_is_refused() {
    let login = login_claims(&json!({}));
    for time in [NOW - 61, NOW - 59, NOW] {
        let refused = refresh(&login, &json!({ "auth_time": time })).unwrap_err();
        assert_eq!(refused, TokenError::OtherLogin("auth_time"), "{time}");
    }
    // If the login had no `auth_time`, it was not later than its own token, within the leeway.
    let silent = login_claims(&json!({ "auth_time": null, "iat": NOW - 100, "exp": NOW + 100 }));
    assert!(refresh(&silent, &json!({ "auth_time": NOW - 70 })).is_ok());
    let refused = refresh(&silent, &json!({ "auth_time": NOW - 69 })).unwrap_err();
    assert_eq!(refused, TokenError::OtherLogin("auth_time"));
}

#[test]
fn r136_a_refresh_must_not_claim_a_stronger_authentication() {
    let login = login_claims(&json!({}));
    for (changes, error) in [
        (json!({ "amr": ["pwd", "otp", "mfa"] }), TokenError::OtherLogin("amr")),
        (json!({ "amr": ["mfa"] }), TokenError::OtherLogin("amr")),
        (json!({ "amr": "mfa" }), TokenError::MistypedClaim("amr")),
        (json!({ "amr": [7] }), TokenError::MistypedClaim("amr")),
        (json!({ "acr": "gold" }), TokenError::OtherLogin("acr")),
        (json!({ "acr": 7 }), TokenError::OtherLogin("acr")),
    ] {
        assert_eq!(refresh(&login, &changes).unwrap_err(), error, "{changes}");
    }
    let plain = login_claims(&json!({ "amr": null, "acr": null }));
    for (changes, claim) in
        [(json!({ "amr": ["pwd"] }), "amr"), (json!({ "acr": "silver" }), "acr")]
    {
        assert_eq!(refresh(&plain, &changes).unwrap_err(), TokenError::OtherLogin(claim));
    }
}

#[test]
fn r135_a_refreshed_token_must_be_recent_and_match_its_access_token() {
    let login = login_claims(&json!({}));
    let late = NOW - MAX_LOGIN_AGE.as_secs() - LEEWAY.as_secs() - 1;
    let refused = refresh(&login, &json!({ "iat": late })).unwrap_err();
    assert_eq!(refused, TokenError::IssuedTooLongAgo);
    let hash = half_hash("access token", Algorithm::Rs256);
    assert!(refresh(&login, &json!({ "at_hash": hash })).is_ok());
    let other = half_hash("another", Algorithm::Rs256);
    let refused = refresh(&login, &json!({ "at_hash": other })).unwrap_err();
    assert_eq!(refused, TokenError::AccessTokenHashMismatch);
    let refused = refresh(&login, &json!({ "events": {} })).unwrap_err();
    assert_eq!(refused, TokenError::WrongKind);
}

#[test]
fn r179_debug_output_of_login_claims_identifies_no_user() {
    let shown = format!("{:?}", login_claims(&json!({})));
    assert!(!shown.contains("ada") && !shown.contains("n-1"), "{shown}");
}
