//! Valid tokens and keys, damaged at every place.

use super::*;
use crate::{
    session::{
        TokenSession,
        tests::{contents, sessions},
    },
    store::Owner,
};

/// R44, R49, R180. The eighth bit of a character is not flipped, because the result is not valid text.
#[test]
fn r049_a_token_with_any_bit_flipped_is_refused() {
    for key in signers() {
        let (token, keys) = (key.sign(&id_token()), key_set(&[&key]));
        assert_eq!(outcome(&token, &keys), Ok(()));
        for place in 0..token.len() {
            for bit in 0..7 {
                let damaged = flip(&token, place, bit);
                assert!(outcome(&damaged, &keys).is_err(), "{damaged} for {token}");
            }
        }
    }
}

/// R44, R49, R180. Uses the shortest token, so that every character can be tried at every place.
#[test]
fn r049_a_token_with_one_character_changed_added_moved_or_removed_is_refused() {
    let key = TestKey::ed25519("k");
    let (token, keys) = (key.sign(&id_token()), key_set(&[&key]));
    let mut count = 0;
    let mut is_refused = |damaged: &str| {
        count += 1;
        assert!(damaged == token || outcome(damaged, &keys).is_err(), "{damaged} for {token}");
    };
    for place in 0..token.len() {
        let (before, rest) = token.split_at(place);
        let (own, after) = rest.split_at(1);
        for letter in (0..128).map(char::from) {
            is_refused(&format!("{before}{letter}{after}"));
        }
        is_refused(&format!("{before}{own}{own}{after}"));
        is_refused(&format!("{before}{after}"));
        is_refused(before);
        is_refused(rest);
        if let Some(next) = after.get(..1) {
            is_refused(&format!("{before}{next}{own}{}", &after[1..]));
        }
    }
    assert!(count > 40_000, "{count}");
}

/// R72, R78, R180. A key set with a flipped bit verifies nothing, unless its key is unchanged.
#[test]
fn r078_a_key_with_any_bit_flipped_verifies_nothing() {
    for (key, members) in signers().zip([&["n", "e"][..], &["n", "e"], &["x", "y"], &["x"]]) {
        let token = key.sign(&id_token());
        let document = json!({ "keys": [key.jwk()] }).to_string();
        let mut survivors = 0;
        for place in 0..document.len() {
            for bit in 0..7 {
                let damaged = flip(&document, place, bit);
                let Ok(keys) = KeySet::parse(damaged.as_bytes()) else { continue };
                if outcome(&token, &keys).is_err() {
                    continue;
                }
                survivors += 1;
                let jwk = serde_json::from_str::<Value>(&damaged).unwrap()["keys"][0].clone();
                for member in members {
                    assert_eq!(jwk[member], key.jwk()[member], "{damaged} for {document}");
                }
            }
        }
        // Those whose flipped bit made `use` an unknown member.
        assert!(survivors > 0);
    }
}

/// Anyone with an ES256 token can compute a second valid signature for it, `n - s` instead of `s`,
/// without a key. Everything that remembers tokens must treat both texts as the same token; otherwise
/// the second one remains valid after a logout.
#[tokio::test]
async fn the_other_signature_of_an_es256_token_is_the_same_token() {
    /// The order of P-256 (SEC 2 §2.4.2).
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x51,
    ];
    let key = TestKey::p256("ec");
    let token = key.sign(&id_token());
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut signature = decode(signature).unwrap();
    let mut borrow = 0;
    for (digit, order) in signature[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let twin = format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
    assert_ne!(twin, token);
    let claims = |token: &str| verify_with(token, &key_set(&[&key]), login_kind()).unwrap();
    assert_eq!(claims(&twin).user(), claims(&token).user());

    let (sessions, _) = sessions();
    let (owner, now) = (Owner::of(&claims(&token)), Timestamp::from_unix(NOW));
    let (secret, _) = sessions.begin(owner, &contents(&token), None, now).await.unwrap();
    sessions.end(secret.digest(), now).await.unwrap();
    assert!(matches!(sessions.by_token(&twin, now).await.unwrap(), TokenSession::Ended));
}

/// One key per algorithm.
fn signers() -> impl Iterator<Item = TestKey> {
    [
        TestKey::rsa("k"),
        TestKey::rsa("k").with_algorithm(Algorithm::Ps256),
        TestKey::p256("k"),
        TestKey::ed25519("k"),
    ]
    .into_iter()
}

fn flip(text: &str, place: usize, bit: u32) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[place] ^= 1 << bit;
    String::from_utf8(bytes).unwrap()
}

fn outcome(token: &str, keys: &KeySet) -> Result<(), TokenError> {
    verify_with(token, keys, login_kind()).map(drop)
}
