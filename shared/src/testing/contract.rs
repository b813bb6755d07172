//! The laws of [`SessionStore`], as a suite that every store must pass.
//!
//! A store's own tests call [`store_contract!`](crate::store_contract) with a way to make an empty
//! one. Time is passed in, so a law about expiry needs no waiting.
//!
//! A broken law panics: this is a test suite, kept here so that every store can be held to it.
#![expect(clippy::expect_used, clippy::panic, reason = "a test suite: what it expects, it asserts")]

pub mod document;
pub mod renewal;

use std::{sync::Arc, time::Duration};

use crate::store::{
    CreateError, Owner, PointerRow, Selection, SessionRow, SessionStore, Tombstone,
};
use crate::{clock::Timestamp, crypto::secret::Digest};

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
            r103_the_sessions_of_a_subject_are_found
            r122_those_issued_later_are_not_selected
            r115_the_sessions_of_a_provider_session_are_found
            r115_of_a_provider_session_those_of_one_subject_are_found
            ended_sessions_are_found_no_more
            end_all_ends_those_named_and_no_others
            r128_a_thousand_sessions_are_found_and_ended
            r129_a_tombstone_keeps_logins_of_a_subject_out
            r129_a_tombstone_keeps_logins_of_a_provider_session_out
            r129_a_tombstone_leaves_others_alone
            r129_a_tombstone_refuses_before_a_taken_key_does
            r122_a_login_issued_later_is_not_kept_out
            a_tombstone_ends_with_its_time
            the_tombstone_that_covers_more_stays
            r129_a_login_racing_a_tombstone_is_found_or_refused
        }
        $crate::store_contract! { @laws of renewal, $new_store;
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
        $crate::store_contract! { @laws of document, $new_store;
            a_document_is_found_as_it_was_written
            documents_and_a_pointer_are_read_together
            r092_an_expired_document_is_not_there
            r076_the_right_to_fetch_is_one_callers_until_it_runs_out
            r076_of_many_who_would_fetch_one_may
            a_written_document_is_anybodys_to_fetch_again
            a_right_to_fetch_is_no_document
            r072_a_slow_writer_brings_no_old_document_back
            an_expired_document_is_written_over
            r072_of_many_writers_at_once_the_latest_prevails
            r080_what_comes_from_the_future_binds_nobody
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

/// Law 8: those of the user, and of nobody else.
pub async fn r103_the_sessions_of_a_subject_are_found(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "one", owner("ada")).await;
    create_owned(&*store, "two", of_session("ada", "sid")).await;
    create_owned(&*store, "three", owner("grace")).await;
    assert_eq!(found(&*store, of_subject("ada")).await, named(&["one", "two"]));
    assert_eq!(found(&*store, of_subject("grace")).await, named(&["three"]));
    assert_eq!(found(&*store, of_subject("nobody")).await, []);
}

/// A logout ends what was there, not what came after.
pub async fn r122_those_issued_later_are_not_selected(store: Arc<dyn SessionStore>) {
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
    // A digest of one kind is none of the other.
    assert_eq!(found(&*store, of_provider_session("ada", None)).await, []);
    assert_eq!(found(&*store, of_subject("sid")).await, []);
}

/// Law 8, for both together.
pub async fn r115_of_a_provider_session_those_of_one_subject_are_found(
    store: Arc<dyn SessionStore>,
) {
    create_owned(&*store, "one", of_session("ada", "sid")).await;
    create_owned(&*store, "two", of_session("grace", "sid")).await;
    assert_eq!(found(&*store, of_provider_session("sid", Some("ada"))).await, named(&["one"]));
    assert_eq!(found(&*store, of_provider_session("sid", Some("nobody"))).await, []);
}

/// Law 8: what is gone is gone from the index too.
pub async fn ended_sessions_are_found_no_more(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "one", of_session("ada", "sid")).await;
    create_owned(&*store, "two", of_session("ada", "sid")).await;
    assert!(end(&*store, "one", 10).await);
    assert_eq!(found(&*store, of_subject("ada")).await, named(&["two"]));
    assert_eq!(found(&*store, of_provider_session("sid", None)).await, named(&["two"]));
}

/// Others go on; one that is not there is no error; pointers stay.
pub async fn end_all_ends_those_named_and_no_others(store: Arc<dyn SessionStore>) {
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

/// Law 8: more than fit into one page or one transaction.
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
pub async fn r129_a_tombstone_keeps_logins_of_a_subject_out(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "ada", 10, 500).await;
    for owner in [owner("ada"), of_session("ada", "sid")] {
        let row = SessionRow { owner, ..session("one") };
        let refused = store.create(row, pointer("token", "one"), after(11)).await;
        assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    }
    assert!(live_session(&*store, "one", after(11)).await.is_none());
    assert!(live_pointer(&*store, "token", after(11)).await.is_none());
}

/// Law 6, for the other digest.
pub async fn r129_a_tombstone_keeps_logins_of_a_provider_session_out(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "sid", 10, 500).await;
    let row = SessionRow { owner: of_session("ada", "sid"), ..session("one") };
    let refused = store.create(row, pointer("token", "one"), after(11)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    assert!(live_session(&*store, "one", after(11)).await.is_none());
}

/// Law 6 binds those it names.
pub async fn r129_a_tombstone_leaves_others_alone(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "ada", 10, 500).await;
    mark_ended(&*store, "sid", 10, 500).await;
    create_owned(&*store, "one", of_session("grace", "other sid")).await;
    assert!(live_session(&*store, "one", after(11)).await.is_some());
}

/// A key that is taken is drawn again; a login that was ended stays so.
pub async fn r129_a_tombstone_refuses_before_a_taken_key_does(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "one", owner("ada")).await;
    mark_ended(&*store, "ada", 10, 500).await;
    let row = SessionRow { owner: owner("ada"), ..session("one") };
    let refused = store.create(row, pointer("token", "one"), after(11)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
}

/// Law 6, at the very second.
pub async fn r122_a_login_issued_later_is_not_kept_out(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "ada", 10, 500).await;
    let early =
        SessionRow { owner: Owner { issued_at: after(9), ..owner("ada") }, ..session("one") };
    let refused = store.create(early, pointer("token", "one"), after(10)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    create_owned(&*store, "one", Owner { issued_at: after(10), ..owner("ada") }).await;
}

/// Law 1, for tombstones.
pub async fn a_tombstone_ends_with_its_time(store: Arc<dyn SessionStore>) {
    mark_ended(&*store, "ada", 1_000, 50).await;
    let row = SessionRow { owner: owner("ada"), ..session("one") };
    let refused = store.create(row.clone(), pointer("token", "one"), after(49)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    store.create(row, pointer("token", "one"), after(50)).await.expect("its time has come");
}

/// Law 7, in either order; and one whose time has come is as if it were not there.
pub async fn the_tombstone_that_covers_more_stays(store: Arc<dyn SessionStore>) {
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

/// Law 6, under contention: whatever was created before the tombstone is there to be ended.
pub async fn r129_a_login_racing_a_tombstone_is_found_or_refused(store: Arc<dyn SessionStore>) {
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
        owner: owner("nobody in particular"),
        created_at: NOW,
        used_at: NOW,
        ends_at: after(1_000),
        expires_at: after(100),
        cookie_key: b"wrapped for the cookie".to_vec(),
        sealed: vec![0, 255, 1, 254],
        refresh: None,
    }
}

/// The user `subject` by a login of no provider session, issued at [`NOW`].
pub fn owner(subject: &str) -> Owner {
    Owner { subject: Digest::of(subject), provider_session: None, issued_at: NOW }
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

/// By a login that belongs to a session at the provider.
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

/// In order.
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
