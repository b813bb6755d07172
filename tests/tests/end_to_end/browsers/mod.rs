//! User journeys in real browsers: through `cargo lambda watch`, and through the API.

mod accessibility;
mod form_post;
mod polling;
mod refresh;
mod required;

use std::time::Duration;

use serde_json::Value;
use tests::{
    browser::Browser,
    deployment::Deployment,
    http_api,
    listener::Listener,
    real_browser::{Engine, RealBrowser},
    secrets::assert_absent,
    watch::Watch,
};
use thirtyfour::{By, Key, WebElement, error::WebDriverResult, prelude::ElementQueryable};

/// The product as `local/start` runs it without settings.
async fn bundle() -> Watch {
    Watch::start(&[]).await
}

#[tokio::test]
async fn log_in_see_the_key_call_protected_and_log_out() {
    tell_the_whole_job(Engine::Chromium, "whole-job", &Place::of(&bundle().await)).await;
}

/// Firefox treats cookies on localhost differently from Chromium.
#[tokio::test]
async fn firefox_completes_the_journey() {
    tell_the_whole_job(Engine::Firefox, "whole-job-firefox", &Place::of(&bundle().await)).await;
}

/// WebKit treats them differently too, as Safari does.
#[tokio::test]
async fn webkit_completes_the_journey() {
    tell_the_whole_job(Engine::WebKit, "whole-job-webkit", &Place::of(&bundle().await)).await;
}

/// Under the https name, with the cookies that need https.
#[tokio::test]
async fn the_journey_works_with_three_instances_of_each_function_behind_their_api() {
    let deployment = Deployment::start(3, &[("Scope", "openid profile email")]).await;
    let functions = ["callback", "login", "logout", "protected"];
    for function in functions {
        deployment.lambda().warm(function, 3).await;
    }
    let place = Place::of_deployment(&deployment);
    tell_the_whole_job(Engine::Chromium, "whole-job-behind-its-api", &place).await;
    for function in functions {
        assert_eq!(deployment.lambda().served(function).len(), 3, "{function}");
    }
}

/// The environment of a journey.
struct Place<'a> {
    base_url: String,
    session_cookie: String,
    chromium_flags: Vec<String>,
    curl_options: String,
    /// The output of all processes.
    output: Box<dyn Fn() -> String + 'a>,
}

impl<'a> Place<'a> {
    fn of(watch: &'a Watch) -> Self {
        Self {
            base_url: watch.base_url().to_owned(),
            session_cookie: watch.base_url().replace("http://localhost:", "auth0-lambda-")
                + ".session",
            chromium_flags: Vec::new(),
            curl_options: String::new(),
            output: Box::new(|| watch.output()),
        }
    }

    fn of_deployment(deployment: &'a Deployment) -> Self {
        Self {
            base_url: http_api::ORIGIN.to_owned(),
            session_cookie: "__Host-session".to_owned(),
            chromium_flags: deployment.api().chromium_flags().into(),
            curl_options: deployment.api().curl_options(),
            output: Box::new(|| deployment.lambda().output()),
        }
    }
}

async fn tell_the_whole_job(engine: Engine, name: &str, place: &Place<'_>) {
    let mut secrets = Vec::new();
    RealBrowser::tell_in(engine, name, &place.chromium_flags, async |browser| {
        let page = |path: &str| format!("{}{path}", place.base_url);
        browser.goto(page("/")).await?;
        assert_eq!(heading(browser).await?, "Log in");
        browser.screenshot(&format!("{name}-login")).await;
        let methods = browser.find_all(By::Css("a[href^='/login?connection=']")).await?;
        assert_eq!(methods.len(), 4, "the development provider offers four");

        log_in_with(browser, "GitHub").await?;
        assert_eq!(heading(browser).await?, "Your API key");
        assert_eq!(browser.current_url().await?.as_str(), page("/"));
        wait_for(browser, "#live[data-state=good]").await?;
        assert_eq!(text(browser, "#verdict").await?, "You are logged in");
        assert_eq!(text(browser, "#http-status").await?, "HTTP 200");
        assert!(text(browser, "#answer").await?.contains("ada@example.com"));
        assert!(text(browser, "header").await?.contains("Ada Lovelace"));
        let picture = "return document.querySelector('#picture').naturalWidth > 0";
        assert!(
            browser.execute(picture, Vec::new()).await?.convert::<bool>()?,
            "the picture is shown"
        );
        assert!(text(browser, "#token-claims").await?.contains("\"sub\": \"github|"));
        assert!(text(browser, "#time-left").await?.ends_with(" left"));
        show_whole_page(browser).await?;
        browser.screenshot(&format!("{name}-key")).await;
        let (status, body) =
            run_curl(&whole_text(browser, "#curl").await?, &place.curl_options).await;
        assert_eq!(status, "200");
        assert!(body.contains("\"email\":\"ada@example.com\""), "{body}");
        let polls = "return document.querySelector('#pace').textContent";
        let first: String = browser.execute(polls, Vec::new()).await?.convert()?;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let second: String = browser.execute(polls, Vec::new()).await?.convert()?;
        assert_ne!(first, second, "it asks every second");

        let curl = whole_text(browser, "#curl").await?;
        let old_cookie = browser.get_named_cookie(&place.session_cookie).await?;
        let is_https = place.base_url.starts_with("https:");
        assert_eq!((old_cookie.secure, old_cookie.path.as_deref()), (Some(is_https), Some("/")));
        let token = whole_text(browser, "#token").await?;
        secrets = vec![
            ("the end of the token", token[token.len() - 40..].to_owned()),
            ("the token", token),
            ("the cookie", old_cookie.value.clone()),
            ("the e-mail address", "ada@example.com".to_owned()),
            ("the name", "Ada Lovelace".to_owned()),
        ];
        browser.find(By::Css("form[action='/logout'] button")).await?.click().await?;
        wait_for_heading(browser, "You are logged out").await?;
        assert!(browser.current_url().await?.path() == "/signed-out");
        let (status, body) = run_curl(&curl, &place.curl_options).await;
        assert_eq!(status, "401");
        assert!(body.contains(r#""message":"Good token, bad session""#), "{body}");

        // The old cookie is worthless, and the provider requires a new login.
        browser.add_cookie(thirtyfour::Cookie { domain: None, ..old_cookie }).await?;
        browser.goto(page("/")).await?;
        assert_eq!(heading(browser).await?, "Log in");
        browser.find(By::PartialLinkText("GitHub")).await?.click().await?;
        wait_for(browser, "button[value='ada@example.com']").await?;
        if is_https {
            // Chromium only reports that the development provider's pictures are on plain http on
            // loopback.
            let console = browser.console().await;
            let expected =
                |line: &String| line.contains("/pictures/ada.svg'. This request was not");
            assert!(console.iter().all(expected), "{console:#?}");
        }
        Ok(())
    })
    .await;
    // R173: checks the output of all processes, including the functions' logs.
    let secrets: Vec<_> = secrets.iter().map(|(name, secret)| (*name, secret.as_str())).collect();
    assert_eq!(secrets.len(), 5);
    let output = (place.output)();
    assert!(output.contains("login.succeeded"), "{output}");
    assert_absent(output.as_bytes(), &secrets);
}

#[tokio::test]
async fn r103_r114_a_user_and_the_provider_can_end_all_sessions() {
    let watch = bundle().await;
    RealBrowser::tell("endings", async |browser| {
        let home = format!("{}/", watch.base_url());
        // Another browser of the same user.
        let mut laptop = Browser::at(watch.base_url());
        laptop.log_in("ada@example.com").await;
        browser.goto(&home).await?;
        log_in_with(browser, "GitHub").await?;
        browser
            .find(By::Css("form[action='/logout?everywhere=true'] button"))
            .await?
            .click()
            .await?;
        wait_for_heading(browser, "You are logged out").await?;
        assert!(text(browser, "main").await?.contains("here and at the identity provider"));
        assert_eq!(laptop.get("/").await.read("h1").as_deref(), Some("Log in"));

        browser.goto(&home).await?;
        log_in_with(browser, "GitHub").await?;
        let claims: Value = serde_json::from_str(&text(browser, "#token-claims").await?)
            .expect("the claims are JSON");
        browser.goto(claims["iss"].as_str().expect("an issuer")).await?;
        // The laptop still has a session at the provider.
        browser.find(By::Css("form[action='/sessions/end'] button")).await?.click().await?;
        browser.query(By::XPath("//p[.='No user is logged in.']")).first().await?;
        // The provider sends its logout token in the background.
        for _ in 0..50 {
            browser.goto(&home).await?;
            if heading(browser).await? == "Log in" {
                // A key page may have polled just when the session ended.
                let console = browser.console().await;
                assert!(console.iter().all(|line| line.contains("/protected")), "{console:#?}");
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("the session did not end");
    })
    .await;
}

/// With a refresh token, the page tries to refresh before it gives up.
#[tokio::test]
async fn the_key_page_notices_a_logout_elsewhere_and_stops_polling() {
    let scopes = [("openid profile email", 1), ("openid profile email offline_access", 2)];
    for (scope, requests) in scopes {
        let watch = Watch::start(&[("SCOPE", scope)]).await;
        RealBrowser::tell("logout-elsewhere", async |browser| {
            browser.goto(format!("{}/", watch.base_url())).await?;
            log_in_with(browser, "Google").await?;
            wait_for(browser, "#live[data-state=good]").await?;
            let token = whole_text(browser, "#token").await?;
            log_out_elsewhere(&watch, &token).await;
            wait_for(browser, "#live[data-state=bad]").await?;
            assert_forgotten(browser, &token).await?;
            assert!(text(browser, "#verdict").await?.contains("Good token, bad session"));
            wait_for(browser, "#again a").await?;
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            // Chromium reports each 401 as an error: of the API, and of the attempted refresh. One
            // more would mean that the page still polls.
            let console = browser.console().await;
            assert_eq!(console.len(), requests, "{console:#?}");
            assert!(console.iter().all(|line| line.contains("401")), "{console:#?}");
            Ok(())
        })
        .await;
    }
}

/// Logs out as an API client.
async fn log_out_elsewhere(watch: &Watch, token: &str) {
    let client = tests::http_client();
    let logout =
        client.post(format!("{}/logout", watch.base_url())).bearer_auth(token).send().await;
    assert!(logout.is_ok_and(|answer| answer.status() == 200));
}

/// Asserts that the document contains nothing of the session.
async fn assert_forgotten(browser: &RealBrowser, token: &str) -> WebDriverResult<()> {
    let page = browser.source().await?;
    for trace in token.split('.').chain(["ada@example.com", "Ada Lovelace", "/pictures/"]) {
        assert!(!page.contains(trace), "{trace} is left");
    }
    assert_eq!(heading(browser).await?, "You are logged out");
    assert_eq!(browser.title().await?, "You are logged out");
    Ok(())
}

#[tokio::test]
async fn a_german_browser_sees_german_and_the_logo_and_colour_of_the_application() {
    let logo = Listener::bind().await;
    let url = logo.url("/logo.svg");
    logo.serve(async |_| {
        let image = r#"<svg xmlns="http://www.w3.org/2000/svg" width="72" height="36"/>"#;
        let response = http::Response::builder().header("content-type", "image/svg+xml");
        response.body(image.into()).expect("a response")
    });
    let settings = [("APP_NAME", "Acme"), ("LOGO_URL", &*url), ("ACCENT_COLOR", "#7a1fa2")];
    let watch = Watch::start(&settings).await;
    let flags = ["--accept-lang=de-DE".to_owned()];
    RealBrowser::tell_in(Engine::Chromium, "branding", &flags, async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        assert_eq!(heading(browser).await?, "Anmelden");
        let drawn = "const logo = document.querySelector('.logo');
            const link = document.createElement('a');
            document.body.append(link);
            return `${logo.naturalWidth} ${logo.alt} ${getComputedStyle(link).color}`;";
        for (scheme, colour) in [("light", "rgb(122, 31, 162)"), ("dark", "")] {
            browser.prefer(scheme).await?;
            let found: String = browser.execute(drawn, Vec::new()).await?.convert()?;
            assert!(found.starts_with("72 Acme rgb(") && found.ends_with(colour), "{found}");
        }
        log_in_with(browser, "GitHub").await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert_eq!(heading(browser).await?, "Ihr API-Schlüssel");
        assert_eq!(text(browser, "#verdict").await?, "Sie sind angemeldet");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_hidden_tab_stops_polling_until_it_is_shown() {
    let watch = bundle().await;
    RealBrowser::tell("hidden", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        log_in_with(browser, "GitHub").await?;
        wait_for(browser, "#live[data-state=good]").await?;
        hide(browser, true).await?;
        wait_for_pace(browser, "Paused while this tab is hidden.").await?;
        // One request may have been in flight.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let before = requests_for_protected(browser).await?;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(requests_for_protected(browser).await?, before);
        hide(browser, false).await?;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert!(requests_for_protected(browser).await? > before);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_key_page_polls_less_while_offline_and_resumes_online() {
    let watch = bundle().await;
    RealBrowser::tell("offline", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        log_in_with(browser, "GitHub").await?;
        wait_for(browser, "#live[data-state=good]").await?;
        browser.be_offline(true).await?;
        wait_for(browser, "#live[data-state=wait]").await?;
        assert_eq!(text(browser, "#verdict").await?, "The API cannot be reached");
        wait_for_pace(browser, "Next try in 4 s.").await?;
        browser.be_offline(false).await?;
        wait_for(browser, "#live[data-state=good]").await?;
        // Chromium's messages about each failed attempt.
        let console = browser.console().await;
        assert!(
            console.iter().all(|line| line.contains("ERR_INTERNET_DISCONNECTED")),
            "{console:#?}"
        );
        assert!((1..=4).contains(&console.len()), "{console:#?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_journey_works_with_the_keyboard_only() {
    let watch = bundle().await;
    RealBrowser::tell("keyboard", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        press_tab_until(browser, "a[href*='connection=github']").await?;
        press(browser, &Key::Enter).await?;
        wait_for(browser, "button[value='grace@example.com']").await?;
        press_tab_until(browser, "button[value='grace@example.com']").await?;
        press(browser, &Key::Enter).await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert!(text(browser, "header").await?.contains("Grace Hopper"));
        let keep = "navigator.clipboard.writeText = async (text) => { window.copied = text; }";
        browser.execute(keep, Vec::new()).await?;
        press_tab_until(browser, "[data-copy=token]").await?;
        press(browser, &Key::Enter).await?;
        wait_for(browser, "#copied:not(:empty)").await?;
        let copied = browser.execute("return window.copied", Vec::new()).await?;
        assert_eq!(copied.convert::<String>()?, whole_text(browser, "#token").await?);
        let lines = "const token = document.querySelector('#token');
            return Math.round(token.clientHeight / parseFloat(getComputedStyle(token).lineHeight))";
        let folded: u32 = browser.execute(lines, Vec::new()).await?.convert()?;
        press_tab_until(browser, "[aria-expanded=false][aria-controls=token]").await?;
        press(browser, &Key::Enter).await?;
        wait_for(browser, "[aria-expanded=true][aria-controls=token]").await?;
        let unfolded: u32 = browser.execute(lines, Vec::new()).await?.convert()?;
        assert!(folded == 3 && unfolded > 6, "{folded}, {unfolded}");
        press_tab_until(browser, "form[action='/logout'] button").await?;
        let outline = "return getComputedStyle(document.activeElement).outlineStyle";
        assert_ne!(browser.execute(outline, Vec::new()).await?.convert::<String>()?, "none");
        press(browser, &Key::Enter).await?;
        wait_for_heading(browser, "You are logged out").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn pages_fit_a_phone_of_320_pixels_in_dark_mode() {
    let watch = bundle().await;
    RealBrowser::tell("phone", async |browser| {
        browser.use_phone(320).await?;
        browser.prefer("dark").await?;
        browser.goto(format!("{}/", watch.base_url())).await?;
        assert!(!browser.scrolls_sideways().await?);
        browser.screenshot("login-phone").await;
        log_in_with(browser, "GitHub").await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert!(!browser.scrolls_sideways().await?);
        browser.screenshot("key-phone").await;
        browser.goto(format!("{}/logout", watch.base_url())).await?;
        assert!(!browser.scrolls_sideways().await?);
        browser.find(By::Css("form[action='/logout'] button")).await?.click().await?;
        wait_for_heading(browser, "You are logged out").await?;
        assert!(!browser.scrolls_sideways().await?);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_key_page_shows_when_its_token_expires() {
    let watch = Watch::start(&[("TOKEN_LIFETIME", "8s")]).await;
    RealBrowser::tell("expiry", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        log_in_with(browser, "GitHub").await?;
        let token = whole_text(browser, "#token").await?;
        wait_for(browser, "#live[data-state=bad]").await?;
        assert_eq!(text(browser, "#verdict").await?, "Token expired: you are logged out");
        assert_forgotten(browser, &token).await?;
        wait_for(browser, "#again a").await?;
        // The 401 by which the page noticed it.
        let console = browser.console().await;
        assert!(console.len() == 1 && console[0].contains("401"), "{console:#?}");
        Ok(())
    })
    .await;
}

async fn log_in_with(browser: &RealBrowser, method: &str) -> WebDriverResult<()> {
    browser.find(By::PartialLinkText(method)).await?.click().await?;
    wait_for(browser, "button[value='ada@example.com']").await?.click().await?;
    wait_for(browser, "#token").await?;
    Ok(())
}

async fn wait_for(browser: &RealBrowser, selector: &'static str) -> WebDriverResult<WebElement> {
    browser.query(By::Css(selector)).and_displayed().first().await
}

/// Waits for a heading after a click to another page. The old page may still be there for a moment.
async fn wait_for_heading(browser: &RealBrowser, heading: &str) -> WebDriverResult<WebElement> {
    browser.query(By::XPath(format!("//h1[.='{heading}']"))).first().await
}

async fn text(browser: &RealBrowser, selector: &'static str) -> WebDriverResult<String> {
    browser.find(By::Css(selector)).await?.text().await
}

/// The text of an element, including folded parts.
async fn whole_text(browser: &RealBrowser, selector: &'static str) -> WebDriverResult<String> {
    let text = browser.find(By::Css(selector)).await?.prop("textContent").await?;
    Ok(text.unwrap_or_default())
}

async fn heading(browser: &RealBrowser) -> WebDriverResult<String> {
    text(browser, "h1").await
}

/// Simulates that another tab is in front of the page.
async fn hide(browser: &RealBrowser, hidden: bool) -> WebDriverResult<()> {
    let script = format!(
        "Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {hidden} }});
         document.dispatchEvent(new Event('visibilitychange'));"
    );
    browser.execute(script, Vec::new()).await.map(drop)
}

async fn wait_for_pace(browser: &RealBrowser, words: &str) -> WebDriverResult<()> {
    let pace = format!("//*[@id='pace'][contains(., '{words}')]");
    browser.query(By::XPath(pace)).first().await.map(drop)
}

async fn requests_for_protected(browser: &RealBrowser) -> WebDriverResult<u32> {
    let script = "return performance.getEntriesByType('resource').filter((entry) => entry.name.endsWith('/protected')).length";
    browser.execute(script, Vec::new()).await?.convert()
}

async fn press(browser: &RealBrowser, key: &Key) -> WebDriverResult<()> {
    browser.active_element().await?.send_keys(key.clone()).await
}

async fn press_tab_until(browser: &RealBrowser, selector: &'static str) -> WebDriverResult<()> {
    let reached = format!("return document.activeElement.matches({selector:?})");
    for _ in 0..30 {
        browser.action_chain().send_keys(Key::Tab.value().to_string()).perform().await?;
        if browser.execute(&reached, Vec::new()).await?.convert()? {
            return Ok(());
        }
    }
    panic!("the focus never reached {selector}");
}

async fn show_whole_page(browser: &RealBrowser) -> WebDriverResult<()> {
    let height = "return document.documentElement.scrollHeight";
    let height: u32 = browser.execute(height, Vec::new()).await?.convert()?;
    browser.set_window_rect(0, 0, 1_280, height + 150).await
}

/// Runs the command that the key page shows in a shell. Returns status and body.
///
/// It does not block, since the gateway may run on this thread.
async fn run_curl(line: &str, options: &str) -> (String, String) {
    let curl = format!(r"curl {options} --silent --write-out '\n%{{http_code}}' ");
    let line = line.replace("curl ", &curl);
    let shell = tokio::process::Command::new("sh").args(["-c", &line]).output().await;
    let output = shell.expect("a shell runs");
    let output = String::from_utf8(output.stdout).expect("the answer is text");
    let (body, status) = output.rsplit_once('\n').expect("there is a status");
    (status.to_owned(), body.to_owned())
}
