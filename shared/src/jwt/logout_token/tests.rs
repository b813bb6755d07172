use serde_json::json;

use super::*;
use crate::{
    jwt::{Algorithm, KeySet},
    testing::tokens::{TEST_KEY, TestKey, key_set},
};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const ISSUER: &str = "https://tenant.auth0.com/";
const CLIENT: &str = "client";

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "auth0|ada",
        "aud": CLIENT,
        "iat": NOW.as_unix(),
        "exp": NOW.as_unix() + 120,
        "jti": "token-1",
        "events": { EVENT: {} },
        "sid": "sid-1",
    })
}

/// `null` removes a claim.
fn changed(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

fn verify_with(token: &str, keys: &KeySet, now: Timestamp) -> Result<LogoutToken, TokenError> {
    let issuer = Issuer::parse("tenant.auth0.com").unwrap();
    let token = UnverifiedToken::parse_logout_token(token, &issuer)?;
    let candidates = keys.candidates(token.key_id(), token.algorithm());
    token.verify_logout_token(&candidates, CLIENT, now)
}

fn verify_at(changes: &Value, now: Timestamp) -> Result<LogoutToken, TokenError> {
    verify_with(&TEST_KEY.sign(&changed(changes)), &key_set(&[&TEST_KEY]), now)
}

fn verify(changes: &Value) -> Result<LogoutToken, TokenError> {
    verify_at(changes, NOW)
}

fn with_header(changes: &Value) -> Result<LogoutToken, TokenError> {
    let mut header = TEST_KEY.header();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(header.as_object_mut().unwrap().remove(name)),
            value => header[name] = value.clone(),
        }
    }
    let token = TEST_KEY.sign_with_header(&header, &claims());
    verify_with(&token, &key_set(&[&TEST_KEY]), NOW)
}

#[test]
fn r114_a_logout_token_of_auth0_identifies_the_session_that_ended() {
    let token = verify(&json!({})).unwrap();
    assert_eq!(token.issuer, ISSUER);
    let subject = Some("auth0|ada".to_owned());
    assert!(token.ended == EndedAtProvider::Session { id: "sid-1".to_owned(), subject });
    assert_eq!((token.issued_at, token.id.as_str()), (NOW, "token-1"));
}

#[test]
fn r115_sub_alone_and_sid_alone_are_accepted() {
    let token = verify(&json!({ "sid": null })).unwrap();
    assert!(token.ended == EndedAtProvider::Subject("auth0|ada".to_owned()));
    let token = verify(&json!({ "sub": null })).unwrap();
    let id = "sid-1".to_owned();
    assert!(token.ended == EndedAtProvider::Session { id, subject: None });
}

#[test]
fn r116_a_signature_not_made_by_the_provider_is_refused() {
    for name in ["none", "None", "HS256", "RS512", ""] {
        let refused = with_header(&json!({ "alg": name }));
        assert_eq!(refused.unwrap_err(), TokenError::AlgorithmNotAllowed, "{name}");
    }
    let keys = key_set(&[&TEST_KEY]);
    let foreign = TestKey::rsa("test").sign(&claims());
    assert_eq!(verify_with(&foreign, &keys, NOW).unwrap_err(), TokenError::InvalidSignature);
    let curve = TestKey::p256("test").sign(&claims());
    assert_eq!(verify_with(&curve, &keys, NOW).unwrap_err(), TokenError::UnknownKey);
    let padding = TestKey::rsa("other").with_algorithm(Algorithm::Ps256).sign(&claims());
    assert_eq!(verify_with(&padding, &keys, NOW).unwrap_err(), TokenError::UnknownKey);
}

#[test]
fn r117_a_token_without_the_logout_event_is_refused() {
    for (events, reason) in [
        (Value::Null, TokenError::MissingClaim("events")),
        (json!([EVENT]), TokenError::MistypedClaim("events")),
        (json!(EVENT), TokenError::MistypedClaim("events")),
        (json!({}), TokenError::WrongKind),
        (json!({ "foobar": {} }), TokenError::WrongKind),
        (json!({ EVENT: null }), TokenError::MistypedClaim("events")),
        (json!({ EVENT: "" }), TokenError::MistypedClaim("events")),
        (json!({ EVENT: [] }), TokenError::MistypedClaim("events")),
    ] {
        assert_eq!(verify(&json!({ "events": events })).unwrap_err(), reason, "{events}");
    }
    assert!(verify(&json!({ "events": { EVENT: { "later": 1 }, "other": 1 } })).is_ok());
}

#[test]
fn r118_a_logout_token_with_a_nonce_is_refused() {
    for nonce in [json!("n"), json!(""), json!(1)] {
        let refused = verify(&json!({ "nonce": nonce }));
        assert_eq!(refused.unwrap_err(), TokenError::WrongKind, "{nonce}");
    }
}

#[test]
fn r119_a_logout_token_of_another_issuer_or_audience_is_refused() {
    for (aud, reason) in [
        (Value::Null, TokenError::MissingClaim("aud")),
        (json!("other"), TokenError::InvalidAudience),
        (json!([]), TokenError::InvalidAudience),
        (json!(["other"]), TokenError::InvalidAudience),
        (json!(1), TokenError::MistypedClaim("aud")),
    ] {
        assert_eq!(verify(&json!({ "aud": aud })).unwrap_err(), reason, "{aud}");
    }
    assert!(verify(&json!({ "aud": ["other", CLIENT] })).is_ok());
    for (iss, reason) in [
        (Value::Null, TokenError::MissingClaim("iss")),
        (json!("https://tenant.auth0.com"), TokenError::InvalidIssuer),
        (json!("https://other.auth0.com/"), TokenError::InvalidIssuer),
        (json!(1), TokenError::MistypedClaim("iss")),
    ] {
        assert_eq!(verify(&json!({ "iss": iss })).unwrap_err(), reason, "{iss}");
    }
}

#[test]
fn r120_a_logout_token_without_a_valid_sub_or_sid_is_refused() {
    let refused = verify(&json!({ "sub": null, "sid": null }));
    assert_eq!(refused.unwrap_err(), TokenError::MissingClaim("sub or sid"));
    for name in ["sub", "sid"] {
        for value in [json!(1), json!(""), json!(["x"]), json!({})] {
            let refused = verify(&json!({ name: value }));
            assert_eq!(refused.unwrap_err(), TokenError::MistypedClaim(name), "{value}");
        }
    }
    let refused = verify(&json!({ "sub": "x".repeat(256) }));
    assert_eq!(refused.unwrap_err(), TokenError::MistypedClaim("sub"));
}

#[test]
fn r121_a_logout_token_outside_its_validity_is_refused() {
    for name in ["iat", "exp"] {
        let refused = verify(&json!({ name: null }));
        assert_eq!(refused.unwrap_err(), TokenError::MissingClaim(name));
        let refused = verify(&json!({ name: "1800000000" }));
        assert_eq!(refused.unwrap_err(), TokenError::MistypedClaim(name));
    }
    let seconds = Duration::from_secs;
    let last = NOW + seconds(120) + LEEWAY - seconds(1);
    assert!(verify_at(&json!({}), last).is_ok());
    assert_eq!(verify_at(&json!({}), last + seconds(1)).unwrap_err(), TokenError::Expired);
    assert!(verify_at(&json!({}), NOW - LEEWAY).is_ok());
    let early = verify_at(&json!({}), NOW - LEEWAY - seconds(1));
    assert_eq!(early.unwrap_err(), TokenError::IssuedInFuture);
    let long = json!({ "exp": NOW.as_unix() + 86_400 });
    assert!(verify_at(&long, NOW + MAX_AGE + LEEWAY).is_ok());
    let late = verify_at(&long, NOW + MAX_AGE + LEEWAY + seconds(1));
    assert_eq!(late.unwrap_err(), TokenError::IssuedTooLongAgo);
    let refused = verify(&json!({ "nbf": NOW.as_unix() + 31 }));
    assert_eq!(refused.unwrap_err(), TokenError::NotYetValid);
}

#[test]
fn r199_fractional_dates_are_rounded_towards_refusal() {
    let now = f64::from(u32::try_from(NOW.as_unix()).unwrap());
    let dates = json!({ "iat": now - 0.5, "exp": now + 0.5 });
    let token = verify(&dates).unwrap();
    assert_eq!((token.issued_at, token.expires_at), (NOW, NOW));
    let leeway = LEEWAY.as_secs_f64();
    for (changes, reason) in [
        (json!({ "exp": now - leeway + 0.5 }), TokenError::Expired),
        (json!({ "iat": now + leeway + 0.5 }), TokenError::IssuedInFuture),
        (json!({ "nbf": now + leeway + 0.5 }), TokenError::NotYetValid),
    ] {
        assert_eq!(verify(&changes).unwrap_err(), reason, "{changes}");
    }
}

#[test]
fn r122_a_logout_token_needs_a_jti_which_determines_its_mark() {
    assert_eq!(verify(&json!({ "jti": null })).unwrap_err(), TokenError::MissingClaim("jti"));
    for jti in [json!(""), json!(1)] {
        let refused = verify(&json!({ "jti": jti }));
        assert_eq!(refused.unwrap_err(), TokenError::MistypedClaim("jti"), "{jti}");
    }
    let token = verify(&json!({})).unwrap();
    assert_eq!(token.mark(), verify(&json!({ "sid": null })).unwrap().mark());
    assert_ne!(token.mark(), verify(&json!({ "jti": "token-2" })).unwrap().mark());
}

/// If the mark were deleted earlier, the token could be replayed.
#[test]
fn r122_the_mark_is_kept_for_as_long_as_the_token_is_valid() {
    for exp in [120, 86_400] {
        let changes = json!({ "exp": NOW.as_unix() + exp });
        let expires_at = verify(&changes).unwrap().mark_expires_at();
        assert!(verify_at(&changes, expires_at).is_err(), "{exp}");
    }
}

#[test]
fn r123_only_logout_types_or_no_type_are_accepted() {
    for name in ["JWT", "jwt", "logout+jwt", "LOGOUT+JWT", "application/logout+jwt"] {
        assert!(with_header(&json!({ "typ": name })).is_ok(), "{name}");
    }
    assert!(with_header(&json!({ "typ": null })).is_ok());
    for name in [json!("at+jwt"), json!("secevent+jwt"), json!(""), json!(1)] {
        let refused = with_header(&json!({ "typ": name }));
        assert_eq!(refused.unwrap_err(), TokenError::TypeNotAllowed, "{name}");
    }
}

#[test]
fn r124_unknown_claims_are_ignored() {
    assert!(verify(&json!({ "trace_id": "x", "ignored_claim": [1] })).is_ok());
}

#[test]
fn r173_debug_output_contains_no_subject_and_no_session() {
    let shown = format!("{:?}", verify(&json!({})).unwrap());
    assert!(!shown.contains("ada") && !shown.contains("sid-1"), "{shown}");
}
