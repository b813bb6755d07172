//! Any bytes as a key set: a key must serve only its type's algorithms, and validate no token that it
//! did not sign.
#![no_main]

use std::sync::LazyLock;

use fuzz::{ISSUER, NOW};
use libfuzzer_sys::fuzz_target;
use shared::{
    jwt::{Algorithm, Expected, KeySet, TokenKind, UnverifiedToken},
    testing::tokens::TestKey,
};

const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Ps256, Algorithm::Rs256];

/// Tokens without a key id, so that all keys are tried.
static TOKENS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let keys = [
        TestKey::ed25519("test"),
        TestKey::p256("test"),
        TestKey::rsa("test"),
        TestKey::rsa("test").with_algorithm(Algorithm::Ps256),
    ];
    let sign = |key: &TestKey| {
        let mut header = key.header();
        header.as_object_mut().expect("a header is an object").remove("kid");
        key.sign_with_header(&header, &fuzz::claims())
    };
    keys.iter().map(sign).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(keys) = fuzz::bounded(|| KeySet::parse(bytes)) else { return };
    for algorithm in ALGORITHMS {
        let candidates = keys.candidates(None, algorithm);
        assert!(candidates.len() <= 32 && (candidates.is_empty() || !keys.is_empty()));
        for key in candidates {
            let fits = ALGORITHMS.iter().filter(|algorithm| key.fits(**algorithm)).count();
            assert!(key.fits(algorithm) && fits <= 2);
            assert!(key.key_id().is_none_or(|key_id| keys.contains(key_id)));
        }
    }
    let expected =
        Expected { issuer: &ISSUER, kind: TokenKind::ApiKey { client_id: "the-client" } };
    for token in &*TOKENS {
        let token = UnverifiedToken::parse(token, &expected).expect("it is a token");
        let candidates = keys.candidates(None, token.algorithm());
        assert!(fuzz::bounded(|| token.verify(&candidates, &expected, NOW)).is_err());
    }
});
