//! Failures around the functions: the table, the provider, a full store. Each request during a failure
//! gets an error that explains it, loses nothing, and succeeds as soon as the failure is over.

use std::{collections::HashMap, sync::Arc, time::Instant};

use futures_util::future::{BoxFuture, join_all};
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

/// Visitors and callers, each about to send a different request.
struct Callers {
    site: Site,
    /// Has a session whose token may be renewed.
    member: Visitor,
    /// The token of that session.
    key: String,
    /// Has logged in at the provider and is about to open this callback URL.
    returning: (Visitor, String),
    /// Is about to log out.
    leaving: Visitor,
    /// The token of a user who is about to log out with it.
    leaving_key: String,
    /// Has logged out at the provider, which is about to send this logout token.
    gone: (Visitor, String),
}

/// The response to each of their requests, by its name.
type Answers = HashMap<&'static str, Answer>;

impl Callers {
    /// Creates them all before the failure.
    async fn gather(site: &Site) -> Self {
        let mut member = Visitor::logged_in(site, ADA).await;
        let key = member.api_key().await;
        // Its use puts the token's pointer into the cache, which is no substitute for the session's row.
        assert_eq!(site.call_api(&key).await.status(), 200);
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

    /// Sends their requests to `site` from now on.
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

    /// Sends all requests concurrently. The browsers do not store the responses, so they can repeat the
    /// requests.
    async fn ask(&self) -> Answers {
        let [mut home, mut by_cookie, mut refresh, mut asking, mut left] =
            [(); 5].map(|()| self.member.clone());
        let mut login = Visitor::new(&self.site);
        let (mut returning, mut leaving) = (self.returning.0.clone(), self.leaving.clone());
        let requests: [(_, BoxFuture<'_, Answer>); 11] = [
            ("home", Box::pin(home.open("/"))),
            ("login", Box::pin(login.open("/login"))),
            ("callback", Box::pin(returning.arrive(&self.returning.1))),
            ("by cookie", Box::pin(by_cookie.fetch("/protected"))),
            ("by token", Box::pin(self.site.call_api(&self.key))),
            ("logout", Box::pin(leaving.submit("/logout"))),
            ("logout page", Box::pin(asking.open("/logout"))),
            ("page after a logout", Box::pin(left.open("/signed-out"))),
            ("logout by token", Box::pin(self.site.post_with_key("/logout", &self.leaving_key))),
            ("refresh", Box::pin(refresh.refresh())),
            ("back-channel logout", Box::pin(self.site.post_logout_token(&self.gone.1))),
        ];
        let answers = requests.map(async |(name, request)| (name, request.await));
        join_all(answers).await.into_iter().collect()
    }

    /// Whether the original sessions still live: that of `member`, of the two who log out, and of
    /// `gone`.
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

    /// All requests succeed.
    async fn are_served(&self) {
        let answers = self.ask().await;
        answers["home"].is_a_page(200, "Your API key");
        assert!(answers["login"].location().starts_with(&self.site.provider().issuer));
        assert_eq!(answers["callback"].location(), "/reports");
        assert_eq!(answers["callback"].cookies_set(), [SESSION]);
        answers["logout page"].is_a_page(200, "Log out?");
        answers["page after a logout"].is_a_page(200, "You are still logged in");
        assert_eq!(answers["by cookie"].json()["sub"], ADA.subject);
        assert_eq!(answers["by token"].json()["sub"], ADA.subject);
        assert!(answers["logout"].location().starts_with(&self.site.provider().issuer));
        answers["logout by token"].is_json(200, "signed_out");
        assert!(answers["refresh"].json()["api_key"].is_string(), "{:?}", answers["refresh"]);
        assert_eq!(
            (answers["back-channel logout"].status(), answers["back-channel logout"].text()),
            (200, "")
        );
        assert_eq!(self.sessions().await, [true, false, false, false]);
    }

    /// The returning visitor starts the login again.
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

/// The provider gets the error that its logout has failed.
fn is_not_carried_out(answer: &Answer, description: &str) {
    assert_eq!(answer.status(), 503, "{answer:?}");
    is_later(answer);
    let body = json!({ "error": "temporarily_unavailable", "error_description": description });
    assert_eq!(answer.json(), body);
}

/// R96, R128: if the table is unreachable or does not answer, no request waits longer than three
/// seconds. This test uses a real DynamoDB client.
#[tokio::test]
async fn r096_while_the_table_is_unavailable_each_request_gets_an_error_and_nothing_is_lost() {
    for (condition, waits) in [(Condition::Cut, 0), (Condition::Stalls, 2_600)] {
        let (store, line) = table::at_the_end_of_a_line().await;
        let site = Site::start_over(ObservedStore::over(store), &[OFFLINE]).await;
        let callers = Callers::gather(&site).await;
        let asked = site.provider().token_requests();
        line.set(condition);
        let started = Instant::now();
        let answers = callers.ask().await;
        let waited = started.elapsed().as_millis();
        // Three seconds, plus a margin for a busy machine.
        assert!((waits..6_000).contains(&waited), "{condition:?}: {waited} ms");
        assert_eq!(line.held_up() > 0, condition == Condition::Stalls);

        for name in ["logout page", "page after a logout"] {
            assert_eq!(answers[name].status(), 503, "{name}");
            assert!(!answers[name].has("set-cookie"), "{name}");
        }
        is_later_page(&answers["home"]);
        assert!(
            answers["login"].location().starts_with(&site.provider().issuer),
            "it needs no table"
        );
        is_later_page(&answers["callback"]);
        is_later_json(&answers["by cookie"], "session_store_unavailable");
        is_later_json(&answers["by token"], "session_store_unavailable");
        answers["logout"].is_a_refusal(503, "The logout may be incomplete");
        is_later(&answers["logout"]);
        assert_eq!(answers["logout"].cookies_cleared(), [SESSION]);
        is_later_json(&answers["logout by token"], "session_store_unavailable");
        is_later_json(&answers["refresh"], "session_store_unavailable");
        is_not_carried_out(&answers["back-channel logout"], "the sessions may not all have ended");
        for answer in answers.values().filter(|answer| answer.status() == 503) {
            for trace in ["dynamodb", "GetItem", "PutItem", "127.0.0.1:", "timed out"] {
                assert!(!answer.text().contains(trace), "{trace}: {answer:?}");
            }
        }
        assert_eq!(site.provider().token_requests(), asked, "no code and no token was used up");
        assert_eq!(site.store().sessions_created(), 4);

        line.set(Condition::Works);
        assert_eq!(callers.sessions().await, [true; 4]);
        callers.are_served().await;
        assert_eq!(site.store().sessions_created(), 5);
    }
}

/// A new process that has no documents of the provider and cannot read them from the table.
async fn in_a_fresh_process() -> (Site, Callers) {
    let site = Site::start_with(&[OFFLINE]).await;
    let callers = Callers::gather(&site).await;
    let fresh = site.another_process(&[OFFLINE]);
    fresh.store().set_documents_down(true);
    let callers = callers.served_by(&fresh);
    (fresh, callers)
}

/// The kinds of outage, and the milliseconds of waiting that each costs.
const OUTAGES: [(Endpoint, u128); 2] =
    [(Endpoint::Refuses(503, "down"), 0), (Endpoint::Slow, 4_500)];

/// Sends all requests during an outage. All of them share the same wait for the provider.
async fn ask_during(outage: Endpoint, waits: u128, callers: &Callers) -> Answers {
    let started = Instant::now();
    let answers = callers.ask().await;
    let waited = started.elapsed().as_millis();
    assert!((waits..waits + 4_000).contains(&waited), "{outage:?}: {waited} ms");
    answers
}

#[tokio::test]
async fn r077_r111_without_the_providers_metadata_or_keys_sessions_work_and_logins_must_wait() {
    let cases = OUTAGES.into_iter().flat_map(|outage| [(outage, true), (outage, false)]);
    for ((outage, waits), is_metadata) in cases {
        let (site, mut callers) = in_a_fresh_process().await;
        let (provider, store) = (site.provider(), site.store());
        let (asked, refreshes) = (provider.token_requests(), provider.refreshes());
        let set = |behaviour| match is_metadata {
            true => provider.set_metadata_endpoint(behaviour),
            false => provider.set_key_set_endpoint(behaviour),
        };
        set(outage);
        let answers = ask_during(outage, waits, &callers).await;

        answers["home"].is_a_page(200, "Your API key");
        assert_eq!(answers["by cookie"].json()["sub"], ADA.subject);
        answers["callback"]
            .is_a_refusal(503, LATER)
            .offers("Start again", "/?return_to=%2Freports");
        is_later(&answers["callback"]);
        assert!(answers["callback"].cookies_cleared()[0].starts_with(LOGIN), "the login is over");
        is_later_json(&answers["by token"], "identity_provider_unavailable");
        is_later_json(&answers["logout by token"], "identity_provider_unavailable");
        is_later_json(&answers["refresh"], "identity_provider_unavailable");
        let unknown = "the keys to verify the token are unavailable";
        is_not_carried_out(&answers["back-channel logout"], unknown);
        assert_eq!(store.sessions_created(), 4);
        // The metadata names the pages of the provider and the token endpoint. Without the keys, the
        // refresh token is exchanged and the next one stored, although the new token cannot be verified.
        if is_metadata {
            is_later_page(&answers["login"]);
            let page = answers["logout"].is_a_page(200, "You are logged out here");
            page.offers("Go to the login page", "/");
            assert_eq!(answers["logout"].cookies_cleared(), [SESSION]);
            assert_eq!(provider.token_requests(), asked, "no code and no token was used up");
        } else {
            assert!(answers["login"].location().starts_with(&provider.issuer));
            assert!(answers["logout"].location().starts_with(&provider.issuer));
            assert_eq!(provider.refreshes(), refreshes + 1);
        }

        set(Endpoint::Works);
        site.pass(5);
        assert_eq!(callers.sessions().await, [true, false, true, true]);
        callers.start_again().await;
        let refreshes = provider.refreshes();
        callers.are_served().await;
        assert_eq!(provider.refreshes(), refreshes + 1);
    }
}

#[tokio::test]
async fn r039_r134_without_the_token_endpoint_sessions_work_and_logins_must_wait() {
    for (outage, waits) in OUTAGES {
        let (site, mut callers) = in_a_fresh_process().await;
        site.provider().set_token_endpoint(outage);
        let answers = ask_during(outage, waits, &callers).await;

        answers["home"].is_a_page(200, "Your API key");
        assert_eq!(answers["by cookie"].json()["sub"], ADA.subject);
        assert_eq!(answers["by token"].json()["sub"], ADA.subject);
        assert!(answers["login"].location().starts_with(&site.provider().issuer));
        if outage == Endpoint::Slow {
            // It is unknown whether the code was redeemed, so the response suggests no retry.
            answers["callback"].is_a_refusal(502, "You were not logged in");
            assert!(!answers["callback"].has("retry-after"));
        } else {
            answers["callback"].is_a_refusal(503, LATER);
            is_later(&answers["callback"]);
        }
        answers["callback"].offers("Start again", "/?return_to=%2Freports");
        assert!(answers["callback"].cookies_cleared()[0].starts_with(LOGIN), "the login is over");
        is_later_json(&answers["refresh"], "identity_provider_unavailable");
        assert!(answers["logout"].location().starts_with(&site.provider().issuer));
        answers["logout by token"].is_json(200, "signed_out");
        assert_eq!(answers["back-channel logout"].status(), 200);
        assert_eq!(site.store().sessions_created(), 4);
        assert_eq!(callers.sessions().await, [true, false, false, false]);

        site.provider().set_token_endpoint(Endpoint::Works);
        site.pass(5);
        callers.start_again().await;
        callers.are_served().await;
    }
}

/// R182: the store of a local run is bounded. Existing sessions stay, and expired rows make room for
/// new ones.
#[tokio::test]
async fn r096_a_full_store_accepts_no_new_session_and_keeps_the_existing_ones() {
    // Two logins, each with a session, a pointer and a mark, and two marks of failed logins.
    let store = Arc::new(MemoryStore::new(8));
    let site = Site::start_over(ObservedStore::over(store), &[OFFLINE]).await;
    let mut ada = Visitor::logged_in(&site, ADA).await;
    let key = ada.api_key().await;
    let mut grace = Visitor::logged_in(&site, GRACE).await;
    for number in 0..5 {
        let mut visitor = Visitor::new(&site);
        let answer = visitor.try_to_log_in_from("/login", ADA).await;
        answer.is_a_refusal(503, LATER);
        is_later(&answer);
        assert_eq!(answer.cookies_cleared().len(), usize::from(number < 2), "{answer:?}");
        assert_eq!(visitor.session(), None);
    }
    assert_eq!((site.store().sessions_created(), site.store().marks()), (2, 4));
    assert_eq!(site.provider().token_requests(), 4, "no code is redeemed if its mark does not fit");
    let full = "the session store is full";
    assert_eq!(site.log().errors_of("login.failed"), [full; 5]);

    // Logged-in users continue with their present token.
    site.pass(100);
    is_later_json(&ada.refresh().await, "session_store_unavailable");
    assert_eq!(site.call_api(&key).await.status(), 200);
    // A back-channel logout writes a tombstone, which does not fit either.
    let token = site.provider().logout_token(GRACE, &json!({}));
    let answer = site.post_logout_token(&token).await;
    is_not_carried_out(&answer, "the sessions may not all have ended");
    assert_eq!(grace.fetch("/protected").await.status(), 200);
    // A logout needs no new row.
    grace.submit("/logout").await.location();

    // The marks expire after twenty minutes and make room for the waiting requests.
    site.pass(1_200);
    assert_eq!(ada.refresh().await.status(), 200);
    let mut other = Visitor::logged_in(&site, GRACE).await;
    let token = site.provider().logout_token(GRACE, &json!({}));
    site.pass(1);
    assert_eq!(site.post_logout_token(&token).await.status(), 200);
    other.fetch("/protected").await.is_json(401, "session_ended");
    assert_eq!(site.live_sessions().await, 1);
}
