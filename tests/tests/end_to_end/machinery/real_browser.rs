use axum::Router;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::Html;
use axum::routing::get;
use tests::real_browser::{Engine, RealBrowser};

const PAGE: &str = "<!doctype html><link rel=icon href='data:,'><title>Page</title>";

#[tokio::test]
async fn reads_errors_missing_files_and_policy_violations_from_the_console() {
    let site = serve().await;
    let browser = RealBrowser::start(Engine::Chromium, &[]).await;
    browser.goto(format!("{site}/faulty")).await.expect("it loads");
    let console = browser.console().await;
    for fault in ["said by the page", "404", "Content Security Policy"] {
        assert!(console.iter().any(|line| line.contains(fault)), "{fault}: {console:#?}");
    }
    browser.goto(format!("{site}/")).await.expect("it loads");
    assert_eq!(browser.console().await, [""; 0]);
}

#[tokio::test]
#[should_panic(expected = "left messages in the console")]
async fn a_console_message_fails_the_test() {
    let site = serve().await;
    RealBrowser::tell("faulty", async |browser| browser.goto(format!("{site}/faulty")).await).await;
}

#[tokio::test]
async fn no_browser_leaves_a_process_or_a_file_behind() {
    for engine in [Engine::Chromium, Engine::Firefox, Engine::WebKit] {
        let browser = RealBrowser::start(engine, &[]).await;
        let profile = browser.profile().to_owned();
        assert!(processes_of(&profile) > 1, "{engine:?}");
        drop(browser);
        for _ in 0..100 {
            if processes_of(&profile) == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(processes_of(&profile), 0, "{engine:?}");
        assert!(!profile.exists(), "{engine:?}");
    }
}

/// The number of processes whose home is the profile: the driver and everything it started.
fn processes_of(profile: &std::path::Path) -> usize {
    let home = format!("HOME={}", profile.display());
    let environments = std::fs::read_dir("/proc").expect("Linux").flatten();
    environments
        .filter_map(|process| std::fs::read(process.path().join("environ")).ok())
        .filter(|environment| {
            environment.split(|byte| *byte == 0).any(|one| one == home.as_bytes())
        })
        .count()
}

async fn serve() -> String {
    let policy = [(CONTENT_SECURITY_POLICY, "script-src 'nonce-1'")];
    let faulty = "<!doctype html><link rel=icon href='data:,'><img src=/nowhere.png alt=''>\
        <script>document.title = 'never'</script>\
        <script nonce=1>console.error('said by the page')</script>";
    let router =
        Router::new().route("/", get(Html(PAGE))).route("/faulty", get((policy, Html(faulty))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://localhost:{}", address.port())
}
