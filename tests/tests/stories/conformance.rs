//! The modules of the OpenID Foundation's conformance suite for relying parties, plan by plan, with the
//! outcome that the suite demands. The provider is ours, in the manner of the suite's: its issuer has a
//! path.
//!
//! | plan | its modules are in other stories |
//! |---|---|
//! | back-channel logout | `backchannel_logout`: R114, and R116 to R122 for each defect of the token |
//! | RP-initiated logout | `logout`: R107 for the request, and R109 for the return with each `state` |
//! | third-party-initiated login | `login`: R9 |
//!
//! | plan | not here, because the product has no such feature |
//! |---|---|
//! | dynamic | WebFinger, dynamic registration and request objects |
//! | hybrid, implicit | a code is all that is requested |
//! | front-channel logout, session management | no page of another site can be framed |

use serde_json::{Value, json};
use shared::testing::tokens::{TEST_KEY, TestKey, key_set_document};
use tests::{
    answer::Answer,
    misbehaving_provider::{ADA, MisbehavingProvider, Shape, SignedBy, UserInfoAnswer},
    site::Site,
    story::parameter,
    visitor::{SESSION, Visitor},
};

use crate::form_post;

/// What a module demands of the login.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Demand {
    /// It succeeds, with exactly one UserInfo request.
    Accept,
    /// It fails, without a UserInfo request.
    Reject,
    /// It fails after the UserInfo request.
    RejectUserInfo,
}

use Demand::{Accept, Reject, RejectUserInfo};

/// Its name without `oidcc-client-test`, what the provider does in it, and the demand.
type Module = (&'static str, fn(&MisbehavingProvider), Demand);

fn change(provider: &MisbehavingProvider, claims: Value) {
    provider.change_claims(claims);
}

/// `oidcc-client-basic-certification-test-plan`, and what `oidcc-client-test-plan` adds to it.
///
/// The first module is also `-idtoken-sig-rs256`, `-userinfo-bearer-header`, `-client-secret-basic` and
/// `-scope-userinfo-claims`: [`run`] checks in each module what they demand.
const BASIC: [Module; 18] = [
    ("", |_| (), Accept),
    ("-invalid-iss", |it| change(it, json!({ "iss": "https://other.example/" })), Reject),
    ("-missing-sub", |it| change(it, json!({ "sub": null })), Reject),
    ("-invalid-aud", |it| change(it, json!({ "aud": "another-client" })), Reject),
    ("-missing-aud", |it| change(it, json!({ "aud": null })), Reject),
    ("-missing-iat", |it| change(it, json!({ "iat": null })), Reject),
    ("-nonce-invalid", |it| change(it, json!({ "nonce": "another" })), Reject),
    ("-invalid-sig-rs256", |it| it.publish(key_set_document(&[&TestKey::rsa("test")])), Reject),
    ("-invalid-sig-hs256", |it| it.change_header(json!({ "alg": "HS256" })), Reject),
    ("-invalid-sig-es256", |it| it.change_header(json!({ "alg": "ES256" })), Reject),
    ("-idtoken-sig-none", |it| it.change_header(json!({ "alg": "none" })), Reject),
    ("-kid-absent-single-jwks", |it| it.change_header(json!({ "kid": null })), Accept),
    (
        "-kid-absent-multiple-jwks",
        |it| {
            it.publish(key_set_document(&[&TestKey::rsa("another"), &TEST_KEY]));
            it.change_header(json!({ "kid": null }));
        },
        Accept,
    ),
    ("-userinfo-invalid-sub", |it| user_info(it, json!({ "sub": "another" })), RejectUserInfo),
    (
        "-userinfo-signed",
        |it| it.answer_user_info(UserInfoAnswer::Signed(SignedBy::Provider, json!({}))),
        Accept,
    ),
    ("-aggregated-claims", |it| user_info(it, sources(&json!({ "JWT": "a.b.c" }))), Accept),
    (
        "-distributed-claims",
        |it| user_info(it, sources(&json!({ "endpoint": format!("{}elsewhere", it.issuer) }))),
        Accept,
    ),
    (
        "-mtls-endpoint-aliases",
        |it| {
            let elsewhere = "https://mtls.example/token";
            it.change_metadata_member("mtls_endpoint_aliases", elsewhere);
        },
        Accept,
    ),
];

fn user_info(provider: &MisbehavingProvider, claims: Value) {
    provider.answer_user_info(UserInfoAnswer::Claims(claims));
}

fn sources(source: &Value) -> Value {
    json!({ "_claim_names": { "salary": "bank" }, "_claim_sources": { "bank": source } })
}

/// The product, with a provider in the manner of the suite's.
async fn site(settings: &[(&str, &str)]) -> Site {
    let issuer = "https://suite.example/test/a/bundle/";
    let endpoint = |name: &str| format!("{issuer}{name}");
    let shape = Shape::of(json!({
        "settings": {
            "CLIENT_AUTH": "client_secret_basic",
            "FETCH_USERINFO": "required",
            "SCOPE": "openid profile email phone address offline_access",
        },
        "metadata": {
            "issuer": issuer,
            "authorization_endpoint": endpoint("authorize"),
            "token_endpoint": endpoint("token"),
            "jwks_uri": endpoint("jwks"),
            "userinfo_endpoint": endpoint("userinfo"),
            "end_session_endpoint": endpoint("end_session"),
            "revocation_endpoint": endpoint("revoke"),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "id_token_signing_alg_values_supported": ["RS256"],
        },
    }));
    Site::start_in_shape(&shape, settings).await
}

async fn arrive(visitor: &mut Visitor, back: &str, is_form: bool) -> Answer {
    if is_form {
        form_post::arrive(visitor, &form_post::form_of(back)).await
    } else {
        visitor.arrive(back).await
    }
}

async fn run(modules: &[Module], is_form: bool) {
    let mode = if is_form { "form_post" } else { "query" };
    for (name, misbehave, demand) in modules {
        let site = site(&[("RESPONSE_MODE", mode)]).await;
        let provider = site.provider();
        misbehave(provider);
        let mut visitor = Visitor::new(&site);
        let request = visitor.start("/login").await;
        let answer = arrive(&mut visitor, &provider.log_in(&request, ADA), is_form).await;
        let user_info_requests = provider.user_info_requests();
        let found = match (answer.status(), user_info_requests.len()) {
            (303, 1) if answer.cookies_set() == [SESSION] => Some(Accept),
            (400, 0) => Some(Reject),
            (400, 1) => Some(RejectUserInfo),
            _ => None,
        };
        assert_eq!(found, Some(*demand), "{name} by {mode}: {answer:?}");
        assert_eq!(visitor.session().is_some(), *demand == Accept, "{name} by {mode}");

        // Implicit in every module: the scope has `openid`, the secret is sent in the header alone, and
        // the access token never in an address.
        let scope = parameter(&request, "scope");
        assert!(scope.split(' ').any(|scope| scope == "openid"), "{name}");
        assert!(provider.last_token_request().contains_key("authentication"), "{name}");
        for (authorization, query) in user_info_requests {
            assert!(authorization.starts_with("Bearer ") && query.is_none(), "{name}");
        }
        assert_eq!(provider.requests_elsewhere(), 0, "{name}");
    }
}

#[tokio::test]
async fn basic() {
    run(&BASIC, false).await;
}

/// R33, and `-form-post-error`: an error screen.
#[tokio::test]
async fn r033_form_post_basic() {
    run(&BASIC, true).await;
    let site = site(&[("RESPONSE_MODE", "form_post")]).await;
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login").await;
    let answer =
        arrive(&mut visitor, &site.provider().refuse(&request, "server_error"), true).await;
    answer.is_a_refusal(400, "You were not logged in");
}

/// `-scope-userinfo-claims`: the claims of each requested scope.
#[tokio::test]
async fn basic_claims_of_scopes() {
    let site = site(&[]).await;
    let address = json!({ "country": "GB" });
    user_info(site.provider(), json!({ "phone_number": "+44 1", "address": address }));
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let claims = visitor.fetch("/protected").await.json();
    assert_eq!((&claims["email"], &claims["name"]), (&json!(ADA.email), &json!(ADA.name)));
    assert_eq!((&claims["phone_number"], &claims["address"]), (&json!("+44 1"), &address));
}

/// `oidcc-client-config-certification-test-plan`, without the two modules that [`BASIC`] has too.
#[tokio::test]
async fn config() {
    let site = site(&[]).await;
    let provider = site.provider();
    // -discovery-openid-config and -discovery-jwks-uri-keys: endpoints and keys of the metadata.
    let mut visitor = Visitor::new(&site);
    let request = visitor.start("/login").await;
    assert!(request.as_str().starts_with(&format!("{}authorize?", provider.issuer)), "{request}");
    assert_eq!(visitor.arrive(&provider.log_in(&request, ADA)).await.status(), 303);
    assert_eq!((provider.metadata_requests(), provider.key_set_requests()), (1, 1));
    // -signing-key-rotation: between two logins. The unknown key causes one more fetch.
    site.pass(60);
    provider.rotate_to(TestKey::rsa("second"));
    Visitor::logged_in(&site, ADA).await;
    assert_eq!(provider.key_set_requests(), 2);
    // -signing-key-rotation-just-before-signing: after the user was sent to the provider.
    site.pass(60);
    let request = visitor.start("/login").await;
    provider.rotate_to(TestKey::rsa("third"));
    assert_eq!(visitor.arrive(&provider.log_in(&request, ADA)).await.status(), 303);
    assert_eq!(provider.key_set_requests(), 3);
}

/// `-discovery-issuer-mismatch`: nothing but the metadata is requested.
#[tokio::test]
async fn config_issuer_mismatch() {
    let site = site(&[]).await;
    let issuer = site.provider().issuer.clone();
    site.provider().change_metadata_member("issuer", issuer.trim_end_matches('/'));
    let answer = Visitor::new(&site).open("/login").await;
    answer.is_a_refusal(503, "Please try again in a moment");
    assert_eq!(site.provider().requests(), 1);
}

/// `oidcc-client-refreshtoken-test-plan`.
#[tokio::test]
async fn refresh_token() {
    for (name, claims, status) in [
        ("-refresh-token", json!({}), 200),
        ("-refresh-token-invalid-issuer", json!({ "iss": "https://other.example/" }), 401),
        ("-refresh-token-invalid-sub", json!({ "sub": "another" }), 401),
    ] {
        let site = site(&[]).await;
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        site.provider().change_refreshed_claims(claims);
        site.pass(36_100);
        assert_eq!(visitor.refresh().await.status(), status, "{name}");
        assert_eq!(site.provider().refreshes(), 1, "{name}");
        assert!(site.provider().last_token_request().contains_key("authentication"), "{name}");
        assert_eq!(visitor.fetch("/protected").await.status() == 200, status == 200, "{name}");
    }
}
