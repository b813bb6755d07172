//! Who sent a request: the one call that a protected function makes.

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use crate::{
    application::Application,
    base_url::{BaseUrl, UnknownBaseUrl},
    clock::Timestamp,
    config::Settings,
    cookie::{CookieJar, RequestCookies, SessionCookie},
    error::{Failure, Public},
    jwt::{Claims, TokenError},
    keys::{Keys, KeysError, VerifyError},
    origin::AllowedOrigins,
    query::Query,
    request::Request,
    respond,
    seams::Seams,
    secret::SessionSecret,
    session::{Session, SessionLimits, Sessions, TokenSession},
    store::StoreError,
};

/// Turns a request into whoever sent it, or into the reason why nobody is believed.
#[derive(Clone, Debug)]
pub struct Guard {
    config: GuardConfig,
    cookies: CookieJar,
    keys: Arc<Keys>,
    sessions: Sessions,
}

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
pub struct Rules {
    /// Scopes or permissions, all of which must have been granted.
    pub scopes: &'static [&'static str],
    /// Claims of the user with the one value that each must have, e.g. `org_id`.
    pub claims: &'static [(&'static str, &'static str)],
    /// Whether it must be a person: a client that acts for itself is refused (R147).
    pub person: bool,
}

/// Whoever sent a request, as far as one credential proves it.
#[derive(Clone)]
pub struct Principal {
    /// The user's claims, without those that serve the protocol.
    pub user: Map<String, Value>,
    /// The scopes and permissions that were granted.
    pub scopes: Vec<String>,
    /// The session, unless the token is one that needs none.
    pub session: Option<Session>,
}

/// A credential, as it stands in a request.
pub enum Credential<'a> {
    /// A bearer token in the `Authorization` header (RFC 6750 §2.1).
    Bearer(&'a str),
    /// The session cookie.
    Cookie(SessionSecret),
    /// A session cookie that we never set.
    MalformedCookie,
    /// None.
    Absent,
}

/// Why nobody is believed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A claim is not what the rules ask.
    #[error("the claim `{0}` is not what is needed here")]
    ClaimNotAllowed(&'static str),
    /// A request with our cookie that may have been sent by a page elsewhere.
    #[error("a request with a cookie came from another site")]
    CrossSite,
    /// The cookie opens no session.
    #[error("the cookie opens no session")]
    CookieWithoutSession,
    /// The keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// An `Authorization` header that is not one bearer token.
    #[error("the Authorization header is not one bearer token")]
    MalformedHeader,
    /// No credential.
    #[error("there is no credential")]
    MissingCredential,
    /// A scope was not granted.
    #[error("not all of the scopes were granted")]
    MissingScope(&'static [&'static str]),
    /// A client that acts for itself, where a person is needed.
    #[error("the token is a machine's")]
    NotPerson,
    /// Another scheme than `Bearer`.
    #[error("the Authorization header has another scheme")]
    OtherScheme,
    /// The token is good, its session is gone.
    #[error("good token, bad session")]
    SessionEnded,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token is not good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A token in the query beside the one in the header (RFC 6750 §2).
    #[error("there is a second token in the query")]
    TwoTokens,
    /// Where the bundle itself is reached is not known.
    #[error(transparent)]
    UnknownBaseUrl(#[from] UnknownBaseUrl),
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
    /// A guard that finds sessions and keys behind `seams`.
    pub fn new(config: GuardConfig, seams: &Seams) -> Self {
        let cookies = CookieJar::new(&config.base_url);
        let sessions = Sessions::new(Arc::clone(&seams.store), config.limits, seams.random.clone());
        Self { config, cookies, keys: Arc::clone(&seams.keys), sessions }
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
        rules: &Rules,
        now: Timestamp,
    ) -> Result<Principal, Refusal> {
        let principal = match self.credential(request)? {
            Credential::Bearer(token) => self.by_token(token, now).await?,
            Credential::Cookie(secret) => self.by_cookie(request, &secret, now).await?,
            Credential::MalformedCookie => return Err(Refusal::CookieWithoutSession),
            Credential::Absent => return Err(Refusal::MissingCredential),
        };
        rules.check(&principal)?;
        Ok(principal)
    }

    /// The credential of `request`.
    ///
    /// # Errors
    ///
    /// When there is an `Authorization` header that is not one bearer token.
    pub fn credential<'a>(&self, request: &'a Request) -> Result<Credential<'a>, Refusal> {
        if let Some(token) = bearer(request.headers())? {
            if Query::of(request.uri()).contains("access_token") {
                return Err(Refusal::TwoTokens);
            }
            return Ok(Credential::Bearer(token));
        }
        Ok(match self.cookies.session(&RequestCookies::of(request.headers())) {
            SessionCookie::Absent => Credential::Absent,
            SessionCookie::Malformed => Credential::MalformedCookie,
            SessionCookie::Present(secret) => Credential::Cookie(secret),
        })
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
        let claims =
            self.keys.verify(token, &self.config.application.expected_api_key(), now).await?;
        Ok((claims, self.sessions.by_token(token, now).await?))
    }

    async fn by_token(&self, token: &str, now: Timestamp) -> Result<Principal, Refusal> {
        let (claims, session) = self.verify(token, now).await?;
        let scopes = claims.scopes().chain(claims.permissions()).map(str::to_owned).collect();
        match session {
            TokenSession::Live(session) => Ok(Principal {
                user: session.contents.user.clone(),
                scopes,
                session: Some(*session),
            }),
            TokenSession::Unknown if !self.config.require_session => {
                Ok(Principal { user: claims.user(), scopes, session: None })
            }
            TokenSession::Ended | TokenSession::Unknown => Err(Refusal::SessionEnded),
        }
    }

    async fn by_cookie(
        &self,
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
            self.sessions.by_cookie(secret, now).await?.ok_or(Refusal::CookieWithoutSession)?;
        Ok(Principal {
            user: session.contents.user.clone(),
            scopes: session.contents.scopes.clone(),
            session: Some(session),
        })
    }
}

impl Rules {
    /// Compares whole words: `read` is not granted by `read:all` (R148).
    fn check(&self, principal: &Principal) -> Result<(), Refusal> {
        let is_machine = principal
            .user
            .get("sub")
            .and_then(Value::as_str)
            .is_some_and(|subject| subject.ends_with("@clients"));
        if self.person && is_machine {
            return Err(Refusal::NotPerson);
        }
        let is_granted = |scope: &&str| principal.scopes.iter().any(|granted| granted == scope);
        if !self.scopes.iter().all(is_granted) {
            return Err(Refusal::MissingScope(self.scopes));
        }
        let is_met = |(name, value): &&(&str, &str)| {
            principal.user.get(*name).and_then(Value::as_str) == Some(value)
        };
        match self.claims.iter().find(|claim| !is_met(claim)) {
            Some((name, _)) => Err(Refusal::ClaimNotAllowed(name)),
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

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Token(error) => Self::Token(error),
            VerifyError::Keys(error) => Self::Keys(error),
        }
    }
}

impl Failure for Refusal {
    fn public(&self) -> Public {
        match self {
            Self::Keys(_) => Public::provider_unavailable(),
            Self::Store(_) => Public::store_unavailable(),
            Self::UnknownBaseUrl(_) => Public::misconfigured(),
            _ => self.refused(),
        }
    }

    fn event(&self) -> &'static str {
        match self {
            Self::MissingCredential => "request.anonymous",
            Self::Keys(_) | Self::Store(_) | Self::UnknownBaseUrl(_) => "request.failed",
            _ => "request.refused",
        }
    }
}

impl Refusal {
    fn refused(&self) -> Public {
        use StatusCode as Status;
        let (status, code, description) = match self {
            Self::ClaimNotAllowed(_) => {
                (Status::FORBIDDEN, "claim_not_allowed", "A claim is not what is needed here.")
            }
            Self::CrossSite => {
                (Status::FORBIDDEN, "cross_site_request", "The request came from another site.")
            }
            Self::CookieWithoutSession => {
                (Status::UNAUTHORIZED, "session_ended", "The session has ended. Log in again.")
            }
            Self::MalformedHeader => (
                Status::BAD_REQUEST,
                "invalid_header",
                "The Authorization header must be `Bearer`, a space and one token.",
            ),
            Self::MissingCredential => (
                Status::UNAUTHORIZED,
                "authorization_header_missing",
                "An Authorization header is expected.",
            ),
            Self::MissingScope(_) => (
                Status::FORBIDDEN,
                "insufficient_scope",
                "The token was not granted what is needed here.",
            ),
            Self::NotPerson => (
                Status::FORBIDDEN,
                "person_required",
                "The token is a machine's; a person's is needed here.",
            ),
            Self::OtherScheme => (
                Status::UNAUTHORIZED,
                "invalid_header",
                "The Authorization header must start with Bearer.",
            ),
            Self::SessionEnded => (
                Status::UNAUTHORIZED,
                "session_ended",
                "The token is valid, but its session has ended. Log in again.",
            ),
            Self::Token(error) => (Status::UNAUTHORIZED, error.code(), error.description()),
            Self::TwoTokens => (
                Status::BAD_REQUEST,
                "invalid_request",
                "The token must come once, in the Authorization header.",
            ),
            Self::Keys(_) | Self::Store(_) | Self::UnknownBaseUrl(_) => {
                return Public::misconfigured();
            }
        };
        let message = matches!(self, Self::SessionEnded).then_some("Good token, bad session");
        let headers = vec![(header::WWW_AUTHENTICATE, self.challenge(status, description))];
        Public {
            message,
            headers,
            ..Public::new(status, code, "You are not logged in", description)
        }
    }

    /// The challenge of RFC 6750 §3. Whoever sent no credential is told no error (§3.1).
    fn challenge(&self, status: StatusCode, description: &str) -> HeaderValue {
        let error = match (self, status) {
            (Self::MissingCredential | Self::OtherScheme, _) => None,
            (_, StatusCode::BAD_REQUEST) => Some("invalid_request"),
            (_, StatusCode::FORBIDDEN) => Some("insufficient_scope"),
            _ => Some("invalid_token"),
        };
        let mut challenge = r#"Bearer realm="api""#.to_owned();
        if let Some(error) = error {
            challenge.push_str(&format!(r#", error="{error}", error_description="{description}""#));
        }
        if let Self::MissingScope(scopes) = self {
            challenge.push_str(&format!(r#", scope="{}""#, scopes.join(" ")));
        }
        HeaderValue::from_str(&challenge).unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

/// The bearer token of the `Authorization` header (RFC 6750 §2.1), if there is such a header.
///
/// API Gateway joins two headers by a comma, which no token contains.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    const NAME: HeaderName = header::AUTHORIZATION;
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::MalformedHeader);
    }
    let value = value.to_str().map_err(|_| Refusal::MalformedHeader)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Refusal::OtherScheme);
    }
    let is_token68 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_token68) {
        return Err(Refusal::MalformedHeader);
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect()
    }

    fn principal(user: &Value, scopes: &[&str]) -> Principal {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Principal { user: user.as_object().unwrap().clone(), scopes, session: None }
    }

    #[test]
    fn r141_the_scheme_is_read_in_any_case() {
        for value in ["Bearer x.y.z", "bearer x.y.z", "BEARER x.y.z"] {
            assert_eq!(bearer(&headers(&[value])).unwrap(), Some("x.y.z"));
        }
        assert_eq!(bearer(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn r141_anything_but_one_token_is_malformed() {
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer a b",
            "Bearer a,b",
            "Bearer a, Bearer b",
            "Bearer a;b",
            "Bearer \"a\"",
        ] {
            assert!(matches!(bearer(&headers(&[value])), Err(Refusal::MalformedHeader)), "{value}");
        }
        assert!(matches!(
            bearer(&headers(&["Bearer a", "Bearer a"])),
            Err(Refusal::MalformedHeader)
        ));
        for value in ["Basic dXNlcg==", "Bearerx y", "DPoP x.y.z", ""] {
            assert!(matches!(bearer(&headers(&[value])), Err(Refusal::OtherScheme)), "{value}");
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
    fn r140_a_missing_scope_is_named_in_the_challenge() {
        let public = Refusal::MissingScope(&["read", "write"]).public();
        assert_eq!(public.status, StatusCode::FORBIDDEN);
        let challenge = public.headers[0].1.to_str().unwrap();
        assert!(
            challenge.contains(r#"error="insufficient_scope""#)
                && challenge.ends_with(r#"scope="read write""#),
            "{challenge}"
        );
    }

    #[test]
    fn r139_whoever_sent_no_credential_is_told_no_error() {
        let public = Refusal::MissingCredential.public();
        assert_eq!(public.headers[0].1, r#"Bearer realm="api""#);
    }

    #[test]
    fn r147_a_machine_is_refused_where_a_person_is_needed() {
        let rules = Rules { person: true, ..Rules::default() };
        assert!(rules.check(&principal(&json!({ "sub": "auth0|ada" }), &[])).is_ok());
        let refused = rules.check(&principal(&json!({ "sub": "abc@clients" }), &[]));
        assert!(matches!(refused, Err(Refusal::NotPerson)));
    }

    #[test]
    fn r150_a_claim_must_have_the_one_value_that_the_rule_names() {
        let rules = Rules { claims: &[("org_id", "org_ours")], ..Rules::default() };
        assert!(rules.check(&principal(&json!({ "org_id": "org_ours" }), &[])).is_ok());
        for user in
            [json!({}), json!({ "org_id": "org_theirs" }), json!({ "org_id": ["org_ours"] })]
        {
            assert!(
                matches!(
                    rules.check(&principal(&user, &[])),
                    Err(Refusal::ClaimNotAllowed("org_id"))
                ),
                "{user}"
            );
        }
    }
}
