//! Random bytes, from a source that callers pass as an argument.

use std::{fmt, sync::Arc};

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// A source of cryptographically secure random bytes.
///
/// All unguessable values come from here: `state`, `nonce`, the PKCE verifier, session secrets, and the
/// keys and nonces of sealed data.
#[derive(Clone)]
pub struct Random(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl Random {
    /// The operating system's generator, through aws-lc.
    ///
    /// # Panics
    ///
    /// When the generator fails. Stopping is the only safe choice: with a predictable session secret,
    /// an attacker could take over the session.
    #[expect(clippy::expect_used, reason = "without randomness nothing here may go on")]
    pub fn system() -> Self {
        Self(Arc::new(|bytes| {
            rand::fill(bytes).expect("the system's random generator works");
        }))
    }

    /// A source that lets `fill` write the bytes, for reproducible tests.
    pub fn from_fn(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// `N` fresh bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// 256 fresh bits in base64url: 43 characters that are valid in a URL, a cookie and a form, and as
    /// a `code_verifier` (RFC 7636 §4.1).
    pub fn token(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
