//! The laws of refreshing a session in the store.

use std::sync::Arc;

use super::{NOW, after, create, end, live_pointer, live_session, pointer, session, together};
use crate::{
    clock::Timestamp,
    crypto::secret::Digest,
    store::{Lease, PreviousToken, RefreshRow, RenewError, Renewal, SessionRow, SessionStore},
};

/// Law 9.
pub async fn r131_a_lease_is_held_by_one_owner_until_it_expires(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    assert!(lease(&*store, "one", 0, ("first", 20), 0).await);
    assert!(!lease(&*store, "one", 0, ("second", 90), 0).await);
    assert!(!lease(&*store, "one", 0, ("second", 90), 19).await);
    let held = Lease { owner: owner_of("first"), expires_at: after(20) };
    assert_eq!(live_refresh(&*store, "one", after(19)).await.lease, Some(held));
    assert!(lease(&*store, "one", 0, ("second", 90), 20).await);
    assert!(!lease(&*store, "one", 0, ("first", 90), 20).await);
}

/// Law 9, under contention.
pub async fn r131_of_concurrent_leases_exactly_one_succeeds(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    let leases = together(&store, |store, index| async move {
        lease(&*store, "one", 0, (&format!("owner {index}"), 20), 0).await
    });
    assert_eq!(leases.await.into_iter().filter(|won| *won).count(), 1);
}

/// Law 9: a caller that read the row before another refresh has a refresh token that is already used.
pub async fn r131_a_lease_on_an_older_version_is_refused(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    assert!(lease(&*store, "one", 0, ("first", 70), 50).await);
    store.renew(renewal("one", "first", "token", "second token"), after(50)).await.expect("it is");
    assert!(!lease(&*store, "one", 0, ("second", 90), 51).await);
    assert!(lease(&*store, "one", 1, ("second", 90), 51).await);
}

/// Law 9.
pub async fn r132_an_owner_may_extend_or_shorten_its_lease(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    assert!(lease(&*store, "one", 0, ("first", 20), 0).await);
    assert!(lease(&*store, "one", 0, ("first", 40), 10).await);
    assert!(!lease(&*store, "one", 0, ("second", 90), 30).await);
    assert!(lease(&*store, "one", 0, ("first", 30), 30).await);
    assert!(lease(&*store, "one", 0, ("second", 90), 30).await);
}

/// Laws 1 and 9; a session without a refresh token cannot be leased.
pub async fn r094_a_lease_creates_no_session(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    create(&*store, "other token", "two").await;
    create_renewable(&*store, "third token", "three").await;
    assert!(!lease(&*store, "two", 0, ("first", 20), 0).await);
    assert!(!lease(&*store, "never was", 0, ("first", 20), 0).await);
    assert!(end(&*store, "one", 10).await);
    assert!(!lease(&*store, "one", 0, ("first", 20), 10).await);
    for name in ["one", "never was"] {
        assert_eq!(live_session(&*store, name, after(10)).await, None);
    }
    assert_eq!(live_session(&*store, "two", after(10)).await, Some(session("two")));
    assert!(!lease(&*store, "three", 0, ("first", 120), 100).await);
    assert_eq!(live_session(&*store, "three", after(100)).await, None);
}

/// Law 10. Fields that are not renewed remain, and so does the old pointer.
pub async fn r133_renew_writes_session_and_pointer(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    assert!(lease(&*store, "one", 0, ("first", 70), 50).await);
    let renewal = renewal("one", "first", "token", "second token");
    store.renew(renewal.clone(), after(50)).await.expect("the lease is held");
    let expected = SessionRow {
        used_at: after(50),
        ends_at: renewal.ends_at,
        expires_at: renewal.expires_at,
        cookie_key: renewal.cookie_key,
        sealed: renewal.sealed,
        refresh: Some(renewal.refresh.clone()),
        ..session("one")
    };
    assert_eq!(live_session(&*store, "one", after(249)).await, Some(expected));
    assert_eq!(live_session(&*store, "one", after(250)).await, None);
    for token in ["token", "second token"] {
        assert_eq!(live_pointer(&*store, token, after(50)).await, Some(pointer(token, "one")));
    }

    // A refresh may return no new token; fields that it omits are removed.
    assert!(lease(&*store, "one", 1, ("second", 90), 60).await);
    let refresh = RefreshRow { version: 2, previous: None, ..renewal.refresh };
    let owner = owner_of("second");
    let without = Renewal { owner, refresh, pointer: None, ..self::renewal("one", "", "", "") };
    store.renew(without.clone(), after(60)).await.expect("the lease is held");
    assert_eq!(live_refresh(&*store, "one", after(60)).await, without.refresh);
}

/// Law 10: if the pointer is taken, the session remains unchanged and the lease held.
pub async fn r133_renew_writes_session_and_pointer_or_neither(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    create(&*store, "token of another", "two").await;
    assert!(lease(&*store, "one", 0, ("first", 70), 50).await);
    let before = live_session(&*store, "one", after(50)).await;
    let refused =
        store.renew(renewal("one", "first", "token", "token of another"), after(50)).await;
    assert!(matches!(refused, Err(RenewError::PointerExists)), "{refused:?}");
    assert_eq!(live_session(&*store, "one", after(50)).await, before);
    let of_another = live_pointer(&*store, "token of another", after(50)).await;
    assert_eq!(of_another, Some(pointer("token of another", "two")));
    let mut renewal = renewal("one", "first", "token", "second token");
    renewal.refresh.lease = Some(Lease { owner: renewal.owner, expires_at: after(80) });
    store.renew(renewal.clone(), after(50)).await.expect("the lease is still held");
    assert_eq!(live_refresh(&*store, "one", after(50)).await, renewal.refresh);
}

/// Law 10: refused without a lease, after another caller took it, for another version than the next, and
/// after that caller's renewal. An expired lease suffices if no other caller took it.
pub async fn r132_only_the_last_owner_of_the_lease_may_renew(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    let refused = async |owner: &str, version: u64, token: &str| {
        let mut renewal = renewal("one", owner, "token", token);
        renewal.refresh.version = version;
        let before = live_session(&*store, "one", after(50)).await;
        let refused = store.renew(renewal, after(50)).await;
        assert!(matches!(refused, Err(RenewError::Lost)), "{refused:?}");
        assert_eq!(live_pointer(&*store, token, after(50)).await, None);
        assert_eq!(live_session(&*store, "one", after(50)).await, before);
    };
    refused("first", 1, "without a lease").await;
    assert!(lease(&*store, "one", 0, ("first", 20), 0).await);
    assert!(lease(&*store, "one", 0, ("second", 40), 20).await);
    refused("first", 1, "taken over").await;
    refused("second", 2, "of a later version").await;
    store.renew(renewal("one", "second", "token", "second token"), after(50)).await.expect("last");
    assert_eq!(live_refresh(&*store, "one", after(50)).await.version, 1);
    refused("first", 1, "too late").await;
}

/// Laws 1 and 10.
pub async fn r137_renew_does_not_restore_an_ended_session(store: Arc<dyn SessionStore>) {
    for (name, is_ended, now) in [("ended", true, 50), ("expired", false, 100)] {
        create_renewable(&*store, name, name).await;
        assert!(lease(&*store, name, 0, ("first", 70), 50).await);
        if is_ended {
            assert!(end(&*store, name, 50).await);
        }
        let token = format!("second token of {name}");
        let refused = store.renew(renewal(name, "first", name, &token), after(now)).await;
        assert!(matches!(refused, Err(RenewError::Lost)), "{name}: {refused:?}");
        assert_eq!(live_session(&*store, name, after(now)).await, None);
        assert_eq!(live_pointer(&*store, &token, after(now)).await, None);
    }
}

/// Laws 4 and 10, under contention.
pub async fn r137_end_wins_over_a_concurrent_renewal(store: Arc<dyn SessionStore>) {
    for round in 0..10 {
        let name = format!("session {round}");
        create_renewable(&*store, &format!("token {round}"), &name).await;
        assert!(lease(&*store, &name, 0, ("first", 70), 50).await);
        let renewal =
            renewal(&name, "first", &format!("token {round}"), &format!("second token {round}"));
        let renewing = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.renew(renewal, after(50)).await }
        });
        assert!(end(&*store, &name, 50).await);
        let renewed = renewing.await.expect("the renewal ends");
        assert!(matches!(renewed, Ok(()) | Err(RenewError::Lost)), "{renewed:?}");
        assert_eq!(live_session(&*store, &name, after(50)).await, None);
    }
}

/// A session like that of [`session`], with a refresh token that was never exchanged.
pub fn renewable(name: &str, token: &str) -> SessionRow {
    let refresh = RefreshRow {
        sealed: b"the first refresh token, sealed".to_vec(),
        version: 0,
        refreshed_at: NOW,
        current: Digest::of(token),
        previous: None,
        lease: None,
    };
    SessionRow { refresh: Some(refresh), ..session(name) }
}

/// The result of that session's first refresh by the lease owner `owner`: a token that replaces `old`.
pub fn renewal(name: &str, owner: &str, old: &str, token: &str) -> Renewal {
    Renewal {
        key: Digest::of(name),
        owner: owner_of(owner),
        ends_at: after(900),
        expires_at: after(250),
        cookie_key: b"wrapped again for the cookie".to_vec(),
        sealed: b"renewed".to_vec(),
        refresh: RefreshRow {
            sealed: b"the second refresh token, sealed".to_vec(),
            version: 1,
            refreshed_at: after(50),
            current: Digest::of(token),
            previous: Some(PreviousToken {
                pointer: Digest::of(old),
                until: after(110),
                token_key: b"wrapped again for the old token".to_vec(),
            }),
            lease: None,
        },
        pointer: Some(pointer(token, name)),
    }
}

async fn create_renewable(store: &dyn SessionStore, token: &str, name: &str) {
    store
        .create(renewable(name, token), pointer(token, name), NOW)
        .await
        .expect("the keys are free");
}

/// The lease owner called `name`.
pub fn owner_of(name: &str) -> [u8; 16] {
    let mut owner = [0; 16];
    owner.copy_from_slice(&Digest::of(name).as_bytes()[..16]);
    owner
}

async fn lease(
    store: &dyn SessionStore,
    name: &str,
    version: u64,
    (owner, expires_at): (&str, u64),
    now: u64,
) -> bool {
    let lease = Lease { owner: owner_of(owner), expires_at: after(expires_at) };
    store.lease(Digest::of(name), version, lease, after(now)).await.expect("the store answers")
}

async fn live_refresh(store: &dyn SessionStore, name: &str, now: Timestamp) -> RefreshRow {
    let session = live_session(store, name, now).await.expect("the session lives");
    session.refresh.expect("it can be refreshed")
}
