//! Behaviour that needs several separate processes.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{
    browser::Browser,
    deployment::Deployment,
    http_api::{ask, call_api},
    misbehaving_provider::{ADA, MisbehavingProvider},
    secrets::assert_absent,
    site::CLIENT_ID,
};
use tokio::{sync::watch, task::JoinSet};

/// Each instance of a function is a separate process; they share only the table. The provider accepts
/// a refresh token once, and would end the session if it came twice.
#[tokio::test]
async fn r131_twenty_refreshes_in_several_processes_send_one_token_request_and_succeed() {
    let parameters = [("Scope", "openid profile email offline_access")];
    let settings = [("TOKEN_LIFETIME", "30s")];
    let deployment = Deployment::start_with(&settings, PROCESSES, &parameters).await;
    let mut browser = deployment.browser();
    browser.log_in("ada@example.com").await;

    // A token is not refreshed in the first half of its life.
    tokio::time::sleep(Duration::from_secs(16)).await;
    let mut refreshes = JoinSet::new();
    for _ in 0..20 {
        let mut browser = browser.clone();
        refreshes.spawn(async move {
            let answer = browser.fetch(Method::POST, "/refresh", &[]).await;
            (answer.status.as_u16(), answer.json())
        });
    }
    let answers: Vec<(u16, Value)> = refreshes.join_all().await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let tokens: HashSet<_> = answers.iter().map(|(_, body)| body["api_key"].as_str()).collect();
    assert_eq!(tokens.len(), 1, "{answers:?}");
    assert_eq!(deployment.lambda().output().matches("refresh.succeeded").count(), 1);
    assert!(deployment.lambda().served("refresh").len() > 1);
}

const PROCESSES: usize = 6;

/// The functions that check each request.
const ASKED: [&str; 2] = ["authorizer", "protected"];

/// A user who has logged in, and the API key.
async fn logged_in(deployment: &Deployment, provider: &MisbehavingProvider) -> (Browser, String) {
    let mut browser = deployment.browser();
    let request = browser.get("/login").await.location().expect("a redirect to the provider");
    let key = browser.get(&provider.log_in(&request, ADA)).await.follow().await.api_key();
    (browser, key)
}

/// R94, R106: clients send requests to many processes as fast as they can, by cookie and by token, also
/// through the authorizer. Once a second, one process records that the session was used. The user logs
/// out at such a moment.
#[tokio::test]
async fn r094_r106_every_process_rejects_requests_after_a_logout() {
    let provider = MisbehavingProvider::start(Clock::system()).await;
    let parameters = [
        ("AuthHost", provider.issuer.as_str()),
        ("ClientId", CLIENT_ID),
        ("Connections", "none"),
        ("Scope", "openid profile email"),
        ("SessionIdle", "10s"),
    ];
    let deployment = Deployment::start(PROCESSES, &parameters).await;
    for function in ASKED {
        deployment.lambda().warm(function, PROCESSES).await;
    }
    deployment.lambda().warm("logout", 1).await;
    for _ in 0..3 {
        let (mut leaving, key) = logged_in(&deployment, &provider).await;
        let answered = watch::Sender::new(0_usize);
        let (end, ended) = watch::channel(false);
        let mut askers = JoinSet::new();
        for number in 0..3 * PROCESSES {
            let (mut browser, client) = (leaving.clone(), deployment.api().http_client());
            let (key, answered, ended) = (key.clone(), answered.clone(), ended.clone());
            let bearer = format!("Bearer {key}");
            askers.spawn(async move {
                let mut answers = Vec::new();
                while !*ended.borrow() {
                    let began = Instant::now();
                    let (status, mut body) = match number % 3 {
                        0 => {
                            let page = browser.fetch(Method::GET, "/protected", &[]).await;
                            (page.status.as_u16(), page.json())
                        }
                        1 => call_api(&client, &key).await,
                        _ => ask(&client, "/api/hello", &[("authorization", &bearer)]).await,
                    };
                    answers.push((began, status, body["code"].take()));
                    answered.send_modify(|count| *count += 1);
                }
                answers
            });
        }
        let more_answers = async |count: usize| {
            let enough = *answered.borrow() + count;
            answered.subscribe().wait_for(|answered| *answered >= enough).await.map(drop)
        };
        more_answers(4 * PROCESSES).await.expect("the callers are still running");
        let clock = Clock::system();
        let second = clock.now();
        while clock.now() == second {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let left = leaving.fetch(Method::POST, "/logout", &[]).await;
        let logged_out = Instant::now();
        assert_eq!(left.json()["code"], "signed_out");
        more_answers(4 * PROCESSES).await.expect("the callers are still running");
        end.send_replace(true);

        let answers: Vec<_> = askers.join_all().await.into_iter().flatten().collect();
        for (began, status, code) in &answers {
            match status {
                200 => assert!(*began < logged_out, "a request was accepted after the logout"),
                // The gateway's own response for the authorizer's refusal.
                403 => assert_eq!(*code, Value::Null),
                _ => assert_eq!((*status, code), (401, &json!("session_ended"))),
            }
        }
        let let_in = answers.iter().filter(|(_, status, _)| *status == 200).count();
        assert!(let_in > 0 && let_in < answers.len(), "{let_in} of {}", answers.len());
        assert!(deployment.rows("session").await.is_empty(), "the session was not restored");
    }
    for function in ASKED {
        let served = deployment.lambda().served(function);
        assert!(served.len() == PROCESSES && !served.contains(&0), "{function}: {served:?}");
    }
    // R173: checks the output of all processes.
    let secrets = provider.secrets();
    let secrets: Vec<_> = secrets.iter().map(|(name, secret)| (*name, secret.as_str())).collect();
    assert!(!secrets.is_empty());
    assert_absent(deployment.lambda().output().as_bytes(), &secrets);
}
