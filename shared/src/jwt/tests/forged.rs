//! Tokens that the provider did not sign.

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    hmac,
    rsa::PublicEncryptingKey,
    signature::RsaPublicKeyComponents,
};
use base64::prelude::BASE64_STANDARD;

use super::*;

#[test]
fn r045_r047_r049_a_signature_that_is_not_the_providers_is_refused() {
    let good = TEST_KEY.sign(&id_token());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let unsigned = format!("{}.", message_with("none"));
    let other_algorithm = format!("{}.{signature}", message_with("none"));
    for (token, reason) in [
        (unsigned, TokenError::AlgorithmNotAllowed),
        (other_algorithm, TokenError::AlgorithmNotAllowed),
        (hmac_token(b"the client secret"), TokenError::AlgorithmNotAllowed),
        (format!("{message}."), TokenError::InvalidSignature),
        (TestKey::rsa("test").sign(&id_token()), TokenError::InvalidSignature),
        (TestKey::rsa("another").sign(&id_token()), TokenError::UnknownKey),
    ] {
        assert_eq!(refusal(&token, login_kind()), reason, "{token}");
    }
}

/// In each form in which an attacker may use the public key as the secret.
#[test]
fn r046_an_hmac_with_the_public_key_is_refused() {
    let jwk = TEST_KEY.jwk();
    let text = |name: &str| jwk[name].as_str().unwrap();
    let components =
        RsaPublicKeyComponents { n: decode(text("n")).unwrap(), e: decode(text("e")).unwrap() };
    let modulus = components.n.clone();
    let key: PublicEncryptingKey = components.try_into().unwrap();
    let spki = AsDer::<PublicKeyX509Der<'_>>::as_der(&key).unwrap();
    // `SubjectPublicKeyInfo` wraps the `RSAPublicKey` of PKCS#1, after a prefix of 24 bytes.
    let pkcs1 = &spki.as_ref()[24..];
    assert!(pkcs1.starts_with(&[0x30, 0x82]), "a sequence with a length of two bytes");
    for secret in [
        text("n").into(),
        modulus,
        jwk.to_string().into(),
        pkcs1.to_vec(),
        pem("RSA PUBLIC KEY", pkcs1),
        spki.as_ref().to_vec(),
        pem("PUBLIC KEY", spki.as_ref()),
    ] {
        assert_eq!(refusal(&hmac_token(&secret), login_kind()), TokenError::AlgorithmNotAllowed);
    }
}

/// A login's ID token, signed by HMAC.
fn hmac_token(secret: &[u8]) -> String {
    let message = message_with("HS256");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
}

/// Header and payload of a login's ID token, with this `alg`.
fn message_with(algorithm: &str) -> String {
    let mut header = TEST_KEY.header();
    header["alg"] = algorithm.into();
    let encode = |part: Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", encode(header), encode(id_token()))
}

/// The text encoding of RFC 7468 §3.
fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let base64 = BASE64_STANDARD.encode(der);
    let lines: Vec<_> =
        base64.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into()
}
