//! Sessions: created by a login, found by a credential, ended by a logout.
//!
//! A credential is the secret in the session cookie or the token shown as API key. The store contains
//! only the SHA-256 of each, and contents sealed with a random key. That key is wrapped once for the
//! cookie (in the session's row) and once for the token (in the pointer's row). Each wrapping key is
//! derived from the credential itself. So an attacker who reads the store learns no token, no cookie
//! and no e-mail address, and there is no key to manage (R86, R98).

mod ending;
mod owner;
mod pointers;
mod renewal;
mod sealing;

use std::{fmt, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    crypto::{
        random::Random,
        secret::{Digest, SessionSecret, exposed},
    },
    jwt::{self, Authentication},
    names::LogEvent,
    settings::{Settings, all_of},
    store::{CreateError, Owner, PointerRow, SessionRow, SessionStore, StoreError},
};

use self::{
    pointers::KnownPointers,
    sealing::{contents_key, cookie_key, pointer_identity, token_key},
};

pub(crate) use self::sealing::token_digest;

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
        all_of!(Self {
            idle: settings.duration("SESSION_IDLE", Duration::from_secs(12 * 3_600)),
            lifetime: settings.duration("SESSION_LIFETIME", Duration::from_secs(7 * 86_400)),
        })
    }
}

/// The claims and tokens of a login.
#[derive(Clone, Deserialize, Serialize)]
pub struct SessionContents {
    /// The user's claims, without those of the protocol.
    pub user: Map<String, Value>,
    /// The claims about the user that only the access token has, or has with another value.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub api_claims: Map<String, Value>,
    /// How the user authenticated at the login. A refresh does not change it (R136).
    #[serde(default)]
    pub authentication: Authentication,
    /// The ID token, which identifies the provider's session at logout.
    #[serde(serialize_with = "exposed")]
    pub id_token: SecretString,
    /// The token shown as API key.
    #[serde(serialize_with = "exposed")]
    pub api_key: SecretString,
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
        Some(self.api_key.expose_secret()).filter(|key| key.len() <= MAX_KEY_LENGTH)
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
            tracing::warn!(event = LogEvent::SessionUnreadable.name(), session = %row.key, "a session's row cannot be decrypted");
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
        let token = contents.api_key.expose_secret();
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

#[cfg(test)]
pub(crate) mod tests;
