//! Connections that died while they were not used, and what they cost the next request.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use aws_smithy_async::time::TimeSource;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    aws::{CALL_TIMEOUT, Connection, DYNAMODB},
    settings::Settings,
};

/// Long enough for a connection to die.
const FREEZE: Duration = Duration::from_secs(60);

/// What a connection does with a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    AnswersAfter(Duration),
    Closes,
    Stalls,
}

const ANSWERS: Fate = Fate::AnswersAfter(Duration::ZERO);

/// A server that decides for each connection, and records the connection of each request.
#[derive(Clone)]
struct Peer(Arc<Mutex<State>>);

struct State {
    /// The fate of connections that are opened from now on.
    new: Fate,
    connections: Vec<Fate>,
    requests: Vec<usize>,
}

impl Peer {
    async fn start(new: Fate) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = State { new, connections: Vec::new(), requests: Vec::new() };
        let peer = Self(Arc::new(Mutex::new(state)));
        let server = peer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = server.open();
                tokio::spawn(server.clone().serve(stream, number));
            }
        });
        (peer, address)
    }

    fn open(&self) -> usize {
        let mut state = self.0.lock().unwrap();
        let new = state.new;
        state.connections.push(new);
        state.connections.len() - 1
    }

    async fn serve(self, mut stream: TcpStream, number: usize) {
        let mut request = Vec::new();
        while stream.read_buf(&mut request).await.is_ok_and(|length| length > 0) {
            // The SDK's request ends with an object.
            if !request.ends_with(b"}") {
                continue;
            }
            request.clear();
            let fate = {
                let mut state = self.0.lock().unwrap();
                state.requests.push(number);
                state.connections[number]
            };
            match fate {
                Fate::AnswersAfter(wait) => sleep(wait).await,
                Fate::Closes => return,
                Fate::Stalls => std::future::pending().await,
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        }
    }

    /// Gives the open connections this fate.
    fn turn(&self, fate: Fate) {
        self.0.lock().unwrap().connections.fill(fate);
    }

    /// Gives this fate to the open connections and to those that are opened from now on.
    fn turn_for_good(&self, fate: Fate) {
        self.turn(fate);
        self.0.lock().unwrap().new = fate;
    }

    /// The connections of the requests since the last call.
    fn requests(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }

    fn connections(&self) -> usize {
        self.0.lock().unwrap().connections.len()
    }
}

/// The wall clock of a test.
#[derive(Clone, Debug)]
struct WallClock(Arc<Mutex<SystemTime>>);

impl WallClock {
    fn pass(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

impl TimeSource for WallClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

fn config(address: &str) -> (SdkConfig, WallClock) {
    let mut settings = Settings::from_values([
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_ENDPOINT_URL", &format!("http://{address}")),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
    ]);
    let connection = Connection::from_settings(&mut settings, DYNAMODB).unwrap();
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let clock = WallClock(Arc::new(Mutex::new(start)));
    let config = connection.sdk_config().unwrap().into_builder().time_source(clock.clone());
    (config.build(), clock)
}

/// A configuration without the SDK's own attempts: what succeeds with it needs none of them.
fn without_attempts(config: SdkConfig) -> SdkConfig {
    config.into_builder().retry_config(RetryConfig::disabled()).build()
}

/// Whether a call succeeded.
async fn call(client: &Client) -> bool {
    let key = AttributeValue::S("one".to_owned());
    client.get_item().table_name("sessions").key("pk", key).send().await.is_ok()
}

#[tokio::test]
async fn a_connection_that_was_closed_costs_one_repeat_at_once() {
    let (peer, address) = Peer::start(ANSWERS).await;
    let (config, clock) = config(&address);
    let client = Client::new(&without_attempts(config));
    assert!(call(&client).await);
    clock.pass(FREEZE);
    assert!(call(&client).await);
    assert_eq!(peer.requests(), [0, 0], "a connection that works is used again");
    clock.pass(FREEZE);
    peer.turn(Fate::Closes);
    assert!(call(&client).await);
    assert_eq!(peer.requests(), [0, 1]);
    assert!(call(&client).await);
    assert_eq!(peer.requests(), [1], "the next request costs nothing");
}

#[tokio::test]
async fn a_connection_that_was_dropped_silently_costs_a_short_wait_once() {
    let (peer, address) = Peer::start(Fate::AnswersAfter(Duration::from_millis(50))).await;
    let (config, clock) = config(&address);
    let client = Client::new(&without_attempts(config));
    let both = tokio::join!(call(&client), call(&client));
    assert!(both.0 && both.1);
    assert_eq!(peer.connections(), 2);
    peer.requests();

    // One request takes one of the two dead connections, and its repeat does not take the other one.
    clock.pass(FREEZE);
    peer.turn(Fate::Stalls);
    let start = Instant::now();
    assert!(call(&client).await);
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
    assert!(call(&client).await);
    assert_eq!(peer.requests()[1..], [2, 2], "the next request costs nothing");
}

#[tokio::test]
async fn requests_at_the_same_time_wait_for_their_dead_connections_together() {
    let (peer, address) = Peer::start(Fate::AnswersAfter(Duration::from_millis(50))).await;
    let (config, clock) = config(&address);
    let client = Client::new(&without_attempts(config));
    let both = async || {
        let both = tokio::join!(call(&client), call(&client));
        assert!(both.0 && both.1);
        peer.connections()
    };
    assert_eq!(both().await, 2);
    clock.pass(FREEZE);
    peer.turn(Fate::Stalls);
    assert_eq!(both().await, 4);
    assert_eq!(both().await, 4, "both keep their new connections");
    assert_eq!(peer.requests().len(), 2 + 4 + 2);
}

/// The first request of a process is such a request too.
#[tokio::test]
async fn a_slow_answer_in_constant_use_is_not_repeated() {
    let (peer, address) = Peer::start(Fate::AnswersAfter(Duration::from_millis(400))).await;
    let (config, clock) = config(&address);
    let client = Client::new(&without_attempts(config));
    for _ in 0..3 {
        assert!(call(&client).await);
        clock.pass(Duration::from_millis(900));
    }
    assert_eq!(peer.requests(), [0, 0, 0]);
}

#[tokio::test]
async fn a_slow_answer_after_a_rest_is_still_taken() {
    let slow = Fate::AnswersAfter(Duration::from_millis(400));
    let (peer, address) = Peer::start(slow).await;
    let (config, clock) = config(&address);
    let client = Client::new(&without_attempts(config));
    assert!(call(&client).await);
    clock.pass(FREEZE);
    peer.turn_for_good(Fate::Stalls);
    peer.turn(slow);
    assert!(call(&client).await);
    assert_eq!(peer.requests(), [0, 0, 1]);
}

#[tokio::test]
async fn a_new_connection_that_fails_is_not_repeated() {
    let (_peer, address) = Peer::start(ANSWERS).await;
    let (config, clock) = config(&address);
    let config = without_attempts(config);
    assert!(call(&Client::new(&config)).await);
    clock.pass(FREEZE);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let accepted = tokio::spawn(async move {
        let closed = listener.accept().await.map(drop);
        closed.unwrap();
        tokio::time::timeout(Duration::from_millis(100), listener.accept()).await.is_ok()
    });
    let without_tls = config.into_builder().endpoint_url(address).build();
    assert!(!call(&Client::new(&without_tls)).await);
    assert!(!accepted.await.unwrap(), "a second connection");
}

#[tokio::test]
async fn a_call_repeats_once_beside_the_attempts_of_the_sdk_and_within_its_time() {
    for fate in [Fate::Closes, Fate::Stalls] {
        let (peer, address) = Peer::start(ANSWERS).await;
        let (config, clock) = config(&address);
        let client = Client::new(&config);
        assert!(call(&client).await);
        clock.pass(FREEZE);
        peer.turn_for_good(fate);
        peer.requests();
        let start = Instant::now();
        assert!(!call(&client).await);
        assert!(start.elapsed() < CALL_TIMEOUT + Duration::from_millis(500), "{fate:?}");
        assert_eq!(peer.requests().len(), 4, "{fate:?}");
    }
}
