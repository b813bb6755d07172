//! Keys and tokens for tests: any header and claims, correctly signed.

use std::sync::LazyLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
        RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::jwt::{Algorithm, KeySet};

/// A signing key, generated on demand.
pub struct TestKey {
    key_id: String,
    algorithm: Algorithm,
    private: PrivateKey,
    public: Value,
}

enum PrivateKey {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// An RSA key named `test`, generated once per process.
pub static TEST_KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::rsa("test"));

impl TestKey {
    /// A fresh RSA key of 2048 bits for RS256.
    pub fn rsa(key_id: &str) -> Self {
        let key = must(RsaKeyPair::generate(KeySize::Rsa2048));
        let components = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
        let (n, e) = (encode(&components.n), encode(&components.e));
        let public = json!({ "kty": "RSA", "n": n, "e": e });
        Self::new(key_id, Algorithm::Rs256, PrivateKey::Rsa(key), public)
    }

    /// A fresh P-256 key for ES256.
    pub fn p256(key_id: &str) -> Self {
        let key = must(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING));
        let (x, y) = key.public_key().as_ref()[1..].split_at(32);
        let public = json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) });
        Self::new(key_id, Algorithm::Es256, PrivateKey::P256(key), public)
    }

    /// A fresh Ed25519 key for EdDSA.
    pub fn ed25519(key_id: &str) -> Self {
        let key = must(Ed25519KeyPair::generate());
        let x = encode(key.public_key().as_ref());
        let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
        Self::new(key_id, Algorithm::EdDsa, PrivateKey::Ed25519(key), public)
    }

    fn new(key_id: &str, algorithm: Algorithm, private: PrivateKey, public: Value) -> Self {
        Self { key_id: key_id.to_owned(), algorithm, private, public }
    }

    /// The same key for `algorithm` instead.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The public key as a JWK with `kid` and `use` but without `alg`, which Auth0 may omit.
    pub fn jwk(&self) -> Value {
        let mut jwk = self.public.clone();
        jwk["kid"] = self.key_id.as_str().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// The usual header of a token signed with this key.
    pub fn header(&self) -> Value {
        let algorithm = match self.algorithm {
            Algorithm::EdDsa => "EdDSA",
            Algorithm::Es256 => "ES256",
            Algorithm::Ps256 => "PS256",
            Algorithm::Rs256 => "RS256",
        };
        json!({ "alg": algorithm, "typ": "JWT", "kid": self.key_id })
    }

    /// Signs a token with the usual header.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with_header(&self.header(), claims)
    }

    /// Signs a token with any header, which need not match the key.
    pub fn sign_with_header(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// Signs a token of any texts, whether JSON or not.
    pub fn sign_text(&self, header: &str, payload: &str) -> String {
        self.sign_message(&format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes())))
    }

    /// Signs any text as a signing input (RFC 7515 §2), whether it is valid or not.
    pub fn sign_message(&self, message: &str) -> String {
        format!("{message}.{}", encode(&self.signature(message.as_bytes())))
    }

    fn signature(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.private {
            PrivateKey::Ed25519(key) => key.sign(message).as_ref().to_vec(),
            PrivateKey::P256(key) => must(key.sign(&random, message)).as_ref().to_vec(),
            PrivateKey::Rsa(key) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                must(key.sign(padding, &random, message, &mut signature));
                signature
            }
        }
    }
}

/// `object` with the members of `changes`. `null` removes a member.
pub fn changed(mut object: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
    object.as_object_mut().into_iter().for_each(|all| all.retain(|_, value| !value.is_null()));
    object
}

/// The JWKS document of `keys`.
pub fn key_set_document(keys: &[&TestKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
}

/// The parsed key set of `keys`.
pub fn key_set(keys: &[&TestKey]) -> KeySet {
    must(KeySet::parse(key_set_document(keys).to_string().as_bytes()))
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A failure here is a fault of the test environment, so no test can run.
fn must<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| unreachable!("test keys can be made: {error:?}"))
}
