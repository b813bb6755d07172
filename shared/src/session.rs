//! Sessions: created by a login, found by a credential, ended by a logout.
//!
//! A credential is the secret in the session cookie or the token shown as API key. The store contains
//! only the SHA-256 of each, and contents sealed with a random key. That key is wrapped once for the
//! cookie (in the session's row) and once for the token (in the pointer's row). Each wrapping key is
//! derived from the credential itself. So an attacker who reads the store learns no token, no cookie
//! and no e-mail address, and there is no key to manage (R86, R98).

mod ending;
mod pointers;
mod renewal;

use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    crypto::{
        random::Random,
        seal::SealingKey,
        secret::{Digest, SecretText, SessionSecret},
    },
    jwt,
    settings::Settings,
    store::{CreateError, Owner, PointerRow, SessionRow, SessionStore, StoreError},
};

use self::pointers::KnownPointers;

pub use self::{
    ending::{Ending, Progress},
    renewal::{
        HeldLease, OVERLAP, REFRESH_PAUSE, RENEWED_BEFORE, RefreshGrant, Renewability, Renewable,
    },
};

/// How long it takes until the provider can issue a different token: without `jti`, tokens with the
/// same claims differ only in `iat`, which counts whole seconds.
pub const SAME_TOKEN: Duration = Duration::from_secs(1);

/// How long a session may live. Both are upper bounds.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Without use.
    pub idle: Duration,
    /// Regardless of use.
    pub lifetime: Duration,
}

impl SessionLimits {
    /// Reads `SESSION_IDLE` and `SESSION_LIFETIME`.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let idle = settings.duration("SESSION_IDLE", Duration::from_secs(12 * 3_600));
        let lifetime = settings.duration("SESSION_LIFETIME", Duration::from_secs(7 * 86_400));
        Some(Self { idle: idle?, lifetime: lifetime? })
    }
}

/// The claims and tokens of a login.
#[derive(Clone, Deserialize, Serialize)]
pub struct SessionContents {
    /// The user's claims, without those of the protocol.
    pub user: Map<String, Value>,
    /// The ID token, which identifies the provider's session at logout.
    pub id_token: SecretText,
    /// The token shown as API key.
    pub api_key: SecretText,
    /// When that token expires. The session ends then too, unless it can be refreshed.
    pub api_key_expires_at: Timestamp,
    /// The ID of the provider's own session, `sid` (OpenID Connect Back-Channel Logout §2.1).
    pub provider_session: Option<String>,
    /// The granted scopes, and permissions if the provider lists them.
    pub scopes: Vec<String>,
}

impl SessionContents {
    /// The API key, unless it is too long for a request to the gateway (R201).
    pub fn usable_key(&self) -> Option<&str> {
        Some(self.api_key.expose()).filter(|key| key.len() <= MAX_KEY_LENGTH)
    }
}

/// The longest API key that is offered. An HTTP API accepts 10,240 bytes of request line and headers,
/// and a browser needs the rest.
const MAX_KEY_LENGTH: usize = 8_192;

/// A live session.
#[derive(Clone)]
pub struct Session {
    /// The digest under which the store keeps it; safe to log.
    pub id: Digest,
    /// The owner, as stored.
    pub owner: Owner,
    /// When it ends, regardless of use.
    pub ends_at: Timestamp,
    /// When its token should be renewed. `None` if it has no refresh token, or ends before that.
    pub renews_at: Option<Timestamp>,
    /// Its claims and tokens.
    pub contents: SessionContents,
}

/// The result of looking up the session of a token.
#[derive(Clone, Debug)]
pub enum TokenSession {
    /// The session is live.
    Live(Box<Session>),
    /// The token had a session, which has ended.
    Ended,
    /// The token never had a session here.
    Unknown,
}

/// Sessions in a store.
#[derive(Clone, Debug)]
pub struct Sessions {
    store: Arc<dyn SessionStore>,
    limits: SessionLimits,
    random: Random,
    pointers: KnownPointers,
    /// Whether finding a session counts as use.
    slides: bool,
}

impl Sessions {
    /// Sessions in `store`, within `limits`.
    pub fn new(store: Arc<dyn SessionStore>, limits: SessionLimits, random: Random) -> Self {
        Self { store, limits, random, pointers: KnownPointers::default(), slides: true }
    }

    /// The same sessions, for a request that does not count as use: finding a session does not prolong
    /// it.
    #[must_use]
    pub fn unused(&self) -> Self {
        Self { slides: false, ..self.clone() }
    }

    /// Begins a session of `owner` with a new secret, whatever cookie the browser sent (R85). It ends
    /// with its token, at the end of its lifetime or at `ends_by`, whichever is first (R99).
    ///
    /// # Errors
    ///
    /// When the store is unavailable, or when the session was ended while its login was in progress.
    pub async fn begin(
        &self,
        owner: Owner,
        contents: &SessionContents,
        ends_by: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(SessionSecret, Timestamp), CreateError> {
        let ends_at = self.lifetime_end(ends_by, now).min(contents.api_key_expires_at);
        let secret =
            self.create(now, |secret| self.seal(secret, owner, contents, ends_at, now)).await?;
        Ok((secret, ends_at))
    }

    /// The session of a cookie.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    pub async fn by_cookie(
        &self,
        secret: &SessionSecret,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let Some(row) = self.store.session(secret.digest(), now).await? else { return Ok(None) };
        let data_key = cookie_key(secret).open(&row.cookie_key, row.key.as_bytes());
        self.open(&row, data_key.as_deref(), now).await
    }

    /// Whether a cookie has a live session. Does not count as use of the session.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    pub async fn lives(&self, secret: &SessionSecret, now: Timestamp) -> Result<bool, StoreError> {
        let row = self.store.session(secret.digest(), now).await?;
        Ok(row.is_some_and(|row| now < row.ends_at))
    }

    /// The session of a token. The caller must verify the token's signature and claims. A token seen
    /// before costs one read: the session's row.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    pub async fn by_token(&self, token: &str, now: Timestamp) -> Result<TokenSession, StoreError> {
        let key = token_digest(token);
        let pointer = match self.pointers.get(key, now) {
            Some(pointer) => Some(pointer),
            None => self.store.pointer(key, now).await?,
        };
        self.by_pointer(token, pointer, now).await
    }

    /// As [`by_token`](Self::by_token), for a caller that has already read the pointer.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    pub async fn by_pointer(
        &self,
        token: &str,
        pointer: Option<PointerRow>,
        now: Timestamp,
    ) -> Result<TokenSession, StoreError> {
        let Some(pointer) = pointer else { return Ok(TokenSession::Unknown) };
        let session = self.pointed_to(token, &pointer, now).await?;
        match session {
            TokenSession::Live(_) => self.pointers.remember(pointer),
            TokenSession::Ended | TokenSession::Unknown => self.pointers.forget(pointer.key),
        }
        Ok(session)
    }

    async fn pointed_to(
        &self,
        token: &str,
        pointer: &PointerRow,
        now: Timestamp,
    ) -> Result<TokenSession, StoreError> {
        let Some(row) = self.store.session(pointer.session, now).await? else {
            return Ok(TokenSession::Ended);
        };
        let Some(sealed) = renewal::key_for_token(&row, pointer, now) else {
            return Ok(TokenSession::Ended);
        };
        let data_key = token_key(token).open(sealed, &pointer_identity(pointer));
        let session = self.open(&row, data_key.as_deref(), now).await?;
        Ok(session.map_or(TokenSession::Ended, |session| TokenSession::Live(Box::new(session))))
    }

    /// Ends a session. Returns whether it was live.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the session may then still be live.
    pub async fn end(&self, id: Digest, now: Timestamp) -> Result<bool, StoreError> {
        self.store.end(id, now).await
    }

    /// Ends every session that `ending` selects. Returns how many it found.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; any of the sessions may then still be live.
    pub async fn end_all(&self, ending: &Ending, now: Timestamp) -> Result<usize, StoreError> {
        ending.carry_out(&*self.store, now, |_| {}).await
    }

    fn lifetime_end(&self, ends_by: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let lifetime_end = now + self.limits.lifetime;
        ends_by.map_or(lifetime_end, |ends_by| lifetime_end.min(ends_by))
    }

    async fn create(
        &self,
        now: Timestamp,
        seal: impl Fn(&SessionSecret) -> (SessionRow, PointerRow) + Send + Sync,
    ) -> Result<SessionSecret, CreateError> {
        let mut tries = 0;
        loop {
            let secret = SessionSecret::generate(&self.random);
            let (session, pointer) = seal(&secret);
            match self.store.create(session, pointer, now).await {
                Ok(()) => return Ok(secret),
                // A new secret may be free (R95). If the pointer's key is taken, a retry does not
                // help.
                Err(CreateError::Exists) if tries < 2 => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Opens a row, and extends its idle expiry if that is due.
    async fn open(
        &self,
        row: &SessionRow,
        data_key: Option<&[u8]>,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        // A refresh may have made `ends_at` earlier while a slide was in flight. The slide then wrote
        // an `expires_at` after `ends_at`.
        if row.ends_at <= now {
            return Ok(None);
        }
        let contents: Option<SessionContents> = data_key
            .and_then(|key| contents_key(key).open(&row.sealed, row.key.as_bytes()))
            .and_then(|opened| serde_json::from_slice(&opened).ok());
        let Some(contents) = contents else {
            tracing::warn!(event = "session.unreadable", session = %row.key, "a session's row cannot be decrypted");
            return Ok(None);
        };
        if self.slides && now.since(row.used_at) >= self.limits.idle / SLIDES_PER_IDLE {
            let expires_at = row.ends_at.min(now + self.limits.idle);
            if !self.store.slide(row.key, expires_at, now).await? {
                return Ok(None);
            }
        }
        let renews_at = row
            .refresh
            .as_ref()
            .and_then(|refresh| renewal::renews_at(refresh, &contents, row.ends_at));
        Ok(Some(Session {
            id: row.key,
            owner: row.owner,
            ends_at: row.ends_at,
            renews_at,
            contents,
        }))
    }

    fn seal(
        &self,
        secret: &SessionSecret,
        owner: Owner,
        contents: &SessionContents,
        ends_at: Timestamp,
        now: Timestamp,
    ) -> (SessionRow, PointerRow) {
        let data_key: [u8; 32] = self.random.bytes();
        let key = secret.digest();
        let session = SessionRow {
            key,
            owner,
            created_at: now,
            used_at: now,
            ends_at,
            expires_at: ends_at.min(now + self.limits.idle),
            cookie_key: cookie_key(secret).seal(&data_key, key.as_bytes(), &self.random),
            sealed: self.seal_contents(contents, &data_key, key),
            refresh: None,
        };
        let token = contents.api_key.expose();
        let expires_at = contents.api_key_expires_at + jwt::LEEWAY;
        (session, self.pointer(key, token, &data_key, expires_at))
    }

    #[expect(
        clippy::expect_used,
        reason = "the contents are texts, numbers and JSON, which are JSON"
    )]
    fn seal_contents(&self, contents: &SessionContents, data_key: &[u8], key: Digest) -> Vec<u8> {
        let plaintext = serde_json::to_vec(contents).expect("contents are JSON");
        contents_key(data_key).seal(&plaintext, key.as_bytes(), &self.random)
    }

    fn pointer(
        &self,
        session: Digest,
        token: &str,
        data_key: &[u8],
        expires_at: Timestamp,
    ) -> PointerRow {
        let mut pointer =
            PointerRow { key: token_digest(token), session, token_key: Vec::new(), expires_at };
        pointer.token_key =
            token_key(token).seal(data_key, &pointer_identity(&pointer), &self.random);
        pointer
    }
}

/// Shows neither the tokens nor the user's claims.
impl fmt::Debug for SessionContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionContents").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("ends_at", &self.ends_at)
            .finish_non_exhaustive()
    }
}

/// The idle expiry is written at most this many times per idle time, so that polling does not write
/// each time.
const SLIDES_PER_IDLE: u32 = 10;

fn cookie_key(secret: &SessionSecret) -> SealingKey {
    SealingKey::new(*secret.as_bytes(), "session key, for the cookie")
}

fn token_key(token: &str) -> SealingKey {
    SealingKey::new(token, "session key, for the token")
}

fn contents_key(data_key: impl Into<Vec<u8>>) -> SealingKey {
    SealingKey::new(data_key, "session contents")
}

/// The key of a token's pointer: the digest of the signed part, without the signature.
///
/// The holder of an ECDSA signature can make another valid signature for the same token. With a digest
/// of the whole token, that second token would count as one that never had a session here, and could
/// still be valid after a logout.
pub(crate) fn token_digest(token: &str) -> Digest {
    Digest::of(token.rsplit_once('.').map_or(token, |(signed, _)| signed))
}

/// Binds a pointer's sealed key to this pointer and its session: it opens nowhere else.
fn pointer_identity(pointer: &PointerRow) -> Vec<u8> {
    [*pointer.key.as_bytes(), *pointer.session.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::memory::MemoryStore;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const LIMITS: SessionLimits =
        SessionLimits { idle: Duration::from_secs(1_000), lifetime: Duration::from_secs(5_000) };

    fn after(seconds: u64) -> Timestamp {
        NOW + Duration::from_secs(seconds)
    }

    fn owner() -> Owner {
        Owner { subject: Digest::of("ada"), provider_session: None, issued_at: NOW }
    }

    fn sessions() -> (Sessions, Arc<MemoryStore>) {
        let store = Arc::new(MemoryStore::default());
        (Sessions::new(Arc::<MemoryStore>::clone(&store), LIMITS, Random::system()), store)
    }

    fn contents(api_key: &str) -> SessionContents {
        let user =
            json!({ "sub": "auth0|ada", "email": "ada@example.com", "name": "Ada Lovelace" });
        SessionContents {
            user: user.as_object().unwrap().clone(),
            id_token: format!("id token beside {api_key}").into(),
            api_key: api_key.to_owned().into(),
            api_key_expires_at: after(100_000),
            provider_session: Some("provider session".to_owned()),
            scopes: vec!["openid".to_owned()],
        }
    }

    #[tokio::test]
    async fn a_session_is_found_by_its_cookie_and_by_its_token() {
        let (sessions, _) = sessions();
        let (secret, _) = sessions.begin(owner(), &contents("token"), None, NOW).await.unwrap();
        let by_cookie = sessions.by_cookie(&secret, NOW).await.unwrap().unwrap();
        assert_eq!(by_cookie.contents.user["email"], "ada@example.com");
        let TokenSession::Live(by_token) = sessions.by_token("token", NOW).await.unwrap() else {
            panic!("not live")
        };
        assert_eq!(by_token.id, by_cookie.id);
        assert_eq!(by_token.contents.id_token.expose(), "id token beside token");
    }

    #[tokio::test]
    async fn an_ended_session_is_found_neither_by_cookie_nor_by_token() {
        let (sessions, _) = sessions();
        let (secret, _) = sessions.begin(owner(), &contents("token"), None, NOW).await.unwrap();
        assert!(sessions.end(secret.digest(), NOW).await.unwrap());
        assert!(sessions.by_cookie(&secret, NOW).await.unwrap().is_none());
        assert!(matches!(sessions.by_token("token", NOW).await.unwrap(), TokenSession::Ended));
        assert!(matches!(sessions.by_token("another", NOW).await.unwrap(), TokenSession::Unknown));
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

    /// A missing session is never cached: it may begin a moment later.
    #[tokio::test]
    async fn a_token_is_found_as_soon_as_its_session_begins() {
        let (sessions, _) = sessions();
        assert!(matches!(sessions.by_token("token", NOW).await.unwrap(), TokenSession::Unknown));
        assert_eq!(sessions.pointers.len(), 0);
        sessions.begin(owner(), &contents("token"), None, NOW).await.unwrap();
        assert!(matches!(sessions.by_token("token", NOW).await.unwrap(), TokenSession::Live(_)));
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
        let (secret, ends_at) =
            sessions.begin(owner(), &contents("token"), None, NOW).await.unwrap();
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
        assert!(matches!(
            sessions.by_token("short", last_moment).await.unwrap(),
            TokenSession::Ended
        ));
    }

    #[tokio::test]
    async fn r091_an_unused_session_ends_when_its_idle_time_is_over() {
        let (sessions, _) = sessions();
        let (secret, _) = sessions.begin(owner(), &contents("token"), None, NOW).await.unwrap();
        assert!(sessions.by_cookie(&secret, after(999)).await.unwrap().is_some());
        assert!(sessions.by_cookie(&secret, after(1_999)).await.unwrap().is_none());
        let (secret, _) = sessions.begin(owner(), &contents("second"), None, NOW).await.unwrap();
        assert!(sessions.by_cookie(&secret, after(1_000)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn r091_a_used_session_still_ends_when_its_lifetime_is_over() {
        let (sessions, _) = sessions();
        let (secret, ends_at) =
            sessions.begin(owner(), &contents("token"), None, NOW).await.unwrap();
        assert_eq!(ends_at, after(5_000));
        for seconds in (0..5_000).step_by(500) {
            assert!(
                sessions.by_cookie(&secret, after(seconds)).await.unwrap().is_some(),
                "{seconds}"
            );
        }
        assert!(sessions.by_cookie(&secret, after(4_999)).await.unwrap().is_some());
        assert!(sessions.by_cookie(&secret, after(5_000)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn r099_a_session_ends_with_its_token_or_at_the_time_set_by_the_provider() {
        let (sessions, _) = sessions();
        let short = SessionContents { api_key_expires_at: after(300), ..contents("short") };
        assert_eq!(sessions.begin(owner(), &short, None, NOW).await.unwrap().1, after(300));
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
        contents.id_token = SecretText::from(longest.clone());
        contents.user.insert("groups".to_owned(), longest.into());
        let (secret, _) = sessions.begin(owner(), &contents, None, NOW).await.unwrap();
        let row = store.session(secret.digest(), NOW).await.unwrap().unwrap();
        assert!((190_000..300_000).contains(&row.sealed.len()), "{}", row.sealed.len());
    }

    /// R86, R98: an attacker who reads the store learns nothing from it.
    #[tokio::test]
    async fn r098_neither_credential_nor_claim_can_be_read_from_the_rows() {
        let (sessions, store) = sessions();
        let (secret, _) =
            sessions.begin(owner(), &contents("the.api.key"), None, NOW).await.unwrap();
        let row = store.session(secret.digest(), NOW).await.unwrap().unwrap();
        let pointer = store.pointer(token_digest("the.api.key"), NOW).await.unwrap().unwrap();
        let dump = [&row.sealed[..], &row.cookie_key, &pointer.token_key].concat();
        for needle in
            ["the.api.key", "ada@example.com", "Ada", "auth0|ada", "provider session", "id token"]
        {
            assert!(
                !dump.windows(needle.len()).any(|window| window == needle.as_bytes()),
                "{needle}"
            );
        }
        assert!(!dump.windows(32).any(|window| window == secret.as_bytes()));
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
        session.sealed = contents_key([1; 32]).seal(
            b"{\"older\": true}",
            session.key.as_bytes(),
            &Random::system(),
        );
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
}
