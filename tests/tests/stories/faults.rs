//! What fails around the functions: the table, the provider, room for sessions. Whoever asks meanwhile
//! is told what happened, loses nothing, and gets what they asked for as soon as the fault is gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;
use serde_json::json;
use shared::store::memory::MemoryStore;
use tests::{
    answer::Answer,
    line::Condition,
    misbehaving_provider::{ADA, Endpoint, GRACE},
    observed_store::ObservedStore,
    site::Site,
    table,
    visitor::{LOGIN, SESSION, Visitor},
};

const LATER: &str = "Please try again in a moment";
const OFFLINE: (&str, &str) = ("SCOPE", "openid profile email offline_access");

/// People who each are about to ask for something else.
struct Everybody {
    site: Site,
    /// Has a session, whose token may be renewed.
    member: Visitor,
    /// The token of that session.
    key: String,
    /// Has logged in at the provider and is about to bring this back.
    returning: (Visitor, String),
    /// Is about to log out.
    leaving: Visitor,
    /// The token of somebody who is about to log out by it.
    leaving_key: String,
    /// Has left the provider, which is about to say so by this token.
    gone: (Visitor, String),
}

/// What each of them was answered.
struct Answers {
    home: Answer,
    login: Answer,
    callback: Answer,
    by_cookie: Answer,
    by_token: Answer,
    logout: Answer,
    logout_by_token: Answer,
    refresh: Answer,
    backchannel: Answer,
}

impl Everybody {
    /// They all come while nothing fails.
    async fn gather(site: &Site) -> Self {
        let mut member = Visitor::logged_in(site, ADA).await;
        let key = member.api_key().await;
        let leaving = Visitor::logged_in(site, ADA).await;
        let leaving_key = Visitor::logged_in(site, ADA).await.api_key().await;
        let gone = Visitor::logged_in(site, GRACE).await;
        site.pass(100);
        let logout_token = site.provider().logout_token(GRACE, &json!({}));
        let mut returning = Visitor::new(site);
        let request = returning.start("/login?return_to=/reports").await;
        let back = site.provider().log_in(&request, ADA);
        Self {
            site: site.clone(),
            member,
            key,
            returning: (returning, back),
            leaving,
            leaving_key,
            gone: (gone, logout_token),
        }
    }

    /// Has `site` answer them from now on.
    fn served_by(self, site: &Site) -> Self {
        let Self { member, returning: (returning, back), leaving, gone: (gone, token), .. } = self;
        Self {
            site: site.clone(),
            member: member.served_by(site),
            returning: (returning.served_by(site), back),
            leaving: leaving.served_by(site),
            gone: (gone.served_by(site), token),
            ..self
        }
    }

    /// All at once. What their browsers do with the answers is left out, so that they can ask again.
    async fn ask(&self) -> Answers {
        let copy = || self.member.clone();
        let (mut home, mut login, mut by_cookie, mut refresh) =
            (copy(), Visitor::new(&self.site), copy(), copy());
        let (mut returning, mut leaving) = (self.returning.0.clone(), self.leaving.clone());
        let bearer = format!("Bearer {}", self.leaving_key);
        let bearer = [("authorization", bearer.as_str())];
        let (
            home,
            login,
            callback,
            by_cookie,
            by_token,
            logout,
            logout_by_token,
            refresh,
            backchannel,
        ) = tokio::join!(
            home.open("/"),
            login.open("/login"),
            returning.arrive(&self.returning.1),
            by_cookie.fetch("/protected"),
            self.site.call_api(&self.key),
            leaving.submit("/logout"),
            self.site.send(Method::POST, "/logout", &bearer),
            refresh.refresh(),
            self.site.post_logout_token(&self.gone.1),
        );
        Answers {
            home,
            login,
            callback,
            by_cookie,
            by_token,
            logout,
            logout_by_token,
            refresh,
            backchannel,
        }
    }

    /// How many of the sessions that there were before still live: those of `member`, of the two who
    /// want to leave and of who is gone.
    async fn sessions(&self) -> [bool; 4] {
        let lives = async |visitor: &Visitor| {
            let mut visitor = visitor.clone();
            visitor.fetch("/protected").await.status() == 200
        };
        [
            lives(&self.member).await,
            lives(&self.leaving).await,
            self.site.call_api(&self.leaving_key).await.status() == 200,
            lives(&self.gone.0).await,
        ]
    }

    /// Everybody gets what they want.
    async fn are_served(&self) {
        let answers = self.ask().await;
        answers.home.is_a_page(200, "Your API key");
        assert!(answers.login.location().starts_with(&self.site.provider().issuer));
        assert_eq!(answers.callback.location(), "/reports");
        assert_eq!(answers.callback.cookies_set(), [SESSION]);
        assert_eq!(answers.by_cookie.json()["sub"], ADA.subject);
        assert_eq!(answers.by_token.json()["sub"], ADA.subject);
        assert!(answers.logout.location().starts_with(&self.site.provider().issuer));
        answers.logout_by_token.is_json(200, "signed_out");
        assert!(answers.refresh.json()["api_key"].is_string(), "{:?}", answers.refresh);
        assert_eq!((answers.backchannel.status(), answers.backchannel.text()), (200, ""));
        assert_eq!(self.sessions().await, [true, false, false, false]);
    }

    /// Whoever was about to come back starts once more, and is in.
    async fn start_again(&mut self) {
        self.returning.0.forget(SESSION);
        let request = self.returning.0.start("/login?return_to=/reports").await;
        self.returning.1 = self.site.provider().log_in(&request, ADA);
    }
}

fn is_later(answer: &Answer) {
    assert_eq!(answer.header("retry-after"), "5", "{answer:?}");
    assert!(!answer.has("www-authenticate"), "{answer:?}");
}

/// A 503 that changes nothing in the browser.
fn is_later_page(answer: &Answer) {
    answer.is_a_refusal(503, LATER);
    is_later(answer);
    assert!(!answer.has("set-cookie"), "{answer:?}");
}

fn is_later_json(answer: &Answer, code: &str) {
    answer.is_json(503, code);
    is_later(answer);
    assert!(!answer.has("set-cookie"), "{answer:?}");
}

/// The provider hears that its logout was not carried out.
fn is_not_carried_out(answer: &Answer, description: &str) {
    assert_eq!(answer.status(), 503, "{answer:?}");
    is_later(answer);
    let body = json!({ "error": "temporarily_unavailable", "error_description": description });
    assert_eq!(answer.json(), body);
}

/// R96, R128: whether the table cannot be reached or does not answer, nobody waits longer than three
/// seconds for it, which is told here with a real client of DynamoDB.
#[tokio::test]
async fn r096_while_the_table_is_out_of_reach_or_silent_everybody_is_told_and_nothing_is_lost() {
    for (condition, waits) in [(Condition::Cut, 0), (Condition::Stalls, 2_600)] {
        let (store, line) = table::at_the_end_of_a_line().await;
        let site = Site::start_over(ObservedStore::over(store), &[OFFLINE]).await;
        let everybody = Everybody::gather(&site).await;
        let asked = site.provider().token_requests();
        line.set(condition);
        let started = Instant::now();
        let answers = everybody.ask().await;
        let waited = started.elapsed().as_millis();
        // Three seconds, and what a busy machine takes besides.
        assert!((waits..6_000).contains(&waited), "{condition:?}: {waited} ms");
        assert_eq!(line.held_up() > 0, condition == Condition::Stalls);

        is_later_page(&answers.home);
        assert!(answers.login.location().starts_with(&site.provider().issuer), "it needs no table");
        is_later_page(&answers.callback);
        is_later_json(&answers.by_cookie, "session_store_unavailable");
        is_later_json(&answers.by_token, "session_store_unavailable");
        answers.logout.is_a_refusal(503, "The logout may be incomplete");
        is_later(&answers.logout);
        assert_eq!(answers.logout.cookies_cleared(), [SESSION]);
        is_later_json(&answers.logout_by_token, "session_store_unavailable");
        is_later_json(&answers.refresh, "session_store_unavailable");
        is_not_carried_out(&answers.backchannel, "the sessions may not all have ended");
        let Answers { home, callback, by_cookie, logout, refresh, backchannel, .. } = &answers;
        for answer in [home, callback, by_cookie, logout, refresh, backchannel] {
            for trace in ["dynamodb", "GetItem", "PutItem", "127.0.0.1:", "timed out"] {
                assert!(!answer.text().contains(trace), "{trace}: {answer:?}");
            }
        }
        assert_eq!(site.provider().token_requests(), asked, "no code and no token was used up");
        assert_eq!(site.store().sessions_created(), 4);

        line.set(Condition::Works);
        assert_eq!(everybody.sessions().await, [true; 4]);
        everybody.are_served().await;
        assert_eq!(site.store().sessions_created(), 5);
    }
}

/// In a process that knows nothing of the provider yet, and that nobody tells.
async fn in_a_fresh_process() -> (Site, Everybody) {
    let site = Site::start_with(&[OFFLINE]).await;
    let everybody = Everybody::gather(&site).await;
    let fresh = site.another_process(&[OFFLINE]);
    fresh.store().set_documents_down(true);
    let everybody = everybody.served_by(&fresh);
    (fresh, everybody)
}

/// What an outage looks like, and how many milliseconds of waiting it costs.
const OUTAGES: [(Endpoint, u128); 2] =
    [(Endpoint::Refuses(503, "down"), 0), (Endpoint::Slow, 4_500)];

/// Asks while an outage is there. However many wait for the provider, they wait for it together.
async fn ask_during(outage: Endpoint, waits: u128, everybody: &Everybody) -> Answers {
    let started = Instant::now();
    let answers = everybody.ask().await;
    let waited = started.elapsed().as_millis();
    assert!((waits..waits + 4_000).contains(&waited), "{outage:?}: {waited} ms");
    answers
}

#[tokio::test]
async fn r077_r111_without_the_providers_metadata_sessions_go_on_and_logins_come_later() {
    for (outage, waits) in OUTAGES {
        let (site, mut everybody) = in_a_fresh_process().await;
        let asked = site.provider().token_requests();
        site.provider().set_metadata_endpoint(outage);
        let answers = ask_during(outage, waits, &everybody).await;

        answers.home.is_a_page(200, "Your API key");
        assert_eq!(answers.by_cookie.json()["sub"], ADA.subject);
        is_later_page(&answers.login);
        answers.callback.is_a_refusal(503, LATER).offers("Start again", "/?return_to=%2Freports");
        is_later(&answers.callback);
        assert!(answers.callback.cookies_cleared()[0].starts_with(LOGIN), "it is used up");
        is_later_json(&answers.by_token, "identity_provider_unavailable");
        answers.logout.is_a_page(200, "You are logged out here");
        assert_eq!(answers.logout.cookies_cleared(), [SESSION]);
        is_later_json(&answers.logout_by_token, "identity_provider_unavailable");
        is_later_json(&answers.refresh, "identity_provider_unavailable");
        let unknown = "the keys to verify the token are unavailable";
        is_not_carried_out(&answers.backchannel, unknown);
        assert_eq!(site.provider().token_requests(), asked, "no code and no token was used up");

        site.provider().set_metadata_endpoint(Endpoint::Works);
        site.pass(5);
        assert_eq!(everybody.sessions().await, [true, false, true, true]);
        everybody.start_again().await;
        everybody.are_served().await;
    }
}

#[tokio::test]
async fn r077_without_the_providers_keys_sessions_go_on_and_logins_come_later() {
    for (outage, waits) in OUTAGES {
        let (site, mut everybody) = in_a_fresh_process().await;
        let refreshes = site.provider().refreshes();
        site.provider().set_key_set_endpoint(outage);
        let answers = ask_during(outage, waits, &everybody).await;

        answers.home.is_a_page(200, "Your API key");
        assert_eq!(answers.by_cookie.json()["sub"], ADA.subject);
        assert!(answers.login.location().starts_with(&site.provider().issuer));
        answers.callback.is_a_refusal(503, LATER).offers("Start again", "/?return_to=%2Freports");
        is_later(&answers.callback);
        assert!(answers.callback.cookies_cleared()[0].starts_with(LOGIN), "it is used up");
        is_later_json(&answers.by_token, "identity_provider_unavailable");
        assert!(answers.logout.location().starts_with(&site.provider().issuer));
        is_later_json(&answers.logout_by_token, "identity_provider_unavailable");
        is_later_json(&answers.refresh, "identity_provider_unavailable");
        let unknown = "the keys to verify the token are unavailable";
        is_not_carried_out(&answers.backchannel, unknown);
        assert_eq!(site.store().sessions_created(), 4);
        assert_eq!(site.provider().refreshes(), refreshes + 1);

        site.provider().set_key_set_endpoint(Endpoint::Works);
        site.pass(5);
        assert_eq!(everybody.sessions().await, [true, false, true, true]);
        everybody.start_again().await;
        // The refresh token that came with what could not be verified was kept.
        everybody.are_served().await;
        assert_eq!(site.provider().refreshes(), refreshes + 2);
    }
}

#[tokio::test]
async fn r039_r134_without_the_token_endpoint_sessions_go_on_and_logins_come_later() {
    for (outage, waits) in OUTAGES {
        let (site, mut everybody) = in_a_fresh_process().await;
        site.provider().set_token_endpoint(outage);
        let answers = ask_during(outage, waits, &everybody).await;

        answers.home.is_a_page(200, "Your API key");
        assert_eq!(answers.by_cookie.json()["sub"], ADA.subject);
        assert_eq!(answers.by_token.json()["sub"], ADA.subject);
        assert!(answers.login.location().starts_with(&site.provider().issuer));
        if outage == Endpoint::Slow {
            // Nobody knows whether the code was redeemed, so nobody is told to send it again.
            answers.callback.is_a_refusal(502, "You were not logged in");
            assert!(!answers.callback.has("retry-after"));
        } else {
            answers.callback.is_a_refusal(503, LATER);
            is_later(&answers.callback);
        }
        answers.callback.offers("Start again", "/?return_to=%2Freports");
        assert!(answers.callback.cookies_cleared()[0].starts_with(LOGIN), "it is used up");
        is_later_json(&answers.refresh, "identity_provider_unavailable");
        assert!(answers.logout.location().starts_with(&site.provider().issuer));
        answers.logout_by_token.is_json(200, "signed_out");
        assert_eq!(answers.backchannel.status(), 200);
        assert_eq!(site.store().sessions_created(), 4);
        assert_eq!(everybody.sessions().await, [true, false, false, false]);

        site.provider().set_token_endpoint(Endpoint::Works);
        site.pass(5);
        everybody.start_again().await;
        everybody.are_served().await;
    }
}

/// R182: the store of a local run is bounded. Whoever is in stays in, and as rows expire others can
/// come.
#[tokio::test]
async fn r096_a_full_store_lets_nobody_else_in_and_nobody_out() {
    // Two logins, each a session, a pointer and a mark, and two marks of logins that come to nothing.
    let store = Arc::new(MemoryStore::new(8));
    let site = Site::start_over(ObservedStore::over(store), &[OFFLINE]).await;
    let mut ada = Visitor::logged_in(&site, ADA).await;
    let key = ada.api_key().await;
    let mut grace = Visitor::logged_in(&site, GRACE).await;
    for number in 0..5 {
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login").await;
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        answer.is_a_refusal(503, LATER);
        is_later(&answer);
        assert_eq!(answer.cookies_cleared().len(), usize::from(number < 2), "{answer:?}");
        assert_eq!(visitor.session(), None);
    }
    assert_eq!((site.store().sessions_created(), site.store().marks()), (2, 4));
    assert_eq!(site.provider().token_requests(), 4, "no code is used up where no mark fits");
    let full = "the session store is full";
    assert_eq!(site.log().errors_of("login.failed"), [full; 5]);

    // Whoever is in goes on, with the token that there is.
    site.pass(100);
    for _ in 0..2 {
        is_later_json(&ada.refresh().await, "session_store_unavailable");
        assert_eq!(ada.fetch("/protected").await.status(), 200);
        assert_eq!(site.call_api(&key).await.status(), 200);
    }
    // A logout from elsewhere leaves a tombstone, for which there is no room either.
    let token = site.provider().logout_token(GRACE, &json!({}));
    let answer = site.post_logout_token(&token).await;
    is_not_carried_out(&answer, "the sessions may not all have ended");
    assert_eq!(grace.fetch("/protected").await.status(), 200);

    // It is no news that somebody leaves, and it makes room: for the tombstone, say.
    let mut leaving = grace.clone();
    leaving.submit("/logout").await.location();
    grace.fetch("/protected").await.is_json(401, "session_ended");
    assert_eq!(
        site.post_logout_token(&token).await.status(),
        503,
        "the token's mark finds no room"
    );

    // The marks are gone after twenty minutes, and there is room for what has waited.
    site.pass(1_200);
    let answer = ada.refresh().await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let new_key = answer.json()["api_key"].as_str().unwrap().to_owned();
    assert_eq!(site.call_api(&new_key).await.status(), 200);
    let mut other = Visitor::logged_in(&site, GRACE).await;
    assert_eq!(other.fetch("/protected").await.json()["sub"], GRACE.subject);
    let token = site.provider().logout_token(GRACE, &json!({}));
    site.pass(1);
    assert_eq!(site.post_logout_token(&token).await.status(), 200);
    other.fetch("/protected").await.is_json(401, "session_ended");
    assert_eq!(site.live_sessions().await, 1);
}

/// A store that is slow and answers in time is not noticed.
#[tokio::test]
async fn r096_a_table_that_stalls_for_a_moment_is_not_noticed() {
    let (store, line) = table::at_the_end_of_a_line().await;
    let site = Site::start_over(ObservedStore::over(store), &[OFFLINE]).await;
    let everybody = Everybody::gather(&site).await;
    line.set(Condition::Stalls);
    let mended = line.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        mended.set(Condition::Works);
    });
    everybody.are_served().await;
    assert!(line.held_up() > 0);
}
