//! Several processes over one store, while provider and store work.

use tokio::time::sleep;

use super::*;
use crate::store::MAX_DOCUMENT;

#[tokio::test]
async fn a_new_process_reads_the_store_once_and_sends_no_request_to_the_provider() {
    let (fleet, _) = Fleet::of_one().await;
    for second in 0..50 {
        let reads = fleet.store.reads();
        let process = fleet.start();
        for later in [0, 1, 2 * FAILURE_PAUSE.as_secs(), SOFT_AGE.as_secs() - 1 - second] {
            process.verify(&token(&TEST_KEY), second + later).await.unwrap();
        }
        assert_eq!(fleet.store.reads(), reads + 1);
    }
    assert_eq!((fleet.fetches(), fleet.store.writes()), ((1, 1), 2));
}

/// R75: not even from the store.
#[tokio::test]
async fn r075_a_token_that_no_key_could_make_valid_causes_no_read() {
    let fleet = Fleet::new();
    let process = fleet.start();
    let mut wrong_issuer = claims();
    wrong_issuer["iss"] = "https://evil/".into();
    let good = token(&TEST_KEY);
    let (signed, _) = good.rsplit_once('.').unwrap();
    for token in [
        "",
        "opaque",
        "a.b.c",
        "a.b.c.d.e",
        signed,
        &format!("{signed}."),
        &TEST_KEY.sign_with_header(&json!({ "alg": "none", "kid": "test" }), &claims()),
        &TEST_KEY.sign(&wrong_issuer),
    ] {
        let error = process.verify(token, 0).await.unwrap_err();
        assert!(matches!(error, VerifyError::Token(_)), "{error}");
    }
    assert_eq!((fleet.store.reads(), fleet.fetches()), (0, (0, 0)));
}

#[tokio::test]
async fn a_request_for_metadata_reads_only_the_metadata() {
    let (fleet, _) = Fleet::of_one().await;
    let reads = fleet.store.reads();
    let process = fleet.start();
    for _ in 0..3 {
        process.keys.metadata(at(0)).await.unwrap();
    }
    assert_eq!((fleet.store.reads(), fleet.fetches()), (reads + 1, (1, 1)));
    assert_eq!(fleet.store.asked.lock().unwrap().last().unwrap().len(), 1);
}

/// R76: the first process of a site, or twenty that start together, with five tokens each.
#[tokio::test(start_paused = true)]
async fn r076_of_tokens_that_meet_an_empty_store_together_only_one_fetches() {
    for count in [1, 20] {
        let fleet = Fleet::new();
        fleet.provider.set_delay(Duration::from_secs(1));
        let processes = (0..count).map(|_| fleet.start()).collect();
        are_accepted_together(processes, &token(&TEST_KEY), 0).await;
        assert_eq!((fleet.fetches(), fleet.store.writes()), ((1, 1), 2), "{count}");
    }
}

/// R76, R80: the times of each pair are one second apart. Processes that do not fetch do not wait
/// either.
#[tokio::test(start_paused = true)]
async fn r076_of_processes_that_find_old_documents_only_one_fetches() {
    let (fleet, _) = Fleet::of_one().await;
    let soft = SOFT_AGE.as_secs();
    are_accepted_together(vec![fleet.start()], &token(&TEST_KEY), soft - 1).await;
    assert_eq!(fleet.fetches(), (1, 1));
    fleet.provider.set_delay(Duration::from_secs(1));
    let waits = Instant::now();
    let processes: Vec<_> = (0..20).map(|_| fleet.start()).collect();
    let token = token(&TEST_KEY);
    let verify = async |process: &Process| process.verify(&token, soft).await.unwrap();
    // While the first process fetches the metadata, the second fetches the keys.
    let others = async {
        for process in &processes[2..] {
            verify(process).await;
            assert_eq!(waits.elapsed(), Duration::ZERO);
        }
    };
    tokio::join!(verify(&processes[0]), verify(&processes[1]), others);
    assert_eq!((waits.elapsed().as_secs(), fleet.fetches()), (1, (2, 2)));
    // The others do not read again for a while, and then find the fetched documents.
    let reads = fleet.store.reads();
    for process in &processes {
        process.verify(&token, soft + 1).await.unwrap();
    }
    assert_eq!(fleet.store.reads(), reads);
    for process in &processes[2..] {
        process.verify(&token, soft + FAILURE_PAUSE.as_secs()).await.unwrap();
    }
    assert_eq!((fleet.store.reads(), fleet.fetches()), (reads + 18, (2, 2)));
}

/// A process that was frozen or killed during a fetch.
#[tokio::test(start_paused = true)]
async fn a_process_that_dies_during_a_fetch_delays_the_others_briefly() {
    let fleet = Fleet::new();
    fleet.provider.set_delay(Duration::from_secs(1));
    let dying = fleet.start();
    let dying = tokio::spawn(async move { dying.verify(&token(&TEST_KEY), 0).await });
    sleep(Duration::from_millis(500)).await;
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    fleet.provider.set_delay(Duration::ZERO);
    // With a document in the store, the second process does not wait.
    for (second, wait) in [(0, WAIT.as_secs()), (1, 0)] {
        let waits = Instant::now();
        fleet.start().verify(&token(&TEST_KEY), second).await.unwrap();
        assert_eq!((waits.elapsed().as_secs(), fleet.fetches()), (wait, (2, 1)));
    }
}

/// R72.
#[tokio::test(start_paused = true)]
async fn r072_a_slow_process_does_not_restore_an_old_key() {
    let fleet = Fleet::new();
    let (old, new) = (token(&TEST_KEY), TestKey::rsa("new"));
    let first = fleet.start();
    first.keys.metadata(at(0)).await.unwrap();
    fleet.provider.set_delay(Duration::from_secs(4));
    let slow = async { first.verify(&old, 0).await.unwrap() };
    let fast = async {
        sleep(Duration::from_secs(1)).await;
        fleet.provider.set_delay(Duration::ZERO);
        fleet.provider.set_key_set(Some(key_set(&[&new])));
        // The lease has expired meanwhile.
        fleet.start().verify(&token(&new), FAILURE_PAUSE.as_secs()).await.unwrap();
    };
    tokio::join!(slow, fast);
    assert_eq!((fleet.fetches(), fleet.store.writes()), ((1, 2), 3));
    let third = fleet.start();
    third.verify(&token(&new), 6).await.unwrap();
    assert_eq!(fleet.fetches(), (1, 2));
    assert_eq!(third.refusal(&old, 6).await, TokenError::UnknownKey);
}

/// R72: all processes in the same second as the first fetch or soon after, and each so long after the
/// one before that only the stored document prevents a fetch.
#[tokio::test]
async fn r072_a_rotation_costs_one_fetch_across_all_processes() {
    for (first, apart) in [(0, 0), (1, 0), (1, 60)] {
        let (fleet, processes) = Fleet::of(8).await;
        let new = TestKey::rsa("new");
        fleet.provider.set_key_set(Some(key_set(&[&new])));
        for (process, number) in processes.iter().zip(0..) {
            process.verify(&token(&new), first + number * apart).await.unwrap();
        }
        assert_eq!(fleet.fetches(), (1, 2), "{first} s, then {apart} s apart");
    }
}

/// R72: all concurrently, while the first one still fetches.
#[tokio::test(start_paused = true)]
async fn r072_a_rotation_met_by_many_processes_at_once_costs_one_fetch() {
    let (fleet, processes) = Fleet::of(20).await;
    let new = TestKey::rsa("new");
    fleet.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    fleet.provider.set_delay(Duration::from_secs(1));
    are_accepted_together(processes, &token(&new), 1).await;
    assert_eq!(fleet.fetches(), (1, 2));
}

/// R73: one minute of flood, with a valid token after each invalid one. The number of processes does
/// not matter.
#[tokio::test]
async fn r073_a_flood_of_unknown_key_ids_costs_one_fetch_per_cool_down() {
    for count in [1, 10] {
        let (fleet, processes) = Fleet::of(count).await;
        let good = token(&TEST_KEY);
        for (number, process) in (0..600_u64).zip(processes.iter().cycle()) {
            let second = number / 10;
            assert_eq!(process.refusal(&invented(number), second).await, TokenError::UnknownKey);
            process.verify(&good, second).await.unwrap();
            let cool_downs = usize::try_from(second / MISS_COOL_DOWN.as_secs()).unwrap();
            assert_eq!(fleet.fetches(), (1, 1 + 1 + cool_downs), "{count} at {second} s");
        }
    }
}

/// R74: the last two times are one second apart. The flood hits one process, the new key both.
#[tokio::test]
async fn r074_a_flood_delays_a_new_key_by_at_most_the_cool_down() {
    let (fleet, processes) = Fleet::of(2).await;
    assert_eq!(processes[0].refusal(&invented(0), 1).await, TokenError::UnknownKey);
    let new = TestKey::rsa("new");
    fleet.provider.set_key_set(Some(key_set(&[&TEST_KEY, &new])));
    let cool_down = MISS_COOL_DOWN.as_secs();
    for process in &processes {
        for second in [2, cool_down] {
            assert_eq!(process.refusal(&token(&new), second).await, TokenError::UnknownKey);
        }
    }
    for process in &processes {
        process.verify(&token(&new), cool_down + 1).await.unwrap();
    }
    assert_eq!(fleet.fetches(), (1, 3));
}

/// A process learns it from the store, without a fetch.
#[tokio::test]
async fn a_withdrawn_key_stops_working_in_all_processes_after_one_fetch() {
    let (fleet, processes) = Fleet::of(2).await;
    let (old, new) = (lasting_token(&TEST_KEY), TestKey::rsa("new"));
    fleet.provider.set_key_set(Some(key_set(&[&new])));
    let soft = SOFT_AGE.as_secs();
    processes[0].verify(&old, soft - 1).await.unwrap();
    assert_eq!(processes[0].refusal(&old, soft).await, TokenError::UnknownKey);
    let fetches = fleet.fetches();
    for process in [&processes[1], &fleet.start()] {
        process.verify(&lasting_token(&new), soft).await.unwrap();
        assert_eq!(process.refusal(&old, soft).await, TokenError::UnknownKey);
    }
    assert_eq!(fleet.fetches(), fetches);
}

/// R80: a process whose clock was ahead writes nothing that others would use for long.
#[tokio::test]
async fn r080_documents_from_a_clock_that_was_ahead_are_fetched_again() {
    let fleet = Fleet::new();
    let old = lasting_token(&TEST_KEY);
    fleet.start().verify(&old, 30 * 24 * 3_600).await.unwrap();
    let new = TestKey::rsa("new");
    fleet.provider.set_key_set(Some(key_set(&[&new])));
    fleet.start().verify(&lasting_token(&new), 0).await.unwrap();
    assert_eq!(fleet.fetches(), (2, 2));
    let third = fleet.start();
    third.verify(&lasting_token(&new), 1).await.unwrap();
    assert_eq!(third.refusal(&old, 1).await, TokenError::UnknownKey);
    assert_eq!(fleet.fetches(), (2, 3), "for the unknown key id alone");
}

/// Each process then fetches it, as without a store.
#[tokio::test]
async fn a_document_too_large_for_the_store_is_still_used() {
    let fleet = Fleet::new();
    let mut document = key_set(&[&TEST_KEY]);
    document["more"] = "x".repeat(MAX_DOCUMENT).into();
    fleet.provider.set_key_set(Some(document));
    for second in [0, FAILURE_PAUSE.as_secs()] {
        fleet.start().verify(&token(&TEST_KEY), second).await.unwrap();
    }
    assert_eq!((fleet.fetches(), fleet.store.writes()), ((1, 2), 1));
}

/// Asserts that five requests with `token` to each process, all concurrent, are accepted.
async fn are_accepted_together(processes: Vec<Process>, token: &str, seconds: u64) {
    let mut all = JoinSet::new();
    for process in processes {
        let process = Arc::new(process);
        for _ in 0..5 {
            let (process, token) = (Arc::clone(&process), token.to_owned());
            all.spawn(async move { drop(process.verify(&token, seconds).await.unwrap()) });
        }
    }
    all.join_all().await;
}
