//! Any bytes as `Cookie` headers: a value that opens a session must occur once and unchanged.
#![no_main]

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use shared::web::{
    base_url::BaseUrl,
    cookie::{CookieJar, RequestCookies, SessionCookie},
};

fuzz_target!(|headers: Vec<Vec<u8>>| {
    let mut map = HeaderMap::new();
    for value in &headers {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            map.append(header::COOKIE, value);
        }
    }
    let request = fuzz::bounded(|| RequestCookies::of(&map));
    for base_url in [BaseUrl::Gateway, BaseUrl::Fixed("http://localhost:9000".to_owned())] {
        let jar = CookieJar::new(&base_url);
        if let SessionCookie::Present(secret) = jar.session(&request) {
            let set = jar.set_session(&secret, Duration::ZERO);
            let pair = set.as_bytes().split(|byte| *byte == b';').next().expect("a pair");
            let values = map.get_all(header::COOKIE).iter();
            let found = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
            let is_it = |found: &&[u8]| {
                let text: Vec<_> = found.iter().filter(|byte| !b" \t".contains(byte)).collect();
                text.into_iter().eq(pair)
            };
            assert_eq!(found.filter(is_it).count(), 1);
        }
        if jar.clear_session_twin(&request).is_some() {
            assert!(matches!(jar.session(&request), SessionCookie::Malformed));
        }
        for (flow, sealed) in jar.logins(&request) {
            assert_eq!(jar.login(&request, flow), sealed);
            let cleared = jar.clear_login(flow);
            assert!(cleared.to_str().expect("printable").contains("=; HttpOnly; SameSite=Lax"));
        }
    }
});
