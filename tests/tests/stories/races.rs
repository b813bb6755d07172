//! Concurrent requests: a logout during other requests, two logins in one browser.

use http::Method;
use serde_json::json;
use tests::{
    answer::Answer,
    misbehaving_provider::ADA,
    site::Site,
    visitor::{LOGIN, SESSION, Visitor},
};
use tokio::task::JoinSet;

const HOUR: u64 = 3_600;

/// Starts ten requests with the cookie and ten with the token.
fn twenty_requests(site: &Site, visitor: &Visitor, token: &str) -> JoinSet<Answer> {
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let mut visitor = visitor.clone();
        requests.spawn(async move { visitor.fetch("/protected").await });
        let (site, token) = (site.clone(), token.to_owned());
        requests.spawn(async move { site.call_api(&token).await });
    }
    requests
}

/// A new request reports that the session has ended, with either credential.
async fn assert_is_over(site: &Site, visitor: &Visitor, token: &str) {
    visitor.clone().fetch("/protected").await.is_json(401, "session_ended");
    site.call_api(token).await.is_json(401, "session_ended");
    assert_eq!(site.live_sessions().await, 0);
}

/// R94, R106, R114: the requests read the row before the session ends, and answer after it.
#[tokio::test]
async fn r106_a_request_in_progress_during_a_logout_is_answered_and_the_next_is_rejected() {
    // Two hours after the login, each request also updates the last use.
    for (unused, by_provider, status) in
        [(0, false, 200), (2 * HOUR, false, 401), (2 * HOUR, true, 401)]
    {
        let (site, mut leaving) = Site::start_logged_in(&[]).await;
        let token = leaving.api_key().await;
        let visitor = leaving.clone();
        site.pass(unused);
        let gate = site.store().hold("session");
        let requests = twenty_requests(&site, &visitor, &token);
        gate.arrivals(20).await;
        site.store().let_pass();

        if by_provider {
            let logout_token = site.provider().logout_token(ADA, &json!({}));
            assert_eq!(site.post_logout_token(&logout_token).await.status(), 200);
        } else {
            leaving.submit("/logout").await.location();
        }
        assert_is_over(&site, &visitor, &token).await;
        gate.open();
        for answer in requests.join_all().await {
            assert_eq!(answer.status(), status, "{answer:?}");
            if status == 401 {
                answer.is_json(401, "session_ended");
            } else {
                assert_eq!(answer.json()["sub"], ADA.subject);
            }
        }
        assert_is_over(&site, &visitor, &token).await;
    }
}

/// R94: the last use was written before the logout, and the response arrives after it.
#[tokio::test]
async fn r094_a_slide_in_progress_during_a_logout_does_not_restore_the_session() {
    let (site, mut leaving) = Site::start_logged_in(&[]).await;
    let token = leaving.api_key().await;
    let visitor = leaving.clone();
    site.pass(2 * HOUR);
    let reads = site.store().hold("session");
    let requests = twenty_requests(&site, &visitor, &token);
    reads.arrivals(20).await;
    let slides = site.store().hold("slide");
    reads.open();
    slides.arrivals(20).await;
    site.store().let_pass();

    leaving.submit("/logout").await.location();
    assert_is_over(&site, &visitor, &token).await;
    slides.open();
    for answer in requests.join_all().await {
        assert_eq!(answer.json()["sub"], ADA.subject, "{answer:?}");
    }
    assert_is_over(&site, &visitor, &token).await;
}

/// R16: each tab has its login cookie, and neither clears the other's. Neither knows the other's
/// session, so the browser keeps the cookie that arrives last. The other session expires unused, or
/// ends with the user's other sessions.
#[tokio::test]
async fn r016_two_tabs_finish_concurrently_and_the_browser_has_one_session() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let mut tabs = Vec::new();
    for tab in ["/tab-0", "/tab-1"] {
        let before = visitor.login_cookies();
        let request = visitor.start(&format!("/login?return_to={tab}")).await;
        let mut cookies = visitor.login_cookies();
        cookies.retain(|cookie| !before.contains(cookie));
        let back = site.provider().log_in(&request, ADA);
        tabs.push((tab, cookies, back));
    }
    assert_eq!(visitor.login_cookies().len(), 2);

    let gate = site.store().hold("claim");
    let mut arrivals = JoinSet::new();
    for (tab, cookies, back) in tabs {
        let mut visitor = visitor.clone();
        arrivals.spawn(async move {
            let answer = visitor.arrive(&back).await;
            assert_eq!(answer.location(), tab);
            assert_eq!(answer.cookies_cleared(), cookies, "it clears only its login cookie");
            assert_eq!(answer.cookies_set(), [SESSION]);
            answer
        });
    }
    gate.arrivals(2).await;
    gate.open();
    let answers = arrivals.join_all().await;
    let sessions: Vec<_> = answers.iter().map(session_in).collect();
    assert_ne!(sessions[0], sessions[1]);
    assert_eq!(site.provider().token_requests(), 2);
    assert_eq!(site.live_sessions().await, 2);

    // The browser receives both responses in this order.
    answers.iter().for_each(|answer| visitor.hear(answer));
    assert_eq!(visitor.session(), Some(sessions[1].as_str()));
    assert_eq!(visitor.login_cookies(), [""; 0], "no login is in progress");
    assert_eq!(visitor.fetch("/protected").await.json()["sub"], ADA.subject);
    visitor.submit("/logout?everywhere=true").await.location();
    assert_eq!(site.live_sessions().await, 0);
}

/// R17, R18: of twenty concurrent callbacks, the first is delayed after it has claimed the state. All
/// others are rejected meanwhile, and the first finishes.
#[tokio::test]
async fn r018_the_first_claim_of_the_state_finishes_even_if_delayed() {
    let site = Site::start().await;
    let (visitor, back) = site.returning(ADA).await;
    let gate = site.store().hold("claim");
    let mut first = visitor.clone();
    let arriving = back.clone();
    let first = tokio::spawn(async move { first.arrive(&arriving).await });
    gate.arrival().await;
    site.store().let_pass();
    let mut others = JoinSet::new();
    for _ in 0..19 {
        let (mut visitor, back) = (visitor.clone(), back.clone());
        others.spawn(async move { visitor.arrive(&back).await });
    }
    for answer in others.join_all().await {
        answer.is_a_refusal(400, "This login can't be finished").offers("Start again", "/");
        assert!(answer.cookies_cleared().iter().all(|name| name.starts_with(LOGIN)));
    }
    assert_eq!((site.provider().token_requests(), site.store().sessions_created()), (0, 0));
    gate.open();
    assert_eq!(first.await.unwrap().location(), "/");
    assert_eq!((site.provider().token_requests(), site.store().sessions_created()), (1, 1));
    assert_eq!(site.log().errors_of("login.replayed").len(), 19);
}

/// R105, R110: concurrent logouts are no error.
#[tokio::test]
async fn r110_twenty_concurrent_logouts_all_succeed() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let token = visitor.api_key().await;
    let bearer = format!("Bearer {token}");
    let gate = site.store().hold("session");
    let mut logouts = JoinSet::new();
    for _ in 0..10 {
        let mut visitor = visitor.clone();
        logouts.spawn(async move { visitor.submit("/logout").await });
        let (site, bearer) = (site.clone(), bearer.clone());
        logouts.spawn(async move {
            site.send(Method::POST, "/logout", &[("authorization", &bearer)]).await
        });
    }
    gate.arrivals(20).await;
    gate.open();
    for answer in logouts.join_all().await {
        match answer.status() {
            303 => assert_eq!(answer.cookies_cleared(), [SESSION]),
            _ => drop(answer.is_json(200, "signed_out")),
        }
    }
    assert_is_over(&site, &visitor, &token).await;
}

fn session_in(answer: &Answer) -> String {
    let cookies = answer.cookies();
    let session = cookies.iter().find(|cookie| cookie.name() == SESSION);
    session.unwrap().value().to_owned()
}
