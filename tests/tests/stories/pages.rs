//! The language of the pages, and the name, the logo and the colour of an application.

use http::Method;
use tests::{
    answer::Answer,
    misbehaving_provider::ADA,
    site::Site,
    visitor::{Sending, Visitor},
};

const GERMAN: (&str, &str) = ("accept-language", "de-AT,de;q=0.9,en;q=0.5");

async fn in_german(visitor: &mut Visitor, path: &str) -> Answer {
    visitor.send(Method::GET, path, Sending::FROM_HERE, &[GERMAN]).await
}

#[tokio::test]
async fn a_reader_of_german_gets_every_page_in_german() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    for (path, status, heading) in [
        ("/", 200, "Anmelden"),
        ("/nowhere", 404, "Seite nicht gefunden"),
        ("/login?prompt=a&prompt=b", 400, "Dieser Link zur Anmeldung ist ungültig"),
        ("/callback?code=a&state=b", 400, "Diese Anmeldung lässt sich nicht abschließen"),
        ("/logout", 200, "Sie sind abgemeldet"),
        ("/signed-out", 200, "Sie sind abgemeldet"),
    ] {
        let page = in_german(&mut visitor, path).await;
        page.is_a_page(status, heading);
        assert_eq!(page.attributes("html", "lang"), ["de"], "{path}");
        // `/logout` answers other origins too, so it varies by both.
        if path != "/logout" {
            assert_eq!(page.header("vary"), "Accept-Language", "{path}");
        }
    }
    visitor.log_in(ADA).await;
    in_german(&mut visitor, "/").await.is_a_page(200, "Ihr API-Schlüssel");
    in_german(&mut visitor, "/logout").await.is_a_page(200, "Abmelden?");
    in_german(&mut visitor, "/signed-out").await.is_a_page(200, "Sie sind noch angemeldet");
}

/// Programs read JSON, so it is in English.
#[tokio::test]
async fn json_is_in_english_for_a_reader_of_german() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let headers = [GERMAN, ("accept", "application/json")];
    let answer = visitor.send(Method::GET, "/nowhere", Sending::SCRIPT, &headers).await;
    answer.is_json(404, "not_found");
    assert_eq!(answer.json()["description"], "This address does not exist on this site.");
}

#[tokio::test]
async fn ui_locales_precede_the_browsers_languages_and_travel_to_the_provider() {
    let site = Site::start().await;
    let mut visitor = Visitor::new(&site);
    let page = visitor.send(Method::GET, "/?ui_locales=de", Sending::FROM_HERE, &[]).await;
    page.is_a_page(200, "Anmelden");
    for link in page.attributes(".methods a", "href") {
        assert!(link.ends_with("&ui_locales=de"), "{link}");
        let request = visitor.start(&link).await;
        assert!(request.query_pairs().any(|pair| pair == ("ui_locales".into(), "de".into())));
    }
    let page = in_german(&mut visitor, "/?ui_locales=en").await;
    page.is_a_page(200, "Log in");
}

#[tokio::test]
async fn every_function_shows_the_name_the_logo_and_the_colour() {
    const LOGO: &str = "https://cdn.example/logo.svg";
    let settings = [("APP_NAME", "Acme"), ("LOGO_URL", LOGO), ("ACCENT_COLOR", "#7a1fa2")];
    let site = Site::start_with(&settings).await;
    let mut visitor = Visitor::new(&site);
    let mut pages = Vec::new();
    for path in ["/", "/nowhere", "/callback?code=a&state=b", "/logout", "/signed-out"] {
        pages.push(visitor.open(path).await);
    }
    visitor.log_in(ADA).await;
    pages.push(visitor.open("/").await);
    for page in pages {
        assert_eq!(page.attributes(".logo", "src"), [LOGO], "{page:?}");
        assert_eq!(page.attributes(".logo", "alt"), ["Acme"], "{page:?}");
        assert!(page.texts("title")[0].ends_with(" · Acme"), "{page:?}");
        assert!(page.texts("style")[0].contains("--accent: #7a1fa2;"), "{page:?}");
        assert!(page.header("content-security-policy").contains(" https://cdn.example"));
    }
}
