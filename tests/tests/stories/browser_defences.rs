//! Defences of pages and cookies against attacks in the browser.
//!
//! Three properties are asserted for every answer in every story (see `tests::site`): the headers that
//! every answer must have, the attributes of cookies, and that inline code needs the page's nonce.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Method, header};
use serde_json::{Value, json};
use tests::{
    answer::Answer, browser::Browser, misbehaving_provider::ADA, site::Site, visitor::Visitor,
};

/// One answer of each kind, pages and others, both with and without a session.
async fn every_answer(site: &Site) -> Vec<Answer> {
    let mut visitor = Visitor::new(site);
    let mut answers = vec![visitor.open("/login").await, visitor.log_in(ADA).await];
    for path in [
        "/",
        "/login?prompt=a&prompt=b",
        "/callback",
        "/logout",
        "/signed-out",
        "/protected",
        "/nowhere",
    ] {
        answers.push(visitor.open(path).await);
        answers.push(Visitor::new(site).open(path).await);
        answers.push(visitor.fetch(path).await);
        answers.push(site.get(path, &[]).await);
        answers.push(site.send(Method::HEAD, path, &[("accept", "text/html")]).await);
        answers.push(site.send(Method::OPTIONS, path, &[]).await);
        answers.push(site.send(Method::DELETE, path, &[("accept", "text/html")]).await);
    }
    answers.push(visitor.submit("/logout").await);
    answers
}

/// R32, R172: no page can be framed, reads the fragment or loads foreign content.
#[tokio::test]
async fn r032_r169_r170_r172_every_answer_has_its_security_headers() {
    let site = Site::start().await;
    let (pages, others): (Vec<_>, Vec<_>) =
        every_answer(&site).await.into_iter().partition(Answer::is_page);
    assert!(pages.len() >= 12 && others.len() >= 12, "{}", pages.len());
    let headings: BTreeSet<_> = pages.iter().flat_map(|page| page.texts("h1")).collect();
    let expected = [
        "Log in",
        "Log out?",
        "Method not allowed",
        "Page not found",
        "This login link is not valid",
        "You are logged in already",
        "You are logged out",
        "You are still logged in",
        "You were not logged in",
        "Your API key",
    ];
    assert!(headings.iter().eq(&expected), "{headings:?}");
    for answer in others {
        let policy = answer.header("content-security-policy");
        assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'");
    }
    let form_action =
        format!("form-action 'self' {}", site.provider().issuer.trim_end_matches('/'));
    for page in pages {
        assert!(!page.text().contains("location.hash"), "{page:?}");
        for link in page.attributes("[src]", "src") {
            assert_eq!(link, ADA.picture);
        }
        let policy = page.header("content-security-policy");
        for part in ["frame-ancestors 'none'", &form_action, "connect-src 'self'"] {
            assert!(policy.contains(part), "{policy}");
        }
    }
}

#[tokio::test]
async fn r171_claims_are_text_and_a_picture_is_https() {
    let bait = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>";
    for (picture, is_shown) in [
        ("javascript:alert(3)", false),
        ("http://pictures.example/ada.png", false),
        ("data:image/svg+xml,<svg onload=alert(4)>", false),
        ("//pictures.example/ada.png", false),
        ("https://pictures.example;form-action/ada.png", false),
        ("https://pictures.example,sandbox/ada.png", false),
        ("https://pictures.example/\" onerror=\"alert(5)", true),
        ("https://pictures.example/ada.png", true),
    ] {
        let site = Site::start().await;
        site.provider().change_claims(json!({
            "name": bait, "email": format!("{bait}@x"), "picture": picture, bait: bait,
        }));
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        // For every page it is asserted elsewhere that no element has a handler and every script has
        // the nonce.
        let page = visitor.open("/").await;
        page.is_a_page(200, "Your API key");
        assert_eq!(page.texts(".name"), [bait]);
        let pictures = page.attributes("#picture", "src");
        assert_eq!(pictures.len(), usize::from(is_shown), "{pictures:?}");
        assert!(pictures.iter().all(|picture| picture.starts_with("https://")), "{pictures:?}");
        assert_eq!(page.attributes("img", "src"), pictures);
        assert_eq!(page.attributes("script", "nonce").len(), 1);
        assert_eq!(visitor.fetch("/protected").await.json()["name"], bait);
    }
}

#[tokio::test]
async fn r171_claims_of_the_wrong_type_break_no_page() {
    let site = Site::start().await;
    for value in [json!(7), json!([]), json!({}), json!(""), json!("\u{0}\u{202e}"), Value::Null] {
        site.provider().change_claims(json!({
            "name": value, "email": value, "picture": value, "email_verified": value,
        }));
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        visitor.open("/").await.is_a_page(200, "Your API key");
        assert_eq!(visitor.fetch("/protected").await.status(), 200, "{value}");
    }
}

/// A bundle that is served by plain HTTP on this machine, where cookies cannot have the `__Host-`
/// prefix.
const LOCAL: &str = "http://localhost:9000";

/// `session` is the name of Flask's cookie, and was this bundle's in earlier releases.
#[tokio::test]
async fn r216_cookies_of_other_programs_on_this_machine_are_neither_read_nor_deleted() {
    let site = Site::start_with(&[("BASE_URL", LOCAL)]).await;
    let served = site.clone();
    let mut browser = Browser::in_process(LOCAL, move |request| {
        let site = served.clone();
        async move { site.answer(request, site.now()).await }
    });
    let others = ["session", "logout", "login.a", "auth0-lambda-9001.session"];
    for name in others {
        browser.set_cookie(&format!("{name}={}; Path=/", "A".repeat(43)));
    }
    assert_eq!(browser.get("/").await.read("h1").as_deref(), Some("Log in"));
    let request = browser.get("/login").await.location().unwrap();
    let back = site.provider().log_in(&request, ADA);
    let page = browser.get(&back).await.follow_all().await;
    assert_eq!(page.read("h1").as_deref(), Some("Your API key"));
    assert!(browser.cookie("auth0-lambda-9000.session").is_some());
    assert_eq!(browser.fetch(Method::GET, "/protected", &[]).await.status, 200);
    browser.get("/").await.form_at("form[action='/logout']").submit().await;
    assert_eq!(browser.cookie("auth0-lambda-9000.session"), None);
    for name in others {
        assert_eq!(browser.cookie(name), Some("A".repeat(43).as_str()), "{name}");
    }
}

/// A second session cookie with a `Domain`. Some browsers keep it beside ours.
#[tokio::test]
async fn r204_a_login_works_even_if_the_browser_has_two_session_cookies() {
    let site = Site::start_with(&[("BASE_URL", LOCAL)]).await;
    let ask = async |path: &str, cookies: &[String]| {
        let request = http::Request::get(path)
            .header(header::HOST, "localhost:9000")
            .header(header::ACCEPT, "text/html")
            .header(header::COOKIE, cookies.join("; "));
        let answer = site.answer(request.body(Bytes::new()).unwrap(), site.now()).await;
        Answer::new(String::new(), answer)
    };
    const SESSION: &str = "auth0-lambda-9000.session";
    let twins = ["A", "B"].map(|letter| format!("{SESSION}={}", letter.repeat(42) + "A"));

    let started = ask("/login", &twins).await;
    let request = started.location().parse().unwrap();
    let login = started.cookies().remove(0);
    let mut cookies = twins.to_vec();
    cookies.push(format!("{}={}", login.name(), login.value()));
    let back = site.provider().log_in(&request, ADA);
    let answer = ask(back.strip_prefix(LOCAL).unwrap(), &cookies).await;
    assert_eq!(answer.location(), "/");
    // The order matters: most browsers treat the two as one here, and keep the second.
    let changed = answer.cookies();
    let told: Vec<_> = changed
        .iter()
        .filter(|cookie| cookie.name() == SESSION)
        .map(|cookie| (cookie.domain(), cookie.value().len()))
        .collect();
    assert_eq!(told, [(Some("localhost"), 0), (None, 43)]);
    let set = changed.iter().rfind(|cookie| cookie.name() == SESSION).unwrap();
    let kept = [format!("{SESSION}={}", set.value())];
    ask("/", &kept).await.is_a_page(200, "Your API key");

    // Opening the login page deletes both as well.
    let dropped = ask("/", &twins).await.cookies_cleared().len();
    assert_eq!(dropped, 2);
}
