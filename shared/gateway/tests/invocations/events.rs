//! Tests of the conversion from events to requests.

use gateway::event::{BODY_LIMIT, EventError, parse};
use proptest::prelude::*;
use serde_json::{Value, json};
use shared::web::request::{Request, RequestContext};

/// The sample in AWS's documentation, "Integrating Lambda with HTTP APIs".
const SAMPLE: &str = include_str!("fixtures/http-api-v2.json");

/// The sample with `value` at `pointer`.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut event: Value = serde_json::from_str(SAMPLE).unwrap();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    event
}

fn read(event: &Value) -> Result<Request, EventError> {
    parse(event.to_string().as_bytes(), "invocation")
}

fn path_of(raw_path: &str, stage: &str) -> String {
    let event = with(&[("/rawPath", json!(raw_path)), ("/requestContext/stage", json!(stage))]);
    read(&event).unwrap().uri().path().to_owned()
}

#[test]
fn the_documented_sample_becomes_a_request() {
    let request = parse(SAMPLE.as_bytes(), "invocation").unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "/my/path?parameter1=value1&parameter1=value2&parameter2=value");
    assert_eq!(request.headers()["header2"], "value1,value2");
    assert_eq!(request.headers()["cookie"], "cookie1; cookie2");
    assert_eq!(request.body(), "Hello from Lambda");
    let context = RequestContext::of(&request);
    assert_eq!(context.request_id, "id");
    assert_eq!(context.domain_name.as_deref(), Some("id.execute-api.us-east-1.amazonaws.com"));
}

#[test]
fn r090_cookies_come_only_from_the_cookies_array() {
    let event = with(&[
        ("/headers", json!({"Cookie": "session=evil", "cookie": "session=evil"})),
        ("/cookies", json!(["session=good", "broken=\n", "theme=dark"])),
    ]);
    let request = read(&event).unwrap();
    let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
    assert_eq!(cookies, ["session=good; theme=dark"]);

    let event = with(&[("/headers", json!({"cookie": "session=evil"})), ("/cookies", Value::Null)]);
    assert!(!read(&event).unwrap().headers().contains_key("cookie"));
}

#[test]
fn r153_a_forged_authorizer_context_has_no_effect() {
    let plain = format!("{:?}", read(&with(&[("/requestContext/authorizer", Value::Null)])));
    for forged in [json!({"jwt": {"claims": {"sub": "admin", "n": 1}}}), json!([1]), json!("x")] {
        let request = read(&with(&[("/requestContext/authorizer", forged)]));
        assert_eq!(format!("{request:?}"), plain);
        assert_eq!(request.unwrap().extensions().len(), 1);
    }
}

#[test]
fn r160_the_stage_prefix_is_removed_once_and_only_if_whole() {
    assert_eq!(path_of("/prod/callback", "prod"), "/callback");
    assert_eq!(path_of("/prod", "prod"), "/");
    assert_eq!(path_of("/prod/prod/callback", "prod"), "/prod/callback");
    assert_eq!(path_of("/production", "prod"), "/production");
    assert_eq!(path_of("/callback", "prod"), "/callback");
    assert_eq!(path_of("/$default/callback", "$default"), "/$default/callback");
    assert_eq!(path_of("/callback", ""), "/callback");
}

#[test]
fn r160_escapes_in_a_path_are_kept_and_a_decoded_path_is_encoded_once() {
    for (raw_path, path) in [
        ("/protected/", "/protected/"),
        ("//callback", "//callback"),
        ("/a/../callback", "/a/../callback"),
        ("/%2e%2e/callback", "/%2e%2e/callback"),
        ("/%252e", "/%252e"),
        ("/CALLBACK", "/CALLBACK"),
        ("/callback?code=x#y", "/callback%3Fcode=x%23y"),
        ("/100%", "/100%25"),
        ("/100%zz", "/100%25zz"),
        ("/ü \\\r\n", "/%C3%BC%20%5C%0D%0A"),
        ("", "/"),
        ("callback", "/callback"),
        ("http://evil/", "/http://evil/"),
    ] {
        assert_eq!(path_of(raw_path, "$default"), path);
    }
}

#[test]
fn the_query_is_the_raw_one_and_the_parsed_one_is_ignored() {
    let event = with(&[
        ("/rawQueryString", json!("state=a%2Bb&state=%&x=\"#y ü")),
        ("/queryStringParameters", json!({"state": "evil"})),
    ]);
    assert_eq!(read(&event).unwrap().uri().query(), Some("state=a%2Bb&state=%&x=%22%23y%20%C3%BC"));
    let event = with(&[("/rawQueryString", json!(""))]);
    assert_eq!(read(&event).unwrap().uri().query(), None);
}

#[test]
fn r161_headers_do_not_override_the_method() {
    let event = with(&[("/headers", json!({"X-HTTP-Method-Override": "DELETE"}))]);
    assert_eq!(read(&event).unwrap().method(), "POST");
}

#[test]
fn r162_base64_is_decoded_and_broken_base64_refused() {
    let flagged = |body: &str| with(&[("/body", json!(body)), ("/isBase64Encoded", json!(true))]);
    assert_eq!(read(&flagged("YT0xJmI9Mg==")).unwrap().body(), "a=1&b=2");
    for broken in ["YT0xJmI9Mg", "%%%%", "YT0x JmI9Mg==", "a"] {
        assert_eq!(read(&flagged(broken)).unwrap_err(), EventError::BodyNotBase64, "{broken}");
    }
    let plain = with(&[("/body", json!("YT0x"))]);
    assert_eq!(read(&plain).unwrap().body(), "YT0x");
}

#[test]
fn a_body_is_accepted_up_to_the_limit() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    for (size, taken) in [(BODY_LIMIT, true), (BODY_LIMIT + 1, false)] {
        let body = "a".repeat(size);
        let encoded = BASE64_STANDARD.encode(&body);
        for (body, is_base64) in [(body, false), (encoded, true)] {
            let event = with(&[("/body", json!(body)), ("/isBase64Encoded", json!(is_base64))]);
            match read(&event) {
                Ok(request) => assert!(taken && request.body().len() == size),
                Err(error) => assert_eq!((taken, error), (false, EventError::BodyTooLarge)),
            }
        }
    }
}

#[test]
fn a_path_longer_than_a_uri_is_refused() {
    let event = with(&[("/rawPath", json!("/a".repeat(40_000)))]);
    assert_eq!(read(&event).unwrap_err(), EventError::UriTooLong);
}

#[test]
fn r163_an_event_of_another_format_is_reported_as_such() {
    for event in [
        json!({}),
        json!(7),
        json!([]),
        json!(null),
        json!("event"),
        json!({"key1": "value1"}),
        json!({"version": "1.0", "path": "/", "httpMethod": "GET", "requestContext": {}}),
        json!({"resource": "/", "path": "/", "httpMethod": "GET", "headers": null}),
        json!({"requestContext": {"elb": {"targetGroupArn": "arn"}}, "path": "/", "body": ""}),
        with(&[("/version", json!("1.0"))]),
        with(&[("/version", json!(2.0))]),
    ] {
        assert_eq!(read(&event).unwrap_err(), EventError::NotPayloadV2, "{event}");
    }
    for text in ["", "{", "\u{0}", "nonsense"] {
        assert_eq!(parse(text.as_bytes(), "").unwrap_err(), EventError::NotPayloadV2, "{text}");
    }
    assert_eq!(parse(b"\xff\xfe", "").unwrap_err(), EventError::NotPayloadV2);
}

#[test]
fn r163_an_invalid_event_of_version_2_is_malformed() {
    let many: Value = (0..40_000).map(|n| (format!("h{n}"), json!("x"))).collect();
    for (pointer, value) in [
        ("/rawPath", json!(7)),
        ("/rawPath", Value::Null),
        ("/rawQueryString", json!({})),
        ("/cookies", json!("a=b")),
        ("/headers", json!(["a"])),
        ("/headers", json!({"a": 7})),
        ("/headers", many),
        ("/requestContext", json!([])),
        ("/requestContext/http", json!({})),
        ("/requestContext/http/method", json!("")),
        ("/requestContext/http/method", json!("G T")),
        ("/body", json!({})),
        ("/isBase64Encoded", json!("yes")),
    ] {
        let error = read(&with(&[(pointer, value)])).unwrap_err();
        assert!(matches!(error, EventError::Malformed { .. }), "{pointer}: {error}");
    }
}

#[test]
fn r164_headers_are_passed_on_but_determine_neither_request_id_nor_host() {
    let event = with(&[(
        "/headers",
        json!({
            "X-Amzn-Request-Id": "evil", "X-Forwarded-Host": "evil", "Host": "evil",
            "X_User_Id": "evil", "bad name": "x", "bad-value": "a\r\nb", "x-word": "ü",
        }),
    )]);
    let request = read(&event).unwrap();
    assert_eq!(request.headers()["x-forwarded-host"], "evil");
    assert_eq!(request.headers()["x-word"].as_bytes(), "ü".as_bytes());
    assert!(!request.headers().contains_key("bad-value"));
    assert_eq!(request.uri().host(), None);
    let context = RequestContext::of(&request);
    assert_eq!(context.request_id, "id");
    assert_eq!(context.domain_name.as_deref(), Some("id.execute-api.us-east-1.amazonaws.com"));
}

#[test]
fn both_values_of_a_repeated_header_are_kept() {
    let event = with(&[("/headers", json!({"Authorization": "a", "authorization": "b"}))]);
    assert_eq!(read(&event).unwrap().headers().get_all("authorization").iter().count(), 2);
}

#[test]
fn r174_an_unsafe_request_id_is_replaced_by_the_invocations() {
    for id in [Value::Null, json!(""), json!("<b>"), json!("a\nb"), json!("a".repeat(129))] {
        let request = read(&with(&[("/requestContext/requestId", id)])).unwrap();
        assert_eq!(RequestContext::of(&request).request_id, "invocation");
    }
}

proptest! {
    /// An event of version 2.0 with any texts becomes a request.
    #[test]
    fn r180_any_text_anywhere_becomes_a_request(
        path in ".*",
        query in ".*",
        stage in ".{0,8}",
        headers in prop::collection::hash_map(".*", ".*", 0..8),
        cookies in prop::collection::vec(".*", 0..8),
        body in ".*",
    ) {
        let event = with(&[
            ("/rawPath", json!(path)),
            ("/rawQueryString", json!(query)),
            ("/requestContext/stage", json!(stage)),
            ("/headers", json!(headers)),
            ("/cookies", json!(cookies)),
            ("/body", json!(body)),
        ]);
        let request = read(&event).unwrap();
        prop_assert!(request.uri().path().starts_with('/'));
        prop_assert_eq!(request.uri().host(), None);
        prop_assert_eq!(request.uri().query().is_some(), !query.is_empty());
    }

    #[test]
    fn r180_any_base64_flagged_body_is_decoded_or_refused(body in ".*") {
        let event = with(&[("/body", json!(body)), ("/isBase64Encoded", json!(true))]);
        if let Err(error) = read(&event) {
            prop_assert_eq!(error, EventError::BodyNotBase64);
        }
    }

    #[test]
    fn r180_an_event_damaged_anywhere_never_panics(
        at in 0..SAMPLE.trim_end().len(), byte: u8, cut: bool,
    ) {
        let mut event = SAMPLE.as_bytes().to_vec();
        event[at] = byte;
        if cut {
            event.truncate(at);
        }
        let read = parse(&event, "invocation");
        prop_assert!(!cut || read.is_err());
    }

    /// R180: an event with any JSON at any place becomes a request or an error. A field that is not
    /// read never causes an error.
    #[test]
    fn r180_any_json_at_any_place_is_parsed_or_refused(
        (place, json) in (prop::sample::select(places()), any_json()),
    ) {
        match read(&with(&[(&place, json)])) {
            Ok(request) => {
                prop_assert_eq!(request.uri().host(), None);
                prop_assert!(request.uri().path().starts_with('/'));
                prop_assert!(request.headers().get_all("cookie").iter().count() <= 1);
            }
            Err(error) => {
                // The place may also be inside or around one that is read.
                let is_read = READ.iter().any(|read| read.starts_with(&place) || place.starts_with(read));
                prop_assert!(is_read, "{} {}", place, error);
                let is_version = place == "/version";
                prop_assert_eq!(is_version, error == EventError::NotPayloadV2, "{}", place);
            }
        }
    }

    /// R22, R90, R159: the request contains everything that the browser sent, in the same order.
    #[test]
    fn r180_a_browsers_request_is_passed_on_unchanged(
        path in "(/[a-zA-Z0-9._~-]{0,8}){1,3}",
        query in "([a-z]{1,3}=[a-zA-Z0-9%+]{0,5}(&[a-z]{1,3}=[a-zA-Z0-9%+]{0,5}){0,3})?",
        cookies in prop::collection::vec("[a-zA-Z_.-]{1,8}=[!#-+--:<-\\[\\]-~]{0,20}", 0..6),
        body: Vec<u8>,
    ) {
        use base64::{Engine, prelude::BASE64_STANDARD};
        let request = read(&with(&[
            ("/rawPath", json!(path)),
            ("/rawQueryString", json!(query)),
            ("/requestContext/stage", json!("$default")),
            ("/cookies", json!(cookies)),
            ("/body", json!(BASE64_STANDARD.encode(&body))),
            ("/isBase64Encoded", json!(true)),
        ]))
        .unwrap();
        prop_assert_eq!(request.uri().path(), path);
        prop_assert_eq!(request.uri().query().unwrap_or_default(), query);
        let joined = request.headers().get("cookie").map_or("", |value| value.to_str().unwrap());
        prop_assert_eq!(joined, cookies.join("; "));
        prop_assert_eq!(request.body(), &body);
    }

    #[test]
    fn r180_any_bytes_never_panic(event: Vec<u8>) {
        prop_assert_eq!(parse(&event, "").unwrap_err(), EventError::NotPayloadV2);
    }
}

/// The fields of an event that are read. All others may contain anything.
const READ: [&str; 11] = [
    "/body",
    "/cookies",
    "/headers",
    "/isBase64Encoded",
    "/rawPath",
    "/rawQueryString",
    "/requestContext/domainName",
    "/requestContext/http/method",
    "/requestContext/requestId",
    "/requestContext/stage",
    "/version",
];

/// All places in the sample, as JSON pointers.
fn places() -> Vec<String> {
    fn below(value: &Value, pointer: &str, places: &mut Vec<String>) {
        let Some(members) = value.as_object() else { return };
        for (name, value) in members {
            let place = format!("{pointer}/{name}");
            below(value, &place, places);
            places.push(place);
        }
    }
    let mut places = Vec::new();
    below(&serde_json::from_str(SAMPLE).unwrap(), "", &mut places);
    places
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}
