//! Sessions that outlive their token: a refresh token brings the next one (RFC 6749 §6).
//!
//! A refresh token works once. So one request at a time may present it, in whichever process: it
//! takes a lease on the session's row first, and whoever is refused it reads what the winner wrote
//! (R131). The lease names the version of the row, so that nobody presents what was exchanged since
//! it was read; and only its owner may write the outcome (R132).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Session, SessionContents, Sessions, cookie_key, token_digest};
use crate::{
    clock::Timestamp,
    crypto::{
        seal::SealingKey,
        secret::{Digest, SecretText, SessionSecret},
    },
    jwt::{self, LoginClaims},
    store::{
        CreateError, Lease, Owner, PointerRow, PreviousToken, RefreshRow, RenewError, Renewal,
        SessionRow, StoreError,
    },
};

/// How long a token is accepted after it was replaced, so that a request under way does not fail.
pub const OVERLAP: Duration = Duration::from_secs(60);

/// How long a token is left alone after it came; half of its life if that is less. Whoever asks for
/// another one sooner, as the losers of a race do, is given this one. No shorter than the overlap,
/// so that one token at most is accepted beside the current one, and for all of its overlap.
pub const REFRESH_PAUSE: Duration = OVERLAP;

/// How long before its end a token should be renewed; a quarter of its life if that is less.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// What a session is refreshed with. It is sealed for the cookie alone: whoever has the token shown
/// as API key cannot have it renewed.
#[derive(Clone, Deserialize, Serialize)]
pub struct RefreshGrant {
    /// The refresh token. It works once.
    pub refresh_token: SecretText,
    /// What the login's ID token said, which a refresh must leave so.
    pub login: LoginClaims,
    /// The scopes and permissions that the login was granted.
    pub granted: Vec<String>,
}

/// What a cookie opens for a refresh.
#[derive(Clone, Debug)]
pub enum Renewability {
    /// The session has a refresh token.
    Renewable(Box<Renewable>),
    /// It has none, and ends with its token.
    WithoutRefreshToken(Box<Session>),
}

/// A session that can be refreshed, as it was when it was read.
#[derive(Clone)]
pub struct Renewable {
    /// The session.
    pub session: Session,
    /// What it is refreshed with.
    pub grant: RefreshGrant,
    secret: SessionSecret,
    row: SessionRow,
    refresh: RefreshRow,
    data_key: Vec<u8>,
}

/// The right to refresh a session, held by one request.
#[derive(Clone, Debug)]
pub struct HeldLease {
    /// The session.
    pub renewable: Renewable,
    owner: [u8; 16],
}

impl Sessions {
    /// As [`begin`](Self::begin), for a login that brought a refresh token: the session does not end
    /// with its token.
    ///
    /// # Errors
    ///
    /// When the store cannot answer, and when the session was ended while its login was under way.
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

    /// The session that a cookie opens, with what it is refreshed with.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
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
            tracing::warn!(event = "session.unreadable", session = %row.key, "a session's refresh token cannot be decrypted");
            return Ok(Some(Renewability::WithoutRefreshToken(Box::new(session))));
        };
        let secret = secret.clone();
        let renewable = Renewable { session, grant, secret, row, refresh, data_key };
        Ok(Some(Renewability::Renewable(Box::new(renewable))))
    }

    /// Takes the lease on a session until `until`. `None`: it is somebody else's, or the session is
    /// not what it was when it was read.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
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

    /// Gives up a lease, so that the session may be refreshed by the next who asks.
    ///
    /// # Errors
    ///
    /// When the store cannot answer; the lease then runs out by itself.
    pub async fn give_up(&self, held: &HeldLease, now: Timestamp) -> Result<(), StoreError> {
        let lease = Lease { owner: held.owner, expires_at: now };
        let (key, version) = (held.renewable.row.key, held.renewable.refresh.version);
        self.store.lease(key, version, lease, now).await.map(drop)
    }

    /// Writes what a refresh brought: the contents with the new token, under a key of their own, and
    /// the next refresh token. The token before is accepted for [`OVERLAP`] longer. The session ends
    /// when it would have ended, or at `ends_by` if that is sooner (R99).
    ///
    /// # Errors
    ///
    /// When the lease or the session was lost meanwhile, the token is already another session's, or
    /// the store cannot answer.
    pub async fn renew(
        &self,
        held: &HeldLease,
        contents: SessionContents,
        refresh_token: SecretText,
        ends_by: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Session, RenewError> {
        let Renewable { row, refresh, secret, data_key, session, .. } = &held.renewable;
        let ends_at = ends_by.map_or(row.ends_at, |ends_by| row.ends_at.min(ends_by));
        let current = token_digest(contents.api_key.expose());
        // Made within the same second of the same claims, a token can be the very one before.
        let is_new = current != refresh.current;
        let data_key = if is_new { self.random.bytes::<32>().to_vec() } else { data_key.clone() };
        let expires_at = contents.api_key_expires_at + jwt::LEEWAY;
        let pointer =
            is_new.then(|| self.pointer(row.key, contents.api_key.expose(), &data_key, expires_at));
        let previous = if is_new {
            let token = session.contents.api_key.expose();
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

    /// Writes the next refresh token alone, where nothing else that came with it can be used. The
    /// session goes on with the token that it has.
    ///
    /// # Errors
    ///
    /// As [`renew`](Self::renew).
    pub async fn keep_refresh_token(
        &self,
        held: &HeldLease,
        refresh_token: SecretText,
        now: Timestamp,
    ) -> Result<(), RenewError> {
        let refresh = self.next_version(held, refresh_token);
        self.store.renew(Renewal { refresh, ..self.unchanged(held, now) }, now).await
    }

    /// As [`keep_refresh_token`](Self::keep_refresh_token), for a request that presents the token next:
    /// it keeps the lease, until `until`.
    ///
    /// # Errors
    ///
    /// As [`renew`](Self::renew).
    pub async fn keep_refresh_token_and_lease(
        &self,
        held: HeldLease,
        refresh_token: SecretText,
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

    fn next_version(&self, held: &HeldLease, refresh_token: SecretText) -> RefreshRow {
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
    /// Whether the session may be refreshed: its token did not come just now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let came_at = self.refresh.refreshed_at;
        let lifetime = self.session.contents.api_key_expires_at.since(came_at);
        now >= came_at + REFRESH_PAUSE.min(lifetime / 2)
    }

    /// Who refreshes it, or did last and did not come to an end.
    pub const fn lease(&self) -> Option<Lease> {
        self.refresh.lease
    }
}

/// When the token of a session should be renewed. `None`: never, for the session ends before.
pub(super) fn renews_at(
    refresh: &RefreshRow,
    contents: &SessionContents,
    ends_at: Timestamp,
) -> Option<Timestamp> {
    let lifetime = contents.api_key_expires_at.since(refresh.refreshed_at);
    let renews_at = contents.api_key_expires_at - RENEWED_BEFORE.min(lifetime / 4);
    (renews_at < ends_at).then_some(renews_at)
}

/// The key to a session's contents, sealed for whoever has the token of `pointer`. `None`: a refresh
/// has replaced that token, and the overlap is over. The pointer lives on, so that the token is
/// known as one that has ended.
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

fn grant_key(secret: &SessionSecret) -> SealingKey {
    SealingKey::new(*secret.as_bytes(), "refresh token, for the cookie")
}

/// A refresh token opens in its session's row, and as its version alone.
fn grant_identity(session: Digest, version: u64) -> Vec<u8> {
    [&session.as_bytes()[..], &version.to_be_bytes()].concat()
}

/// Shows neither the refresh token nor who logged in.
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
