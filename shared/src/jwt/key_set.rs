//! Public keys from a JWKS document.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, Jwk, KeyAlgorithm,
    KeyOperations, OctetKeyPairParameters, PublicKeyUse, RSAKeyParameters,
};
use serde::Deserialize;
use serde_json::Value;

use crate::jwt::Algorithm;

/// The RSA key sizes that are accepted, in bits. Smaller keys can be broken (RFC 7518 §3.3); for larger
/// ones each verification costs too much.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The maximum number of keys used from a set. Auth0 publishes two; a token without `kid` tries all.
const MAX_KEYS: usize = 32;

/// A public key that can verify signatures.
#[derive(Clone, Debug)]
pub struct Key {
    key_id: Option<Arc<str>>,
    /// One parsed key per allowed algorithm: those that fit its type, restricted by its `alg` if
    /// present. Never empty.
    public_keys: Arc<[(Algorithm, ParsedPublicKey)]>,
}

/// The usable keys of a JWKS document (RFC 7517 §5).
#[derive(Clone, Debug)]
pub struct KeySet(Vec<Key>);

/// The document is not a JWK set.
#[derive(Debug, thiserror::Error)]
#[error("the key set is not valid")]
pub struct MalformedKeySet(#[source] serde_json::Error);

impl Key {
    /// Reads a key from `jwk`; `None` if it cannot verify signatures here.
    fn from_jwk(jwk: Value) -> Option<Self> {
        let jwk = Jwk::deserialize(jwk).ok()?;
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        if jwk.common.key_operations.is_some_and(|names| !names.contains(&KeyOperations::Verify)) {
            return None;
        }
        // Symmetric keys are always rejected: everyone who can read one could sign with it.
        let mut public_keys = match &jwk.algorithm {
            AlgorithmParameters::RSA(parameters) => rsa(parameters)?,
            AlgorithmParameters::EllipticCurve(parameters) => p256(parameters)?,
            AlgorithmParameters::OctetKeyPair(parameters) => ed25519(parameters)?,
            _ => return None,
        };
        let named = match jwk.common.key_algorithm {
            None => None,
            Some(KeyAlgorithm::RS256) => Some(Algorithm::Rs256),
            Some(KeyAlgorithm::PS256) => Some(Algorithm::Ps256),
            Some(KeyAlgorithm::ES256) => Some(Algorithm::Es256),
            Some(KeyAlgorithm::EdDSA) => Some(Algorithm::EdDsa),
            Some(_) => return None,
        };
        public_keys.retain(|(algorithm, _)| named.is_none_or(|named| named == *algorithm));
        let is_usable = !public_keys.is_empty();
        is_usable.then(|| Self {
            key_id: jwk.common.key_id.map(Arc::from),
            public_keys: public_keys.into(),
        })
    }

    /// Its `kid`.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Whether it may verify a signature made with `algorithm`.
    pub fn fits(&self, algorithm: Algorithm) -> bool {
        self.public_key(algorithm).is_some()
    }

    /// Whether this key made `signature` over `message` with `algorithm`. An algorithm that the key
    /// does not fit is never tried (RFC 8725 §3.1).
    pub(crate) fn has_signed(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.public_key(algorithm).is_some_and(|key| key.verify_sig(message, signature).is_ok())
    }

    fn public_key(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.public_keys.iter().find_map(|(known, key)| (*known == algorithm).then_some(key))
    }
}

impl KeySet {
    /// Reads a JWKS document. Unusable keys are skipped individually (RFC 7517 §5).
    ///
    /// # Errors
    ///
    /// When `bytes` are not a JSON object with an array `keys`.
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedKeySet> {
        #[derive(Deserialize)]
        struct JwkSet {
            keys: Vec<Value>,
        }
        let document: JwkSet = serde_json::from_slice(bytes).map_err(MalformedKeySet)?;
        Ok(Self(document.keys.into_iter().filter_map(Key::from_jwk).take(MAX_KEYS).collect()))
    }

    /// Whether the set has no usable key.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the set has a key named `key_id`.
    pub fn contains(&self, key_id: &str) -> bool {
        self.0.iter().any(|key| key.key_id() == Some(key_id))
    }

    /// The keys that may have made a signature with `algorithm`: those named `key_id`, or all if the
    /// token has no `kid`.
    pub fn candidates(&self, key_id: Option<&str>, algorithm: Algorithm) -> Vec<&Key> {
        self.0
            .iter()
            .filter(|key| key.fits(algorithm))
            .filter(|key| key_id.is_none() || key.key_id() == key_id)
            .collect()
    }
}

type PublicKeys = Vec<(Algorithm, ParsedPublicKey)>;

fn rsa(parameters: &RSAKeyParameters) -> Option<PublicKeys> {
    let modulus = decode(&parameters.n)?;
    let exponent = decode(&parameters.e)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(&modulus);
    let bits = modulus.len() * 8 - modulus.first()?.leading_zeros() as usize;
    let odd = exponent.last()? & 1 == 1;
    if !RSA_BITS.contains(&bits) || !odd || exponent == [1] {
        return None;
    }
    let components = RsaPublicKeyComponents { n: modulus, e: &exponent[..] };
    let with = |algorithm, parameters: &'static RsaParameters| {
        Some((algorithm, components.to_parsed_public_key(parameters).ok()?))
    };
    Some(vec![
        with(Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256)?,
        with(Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256)?,
    ])
}

fn p256(parameters: &EllipticCurveKeyParameters) -> Option<PublicKeys> {
    let (x, y) = (decode(&parameters.x)?, decode(&parameters.y)?);
    if parameters.curve != EllipticCurve::P256 || x.len() != 32 || y.len() != 32 {
        return None;
    }
    // The uncompressed form of a point (SEC 1 §2.3.3).
    let point = [&[4], &x[..], &y[..]].concat();
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).ok()?;
    Some(vec![(Algorithm::Es256, key)])
}

fn ed25519(parameters: &OctetKeyPairParameters) -> Option<PublicKeys> {
    let point = decode(&parameters.x)?;
    if parameters.curve != EllipticCurve::Ed25519 || point.len() != 32 {
        return None;
    }
    Some(vec![(Algorithm::EdDsa, ParsedPublicKey::new(&ED25519, point).ok()?)])
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::tokens::{TEST_KEY, TestKey};

    use super::*;

    /// R78: each kind of unusable key, in one set with a usable key.
    #[test]
    fn r078_unusable_keys_are_skipped_and_the_valid_one_is_used() {
        let good = TEST_KEY.jwk();
        let with = |name: &str, value: Value| {
            let mut jwk = TEST_KEY.jwk();
            jwk[name] = value;
            jwk
        };
        let mut p384 = TestKey::p256("p384").jwk();
        p384["crv"] = "P-384".into();
        let mut of_no_curve = TestKey::ed25519("ed").jwk();
        of_no_curve["crv"] = "P-256".into();
        // RFC 8725 §3.4: not on the curve.
        let point = |number: &[u8]| {
            let number = BASE64_URL_SAFE_NO_PAD.encode(number);
            json!({ "kty": "EC", "crv": "P-256", "x": number, "y": number })
        };
        let document = json!({ "keys": [
            { "kty": "oct", "k": "c2VjcmV0", "kid": "test", "alg": "HS256" },
            with("use", json!("enc")),
            with("key_ops", json!(["encrypt"])),
            with("alg", json!("RS512")),
            with("alg", json!("ES256")),
            with("alg", json!("RSA-OAEP")),
            with("n", json!(BASE64_URL_SAFE_NO_PAD.encode([0xff; 128]))),
            with("n", json!("")),
            with("n", json!("not base64url!")),
            with("e", json!("AQ")),
            with("kid", json!(7)),
            p384,
            of_no_curve,
            // RFC 8037 A.6: a key for key agreement.
            { "kty": "OKP", "crv": "X25519", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08" },
            point(&[1; 32]),
            point(&[0; 32]),
            point(&[0xff; 32]),
            "a string", null, 7, [], {},
            good,
        ]});
        let keys = KeySet::parse(document.to_string().as_bytes()).unwrap();
        assert_eq!(keys.0.len(), 1);
        assert_eq!(keys.candidates(Some("test"), Algorithm::Rs256).len(), 1);
    }

    /// R51, R78: a token without a `kid` tries all keys, and one with a `kid` all of that name, so their
    /// number is limited.
    #[test]
    fn r051_at_most_32_keys_are_candidates() {
        let keys = vec![TEST_KEY.jwk(); 40];
        let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
        for key_id in [None, Some("test")] {
            assert_eq!(set.candidates(key_id, Algorithm::Rs256).len(), MAX_KEYS, "{key_id:?}");
        }
    }

    /// R78: 2047 bits are one bit short of the minimum.
    #[test]
    fn r078_an_rsa_key_of_2047_bits_is_rejected_and_one_of_2048_is_accepted() {
        let with_first_byte = |first: u8| {
            let mut modulus = vec![0xff; 256];
            modulus[0] = first;
            let jwk = json!({
                "kty": "RSA", "e": "AQAB", "n": BASE64_URL_SAFE_NO_PAD.encode(modulus),
            });
            Key::from_jwk(jwk).is_some()
        };
        assert!(!with_first_byte(0x7f));
        assert!(with_first_byte(0x80));
    }

    /// R79.
    #[test]
    fn r079_a_key_verifies_only_algorithms_that_its_type_and_alg_allow() {
        let mut jwk = TEST_KEY.jwk();
        let without_alg = Key::from_jwk(jwk.clone()).unwrap();
        assert!(without_alg.fits(Algorithm::Rs256) && without_alg.fits(Algorithm::Ps256));
        assert!(!without_alg.fits(Algorithm::Es256) && !without_alg.fits(Algorithm::EdDsa));
        jwk["alg"] = "RS256".into();
        let with_alg = Key::from_jwk(jwk).unwrap();
        assert!(with_alg.fits(Algorithm::Rs256) && !with_alg.fits(Algorithm::Ps256));
    }

    /// R77.
    #[test]
    fn r077_a_document_that_is_not_a_key_set_is_an_error() {
        for text in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, "null"] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(KeySet::parse(br#"{"keys":[]}"#).unwrap().is_empty());
    }
}
