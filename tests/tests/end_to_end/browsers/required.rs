//! What a route, a setting or an organization requires of a login, as a user sees it.

use super::*;

const NOT_LOGGED_IN: &str = "You were not logged in";

#[tokio::test]
async fn r185_the_key_page_leads_to_the_second_factor_that_its_route_requires() {
    let watch = Watch::start(&[("ROUTE_RULES", "GET:/protected=amr=mfa")]).await;
    RealBrowser::tell("step-up", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        log_in_with(browser, "GitHub").await?;
        let button = wait_for(browser, "#step-up a").await?;
        let verdict = text(browser, "#verdict").await?;
        assert_eq!(verdict, "You are logged in, but not in the way that this needs");
        assert_eq!(text(browser, "#http-status").await?, "HTTP 401");
        assert!(!text(browser, "#token-claims").await?.contains("\"amr\""));
        browser.screenshot("step-up").await;

        button.click().await?;
        let ada = wait_for(browser, "button[value='ada@example.com']").await?;
        assert!(text(browser, "main").await?.contains("counts as a stronger login"));
        ada.click().await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert_eq!(text(browser, "#http-status").await?, "HTTP 200");
        assert!(text(browser, "#token-claims").await?.contains("\"mfa\""));
        let button = browser.find(By::Css("#step-up")).await?;
        assert!(!button.is_displayed().await?, "no further login is needed");
        // The 401 responses before the second login.
        let console = browser.console().await;
        assert!(console.iter().all(|line| line.contains("401")), "{console:#?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn r183_the_pages_show_the_organization_of_a_login_and_switch_to_another() {
    let watch = Watch::start(&[("ORGANIZATION", "required")]).await;
    RealBrowser::tell("organization", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        assert!(text(browser, "#organization").await?.contains("You choose it"));
        browser.find(By::PartialLinkText("GitHub")).await?.click().await?;
        wait_for_heading(browser, "Choose an organization").await?;
        browser.find(By::PartialLinkText("acme")).await?.click().await?;
        wait_for(browser, "button[value='ada@example.com']").await?.click().await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert_eq!(text(browser, "#organization").await?, "acme");
        assert!(text(browser, "#answer").await?.contains("\"org_id\": \"org_acme\""));
        browser.screenshot("organization").await;

        browser.find(By::Id("switch")).await?.click().await?;
        wait_for_heading(browser, "Choose an organization").await?;
        browser.find(By::PartialLinkText("globex")).await?.click().await?;
        wait_for(browser, "button[value='ada@example.com']").await?.click().await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert_eq!(text(browser, "#organization").await?, "globex");
        assert!(text(browser, "#token-claims").await?.contains("\"org_id\": \"org_globex\""));
        assert_eq!(browser.console().await, [] as [String; 0]);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn r068_a_refused_address_is_shown_with_the_reason_and_a_way_to_another_account() {
    let watch = Watch::start(&[("ALLOWED_EMAIL_DOMAINS", "allowed.example")]).await;
    RealBrowser::tell("refused-address", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        browser.find(By::PartialLinkText("GitHub")).await?.click().await?;
        wait_for(browser, "button[value='ada@example.com']").await?.click().await?;
        wait_for_heading(browser, NOT_LOGGED_IN).await?;
        assert!(text(browser, "main").await?.contains("not of a domain that is allowed here"));
        assert_eq!(text(browser, "#account").await?, "ada@example.com");
        assert!(!browser.scrolls_sideways().await?);
        browser.screenshot("refused-address").await;
        // Chromium reports the page's own 403 as an error.
        let console = browser.console().await;
        assert!(console.len() == 1 && console[0].contains("403"), "{console:#?}");

        browser.find(By::LinkText("Use another account")).await?.click().await?;
        // The new account logs in by another method, which verifies its address.
        wait_for(browser, "button[value='ada@example.com']").await?;
        browser.find(By::PartialLinkText("GitHub")).await?.click().await?;
        browser.query(By::XPath("//h1[contains(., 'GitHub')]")).first().await?;
        let email = wait_for(browser, "input[name=email]").await?;
        email.send_keys("grace@allowed.example").await?;
        email.send_keys(Key::Enter + "").await?;
        wait_for(browser, "#live[data-state=good]").await?;
        assert!(text(browser, "#answer").await?.contains("grace@allowed.example"));
        Ok(())
    })
    .await;
}
