//! Who sent a request: the one call that a protected function makes.

mod credential;
mod function;
mod refusal;

use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use crate::{
    clock::Timestamp,
    crypto::secret::SessionSecret,
    dependencies::Dependencies,
    discovery::keys::Keys,
    jwt::{Claims, TokenError},
    pages::respond,
    provider::application::Application,
    session::{self, Session, SessionLimits, Sessions, TokenSession},
    settings::Settings,
    web::{base_url::BaseUrl, cookie::CookieJar, origin::AllowedOrigins, request::Request},
};

pub use self::{
    credential::Credential,
    function::{Guarded, ProtectedFunction},
    refusal::Refusal,
};

/// Turns a request into whoever sent it, or into the reason why nobody is believed.
#[derive(Clone, Debug)]
pub struct Guard {
    config: GuardConfig,
    cookies: CookieJar,
    keys: Arc<Keys>,
    sessions: Sessions,
    /// The same, for [`POLL`].
    polled: Sessions,
}

/// The request header, with the value `1`, by which a page that asks by itself says that its user does
/// nothing: such a request is no use of the session (R207). It can only shorten the session's
/// life.
pub const POLL: &str = "x-session-poll";

/// The settings of a [`Guard`].
#[derive(Clone, Debug)]
pub struct GuardConfig {
    /// Whose tokens are accepted.
    pub application: Application,
    /// Where the bundle is reached, on which the cookies depend.
    pub base_url: BaseUrl,
    /// The origins that may send a request with our cookie beside our own.
    pub origins: AllowedOrigins,
    /// How long sessions live.
    pub limits: SessionLimits,
    /// Whether a valid token needs a session. Without it, tokens that no login here ever showed
    /// are accepted too: those of machines and of other applications.
    pub require_session: bool,
}

/// What a protected function asks beyond a valid credential.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules<'a> {
    /// Scopes or permissions, all of which must have been granted.
    pub scopes: &'a [&'a str],
    /// Claims of the user with the one value that each must have, e.g. `org_id`.
    pub claims: &'a [(&'a str, &'a str)],
    /// Whether it must be a person: a client that acts for itself is refused (R147).
    pub person: bool,
}

/// Whoever sent a request, as far as one credential proves it.
#[derive(Clone)]
pub struct Principal {
    /// The user's claims, without those that serve the protocol.
    pub user: Map<String, Value>,
    /// Whether it is a person: a client that acts for itself is none.
    pub is_person: bool,
    /// The scopes and permissions that were granted.
    pub scopes: Vec<String>,
    /// The session, unless the token is one that needs none.
    pub session: Option<Session>,
}

impl GuardConfig {
    /// Reads what a protected function uses.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let application = Application::from_settings(settings);
        let base_url = BaseUrl::from_settings(settings);
        let origins = AllowedOrigins::from_settings(settings);
        let limits = SessionLimits::from_settings(settings);
        let require_session = settings.flag("REQUIRE_SESSION", true);
        Some(Self {
            application: application?,
            base_url: base_url?,
            origins: origins?,
            limits: limits?,
            require_session: require_session?,
        })
    }
}

impl Guard {
    /// A guard that finds sessions and keys in `dependencies`.
    pub fn new(config: GuardConfig, dependencies: &Dependencies) -> Self {
        let cookies = CookieJar::new(&config.base_url);
        let sessions = Sessions::new(
            Arc::clone(&dependencies.store),
            config.limits,
            dependencies.random.clone(),
        );
        let (keys, polled) = (Arc::clone(&dependencies.keys), sessions.unused());
        Self { config, cookies, keys, sessions, polled }
    }

    /// Who sent `request`, if its credential is good, its session lives and `rules` are met.
    ///
    /// A bearer token decides alone if there is one; a cookie beside it adds nothing (R151). What
    /// the gateway or a header says about the caller is never looked at (R153, R164).
    ///
    /// # Errors
    ///
    /// With the one reason why nobody is believed.
    pub async fn authenticate(
        &self,
        request: &Request,
        rules: &Rules<'_>,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let is_poll = request.headers().get(POLL).is_some_and(|value| value == "1");
        let sessions = if is_poll { &self.polled } else { &self.sessions };
        let principal = match Credential::of(request, &self.cookies)? {
            Credential::Bearer(token) => self.by_token(sessions, token, now).await?,
            Credential::Cookie(secret) => self.by_cookie(sessions, request, &secret, now).await?,
            Credential::MalformedCookie => return Err(Refusal::CookieWithoutSession),
            Credential::Absent => return Err(Refusal::MissingCredential),
        };
        rules.check(&principal)?;
        Ok(principal)
    }

    /// The claims of `token` if it is a good one, and its session.
    ///
    /// # Errors
    ///
    /// When the token is not good, or the keys or the store cannot be had.
    pub async fn verify(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<(Claims, TokenSession), Refusal> {
        self.verify_in(&self.sessions, token, now).await
    }

    async fn verify_in(
        &self,
        sessions: &Sessions,
        token: &str,
        now: Timestamp,
    ) -> Result<(Claims, TokenSession), Refusal> {
        let expected = self.config.application.expected_api_key();
        let pointer = session::token_digest(token);
        let (claims, found) = self.keys.verify_with_pointer(token, &expected, pointer, now).await?;
        let session = match found {
            Some(found) => sessions.by_pointer(token, found.pointer, now).await?,
            None => sessions.by_token(token, now).await?,
        };
        Ok((claims, session))
    }

    async fn by_token(
        &self,
        sessions: &Sessions,
        token: &str,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let (claims, session) = self.verify_in(sessions, token, now).await?;
        match session {
            // Not the token's own: one that a refresh brought may name more than the login was
            // granted (R138).
            TokenSession::Live(session) => Ok(Principal {
                user: session.contents.user.clone(),
                is_person: true,
                scopes: session.contents.scopes.clone(),
                session: Some(*session),
            }),
            TokenSession::Unknown if !self.config.require_session => {
                let is_person = !is_machine(&claims);
                let scopes = claims.scopes().chain(claims.permissions()).map(str::to_owned);
                Ok(Principal {
                    user: claims.user(),
                    is_person,
                    scopes: scopes.collect(),
                    session: None,
                })
            }
            // Its session ends with the token, which is believed for a while longer.
            _ if claims.expires_at <= now => Err(TokenError::Expired.into()),
            TokenSession::Ended | TokenSession::Unknown => Err(Refusal::SessionEnded),
        }
    }

    async fn by_cookie(
        &self,
        sessions: &Sessions,
        request: &Request,
        secret: &SessionSecret,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let is_cross_site = !respond::is_safe(request.method())
            && !self.config.origins.vouch_for(request, &self.config.base_url.resolve(request)?);
        if is_cross_site {
            return Err(Refusal::CrossSite);
        }
        let session =
            sessions.by_cookie(secret, now).await?.ok_or(Refusal::CookieWithoutSession)?;
        // A session that can be refreshed outlives its token, and what the token granted does not:
        // else a blocked user or a lost role would go unnoticed until the session ends (R188).
        if session.contents.api_key_expires_at <= now {
            return Err(Refusal::RefreshRequired);
        }
        Ok(Principal {
            user: session.contents.user.clone(),
            is_person: true,
            scopes: session.contents.scopes.clone(),
            session: Some(session),
        })
    }
}

/// Whether a client got this token for itself (RFC 6749 §4.4): Auth0 says so in `gty` and `sub`; in
/// the profile of RFC 9068 §2.2 the client is its own subject.
fn is_machine(claims: &Claims) -> bool {
    let subject = claims.subject.as_str();
    let is_client = |name| claims.string(name) == Some(subject);
    claims.string("gty") == Some("client-credentials")
        || subject.ends_with("@clients")
        || is_client("azp")
        || is_client("client_id")
}

impl Rules<'_> {
    /// Compares whole words: `read` is not granted by `read:all` (R148).
    fn check(&self, principal: &Principal) -> Result<(), Refusal> {
        if self.person && !principal.is_person {
            return Err(Refusal::NotPerson);
        }
        let is_granted = |scope: &&str| principal.scopes.iter().any(|granted| granted == scope);
        if !self.scopes.iter().all(is_granted) {
            return Err(Refusal::MissingScope(self.scopes.join(" ")));
        }
        let is_met = |(name, value): &&(&str, &str)| {
            principal.user.get(*name).and_then(Value::as_str) == Some(value)
        };
        match self.claims.iter().find(|claim| !is_met(claim)) {
            Some((name, _)) => Err(Refusal::ClaimNotAllowed((*name).to_owned())),
            None => Ok(()),
        }
    }
}

/// Shows what was granted, and nothing of who the user is.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("scopes", &self.scopes)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn principal(user: &Value, scopes: &[&str]) -> Principal {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Principal {
            user: user.as_object().unwrap().clone(),
            scopes,
            session: None,
            is_person: true,
        }
    }

    #[test]
    fn r148_a_scope_is_a_whole_word() {
        let rules = Rules { scopes: &["read"], ..Rules::default() };
        assert!(rules.check(&principal(&json!({}), &["openid", "read"])).is_ok());
        for granted in ["read:all", "rea", "Read", "read write"] {
            let refused = rules.check(&principal(&json!({}), &[granted]));
            assert!(matches!(refused, Err(Refusal::MissingScope(_))), "{granted}");
        }
    }

    #[test]
    fn r147_a_machine_is_refused_where_a_person_is_needed() {
        let rules = Rules { person: true, ..Rules::default() };
        let person = principal(&json!({}), &[]);
        assert!(rules.check(&person).is_ok());
        let machine = Principal { is_person: false, ..person };
        assert!(matches!(rules.check(&machine), Err(Refusal::NotPerson)));
    }

    #[test]
    fn r150_a_claim_must_have_the_one_value_that_the_rule_names() {
        let rules = Rules { claims: &[("org_id", "org_ours")], ..Rules::default() };
        assert!(rules.check(&principal(&json!({ "org_id": "org_ours" }), &[])).is_ok());
        for user in
            [json!({}), json!({ "org_id": "org_theirs" }), json!({ "org_id": ["org_ours"] })]
        {
            let refused = rules.check(&principal(&user, &[]));
            assert!(
                matches!(&refused, Err(Refusal::ClaimNotAllowed(name)) if name == "org_id"),
                "{user}"
            );
        }
    }
}
