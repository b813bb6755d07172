//! The laws of the provider's documents in the store.

use std::sync::Arc;

use super::{NOW, after, create, pointer, together};
use crate::{
    crypto::secret::Digest,
    store::{CLOCK_TOLERANCE, DocumentRow, DocumentStore, Found, Store},
};

/// A document is read back completely, with any bytes, only by its own key, until the exact second
/// (law 1, R92).
pub async fn a_document_is_read_back_unchanged_until_it_expires(store: Arc<dyn DocumentStore>) {
    let row = DocumentRow { text: (0..=255).collect(), ..document("keys", 0) };
    write(&*store, row.clone(), 0).await;
    assert_eq!(found(&*store, &["keys"], 1).await, [row]);
    assert_eq!(found(&*store, &["metadata"], 1).await, []);
    assert_eq!(found(&*store, &["keys"], 99).await.len(), 1);
    assert_eq!(found(&*store, &["keys"], 100).await, []);
    assert_eq!(store.documents(&[], None, NOW).await.expect("the store answers"), Found::default());
}

/// One read returns all rows, and omits missing ones.
pub async fn documents_and_a_pointer_are_read_together(store: Arc<dyn Store>) {
    create(&*store, "token", "one").await;
    write(&*store, document("metadata", 0), 0).await;
    write(&*store, document("keys", 0), 0).await;
    let keys = ["metadata", "never was", "keys"].map(Digest::of);
    let read = async |token: &str, now| {
        let read = store.documents(&keys, Some(Digest::of(token)), after(now)).await;
        let mut found = read.expect("the store answers");
        let documents = ["metadata", "never was", "keys"].map(|name| found.take(Digest::of(name)));
        assert_eq!(found.documents, []);
        (documents, found.pointer)
    };
    let both = [Some(document("metadata", 0)), None, Some(document("keys", 0))];
    assert_eq!(read("token", 1).await, (both.clone(), Some(pointer("token", "one"))));
    assert_eq!(read("other token", 1).await, (both, None));
    assert_eq!(read("token", 100).await.1, Some(pointer("token", "one")));
    assert_eq!(read("token", 500).await, ([None, None, None], None));
    // Keys of documents and of pointers are different kinds.
    assert_eq!(found(&*store, &["token", "one"], 1).await, []);
    assert_eq!(read("keys", 1).await.1, None);
}

/// Law 11, at the exact second; a refused caller learns when the lease expires.
pub async fn r076_a_document_lease_is_held_by_one_caller_until_it_expires(
    store: Arc<dyn DocumentStore>,
) {
    assert_eq!(lease(&*store, "keys", 20, 0).await, None);
    assert_eq!(lease(&*store, "keys", 30, 0).await, Some(20));
    assert_eq!(lease(&*store, "keys", 90, 19).await, Some(20));
    assert_eq!(lease(&*store, "metadata", 90, 19).await, None);
    assert_eq!(lease(&*store, "keys", 90, 20).await, None);
    assert_eq!(lease(&*store, "keys", 99, 20).await, Some(90));
}

/// Law 11, under contention, with and without an existing document.
pub async fn r076_of_concurrent_document_leases_exactly_one_succeeds(
    store: Arc<dyn DocumentStore>,
) {
    write(&*store, document("keys", 0), 0).await;
    for name in ["keys", "metadata"] {
        let leases = together(&store, |store, _| async move { lease(&*store, name, 20, 0).await });
        assert_eq!(leases.await.iter().filter(|held| held.is_none()).count(), 1, "{name}");
    }
}

/// Law 11: writing the document ends the lease.
pub async fn writing_a_document_ends_its_lease(store: Arc<dyn DocumentStore>) {
    assert_eq!(lease(&*store, "keys", 20, 0).await, None);
    write(&*store, document("keys", 0), 1).await;
    assert_eq!(lease(&*store, "keys", 30, 2).await, None);
    assert_eq!(lease(&*store, "keys", 30, 2).await, Some(30));
    // A document that is rejected because of its age does not end the lease.
    write(&*store, DocumentRow { fetched_at: NOW - CLOCK_TOLERANCE, ..document("keys", 0) }, 3)
        .await;
    assert_eq!(lease(&*store, "keys", 90, 3).await, Some(30));
}

/// A lease neither changes an existing document nor creates one.
pub async fn a_document_lease_does_not_create_or_change_a_document(store: Arc<dyn DocumentStore>) {
    assert_eq!(lease(&*store, "metadata", 20, 0).await, None);
    assert_eq!(found(&*store, &["metadata"], 1).await, []);
    write(&*store, document("keys", 0), 0).await;
    assert_eq!(lease(&*store, "keys", 50, 0).await, None);
    assert_eq!(found(&*store, &["keys"], 99).await, [document("keys", 0)]);
    assert_eq!(found(&*store, &["keys"], 100).await, []);
    assert_eq!(lease(&*store, "keys", 120, 100).await, None);
    assert_eq!(found(&*store, &["keys"], 101).await, []);
}

/// Laws 1 and 12, in both orders.
pub async fn r072_a_late_write_does_not_restore_an_old_document(store: Arc<dyn DocumentStore>) {
    write(&*store, document("keys", 10), 12).await;
    write(&*store, document("keys", 9), 13).await;
    assert_eq!(found(&*store, &["keys"], 14).await, [document("keys", 10)]);
    write(&*store, document("keys", 11), 14).await;
    assert_eq!(found(&*store, &["keys"], 14).await, [document("keys", 11)]);
    // Of two documents fetched in the same second, the one written later is newer.
    let twin = DocumentRow { text: b"the other".to_vec(), ..document("keys", 11) };
    write(&*store, twin.clone(), 14).await;
    assert_eq!(found(&*store, &["keys"], 14).await, [twin]);
    // An expired document is overwritten.
    let old = DocumentRow { expires_at: after(200), ..document("keys", 9) };
    write(&*store, old.clone(), 111).await;
    assert_eq!(found(&*store, &["keys"], 111).await, [old]);
}

/// Law 12, under contention: the newest document remains, in any order of the writes.
pub async fn r072_of_concurrent_writes_the_newest_document_remains(store: Arc<dyn DocumentStore>) {
    let writes = together(&store, |store, index| async move {
        write(&*store, document("keys", (index * 7) % 20), 20).await;
    });
    writes.await;
    assert_eq!(found(&*store, &["keys"], 20).await, [document("keys", 19)]);
}

/// Laws 11 and 12: rows from a clock that was ahead have no lasting effect after it is corrected.
pub async fn r080_rows_from_the_future_are_ignored(store: Arc<dyn DocumentStore>) {
    let tolerance = CLOCK_TOLERANCE.as_secs();
    let ahead = document("keys", 10 + tolerance + 1);
    write(&*store, ahead.clone(), 10 + tolerance + 1).await;
    assert_eq!(lease(&*store, "keys", 10 + tolerance + 1, 9).await, None);

    // One second more than the tolerance.
    assert_eq!(lease(&*store, "keys", 20, 10).await, None);
    write(&*store, document("keys", 10), 10).await;
    assert_eq!(found(&*store, &["keys"], 10).await, [document("keys", 10)]);

    // One second less.
    write(&*store, ahead.clone(), 11).await;
    write(&*store, document("keys", 11), 11).await;
    assert_eq!(found(&*store, &["keys"], 11).await, [ahead]);
    assert_eq!(lease(&*store, "keys", 10 + tolerance + 1, 11).await, None);
    assert_eq!(lease(&*store, "keys", 20, 11).await, Some(10 + tolerance + 1));
}

/// A document that lives for 100 seconds.
fn document(name: &str, fetched_at: u64) -> DocumentRow {
    DocumentRow {
        key: Digest::of(name),
        text: format!("{name}, fetched at {fetched_at}").into(),
        fetched_at: after(fetched_at),
        expires_at: after(fetched_at + 100),
    }
}

async fn write(store: &dyn DocumentStore, row: DocumentRow, now: u64) {
    store.write_document(row, after(now)).await.expect("the store answers");
}

/// The documents found, in the order of their keys.
async fn found(store: &dyn DocumentStore, names: &[&str], now: u64) -> Vec<DocumentRow> {
    let keys: Vec<_> = names.iter().map(Digest::of).collect();
    let found = store.documents(&keys, None, after(now)).await.expect("the store answers");
    assert_eq!(found.pointer, None);
    let mut documents = found.documents;
    documents.sort_by_key(|document| document.key);
    documents
}

/// `None` if the lease was granted, or the expiry of another caller's lease.
async fn lease(store: &dyn DocumentStore, name: &str, until: u64, now: u64) -> Option<u64> {
    let held = store.lease_document(Digest::of(name), after(until), after(now)).await;
    held.expect("the store answers").map(|held| held.as_unix() - NOW.as_unix())
}
