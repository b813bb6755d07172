use tests::browser::Browser;
use tests::watch::{Watch, free_port};

#[tokio::test]
async fn serves_the_product_and_stops_with_the_test() {
    let watch = Watch::start(&[
        ("AUTH_HOST", "tenant.example.com"),
        ("CLIENT_ID", "story"),
        ("CLIENT_SECRET", "secret"),
        ("CONNECTIONS", "none"),
    ])
    .await;
    let mut browser = Browser::at(watch.base_url());

    let page = browser.get("/").await;
    assert_eq!(page.status, 200, "{page:?}\n{}", watch.output());
    let preflight = browser
        .fetch(
            http::Method::OPTIONS,
            "/protected",
            &[("origin", "https://other.example"), ("access-control-request-method", "GET")],
        )
        .await;
    let allowed = preflight.header("access-control-allow-origin");
    assert_eq!(allowed, None, "the emulator answers preflights itself: {preflight:?}");

    let address = watch.base_url().to_owned();
    drop(watch);
    let answer = tests::http_client().get(address).send().await;
    assert!(answer.is_err_and(|error| error.is_connect()));
}

#[tokio::test]
async fn reports_the_output_of_a_function_that_fails_to_start() {
    let refused = Watch::try_start_on(free_port(), &[("SESSION_IDLE", "nonsense")]).await;
    let output = refused.expect_err("it starts");
    assert!(output.contains("SESSION_IDLE"), "{output}");
}
