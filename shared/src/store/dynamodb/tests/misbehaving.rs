//! Tests with a table that throttles, fails, stalls and loses answers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    aws::CALL_TIMEOUT,
    store::{Selection, Tombstone},
    testing::contract::renewal::renewal,
};

/// How the server answers one request.
#[derive(Clone, Copy)]
pub(super) enum Deed {
    Answer(u16, &'static str),
    Stall,
    /// Returns the answer of the emulator behind it.
    Forward,
    /// Sends the request to the emulator, but answers with an error.
    LoseAnswer,
}

use Deed::{Answer, Forward, LoseAnswer, Stall};

const THROTTLED: Deed = Answer(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down, session#abc"}"#,
);
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
const DENIED: Deed = Answer(
    400,
    r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User: arn:aws:..."}"#,
);
const BROKEN: Deed = Answer(500, r#"{"__type":"InternalServerError","message":"oops"}"#);
const BAD_GATEWAY: Deed = Answer(502, "<html>bad gateway</html>");
const DONE: Deed = Answer(200, "{}");

/// A server that performs `deeds` in order, then repeats the last one, and records requests.
#[derive(Clone)]
pub(super) struct Server {
    deeds: Arc<Mutex<VecDeque<Deed>>>,
    pub(super) requests: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    emulator: String,
}

impl Server {
    pub(super) async fn start(deeds: &[Deed]) -> (Self, DynamoStore) {
        let (listener, emulator) = listen().await;
        tokio::spawn(dynoxide::server::serve_on(listener, database()));
        let server = Self {
            deeds: Arc::new(Mutex::new(deeds.iter().copied().collect())),
            requests: Arc::default(),
            emulator,
        };
        let (listener, address) = listen().await;
        let router = Router::new().fallback(Self::answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (server, store_at(&address))
    }

    async fn answer(State(server): State<Self>, headers: HeaderMap, body: Bytes) -> Response {
        let json = serde_json::from_slice(&body).unwrap();
        server.requests.lock().unwrap().push((headers.clone(), json));
        let deed = {
            let mut deeds = server.deeds.lock().unwrap();
            if deeds.len() > 1 { deeds.pop_front() } else { deeds.front().copied() }
        };
        let (status, text) = match deed.unwrap() {
            Answer(status, text) => (status, text.to_owned()),
            Stall => std::future::pending().await,
            Forward => server.forward(headers, body).await,
            LoseAnswer => {
                assert_eq!(server.forward(headers, body).await.0, 200);
                (500, "{}".to_owned())
            }
        };
        let content_type = [("content-type", "application/x-amz-json-1.0")];
        (StatusCode::from_u16(status).unwrap(), content_type, text).into_response()
    }

    async fn forward(&self, headers: HeaderMap, body: Bytes) -> (u16, String) {
        let client = crate::crypto::tls::Network::default().client().unwrap().build().unwrap();
        let request = client.post(&self.emulator).headers(headers).body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(super) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

#[tokio::test]
async fn r093_reads_are_strongly_consistent() {
    let (server, store) = Server::start(&[DONE]).await;
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

#[tokio::test]
async fn requests_are_signed_with_the_credentials_of_the_environment() {
    let (server, store) = Server::start(&[DONE]).await;
    store.session(Digest::of("one"), NOW).await.unwrap();
    let (headers, _) = server.requests.lock().unwrap()[0].clone();
    let authorization = headers["authorization"].to_str().unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
    assert!(authorization.contains("/eu-central-1/dynamodb/aws4_request"), "{authorization}");
    assert_eq!(headers["x-amz-security-token"], "swordfish");
}

#[tokio::test]
async fn r096_a_table_that_fails_three_times_is_unavailable() {
    for (deed, code) in
        [(THROTTLED, "ThrottlingException"), (BROKEN, "InternalServerError"), (BAD_GATEWAY, "502")]
    {
        let (server, store) = Server::start(&[deed]).await;
        let error = store.session(Digest::of("one"), NOW).await.unwrap_err();
        assert_refused(&error, "GetItem", code);
        assert_eq!(server.count(), 3, "{code}");
    }
}

#[tokio::test]
async fn a_table_that_recovers_in_time_causes_no_error() {
    let (server, store) = Server::start(&[THROTTLED, BROKEN, DONE]).await;
    assert_eq!(store.session(Digest::of("one"), NOW).await.unwrap(), None);
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn a_call_that_was_refused_for_good_is_not_repeated() {
    let (server, store) = Server::start(&[DENIED]).await;
    let error = store.end(Digest::of("one"), NOW).await.unwrap_err();
    assert_refused(&error, "DeleteItem", "AccessDeniedException");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn r096_a_table_that_stalls_is_unavailable_within_three_seconds() {
    let (server, store) = Server::start(&[Stall]).await;
    let start = Instant::now();
    let error = store.session(Digest::of("one"), NOW).await.unwrap_err();
    assert_eq!(chain(&error), "the session store is unavailable: GetItem timed out");
    assert!(start.elapsed() < CALL_TIMEOUT + Duration::from_millis(500));
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn r096_a_table_that_cannot_be_reached_is_unavailable() {
    let (listener, address) = listen().await;
    drop(listener);
    let error = store_at(&address).session(Digest::of("one"), NOW).await.unwrap_err();
    let text = chain(&error);
    let expected = "the session store is unavailable: GetItem did not reach AWS: ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("refused"), "{text}");
    assert!(!text.contains(&Digest::of("one").to_string()), "{text}");
}

#[tokio::test]
async fn r096_an_answer_that_is_too_long_is_not_read() {
    let long: &'static str =
        format!("{{\"Item\":{{\"pk\":{{\"S\":\"{}\"}}}}}}", "x".repeat(1_000_000)).leak();
    let (_, store) = Server::start(&[Answer(200, long)]).await;
    let error = store.session(Digest::of("one"), NOW).await.unwrap_err();
    assert!(chain(&error).ends_with("the answer is too long"), "{}", chain(&error));
}

#[tokio::test]
async fn r096_an_answer_that_cannot_be_parsed_is_not_a_missing_session() {
    let (_, store) = Server::start(&[Answer(200, "<html>welcome</html>")]).await;
    let error = store.session(Digest::of("one"), NOW).await.unwrap_err();
    assert_eq!(chain(&error), "the session store is unavailable: GetItem is not understood");
}

/// R95, R133. A transaction that is repeated after a lost answer carries the same token, by which
/// DynamoDB recognises it. A conflict wrote nothing, so the repetition is a new transaction.
#[tokio::test]
async fn r095_a_transaction_is_sent_again_after_a_lost_answer_or_a_conflict() {
    for renews in [false, true] {
        let (server, store) = Server::start(&[BROKEN, CANCELLED_BY_CONFLICT, DONE]).await;
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
    let (server, store) = Server::start(&[CANCELLED_BY_CONFLICT, Forward]).await;
    let winner = store_at(&server.emulator);
    winner.create(session("one"), pointer("other token", "one"), NOW).await.unwrap();
    let refused = store.create(session("one"), pointer("token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)), "{refused:?}");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn r095_a_taken_key_has_priority_over_a_conflict() {
    let (server, store) = Server::start(&[CANCELLED_BY_BOTH]).await;
    let refused = store.create(session("one"), pointer("token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)), "{refused:?}");
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn r096_a_transaction_cancelled_for_another_reason_is_not_a_refusal() {
    let (server, store) = Server::start(&[CANCELLED_BY_MISTAKE]).await;
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
    let (server, store) = Server::start(&[CONFLICT]).await;
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
    let (server, store) = Server::start(&[LoseAnswer, Forward]).await;
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
    let (server, store) = Server::start(&[
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
    let (server, store) = Server::start(&[CANCELLED_BY_CONFLICT, DONE]).await;
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
    let (_, store) = Server::start(&[DENIED]).await;
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
    let (_, store) = Server::start(&[LoseAnswer, Forward]).await;
    let owner = session("one").owner;
    let tombstone =
        Tombstone { owner: owner.subject, issued_before: after(1), expires_at: after(100) };
    store.mark_ended(tombstone, NOW).await.unwrap();
    let refused = store.create(session("one"), pointer("token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
}
