//! The provider's state: in memory, with an expiry for each entry.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use shared::{clock::Timestamp, crypto::random::Random};

use super::{
    connections::Connection, expiring::Expiring, organizations::Organization, scope::Scope,
    users::User,
};

/// How long a login form can be submitted.
const LOGIN_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How long a logout can be confirmed.
const LOGOUT_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How long a session lasts without use: Auth0's default.
const SESSION_IDLE: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How long a session lasts at most: Auth0's default.
pub(super) const SESSION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a code can be redeemed.
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// How long a code is remembered after that, so that a replay is detected.
const CODE_MEMORY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long refresh tokens last, however often they rotate: Auth0's default.
const GRANT_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The state under one lock. Redeeming a code and rotating a refresh token must each be atomic.
/// Otherwise two concurrent requests would both succeed.
#[derive(Default)]
pub(super) struct SharedState(Mutex<ProviderState>);

impl SharedState {
    pub(super) fn lock(&self) -> MutexGuard<'_, ProviderState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(super) struct ProviderState {
    /// Key: the id in the login form. A request is taken out when its user logs in, so its form works
    /// only once.
    pub(super) logins: Expiring<AuthorizationRequest>,
    /// Key: the id in the logout form.
    pub(super) logouts: Expiring<PendingLogout>,
    /// Key: the cookie's value.
    pub(super) sessions: Expiring<Session>,
    /// Key: the code.
    codes: Expiring<Code>,
    /// Key: an id that never leaves the process.
    grants: Expiring<Grant>,
    /// Key: the token.
    access_tokens: Expiring<AccessToken>,
    /// Key: the token.
    refresh_tokens: Expiring<RefreshToken>,
}

/// A valid authorization request.
#[derive(Clone)]
pub(super) struct AuthorizationRequest {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) code_challenge: String,
    pub(super) scope: Scope,
    pub(super) audience: Option<String>,
    pub(super) connection: Option<&'static Connection>,
    pub(super) organization: Option<Organization>,
    /// `acr_values`: the classes of authentication that the client asks for.
    pub(super) classes: Vec<String>,
    pub(super) login_hint: Option<String>,
    /// `screen_hint=signup`.
    pub(super) sign_up: bool,
    /// Whether the ID token must contain `auth_time`.
    pub(super) wants_auth_time: bool,
}

/// A logout that the user must confirm.
#[derive(Clone, Debug)]
pub(super) struct PendingLogout {
    /// The session to end. An old page must not end a later session.
    pub(super) session_id: String,
    /// The URL to return to after the logout.
    pub(super) destination: Option<String>,
}

/// A user's session at the provider, in one browser.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The `sid`. Not the cookie's value, because clients see it.
    pub(super) id: String,
    pub(super) user: User,
    /// When the user last entered credentials.
    pub(super) authenticated_at: Timestamp,
    /// The classes of authentication that the login form stated.
    pub(super) classes: Vec<String>,
    ends_at: Timestamp,
}

/// The data of an authorization code.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) grant: Grant,
    valid_until: Timestamp,
    used: bool,
    grant_id: String,
}

/// The user's grant to the client. Revoking it revokes every token that was issued for it, at
/// this provider.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) request: AuthorizationRequest,
    /// The user's session when the code was issued. It may have ended since.
    pub(super) session: Session,
}

struct AccessToken {
    grant_id: String,
    scope: Scope,
}

struct RefreshToken {
    grant_id: String,
    /// Whether it was already exchanged for a new one.
    rotated: bool,
}

/// Why a code is rejected.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum CodeError {
    #[error("Invalid authorization code")]
    Unknown,
    #[error("The authorization code has been used")]
    Replayed,
    #[error("The authorization code has expired")]
    Expired,
}

/// A refresh token is unknown, expired, revoked or was used before.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("Unknown or invalid refresh token.")]
pub(super) struct RefreshError;

impl ProviderState {
    /// Stores a request while its user logs in; returns the id for the form.
    pub(super) fn begin_login(
        &mut self,
        request: AuthorizationRequest,
        random: &Random,
        now: Timestamp,
    ) -> String {
        let id = random.token();
        self.logins.insert(id.clone(), request, now + LOGIN_LIFETIME, now);
        id
    }

    pub(super) fn begin_logout(
        &mut self,
        logout: PendingLogout,
        random: &Random,
        now: Timestamp,
    ) -> String {
        let id = random.token();
        self.logouts.insert(id.clone(), logout, now + LOGOUT_LIFETIME, now);
        id
    }

    /// Records that `user` has entered credentials in the browser with `cookie`, and returns the
    /// cookie's new value. The value always changes (session fixation). The session stays the same if
    /// it belongs to the same user.
    pub(super) fn log_in(
        &mut self,
        user: User,
        classes: Vec<String>,
        cookie: Option<&str>,
        random: &Random,
        now: Timestamp,
    ) -> (String, Session) {
        let previous = cookie.and_then(|cookie| self.sessions.take(cookie, now));
        let id = match previous {
            Some(session) if session.user == user => session.id,
            _ => random.token(),
        };
        let ends_at = now + SESSION_LIFETIME;
        let session = Session { id, user, authenticated_at: now, classes, ends_at };
        let cookie = random.token();
        self.sessions.insert(cookie.clone(), session.clone(), now + SESSION_IDLE, now);
        (cookie, session)
    }

    /// The session of the browser with `cookie`. Restarts its idle time.
    pub(super) fn use_session(&mut self, cookie: &str, now: Timestamp) -> Option<Session> {
        let session = self.sessions.find(cookie, now)?.clone();
        self.sessions.set_expiry(cookie, session.ends_at.min(now + SESSION_IDLE));
        Some(session)
    }

    pub(super) fn end_sessions_of(&mut self, subject: &str, now: Timestamp) -> Vec<Session> {
        self.sessions.take_where(now, |session| session.user.subject == subject)
    }

    /// Every live session, the latest login first.
    pub(super) fn open_sessions(&self, now: Timestamp) -> Vec<Session> {
        let mut sessions: Vec<_> = self.sessions.values(now).cloned().collect();
        sessions.sort_by(|a, b| (b.authenticated_at, &b.id).cmp(&(a.authenticated_at, &a.id)));
        sessions
    }

    /// Issues a code for `request`, on behalf of the user of `session`.
    pub(super) fn issue_code(
        &mut self,
        request: AuthorizationRequest,
        session: Session,
        random: &Random,
        now: Timestamp,
    ) -> String {
        let code = random.token();
        let row = Code {
            grant: Grant { request, session },
            valid_until: now + CODE_LIFETIME,
            used: false,
            grant_id: random.token(),
        };
        self.codes.insert(code.clone(), row, now + CODE_LIFETIME + CODE_MEMORY, now);
        code
    }

    /// Uses up a code, even if the request fails later. A second request with the code is a replay. It
    /// also revokes the tokens that the first one received (RFC 6749 §4.1.2).
    pub(super) fn use_code(&mut self, code: &str, now: Timestamp) -> Result<Code, CodeError> {
        let row = self.codes.find_mut(code, now).ok_or(CodeError::Unknown)?;
        if row.used {
            let grant_id = row.grant_id.clone();
            self.revoke_grant(&grant_id, now);
            return Err(CodeError::Replayed);
        }
        row.used = true;
        if row.valid_until <= now {
            return Err(CodeError::Expired);
        }
        Ok(row.clone())
    }

    /// Stores the grant of a used code, so that refresh tokens can be issued for it.
    pub(super) fn create_grant(&mut self, code: &Code, now: Timestamp) -> String {
        let expires_at = now + GRANT_LIFETIME;
        self.grants.insert(code.grant_id.clone(), code.grant.clone(), expires_at, now);
        code.grant_id.clone()
    }

    /// Stores an access token as valid for `/userinfo`.
    pub(super) fn record_access_token(
        &mut self,
        token: String,
        (grant_id, scope): (&str, Scope),
        expires_at: Timestamp,
        now: Timestamp,
    ) {
        let row = AccessToken { grant_id: grant_id.to_owned(), scope };
        self.access_tokens.insert(token, row, expires_at, now);
    }

    /// The grant and the scope of an access token.
    pub(super) fn find_access_token(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Option<(&Grant, &Scope)> {
        let row = self.access_tokens.find(token, now)?;
        Some((self.grants.find(&row.grant_id, now)?, &row.scope))
    }

    pub(super) fn issue_refresh_token(
        &mut self,
        grant_id: &str,
        random: &Random,
        now: Timestamp,
    ) -> String {
        let token = random.token();
        let row = RefreshToken { grant_id: grant_id.to_owned(), rotated: false };
        // The token is invalid without its grant, so its own lifetime may be longer.
        self.refresh_tokens.insert(token.clone(), row, now + GRANT_LIFETIME, now);
        token
    }

    /// The grant of a refresh token. The token stays usable, because the request may still fail.
    pub(super) fn find_refresh_token(
        &mut self,
        token: &str,
        now: Timestamp,
    ) -> Result<(String, Grant), RefreshError> {
        let row = self.refresh_tokens.find(token, now).ok_or(RefreshError)?;
        let (grant_id, rotated) = (row.grant_id.clone(), row.rotated);
        if rotated {
            // One of two holders is a thief. It is unknown which one, so both lose the grant
            // (RFC 9700 §4.14.2).
            self.revoke_grant(&grant_id, now);
            return Err(RefreshError);
        }
        let grant = self.grants.find(&grant_id, now).ok_or(RefreshError)?.clone();
        Ok((grant_id, grant))
    }

    /// Marks a refresh token as exchanged. Any later use counts as reuse.
    pub(super) fn rotate_refresh_token(&mut self, token: &str, now: Timestamp) {
        if let Some(row) = self.refresh_tokens.find_mut(token, now) {
            row.rotated = true;
        }
    }

    /// Revokes a refresh token and all tokens from the same login. An unknown token is ignored.
    pub(super) fn revoke_refresh_token(&mut self, token: &str, now: Timestamp) {
        if let Some(row) = self.refresh_tokens.find(token, now) {
            let grant_id = row.grant_id.clone();
            self.revoke_grant(&grant_id, now);
        }
    }

    fn revoke_grant(&mut self, grant_id: &str, now: Timestamp) {
        self.grants.take(grant_id, now);
    }
}
