//! A login in progress.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    crypto::{
        random::Random,
        secret::{Digest, exposed},
    },
    jwt::StepUp,
    web::return_to::ReturnTo,
};

/// How long a user may take between `/login` and `/callback`.
pub const LIFETIME: Duration = Duration::from_secs(600);

/// The data that the callback needs about the request that started the login.
///
/// It is sealed in a cookie of the browser that started the login. So a flood of anonymous requests
/// writes no row (R182), and a response that another browser obtained is useless here (R15).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct LoginAttempt {
    /// `state` (RFC 6749 §10.12), which the provider returns.
    #[serde(serialize_with = "exposed")]
    pub state: SecretString,
    /// `nonce` (OpenID Connect Core §3.1.2.1), which the ID token must repeat.
    #[serde(serialize_with = "exposed")]
    pub nonce: SecretString,
    /// `code_verifier` (RFC 7636 §4.1), which proves that we requested the code.
    #[serde(serialize_with = "exposed")]
    pub code_verifier: SecretString,
    /// Where the browser is sent after the login.
    pub return_to: ReturnTo,
    /// When the login was started.
    pub started_at: Timestamp,
    /// The requested scopes (RFC 6749 §3.3), separated by spaces.
    pub scope: String,
    /// Whether another site sent the browser to `/login`. Such a login ends no session (R189).
    pub from_elsewhere: bool,
    /// The requested organization, which the ID token must then name (R183).
    pub organization: Option<String>,
    /// The earliest time at which the user may have authenticated, with `prompt=login` or `max_age`:
    /// `auth_time` must not be earlier (R65). A restart keeps it.
    pub authenticated_after: Option<Timestamp>,
    /// How the ID token must state that the user authenticated (R185). Its `max_age` is not set: see
    /// `authenticated_after`.
    #[serde(default, skip_serializing_if = "StepUp::is_empty")]
    pub step_up: StepUp,
    /// How often the login was restarted (R196).
    pub restarts: u8,
    /// One more than the sequence of the newest other attempt in the browser. Start times in seconds
    /// cannot order two attempts of the same second (R197).
    #[serde(default)]
    pub(super) sequence: u64,
}

impl LoginAttempt {
    /// A new attempt that returns to `return_to`.
    pub fn start(return_to: ReturnTo, random: &Random, now: Timestamp) -> Self {
        Self {
            state: SecretString::from(random.token()),
            nonce: SecretString::from(random.token()),
            code_verifier: SecretString::from(random.token()),
            return_to,
            started_at: now,
            scope: String::new(),
            from_elsewhere: false,
            organization: None,
            authenticated_after: None,
            step_up: StepUp::default(),
            restarts: 0,
            sequence: 0,
        }
    }

    /// Whether this attempt requested `scope`. The user can change the URL of the authorization
    /// request. A granted scope that we did not write there was requested by the user (R187).
    pub fn asked_for(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|asked| asked == scope)
    }

    /// The same login with new secrets. `None` if it was already restarted the maximum number of
    /// times.
    ///
    /// The count is sealed, so a provider cannot cause an endless loop of redirects.
    pub fn restart(&self, random: &Random, now: Timestamp) -> Option<Self> {
        (self.restarts < MAXIMUM_RESTARTS).then(|| Self {
            organization: self.organization.clone(),
            scope: self.scope.clone(),
            from_elsewhere: self.from_elsewhere,
            authenticated_after: self.authenticated_after,
            step_up: self.step_up.clone(),
            restarts: self.restarts + 1,
            ..Self::start(self.return_to.clone(), random, now)
        })
    }

    /// The `code_challenge` of method `S256` (RFC 7636 §4.2).
    pub fn code_challenge(&self) -> String {
        Digest::of(self.code_verifier.expose_secret()).to_string()
    }

    /// The key under which the store records that this attempt was used.
    pub fn mark(&self) -> Digest {
        Digest::of(self.state.expose_secret())
    }

    /// When that record may expire: after the attempt itself, or it could be used twice.
    pub fn mark_expires_at(&self) -> Timestamp {
        self.started_at + LIFETIME + LIFETIME
    }

    /// Rejects an attempt from the future as well as an expired one (R19).
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        self.started_at <= now && now.since(self.started_at) < LIFETIME
    }
}

const MAXIMUM_RESTARTS: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

    #[test]
    fn r001_two_attempts_share_no_secret_and_each_is_256_bits() {
        let random = Random::system();
        let [one, two] = [(); 2].map(|()| LoginAttempt::start(ReturnTo::default(), &random, NOW));
        let secrets = [
            &one.state,
            &one.nonce,
            &one.code_verifier,
            &two.state,
            &two.nonce,
            &two.code_verifier,
        ];
        let mut texts: Vec<_> = secrets.iter().map(|secret| secret.expose_secret()).collect();
        assert!(texts.iter().all(|text| text.len() == 43));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 6);
    }

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
        let mut attempt = LoginAttempt::start(ReturnTo::default(), &Random::system(), NOW);
        attempt.code_verifier =
            SecretString::from("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned());
        assert_eq!(attempt.code_challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
