//! An emulated session table in this process, behind a line that fails on demand or behind policies.

use std::{net::SocketAddr, sync::Arc};

use dynoxide::{Database, server};
use local::emulator::{lambda::REGION, template::Statement};
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

/// The address of an emulator with an empty table.
async fn emulated() -> SocketAddr {
    let database = Database::memory().expect("an in-memory database can be created");
    let request =
        serde_json::from_value(create_table(NAME)).expect("it is a valid CreateTable request");
    database.create_table(request).expect("a table can be made");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(server::serve_on(listener, database));
    address
}

fn store_at(address: SocketAddr) -> Arc<dyn Store> {
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
