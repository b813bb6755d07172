//! `ORGANIZATION`: logins and requests must belong to an organization.

use serde_json::json;
use tests::{misbehaving_provider::ADA, site::Site, visitor::Visitor};
use url::Url;

use super::guards::{decision_on, refused};

const API: (&str, &str) = ("AUDIENCE", "https://api.example");
const OURS: (&str, &str) = ("ORGANIZATION", "org_ours");
const REQUIRED: (&str, &str) = ("ORGANIZATION", "required");
const UNSET: (&str, &str) = ("ORGANIZATION", "");
const MISSING: &str = "the token names no organization";
const OTHER: &str = "the token is for another organization";

/// The organization that the provider is asked for.
fn asked(request: &Url) -> Option<String> {
    request.query_pairs().find(|(key, _)| key == "organization").map(|(_, value)| value.into())
}

#[tokio::test]
async fn r183_a_login_for_no_or_another_organization_is_refused_with_the_reason() {
    let ours = "organization=org_ours&";
    for (setting, link, claims, reason, used) in [
        (OURS, "", json!({}), MISSING, None),
        (OURS, "", json!({ "org_name": "org_ours" }), MISSING, Some("org_ours")),
        (OURS, "", json!({ "org_id": "org_theirs" }), OTHER, Some("org_theirs")),
        (OURS, ours, json!({ "org_id": "org_1", "org_name": "theirs" }), OTHER, Some("theirs")),
        (REQUIRED, "", json!({}), MISSING, None),
        (REQUIRED, "", json!({ "org_id": ["org_ours"] }), MISSING, None),
        (REQUIRED, ours, json!({ "org_id": "org_theirs" }), OTHER, Some("org_theirs")),
        (UNSET, ours, json!({}), MISSING, None),
        (UNSET, ours, json!({ "org_id": "org_theirs" }), OTHER, Some("org_theirs")),
    ] {
        let site = Site::start_with(&[setting]).await;
        site.provider().change_claims(claims.clone());
        let mut visitor = Visitor::new(&site);
        let request = visitor.start(&format!("/login?{link}return_to=/reports")).await;
        let is_asked = setting == OURS || link == ours;
        assert_eq!(asked(&request).as_deref(), is_asked.then_some("org_ours"), "{request}");
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        // The link asks the provider for another login, for the same organization.
        let kept = if is_asked { ours } else { "" };
        let again = format!("/login?{kept}prompt=login&return_to=%2Freports");
        answer.is_a_refusal(403, "You were not logged in").offers("Log in again", &again);
        let said = if reason == MISSING { "yours is for none" } else { "another organization" };
        assert!(answer.text().contains(said), "{answer:?}");
        assert_eq!(answer.texts("#account"), used.into_iter().collect::<Vec<_>>());
        assert_eq!(site.store().sessions_created(), 0);
        assert_eq!(site.log().errors_of("login.refused"), [reason], "{claims}");
        // A user can change the request to the provider, and must not be able to raise an alarm.
        assert!(site.log().errors_of("login.failed").is_empty());
        let request = visitor.start(&again).await;
        assert_eq!(asked(&request).is_some(), is_asked, "{request}");
    }
}

#[tokio::test]
async fn r183_an_access_token_for_another_organization_is_refused_at_the_login() {
    for (setting, link) in [(OURS, ""), (REQUIRED, ""), (UNSET, "organization=org_ours")] {
        let site = Site::start_with(&[API, setting]).await;
        site.provider().change_claims(json!({ "org_id": "org_ours" }));
        site.provider().change_access_token_claims(json!({ "org_id": "org_theirs" }));
        let mut visitor = Visitor::new(&site);
        let request = visitor.start(&format!("/login?{link}")).await;
        let answer = visitor.arrive(&site.provider().log_in(&request, ADA)).await;
        answer.is_a_refusal(403, "You were not logged in");
        assert_eq!(site.log().errors_of("login.refused"), [OTHER]);
    }
}

#[tokio::test]
async fn r183_a_member_logs_in_and_calls_the_api() {
    for (setting, link, organization) in [
        (OURS, "/login", "org_ours"),
        (OURS, "/login?organization=org_ours&invitation=inv", "org_ours"),
        (REQUIRED, "/login", "org_any"),
        (REQUIRED, "/login?organization=org_other", "org_other"),
    ] {
        let site = Site::start_with(&[API, setting]).await;
        let claims = json!({ "org_id": organization });
        site.provider().change_claims(claims.clone());
        site.provider().change_access_token_claims(claims);
        let mut visitor = Visitor::new(&site);
        visitor.log_in_from(link, ADA).await;
        let answer = visitor.fetch("/protected").await;
        assert_eq!((answer.status(), &answer.json()["org_id"]), (200, &json!(organization)));
        let token = visitor.api_key().await;
        assert_eq!(site.call_api(&token).await.status(), 200);
    }
}

/// A link chooses no organization but the one of the setting.
#[tokio::test]
async fn r003_r183_a_link_to_another_organization_starts_no_login() {
    let site = Site::start_with(&[OURS]).await;
    for organization in ["org_theirs", "ours", "org_OURS", "org_ours%20"] {
        let link = format!("/login?organization={organization}");
        let answer = Visitor::new(&site).open(&link).await;
        answer
            .is_a_refusal(400, "This login link is not valid")
            .offers("Go to the login page", "/");
        site.get(&link, &[]).await.is_json(400, "invalid_request");
    }
    let log = site.log().errors_of("login.not_started");
    assert_eq!(log[0], "the link names another organization than ORGANIZATION");
}

/// Sessions from before the setting are checked at each request, by every guard.
#[tokio::test]
async fn r183_a_request_of_no_or_another_organization_is_refused() {
    let site = Site::without_provider(&[API]);
    for (organization, setting, code) in [
        (json!(null), OURS, Some("organization_required")),
        (json!(null), REQUIRED, Some("organization_required")),
        (json!("org_theirs"), OURS, Some("organization_not_allowed")),
        (json!("org_theirs"), REQUIRED, None),
    ] {
        let api = site.api();
        let member = api.person(ADA.subject).claim("org_id", organization.clone()).log_in().await;
        let stricter = site.another_process(&[API, setting]);
        match (decision_on(&stricter, &member).await, code) {
            (Ok(context), None) => assert_eq!(context["org_id"], organization),
            (decided, code) => {
                let expected = code.map(|code| refused(403, code));
                assert_eq!(decided.err(), expected, "{organization} {setting:?}");
            }
        }
    }
}

/// Tokens of other applications and of machines state their organization themselves.
#[tokio::test]
async fn r183_a_token_without_a_session_needs_the_organization_too() {
    let site = Site::without_provider(&[API, OURS, ("REQUIRE_SESSION", "false")]);
    let api = site.api();
    for stranger in [api.person(ADA.subject), api.machine("robot")] {
        for (organization, expected) in [
            (json!("org_ours"), None),
            (json!(null), Some("organization_required")),
            (json!(["org_ours"]), Some("organization_required")),
            (json!("org_theirs"), Some("organization_not_allowed")),
            (json!("ORG_OURS"), Some("organization_not_allowed")),
        ] {
            let caller = stranger.clone().claim("org_id", organization.clone()).token();
            let expected = expected.map(|code| refused(403, code));
            assert_eq!(decision_on(&site, &caller).await.err(), expected, "{organization}");
        }
    }
}

/// Auth0 may leave the claim out of a refreshed ID token. A refreshed access token of another
/// organization opens nothing.
#[tokio::test]
async fn r183_a_refresh_keeps_the_organization_of_the_login() {
    let offline = ("SCOPE", "openid email offline_access");
    let site = Site::start_with(&[API, OURS, offline]).await;
    let ours = json!({ "org_id": "org_ours", "org_name": "ours" });
    site.provider().change_claims(ours.clone());
    site.provider().change_access_token_claims(ours.clone());
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    site.pass(100);
    assert_eq!(visitor.refresh().await.status(), 200);
    let answer = visitor.fetch("/protected").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        (&answer.json()["org_id"], &answer.json()["org_name"]),
        (&ours["org_id"], &ours["org_name"])
    );

    site.provider().change_refreshed_access_token_claims(json!({ "org_id": "org_theirs" }));
    site.pass(100);
    assert_eq!(visitor.refresh().await.status(), 200);
    visitor.fetch("/protected").await.is_json(403, "organization_not_allowed");
}

/// One route may be for one organization while others are for all.
#[tokio::test]
async fn r183_a_rule_of_a_route_requires_an_organization() {
    let rules = ("ROUTE_RULES", "GET:/protected=org_id=org_ours");
    let site = Site::without_provider(&[rules, REQUIRED]);
    for (organization, expected) in
        [("org_ours", None), ("org_theirs", Some(refused(403, "claim_not_allowed")))]
    {
        let member = site.api().person(ADA.subject).organization(organization).log_in().await;
        assert_eq!(decision_on(&site, &member).await.err(), expected);
    }
}

#[tokio::test]
async fn the_pages_show_the_organization_and_a_link_to_switch() {
    let switch = "/login?prompt=login";
    for (setting, on_login, links) in [
        (OURS, vec!["org_ours"], vec![]),
        (
            REQUIRED,
            vec!["For members of an organization. You choose it when you log in."],
            vec![switch],
        ),
        (UNSET, vec![], vec![]),
    ] {
        let site = Site::start_with(&[setting]).await;
        let mut visitor = Visitor::new(&site);
        assert_eq!(visitor.open("/").await.texts("#organization"), on_login);
        site.provider().change_claims(json!({ "org_id": "org_ours", "org_name": "Ours & Co" }));
        visitor.log_in(ADA).await;
        let page = visitor.open("/").await;
        assert_eq!(page.texts("#organization"), ["Ours & Co"]);
        assert_eq!(page.attributes("#switch", "href"), links);
    }
    // The provider asks for the organization and the credentials, and may name another organization.
    let site = Site::start_with(&[REQUIRED]).await;
    site.provider().change_claims(json!({ "org_id": "org_ours" }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let request = visitor.start(switch).await;
    assert_eq!(asked(&request), None);
    let auth_time = site.now().as_unix();
    site.provider().change_claims(json!({ "org_id": "org_theirs", "auth_time": auth_time }));
    visitor.arrive(&site.provider().log_in(&request, ADA)).await;
    assert_eq!(visitor.open("/").await.texts("#organization"), ["org_theirs"]);
    assert_eq!(site.live_sessions().await, 1);

    let site = Site::start().await;
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    assert!(visitor.open("/").await.texts("#organization").is_empty());
}
