//! An emulated session table in this process, at the end of a line that fails on command.

use std::sync::Arc;

use dynoxide::{Database, server};
use shared::{
    config::Settings,
    random::Random,
    store::{
        SessionStore,
        dynamodb::{DynamoConfig, DynamoStore},
        table::create_table,
    },
};
use tokio::net::TcpListener;

use crate::line::Line;

const NAME: &str = "sessions";

/// An empty table, and the line to it. It ends with the runtime of the test that made it.
pub async fn at_the_end_of_a_line() -> (Arc<dyn SessionStore>, Line) {
    let database = Database::memory().expect("memory can be had");
    let request = serde_json::from_value(create_table(NAME)).expect("it is such a request");
    database.create_table(request).expect("a table can be made");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(server::serve_on(listener, database));
    let line = Line::to(address).await;
    let endpoint = format!("http://{}", line.address());
    let mut settings = Settings::from_values([
        ("SESSION_TABLE", NAME),
        ("AWS_REGION", crate::lambda::REGION),
        ("AWS_ACCESS_KEY_ID", "emulator"),
        ("AWS_SECRET_ACCESS_KEY", "emulator"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &endpoint),
    ]);
    let config = DynamoConfig::from_settings(&mut settings).expect("nothing is missing");
    let store = DynamoStore::new(config, Random::system()).expect("it needs nothing from outside");
    (Arc::new(store), line)
}
