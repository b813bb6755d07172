use axum::Router;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::Html;
use axum::routing::get;
use tests::chromium::Chromium;
use thirtyfour::By;

const PAGE: &str = r#"<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>Page</title>
<style>body { background: white } @media (prefers-color-scheme: dark) { body { background: black } }
</style><h1>Hello</h1>"#;

#[tokio::test]
async fn shows_a_page_on_a_desktop_and_a_phone_in_light_and_dark() {
    let site = serve().await;
    Chromium::tell("machinery", async |chromium| {
        chromium.goto(format!("{site}/")).await?;
        assert_eq!(chromium.find(By::Tag("h1")).await?.text().await?, "Hello");
        let background = "return getComputedStyle(document.body).backgroundColor";
        let color: String = chromium.execute(background, Vec::new()).await?.convert()?;
        assert_eq!(color, "rgb(255, 255, 255)");

        chromium.prefer("prefers-color-scheme", "dark").await?;
        let color: String = chromium.execute(background, Vec::new()).await?.convert()?;
        assert_eq!(color, "rgb(0, 0, 0)");

        chromium.use_phone(320).await?;
        let width = chromium.execute("return window.innerWidth", Vec::new()).await?;
        assert_eq!(width.convert::<u32>()?, 320);
        assert!(!chromium.scrolls_sideways().await?);
        chromium.goto(format!("{site}/wide")).await?;
        assert!(chromium.scrolls_sideways().await?);

        chromium.screenshot("machinery").await;
        let picture = std::fs::read(tests::artifact("screenshots", "machinery.png"));
        assert!(picture.expect("it is there").starts_with(b"\x89PNG"));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn hears_errors_missing_files_and_policy_violations_in_the_console() {
    let site = serve().await;
    let chromium = Chromium::start().await;
    chromium.goto(format!("{site}/faulty")).await.expect("it loads");
    let console = chromium.console().await;
    for fault in ["said by the page", "404", "Content Security Policy"] {
        assert!(console.iter().any(|line| line.contains(fault)), "{fault}: {console:#?}");
    }
    chromium.goto(format!("{site}/")).await.expect("it loads");
    assert_eq!(chromium.console().await, [""; 0]);
}

#[tokio::test]
#[should_panic(expected = "left in the console")]
async fn a_story_fails_over_what_the_console_says() {
    let site = serve().await;
    Chromium::tell("faulty", async |chromium| chromium.goto(format!("{site}/faulty")).await).await;
}

#[tokio::test]
#[should_panic(expected = "the story's own")]
async fn a_story_that_panics_fails_with_its_own_message() {
    Chromium::tell("panics", async |_| panic!("the story's own")).await;
}

#[tokio::test]
async fn leaves_no_process_behind() {
    let chromium = Chromium::start().await;
    let site = serve().await;
    chromium.goto(format!("{site}/")).await.expect("it loads");
    let profile = chromium.profile().to_owned();
    assert!(!processes_of(&profile).is_empty());
    drop(chromium);
    for _ in 0..100 {
        if processes_of(&profile).is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(processes_of(&profile), [""; 0]);
    assert!(!profile.exists());
}

fn processes_of(profile: &std::path::Path) -> Vec<String> {
    let profile = profile.to_str().expect("ASCII");
    std::fs::read_dir("/proc")
        .expect("Linux")
        .flatten()
        .filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok())
        .filter(|command| command.contains(profile))
        .collect()
}

async fn serve() -> String {
    let policy = [(CONTENT_SECURITY_POLICY, "script-src 'nonce-1'")];
    let faulty = "<!doctype html><link rel=icon href='data:,'><img src=/nowhere.png alt=''>\
        <script>document.title = 'never'</script>\
        <script nonce=1>console.error('said by the page')</script>";
    let wide = format!("{PAGE}<div style='width: 900px'>wide</div>");
    let router = Router::new()
        .route("/", get(Html(PAGE)))
        .route("/wide", get(Html(wide)))
        .route("/faulty", get((policy, Html(faulty))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://localhost:{}", address.port())
}
