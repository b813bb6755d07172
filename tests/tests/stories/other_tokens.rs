//! Tokens that no login of this bundle issued: of machines, single-page and mobile apps.

use serde_json::{Value, json};
use tests::{
    misbehaving_provider::ADA,
    site::{CLIENT_ID, Site},
};

use super::guards::{Refused, decision_on, refused};

const API: (&str, &str) = ("AUDIENCE", "https://api.example");

/// How all guards refuse a token with these claims. `None`: they accept it.
async fn refusal(site: &Site, claims: &Value) -> Option<Refused> {
    let stranger = site.api().person(ADA.subject).claims(claims).token();
    decision_on(site, &stranger).await.err()
}

#[tokio::test]
async fn r147_a_token_without_a_session_is_accepted_only_as_the_setting_says() {
    let ended = || Some(refused(401, "session_ended"));
    for (setting, of_machine, of_person) in
        [("true", ended(), ended()), ("people", None, ended()), ("false", None, None)]
    {
        let site = Site::without_provider(&[API, ("REQUIRE_SESSION", setting)]);
        for machine in [
            json!({ "sub": "robot@clients", "azp": "robot", "gty": "client-credentials" }),
            json!({ "sub": "robot@clients", "azp": "robot" }),
            json!({ "sub": "robot@clients", "azp": null, "client_id": "robot" }),
            json!({ "azp": "robot", "gty": "client-credentials" }),
        ] {
            assert_eq!(refusal(&site, &machine).await, of_machine, "{setting} {machine}");
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
            assert_eq!(refusal(&site, &person).await, of_person, "{setting} {person}");
        }
        // A person's session counts, until it ends.
        let api = site.api();
        let ada = api.person(ADA.subject).log_in().await;
        assert!(decision_on(&site, &ada).await.is_ok());
        api.end_session(&ada).await;
        assert_eq!(decision_on(&site, &ada).await.err(), ended());
        let answer = site.call_api(ada.api_key()).await;
        assert_eq!(answer.json()["message"], "Good token, bad session");
    }
}

#[tokio::test]
async fn only_tokens_of_allowed_clients_are_accepted_without_a_session() {
    for require_session in ["false", "people"] {
        let settings =
            [API, ("REQUIRE_SESSION", require_session), ("ALLOWED_CLIENTS", "spa, robot")];
        let site = Site::without_provider(&settings);
        let api = site.api();
        let decided = async |names: &Value| {
            let machine = api.machine("robot").claim("azp", Value::Null).claims(names).token();
            decision_on(&site, &machine).await.err()
        };
        for names in [
            json!({ "azp": "spa" }),
            json!({ "client_id": "robot" }),
            json!({ "azp": "robot", "client_id": "robot" }),
            json!({ "azp": CLIENT_ID }),
        ] {
            assert_eq!(decided(&names).await, None, "{names}");
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
            let expected = Some(refused(403, "client_not_allowed"));
            assert_eq!(decided(&names).await, expected, "{names}");
        }
        // Sessions of this bundle are not affected.
        let ada = api.person(ADA.subject).log_in().await;
        assert!(decision_on(&site, &ada).await.is_ok());
    }
}
