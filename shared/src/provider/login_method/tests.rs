use serde_json::json;

use super::*;
use crate::texts::Language;

static ENGLISH: &Texts = Language::English.texts();

#[test]
fn the_methods_are_parsed_in_the_order_of_the_script() {
    let script = json!({ "id": "abc", "tenant": "t", "strategies": [
        { "name": "google-oauth2", "connections": [{ "name": "google-oauth2" }] },
        { "name": "auth0", "connections": [
            { "name": "Username-Password-Authentication", "showSignup": true },
        ]},
        { "name": "email", "connections": [{ "name": "email" }] },
        { "name": "samlp", "connections": [
            { "name": "acme", "display_name": "Acme \u{202e}Corp" }, { "name": "initech" },
        ]},
        { "name": "apple" },
    ]});
    let script = format!("\u{feff}Auth0.setClient({script});\n// )}}");
    let methods = parse_script(script.as_bytes()).unwrap();
    let found: Vec<_> =
        methods.iter().map(|m| (&*m.connection, m.kind, m.label(ENGLISH))).collect();
    assert_eq!(
        found,
        [
            ("google-oauth2", LoginMethodKind::Social, "Google"),
            ("Username-Password-Authentication", LoginMethodKind::Database, "Email and password"),
            ("email", LoginMethodKind::Passwordless, "Code by email"),
            ("acme", LoginMethodKind::Enterprise, "Acme Corp"),
            ("initech", LoginMethodKind::Enterprise, "initech"),
        ]
    );
}

#[test]
fn invalid_methods_are_skipped() {
    let strategies = json!([
        7,
        { "connections": [{ "name": "nameless" }] },
        { "name": "samlp", "connections": [
            null, {}, { "name": 7 }, { "name": "" }, { "name": "a b" }, { "name": "<script>" },
            { "name": "x".repeat(129) }, { "name": "good" }, { "name": "good" },
        ]},
    ]);
    let script = format!(r#"Auth0.setClient({{"strategies":{strategies}}});"#);
    let methods = parse_script(script.as_bytes()).unwrap();
    assert_eq!(methods.len(), 1);
    assert_eq!(methods[0].connection, "good");
}

#[test]
fn the_number_of_methods_is_bounded() {
    let connections: Vec<_> = (0..1000).map(|n| json!({ "name": format!("c{n}") })).collect();
    let strategies = json!([{ "name": "samlp", "connections": connections }]);
    let script = format!(r#"Auth0.setClient({{"strategies":{strategies}}});"#);
    assert_eq!(parse_script(script.as_bytes()).unwrap().len(), MAX_METHODS);
}

#[test]
fn a_script_without_a_valid_list_is_rejected() {
    for script in [
        "",
        "<html>",
        "Auth0.setClient(",
        "Auth0.setClient();",
        "Auth0.setClient({});",
        "Auth0.setClient([]);",
        r#"Auth0.setClient({"strategies":7});"#,
        r#"alert({"strategies":[]});"#,
    ] {
        assert_eq!(parse_script(script.as_bytes()), None, "{script}");
    }
    assert_eq!(parse_script(b"\xff\xfe"), None);
}

#[test]
fn a_connection_known_only_by_name_gets_a_label() {
    assert_eq!(LoginMethod::named("github").unwrap().label(ENGLISH), "GitHub");
    let database = LoginMethod::named("Username-Password-Authentication").unwrap();
    assert_eq!(database.kind, LoginMethodKind::Database);
    assert_eq!(LoginMethod::named("acme").unwrap().label(ENGLISH), "acme");
    assert_eq!(LoginMethod::named("a&b"), None);
}
