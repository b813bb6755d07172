//! Any bytes as the provider's other documents.
#![no_main]

use fuzz::ISSUER;
use libfuzzer_sys::fuzz_target;
use shared::provider::{Metadata, TokenResponse, login_method::parse_script};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(metadata) = fuzz::bounded(|| Metadata::parse(bytes, &ISSUER)) {
        assert_eq!(metadata.issuer, *ISSUER);
        let endpoints =
            [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
        for endpoint in endpoints.into_iter().chain(&metadata.end_session_endpoint) {
            assert_eq!(endpoint.origin(), ISSUER.url().origin());
            assert!(endpoint.username().is_empty() && endpoint.password().is_none());
        }
    }
    let _ = fuzz::bounded(|| TokenResponse::parse(bytes));
    let _ = fuzz::bounded(|| parse_script(bytes));
});
