//! Secrets and their digests.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::crypto::random::Random;

/// A SHA-256 digest: the only form of a credential that the store receives (R86).
#[derive(Clone, Copy, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        let mut digest = [0; 32];
        digest.copy_from_slice(digest::digest(&digest::SHA256, bytes.as_ref()).as_ref());
        Self(digest)
    }

    /// The digest of several texts, each preceded by its length. So two different lists never have the
    /// same input, regardless of how their parts are split: Auth0's subjects contain `|`, and may
    /// contain `#` or NUL as well (R67).
    pub fn of_parts<const N: usize>(parts: [&str; N]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }

    /// The digest with the bytes from [`as_bytes`](Self::as_bytes).
    pub const fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// Parses the exact form that [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// The digest itself.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Writes base64url, 43 characters.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// The value of the session cookie: 256 random bits.
///
/// It is the only key to the session's contents. It has no `PartialEq`, so that no comparison can leak
/// it through timing, and its `Debug` does not show it.
#[derive(Clone)]
pub struct SessionSecret([u8; 32]);

impl SessionSecret {
    /// Generates a fresh secret.
    pub fn generate(random: &Random) -> Self {
        Self(random.bytes())
    }

    /// Parses a cookie's value: exactly 43 base64url characters in canonical form. A malformed cookie
    /// causes no read of the store (R87).
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 43 {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The cookie's value.
    pub fn expose(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The secret's bytes, for key derivation.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest, under which the store keeps the session.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0)
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret")
    }
}

/// Serializes a secret text, for `serialize_with`. Only what is sealed afterwards may use it.
pub fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

/// Whether two texts are equal, in time that depends only on their length (R14).
pub fn equal(left: &str, right: &str) -> bool {
    constant_time::verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// R87, R180: every secret has exactly one text form.
        #[test]
        fn r087_a_session_secret_has_one_form(bytes: [u8; 32], text in "[A-Za-z0-9_=+/-]{43}|.{0,50}") {
            let secret = SessionSecret(bytes);
            prop_assert_eq!(SessionSecret::parse(&secret.expose()).unwrap().0, bytes);
            if let Some(read) = SessionSecret::parse(&text) {
                prop_assert_eq!(read.expose(), text);
            }
        }
    }

    #[test]
    fn a_session_secret_is_read_back_from_its_cookie() {
        let secret = SessionSecret::generate(&Random::system());
        assert_eq!(SessionSecret::parse(&secret.expose()).unwrap().digest(), secret.digest());
    }

    #[test]
    fn r087_other_forms_of_a_session_secret_are_rejected() {
        let text = "A".repeat(43);
        assert!(SessionSecret::parse(&text).is_some());
        let non_canonical = format!("{}B", "A".repeat(42));
        for bad in [
            "",
            &"A".repeat(42),
            &"A".repeat(44),
            &format!("{text}="),
            &non_canonical,
            &"é".repeat(43),
        ] {
            assert!(SessionSecret::parse(bad).is_none(), "{bad}");
        }
        assert!(SessionSecret::parse(&format!("%41{}", "A".repeat(40))).is_none());
    }

    #[test]
    fn r179_debug_output_hides_the_secret() {
        let secret = SessionSecret::generate(&Random::system());
        assert_eq!(format!("{secret:?}"), "SessionSecret");
    }
}
