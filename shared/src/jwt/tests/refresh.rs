//! The ID token of a refresh, compared with that of the login (OpenID Connect Core §12.2).

use super::*;

/// The claims as Auth0 sends them: without `nonce`, `sid` and `amr`.
fn refreshed() -> Value {
    changed(id_token(), &json!({ "nonce": null, "sid": null }))
}

/// The claims of a login whose ID token had all claims, with these changes.
fn login_claims(changes: &Value) -> LoginClaims {
    let all = json!({
        "auth_time": NOW - 60, "acr": "silver", "amr": ["pwd", "otp"], "org_id": "org_ours",
    });
    LoginClaims::of(&login(&changed(changed(id_token(), &all), changes)).unwrap())
}

fn refresh(login: &LoginClaims, changes: &Value) -> Result<Claims, TokenError> {
    let kind =
        TokenKind::RefreshedIdToken { client_id: CLIENT, access_token: "access token", login };
    verify(&TEST_KEY.sign(&changed(refreshed(), changes)), kind)
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
    for (name, error, values) in [
        ("iss", TokenError::InvalidIssuer, json!(["https://evil/"])),
        ("iss", MissingClaim("iss"), json!([null])),
        ("sub", OtherLogin("sub"), json!(["auth0|eve", "AUTH0|ada"])),
        ("sub", MissingClaim("sub"), json!([null])),
        ("aud", InvalidAudience, json!(["another", [CLIENT, "another"]])),
        ("azp", TokenError::InvalidAuthorizedParty, json!(["another"])),
        ("iat", TokenError::IssuedTooLongAgo, json!([late])),
        ("events", TokenError::WrongKind, json!([{}])),
        ("at_hash", TokenError::AccessTokenHashMismatch, json!([other_hash])),
        ("org_id", OtherLogin("org_id"), json!(["org_theirs", ["org_ours"]])),
        ("nonce", TokenError::NonceMismatch, json!(["n-2"])),
        ("nonce", MistypedClaim("nonce"), json!([1])),
        ("auth_time", OtherLogin("auth_time"), json!([NOW - 61, NOW - 59, NOW])),
        ("amr", OtherLogin("amr"), json!([["pwd", "otp", "mfa"], ["mfa"]])),
        ("amr", MistypedClaim("amr"), json!(["mfa", [7]])),
        ("acr", OtherLogin("acr"), json!(["gold", 7])),
    ] {
        for value in values.as_array().unwrap() {
            let changes = json!({ name: value });
            assert_eq!(refresh(&login, &changes).unwrap_err(), error, "{changes}");
        }
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
