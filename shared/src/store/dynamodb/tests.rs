//! Against an emulator embedded in this process, and against servers that misbehave on purpose.

use std::{
    collections::VecDeque,
    error::Error as _,
    io,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use dynoxide::Database;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::{call::CALL_TIMEOUT, *};
use crate::{
    config::Settings,
    error::chain,
    session::{SessionContents, SessionLimits, Sessions},
    store::table,
};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const TABLE: &str = "sessions";

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn session(name: &str) -> SessionRow {
    SessionRow {
        key: Digest::of(name),
        created_at: NOW,
        used_at: NOW,
        ends_at: after(1_000),
        expires_at: after(100),
        cookie_key: b"wrapped for the cookie".to_vec(),
        sealed: vec![0, 255, 1, 254],
    }
}

fn pointer(token: &str, name: &str) -> PointerRow {
    PointerRow {
        key: Digest::of(token),
        session: Digest::of(name),
        token_key: b"wrapped for the token".to_vec(),
        expires_at: after(500),
    }
}

/// A store as a function makes it from its environment, whose table is at `address`.
fn store_at(address: &str) -> DynamoStore {
    let mut settings = Settings::from_values([
        ("SESSION_TABLE", TABLE),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("AWS_SESSION_TOKEN", "swordfish"),
        ("AWS_ENDPOINT_URL_DYNAMODB", address),
    ]);
    DynamoStore::new(DynamoConfig::from_settings(&mut settings).unwrap(), Random::system()).unwrap()
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

/// An emulator with an empty table.
fn database() -> Database {
    let database = Database::memory().unwrap();
    database.create_table(serde_json::from_value(table::create_table(TABLE)).unwrap()).unwrap();
    let time_to_live = serde_json::from_value(table::update_time_to_live(TABLE)).unwrap();
    database.update_time_to_live(time_to_live).unwrap();
    database
}

async fn serve(database: Database) -> DynamoStore {
    let (listener, address) = listen().await;
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    store_at(&address)
}

#[cfg(feature = "contract")]
crate::store_contract!(async || Arc::new(serve(database()).await));

mod on_a_real_table {
    use super::*;

    /// R92: the emulator, like DynamoDB, leaves such a row where it lies.
    #[tokio::test]
    async fn r092_a_row_past_its_time_that_still_lies_there_is_not_there() {
        let database = database();
        let store = serve(database.clone()).await;
        store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
        store.claim(Digest::of("state"), after(10), NOW).await.unwrap();
        assert_eq!(store.session(Digest::of("one"), after(100)).await.unwrap(), None);
        assert_eq!(store.pointer(Digest::of("token"), after(500)).await.unwrap(), None);
        assert!(!store.slide(Digest::of("one"), after(900), after(100)).await.unwrap());
        assert_eq!(rows(&database).len(), 3);
        assert!(!store.end(Digest::of("one"), after(100)).await.unwrap());
        assert_eq!(rows(&database).len(), 2);
    }

    /// Each writer has a client, hence connections, of its own, as two functions have.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn r018_two_writers_race_for_one_row_and_one_wins() {
        let (listener, address) = listen().await;
        tokio::spawn(dynoxide::server::serve_on(listener, database()));
        let writers = [store_at(&address), store_at(&address)];
        for round in 0..20 {
            let mut race = JoinSet::new();
            for writer in writers.clone() {
                race.spawn(async move {
                    writer.claim(Digest::of(format!("{round}")), after(10), NOW).await.unwrap()
                });
            }
            let claimed = race.join_all().await;
            assert_eq!(claimed.iter().filter(|claimed| **claimed).count(), 1, "{claimed:?}");
        }
    }

    #[tokio::test]
    async fn r095_a_transaction_that_is_cancelled_writes_nothing() {
        let database = database();
        let store = serve(database.clone()).await;
        store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
        let before = rows(&database);
        let refused = store.create(session("two"), pointer("token", "two"), NOW).await;
        assert!(matches!(refused, Err(CreateError::Exists)), "{refused:?}");
        assert_eq!(rows(&database), before);
    }

    #[tokio::test]
    async fn r096_a_missing_table_is_not_a_missing_session() {
        let store = serve(Database::memory().unwrap()).await;
        let error = store.session(Digest::of("one"), NOW).await.unwrap_err();
        assert_refused(&error, "GetItem", "ResourceNotFoundException");
        let error = store.create(session("one"), pointer("token", "one"), NOW).await.unwrap_err();
        let CreateError::Store(error) = error else { panic!("{error}") };
        assert_refused(&error, "TransactWriteItems", "ResourceNotFoundException");
        let error = store.end(Digest::of("one"), NOW).await.unwrap_err();
        assert_refused(&error, "DeleteItem", "ResourceNotFoundException");
        let error = store.slide(Digest::of("one"), after(1), NOW).await.unwrap_err();
        assert_refused(&error, "UpdateItem", "ResourceNotFoundException");
        let error = store.claim(Digest::of("one"), after(1), NOW).await.unwrap_err();
        assert_refused(&error, "PutItem", "ResourceNotFoundException");
    }

    #[tokio::test]
    async fn r097_an_attribute_of_a_later_version_is_left_alone() {
        let database = database();
        let store = serve(database.clone()).await;
        store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
        change(&database, "one", |item| item["lease"] = json!({ "SS": ["later"] }));
        assert_eq!(store.session(Digest::of("one"), NOW).await.unwrap(), Some(session("one")));
        assert!(store.slide(Digest::of("one"), after(200), NOW).await.unwrap());
        assert!(rows(&database).iter().any(|row| row["lease"] == json!({ "SS": ["later"] })));
    }

    #[tokio::test]
    async fn r097_a_row_that_cannot_be_read_is_not_there() {
        let database = database();
        let store = serve(database.clone()).await;
        for attribute in ["created_at", "used_at", "ends_at", "expires_at", "cookie_key", "sealed"]
        {
            for broken in [Value::Null, json!({ "S": "1800000100" }), json!({ "N": "-1.5" })] {
                let store_broken = |item: &mut Value| match &broken {
                    Value::Null => drop(item.as_object_mut().unwrap().remove(attribute)),
                    broken => item[attribute] = broken.clone(),
                };
                let name = format!("{attribute} {broken}");
                store.create(session(&name), pointer(&name, &name), NOW).await.unwrap();
                change(&database, &name, store_broken);
                let read = store.session(Digest::of(&name), NOW).await.unwrap();
                assert_eq!(read, None, "{name}");
            }
        }
    }

    #[tokio::test]
    async fn r097_a_row_whose_expiry_cannot_be_read_neither_slides_nor_lived() {
        let database = database();
        let store = serve(database.clone()).await;
        store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
        change(&database, "one", |item| item["expires_at"] = json!({ "S": "1800000100" }));
        assert!(!store.slide(Digest::of("one"), after(200), NOW).await.unwrap());
        assert!(!store.end(Digest::of("one"), NOW).await.unwrap());
        assert_eq!(rows(&database).len(), 1);
    }

    /// R173: by its digest, which is no credential, and without its contents.
    #[tokio::test]
    async fn r097_a_row_that_cannot_be_read_is_logged_once() {
        let database = database();
        let store = serve(database.clone()).await;
        store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
        change(&database, "one", |item| item["sealed"] = json!({ "S": "not binary" }));
        let (log, writer) = io::pipe().unwrap();
        let subscriber = tracing_subscriber::fmt().json().with_writer(Arc::new(writer)).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        assert_eq!(store.session(Digest::of("one"), NOW).await.unwrap(), None);
        drop(guard);
        let line: Value = serde_json::from_str(&io::read_to_string(log).unwrap()).unwrap();
        assert_eq!(line["level"], "WARN");
        assert_eq!(
            line["fields"],
            json!({
                "event": "store.row_unreadable",
                "row": Digest::of("one").to_string(),
                "kind": "session",
                "attribute": "sealed",
                "message": "a row of the session table cannot be read",
            })
        );
    }

    /// R86, R98: of a login, digests and times can be read in the table, and nothing else.
    #[tokio::test]
    async fn r098_a_dump_of_the_table_holds_no_credential_and_no_claim() {
        let database = database();
        let store = Arc::new(serve(database.clone()).await);
        let limits = SessionLimits {
            idle: Duration::from_secs(1_000),
            lifetime: Duration::from_secs(5_000),
        };
        let user = json!({ "sub": "auth0|65f1", "email": "ada@example.com", "name": "Lovelace" });
        let contents = SessionContents {
            user: user.as_object().unwrap().clone(),
            id_token: "id.token.of.ada".to_owned().into(),
            api_key: "api.key.of.ada".to_owned().into(),
            api_key_expires_at: after(100_000),
            provider_session: Some("provider session".to_owned()),
            scopes: vec!["read:reports".to_owned()],
        };
        let sessions = Sessions::new(store, limits, Random::system());
        let (secret, _) = sessions.begin(&contents, None, NOW).await.unwrap();
        assert!(sessions.by_cookie(&secret, NOW).await.unwrap().is_some());

        let dump = values(&rows(&database));
        let secrets: [&[u8]; 8] = [
            secret.as_bytes(),
            b"api.key.of.ada",
            b"id.token.of.ada",
            b"auth0|65f1",
            b"ada@example.com",
            b"Lovelace",
            b"provider session",
            b"read:reports",
        ];
        for secret in secrets {
            for needle in encodings(secret) {
                assert!(!contains(&dump, &needle), "{:?}", String::from_utf8_lossy(&needle));
            }
        }
        // What is meant to be there is found by the same search.
        for known in [secret.digest(), Digest::of("api.key.of.ada")] {
            assert!(contains(&dump, known.to_string().as_bytes()));
            assert!(encodings(known.as_bytes()).iter().any(|needle| contains(&dump, needle)));
        }
    }

    fn rows(database: &Database) -> Vec<Value> {
        let request = serde_json::from_value(json!({ "TableName": TABLE })).unwrap();
        let scan = serde_json::to_value(database.scan(request).unwrap()).unwrap();
        scan["Items"].as_array().unwrap().clone()
    }

    /// Changes the session's row behind the store's back.
    fn change(database: &Database, name: &str, change: impl Fn(&mut Value)) {
        let pk = json!({ "S": format!("session#{}", Digest::of(name)) });
        let mut item = rows(database).into_iter().find(|row| row["pk"] == pk).unwrap();
        change(&mut item);
        let request = json!({ "TableName": TABLE, "Item": item });
        database.put_item(serde_json::from_value(request).unwrap()).unwrap();
    }

    /// Every attribute's value: texts and numbers as they are, binary ones decoded too.
    fn values(rows: &[Value]) -> Vec<Vec<u8>> {
        let attributes = rows.iter().flat_map(|row| row.as_object().unwrap());
        attributes
            .flat_map(|(name, value)| {
                let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
                let text = value.as_str().unwrap();
                let decoded = (kind == "B").then(|| BASE64_STANDARD.decode(text).unwrap());
                [name.clone().into_bytes(), text.to_owned().into_bytes()].into_iter().chain(decoded)
            })
            .collect()
    }

    fn contains(values: &[Vec<u8>], needle: &[u8]) -> bool {
        values.iter().any(|value| value.windows(needle.len()).any(|window| window == needle))
    }

    /// Plain, hex, and base64 in both alphabets at each of the three offsets at which the bytes
    /// may lie in something longer.
    fn encodings(bytes: &[u8]) -> Vec<Vec<u8>> {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut all = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        for offset in 0..3 {
            let shifted = [&vec![0; offset], bytes].concat();
            // Characters that other bytes share are left out, at either end.
            let start = [0, 2, 3][offset];
            let end = shifted.len() * 8 / 6;
            all.push(BASE64_STANDARD_NO_PAD.encode(&shifted)[start..end].into());
            all.push(BASE64_URL_SAFE_NO_PAD.encode(&shifted)[start..end].into());
        }
        all
    }
}

mod on_a_table_that_misbehaves {
    use super::*;

    /// What a server does with one request.
    #[derive(Clone, Copy)]
    enum Deed {
        Answer(u16, &'static str),
        Stall,
        /// What the emulator behind it does.
        Forward,
        /// The same, but fails to say so.
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

    /// A server that does its deeds in order, the last of them for ever, and records requests.
    #[derive(Clone)]
    struct Server {
        deeds: Arc<Mutex<VecDeque<Deed>>>,
        requests: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
        emulator: String,
    }

    impl Server {
        async fn start(deeds: &[Deed]) -> (Self, DynamoStore) {
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
            let client = reqwest::Client::builder()
                .tls_backend_preconfigured(crate::tls::client_config().unwrap())
                .build()
                .unwrap();
            let request = client.post(&self.emulator).headers(headers).body(body);
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        }

        fn count(&self) -> usize {
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
    async fn r096_what_fails_three_times_is_unavailable() {
        for (deed, code) in [
            (THROTTLED, "ThrottlingException"),
            (BROKEN, "InternalServerError"),
            (BAD_GATEWAY, "502"),
        ] {
            let (server, store) = Server::start(&[deed]).await;
            let error = store.session(Digest::of("one"), NOW).await.unwrap_err();
            assert_refused(&error, "GetItem", code);
            assert_eq!(server.count(), 3, "{code}");
        }
    }

    #[tokio::test]
    async fn what_recovers_in_time_is_not_noticed() {
        let (server, store) = Server::start(&[THROTTLED, BROKEN, DONE]).await;
        assert_eq!(store.session(Digest::of("one"), NOW).await.unwrap(), None);
        assert_eq!(server.count(), 3);
    }

    #[tokio::test]
    async fn a_refusal_that_will_not_change_is_not_repeated() {
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
        let expected = "the session store is unavailable: GetItem did not reach DynamoDB: ";
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
    async fn r096_an_answer_that_is_not_one_is_no_missing_session() {
        let (_, store) = Server::start(&[Answer(200, "<html>welcome</html>")]).await;
        let error = store.session(Digest::of("one"), NOW).await.unwrap_err();
        assert_eq!(chain(&error), "the session store is unavailable: GetItem is not understood");
    }

    #[tokio::test]
    async fn a_transaction_in_conflict_is_sent_again() {
        let (server, store) =
            Server::start(&[CANCELLED_BY_CONFLICT, CANCELLED_BY_CONFLICT, DONE]).await;
        store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
        assert_eq!(server.count(), 3);
        let requests = server.requests.lock().unwrap();
        let token = |index: usize| requests[index].1["ClientRequestToken"].as_str().unwrap();
        // Nothing was written, so it is another transaction.
        assert_ne!(token(0), token(1));
    }

    #[tokio::test]
    async fn r095_a_key_that_is_taken_decides_over_a_conflict() {
        let (server, store) = Server::start(&[CANCELLED_BY_BOTH]).await;
        let refused = store.create(session("one"), pointer("token", "one"), NOW).await;
        assert!(matches!(refused, Err(CreateError::Exists)), "{refused:?}");
        assert_eq!(server.count(), 1);
    }

    #[tokio::test]
    async fn r096_a_transaction_cancelled_for_another_reason_is_no_taken_key() {
        let (server, store) = Server::start(&[CANCELLED_BY_MISTAKE]).await;
        let error = store.create(session("one"), pointer("token", "one"), NOW).await.unwrap_err();
        let CreateError::Store(error) = error else { panic!("{error}") };
        assert_refused(&error, "TransactWriteItems", "TransactionCanceledException");
        assert_eq!(server.count(), 1);
    }

    #[tokio::test]
    async fn r096_a_conflict_that_does_not_end_is_unavailable() {
        let (server, store) = Server::start(&[CONFLICT]).await;
        let error = store.slide(Digest::of("one"), after(1), NOW).await.unwrap_err();
        assert_eq!(
            chain(&error),
            "the session store is unavailable: UpdateItem kept conflicting with other calls"
        );
        assert_eq!(server.count(), 7);
    }

    /// One attempt's put went through, unheard of; the next must not take it for a replay.
    #[tokio::test]
    async fn r017_a_claim_whose_answer_was_lost_is_its_callers() {
        let (server, store) = Server::start(&[LoseAnswer, Forward]).await;
        assert!(store.claim(Digest::of("state"), after(10), NOW).await.unwrap());
        let puts: Vec<_> =
            server.requests.lock().unwrap().iter().map(|(_, body)| body.clone()).collect();
        assert_eq!(puts.len(), 2);
        assert_eq!(puts[0], puts[1]);

        // To anyone else it is one.
        assert!(!store.claim(Digest::of("state"), after(10), NOW).await.unwrap());
    }

    /// A transaction sent again after a lost answer carries the same token, by which DynamoDB
    /// recognises it.
    #[tokio::test]
    async fn r095_a_create_whose_answer_was_lost_is_sent_as_the_same_transaction() {
        let (server, store) = Server::start(&[BROKEN, DONE]).await;
        store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
        let requests = server.requests.lock().unwrap();
        let token = |index: usize| requests[index].1["ClientRequestToken"].as_str().unwrap();
        assert_eq!(token(0), token(1));
    }
}

/// R176, R179: what goes to the log names the call and the reason, and no key.
fn assert_refused(error: &StoreError, operation: &str, code: &str) {
    let text = chain(error);
    let expected =
        format!("the session store is unavailable: {operation} was refused: {code}, request ");
    assert!(text.starts_with(&expected), "{text}");
    let debug = format!("{error:?} {:?}", error.source());
    assert!(!debug.contains('#') && !debug.contains(&Digest::of("one").to_string()), "{debug}");
}

#[test]
fn r179_debug_output_names_the_table_alone() {
    let store = store_at("http://127.0.0.1:1");
    assert_eq!(format!("{store:?}"), r#"DynamoStore { table: "sessions", .. }"#);
}
