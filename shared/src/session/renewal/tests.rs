//! Tests of refreshing a session, with a store in memory.

use std::sync::Arc;

use super::*;
use crate::{
    session::{
        TokenSession,
        sealing::{contents_key, pointer_identity, token_key},
        tests::{NOW, after, grant, owner, sessions},
    },
    store::{SessionStore, memory::MemoryStore},
};
use secrecy::ExposeSecret;

/// Sessions, and the store that contains them.
struct Story {
    sessions: Sessions,
    store: Arc<MemoryStore>,
}

impl Story {
    fn new() -> Self {
        let (sessions, store) = sessions();
        Self { sessions, store }
    }

    /// Begins a session whose first token lives for 400 seconds.
    async fn begin(&self, token: &str) -> SessionSecret {
        let (contents, grant) = (contents(token, 400), grant());
        self.sessions.begin_renewable(owner(), &contents, &grant, None, NOW).await.unwrap().0
    }

    async fn renewable(&self, secret: &SessionSecret, now: Timestamp) -> Renewable {
        match self.sessions.renewable(secret, now).await.unwrap().unwrap() {
            Renewability::Renewable(renewable) => *renewable,
            Renewability::WithoutRefreshToken(_) => panic!("there is no refresh token"),
        }
    }

    async fn lease(&self, secret: &SessionSecret, now: Timestamp) -> Option<HeldLease> {
        let renewable = self.renewable(secret, now).await;
        self.sessions.lease(renewable, now + Duration::from_secs(20), now).await.unwrap()
    }

    /// A complete refresh to a token that lives for 400 seconds.
    async fn refresh(&self, secret: &SessionSecret, token: &str, at: u64) -> Session {
        let held = self.lease(secret, after(at)).await.unwrap();
        let next = format!("refresh token beside {token}").into();
        let renewed =
            self.sessions.renew(&held, contents(token, at + 400), next, None, after(at)).await;
        renewed.unwrap()
    }

    /// The current token of the session of `token`.
    async fn by_token(&self, token: &str, now: Timestamp) -> Result<String, &'static str> {
        match self.sessions.by_token(token, now).await.unwrap() {
            TokenSession::Live(session) => Ok(session.contents.api_key.expose_secret().to_owned()),
            TokenSession::Ended => Err("ended"),
            TokenSession::Unknown => Err("unknown"),
        }
    }

    async fn by_cookie(&self, secret: &SessionSecret, now: Timestamp) -> Option<Session> {
        self.sessions.by_cookie(secret, now).await.unwrap()
    }
}

fn contents(api_key: &str, expires_at: u64) -> SessionContents {
    let contents = crate::session::tests::contents(api_key);
    SessionContents { api_key_expires_at: after(expires_at), ..contents }
}

#[tokio::test]
async fn r091_a_refresh_counts_as_use_and_does_not_extend_the_lifetime() {
    let story = Story::new();
    let secret = story.begin("token").await;
    for (index, at) in (900..5_000).step_by(900).enumerate() {
        let session = story.refresh(&secret, &format!("token {index}"), at).await;
        assert_eq!(session.ends_at, after(5_000));
    }
    assert!(story.by_cookie(&secret, after(4_999)).await.is_some());
    assert!(story.by_cookie(&secret, after(5_000)).await.is_none());

    let secret = story.begin("another").await;
    story.refresh(&secret, "its second", 900).await;
    let row = story.store.session(secret.digest(), after(900)).await.unwrap().unwrap();
    assert_eq!((row.used_at, row.expires_at), (after(900), after(1_900)));
}

#[tokio::test]
async fn r099_a_refresh_may_make_the_end_earlier_but_never_later() {
    let story = Story::new();
    let secret = story.begin("token").await;
    for (token, at, ends_by, ends_at) in
        [("second", 100, 3_000, 3_000), ("third", 200, 9_000, 3_000), ("fourth", 300, 700, 700)]
    {
        let held = story.lease(&secret, after(at)).await.unwrap();
        let renewed = story.sessions.renew(
            &held,
            contents(token, at + 400),
            token.to_owned().into(),
            Some(after(ends_by)),
            after(at),
        );
        assert_eq!(renewed.await.unwrap().ends_at, after(ends_at));
    }
    assert!(story.by_cookie(&secret, after(300)).await.is_some());
    // A request that read the row before the refresh slides it past the new end.
    assert!(story.store.slide(secret.digest(), after(1_300), after(301)).await.unwrap());
    assert!(story.sessions.lives(&secret, after(699)).await.unwrap());
    assert!(!story.sessions.lives(&secret, after(700)).await.unwrap());
    assert!(story.by_cookie(&secret, after(700)).await.is_none());
    assert_eq!(story.by_token("fourth", after(700)).await, Err("ended"));
}

#[tokio::test]
async fn a_replaced_token_is_accepted_only_for_the_overlap() {
    let story = Story::new();
    let secret = story.begin("first").await;
    story.refresh(&secret, "second", 100).await;
    assert_eq!(story.by_token("first", after(159)).await.as_deref(), Ok("second"));
    assert_eq!(story.by_token("second", after(159)).await.as_deref(), Ok("second"));
    assert_eq!(story.by_token("first", after(160)).await, Err("ended"));
    // It stays known as ended for as long as its claims are accepted, and never becomes unknown.
    assert_eq!(story.by_token("first", after(399) + jwt::LEEWAY).await, Err("ended"));
    assert_eq!(story.by_token("second", after(160)).await.as_deref(), Ok("second"));

    story.refresh(&secret, "third", 170).await;
    assert_eq!(story.by_token("first", after(170)).await, Err("ended"));
    assert_eq!(story.by_token("second", after(229)).await.as_deref(), Ok("third"));
    assert_eq!(story.by_token("second", after(230)).await, Err("ended"));
    // Only the pointer of a token that is still accepted is cached.
    assert_eq!(story.by_token("third", after(230)).await.as_deref(), Ok("third"));
    assert_eq!(story.sessions.pointers.len(), 1);
}

#[tokio::test]
async fn r131_a_session_read_before_a_refresh_cannot_be_leased_after_it() {
    let story = Story::new();
    let secret = story.begin("first").await;
    let stale = story.renewable(&secret, after(100)).await;
    story.refresh(&secret, "second", 100).await;
    assert!(story.sessions.lease(stale, after(120), after(100)).await.unwrap().is_none());
}

#[tokio::test]
async fn r131_a_new_token_is_not_refreshed_again() {
    let story = Story::new();
    let secret = story.begin("first").await;
    assert!(!story.renewable(&secret, after(59)).await.is_due(after(59)));
    assert!(story.renewable(&secret, after(60)).await.is_due(after(60)));
    story.refresh(&secret, "second", 60).await;
    assert!(!story.renewable(&secret, after(119)).await.is_due(after(119)));
    assert!(story.renewable(&secret, after(120)).await.is_due(after(120)));

    // A short-lived token is not refreshed for half of its lifetime.
    let held = story.lease(&secret, after(120)).await.unwrap();
    let short = contents("short", 128);
    let renewed =
        story.sessions.renew(&held, short, "next".to_owned().into(), None, after(120)).await;
    assert_eq!(renewed.unwrap().renews_at, Some(after(126)));
    assert!(!story.renewable(&secret, after(123)).await.is_due(after(123)));
    assert!(story.renewable(&secret, after(124)).await.is_due(after(124)));
}

#[tokio::test]
async fn a_token_that_outlives_its_session_is_not_renewed() {
    let story = Story::new();
    let long = contents("long", 100_000);
    let begun = story.sessions.begin_renewable(owner(), &long, &grant(), None, NOW).await.unwrap();
    assert_eq!(story.by_cookie(&begun.0, NOW).await.unwrap().renews_at, None);
    let plain = story.sessions.begin(owner(), &contents("plain", 400), None, NOW).await.unwrap();
    assert_eq!(story.by_cookie(&plain.0, NOW).await.unwrap().renews_at, None);
}

/// Tokens with the same claims from the same second are equal: RSA signatures are deterministic.
#[tokio::test]
async fn a_refresh_that_returns_the_same_token_keeps_it() {
    let story = Story::new();
    let secret = story.begin("first").await;
    story.refresh(&secret, "second", 100).await;
    story.refresh(&secret, "second", 100).await;
    assert_eq!(story.by_token("second", after(100)).await.as_deref(), Ok("second"));
    assert_eq!(story.by_token("first", after(159)).await.as_deref(), Ok("second"));
    assert_eq!(story.by_token("first", after(160)).await, Err("ended"));
    assert!(story.by_cookie(&secret, after(160)).await.is_some());
}

/// R98: a refresh token is bound to its row and to its version, and sealed for the cookie.
#[tokio::test]
async fn r098_a_refresh_token_opens_only_in_its_row_and_version() {
    let story = Story::new();
    let (ada, eve) = (story.begin("ada").await, story.begin("eve").await);
    let row = async |secret: &SessionSecret| {
        story.store.session(secret.digest(), after(100)).await.unwrap().unwrap()
    };
    let (first, of_eve) = (row(&ada).await, row(&eve).await);
    story.refresh(&ada, "second", 100).await;
    let second = row(&ada).await;
    let dump = format!("{first:?}{second:?}").into_bytes();
    for row in [&first, &second] {
        let sealed = &row.refresh.as_ref().unwrap().sealed;
        for needle in ["refresh token", "auth0|ada", "offline_access"] {
            let found = |bytes: &[u8]| bytes.windows(needle.len()).any(|w| w == needle.as_bytes());
            assert!(!found(sealed) && !found(&dump), "{needle}");
        }
    }

    let other = Story::new();
    for (token, refresh) in [("older", first.refresh), ("swapped", of_eve.refresh)] {
        let planted =
            RefreshRow { sealed: refresh.unwrap().sealed, ..second.refresh.clone().unwrap() };
        let forged = SessionRow { refresh: Some(planted), ..second.clone() };
        let pointer = story.sessions.pointer(second.key, token, &[0; 32], after(500));
        other.store.create(forged, pointer, NOW).await.unwrap();
        let found = other.sessions.renewable(&ada, after(100)).await.unwrap();
        assert!(matches!(found, Some(Renewability::WithoutRefreshToken(_))), "{token}");
        other.sessions.end(second.key, NOW).await.unwrap();
    }
}

/// R98: an attacker with an old token who later reads the table learns nothing newer.
#[tokio::test]
async fn r098_each_refresh_seals_with_a_new_key() {
    let story = Story::new();
    let secret = story.begin("first").await;
    let pointer = story.store.pointer(token_digest("first"), NOW).await.unwrap().unwrap();
    let old_key = token_key("first").open(&pointer.token_key, &pointer_identity(&pointer)).unwrap();
    story.refresh(&secret, "second", 100).await;
    let row = story.store.session(secret.digest(), after(100)).await.unwrap().unwrap();
    assert!(contents_key(old_key).open(&row.sealed, row.key.as_bytes()).is_none());
}

#[test]
fn r179_debug_output_shows_no_refresh_token() {
    let shown = format!("{:?}", grant());
    assert!(!shown.contains("refresh token") && !shown.contains("ada"), "{shown}");
}

/// A cached pointer expires like one that is read, even if its session is live.
#[tokio::test]
async fn r092_a_cached_pointer_expires_on_time() {
    let story = Story::new();
    story.begin("token").await;
    let end = after(400) + jwt::LEEWAY;
    for moment in [NOW, end - Duration::from_secs(1)] {
        assert_eq!(story.by_token("token", moment).await.unwrap(), "token");
    }
    assert_eq!(story.by_token("token", end).await, Err("unknown"));
    assert_eq!(story.sessions.pointers.len(), 0);
}
