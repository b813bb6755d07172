use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};
use tests::lambda::{Function, InvocationError, Lambda, Surroundings};
use tokio::task::JoinSet;

/// The function in the file `echo` next to this one.
pub(super) fn echo(environment: &[(&str, &str)]) -> Function {
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    Function {
        name: "echo".to_owned(),
        bootstrap: tests::project().join("tests/tests/end_to_end/machinery/echo"),
        environment: environment.collect(),
        timeout: Duration::from_secs(20),
        memory: 128,
        instances: 3,
        concurrency: 1,
        surroundings: Surroundings::Lambda,
    }
}

async fn ask(lambda: &Lambda, event: &Value) -> Result<Value, InvocationError> {
    let answer = lambda.invoke("echo", event.to_string().into()).await?;
    Ok(serde_json::from_slice(&answer).expect("the function answers JSON"))
}

#[tokio::test]
async fn a_function_gets_lambdas_environment_and_not_the_test_processs() {
    let lambda = Lambda::new([echo(&[("GREETING", "Hello"), ("AWS_REGION", "mars-north-1")])]);
    let seen = ask(&lambda, &json!({ "key": "value" })).await.expect("it answers");
    assert_eq!(seen["event"], json!({ "key": "value" }));
    assert_eq!(seen["wrong_id"], 400);

    let header = |name: &str| seen["headers"][name].as_str().expect("it is there").to_owned();
    assert_eq!(
        header("lambda-runtime-invoked-function-arn"),
        "arn:aws:lambda:eu-central-1:123456789012:function:echo"
    );
    assert!(header("lambda-runtime-trace-id").starts_with("Root=1-"));
    let id = header("lambda-runtime-aws-request-id");
    let version = id.split('-').nth(2).expect("it is a UUID");
    assert!(id.len() == 36 && version.starts_with('4'), "{id}");
    let deadline: u64 = header("lambda-runtime-deadline-ms").parse().expect("milliseconds");
    let now = shared::clock::Clock::system().now().as_unix() * 1_000;
    assert!((now + 15_000..=now + 21_000).contains(&deadline), "{deadline} at {now}");

    let environment = seen["environment"].as_object().expect("an environment");
    assert_eq!(environment["GREETING"], "Hello");
    assert_eq!(environment["AWS_REGION"], "eu-central-1", "Lambda reserves it");
    assert_eq!(environment["AWS_LAMBDA_INITIALIZATION_TYPE"], "on-demand");
    assert!(!environment.contains_key("CARGO_MANIFEST_DIR"));
    assert!(!environment.contains_key("HOME"));

    let outside = Function { surroundings: Surroundings::Workplace, ..echo(&[]) };
    let seen = ask(&Lambda::new([outside]), &json!({})).await.expect("it answers");
    for variable in ["AWS_LAMBDA_INITIALIZATION_TYPE", "LAMBDA_TASK_ROOT"] {
        assert_eq!(seen["environment"].get(variable), None, "{variable}");
    }
}

#[tokio::test]
async fn a_process_starts_on_demand_and_is_reused() {
    let lambda = Lambda::new([echo(&[])]);
    assert!(lambda.served("echo").is_empty());
    let first = ask(&lambda, &json!({})).await.expect("it answers");
    let second = ask(&lambda, &json!({})).await.expect("it answers");
    assert_eq!(first["process"], second["process"]);
    assert_eq!(lambda.served("echo"), [2]);
    assert_eq!(lambda.output(), "an invocation\nan invocation\n");
}

#[tokio::test]
async fn idle_processes_take_turns_up_to_the_limit() {
    let lambda = Lambda::new([echo(&[])]);
    lambda.warm("echo", 2).await;
    let mut processes = HashSet::new();
    for _ in 0..4 {
        let seen = ask(&lambda, &json!({})).await.expect("it answers");
        processes.insert(seen["process"].as_u64().expect("a number"));
    }
    assert_eq!((processes.len(), lambda.served("echo")), (2, vec![2, 2]));

    let mut waiting = JoinSet::new();
    for _ in 0..12 {
        let lambda = lambda.clone();
        waiting.spawn(async move { ask(&lambda, &json!({})).await.is_ok() });
    }
    assert!(waiting.join_all().await.into_iter().all(|answered| answered));
    let served = lambda.served("echo");
    assert_eq!((served.len(), served.iter().sum::<usize>()), (3, 16));
}

#[tokio::test]
async fn each_kind_of_failure_has_its_own_error() {
    let lambda = Lambda::new([Function { timeout: Duration::from_secs(2), ..echo(&[]) }]);
    let failed = ask(&lambda, &json!({ "rawPath": "/fail" })).await;
    let report = r#"Echo.NoLuck: {"errorMessage":"no luck"}"#;
    assert_eq!(failed, Err(InvocationError::Function(report.to_owned())));
    // The process still runs.
    ask(&lambda, &json!({})).await.expect("it answers");
    assert_eq!(lambda.served("echo").len(), 1);

    let slept = ask(&lambda, &json!({ "rawPath": "/sleep" })).await;
    assert_eq!(slept, Err(InvocationError::TimedOut(Duration::from_secs(2))));
    let exited = ask(&lambda, &json!({ "rawPath": "/exit" })).await;
    assert_eq!(exited, Err(InvocationError::Exited("exit status: 3".to_owned())));
    // Neither of the two processes is used again.
    ask(&lambda, &json!({})).await.expect("it answers");
    assert_eq!(lambda.served("echo"), [3, 1, 1]);
}

#[tokio::test]
async fn a_failed_start_reports_its_reason() {
    for (begin, expected) in [
        ("report", r#"Echo.NoTable: {"errorMessage":"no table"}"#),
        ("exit", "SESSION_TABLE is not set"),
    ] {
        let lambda = Lambda::new([echo(&[("BEGIN", begin)])]);
        let error = ask(&lambda, &json!({})).await.expect_err("it cannot begin");
        let InvocationError::Initialisation(reason) = error else { panic!("{error}") };
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn its_processes_stop_with_it() {
    let lambda = Lambda::new([echo(&[])]);
    let seen = ask(&lambda, &json!({})).await.expect("it answers");
    let stat = format!("/proc/{}/stat", seen["process"]);
    assert!(std::fs::exists(&stat).expect("/proc can be read"));
    drop(lambda);
    assert!(!std::fs::exists(&stat).expect("/proc can be read"));
}
