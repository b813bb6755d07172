//! The end of many sessions at once: by the provider's word, or everywhere.

use std::{collections::HashSet, time::Duration};

use tokio::time;

use crate::{
    clock::Timestamp,
    crypto::secret::Digest,
    jwt::{EndedAtProvider, LogoutToken, MAX_LOGIN_AGE},
    store::{
        Selection, SessionStore, StoreError, Tombstone,
        owner::{provider_session_digest, subject_digest},
    },
};

/// Which sessions end, and which logins under way become none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ending {
    selection: Selection,
    tombstone: Tombstone,
}

/// How far an [`Ending`] has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// The sessions that were found so far.
    pub found: usize,
    /// Of those, the ones that are done with.
    pub done: usize,
}

impl Ending {
    /// What the provider says has ended (OpenID Connect Back-Channel Logout §2.7): with `sid` the
    /// sessions of that session at the provider, with `sub` alone all of the user's.
    pub fn by_provider(token: &LogoutToken) -> Self {
        let subject_digest = |subject: &String| subject_digest(&token.issuer, subject);
        match &token.ended {
            EndedAtProvider::Session { id, subject } => Self::of_provider_session(
                provider_session_digest(&token.issuer, id),
                subject.as_ref().map(subject_digest),
                token.issued_at,
            ),
            EndedAtProvider::Subject(subject) => {
                Self::of_subject(subject_digest(subject), token.issued_at)
            }
        }
    }

    /// All sessions of a user at `now`.
    ///
    /// Logins under way are dated by the provider's clock. Where it goes behind ours, a login
    /// begun right after `now` is kept out for as long as the two differ.
    pub fn everywhere(subject: Digest, now: Timestamp) -> Self {
        Self { selection: Selection::of_subject(subject), tombstone: tombstone(subject, now, now) }
    }

    /// The sessions of a user up to `ended_at`, that second included, by the provider's clock. The
    /// user may log in again right after, and an old logout must not end that session (R122).
    pub fn of_subject(subject: Digest, ended_at: Timestamp) -> Self {
        let issued_before = ended_at + Duration::from_secs(1);
        Self {
            selection: Selection::Subject { subject, issued_before },
            tombstone: tombstone(subject, issued_before, ended_at),
        }
    }

    /// The sessions that belong to one session at the provider, and of those the ones of `subject`
    /// if that is given (R115). What has ended at the provider has ended for good: no login of it
    /// becomes a session, whenever it was issued.
    pub fn of_provider_session(
        provider_session: Digest,
        subject: Option<Digest>,
        ended_at: Timestamp,
    ) -> Self {
        Self {
            selection: Selection::ProviderSession { provider_session, subject },
            tombstone: tombstone(provider_session, Timestamp::MAX, ended_at),
        }
    }

    /// The sessions that it ends.
    pub const fn selection(&self) -> Selection {
        self.selection
    }

    /// Carries it out in `store`. Answers how many sessions it found.
    ///
    /// The tombstone comes first, so that whoever logs in meanwhile is either kept out by it or
    /// found (R129). Where an index shows a session a moment after it was created, there is a
    /// second look after that moment.
    ///
    /// # Errors
    ///
    /// When the store cannot answer; any of the sessions may then still live.
    pub async fn carry_out(
        &self,
        store: &dyn SessionStore,
        now: Timestamp,
        mut report: impl FnMut(Progress) + Send,
    ) -> Result<usize, StoreError> {
        store.mark_ended(self.tombstone, now).await?;
        let mut known = HashSet::new();
        self.look_and_end(store, now, &mut known, &mut report).await?;
        let index_lag = store.index_lag();
        if !index_lag.is_zero() {
            time::sleep(index_lag).await;
            self.look_and_end(store, now, &mut known, &mut report).await?;
        }
        Ok(known.len())
    }

    async fn look_and_end(
        &self,
        store: &dyn SessionStore,
        now: Timestamp,
        known: &mut HashSet<Digest>,
        report: &mut (impl FnMut(Progress) + Send),
    ) -> Result<(), StoreError> {
        let mut keys = store.sessions_of(self.selection, now).await?;
        keys.retain(|key| known.insert(*key));
        let mut progress = Progress { found: known.len(), done: known.len() - keys.len() };
        report(progress);
        for keys in keys.chunks(SESSIONS_PER_REPORT) {
            store.end_all(keys, now).await?;
            progress.done += keys.len();
            report(progress);
        }
        Ok(())
    }
}

/// As many as DynamoDB ends in one transaction.
const SESSIONS_PER_REPORT: usize = 100;

/// How long after a logout a login that was issued before it may still be under way: an ID token
/// that is older is not accepted, see [`MAX_LOGIN_AGE`]. The rest is for clocks that differ.
const TOMBSTONE_LIFETIME: Duration = Duration::from_secs(MAX_LOGIN_AGE.as_secs() + 5 * 60);

fn tombstone(owner: Digest, issued_before: Timestamp, ended_at: Timestamp) -> Tombstone {
    Tombstone { owner, issued_before, expires_at: ended_at + TOMBSTONE_LIFETIME }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        store::{
            CreateError, DocumentRow, Found, Lease, Owner, PointerRow, RenewError, Renewal,
            SessionRow, memory::MemoryStore,
        },
        testing::contract::{NOW, after, owner, pointer, session},
    };

    const SID: &str = "sid";

    async fn create(
        store: &dyn SessionStore,
        name: &str,
        owner: Owner,
        now: Timestamp,
    ) -> Result<(), CreateError> {
        store.create(SessionRow { owner, ..session(name) }, pointer(name, name), now).await
    }

    async fn lives(store: &dyn SessionStore, name: &str) -> bool {
        store.session(Digest::of(name), NOW).await.unwrap().is_some()
    }

    fn issued_at(seconds: u64) -> Owner {
        Owner { issued_at: after(seconds), ..owner("ada") }
    }

    fn of_session(subject: &str) -> Owner {
        Owner { provider_session: Some(Digest::of(SID)), ..owner(subject) }
    }

    #[tokio::test]
    async fn r103_everywhere_is_every_session_of_the_user() {
        let store = MemoryStore::default();
        create(&store, "one", owner("ada"), NOW).await.unwrap();
        // By a provider whose clock goes before ours.
        create(&store, "two", issued_at(25), NOW).await.unwrap();
        create(&store, "three", owner("grace"), NOW).await.unwrap();
        let ending = Ending::everywhere(Digest::of("ada"), after(10));
        assert_eq!(ending.carry_out(&store, NOW, |_| {}).await.unwrap(), 2);
        assert!(!lives(&store, "one").await && !lives(&store, "two").await);
        assert!(lives(&store, "three").await);
    }

    #[tokio::test]
    async fn r103_after_a_logout_everywhere_the_user_may_log_in_again() {
        let store = MemoryStore::default();
        Ending::everywhere(Digest::of("ada"), NOW).carry_out(&store, NOW, |_| {}).await.unwrap();
        create(&store, "one", owner("ada"), NOW).await.unwrap();
    }

    #[tokio::test]
    async fn r129_a_login_under_way_at_a_logout_everywhere_becomes_no_session() {
        let store = MemoryStore::default();
        let ending = Ending::everywhere(Digest::of("ada"), after(10));
        ending.carry_out(&store, after(10), |_| {}).await.unwrap();
        let refused = create(&store, "one", issued_at(9), after(11)).await;
        assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    }

    #[tokio::test]
    async fn r122_what_the_provider_ends_of_a_user_is_what_there_was_by_its_clock() {
        let store = MemoryStore::default();
        create(&store, "one", issued_at(10), NOW).await.unwrap();
        create(&store, "two", issued_at(11), NOW).await.unwrap();
        let ending = Ending::of_subject(Digest::of("ada"), after(10));
        assert_eq!(ending.carry_out(&store, after(60), |_| {}).await.unwrap(), 1);
        assert!(!lives(&store, "one").await && lives(&store, "two").await);
        let refused = create(&store, "three", issued_at(10), after(60)).await;
        assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
        create(&store, "four", issued_at(11), after(60)).await.unwrap();
    }

    #[tokio::test]
    async fn r129_no_login_of_an_ended_provider_session_becomes_a_session() {
        let store = MemoryStore::default();
        let ending = Ending::of_provider_session(Digest::of(SID), None, NOW);
        ending.carry_out(&store, NOW, |_| {}).await.unwrap();
        let later = Owner { issued_at: after(20), ..of_session("ada") };
        let refused = create(&store, "one", later, after(20)).await;
        assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
        create(&store, "two", owner("ada"), after(20)).await.unwrap();
    }

    /// Until its ID token would be refused as too old, a login may still become a session.
    #[tokio::test]
    async fn r129_a_tombstone_outlives_every_login_it_covers() {
        let store = MemoryStore::default();
        let last_moment = after(10) + MAX_LOGIN_AGE + crate::jwt::LEEWAY;
        Ending::of_subject(Digest::of("ada"), after(10))
            .carry_out(&store, after(10), |_| {})
            .await
            .unwrap();
        let refused = create(&store, "one", issued_at(10), last_moment).await;
        assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    }

    #[tokio::test]
    async fn r115_of_a_provider_session_the_other_users_sessions_live_on() {
        let store = MemoryStore::default();
        create(&store, "one", of_session("ada"), NOW).await.unwrap();
        create(&store, "two", of_session("grace"), NOW).await.unwrap();
        let subject = Some(Digest::of("ada"));
        let ending = Ending::of_provider_session(Digest::of(SID), subject, NOW);
        assert_eq!(ending.carry_out(&store, NOW, |_| {}).await.unwrap(), 1);
        assert!(!lives(&store, "one").await && lives(&store, "two").await);
    }

    #[tokio::test]
    async fn progress_is_told_as_it_goes() {
        let store = MemoryStore::default();
        for index in 0..250 {
            create(&store, &format!("{index}"), owner("ada"), NOW).await.unwrap();
        }
        let told = Mutex::new(Vec::new());
        let report = |Progress { found, done }| told.lock().unwrap().push((found, done));
        let ending = Ending::everywhere(Digest::of("ada"), NOW);
        assert_eq!(ending.carry_out(&store, NOW, report).await.unwrap(), 250);
        assert_eq!(told.into_inner().unwrap(), [(250, 0), (250, 100), (250, 200), (250, 250)]);
    }

    /// A store whose index shows nothing before its time, as DynamoDB's may.
    #[derive(Debug, Default)]
    struct LaggingStore {
        store: MemoryStore,
        looks: Mutex<usize>,
        marked_first: Mutex<bool>,
    }

    #[async_trait]
    impl SessionStore for LaggingStore {
        async fn create(
            &self,
            session: SessionRow,
            pointer: PointerRow,
            now: Timestamp,
        ) -> Result<(), CreateError> {
            self.store.create(session, pointer, now).await
        }

        async fn session(
            &self,
            key: Digest,
            now: Timestamp,
        ) -> Result<Option<SessionRow>, StoreError> {
            self.store.session(key, now).await
        }

        async fn pointer(&self, _: Digest, _: Timestamp) -> Result<Option<PointerRow>, StoreError> {
            unreachable!("nobody asks for a pointer")
        }

        async fn slide(&self, _: Digest, _: Timestamp, _: Timestamp) -> Result<bool, StoreError> {
            unreachable!("nobody slides")
        }

        async fn end(&self, _: Digest, _: Timestamp) -> Result<bool, StoreError> {
            unreachable!("nobody ends one")
        }

        async fn claim(&self, _: Digest, _: Timestamp, _: Timestamp) -> Result<bool, StoreError> {
            unreachable!("nobody claims")
        }

        async fn sessions_of(
            &self,
            selection: Selection,
            now: Timestamp,
        ) -> Result<Vec<Digest>, StoreError> {
            *self.looks.lock().unwrap() += 1;
            if *self.looks.lock().unwrap() == 1 {
                return Ok(Vec::new());
            }
            self.store.sessions_of(selection, now).await
        }

        async fn end_all(&self, keys: &[Digest], now: Timestamp) -> Result<(), StoreError> {
            self.store.end_all(keys, now).await
        }

        async fn mark_ended(&self, tombstone: Tombstone, now: Timestamp) -> Result<(), StoreError> {
            *self.marked_first.lock().unwrap() = *self.looks.lock().unwrap() == 0;
            self.store.mark_ended(tombstone, now).await
        }

        fn index_lag(&self) -> Duration {
            Duration::from_secs(1)
        }

        async fn lease(
            &self,
            _: Digest,
            _: u64,
            _: Lease,
            _: Timestamp,
        ) -> Result<bool, StoreError> {
            unreachable!("nobody refreshes")
        }

        async fn renew(&self, _: Renewal, _: Timestamp) -> Result<(), RenewError> {
            unreachable!("nobody refreshes")
        }

        async fn documents(
            &self,
            _: &[Digest],
            _: Option<Digest>,
            _: Timestamp,
        ) -> Result<Found, StoreError> {
            unreachable!("nobody needs keys")
        }

        async fn lease_document(
            &self,
            _: Digest,
            _: Timestamp,
            _: Timestamp,
        ) -> Result<Option<Timestamp>, StoreError> {
            unreachable!("nobody needs keys")
        }

        async fn write_document(&self, _: DocumentRow, _: Timestamp) -> Result<(), StoreError> {
            unreachable!("nobody needs keys")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn r129_a_session_that_the_index_shows_late_is_found_by_the_second_look() {
        let store = LaggingStore::default();
        create(&store, "one", owner("ada"), NOW).await.unwrap();
        let start = time::Instant::now();
        let ending = Ending::everywhere(Digest::of("ada"), NOW);
        assert_eq!(ending.carry_out(&store, NOW, |_| {}).await.unwrap(), 1);
        assert!(!lives(&store, "one").await);
        assert_eq!(start.elapsed(), store.index_lag());
        assert!(*store.marked_first.lock().unwrap());
    }
}
