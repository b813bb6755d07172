//! Any claims with a valid signature: accepted claims must be correct for another JSON parser too.
#![no_main]

use std::time::Duration;

use fuzz::{ISSUER, KEY, NOW};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use shared::jwt::{LEEWAY, TokenKind};

fuzz_target!(|payload: &str| {
    let token = KEY.sign_text(&KEY.header().to_string(), payload);
    for kind in fuzz::kinds() {
        let Ok(claims) = fuzz::bounded(|| fuzz::verify(&token, kind)) else { continue };
        let read: Map<String, Value> = serde_json::from_str(payload).expect("it was accepted");
        assert!(read.iter().all(|(name, value)| claims.get(name) == Some(value)));
        assert_eq!(read["iss"], ISSUER.as_str());
        // However a fraction is rounded, the result must not favour the token.
        let seconds = |name: &str| read.get(name).map(|date| date.as_f64().expect("a number"));
        let now = Duration::from_secs(NOW.as_unix()).as_secs_f64();
        let leeway = LEEWAY.as_secs_f64();
        assert!(seconds("exp").expect("a date") + leeway > now);
        assert!(seconds("iat").expect("a date") <= now + leeway);
        assert!(seconds("nbf").is_none_or(|date| date <= now + leeway));
        let end = claims.session_expiry.map(|end| Duration::from_secs(end.as_unix()).as_secs_f64());
        assert!(end.is_none_or(|end| Some(end) <= seconds("session_expiry")));
        assert!((1..=255).contains(&read["sub"].as_str().expect("a text").chars().count()));
        assert!(!read.contains_key("events"));
        match kind {
            TokenKind::AccessToken { audience } => {
                let is_audience = |value: &Value| value == audience;
                let audiences = read["aud"].as_array();
                assert!(
                    is_audience(&read["aud"])
                        || audiences.is_some_and(|all| all.iter().any(is_audience))
                );
                assert!(!read.contains_key("nonce") && !read.contains_key("cnf"));
            }
            TokenKind::ApiKey { client_id } => {
                assert_eq!(claims.audience, [client_id]);
                assert!(!read.contains_key("cnf"));
            }
            TokenKind::IdToken { client_id, nonce, .. } => {
                assert_eq!(claims.audience, [client_id]);
                assert_eq!(read["nonce"].as_str(), nonce);
                assert!(read.contains_key("auth_time"));
            }
            TokenKind::RefreshedIdToken { client_id, .. } => {
                assert_eq!(claims.audience, [client_id]);
                assert_eq!(read["sub"], "auth0|ada");
            }
        }
        let user = claims.user();
        assert!(!["iss", "aud", "exp", "nonce", "sid"].iter().any(|name| user.contains_key(*name)));
    }
});
