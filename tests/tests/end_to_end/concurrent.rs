//! Many concurrent requests in one process, as in Lambda Managed Instances.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use local::emulator::lambda::{Function, Lambda};
use serde_json::{Value, json};
use tests::{
    artifacts,
    deployment::Deployment,
    http_api::{ORIGIN, call_api},
};
use tokio::task::JoinSet;

/// The number of requests that wait for each other at `/meet`.
const COMPANY: usize = 8;

/// One process of the function that behaves as its path says.
fn obedient() -> Lambda {
    let function = tests::emulated_function("obedient", artifacts::concurrent("obedient"));
    Lambda::new([Function { concurrency: COMPANY, ..function }])
}

fn event(path: &str, id: &str) -> Bytes {
    let event = json!({
        "version": "2.0", "rawPath": path,
        "requestContext": {"http": {"method": "GET"}, "requestId": id},
    });
    event.to_string().into()
}

/// The response to a request for `path` with this id.
async fn ask(lambda: &Lambda, path: &str, id: &str) -> Value {
    let answer = lambda.invoke("obedient", event(path, id)).await.expect("it answers");
    serde_json::from_slice(&answer).expect("JSON")
}

/// Sends concurrent requests for `/meet` with these ids.
fn meet(lambda: &Lambda, ids: impl Iterator<Item = String>) -> JoinSet<(String, Value)> {
    let mut company = JoinSet::new();
    for id in ids {
        let lambda = lambda.clone();
        company.spawn(async move {
            let answer = ask(&lambda, "/meet", &id).await;
            (id, answer)
        });
    }
    company
}

/// No request is answered before all have arrived, so they are in one process together.
#[tokio::test]
async fn concurrent_requests_up_to_lambdas_limit_are_answered_and_logged_by_id() {
    let lambda = obedient();
    for turn in 0..10 {
        let ids = (0..COMPANY).map(|number| format!("{turn}-{number}"));
        for (id, answer) in meet(&lambda, ids).join_all().await {
            assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(200), &json!(id)));
        }
    }
    assert_eq!(lambda.served("obedient"), [COMPANY * 10]);

    let mut lines_of: HashMap<String, Vec<String>> = HashMap::new();
    for line in lambda.output().lines() {
        let line: Value = serde_json::from_str(line).expect("each line is whole");
        let id = line["span"]["request_id"].as_str().expect("it belongs to a request");
        assert!(line["own"].as_str().or(line["request_id"].as_str()) == Some(id), "{line}");
        lines_of.entry(id.to_owned()).or_default().push(line["event"].to_string());
    }
    assert_eq!(lines_of.len(), COMPANY * 10);
    for (id, events) in lines_of {
        let expected = ["\"obedient.asked\"", "\"obedient.answers\"", "\"request.answered\""];
        assert_eq!(events, expected, "{id}");
    }
}

#[tokio::test]
async fn a_request_that_panics_gets_a_500_and_the_process_continues() {
    let lambda = obedient();
    // One request too few, so that they stay in flight until the other one fails.
    let mut company = meet(&lambda, (1..COMPANY).map(|number| format!("whole-{number}")));
    let failed = ask(&lambda, "/panic", "broken").await;
    let body: Value = serde_json::from_str(failed["body"].as_str().expect("text")).expect("JSON");
    assert_eq!((&failed["statusCode"], &body["code"]), (&json!(500), &json!("internal_error")));
    assert_eq!(body["request_id"], "broken");
    assert!(company.try_join_next().is_none());

    assert_eq!(ask(&lambda, "/meet", "last").await["statusCode"], 200);
    for (id, answer) in company.join_all().await {
        assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(200), &json!(id)));
    }
    assert_eq!(lambda.served("obedient"), [COMPANY + 1]);
    let panicked = "\"event\":\"request.panicked\"";
    let lines: Vec<_> =
        lambda.output().lines().filter(|line| line.contains(panicked)).map(str::to_owned).collect();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains("\"request_id\":\"broken\""), "{lines:?}");
}

/// The progress of the callers in the test below.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    ended: AtomicUsize,
    is_logged_out: AtomicBool,
    is_over: AtomicBool,
}

/// Four users with sixteen programs each.
#[tokio::test]
async fn sixty_four_requests_get_their_own_responses_and_a_logout_counts_at_once() {
    const IN_FLIGHT: usize = 64;
    let parameters = [("Scope", "openid profile email")];
    let deployment = Deployment::start_concurrent("protected", IN_FLIGHT, &parameters).await;
    let client = deployment.api().http_client();
    let mut people = Vec::new();
    for person in ["ada", "grace", "joan", "mary"] {
        let email = format!("{person}@example.com");
        people.push((deployment.browser().log_in(&email).await, email));
    }

    let seen = Arc::new(Seen::default());
    let mut callers = JoinSet::new();
    for number in 0..IN_FLIGHT {
        let (client, seen) = (client.clone(), Arc::clone(&seen));
        let (token, email) = people[number % people.len()].clone();
        let leaves = number % people.len() == 0;
        callers.spawn(async move {
            while !seen.is_over.load(SeqCst) {
                let is_logged_out = leaves && seen.is_logged_out.load(SeqCst);
                let (status, body) = call_api(&client, &token).await;
                match status {
                    200 if !is_logged_out => assert_eq!(body["email"], email),
                    401 if leaves => {
                        assert_eq!(body["code"], "session_ended");
                        seen.ended.fetch_add(1, SeqCst);
                    }
                    _ => panic!("{email}, logged out: {is_logged_out}: {status}, {body}"),
                }
                seen.answered.fetch_add(1, SeqCst);
            }
        });
    }
    until(&mut callers, || seen.answered.load(SeqCst) >= 4 * IN_FLIGHT).await;
    assert_eq!(seen.ended.load(SeqCst), 0);
    let logout = client.post(format!("{ORIGIN}/logout")).bearer_auth(&people[0].0);
    assert_eq!(logout.send().await.expect("it is answered").status(), 200);
    seen.is_logged_out.store(true, SeqCst);
    until(&mut callers, || seen.ended.load(SeqCst) >= IN_FLIGHT).await;
    seen.is_over.store(true, SeqCst);
    callers.join_all().await;
    assert_eq!(deployment.lambda().served("protected"), [seen.answered.load(SeqCst)]);

    // All requests came to a process without keys. The callback and the logout need keys too.
    let output = deployment.lambda().output();
    let fetched = output.lines().filter(|line| line.contains("\"event\":\"provider.fetched\""));
    let keys = fetched.filter(|line| line.contains("\"document\":\"keys\"")).count();
    assert!(keys <= 3, "{keys} fetches by three functions");
}

/// Waits until the condition holds. A failed caller fails the test.
async fn until(callers: &mut JoinSet<()>, is_so: impl Fn() -> bool) {
    while !is_so() {
        if let Some(ended) = callers.try_join_next() {
            ended.expect("no caller fails");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
