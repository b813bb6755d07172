//! The signing key of tokens.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeySize, PublicKeyComponents},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use shared::crypto::random::Random;

/// aws-lc could not generate the key or sign with it.
#[derive(Debug, thiserror::Error)]
#[error("the signing key cannot be generated or used")]
pub struct KeyError;

/// An RSA key of 2048 bits that signs tokens with RS256, as at Auth0.
pub(super) struct SigningKey {
    id: String,
    pair: RsaKeyPair,
}

impl SigningKey {
    /// Generates a key with aws-lc's randomness. `random` generates its key id.
    pub(super) fn generate(random: &Random) -> Result<Self, KeyError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError)?;
        Ok(Self { id: random.token(), pair })
    }

    /// The published key set (RFC 7517 §5).
    pub(super) fn published(&self) -> Value {
        let (n, e) = self.components();
        json!({"keys": [
            {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.id, "n": n, "e": e},
        ]})
    }

    /// A JWT of `claims`.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String, KeyError> {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.id}).to_string();
        let claims = serde_json::to_vec(claims).map_err(|_| KeyError)?;
        let message = format!("{}.{}", encode(header.as_bytes()), encode(&claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| KeyError)?;
        Ok(format!("{message}.{}", encode(&signature)))
    }

    /// The claims of a token that this key signed. Only the signature is verified, because an ID token
    /// that serves as a hint may have expired (RP-Initiated Logout 1.0 §2).
    pub(super) fn verify_signature<C: DeserializeOwned + Clone>(&self, token: &str) -> Option<C> {
        let (n, e) = self.components();
        let key = DecodingKey::from_rsa_components(&n, &e).ok()?;
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        Some(jsonwebtoken::decode(token, &key, &signature_only).ok()?.claims)
    }

    /// The modulus and the exponent, as a JWK contains them.
    fn components(&self) -> (String, String) {
        let key = PublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        (encode(&key.n), encode(&key.e))
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The tests over HTTP verify the signature of an unchanged token with the published key.
    #[test]
    fn a_token_with_a_changed_claim_is_rejected() {
        let key = SigningKey::generate(&Random::system()).unwrap();
        let [token, other] =
            ["ada", "eve"].map(|subject| key.sign(&json!({"sub": subject, "exp": 1})).unwrap());
        assert_eq!(key.verify_signature(&token), Some(json!({"sub": "ada", "exp": 1})));
        let [header, _, signature]: [&str; 3] =
            token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let payload = other.split('.').nth(1).unwrap();
        let mixed = format!("{header}.{payload}.{signature}");
        assert_eq!(key.verify_signature::<Value>(&mixed), None);
    }
}
