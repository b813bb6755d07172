//! The provider's documents, with the emulator and with misbehaving servers.

use std::time::Instant;

use serde_json::{Value, json};

use super::{emulated::rows, *};
use crate::aws::CALL_TIMEOUT;

fn row_key(kind: &str, name: &str) -> Value {
    json!({ "pk": { "S": format!("{kind}#{}", Digest::of(name)) } })
}

async fn read(store: &DynamoStore, now: Timestamp) -> Vec<DocumentRow> {
    store.documents(&[document().key], None, now).await.unwrap().documents
}

#[tokio::test]
async fn r093_documents_and_pointer_are_read_in_one_strongly_consistent_round_trip() {
    let (server, store) = serve_by(&[Deed::Forward]).await;
    let keys = ["metadata", "keys"].map(Digest::of);
    store.documents(&keys, Some(Digest::of("token")), NOW).await.unwrap();
    let requests = server.requests.lock().unwrap();
    let [(headers, body)] = &requests[..] else { panic!("not one request: {requests:?}") };
    assert_eq!(headers["x-amz-target"], "DynamoDB_20120810.BatchGetItem");
    let keys =
        [row_key("provider", "metadata"), row_key("provider", "keys"), row_key("token", "token")];
    let asked = json!({ TABLE: { "Keys": keys, "ConsistentRead": true } });
    assert_eq!(*body, json!({ "RequestItems": asked }));
}

/// DynamoDB may answer for some rows and list the others as unprocessed.
#[tokio::test]
async fn rows_that_dynamodb_leaves_out_are_requested_again() {
    let left_out = |rest: &[Value]| {
        let answer = json!({
            "Responses": { TABLE: [] },
            "UnprocessedKeys": { TABLE: { "Keys": rest, "ConsistentRead": true } },
        });
        Deed::Answer(200, answer.to_string().leak())
    };
    let keys = row_key("provider", "keys");
    let both = [keys.clone(), row_key("token", "token")];
    let deeds = [Deed::Forward, left_out(&both), left_out(&[keys]), Deed::Forward];
    let (server, store) = serve_by(&deeds).await;
    store.write_document(document(), NOW).await.unwrap();
    let found = store.documents(&[document().key], Some(Digest::of("token")), NOW).await;
    assert_eq!(found.unwrap().documents, [document()]);
    let requests = server.requests.lock().unwrap();
    let asked_for = |index: usize| {
        let asked = &requests[index].1["RequestItems"][TABLE];
        assert_eq!(asked["ConsistentRead"], true);
        asked["Keys"].as_array().unwrap().len()
    };
    assert_eq!((requests.len(), asked_for(1), asked_for(2), asked_for(3)), (4, 2, 2, 1));
}

/// R96: a row without an answer is not a missing row.
#[tokio::test]
async fn r096_rows_that_are_always_left_out_are_unavailable_within_three_seconds() {
    let rest = [row_key("provider", "keys")];
    let answer = json!({ "UnprocessedKeys": { TABLE: { "Keys": rest } } }).to_string();
    let (_, store) = serve_by(&[Deed::Answer(200, answer.leak())]).await;
    let start = Instant::now();
    let error = store.documents(&[document().key], None, NOW).await.unwrap_err();
    assert_eq!(chain(&error), "the session store is unavailable: BatchGetItem timed out");
    assert!(start.elapsed() < CALL_TIMEOUT + Duration::from_millis(500));
}

/// R97: an unreadable document counts as missing, for reads and for writes.
#[tokio::test]
async fn r097_an_unreadable_document_counts_as_missing_and_is_overwritten() {
    let attributes = ["document", "fetched_at", "expires_at", "lease_until"];
    for attribute in attributes {
        for broken in [Value::Null, json!({ "S": "1800000100" }), json!({ "BOOL": true })] {
            let (database, store) = serve_new().await;
            store.write_document(document(), NOW).await.unwrap();
            assert_eq!(store.lease_document(document().key, after(5), NOW).await.unwrap(), None);
            let [mut item] = <[Value; 1]>::try_from(rows(&database)).unwrap();
            match &broken {
                Value::Null => drop(item.as_object_mut().unwrap().remove(attribute)),
                broken => item[attribute] = broken.clone(),
            }
            let request = json!({ "TableName": TABLE, "Item": item });
            database.put_item(serde_json::from_value(request).unwrap()).unwrap();

            let is_whole = attribute == "lease_until";
            assert_eq!(
                read(&store, NOW).await.len(),
                usize::from(is_whole),
                "{attribute} {broken}"
            );
            let held = store.lease_document(document().key, after(6), NOW).await.unwrap();
            assert_eq!(held, (!is_whole).then(|| after(5)), "{attribute} {broken}");
            store.write_document(document(), NOW).await.unwrap();
            assert_eq!(read(&store, NOW).await, [document()], "{attribute} {broken}");
            assert_eq!(rows(&database)[0].as_object().unwrap().len(), 4, "{attribute} {broken}");
        }
    }
}

/// DynamoDB deletes a row that never gets a document.
#[tokio::test]
async fn a_row_with_only_a_lease_expires_with_the_lease() {
    let (database, store) = serve_new().await;
    let until = |seconds| json!({ "N": after(seconds).as_unix().to_string() });
    store.lease_document(document().key, after(5), NOW).await.unwrap();
    assert_eq!(rows(&database)[0]["expires_at"], until(5));
    store.write_document(document(), NOW).await.unwrap();
    store.lease_document(document().key, after(5), NOW).await.unwrap();
    assert_eq!(rows(&database)[0]["expires_at"], until(100));
}
