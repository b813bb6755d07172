//! Tests of sessions with a store in memory.

use secrecy::SecretString;
use serde_json::json;

use super::*;
use crate::{jwt::UserInfo, store::memory::MemoryStore};

pub(super) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
pub(crate) const LIMITS: SessionLimits =
    SessionLimits { idle: Duration::from_secs(1_000), lifetime: Duration::from_secs(5_000) };

pub(super) fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

pub(super) fn owner() -> Owner {
    Owner { subject: Digest::of("ada"), provider_session: None, issued_at: NOW }
}

pub(crate) fn sessions() -> (Sessions, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::default());
    (Sessions::new(Arc::<MemoryStore>::clone(&store), LIMITS, Random::system()), store)
}

pub(crate) fn contents(api_key: &str) -> SessionContents {
    let user = json!({ "sub": "auth0|ada", "email": "ada@example.com", "name": "Ada Lovelace" });
    SessionContents {
        api_claims: Default::default(),
        authentication: Default::default(),
        user: user.as_object().unwrap().clone(),
        id_token: format!("id token beside {api_key}").into(),
        api_key: api_key.to_owned().into(),
        api_key_expires_at: after(100_000),
        provider_session: Some("provider session".to_owned()),
        scopes: vec!["openid".to_owned()],
    }
}

pub(super) fn grant() -> RefreshGrant {
    let login = json!({ "subject": "auth0|ada", "issued_at": NOW, "amr": [] });
    RefreshGrant {
        refresh_token: "the first refresh token".to_owned().into(),
        login: serde_json::from_value(login).unwrap(),
        granted: vec!["read".to_owned()],
        user_info: UserInfo::default(),
    }
}

#[tokio::test]
async fn the_pointer_of_an_ended_session_is_removed_from_the_cache() {
    let (sessions, _) = sessions();
    let (secret, _) = sessions.begin(owner(), &contents("token"), None, NOW).await.unwrap();
    for _ in 0..2 {
        let found = sessions.by_token("token", NOW).await.unwrap();
        assert!(matches!(found, TokenSession::Live(_)));
        assert_eq!(sessions.pointers.len(), 1);
    }
    sessions.end(secret.digest(), NOW).await.unwrap();
    assert!(matches!(sessions.by_token("token", NOW).await.unwrap(), TokenSession::Ended));
    assert_eq!(sessions.pointers.len(), 0);
}

#[tokio::test]
async fn r180_the_number_of_cached_pointers_is_bounded() {
    let (sessions, _) = sessions();
    for number in 0..3_000 {
        let token = number.to_string();
        sessions.begin(owner(), &contents(&token), None, NOW).await.unwrap();
        let found = sessions.by_token(&token, NOW).await.unwrap();
        assert!(matches!(found, TokenSession::Live(_)));
    }
    let known = sessions.pointers.len();
    assert!((500..=1_000).contains(&known), "{known}");
    assert_eq!(format!("{:?}", sessions.pointers), format!("KnownPointers({known})"));
}

/// An ended session is not only refused: its row expires at the same time.
#[tokio::test]
async fn r099_a_row_never_slides_past_the_end_of_its_session() {
    let (sessions, store) = sessions();
    let (secret, ends_at) = sessions.begin(owner(), &contents("token"), None, NOW).await.unwrap();
    for seconds in [900, 1_800, 2_700, 3_600, 4_500] {
        assert!(sessions.by_cookie(&secret, after(seconds)).await.unwrap().is_some());
    }
    let row = store.session(secret.digest(), after(4_500)).await.unwrap().unwrap();
    assert_eq!((row.used_at, row.expires_at), (after(4_500), ends_at));
}

#[tokio::test]
async fn an_ended_token_with_another_signature_is_ended_too() {
    let (sessions, _) = sessions();
    let (secret, _) =
        sessions.begin(owner(), &contents("header.claims.signature"), None, NOW).await.unwrap();
    let twin = async || sessions.by_token("header.claims.other-signature", NOW).await.unwrap();
    assert!(matches!(twin().await, TokenSession::Ended));
    sessions.end(secret.digest(), NOW).await.unwrap();
    assert!(matches!(twin().await, TokenSession::Ended));
}

#[tokio::test]
async fn an_ended_token_is_known_for_as_long_as_its_claims_are_accepted() {
    let (sessions, _) = sessions();
    let short = SessionContents { api_key_expires_at: after(300), ..contents("short") };
    let (secret, _) = sessions.begin(owner(), &short, None, NOW).await.unwrap();
    sessions.end(secret.digest(), NOW).await.unwrap();
    let last_moment = after(299) + jwt::LEEWAY;
    assert!(matches!(sessions.by_token("short", last_moment).await.unwrap(), TokenSession::Ended));
}

/// Begins a session whose token lives for `seconds`, with a refresh token if it is renewable.
async fn begin(
    sessions: &Sessions,
    seconds: u64,
    is_renewable: bool,
) -> (SessionSecret, Timestamp) {
    let token = Random::system().token();
    let contents = SessionContents { api_key_expires_at: after(seconds), ..contents(&token) };
    let begun = match is_renewable {
        true => sessions.begin_renewable(owner(), &contents, &grant(), None, NOW).await,
        false => sessions.begin(owner(), &contents, None, NOW).await,
    };
    begun.unwrap()
}

#[tokio::test]
async fn r091_an_unused_session_ends_when_its_idle_time_is_over() {
    let (sessions, _) = sessions();
    for (seconds, is_renewable) in [(100_000, false), (400, true)] {
        let [first, second] = [
            begin(&sessions, seconds, is_renewable).await,
            begin(&sessions, seconds, is_renewable).await,
        ];
        assert!(sessions.by_cookie(&first.0, after(999)).await.unwrap().is_some());
        assert!(sessions.by_cookie(&first.0, after(1_999)).await.unwrap().is_none());
        assert!(sessions.by_cookie(&second.0, after(1_000)).await.unwrap().is_none());
    }
}

/// With a refresh token it also outlives its token.
#[tokio::test]
async fn r091_a_used_session_still_ends_when_its_lifetime_is_over() {
    let (sessions, _) = sessions();
    for (seconds, is_renewable) in [(100_000, false), (400, true)] {
        let (secret, ends_at) = begin(&sessions, seconds, is_renewable).await;
        assert_eq!(ends_at, after(5_000));
        for now in (0..5_000).step_by(500).chain([4_999]) {
            assert!(sessions.by_cookie(&secret, after(now)).await.unwrap().is_some(), "{now}");
        }
        assert!(sessions.by_cookie(&secret, after(5_000)).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn r099_a_session_ends_with_its_token_or_at_the_time_set_by_the_provider() {
    let (sessions, _) = sessions();
    let short = SessionContents { api_key_expires_at: after(300), ..contents("short") };
    assert_eq!(sessions.begin(owner(), &short, None, NOW).await.unwrap().1, after(300));
    // The provider cannot make the session longer than SESSION_LIFETIME.
    let (_, ends_at) =
        sessions.begin(owner(), &contents("long"), Some(after(5_001)), NOW).await.unwrap();
    assert_eq!(ends_at, after(5_000));
    let (secret, ends_at) =
        sessions.begin(owner(), &contents("token"), Some(after(200)), NOW).await.unwrap();
    assert_eq!(ends_at, after(200));
    assert!(sessions.by_cookie(&secret, after(200)).await.unwrap().is_none());
}

#[tokio::test]
async fn the_idle_expiry_is_written_at_most_once_per_tenth_of_the_idle_time() {
    let (sessions, store) = sessions();
    let (secret, _) = sessions.begin(owner(), &contents("token"), None, NOW).await.unwrap();
    let used_at = async |now| {
        sessions.by_cookie(&secret, now).await.unwrap().unwrap();
        store.session(secret.digest(), now).await.unwrap().unwrap().used_at
    };
    assert_eq!(used_at(after(99)).await, NOW);
    assert_eq!(used_at(after(100)).await, after(100));
    assert_eq!(used_at(after(199)).await, after(100));
    assert_eq!(used_at(after(200)).await, after(200));
}

#[test]
fn r201_a_key_is_offered_only_if_a_header_can_carry_it() {
    for (length, is_offered) in [(MAX_KEY_LENGTH, true), (MAX_KEY_LENGTH + 1, false)] {
        let key = "x".repeat(length);
        assert_eq!(contents(&key).usable_key().is_some(), is_offered, "{length}");
    }
}

/// A DynamoDB item is limited to 400 KB.
#[tokio::test]
async fn r201_a_row_with_the_longest_tokens_fits_into_an_item() {
    let (sessions, store) = sessions();
    let longest = "x".repeat(jwt::MAX_LENGTH);
    let mut contents = contents(&longest);
    contents.id_token = SecretString::from(longest.clone());
    contents.user.insert("groups".to_owned(), longest.into());
    let (secret, _) = sessions.begin(owner(), &contents, None, NOW).await.unwrap();
    let row = store.session(secret.digest(), NOW).await.unwrap().unwrap();
    assert!((190_000..300_000).contains(&row.sealed.len()), "{}", row.sealed.len());
}

#[tokio::test]
async fn r098_a_row_with_swapped_contents_does_not_open() {
    let (sessions, store) = sessions();
    let (ada, _) = sessions.begin(owner(), &contents("ada"), None, NOW).await.unwrap();
    let (eve, _) = sessions.begin(owner(), &contents("eve"), None, NOW).await.unwrap();
    let of_ada = store.session(ada.digest(), NOW).await.unwrap().unwrap();
    let of_eve = store.session(eve.digest(), NOW).await.unwrap().unwrap();
    let swapped = SessionRow { cookie_key: of_ada.cookie_key, sealed: of_ada.sealed, ..of_eve };
    let (other, other_store) = self::sessions();
    other_store
        .create(swapped, store.pointer(Digest::of("eve"), NOW).await.unwrap().unwrap(), NOW)
        .await
        .unwrap();
    assert!(other.by_cookie(&eve, NOW).await.unwrap().is_none());
    assert!(matches!(other.by_token("eve", NOW).await.unwrap(), TokenSession::Ended));
}

#[tokio::test]
async fn r097_a_row_of_another_schema_does_not_open() {
    let (sessions, store) = sessions();
    let secret = SessionSecret::generate(&Random::system());
    let (mut session, pointer) =
        sessions.seal(&secret, owner(), &contents("token"), after(100), NOW);
    session.sealed =
        contents_key([1; 32]).seal(b"{\"older\": true}", session.key.as_bytes(), &Random::system());
    session.cookie_key =
        cookie_key(&secret).seal(&[1; 32], session.key.as_bytes(), &Random::system());
    store.create(session, pointer, NOW).await.unwrap();
    assert!(sessions.by_cookie(&secret, NOW).await.unwrap().is_none());
}

#[tokio::test]
async fn r095_a_secret_that_is_taken_is_generated_again() {
    let store = Arc::new(MemoryStore::default());
    let draws = std::sync::atomic::AtomicU8::new(0);
    // The first two sessions generate the same secret; all other random values differ.
    let random = Random::from_fn(move |bytes| {
        let draw = draws.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        bytes.fill(if draw == 5 { 0 } else { draw });
    });
    let sessions = Sessions::new(store, LIMITS, random);
    let (first, _) = sessions.begin(owner(), &contents("one"), None, NOW).await.unwrap();
    let (second, _) = sessions.begin(owner(), &contents("two"), None, NOW).await.unwrap();
    assert_ne!(first.digest(), second.digest());
    assert!(sessions.by_cookie(&first, NOW).await.unwrap().is_some());
    assert!(sessions.by_cookie(&second, NOW).await.unwrap().is_some());
}
