//! Tokens that no login of this bundle issued: of machines, single-page and mobile apps.

use serde_json::{Value, json};
use tests::{
    misbehaving_provider::ADA,
    site::{CLIENT_ID, Site},
    visitor::Visitor,
};

const API: (&str, &str) = ("AUDIENCE", "https://api.example");

/// The code with which `/protected` refuses a token with these claims. `None`: it is accepted.
async fn refused(site: &Site, claims: &Value) -> Option<(u16, String)> {
    let token = site.provider().access_token(ADA, API.1, claims);
    let answer = site.call_api(&token).await;
    let code = |answer: Value| answer["code"].as_str().unwrap().to_owned();
    (answer.status() != 200).then(|| (answer.status(), code(answer.json())))
}

fn is(status: u16, code: &str) -> Option<(u16, String)> {
    Some((status, code.to_owned()))
}

#[tokio::test]
async fn people_need_a_session_and_machines_do_not() {
    let site = Site::start_with(&[API, ("REQUIRE_SESSION", "people")]).await;
    for machine in [
        json!({ "sub": "robot@clients", "azp": "robot", "gty": "client-credentials" }),
        json!({ "sub": "robot@clients", "azp": "robot" }),
        json!({ "sub": "robot@clients", "azp": null, "client_id": "robot" }),
        json!({ "azp": "robot", "gty": "client-credentials" }),
    ] {
        assert_eq!(refused(&site, &machine).await, None, "{machine}");
    }
    for person in [
        json!({}),
        json!({ "gty": "password" }),
        json!({ "gty": ["client-credentials"] }),
        // The user of a custom database may choose such an id.
        json!({ "sub": "auth0|robot@clients", "azp": "robot" }),
        json!({ "sub": "other@clients", "azp": "robot" }),
        json!({ "sub": "robot", "azp": "robot" }),
    ] {
        assert_eq!(refused(&site, &person).await, is(401, "session_ended"), "{person}");
    }
    // A person's session counts, until it ends.
    let mut visitor = Visitor::logged_in(&site, ADA).await;
    let token = visitor.api_key().await;
    assert_eq!(site.call_api(&token).await.status(), 200);
    visitor.submit("/logout").await;
    site.call_api(&token).await.is_json(401, "session_ended");
}

#[tokio::test]
async fn only_tokens_of_allowed_clients_are_accepted_without_a_session() {
    for require_session in ["false", "people"] {
        let settings =
            [API, ("REQUIRE_SESSION", require_session), ("ALLOWED_CLIENTS", "spa, robot")];
        let site = Site::start_with(&settings).await;
        let machine = |names: Value| {
            let mut claims = json!({ "gty": "client-credentials", "azp": null });
            claims.as_object_mut().unwrap().extend(names.as_object().unwrap().clone());
            claims
        };
        for names in [
            json!({ "azp": "spa" }),
            json!({ "client_id": "robot" }),
            json!({ "azp": "robot", "client_id": "robot" }),
            json!({ "azp": CLIENT_ID }),
        ] {
            assert_eq!(refused(&site, &machine(names.clone())).await, None, "{names}");
        }
        for names in [
            json!({ "azp": "other" }),
            json!({ "azp": "SPA" }),
            json!({ "azp": "spa, robot" }),
            json!({ "client_id": "other" }),
            json!({ "azp": "robot", "client_id": "other" }),
            json!({ "azp": "other", "client_id": "robot" }),
            json!({ "client_id": ["robot"] }),
            json!({}),
        ] {
            let said = refused(&site, &machine(names.clone())).await;
            assert_eq!(said, is(403, "client_not_allowed"), "{names}");
        }
        // Sessions of this bundle are not affected.
        let mut visitor = Visitor::logged_in(&site, ADA).await;
        assert_eq!(site.call_api(&visitor.api_key().await).await.status(), 200);
    }
}
