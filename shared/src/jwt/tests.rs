mod damage;
mod published_examples;
mod refresh;
mod signature_vectors;

use std::time::Duration;

use jsonwebtoken::crypto;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{claims::half_hash, *};
use crate::jwt::KeySet;
use crate::testing::tokens::{TEST_KEY, TestKey, key_set};

const NOW: u64 = 1_800_000_000;
const CLIENT: &str = "the-client";
const API: &str = "https://api.example/";

// The ID token of a login.

/// R50.
#[test]
fn r050_a_valid_id_token_is_accepted() {
    let claims = login(&id_token()).unwrap();
    assert_eq!(claims.subject, "auth0|ada");
    assert_eq!(claims.audience, [CLIENT]);
    assert_eq!(claims.session_id.as_deref(), Some("session-1"));
    assert_eq!(claims.expires_at, Timestamp::from_unix(NOW + 3600));
}

/// R50: the other three algorithms, each with its own key.
#[test]
fn r050_every_algorithm_verifies() {
    for key in [
        TestKey::rsa("k").with_algorithm(Algorithm::Ps256),
        TestKey::p256("k"),
        TestKey::ed25519("k"),
    ] {
        let token = key.sign(&id_token());
        assert!(verify(&token, &[&key], login_kind()).is_ok(), "{}", key.header());
    }
}

/// R44.
#[test]
fn r044_a_text_that_is_not_three_parts_of_strict_base64url_is_malformed() {
    let good = TEST_KEY.sign(&id_token());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    for (text, error) in [
        (String::new(), TokenError::Malformed),
        (".".to_owned(), TokenError::Malformed),
        ("..".to_owned(), TokenError::Malformed),
        (message.to_owned(), TokenError::Malformed),
        (format!("{good}.x"), TokenError::Malformed),
        (format!("{good}="), TokenError::Malformed),
        (format!("{good} "), TokenError::Malformed),
        (format!("{header}=.{payload}.{signature}"), TokenError::Malformed),
        (format!("{header}.{payload}+/.{signature}"), TokenError::Malformed),
        (format!("{header}.{payload}.é"), TokenError::Malformed),
        ("x".repeat(MAX_LENGTH), TokenError::Opaque),
        ("x".repeat(MAX_LENGTH + 1), TokenError::TooLarge),
        ("x.".repeat(500_000), TokenError::TooLarge),
    ] {
        assert_eq!(refusal(&text, &[&TEST_KEY], login_kind()), error, "{text:.60}");
    }
}

/// R44: the last character of an RSA signature has unused bits; with other values there, it would be a
/// second text of the same token.
#[test]
fn r044_nonzero_trailing_bits_are_malformed() {
    let good = TEST_KEY.sign(&id_token());
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(good.chars().last().unwrap()).unwrap();
    let twin = format!("{}{}", &good[..good.len() - 1], &alphabet[last + 1..last + 2]);
    assert_eq!(refusal(&twin, &[&TEST_KEY], login_kind()), TokenError::Malformed);
}

/// R44.
#[test]
fn r044_a_duplicate_name_is_refused_at_any_depth() {
    let header = TEST_KEY.header().to_string();
    for payload in [
        r#"{"iss":"https://tenant.auth0.com/","iss":"https://evil/"}"#,
        r#"{"iss":"https://tenant.auth0.com/","a":[{"b":{"c":1,"c":2}}]}"#,
        r#"{"iss":"https://tenant.auth0.com/","a":1,"\u0061":2}"#,
    ] {
        let token = TEST_KEY.sign_text(&header, payload);
        assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::DuplicateClaim);
    }
    let twice = r#"{"alg":"RS256","kid":"test","alg":"none"}"#;
    let token = TEST_KEY.sign_text(twice, &id_token().to_string());
    assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::DuplicateClaim);
}

/// R44.
#[test]
fn r044_a_payload_that_is_not_one_json_object_is_malformed() {
    let header = TEST_KEY.header().to_string();
    let good = id_token().to_string();
    for payload in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "\"text\"".to_owned(),
        "{".to_owned(),
        format!("{good}{{}}"),
        format!("{good}x"),
        format!("{}{}", "[".repeat(5_000), "]".repeat(5_000)),
        format!(r#"{{"a":{}{}}}"#, "[".repeat(3_000), "]".repeat(3_000)),
    ] {
        let token = TEST_KEY.sign_text(&header, &payload);
        let error = refusal(&token, &[&TEST_KEY], login_kind());
        assert_eq!(error, TokenError::Malformed, "{payload:.40}");
    }
}

/// R45, R47, R48.
#[test]
fn r045_an_unsupported_algorithm_is_refused() {
    for algorithm in [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!(""),
        json!(256),
        json!(null),
        json!(["RS256"]),
        json!("rs256"),
        json!("HS256"),
        json!("HS384"),
        json!("HS512"),
        json!("RS384"),
        json!("RS512"),
        json!("ES384"),
        json!("dir"),
    ] {
        let mut header = TEST_KEY.header();
        header["alg"] = algorithm;
        let token = TEST_KEY.sign_with_header(&header, &id_token());
        let error = refusal(&token, &[&TEST_KEY], login_kind());
        assert_eq!(error, TokenError::AlgorithmNotAllowed, "{header}");
    }
    let token = TEST_KEY.sign_with_header(&json!({ "kid": "test" }), &id_token());
    assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::AlgorithmNotAllowed);
    let unsigned = token.rsplit_once('.').unwrap().0.to_owned() + ".";
    assert_eq!(refusal(&unsigned, &[&TEST_KEY], login_kind()), TokenError::AlgorithmNotAllowed);
}

/// R46: the public key, which everyone can read, used as an HMAC secret.
#[test]
fn r046_an_hmac_keyed_with_the_public_key_is_refused() {
    let mut header = TEST_KEY.header();
    header["alg"] = "HS256".into();
    let unsigned = TEST_KEY.sign_with_header(&header, &id_token());
    let message = unsigned.rsplit_once('.').unwrap().0;
    let jwk = TEST_KEY.jwk();
    let modulus = jwk["n"].as_str().unwrap();
    for secret in [modulus.as_bytes(), &decode(modulus).unwrap(), jwk.to_string().as_bytes()] {
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        let hmac = crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
        let token = format!("{message}.{hmac}");
        let error = refusal(&token, &[&TEST_KEY], login_kind());
        assert_eq!(error, TokenError::AlgorithmNotAllowed);
    }
}

/// R48, R79: the header names an algorithm that does not fit the key.
#[test]
fn r048_a_key_of_another_type_is_not_a_candidate() {
    let mut header = TEST_KEY.header();
    header["alg"] = "ES256".into();
    let token = TEST_KEY.sign_with_header(&header, &id_token());
    assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::UnknownKey);
}

/// R79: the caller passes the candidates, but a key is never used with another algorithm.
#[test]
fn r079_a_key_of_another_type_verifies_nothing() {
    let issuer = issuer();
    let expected = Expected { issuer: &issuer, kind: login_kind() };
    let token = TestKey::p256("test").sign(&id_token());
    let token = UnverifiedToken::parse(&token, &expected).unwrap();
    let keys = key_set(&[&TEST_KEY]);
    let keys = keys.candidates(None, Algorithm::Rs256);
    let error = token.verify(&keys, &expected, Timestamp::from_unix(NOW)).unwrap_err();
    assert_eq!(error, TokenError::InvalidSignature);
}

/// R79: not even with an algorithm of its type, if its JWK names another.
#[test]
fn r079_a_key_for_one_algorithm_verifies_nothing_with_another() {
    let signer = TestKey::rsa("test").with_algorithm(Algorithm::Ps256);
    let token = signer.sign(&id_token());
    let (message, signature) = token.rsplit_once('.').unwrap();
    for (algorithm, is_proof) in [("PS256", true), ("RS256", false)] {
        let mut jwk = signer.jwk();
        jwk["alg"] = algorithm.into();
        let document = json!({ "keys": [jwk] }).to_string();
        let keys = KeySet::parse(document.as_bytes()).unwrap();
        let key = keys.candidates(None, Algorithm::from_name(algorithm).unwrap())[0];
        let signature = decode(signature).unwrap();
        let proves = key.has_signed(Algorithm::Ps256, message.as_bytes(), &signature);
        assert_eq!(proves, is_proof, "{algorithm}");
    }
}

/// R49.
#[test]
fn r049_a_changed_empty_or_foreign_signature_is_refused() {
    let good = TEST_KEY.sign(&id_token());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let mut bytes = decode(signature).unwrap();
    bytes[100] ^= 1;
    let changed = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(&bytes));
    let cut = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(&bytes[1..]));
    let anothers = TestKey::rsa("test").sign(&id_token());
    for token in [changed, cut, format!("{message}."), anothers] {
        let error = refusal(&token, &[&TEST_KEY], login_kind());
        assert_eq!(error, TokenError::InvalidSignature);
    }
}

/// R51.
#[test]
fn r051_a_token_without_kid_is_verified_with_any_fitting_key() {
    let token = TEST_KEY.sign_with_header(&json!({ "alg": "RS256" }), &id_token());
    let other = TestKey::rsa("other");
    assert!(verify(&token, &[&TEST_KEY], login_kind()).is_ok());
    assert!(verify(&token, &[&other, &TestKey::p256("ec"), &TEST_KEY], login_kind()).is_ok());
    assert_eq!(refusal(&token, &[&other], login_kind()), TokenError::InvalidSignature);
}

/// R52.
#[test]
fn r052_an_unusual_kid_is_an_unknown_key_and_a_non_string_is_refused() {
    for key_id in ["../../etc/passwd", "' OR 1=1", "https://evil/", "", &"k".repeat(10_000)] {
        let mut header = TEST_KEY.header();
        header["kid"] = key_id.into();
        let token = TEST_KEY.sign_with_header(&header, &id_token());
        assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::UnknownKey);
    }
    for key_id in [json!(1), json!({}), json!(null), json!(["test"])] {
        let mut header = TEST_KEY.header();
        header["kid"] = key_id;
        let token = TEST_KEY.sign_with_header(&header, &id_token());
        assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::Malformed);
    }
}

/// R53: the header contains the attacker's key in every possible member.
#[test]
fn r053_a_key_in_the_header_is_ignored() {
    let attacker = TestKey::rsa("test");
    for (name, value) in [
        ("jwk", attacker.jwk()),
        ("jku", json!("https://evil/jwks.json")),
        ("x5u", json!("https://evil/cert.pem")),
        ("x5c", json!(["MIIB"])),
    ] {
        let mut header = attacker.header();
        header[name] = value.clone();
        let token = attacker.sign_with_header(&header, &id_token());
        assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::InvalidSignature);
        let mut header = TEST_KEY.header();
        header[name] = value;
        let token = TEST_KEY.sign_with_header(&header, &id_token());
        assert!(verify(&token, &[&TEST_KEY], login_kind()).is_ok(), "{name} is ignored");
    }
}

/// R54.
#[test]
fn r054_an_extension_is_refused() {
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
    ] {
        let mut header = TEST_KEY.header();
        header[name] = value;
        let token = TEST_KEY.sign_with_header(&header, &id_token());
        assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::CriticalHeader);
    }
}

/// R55.
#[test]
fn r055_the_issuer_is_compared_character_by_character() {
    for issuer in [
        "https://tenant.auth0.com",
        "https://TENANT.auth0.com/",
        "https://other.auth0.com/",
        "https://tenant.auth0.com.evil/",
        "https://tenant.auth0.com/evil/",
        "http://tenant.auth0.com/",
        "",
    ] {
        assert_eq!(login_with("iss", json!(issuer)), Err(TokenError::InvalidIssuer), "{issuer}");
    }
    assert_eq!(login_without("iss"), TokenError::MissingClaim("iss"));
    let array = json!(["https://tenant.auth0.com/"]);
    assert_eq!(login_with("iss", array), Err(TokenError::MistypedClaim("iss")));
}

/// R56, R57.
#[test]
fn r056_an_id_token_has_this_application_as_its_only_audience() {
    assert_eq!(login_with("aud", json!([CLIENT])), Ok(()));
    for audience in [
        json!("other"),
        json!("the-client "),
        json!([]),
        json!([CLIENT, "untrusted"]),
        json!(["untrusted", CLIENT]),
        json!([CLIENT, CLIENT]),
    ] {
        assert_eq!(login_with("aud", audience), Err(TokenError::InvalidAudience));
    }
    for audience in [json!(7), json!({ "the-client": true }), json!(null), json!([CLIENT, 7])] {
        assert_eq!(login_with("aud", audience), Err(TokenError::MistypedClaim("aud")));
    }
    assert_eq!(login_without("aud"), TokenError::MissingClaim("aud"));
}

/// R58.
#[test]
fn r058_an_authorized_party_can_only_be_this_application() {
    assert_eq!(login_with("azp", json!(CLIENT)), Ok(()));
    assert_eq!(login_with("azp", json!("other")), Err(TokenError::InvalidAuthorizedParty));
    assert_eq!(login_with("azp", json!([CLIENT])), Err(TokenError::MistypedClaim("azp")));
    let mut claims = id_token();
    claims["aud"] = json!([CLIENT, "other"]);
    claims["azp"] = json!(CLIENT);
    assert_eq!(login(&claims).unwrap_err(), TokenError::InvalidAudience);
}

/// R59, R200: 255 characters, regardless of the number of bytes.
#[test]
fn r200_a_subject_is_a_text_of_limited_length_in_any_script() {
    for letter in ["x", "é", "東", "😀"] {
        assert_eq!(login_with("sub", json!(letter.repeat(255))), Ok(()));
    }
    for subject in [
        json!(""),
        json!("x".repeat(256)),
        json!("東".repeat(256)),
        json!("a\u{0}b"),
        json!("a\u{85}b"),
        json!(7),
    ] {
        assert_eq!(login_with("sub", subject), Err(TokenError::MistypedClaim("sub")));
    }
    assert_eq!(login_without("sub"), TokenError::MissingClaim("sub"));
}

/// R60: the values of each pair are one second apart.
#[test]
fn r060_an_id_token_issued_too_long_ago_or_in_the_future_is_refused() {
    let leeway = LEEWAY.as_secs();
    assert_eq!(login_with("iat", json!(NOW + leeway)), Ok(()));
    assert_eq!(login_with("iat", json!(NOW + leeway + 1)), Err(TokenError::IssuedInFuture));
    let oldest = NOW - MAX_LOGIN_AGE.as_secs() - leeway;
    assert_eq!(login_with("iat", json!(oldest)), Ok(()));
    assert_eq!(login_with("iat", json!(oldest - 1)), Err(TokenError::IssuedTooLongAgo));
    assert_eq!(login_without("iat"), TokenError::MissingClaim("iat"));
}

/// R61: the values of the pair are one second apart.
#[test]
fn r061_an_expired_token_is_refused() {
    let leeway = LEEWAY.as_secs();
    assert!(leeway <= 60);
    assert_eq!(login_with("exp", json!(NOW - leeway + 1)), Ok(()));
    assert_eq!(login_with("exp", json!(NOW - leeway)), Err(TokenError::Expired));
    assert_eq!(login_with("exp", json!(0)), Err(TokenError::Expired));
    assert_eq!(login_without("exp"), TokenError::MissingClaim("exp"));
}

/// R61, R62, R60: no number overflows, and no number is parsed from a string.
#[test]
fn r061_a_time_is_a_number_within_its_range() {
    for name in ["exp", "iat", "nbf", "auth_time", "session_expiry"] {
        for value in [
            json!("1800003600"),
            json!(-1),
            json!(-0.5),
            json!(1e300),
            json!(253_402_300_799.5_f64.ceil()),
            json!(1_u64 << 63),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(null),
            json!([NOW]),
        ] {
            let outcome = login_with(name, value.clone());
            assert_eq!(outcome, Err(TokenError::MistypedClaim(name)), "{value}");
        }
    }
}

/// R199: each pair is the last whole second that is accepted and the first fraction that is not.
#[test]
fn r199_a_fractional_date_is_rounded_towards_refusal() {
    let (now, leeway) = (f64::from(u32::try_from(NOW).unwrap()), LEEWAY.as_secs_f64());
    assert_eq!(login_with("exp", json!(now - leeway + 1.0)), Ok(()));
    assert_eq!(login_with("exp", json!(now - leeway + 0.999)), Err(TokenError::Expired));
    assert_eq!(login_with("nbf", json!(now + leeway)), Ok(()));
    assert_eq!(login_with("nbf", json!(now + leeway + 0.001)), Err(TokenError::NotYetValid));
    assert_eq!(login_with("iat", json!(now + leeway)), Ok(()));
    assert_eq!(login_with("iat", json!(now + leeway + 0.001)), Err(TokenError::IssuedInFuture));

    let mut claims = id_token();
    claims["auth_time"] = json!(now - 0.5);
    claims["session_expiry"] = json!(1.800_003_600_9e9);
    let read = login(&claims).unwrap();
    assert_eq!(read.auth_time, Some(Timestamp::from_unix(NOW - 1)));
    assert_eq!(read.session_expiry, Some(Timestamp::from_unix(1_800_003_600)));
}

/// R62: the values of the pair are one second apart.
#[test]
fn r062_a_token_is_refused_before_nbf() {
    let leeway = LEEWAY.as_secs();
    assert_eq!(login_with("nbf", json!(NOW + leeway)), Ok(()));
    assert_eq!(login_with("nbf", json!(NOW + leeway + 1)), Err(TokenError::NotYetValid));
}

/// R63.
#[test]
fn r063_a_nonce_of_another_login_is_refused() {
    assert_eq!(login_with("nonce", json!("of another tab")), Err(TokenError::NonceMismatch));
    assert_eq!(login_with("nonce", json!("")), Err(TokenError::NonceMismatch));
    assert_eq!(login_with("nonce", json!(7)), Err(TokenError::MistypedClaim("nonce")));
    assert_eq!(login_without("nonce"), TokenError::MissingClaim("nonce"));
}

/// R64. The expected value is from OpenID Connect Core, appendix A.3.
#[test]
fn r064_an_at_hash_must_match_the_access_token_if_present() {
    let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    let hash = "77QmUPtjPfzWtF2AnpK9RQ";
    assert_eq!(half_hash(access_token, Algorithm::Rs256), hash);
    let with_hash = |hash: Option<Value>| {
        let mut claims = id_token();
        if let Some(hash) = hash {
            claims["at_hash"] = hash;
        }
        let kind = TokenKind::IdToken {
            client_id: CLIENT,
            nonce: Some("n-1"),
            access_token: Some(access_token),
            max_age: None,
            authenticated_after: None,
        };
        verify(&TEST_KEY.sign(&claims), &[&TEST_KEY], kind).map(drop)
    };
    assert_eq!(with_hash(None), Ok(()));
    assert_eq!(with_hash(Some(json!(hash))), Ok(()));
    let mismatch = Err(TokenError::AccessTokenHashMismatch);
    assert_eq!(with_hash(Some(json!("77QmUPtjPfzWtF2AnpK9RR"))), mismatch);
    assert_eq!(with_hash(Some(json!(""))), mismatch);
    assert_eq!(with_hash(Some(json!(7))), Err(TokenError::MistypedClaim("at_hash")));
}

/// R65: the values of each pair are one second apart.
#[test]
fn r065_an_authentication_older_than_requested_is_refused() {
    let leeway = LEEWAY.as_secs();
    let at = |auth_time: Option<u64>, max_age: Option<u64>, after: Option<u64>| {
        let mut claims = id_token();
        if let Some(auth_time) = auth_time {
            claims["auth_time"] = auth_time.into();
        }
        let kind = TokenKind::IdToken {
            client_id: CLIENT,
            nonce: Some("n-1"),
            access_token: None,
            max_age: max_age.map(Duration::from_secs),
            authenticated_after: after.map(Timestamp::from_unix),
        };
        verify(&TEST_KEY.sign(&claims), &[&TEST_KEY], kind).map(drop)
    };
    let too_old = Err(TokenError::AuthenticationTooOld);
    assert_eq!(at(Some(NOW - 100 - leeway), Some(100), None), Ok(()));
    assert_eq!(at(Some(NOW - 101 - leeway), Some(100), None), too_old);
    assert_eq!(at(Some(NOW - 50 - leeway), None, Some(NOW - 50)), Ok(()));
    assert_eq!(at(Some(NOW - 51 - leeway), None, Some(NOW - 50)), too_old);
    assert_eq!(at(Some(NOW - 51 - leeway), Some(100), Some(NOW - 50)), too_old);
    assert_eq!(at(None, Some(100), None), Err(TokenError::MissingClaim("auth_time")));
    assert_eq!(at(None, None, Some(NOW)), Err(TokenError::MissingClaim("auth_time")));
    assert_eq!(at(Some(0), None, None), Ok(()));
}

/// R66.
#[test]
fn r066_a_token_of_another_kind_is_refused_as_id_token() {
    assert_eq!(
        refusal(&TEST_KEY.sign(&access_token()), &[&TEST_KEY], login_kind()),
        TokenError::InvalidAudience
    );
    let event = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    assert_eq!(login_with("events", event), Err(TokenError::WrongKind));
    for header_type in ["at+jwt", "application/at+jwt", "logout+jwt", "secevent+jwt", "", "jose"] {
        let mut header = TEST_KEY.header();
        header["typ"] = header_type.into();
        let token = TEST_KEY.sign_with_header(&header, &id_token());
        assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::TypeNotAllowed);
    }
}

/// R68.
#[test]
fn r068_only_the_boolean_true_verifies_an_address() {
    let verified = |value: Value| {
        let mut claims = id_token();
        claims["email_verified"] = value;
        let user = login(&claims).unwrap().user();
        (is_email_verified(&user), user.get("email_verified").cloned())
    };
    assert_eq!(verified(json!(true)), (true, Some(json!(true))));
    assert_eq!(verified(json!(false)), (false, Some(json!(false))));
    assert_eq!(verified(json!("true")), (false, None));
    assert_eq!(verified(json!(1)), (false, None));
    assert!(!is_email_verified(&login(&id_token()).unwrap().user()));
}

/// R69.
#[test]
fn r069_unknown_claims_and_any_updated_at_are_tolerated() {
    for updated_at in [json!("2026-01-01T00:00:00.000Z"), json!(NOW), json!("1800000000")] {
        assert_eq!(login_with("updated_at", updated_at), Ok(()));
    }
    assert_eq!(login_with("https://app.example/roles", json!([{ "a": [1.5, null] }])), Ok(()));
}

// Tokens presented to an API.

/// R143: without an API, the ID token is the key and an access token is refused.
#[test]
fn r143_an_api_key_is_an_id_token() {
    let kind = TokenKind::ApiKey { client_id: CLIENT };
    let mut claims = id_token();
    claims["iat"] = (NOW - 30_000).into();
    assert!(verify(&TEST_KEY.sign(&claims), &[&TEST_KEY], kind).is_ok());
    let access_token = TEST_KEY.sign(&access_token());
    assert_eq!(refusal(&access_token, &[&TEST_KEY], kind), TokenError::InvalidAudience);
    let mut header = TEST_KEY.header();
    header["typ"] = "at+jwt".into();
    let token = TEST_KEY.sign_with_header(&header, &claims);
    assert_eq!(refusal(&token, &[&TEST_KEY], kind), TokenError::TypeNotAllowed);
}

/// R143: with an API, the ID token is refused even if its audience would fit.
#[test]
fn r143_an_id_token_is_refused_as_access_token() {
    let error = refusal(&TEST_KEY.sign(&id_token()), &[&TEST_KEY], api_kind());
    assert_eq!(error, TokenError::WrongKind);
    let mut without_nonce = id_token();
    without_nonce.as_object_mut().unwrap().remove("nonce");
    let error = refusal(&TEST_KEY.sign(&without_nonce), &[&TEST_KEY], api_kind());
    assert_eq!(error, TokenError::InvalidAudience);
    let mut for_api = id_token();
    for_api["aud"] = API.into();
    let error = refusal(&TEST_KEY.sign(&for_api), &[&TEST_KEY], api_kind());
    assert_eq!(error, TokenError::WrongKind);
}

/// R144.
#[test]
fn r144_an_opaque_or_encrypted_token_hints_at_the_missing_audience() {
    for (token, error) in [
        ("hGBbKt2pNyg8bQgXZzzA", TokenError::Opaque),
        ("eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn", TokenError::Encrypted),
    ] {
        assert_eq!(refusal(token, &[&TEST_KEY], api_kind()), error);
        assert!(error.hint().unwrap().contains("no audience requested"));
    }
}

/// R145.
#[test]
fn r145_access_tokens_of_both_profiles_are_accepted() {
    let with_type = |header_type: Value| {
        let mut header = TEST_KEY.header();
        header["typ"] = header_type;
        let token = TEST_KEY.sign_with_header(&header, &access_token());
        verify(&token, &[&TEST_KEY], api_kind()).map(drop)
    };
    for good in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert_eq!(with_type(json!(good)), Ok(()), "{good}");
    }
    for bad in [json!("logout+jwt"), json!("dpop+jwt"), json!(""), json!(7), json!(null)] {
        assert_eq!(with_type(bad), Err(TokenError::TypeNotAllowed));
    }
    let untyped = json!({ "alg": "RS256", "kid": "test" });
    let token = TEST_KEY.sign_with_header(&untyped, &access_token());
    assert!(verify(&token, &[&TEST_KEY], api_kind()).is_ok());
}

/// R146.
#[test]
fn r146_an_access_token_may_have_the_userinfo_audience_too() {
    let claims = verify(&TEST_KEY.sign(&access_token()), &[&TEST_KEY], api_kind()).unwrap();
    assert_eq!(claims.audience.len(), 2);
    for (name, value, error) in [
        ("aud", json!("https://api.example"), TokenError::InvalidAudience),
        ("aud", json!(["https://tenant.auth0.com/userinfo"]), TokenError::InvalidAudience),
        ("aud", json!([]), TokenError::InvalidAudience),
        ("aud", json!({}), TokenError::MistypedClaim("aud")),
        ("sub", json!(7), TokenError::MistypedClaim("sub")),
        ("exp", json!(NOW - 60), TokenError::Expired),
        ("exp", json!("soon"), TokenError::MistypedClaim("exp")),
        ("nbf", json!(NOW + 60), TokenError::NotYetValid),
        ("iat", json!(NOW + 60), TokenError::IssuedInFuture),
        ("iss", json!("https://evil/"), TokenError::InvalidIssuer),
        ("events", json!({}), TokenError::WrongKind),
    ] {
        let mut claims = access_token();
        claims[name] = value;
        let error_found = refusal(&TEST_KEY.sign(&claims), &[&TEST_KEY], api_kind());
        assert_eq!(error_found, error, "{name}");
    }
}

/// R60 for an API: the values of the pair are one second apart.
#[test]
fn r060_an_access_token_issued_too_long_ago_is_refused() {
    let oldest = NOW - MAX_AGE.as_secs() - LEEWAY.as_secs();
    let issued_at = |seconds: u64| {
        let mut claims = access_token();
        claims["iat"] = seconds.into();
        verify(&TEST_KEY.sign(&claims), &[&TEST_KEY], api_kind()).map(drop)
    };
    assert_eq!(issued_at(oldest), Ok(()));
    assert_eq!(issued_at(oldest - 1), Err(TokenError::IssuedTooLongAgo));
}

/// R148.
#[test]
fn r148_scopes_and_permissions_are_whole_words() {
    let mut claims = access_token();
    claims["scope"] = "read:all  Write".into();
    claims["permissions"] = json!(["delete", 7, ["nested"]]);
    let claims = verify(&TEST_KEY.sign(&claims), &[&TEST_KEY], api_kind()).unwrap();
    assert_eq!(claims.scopes().collect::<Vec<_>>(), ["read:all", "Write"]);
    assert_eq!(claims.permissions().collect::<Vec<_>>(), ["delete"]);

    let mut claims = access_token();
    claims["scope"] = json!(["read"]);
    claims["permissions"] = "delete".into();
    let claims = verify(&TEST_KEY.sign(&claims), &[&TEST_KEY], api_kind()).unwrap();
    assert_eq!(claims.scopes().count() + claims.permissions().count(), 0);
}

/// R149.
#[test]
fn r149_a_token_bound_to_a_key_is_refused_as_bearer_token() {
    let mut claims = access_token();
    claims["cnf"] = json!({ "jkt": "thumbprint" });
    let error = refusal(&TEST_KEY.sign(&claims), &[&TEST_KEY], api_kind());
    assert_eq!(error, TokenError::BoundToKey);
    let mut claims = id_token();
    claims["cnf"] = json!({});
    let kind = TokenKind::ApiKey { client_id: CLIENT };
    assert_eq!(refusal(&TEST_KEY.sign(&claims), &[&TEST_KEY], kind), TokenError::BoundToKey);
}

// The results.

#[test]
fn the_shown_claims_are_only_about_the_user() {
    let mut claims = id_token();
    claims["email"] = "ada@example.org".into();
    claims["org_id"] = "org_1".into();
    claims["https://app.example/plan"] = "gold".into();
    let user = login(&claims).unwrap().user();
    let mut names: Vec<_> = user.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["email", "https://app.example/plan", "org_id", "sub"]);
}

/// R173.
#[test]
fn r173_debug_output_of_claims_identifies_no_user() {
    let mut claims = id_token();
    claims["email"] = "ada@example.org".into();
    let shown = format!("{:?}", login(&claims).unwrap());
    assert!(!shown.contains("ada") && !shown.contains("n-1") && !shown.contains("session-1"));
}

#[test]
fn public_error_codes_are_stable() {
    assert_eq!(TokenError::Expired.code(), "token_expired");
    assert_eq!(TokenError::InvalidAudience.code(), "invalid_audience");
    assert_eq!(TokenError::InvalidSignature.code(), "token_invalid_signature");
    assert_eq!(TokenError::InvalidIssuer.code(), "invalid_issuer");
    assert_eq!(TokenError::Malformed.code(), "token_malformed");
}

proptest! {
    /// R180.
    #[test]
    fn r180_no_text_causes_a_panic(text in "\\PC{0,200}|[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,80}){0,5}") {
        let issuer = issuer();
        let expected = Expected { issuer: &issuer, kind: login_kind() };
        prop_assert!(UnverifiedToken::parse(&text, &expected).is_err());
    }

    /// R180.
    #[test]
    fn r180_no_header_or_payload_causes_a_panic(header in "\\PC{0,80}", payload in "\\PC{0,80}") {
        let token = TEST_KEY.sign_text(&header, &payload);
        prop_assert!(verify(&token, &[&TEST_KEY], login_kind()).is_err());
    }

    /// R49, R180: one byte of a valid token is replaced.
    #[test]
    fn r180_a_mutated_token_is_never_accepted(place in any::<prop::sample::Index>(), byte in 0_u8..128) {
        let mut token = TEST_KEY.sign(&id_token()).into_bytes();
        let place = place.index(token.len());
        prop_assume!(token[place] != byte);
        token[place] = byte;
        let token = String::from_utf8(token).unwrap();
        prop_assert!(verify(&token, &[&TEST_KEY], login_kind()).is_err());
    }
}

fn issuer() -> Issuer {
    Issuer::parse("tenant.auth0.com").unwrap()
}

fn id_token() -> Value {
    json!({
        "iss": "https://tenant.auth0.com/",
        "sub": "auth0|ada",
        "aud": CLIENT,
        "exp": NOW + 3600,
        "iat": NOW,
        "nonce": "n-1",
        "sid": "session-1",
    })
}

fn access_token() -> Value {
    json!({
        "iss": "https://tenant.auth0.com/",
        "sub": "auth0|ada",
        "aud": [API, "https://tenant.auth0.com/userinfo"],
        "azp": CLIENT,
        "exp": NOW + 86_400,
        "iat": NOW,
        "scope": "openid email",
    })
}

fn login_kind() -> TokenKind<'static> {
    TokenKind::IdToken {
        client_id: CLIENT,
        nonce: Some("n-1"),
        access_token: None,
        max_age: None,
        authenticated_after: None,
    }
}

fn api_kind() -> TokenKind<'static> {
    TokenKind::AccessToken { audience: API }
}

/// Verifies a token in full, with the candidates from the set of `keys`.
fn verify(token: &str, keys: &[&TestKey], kind: TokenKind<'_>) -> Result<Claims, TokenError> {
    let issuer = issuer();
    let expected = Expected { issuer: &issuer, kind };
    let token = UnverifiedToken::parse(token, &expected)?;
    let keys = key_set(keys);
    let candidates = keys.candidates(token.key_id(), token.algorithm());
    token.verify(&candidates, &expected, Timestamp::from_unix(NOW))
}

fn refusal(token: &str, keys: &[&TestKey], kind: TokenKind<'_>) -> TokenError {
    verify(token, keys, kind).unwrap_err()
}

fn login(claims: &Value) -> Result<Claims, TokenError> {
    verify(&TEST_KEY.sign(claims), &[&TEST_KEY], login_kind())
}

fn login_with(name: &str, value: Value) -> Result<(), TokenError> {
    let mut claims = id_token();
    claims[name] = value;
    login(&claims).map(drop)
}

fn login_without(name: &str) -> TokenError {
    let mut claims = id_token();
    claims.as_object_mut().unwrap().remove(name);
    login(&claims).unwrap_err()
}
