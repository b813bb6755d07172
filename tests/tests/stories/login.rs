//! `/` and `/login`.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::Method;
use serde_json::json;
use tests::{
    misbehaving_provider::{ADA, Endpoint, GRACE},
    site::{CLIENT_ID, CLIENT_SECRET, ORIGIN, Site},
    story::parameter,
    visitor::{LOGIN, SESSION, Sending, Visitor},
};
use url::Url;

const LATER: &str = "Please try again in a moment";

/// A login link with these parameters.
fn link(parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    format!("/login?{}", query.extend_pairs(parameters).finish())
}

#[tokio::test]
async fn a_visitor_logs_in_and_sees_their_key() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let page = visitor.open("/").await;
    page.is_a_page(200, "Log in");
    assert_eq!(
        page.texts(".methods a"),
        ["Continue with Email and password", "Continue with Google"]
    );
    let link = page.attributes(".methods a", "href").remove(1);
    assert_eq!(link, "/login?connection=google-oauth2");

    let request = visitor.start(&link).await;
    assert_eq!(parameter(&request, "connection"), "google-oauth2");
    let back = site.provider().log_in(&request, ADA);
    let answer = visitor.arrive(&back).await;
    assert_eq!(answer.location(), "/");
    assert_eq!(answer.cookies_set(), [SESSION]);
    assert_eq!(site.store().sessions_created(), 1);
    assert_eq!(site.provider().token_requests(), 1);

    let page = visitor.follow(&answer).await;
    page.is_a_page(200, "Your API key");
    let token = site.provider().last_token_response()["id_token"].as_str().unwrap().to_owned();
    assert_eq!(page.texts("#token"), [token.as_str()]);
    assert_eq!(page.texts(".name"), [ADA.name]);
    assert_eq!(page.texts(".email"), [ADA.email]);
    assert_eq!(page.attributes("#picture", "src"), [ADA.picture]);
    let curl = format!("curl -H 'Authorization: Bearer {token}' {ORIGIN}/protected");
    assert_eq!(page.texts("#curl"), [curl]);
    assert_eq!(page.attributes("#time-left", "data-seconds"), ["36000"]);
    assert!(page.texts("#token-claims")[0].contains(ADA.subject));

    let user = site.call_api(&token).await;
    assert_eq!(user.status(), 200);
    assert_eq!(
        user.json(),
        serde_json::json!({
            "sub": ADA.subject, "name": ADA.name, "email": ADA.email, "email_verified": true,
            "picture": ADA.picture, "updated_at": "2026-11-24T20:35:51.000Z",
        })
    );
    let by_cookie = visitor.fetch("/protected").await;
    assert_eq!((by_cookie.status(), by_cookie.json()), (200, user.json()));
}

#[tokio::test]
async fn r001_r002_a_login_has_new_random_secrets_and_each_parameter_once() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let requests = [visitor.start("/login").await, visitor.start("/login").await];
    for name in ["state", "nonce", "code_challenge"] {
        let [first, second] = [0, 1].map(|index: usize| parameter(&requests[index], name));
        assert_ne!(first, second, "{name}");
        for value in [first, second] {
            assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(&value).unwrap().len(), 32, "{name}");
        }
    }
    let request = &requests[0];
    assert!(request.as_str().starts_with(&format!("{}authorize?", site.provider().issuer)));
    let fixed = [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", &format!("{ORIGIN}/callback")),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in fixed {
        assert_eq!(parameter(request, name), value);
    }
    assert_eq!(request.query_pairs().count(), fixed.len() + 3);

    visitor.arrive(&site.provider().log_in(request, ADA)).await;
    let verifier = site.provider().last_token_request()["code_verifier"].clone();
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(&verifier).unwrap().len(), 32);
    let challenge = shared::crypto::secret::Digest::of(&verifier).to_string();
    assert_eq!(challenge, parameter(request, "code_challenge"));
    for secret in [verifier.as_str(), CLIENT_SECRET] {
        assert!(!request.as_str().contains(secret));
    }
}

/// R184: an invitation is forwarded together with its organization.
#[tokio::test]
async fn r003_a_login_link_can_set_only_the_listed_parameters() {
    let site = Site::start().await;
    for (name, value) in [
        ("redirect_uri", "https://evil.example/callback"),
        ("client_id", "evil-client"),
        ("response_type", "token"),
        ("response_mode", "fragment"),
        ("state", "evil-state"),
        ("nonce", "evil-nonce"),
        ("code_challenge", "evil-challenge"),
        ("code_challenge_method", "plain"),
        ("scope", "evil:scope"),
        ("audience", "https://evil.example"),
        ("request", "evil.jwt.x"),
        ("request_uri", "https://evil.example/request"),
        ("organization_name", "evil-org"),
        ("max_age", "86399"),
    ] {
        let request = Visitor::new(&site).start(&link(&[(name, value)])).await;
        assert!(!request.query_pairs().any(|(_, found)| found == value), "{request}");
        assert_eq!(request.query_pairs().count(), 8, "{request}");
    }
    let link = "/login?screen_hint=signup&connection=github&organization=org_1&invitation=inv\
                &login_hint=ada%40lovelace.example&ui_locales=de+fr&prompt=login";
    let request = Visitor::new(&site).start(link).await;
    for (name, value) in [
        ("screen_hint", "signup"),
        ("connection", "github"),
        ("organization", "org_1"),
        ("invitation", "inv"),
        ("login_hint", "ada@lovelace.example"),
        ("ui_locales", "de fr"),
        ("prompt", "login"),
    ] {
        assert_eq!(parameter(&request, name), value);
    }
}

#[tokio::test]
async fn r004_an_invalid_parameter_starts_no_login() {
    let site = Site::start().await;
    let long = "a".repeat(257);
    for query in [
        "connection=a&connection=b",
        "connection=a&connection=a",
        "connection=a%0d%0aSet-Cookie:x",
        "login_hint=a%00",
        "ui_locales=%7f",
        "return_to=/a&return_to=/b",
        &format!("connection={long}"),
        &format!("prompt={long}"),
    ] {
        let mut visitor = Visitor::new(&site);
        let answer = visitor.open(&format!("/login?{query}")).await;
        answer
            .is_a_refusal(400, "This login link is not valid")
            .offers("Go to the login page", "/");
        assert!(!answer.has("set-cookie"), "{query}");
        let answer = site.get(&format!("/login?{query}"), &[]).await;
        answer.is_json(400, "invalid_request");
    }
    assert_eq!(site.store().calls(), 0);
}

#[tokio::test]
async fn r005_no_client_header_changes_the_redirect_uri() {
    let site = Site::start().await;
    for headers in [
        &[("host", "evil.example")][..],
        &[("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "http")],
        &[("forwarded", "host=evil.example;proto=http")],
        &[("x-original-host", "evil.example"), ("x-host", "evil.example")],
        &[("origin", "https://evil.example"), ("referer", "https://evil.example/")],
    ] {
        let mut visitor = Visitor::new(&site);
        let answer = visitor.send(Method::GET, "/login", Sending::NAVIGATION, headers).await;
        let sent = parameter(answer.location(), "redirect_uri");
        assert_eq!(sent, format!("{ORIGIN}/callback"));
        assert!(!answer.location().contains("evil"), "{headers:?}");
    }
}

#[tokio::test]
async fn r006_a_prefetch_or_subresource_request_starts_no_login() {
    let site = Site::start().await;
    for headers in [
        &[("sec-purpose", "prefetch")][..],
        &[("sec-purpose", "prefetch;prerender")],
        &[("purpose", "Prefetch")],
        &[("x-moz", "prefetch")],
        &[("sec-fetch-dest", "image")],
        &[("sec-fetch-dest", "iframe")],
        &[("sec-fetch-dest", "empty")],
        &[("sec-fetch-dest", "script")],
    ] {
        let mut visitor = Visitor::new(&site);
        let answer = visitor.send(Method::GET, "/login", Sending::NAVIGATION, headers).await;
        answer.is_a_refusal(400, "Login not started");
        assert!(!answer.has("set-cookie"), "{headers:?}");
        let answer = site.get("/login", headers).await;
        answer.is_json(400, "not_a_navigation");
        assert!(!answer.has("set-cookie"), "{headers:?}");
    }
    assert_eq!((site.store().calls(), site.provider().metadata_requests()), (0, 0));
    // A client that sends none of these headers can start a login.
    assert_eq!(site.get("/login", &[]).await.status(), 303);
}

/// R197: this holds too if all logins have the same time, like six tabs opened at once.
#[tokio::test]
async fn r007_r197_only_the_newest_five_logins_are_kept() {
    for (logins, seconds_between) in [(50, 1), (6, 0)] {
        let site = Site::start().await;
        let mut visitor = Visitor::new(&site);
        let mut requests = Vec::new();
        for _ in 0..logins {
            requests.push(visitor.start("/login?return_to=/reports/a/rather/long/path").await);
            site.pass(seconds_between);
            assert!(visitor.login_cookies().len() <= 5);
            assert!(visitor.cookie_header().len() < 4_096);
        }
        assert_eq!(visitor.login_cookies().len(), 5);
        assert_eq!(site.store().calls(), 0);
        for (index, request) in requests.iter().enumerate() {
            let answer = visitor.arrive(&site.provider().log_in(request, ADA)).await;
            if index < logins - 5 {
                answer.is_a_refusal(400, "This login can't be finished");
            } else {
                assert_eq!(answer.location(), "/reports/a/rather/long/path", "login {index}");
            }
        }
    }
}

#[tokio::test]
async fn r008_the_login_cookie_lives_ten_minutes_and_is_encrypted() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let answer = visitor.open("/login?return_to=/a-target-to-look-for").await;
    let [cookie] = <[_; 1]>::try_from(answer.cookies()).unwrap();
    // `Secure`, `HttpOnly`, `Path=/`, `SameSite=Lax` and no `Domain` are asserted for every cookie.
    assert!(cookie.name().starts_with(LOGIN), "{cookie}");
    assert_eq!(cookie.max_age().unwrap().whole_seconds(), 600);
    let request = Url::parse(answer.location()).unwrap();
    visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    let state = parameter(&request, "state");
    tests::secrets::assert_absent(
        &BASE64_URL_SAFE_NO_PAD.decode(cookie.value()).unwrap(),
        &[
            ("the state", &state),
            ("the nonce", &parameter(&request, "nonce")),
            ("the verifier", &site.provider().last_token_request()["code_verifier"]),
            ("the return target", "a-target-to-look-for"),
        ],
    );
    assert!(!cookie.to_string().contains(&state));
}

#[tokio::test]
async fn r010_starting_a_login_does_not_change_the_session() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let session = visitor.session().unwrap().to_owned();
    let request = visitor.start("/login").await;
    assert_eq!(visitor.session(), Some(session.as_str()));
    visitor.arrive(&site.provider().refuse(&request, "access_denied")).await;
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    assert_eq!(site.live_sessions().await, 1);
}

#[tokio::test]
async fn r011_only_get_starts_a_login() {
    let site = Site::start().await;
    for method in
        [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::HEAD, Method::OPTIONS]
    {
        let mut visitor = Visitor::new(&site);
        let answer =
            visitor.send(method.clone(), "/login", Sending::FROM_HERE, &[("origin", ORIGIN)]).await;
        answer.is_a_refusal(405, "Method not allowed");
        assert_eq!(answer.header("allow"), "GET");
        assert!(!answer.has("set-cookie"), "{method}");
    }
    assert_eq!(
        site.send(Method::POST, "/", &[]).await.is_json(405, "method_not_allowed").header("allow"),
        "GET, HEAD"
    );
}

/// R189: the login starts from another site, by a link, a script, an invitation (R184) or a third party
/// (R9).
#[tokio::test]
async fn r189_a_login_from_another_site_needs_confirmation_if_the_visitor_is_logged_in() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let key = visitor.api_key().await;
    let third_party = link(&[
        ("iss", &site.provider().issuer),
        ("target_link_uri", "https://api.example.com/reports"),
    ]);
    let same_site = Sending { site: "same-site", ..Sending::NAVIGATION };
    for (path, offered) in [
        ("/login", "/login"),
        ("/login?prompt=none", "/login?prompt=none"),
        (
            "/login?scope=admin&organization=org_1&invitation=inv&return_to=/team",
            "/login?invitation=inv&organization=org_1&return_to=%2Fteam",
        ),
        (&third_party, "/login?return_to=%2Freports"),
    ] {
        for (sending, headers) in [
            (Sending::FROM_ELSEWHERE, &[][..]),
            (same_site, &[]),
            // A browser that does not send where the request comes from.
            (Sending::NAVIGATION, &[("sec-fetch-site", "")]),
        ] {
            let asked = visitor.send(Method::GET, path, sending, headers).await;
            asked.is_a_page(200, "Log in again?").offers("Log in again", offered);
            assert_eq!(asked.attributes(".actions a", "href"), [offered, "/"]);
            assert!(!asked.has("set-cookie"), "{path} {sending:?}");
        }
    }
    assert_eq!(site.call_api(&key).await.status(), 200);
}

/// R189: a login from our own page, in any browser, from the address bar or from a bookmark.
#[tokio::test]
async fn r189_a_login_that_the_visitor_starts_replaces_the_session() {
    let unnamed = [("sec-fetch-site", ""), ("referer", "https://api.example.com/login")];
    for (path, sending, headers) in [
        ("/login", Sending::FROM_HERE, &[][..]),
        ("/login", Sending::FROM_HERE, &unnamed),
        ("/login?prompt=none", Sending::FROM_HERE, &[]),
        ("/login?prompt=none", Sending::NAVIGATION, &[]),
    ] {
        let (site, mut visitor) = Site::start_logged_in(&[]).await;
        let key = visitor.api_key().await;
        let answer = visitor.send(Method::GET, path, sending, headers).await;
        let request = Url::parse(answer.location()).unwrap();
        visitor.arrive(&site.provider().log_in(&request, GRACE)).await;
        assert_eq!(visitor.fetch("/protected").await.json()["sub"], GRACE.subject);
        assert_eq!(site.live_sessions().await, 1);
        site.call_api(&key).await.is_json(401, "session_ended");
    }
}

/// R189: the visitor logs in while a login that another site started is still in progress.
#[tokio::test]
async fn r189_a_login_started_by_another_site_ends_no_session() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let path = "/login?prompt=none&return_to=/reports";
    let request = visitor.start_by(Sending::FROM_ELSEWHERE, path).await;
    visitor.log_in(ADA).await;
    let key = visitor.api_key().await;
    let requests = site.provider().token_requests();
    let answer = visitor.arrive(&site.provider().log_in(&request, GRACE)).await;
    assert_eq!((answer.location(), answer.cookies_set()), ("/reports", vec![]));
    assert_eq!(visitor.login_cookies().len(), 0);
    assert_eq!(visitor.api_key().await, key);
    assert_eq!((site.provider().token_requests(), site.store().sessions_created()), (requests, 1));

    // If the session has ended, its cookie does not block the login.
    let cookie = visitor.session().unwrap().to_owned();
    visitor.submit("/logout").await;
    visitor.plant(SESSION, &cookie);
    let request = visitor.start_by(Sending::FROM_ELSEWHERE, path).await;
    visitor.arrive(&site.provider().log_in(&request, GRACE)).await;
    assert_eq!(visitor.fetch("/protected").await.json()["sub"], GRACE.subject);
}

/// R189, R96: while the store is down, it is unknown whether there is a session.
#[tokio::test]
async fn r189_a_login_from_another_site_is_unavailable_while_the_store_is_down() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    site.store().set_down(true);
    let answer = visitor.send(Method::GET, "/login", Sending::FROM_ELSEWHERE, &[]).await;
    answer.is_a_refusal(503, LATER);
    assert!(!answer.has("set-cookie"));
    // Logins that do not depend on the session still start: from our own page, and without a session
    // cookie.
    visitor.start("/login").await;
    assert_eq!(visitor.open("/login").await.status(), 303);
    Visitor::new(&site).start_by(Sending::FROM_ELSEWHERE, "/login").await;
}

/// R85: this holds too if an attacker planted the cookie of the first session, or one of no session.
#[tokio::test]
async fn r036_r085_a_login_as_another_user_replaces_the_first_user_completely() {
    let (site, mut first) = Site::start_logged_in(&[]).await;
    let (session, token) = (first.session().unwrap().to_owned(), first.api_key().await);
    let mut visitor = Visitor::new(&site);
    for planted in ["A".repeat(43), session.clone()] {
        visitor.plant(SESSION, &planted);
        visitor.log_in(GRACE).await;
        assert_ne!(visitor.session(), Some(planted.as_str()));
    }
    let user = visitor.fetch("/protected").await.json();
    assert_eq!((&user["sub"], &user["email"]), (&GRACE.subject.into(), &GRACE.email.into()));
    assert!(!user.to_string().contains("Ada"));
    site.call_api(&token).await.is_json(401, "session_ended");
    site.assert_ended(&session).await;
}

/// The new session is deleted, because no browser received its cookie. The old one stays.
#[tokio::test]
async fn r036_if_the_old_session_cannot_be_ended_the_login_as_another_user_fails() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let request = visitor.start("/login").await;
    site.store().fail_next_end();
    let answer = visitor.arrive(&site.provider().log_in(&request, GRACE)).await;
    assert_eq!(answer.status(), 503);
    assert_eq!((site.store().sessions_created(), site.live_sessions().await), (2, 1));
    assert_eq!(visitor.fetch("/protected").await.json()["sub"], ADA.subject);
}

#[tokio::test]
async fn without_a_list_of_login_methods_the_page_has_one_plain_button() {
    for (endpoint, methods) in [
        (Endpoint::Refuses(404, "gone"), vec![("github", "github")]),
        (Endpoint::Refuses(500, "broken"), vec![("github", "github")]),
        (Endpoint::Html, vec![("github", "github")]),
        (Endpoint::Works, Vec::new()),
    ] {
        let site = Site::start().await;
        site.provider().set_script_endpoint(endpoint);
        site.provider().set_login_methods(methods);
        let page = Visitor::new(&site).open("/?return_to=/reports").await;
        page.is_a_page(200, "Log in").offers("Log in", "/login?return_to=%2Freports");
    }
    for (connections, buttons) in [
        ("none", &["Log in"][..]),
        ("github,acme", &["Continue with GitHub", "Continue with acme"]),
    ] {
        let site = Site::start_with(&[("CONNECTIONS", connections)]).await;
        assert_eq!(Visitor::new(&site).open("/").await.texts("a.button"), buttons);
    }
}

#[tokio::test]
async fn a_provider_that_does_not_answer_delays_the_login_page_once_by_a_second() {
    let site = Site::start().await;
    site.provider().set_script_endpoint(Endpoint::Slow);
    let started = tokio::time::Instant::now();
    Visitor::new(&site).open("/").await.is_a_page(200, "Log in").offers("Log in", "/login");
    let waited = started.elapsed().as_millis();
    assert!((900..1_900).contains(&waited), "{waited} ms");
    Visitor::new(&site).open("/").await.offers("Log in", "/login");
    let waited = started.elapsed().as_millis() - waited;
    assert!(waited < 500, "{waited} ms");

    // The list is requested again after half a minute.
    site.provider().set_script_endpoint(Endpoint::Works);
    site.provider().set_login_methods(vec![("github", "github")]);
    site.pass(30);
    let page = Visitor::new(&site).open("/").await;
    assert_eq!(page.texts(".methods a"), ["Continue with GitHub"]);
}

/// R38, R70, R71: metadata of another issuer, or with endpoints on another host, is rejected.
#[tokio::test]
async fn r038_r070_r071_r195_metadata_with_a_foreign_issuer_or_endpoint_starts_no_login() {
    const ISSUER_WITHOUT_ITS_SLASH: &str = "";
    for (name, value) in [
        ("issuer", "https://evil.example/"),
        ("issuer", ISSUER_WITHOUT_ITS_SLASH),
        ("authorization_endpoint", "https://evil.example/"),
        ("token_endpoint", "http://169.254.169.254/token"),
        ("token_endpoint", "http://user@127.0.0.1/evil"),
        ("jwks_uri", "http://127.0.0.1:1/jwks.json"),
        ("jwks_uri", "file:///etc/evil"),
        ("end_session_endpoint", "https://evil.example/"),
    ] {
        let site = Site::start().await;
        let issuer = &site.provider().issuer;
        let is_cut = value == ISSUER_WITHOUT_ITS_SLASH;
        let value = if is_cut { issuer.trim_end_matches('/') } else { value };
        site.provider().change_metadata(json!({ name: value }));
        let answer = Visitor::new(&site).open("/login").await;
        answer.is_a_refusal(503, LATER);
        assert!(!answer.text().contains("evil") && !answer.has("location"), "{name}");
        assert_eq!(site.log().errors_of("provider.unavailable").len(), 1);
        is_not_started(
            &site,
            &match name {
                "issuer" => format!(
                    "the metadata belongs to another issuer: expected `{issuer}`, received `{value}`"
                ),
                _ => format!(
                    "the endpoint `{name}` is neither on the issuer's host nor on AUTH_ENDPOINT_HOSTS"
                ),
            },
        );
    }
}

fn is_not_started(site: &Site, reason: &str) {
    let reason = format!("the identity provider's keys or metadata are unavailable: {reason}");
    assert_eq!(site.log().errors_of("login.not_started"), [reason]);
}

#[tokio::test]
async fn r039_if_the_discovery_document_cannot_be_fetched_no_login_starts() {
    let malformed = "the answer is malformed: not JSON by its type";
    for (behaviour, reason) in [
        (Endpoint::Refuses(429, "busy"), "the answer has status 429"),
        (Endpoint::Refuses(500, "broken"), "the answer has status 500"),
        (Endpoint::Redirects(302), "the answer is a redirect"),
        (Endpoint::Html, malformed),
        (Endpoint::PlainText, malformed),
        (Endpoint::Garbage, "the answer is malformed: metadata: expected value at line 1 column 1"),
        (Endpoint::Huge, "the answer is longer than 1000000 bytes"),
        (Endpoint::Endless, "the answer is longer than 1000000 bytes"),
        (Endpoint::Slow, "no answer in time"),
    ] {
        let site = Site::start().await;
        site.provider().set_metadata_endpoint(behaviour);
        let answer = Visitor::new(&site).open("/login").await;
        answer.is_a_refusal(503, LATER);
        assert_eq!(answer.header("retry-after"), "5");
        assert!(!answer.has("set-cookie"), "{behaviour:?}");
        is_not_started(&site, reason);
        // It is not requested again at once, only after a pause.
        Visitor::new(&site).open("/login").await.is_a_refusal(503, LATER);
        assert_eq!(site.provider().metadata_requests(), 1);
        site.provider().set_metadata_endpoint(Endpoint::Works);
        site.pass(5);
        Visitor::logged_in(&site, ADA).await;
        assert_eq!(site.provider().requests_elsewhere(), 0);
    }
}

/// R9: OpenID Connect Core §4.
#[tokio::test]
async fn r009_a_third_party_can_start_a_login_at_our_issuer_that_returns_to_our_pages() {
    let site = Site::start().await;
    let issuer = site.provider().issuer.clone();
    let without_slash = issuer.trim_end_matches('/');
    for wrong in ["https://evil.example/", without_slash, "evil", &issuer.to_ascii_uppercase()] {
        let path = link(&[("iss", wrong), ("target_link_uri", "https://api.example.com/reports")]);
        let answer = Visitor::new(&site).open(&path).await;
        answer
            .is_a_refusal(400, "This login link is not valid")
            .offers("Go to the login page", "/");
        assert!(!answer.has("set-cookie") && !answer.text().contains("evil"), "{wrong}");
        site.get(&path, &[]).await.is_json(400, "invalid_request");
    }
    for twice in [
        link(&[("iss", &issuer), ("iss", &issuer)]),
        link(&[("target_link_uri", ORIGIN), ("target_link_uri", ORIGIN)]),
    ] {
        site.get(&twice, &[]).await.is_json(400, "invalid_request");
    }
    let reason = "the request names another issuer";
    let reasons = site.log().errors_of("login.not_started");
    assert_eq!(reasons.iter().filter(|error| *error == reason).count(), 8, "{reasons:?}");

    for (target, leads_to) in [
        ("https://api.example.com/reports?page=2", "/reports?page=2"),
        ("https://api.example.com", "/"),
        ("https://api.example.com/logout", "/"),
        ("https://api.example.com@evil.example/", "/"),
        ("https://api.example.com.evil.example/reports", "/"),
        ("http://api.example.com/reports", "/"),
        ("/reports", "/"),
        ("javascript:alert(1)", "/"),
    ] {
        let path = link(&[
            ("iss", &issuer),
            ("login_hint", "ada"),
            ("target_link_uri", target),
            ("state", "evil"),
            ("nonce", "evil"),
        ]);
        let mut visitor = Visitor::new(&site);
        let request = visitor.start_by(Sending::FROM_ELSEWHERE, &path).await;
        assert_eq!(parameter(&request, "login_hint"), "ada");
        assert_eq!(parameter(&request, "state").len(), 43);
        assert!(!request.query_pairs().any(|(name, _)| name == "iss" || name == "target_link_uri"));
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        assert_eq!(answer.location(), leads_to, "{target}");
    }
}
