//! Sessions that outlive their token: a refresh token obtains the next one (RFC 6749 §6).
//!
//! A refresh token works once, so only one request in all processes may send it. A request first takes
//! a lease on the session's row. A request that does not get the lease reads the result of the one
//! that did (R131). The lease names the version of the row, so no request sends a refresh token that
//! was exchanged since it read the row. Only the owner of the lease may write the result (R132).

use std::{fmt, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    Session, SessionContents, Sessions,
    sealing::{cookie_key, grant_identity, grant_key, token_digest},
};
use crate::{
    clock::Timestamp,
    crypto::secret::{SessionSecret, exposed},
    jwt::{self, LoginClaims, UserInfo},
    names::LogEvent,
    store::{
        CreateError, Lease, Owner, PointerRow, PreviousToken, RefreshRow, RenewError, Renewal,
        SessionRow, StoreError,
    },
};

/// How long a token is accepted after it was replaced, so that requests in flight do not fail.
pub const OVERLAP: Duration = Duration::from_secs(60);

/// How long a new token is not refreshed again; half of its lifetime if that is less. A request that
/// asks for another one sooner, such as the loser of a race, gets this token. The pause is no shorter
/// than the overlap, so at most one token is accepted beside the current one, and for its whole
/// overlap.
pub const REFRESH_PAUSE: Duration = OVERLAP;

/// How long before its expiry a token should be renewed; a quarter of its lifetime if that is less.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// The data for refreshing a session. It is sealed for the cookie only: the token shown as API key
/// does not allow a refresh.
#[derive(Clone, Deserialize, Serialize)]
pub struct RefreshGrant {
    /// The refresh token. It works once.
    #[serde(serialize_with = "exposed")]
    pub refresh_token: SecretString,
    /// The claims of the login's ID token, which a refresh must not change.
    pub login: LoginClaims,
    /// The scopes and permissions that the login was granted.
    pub granted: Vec<String>,
    /// The user info of the login, which adds to the claims of each refreshed ID token.
    #[serde(default, skip_serializing_if = "UserInfo::is_empty")]
    pub user_info: UserInfo,
}

/// Whether the session of a cookie can be refreshed.
#[derive(Clone, Debug)]
pub enum Renewability {
    /// The session has a refresh token.
    Renewable(Box<Renewable>),
    /// The session has no refresh token, and ends with its token.
    WithoutRefreshToken(Box<Session>),
}

/// A refreshable session, as it was read.
#[derive(Clone)]
pub struct Renewable {
    /// The session.
    pub session: Session,
    /// The data for refreshing it.
    pub grant: RefreshGrant,
    secret: SessionSecret,
    row: SessionRow,
    refresh: RefreshRow,
    data_key: Vec<u8>,
}

/// The exclusive right to refresh a session, held by one request.
#[derive(Clone, Debug)]
pub struct HeldLease {
    /// The session.
    pub renewable: Renewable,
    owner: [u8; 16],
}

impl Sessions {
    /// As [`begin`](Self::begin), for a login with a refresh token: the session does not end with its
    /// token.
    ///
    /// # Errors
    ///
    /// When the store is unavailable, or when the session was ended while its login was in progress.
    pub async fn begin_renewable(
        &self,
        owner: Owner,
        contents: &SessionContents,
        grant: &RefreshGrant,
        ends_by: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(SessionSecret, Timestamp), CreateError> {
        let ends_at = self.lifetime_end(ends_by, now);
        let secret = self
            .create(now, |secret| {
                let (mut session, pointer) = self.seal(secret, owner, contents, ends_at, now);
                session.refresh = Some(RefreshRow {
                    sealed: self.seal_grant(secret, grant, 0),
                    version: 0,
                    refreshed_at: now,
                    current: pointer.key,
                    previous: None,
                    lease: None,
                });
                (session, pointer)
            })
            .await?;
        Ok((secret, ends_at))
    }

    /// The session of a cookie, with the data for refreshing it.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    pub async fn renewable(
        &self,
        secret: &SessionSecret,
        now: Timestamp,
    ) -> Result<Option<Renewability>, StoreError> {
        let Some(row) = self.store.session(secret.digest(), now).await? else { return Ok(None) };
        let data_key = cookie_key(secret).open(&row.cookie_key, row.key.as_bytes());
        let Some(session) = self.open(&row, data_key.as_deref(), now).await? else {
            return Ok(None);
        };
        let (Some(refresh), Some(data_key)) = (row.refresh.clone(), data_key) else {
            return Ok(Some(Renewability::WithoutRefreshToken(Box::new(session))));
        };
        let associated = grant_identity(row.key, refresh.version);
        let grant = grant_key(secret)
            .open(&refresh.sealed, &associated)
            .and_then(|opened| serde_json::from_slice(&opened).ok());
        let Some(grant) = grant else {
            tracing::warn!(event = LogEvent::SessionUnreadable.name(), session = %row.key, "a session's refresh token cannot be decrypted");
            return Ok(Some(Renewability::WithoutRefreshToken(Box::new(session))));
        };
        let secret = secret.clone();
        let renewable = Renewable { session, grant, secret, row, refresh, data_key };
        Ok(Some(Renewability::Renewable(Box::new(renewable))))
    }

    /// Takes the lease on a session until `until`. Returns `None` if another request holds it, or if
    /// the session has changed since it was read.
    ///
    /// # Errors
    ///
    /// When the store is unavailable.
    pub async fn lease(
        &self,
        renewable: Renewable,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<HeldLease>, StoreError> {
        let (key, version) = (renewable.row.key, renewable.refresh.version);
        let lease = Lease { owner: self.random.bytes(), expires_at: until };
        let is_taken = self.store.lease(key, version, lease, now).await?;
        Ok(is_taken.then_some(HeldLease { renewable, owner: lease.owner }))
    }

    /// Gives up a lease, so that the next request may refresh the session.
    ///
    /// # Errors
    ///
    /// When the store is unavailable; the lease then expires by itself.
    pub async fn give_up(&self, held: &HeldLease, now: Timestamp) -> Result<(), StoreError> {
        let lease = Lease { owner: held.owner, expires_at: now };
        let (key, version) = (held.renewable.row.key, held.renewable.refresh.version);
        self.store.lease(key, version, lease, now).await.map(drop)
    }

    /// Writes the result of a refresh: the contents with the new token, sealed with a new key, and the
    /// next refresh token. The previous token stays accepted for [`OVERLAP`]. The end of the session
    /// does not change, unless `ends_by` is sooner (R99).
    ///
    /// # Errors
    ///
    /// When the lease or the session was lost meanwhile, the token already belongs to another session,
    /// or the store is unavailable.
    pub async fn renew(
        &self,
        held: &HeldLease,
        contents: SessionContents,
        refresh_token: SecretString,
        ends_by: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Session, RenewError> {
        let Renewable { row, refresh, secret, data_key, session, .. } = &held.renewable;
        let ends_at = ends_by.map_or(row.ends_at, |ends_by| row.ends_at.min(ends_by));
        let current = token_digest(contents.api_key.expose_secret());
        // A new token with the same claims, issued within the same second, can equal the old one.
        let is_new = current != refresh.current;
        let data_key = if is_new { self.random.bytes::<32>().to_vec() } else { data_key.clone() };
        let expires_at = contents.api_key_expires_at + jwt::LEEWAY;
        let pointer = is_new.then(|| {
            self.pointer(row.key, contents.api_key.expose_secret(), &data_key, expires_at)
        });
        let previous = if is_new {
            let token = session.contents.api_key.expose_secret();
            let pointer = self.pointer(row.key, token, &data_key, expires_at);
            Some(PreviousToken {
                pointer: pointer.key,
                until: now + OVERLAP,
                token_key: pointer.token_key,
            })
        } else {
            refresh.previous.clone()
        };
        let renewal = Renewal {
            ends_at,
            expires_at: ends_at.min(now + self.limits.idle),
            cookie_key: cookie_key(secret).seal(&data_key, row.key.as_bytes(), &self.random),
            sealed: self.seal_contents(&contents, &data_key, row.key),
            refresh: RefreshRow {
                refreshed_at: now,
                current,
                previous,
                ..self.next_version(held, refresh_token)
            },
            pointer,
            ..self.unchanged(held, now)
        };
        let renews_at = renews_at(&renewal.refresh, &contents, ends_at);
        self.store.renew(renewal, now).await?;
        Ok(Session { id: row.key, owner: row.owner, ends_at, renews_at, contents })
    }

    /// Writes only the next refresh token, when nothing else in the provider's response can be used.
    /// The session keeps its current token.
    ///
    /// # Errors
    ///
    /// As [`renew`](Self::renew).
    pub async fn keep_refresh_token(
        &self,
        held: &HeldLease,
        refresh_token: SecretString,
        now: Timestamp,
    ) -> Result<(), RenewError> {
        let refresh = self.next_version(held, refresh_token);
        self.store.renew(Renewal { refresh, ..self.unchanged(held, now) }, now).await
    }

    /// As [`keep_refresh_token`](Self::keep_refresh_token), for a request that sends the refresh token
    /// next: it keeps the lease, until `until`.
    ///
    /// # Errors
    ///
    /// As [`renew`](Self::renew).
    pub async fn keep_refresh_token_and_lease(
        &self,
        held: HeldLease,
        refresh_token: SecretString,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<HeldLease, RenewError> {
        let lease = Some(Lease { owner: held.owner, expires_at: until });
        let refresh = RefreshRow { lease, ..self.next_version(&held, refresh_token.clone()) };
        let renewal = Renewal { refresh: refresh.clone(), ..self.unchanged(&held, now) };
        self.store.renew(renewal, now).await?;
        let HeldLease { renewable, owner } = held;
        let grant = RefreshGrant { refresh_token, ..renewable.grant };
        Ok(HeldLease { renewable: Renewable { grant, refresh, ..renewable }, owner })
    }

    fn unchanged(&self, held: &HeldLease, now: Timestamp) -> Renewal {
        let row = &held.renewable.row;
        Renewal {
            key: row.key,
            owner: held.owner,
            ends_at: row.ends_at,
            expires_at: row.ends_at.min(now + self.limits.idle),
            cookie_key: row.cookie_key.clone(),
            sealed: row.sealed.clone(),
            refresh: held.renewable.refresh.clone(),
            pointer: None,
        }
    }

    fn next_version(&self, held: &HeldLease, refresh_token: SecretString) -> RefreshRow {
        let Renewable { secret, refresh, grant, .. } = &held.renewable;
        let version = refresh.version + 1;
        let grant = RefreshGrant { refresh_token, ..grant.clone() };
        let sealed = self.seal_grant(secret, &grant, version);
        RefreshRow { sealed, version, lease: None, ..refresh.clone() }
    }

    #[expect(clippy::expect_used, reason = "the grant is texts and numbers, which are JSON")]
    fn seal_grant(&self, secret: &SessionSecret, grant: &RefreshGrant, version: u64) -> Vec<u8> {
        let plaintext = serde_json::to_vec(grant).expect("a grant is JSON");
        let associated = grant_identity(secret.digest(), version);
        grant_key(secret).seal(&plaintext, &associated, &self.random)
    }
}

impl Renewability {
    /// The session.
    pub fn session(&self) -> &Session {
        match self {
            Self::Renewable(renewable) => &renewable.session,
            Self::WithoutRefreshToken(session) => session,
        }
    }
}

impl Renewable {
    /// Whether the session may be refreshed: its token is older than [`REFRESH_PAUSE`], or than half
    /// of its lifetime.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let came_at = self.refresh.refreshed_at;
        let lifetime = self.session.contents.api_key_expires_at.since(came_at);
        now >= came_at + REFRESH_PAUSE.min(lifetime / 2)
    }

    /// Current lease, or one left by a refresh that did not finish.
    pub const fn lease(&self) -> Option<Lease> {
        self.refresh.lease
    }
}

/// When the token of a session should be renewed. `None` if the session ends before that.
pub(super) fn renews_at(
    refresh: &RefreshRow,
    contents: &SessionContents,
    ends_at: Timestamp,
) -> Option<Timestamp> {
    let lifetime = contents.api_key_expires_at.since(refresh.refreshed_at);
    let renews_at = contents.api_key_expires_at - RENEWED_BEFORE.min(lifetime / 4);
    (renews_at < ends_at).then_some(renews_at)
}

/// The key to a session's contents, sealed for the token of `pointer`. `None` if a refresh has
/// replaced that token and the overlap has passed. The pointer is kept, so that the token is
/// recognised as ended.
pub(super) fn key_for_token<'a>(
    row: &'a SessionRow,
    pointer: &'a PointerRow,
    now: Timestamp,
) -> Option<&'a [u8]> {
    match &row.refresh {
        Some(refresh) if refresh.current != pointer.key => {
            let previous = refresh.previous.as_ref()?;
            let is_accepted = previous.pointer == pointer.key && now < previous.until;
            is_accepted.then_some(&previous.token_key)
        }
        _ => Some(&pointer.token_key),
    }
}

/// Shows neither the refresh token nor the user.
impl fmt::Debug for RefreshGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshGrant").field("granted", &self.granted).finish_non_exhaustive()
    }
}

impl fmt::Debug for Renewable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewable")
            .field("session", &self.session)
            .field("version", &self.refresh.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
