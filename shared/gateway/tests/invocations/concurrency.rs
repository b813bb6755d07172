//! Concurrent requests through the one service that Lambda's workers share.

use std::{convert::Infallible, future::pending, sync::Arc, time::Duration};

use lambda_runtime::{LambdaEvent, Service};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use shared::{
    clock::{Clock, Timestamp},
    web::request::{Request, RequestContext, Response},
};
use tokio::{sync::Barrier, time::Instant};
use tracing::instrument::WithSubscriber;

use super::{capture, invocation_context};

const NOW: Timestamp = Timestamp::from_unix(1_700_000_000);

/// An event for `path` with the gateway's request id `id` and a deadline in `seconds`.
fn invocation(path: &str, id: &str, seconds: u64) -> LambdaEvent<Box<RawValue>> {
    let event = json!({
        "version": "2.0", "rawPath": path,
        "requestContext": {"http": {"method": "GET"}, "requestId": id},
    });
    let context = invocation_context(&format!("invocation-{id}"), Duration::from_secs(seconds));
    LambdaEvent::new(RawValue::from_string(event.to_string()).unwrap(), context)
}

async fn answer<S>(mut service: S, invocation: LambdaEvent<Box<RawValue>>) -> Value
where
    S: Service<LambdaEvent<Box<RawValue>>, Error = Infallible>,
    S::Response: Serialize,
{
    let Ok(answer) = service.call(invocation).await;
    serde_json::to_value(answer).unwrap()
}

/// The responses to `invocations`, which run concurrently, in their order.
async fn answers<S>(service: S, invocations: Vec<LambdaEvent<Box<RawValue>>>) -> Vec<Value>
where
    S: Service<LambdaEvent<Box<RawValue>>, Error = Infallible> + Clone + Send + 'static,
    S::Response: Serialize + Send + 'static,
    S::Future: Send + 'static,
{
    let tasks = invocations.into_iter().map(|invocation| {
        // A worker of the Lambda runtime has its own clone.
        tokio::spawn(answer(service.clone(), invocation).with_current_subscriber())
    });
    let mut answers = Vec::new();
    for task in Vec::from_iter(tasks) {
        answers.push(task.await.unwrap());
    }
    answers
}

fn text(body: String) -> Response {
    http::Response::builder().header("content-type", "text/plain").body(body.into()).unwrap()
}

/// On four threads, with a barrier that all requests must reach. If a request kept state outside of its
/// future, another request would have overwritten it by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_requests_log_and_respond_with_their_own_ids() {
    const IN_FLIGHT: usize = 64;
    let (log, _guard) = capture(true);
    let everybody = Arc::new(Barrier::new(IN_FLIGHT));
    let handler = move |request: Request, _: Timestamp| {
        let everybody = Arc::clone(&everybody);
        async move {
            let id = RequestContext::of(&request).request_id;
            for _ in 0..3 {
                tracing::debug!(own = id, "inside");
                everybody.wait().await;
            }
            text(id)
        }
    };
    let service = gateway::service(handler, Clock::from_fn(|| NOW));
    let ids: Vec<_> = (0..IN_FLIGHT).map(|number| format!("id-{number}")).collect();
    let invocations = ids.iter().map(|id| invocation("/", id, 60)).collect();
    let answers = answers(service, invocations).await;
    assert_eq!(
        answers.iter().map(|answer| &answer["body"]).collect::<Vec<_>>(),
        Vec::from_iter(&ids)
    );

    let lines = log.lines();
    assert_eq!(lines.len(), IN_FLIGHT * 4);
    for line in lines {
        let own = if line["message"] == "request" { &line["request_id"] } else { &line["own"] };
        assert_eq!(&line["span"]["request_id"], own, "{line}");
    }
    for id in ids {
        assert_eq!(log.text().matches(&format!("\"own\":\"{id}\"")).count(), 3, "{id}");
    }
}

/// The clock is paused and advances only while requests wait.
#[tokio::test(start_paused = true)]
async fn r166_a_timeout_affects_only_its_own_request() {
    let (log, _guard) = capture(true);
    let handler = async |request: Request, _: Timestamp| {
        let id = RequestContext::of(&request).request_id;
        match request.uri().path() {
            "/never" => pending().await,
            "/late" => tokio::time::sleep(Duration::from_secs(4)).await,
            _ => {}
        }
        text(id)
    };
    let service = gateway::service(handler, Clock::from_fn(|| NOW));
    let started = Instant::now();
    let timed = async |path, id, seconds| {
        let answer = answer(service.clone(), invocation(path, id, seconds)).await;
        (answer["statusCode"].clone(), started.elapsed().as_secs())
    };
    let (never, late, quick) = tokio::join!(
        timed("/never", "stuck", 3),
        timed("/late", "late", 10),
        timed("/", "quick", 3)
    );
    assert_eq!((quick, never, late), ((json!(200), 0), (json!(503), 2), (json!(200), 4)));

    let given_up: Vec<_> =
        log.lines().into_iter().filter(|line| line["event"] == "request.timed_out").collect();
    assert_eq!(given_up.len(), 1);
    assert_eq!(given_up[0]["span"]["request_id"], "stuck");
}

#[tokio::test]
async fn a_panic_affects_only_its_own_request() {
    let (log, _guard) = capture(true);
    let both = Arc::new(Barrier::new(2));
    let handler = move |request: Request, _: Timestamp| {
        let both = Arc::clone(&both);
        async move {
            if request.uri().path() != "/later" {
                both.wait().await;
            }
            assert_ne!(request.uri().path(), "/broken", "a secret");
            tokio::task::yield_now().await;
            text("whole".to_owned())
        }
    };
    let service = gateway::service(handler, Clock::from_fn(|| NOW));
    let invocations = vec![invocation("/broken", "broken", 60), invocation("/", "whole", 60)];
    let answers = answers(service.clone(), invocations).await;
    let later = answer(service, invocation("/later", "later", 60)).await;
    assert_eq!(answers[0]["statusCode"], 500);
    let body: Value = serde_json::from_str(answers[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&body["code"], &body["request_id"]), (&json!("internal_error"), &json!("broken")));
    assert_eq!((&answers[1]["body"], &later["body"]), (&json!("whole"), &json!("whole")));

    let panicked: Vec<_> =
        log.lines().into_iter().filter(|line| line["event"] == "request.panicked").collect();
    assert_eq!(panicked.len(), 1);
    assert_eq!(
        (&panicked[0]["level"], &panicked[0]["span"]["request_id"]),
        (&json!("ERROR"), &json!("broken"))
    );
    assert!(!log.text().contains("a secret"), "{}", log.text());
}
