//! `/callback`: which responses of the provider finish a login.

use std::time::Duration;

use http::Method;
use serde_json::json;
use shared::login::attempt::LIFETIME;
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, Endpoint, GRACE},
    site::{ORIGIN, Site},
    story::parameter,
    visitor::{LOGIN, SESSION, Sending, Visitor},
};
use url::Url;

const EXPIRED: &str = "This login can't be finished";
const FAILED: &str = "You were not logged in";
const LOGGED_IN: &str = "You are logged in already";

/// The callback had no effect: no session, no token request.
async fn had_no_effect(site: &Site) -> bool {
    site.store().sessions_created() == 0
        && site.live_sessions().await == 0
        && site.provider().token_requests() == 0
}

fn without(url: &str, name: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    let kept: Vec<_> = url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    url.query_pairs_mut().clear().extend_pairs(kept);
    url.into()
}

fn with(url: &str, name: &str, value: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    url.query_pairs_mut().append_pair(name, value);
    url.into()
}

fn changed(url: &str, name: &str, value: &str) -> String {
    with(&without(url, name), name, value)
}

/// A site with a visitor who has logged in at the provider, and the callback URL that they are sent to.
async fn returning() -> (Site, Visitor, String) {
    let site = Site::start().await;
    let (visitor, back) = site.returning(ADA).await;
    (site, visitor, back)
}

/// The login is still open: the provider's genuine response finishes it.
async fn still_works(visitor: &mut Visitor, back: &str) {
    assert_eq!(visitor.arrive(back).await.location(), "/");
}

#[tokio::test]
async fn r013_r014_r021_r022_r028_a_malformed_response_is_rejected_and_the_login_stays_open() {
    let (site, mut visitor, back) = returning().await;
    let state = parameter(&back, "state");
    for (broken, heading) in [
        (format!("{ORIGIN}/callback"), FAILED),
        (without(&back, "state"), FAILED),
        (changed(&back, "state", ""), FAILED),
        (changed(&back, "state", &"s".repeat(2_049)), FAILED),
        (without(&back, "code"), FAILED),
        (changed(&back, "code", ""), FAILED),
        (changed(&back, "code", &"c".repeat(8_193)), FAILED),
        // A state of no login.
        (changed(&back, "state", &state.to_ascii_uppercase()), EXPIRED),
        (changed(&back, "state", &format!("{state}x")), EXPIRED),
        (changed(&back, "state", "é\u{202e}\0"), EXPIRED),
        // A parameter that occurs twice.
        (with(&back, "code", "other"), FAILED),
        (with(&back, "state", &state), FAILED),
        (with(&with(&back, "iss", "a"), "iss", "b"), FAILED),
        (format!("{back}&%63ode=other"), FAILED),
        // A code and an error.
        (with(&back, "error", "access_denied"), FAILED),
    ] {
        let answer = visitor.arrive(&broken).await;
        answer.is_a_refusal(400, heading).offers("Start again", "/");
        assert!(!answer.has("set-cookie"), "{broken}");
    }
    assert!(had_no_effect(&site).await);
    assert_eq!(site.store().calls(), 0);
    still_works(&mut visitor, &back).await;
}

#[tokio::test]
async fn r015_a_response_obtained_by_another_browser_is_rejected() {
    let (site, mut attacker, back) = returning().await;
    let mut victim = Visitor::new(&site);
    victim.arrive(&back).await.is_a_refusal(400, EXPIRED);
    // Nor does it work in a browser that has started a login itself.
    victim.start("/login").await;
    victim.arrive(&back).await.is_a_refusal(400, EXPIRED);
    assert_eq!(victim.session(), None);
    assert!(had_no_effect(&site).await);
    still_works(&mut attacker, &back).await;
}

#[tokio::test]
async fn r016_two_tabs_finish_in_any_order() {
    for order in [[0, 1], [1, 0]] {
        let site = Site::start().await;
        let mut visitor = Visitor::new(&site);
        let requests = [
            visitor.start("/login?return_to=/tab-0").await,
            visitor.start("/login?return_to=/tab-1").await,
        ];
        assert_eq!(visitor.login_cookies().len(), 2);
        for tab in order {
            let answer = visitor.arrive(&site.provider().log_in(&requests[tab], ADA)).await;
            assert_eq!(answer.location(), format!("/tab-{tab}"));
        }
        assert_eq!(visitor.login_cookies().len(), 0);
        assert_eq!(site.live_sessions().await, 1);
        assert_eq!(visitor.fetch("/protected").await.status(), 200);
    }
}

#[tokio::test]
async fn r016_swapped_login_cookies_of_two_tabs_are_rejected() {
    let (site, mut visitor, back) = returning().await;
    visitor.start("/login").await;
    let names: [String; 2] = visitor.login_cookies().try_into().unwrap();
    let values = names.each_ref().map(|name| visitor.cookie(name).unwrap().to_owned());
    visitor.plant(&names[0], &values[1]);
    visitor.plant(&names[1], &values[0]);
    visitor.arrive(&back).await.is_a_refusal(400, EXPIRED);
    assert!(had_no_effect(&site).await);
}

#[tokio::test]
async fn r017_a_replayed_response_is_rejected_without_a_token_request() {
    let (site, mut visitor, back) = returning().await;
    let mut hoarder = visitor.clone();
    still_works(&mut visitor, &back).await;
    // This browser no longer has the login cookie. A copy of the cookie fails at the mark in the store.
    visitor.arrive(&back).await.is_a_refusal(400, LOGGED_IN);
    for _ in 0..2 {
        let answer = hoarder.arrive(&back).await;
        answer.is_a_refusal(400, EXPIRED);
        assert!(answer.cookies_set().is_empty());
    }
    site.pass(LIFETIME.as_secs() - 1);
    hoarder.arrive(&back).await.is_a_refusal(400, EXPIRED);
    assert_eq!(site.provider().token_requests(), 1);
    assert_eq!((site.store().sessions_created(), site.store().marks()), (1, 1));
}

/// R182: a wrong code for an own login writes one mark, which expires.
#[tokio::test]
async fn r017_r182_a_failed_login_cannot_be_retried_with_the_same_state() {
    let (site, mut visitor, back) = returning().await;
    let (mut hoarder, began) = (visitor.clone(), site.now());
    visitor.arrive(&changed(&back, "code", "wrong")).await.is_a_refusal(400, FAILED);
    assert_eq!(visitor.login_cookies().len(), 0);
    hoarder.arrive(&back).await.is_a_refusal(400, EXPIRED);
    assert_eq!((site.provider().token_requests(), site.store().sessions_created()), (1, 0));
    assert_eq!(site.store().marks(), 1);
    let longest = site.store().longest_mark(began);
    assert!(longest >= LIFETIME && longest <= Duration::from_secs(1_200), "{longest:?}");
}

#[tokio::test]
async fn r019_a_login_expires_after_ten_minutes_even_if_the_browser_keeps_the_cookie() {
    for (seconds, is_fresh) in [(599, true), (600, false), (86_400, false)] {
        let (site, mut visitor, back) = returning().await;
        let name = visitor.login_cookies().remove(0);
        let value = visitor.cookie(&name).unwrap().to_owned();
        site.pass(seconds);
        visitor.plant(&name, &value);
        let answer = visitor.arrive(&back).await;
        if is_fresh {
            assert_eq!(answer.location(), "/");
        } else {
            answer.is_a_refusal(400, EXPIRED);
            assert!(had_no_effect(&site).await);
        }
    }
}

#[tokio::test]
async fn r020_a_forged_or_changed_login_cookie_is_rejected() {
    let site = Site::start().await;
    let other = Site::start_with(&[("SECRET_KEY", "Zk4vT9qLm2Xc7Rb1Wn8Ys5Hd3Jf6Gp0A")]).await;
    let (mut visitor, back) = site.returning(ADA).await;
    let mut elsewhere = Visitor::new(&other);
    elsewhere.start("/login").await;
    let foreign = elsewhere.cookie(&elsewhere.login_cookies()[0]).unwrap().to_owned();
    let name = visitor.login_cookies().remove(0);
    let good = visitor.cookie(&name).unwrap().to_owned();
    let mut flipped = good.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let session = Visitor::logged_in(&site, GRACE).await.session().unwrap().to_owned();
    let created = site.store().sessions_created();
    let requests = site.provider().token_requests();
    // The tests of `login::cookies` damage the cookie at each place.
    for bad in [String::from_utf8(flipped).unwrap(), foreign, session, String::new()] {
        visitor.plant(&name, &bad);
        visitor.arrive(&back).await.is_a_refusal(400, EXPIRED);
    }
    assert_eq!(site.store().sessions_created(), created);
    assert_eq!(site.provider().token_requests(), requests);
    visitor.plant(&name, &good);
    still_works(&mut visitor, &back).await;
}

/// The answer to a login that the provider ends with these parameters instead of a code.
async fn ends_with(site: &Site, words: &[(&str, &str)]) -> (Visitor, Answer) {
    let mut visitor = Visitor::new(site);
    let request = visitor.start("/login?return_to=/reports%3Fpage%3D2").await;
    let answer = visitor.arrive(&site.provider().back(&request, words)).await;
    assert_eq!(visitor.login_cookies().len(), 0, "{words:?}");
    (visitor, answer)
}

async fn ends_in(site: &Site, error: &str) -> (Visitor, Answer) {
    ends_with(site, &[("error", error), ("error_description", "The text of the provider")]).await
}

#[tokio::test]
async fn r023_a_cancelled_login_can_be_restarted_and_keeps_its_return_target() {
    let site = Site::start().await;
    let (mut visitor, answer) = ends_in(&site, "access_denied").await;
    answer
        .is_a_refusal(403, "You were not logged in")
        .offers("Start again", "/?return_to=%2Freports%3Fpage%3D2");
    assert!(answer.cookies_cleared()[0].starts_with(LOGIN));
    assert!(had_no_effect(&site).await);

    let page = visitor.open(&answer.attributes("a.button", "href")[0]).await;
    let link = page.attributes(".methods a", "href").remove(0);
    let answer = visitor.log_in_from(&link, ADA).await;
    assert_eq!(answer.location(), "/reports?page=2");
}

#[tokio::test]
async fn r023_each_error_of_the_provider_maps_to_its_status() {
    let site = Site::start().await;
    for (error, status) in [
        ("unauthorized", 403),
        ("server_error", 400),
        ("temporarily_unavailable", 400),
        ("invalid_scope", 400),
        ("unauthorized_client", 400),
        ("<script>", 400),
        ("", 400),
    ] {
        let (_, answer) = ends_in(&site, error).await;
        answer.is_a_refusal(status, FAILED);
        let is_quoted = answer.text().contains("The text of the provider");
        assert_eq!(is_quoted, error == "unauthorized", "{error}");
    }
    assert!(had_no_effect(&site).await);
}

#[tokio::test]
async fn r024_a_failed_silent_login_leads_to_the_login_page_without_a_loop() {
    for error in
        ["login_required", "consent_required", "interaction_required", "account_selection_required"]
    {
        let site = Site::start().await;
        let (mut visitor, answer) = ends_in(&site, error).await;
        assert_eq!(answer.location(), "/?return_to=%2Freports%3Fpage%3D2", "{error}");
        visitor.follow(&answer).await.is_a_page(200, "Log in");
        assert!(had_no_effect(&site).await);
    }
}

/// R194: anyone can craft such a URL, so its text is neither shown nor logged.
#[tokio::test]
async fn r025_an_error_for_an_unknown_login_is_ignored() {
    let (site, mut visitor, back) = returning().await;
    let words = "error=access_denied&error_description=Call%20the%20bank%20at%20555";
    for (query, heading) in [
        (words.to_owned(), FAILED),
        (format!("{words}&error_description=x&state=unknown"), FAILED),
        (format!("{words}&state=unknown"), EXPIRED),
        ("error=login_required&state=unknown".to_owned(), EXPIRED),
    ] {
        let answer = visitor.arrive(&format!("{ORIGIN}/callback?{query}")).await;
        answer.is_a_refusal(400, heading).offers("Start again", "/");
        assert!(!answer.has("set-cookie") && !answer.text().contains("Call the bank"), "{query}");
    }
    assert!(!site.log().text().contains("Call the bank"));
    assert_eq!(site.store().calls(), 0);
    still_works(&mut visitor, &back).await;
}

#[tokio::test]
async fn r026_r194_the_providers_reason_for_a_denial_is_shown_as_plain_text() {
    let site = Site::start().await;
    let long = "d".repeat(10_000);
    for (description, shown) in [
        ("Please verify ada@lovelace.example first", "Please verify ada@lovelace.example first"),
        ("Service not found: https://api.example", "Service not found: https://api.example"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\u{202e}drowssap ruoy epyt", "drowssap ruoy epyt"),
        ("x\r\nSet-Cookie: evil=1", "x Set-Cookie: evil=1"),
        (&long, &long[..200]),
    ] {
        for error in ["access_denied", "unauthorized"] {
            let words = [("error", error), ("error_description", description)];
            let (_, answer) = ends_with(&site, &words).await;
            answer.is_a_refusal(403, FAILED);
            assert_eq!(answer.texts("figure > blockquote"), [shown]);
            assert_eq!(answer.texts("figcaption"), ["The identity provider says:"]);
            assert!(!answer.text().contains("<script>alert"), "{answer:?}");
            assert_eq!(answer.cookies().len(), 1);
        }
    }
}

#[tokio::test]
async fn r027_an_error_uri_is_not_shown() {
    let site = Site::start().await;
    let words = [("error", "access_denied"), ("error_uri", "https://evil.example/help")];
    let (_, answer) = ends_with(&site, &words).await;
    answer.is_a_refusal(403, FAILED).offers("Start again", "/?return_to=%2Freports%3Fpage%3D2");
    assert!(!format!("{answer:?}").contains("evil.example"), "{answer:?}");
    assert!(answer.texts("blockquote").is_empty(), "{answer:?}");
}

#[tokio::test]
async fn r029_r030_a_response_of_another_issuer_or_without_a_promised_one_causes_no_token_request()
{
    const OURS: Option<&str> = Some("ours");
    const OURS_WITHOUT_ITS_SLASH: Option<&str> = Some("ours, without its slash");
    for (is_promised, issuer, is_accepted) in [
        (false, None, true),
        (false, OURS, true),
        (false, OURS_WITHOUT_ITS_SLASH, false),
        (false, Some("https://evil.example/"), false),
        (false, Some("http://127.0.0.1:1/"), false),
        (false, Some(""), false),
        (true, None, false),
        (true, OURS, true),
    ] {
        let site = Site::start().await;
        let ours = &site.provider().issuer;
        let promise = json!({ "authorization_response_iss_parameter_supported": is_promised });
        site.provider().change_metadata(promise);
        let named = |url: &str| match issuer {
            None => url.to_owned(),
            OURS => with(url, "iss", ours),
            OURS_WITHOUT_ITS_SLASH => with(url, "iss", ours.trim_end_matches('/')),
            Some(other) => with(url, "iss", other),
        };
        let (mut visitor, back) = site.returning(ADA).await;
        let answer = visitor.arrive(&named(&back)).await;
        assert_eq!(visitor.login_cookies().len(), 0);
        if is_accepted {
            assert_eq!(answer.location(), "/");
            continue;
        }
        answer.is_a_refusal(400, FAILED);
        if issuer.is_some() {
            // Otherwise this error would lead to the login page.
            let request = visitor.start("/login").await;
            let error = named(&site.provider().refuse(&request, "login_required"));
            visitor.arrive(&error).await.is_a_refusal(400, FAILED);
        }
        assert!(had_no_effect(&site).await, "{issuer:?}");
    }
}

#[tokio::test]
async fn r031_tokens_in_the_query_are_ignored() {
    let (site, mut visitor, back) = returning().await;
    let forged = site.provider().id_token(GRACE, &json!({}));
    let back = with(&with(&back, "id_token", &forged), "access_token", &forged);
    assert_eq!(visitor.arrive(&back).await.location(), "/");
    assert_eq!(visitor.fetch("/protected").await.json()["sub"], ADA.subject);

    let (mut visitor, back) = site.returning(ADA).await;
    let alone = with(&without(&back, "code"), "id_token", &forged);
    visitor.arrive(&alone).await.is_a_refusal(400, FAILED);
    assert_eq!(site.provider().token_requests(), 1);
}

#[tokio::test]
async fn r033_r034_only_get_finishes_a_login() {
    let (site, mut visitor, back) = returning().await;
    let path = back.strip_prefix(ORIGIN).unwrap();
    for method in [Method::POST, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answer = visitor.send(method.clone(), path, Sending::FROM_HERE, &[]).await;
        answer.is_a_refusal(405, "Method not allowed");
        assert_eq!(answer.header("allow"), "GET", "{method}");
        assert!(!answer.has("set-cookie"), "{method}");
    }
    assert!(had_no_effect(&site).await);
    assert_eq!(site.store().calls(), 0);
    still_works(&mut visitor, &back).await;
}

#[tokio::test]
async fn r182_a_flood_of_callbacks_without_a_login_writes_no_row() {
    let site = Site::start().await;
    let mut document_calls = 0;
    for index in 0..200 {
        let mut visitor = Visitor::new(&site);
        visitor.start("/login").await;
        visitor
            .arrive(&format!("{ORIGIN}/callback?code=c{index}&state=s{index}"))
            .await
            .is_a_refusal(400, EXPIRED);
        visitor.open("/").await.is_a_page(200, "Log in");
        if index == 0 {
            document_calls = site.store().document_calls();
        }
    }
    // The provider's documents are read once for all visitors.
    assert_eq!((site.store().calls(), site.store().document_calls()), (0, document_calls));
    assert_eq!(site.provider().token_requests(), 0);
}

/// A caller who starts logins and forges the provider's responses writes no row either: no response
/// redeems a code.
#[tokio::test]
async fn r206_a_response_without_a_code_to_redeem_writes_no_row() {
    let site = Site::start().await;
    for error in ["access_denied", "login_required", "server_error", "x"] {
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login").await;
        let hoarder = visitor.clone();
        let back = site.provider().refuse(&request, error);
        let status = visitor.arrive(&back).await.status();
        assert_eq!(visitor.login_cookies().len(), 0, "{error}");
        // A repeated error gets the same response.
        for _ in 0..2 {
            assert_eq!(hoarder.clone().arrive(&back).await.status(), status, "{error}");
        }
        let (_, back) = site.returning(ADA).await;
        visitor.arrive(&back).await.is_a_refusal(400, EXPIRED);
    }
    let (mut visitor, back) = site.returning(ADA).await;
    visitor.arrive(&with(&back, "iss", "https://evil.example/")).await.is_a_refusal(400, FAILED);
    assert_eq!((site.store().calls(), site.store().marks()), (0, 0));
    assert!(had_no_effect(&site).await);
}

/// Anyone can cause each of these by crafting a URL. None of them returns 5xx or logs `login.failed`,
/// because both raise an alarm.
#[tokio::test]
async fn r208_no_crafted_url_raises_an_alarm() {
    let site = Site::start().await;
    let mut statuses = Vec::new();
    for query in ["", "code=x", "code=x&state=unknown", "error=server_error&state=unknown"] {
        let (mut stranger, _) = site.returning(ADA).await;
        statuses.push(stranger.arrive(&format!("{ORIGIN}/callback?{query}")).await.status());
    }
    assert_eq!(site.log().errors_of("login.unknown").len(), 4);
    for error in ["access_denied", "server_error", "temporarily_unavailable", "invalid_scope", ""] {
        statuses.push(ends_in(&site, error).await.1.status());
    }
    let (mut stranger, back) = site.returning(ADA).await;
    let mut hoarder = stranger.clone();
    statuses.push(stranger.arrive(&changed(&back, "code", "wrong")).await.status());
    statuses.push(hoarder.arrive(&back).await.status());
    let (mut stranger, back) = site.returning(ADA).await;
    statuses.push(stranger.arrive(&with(&back, "iss", "https://evil.example/")).await.status());
    assert_eq!(site.log().errors_of("login.refused").len(), 7);
    assert_eq!(site.log().errors_of("login.replayed").len(), 1);
    assert!(statuses.iter().all(|status| (400..500).contains(status)), "{statuses:?}");
    assert_eq!(site.log().errors_of("login.failed"), Vec::<String>::new());

    // A cause that only the settings or the provider can create does raise the alarm.
    for error in ["invalid_client", "unauthorized_client"] {
        site.provider().set_token_endpoint(Endpoint::Refuses(401, error));
        let (mut visitor, back) = site.returning(ADA).await;
        visitor.arrive(&back).await.is_a_refusal(502, FAILED);
    }
    assert_eq!(site.log().errors_of("login.failed").len(), 2);
}

/// The browser discards a prefetched response. A response that is not a page is never seen by a person.
#[tokio::test]
async fn r202_a_prefetched_callback_leaves_the_login_open() {
    let (site, mut visitor, back) = returning().await;
    let path = back.strip_prefix(ORIGIN).unwrap();
    for header in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("sec-purpose", "prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-dest", "iframe"),
    ] {
        let answer = visitor.send(Method::GET, path, Sending::FROM_ELSEWHERE, &[header]).await;
        assert_eq!((answer.status(), answer.text()), (204, ""), "{header:?}");
        assert!(!answer.has("set-cookie"), "{header:?}");
    }
    assert_eq!(site.store().calls(), 0);
    still_works(&mut visitor, &back).await;
}

#[tokio::test]
async fn r202_a_code_of_4_kb_is_redeemed() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login").await;
    let back = site.provider().log_in_with_code(&request, ADA, "c".repeat(4_096));
    still_works(&mut visitor, &back).await;
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
}

/// Auth0 and others return people with such links if `/callback` is the only URL they know.
#[tokio::test]
async fn r203_a_stray_callback_of_a_logged_in_user_reports_that_they_are_still_logged_in() {
    let (site, mut visitor) = Site::start_logged_in(&[]).await;
    let created = site.store().sessions_created();
    for query in [
        "",
        "supportSignUp=true&supportForgotPassword=true&success=true&code=success",
        "email=ada%40lovelace.example&message=Your%20email%20was%20verified",
        "code=success&state=unknown",
        "error=access_denied&state=unknown",
        "code=a&code=b",
    ] {
        let stray = format!("{ORIGIN}/callback?{query}");
        let answer = visitor.arrive(&stray).await;
        answer.is_a_refusal(400, LOGGED_IN).offers("Go to the start page", "/");
        assert!(!answer.has("set-cookie"), "{query}");
        let answer = Visitor::new(&site).arrive(&stray).await;
        assert_ne!(answer.texts("h1"), [LOGGED_IN], "{query}");
    }
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    assert_eq!(site.store().sessions_created(), created);

    // Not if the cookie belongs to no session, or if the store is down.
    let stray = format!("{ORIGIN}/callback?code=success");
    site.store().set_down(true);
    visitor.arrive(&stray).await.is_a_refusal(400, FAILED);
    site.store().set_down(false);
    let cookie = visitor.session().unwrap().to_owned();
    visitor.submit("/logout").await;
    visitor.plant(SESSION, &cookie);
    visitor.arrive(&stray).await.is_a_refusal(400, FAILED);
}
