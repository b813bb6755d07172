//! Tests with a table that throttles, fails, stalls and loses answers.

use serde_json::{Value, json};

use super::{
    Deed::{Answer, Forward, LoseAnswer},
    *,
};
use crate::{
    aws::tests::{BROKEN, DENIED, THROTTLED},
    store::{Selection, Tombstone},
    testing::contract::renewal::renewal,
};

const CONFLICT: Deed = Answer(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"ongoing"}"#,
);
const CANCELLED_BY_CONFLICT: Deed = Answer(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled",
        "CancellationReasons":[{"Code":"TransactionConflict","Message":"ongoing"},{"Code":"None"}]}"#,
);
const CANCELLED_BY_BOTH: Deed = Answer(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled",
        "CancellationReasons":[{"Code":"TransactionConflict"},{"Code":"ConditionalCheckFailed"}]}"#,
);
const CANCELLED_BY_MISTAKE: Deed = Answer(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled",
        "CancellationReasons":[{"Code":"ValidationError","Message":"session#abc"},{"Code":"None"}]}"#,
);
const DONE: Deed = Answer(200, "{}");

#[tokio::test]
async fn r093_reads_are_strongly_consistent() {
    let (server, store) = serve_by(&[DONE]).await;
    assert_eq!(store.session(Digest::of("one"), NOW).await.unwrap(), None);
    assert_eq!(store.pointer(Digest::of("token"), NOW).await.unwrap(), None);
    let requests = server.requests.lock().unwrap();
    let keys = ["session#", "token#"].iter().zip(["one", "token"]);
    for ((headers, body), (kind, name)) in requests.iter().zip(keys) {
        assert_eq!(headers["x-amz-target"], "DynamoDB_20120810.GetItem");
        let key = json!({ "pk": { "S": format!("{kind}{}", Digest::of(name)) } });
        assert_eq!(*body, json!({ "TableName": TABLE, "Key": key, "ConsistentRead": true }));
    }
    assert_eq!(requests.len(), 2);
}

/// The SDK's statistics are left out. Inside Lambda, the header with the trace id is added.
#[tokio::test]
async fn a_request_carries_only_what_dynamodb_needs() {
    let (server, store) = serve_by(&[DONE]).await;
    assert_eq!(store.session(Digest::of("one"), NOW).await.unwrap(), None);
    let (headers, _) = server.requests.lock().unwrap()[0].clone();
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let of_http = ["accept", "authorization", "content-length", "content-type", "host"];
    let of_aws = ["x-amz-date", "x-amz-security-token", "x-amz-target"];
    assert_eq!(names, [&of_http[..], &["user-agent"], &of_aws].concat());
    assert!(headers["user-agent"].to_str().unwrap().starts_with("auth0-lambda/"));
}

/// R95, R133. A transaction that is repeated after a lost answer carries the same token, by which
/// DynamoDB recognises it. A conflict wrote nothing, so the repetition is a new transaction.
#[tokio::test]
async fn r095_a_transaction_is_sent_again_after_a_lost_answer_or_a_conflict() {
    for renews in [false, true] {
        let (server, store) = serve_by(&[BROKEN, CANCELLED_BY_CONFLICT, DONE]).await;
        if renews {
            store.renew(renewal("one", "first", "token", "second token"), NOW).await.unwrap();
        } else {
            store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
        }
        let requests = server.requests.lock().unwrap();
        let tokens: Vec<_> = requests.iter().map(|(_, body)| &body["ClientRequestToken"]).collect();
        assert_eq!((tokens.len(), tokens[0]), (3, tokens[1]));
        assert!(tokens[1].is_string());
        assert_ne!(tokens[1], tokens[2]);
    }
}

/// Of two conflicting creates, one wins; the other is repeated and finds the key taken.
#[tokio::test]
async fn r095_a_create_that_lost_a_conflict_finds_the_key_taken() {
    let (server, store) = serve_by(&[CANCELLED_BY_CONFLICT, Forward]).await;
    let winner = store_at(server.behind());
    winner.create(session("one"), pointer("other token", "one"), NOW).await.unwrap();
    let refused = store.create(session("one"), pointer("token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)), "{refused:?}");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn r095_a_taken_key_has_priority_over_a_conflict() {
    let (server, store) = serve_by(&[CANCELLED_BY_BOTH]).await;
    let refused = store.create(session("one"), pointer("token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)), "{refused:?}");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn r096_a_transaction_cancelled_for_another_reason_is_not_a_refusal() {
    let (server, store) = serve_by(&[CANCELLED_BY_MISTAKE]).await;
    let created = store.create(session("one"), pointer("token", "one"), NOW).await;
    let Err(CreateError::Store(not_created)) = created else { panic!("{created:?}") };
    let renewed = store.renew(renewal("one", "first", "token", "second token"), NOW).await;
    let Err(RenewError::Store(not_renewed)) = renewed else { panic!("{renewed:?}") };
    for error in [not_created, not_renewed] {
        assert_refused(&error, "TransactWriteItems", "TransactionCanceledException");
    }
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn r096_a_conflict_that_persists_makes_the_store_unavailable() {
    let (server, store) = serve_by(&[CONFLICT]).await;
    let error = store.slide(Digest::of("one"), after(1), NOW).await.unwrap_err();
    assert_eq!(
        chain(&error),
        "the session store is unavailable: UpdateItem kept conflicting with other calls"
    );
    assert_eq!(server.count(), 7);
}

/// The first put succeeded, but its answer was lost. The repetition must not count it as a replay.
#[tokio::test]
async fn r017_a_claim_whose_answer_was_lost_succeeds() {
    let (server, store) = serve_by(&[LoseAnswer, Forward]).await;
    assert!(store.claim(Digest::of("state"), after(10), NOW).await.unwrap());
    let puts: Vec<_> =
        server.requests.lock().unwrap().iter().map(|(_, body)| body.clone()).collect();
    assert_eq!(puts.len(), 2);
    assert_eq!(puts[0], puts[1]);

    // For any other caller it is a replay.
    assert!(!store.claim(Digest::of("state"), after(10), NOW).await.unwrap());
}

/// A page may end anywhere, and may be empty.
#[tokio::test]
async fn r103_every_page_of_an_index_is_read() {
    let key = |name: &str| json!({ "pk": { "S": format!("session#{}", Digest::of(name)) } });
    let page = |items: Value, last: Option<&str>| -> Deed {
        let mut page = json!({ "Items": items });
        if let Some(last) = last {
            page["LastEvaluatedKey"] = key(last);
        }
        Answer(200, page.to_string().leak())
    };
    let (server, store) = serve_by(&[
        page(json!([key("one"), { "pk": { "S": "token#stray" } }]), Some("one")),
        page(json!([]), Some("nothing")),
        THROTTLED,
        page(json!([key("two")]), None),
    ])
    .await;
    let found = store.sessions_of(Selection::of_subject(Digest::of("ada")), NOW).await.unwrap();
    assert_eq!(found, [Digest::of("one"), Digest::of("two")]);
    let requests = server.requests.lock().unwrap();
    let starts: Vec<_> = requests.iter().map(|(_, body)| body.get("ExclusiveStartKey")).collect();
    let (one, nothing) = (key("one"), key("nothing"));
    assert_eq!(starts, [None, Some(&one), Some(&nothing), Some(&nothing)]);
}

#[tokio::test]
async fn r128_one_transaction_ends_at_most_a_hundred_sessions() {
    let (server, store) = serve_by(&[CANCELLED_BY_CONFLICT, DONE]).await;
    let keys: Vec<_> = (0..201).map(|index| Digest::of(format!("{index}"))).collect();
    store.end_all(&keys, NOW).await.unwrap();
    let requests = server.requests.lock().unwrap();
    let sizes: Vec<_> =
        requests.iter().map(|(_, body)| body["TransactItems"].as_array().unwrap().len()).collect();
    // The first was in conflict with another call, and was repeated.
    assert_eq!(sizes, [100, 100, 100, 1]);
    let key = json!({ "pk": { "S": format!("session#{}", Digest::of("200")) } });
    let delete = json!({ "Delete": { "TableName": TABLE, "Key": key } });
    assert_eq!(requests[3].1["TransactItems"][0], delete);
}

#[tokio::test]
async fn r128_a_search_or_an_end_that_is_refused_is_an_error() {
    let (_, store) = serve_by(&[DENIED]).await;
    let selection = Selection::of_subject(Digest::of("ada"));
    let error = store.sessions_of(selection, NOW).await.unwrap_err();
    assert_refused(&error, "Query", "AccessDeniedException");
    let error = store.end_all(&[Digest::of("one")], NOW).await.unwrap_err();
    assert_refused(&error, "TransactWriteItems", "AccessDeniedException");
    let tombstone =
        Tombstone { owner: Digest::of("ada"), issued_before: NOW, expires_at: after(1) };
    let error = store.mark_ended(tombstone, NOW).await.unwrap_err();
    assert_refused(&error, "PutItem", "AccessDeniedException");
}

/// A tombstone whose answer was lost exists all the same; one that covers more suffices too.
#[tokio::test]
async fn r129_a_tombstone_whose_answer_was_lost_takes_effect() {
    let (_, store) = serve_by(&[LoseAnswer, Forward]).await;
    let owner = session("one").owner;
    let tombstone =
        Tombstone { owner: owner.subject, issued_before: after(1), expires_at: after(100) };
    store.mark_ended(tombstone, NOW).await.unwrap();
    let refused = store.create(session("one"), pointer("token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
}
