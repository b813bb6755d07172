//! The contract tests of [`SessionStore`]: its laws as tests that every store must pass.
//!
//! A store's own tests call [`store_contract!`](crate::store_contract) with a function that creates an
//! empty store. Time is an argument, so tests of expiry need no waiting.
//!
//! A violated law panics. The tests are public, so that stores outside this module can run them.
#![expect(clippy::expect_used, reason = "a test suite: what it expects, it asserts")]

pub mod document;
pub mod renewal;

use std::{future::Future, sync::Arc, time::Duration};

use tokio::task::JoinSet;

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
            r095_create_writes_both_rows_or_neither
            r092_an_expired_row_is_not_found_and_its_key_is_free
            slide_extends_the_expiry_only
            r094_slide_does_not_restore_a_session
            end_ends_one_session_and_reports_whether_it_existed
            r017_a_mark_is_claimed_once_until_it_expires
            r018_of_concurrent_claims_exactly_one_succeeds
            r095_of_concurrent_creates_exactly_one_succeeds
            r094_end_wins_over_concurrent_slides
            r103_the_sessions_of_a_subject_are_found
            r115_the_sessions_of_a_provider_session_are_found
            ended_sessions_are_no_longer_found
            end_all_ends_only_the_given_sessions
            r128_a_thousand_sessions_are_found_and_ended
            r129_a_tombstone_refuses_logins_of_its_owner_only
            r122_a_tombstone_covers_logins_issued_before_it_until_it_expires
            the_tombstone_that_covers_more_logins_is_kept
            r129_a_login_concurrent_with_a_tombstone_is_found_or_refused
            renewal::r131_a_lease_is_held_by_one_owner_until_it_expires
            renewal::r131_of_concurrent_leases_exactly_one_succeeds
            renewal::r131_a_lease_on_an_older_version_is_refused
            renewal::r132_an_owner_may_extend_or_shorten_its_lease
            renewal::r094_a_lease_creates_no_session
            renewal::r133_renew_writes_session_and_pointer
            renewal::r133_renew_writes_session_and_pointer_or_neither
            renewal::r132_only_the_last_owner_of_the_lease_may_renew
            renewal::r137_renew_does_not_restore_an_ended_session
            renewal::r137_end_wins_over_a_concurrent_renewal
            document::a_document_is_read_back_unchanged_until_it_expires
            document::documents_and_a_pointer_are_read_together
            document::r076_a_document_lease_is_held_by_one_caller_until_it_expires
            document::r076_of_concurrent_document_leases_exactly_one_succeeds
            document::writing_a_document_ends_its_lease
            document::a_document_lease_does_not_create_or_change_a_document
            document::r072_a_late_write_does_not_restore_an_old_document
            document::r072_of_concurrent_writes_the_newest_document_remains
            document::r080_rows_from_the_future_are_ignored
        }
    };
    (@laws $new_store:expr;) => {};
    (@laws $new_store:expr; $module:ident::$law:ident $($rest:tt)*) => {
        #[tokio::test]
        async fn $law() {
            $crate::testing::contract::$module::$law(($new_store)().await).await;
        }
        $crate::store_contract! { @laws $new_store; $($rest)* }
    };
    (@laws $new_store:expr; $law:ident $($rest:tt)*) => {
        #[tokio::test]
        async fn $law() {
            $crate::testing::contract::$law(($new_store)().await).await;
        }
        $crate::store_contract! { @laws $new_store; $($rest)* }
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

/// Law 2: if one of the two keys is taken, neither row is written, and no existing row changes.
pub async fn r095_create_writes_both_rows_or_neither(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    for (name, token) in [("one", "other token"), ("two", "token"), ("one", "token")] {
        let row = SessionRow { sealed: b"other".to_vec(), ..session(name) };
        let refused = store.create(row, pointer(token, name), NOW).await;
        assert!(matches!(refused, Err(CreateError::Exists)), "{refused:?}");
    }
    assert_eq!(live_session(&*store, "one", NOW).await, Some(session("one")));
    assert_eq!(live_pointer(&*store, "token", NOW).await, Some(pointer("token", "one")));
    assert_eq!(live_session(&*store, "two", NOW).await, None);
    assert_eq!(live_pointer(&*store, "other token", NOW).await, None);
}

/// Law 1, at the exact second: an expired row is not found, and does not occupy its key.
pub async fn r092_an_expired_row_is_not_found_and_its_key_is_free(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(live_session(&*store, "one", after(99)).await.is_some());
    assert!(live_session(&*store, "one", after(100)).await.is_none());
    assert!(live_pointer(&*store, "token", after(499)).await.is_some());
    assert!(live_pointer(&*store, "token", after(500)).await.is_none());
    let later = SessionRow { created_at: after(500), expires_at: after(600), ..session("one") };
    let pointer = PointerRow { expires_at: after(900), ..pointer("token", "one") };
    store.create(later.clone(), pointer, after(500)).await.expect("both rows have expired");
    assert_eq!(live_session(&*store, "one", after(501)).await, Some(later));
}

/// A slide extends the session and changes nothing else.
pub async fn slide_extends_the_expiry_only(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    assert!(slide(&*store, "one", 150, 50).await);
    let expected = SessionRow { used_at: after(50), expires_at: after(150), ..session("one") };
    assert_eq!(live_session(&*store, "one", after(149)).await, Some(expected));
    assert!(live_session(&*store, "one", after(150)).await.is_none());
}

/// Laws 1 and 4: neither an ended nor an expired session, nor one that never was.
pub async fn r094_slide_does_not_restore_a_session(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "ended").await;
    create(&*store, "other token", "expired").await;
    assert!(end(&*store, "ended", 10).await);
    for (name, now) in [("ended", 20), ("never was", 20), ("expired", 100)] {
        assert!(!slide(&*store, name, 200, now).await, "{name}");
        assert!(live_session(&*store, name, after(now)).await.is_none(), "{name}");
    }
}

/// Ending a session twice is not an error, and an expired session counts as missing. Other sessions
/// are unaffected. The pointer remains, so that the token is known as ended.
pub async fn end_ends_one_session_and_reports_whether_it_existed(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    create(&*store, "other token", "two").await;
    assert!(end(&*store, "one", 10).await);
    assert!(!end(&*store, "one", 10).await);
    assert!(!end(&*store, "never was", 10).await);
    assert!(live_session(&*store, "one", after(10)).await.is_none());
    assert_eq!(live_pointer(&*store, "token", after(10)).await, Some(pointer("token", "one")));
    assert_eq!(live_session(&*store, "two", after(10)).await, Some(session("two")));
    assert!(!end(&*store, "two", 100).await);
}

/// Laws 1 and 5. The caller that claims a mark chooses an expiry after which it is no longer needed.
pub async fn r017_a_mark_is_claimed_once_until_it_expires(store: Arc<dyn SessionStore>) {
    assert!(claim(&*store, "state", 100, 0).await);
    assert!(!claim(&*store, "state", 100, 1).await);
    assert!(claim(&*store, "other state", 100, 1).await);
    assert!(!claim(&*store, "state", 500, 99).await);
    assert!(claim(&*store, "state", 200, 100).await);
}

/// Law 5, under contention.
pub async fn r018_of_concurrent_claims_exactly_one_succeeds(store: Arc<dyn SessionStore>) {
    let claims = together(&store, |store, _| async move { claim(&*store, "state", 100, 0).await });
    assert_eq!(claims.await.into_iter().filter(|won| *won).count(), 1);
}

/// Law 2, under contention.
pub async fn r095_of_concurrent_creates_exactly_one_succeeds(store: Arc<dyn SessionStore>) {
    let creates = together(&store, |store, index| async move {
        store.create(session("one"), pointer(&format!("token {index}"), "one"), NOW).await
    });
    let (created, refused): (Vec<_>, Vec<_>) = creates.await.into_iter().partition(Result::is_ok);
    assert_eq!(created.len(), 1);
    assert!(refused.iter().all(|one| matches!(one, Err(CreateError::Exists))), "{refused:?}");
}

/// Law 4, under contention: concurrent requests do not undo a logout.
pub async fn r094_end_wins_over_concurrent_slides(store: Arc<dyn SessionStore>) {
    create(&*store, "token", "one").await;
    let slides = together(&store, |store, _| async move { slide(&*store, "one", 200, 50).await });
    assert!(end(&*store, "one", 50).await);
    assert!(live_session(&*store, "one", after(50)).await.is_none());
    slides.await;
    assert!(live_session(&*store, "one", after(50)).await.is_none());
}

/// Law 8: exactly the sessions of the user. A logout ends those from before it, not later ones (R122).
pub async fn r103_the_sessions_of_a_subject_are_found(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "one", Owner { issued_at: after(9), ..owner("ada") }).await;
    create_owned(&*store, "two", Owner { issued_at: after(10), ..of_session("ada", "sid") }).await;
    create_owned(&*store, "three", owner("grace")).await;
    assert_eq!(found(&*store, of_subject("ada")).await, named(&["one", "two"]));
    assert_eq!(found(&*store, of_subject("grace")).await, named(&["three"]));
    assert_eq!(found(&*store, of_subject("unknown")).await, []);
    let before = Selection::Subject { subject: Digest::of("ada"), issued_before: after(10) };
    assert_eq!(found(&*store, before).await, named(&["one"]));
}

/// Law 8, for provider sessions, with and without a subject.
pub async fn r115_the_sessions_of_a_provider_session_are_found(store: Arc<dyn SessionStore>) {
    for (name, owner) in [
        ("one", of_session("ada", "sid")),
        ("two", of_session("ada", "sid")),
        ("three", of_session("ada", "other sid")),
        ("four", owner("ada")),
        ("five", of_session("grace", "sid")),
    ] {
        create_owned(&*store, name, owner).await;
    }
    let all = named(&["one", "two", "five"]);
    assert_eq!(found(&*store, of_provider_session("sid", None)).await, all);
    let of_ada = of_provider_session("sid", Some("ada"));
    assert_eq!(found(&*store, of_ada).await, named(&["one", "two"]));
    assert_eq!(found(&*store, of_provider_session("sid", Some("unknown"))).await, []);
    assert_eq!(found(&*store, of_provider_session("no sid", None)).await, []);
    // A digest of a subject and one of a provider session are different kinds.
    assert_eq!(found(&*store, of_provider_session("ada", None)).await, []);
    assert_eq!(found(&*store, of_subject("sid")).await, []);
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

/// Law 6, for digests of a subject and of a provider session. The refusal has priority over a taken
/// key, for which the caller would retry.
pub async fn r129_a_tombstone_refuses_logins_of_its_owner_only(store: Arc<dyn SessionStore>) {
    create_owned(&*store, "taken", owner("ada")).await;
    mark_ended(&*store, "ada", 10, 500).await;
    mark_ended(&*store, "sid", 10, 500).await;
    for (name, owner) in [
        ("one", owner("ada")),
        ("two", of_session("ada", "other sid")),
        ("three", of_session("grace", "sid")),
    ] {
        assert_ended(&*store, name, owner, 11).await;
        assert!(live_session(&*store, name, after(11)).await.is_none());
        assert!(live_pointer(&*store, name, after(11)).await.is_none());
    }
    assert_ended(&*store, "taken", owner("ada"), 11).await;
    create_owned(&*store, "four", of_session("grace", "other sid")).await;
    assert!(live_session(&*store, "four", after(11)).await.is_some());
}

/// Laws 1 and 6, at the exact second.
pub async fn r122_a_tombstone_covers_logins_issued_before_it_until_it_expires(
    store: Arc<dyn SessionStore>,
) {
    mark_ended(&*store, "ada", 10, 50).await;
    let issued = |issued_at| Owner { issued_at: after(issued_at), ..owner("ada") };
    assert_ended(&*store, "one", issued(9), 49).await;
    create_owned(&*store, "two", issued(10)).await;
    let row = SessionRow { owner: issued(9), ..session("one") };
    store.create(row, pointer("token", "one"), after(50)).await.expect("it has expired");
}

/// Law 7, in both orders; an expired tombstone counts as missing.
pub async fn the_tombstone_that_covers_more_logins_is_kept(store: Arc<dyn SessionStore>) {
    for (name, first, second) in [("up", 10, 20), ("down", 20, 10)] {
        mark_ended(&*store, name, first, 500).await;
        mark_ended(&*store, name, second, 500).await;
        let issued = |issued_at| Owner { issued_at: after(issued_at), ..owner(name) };
        assert_ended(&*store, name, issued(19), 20).await;
        create_owned(&*store, name, issued(20)).await;
    }
    mark_ended(&*store, "ada", 900, 100).await;
    let tombstone =
        Tombstone { owner: Digest::of("ada"), issued_before: after(10), expires_at: after(500) };
    store.mark_ended(tombstone, after(100)).await.expect("the store answers");
    assert_ended(&*store, "late", owner("ada"), 101).await;
}

/// Law 6, under contention: every session created before the tombstone is found, and can be ended.
pub async fn r129_a_login_concurrent_with_a_tombstone_is_found_or_refused(
    store: Arc<dyn SessionStore>,
) {
    let creates = together(&store, |store, index| async move {
        let name = index.to_string();
        let row = SessionRow { owner: owner("ada"), ..session(&name) };
        store.create(row, pointer(&name, &name), NOW).await
    });
    mark_ended(&*store, "ada", 10, 500).await;
    tokio::time::sleep(store.index_lag()).await;
    let keys = found(&*store, of_subject("ada")).await;
    store.end_all(&keys, NOW).await.expect("the store answers");
    for created in creates.await {
        assert!(matches!(created, Ok(()) | Err(CreateError::Ended)), "{created:?}");
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

/// Asserts that the login of `owner` does not become a session because of a tombstone.
async fn assert_ended(store: &dyn SessionStore, name: &str, owner: Owner, now: u64) {
    let row = SessionRow { owner, ..session(name) };
    let refused = store.create(row, pointer(name, name), after(now)).await;
    assert!(matches!(refused, Err(CreateError::Ended)), "{name}: {refused:?}");
}

/// Starts `call` twenty times at once. The returned future yields the results.
fn together<S: ?Sized, C, F>(
    store: &Arc<S>,
    call: C,
) -> impl Future<Output = Vec<F::Output>> + use<S, C, F>
where
    C: Fn(Arc<S>, u64) -> F,
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let mut calls = JoinSet::new();
    for index in 0..20 {
        calls.spawn(call(Arc::clone(store), index));
    }
    calls.join_all()
}
