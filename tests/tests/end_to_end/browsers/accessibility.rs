//! Accessibility checks of the pages by axe-core, in light and in dark.

use super::*;

#[tokio::test]
async fn axe_finds_no_violation_on_any_page() {
    let watch = bundle().await;
    let page = |path: &str| format!("{}{path}", watch.base_url());
    RealBrowser::tell("accessibility", async |browser| {
        browser.goto(page("/")).await?;
        assert_accessible(browser, "login").await?;
        browser.find(By::PartialLinkText("GitHub")).await?.click().await?;
        let ada = wait_for(browser, "button[value='ada@example.com']").await?;
        assert_accessible(browser, "login at the development provider").await?;
        ada.click().await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert_accessible(browser, "key").await?;
        for button in browser.find_all(By::Css("[data-fold]")).await? {
            button.click().await?;
        }
        assert_accessible(browser, "key unfolded").await?;
        let token = whole_text(browser, "#token").await?;
        let claims: Value = serde_json::from_str(&text(browser, "#token-claims").await?)
            .expect("the claims are JSON");
        browser.goto(claims["iss"].as_str().expect("an issuer")).await?;
        assert_accessible(browser, "home of the development provider").await?;
        // Another site sends the visitor to the login, which asks first.
        browser.execute("location = arguments[0]", vec![page("/login").into()]).await?;
        wait_for(browser, ".actions .primary[href^='/login']").await?;
        assert_accessible(browser, "log in again").await?;
        browser.goto(page("/logout")).await?;
        assert_accessible(browser, "logout").await?;
        browser.goto(page("/")).await?;
        wait_for(browser, "#live[data-state=good]").await?;
        log_out_elsewhere(&watch, &token).await;
        wait_for(browser, "#again a").await?;
        assert_accessible(browser, "key of a session that has ended").await?;
        browser.goto(page("/signed-out")).await?;
        assert_accessible(browser, "logged out").await?;
        browser.goto(page("/nowhere")).await?;
        assert_accessible(browser, "error").await?;
        // Chromium reports the 401 and 404 responses as errors.
        let console = browser.console().await;
        assert!(console.iter().all(|line| line.contains("the server responded")), "{console:#?}");
        Ok(())
    })
    .await;
}

async fn assert_accessible(browser: &RealBrowser, page: &str) -> WebDriverResult<()> {
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await?;
        assert_eq!(browser.violations().await?, [""; 0], "{page}, {scheme}");
    }
    Ok(())
}
