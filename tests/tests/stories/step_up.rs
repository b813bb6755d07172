//! Routes that require a recent login, a second factor, or a scope that the usual login does not ask
//! for. A login for such a route asks for what its rule requires, and for nothing else.

use http::Method;
use serde_json::{Value, json};
use shared::jwt::MULTI_FACTOR;
use tests::{
    misbehaving_provider::ADA,
    site::Site,
    visitor::{Sending, Visitor},
};
use url::Url;

const API: (&str, &str) = ("AUDIENCE", "https://api.example");
const FOR_PROTECTED: &str = "/login?for=GET%3A%2Fprotected";
pub(crate) const UNAUTHENTICATED: &str = r#"Bearer realm="api", error="insufficient_user_authentication", error_description="This needs a more recent or a stronger login.""#;

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A site whose `/protected` has this entry in the list of routes.
async fn site(rule: &str, settings: &[(&str, &str)]) -> Site {
    let rules = format!("GET:/protected={rule}");
    Site::start_with(&[&[("ROUTE_RULES", rules.as_str())], settings].concat()).await
}

/// The answers of `/protected` to the cookie and to the token are the same. Returns `None` for a 200,
/// else what the challenge of the 401 asks for.
async fn asked(site: &Site, visitor: &mut Visitor) -> Option<String> {
    let token = visitor.api_key().await;
    let (by_cookie, by_token) = (visitor.fetch("/protected").await, site.call_api(&token).await);
    assert_eq!(by_cookie.status(), by_token.status());
    if by_cookie.status() == 200 {
        return None;
    }
    by_token.is_json(401, "insufficient_user_authentication");
    by_cookie.is_json(401, "insufficient_user_authentication").challenges(UNAUTHENTICATED);
    Some(by_cookie.header("www-authenticate")[UNAUTHENTICATED.len()..].to_owned())
}

#[tokio::test]
async fn r185_a_second_factor_is_requested_and_checked_again() {
    let site = site("amr=mfa", &[]).await;
    for amr in [
        json!(null),
        json!([]),
        json!(["pwd"]),
        json!("mfa"),
        json!(["mfa-later"]),
        json!([["mfa"]]),
    ] {
        site.provider().change_claims(json!({ "amr": amr }));
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        let asked = asked(&site, &mut visitor).await;
        assert_eq!(asked.unwrap(), format!(r#", acr_values="{MULTI_FACTOR}""#), "{amr}");
    }

    // The key page leads to the login that this route requires, and to no other.
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let page = visitor.open("/").await;
    assert_eq!(page.attributes("#step-up a", "href"), [FOR_PROTECTED]);
    let request = visitor.start(&format!("{FOR_PROTECTED}&return_to=/reports")).await;
    assert_eq!(parameter(&request, "acr_values").as_deref(), Some(MULTI_FACTOR));
    assert_eq!(parameter(&request, "max_age"), None);
    assert_eq!(parameter(&request, "for"), None);

    // The provider did not do what was requested: no session begins, and the one before goes on.
    let (sessions, session) =
        (site.store().sessions_created(), visitor.session().map(str::to_owned));
    let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    answer
        .is_a_refusal(403, "You were not logged in")
        .offers("Start again", "/?return_to=%2Freports");
    assert_eq!(site.store().sessions_created(), sessions);
    assert_eq!(visitor.session().map(str::to_owned), session);
    let said = site.log().errors_of("login.refused");
    assert_eq!(said, ["the user did not authenticate as required"]);
    assert!(asked(&site, &mut visitor).await.is_some());

    site.provider().change_claims(json!({ "amr": ["pwd", "mfa"] }));
    let answer = visitor.log_in_from(&format!("{FOR_PROTECTED}&return_to=/reports"), ADA).await;
    assert_eq!(answer.location(), "/reports");
    assert_eq!(asked(&site, &mut visitor).await, None);
}

#[tokio::test]
async fn r185_one_of_the_classes_of_a_rule_is_requested_and_checked_again() {
    let site = site("acr=gold,acr=silver", &[]).await;
    site.provider().change_claims(json!({ "acr": "bronze" }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    assert_eq!(asked(&site, &mut visitor).await.unwrap(), r#", acr_values="gold silver""#);
    let request = visitor.start(FOR_PROTECTED).await;
    assert_eq!(parameter(&request, "acr_values").as_deref(), Some("gold silver"));
    visitor
        .arrive(&site.provider().log_in(&request, ADA))
        .await
        .is_a_refusal(403, "You were not logged in");
    site.provider().change_claims(json!({ "acr": "silver" }));
    visitor.log_in_from(FOR_PROTECTED, ADA).await;
    assert_eq!(asked(&site, &mut visitor).await, None);
}

#[tokio::test]
async fn r186_a_login_that_is_too_old_is_requested_again() {
    let offline = [("SCOPE", "openid email offline_access"), API];
    let site = site("max_age=5m", &offline).await;
    let now = || site.now().as_unix();
    // Without `auth_time` the age is unknown.
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    assert_eq!(asked(&site, &mut visitor).await.unwrap(), r#", max_age="300""#);

    let request = visitor.start(FOR_PROTECTED).await;
    assert_eq!(parameter(&request, "max_age").as_deref(), Some("300"));
    assert_eq!(parameter(&request, "acr_values"), None);
    // The provider may have its own session from before, up to that age.
    site.provider().change_claims(json!({ "auth_time": now() - 300 - 31 }));
    let failed = "You were not logged in";
    visitor.arrive(&site.provider().log_in(&request, ADA)).await.is_a_refusal(400, failed);
    site.provider().change_claims(json!({}));
    visitor.try_to_log_in_from(FOR_PROTECTED, ADA).await.is_a_refusal(400, failed);
    site.provider().change_claims(json!({ "auth_time": now() - 100 }));
    visitor.log_in_from(FOR_PROTECTED, ADA).await;
    assert_eq!(asked(&site, &mut visitor).await, None);

    // A refresh does not make the login younger, whatever the new access token says.
    site.provider().change_refreshed_access_token_claims(json!({ "auth_time": now() + 200 }));
    site.pass(200);
    assert_eq!(asked(&site, &mut visitor).await, None);
    assert_eq!(visitor.refresh().await.status(), 200);
    assert_eq!(asked(&site, &mut visitor).await, None);
    site.pass(1);
    assert_eq!(asked(&site, &mut visitor).await.unwrap(), r#", max_age="300""#);
}

/// R3: a link chooses a route of the list. What the login asks for comes from the list.
#[tokio::test]
async fn r003_a_link_cannot_ask_for_more_than_a_route_requires() {
    let site = site("amr=mfa,max_age=5m,read:reports", &[API]).await;
    let mut visitor = Visitor::new(&site);
    let more = "&acr_values=weak&max_age=999999&scope=admin&amr=pwd";
    let request = visitor.start(&format!("{FOR_PROTECTED}{more}")).await;
    assert_eq!(parameter(&request, "acr_values").as_deref(), Some(MULTI_FACTOR));
    assert_eq!(parameter(&request, "max_age").as_deref(), Some("300"));
    assert_eq!(parameter(&request, "scope").as_deref(), Some("openid profile email read:reports"));
    let request = visitor.start(&format!("/login?{more}")).await;
    for name in ["acr_values", "max_age"] {
        assert_eq!(parameter(&request, name), None);
    }
    for link in [
        "/login?for=GET:/other",
        "/login?for=POST:/protected",
        "/login?for=/protected",
        "/login?for=amr=mfa",
        "/login?for=GET:/protected&for=GET:/protected",
    ] {
        visitor.open(link).await.is_a_refusal(400, "This login link is not valid");
    }
    let plain = Site::start().await;
    let mut visitor = Visitor::new(&plain);
    visitor.open(FOR_PROTECTED).await.is_a_refusal(400, "This login link is not valid");
    visitor.log_in(ADA).await;
    let page = visitor.open("/").await;
    assert!(page.attributes("#step-up a", "href").is_empty());
}

/// R189: the page that asks first leads to the same login.
#[tokio::test]
async fn r189_another_site_cannot_weaken_the_login_for_a_route() {
    let site = site("amr=mfa", &[]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let answer = visitor.send(Method::GET, FOR_PROTECTED, Sending::FROM_ELSEWHERE, &[]).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.attributes("a", "href").contains(&FOR_PROTECTED.to_owned()), "{answer:?}");
}

/// R187: the scopes of the route are sealed into the attempt like the usual ones.
#[tokio::test]
async fn r187_a_login_for_a_route_grants_the_scopes_that_the_route_requires() {
    let rules = "GET:/protected=read:reports;GET:/api/hello=write:reports;GET:/api/me=email";
    let site = Site::start_with(&[API, ("ROUTE_RULES", rules)]).await;
    let scope = |scope: &str| json!({ "scope": scope });
    site.provider().change_access_token_claims(scope("openid email"));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    visitor.fetch("/protected").await.is_json(403, "insufficient_scope");
    assert_eq!(visitor.open("/").await.attributes("#step-up a", "href"), [FOR_PROTECTED]);

    // The provider grants all that the user adds to the URL, and only what was sent counts.
    let all = "openid email read:reports write:reports admin:all";
    let granted = json!({ "scope": all, "permissions": ["audit:all"] });
    site.provider().change_access_token_claims(granted);
    let request = visitor.start(FOR_PROTECTED).await;
    let usual = "openid profile email";
    assert_eq!(parameter(&request, "scope").unwrap(), format!("{usual} read:reports"));
    visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    assert_eq!(visitor.fetch("/protected").await.status(), 200);
    let granted = |site: &Site| site.store().last_session().unwrap().key;
    let first = granted(&site);

    // The next route's login keeps what was granted for the first.
    let request = visitor.start("/login?for=GET:/api/hello").await;
    let asked = parameter(&request, "scope").unwrap();
    assert_eq!(asked, format!("{usual} write:reports read:reports"));
    visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    assert_ne!(granted(&site), first);
    assert_eq!(visitor.fetch("/protected").await.status(), 200);

    // The user or the provider may grant less than was requested.
    site.provider().change_access_token_claims(scope("openid email"));
    visitor.log_in_from(FOR_PROTECTED, ADA).await;
    visitor.fetch("/protected").await.is_json(403, "insufficient_scope").challenges(
        r#"Bearer realm="api", error="insufficient_scope", error_description="The token lacks a required scope.", scope="read:reports""#,
    );
}

/// R196: the restarted login requires what the first one required.
#[tokio::test]
async fn r185_r196_a_restarted_login_requests_the_second_factor_again() {
    let site = site("amr=mfa,max_age=5m", &[API]).await;
    site.provider().change_access_token_claims(json!({ "jti": null }));
    let with = |amr: Value| json!({ "amr": amr, "auth_time": site.now().as_unix() });
    site.provider().change_claims(with(json!(["mfa"])));
    Visitor::logged_in(&site, ADA).await;
    let mut visitor = Visitor::new(&site);
    let answer = visitor.try_to_log_in_from(FOR_PROTECTED, ADA).await;
    let next = Url::parse(answer.location()).unwrap();
    assert_eq!(parameter(&next, "acr_values").as_deref(), Some(MULTI_FACTOR));
    assert!(parameter(&next, "max_age").is_some());
    site.pass(1);
    site.provider().change_claims(with(json!(["pwd"])));
    let answer = visitor.arrive(&site.provider().log_in(&next, ADA)).await;
    answer.is_a_refusal(403, "You were not logged in");
}

/// An ordinary login costs no more reads than before.
#[tokio::test]
async fn a_login_for_no_route_reads_no_session() {
    let site = site("amr=mfa", &[]).await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let before = site.store().calls();
    visitor.start("/login").await;
    assert_eq!(site.store().calls(), before);
}
