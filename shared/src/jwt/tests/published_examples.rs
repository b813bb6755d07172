//! The examples of RFC 7515, 7517, 7519, 7797 and 8037, and the attacks of RFC 8725.
//!
//! None of the examples can be accepted: their issuer is `joe`, they contain no claims, or their
//! algorithm is not supported. Each is rejected for its own reason. Its own key proves that it was
//! copied correctly, so the reason is not a copying error.

use aws_lc_rs::{
    hmac,
    signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey},
};

use super::*;

/// A token as printed in an RFC.
struct Example {
    /// The section of the RFC.
    section: &'static str,
    /// Its parts.
    token: [&'static str; 3],
    /// The reason why we reject it.
    refusal: TokenError,
    /// The proof that its signature is valid.
    proof: Proof,
}

enum Proof {
    /// Our own verification with this JWK.
    Ours(Algorithm, &'static str),
    /// HMAC with the one key of these RFCs, over this payload if it is detached.
    Hmac(Option<&'static str>),
    /// ECDSA on P-521, which is not supported.
    P521,
    /// No signature.
    Unsigned,
}

const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                   cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

const RS256_SIGNATURE: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7\
                               AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4\
                               BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K\
                               0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv\
                               hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB\
                               p0igcN_IoypGlUPQGe77Rw";

const ES256_SIGNATURE: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA\
                               pmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 7515 A.1.1, and again RFC 7797 §4.
const HMAC_KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUu\
                        TwjAzZr1Z9CAow";

/// RFC 7515 A.2.1, without its private members.
const RSA_KEY: &str = r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;

/// RFC 7515 A.3.1, likewise.
const P256_KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

/// RFC 7515 A.4.1, `x` and `y`.
const P521_KEY: [&str; 2] = [
    "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
    "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
];

/// RFC 8037 A.2.
const ED25519_KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

const EXAMPLES: [Example; 9] = [
    Example {
        section: "RFC 7515 A.1, RFC 7519 §3.1",
        token: [
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            JOE,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ],
        refusal: TokenError::AlgorithmNotAllowed,
        proof: Proof::Hmac(None),
    },
    Example {
        section: "RFC 7515 A.2, and in A.6",
        token: ["eyJhbGciOiJSUzI1NiJ9", JOE, RS256_SIGNATURE],
        refusal: TokenError::InvalidIssuer,
        proof: Proof::Ours(Algorithm::Rs256, RSA_KEY),
    },
    Example {
        section: "RFC 7515 A.3, and in A.6 and A.7",
        token: ["eyJhbGciOiJFUzI1NiJ9", JOE, ES256_SIGNATURE],
        refusal: TokenError::InvalidIssuer,
        proof: Proof::Ours(Algorithm::Es256, P256_KEY),
    },
    Example {
        section: "RFC 7515 A.4",
        token: [
            "eyJhbGciOiJFUzUxMiJ9",
            "UGF5bG9hZA",
            "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZq\
             wqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8Kp\
             EHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
        ],
        refusal: TokenError::AlgorithmNotAllowed,
        proof: Proof::P521,
    },
    Example {
        section: "RFC 7515 A.5, RFC 7519 §6.1",
        token: ["eyJhbGciOiJub25lIn0", JOE, ""],
        refusal: TokenError::AlgorithmNotAllowed,
        proof: Proof::Unsigned,
    },
    Example {
        section: "RFC 7515 E",
        token: [
            "eyJhbGciOiJub25lIiwNCiAiY3JpdCI6WyJodHRwOi8vZXhhbXBsZS5jb20vVU5ERUZJTkVEIl0sDQogImh0\
             dHA6Ly9leGFtcGxlLmNvbS9VTkRFRklORUQiOnRydWUNCn0",
            "RkFJTA",
            "",
        ],
        refusal: TokenError::AlgorithmNotAllowed,
        proof: Proof::Unsigned,
    },
    Example {
        section: "RFC 7797 §4.1",
        token: ["eyJhbGciOiJIUzI1NiJ9", "JC4wMg", "5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ"],
        refusal: TokenError::AlgorithmNotAllowed,
        proof: Proof::Hmac(None),
    },
    Example {
        section: "RFC 7797 §4.2",
        token: [
            "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19",
            "",
            "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY",
        ],
        refusal: TokenError::AlgorithmNotAllowed,
        proof: Proof::Hmac(Some("$.02")),
    },
    Example {
        section: "RFC 8037 A.4, A.5",
        token: [
            "eyJhbGciOiJFZERTQSJ9",
            "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ],
        refusal: TokenError::Malformed,
        proof: Proof::Ours(Algorithm::EdDsa, ED25519_KEY),
    },
];

/// R44-R50, R54, R55.
#[test]
fn r044_each_published_token_is_refused_for_its_own_reason() {
    for Example { section, token, refusal: expected, proof } in EXAMPLES {
        let [header, payload, signature] = token;
        let text = token.join(".");
        assert_eq!(refusal(&text, &[&TEST_KEY], login_kind()), expected, "{section}");
        let message = format!("{header}.{payload}");
        match proof {
            Proof::Ours(algorithm, jwk) => {
                let keys = keys_of(jwk);
                let key = keys.candidates(None, algorithm)[0];
                let signature = decode(signature).unwrap();
                assert!(key.has_signed(algorithm, message.as_bytes(), &signature), "{section}");
                let other = format!("{message} ");
                assert!(!key.has_signed(algorithm, other.as_bytes(), &signature), "{section}");
            }
            Proof::Hmac(detached) => {
                let message = detached.map_or(message, |payload| format!("{header}.{payload}"));
                let key = hmac::Key::new(hmac::HMAC_SHA256, &decode(HMAC_KEY).unwrap());
                let tag = decode(signature).unwrap();
                assert!(hmac::verify(&key, message.as_bytes(), &tag).is_ok(), "{section}");
            }
            Proof::P521 => {
                let [x, y] = P521_KEY.map(|number| decode(number).unwrap());
                let key = [&[4], &x[..], &y].concat();
                let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, key);
                let signature = decode(signature).unwrap();
                assert!(key.verify(message.as_bytes(), &signature).is_ok(), "{section}");
            }
            Proof::Unsigned => assert_eq!(signature, "", "{section}"),
        }
    }
}

/// R44. RFC 7515 A.6 and A.7: a JWT never uses a JSON serialization (RFC 7519 §3).
#[test]
fn r044_a_token_in_a_json_serialization_is_refused() {
    let flattened = json!({
        "payload": JOE,
        "protected": "eyJhbGciOiJFUzI1NiJ9",
        "header": { "kid": "e9bc097a-ce51-4036-9562-d2ade882db0d" },
        "signature": ES256_SIGNATURE,
    });
    let general = json!({
        "payload": JOE,
        "signatures": [
            {
                "protected": "eyJhbGciOiJSUzI1NiJ9",
                "header": { "kid": "2010-12-29" },
                "signature": RS256_SIGNATURE,
            },
            {
                "protected": flattened["protected"],
                "header": flattened["header"],
                "signature": flattened["signature"],
            },
        ],
    });
    for text in [flattened.to_string(), general.to_string()] {
        assert_eq!(refusal(&text, &[&TEST_KEY], login_kind()), TokenError::Opaque);
    }
}

/// R144. RFC 7519 A.1 and A.2.
#[test]
fn r144_an_encrypted_or_nested_token_is_refused() {
    for text in [
        "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2In0.\
         QR1Owv2ug2WyPBnbQrRARTeEk9kDO2w8qDcjiHnSJflSdv1iNqhWXaKH4MqAkQtM\
         oNfABIPJaZm0HaA415sv3aeuBWnD8J-Ui7Ah6cWafs3ZwwFKDFUUsWHSK-IPKxLG\
         TkND09XyjORj_CHAgOPJ-Sd8ONQRnJvWn_hXV1BNMHzUjPyYwEsRhDhzjAD26ima\
         sOTsgruobpYGoQcXUwFDn7moXPRfDE8-NoQX7N7ZYMmpUDkR-Cx9obNGwJQ3nM52\
         YCitxoQVPzjbl7WBuB7AohdBoZOdZ24WlN1lVIeh8v1K4krB8xgKvRU8kgFrEn_a\
         1rZgN5TiysnmzTROF869lQ.\
         AxY8DCtDaGlsbGljb3RoZQ.\
         MKOle7UQrG6nSxTLX6Mqwt0orbHvAKeWnDYvpIAeZ72deHxz3roJDXQyhxx0wKaM\
         HDjUEOKIwrtkHthpqEanSBNYHZgmNOV7sln1Eu9g3J8.\
         fiK51VwhsxJ-siBMR-YFiA",
        "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4Q0JDLUhTMjU2IiwiY3R5IjoiSldUIn0.\
         g_hEwksO1Ax8Qn7HoN-BVeBoa8FXe0kpyk_XdcSmxvcM5_P296JXXtoHISr_DD_M\
         qewaQSH4dZOQHoUgKLeFly-9RI11TG-_Ge1bZFazBPwKC5lJ6OLANLMd0QSL4fYE\
         b9ERe-epKYE3xb2jfY1AltHqBO-PM6j23Guj2yDKnFv6WO72tteVzm_2n17SBFvh\
         DuR9a2nHTE67pe0XGBUS_TK7ecA-iVq5COeVdJR4U4VZGGlxRGPLRHvolVLEHx6D\
         YyLpw30Ay9R6d68YCLi9FYTq3hIXPK_-dmPlOUlKvPr1GgJzRoeC9G5qCvdcHWsq\
         JGTO_z3Wfo5zsqwkxruxwA.\
         UmVkbW9uZCBXQSA5ODA1Mg.\
         VwHERHPvCNcHHpTjkoigx3_ExK0Qc71RMEParpatm0X_qpg-w8kozSjfNIPPXiTB\
         BLXR65CIPkFqz4l1Ae9w_uowKiwyi9acgVztAi-pSL8GQSXnaamh9kX1mdh3M_TT\
         -FZGQFQsFhu0Z72gJKGdfGE-OE7hS1zuBD5oEUfk0Dmb0VzWEzpxxiSSBbBAzP10\
         l56pPfAtrjEYw-7ygeMkwBl6Z_mLS6w6xUgKlvW6ULmkV-uLC4FUiyKECK4e3WZY\
         Kw1bpgIqGYsw2v_grHjszJZ-_I5uM-9RA8ycX9KqPRp9gc6pXmoU_-27ATs9XCvr\
         ZXUtK2902AUzqpeEUJYjWWxSNsS-r1TJ1I-FMJ4XyAiGrfmo9hQPcNBYxPz3GQb2\
         8Y5CLSQfNgKSGt0A4isp1hBUXBHAndgtcslt7ZoQJaKe_nNJgNliWtWpJ_ebuOpE\
         l8jdhehdccnRMIwAmU1n7SPkmhIl1HlSOpvcvDfhUN5wuqU955vOBvfkBOh5A11U\
         zBuo2WlgZ6hYi9-e3w29bR0C2-pp3jbqxEDw3iWaf2dc5b-LnR0FEYXvI_tYk5rd\
         _J9N0mg0tQ6RbpxNEMNoA9QWk5lgdPvbh9BaO195abQ.\
         AVO9iT5AV4CzvDJCdhSFlQ",
    ] {
        assert_eq!(refusal(text, &[&TEST_KEY], api_kind()), TokenError::Encrypted);
    }
}

/// R44. RFC 7515 C.
#[test]
fn r044_only_base64url_as_published_is_accepted() {
    assert_eq!(decode("A-z_4ME").unwrap(), [3, 236, 255, 224, 193]);
    for other_form in ["A-z_4ME=", "A+z/4ME", "A-z_4MF", "A-z_4M", "A-z_ 4ME"] {
        assert_eq!(decode(other_form).ok(), None, "{other_form}");
    }
}

/// R78. RFC 7517 A.1 (an encryption key and a signing key) and A.3 (symmetric keys); RFC 8037 A.6 (a
/// key agreement key).
#[test]
fn r078_of_the_published_keys_only_signing_keys_are_used() {
    let document = json!({ "keys": [
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "use": "enc",
            "kid": "1",
        },
        {
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        },
        { "kty": "oct", "alg": "A128KW", "k": "GawgguFyGrWKav7AX4VKUg" },
        { "kty": "oct", "k": HMAC_KEY, "kid": "HMAC key used in JWS spec Appendix A.1 example" },
        {
            "kty": "OKP",
            "crv": "X25519",
            "kid": "Bob",
            "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08",
        },
    ]});
    let keys = KeySet::parse(document.to_string().as_bytes()).unwrap();
    for (algorithm, names) in [
        (Algorithm::Rs256, &["2011-04-29"][..]),
        (Algorithm::Ps256, &[]),
        (Algorithm::Es256, &[]),
        (Algorithm::EdDsa, &[]),
    ] {
        let found: Vec<_> =
            keys.candidates(None, algorithm).iter().filter_map(|key| key.key_id()).collect();
        assert_eq!(found, names, "{algorithm:?}");
    }
}

/// R54. RFC 7797 §6: an unencoded payload is declared in `crit`, regardless of the signer. §4.2 with a
/// key and an algorithm that we support.
#[test]
fn r054_an_unencoded_payload_is_refused() {
    for header in [
        json!({ "alg": "RS256", "b64": false, "crit": ["b64"] }),
        json!({ "alg": "RS256", "b64": false }),
        json!({ "alg": "RS256", "crit": ["b64"] }),
    ] {
        let token = TEST_KEY.sign_with_header(&header, &id_token());
        assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), TokenError::CriticalHeader);
    }
}

/// RFC 8725: its attacks (§2) and the defences (§3), one token each.
#[test]
fn the_attacks_of_rfc_8725_fail() {
    let good = id_token();
    let header = |name: &str, value: Value| {
        let mut header = TEST_KEY.header();
        header[name] = value;
        TEST_KEY.sign_with_header(&header, &good)
    };
    let claim = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        TEST_KEY.sign(&claims)
    };
    let payload = |payload: &[u8]| {
        let header = BASE64_URL_SAFE_NO_PAD.encode(TEST_KEY.header().to_string());
        TEST_KEY.sign_message(&format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(payload)))
    };
    let hmac = |secret: &[u8]| {
        let token = header("alg", json!("HS256"));
        let message = token.rsplit_once('.').unwrap().0;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag))
    };
    let attacker = TestKey::rsa("test");
    let unsigned = header("alg", json!("none"));
    let text = good.to_string();
    let utf_16: Vec<_> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let utf_32: Vec<_> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
    let repeated = format!(r#"{{"iss":"https://evil.example/",{}"#, &text[1..]);
    let modulus = TEST_KEY.jwk()["n"].as_str().unwrap().to_owned();

    for (section, token, error) in [
        ("2.1, 3.1", unsigned[..=unsigned.rfind('.').unwrap()].to_owned(), TokenError::AlgorithmNotAllowed),
        ("2.1, 3.1", hmac(&decode(&modulus).unwrap()), TokenError::AlgorithmNotAllowed),
        ("2.1, 3.1", header("alg", json!("ES256")), TokenError::UnknownKey),
        ("2.2, 3.5", hmac(b"secret"), TokenError::AlgorithmNotAllowed),
        ("2.3, 3.3", payload(TEST_KEY.sign(&good).as_bytes()), TokenError::Malformed),
        ("2.4, 3.6", header("zip", json!("DEF")), TokenError::CriticalHeader),
        ("2.5, 3.2", header("alg", json!("ECDH-ES")), TokenError::AlgorithmNotAllowed),
        ("2.6, 3.7", payload(&utf_16), TokenError::Malformed),
        ("2.6, 3.7", payload(&utf_32), TokenError::Malformed),
        ("2.6, 3.7", payload(format!("\u{feff}{text}").as_bytes()), TokenError::Malformed),
        ("2.6", payload(repeated.as_bytes()), TokenError::DuplicateClaim),
        ("2.7, 3.8", claim("iss", json!("https://evil.example/")), TokenError::InvalidIssuer),
        ("2.7, 3.8", claim("sub", json!(["auth0|ada"])), TokenError::MistypedClaim("sub")),
        ("2.7, 3.9", claim("aud", json!("another-client")), TokenError::InvalidAudience),
        ("2.8, 3.11", header("typ", json!("at+jwt")), TokenError::TypeNotAllowed),
        ("2.8, 3.11", header("typ", json!("secevent+jwt")), TokenError::TypeNotAllowed),
        ("2.8, 3.12", claim("events", json!({})), TokenError::WrongKind),
        ("2.8, 3.12", TEST_KEY.sign(&access_token()), TokenError::InvalidAudience),
        ("2.9, 3.10", header("kid", json!("' OR kid = 'test")), TokenError::UnknownKey),
        ("2.9, 3.10", attacker.sign_with_header(
            &json!({ "alg": "RS256", "kid": "test", "jku": "https://evil.example/", "jwk": attacker.jwk() }),
            &good,
        ), TokenError::InvalidSignature),
    ] {
        assert_eq!(refusal(&token, &[&TEST_KEY], login_kind()), error, "§{section}: {token}");
    }
    assert!(verify(&payload(text.as_bytes()), &[&TEST_KEY], login_kind()).is_ok());
}

/// RFC 8725 §3.4: a point that is not on the curve, and coordinates that are not a point.
#[test]
fn r078_a_key_that_is_not_a_point_on_its_curve_is_skipped() {
    for (x, y) in [([1; 32], [1; 32]), ([0; 32], [0; 32]), ([0xff; 32], [0xff; 32])] {
        let jwk = json!({
            "kty": "EC",
            "crv": "P-256",
            "x": BASE64_URL_SAFE_NO_PAD.encode(x),
            "y": BASE64_URL_SAFE_NO_PAD.encode(y),
        });
        assert!(keys_of(&jwk.to_string()).is_empty());
    }
}

fn keys_of(jwk: &str) -> KeySet {
    KeySet::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes()).unwrap()
}
