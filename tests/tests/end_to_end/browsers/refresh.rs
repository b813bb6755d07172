//! A key page that outlives its token.

use super::*;

const OFFLINE: (&str, &str) = ("SCOPE", "openid profile email offline_access");

#[tokio::test]
async fn the_key_page_renews_its_token() {
    let watch = Watch::start(&[OFFLINE, ("TOKEN_LIFETIME", "8s")]).await;
    RealBrowser::tell("renewal", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        log_in_with(browser, "GitHub").await?;
        wait_for(browser, "#live[data-state=good]").await?;
        browser.execute("window.sameDocument = true", Vec::new()).await?;
        let first = whole_text(browser, "#token").await?;
        for _ in 0..2 {
            let before = whole_text(browser, "#token").await?;
            wait_for_another(browser, "#token", &before).await?;
        }
        let token = whole_text(browser, "#token").await?;
        assert_ne!(token, first);
        assert!(text(browser, "#renewal").await?.starts_with("Renewed at "));
        assert!(whole_text(browser, "#curl").await?.contains(&token));
        assert!(text(browser, "#token-claims").await?.contains("\"email\": \"ada@example.com\""));
        assert!(text(browser, "#token-header").await?.contains("\"alg\": \"RS256\""));
        assert!(text(browser, "#time-left").await?.ends_with(" left"));
        assert_eq!(browser.find_all(By::Css("#token span")).await?.len(), 3);
        wait_for(browser, "#live[data-state=good]").await?;
        let (status, body) = run_curl(&whole_text(browser, "#curl").await?, "").await;
        assert_eq!(status, "200", "{body}");
        let same = browser.execute("return window.sameDocument === true", Vec::new()).await?;
        assert!(same.convert::<bool>()?, "the page was reloaded");
        assert_eq!(browser.console().await, [] as [String; 0]);

        browser.find(By::Css("form[action='/logout'] button")).await?.click().await?;
        wait_for_heading(browser, "You are logged out").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn the_key_page_says_when_its_token_cannot_be_renewed() {
    let watch = Watch::start(&[OFFLINE, ("TOKEN_LIFETIME", "8s")]).await;
    RealBrowser::tell("no-renewal", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        log_in_with(browser, "GitHub").await?;
        wait_for(browser, "#live[data-state=good]").await?;
        answer_refreshes_with(browser, 503, "identity_provider_unavailable").await?;
        wait_for_renewal(browser, "could not be renewed just now").await?;
        assert_eq!(text(browser, "#verdict").await?, "You are logged in");
        answer_refreshes_with(browser, 409, "not_refreshable").await?;
        wait_for_renewal(browser, "cannot be renewed").await?;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn r188_a_page_opened_after_its_token_expired_renews_at_once() {
    let watch = Watch::start(&[OFFLINE, ("TOKEN_LIFETIME", "5s")]).await;
    RealBrowser::tell("renewal-at-once", async |browser| {
        let home = format!("{}/", watch.base_url());
        browser.goto(&home).await?;
        log_in_with(browser, "GitHub").await?;
        let expired = whole_text(browser, "#token").await?;
        browser.goto("about:blank").await?;
        tokio::time::sleep(Duration::from_millis(5_500)).await;
        browser.goto(&home).await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert_ne!(whole_text(browser, "#token").await?, expired);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn r188_a_page_refreshes_once_when_the_api_requires_it() {
    let watch = Watch::start(&[OFFLINE, ("SHOW_KEY", "false")]).await;
    RealBrowser::tell("refresh-required", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        browser.find(By::PartialLinkText("GitHub")).await?.click().await?;
        wait_for(browser, "button[value='ada@example.com']").await?.click().await?;
        wait_for(browser, "#live[data-state=good]").await?;
        let refuse = "const real = window.fetch;
            window.refuse = 1;
            window.refreshes = 0;
            window.fetch = (address, ...rest) => {
                if (address === '/refresh') window.refreshes += 1;
                if (address !== '/protected' || window.refuse === 0) return real(address, ...rest);
                window.refuse -= 1;
                return Promise.resolve(new Response('{\"code\":\"refresh_required\"}', { status: 401 }));
            };";
        browser.execute(refuse, Vec::new()).await?;
        wait_for(browser, "#renewal").await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert_eq!(refreshes(browser).await?, 1);

        browser.execute("window.refuse = Infinity", Vec::new()).await?;
        wait_for(browser, "#live[data-state=bad]").await?;
        assert_eq!(text(browser, "#verdict").await?, "Session expired: you are logged out");
        assert_eq!(refreshes(browser).await?, 2);
        Ok(())
    })
    .await;
}

async fn refreshes(browser: &RealBrowser) -> WebDriverResult<u32> {
    browser.execute("return window.refreshes", Vec::new()).await?.convert()
}

/// Answers refreshes of this page in the browser from now on, so that none reaches the function.
async fn answer_refreshes_with(
    browser: &RealBrowser,
    status: u16,
    code: &str,
) -> WebDriverResult<()> {
    let script = format!(
        r#"const real = window.realFetch ??= window.fetch;
        window.fetch = (address, ...rest) => address === "/refresh"
            ? Promise.resolve(new Response('{{"code":"{code}"}}', {{ status: {status} }}))
            : real(address, ...rest);"#
    );
    browser.execute(script, Vec::new()).await.map(drop)
}

async fn wait_for_renewal(browser: &RealBrowser, words: &str) -> WebDriverResult<()> {
    let renewal = format!("//*[@id='renewal'][contains(., '{words}')]");
    browser.query(By::XPath(renewal)).first().await.map(drop)
}

/// Waits until an element's text changes.
async fn wait_for_another(
    browser: &RealBrowser,
    selector: &'static str,
    before: &str,
) -> WebDriverResult<()> {
    for _ in 0..150 {
        if whole_text(browser, selector).await? != before {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{selector} still contains {before}");
}
