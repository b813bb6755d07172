//! Authenticated encryption (AES-256-GCM) for data stored where others can read it.
//!
//! Each message has its own key and nonce. Both are derived by HKDF-SHA-256 (RFC 5869) from the key
//! material and a random salt at the start of the message. So the number of messages per key material
//! is not limited, as it would be for random 96-bit nonces under one fixed key (NIST SP 800-38D §8.3).

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, KeyType, Salt},
};

use crate::crypto::random::Random;

/// Key material with its single purpose.
///
/// A message sealed for one purpose does not open for another, even with the same material.
#[derive(Clone)]
pub struct SealingKey {
    material: Vec<u8>,
    purpose: &'static str,
}

impl SealingKey {
    /// A key for `purpose` only, from `material` with at least 256 bits of entropy.
    pub fn new(material: impl Into<Vec<u8>>, purpose: &'static str) -> Self {
        Self { material: material.into(), purpose }
    }

    /// Seals `plaintext`. `associated` is not part of the result but must be the same at opening: it
    /// binds the sealed text to its place.
    #[expect(clippy::expect_used, reason = "AES-256-GCM takes any message that fits in memory")]
    pub fn seal(&self, plaintext: &[u8], associated: &[u8], random: &Random) -> Vec<u8> {
        let salt: [u8; SALT_LENGTH] = random.bytes();
        let (key, nonce) = self.message_key(&salt);
        let mut sealed = Vec::with_capacity(OVERHEAD + plaintext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(plaintext);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(associated), &mut sealed[HEADER_LENGTH..])
            .expect("AES-256-GCM seals");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens a text sealed with the same material, purpose and `associated` by [`seal`](Self::seal);
    /// `None` for anything else.
    pub fn open(&self, sealed: &[u8], associated: &[u8]) -> Option<Vec<u8>> {
        let (header, ciphertext) = sealed.split_at_checked(HEADER_LENGTH)?;
        let (&VERSION, salt) = header.split_first()? else { return None };
        let (key, nonce) = self.message_key(salt);
        let mut opened = ciphertext.to_vec();
        let length = key.open_in_place(nonce, Aad::from(associated), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }

    #[expect(clippy::expect_used, reason = "the lengths are constants that HKDF and AES accept")]
    fn message_key(&self, salt: &[u8]) -> (LessSafeKey, Nonce) {
        let mut derived = [0; 32 + 12];
        Salt::new(HKDF_SHA256, salt)
            .extract(&self.material)
            .expand(&[self.purpose.as_bytes()], KeyAndNonce)
            .and_then(|key| key.fill(&mut derived))
            .expect("HKDF-SHA-256 yields 44 bytes");
        let (key, nonce) = derived.split_at(32);
        let key = UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are an AES-256 key");
        let nonce = Nonce::try_assume_unique_for_key(nonce).expect("12 bytes are a nonce");
        (LessSafeKey::new(key), nonce)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.purpose)
    }
}

/// The keys from `SECRET_KEY`. The first one seals and all of them open, so that a rotation does not
/// end logins in progress.
#[derive(Clone, Debug)]
pub struct SealingKeys(Vec<SealingKey>);

impl SealingKeys {
    /// Parses a comma-separated list of texts of at least 32 bytes each.
    ///
    /// # Errors
    ///
    /// The requirement that the text does not meet.
    pub fn parse(text: &str, purpose: &'static str) -> Result<Self, &'static str> {
        let keys: Vec<_> = text.split(',').map(str::trim).collect();
        if keys.iter().any(|key| key.len() < MINIMUM_LENGTH) {
            return Err("must be at least 32 bytes long (each, if it is a list)");
        }
        if keys.iter().any(|key| is_guessable(key)) {
            return Err("must be random, not an example or a repeated word");
        }
        Ok(Self(keys.into_iter().map(|key| SealingKey::new(key, purpose)).collect()))
    }

    /// Like [`SealingKey::seal`], with the first key.
    pub fn seal(&self, plaintext: &[u8], associated: &[u8], random: &Random) -> Vec<u8> {
        self.0[0].seal(plaintext, associated, random)
    }

    /// Like [`SealingKey::open`], with the first key that fits.
    pub fn open(&self, sealed: &[u8], associated: &[u8]) -> Option<Vec<u8>> {
        self.0.iter().find_map(|key| key.open(sealed, associated))
    }
}

/// The combined length of an AES-256 key and a GCM nonce.
struct KeyAndNonce;

impl KeyType for KeyAndNonce {
    fn len(&self) -> usize {
        32 + 12
    }
}

const VERSION: u8 = 1;
const SALT_LENGTH: usize = 16;
const HEADER_LENGTH: usize = 1 + SALT_LENGTH;
const OVERHEAD: usize = HEADER_LENGTH + 16;
const MINIMUM_LENGTH: usize = 32;

/// Whether an attacker would try this key first: it has few distinct characters, or contains words from
/// examples.
fn is_guessable(key: &str) -> bool {
    let mut characters: Vec<_> = key.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    let lower = key.to_ascii_lowercase();
    let example =
        ["changeme", "change-me", "change_me", "example", "secret_key", "your-secret", "password"];
    characters.len() < 8 || example.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// R20, R180.
        #[test]
        fn r020_a_sealed_text_opens_and_altered_bytes_do_not(
            plaintext: Vec<u8>,
            associated: Vec<u8>,
            (place, change) in (any::<prop::sample::Index>(), 1_u8..),
            forged: Vec<u8>,
        ) {
            let key = SealingKey::new([7; 32], "one");
            let mut sealed = key.seal(&plaintext, &associated, &Random::system());
            prop_assert_eq!(sealed.len(), plaintext.len() + OVERHEAD);
            prop_assert_eq!(key.open(&sealed, &associated), Some(plaintext));
            prop_assert_eq!(key.open(&forged, &associated), None);
            let elsewhere = [&associated[..], b"x"].concat();
            prop_assert_eq!(key.open(&sealed, &elsewhere), None);
            let place = place.index(sealed.len());
            sealed[place] ^= change;
            prop_assert_eq!(key.open(&sealed, &associated), None);
        }
    }

    fn keys(text: &str) -> Option<SealingKeys> {
        SealingKeys::parse(text, "test").ok()
    }

    #[test]
    fn a_sealed_text_opens_only_in_its_own_place() {
        let random = Random::system();
        let key = SealingKey::new([7; 32], "one");
        let sealed = key.seal(b"hello", b"here", &random);
        assert_eq!(key.open(&sealed, b"here").unwrap(), b"hello");
        assert_eq!(key.open(&sealed, b"there"), None);
        assert_eq!(SealingKey::new([7; 32], "two").open(&sealed, b"here"), None);
        assert_eq!(SealingKey::new([8; 32], "one").open(&sealed, b"here"), None);
    }

    #[test]
    fn r020_a_flipped_bit_anywhere_and_every_truncation_are_refused() {
        let random = Random::system();
        let key = SealingKey::new([7; 32], "one");
        let sealed = key.seal(b"hello", b"", &random);
        for index in 0..sealed.len() {
            for bit in 0..8 {
                let mut flipped = sealed.clone();
                flipped[index] ^= 1 << bit;
                assert_eq!(key.open(&flipped, b""), None, "byte {index} bit {bit}");
            }
            assert_eq!(key.open(&sealed[..index], b""), None, "cut at {index}");
        }
    }

    #[test]
    fn r098_the_first_key_seals_and_all_of_them_open() {
        let random = Random::system();
        let (old, new) = (random.token(), random.token());
        let sealed_before = keys(&old).unwrap().seal(b"login", b"", &random);
        let rotated = keys(&format!("{new}, {old}")).unwrap();
        assert_eq!(rotated.open(&sealed_before, b"").unwrap(), b"login");
        let sealed_after = rotated.seal(b"login", b"", &random);
        assert_eq!(keys(&old).unwrap().open(&sealed_after, b""), None);
        assert_eq!(keys(&new).unwrap().open(&sealed_before, b""), None);
    }

    #[test]
    fn r177_a_short_or_guessable_key_is_a_fault() {
        let long_enough = Random::system().token();
        assert!(keys(&long_enough).is_some());
        let short = "must be at least 32 bytes long (each, if it is a list)";
        let guessable = "must be random, not an example or a repeated word";
        for (bad, reason) in [
            ("", short),
            ("short", short),
            (&format!("{long_enough},short"), short),
            (&"a".repeat(64), guessable),
            ("changeme-changeme-changeme-changeme", guessable),
        ] {
            assert_eq!(SealingKeys::parse(bad, "test").unwrap_err(), reason, "{bad}");
        }
    }

    #[test]
    fn r179_debug_output_hides_the_key() {
        assert_eq!(format!("{:?}", SealingKey::new([7; 32], "one")), "SealingKey(one)");
    }
}
