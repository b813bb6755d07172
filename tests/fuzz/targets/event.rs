//! Any bytes as an event: the outcome is an error, or a request shaped only by the gateway's own
//! fields. The same bytes as an authorizer's event: the outcome is an error, or a policy for only the
//! method in the event.
#![no_main]

use gateway::authorizer::{Call, Form};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use shared::{guard::Principal, names::ErrorCode};

fn is_authorized(bytes: &[u8]) {
    let Ok(call) = fuzz::bounded(|| Call::read(bytes, "invocation")) else { return };
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
    let principal = Principal {
        user: serde_json::Map::new(),
        api_claims: Default::default(),
        authentication: Default::default(),
        is_person: false,
        scopes: Vec::new(),
        session: None,
    };
    let decision = call.form.allow(&principal, &[]);
    match &call.form {
        Form::Simple => {
            let method = call.route.method.as_str();
            assert_eq!(event["requestContext"]["http"]["method"], method);
            let key = event["routeKey"].as_str().unwrap_or_default();
            let resource = call.route.resource.unwrap_or_default();
            assert!(
                key == resource || key.split_once(' ').is_some_and(|(_, path)| path == resource)
            );
            assert!(decision.allows());
        }
        Form::Policy { method_arn } => {
            assert_eq!(event["methodArn"], method_arn.as_str());
            let is_wide = method_arn.contains(['*', '?']) || method_arn.contains("${");
            assert_eq!(decision.allows(), !is_wide);
        }
    }
    assert!(!call.form.deny(ErrorCode::ClaimNotAllowed).allows());
}

fuzz_target!(|bytes: &[u8]| {
    is_authorized(bytes);
    let Ok(request) = fuzz::bounded(|| gateway::event::parse(bytes, "invocation")) else { return };
    // Fields that are not read need not be text.
    let Ok(event) = serde_json::from_slice::<Value>(bytes) else { return };
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["requestContext"]["http"]["method"], request.method().as_str());
    assert!(request.uri().path().starts_with('/') && request.uri().host().is_none());
    let has_cookies = event["cookies"].as_array().is_some_and(|cookies| !cookies.is_empty());
    assert!(has_cookies || !request.headers().contains_key("cookie"));
    assert_eq!(request.extensions().len(), 1);
});
