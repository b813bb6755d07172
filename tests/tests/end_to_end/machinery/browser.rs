use bytes::Bytes;
use http::{Request, Response};
use tests::browser::Browser;

/// Returns a description of the request, except for paths with a special response.
async fn mirror(request: Request<Bytes>) -> Response<Bytes> {
    let header = |name| match request.headers().get(name) {
        Some(value) => value.to_str().expect("ASCII"),
        None => "-",
    };
    let asked = format!(
        "{} {} site={} origin={} cookies={} body={}",
        request.method(),
        request.uri(),
        header("sec-fetch-site"),
        header("origin"),
        header("cookie"),
        String::from_utf8_lossy(request.body()),
    );
    let response = Response::builder();
    match request.uri().path() {
        "/set" => response
            .status(303)
            .header("location", "/echo")
            .header("set-cookie", "__Host-session=secret; Path=/; Secure; HttpOnly; SameSite=Lax")
            .header("set-cookie", "deep=1; Path=/deep")
            .header("set-cookie", "__Host-forged=1; Path=/")
            .header("set-cookie", "__Host-wide=1; Path=/; Secure; Domain=app.example")
            .header("set-cookie", "elsewhere=1; Domain=other.example"),
        "/drop" => response.header("set-cookie", "__Host-session=; Path=/; Secure; Max-Age=0"),
        "/again" => response.status(307).header("location", "/echo"),
        "/form" => {
            let form = r#"<form method="post" action="/echo">
                <input type="hidden" name="state" value="a&amp;b"><input name="email">
                <input type="checkbox" name="unchecked" value="1"><textarea name="note">hi</textarea>
                <button>Go</button><button name="choice" value="two">Go <b>elsewhere</b></button>
                </form> <a href="/echo?linked">A link</a>"#;
            return Response::new(Bytes::from_static(form.as_bytes()));
        }
        _ => response,
    }
    .body(asked.into())
    .expect("a response")
}

fn browser() -> Browser {
    Browser::in_process("https://app.example", mirror)
}

#[tokio::test]
async fn keeps_cookies_as_a_browser_does_and_shows_every_redirect() {
    let mut browser = browser();

    let redirect = browser.get("/set").await;
    assert_eq!(
        (redirect.status.as_u16(), redirect.location().expect("one").path()),
        (303, "/echo")
    );
    let page = redirect.follow().await;

    assert_eq!(
        page.text(),
        "GET https://app.example/echo site=none origin=- cookies=__Host-session=secret body="
    );
    assert_eq!(browser.cookie("__Host-session"), Some("secret"));
    assert_eq!(browser.cookie_names(), ["__Host-session"]);
    browser.get("/drop").await;
    assert_eq!(browser.cookie("__Host-session"), None);
}

#[tokio::test]
async fn a_clone_is_another_profile_with_the_same_cookies() {
    let mut browser = browser();
    browser.set_cookie("session=1; Path=/");
    let thief = browser.clone();
    browser.clear_cookies();
    assert_eq!((browser.cookie("session"), thief.cookie("session")), (None, Some("1")));
}

#[tokio::test]
async fn sends_the_origin_of_a_navigation_and_no_lax_cookies_in_cross_site_posts() {
    let mut browser = browser();
    browser.get("/set").await;

    browser.show("https://evil.example/page");
    let forged = browser.post_form("/echo", &[("a", "1")]).await;
    assert_eq!(
        forged.text(),
        "POST https://app.example/echo site=cross-site origin=https://evil.example cookies=- body=a=1"
    );

    // The current page is now the application's own.
    let own = browser.post_form("/again", &[("a", "1 &")]).await.follow().await;
    assert_eq!(
        own.text(),
        "POST https://app.example/echo site=same-origin origin=https://app.example \
         cookies=__Host-session=secret body=a=1+%26"
    );
}

#[tokio::test]
async fn fills_in_forms_and_clicks_links() {
    let mut browser = browser();
    let pressed =
        browser.get("/form").await.form().fill("email", "a@b.c").press("Go elsewhere").await;
    let body = "body=state=a%26b&email=a%40b.c&note=hi&choice=two";
    assert!(pressed.text().ends_with(body), "{pressed:?}");

    let entered = browser.get("/form").await.form().submit().await;
    assert!(entered.text().ends_with("body=state=a%26b&email=&note=hi"), "{entered:?}");

    let linked = browser.get("/form").await.click("A link").await;
    assert!(linked.text().starts_with("GET https://app.example/echo?linked site=same-origin"));
}

#[tokio::test]
async fn a_script_of_the_page_fetches_with_its_cookies() {
    let mut browser = browser();
    browser.set_cookie("session=1; Path=/; SameSite=Lax");
    let answer = browser.fetch(http::Method::POST, "/echo", &[("authorization", "Bearer x")]).await;
    assert_eq!(
        answer.text(),
        "POST https://app.example/echo site=same-origin origin=https://app.example cookies=session=1 body="
    );
}
