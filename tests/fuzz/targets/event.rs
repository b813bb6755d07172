//! Any bytes as an event: a request that only the gateway's own fields have shaped, or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(request) = fuzz::bounded(|| gateway::event::parse(bytes, "invocation")) else { return };
    // What is not read need not be text either.
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["requestContext"]["http"]["method"], request.method().as_str());
    assert!(request.uri().path().starts_with('/') && request.uri().host().is_none());
    let has_cookies = event["cookies"].as_array().is_some_and(|cookies| !cookies.is_empty());
    assert!(has_cookies || !request.headers().contains_key("cookie"));
    assert_eq!(request.extensions().len(), 1);
});
