//! Behaviour that needs several separate processes.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use http::{
    HeaderValue, Method,
    header::{RETRY_AFTER, SET_COOKIE},
};
use serde_json::{Value, json};
use shared::clock::Clock;
use tests::{
    browser::Browser,
    deployment::Deployment,
    http_api::ORIGIN,
    line::Condition,
    misbehaving_provider::{ADA, MisbehavingProvider},
    secrets::assert_absent,
    site::CLIENT_ID,
    watch::Watch,
};
use tokio::{sync::watch, task::JoinSet};

/// Each instance of a function is a separate process; they share only the table. The provider accepts
/// a refresh token once, and would end the session if it came twice.
#[tokio::test]
async fn r131_twenty_refreshes_in_several_processes_send_one_token_request_and_succeed() {
    let settings = [("SCOPE", "openid profile email offline_access"), ("TOKEN_LIFETIME", "30s")];
    let watch = Watch::start_deployed(6, &settings).await;
    let mut browser = Browser::at(watch.base_url());
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
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}\n{}", watch.output());
    let tokens: HashSet<_> = answers.iter().map(|(_, body)| body["api_key"].as_str()).collect();
    assert_eq!(tokens.len(), 1, "{answers:?}");
    assert_eq!(watch.output().matches("refresh.succeeded").count(), 1);
    assert!(watch.instances("refresh") > 1, "{}", watch.output());
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
const SESSION: &str = "__Host-session";

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

/// The processes share the mark in the table.
#[tokio::test]
async fn r018_of_twenty_responses_to_several_processes_one_is_redeemed() {
    let (deployment, provider) = bundle(&[]).await;
    deployment.lambda().warm("callback", PROCESSES).await;
    let mut browser = deployment.browser();
    let back = start(&mut browser, &provider, "/login?return_to=/reports").await;
    let mut arrivals = JoinSet::new();
    for _ in 0..20 {
        let (mut browser, back) = (browser.clone(), back.clone());
        arrivals.spawn(async move {
            let (status, heading, location) = {
                let page = browser.get(&back).await;
                (page.status.as_u16(), page.read("h1"), page.location())
            };
            (status, heading, location.map(String::from), browser)
        });
    }
    let (finished, refused): (Vec<_>, Vec<_>) =
        arrivals.join_all().await.into_iter().partition(|(status, ..)| *status == 303);
    assert_eq!((finished.len(), refused.len()), (1, 19));
    for (status, heading, _, browser) in refused {
        let heading = heading.as_deref();
        assert_eq!((status, heading), (400, Some("This login can't be finished")));
        assert_eq!(browser.cookie(SESSION), None);
    }
    assert_eq!(provider.token_requests(), 1);
    let rows = [
        deployment.rows("session").await,
        deployment.rows("token").await,
        deployment.rows("once").await,
    ];
    assert_eq!(rows, [1, 1, 1]);
    let served = deployment.lambda().served("callback");
    assert!(served.len() == PROCESSES && !served.contains(&0), "{served:?}");

    let (_, _, location, mut winner) = finished.into_iter().next().expect("there is one");
    assert_eq!(location.as_deref(), Some(&*format!("{ORIGIN}/reports")));
    assert_eq!(winner.fetch(Method::GET, "/protected", &[]).await.status, 200);
    let output = deployment.lambda().output();
    assert_eq!(output.matches("\"event\":\"login.succeeded\"").count(), 1);
    assert_eq!(output.matches("\"event\":\"login.replayed\"").count(), 19);
    assert_nothing_is_told(&deployment, &provider);
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
        assert_eq!(deployment.rows("session").await, 0, "the session was not restored");
    }
    let served = deployment.lambda().served("protected");
    assert!(served.len() == PROCESSES && !served.contains(&0), "{served:?}");
    assert_nothing_is_told(&deployment, &provider);
}

/// R94: a write that is sent before a logout and arrives after it.
#[tokio::test]
async fn r094_a_slide_that_arrives_after_a_logout_restores_nothing() {
    let (deployment, provider) = bundle(&[("SessionIdle", "10s")]).await;
    deployment.lambda().warm("protected", PROCESSES).await;
    deployment.lambda().warm("logout", 1).await;
    let (mut leaving, key) = logged_in(&deployment, &provider).await;
    let client = deployment.api().http_client();
    let line = deployment.line_to_table("protected");
    // The use of a session is recorded once per tenth of the idle time.
    tokio::time::sleep(Duration::from_secs(2)).await;
    line.set(Condition::StallsAt("DynamoDB_20120810.UpdateItem"));
    let mut requests = JoinSet::new();
    for _ in 0..PROCESSES {
        let (client, key) = (client.clone(), key.clone());
        requests.spawn(async move { call_api(&client, &key).await });
    }
    while line.held_up() < PROCESSES {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let left = leaving.fetch(Method::POST, "/logout", &[]).await;
    assert_eq!(left.json()["code"], "signed_out");
    assert_eq!(deployment.rows("session").await, 0);
    line.set(Condition::Works);
    for answer in requests.join_all().await {
        assert_eq!(answer, (401, json!("session_ended")));
    }
    assert_eq!(deployment.rows("session").await, 0, "the session was not restored");
    assert_eq!(call_api(&client, &key).await, (401, json!("session_ended")));
    assert_nothing_is_told(&deployment, &provider);
}

/// R16, R36: one browser and two logins, in any of the processes.
#[tokio::test]
async fn r016_two_tabs_finish_in_any_order_and_concurrently() {
    let (deployment, provider) = bundle(&[]).await;
    for function in ["callback", "login"] {
        deployment.lambda().warm(function, 2).await;
    }
    let tabs = ["/tab-0", "/tab-1"];
    let both = async |browser: &mut Browser| {
        let mut backs = Vec::new();
        for tab in tabs {
            backs.push(start(browser, &provider, &format!("/login?return_to={tab}")).await);
        }
        assert_eq!(browser.cookie_names().len(), 2);
        backs
    };
    for order in [[0, 1], [1, 0]] {
        let mut browser = deployment.browser();
        let backs = both(&mut browser).await;
        for tab in order {
            let location = browser.get(&backs[tab]).await.location().expect("a redirect");
            assert_eq!(location.path(), tabs[tab]);
        }
        assert_eq!(browser.cookie_names(), [SESSION]);
        // The second login ended the first tab's session.
        assert_eq!(deployment.rows("session").await, 1);
        assert_eq!(browser.fetch(Method::GET, "/protected", &[]).await.status, 200);
        browser.fetch(Method::POST, "/logout", &[]).await;
        assert_eq!(deployment.rows("session").await, 0);
    }

    let mut browser = deployment.browser();
    let backs = both(&mut browser).await;
    let mut arrivals = JoinSet::new();
    for (tab, back) in tabs.into_iter().zip(backs) {
        let mut browser = browser.clone();
        arrivals.spawn(async move {
            let page = browser.get(&back).await;
            assert_eq!(page.location().expect("a redirect").path(), tab);
            let cookies = page.headers.get_all(SET_COOKIE).iter();
            cookies.map(|cookie| cookie.to_str().expect("ASCII").to_owned()).collect::<Vec<_>>()
        });
    }
    // The browser gets both responses and keeps the later session. The other session has no browser.
    for cookie in arrivals.join_all().await.into_iter().flatten() {
        browser.set_cookie(&cookie);
    }
    assert_eq!(browser.cookie_names(), [SESSION], "each login cleared its own cookie");
    assert_eq!(deployment.rows("session").await, 2);
    assert_eq!(browser.fetch(Method::GET, "/protected", &[]).await.status, 200);
    let left = browser.fetch(Method::POST, "/logout?everywhere=true", &[]).await;
    assert_eq!(left.json()["code"], "signed_out");
    assert_eq!(deployment.rows("session").await, 0);
    assert_nothing_is_told(&deployment, &provider);
}

/// R96, R128: the table stops responding for a while. Meanwhile every function returns the error that
/// `README.md` documents; no process needs a restart.
#[tokio::test]
async fn r096_a_stalled_table_costs_only_three_seconds() {
    let (deployment, provider) = bundle(&[("Scope", "openid profile email offline_access")]).await;
    let (mut member, key) = logged_in(&deployment, &provider).await;
    let (leaving, _) = logged_in(&deployment, &provider).await;
    let client = deployment.api().http_client();
    let mut returning = deployment.browser();
    let back = start(&mut returning, &provider, "/login").await;
    let logout_token = provider.logout_token(ADA, &json!({ "sid": "unknown" }));
    // Every function has a process, and the keys are cached.
    assert_eq!(call_api(&client, &key).await.0, 200);
    let tell = async || {
        let form = [("logout_token", logout_token.as_str())];
        let request = client.post(format!("{ORIGIN}/backchannel-logout")).form(&form);
        let answer = request.send().await.expect("it is answered");
        let retry_after = answer.headers().get(RETRY_AFTER).cloned();
        (answer.status().as_u16(), retry_after, answer.text().await.expect("a text"))
    };
    assert_eq!(member.fetch(Method::POST, "/refresh", &[]).await.status, 200);
    assert_eq!(tell().await.0, 200);
    let started = |deployment: &Deployment| {
        ["callback", "login", "logout", "protected", "refresh"]
            .map(|function| deployment.lambda().served(function).len())
    };
    let asked = provider.token_requests();

    deployment.lines_to_table().for_each(|line| line.set(Condition::Stalls));
    let began = Instant::now();
    let navigate = async |mut browser: Browser, address: &str| {
        let page = browser.get(address).await;
        let heading = page.read("h1").unwrap_or_default();
        (page.status.as_u16(), heading, page.header("retry-after").map(str::to_owned))
    };
    let fetch = async |mut browser: Browser, method: Method, path: &str| {
        let page = browser.fetch(method, path, &[]).await;
        let retry_after = page.header("retry-after").map(str::to_owned);
        (page.status.as_u16(), page.json()["code"].take(), retry_after)
    };
    let (home, callback, by_cookie, by_token, logout, refresh, told) = tokio::join!(
        navigate(member.clone(), "/"),
        navigate(returning.clone(), &back),
        fetch(member.clone(), Method::GET, "/protected"),
        call_api(&client, &key),
        fetch(leaving.clone(), Method::POST, "/logout"),
        fetch(member.clone(), Method::POST, "/refresh"),
        tell(),
    );
    let waited = began.elapsed();
    assert!((2..8).contains(&waited.as_secs()), "{waited:?}");
    let held_up = deployment.lines_to_table().filter(|line| line.held_up() > 0).count();
    assert_eq!(
        held_up,
        started(&deployment).len(),
        "every function except the authorizer and the guarded function"
    );
    let soon = Some("5".to_owned());
    let later = (503, "Please try again in a moment".to_owned(), soon.clone());
    assert_eq!([home, callback], [later.clone(), later]);
    let unavailable = (503, json!("session_store_unavailable"), soon);
    assert_eq!([by_cookie, logout, refresh], [(); 3].map(|()| unavailable.clone()));
    assert_eq!(by_token, (503, json!("session_store_unavailable")));
    let (status, retry_after, body) = told;
    assert_eq!((status, retry_after), (503, Some(HeaderValue::from_static("5"))));
    assert!(body.contains("\"temporarily_unavailable\""), "{body}");
    assert_eq!(provider.token_requests(), asked);

    let processes = started(&deployment);
    deployment.lines_to_table().for_each(|line| line.set(Condition::Works));
    assert_eq!(deployment.rows("session").await, 2);
    assert_eq!(call_api(&client, &key).await.0, 200);
    for browser in [&member, &leaving] {
        assert_eq!(fetch(browser.clone(), Method::GET, "/protected").await.0, 200);
    }
    assert_eq!(fetch(member.clone(), Method::POST, "/refresh").await.0, 200);
    // The same authentication response, which is not used up.
    assert_eq!(
        returning.get(&back).await.follow().await.read("h1").as_deref(),
        Some("Your API key")
    );
    assert_eq!(fetch(leaving.clone(), Method::POST, "/logout").await.1, "signed_out");
    assert_eq!(tell().await.0, 200);
    assert_eq!(deployment.rows("session").await, 2);
    assert_eq!(started(&deployment), processes, "the same processes");
    assert_nothing_is_told(&deployment, &provider);
}
