//! Tests with an emulator embedded in this process, and with servers that misbehave on purpose.

use std::{error::Error as _, time::Duration};

use dynoxide::Database;
use tokio::net::TcpListener;

use super::*;
use crate::{
    aws::tests::{Deed, Server},
    settings::Settings,
    store::{DocumentRow, DocumentStore, RefreshRow, table},
    testing::contract::{NOW, after, pointer, session},
    web::error::chain,
};

mod document;
mod emulated;
mod misbehaving;
mod renewal;

const TABLE: &str = "sessions";

/// A store, built from the environment as a function builds it, whose table is at `address`.
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

/// An emulator's database with an empty table, and a store over it.
async fn serve_new() -> (Database, DynamoStore) {
    let database = database();
    (database.clone(), serve(database).await)
}

/// A server that performs `deeds` before an emulator, and a store whose table is at the server.
async fn serve_by(deeds: &[Deed]) -> (Server, DynamoStore) {
    let (listener, emulator) = listen().await;
    tokio::spawn(dynoxide::server::serve_on(listener, database()));
    let server = Server::start_before(Some(emulator), deeds).await;
    let store = store_at(&server.address);
    (server, store)
}

crate::store_contract!(async || std::sync::Arc::new(serve(database()).await));

fn document() -> DocumentRow {
    DocumentRow {
        key: Digest::of("keys"),
        text: b"{}".to_vec(),
        fetched_at: NOW,
        expires_at: after(100),
    }
}

/// R176, R179: the log contains the call and the reason, and no key.
fn assert_refused(error: &StoreError, operation: &str, code: &str) {
    let text = chain(error);
    let expected =
        format!("the session store is unavailable: {operation} was refused: {code}, request ");
    assert!(text.starts_with(&expected), "{text}");
    let debug = format!("{error:?} {:?}", error.source());
    assert!(!debug.contains('#') && !debug.contains(&Digest::of("one").to_string()), "{debug}");
}

#[test]
fn r179_debug_output_shows_only_the_name_of_the_table() {
    let store = store_at("http://127.0.0.1:1");
    assert_eq!(format!("{store:?}"), r#"DynamoStore { table: "sessions", .. }"#);
}
