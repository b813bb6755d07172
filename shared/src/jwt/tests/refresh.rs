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
    let login = login_claims(&json!({}));
    let same = json!({
        "nonce": "n-1",
        "auth_time": NOW - 60,
        "acr": "silver",
        "amr": ["otp", "pwd"],
        "org_id": "org_ours",
        "azp": CLIENT,
        "at_hash": half_hash("access token", Algorithm::Rs256),
    });
    for changes in [same, json!({ "amr": ["pwd"] }), json!({ "amr": [] })] {
        assert!(refresh(&login, &changes).is_ok(), "{changes}");
    }
}

/// R136: nor may it claim a stronger authentication.
#[test]
fn r135_each_difference_from_the_login_is_refused() {
    use TokenError::{InvalidAudience, MissingClaim, MistypedClaim, OtherLogin};
    let login = login_claims(&json!({}));
    let late = NOW - MAX_LOGIN_AGE.as_secs() - LEEWAY.as_secs() - 1;
    let other_hash = half_hash("another", Algorithm::Rs256);
    for (changes, error) in [
        (json!({ "iss": "https://evil/" }), TokenError::InvalidIssuer),
        (json!({ "iss": null }), MissingClaim("iss")),
        (json!({ "sub": "auth0|eve" }), OtherLogin("sub")),
        (json!({ "sub": "AUTH0|ada" }), OtherLogin("sub")),
        (json!({ "sub": null }), MissingClaim("sub")),
        (json!({ "aud": "another" }), InvalidAudience),
        (json!({ "aud": [CLIENT, "another"] }), InvalidAudience),
        (json!({ "azp": "another" }), TokenError::InvalidAuthorizedParty),
        (json!({ "iat": late }), TokenError::IssuedTooLongAgo),
        (json!({ "events": {} }), TokenError::WrongKind),
        (json!({ "at_hash": other_hash }), TokenError::AccessTokenHashMismatch),
        (json!({ "org_id": "org_theirs" }), OtherLogin("org_id")),
        (json!({ "org_id": ["org_ours"] }), OtherLogin("org_id")),
        (json!({ "nonce": "n-2" }), TokenError::NonceMismatch),
        (json!({ "nonce": 1 }), MistypedClaim("nonce")),
        (json!({ "auth_time": NOW - 61 }), OtherLogin("auth_time")),
        (json!({ "auth_time": NOW - 59 }), OtherLogin("auth_time")),
        (json!({ "auth_time": NOW }), OtherLogin("auth_time")),
        (json!({ "amr": ["pwd", "otp", "mfa"] }), OtherLogin("amr")),
        (json!({ "amr": ["mfa"] }), OtherLogin("amr")),
        (json!({ "amr": "mfa" }), MistypedClaim("amr")),
        (json!({ "amr": [7] }), MistypedClaim("amr")),
        (json!({ "acr": "gold" }), OtherLogin("acr")),
        (json!({ "acr": 7 }), OtherLogin("acr")),
    ] {
        assert_eq!(refresh(&login, &changes).unwrap_err(), error, "{changes}");
    }
}

/// A login without `auth_time` was not later than its own token, within the leeway.
#[test]
fn r135_a_claim_that_the_login_did_not_have_is_refused() {
    let plain =
        json!({ "org_id": null, "amr": null, "acr": null, "auth_time": null, "iat": NOW - 100 });
    let plain = login_claims(&plain);
    for (name, value) in [
        ("org_id", json!("org_ours")),
        ("amr", json!(["pwd"])),
        ("acr", json!("silver")),
        ("auth_time", json!(NOW - 69)),
    ] {
        let refused = refresh(&plain, &json!({ name: value })).unwrap_err();
        assert_eq!(refused, TokenError::OtherLogin(name));
    }
    assert!(refresh(&plain, &json!({ "auth_time": NOW - 70 })).is_ok());
}

#[test]
fn r179_debug_output_of_login_claims_identifies_no_user() {
    let shown = format!("{:?}", login_claims(&json!({})));
    assert!(!shown.contains("ada") && !shown.contains("n-1"), "{shown}");
}
