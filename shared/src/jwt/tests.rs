//! Every defect of a token. The stories prove one of each reason with a whole login or request.

mod damage;
mod forged;
mod refresh;
mod signature_vectors;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{claims::half_hash, *};
use crate::jwt::KeySet;
use crate::testing::tokens::{TEST_KEY, TestKey, changed, key_set};

const NOW: u64 = 1_800_000_000;
const CLIENT: &str = "the-client";
const API: &str = "https://api.example/";

/// R50.
#[test]
fn r050_a_valid_id_token_is_accepted() {
    let claims = login(&id_token()).unwrap();
    assert_eq!(claims.subject, "auth0|ada");
    assert_eq!(claims.audience, [CLIENT]);
    assert_eq!(claims.session_id.as_deref(), Some("session-1"));
    assert_eq!(claims.expires_at, Timestamp::from_unix(NOW + 3600));
}

/// R44.
#[test]
fn r044_a_text_that_is_not_three_parts_of_strict_base64url_is_malformed() {
    let good = TEST_KEY.sign(&id_token());
    let (header, rest) = good.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    for (text, error) in [
        (String::new(), TokenError::Malformed),
        (".".to_owned(), TokenError::Malformed),
        ("..".to_owned(), TokenError::Malformed),
        (format!("{header}=.{payload}.{signature}"), TokenError::Malformed),
        (format!("{header}.{payload}+/.{signature}"), TokenError::Malformed),
        (format!("{header}.{payload}.é"), TokenError::Malformed),
        (format!("{header}.{payload}"), TokenError::Malformed),
        (format!("{good}.c"), TokenError::Malformed),
        (format!("{good}.c.d"), TokenError::Encrypted),
        (format!("{good}="), TokenError::Malformed),
        (format!("{good}."), TokenError::Malformed),
        (format!("{good} "), TokenError::Malformed),
        (format!("{good}!"), TokenError::Malformed),
        (good.replace('.', ".\n"), TokenError::Malformed),
        ("x".repeat(MAX_LENGTH), TokenError::Opaque),
        ("x".repeat(MAX_LENGTH + 1), TokenError::TooLarge),
    ] {
        assert_eq!(refusal(&text, login_kind()), error, "{text:.60}");
    }
}

/// R44. The last four are the encodings of RFC 8725 §2.6 and the nested token of §2.3.
#[test]
fn r044_a_payload_that_is_not_one_json_object_in_utf_8_is_malformed() {
    let good = id_token().to_string();
    let header = BASE64_URL_SAFE_NO_PAD.encode(TEST_KEY.header().to_string());
    for payload in [
        Vec::new(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"text\"".to_vec(),
        good.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        good.chars().flat_map(|letter| u32::from(letter).to_be_bytes()).collect(),
        format!("\u{feff}{good}").into_bytes(),
        TEST_KEY.sign(&id_token()).into_bytes(),
    ] {
        let payload = BASE64_URL_SAFE_NO_PAD.encode(payload);
        let token = TEST_KEY.sign_message(&format!("{header}.{payload}"));
        assert_eq!(refusal(&token, login_kind()), TokenError::Malformed, "{payload}");
    }
}

/// R44. A parser that uses the first or last of two equal names, or only the beginning of the text,
/// would accept these payloads.
#[test]
fn r044_an_ambiguous_payload_or_header_is_refused() {
    let good = id_token().to_string();
    let (begun, rest) = (good.trim_end_matches('}'), good.trim_start_matches('{'));
    for (payload, error) in [
        (format!(r#"{{"iss":"https://evil.example/",{rest}"#), TokenError::DuplicateClaim),
        (format!(r#"{begun},"sub":"auth0|admin"}}"#), TokenError::DuplicateClaim),
        (format!(r#"{{"\u0061ud":"x",{rest}"#), TokenError::DuplicateClaim),
        (format!(r#"{{"deep":[{{"a":1,"a":2}}],{rest}"#), TokenError::DuplicateClaim),
        (format!("{good} x"), TokenError::Malformed),
        (format!("{good}{good}"), TokenError::Malformed),
        (begun.to_owned(), TokenError::Malformed),
    ] {
        let token = TEST_KEY.sign_text(&TEST_KEY.header().to_string(), &payload);
        assert_eq!(refusal(&token, login_kind()), error, "{payload}");
    }
    let token = TEST_KEY.sign_text(r#"{"alg":"none","alg":"RS256","kid":"test"}"#, &good);
    assert_eq!(refusal(&token, login_kind()), TokenError::DuplicateClaim);
}

/// R45, R48, R52, R54, R66.
#[test]
fn r045_each_defect_of_a_header_is_refused() {
    use TokenError::{AlgorithmNotAllowed, CriticalHeader, Malformed, TypeNotAllowed, UnknownKey};
    for (name, error, values) in [
        (
            "alg",
            AlgorithmNotAllowed,
            json!([null, 7, "", "none", "None", "nOnE", ["RS256"], "rs256"]),
        ),
        ("alg", AlgorithmNotAllowed, json!(["RS384", "RS512", "ES384", "ES512", "HS384", "dir"])),
        ("alg", AlgorithmNotAllowed, json!(["ECDH-ES"])),
        ("alg", UnknownKey, json!(["ES256"])),
        ("kid", UnknownKey, json!(["", "' OR 1=1", "k".repeat(10_000)])),
        ("kid", Malformed, json!([null, 7, {}, ["test"]])),
        ("crit", CriticalHeader, json!([[], ["exp"], ["x"]])),
        ("b64", CriticalHeader, json!([true, false])),
        ("zip", CriticalHeader, json!(["DEF"])),
        ("typ", TypeNotAllowed, json!(["at+jwt", "application/at+jwt", "dpop+jwt", "logout+jwt"])),
        ("typ", TypeNotAllowed, json!(["secevent+jwt", "jose", "", null])),
    ] {
        for value in values.as_array().unwrap() {
            let mut header = TEST_KEY.header();
            header[name] = value.clone();
            let token = TEST_KEY.sign_with_header(&header, &id_token());
            assert_eq!(refusal(&token, login_kind()), error, "{header}");
        }
    }
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

/// R55, R56, R57, R58, R59, R60, R61, R62, R63, R66, R200: limits are one second or one character apart.
/// A subject has 255 characters, regardless of the number of bytes.
#[test]
fn r061_each_claim_of_an_id_token_is_checked_at_its_limit() {
    use TokenError::{
        Expired, InvalidAudience, InvalidAuthorizedParty, InvalidIssuer, MistypedClaim,
        NonceMismatch,
    };
    let leeway = LEEWAY.as_secs();
    assert!(leeway <= 60);
    let oldest = NOW - MAX_LOGIN_AGE.as_secs() - leeway;
    for (name, outcome, values) in [
        (
            "iss",
            Err(InvalidIssuer),
            json!(["https://evil.example/", "http://tenant.auth0.com/", ""]),
        ),
        (
            "iss",
            Err(InvalidIssuer),
            json!(["https://tenant.auth0.com", "https://tenant.auth0.com//"]),
        ),
        ("iss", Err(InvalidIssuer), json!(["https://tenant.auth0.com/evil/"])),
        ("iss", Err(InvalidIssuer), json!(["https://tenant.auth0.com.evil/"])),
        ("iss", Err(InvalidIssuer), json!(["HTTPS://TENANT.AUTH0.COM/"])),
        ("iss", Err(MistypedClaim("iss")), json!([["https://tenant.auth0.com/"]])),
        ("aud", Ok(()), json!([[CLIENT]])),
        ("aud", Err(InvalidAudience), json!([[CLIENT, CLIENT], [CLIENT, "untrusted"]])),
        (
            "aud",
            Err(InvalidAudience),
            json!([["untrusted", CLIENT], "another", "the-client ", "", []]),
        ),
        ("aud", Err(MistypedClaim("aud")), json!([null, 7, {}, [CLIENT, 7]])),
        ("azp", Ok(()), json!([CLIENT])),
        ("azp", Err(InvalidAuthorizedParty), json!(["another", ""])),
        ("azp", Err(MistypedClaim("azp")), json!([7, [CLIENT]])),
        ("sub", Ok(()), ["x", "é", "東", "😀"].map(|letter| letter.repeat(255)).into()),
        ("sub", Err(MistypedClaim("sub")), json!(["x".repeat(256), "東".repeat(256), "", 7])),
        ("sub", Err(MistypedClaim("sub")), json!(["a\u{0}b", "a\u{85}b"])),
        ("exp", Ok(()), json!([NOW - leeway + 1])),
        ("exp", Err(Expired), json!([NOW - leeway, 0])),
        ("nbf", Ok(()), json!([NOW + leeway])),
        ("nbf", Err(TokenError::NotYetValid), json!([NOW + leeway + 1])),
        ("iat", Ok(()), json!([NOW + leeway, oldest])),
        ("iat", Err(TokenError::IssuedInFuture), json!([NOW + leeway + 1])),
        ("iat", Err(TokenError::IssuedTooLongAgo), json!([oldest - 1])),
        ("nonce", Err(NonceMismatch), json!(["n-2", ""])),
        ("nonce", Err(MistypedClaim("nonce")), json!([7])),
        ("events", Err(TokenError::WrongKind), json!([{}])),
    ] {
        for value in values.as_array().unwrap() {
            assert_eq!(login_with(name, value.clone()), outcome, "{name}: {value}");
        }
    }
    for name in ["iss", "aud", "sub", "exp", "iat", "nonce"] {
        let mut claims = id_token();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(login(&claims).map(drop), Err(TokenError::MissingClaim(name)));
    }
}

/// R61, R62, R60: no number overflows, and no number is parsed from a string.
#[test]
fn r061_a_time_is_a_number_within_its_range() {
    let no_times = json!([
        "1800003600",
        -1,
        -0.5,
        1e300,
        253_402_300_799.5_f64.ceil(),
        1_u64 << 63,
        u64::MAX,
        i64::MIN,
        null,
        [NOW],
    ]);
    for name in ["exp", "iat", "nbf", "auth_time", "session_expiry"] {
        for value in no_times.as_array().unwrap() {
            let outcome = login_with(name, value.clone());
            assert_eq!(outcome, Err(TokenError::MistypedClaim(name)), "{value}");
        }
    }
}

/// R199: each pair is the last whole second that is accepted and the first fraction that is not.
#[test]
fn r199_a_fractional_date_is_rounded_towards_refusal() {
    let (now, leeway) = (f64::from(u32::try_from(NOW).unwrap()), LEEWAY.as_secs_f64());
    for (name, date, outcome) in [
        ("exp", now - leeway + 1.0, Ok(())),
        ("exp", now - leeway + 0.999, Err(TokenError::Expired)),
        ("nbf", now + leeway, Ok(())),
        ("nbf", now + leeway + 0.001, Err(TokenError::NotYetValid)),
        ("iat", now + leeway, Ok(())),
        ("iat", now + leeway + 0.001, Err(TokenError::IssuedInFuture)),
    ] {
        assert_eq!(login_with(name, json!(date)), outcome, "{name}: {date}");
    }
    let mut claims = id_token();
    claims["auth_time"] = json!(now - 0.5);
    claims["session_expiry"] = json!(1.800_003_600_9e9);
    let read = login(&claims).unwrap();
    assert_eq!(read.auth_time, Some(Timestamp::from_unix(NOW - 1)));
    assert_eq!(read.session_expiry, Some(Timestamp::from_unix(1_800_003_600)));
}

/// R64. The token and its hash are from OpenID Connect Core, appendix A.3.
#[test]
fn r064_an_at_hash_must_match_the_access_token_if_present() {
    let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
    for (hash, outcome) in [
        (None, Ok(())),
        (Some(json!("77QmUPtjPfzWtF2AnpK9RQ")), Ok(())),
        (Some(json!("77QmUPtjPfzWtF2AnpK9RR")), Err(TokenError::AccessTokenHashMismatch)),
        (Some(json!("")), Err(TokenError::AccessTokenHashMismatch)),
        (Some(json!(7)), Err(TokenError::MistypedClaim("at_hash"))),
    ] {
        let mut claims = id_token();
        if let Some(hash) = &hash {
            claims["at_hash"] = hash.clone();
        }
        let kind = id_token_kind(Some(access_token), None, None);
        assert_eq!(verify(&TEST_KEY.sign(&claims), kind).map(drop), outcome, "{hash:?}");
    }
}

/// R65: the values of each pair are one second apart.
#[test]
fn r065_an_authentication_older_than_requested_is_refused() {
    let leeway = LEEWAY.as_secs();
    let too_old = Err(TokenError::AuthenticationTooOld);
    let missing = Err(TokenError::MissingClaim("auth_time"));
    for (auth_time, max_age, after, outcome) in [
        (Some(NOW - 100 - leeway), Some(100), None, Ok(())),
        (Some(NOW - 101 - leeway), Some(100), None, too_old),
        (Some(NOW - 50 - leeway), None, Some(NOW - 50), Ok(())),
        (Some(NOW - 51 - leeway), None, Some(NOW - 50), too_old),
        (Some(NOW - 51 - leeway), Some(100), Some(NOW - 50), too_old),
        (None, Some(100), None, missing),
        (None, None, Some(NOW), missing),
        (Some(0), None, None, Ok(())),
    ] {
        let mut claims = id_token();
        if let Some(auth_time) = auth_time {
            claims["auth_time"] = auth_time.into();
        }
        let kind = id_token_kind(None, max_age, after);
        let found = verify(&TEST_KEY.sign(&claims), kind).map(drop);
        assert_eq!(found, outcome, "{auth_time:?} {max_age:?} {after:?}");
    }
}

/// R60, R143, R149: each kind rejects the tokens of the other, even if the audience would fit.
#[test]
fn r143_each_defect_of_an_api_key_is_refused() {
    use TokenError::{BoundToKey, InvalidAudience, IssuedTooLongAgo, WrongKind};
    let oldest = NOW - MAX_AGE.as_secs() - LEEWAY.as_secs();
    let userinfo = json!(["https://tenant.auth0.com/userinfo"]);
    let id_token_kind = TokenKind::ApiKey { client_id: CLIENT };
    for (kind, claims, name, value, outcome) in [
        (id_token_kind, id_token(), "iat", json!(NOW - 30_000), Ok(())),
        (id_token_kind, id_token(), "cnf", json!({}), Err(BoundToKey)),
        (id_token_kind, access_token(), "azp", json!(CLIENT), Err(InvalidAudience)),
        (api_kind(), id_token(), "aud", json!(API), Err(WrongKind)),
        (api_kind(), access_token(), "aud", json!("https://api.example"), Err(InvalidAudience)),
        (api_kind(), access_token(), "aud", userinfo, Err(InvalidAudience)),
        (api_kind(), access_token(), "events", json!({}), Err(WrongKind)),
        (api_kind(), access_token(), "iat", json!(oldest), Ok(())),
        (api_kind(), access_token(), "iat", json!(oldest - 1), Err(IssuedTooLongAgo)),
    ] {
        let mut claims = claims;
        claims[name] = value;
        assert_eq!(verify(&TEST_KEY.sign(&claims), kind).map(drop), outcome, "{claims}");
    }
}

#[test]
fn r145_a_token_whose_header_type_is_not_an_access_tokens_is_refused() {
    let outcome = |header: &Value| {
        verify(&TEST_KEY.sign_with_header(header, &access_token()), api_kind()).map(drop)
    };
    assert_eq!(outcome(&json!({ "alg": "RS256", "kid": "test" })), Ok(()), "no type");
    for (types, expected) in [
        (json!(["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt"]), Ok(())),
        (
            json!(["logout+jwt", "dpop+jwt", "application/jwt+at", "", 7]),
            Err(TokenError::TypeNotAllowed),
        ),
    ] {
        for kind in types.as_array().unwrap() {
            let mut header = TEST_KEY.header();
            header["typ"] = kind.clone();
            assert_eq!(outcome(&header), expected, "{kind}");
        }
    }
}

/// R148.
#[test]
fn r148_scopes_and_permissions_are_whole_words() {
    for (scope, permissions, granted) in [
        (
            json!("read:all  Write"),
            json!(["delete", 7, ["nested"]]),
            &["read:all", "Write", "delete"][..],
        ),
        (json!(["read"]), json!("delete"), &[]),
    ] {
        let mut claims = access_token();
        claims["scope"] = scope;
        claims["permissions"] = permissions;
        let claims = verify(&TEST_KEY.sign(&claims), api_kind()).unwrap();
        assert_eq!(claims.scopes().chain(claims.permissions()).collect::<Vec<_>>(), granted);
    }
}

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

proptest! {
    /// R180.
    #[test]
    fn r180_no_text_causes_a_panic(text in "\\PC{0,200}|[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,80}){0,5}") {
        prop_assert!(verify(&text, login_kind()).is_err());
    }

    /// R180.
    #[test]
    fn r180_no_header_or_payload_causes_a_panic(header in "\\PC{0,80}", payload in "\\PC{0,80}") {
        prop_assert!(verify(&TEST_KEY.sign_text(&header, &payload), login_kind()).is_err());
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
    id_token_kind(None, None, None)
}

fn id_token_kind(
    access_token: Option<&str>,
    max_age: Option<u64>,
    authenticated_after: Option<u64>,
) -> TokenKind<'_> {
    TokenKind::IdToken {
        client_id: CLIENT,
        nonce: Some("n-1"),
        access_token,
        max_age: max_age.map(Duration::from_secs),
        authenticated_after: authenticated_after.map(Timestamp::from_unix),
    }
}

fn api_kind() -> TokenKind<'static> {
    TokenKind::AccessToken { audience: API }
}

/// Verifies a token in full, with the candidates from a set of the test key.
fn verify(token: &str, kind: TokenKind<'_>) -> Result<Claims, TokenError> {
    verify_with(token, &key_set(&[&TEST_KEY]), kind)
}

fn verify_with(token: &str, keys: &KeySet, kind: TokenKind<'_>) -> Result<Claims, TokenError> {
    let issuer = issuer();
    let expected = Expected { issuer: &issuer, kind };
    let token = UnverifiedToken::parse(token, &expected)?;
    let candidates = keys.candidates(token.key_id(), token.algorithm());
    token.verify(&candidates, &expected, Timestamp::from_unix(NOW))
}

fn refusal(token: &str, kind: TokenKind<'_>) -> TokenError {
    verify(token, kind).unwrap_err()
}

fn login(claims: &Value) -> Result<Claims, TokenError> {
    verify(&TEST_KEY.sign(claims), login_kind())
}

fn login_with(name: &str, value: Value) -> Result<(), TokenError> {
    let mut claims = id_token();
    claims[name] = value;
    login(&claims).map(drop)
}
