//! `POST /callback`, with `RESPONSE_MODE=form_post`.

use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, GRACE, User},
    site::{FORM, ORIGIN, Site},
    story::parameter,
    visitor::{SESSION, Sending, Visitor},
};
use url::Url;

const EXPIRED: &str = "This login can't be finished";

async fn site() -> Site {
    Site::start_with(&[("RESPONSE_MODE", "form_post")]).await
}

/// A site with a visitor who has logged in at the provider, and the form of the provider's page.
async fn returning(user: User) -> (Site, Visitor, String) {
    let site = site().await;
    let (visitor, back) = site.returning(user).await;
    (site, visitor, form_of(&back))
}

/// The form of the provider's page that leads to `back`.
pub(crate) fn form_of(back: &str) -> String {
    Url::parse(back).unwrap().query().unwrap().to_owned()
}

/// The form that our page sends on.
fn continued(page: &Answer) -> String {
    page.is_a_page(200, "Logging in");
    assert_eq!(page.attributes("form", "method"), ["post"]);
    assert_eq!(page.attributes("form", "action"), ["/callback"]);
    let names = page.attributes("form input[type=hidden]", "name");
    let fields = names.into_iter().zip(page.attributes("form input[type=hidden]", "value"));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// Sends the form as the provider's page does, then as our page does.
pub(crate) async fn arrive(visitor: &mut Visitor, form: &str) -> Answer {
    let page = from_provider(visitor, form).await;
    let form = continued(&page);
    visitor.send_form("/callback", Sending::FROM_HERE, &[("origin", ORIGIN)], &form).await
}

async fn from_provider(visitor: &mut Visitor, form: &str) -> Answer {
    let origin = [("origin", "https://tenant.example")];
    visitor.send_form("/callback", Sending::FROM_ELSEWHERE, &origin, form).await
}

/// R33, R35, R36: neither `Lax` cookie comes with the provider's form, and both come with ours.
#[tokio::test]
async fn r033_r035_r036_a_form_from_the_provider_finishes_the_login_and_ends_the_previous_session()
{
    let site = site().await;
    let mut visitor = Visitor::new(&site);
    for user in [GRACE, ADA] {
        let request = visitor.start("/login").await;
        assert!(request.query().unwrap().contains("response_mode=form_post"), "{request}");
        let form = form_of(&site.provider().log_in(&request, user));
        let redeemed = site.provider().token_requests();
        let page = from_provider(&mut visitor, &form).await;
        assert!(!page.has("set-cookie"), "{page:?}");
        assert_eq!(site.provider().token_requests(), redeemed);
        let answer = arrive(&mut visitor, &form).await;
        assert_eq!((answer.status(), answer.location()), (303, "/"));
        assert_eq!(answer.cookies_set(), [SESSION]);
        assert_eq!(site.live_sessions().await, 1);
    }
    assert_eq!(visitor.fetch("/protected").await.json()["sub"], ADA.subject);
}

#[tokio::test]
async fn r033_only_a_form_of_at_most_64_kb_is_read() {
    let (site, mut visitor, form) = returning(ADA).await;
    for (media_type, padding, status) in [
        ("", 0, 400),
        ("application/json", 0, 400),
        ("multipart/form-data", 0, 400),
        ("text/plain", 0, 400),
        (FORM, 64 * 1024 + 1, 413),
    ] {
        let form = format!("{form}&padding={}", "x".repeat(padding));
        let headers = [("origin", ORIGIN), ("content-type", media_type)];
        let answer = visitor.send_form("/callback", Sending::FROM_HERE, &headers, &form).await;
        answer.is_a_refusal(status, "You were not logged in");
    }
    assert_eq!(site.provider().token_requests(), 0);
    assert_eq!(arrive(&mut visitor, &form).await.status(), 303);
}

#[tokio::test]
async fn r033_each_mode_has_one_method() {
    for (mode, allowed) in [("form_post", "POST"), ("query", "GET")] {
        let site = Site::start_with(&[("RESPONSE_MODE", mode)]).await;
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login").await;
        let asked = parameter(&request, "response_mode");
        assert_eq!(asked, if mode == "query" { "" } else { mode });
        let back = site.provider().log_in(&request, ADA);
        let answer = match allowed {
            "POST" => visitor.arrive(&back).await,
            _ => from_provider(&mut visitor, &form_of(&back)).await,
        };
        answer.is_a_refusal(405, "Method not allowed");
        assert_eq!(answer.header("allow"), allowed);
        assert_eq!(site.provider().token_requests(), 0);
    }
}

/// R15: an attacker's page sends the form of the attacker's login.
#[tokio::test]
async fn r015_a_form_for_another_browser_does_not_log_in() {
    let (site, _attacker, form) = returning(GRACE).await;
    let mut victim = Visitor::new(&site);
    victim.start("/login").await;
    arrive(&mut victim, &form).await.is_a_refusal(400, EXPIRED);
    assert_eq!((site.live_sessions().await, site.provider().token_requests()), (0, 0));
}

#[tokio::test]
async fn r022_a_repeated_parameter_stays_repeated() {
    let (site, mut visitor, form) = returning(ADA).await;
    let answer = arrive(&mut visitor, &format!("{form}&code=another")).await;
    answer.is_a_refusal(400, "You were not logged in");
    assert_eq!(site.provider().token_requests(), 0);
}

/// R26, R171: the page escapes what it sends on.
#[tokio::test]
async fn r026_r171_an_error_is_shown_and_no_field_becomes_markup() {
    let site = site().await;
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login").await;
    let error = [("error", "access_denied"), ("error_description", "\"><script>alert(1)</script>")];
    let form = form_of(&site.provider().back(&request, &error));
    let page = from_provider(&mut visitor, &form).await;
    assert!(!page.text().contains("<script>alert"), "{page:?}");
    arrive(&mut visitor, &form).await.is_a_refusal(403, "You were not logged in");
}

/// A browser that hides the origin of our own page does not repeat the form forever.
#[tokio::test]
async fn r033_a_form_is_sent_on_once() {
    let (site, mut visitor, form) = returning(ADA).await;
    let page = from_provider(&mut visitor, &form).await;
    let again = continued(&page);
    for origin in ["null", "https://evil.example"] {
        let sending = Sending::FROM_ELSEWHERE;
        let answer = visitor.send_form("/callback", sending, &[("origin", origin)], &again).await;
        answer.is_a_refusal(400, EXPIRED);
    }
    assert_eq!(site.provider().token_requests(), 0);
}

/// R189: the user has logged in while the login that another site started was under way.
#[tokio::test]
async fn r189_a_login_that_another_site_started_ends_no_session() {
    let site = site().await;
    let mut visitor = Visitor::new(&site);
    let planted = visitor.start_by(Sending::FROM_ELSEWHERE, "/login").await;
    let request = visitor.start("/login").await;
    arrive(&mut visitor, &form_of(&site.provider().log_in(&request, ADA))).await;
    let session = visitor.session().unwrap().to_owned();
    let answer = arrive(&mut visitor, &form_of(&site.provider().log_in(&planted, GRACE))).await;
    assert_eq!((answer.status(), answer.cookies_set().len()), (303, 0));
    assert_eq!(visitor.session(), Some(session.as_str()));
    assert_eq!(visitor.fetch("/protected").await.json()["sub"], ADA.subject);
}
