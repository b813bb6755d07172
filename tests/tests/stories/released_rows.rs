//! Rows that a released version wrote are read by this one. `released_rows/VERSION.json` contains such
//! rows of made-up users, with the credentials that open them.
//!
//! `cargo test -p tests --test stories -- --ignored write_the_rows_of_this_version` writes the file of
//! this version. Run it once for each release that changes the rows; never change an older file.

use std::{fs, sync::Arc, time::Duration};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::{
    clock::Timestamp,
    crypto::{
        random::Random,
        secret::{Digest, SessionSecret},
    },
    session::{
        Ending, OVERLAP, RefreshGrant, Renewability, Renewable, SessionContents, SessionLimits,
        Sessions, TokenSession,
    },
    store::{
        CreateError, DocumentRow, Owner, Store,
        owner::{provider_session_digest, subject_digest},
    },
};
use tests::table;

const ISSUER: &str = "https://tenant.eu.auth0.com/";
const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const LIMITS: SessionLimits =
    SessionLimits { idle: Duration::from_secs(10_000), lifetime: Duration::from_secs(50_000) };

/// What a version wrote, and what opens it.
#[derive(Deserialize, Serialize)]
struct Released {
    /// The cookie of Ada's session, which ends with its token.
    ada: String,
    /// The cookie of Grace's session, which was refreshed once.
    grace: String,
    rows: Vec<Value>,
}

/// Ada has one session. Grace's was refreshed. Mallory's logins were ended. One mark is claimed, and
/// one document is kept.
async fn write(store: Arc<dyn Store>) -> (SessionSecret, SessionSecret) {
    let sessions = sessions(&store);
    let (ada, _) =
        sessions.begin(owner("auth0|ada"), &contents("ada", 1), None, NOW).await.unwrap();
    let grant = json!({
        "refresh_token": "refresh token 1",
        "login": { "subject": "auth0|grace", "issued_at": NOW, "nonce": "n", "amr": ["mfa"] },
        "granted": ["openid", "offline_access"],
    });
    let grant: RefreshGrant = serde_json::from_value(grant).unwrap();
    let of_grace = contents("grace", 1);
    let begun = sessions.begin_renewable(owner("auth0|grace"), &of_grace, &grant, None, NOW);
    let (grace, _) = begun.await.unwrap();
    refresh(&sessions, &grace, 2, after(100)).await;

    let ending = Ending::everywhere(subject_digest(ISSUER, "auth0|mallory"), after(100));
    assert_eq!(sessions.end_all(&ending, after(100)).await.unwrap(), 0);
    assert!(store.claim(Digest::of("mark"), after(900), NOW).await.unwrap());
    let document = DocumentRow {
        key: Digest::of("document"),
        text: br#"{"keys":[]}"#.to_vec(),
        fetched_at: NOW,
        expires_at: after(86_400),
    };
    store.write_document(document, NOW).await.unwrap();
    (ada, grace)
}

fn sessions(store: &Arc<dyn Store>) -> Sessions {
    Sessions::new(Arc::<dyn Store>::clone(store), LIMITS, Random::system())
}

fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn owner(subject: &str) -> Owner {
    Owner {
        subject: subject_digest(ISSUER, subject),
        provider_session: Some(provider_session_digest(ISSUER, subject)),
        issued_at: NOW,
    }
}

/// The contents with the user's token of this number.
fn contents(user: &str, number: u8) -> SessionContents {
    let contents = json!({
        "user": { "sub": format!("auth0|{user}"), "email": format!("{user}@example.com") },
        "api_claims": { "https://example.com/roles": ["reader"] },
        "authentication": { "auth_time": NOW, "acr": null, "amr": ["mfa"] },
        "id_token": format!("id token {number} of {user}"),
        "api_key": format!("token {number} of {user}"),
        "api_key_expires_at": after(20_000),
        "provider_session": format!("session of {user}"),
        "scopes": ["openid", "offline_access"],
    });
    serde_json::from_value(contents).unwrap()
}

async fn renewable(sessions: &Sessions, cookie: &SessionSecret, now: Timestamp) -> Renewable {
    let read = sessions.renewable(cookie, now).await.unwrap();
    let Some(Renewability::Renewable(renewable)) = read else { unreachable!("not renewable") };
    *renewable
}

/// Refreshes Grace's session: it gets the token and the refresh token of this number.
async fn refresh(sessions: &Sessions, cookie: &SessionSecret, number: u8, now: Timestamp) {
    let read = renewable(sessions, cookie, now).await;
    let held = sessions.lease(read, now + Duration::from_secs(30), now).await.unwrap().unwrap();
    let token = format!("refresh token {number}").into();
    let renewed = sessions.renew(&held, contents("grace", number), token, None, now);
    renewed.await.unwrap();
}

async fn is_live(sessions: &Sessions, token: &str, now: Timestamp) -> bool {
    matches!(sessions.by_token(token, now).await.unwrap(), TokenSession::Live(_))
}

#[tokio::test]
#[ignore = "it writes the file of this version"]
async fn write_the_rows_of_this_version() {
    let (store, rows) = table::read_out().await;
    let (ada, grace) = write(store).await;
    let Value::Array(rows) = rows() else { panic!("no rows") };
    let released = Released { ada: ada.expose(), grace: grace.expose(), rows };
    let text = serde_json::to_string_pretty(&released).unwrap();
    let file = format!("tests/tests/stories/released_rows/{}.json", env!("CARGO_PKG_VERSION"));
    fs::write(tests::project().join(file), text + "\n").unwrap();
}

#[tokio::test]
async fn rows_of_released_versions_are_read_used_refreshed_and_ended() {
    let folder = tests::project().join("tests/tests/stories/released_rows");
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let released: Released = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let version = file.file_stem().unwrap().to_str().unwrap();
        assert_released(&released, version).await;
    }
}

async fn assert_released(released: &Released, version: &str) {
    let kinds = ["ended#", "once#", "provider#", "session#", "token#"];
    for kind in kinds {
        let is_kind = |row: &&Value| row["pk"]["S"].as_str().unwrap().starts_with(kind);
        assert!(released.rows.iter().any(|row| is_kind(&row)), "{version} has no {kind}");
    }
    let store = table::with_rows(&released.rows).await;
    let sessions = sessions(&store);
    let ada = SessionSecret::parse(&released.ada).unwrap();
    let grace = SessionSecret::parse(&released.grace).unwrap();

    // Read by the cookie and by the token.
    let now = after(100);
    let found = sessions.by_cookie(&ada, now).await.unwrap().unwrap();
    assert_eq!(found.owner, owner("auth0|ada"));
    let expected = contents("ada", 1);
    assert_eq!(json!(found.contents), json!(expected), "{version}");
    assert!(is_live(&sessions, "token 1 of ada", now).await, "{version}");
    // The token before the refresh is accepted for the overlap.
    for (token, time, is_accepted) in [
        ("token 2 of grace", now, true),
        ("token 1 of grace", now, true),
        ("token 1 of grace", now + OVERLAP, false),
    ] {
        assert_eq!(is_live(&sessions, token, time).await, is_accepted, "{version}: {token}");
    }

    // Used: without that, both would have ended by then.
    for seconds in [9_000, 18_000] {
        assert!(sessions.by_cookie(&ada, after(seconds)).await.unwrap().is_some(), "{version}");
        assert!(sessions.by_cookie(&grace, after(seconds)).await.unwrap().is_some(), "{version}");
    }

    // Refreshed.
    let now = after(18_000);
    let read = renewable(&sessions, &grace, now).await;
    assert_eq!(read.grant.refresh_token.expose_secret(), "refresh token 2", "{version}");
    assert_eq!(read.grant.login.subject(), "auth0|grace", "{version}");
    refresh(&sessions, &grace, 3, now).await;
    assert!(is_live(&sessions, "token 3 of grace", now).await, "{version}");

    // Marks, tombstones and documents.
    assert!(!store.claim(Digest::of("mark"), after(900), after(100)).await.unwrap(), "{version}");
    let of_mallory = contents("mallory", 1);
    let begun = sessions.begin(owner("auth0|mallory"), &of_mallory, None, after(100)).await;
    assert!(matches!(begun, Err(CreateError::Ended)), "{version}");
    let key = Digest::of("document");
    let document = store.documents(&[key], None, now).await.unwrap().take(key).unwrap();
    assert_eq!(document.text, br#"{"keys":[]}"#, "{version}");

    // Ended: one by its owner, one by the provider.
    assert!(sessions.end(ada.digest(), now).await.unwrap(), "{version}");
    assert!(matches!(sessions.by_token("token 1 of ada", now).await, Ok(TokenSession::Ended)));
    let ending = Ending::of_provider_session(
        provider_session_digest(ISSUER, "auth0|grace"),
        Some(subject_digest(ISSUER, "auth0|grace")),
        now,
    );
    assert_eq!(sessions.end_all(&ending, now).await.unwrap(), 1, "{version}");
    assert!(sessions.by_cookie(&grace, now).await.unwrap().is_none(), "{version}");
}
