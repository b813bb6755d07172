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
    http_api::ORIGIN,
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
    let login = browser.get("/login?connection=github").await.follow_all().await;
    let form = login.form_at("form:has(#email)");
    form.fill("email", "ada@example.com").submit().await.follow_all().await;
    assert!(browser.session().is_some());

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

/// The deployed functions, six processes of each, and a provider that counts requests.
async fn bundle(parameters: &[(&str, &str)]) -> (Deployment, MisbehavingProvider) {
    let provider = MisbehavingProvider::start(Clock::system()).await;
    let usual = [
        ("AuthHost", provider.issuer.as_str()),
        ("ClientId", CLIENT_ID),
        ("Connections", "none"),
        ("Scope", "openid profile email"),
    ];
    let is_given = |name: &str| parameters.iter().any(|(given, _)| *given == name);
    let usual = usual.into_iter().filter(|(name, _)| !is_given(name));
    let parameters: Vec<_> = usual.chain(parameters.iter().copied()).collect();
    let deployment = Deployment::start(PROCESSES, &parameters).await;
    (deployment, provider)
}

const PROCESSES: usize = 6;

/// Logs a user in at the provider. Returns the callback URL.
async fn start(browser: &mut Browser, provider: &MisbehavingProvider, path: &str) -> String {
    let request = browser.get(path).await.location().expect("a redirect to the provider");
    provider.log_in(&request, ADA)
}

/// A user who has logged in, and the API key.
async fn logged_in(deployment: &Deployment, provider: &MisbehavingProvider) -> (Browser, String) {
    let mut browser = deployment.browser();
    let back = start(&mut browser, provider, "/login").await;
    let page = browser.get(&back).await.follow().await;
    let key = page.read("#token").expect("the token is shown");
    (browser, key.split_whitespace().collect())
}

/// The status and `code` of `/protected` for this token.
async fn call_api(client: &reqwest::Client, key: &str) -> (u16, Value) {
    let request = client.get(format!("{ORIGIN}/protected")).bearer_auth(key);
    let answer = request.send().await.expect("it is answered");
    (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON")["code"].take())
}

/// R173: checks the output of all processes.
fn assert_nothing_is_told(deployment: &Deployment, provider: &MisbehavingProvider) {
    let secrets = provider.secrets();
    let secrets: Vec<_> = secrets.iter().map(|(name, secret)| (*name, secret.as_str())).collect();
    assert!(!secrets.is_empty());
    assert_absent(deployment.lambda().output().as_bytes(), &secrets);
}

/// R94, R106: clients send requests to many processes as fast as they can. Each second one process
/// records the use of the session, and the user logs out at such a moment.
#[tokio::test]
async fn r094_r106_every_process_rejects_requests_after_a_logout() {
    let (deployment, provider) = bundle(&[("SessionIdle", "10s")]).await;
    deployment.lambda().warm("protected", PROCESSES).await;
    deployment.lambda().warm("logout", 1).await;
    for _ in 0..3 {
        let (mut leaving, key) = logged_in(&deployment, &provider).await;
        let answered = watch::Sender::new(0_usize);
        let (end, ended) = watch::channel(false);
        let mut askers = JoinSet::new();
        for number in 0..2 * PROCESSES {
            let (mut browser, client) = (leaving.clone(), deployment.api().http_client());
            let (key, answered, ended) = (key.clone(), answered.clone(), ended.clone());
            askers.spawn(async move {
                let mut answers = Vec::new();
                while !*ended.borrow() {
                    let began = Instant::now();
                    let (status, code) = if number % 2 == 0 {
                        let page = browser.fetch(Method::GET, "/protected", &[]).await;
                        (page.status.as_u16(), page.json()["code"].take())
                    } else {
                        call_api(&client, &key).await
                    };
                    answers.push((began, status, code));
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
                _ => assert_eq!((*status, code), (401, &json!("session_ended"))),
            }
        }
        let let_in = answers.iter().filter(|(_, status, _)| *status == 200).count();
        assert!(let_in > 0 && let_in < answers.len(), "{let_in} of {}", answers.len());
        assert!(deployment.rows("session").await.is_empty(), "the session was not restored");
    }
    let served = deployment.lambda().served("protected");
    assert!(served.len() == PROCESSES && !served.contains(&0), "{served:?}");
    assert_nothing_is_told(&deployment, &provider);
}
