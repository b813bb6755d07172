//! What only separate processes show.

use std::{collections::HashSet, time::Duration};

use http::Method;
use serde_json::Value;
use tests::{browser::Browser, watch::Watch};
use tokio::task::JoinSet;

/// Each instance of a function is a process of its own; what they share is the table. The provider
/// takes a refresh token once, and would end the session of whoever sent it twice.
#[tokio::test]
async fn r131_twenty_refreshes_by_several_processes_are_one_token_request_and_all_succeed() {
    let settings = [("SCOPE", "openid profile email offline_access"), ("TOKEN_LIFETIME", "30s")];
    let watch = Watch::start_deployed(6, &settings).await;
    let mut browser = Browser::at(watch.base_url());
    let login = browser.get("/login?connection=github").await.follow_all().await;
    let form = login.form_at("form:has(#email)");
    form.fill("email", "ada@example.com").submit().await.follow_all().await;
    assert!(browser.cookie("session").is_some());

    // A token is left alone for half of its life.
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
