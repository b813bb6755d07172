//! Tests with a working table, in an emulator.

use std::sync::Arc;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::*;
use crate::{
    session::{self, Ending, SessionContents, Sessions},
    store::{
        Owner,
        owner::{provider_session_digest, subject_digest},
    },
    testing::{
        captured_log::{CapturedLog, hear},
        contract::renewal::{renewable, renewal},
    },
};

/// R92: the emulator, like DynamoDB, does not delete such a row at once.
#[tokio::test]
async fn r092_an_expired_row_that_still_exists_counts_as_missing() {
    let (database, store) = serve_new().await;
    store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
    store.claim(Digest::of("state"), after(10), NOW).await.unwrap();
    assert_eq!(store.session(Digest::of("one"), after(100)).await.unwrap(), None);
    assert_eq!(store.pointer(Digest::of("token"), after(500)).await.unwrap(), None);
    assert!(!store.slide(Digest::of("one"), after(900), after(100)).await.unwrap());
    assert_eq!(rows(&database).len(), 3);
    assert!(!store.end(Digest::of("one"), after(100)).await.unwrap());
    assert_eq!(rows(&database).len(), 2);
}

/// R18, R76, R131. Each writer has a separate client, and so separate connections, as two functions
/// have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r018_two_writers_race_for_one_row_and_one_wins() {
    let (listener, address) = listen().await;
    tokio::spawn(dynoxide::server::serve_on(listener, database()));
    let writers = [store_at(&address), store_at(&address)];
    for round in 0..20 {
        let name = format!("{round}");
        writers[0].create(renewable(&name, &name), pointer(&name, &name), NOW).await.unwrap();
        let mut race = JoinSet::new();
        for (index, writer) in (0..).zip(writers.clone()) {
            let key = Digest::of(&name);
            let lease = Lease { owner: [index; 16], expires_at: after(70) };
            race.spawn(async move {
                let claimed = writer.claim(key, after(10), NOW).await.unwrap();
                let leased = writer.lease(key, 0, lease, NOW).await.unwrap();
                let held = writer.lease_document(key, after(5), NOW).await.unwrap();
                assert!(held.is_none_or(|held| held == after(5)), "{held:?}");
                [claimed, leased, held.is_none()]
            });
        }
        let won = race.join_all().await;
        let winners = |call: usize| won.iter().filter(|won| won[call]).count();
        assert_eq!([0, 1, 2].map(winners), [1, 1, 1], "{won:?}");
    }
}

#[tokio::test]
async fn r096_a_missing_table_is_not_a_missing_row() {
    let store = serve(Database::memory().unwrap()).await;
    let one = Digest::of("one");
    let created = store.create(session("one"), pointer("token", "one"), NOW).await;
    let Err(CreateError::Store(not_created)) = created else { panic!("{created:?}") };
    for (operation, error) in [
        ("GetItem", store.session(one, NOW).await.unwrap_err()),
        ("TransactWriteItems", not_created),
        ("DeleteItem", store.end(one, NOW).await.unwrap_err()),
        ("UpdateItem", store.slide(one, after(1), NOW).await.unwrap_err()),
        ("PutItem", store.claim(one, after(1), NOW).await.unwrap_err()),
        ("BatchGetItem", store.documents(&[one], None, NOW).await.unwrap_err()),
        ("UpdateItem", store.lease_document(one, after(5), NOW).await.unwrap_err()),
        ("UpdateItem", store.write_document(document(), NOW).await.unwrap_err()),
    ] {
        assert_refused(&error, operation, "ResourceNotFoundException");
    }
}

#[tokio::test]
async fn r097_an_attribute_of_a_later_version_is_kept() {
    let (database, store) = serve_new().await;
    store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
    change(&database, "one", |item| item["lease"] = json!({ "SS": ["later"] }));
    assert_eq!(store.session(Digest::of("one"), NOW).await.unwrap(), Some(session("one")));
    assert!(store.slide(Digest::of("one"), after(200), NOW).await.unwrap());
    assert!(rows(&database).iter().any(|row| row["lease"] == json!({ "SS": ["later"] })));
}

#[tokio::test]
async fn r097_an_unreadable_row_counts_as_missing() {
    let (database, store) = serve_new().await;
    let lease = Some(Lease { owner: [1; 16], expires_at: after(70) });
    let refresh = RefreshRow { lease, ..renewal("", "", "", "").refresh };
    let required = ["created_at", "used_at", "ends_at", "expires_at", "cookie_key", "sealed"];
    let of_refresh = [
        "refresh_sealed",
        "refresh_version",
        "refreshed_at",
        "current_token",
        "previous_token",
        "previous_token_until",
        "previous_token_key",
        "lease_owner",
        "lease_until",
    ];
    let text = json!({ "S": "1800000100" });
    let (fraction, short) = (json!({ "N": "-1.5" }), json!({ "B": "AAAA" }));
    let mut cases = Vec::new();
    for attribute in required {
        cases.extend([&Value::Null, &text, &fraction].map(|broken| (attribute, broken)));
    }
    for attribute in of_refresh {
        cases.extend([&text, &fraction].map(|broken| (attribute, broken)));
        if !["refresh_sealed", "previous_token_key"].contains(&attribute) {
            cases.push((attribute, &short));
        }
    }
    // The table itself refuses a value of another type for the key of an index.
    cases.extend([table::SUBJECT, table::ISSUED_AT].map(|attribute| (attribute, &Value::Null)));
    for (attribute, broken) in cases {
        let name = format!("{attribute} {broken}");
        let row = SessionRow { refresh: Some(refresh.clone()), ..session(&name) };
        store.create(row.clone(), pointer(&name, &name), NOW).await.unwrap();
        assert_eq!(store.session(Digest::of(&name), NOW).await.unwrap(), Some(row));
        change(&database, &name, |item| match broken {
            Value::Null => drop(item.as_object_mut().unwrap().remove(attribute)),
            broken => item[attribute] = broken.clone(),
        });
        assert_eq!(store.session(Digest::of(&name), NOW).await.unwrap(), None, "{name}");
    }
}

#[tokio::test]
async fn r097_a_row_with_an_unreadable_expiry_does_not_slide_and_counts_as_expired() {
    let (database, store) = serve_new().await;
    store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
    change(&database, "one", |item| item["expires_at"] = json!({ "S": "1800000100" }));
    assert!(!store.slide(Digest::of("one"), after(200), NOW).await.unwrap());
    assert!(!store.end(Digest::of("one"), NOW).await.unwrap());
    assert_eq!(rows(&database).len(), 1);
}

/// R173: the log contains its digest, which is no credential, and not its contents.
#[tokio::test]
async fn r097_an_unreadable_row_is_logged_once() {
    let (database, store) = serve_new().await;
    store.create(session("one"), pointer("token", "one"), NOW).await.unwrap();
    change(&database, "one", |item| item["sealed"] = json!({ "S": "not binary" }));
    let log = CapturedLog::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(log.writer()).finish();
    let guard = hear(subscriber);
    assert_eq!(store.session(Digest::of("one"), NOW).await.unwrap(), None);
    drop(guard);
    let [line] = <[Value; 1]>::try_from(log.lines()).unwrap();
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

/// R86, R98: digests and times are all that can be read in the table about a login.
#[tokio::test]
async fn r098_a_dump_of_the_table_holds_no_credential_and_no_claim() {
    let (database, store) = serve_new().await;
    let contents = SessionContents {
        scopes: vec!["read:reports".to_owned()],
        ..session::tests::contents("api.key.of.ada")
    };
    let sessions = Sessions::new(Arc::new(store), session::tests::LIMITS, Random::system());
    let issuer = "https://tenant.auth0.com/";
    let owner = Owner {
        subject: subject_digest(issuer, "auth0|ada"),
        provider_session: Some(provider_session_digest(issuer, "provider session")),
        issued_at: NOW,
    };
    let logout = Ending::of_provider_session(Digest::of("another"), Some(owner.subject), NOW);
    sessions.end_all(&logout, NOW).await.unwrap();
    let (secret, _) = sessions.begin(owner, &contents, None, NOW).await.unwrap();
    assert!(sessions.by_cookie(&secret, NOW).await.unwrap().is_some());

    let dump = values(&rows(&database));
    let secrets: [&[u8]; 8] = [
        secret.as_bytes(),
        b"api.key.of.ada",
        b"id token beside",
        b"auth0|ada",
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
    // The same search finds the digests that the table does contain.
    for known in [secret.digest(), Digest::of("api.key.of"), Digest::of("another")] {
        assert!(contains(&dump, known.to_string().as_bytes()));
        assert!(encodings(known.as_bytes()).iter().any(|needle| contains(&dump, needle)));
    }
}

pub(super) fn rows(database: &Database) -> Vec<Value> {
    let request = serde_json::from_value(json!({ "TableName": TABLE })).unwrap();
    let scan = serde_json::to_value(database.scan(request).unwrap()).unwrap();
    scan["Items"].as_array().unwrap().clone()
}

/// Changes the session's row without the store.
pub(super) fn change(database: &Database, name: &str, change: impl Fn(&mut Value)) {
    let pk = json!({ "S": format!("session#{}", Digest::of(name)) });
    let mut item = rows(database).into_iter().find(|row| row["pk"] == pk).unwrap();
    change(&mut item);
    let request = json!({ "TableName": TABLE, "Item": item });
    database.put_item(serde_json::from_value(request).unwrap()).unwrap();
}

/// The name and value of every attribute: texts and numbers as they are, binary values also decoded.
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

/// The bytes as they are, in hex, and in both alphabets of base64. In base64 the result depends on the
/// offset of the bytes within a longer text, so there is one for each of the three offsets.
fn encodings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut all = vec![bytes.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    for offset in 0..3 {
        let shifted = [&vec![0; offset], bytes].concat();
        // Omits the characters at either end that neighbouring bytes also determine.
        let start = [0, 2, 3][offset];
        let end = shifted.len() * 8 / 6;
        all.push(BASE64_STANDARD_NO_PAD.encode(&shifted)[start..end].into());
        all.push(BASE64_URL_SAFE_NO_PAD.encode(&shifted)[start..end].into());
    }
    all
}
