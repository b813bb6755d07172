//! The polling rate of a key page, and the header of its requests.

use super::*;

#[tokio::test]
async fn r207_an_idle_key_page_polls_less_often() {
    let watch = bundle().await;
    RealBrowser::tell("left-alone", async |browser| {
        browser.goto(format!("{}/", watch.base_url())).await?;
        log_in_with(browser, "GitHub").await?;
        wait_for(browser, "#live[data-state=good]").await?;
        // Speeds up the page's time: three seconds count as a minute.
        let hurry = "const now = Date.now, start = now(), later = setTimeout;
            Date.now = () => start + (now() - start) * 20;
            window.setTimeout = (act, wait) => later(act, wait / 20);
            const real = window.fetch;
            window.fetch = async (address, options) => {
                window.poll = options.headers['X-Session-Poll'];
                const answer = await real(address, options);
                return window.change ? new Response('{\"changed\":true}') : answer;
            };";
        browser.execute(hurry, Vec::new()).await?;
        // The timer that already runs is not sped up.
        answers_of_a_second(browser).await?;
        assert!(answers_of_a_second(browser).await? > 6, "it asks every second");
        wait_for_pace(browser, "You seem to be away").await?;
        assert!(answers_of_a_second(browser).await? <= 4, "it asks every ten seconds");
        browser.action_chain().move_to(200, 200).perform().await?;
        assert!(answers_of_a_second(browser).await? > 6, "a pointer moves");

        wait_for_pace(browser, "You seem to be away").await?;
        browser.execute("window.change = true", Vec::new()).await?;
        browser.query(By::XPath("//*[@id='answer'][contains(., 'changed')]")).first().await?;
        assert!(answers_of_a_second(browser).await? > 6, "the answer changes");
        let poll = browser.execute("return window.poll", Vec::new()).await?;
        assert_eq!(poll.convert::<String>()?, "1");
        Ok(())
    })
    .await;
}

async fn answers_of_a_second(browser: &RealBrowser) -> WebDriverResult<u32> {
    let before = answers(browser).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(answers(browser).await? - before)
}

/// The number of responses that the page has counted.
async fn answers(browser: &RealBrowser) -> WebDriverResult<u32> {
    let pace = whole_text(browser, "#pace").await?;
    let count = pace.split_whitespace().nth(1).and_then(|count| count.parse().ok());
    Ok(count.unwrap_or_else(|| panic!("no count: {pace}")))
}
