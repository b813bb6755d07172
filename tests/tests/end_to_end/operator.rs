//! The operator's command with the table of the deployed form.

use std::process::{Command, Output};

use serde_json::Value;
use tests::{browser::Browser, deployment::Deployment};

#[tokio::test]
async fn r103_an_operator_lists_and_ends_the_sessions_of_a_user() {
    let deployment = Deployment::start(1, &[]).await;
    let mut phone = log_in(&deployment, "ada@example.com").await;
    let mut laptop = log_in(&deployment, "ada@example.com").await;
    let mut other = log_in(&deployment, "grace@example.com").await;
    let claims = phone.fetch(http::Method::GET, "/protected", &[]).await.json();
    let subject = claims["sub"].as_str().expect("a subject").to_owned();
    let environment = deployment.operator();
    let sessions = async |arguments: &[&str]| run(&environment, arguments).await;

    let listed = sessions(&["list", "--subject", &subject]).await;
    assert!(listed.status.success(), "{listed:?}");
    let lines = text(&listed);
    assert_eq!(lines.matches("  began 20").count(), 2, "{lines}");
    assert!(lines.ends_with("2 sessions found.\n"), "{lines}");
    // The same subject at another issuer is another user.
    let elsewhere = ["list", "--subject", &subject, "--issuer", "tenant.auth0.com"];
    assert_eq!(text(&sessions(&elsewhere).await), "0 sessions found.\n");

    let dry = text(&sessions(&["end", "--subject", &subject]).await);
    let advice = "2 sessions would end. Nothing was changed; to end them, add --apply.\n";
    assert!(dry.ends_with(advice), "{dry}");
    assert_eq!(status(&mut phone).await, 200);

    let ended = text(&sessions(&["end", "--subject", &subject, "--apply"]).await);
    assert_eq!(ended, "2 sessions ended.\n");
    assert_eq!(status(&mut phone).await, 401);
    assert_eq!(status(&mut laptop).await, 401);
    assert_eq!(status(&mut other).await, 200);

    let page = other.get("/").await;
    let claims: Value =
        serde_json::from_str(&page.read("#token-claims").expect("they are shown")).expect("JSON");
    let session_id = claims["sid"].as_str().expect("a session at the provider").to_owned();
    let ended = sessions(&["end", "--provider-session", &session_id, "--apply"]).await;
    assert_eq!(text(&ended), "1 session ended.\n");
    assert_eq!(status(&mut other).await, 401);
}

async fn log_in(deployment: &Deployment, email: &str) -> Browser {
    let mut browser = deployment.browser();
    browser.log_in(email).await;
    browser
}

async fn status(browser: &mut Browser) -> u16 {
    browser.fetch(http::Method::GET, "/protected", &[]).await.status.as_u16()
}

/// Runs the command with only the variables that locate the table.
async fn run(environment: &[(String, String)], arguments: &[&str]) -> Output {
    let mut command = Command::new("cargo");
    command
        .args(["run", "--quiet", "--package", "local", "--features", "operator"])
        .args(["--bin", "sessions", "--"])
        .args(arguments)
        .current_dir(tests::project())
        .envs(environment.iter().map(|(name, value)| (name, value)));
    let output = tokio::task::spawn_blocking(move || command.output()).await;
    output.expect("it ends").expect("cargo runs")
}

#[track_caller]
fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("it prints text")
}
