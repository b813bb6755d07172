//! Tokens seen before: each way in which one must be refused all the same.

use super::*;
use crate::{
    jwt::{self, LEEWAY},
    keys::key_set::SIGNATURES_CHECKED,
    known::CAPACITY,
};

/// How many signatures are looked at while `work` is done.
async fn signatures<T>(work: impl Future<Output = T>) -> (T, usize) {
    let before = SIGNATURES_CHECKED.get();
    let outcome = work.await;
    (outcome, SIGNATURES_CHECKED.get() - before)
}

#[tokio::test]
async fn a_token_seen_before_is_not_verified_again() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    let (first, looked_at) = signatures(story.verify(&token, 0)).await;
    assert_eq!((first.unwrap().subject.as_str(), looked_at), ("auth0|ada", 1));
    for seconds in [0, 1, 1_000] {
        let (again, looked_at) = signatures(story.verify(&token, seconds)).await;
        let again = again.unwrap();
        assert_eq!((again.subject.as_str(), looked_at), ("auth0|ada", 0));
        assert_eq!(again.all().len(), claims().as_object().unwrap().len());
    }
}

#[tokio::test]
async fn a_token_that_names_no_key_is_not_verified_again_either() {
    let story = Story::new();
    let token = TEST_KEY.sign_with_header(&json!({ "alg": "RS256" }), &claims());
    story.verify(&token, 0).await.unwrap();
    let (again, looked_at) = signatures(story.verify(&token, 1)).await;
    assert!(again.is_ok());
    assert_eq!(looked_at, 0);
}

/// Another signature over the same text is another token, be it good or not.
#[tokio::test]
async fn r049_a_twin_by_another_signature_is_verified_for_itself() {
    let key = TestKey::p256("ec");
    let story = Story::new();
    story.provider.set_key_set(Some(key_set(&[&key])));
    story.provider.set_algorithms(vec!["ES256"]);
    let (token, twin) = (story.token(&key), story.token(&key));
    assert_ne!(token, twin);
    story.verify(&token, 0).await.unwrap();
    let (verified, looked_at) = signatures(story.verify(&twin, 0)).await;
    assert!(verified.is_ok());
    assert_eq!(looked_at, 1);

    let (signed, _) = token.rsplit_once('.').unwrap();
    let other = TestKey::p256("ec").sign_message(signed);
    assert_eq!(story.refusal(&other, 0).await, TokenError::InvalidSignature);
}

#[tokio::test]
async fn r056_what_is_good_for_one_audience_is_not_taken_for_good_for_another() {
    let story = Story::new();
    let mut claims = claims();
    claims["aud"] = json!(["https://api.one", "https://api.two"]);
    let token = TEST_KEY.sign(&claims);
    let verify = async |issuer: &Issuer, audience: &str| {
        let expected = Expected { issuer, kind: Kind::AccessToken { audience } };
        signatures(story.keys.verify(&token, &expected, Timestamp::from_unix(NOW))).await
    };
    verify(&story.issuer, "https://api.one").await.0.unwrap();
    let (verified, looked_at) = verify(&story.issuer, "https://api.two").await;
    assert!(verified.is_ok());
    assert_eq!(looked_at, 0);
    for other in ["https://api.three", "https://api.on", "https://api.onee", ""] {
        let refused = verify(&story.issuer, other).await.0;
        assert!(matches!(refused, Err(VerifyError::Token(TokenError::InvalidAudience))), "{other}");
    }
    let elsewhere = Issuer::parse("other.auth0.com").unwrap();
    let refused = verify(&elsewhere, "https://api.one").await.0;
    assert!(matches!(refused, Err(VerifyError::Token(TokenError::InvalidIssuer))));
}

/// An ID token for an application whose name is also an API's.
#[tokio::test]
async fn r143_what_is_good_as_one_kind_of_token_is_not_taken_for_good_as_another() {
    let story = Story::new();
    let mut claims = claims();
    claims["nonce"] = "a login's".into();
    let token = TEST_KEY.sign(&claims);
    story.verify(&token, 0).await.unwrap();
    let kind = Kind::AccessToken { audience: "the-client" };
    let expected = Expected { issuer: &story.issuer, kind };
    let refused = story.keys.verify(&token, &expected, Timestamp::from_unix(NOW)).await;
    assert!(matches!(refused, Err(VerifyError::Token(TokenError::WrongKind))));
}

/// The pair is one second apart.
#[tokio::test]
async fn r061_a_token_that_expires_while_it_is_remembered_is_refused() {
    let story = Story::new();
    let end = 60 + LEEWAY.as_secs();
    let mut claims = claims();
    claims["exp"] = (NOW + 60).into();
    let token = TEST_KEY.sign(&claims);
    for seconds in [0, end - 1] {
        story.verify(&token, seconds).await.unwrap();
    }
    assert_eq!(story.keys.remembered(), 1);
    assert_eq!(story.refusal(&token, end).await, TokenError::Expired);
    assert_eq!(story.keys.remembered(), 0);
}

/// The pair is one second apart.
#[tokio::test]
async fn r060_a_token_that_grows_too_old_while_it_is_remembered_is_refused() {
    let story = Story::new();
    let token = TEST_KEY.sign(&lasting_claims());
    let limit = (jwt::MAX_AGE + LEEWAY).as_secs();
    for seconds in [0, limit] {
        story.verify(&token, seconds).await.unwrap();
    }
    assert_eq!(story.refusal(&token, limit + 1).await, TokenError::IssuedTooLongAgo);
    assert_eq!(story.keys.remembered(), 0);
}

/// The clock was ahead when it was verified, and is set right: each pair is one second apart.
#[tokio::test]
async fn r060_r062_a_token_whose_time_has_not_come_is_refused_though_it_had_come_before() {
    let ahead = 1_000;
    for (name, refusal) in [("iat", TokenError::IssuedInFuture), ("nbf", TokenError::NotYetValid)] {
        let story = Story::new();
        let mut claims = claims();
        claims[name] = (NOW + ahead).into();
        let token = TEST_KEY.sign(&claims);
        let first = ahead - LEEWAY.as_secs();
        story.verify(&token, ahead).await.unwrap();
        story.verify(&token, first).await.unwrap();
        assert_eq!(story.refusal(&token, first - 1).await, refusal);
    }
}

/// The key is gone from the set that the next look brings, and not before.
#[tokio::test]
async fn r077_a_token_whose_key_was_withdrawn_is_refused() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_key_set(Some(key_set(&[&TestKey::rsa("new")])));
    let soft = SOFT_AGE.as_secs();
    story.verify(&token, soft - 1).await.unwrap();
    assert_eq!(story.refusal(&token, soft).await, TokenError::UnknownKey);
    assert_eq!(story.keys.remembered(), 0);
}

/// Somebody else's token has the keys fetched anew.
#[tokio::test]
async fn r072_a_rotation_that_another_token_brings_to_light_counts_at_once() {
    let story = Story::new();
    let (token, new) = (story.token(&TEST_KEY), TestKey::rsa("new"));
    story.verify(&token, 0).await.unwrap();
    story.provider.set_key_set(Some(key_set(&[&new])));
    story.verify(&story.token(&new), 1).await.unwrap();
    assert_eq!(story.refusal(&token, 1).await, TokenError::UnknownKey);
}

#[tokio::test]
async fn r049_a_token_whose_key_was_replaced_under_the_same_name_is_refused() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_key_set(Some(key_set(&[&TestKey::rsa("test")])));
    assert_eq!(story.refusal(&token, SOFT_AGE.as_secs()).await, TokenError::InvalidSignature);
}

#[tokio::test]
async fn r052_a_token_whose_key_goes_by_another_name_is_refused() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_key_set(Some(with_key(|jwk| jwk["kid"] = "another".into())));
    assert_eq!(story.refusal(&token, SOFT_AGE.as_secs()).await, TokenError::UnknownKey);
}

#[tokio::test]
async fn r079_a_token_whose_key_is_for_another_algorithm_now_is_refused() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_key_set(Some(with_key(|jwk| jwk["alg"] = "PS256".into())));
    assert_eq!(story.refusal(&token, SOFT_AGE.as_secs()).await, TokenError::AlgorithmNotAllowed);
}

#[tokio::test]
async fn r048_a_token_whose_algorithm_the_provider_gave_up_is_refused() {
    let key = TestKey::p256("ec");
    let story = Story::new();
    story.provider.set_key_set(Some(key_set(&[&key])));
    story.provider.set_algorithms(vec!["ES256"]);
    let token = story.token(&key);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_algorithms(vec![]);
    assert_eq!(story.refusal(&token, SOFT_AGE.as_secs()).await, TokenError::AlgorithmNotAllowed);
}

/// A token seen before is no better known than its key.
#[tokio::test]
async fn r077_without_keys_nobody_can_tell_of_a_token_seen_before_either() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_key_set(None);
    let hard = HARD_AGE.as_secs();
    story.verify(&token, hard - 1).await.unwrap();
    let error = story.verify(&token, hard).await.unwrap_err();
    assert!(matches!(error, VerifyError::Keys(_)), "{error}");
    // That says nothing about the token, which is good as soon as the keys can be had.
    story.provider.set_key_set(Some(key_set(&[&TEST_KEY])));
    story.verify(&token, hard + FAILURE_PAUSE.as_secs()).await.unwrap();
}

/// The set was fetched anew and has the key: nothing is verified again.
#[tokio::test]
async fn a_token_is_known_under_the_next_key_set_that_has_its_key() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    story.provider.set_key_set(Some(key_set(&[&TestKey::rsa("new"), &TEST_KEY])));
    let (verified, looked_at) = signatures(story.verify(&token, SOFT_AGE.as_secs())).await;
    assert!(verified.is_ok());
    assert_eq!((looked_at, story.provider.key_set_fetches()), (0, 2));
}

#[tokio::test]
async fn a_token_that_was_refused_is_not_remembered() {
    let story = Story::new();
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        TEST_KEY.sign(&claims)
    };
    let good = story.token(&TEST_KEY);
    let (signed, _) = good.rsplit_once('.').unwrap();
    for (token, refusal) in [
        (with("exp", (NOW - 60).into()), TokenError::Expired),
        (with("nbf", (NOW + 60).into()), TokenError::NotYetValid),
        (with("aud", "another".into()), TokenError::InvalidAudience),
        (TestKey::rsa("test").sign_message(signed), TokenError::InvalidSignature),
        (TestKey::rsa("other").sign(&claims()), TokenError::UnknownKey),
        ("a.b.c".to_owned(), TokenError::Malformed),
    ] {
        for _ in 0..2 {
            assert_eq!(story.refusal(&token, 0).await, refusal);
        }
    }
    assert_eq!(story.keys.remembered(), 0);
}

/// Its signature is known, and its nonce is looked at all the same.
#[tokio::test]
async fn r063_an_id_token_seen_before_is_held_against_each_logins_own_nonce() {
    let story = Story::new();
    let mut claims = claims();
    claims["nonce"] = "the nonce".into();
    let token = TEST_KEY.sign(&claims);
    let verify = async |nonce| {
        let kind = Kind::IdToken {
            client_id: "the-client",
            nonce: Some(nonce),
            access_token: None,
            max_age: None,
            authenticated_after: None,
        };
        let expected = Expected { issuer: &story.issuer, kind };
        story.keys.verify(&token, &expected, Timestamp::from_unix(NOW)).await
    };
    for _ in 0..2 {
        verify("the nonce").await.unwrap();
    }
    let refused = verify("another").await;
    assert!(matches!(refused, Err(VerifyError::Token(TokenError::NonceMismatch))));
}

/// Good tokens without end, each of which is shown once. Whoever comes again is known all the while.
#[tokio::test]
async fn r180_a_flood_of_good_tokens_takes_up_no_more_memory_than_is_allowed() {
    let key = TestKey::ed25519("ed");
    let story = Story::new();
    story.provider.set_key_set(Some(key_set(&[&key])));
    story.provider.set_algorithms(vec!["EdDSA"]);
    let own = story.token(&key);
    story.verify(&own, 0).await.unwrap();
    let mut most = 0;
    for number in 0..3_000 {
        let mut claims = claims();
        claims["sub"] = format!("auth0|{number}").into();
        story.verify(&key.sign(&claims), 0).await.unwrap();
        most = most.max(story.keys.remembered());
        if number % 100 == 0 {
            let (verified, looked_at) = signatures(story.verify(&own, 0)).await;
            assert!(verified.is_ok());
            assert_eq!(looked_at, 0, "after {number}");
        }
    }
    assert!((CAPACITY / 2..=CAPACITY).contains(&most), "{most}");
}

#[tokio::test]
async fn r179_debug_output_says_how_many_are_remembered_and_nothing_of_them() {
    let story = Story::new();
    let token = story.token(&TEST_KEY);
    story.verify(&token, 0).await.unwrap();
    let shown = format!("{:?}", story.keys);
    assert!(shown.contains("KnownSignatures(1)"), "{shown}");
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert!(!shown.contains("auth0|ada") && !shown.contains(signature));
}

/// The set of the test key with its JWK changed.
fn with_key(change: impl FnOnce(&mut Value)) -> Value {
    let mut jwk = TEST_KEY.jwk();
    change(&mut jwk);
    json!({ "keys": [jwk] })
}
