//! The page that sends a form of the provider on. The provider is on `localhost` and the product on
//! `127.0.0.1`, which are different sites to a browser.

use shared::clock::Clock;
use tests::{certified_provider::Setup, listener::Listener};

use super::*;
use crate::certified::registered_on;

#[tokio::test]
async fn r033_the_page_continues_by_itself_and_the_lax_cookies_come_with_it() {
    let listener = Listener::bind().await;
    let base_url = listener.url("");
    let settings = [("RESPONSE_MODE", "form_post")];
    let (_provider, _) = registered_on(
        listener,
        &base_url,
        &Setup::default(),
        "client_secret_post",
        &settings,
        Clock::system(),
    )
    .await;
    RealBrowser::tell("form-post", async |browser| {
        browser.goto(format!("{base_url}/login")).await?;
        browser.find(By::Css("input[name=email]")).await?.send_keys("ada@example.com").await?;
        browser.find(By::Css("form button")).await?.click().await?;
        wait_for_heading(browser, "Your API key").await?;
        assert_eq!(browser.current_url().await?.as_str(), format!("{base_url}/"));
        Ok(())
    })
    .await;
}
