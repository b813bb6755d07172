//! The session and its cookie.

use std::collections::BTreeSet;

use http::Method;
use serde_json::json;
use shared::{crypto::secret::SessionSecret, testing::tokens::TEST_KEY};
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, GRACE, User},
    secrets::{assert_absent, contains},
    site::{CLIENT_SECRET, SECRET_KEY, Site},
    story::parameter,
    visitor::{SESSION, Sending, Visitor},
};

const HOUR: u64 = 3_600;
const OFFLINE: (&str, &str) = ("SCOPE", "openid profile email offline_access");

#[tokio::test]
async fn r087_a_malformed_cookie_is_cleared_and_costs_no_read() {
    let site = Site::start().await;
    let good = Visitor::logged_in(&site, ADA).await.session().unwrap().to_owned();
    let before = site.store().calls();
    let encoded = format!("%{:02X}{}", good.as_bytes()[0], &good[1..]);
    for value in ["x", "é", &encoded, &format!("{good}A")] {
        let mut visitor = Visitor::new(&site);
        visitor.plant(SESSION, value);
        let page = visitor.open("/").await;
        page.is_a_page(200, "Log in");
        assert_eq!(page.cookies_cleared(), [SESSION], "{value}");
        visitor.plant(SESSION, value);
        let answer = visitor.fetch("/protected").await;
        answer
            .is_json(401, "session_ended")
            .challenges(r#"Bearer realm="api", error="invalid_token""#);
        visitor.open("/logout").await.is_a_page(200, "You are logged out");
        visitor.open("/signed-out").await.is_a_page(200, "You are logged out");
    }
    assert_eq!(site.store().calls(), before);

    let mut stranger = Visitor::new(&site);
    stranger.plant(SESSION, &"B".repeat(42).chars().chain(['A']).collect::<String>());
    let page = stranger.open("/").await;
    page.is_a_page(200, "Log in");
    assert_eq!(page.cookies_cleared(), [SESSION]);
}

#[tokio::test]
async fn r088_the_session_cookie_lives_as_long_as_the_session() {
    let cookies = Visitor::new(&Site::start().await).log_in(ADA).await.cookies();
    let cookie = cookies.iter().find(|cookie| cookie.name() == SESSION).unwrap();
    // The other attributes are asserted for every cookie in every story.
    assert_eq!(cookie.max_age().unwrap().whole_seconds(), 36_000);
    assert!(SessionSecret::parse(cookie.value()).is_some());
}

#[tokio::test]
async fn r089_a_second_or_similarly_named_session_cookie_gives_no_access_to_its_session() {
    let (site, victim) = Site::start_logged_in(&[]).await;
    let attacker = Visitor::logged_in(&site, GRACE).await;
    let (ours, theirs) = (victim.session().unwrap(), attacker.session().unwrap());
    for (cookies, subject) in [
        (format!("{SESSION}={ours}; {SESSION}={theirs}"), None),
        (format!("{SESSION}={theirs}; {SESSION}={ours}"), None),
        (format!("__host-session={theirs}"), None),
        (format!("={SESSION}={theirs}; {SESSION}={ours}"), Some(ADA.subject)),
        (format!("$Version=1; {SESSION}={theirs}; $Path=/"), Some(GRACE.subject)),
    ] {
        let answer = site.get("/protected", &[("cookie", &cookies)]).await;
        match subject {
            Some(subject) => assert_eq!(answer.json()["sub"], subject, "{cookies}"),
            None => assert_eq!(answer.status(), 401, "{cookies}"),
        }
    }
}

#[tokio::test]
async fn r091_the_settings_define_idle_time_and_lifetime() {
    let settings = [("SESSION_IDLE", "10m"), ("SESSION_LIFETIME", "15m")];
    let (site, mut visitor) = Site::start_logged_in(&settings).await;
    site.pass(599);
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    site.assert_ends_in(301, &mut visitor).await;
}

/// R92: the row still exists; only its own time shows that the session has expired.
#[tokio::test]
async fn r092_r099_a_session_ends_with_its_token_although_its_row_still_exists() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let token = visitor.api_key().await;
    site.pass(10 * HOUR - 1);
    assert_eq!(site.call_api(&token).await.status(), 200);
    site.assert_ends_in(1, &mut visitor).await;
    // Verification alone would accept the token for another 30 s of clock skew. Its session has
    // expired, because the token has.
    site.call_api(&token).await.is_json(401, "token_expired");
    site.pass(30);
    site.call_api(&token).await.is_json(401, "token_expired");
}

#[tokio::test]
async fn r099_a_session_ends_at_the_session_expiry_of_the_provider() {
    let site = Site::start().await;
    site.provider().change_claims(json!({ "session_expiry": site.now().as_unix() + 600 }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    site.assert_ends_in(600, &mut visitor).await;
}

/// R86, R98: a dump of the store is useless, after a login, a refresh and a back-channel logout.
#[tokio::test]
async fn r086_r098_a_dump_of_the_store_contains_no_secret_and_no_personal_data() {
    let site = Site::start_with(&[OFFLINE, ("AUDIENCE", "https://api.example")]).await;
    let provider = site.provider();
    provider.change_claims(json!({ "sid": "the provider's session" }));
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login").await;
    visitor.arrive(&provider.log_in(&request, ADA)).await;
    let (login, token_request) = (provider.last_token_response(), provider.last_token_request());
    let cookie = visitor.session().unwrap().to_owned();
    site.pass(100);
    assert_eq!(visitor.refresh().await.status(), 200);
    let refreshed = provider.last_token_response();
    let logout = provider.logout_claims(ADA, &json!({ "sid": "the provider's session" }));
    assert_eq!(site.post_logout_token(&TEST_KEY.sign(&logout)).await.status(), 200);

    let dump = site.store().dump();
    for response in [login, refreshed] {
        for name in ["id_token", "access_token", "refresh_token"] {
            let token = response[name].as_str().unwrap();
            let signature = token.rsplit('.').next().unwrap();
            assert_absent(&dump, &[(name, token), ("its signature", signature)]);
        }
    }
    assert_absent(
        &dump,
        &[
            ("the cookie", &cookie),
            ("the e-mail", ADA.email),
            ("the name", ADA.name),
            ("the subject", ADA.subject),
            ("the picture", ADA.picture),
            ("the sid", "the provider's session"),
            ("the jti", logout["jti"].as_str().unwrap()),
            ("the state", &parameter(&request, "state")),
            ("the nonce", &parameter(&request, "nonce")),
            ("the verifier", &token_request["code_verifier"]),
            ("the code", &token_request["code"]),
            ("the client secret", CLIENT_SECRET),
            ("the secret key", SECRET_KEY),
        ],
    );
    let secret = SessionSecret::parse(&cookie).unwrap();
    assert!(!contains(&dump, secret.as_bytes()));
    // The search works: it finds the digest that is the session's key in the store.
    assert!(contains(&dump, secret.digest().as_bytes()));
    // The digest is no credential for a thief of the table.
    provider.change_claims(json!({}));
    let mut visitor = Visitor::logged_in(&site, GRACE).await;
    let secret = SessionSecret::parse(visitor.session().unwrap()).unwrap();
    site.assert_ended(&secret.digest().to_string()).await;
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
}

#[tokio::test]
async fn r100_a_visitor_who_is_not_logged_in_gets_no_session_and_no_cookie() {
    let site = Site::start().await;
    for path in ["/", "/protected", "/logout", "/signed-out", "/callback", "/nowhere"] {
        let mut visitor = Visitor::new(&site);
        assert!(!visitor.open(path).await.has("set-cookie"), "{path}");
        assert!(!site.get(path, &[]).await.has("set-cookie"), "{path}");
    }
    assert!(!Visitor::new(&site).submit("/logout").await.has("set-cookie"));
    assert_eq!(site.store().calls(), 0);
}

/// R101: the key page and the answer of a refresh show the key. No answer shows another token.
#[tokio::test]
async fn r101_only_the_key_page_and_a_refresh_show_the_key() {
    let site = Site::start_with(&[OFFLINE]).await;
    let mut visitor = Visitor::new(&site);
    let mut answers = vec![visitor.log_in(ADA).await];
    let login = site.provider().last_token_response();
    let key = login["id_token"].as_str().unwrap().to_owned();
    for path in ["/protected", "/logout", "/signed-out", "/nowhere", "/login"] {
        answers.push(visitor.open(path).await);
    }
    answers.extend([visitor.fetch("/protected").await, site.call_api(&key).await]);
    let page = visitor.open("/").await;
    assert!(page.text().contains(key.rsplit('.').next().unwrap()));
    assert!(!page.text().contains(visitor.session().unwrap()));
    site.pass(100);
    let refresh = visitor.refresh().await;
    let refreshed = site.provider().last_token_response();
    assert_eq!(refresh.json()["api_key"], refreshed["id_token"]);
    answers.push(visitor.submit("/signed-out").await);
    for (response, with_key) in [(&login, &page), (&refreshed, &refresh)] {
        for name in ["id_token", "access_token", "refresh_token"] {
            let token = response[name].as_str().unwrap();
            let end = &token[token.len() - 20..];
            let is_shown = |answer: &Answer| format!("{answer:?}").contains(end);
            assert!(!answers.iter().any(is_shown), "{name}: {answers:?}");
            assert_eq!(is_shown(with_key), name == "id_token", "{name}: {with_key:?}");
        }
    }
    let refresh_token = refreshed["refresh_token"].as_str().unwrap().to_owned();
    let logout = visitor.submit("/logout").await;
    assert!(!format!("{logout:?}").contains(&refresh_token), "{logout:?}");
}

#[tokio::test]
async fn r101_with_show_key_false_neither_the_page_nor_a_refresh_shows_the_key() {
    let (site, mut visitor) = Site::start_logged_in(&[OFFLINE, ("SHOW_KEY", "false")]).await;
    let page = visitor.open("/").await;
    page.is_a_page(200, "Your session");
    assert!(page.texts("#token").is_empty() && page.texts("#curl").is_empty());
    let login = site.provider().last_token_response();
    assert_eq!(visitor.fetch("/protected").await.json()["sub"], ADA.subject);
    site.pass(100);
    let refresh = visitor.refresh().await;
    let members: BTreeSet<_> = refresh.json().as_object().unwrap().keys().cloned().collect();
    let expected = ["expires_at", "expires_in", "renew_in", "session_ends_at"];
    assert!(members.iter().eq(&expected), "{members:?}");
    for (answer, response) in [(page, login), (refresh, site.provider().last_token_response())] {
        for name in ["id_token", "access_token", "refresh_token"] {
            let token = response[name].as_str().unwrap();
            assert!(!answer.text().contains(&token[token.len() - 20..]), "{name}");
        }
    }
}

#[tokio::test]
async fn r102_the_headers_of_a_browser_with_five_logins_fit_the_gateways_limit() {
    let site = Site::start().await;
    let long = User { name: "Ada Augusta King, Countess of Lovelace", ..ADA };
    let mut visitor = Visitor::logged_in(&site, long).await;
    for _ in 0..5 {
        visitor.start("/login?return_to=/reports").await;
    }
    assert_eq!(visitor.login_cookies().len(), 5);
    // A long login cookie evicts other login cookies instead of increasing the total size.
    let target = format!("/reports?filter={}", "x".repeat(300));
    for _ in 0..7 {
        visitor.start(&format!("/login?return_to={target}&login_hint={}", "a".repeat(250))).await;
        assert!(visitor.cookie_header().len() < 4_096);
    }
    let request = visitor.request(&http::Method::GET, "/", Sending::NAVIGATION, &[]);
    let size: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    assert!(size < 10_240, "{size}");
    assert!(visitor.session().is_some() && visitor.login_cookies().len() > 1);
}

/// The pointer of a token is cached after the first use; the session's row is read each time.
#[tokio::test]
async fn a_token_costs_two_reads_the_first_time_and_then_one_like_a_cookie() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let token = visitor.api_key().await;
    // The first request reads its pointer together with the provider's keys, so it is not counted here.
    let other = Visitor::logged_in(&site, GRACE).await.api_key().await;
    assert_eq!(site.call_api(&other).await.status(), 200);
    for reads in [2, 1, 1] {
        let before = site.store().calls();
        assert_eq!(site.call_api(&token).await.status(), 200);
        assert_eq!(site.store().calls() - before, reads);
    }
    for _ in 0..2 {
        let before = site.store().calls();
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
        assert_eq!(site.store().calls() - before, 1);
    }
}

/// The key page polls in the background, with a header that marks the request as a poll. By token and
/// by cookie, a poll finds the session and does not extend it.
#[tokio::test]
async fn r207_a_background_poll_does_not_extend_the_session() {
    const TENTH: u64 = 120;
    for by_cookie in [true, false] {
        let (site, mut visitor) = Site::start_logged_in(&[("SESSION_IDLE", "20m")]).await;
        let authorization = format!("Bearer {}", visitor.api_key().await);
        let mut ask = async |poll: &str| {
            let poll = ("x-session-poll", poll);
            if by_cookie {
                visitor.send(Method::GET, "/protected", Sending::SCRIPT, &[poll]).await
            } else {
                site.get("/protected", &[("authorization", &authorization), poll]).await
            }
        };
        // One real use, then only polls.
        site.pass(TENTH);
        assert_eq!(ask("0").await.status(), 200);
        assert!(site.store().take_calls().contains(&"slide"));
        for _ in 0..9 {
            site.pass(TENTH);
            assert_eq!(ask("1").await.status(), 200);
            assert!(!site.store().take_calls().contains(&"slide"));
        }
        site.pass(TENTH - 1);
        assert_eq!(ask("1").await.status(), 200);
        site.pass(1);
        ask("1").await.is_json(401, "session_ended");
    }
}
