//! Several processes, each with its own keys, over one store.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::{
    store::{
        CreateError, DocumentRow, Lease, MAX_DOCUMENT, PointerRow, RenewError, Renewal, Selection,
        SessionRow, StoreError, Tombstone,
    },
    testing::{captured_log::CapturedLog, contract},
};

use super::*;

#[tokio::test]
async fn a_new_process_reads_the_store_once_and_sends_no_request_to_the_provider() {
    let site = Site::new();
    site.warm_up().await;
    assert_eq!(site.fetches(), (1, 1));
    for second in 0..50 {
        let reads = site.store.reads();
        let process = site.start();
        for later in [0, 1, 2 * FAILURE_PAUSE.as_secs(), SOFT_AGE.as_secs() - 1 - second] {
            process.verify(&site.token(&TEST_KEY), second + later).await.unwrap();
        }
        assert_eq!(site.store.reads(), reads + 1);
    }
    assert_eq!(site.fetches(), (1, 1));
    assert_eq!(site.store.writes(), 2);
}

/// The pointer is read with the documents, and not if no document is needed.
#[tokio::test]
async fn the_pointer_of_a_token_is_read_with_the_documents() {
    let site = Site::new();
    site.warm_up().await;
    let store = &site.store.store;
    store
        .create(contract::session("one"), contract::pointer("token", "one"), contract::NOW)
        .await
        .unwrap();
    let process = site.start();
    let (token, key) = (site.token(&TEST_KEY), Digest::of("token"));
    let verify = async || {
        let expected = process.expected();
        let now = Timestamp::from_unix(NOW);
        process.keys.verify_with_pointer(&token, &expected, key, now).await.unwrap().1
    };
    let reads = site.store.reads();
    let found = verify().await.unwrap();
    assert_eq!(found.pointer, Some(contract::pointer("token", "one")));
    assert_eq!(verify().await, None);
    assert_eq!((site.store.reads(), site.fetches()), (reads + 1, (1, 1)));
}

/// R75: nor from the store.
#[tokio::test]
async fn r075_a_token_that_no_key_could_make_valid_causes_no_read() {
    let site = Site::new();
    let process = site.start();
    let mut wrong_issuer = claims();
    wrong_issuer["iss"] = "https://evil/".into();
    for token in ["", "opaque", "a.b.c", "a.b.c.d.e", &TEST_KEY.sign(&wrong_issuer)] {
        let error = process.verify(token, 0).await.unwrap_err();
        assert!(matches!(error, VerifyError::Token(_)), "{error}");
    }
    assert_eq!((site.store.reads(), site.fetches()), (0, (0, 0)));
}

#[tokio::test]
async fn a_request_for_metadata_reads_only_the_metadata() {
    let site = Site::new();
    site.warm_up().await;
    let reads = site.store.reads();
    let process = site.start();
    let now = Timestamp::from_unix(NOW);
    for _ in 0..3 {
        process.keys.metadata(now).await.unwrap();
    }
    assert_eq!((site.store.reads(), site.fetches()), (reads + 1, (1, 1)));
    assert_eq!(site.store.asked.lock().unwrap().last().unwrap().len(), 1);
}

/// R76: of all processes that start together with an empty store.
#[tokio::test(start_paused = true)]
async fn r076_of_processes_that_start_together_only_one_fetches() {
    let site = Site::new();
    site.provider.set_delay(Duration::from_secs(1));
    for verified in site.at_once(20, &site.token(&TEST_KEY), 0).await {
        verified.unwrap();
    }
    assert_eq!((site.fetches(), site.store.writes()), ((1, 1), 2));
}

/// R76: the values of each pair are one second apart. Processes that do not fetch do not wait either.
#[tokio::test(start_paused = true)]
async fn r076_of_processes_that_find_old_documents_only_one_fetches() {
    let site = Site::new();
    site.warm_up().await;
    let soft = SOFT_AGE.as_secs();
    for verified in site.at_once(20, &site.token(&TEST_KEY), soft - 1).await {
        verified.unwrap();
    }
    assert_eq!(site.fetches(), (1, 1));
    site.provider.set_delay(Duration::from_secs(1));
    let waits = Instant::now();
    let processes: Vec<_> = (0..20).map(|_| site.start()).collect();
    let token = site.token(&TEST_KEY);
    let verify = async |process: &Story| process.verify(&token, soft).await.unwrap();
    // While the first process fetches the metadata, the second fetches the keys.
    let others = async {
        for process in &processes[2..] {
            verify(process).await;
            assert_eq!(waits.elapsed(), Duration::ZERO);
        }
    };
    tokio::join!(verify(&processes[0]), verify(&processes[1]), others);
    assert_eq!((waits.elapsed().as_secs(), site.fetches()), (1, (2, 2)));
    // The others do not read again for a while, and then find the fetched documents.
    let reads = site.store.reads();
    for process in &processes {
        process.verify(&token, soft + 1).await.unwrap();
    }
    assert_eq!(site.store.reads(), reads);
    for process in &processes[2..] {
        process.verify(&token, soft + FAILURE_PAUSE.as_secs()).await.unwrap();
    }
    assert_eq!((site.store.reads(), site.fetches()), (reads + 18, (2, 2)));
}

/// A process that was frozen or killed during a fetch.
#[tokio::test(start_paused = true)]
async fn a_process_that_dies_during_a_fetch_delays_the_others_briefly() {
    let site = Arc::new(Site::new());
    site.provider.set_delay(Duration::from_secs(1));
    let (dying, token) = (site.start(), site.token(&TEST_KEY));
    let dying = tokio::spawn({
        let token = token.clone();
        async move { dying.verify(&token, 0).await }
    });
    sleep(Duration::from_millis(500)).await;
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    site.provider.set_delay(Duration::ZERO);
    let waits = Instant::now();
    site.start().verify(&token, 0).await.unwrap();
    assert_eq!(waits.elapsed().as_secs(), WAIT.as_secs());
    assert_eq!(site.fetches(), (2, 1));
    // With a document in the store, no process waits for the other.
    let waits = Instant::now();
    site.start().verify(&token, 1).await.unwrap();
    assert_eq!((waits.elapsed(), site.fetches()), (Duration::ZERO, (2, 1)));
}

/// R72.
#[tokio::test(start_paused = true)]
async fn r072_a_slow_process_does_not_restore_an_old_key() {
    let site = Site::new();
    let old = site.token(&TEST_KEY);
    let first = site.start();
    first.keys.metadata(Timestamp::from_unix(NOW)).await.unwrap();
    site.provider.set_delay(Duration::from_secs(4));
    let new = TestKey::rsa("new");
    let slow = async { first.verify(&old, 0).await.unwrap() };
    let fast = async {
        sleep(Duration::from_secs(1)).await;
        site.provider.set_delay(Duration::ZERO);
        site.provider.set_key_set(Some(key_set(&[&new])));
        // The lease has expired meanwhile.
        site.start().verify(&site.token(&new), FAILURE_PAUSE.as_secs()).await.unwrap();
    };
    tokio::join!(slow, fast);
    assert_eq!((site.fetches(), site.store.writes()), ((1, 2), 3));
    let third = site.start();
    third.verify(&site.token(&new), 6).await.unwrap();
    assert_eq!(site.fetches(), (1, 2));
    assert_eq!(third.refusal(&old, 6).await, TokenError::UnknownKey);
}

/// R72: a process uses the document that another process has fetched.
#[tokio::test]
async fn r072_a_rotation_costs_one_fetch_across_all_processes() {
    let site = Site::new();
    let processes = site.warm_processes(20, &site.token(&TEST_KEY)).await;
    let new = TestKey::rsa("new");
    site.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    for process in &processes {
        process.verify(&site.token(&new), 1).await.unwrap();
    }
    assert_eq!(site.fetches(), (1, 2));
}

/// R72: each process long after the one before, so that no cool-down prevents a fetch, only the stored
/// document.
#[tokio::test]
async fn r072_a_rotation_costs_one_fetch_even_if_others_meet_it_late() {
    let site = Site::new();
    let processes = site.warm_processes(5, &site.token(&TEST_KEY)).await;
    let new = TestKey::rsa("new");
    site.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    for (process, minute) in processes.iter().zip(0..) {
        process.verify(&site.token(&new), 1 + minute * 60).await.unwrap();
    }
    assert_eq!(site.fetches(), (1, 2));
}

/// R72: a document fetched in the same second as the one before is newer.
#[tokio::test]
async fn r072_a_rotation_within_the_same_second_is_detected() {
    let site = Site::new();
    let processes = site.warm_processes(2, &site.token(&TEST_KEY)).await;
    let new = TestKey::rsa("new");
    site.provider.set_key_set(Some(key_set(&[&new])));
    for process in &processes {
        process.verify(&site.token(&new), 0).await.unwrap();
    }
    assert_eq!(site.fetches(), (1, 2));
}

/// R72: all concurrently, while the first one still fetches.
#[tokio::test(start_paused = true)]
async fn r072_a_rotation_met_by_many_processes_at_once_costs_one_fetch() {
    let site = Site::new();
    let processes = site.warm_processes(20, &site.token(&TEST_KEY)).await;
    let new = TestKey::rsa("new");
    site.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    site.provider.set_delay(Duration::from_secs(1));
    for verified in together(processes, &site.token(&new), 1).await {
        verified.unwrap();
    }
    assert_eq!(site.fetches(), (1, 2));
}

/// R73: a flood costs one fetch per cool-down, regardless of the number of processes.
#[tokio::test]
async fn r073_a_flood_of_unknown_key_ids_costs_one_fetch_per_cool_down_across_all_processes() {
    let site = Site::new();
    let good = site.token(&TEST_KEY);
    let processes = site.warm_processes(10, &good).await;
    let mut header = TEST_KEY.header();
    for number in 0..600_u64 {
        let second = number / 10;
        let process = &processes[usize::try_from(number % 10).unwrap()];
        header["kid"] = number.to_string().into();
        let invented = TEST_KEY.sign_with_header(&header, &claims());
        assert_eq!(process.refusal(&invented, second).await, TokenError::UnknownKey);
        process.verify(&good, second).await.unwrap();
        let cool_downs = usize::try_from(second / MISS_COOL_DOWN.as_secs()).unwrap();
        assert_eq!(site.fetches(), (1, 1 + 1 + cool_downs), "at {second} s");
    }
}

/// R74: the times of the last pair are one second apart. The flood hits one process, the new key
/// another.
#[tokio::test]
async fn r074_a_flood_in_another_process_delays_a_new_key_by_at_most_the_cool_down() {
    let site = Site::new();
    let processes = site.warm_processes(2, &site.token(&TEST_KEY)).await;
    let invented = site.token(&TestKey::rsa("made up"));
    assert_eq!(processes[0].refusal(&invented, 1).await, TokenError::UnknownKey);
    let new = TestKey::rsa("new");
    site.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    let token = site.token(&new);
    assert_eq!(processes[1].refusal(&token, 2).await, TokenError::UnknownKey);
    let cool_down = MISS_COOL_DOWN.as_secs();
    assert_eq!(processes[1].refusal(&token, cool_down).await, TokenError::UnknownKey);
    processes[1].verify(&token, cool_down + 1).await.unwrap();
    assert_eq!(site.fetches(), (1, 3));
}

/// R77: while the provider is down, no process can decide about an unknown key.
#[tokio::test(start_paused = true)]
async fn r077_an_unknown_key_id_during_an_outage_costs_one_fetch_and_is_not_decided() {
    let site = Site::new();
    let good = site.token(&TEST_KEY);
    let processes = site.warm_processes(5, &good).await;
    site.provider.set_key_set(None);
    let token = site.token(&TestKey::rsa("new"));
    for process in &processes {
        let waits = Instant::now();
        let error = process.verify(&token, 1).await.unwrap_err();
        assert!(matches!(error, VerifyError::Keys(_)), "{error}");
        assert!(waits.elapsed() <= REFRESH_PATIENCE + Duration::from_millis(100));
        process.verify(&good, 1).await.unwrap();
    }
    assert_eq!(site.fetches(), (1, 2));
}

/// R77: the times of the pair are one second apart.
#[tokio::test]
async fn r077_a_new_process_uses_the_last_good_keys_during_an_outage_up_to_the_hard_age() {
    let site = Site::new();
    site.warm_up().await;
    site.provider.set_key_set(None);
    site.provider.set_metadata_available(false);
    let token = TEST_KEY.sign(&lasting_claims());
    let hard = HARD_AGE.as_secs();
    for second in [1, SOFT_AGE.as_secs(), 3_600, hard - 1] {
        site.start().verify(&token, second).await.unwrap();
    }
    let error = site.start().verify(&token, hard).await.unwrap_err();
    assert!(matches!(error, VerifyError::Keys(_)), "{error}");
}

/// R77: the same for a process that ran all the time, regardless of its reads.
#[tokio::test]
async fn r077_a_document_from_the_store_keeps_its_age() {
    let site = Site::new();
    site.warm_up().await;
    site.provider.set_key_set(None);
    site.provider.set_metadata_available(false);
    let token = TEST_KEY.sign(&lasting_claims());
    let hard = HARD_AGE.as_secs();
    let process = site.start();
    for second in [hard / 2, hard - 1] {
        process.verify(&token, second).await.unwrap();
    }
    let error = process.verify(&token, hard).await.unwrap_err();
    assert!(matches!(error, VerifyError::Keys(_)), "{error}");
}

/// R77: the times of each pair are one second apart. The next process does not repeat a failed request.
#[tokio::test]
async fn r077_after_a_failure_no_process_fetches_until_the_pause_ends() {
    let site = Site::new();
    site.warm_up().await;
    site.provider.set_key_set(None);
    site.provider.set_metadata_available(false);
    let (soft, pause) = (SOFT_AGE.as_secs(), FAILURE_PAUSE.as_secs());
    for (second, fetches) in [(soft, 2), (soft + pause - 1, 2), (soft + pause, 3)] {
        for _ in 0..10 {
            site.start().verify(&site.token(&TEST_KEY), second).await.unwrap();
        }
        assert_eq!(site.fetches(), (fetches, fetches));
    }
}

/// R77: nor does the process that failed; it now has the old documents.
#[tokio::test]
async fn r077_a_new_process_pauses_reads_and_fetches_after_a_failure() {
    let site = Site::new();
    site.warm_up().await;
    site.provider.set_key_set(None);
    site.provider.set_metadata_available(false);
    let (soft, pause) = (SOFT_AGE.as_secs(), FAILURE_PAUSE.as_secs());
    let process = site.start();
    process.verify(&site.token(&TEST_KEY), soft).await.unwrap();
    let reads = site.store.reads();
    process.verify(&site.token(&TEST_KEY), soft + pause - 1).await.unwrap();
    assert_eq!((site.store.reads(), site.fetches()), (reads, (2, 2)));
    process.verify(&site.token(&TEST_KEY), soft + pause).await.unwrap();
    assert_eq!(site.fetches(), (3, 3));
}

/// R77: documents that were not written because the store was down are not replaced by older ones from
/// it.
#[tokio::test]
async fn a_process_keeps_documents_newer_than_those_in_the_store() {
    let site = Site::new();
    let processes = site.warm_processes(1, &site.token(&TEST_KEY)).await;
    let new = TestKey::rsa("new");
    site.provider.set_key_set(Some(key_set(&[&new])));
    site.store.set_down(true);
    processes[0].verify(&site.token(&new), 60).await.unwrap();
    site.store.set_down(false);
    site.provider.set_key_set(None);
    site.provider.set_metadata_available(false);
    processes[0].verify(&site.token(&new), 60 + SOFT_AGE.as_secs()).await.unwrap();
}

/// R77: a slow provider delays only the process that fetches, and only briefly.
#[tokio::test(start_paused = true)]
async fn r077_a_slow_provider_delays_a_new_process_briefly() {
    let site = Site::new();
    site.warm_up().await;
    site.provider.set_delay(Duration::from_secs(3_600));
    let waits = Instant::now();
    site.start().verify(&site.token(&TEST_KEY), SOFT_AGE.as_secs()).await.unwrap();
    assert_eq!(waits.elapsed().as_secs(), 2 * REFRESH_PATIENCE.as_secs());
    site.start().verify(&site.token(&TEST_KEY), SOFT_AGE.as_secs()).await.unwrap();
    assert_eq!(waits.elapsed().as_secs(), 2 * REFRESH_PATIENCE.as_secs());
}

/// A process learns it from the store, without a fetch.
#[tokio::test]
async fn a_withdrawn_key_stops_working_in_all_processes_after_one_fetch() {
    let site = Site::new();
    let old = TEST_KEY.sign(&lasting_claims());
    let processes = site.warm_processes(2, &old).await;
    let new = TestKey::rsa("new");
    site.provider.set_key_set(Some(key_set(&[&new])));
    let soft = SOFT_AGE.as_secs();
    processes[0].verify(&old, soft - 1).await.unwrap();
    assert_eq!(processes[0].refusal(&old, soft).await, TokenError::UnknownKey);
    let fetches = site.fetches();
    for process in [&processes[1], &site.start()] {
        process.verify(&new.sign(&lasting_claims()), soft).await.unwrap();
        assert_eq!(process.refusal(&old, soft).await, TokenError::UnknownKey);
    }
    assert_eq!(site.fetches(), fetches);
}

/// R80: a process whose clock was ahead writes nothing that others would use for long.
#[tokio::test]
async fn r080_documents_from_a_clock_that_was_ahead_are_fetched_again() {
    let site = Site::new();
    let old = TEST_KEY.sign(&lasting_claims());
    site.start().verify(&old, 30 * 24 * 3_600).await.unwrap();
    let new = TestKey::rsa("new");
    site.provider.set_key_set(Some(key_set(&[&new])));
    let new = new.sign(&lasting_claims());
    site.start().verify(&new, 0).await.unwrap();
    assert_eq!(site.fetches(), (2, 2));
    let third = site.start();
    third.verify(&new, 1).await.unwrap();
    assert_eq!(third.refusal(&old, 1).await, TokenError::UnknownKey);
    assert_eq!(site.fetches(), (2, 3), "for the unknown name alone");
}

/// R80: not even while the provider is down, when any old document would be accepted.
#[tokio::test]
async fn r080_documents_from_a_clock_that_was_ahead_are_never_used() {
    let site = Site::new();
    let token = TEST_KEY.sign(&lasting_claims());
    site.start().verify(&token, 30 * 24 * 3_600).await.unwrap();
    site.provider.set_key_set(None);
    site.provider.set_metadata_available(false);
    let error = site.start().verify(&token, 0).await.unwrap_err();
    assert!(matches!(error, VerifyError::Keys(_)), "{error}");
}

/// With an unavailable store, everything works as without a store.
#[tokio::test]
async fn without_the_store_documents_are_fetched_from_the_provider() {
    let site = Site::new();
    site.warm_up().await;
    site.store.set_down(true);
    let process = site.start();
    let log = CapturedLog::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(log.writer()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    for second in 0..3 {
        process.verify(&site.token(&TEST_KEY), second).await.unwrap();
    }
    drop(guard);
    assert_eq!(site.fetches(), (2, 2));
    let told: Vec<_> = log.lines().iter().map(|line| line["fields"]["event"].clone()).collect();
    assert_eq!(told, ["provider.not_shared", "provider.fetched", "provider.fetched"]);
    let new = TestKey::rsa("new");
    site.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    process.verify(&site.token(&new), 3).await.unwrap();
    assert_eq!(site.fetches(), (2, 3));
}

/// A store that only supports reads, such as a table that a function may not write to.
#[tokio::test]
async fn without_write_access_to_the_store_documents_are_fetched_from_the_provider() {
    let site = Site::new();
    site.store.refuses_writes.store(true, Ordering::SeqCst);
    let process = site.start();
    for second in 0..3 {
        process.verify(&site.token(&TEST_KEY), second).await.unwrap();
    }
    assert_eq!(site.fetches(), (1, 1));
    assert_eq!(process.refusal(&site.token(&TestKey::rsa("new")), 3).await, TokenError::UnknownKey);
    assert_eq!(site.fetches(), (1, 2));
}

/// The stored documents remain usable for the same time, even if this function cannot write.
#[tokio::test]
async fn r077_without_write_access_the_last_good_keys_are_used_during_an_outage() {
    let site = Site::new();
    site.warm_up().await;
    site.store.refuses_writes.store(true, Ordering::SeqCst);
    site.provider.set_key_set(None);
    site.provider.set_metadata_available(false);
    site.start().verify(&site.token(&TEST_KEY), SOFT_AGE.as_secs()).await.unwrap();
    assert_eq!(site.fetches(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn an_unresponsive_store_delays_a_request_briefly() {
    let site = Site::new();
    site.store.is_slow.store(true, Ordering::SeqCst);
    let process = site.start();
    let waits = Instant::now();
    for second in 0..3 {
        process.verify(&site.token(&TEST_KEY), second).await.unwrap();
    }
    assert_eq!(waits.elapsed().as_secs(), TERMS.store_patience().as_secs());
    assert_eq!(site.fetches(), (1, 1));

    let process = site.start();
    let waits = Instant::now();
    process.keys.metadata(Timestamp::from_unix(NOW)).await.unwrap();
    assert_eq!(waits.elapsed().as_secs(), TERMS.store_patience().as_secs());
    assert_eq!(site.fetches(), (2, 1));
}

/// R97, R70, R71: stored documents pass the same checks as the provider's.
#[tokio::test]
async fn r097_an_unusable_document_in_the_store_is_fetched_again_and_overwritten() {
    let metadata = |change: &dyn Fn(&mut Value)| {
        let mut document = json!({
            "issuer": "https://tenant.auth0.com/",
            "authorization_endpoint": "https://tenant.auth0.com/authorize",
            "token_endpoint": "https://tenant.auth0.com/oauth/token",
            "jwks_uri": "https://tenant.auth0.com/.well-known/jwks.json",
        });
        change(&mut document);
        document.to_string()
    };
    let evil = key_set(&[&TestKey::rsa("evil")]);
    for (name, text) in [
        ("metadata", String::new()),
        ("metadata", metadata(&|document| document["issuer"] = "https://evil/".into())),
        ("metadata", metadata(&|document| document["jwks_uri"] = "https://evil/jwks".into())),
        ("keys", "<html>".to_owned()),
        ("keys", json!({ "keys": [] }).to_string()),
        ("keys", evil.to_string().replace("\"e\":\"AQAB\"", "\"e\":\"AQ\"")),
    ] {
        let site = Site::new();
        site.warm_up().await;
        let [metadata, keys] = site.rows().await;
        let row = if name == "metadata" { metadata } else { keys };
        let spoilt = DocumentRow { text: text.clone().into(), ..row };
        site.store.store.write_document(spoilt, Timestamp::from_unix(NOW)).await.unwrap();

        let log = CapturedLog::default();
        let subscriber = tracing_subscriber::fmt().json().with_writer(log.writer()).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        site.start().verify(&site.token(&TEST_KEY), 1).await.unwrap();
        drop(guard);
        let expected = if name == "metadata" { (2, 1) } else { (1, 2) };
        assert_eq!(site.fetches(), expected, "{name} {text}");
        let lines = log.lines();
        assert_eq!(lines.len(), 2, "{name} {text}: {lines:?}");
        assert_eq!(lines[0]["fields"]["event"], "provider.row_unusable");
        assert_eq!(lines[0]["fields"]["document"], name);
        assert!(lines[0]["fields"]["error"].is_string(), "{lines:?}");

        site.start().verify(&site.token(&TEST_KEY), 2).await.unwrap();
        assert_eq!(site.fetches(), expected, "{name} {text}");
    }
}

/// Each process then fetches it, as without a store.
#[tokio::test]
async fn a_document_too_large_for_the_store_is_still_used() {
    let site = Site::new();
    let mut document = key_set(&[&TEST_KEY]);
    document["more"] = "x".repeat(MAX_DOCUMENT).into();
    site.provider.set_key_set(Some(document));
    let pause = FAILURE_PAUSE.as_secs();
    for second in [0, pause] {
        site.start().verify(&site.token(&TEST_KEY), second).await.unwrap();
    }
    assert_eq!((site.fetches(), site.store.writes()), ((1, 2), 1));
}

/// A provider, a store, and the processes that are started.
struct Site {
    provider: Arc<FakeProvider>,
    store: Arc<UnreliableStore>,
    issuer: Issuer,
}

impl Site {
    /// A provider that publishes the test key, with an empty store.
    fn new() -> Self {
        let issuer = Issuer::parse("tenant.auth0.com").unwrap();
        let provider = Arc::new(FakeProvider::new(issuer.clone()));
        provider.set_key_set(Some(key_set(&[&TEST_KEY])));
        Self { provider, store: Arc::default(), issuer }
    }

    /// Starts a process without any cached document.
    fn start(&self) -> Story {
        let provider = Arc::clone(&self.provider);
        let store: Arc<dyn SessionStore> = Arc::<UnreliableStore>::clone(&self.store);
        let keys = Keys::new(Arc::<FakeProvider>::clone(&provider), store, self.issuer.clone());
        Story { provider, issuer: self.issuer.clone(), keys }
    }

    /// Fills the store by a process that then ends.
    async fn warm_up(&self) {
        self.start().verify(&self.token(&TEST_KEY), 0).await.unwrap();
    }

    async fn warm_processes(&self, count: usize, token: &str) -> Vec<Story> {
        let processes: Vec<_> = (0..count).map(|_| self.start()).collect();
        for process in &processes {
            process.verify(token, 0).await.unwrap();
        }
        processes
    }

    async fn at_once(
        &self,
        count: usize,
        token: &str,
        seconds: u64,
    ) -> Vec<Result<Claims, VerifyError>> {
        together((0..count).map(|_| self.start()).collect(), token, seconds).await
    }

    fn token(&self, key: &TestKey) -> String {
        key.sign(&claims())
    }

    /// The numbers of fetches of the metadata and of the keys.
    fn fetches(&self) -> (usize, usize) {
        (self.provider.metadata_fetches(), self.provider.key_set_fetches())
    }

    /// The rows of the metadata and of the keys.
    async fn rows(&self) -> [DocumentRow; 2] {
        let keys = self.store.asked.lock().unwrap()[0].clone();
        let now = Timestamp::from_unix(NOW);
        let mut found = self.store.store.documents(&keys, None, now).await.unwrap();
        [keys[0], keys[1]].map(|key| found.take(key).unwrap())
    }
}

async fn together(
    processes: Vec<Story>,
    token: &str,
    seconds: u64,
) -> Vec<Result<Claims, VerifyError>> {
    let mut all = JoinSet::new();
    for process in processes {
        let token = token.to_owned();
        all.spawn(async move { process.verify(&token, seconds).await });
    }
    all.join_all().await
}

/// A document store that counts its calls, and fails on demand.
#[derive(Debug, Default)]
struct UnreliableStore {
    store: MemoryStore,
    is_down: AtomicBool,
    is_slow: AtomicBool,
    refuses_writes: AtomicBool,
    writes: AtomicUsize,
    /// The documents of each read.
    asked: Mutex<Vec<Vec<Digest>>>,
}

impl UnreliableStore {
    fn reads(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    async fn call(&self, is_write: bool) -> Result<&MemoryStore, StoreError> {
        if self.is_slow.load(Ordering::SeqCst) {
            sleep(Duration::from_secs(3_600)).await;
        }
        let refuses = is_write && self.refuses_writes.load(Ordering::SeqCst);
        if refuses || self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("down".into()));
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl SessionStore for UnreliableStore {
    async fn documents(
        &self,
        keys: &[Digest],
        pointer: Option<Digest>,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        self.asked.lock().unwrap().push(keys.to_vec());
        self.call(false).await?.documents(keys, pointer, now).await
    }

    async fn lease_document(
        &self,
        key: Digest,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.call(true).await?.lease_document(key, until, now).await
    }

    async fn write_document(
        &self,
        document: DocumentRow,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.call(true).await?.write_document(document, now).await
    }

    async fn create(&self, _: SessionRow, _: PointerRow, _: Timestamp) -> Result<(), CreateError> {
        unreachable!("{SESSIONS}")
    }

    async fn session(&self, _: Digest, _: Timestamp) -> Result<Option<SessionRow>, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn pointer(&self, _: Digest, _: Timestamp) -> Result<Option<PointerRow>, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn slide(&self, _: Digest, _: Timestamp, _: Timestamp) -> Result<bool, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn end(&self, _: Digest, _: Timestamp) -> Result<bool, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn claim(&self, _: Digest, _: Timestamp, _: Timestamp) -> Result<bool, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn sessions_of(&self, _: Selection, _: Timestamp) -> Result<Vec<Digest>, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn end_all(&self, _: &[Digest], _: Timestamp) -> Result<(), StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn mark_ended(&self, _: Tombstone, _: Timestamp) -> Result<(), StoreError> {
        unreachable!("{SESSIONS}")
    }

    fn index_lag(&self) -> Duration {
        unreachable!("{SESSIONS}")
    }

    async fn lease(&self, _: Digest, _: u64, _: Lease, _: Timestamp) -> Result<bool, StoreError> {
        unreachable!("{SESSIONS}")
    }

    async fn renew(&self, _: Renewal, _: Timestamp) -> Result<(), RenewError> {
        unreachable!("{SESSIONS}")
    }
}

const SESSIONS: &str = "keys ask for no session";
