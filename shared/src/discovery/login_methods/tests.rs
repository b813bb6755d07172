use crate::{issuer::Issuer, store::memory::MemoryStore, testing::provider::FakeProvider};

use super::*;

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
