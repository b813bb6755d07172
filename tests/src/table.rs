//! An emulated session table in this process, behind a line that fails on demand or behind policies.

use std::{net::SocketAddr, sync::Arc};

use dynoxide::{Database, server};
use local::emulator::{lambda::REGION, template::Statement};
use serde_json::{Value, json};
use shared::{
    crypto::random::Random,
    settings::Settings,
    store::{
        Store,
        dynamodb::{DynamoConfig, DynamoStore},
        table::create_table,
    },
};
use tokio::net::TcpListener;

use crate::{iam::GuardedTable, line::Line};

const NAME: &str = "sessions";

/// An empty table and the line to it. It stops with the runtime of the test that created it.
pub async fn at_the_end_of_a_line() -> (Arc<dyn Store>, Line) {
    let line = Line::to(emulated().await).await;
    (store_at(line.address()), line)
}

/// An empty table with this number of stores, each with separate connections.
pub async fn with_stores(count: usize) -> Vec<Arc<dyn Store>> {
    let emulated = emulated().await;
    (0..count).map(|_| store_at(emulated)).collect()
}

/// An empty table with two stores: these policies apply to the first, and the second may do
/// everything.
pub async fn guarded(
    policies: Vec<Vec<Statement>>,
) -> (Arc<dyn Store>, GuardedTable, Arc<dyn Store>) {
    let emulated = emulated().await;
    let guarded = GuardedTable::before(&format!("http://{emulated}"), policies).await;
    (store_at(guarded.address()), guarded, store_at(emulated))
}

/// A table with these rows in DynamoDB's JSON.
pub async fn with_rows(rows: &[Value]) -> Arc<dyn Store> {
    let database = database();
    for row in rows {
        let request = json!({ "TableName": NAME, "Item": row });
        let request = serde_json::from_value(request).expect("it is a valid PutItem request");
        database.put_item(request).expect("the row can be written");
    }
    store_at(serve(database).await)
}

/// An empty table, and a function that returns its rows in DynamoDB's JSON.
pub async fn read_out() -> (Arc<dyn Store>, impl Fn() -> Value) {
    let database = database();
    let rows = {
        let database = database.clone();
        move || {
            let request = serde_json::from_value(json!({ "TableName": NAME })).expect("a Scan");
            let found = database.scan(request).expect("the table can be read");
            serde_json::to_value(found).expect("rows are JSON")["Items"].take()
        }
    };
    (store_at(serve(database).await), rows)
}

/// The address of an emulator with an empty table.
async fn emulated() -> SocketAddr {
    serve(database()).await
}

fn database() -> Database {
    let database = Database::memory().expect("an in-memory database can be created");
    let request =
        serde_json::from_value(create_table(NAME)).expect("it is a valid CreateTable request");
    database.create_table(request).expect("a table can be made");
    database
}

async fn serve(database: Database) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(server::serve_on(listener, database));
    address
}

/// A store with its own connections to the table at `address`.
pub fn store_at(address: SocketAddr) -> Arc<dyn Store> {
    let endpoint = format!("http://{address}");
    let mut settings = Settings::from_values([
        ("SESSION_TABLE", NAME),
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "emulator"),
        ("AWS_SECRET_ACCESS_KEY", "emulator"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
    ]);
    let config = DynamoConfig::from_settings(&mut settings).expect("nothing is missing");
    let store = DynamoStore::new(config, Random::system()).expect("the store can be created");
    Arc::new(store)
}
