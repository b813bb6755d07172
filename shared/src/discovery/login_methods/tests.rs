use serde_json::json;

use crate::{issuer::Issuer, store::memory::MemoryStore, testing::provider::FakeProvider};

use super::*;

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
    let found: Vec<_> = methods.iter().map(|m| (&*m.connection, m.kind, &*m.label)).collect();
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
    assert_eq!(LoginMethod::named("github").unwrap().label, "GitHub");
    let database = LoginMethod::named("Username-Password-Authentication").unwrap();
    assert_eq!(database.kind, LoginMethodKind::Database);
    assert_eq!(LoginMethod::named("acme").unwrap().label, "acme");
    assert_eq!(LoginMethod::named("a&b"), None);
}

/// The times of each pair are one second apart.
#[tokio::test]
async fn a_list_is_used_for_a_while_and_survives_an_outage() {
    let (provider, methods) = story();
    let github = vec![LoginMethod::named("github").unwrap()];
    provider.set_login_methods(Some(&github));
    let age = LIST_AGE.as_secs();
    for (second, fetches) in [(0, 1), (age - 1, 1), (age, 2)] {
        assert_eq!(*methods.list(Timestamp::from_unix(second)).await, github);
        assert_eq!(provider.login_method_fetches(), fetches);
    }
    provider.set_login_methods(None);
    assert_eq!(*methods.list(Timestamp::from_unix(2 * age)).await, github);
}

/// The times of the pair are one second apart.
#[tokio::test]
async fn a_failure_returns_an_empty_list_until_the_pause_ends() {
    let (provider, methods) = story();
    let pause = FAILURE_PAUSE.as_secs();
    for (second, fetches) in [(0, 1), (pause - 1, 1), (pause, 2)] {
        assert_eq!(*methods.list(Timestamp::from_unix(second)).await, []);
        assert_eq!(provider.login_method_fetches(), fetches);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_delays_one_page_and_not_the_next() {
    let (provider, methods) = story();
    provider.set_login_methods(Some(&[LoginMethod::named("github").unwrap()]));
    provider.set_delay(Duration::from_secs(60));
    let started = tokio::time::Instant::now();
    assert_eq!(*methods.list(Timestamp::from_unix(0)).await, []);
    assert_eq!(started.elapsed().as_secs(), PATIENCE.as_secs());
    let started = tokio::time::Instant::now();
    assert_eq!(*methods.list(Timestamp::from_unix(1)).await, []);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn concurrent_pages_share_one_request() {
    let (provider, methods) = story();
    let github = vec![LoginMethod::named("github").unwrap()];
    provider.set_login_methods(Some(&github));
    provider.set_delay(Duration::from_millis(500));
    let now = Timestamp::from_unix(0);
    let (first, second) = tokio::join!(methods.list(now), methods.list(now));
    assert_eq!((&*first, &*second), (&github, &github));
    assert_eq!(provider.login_method_fetches(), 1);
}

/// The list of another application is separate.
#[tokio::test]
async fn a_new_process_uses_the_list_that_another_fetched() {
    let (provider, store) = (provider(), Arc::new(MemoryStore::default()));
    let github = vec![LoginMethod::named("github").unwrap()];
    provider.set_login_methods(Some(&github));
    for second in [0, 1, LIST_AGE.as_secs() - 1] {
        let list = process(&provider, &store, "abc").list(Timestamp::from_unix(second)).await;
        assert_eq!((&*list, provider.login_method_fetches()), (&github, 1));
    }
    let google = vec![LoginMethod::named("google-oauth2").unwrap()];
    provider.set_login_methods(Some(&google));
    let other = process(&provider, &store, "other").list(Timestamp::from_unix(1)).await;
    assert_eq!((&*other, provider.login_method_fetches()), (&google, 2));
}

/// The times of each pair are one second apart; at the end the list is a day old.
#[tokio::test]
async fn new_processes_use_the_last_list_for_a_day_during_an_outage() {
    let (provider, store) = (provider(), Arc::new(MemoryStore::default()));
    let github = vec![LoginMethod::named("github").unwrap()];
    provider.set_login_methods(Some(&github));
    process(&provider, &store, "abc").list(Timestamp::from_unix(0)).await;
    provider.set_login_methods(None);
    let (age, pause) = (LIST_AGE.as_secs(), FAILURE_PAUSE.as_secs());
    for (second, fetches) in [(age, 2), (age + pause - 1, 2), (age + pause, 3)] {
        for _ in 0..5 {
            let list = process(&provider, &store, "abc").list(Timestamp::from_unix(second)).await;
            assert_eq!((&*list, provider.login_method_fetches()), (&github, fetches));
        }
    }
    let day = LAST_LIST_AGE.as_secs();
    let list = process(&provider, &store, "abc").list(Timestamp::from_unix(day - 1)).await;
    assert_eq!(*list, github);
    assert_eq!(*process(&provider, &store, "abc").list(Timestamp::from_unix(day)).await, []);
}

fn story() -> (Arc<FakeProvider>, LoginMethods) {
    let provider = provider();
    let methods = process(&provider, &Arc::default(), "abc");
    (provider, methods)
}

fn provider() -> Arc<FakeProvider> {
    Arc::new(FakeProvider::new(issuer()))
}

fn process(
    provider: &Arc<FakeProvider>,
    store: &Arc<MemoryStore>,
    client_id: &str,
) -> LoginMethods {
    let application =
        Application { issuer: issuer(), client_id: client_id.to_owned(), audience: None };
    let provider = Arc::<FakeProvider>::clone(provider);
    LoginMethods::new(provider, Arc::<MemoryStore>::clone(store), &application)
}

fn issuer() -> Issuer {
    Issuer::parse("tenant.auth0.com").unwrap()
}
