//! Several processes over one store, while the provider or the store fails.

use super::*;
use crate::{
    store::DocumentRow,
    testing::captured_log::{CapturedLog, hear},
};

/// R73, R77: while the provider is down, no process can decide about an unknown key.
#[tokio::test(start_paused = true)]
async fn r077_unknown_key_ids_during_an_outage_cost_one_fetch_and_are_not_decided() {
    let (fleet, processes) = Fleet::of(5).await;
    fleet.provider.set_key_set(None);
    for (number, process) in (0..50).zip(processes.iter().cycle()) {
        let waits = Instant::now();
        process.is_undecided(&invented(number), 1).await;
        assert!(waits.elapsed() <= REFRESH_PATIENCE + Duration::from_millis(100));
        process.verify(&token(&TEST_KEY), 1).await.unwrap();
    }
    assert_eq!(fleet.fetches(), (1, 2));
}

/// R77: the last two times are one second apart. A document has the same age in a process that read it
/// long ago.
#[tokio::test]
async fn r077_the_last_good_keys_are_used_during_an_outage_up_to_the_hard_age() {
    let (fleet, old) = Fleet::of_one().await;
    fleet.take_provider_down();
    let token = lasting_token(&TEST_KEY);
    let hard = HARD_AGE.as_secs();
    let mut processes = vec![old];
    for second in [1, SOFT_AGE.as_secs(), 3_600, hard / 2, hard - 1] {
        processes.push(fleet.start());
        for process in &processes {
            process.verify(&token, second).await.unwrap();
        }
    }
    processes.push(fleet.start());
    for process in &processes {
        process.is_undecided(&token, hard).await;
    }
    fleet.provider.set_key_set(Some(key_set(&[&TEST_KEY])));
    fleet.provider.set_metadata_available(true);
    processes[0].verify(&token, hard + FAILURE_PAUSE.as_secs()).await.unwrap();
}

/// R77: the times of each pair are one second apart. Neither a new process nor the one that failed
/// repeats a failed request.
#[tokio::test]
async fn r077_after_a_failure_no_process_fetches_until_the_pause_ends() {
    let (fleet, old) = Fleet::of_one().await;
    fleet.take_provider_down();
    let (soft, pause) = (SOFT_AGE.as_secs(), FAILURE_PAUSE.as_secs());
    old.verify(&token(&TEST_KEY), soft - 1).await.unwrap();
    assert_eq!(fleet.fetches(), (1, 1));
    let mut processes = vec![old];
    for (second, fetches) in [(soft, 2), (soft + pause - 1, 2), (soft + pause, 3)] {
        let reads = fleet.store.reads();
        for process in &processes {
            process.verify(&token(&TEST_KEY), second).await.unwrap();
        }
        let is_pause = second == soft + pause - 1;
        assert!(!is_pause || fleet.store.reads() == reads, "a known process reads again");
        for _ in 0..10 {
            let process = fleet.start();
            process.verify(&token(&TEST_KEY), second).await.unwrap();
            processes.push(process);
        }
        assert_eq!(fleet.fetches(), (fetches, fetches), "{second}");
    }
}

/// R77: a set without usable keys counts as a failure, not as an empty set.
#[tokio::test]
async fn r077_an_empty_key_set_does_not_replace_a_good_one() {
    let (fleet, process) = Fleet::of_one().await;
    fleet.provider.set_key_set(Some(key_set(&[])));
    process.verify(&token(&TEST_KEY), SOFT_AGE.as_secs()).await.unwrap();
    let Err(VerifyError::Keys(error)) = process.verify(&invented(0), SOFT_AGE.as_secs()).await
    else {
        panic!("the keys must be unavailable")
    };
    assert!(matches!(*error.0, ProviderError::NoUsableKey));
}

/// R77: without keys, a failure is remembered for a moment.
#[tokio::test]
async fn r077_without_keys_a_token_is_neither_accepted_nor_refused() {
    let fleet = Fleet::new();
    let process = fleet.start();
    fleet.provider.set_key_set(None);
    for second in [0, 1] {
        process.is_undecided(&token(&TEST_KEY), second).await;
    }
    assert_eq!(fleet.provider.key_set_fetches(), 1);
    fleet.provider.set_key_set(Some(key_set(&[&TEST_KEY])));
    process.verify(&token(&TEST_KEY), FAILURE_PAUSE.as_secs()).await.unwrap();
}

/// R77: documents that were not written because the store was down are not replaced by older ones from
/// it.
#[tokio::test]
async fn a_process_keeps_documents_newer_than_those_in_the_store() {
    let (fleet, process) = Fleet::of_one().await;
    let new = TestKey::rsa("new");
    fleet.provider.set_key_set(Some(key_set(&[&new])));
    fleet.store.is_down.store(true, Ordering::SeqCst);
    process.verify(&token(&new), 60).await.unwrap();
    fleet.store.is_down.store(false, Ordering::SeqCst);
    fleet.take_provider_down();
    process.verify(&token(&new), 60 + SOFT_AGE.as_secs()).await.unwrap();
}

/// R77: a slow provider delays only the request that fetches, and only briefly.
#[tokio::test(start_paused = true)]
async fn r077_a_slow_provider_delays_one_request_briefly_while_keys_are_usable() {
    for is_new in [true, false] {
        let (fleet, known) = Fleet::of_one().await;
        fleet.provider.set_delay(Duration::from_secs(3_600));
        let first = if is_new { &fleet.start() } else { &known };
        let waits = Instant::now();
        for process in [first, &fleet.start()] {
            process.verify(&token(&TEST_KEY), SOFT_AGE.as_secs()).await.unwrap();
            assert_eq!(waits.elapsed().as_secs(), 2 * REFRESH_PATIENCE.as_secs());
        }
    }
}

/// R80: not even while the provider is down, when any old document would be accepted.
#[tokio::test]
async fn r080_documents_from_a_clock_that_was_ahead_are_never_used() {
    let fleet = Fleet::new();
    let token = lasting_token(&TEST_KEY);
    fleet.start().verify(&token, 30 * 24 * 3_600).await.unwrap();
    fleet.take_provider_down();
    fleet.start().is_undecided(&token, 0).await;
}

/// With an unavailable store, everything works as without a store.
#[tokio::test]
async fn without_the_store_documents_are_fetched_from_the_provider() {
    let (fleet, _) = Fleet::of_one().await;
    fleet.store.is_down.store(true, Ordering::SeqCst);
    let process = fleet.start();
    let log = logged(async {
        for second in 0..3 {
            process.verify(&token(&TEST_KEY), second).await.unwrap();
        }
    });
    let events: Vec<_> = log.await.iter().map(|fields| fields["event"].clone()).collect();
    assert_eq!(events, ["provider.not_shared", "provider.fetched", "provider.fetched"]);
    assert_eq!(fleet.fetches(), (2, 2));
    let new = TestKey::rsa("new");
    fleet.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    process.verify(&token(&new), 3).await.unwrap();
    assert_eq!(fleet.fetches(), (2, 3));
}

/// A store that only supports reads, such as a table that a function may not write to.
#[tokio::test]
async fn without_write_access_to_the_store_documents_are_fetched_from_the_provider() {
    let fleet = Fleet::new();
    fleet.store.refuses_writes.store(true, Ordering::SeqCst);
    let process = fleet.start();
    for second in 0..3 {
        process.verify(&token(&TEST_KEY), second).await.unwrap();
    }
    assert_eq!(fleet.fetches(), (1, 1));
    assert_eq!(process.refusal(&invented(0), 3).await, TokenError::UnknownKey);
    assert_eq!(fleet.fetches(), (1, 2));
}

/// The stored documents remain usable for the same time, even if this function cannot write.
#[tokio::test]
async fn r077_without_write_access_the_last_good_keys_are_used_during_an_outage() {
    let (fleet, _) = Fleet::of_one().await;
    fleet.store.refuses_writes.store(true, Ordering::SeqCst);
    fleet.take_provider_down();
    fleet.start().verify(&token(&TEST_KEY), SOFT_AGE.as_secs()).await.unwrap();
    assert_eq!(fleet.fetches(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_unresponsive_store_delays_a_request_briefly() {
    let fleet = Fleet::new();
    fleet.store.is_slow.store(true, Ordering::SeqCst);
    let process = fleet.start();
    let waits = Instant::now();
    for second in 0..3 {
        process.verify(&token(&TEST_KEY), second).await.unwrap();
    }
    assert_eq!(waits.elapsed().as_secs(), TERMS.store_patience().as_secs());
    assert_eq!(fleet.fetches(), (1, 1));

    let waits = Instant::now();
    fleet.start().keys.metadata(at(0)).await.unwrap();
    assert_eq!(waits.elapsed().as_secs(), TERMS.store_patience().as_secs());
    assert_eq!(fleet.fetches(), (2, 1));
}

/// R97, R70, R71: stored documents pass the same checks as the provider's.
#[tokio::test]
async fn r097_an_unusable_document_in_the_store_is_fetched_again_and_overwritten() {
    let metadata = |name: &str, value: &str| {
        let mut document = json!({
            "issuer": "https://tenant.auth0.com/",
            "authorization_endpoint": "https://tenant.auth0.com/authorize",
            "token_endpoint": "https://tenant.auth0.com/oauth/token",
            "jwks_uri": "https://tenant.auth0.com/.well-known/jwks.json",
        });
        document[name] = value.into();
        document.to_string()
    };
    let evil = key_set(&[&TestKey::rsa("evil")]);
    for (name, text) in [
        ("metadata", String::new()),
        ("metadata", metadata("issuer", "https://evil/")),
        ("metadata", metadata("jwks_uri", "https://evil/jwks")),
        ("keys", "<html>".to_owned()),
        ("keys", json!({ "keys": [] }).to_string()),
        ("keys", evil.to_string().replace("\"e\":\"AQAB\"", "\"e\":\"AQ\"")),
    ] {
        let (fleet, _) = Fleet::of_one().await;
        let (place, expected) = if name == "metadata" { (0, (2, 1)) } else { (1, (1, 2)) };
        let key = fleet.store.asked.lock().unwrap()[0][place];
        let row = fleet.store.store.documents(&[key], None, at(0)).await.unwrap().take(key);
        let spoilt = DocumentRow { text: text.clone().into(), ..row.unwrap() };
        fleet.store.store.write_document(spoilt, at(0)).await.unwrap();

        let lines = logged(async {
            fleet.start().verify(&token(&TEST_KEY), 1).await.unwrap();
        });
        let lines = lines.await;
        assert_eq!(lines.len(), 2, "{name} {text}: {lines:?}");
        assert_eq!(lines[0]["event"], "provider.row_unusable");
        assert_eq!(lines[0]["document"], name);
        assert!(lines[0]["error"].is_string(), "{lines:?}");
        assert_eq!(fleet.fetches(), expected, "{name} {text}");

        fleet.start().verify(&token(&TEST_KEY), 2).await.unwrap();
        assert_eq!(fleet.fetches(), expected, "{name} {text}");
    }
}

/// The fields of each line that is logged during `work`.
pub(super) async fn logged(work: impl Future<Output = ()>) -> Vec<Value> {
    let log = CapturedLog::default();
    let _guard = hear(tracing_subscriber::fmt().json().with_writer(log.writer()).finish());
    work.await;
    log.lines().into_iter().map(|mut line| line["fields"].take()).collect()
}
