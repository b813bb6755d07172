//! The two writes of a refresh, with the emulator and with misbehaving servers.

use serde_json::json;

use super::{
    emulated::{change, rows},
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

#[tokio::test]
async fn r131_a_lease_whose_answer_was_lost_is_granted() {
    let (server, store) = serve_by(&[Deed::Forward, Deed::LoseAnswer, Deed::Forward]).await;
    store.create(renewable("one", "token"), pointer("token", "one"), NOW).await.unwrap();
    assert!(store.lease(Digest::of("one"), 0, FIRST, NOW).await.unwrap());
    assert_eq!(server.count(), 3);
    let second = Lease { owner: [2; 16], ..FIRST };
    assert!(!store.lease(Digest::of("one"), 0, second, NOW).await.unwrap());
}

#[tokio::test]
async fn r097_a_renewal_keeps_an_attribute_of_a_later_version() {
    let (database, store) = serve_new().await;
    store.create(renewable("one", "token"), pointer("token", "one"), NOW).await.unwrap();
    change(&database, "one", |item| item["later"] = json!({ "S": "version" }));
    assert!(store.lease(Digest::of("one"), 0, FIRST, NOW).await.unwrap());
    store.renew(renewal_of([1; 16]), NOW).await.unwrap();
    let row = rows(&database).into_iter().find(|row| row.get("later").is_some()).unwrap();
    assert_eq!(row["later"], json!({ "S": "version" }));
    assert_eq!(row["refresh_version"], json!({ "N": "1" }));
    assert!(row.get("lease_owner").is_none() && row.get("lease_until").is_none(), "{row}");
}
