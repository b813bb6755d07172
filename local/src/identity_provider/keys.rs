//! The signing keys of tokens.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{Jwk, JwkSet, PublicKeyUse},
};
use serde::{Serialize, de::DeserializeOwned};
use shared::crypto::random::Random;

/// Maximum number of keys: the current one and earlier ones.
const MOST_KEYS: usize = 8;

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The generator failed.
    #[error("generating an RSA key failed")]
    Generation,
    /// The generated key is not encoded as expected.
    #[error("the generated key is not in the expected form")]
    Encoding,
    /// The key was refused.
    #[error("the generated key is unusable: {0}")]
    Unusable(#[from] jsonwebtoken::errors::Error),
}

/// The current signing key, and earlier ones that can still verify tokens.
#[derive(Debug)]
pub(super) struct SigningKeys(RwLock<Vec<Arc<SigningKey>>>);

struct SigningKey {
    private: EncodingKey,
    public: Jwk,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.public.common.key_id).finish()
    }
}

impl SigningKeys {
    pub(super) fn generate(random: &Random) -> Result<Self, KeyError> {
        Ok(Self(RwLock::new(vec![Arc::new(SigningKey::generate(random)?)])))
    }

    /// Creates a new current key.
    pub(super) fn rotate(&self, random: &Random) -> Result<(), KeyError> {
        let key = Arc::new(SigningKey::generate(random)?);
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(0, key);
        keys.truncate(MOST_KEYS);
        Ok(())
    }

    pub(super) fn revoke_previous(&self) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).truncate(1);
    }

    /// The published key set (RFC 7517 §5).
    pub(super) fn published(&self) -> JwkSet {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        JwkSet { keys: keys.iter().map(|key| key.public.clone()).collect() }
    }

    /// A JWT of `claims`, signed with the current key.
    pub(super) fn sign(
        &self,
        claims: &impl Serialize,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let current = {
            let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
            keys.first().cloned()
        };
        // Cannot happen: `generate` adds a key, and the first key is never removed.
        let Some(current) = current else {
            return Err(jsonwebtoken::errors::ErrorKind::InvalidKeyFormat.into());
        };
        let mut header = Header::new(Algorithm::RS256);
        header.kid.clone_from(&current.public.common.key_id);
        jsonwebtoken::encode(&header, claims, &current.private)
    }

    /// The claims of a token that one of these keys signed. Only the signature is verified, because an
    /// ID token that serves as a hint may have expired (RP-Initiated Logout 1.0 §2).
    pub(super) fn verify_signature<C: DeserializeOwned + Clone>(&self, token: &str) -> Option<C> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let key = DecodingKey::from_jwk(self.published().find(&kid)?).ok()?;
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        Some(jsonwebtoken::decode(token, &key, &signature_only).ok()?.claims)
    }
}

impl SigningKey {
    /// Generates an RSA key of 2048 bits with aws-lc's randomness. `random` generates its key id.
    fn generate(random: &Random) -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Generation)?;
        let private = EncodingKey::from_rsa_der(pkcs1_in(pkcs8.as_ref())?);
        let mut public = Jwk::from_encoding_key(&private, Algorithm::RS256)?;
        public.common.key_id = Some(random.token());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { private, public })
    }
}

/// Extracts the `RSAPrivateKey` (RFC 8017 §A.1.2) from a `PrivateKeyInfo` (RFC 5208 §5): aws-lc writes
/// the outer structure, `jsonwebtoken` reads the inner one.
///
/// This program generates the key with a fixed size, so the bytes before the inner structure have one
/// fixed form. Anything else is an error.
fn pkcs1_in(pkcs8: &[u8]) -> Result<&[u8], KeyError> {
    // INTEGER 0, SEQUENCE { OBJECT IDENTIFIER rsaEncryption, NULL }, OCTET STRING with a length
    // of two bytes.
    const VERSION_AND_ALGORITHM: [u8; 20] = [
        0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
        0x01, 0x05, 0x00, 0x04, 0x82,
    ];
    let [0x30, 0x82, _, _, rest @ ..] = pkcs8 else {
        return Err(KeyError::Encoding);
    };
    match rest.strip_prefix(&VERSION_AND_ALGORITHM) {
        Some([high, low, inner @ ..])
            if inner.len() == usize::from(u16::from_be_bytes([*high, *low])) =>
        {
            Ok(inner)
        }
        _ => Err(KeyError::Encoding),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_token_is_known_by_its_key_until_that_key_is_revoked() {
        let random = Random::system();
        let keys = SigningKeys::generate(&random).unwrap();
        let token = keys.sign(&json!({"sub": "ada", "exp": 1})).unwrap();
        keys.rotate(&random).unwrap();
        assert_eq!(keys.published().keys.len(), 2);
        assert_eq!(keys.verify_signature(&token), Some(json!({"sub": "ada", "exp": 1})));
        keys.revoke_previous();
        assert_eq!(keys.verify_signature::<Value>(&token), None);
    }

    #[test]
    fn a_token_with_a_changed_claim_is_unknown() {
        let keys = SigningKeys::generate(&Random::system()).unwrap();
        let token = keys.sign(&json!({"sub": "ada"})).unwrap();
        let other = keys.sign(&json!({"sub": "eve"})).unwrap();
        let [header, _, signature]: [&str; 3] =
            token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let payload = other.split('.').nth(1).unwrap();
        assert_eq!(
            keys.verify_signature::<Value>(&format!("{header}.{payload}.{signature}")),
            None
        );
    }

    #[test]
    fn only_the_one_form_of_private_key_is_taken_apart() {
        assert!(matches!(pkcs1_in(b""), Err(KeyError::Encoding)));
        assert!(matches!(pkcs1_in(&[0x30, 0x82, 0, 0, 2, 1, 0]), Err(KeyError::Encoding)));
    }
}
