//! Unpredictable bytes, as an argument.

use std::{fmt, sync::Arc};

use aws_lc_rs::rand;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

/// A source of cryptographically secure random bytes.
///
/// Everything that must not be guessed comes from here: `state`, `nonce`, the PKCE verifier, a
/// session's secret, keys and nonces of sealed data.
#[derive(Clone)]
pub struct Random(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl Random {
    /// The operating system's generator, by way of aws-lc.
    ///
    /// # Panics
    ///
    /// When the generator fails. There is no safe way on from there: a predictable session
    /// secret is worse than none.
    #[expect(clippy::expect_used, reason = "without randomness nothing here may go on")]
    pub fn system() -> Self {
        Self(Arc::new(|bytes| {
            rand::fill(bytes).expect("the system's random generator works");
        }))
    }

    /// A source that fills a buffer with whatever `fill` writes: for tests that must repeat.
    pub fn from_fn(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// `N` fresh bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// 256 fresh bits in base64url: 43 characters that may stand in a URL, a cookie and a form,
    /// and that satisfy RFC 7636 §4.1 as a `code_verifier`.
    pub fn token(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}
