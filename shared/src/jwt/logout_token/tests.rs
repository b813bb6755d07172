use serde_json::json;

use super::*;
use crate::{
    jwt::{Algorithm, KeySet},
    testing::tokens::{TEST_KEY, TestKey, changed, key_set},
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

fn verify_with(token: &str, keys: &KeySet, now: Timestamp) -> Result<LogoutToken, TokenError> {
    let issuer = Issuer::parse("tenant.auth0.com").unwrap();
    let token = UnverifiedToken::parse_logout_token(token, &issuer)?;
    let candidates = keys.candidates(token.key_id(), token.algorithm());
    token.verify_logout_token(&candidates, CLIENT, now)
}

fn verify_at(changes: &Value, now: Timestamp) -> Result<LogoutToken, TokenError> {
    verify_with(&TEST_KEY.sign(&changed(claims(), changes)), &key_set(&[&TEST_KEY]), now)
}

fn verify(changes: &Value) -> Result<LogoutToken, TokenError> {
    verify_at(changes, NOW)
}

fn with_header(changes: &Value) -> Result<LogoutToken, TokenError> {
    let token = TEST_KEY.sign_with_header(&changed(TEST_KEY.header(), changes), &claims());
    verify_with(&token, &key_set(&[&TEST_KEY]), NOW)
}

/// R115: by `sid`, by `sub`, or by both as Auth0 does.
#[test]
fn r114_a_logout_token_identifies_the_session_that_ended() {
    let (id, subject) = ("sid-1".to_owned(), Some("auth0|ada".to_owned()));
    for (changes, ended) in [
        (json!({}), EndedAtProvider::Session { id: id.clone(), subject: subject.clone() }),
        (json!({ "sub": null }), EndedAtProvider::Session { id, subject: None }),
        (json!({ "sid": null }), EndedAtProvider::Subject(subject.unwrap())),
    ] {
        let token = verify(&changes).unwrap();
        assert!(token.ended == ended, "{changes}");
        assert_eq!((token.issuer.as_str(), token.id.as_str()), (ISSUER, "token-1"));
        assert_eq!(token.issued_at, NOW);
    }
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

/// R118, R119, R120, R121, R122.
#[test]
fn r117_each_defect_of_the_claims_is_refused() {
    use TokenError::{InvalidAudience, InvalidIssuer, MissingClaim, MistypedClaim, WrongKind};
    for (name, reason, values) in [
        ("events", MissingClaim("events"), json!([null])),
        ("events", WrongKind, json!([{}, { "foobar": {} }])),
        (
            "events",
            MistypedClaim("events"),
            json!([[EVENT], EVENT, { EVENT: true }, { EVENT: null }]),
        ),
        ("events", MistypedClaim("events"), json!([{ EVENT: "" }, { EVENT: [] }])),
        ("nonce", WrongKind, json!(["", 1])),
        ("aud", MissingClaim("aud"), json!([null])),
        ("aud", InvalidAudience, json!([[], ["other"]])),
        ("aud", MistypedClaim("aud"), json!([1])),
        ("iss", MissingClaim("iss"), json!([null])),
        ("iss", InvalidIssuer, json!(["https://tenant.auth0.com"])),
        ("iss", MistypedClaim("iss"), json!([1])),
        ("sub", MistypedClaim("sub"), json!(["", ["x"], "x".repeat(256), 1])),
        ("sid", MistypedClaim("sid"), json!([1, {}, ""])),
        ("iat", MissingClaim("iat"), json!([null])),
        ("iat", MistypedClaim("iat"), json!(["1800000000"])),
        ("exp", MissingClaim("exp"), json!([null])),
        ("exp", MistypedClaim("exp"), json!(["1800000000"])),
        ("nbf", TokenError::NotYetValid, json!([NOW.as_unix() + 31])),
        ("jti", MissingClaim("jti"), json!([null])),
        ("jti", MistypedClaim("jti"), json!(["", 1])),
    ] {
        for value in values.as_array().unwrap() {
            assert_eq!(verify(&json!({ name: value })).unwrap_err(), reason, "{name}: {value}");
        }
    }
    let neither = verify(&json!({ "sub": null, "sid": null }));
    assert_eq!(neither.unwrap_err(), MissingClaim("sub or sid"));
}

#[test]
fn r119_r124_permitted_differences_between_providers_are_accepted() {
    for changes in [
        json!({ "aud": ["another", CLIENT] }),
        json!({ "events": { EVENT: { "later": 1 }, "other": 1 } }),
        json!({ "ignored_claim": { "x": 1 } }),
    ] {
        assert!(verify(&changes).is_ok(), "{changes}");
    }
}

#[test]
fn r121_a_logout_token_outside_its_validity_is_refused() {
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
fn r122_the_jti_of_a_token_determines_its_mark() {
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
fn r173_debug_output_contains_no_subject_and_no_session() {
    let shown = format!("{:?}", verify(&json!({})).unwrap());
    assert!(!shown.contains("ada") && !shown.contains("sid-1"), "{shown}");
}
