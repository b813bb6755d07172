//! Measures reading one session, refreshing one, and finding and ending a user's 1,000 sessions in a
//! growing table: `cargo bench --package shared --features dynamodb,contract --bench many_sessions`.
//!
//! It runs against the emulator, so only the trend counts: no figure may grow with the table. Arguments
//! replace the default sizes. A refresh consists of its steps in the table: read, lease and renew.

use std::{
    collections::HashMap,
    env,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use dynoxide::Database;
use serde_json::{Value, json};
use shared::{
    crypto::{random::Random, secret::Digest},
    session::Ending,
    settings::Settings,
    store::{
        Lease, RefreshRow, Renewal, SessionRow, SessionStore,
        dynamodb::{DynamoConfig, DynamoStore, INDEX_LAG},
        table,
    },
    testing::contract::{
        NOW, after, owner, pointer,
        renewal::{owner_of, renewable, renewal},
        session,
    },
};
use tokio::net::TcpListener;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
const SESSIONS_OF_ADA: usize = 1_000;
const REFRESHED: &str = "the one that is refreshed";
const TABLE: &str = "sessions";

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let given: Vec<usize> =
        env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let mut output = io::stdout();
    writeln!(
        output,
        "  others    read one  refresh one    (lease)    (renew)    find 1,000    end 1,000 (without the index lag)"
    )?;
    for size in if given.is_empty() { SIZES.to_vec() } else { given } {
        let store = store(size).await?;
        let read = median(async || {
            store.session(Digest::of("other 0"), NOW).await.map(drop).map_err(Into::into)
        })
        .await?;
        let refresh = refresh(&store).await?;
        let ending = Ending::everywhere(Digest::of("ada"), NOW);
        let find = median(async || {
            let found = store.sessions_of(ending.selection(), NOW).await?;
            assert_eq!(found.len(), SESSIONS_OF_ADA);
            Ok(())
        })
        .await?;
        let start = Instant::now();
        assert_eq!(ending.carry_out(&store, NOW, |_| {}).await?, SESSIONS_OF_ADA);
        let end = start.elapsed().saturating_sub(INDEX_LAG);
        let Refresh { whole, lease, renew } = refresh;
        writeln!(
            output,
            "{size:>8}  {read:>10.1?}  {whole:>11.1?}  {lease:>9.1?}  {renew:>9.1?}  {find:>12.1?}  {end:>11.1?}"
        )?;
    }
    Ok(())
}

/// The number of measurements.
const TIMES: u64 = 101;

async fn median(work: impl AsyncFn() -> Outcome<()>) -> Outcome<Duration> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let start = Instant::now();
        work().await?;
        times.push(start.elapsed());
    }
    Ok(middle(times))
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// The duration of a refresh, and of two of its three steps; the first one is a read.
struct Refresh {
    whole: Duration,
    lease: Duration,
    renew: Duration,
}

/// Refreshes the same session repeatedly, as an open page does. Each refresh adds a pointer.
async fn refresh(store: &DynamoStore) -> Outcome<Refresh> {
    let token = |version: u64| format!("token {version}");
    let create = store.create(renewable(REFRESHED, &token(0)), pointer(&token(0), REFRESHED), NOW);
    create.await?;
    let (mut whole, mut leases, mut renews) = (Vec::new(), Vec::new(), Vec::new());
    for version in 0..TIMES {
        let start = Instant::now();
        let row = store.session(Digest::of(REFRESHED), NOW).await?.ok_or("the session lives")?;
        let read = start.elapsed();
        let lease = Lease { owner: owner_of("the refresher"), expires_at: after(20) };
        assert!(store.lease(row.key, version, lease, NOW).await?);
        let leased = start.elapsed();
        let next = renewal(REFRESHED, "the refresher", &token(version), &token(version + 1));
        let refresh = RefreshRow { version: version + 1, ..next.refresh };
        store.renew(Renewal { refresh, ..next }, NOW).await?;
        let renewed = start.elapsed();
        whole.push(renewed);
        leases.push(leased - read);
        renews.push(renewed - leased);
    }
    Ok(Refresh { whole: middle(whole), lease: middle(leases), renew: middle(renews) })
}

/// A table with 1,000 sessions of one user, and one session each of `others` users.
async fn store(others: usize) -> Outcome<DynamoStore> {
    let database = Database::memory()?;
    database.create_table(serde_json::from_value(table::create_table(TABLE))?)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
    let mut settings = Settings::from_values([
        ("SESSION_TABLE", TABLE),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "emulator"),
        ("AWS_SECRET_ACCESS_KEY", "emulator"),
        ("AWS_ENDPOINT_URL_DYNAMODB", address.as_str()),
    ]);
    let config = DynamoConfig::from_settings(&mut settings).ok_or("the settings are whole")?;
    let store = DynamoStore::new(config, Random::system())?;

    let ada = (0..SESSIONS_OF_ADA).map(|index| (format!("ada {index}"), owner("ada")));
    for (name, owner) in ada.chain([("other 0".to_owned(), owner("other 0"))]) {
        let row = SessionRow { owner, ..session(&name) };
        store.create(row, pointer(&name, &name), NOW).await?;
    }
    fill(&database, others)?;
    Ok(store)
}

/// Copies a row to other keys directly in the database.
fn fill(database: &Database, others: usize) -> Outcome<()> {
    let key = json!({ "pk": { "S": format!("session#{}", Digest::of("other 0")) } });
    let request = json!({ "TableName": TABLE, "Key": key });
    let answer = database.get_item(serde_json::from_value(request)?)?;
    let row = serde_json::to_value(answer)?;
    let row: HashMap<String, Value> = serde_json::from_value(row["Item"].clone())?;
    for index in 1..others {
        let mut row = row.clone();
        let name = Digest::of(format!("other {index}"));
        row.insert(table::PARTITION_KEY.to_owned(), json!({ "S": format!("session#{name}") }));
        row.insert(
            table::SUBJECT.to_owned(),
            json!({ "B": BASE64_STANDARD.encode(name.as_bytes()) }),
        );
        let request = json!({ "TableName": TABLE, "Item": row });
        database.put_item(serde_json::from_value(request)?)?;
    }
    Ok(())
}
