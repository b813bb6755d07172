//! The two writes of a refresh, with the emulator and with misbehaving servers.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    emulated::{change, rows},
    misbehaving::{BROKEN, CANCELLED_BY_CONFLICT, CANCELLED_BY_MISTAKE, DONE, Deed, Server},
    *,
};
use crate::testing::contract::renewal::{renewable, renewal};

const FIRST: Lease = Lease { owner: [1; 16], expires_at: after_70() };

const fn after_70() -> Timestamp {
    Timestamp::from_unix(NOW.as_unix() + 70)
}

fn renewal_of(owner: [u8; 16]) -> Renewal {
    Renewal { owner, ..renewal("one", "", "token", "second token") }
}

/// Each writer has a separate client, and so separate connections, as two functions have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r131_of_two_that_want_to_refresh_a_session_one_may() {
    let (listener, address) = listen().await;
    tokio::spawn(dynoxide::server::serve_on(listener, database()));
    let writers = [store_at(&address), store_at(&address)];
    for round in 0..20 {
        let name = format!("{round}");
        writers[0].create(renewable(&name, &name), pointer(&name, &name), NOW).await.unwrap();
        let mut race = JoinSet::new();
        for (index, writer) in (0..).zip(writers.clone()) {
            let lease = Lease { owner: [index; 16], ..FIRST };
            let name = name.clone();
            race.spawn(async move { writer.lease(Digest::of(name), 0, lease, NOW).await.unwrap() });
        }
        let leased = race.join_all().await;
        assert_eq!(leased.iter().filter(|leased| **leased).count(), 1, "{leased:?}");
    }
}

#[tokio::test]
async fn r131_a_lease_whose_answer_was_lost_is_granted() {
    let (server, store) = Server::start(&[Deed::Forward, Deed::LoseAnswer, Deed::Forward]).await;
    store.create(renewable("one", "token"), pointer("token", "one"), NOW).await.unwrap();
    assert!(store.lease(Digest::of("one"), 0, FIRST, NOW).await.unwrap());
    assert_eq!(server.count(), 3);
    let second = Lease { owner: [2; 16], ..FIRST };
    assert!(!store.lease(Digest::of("one"), 0, second, NOW).await.unwrap());
}

#[tokio::test]
async fn r133_a_renewal_whose_answer_was_lost_is_sent_as_the_same_transaction() {
    let (server, store) = Server::start(&[BROKEN, CANCELLED_BY_CONFLICT, DONE]).await;
    store.renew(renewal_of([1; 16]), NOW).await.unwrap();
    let requests = server.requests.lock().unwrap();
    let token = |index: usize| requests[index].1["ClientRequestToken"].as_str().unwrap();
    assert_eq!(token(0), token(1));
    // The conflict wrote nothing, so the repetition is a new transaction.
    assert_ne!(token(1), token(2));
}

#[tokio::test]
async fn r096_a_renewal_cancelled_for_another_reason_is_not_a_lost_lease() {
    let (_, store) = Server::start(&[CANCELLED_BY_MISTAKE]).await;
    let error = store.renew(renewal_of([1; 16]), NOW).await.unwrap_err();
    let RenewError::Store(error) = error else { panic!("{error}") };
    assert_refused(&error, "TransactWriteItems", "TransactionCanceledException");
}

#[tokio::test]
async fn r097_a_renewal_keeps_an_attribute_of_a_later_version() {
    let database = database();
    let store = serve(database.clone()).await;
    store.create(renewable("one", "token"), pointer("token", "one"), NOW).await.unwrap();
    change(&database, "one", |item| item["later"] = json!({ "S": "version" }));
    assert!(store.lease(Digest::of("one"), 0, FIRST, NOW).await.unwrap());
    store.renew(renewal_of([1; 16]), NOW).await.unwrap();
    let row = rows(&database).into_iter().find(|row| row.get("later").is_some()).unwrap();
    assert_eq!(row["later"], json!({ "S": "version" }));
    assert_eq!(row["refresh_version"], json!({ "N": "1" }));
    assert!(row.get("lease_owner").is_none() && row.get("lease_until").is_none(), "{row}");
}

#[tokio::test]
async fn r097_a_row_with_unreadable_refresh_data_counts_as_missing() {
    let database = database();
    let store = serve(database.clone()).await;
    for attribute in [
        "refresh_sealed",
        "refresh_version",
        "refreshed_at",
        "current_token",
        "previous_token",
        "previous_token_until",
        "previous_token_key",
        "lease_owner",
        "lease_until",
    ] {
        for broken in [json!({ "S": "1800000100" }), json!({ "N": "-1.5" }), json!({ "B": "AAAA" })]
        {
            let is_good = broken.get("B").is_some()
                && ["refresh_sealed", "previous_token_key"].contains(&attribute);
            let name = format!("{attribute} {broken}");
            let token = format!("second token of {name}");
            let row = SessionRow {
                refresh: Some(RefreshRow { lease: Some(FIRST), ..renewal("", "", "", "").refresh }),
                ..session(&name)
            };
            store.create(row.clone(), pointer(&token, &name), NOW).await.unwrap();
            assert_eq!(store.session(Digest::of(&name), NOW).await.unwrap(), Some(row));
            change(&database, &name, |item: &mut Value| item[attribute] = broken.clone());
            let read = store.session(Digest::of(&name), NOW).await.unwrap();
            assert_eq!(read.is_some(), is_good, "{name}");
        }
    }
}
