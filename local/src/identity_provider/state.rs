//! What the provider remembers, all of it in memory and all of it with an end.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use shared::{clock::Timestamp, crypto::random::Random};

use super::{connections::Connection, expiring::Expiring, scope::Scope, users::User};

/// How long a login form may stand open.
const LOGIN_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How long a sign-out question may stand open.
const SIGN_OUT_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How long a session lasts without use: Auth0's default.
const SESSION_IDLE: Duration = Duration::from_secs(3 * 24 * 60 * 60);
/// How long a session lasts at most: Auth0's default.
pub(super) const SESSION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How long a code can be redeemed.
const CODE_LIFETIME: Duration = Duration::from_secs(60);
/// How long a code is remembered after that, so that a replay is known as one.
const CODE_MEMORY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long refresh tokens last, however often they rotate: Auth0's default.
const GRANT_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Most rows of each kind.
const CAPACITY: usize = 10_000;

/// The state under its lock. One lock for everything: redeeming a code and rotating a refresh
/// token must each be one step, or two requests at once would both succeed.
#[derive(Debug, Default)]
pub(super) struct SharedState(Mutex<ProviderState>);

impl SharedState {
    pub(super) fn lock(&self) -> MutexGuard<'_, ProviderState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(super) struct ProviderState {
    /// By the id in the login form.
    logins: Expiring<AuthorizationRequest>,
    /// By the id in the sign-out form.
    sign_outs: Expiring<SignOut>,
    /// By the cookie's value.
    sessions: Expiring<Session>,
    /// By the code.
    codes: Expiring<Code>,
    /// By an id that never leaves the process.
    grants: Expiring<Grant>,
    /// By the token.
    access_tokens: Expiring<AccessToken>,
    /// By the token.
    refresh_tokens: Expiring<RefreshToken>,
}

impl Default for ProviderState {
    fn default() -> Self {
        Self {
            logins: Expiring::with_capacity(CAPACITY),
            sign_outs: Expiring::with_capacity(CAPACITY),
            sessions: Expiring::with_capacity(CAPACITY),
            codes: Expiring::with_capacity(CAPACITY),
            grants: Expiring::with_capacity(CAPACITY),
            access_tokens: Expiring::with_capacity(CAPACITY),
            refresh_tokens: Expiring::with_capacity(CAPACITY),
        }
    }
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
    pub(super) login_hint: Option<String>,
    /// `screen_hint=signup`.
    pub(super) sign_up: bool,
    /// Whether the ID token must say when the user signed in.
    pub(super) wants_auth_time: bool,
}

/// A sign-out that the user must confirm.
#[derive(Clone, Debug)]
pub(super) struct SignOut {
    /// The session that was asked about: a later one is not ended by an old page.
    pub(super) session_id: String,
    /// Where to go then.
    pub(super) destination: Option<String>,
}

/// Someone is signed in at the provider, in one browser.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The `sid`. Not the cookie's value, because clients see it.
    pub(super) id: String,
    pub(super) user: User,
    /// When credentials were given last.
    pub(super) authenticated_at: Timestamp,
    ends_at: Timestamp,
}

/// What a code stands for.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) redirect_uri: String,
    pub(super) code_challenge: String,
    pub(super) nonce: Option<String>,
    pub(super) session_id: String,
    pub(super) grant: Grant,
    valid_until: Timestamp,
    used: bool,
    grant_id: String,
}

/// What the user let the client have. Revoking it revokes every token that stems from it.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) user: User,
    pub(super) scope: Scope,
    pub(super) audience: Option<String>,
    pub(super) authenticated_at: Timestamp,
    pub(super) wants_auth_time: bool,
}

struct AccessToken {
    grant_id: String,
    scope: Scope,
}

struct RefreshToken {
    grant_id: String,
    /// Whether it was exchanged for another one.
    rotated: bool,
}

macro_rules! opaque_debug {
    ($($name:ident),*) => {$(
        /// Says nothing: it holds a secret or what a user is known by.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    )*};
}
opaque_debug!(AuthorizationRequest, Code, Grant, AccessToken, RefreshToken);

/// Why a code gives nothing.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum CodeError {
    #[error("Invalid authorization code")]
    Unknown,
    #[error("The authorization code has been used")]
    Replayed,
    #[error("The authorization code has expired")]
    Expired,
}

/// Why a refresh token gives nothing.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum RefreshError {
    #[error("Unknown or invalid refresh token.")]
    Unknown,
    /// Somebody has a copy: the client, or a thief.
    #[error("Unknown or invalid refresh token.")]
    Reused,
}

impl ProviderState {
    /// Keeps a request while its user signs in; returns the id for the form.
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

    pub(super) fn find_login(&self, id: &str, now: Timestamp) -> Option<&AuthorizationRequest> {
        self.logins.find(id, now)
    }

    /// Ends a login: its form works once.
    pub(super) fn take_login(&mut self, id: &str, now: Timestamp) -> Option<AuthorizationRequest> {
        self.logins.take(id, now)
    }

    pub(super) fn begin_sign_out(
        &mut self,
        sign_out: SignOut,
        random: &Random,
        now: Timestamp,
    ) -> String {
        let id = random.token();
        self.sign_outs.insert(id.clone(), sign_out, now + SIGN_OUT_LIFETIME, now);
        id
    }

    pub(super) fn take_sign_out(&mut self, id: &str, now: Timestamp) -> Option<SignOut> {
        self.sign_outs.take(id, now)
    }

    /// Records that `user` has given credentials in the browser with `cookie`, and returns the
    /// cookie's new value. The value always changes (session fixation); the session stays the same
    /// if it is the same user's.
    pub(super) fn sign_in(
        &mut self,
        user: User,
        cookie: Option<&str>,
        random: &Random,
        now: Timestamp,
    ) -> (String, Session) {
        let previous = cookie.and_then(|cookie| self.sessions.take(cookie, now));
        let id = match previous {
            Some(session) if session.user == user => session.id,
            _ => random.token(),
        };
        let session = Session { id, user, authenticated_at: now, ends_at: now + SESSION_LIFETIME };
        let cookie = random.token();
        self.sessions.insert(cookie.clone(), session.clone(), now + SESSION_IDLE, now);
        (cookie, session)
    }

    /// The session of the browser with `cookie`, whose idle time starts anew.
    pub(super) fn use_session(&mut self, cookie: &str, now: Timestamp) -> Option<Session> {
        let session = self.sessions.find(cookie, now)?.clone();
        self.sessions.set_expiry(cookie, session.ends_at.min(now + SESSION_IDLE));
        Some(session)
    }

    pub(super) fn find_session(&self, cookie: &str, now: Timestamp) -> Option<&Session> {
        self.sessions.find(cookie, now)
    }

    pub(super) fn end_session(&mut self, cookie: &str, now: Timestamp) -> Option<Session> {
        self.sessions.take(cookie, now)
    }

    pub(super) fn end_sessions_of(&mut self, subject: &str, now: Timestamp) -> Vec<Session> {
        self.sessions.take_where(now, |session| session.user.subject == subject)
    }

    /// Every open session, the latest sign-in first.
    pub(super) fn open_sessions(&self, now: Timestamp) -> Vec<Session> {
        let mut sessions: Vec<_> = self.sessions.values(now).cloned().collect();
        sessions.sort_by(|a, b| (b.authenticated_at, &b.id).cmp(&(a.authenticated_at, &a.id)));
        sessions
    }

    /// A code for what `request` asks, on behalf of the user of `session`.
    pub(super) fn issue_code(
        &mut self,
        request: &AuthorizationRequest,
        session: &Session,
        random: &Random,
        now: Timestamp,
    ) -> String {
        let code = random.token();
        let row = Code {
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge.clone(),
            nonce: request.nonce.clone(),
            session_id: session.id.clone(),
            grant: Grant {
                user: session.user.clone(),
                scope: request.scope.clone(),
                audience: request.audience.clone(),
                authenticated_at: session.authenticated_at,
                wants_auth_time: request.wants_auth_time,
            },
            valid_until: now + CODE_LIFETIME,
            used: false,
            grant_id: random.token(),
        };
        self.codes.insert(code.clone(), row, now + CODE_LIFETIME + CODE_MEMORY, now);
        code
    }

    /// Uses up a code, whatever becomes of the request. Of two requests with one code the second
    /// is a replay, which also revokes what the first was given (RFC 6749 §4.1.2).
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

    /// Turns a used code into a grant that tokens can be issued for. Returns its id.
    pub(super) fn create_grant(&mut self, code: Code, now: Timestamp) -> String {
        self.grants.insert(code.grant_id.clone(), code.grant, now + GRANT_LIFETIME, now);
        code.grant_id
    }

    /// Remembers an access token as good for `/userinfo`.
    pub(super) fn record_access_token(
        &mut self,
        token: String,
        grant_id: &str,
        scope: Scope,
        expires_at: Timestamp,
        now: Timestamp,
    ) {
        let row = AccessToken { grant_id: grant_id.to_owned(), scope };
        self.access_tokens.insert(token, row, expires_at, now);
    }

    /// Whose token it is, and for what.
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
        // Outlived by its grant or not, it is worthless without it.
        self.refresh_tokens.insert(token.clone(), row, now + GRANT_LIFETIME, now);
        token
    }

    /// The grant of a refresh token, which stays usable: the request may yet be refused.
    pub(super) fn find_refresh_token(
        &mut self,
        token: &str,
        now: Timestamp,
    ) -> Result<(String, Grant), RefreshError> {
        let row = self.refresh_tokens.find(token, now).ok_or(RefreshError::Unknown)?;
        let (grant_id, rotated) = (row.grant_id.clone(), row.rotated);
        if rotated {
            // One of two holders is a thief, and nobody can tell which: both lose
            // (RFC 9700 §4.14.2).
            self.revoke_grant(&grant_id, now);
            return Err(RefreshError::Reused);
        }
        let grant = self.grants.find(&grant_id, now).ok_or(RefreshError::Unknown)?.clone();
        Ok((grant_id, grant))
    }

    /// Marks a refresh token as exchanged; from now on its use is a reuse.
    pub(super) fn rotate_refresh_token(&mut self, token: &str, now: Timestamp) {
        if let Some(row) = self.refresh_tokens.find_mut(token, now) {
            row.rotated = true;
        }
    }

    /// Revokes a refresh token with everything that stems from the same login. An unknown one is
    /// as good as revoked.
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
