//! The contract tests of [`SessionStore`]: its laws as tests that every store must pass.
//!
//! A store's own tests call [`store_contract!`](crate::store_contract) with a function that creates an
//! empty store. Time is an argument, so tests of expiry need no waiting.
//!
//! A violated law panics. The tests are public, so that stores outside this module can run them.
#![expect(clippy::expect_used, clippy::panic, reason = "a test suite: what it expects, it asserts")]

pub mod document;
pub mod renewal;

use std::{sync::Arc, time::Duration};

use crate::store::{
    CreateError, Owner, PointerRow, Selection, SessionRow, SessionStore, Tombstone,
};
use crate::{clock::Timestamp, crypto::secret::Digest};

/// Creates one test per law, for the store that the given async function returns.
#[macro_export]
macro_rules! store_contract {
    ($new_store:expr) => {
        $crate::store_contract! { @laws $new_store;
            a_created_session_and_its_pointer_are_found
            r095_create_refuses_a_key_that_is_taken
            r095_create_writes_both_rows_or_neither
            a_key_of_an_expired_row_is_free
            r092_an_expired_session_is_not_found
            r092_an_expired_pointer_is_not_found
            slide_extends_the_expiry_only
            r094_slide_does_not_restore_an_ended_session
            r092_slide_does_not_restore_an_expired_session
            end_reports_whether_the_session_existed
            the_pointer_of_an_ended_session_remains
            end_does_not_affect_other_sessions
            r017_a_mark_is_claimed_once
            an_expired_mark_can_be_claimed_again
            r018_of_concurrent_claims_exactly_one_succeeds
            r095_of_concurrent_creates_exactly_one_succeeds
            r094_end_wins_over_concurrent_slides
            r103_the_sessions_of_a_subject_are_found
            r122_sessions_issued_later_are_not_selected
            r115_the_sessions_of_a_provider_session_are_found
            r115_the_sessions_of_a_provider_session_and_a_subject_are_found
            ended_sessions_are_no_longer_found
            end_all_ends_only_the_given_sessions
            r128_a_thousand_sessions_are_found_and_ended
            r129_a_tombstone_refuses_logins_of_a_subject
            r129_a_tombstone_refuses_logins_of_a_provider_session
            r129_a_tombstone_does_not_affect_other_owners
            r129_a_tombstone_takes_precedence_over_a_taken_key
            r122_a_login_issued_after_the_tombstone_is_accepted
            an_expired_tombstone_has_no_effect
            the_tombstone_that_covers_more_logins_is_kept
            r129_a_login_concurrent_with_a_tombstone_is_found_or_refused
        }
        $crate::store_contract! { @laws of renewal, $new_store;
            r131_a_lease_is_held_by_one_owner_until_it_expires
            r131_of_concurrent_leases_exactly_one_succeeds
            r131_a_lease_on_an_older_version_is_refused
            r132_an_owner_may_extend_or_shorten_its_lease
            r094_a_lease_creates_no_session
            r133_renew_writes_session_and_pointer
            r133_renew_writes_session_and_pointer_or_neither
            r132_renew_is_refused_without_the_lease
            r132_renew_succeeds_after_expiry_if_no_other_owner_took_the_lease
            r137_renew_does_not_restore_an_ended_session
            r137_end_wins_over_a_concurrent_renewal
        }
        $crate::store_contract! { @laws of document, $new_store;
            a_document_is_read_back_unchanged
            documents_and_a_pointer_are_read_together
            r092_an_expired_document_is_not_found
            r076_a_document_lease_is_held_by_one_caller_until_it_expires
            r076_of_concurrent_document_leases_exactly_one_succeeds
            writing_a_document_ends_its_lease
            a_document_lease_does_not_create_or_change_a_document
            r072_a_late_write_does_not_restore_an_old_document
            an_expired_document_is_overwritten
            r072_of_concurrent_writes_the_newest_document_remains
            r080_rows_from_the_future_are_ignored
        }
    };
    (@laws $new_store:expr; $($law:ident)*) => {
        $(
            #[tokio::test]
            async fn $law() {
                $crate::testing::contract::$law(($new_store)().await).await;
            }
        )*
    };
    (@laws of $module:ident, $new_store:expr; $($law:ident)*) => {
        $(
            #[tokio::test]
            async fn $law() {
                $crate::testing::contract::$module::$law(($new_store)().await).await;
            }
        )*
    };
}

/// A created session is read back completely.
pub async fn a_created_session_and_its_pointer_are_found(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert_eq!(live_session(&*store, "one", NOW).await, Some(session("one")));
    assert_eq!(live_pointer(&*store, "token", NOW).await, Some(pointer("token", "one")));
    assert_eq!(live_session(&*store, "token", NOW).await, None);
    assert_eq!(live_pointer(&*store, "one", NOW).await, None);
}

/// Law 2: an existing session is not overwritten.
pub async fn r095_create_refuses_a_key_that_is_taken(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    let twin = SessionRow { sealed: b"other".to_vec(), ..session("one") };
    let refused = store.create(twin, pointer("other token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)));
    assert_eq!(live_session(&*store, "one", NOW).await, Some(session("one")));
}

/// Law 2: if one of the two keys is taken, neither row is written.
pub async fn r095_create_writes_both_rows_or_neither(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    let refused = store.create(session("two"), pointer("token", "two"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)));
    assert_eq!(live_session(&*store, "two", NOW).await, None);
    let refused = store.create(session("one"), pointer("second token", "one"), NOW).await;
    assert!(matches!(refused, Err(CreateError::Exists)));
    assert_eq!(live_pointer(&*store, "second token", NOW).await, None);
}

/// Law 1: an expired row does not occupy its key.
pub async fn a_key_of_an_expired_row_is_free(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    let later = SessionRow { created_at: after(500), expires_at: after(600), ..session("one") };
    let pointer = PointerRow { expires_at: after(900), ..pointer("token", "one") };
    store.create(later.clone(), pointer, after(500)).await.expect("both rows have expired");
    assert_eq!(live_session(&*store, "one", after(501)).await, Some(later));
}

/// Law 1, at the exact second.
pub async fn r092_an_expired_session_is_not_found(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(live_session(&*store, "one", after(99)).await.is_some());
    assert!(live_session(&*store, "one", after(100)).await.is_none());
}

/// Law 1, at the exact second.
pub async fn r092_an_expired_pointer_is_not_found(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(live_pointer(&*store, "token", after(499)).await.is_some());
    assert!(live_pointer(&*store, "token", after(500)).await.is_none());
}

/// A slide extends the session and changes nothing else.
pub async fn slide_extends_the_expiry_only(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(slide(&*store, "one", 150, 50).await);
    let expected = SessionRow { used_at: after(50), expires_at: after(150), ..session("one") };
    assert_eq!(live_session(&*store, "one", after(149)).await, Some(expected));
    assert!(live_session(&*store, "one", after(150)).await.is_none());
}

/// Law 4.
pub async fn r094_slide_does_not_restore_an_ended_session(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(end(&*store, "one", 10).await);
    assert!(!slide(&*store, "one", 150, 20).await);
    assert!(!slide(&*store, "never was", 150, 20).await);
    assert!(live_session(&*store, "one", after(20)).await.is_none());
    assert!(live_session(&*store, "never was", after(20)).await.is_none());
}

/// Laws 1 and 4.
pub async fn r092_slide_does_not_restore_an_expired_session(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(!slide(&*store, "one", 200, 100).await);
    assert!(live_session(&*store, "one", after(100)).await.is_none());
}

/// Ending a session twice is not an error, and an expired session counts as missing.
pub async fn end_reports_whether_the_session_existed(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    create(&*store, "other token", "two").await;
    assert!(end(&*store, "one", 10).await);
    assert!(!end(&*store, "one", 10).await);
    assert!(!end(&*store, "two", 100).await);
    assert!(!end(&*store, "never was", 10).await);
    assert!(live_session(&*store, "one", after(10)).await.is_none());
}

/// So a token whose session was ended is distinguishable from one without a session.
pub async fn the_pointer_of_an_ended_session_remains(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(end(&*store, "one", 10).await);
    assert_eq!(live_pointer(&*store, "token", after(10)).await, Some(pointer("token", "one")));
}

/// Other sessions are unaffected.
pub async fn end_does_not_affect_other_sessions(store: Arc<dyn SessionStore>) {
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

/// Law 1, for marks. The caller that claims a mark chooses an expiry after which the mark is no longer
/// needed.
pub async fn an_expired_mark_can_be_claimed_again(store: Arc<dyn SessionStore>) {
    assert!(claim(&*store, "state", 100, 0).await);
    assert!(!claim(&*store, "state", 200, 99).await);
    assert!(claim(&*store, "state", 200, 100).await);
}

/// Law 5, under contention.
pub async fn r018_of_concurrent_claims_exactly_one_succeeds(store: Arc<dyn SessionStore>) {
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
pub async fn r095_of_concurrent_creates_exactly_one_succeeds(store: Arc<dyn SessionStore>) {
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

/// Law 4, under contention: concurrent requests do not undo a logout.
pub async fn r094_end_wins_over_concurrent_slides(store: Arc<dyn SessionStore>) {
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

/// Law 8: exactly the sessions of the user.
pub async fn r103_the_sessions_of_a_subject_are_found(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "one", owner("ada")).await;
    create_owned(&*store, "two", of_session("ada", "sid")).await;
    create_owned(&*store, "three", owner("grace")).await;
    assert_eq!(found(&*store, of_subject("ada")).await, named(&["one", "two"]));
    assert_eq!(found(&*store, of_subject("grace")).await, named(&["three"]));
    assert_eq!(found(&*store, of_subject("unknown")).await, []);
}

/// A logout ends the sessions from before it, not later ones.
pub async fn r122_sessions_issued_later_are_not_selected(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "before", Owner { issued_at: after(9), ..owner("ada") }).await;
    create_owned(&*store, "after", Owner { issued_at: after(10), ..owner("ada") }).await;
    let before = Selection::Subject { subject: Digest::of("ada"), issued_before: after(10) };
    assert_eq!(found(&*store, before).await, named(&["before"]));
}

/// Law 8, for provider sessions.
pub async fn r115_the_sessions_of_a_provider_session_are_found(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "one", of_session("ada", "sid")).await;
    create_owned(&*store, "two", of_session("ada", "sid")).await;
    create_owned(&*store, "three", of_session("ada", "other sid")).await;
    create_owned(&*store, "four", owner("ada")).await;
    assert_eq!(found(&*store, of_provider_session("sid", None)).await, named(&["one", "two"]));
    assert_eq!(found(&*store, of_provider_session("no sid", None)).await, []);
    // A digest of a subject and one of a provider session are different kinds.
    assert_eq!(found(&*store, of_provider_session("ada", None)).await, []);
    assert_eq!(found(&*store, of_subject("sid")).await, []);
}

/// Law 8, with both conditions.
pub async fn r115_the_sessions_of_a_provider_session_and_a_subject_are_found(
    store: Arc<dyn SessionStore>,
) {
    create_owned(&*store, "one", of_session("ada", "sid")).await;
    create_owned(&*store, "two", of_session("grace", "sid")).await;
    assert_eq!(found(&*store, of_provider_session("sid", Some("ada"))).await, named(&["one"]));
    assert_eq!(found(&*store, of_provider_session("sid", Some("unknown"))).await, []);
}

/// Law 8: ended sessions leave the index too.
pub async fn ended_sessions_are_no_longer_found(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "one", of_session("ada", "sid")).await;
    create_owned(&*store, "two", of_session("ada", "sid")).await;
    assert!(end(&*store, "one", 10).await);
    assert_eq!(found(&*store, of_subject("ada")).await, named(&["two"]));
    assert_eq!(found(&*store, of_provider_session("sid", None)).await, named(&["two"]));
}

/// Other sessions are unaffected, a missing one is not an error, and pointers remain.
pub async fn end_all_ends_only_the_given_sessions(store: Arc<dyn SessionStore>) {
    for name in ["one", "two", "three"] {
        create_owned(&*store, name, owner("ada")).await;
    }
    let keys = ["one", "never was", "three"].map(Digest::of);
    store.end_all(&keys, after(10)).await.expect("the store answers");
    store.end_all(&[], after(10)).await.expect("the store answers");
    assert_eq!(found(&*store, of_subject("ada")).await, named(&["two"]));
    assert!(live_session(&*store, "one", after(10)).await.is_none());
    assert!(live_session(&*store, "two", after(10)).await.is_some());
    assert!(live_pointer(&*store, "one", after(10)).await.is_some());
}

/// Law 8: more sessions than fit into one page or one transaction.
pub async fn r128_a_thousand_sessions_are_found_and_ended(store: Arc<dyn SessionStore>) {
    let mut all = Vec::new();
    for index in 0..1_000 {
        let name = format!("{index}");
        create_owned(&*store, &name, of_session("ada", "sid")).await;
        all.push(Digest::of(name));
    }
    all.sort();
    assert_eq!(found(&*store, of_subject("ada")).await, all);
    assert_eq!(found(&*store, of_provider_session("sid", None)).await, all);
    store.end_all(&all, NOW).await.expect("the store answers");
    assert_eq!(found(&*store, of_subject("ada")).await, []);
    assert!(live_session(&*store, "999", NOW).await.is_none());
}

/// Law 6.
pub async fn r129_a_tombstone_refuses_logins_of_a_subject(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "ada", 10, 500).await;
    for owner in [owner("ada"), of_session("ada", "sid")] {
        let row = SessionRow { owner, ..session("one") };
        let refused = store.create(row, pointer("token", "one"), after(11)).await;
        assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    }
    assert!(live_session(&*store, "one", after(11)).await.is_none());
    assert!(live_pointer(&*store, "token", after(11)).await.is_none());
}

/// Law 6, for the digest of a provider session.
pub async fn r129_a_tombstone_refuses_logins_of_a_provider_session(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "sid", 10, 500).await;
    let row = SessionRow { owner: of_session("ada", "sid"), ..session("one") };
    let refused = store.create(row, pointer("token", "one"), after(11)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    assert!(live_session(&*store, "one", after(11)).await.is_none());
}

/// Law 6 applies only to the sessions named by the tombstone.
pub async fn r129_a_tombstone_does_not_affect_other_owners(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "ada", 10, 500).await;
    mark_ended(&*store, "sid", 10, 500).await;
    create_owned(&*store, "one", of_session("grace", "other sid")).await;
    assert!(live_session(&*store, "one", after(11)).await.is_some());
}

/// The caller retries with a new key if one is taken, but must not retry a login that was ended.
pub async fn r129_a_tombstone_takes_precedence_over_a_taken_key(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "one", owner("ada")).await;
    mark_ended(&*store, "ada", 10, 500).await;
    let row = SessionRow { owner: owner("ada"), ..session("one") };
    let refused = store.create(row, pointer("token", "one"), after(11)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
}

/// Law 6, at the exact second.
pub async fn r122_a_login_issued_after_the_tombstone_is_accepted(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "ada", 10, 500).await;
    let early =
        SessionRow { owner: Owner { issued_at: after(9), ..owner("ada") }, ..session("one") };
    let refused = store.create(early, pointer("token", "one"), after(10)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    create_owned(&*store, "one", Owner { issued_at: after(10), ..owner("ada") }).await;
}

/// Law 1, for tombstones.
pub async fn an_expired_tombstone_has_no_effect(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "ada", 1_000, 50).await;
    let row = SessionRow { owner: owner("ada"), ..session("one") };
    let refused = store.create(row.clone(), pointer("token", "one"), after(49)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    store.create(row, pointer("token", "one"), after(50)).await.expect("its time has come");
}

/// Law 7, in both orders; an expired tombstone counts as missing.
pub async fn the_tombstone_that_covers_more_logins_is_kept(store: Arc<dyn SessionStore>) {
    for (name, first, second) in [("up", 10, 20), ("down", 20, 10)] {
        mark_ended(&*store, name, first, 500).await;
        mark_ended(&*store, name, second, 500).await;
        let login = |issued_at| SessionRow {
            owner: Owner { issued_at: after(issued_at), ..owner(name) },
            ..session(name)
        };
        let refused = store.create(login(19), pointer(name, name), after(20)).await;
        assert!(matches!(refused, Err(CreateError::Ended)), "{name}: {refused:?}");
        store.create(login(20), pointer(name, name), after(20)).await.expect("issued later");
    }
    mark_ended(&*store, "ada", 900, 100).await;
    let tombstone =
        Tombstone { owner: Digest::of("ada"), issued_before: after(10), expires_at: after(500) };
    store.mark_ended(tombstone, after(100)).await.expect("the store answers");
    let row = SessionRow { owner: owner("ada"), ..session("late") };
    let refused = store.create(row, pointer("late", "late"), after(101)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
}

/// Law 6, under contention: every session created before the tombstone is found, and can be ended.
pub async fn r129_a_login_concurrent_with_a_tombstone_is_found_or_refused(
    store: Arc<dyn SessionStore>,
) {
    let creates: Vec<_> = (0..20)
        .map(|index| {
            let store = Arc::clone(&store);
            let name = format!("{index}");
            let row = SessionRow { owner: owner("ada"), ..session(&name) };
            tokio::spawn(async move { store.create(row, pointer(&name, &name), NOW).await })
        })
        .collect();
    mark_ended(&*store, "ada", 10, 500).await;
    tokio::time::sleep(store.index_lag()).await;
    let keys = found(&*store, of_subject("ada")).await;
    store.end_all(&keys, NOW).await.expect("the store answers");
    for create in creates {
        match create.await.expect("the create ends") {
            Ok(()) | Err(CreateError::Ended) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(found(&*store, of_subject("ada")).await, []);
}

/// The time at which every test of the suite starts.
pub const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// The time `seconds` after [`NOW`].
pub fn after(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

/// A session that lives for 1,000 seconds, 100 of them without use.
pub fn session(name: &str) -> SessionRow {
    SessionRow {
        key: Digest::of(name),
        owner: owner("another subject"),
        created_at: NOW,
        used_at: NOW,
        ends_at: after(1_000),
        expires_at: after(100),
        cookie_key: b"wrapped for the cookie".to_vec(),
        sealed: vec![0, 255, 1, 254],
        refresh: None,
    }
}

/// An owner for the user `subject`, without a provider session, issued at [`NOW`].
pub fn owner(subject: &str) -> Owner {
    Owner { subject: Digest::of(subject), provider_session: None, issued_at: NOW }
}

/// A pointer from `token` to that session, which lives for 500 seconds.
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

async fn create_owned(store: &dyn SessionStore, name: &str, owner: Owner) {
    let row = SessionRow { owner, ..session(name) };
    store.create(row, pointer(name, name), NOW).await.expect("the keys are free");
}

/// An owner whose login belongs to a provider session.
fn of_session(subject: &str, session_id: &str) -> Owner {
    Owner { provider_session: Some(Digest::of(session_id)), ..owner(subject) }
}

fn of_subject(subject: &str) -> Selection {
    Selection::of_subject(Digest::of(subject))
}

fn of_provider_session(session_id: &str, subject: Option<&str>) -> Selection {
    Selection::ProviderSession {
        provider_session: Digest::of(session_id),
        subject: subject.map(Digest::of),
    }
}

/// The keys found, sorted.
async fn found(store: &dyn SessionStore, selection: Selection) -> Vec<Digest> {
    let mut keys = store.sessions_of(selection, NOW).await.expect("the store answers");
    keys.sort();
    keys
}

fn named(names: &[&str]) -> Vec<Digest> {
    let mut keys: Vec<_> = names.iter().map(Digest::of).collect();
    keys.sort();
    keys
}

async fn mark_ended(store: &dyn SessionStore, owner: &str, issued_before: u64, expires_at: u64) {
    let tombstone = Tombstone {
        owner: Digest::of(owner),
        issued_before: after(issued_before),
        expires_at: after(expires_at),
    };
    store.mark_ended(tombstone, NOW).await.expect("the store answers");
}
