//! What a process does at its start, before any request.

use super::*;
use crate::{discovery::keys::tests::outages::logged, store::DocumentRow};

/// The documents age from their fetch, not from the start: Lambda may start a process long before its
/// first request.
#[tokio::test]
async fn a_prepared_process_uses_its_documents_without_a_request_until_they_are_old() {
    let (fleet, _) = Fleet::of_one().await;
    let reads = fleet.store.reads();
    for process in [fleet.start(), fleet.start_reader()] {
        process.keys.prepare(at(100)).await;
    }
    assert_eq!(fleet.store.reads(), reads + 2);

    let process = fleet.start();
    process.keys.prepare(at(100)).await;
    let soft = SOFT_AGE.as_secs();
    for second in [100, soft - 1] {
        process.verify(&token(&TEST_KEY), second).await.unwrap();
        process.keys.metadata(at(second)).await.unwrap();
    }
    assert_eq!((fleet.store.reads(), fleet.fetches()), (reads + 3, (1, 1)));
    process.verify(&token(&TEST_KEY), soft).await.unwrap();
    assert_eq!(fleet.fetches(), (2, 2));
}

/// A start neither asks the provider nor takes a lease. In the last case, the rows are malformed.
#[tokio::test]
async fn documents_that_are_missing_old_or_unusable_at_a_start_are_left_to_the_first_request() {
    let soft = SOFT_AGE.as_secs();
    for (is_known, second, spoilt) in [(false, 0, false), (true, soft, false), (true, 1, true)] {
        let fleet = Fleet::new();
        if is_known {
            fleet.start().verify(&token(&TEST_KEY), 0).await.unwrap();
        }
        if spoilt {
            let asked = fleet.store.asked.lock().unwrap()[0].clone();
            let found = fleet.store.store.documents(&asked, None, at(0)).await.unwrap();
            for row in found.documents {
                let row = DocumentRow { text: b"<html>".to_vec(), ..row };
                fleet.store.store.write_document(row, at(0)).await.unwrap();
            }
        }
        let (fetches, calls) = (fleet.fetches(), fleet.store.calls());
        let process = fleet.start();
        process.keys.prepare(at(second)).await;
        assert_eq!((fleet.fetches(), fleet.store.calls()), (fetches, calls + 1));
        process.verify(&token(&TEST_KEY), second).await.unwrap();
        assert_eq!(fleet.fetches(), (fetches.0 + 1, fetches.1 + 1), "{second} {spoilt}");
    }
}

/// After a failed fetch there is a pause, after a failed start there is none.
#[tokio::test(start_paused = true)]
async fn an_unavailable_store_delays_a_start_briefly_and_the_first_request_reads_it_again() {
    for (down, slow, patience) in
        [(true, false, Duration::ZERO), (false, true, TERMS.store_patience())]
    {
        let (fleet, _) = Fleet::of_one().await;
        fleet.store.is_down.store(down, Ordering::SeqCst);
        fleet.store.is_slow.store(slow, Ordering::SeqCst);
        let process = fleet.start();
        let waits = Instant::now();
        let log = logged(process.keys.prepare(at(0))).await;
        assert_eq!(waits.elapsed().as_secs(), patience.as_secs());
        let events: Vec<_> = log.iter().map(|fields| fields["event"].clone()).collect();
        assert_eq!(events, ["provider.not_shared"]);

        fleet.store.is_down.store(false, Ordering::SeqCst);
        fleet.store.is_slow.store(false, Ordering::SeqCst);
        process.verify(&token(&TEST_KEY), 0).await.unwrap();
        assert_eq!(fleet.fetches(), (1, 1));
    }
}
