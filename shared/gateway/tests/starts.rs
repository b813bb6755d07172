//! The start of a process: it is prepared before it asks the Runtime API for a request.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    env,
    future::pending,
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use gateway::authorizer::{Authorizer, Route};
use http::StatusCode;
use shared::{
    clock::Timestamp,
    guard::Principal,
    names::{ErrorCode, LogEvent},
    web::{
        error::{Failure, Public},
        request::{Function, Request, Response},
    },
};

/// The variable with the address of the Runtime API, where the process reports each step.
const API: &str = "AWS_LAMBDA_RUNTIME_API";

/// A function and an authorizer that report their preparation.
struct Recorded;

/// Reports `now` to the Runtime API, and waits until it closes the connection.
fn prepare(now: Timestamp) {
    let mut api = TcpStream::connect(env::var(API).unwrap()).unwrap();
    api.write_all(format!("prepare {}", now.as_unix()).as_bytes()).unwrap();
    assert_eq!(api.read(&mut [0]).unwrap(), 0);
}

#[async_trait]
impl Function for Recorded {
    fn paths(&self) -> &'static [&'static str] {
        &["/"]
    }

    async fn prepare(&self, now: Timestamp) {
        prepare(now);
    }

    async fn handle(&self, _: Request, _: Timestamp) -> Response {
        pending().await
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the reason")]
struct Denied;

#[async_trait]
impl Authorizer for Recorded {
    type Error = Denied;

    async fn prepare(&self, now: Timestamp) {
        prepare(now);
    }

    async fn authorize(&self, _: &Request, _: &Route, _: Timestamp) -> Result<Principal, Denied> {
        Err(Denied)
    }
}

impl Failure for Denied {
    fn public(&self) -> Public {
        Public::new(StatusCode::FORBIDDEN, ErrorCode::ClaimNotAllowed, |_| "", |_| "")
    }

    fn event(&self) -> LogEvent {
        LogEvent::RequestRefused
    }
}

#[test]
#[ignore = "it is the process that another test starts"]
fn function() {
    gateway::run("starts", async |_| Some(Recorded));
}

#[test]
#[ignore = "it is the process that another test starts"]
fn authorizer() {
    gateway::run_authorizer("starts", async |_| Some(Recorded));
}

#[test]
fn a_process_is_prepared_before_it_asks_for_its_first_request() {
    for process in ["function", "authorizer"] {
        let api = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let mut started = Command::new(env::current_exe().unwrap())
            .args([process, "--exact", "--ignored"])
            .env(API, api.local_addr().unwrap().to_string())
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_NAME", process)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (mut preparing, _) = api.accept().unwrap();
        let step = next_step(&mut preparing);
        let time = step.strip_prefix("prepare ").unwrap().parse::<u64>().unwrap();
        assert!(time > 1_700_000_000, "{process}: {time}");

        api.set_nonblocking(true).unwrap();
        thread::sleep(Duration::from_millis(200));
        assert_eq!(api.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "{process}");
        api.set_nonblocking(false).unwrap();
        drop(preparing);
        let step = next_step(&mut api.accept().unwrap().0);
        assert!(step.starts_with("GET /2018-06-01/runtime/invocation/next "), "{process}: {step}");
        started.kill().unwrap();
        started.wait().unwrap();
    }
}

fn next_step(process: &mut TcpStream) -> String {
    let mut bytes = [0; 1_024];
    let length = process.read(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}
