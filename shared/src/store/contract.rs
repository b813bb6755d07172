//! The laws of [`SessionStore`], as a suite that every store must pass.
//!
//! A store's own tests call [`store_contract!`](crate::store_contract) with a way to make an empty
//! one. Time is passed in, so a law about expiry needs no waiting.
//!
//! A broken law panics: this is a test suite, kept here so that every store can be held to it.
#![expect(clippy::expect_used, reason = "a test suite: what it expects, it asserts")]

use std::{sync::Arc, time::Duration};

use super::{
    CreateError, Lease, PointerRow, PreviousToken, RefreshRow, RenewError, Renewal, SessionRow,
    SessionStore,
};
use crate::{clock::Timestamp, secret::Digest};

/// Makes a test of every law, for the store that the given async function makes.
#[macro_export]
macro_rules! store_contract {
    ($new_store:expr) => {
        $crate::store_contract! { @laws $new_store;
            a_session_and_its_pointer_are_found
            r095_create_refuses_a_key_that_is_taken
            r095_create_writes_both_rows_or_neither
            a_key_whose_row_has_expired_is_free
            r092_an_expired_session_is_not_there
            r092_an_expired_pointer_is_not_there
            slide_moves_the_expiry
            r094_slide_never_brings_an_ended_session_back
            r092_slide_does_not_revive_an_expired_session
            end_says_whether_there_was_a_session
            an_ended_session_leaves_its_pointer
            end_ends_one_session_alone
            r017_a_mark_is_claimed_once
            a_mark_is_free_again_when_it_has_expired
            r018_of_many_claims_at_once_one_succeeds
            r095_of_many_creates_at_once_one_succeeds
            r094_end_wins_over_slides_in_flight
            r131_a_lease_is_held_by_one_owner_until_it_runs_out
            r131_of_many_leases_at_once_one_is_taken
            r131_a_lease_on_an_older_version_is_refused
            r132_an_owner_may_hold_a_lease_for_longer_or_give_it_up
            r094_a_lease_makes_no_session
            r133_renew_writes_session_and_pointer
            r133_renew_writes_session_and_pointer_or_neither
            r132_renew_is_refused_to_whoever_lost_the_lease
            r132_a_lease_that_ran_out_unnoticed_is_good_enough
            r137_renew_never_brings_an_ended_session_back
            r137_end_wins_over_a_renewal_in_flight
        }
    };
    (@laws $new_store:expr; $($law:ident)*) => {
        $(
            #[tokio::test]
            async fn $law() {
                $crate::store::contract::$law(($new_store)().await).await;
            }
        )*
    };
}

/// What was created is read back whole.
pub async fn a_session_and_its_pointer_are_found(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert_eq!(live_session(&*store, "one", NOW).await, Some(session("one")));
    assert_eq!(live_pointer(&*store, "token", NOW).await, Some(pointer("token", "one")));
    assert_eq!(live_session(&*store, "token", NOW).await, None);
    assert_eq!(live_pointer(&*store, "one", NOW).await, None);
}

/// Law 2: an existing session is not written over.
pub async fn r095_create_refuses_a_key_that_is_taken(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    let twin = SessionRow { sealed: b"other".to_vec(), ..session("one") };
    let refused = store.create(twin, pointer("other token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)));
    assert_eq!(live_session(&*store, "one", NOW).await, Some(session("one")));
}

/// Law 2: a taken pointer leaves no session behind, nor the other way round.
pub async fn r095_create_writes_both_rows_or_neither(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    let refused = store.create(session("two"), pointer("token", "two"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)));
    assert_eq!(live_session(&*store, "two", NOW).await, None);
    let refused = store.create(session("one"), pointer("second token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)));
    assert_eq!(live_pointer(&*store, "second token", NOW).await, None);
}

/// Law 1: a row past its time does not take up its key.
pub async fn a_key_whose_row_has_expired_is_free(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    let later = SessionRow { created_at: after(500), expires_at: after(600), ..session("one") };
    let pointer = PointerRow { expires_at: after(900), ..pointer("token", "one") };
    store.create(later.clone(), pointer, after(500)).await.expect("both rows have expired");
    assert_eq!(live_session(&*store, "one", after(501)).await, Some(later));
}

/// Law 1, at the very second.
pub async fn r092_an_expired_session_is_not_there(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(live_session(&*store, "one", after(99)).await.is_some());
    assert!(live_session(&*store, "one", after(100)).await.is_none());
}

/// Law 1, at the very second.
pub async fn r092_an_expired_pointer_is_not_there(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(live_pointer(&*store, "token", after(499)).await.is_some());
    assert!(live_pointer(&*store, "token", after(500)).await.is_none());
}

/// A session that is used lives on, and nothing else of it changes.
pub async fn slide_moves_the_expiry(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(slide(&*store, "one", 150, 50).await);
    let expected = SessionRow { used_at: after(50), expires_at: after(150), ..session("one") };
    assert_eq!(live_session(&*store, "one", after(149)).await, Some(expected));
    assert!(live_session(&*store, "one", after(150)).await.is_none());
}

/// Law 4.
pub async fn r094_slide_never_brings_an_ended_session_back(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(end(&*store, "one", 10).await);
    assert!(!slide(&*store, "one", 150, 20).await);
    assert!(!slide(&*store, "never was", 150, 20).await);
    assert!(live_session(&*store, "one", after(20)).await.is_none());
    assert!(live_session(&*store, "never was", after(20)).await.is_none());
}

/// Laws 1 and 4.
pub async fn r092_slide_does_not_revive_an_expired_session(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(!slide(&*store, "one", 200, 100).await);
    assert!(live_session(&*store, "one", after(100)).await.is_none());
}

/// A second end is no error, and an expired session was not there to end.
pub async fn end_says_whether_there_was_a_session(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    create(&*store, "other token", "two").await;
    assert!(end(&*store, "one", 10).await);
    assert!(!end(&*store, "one", 10).await);
    assert!(!end(&*store, "two", 100).await);
    assert!(!end(&*store, "never was", 10).await);
    assert!(live_session(&*store, "one", after(10)).await.is_none());
}

/// So a token whose session was ended can be told from one that never had a session.
pub async fn an_ended_session_leaves_its_pointer(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(end(&*store, "one", 10).await);
    assert_eq!(live_pointer(&*store, "token", after(10)).await, Some(pointer("token", "one")));
}

/// Others go on.
pub async fn end_ends_one_session_alone(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    create(&*store, "other token", "two").await;
    assert!(end(&*store, "one", 10).await);
    assert_eq!(live_session(&*store, "two", after(10)).await, Some(session("two")));
}

/// Law 5.
pub async fn r017_a_mark_is_claimed_once(store: Arc<dyn SessionStore>) {
    assert!(claim(&*store, "state", 100, 0).await);
    assert!(!claim(&*store, "state", 100, 1).await);
    assert!(!claim(&*store, "state", 500, 99).await);
    assert!(claim(&*store, "other state", 100, 1).await);
}

/// Law 1, for marks. Whoever claims one chooses an expiry after which it no longer matters.
pub async fn a_mark_is_free_again_when_it_has_expired(store: Arc<dyn SessionStore>) {
    assert!(claim(&*store, "state", 100, 0).await);
    assert!(!claim(&*store, "state", 200, 99).await);
    assert!(claim(&*store, "state", 200, 100).await);
}

/// Law 5, under contention.
pub async fn r018_of_many_claims_at_once_one_succeeds(store: Arc<dyn SessionStore>) {
    let claims: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { claim(&*store, "state", 100, 0).await })
        })
        .collect();
    let mut winners = 0;
    for claim in claims {
        winners += usize::from(claim.await.expect("the claim ends"));
    }
    assert_eq!(winners, 1);
}

/// Law 2, under contention.
pub async fn r095_of_many_creates_at_once_one_succeeds(store: Arc<dyn SessionStore>) {
    let creates: Vec<_> = (0..20)
        .map(|index| {
            let store = Arc::clone(&store);
            let pointer = pointer(&format!("token {index}"), "one");
            tokio::spawn(async move { store.create(session("one"), pointer, NOW).await })
        })
        .collect();
    let mut winners = 0;
    for create in creates {
        match create.await.expect("the create ends") {
            Ok(()) => winners += 1,
            Err(error) => assert!(matches!(error, CreateError::Exists), "{error}"),
        }
    }
    assert_eq!(winners, 1);
}

/// Law 4, under contention: a logout is not undone by requests that were under way.
pub async fn r094_end_wins_over_slides_in_flight(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    let slides: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { slide(&*store, "one", 200, 50).await })
        })
        .collect();
    assert!(end(&*store, "one", 50).await);
    assert!(live_session(&*store, "one", after(50)).await.is_none());
    for slide in slides {
        slide.await.expect("the slide ends");
    }
    assert!(live_session(&*store, "one", after(50)).await.is_none());
}

/// Law 6.
pub async fn r131_a_lease_is_held_by_one_owner_until_it_runs_out(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    assert!(lease(&*store, "one", 0, ("first", 20), 0).await);
    assert!(!lease(&*store, "one", 0, ("second", 90), 0).await);
    assert!(!lease(&*store, "one", 0, ("second", 90), 19).await);
    let held = Lease { owner: owner_of("first"), expires_at: after(20) };
    assert_eq!(live_refresh(&*store, "one", after(19)).await.lease, Some(held));
    assert!(lease(&*store, "one", 0, ("second", 90), 20).await);
    assert!(!lease(&*store, "one", 0, ("first", 90), 20).await);
}

/// Law 6, under contention.
pub async fn r131_of_many_leases_at_once_one_is_taken(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    let leases: Vec<_> = (0..20)
        .map(|index| {
            let store = Arc::clone(&store);
            let owner = format!("owner {index}");
            tokio::spawn(async move { lease(&*store, "one", 0, (&owner, 20), 0).await })
        })
        .collect();
    let mut winners = 0;
    for lease in leases {
        winners += usize::from(lease.await.expect("the lease ends"));
    }
    assert_eq!(winners, 1);
}

/// Law 6: who read the row before somebody else's refresh holds a refresh token that was used.
pub async fn r131_a_lease_on_an_older_version_is_refused(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    assert!(lease(&*store, "one", 0, ("first", 70), 50).await);
    store.renew(renewal("one", "first", "token", "second token"), after(50)).await.expect("it is");
    assert!(!lease(&*store, "one", 0, ("second", 90), 51).await);
    assert!(lease(&*store, "one", 1, ("second", 90), 51).await);
}

/// Law 6.
pub async fn r132_an_owner_may_hold_a_lease_for_longer_or_give_it_up(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    assert!(lease(&*store, "one", 0, ("first", 20), 0).await);
    assert!(lease(&*store, "one", 0, ("first", 40), 10).await);
    assert!(!lease(&*store, "one", 0, ("second", 90), 30).await);
    assert!(lease(&*store, "one", 0, ("first", 30), 30).await);
    assert!(lease(&*store, "one", 0, ("second", 90), 30).await);
}

/// Laws 1 and 6, and no lease for a session that has no refresh token.
pub async fn r094_a_lease_makes_no_session(store: Arc<dyn SessionStore>) {
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

/// Law 7. What is not renewed stays as it was; the old pointer stays too.
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

    // A refresh may bring no new token, and what it no longer says is gone.
    assert!(lease(&*store, "one", 1, ("second", 90), 60).await);
    let refresh = RefreshRow { version: 2, previous: None, ..renewal.refresh };
    let owner = owner_of("second");
    let without = Renewal { owner, refresh, pointer: None, ..self::renewal("one", "", "", "") };
    store.renew(without.clone(), after(60)).await.expect("the lease is held");
    assert_eq!(live_refresh(&*store, "one", after(60)).await, without.refresh);
}

/// Law 7: a pointer that is taken leaves the session as it was, and the lease held.
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
    let renewal = renewal("one", "first", "token", "second token");
    store.renew(renewal, after(50)).await.expect("the lease is still held");
}

/// Law 7: without a lease, with one that another has taken over, and after that one's renewal.
pub async fn r132_renew_is_refused_to_whoever_lost_the_lease(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    let refused = async |token: &str| {
        let refused = store.renew(renewal("one", "first", "token", token), after(50)).await;
        assert!(matches!(refused, Err(RenewError::Lost)), "{refused:?}");
        assert_eq!(live_pointer(&*store, token, after(50)).await, None);
    };
    refused("without a lease").await;
    assert!(lease(&*store, "one", 0, ("first", 20), 0).await);
    assert!(lease(&*store, "one", 0, ("second", 70), 50).await);
    let before = live_session(&*store, "one", after(50)).await;
    refused("taken over").await;
    assert_eq!(live_session(&*store, "one", after(50)).await, before);
    store.renew(renewal("one", "second", "token", "second token"), after(50)).await.expect("held");
    let before = live_session(&*store, "one", after(50)).await;
    refused("too late").await;
    assert_eq!(live_session(&*store, "one", after(50)).await, before);
}

/// What came of the lease is worth keeping if nobody took it since.
pub async fn r132_a_lease_that_ran_out_unnoticed_is_good_enough(store: Arc<dyn SessionStore>) {
    create_renewable(&*store, "token", "one").await;
    assert!(lease(&*store, "one", 0, ("first", 20), 0).await);
    store.renew(renewal("one", "first", "token", "second token"), after(50)).await.expect("held");
    assert_eq!(live_refresh(&*store, "one", after(50)).await.version, 1);
}

/// Laws 1 and 7.
pub async fn r137_renew_never_brings_an_ended_session_back(store: Arc<dyn SessionStore>) {
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

/// Laws 4 and 7, under contention.
pub async fn r137_end_wins_over_a_renewal_in_flight(store: Arc<dyn SessionStore>) {
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

/// The moment at which every story of the suite begins.
pub const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// The moment `seconds` after [`NOW`].
pub fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

/// A session of 1,000 seconds, 100 of them without being used.
pub fn session(name: &str) -> SessionRow {
    SessionRow {
        key: Digest::of(name),
        created_at: NOW,
        used_at: NOW,
        ends_at: after(1_000),
        expires_at: after(100),
        cookie_key: b"wrapped for the cookie".to_vec(),
        sealed: vec![0, 255, 1, 254],
        refresh: None,
    }
}

/// The same with a refresh token that was never exchanged.
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

/// What the first refresh of that session brings, by whoever is called `owner`: a token that
/// replaces `old`.
pub fn renewal(name: &str, owner: &str, old: &str, token: &str) -> Renewal {
    Renewal {
        key: Digest::of(name),
        owner: owner_of(owner),
        ends_at: after(900),
        expires_at: after(250),
        cookie_key: b"wrapped anew for the cookie".to_vec(),
        sealed: b"renewed".to_vec(),
        refresh: RefreshRow {
            sealed: b"the second refresh token, sealed".to_vec(),
            version: 1,
            refreshed_at: after(50),
            current: Digest::of(token),
            previous: Some(PreviousToken {
                pointer: Digest::of(old),
                until: after(110),
                token_key: b"wrapped anew for the old token".to_vec(),
            }),
            lease: None,
        },
        pointer: Some(pointer(token, name)),
    }
}

/// The pointer from `token`, of 500 seconds, to that session.
pub fn pointer(token: &str, name: &str) -> PointerRow {
    PointerRow {
        key: Digest::of(token),
        session: Digest::of(name),
        token_key: b"wrapped for the token".to_vec(),
        expires_at: after(500),
    }
}

async fn create(store: &dyn SessionStore, token: &str, name: &str) {
    store.create(session(name), pointer(token, name), NOW).await.expect("the keys are free");
}

async fn create_renewable(store: &dyn SessionStore, token: &str, name: &str) {
    store
        .create(renewable(name, token), pointer(token, name), NOW)
        .await
        .expect("the keys are free");
}

fn owner_of(name: &str) -> [u8; 16] {
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

async fn live_session(store: &dyn SessionStore, name: &str, now: Timestamp) -> Option<SessionRow> {
    store.session(Digest::of(name), now).await.expect("the store answers")
}

async fn live_pointer(store: &dyn SessionStore, token: &str, now: Timestamp) -> Option<PointerRow> {
    store.pointer(Digest::of(token), now).await.expect("the store answers")
}

async fn slide(store: &dyn SessionStore, name: &str, to: u64, now: u64) -> bool {
    store.slide(Digest::of(name), after(to), after(now)).await.expect("the store answers")
}

async fn end(store: &dyn SessionStore, name: &str, now: u64) -> bool {
    store.end(Digest::of(name), after(now)).await.expect("the store answers")
}

async fn claim(store: &dyn SessionStore, mark: &str, expires_at: u64, now: u64) -> bool {
    store.claim(Digest::of(mark), after(expires_at), after(now)).await.expect("the store answers")
}
