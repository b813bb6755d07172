//! Ending many sessions at once: those that the provider has ended, or all sessions of a user.

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

/// Which sessions to end, and which logins in progress to refuse.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ending {
    selection: Selection,
    tombstone: Tombstone,
}

/// The progress of an [`Ending`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// How many sessions were found so far.
    pub found: usize,
    /// How many of those were ended.
    pub done: usize,
}

impl Ending {
    /// The sessions that a logout token of the provider ends (OpenID Connect Back-Channel Logout
    /// §2.7): with `sid` those of that session at the provider, with `sub` alone all of the user's.
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
    /// Logins in progress are dated by the provider's clock. If it is behind ours, a login begun right
    /// after `now` is refused for as long as the two clocks differ.
    pub fn everywhere(subject: Digest, now: Timestamp) -> Self {
        Self { selection: Selection::of_subject(subject), tombstone: tombstone(subject, now, now) }
    }

    /// The sessions of a user up to and including the second `ended_at`, by the provider's clock. The
    /// user may log in again right after, and an old logout must not end that session (R122).
    pub fn of_subject(subject: Digest, ended_at: Timestamp) -> Self {
        let issued_before = ended_at + Duration::from_secs(1);
        Self {
            selection: Selection::Subject { subject, issued_before },
            tombstone: tombstone(subject, issued_before, ended_at),
        }
    }

    /// The sessions that belong to one session at the provider, and of those only the ones of
    /// `subject` if it is given (R115). A session at the provider that has ended never resumes: no
    /// login of it becomes a session, whenever it was issued.
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

    /// The sessions to end.
    pub const fn selection(&self) -> Selection {
        self.selection
    }

    /// Ends the sessions in `store`. Returns how many it found.
    ///
    /// The tombstone is written first, so a concurrent login is either refused by it or found (R129).
    /// If the store's index shows a session some time after it was created, there is a second search
    /// after that time.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; any of the sessions may then still be live.
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

/// The number of rows that DynamoDB deletes in one transaction.
const SESSIONS_PER_REPORT: usize = 100;

/// How long after a logout a login that was issued before it may still be in progress: an older ID
/// token is rejected, see [`MAX_LOGIN_AGE`]. The rest allows for clocks that differ.
const TOMBSTONE_LIFETIME: Duration = Duration::from_secs(MAX_LOGIN_AGE.as_secs() + 5 * 60);

fn tombstone(owner: Digest, issued_before: Timestamp, ended_at: Timestamp) -> Tombstone {
    Tombstone { owner, issued_before, expires_at: ended_at + TOMBSTONE_LIFETIME }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::{
        store::{CreateError, Owner, SessionRow, memory::MemoryStore},
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
    async fn r103_a_logout_everywhere_ends_every_session_of_the_user() {
        let store = MemoryStore::default();
        create(&store, "one", owner("ada"), NOW).await.unwrap();
        // From a provider whose clock is ahead of ours.
        create(&store, "two", issued_at(25), NOW).await.unwrap();
        create(&store, "three", owner("grace"), NOW).await.unwrap();
        let ending = Ending::everywhere(Digest::of("ada"), after(10));
        assert_eq!(ending.carry_out(&store, NOW, |_| {}).await.unwrap(), 2);
        assert!(!lives(&store, "one").await && !lives(&store, "two").await);
        assert!(lives(&store, "three").await);
    }

    #[tokio::test]
    async fn r129_a_login_in_progress_at_a_logout_everywhere_is_refused() {
        let store = MemoryStore::default();
        let ending = Ending::everywhere(Digest::of("ada"), after(10));
        ending.carry_out(&store, after(10), |_| {}).await.unwrap();
        let refused = create(&store, "one", issued_at(9), after(11)).await;
        assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
    }

    #[tokio::test]
    async fn r122_a_logout_by_the_provider_ends_sessions_issued_until_then_by_its_clock() {
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
    async fn r129_a_login_of_an_ended_provider_session_is_refused() {
        let store = MemoryStore::default();
        let ending = Ending::of_provider_session(Digest::of(SID), None, NOW);
        ending.carry_out(&store, NOW, |_| {}).await.unwrap();
        let later = Owner { issued_at: after(20), ..of_session("ada") };
        let refused = create(&store, "one", later, after(20)).await;
        assert!(matches!(refused, Err(CreateError::Ended)), "{refused:?}");
        create(&store, "two", owner("ada"), after(20)).await.unwrap();
    }

    /// A login may become a session until its ID token is rejected as too old.
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
    async fn progress_is_reported_after_each_transaction() {
        let store = MemoryStore::default();
        for index in 0..250 {
            create(&store, &format!("{index}"), owner("ada"), NOW).await.unwrap();
        }
        let reported = Mutex::new(Vec::new());
        let report = |Progress { found, done }| reported.lock().unwrap().push((found, done));
        let ending = Ending::everywhere(Digest::of("ada"), NOW);
        assert_eq!(ending.carry_out(&store, NOW, report).await.unwrap(), 250);
        assert_eq!(reported.into_inner().unwrap(), [(250, 0), (250, 100), (250, 200), (250, 250)]);
    }
}
