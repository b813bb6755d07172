//! `/logout` and `/signed-out`.

use http::Method;
use serde_json::json;
use shared::{
    crypto::secret::Digest,
    store::{PointerRow, SessionRow, SessionStore as _},
};
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, GRACE},
    site::{CLIENT_ID, ORIGIN, Site},
    story::parameter,
    visitor::{SESSION, Sending, Visitor},
};
use url::Url;

use crate::elsewhere::Elsewhere;

/// The target of the "Log out everywhere" button on the key page.
const EVERYWHERE: &str = "/logout?everywhere=true";

/// The cookie that holds the `state` of the provider's logout.
const LOGOUT: &str = "__Host-logout";

#[tokio::test]
async fn a_logout_invalidates_cookie_and_token_at_once() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let token = visitor.api_key().await;
    let cookie = visitor.session().unwrap().to_owned();
    let page = visitor.open("/logout").await;
    page.is_a_page(200, "Log out?");
    assert_eq!(page.attributes("form", "action"), ["/logout"]);
    assert_eq!(page.attributes("form", "method"), ["post"]);
    assert_eq!(site.live_sessions().await, 1);
    // Its use puts the token's pointer into the cache.
    assert_eq!(site.call_api(&token).await.status(), 200);

    let answer = visitor.submit("/logout").await;
    assert!(answer.location().starts_with(&format!("{}oidc/logout?", site.provider().issuer)));
    assert_eq!(visitor.session(), None);
    assert_eq!(site.live_sessions().await, 0);
    visitor.open("/signed-out?state=any").await.is_a_page(200, "You are logged out");
    visitor.open("/").await.is_a_page(200, "Log in");

    let refused = site.call_api(&token).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(
        refused.json(),
        json!({
            "code": "session_ended",
            "message": "Good token, bad session",
            "description": "The token is valid, but its session has ended. Log in again.",
        })
    );
    refused.challenges(r#"Bearer realm="api", error="invalid_token""#);
    let mut thief = Visitor::new(&site);
    thief.plant(SESSION, &cookie);
    thief.fetch("/protected").await.is_json(401, "session_ended");
    thief.open("/").await.is_a_page(200, "Log in");
}

#[tokio::test]
async fn r104_a_page_of_another_site_cannot_log_a_visitor_out() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let cookie = visitor.cookie_header();
    // A browser would not send the cookie in these cases. The test sends it to the handler all the
    // same.
    for headers in [
        &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")][..],
        &[("origin", "null"), ("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "same-site")],
        &[("referer", "https://api.example.com/")],
    ] {
        let all = [&[("cookie", cookie.as_str()), ("accept", "text/html")], headers].concat();
        for path in ["/logout", EVERYWHERE] {
            let answer = site.send(Method::POST, path, &all).await;
            answer.is_a_refusal(403, "You were not logged out").offers("Log out", "/logout");
            for name in ["set-cookie", "www-authenticate", "clear-site-data"] {
                assert!(!answer.has(name), "{headers:?}");
            }
            assert_eq!(site.live_sessions().await, 1, "{headers:?}");
        }
    }
    let image = visitor.send(Method::GET, "/logout", Sending::IMAGE_ELSEWHERE, &[]).await;
    image.is_json(405, "method_not_allowed");
    let link = visitor.send(Method::GET, "/logout", Sending::FROM_ELSEWHERE, &[]).await;
    link.is_a_page(200, "Log out?");
    visitor.open(EVERYWHERE).await.is_a_page(200, "Log out?");
    let foreign = [("origin", "https://evil.example")];
    let form = visitor.send(Method::POST, "/logout", Sending::FROM_ELSEWHERE, &foreign).await;
    form.is_a_refusal(403, "You were not logged out");
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let own = [("origin", ORIGIN)];
        let answer = visitor.send(method, "/logout", Sending::FROM_HERE, &own).await;
        answer.is_a_refusal(405, "Method not allowed");
    }
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
}

#[tokio::test]
async fn r105_r106_a_logout_deletes_the_row_and_clears_the_cookie_with_its_attributes() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let set = visitor.log_in(ADA).await.cookies();
    let set = set.into_iter().find(|cookie| cookie.name() == SESSION).unwrap();
    let mut hoarder = visitor.clone();
    let answer = visitor.submit("/logout").await;
    let [_, mut cleared] = <[_; 2]>::try_from(answer.cookies()).unwrap();
    assert_eq!((cleared.name(), cleared.value()), (SESSION, ""));
    // "cookies" would also delete the cookies of logins in progress.
    assert_eq!(answer.header("clear-site-data"), r#""cache", "storage""#);
    assert!(cleared.max_age().unwrap().is_zero());
    cleared.set_value(set.value().to_owned());
    cleared.set_max_age(set.max_age());
    assert_eq!(cleared, set);

    assert_eq!(site.live_sessions().await, 0);
    hoarder.fetch("/protected").await.is_json(401, "session_ended");
    hoarder.open("/").await.is_a_page(200, "Log in");
}

#[tokio::test]
async fn r107_the_logout_url_has_the_id_token_as_hint_and_no_access_token() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let response = site.provider().last_token_response();
    let answer = visitor.submit("/logout").await;
    let url = answer.location();
    assert_eq!(parameter(url, "id_token_hint"), response["id_token"]);
    assert_eq!(parameter(url, "client_id"), CLIENT_ID);
    assert_eq!(parameter(url, "post_logout_redirect_uri"), format!("{ORIGIN}/signed-out"));
    assert_eq!(parameter(url, "state").len(), 43);
    assert_eq!(Url::parse(url).unwrap().query_pairs().count(), 4, "{url}");
    assert!(!url.contains(response["access_token"].as_str().unwrap()));
}

#[tokio::test]
async fn r107_a_tenant_without_end_session_endpoint_is_logged_out_by_auth0s_v2_logout() {
    let site = Site::start().await;
    site.provider().change_metadata(json!({ "end_session_endpoint": null }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let answer = visitor.submit("/logout").await;
    assert_eq!(
        answer.location(),
        format!(
            "{}v2/logout?client_id={CLIENT_ID}&returnTo=https%3A%2F%2Fapi.example.com%2Fsigned-out",
            site.provider().issuer
        )
    );
}

#[tokio::test]
async fn r108_no_request_can_choose_the_target_of_a_logout() {
    let site = Site::start().await;
    for text in [
        "returnTo=https://evil.example",
        "post_logout_redirect_uri=https://evil.example",
        "id_token_hint=evil.evil.evil",
        "state=evil&client_id=evil&federated=evil",
    ] {
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let path = format!("/logout?{text}");
        assert!(!visitor.open(&path).await.text().contains("evil"));
        let headers = [("origin", ORIGIN), ("x-forwarded-host", "evil.example")];
        let answer = visitor.send(Method::POST, &path, Sending::FROM_HERE, &headers).await;
        let url = answer.location();
        assert!(url.starts_with(&site.provider().issuer) && !url.contains("evil"), "{url}");
        assert_eq!(parameter(url, "post_logout_redirect_uri"), format!("{ORIGIN}/signed-out"));
    }
}

#[tokio::test]
async fn r109_the_page_after_a_logout_reports_the_real_state_and_changes_nothing() {
    let site = Site::start().await;
    for path in [
        "/signed-out",
        "/signed-out?state=other",
        "/signed-out?state=a&state=b",
        "/signed-out?error=x&return_to=//evil",
    ] {
        let answer = Visitor::new(&site).open(path).await;
        answer.is_a_page(200, "You are logged out").offers("Log in again", "/");
        assert!(!answer.has("location") && !answer.has("set-cookie"), "{path}");
    }
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let page = visitor.open("/signed-out").await;
    page.is_a_page(200, "You are still logged in").offers("Go to your key", "/");
    assert_eq!(site.live_sessions().await, 1);
    assert_eq!(visitor.fetch("/signed-out").await.json()["code"], "signed_in");
}

#[tokio::test]
async fn r109_a_returned_state_confirms_the_logout_at_the_provider() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let answer = visitor.submit("/logout").await;
    assert_eq!(answer.cookies_set(), [LOGOUT]);
    let state = parameter(answer.location(), "state");
    assert_eq!(visitor.cookie(LOGOUT), Some(state.as_str()));
    let reports = |answer: &Answer, text: &str| {
        answer.is_a_page(200, "You are logged out").offers("Log in again", "/");
        assert_eq!(answer.texts("main p")[0], text);
        assert!(!answer.has("location"), "{answer:?}");
    };
    let here = "Your session here has ended, and your API key with it.";
    let both =
        "Your session has ended here and at the identity provider, and your API key with it.";

    // Any other return is no error, causes no redirect, and does not change the cookie.
    let back = format!("{ORIGIN}/signed-out?state={state}");
    let mut elsewhere = Visitor::new(&site);
    for answer in [
        visitor.open("/signed-out").await,
        elsewhere.arrive(&back).await,
        visitor.arrive(&format!("{ORIGIN}/signed-out?state=")).await,
        visitor.arrive(&format!("{ORIGIN}/signed-out?state=other")).await,
        visitor.arrive(&format!("{back}&state={state}")).await,
    ] {
        reports(&answer, here);
        assert!(!answer.has("set-cookie"), "{answer:?}");
    }

    let answer = visitor.arrive(&back).await;
    reports(&answer, both);
    assert_eq!(answer.cookies_cleared(), [LOGOUT]);
    // The state confirms only once.
    reports(&visitor.arrive(&back).await, here);
}

#[tokio::test]
async fn r109_the_logout_cookie_expires_and_is_not_set_where_no_state_is_sent() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    visitor.submit("/logout").await;
    site.pass(600);
    assert_eq!(visitor.cookie(LOGOUT), None);

    // R100: a visitor without a session gets no cookie.
    let answer = Visitor::new(&site).submit("/logout").await;
    assert_eq!(parameter(answer.location(), "state"), "");
    assert!(!answer.has("set-cookie"), "{answer:?}");

    site.provider().change_metadata(json!({ "end_session_endpoint": null }));
    site.pass(700);
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    assert_eq!(visitor.submit("/logout").await.cookies_set(), [] as [&str; 0]);
}

#[tokio::test]
async fn r103_a_logout_everywhere_ends_all_sessions_of_this_user_only() {
    let (site, mut phone) = Site::start_logged_in(&[]).await;
    let mut laptop = Visitor::logged_in(&site, ADA).await;
    let mut grace = Visitor::logged_in(&site, GRACE).await;
    let tokens = [phone.api_key().await, laptop.api_key().await];
    for token in &tokens {
        assert_eq!(site.call_api(token).await.status(), 200);
    }
    let page = laptop.open("/").await;
    assert_eq!(page.attributes("form", "action"), ["/logout", EVERYWHERE]);
    assert_eq!(page.texts("form button"), ["Log out", "Log out everywhere"]);

    let answer = laptop.submit(EVERYWHERE).await;
    assert!(answer.location().starts_with(&format!("{}oidc/logout?", site.provider().issuer)));
    assert_eq!(laptop.session(), None);
    for token in &tokens {
        site.call_api(token).await.is_json(401, "session_ended");
    }
    phone.open("/").await.is_a_page(200, "Log in");
    grace.open("/").await.is_a_page(200, "Your API key");
    assert_eq!(site.live_sessions().await, 1);

    // The user can log in again.
    laptop.log_in(ADA).await;
    laptop.open("/").await.is_a_page(200, "Your API key");
}

/// The users' sessions are marked as ended before the first of the two searches.
#[tokio::test(start_paused = true)]
async fn r129_a_session_that_the_index_shows_late_is_found_by_the_second_search() {
    let site = Site::start_without_network(&[]).await;
    let _phone = Visitor::logged_in(&site, ADA).await;
    let mut laptop = Visitor::logged_in(&site, ADA).await;
    site.store().set_index_late();
    site.store().take_calls();
    let started = tokio::time::Instant::now();
    laptop.submit(EVERYWHERE).await.location();
    assert_eq!(started.elapsed().as_secs(), 1);
    assert_eq!(site.live_sessions().await, 0);
    let mut calls = site.store().take_calls();
    calls.retain(|call| ["mark_ended", "sessions_of"].contains(call));
    assert_eq!(calls, ["mark_ended", "sessions_of", "sessions_of"]);
}

#[tokio::test]
async fn r103_an_api_client_logs_out_everywhere_with_its_token() {
    let (site, mut phone) = Site::start_logged_in(&[]).await;
    let mut laptop = Visitor::logged_in(&site, ADA).await;
    let token = phone.api_key().await;
    let answer = site.post_with_key(EVERYWHERE, &token).await;
    answer.is_json(200, "signed_out");
    assert_eq!(answer.json()["description"], "All sessions of the user have ended.");
    assert_eq!(site.live_sessions().await, 0);
    laptop.fetch("/protected").await.is_json(401, "session_ended");

    // A token whose session has ended cannot end other sessions.
    laptop.log_in(ADA).await;
    let refused = site.post_with_key(EVERYWHERE, &token).await;
    refused.is_json(401, "session_ended");
    assert_eq!(refused.json()["message"], "Good token, bad session");
    assert_eq!(site.live_sessions().await, 1);
}

#[tokio::test]
async fn r103_a_logout_everywhere_without_a_session_is_rejected() {
    let (site, _other) = Site::start_logged_in(&[]).await;
    let mut visitor = Visitor::new(&site);
    visitor.submit(EVERYWHERE).await.is_a_refusal(401, "You are not logged in");
    visitor.plant(SESSION, &"A".repeat(43));
    let answer = visitor.submit(EVERYWHERE).await;
    answer.is_a_refusal(401, "You are not logged in");
    assert_eq!(answer.cookies_cleared(), [SESSION]);
    assert_eq!(site.live_sessions().await, 1);
}

#[tokio::test]
async fn r103_an_invalid_everywhere_parameter_ends_no_session() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let cookie = visitor.cookie_header();
    for (query, status, code) in [
        ("everywhere=yes", 400, "invalid_request"),
        ("everywhere=", 400, "invalid_request"),
        ("everywhere=TRUE", 400, "invalid_request"),
        ("everywhere=true&everywhere=true", 400, "invalid_request"),
        ("everywhere=false", 200, "signed_out"),
    ] {
        let path = format!("/logout?{query}");
        let headers = [("origin", ORIGIN), ("cookie", cookie.as_str())];
        let answer = visitor.send(Method::POST, &path, Sending::SCRIPT, &headers).await;
        answer.is_json(status, code);
        assert_eq!(site.live_sessions().await, usize::from(status == 400), "{query}");
    }
}

#[tokio::test]
async fn r096_a_logout_everywhere_reports_it_if_the_store_fails() {
    let (site, mut phone) = Site::start_logged_in(&[]).await;
    let mut laptop = Visitor::logged_in(&site, ADA).await;
    site.store().set_index_down(true);
    let answer = laptop.submit(EVERYWHERE).await;
    answer.is_a_refusal(503, "You are logged out here, but perhaps not everywhere");
    assert!(!answer.header("retry-after").is_empty());
    assert_eq!(answer.cookies_cleared(), [SESSION]);
    // R105: this session has ended, although the later step failed.
    assert_eq!(site.live_sessions().await, 1);
    phone.open("/").await.is_a_page(200, "Your API key");

    site.store().set_index_down(false);
    site.pass(1);
    laptop.log_in(ADA).await;
    laptop.submit(EVERYWHERE).await.location();
    assert_eq!(site.live_sessions().await, 0);
}

#[tokio::test]
async fn r110_a_second_logout_is_no_error() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let mut other_tab = visitor.clone();
    let (token, cookie) = (visitor.api_key().await, visitor.session().unwrap().to_owned());
    visitor.submit("/logout").await.location();
    for answer in [
        visitor.submit("/logout").await,
        other_tab.submit("/logout").await,
        Visitor::new(&site).submit("/logout").await,
    ] {
        assert!(answer.location().starts_with(&site.provider().issuer));
        assert_eq!(parameter(answer.location(), "id_token_hint"), "");
    }
    site.post_with_key("/logout", &token).await.is_json(200, "signed_out");

    let mut late = Visitor::logged_in(&site, ADA).await;
    site.pass(36_000);
    late.plant(SESSION, &cookie);
    assert!(late.submit("/logout").await.location().starts_with(&site.provider().issuer));
    assert_eq!(late.session(), None);
}

/// R104: with a `GET`, or without a cookie, the browser's cookie is left alone. R101: the URL in JSON
/// identifies the session at the provider by its id, not by a token.
#[tokio::test]
async fn a_caller_that_reads_json_logs_out_and_gets_the_logout_url() {
    for (method, with_key, with_cookie) in [
        (Method::POST, true, false),
        (Method::GET, true, false),
        (Method::POST, true, true),
        (Method::GET, true, true),
        // A script on our page.
        (Method::POST, false, true),
    ] {
        let (site, mut visitor) = Site::start_logged_in(&[]).await;
        let token = visitor.api_key().await;
        let (bearer, cookie) = (format!("Bearer {token}"), visitor.cookie_header());
        let key = with_key.then_some(("authorization", bearer.as_str()));
        let cookies = [("cookie", cookie.as_str()), ("origin", ORIGIN)];
        let cookies = if with_cookie { &cookies[..] } else { &[] };
        let headers: Vec<_> = key.iter().chain(cookies).copied().collect();
        let answer = site.send(method.clone(), "/logout", &headers).await;
        answer.is_json(200, "signed_out");
        let url = answer.json()["logout_url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&site.provider().issuer), "{url}");
        assert!(!url.contains(&token) && !url.contains("id_token_hint"), "{url}");
        assert!(!parameter(&url, "logout_hint").is_empty(), "{url}");
        let cleared = if with_cookie && method == Method::POST { &[SESSION][..] } else { &[] };
        assert_eq!(answer.cookies_cleared(), cleared, "{headers:?}");
        assert_eq!(answer.has("clear-site-data"), !cleared.is_empty(), "{headers:?}");
        assert!(with_cookie || !answer.has("set-cookie"), "{headers:?}");
        site.call_api(&token).await.is_json(401, "session_ended");
        visitor.fetch("/protected").await.is_json(401, "session_ended");
        visitor.open("/").await.is_a_page(200, "Log in");
    }
}

#[tokio::test]
async fn an_invalid_credential_ends_no_session() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    for (authorization, status, code) in [
        ("Bearer x", 401, "token_opaque"),
        ("Bearer", 400, "invalid_header"),
        ("Basic eDp5", 401, "invalid_header"),
    ] {
        let answer = site.send(Method::POST, "/logout", &[("authorization", authorization)]).await;
        answer.is_json(status, code);
    }
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
}

#[tokio::test]
async fn r105_a_logout_deletes_a_row_that_cannot_be_decrypted() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let (store, now) = (site.store(), site.now());
    let row = store.last_session().unwrap();
    assert!(store.end(row.key, now).await.unwrap());
    let pointer = PointerRow {
        key: Digest::of("another token"),
        session: row.key,
        token_key: Vec::new(),
        expires_at: row.expires_at,
    };
    let damaged = SessionRow { sealed: b"damaged".to_vec(), ..row };
    store.create(damaged, pointer, now).await.unwrap();
    visitor.fetch("/protected").await.is_json(401, "session_ended");
    assert_ne!(site.live_sessions().await, 0);

    let answer = visitor.submit("/logout").await;
    assert_eq!(answer.cookies_cleared(), [SESSION]);
    assert_eq!(site.live_sessions().await, 0);
}

/// With the strict development provider: login, silent login, logout of both sessions, and the login
/// form again.
#[tokio::test]
async fn a_logout_ends_both_sessions_and_the_provider_requires_credentials_again() {
    let (site, _) = Site::at_development_provider(&[], |options| {
        options.logout_uris = vec![format!("{ORIGIN}/signed-out")];
    })
    .await;

    let (mut visitor, mut elsewhere) = (Visitor::new(&site), Elsewhere::new());
    let path = "/login?return_to=/reports";
    let answer = elsewhere.log_in(&mut visitor, path, "ada@example.com").await;
    assert_eq!(answer.location(), "/reports");
    let page = visitor.open("/").await;
    assert_eq!(page.texts(".name"), ["Ada Lovelace"]);
    let token = visitor.api_key().await;
    assert_eq!(site.call_api(&token).await.json()["email"], "ada@example.com");

    // While the provider's session lives, it does not require credentials.
    let mut second = Visitor::new(&site);
    let (back, _) = elsewhere.open(second.start("/login").await.as_str()).await;
    assert_eq!(second.arrive(&back).await.location(), "/");

    let answer = visitor.submit("/logout").await;
    let (back, _) = elsewhere.open(answer.location()).await;
    assert!(back.starts_with(&format!("{ORIGIN}/signed-out?state=")), "{back}");
    visitor.arrive(&back).await.is_a_page(200, "You are logged out");
    site.call_api(&token).await.is_json(401, "session_ended");
    let (address, text) = elsewhere.open(visitor.start("/login").await.as_str()).await;
    assert!(address.contains("/u/login") && text.contains("name=\"email\""), "{address}");
}
