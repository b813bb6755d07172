//! `GET /login`: starts a login.

use http::{StatusCode, header};
use shared::{
    clock::Timestamp,
    discovery::keys::KeysError,
    guard::{RouteRule, RouteRules},
    jwt::StepUp,
    login::{attempt::LoginAttempt, request::LoginRequest},
    names::{ErrorCode, LogEvent},
    pages::{LoginAgainPage, UI_LOCALES, respond::is_not_navigation},
    secrets::stored_secret::SecretUnavailable,
    store::StoreError,
    texts::Text,
    web::{
        base_url::UnknownBaseUrl,
        cookie::{RequestCookies, SessionCookie},
        error::{Failure, Public},
        query::Query,
        request::{Request, Response},
        return_to::ReturnTo,
        same_origin,
    },
};

use crate::Login;

/// Why a login was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The provider's metadata is unavailable.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A parameter is duplicated, too long, or contains control characters.
    #[error("the parameter `{0}` is invalid")]
    Parameter(&'static str),
    /// The link names another organization than `ORGANIZATION`.
    #[error("the link names another organization than ORGANIZATION")]
    OtherOrganization,
    /// A third party requested a login at another provider.
    #[error("the request names another issuer")]
    OtherIssuer,
    /// The request is not a page load by the user, for example a prefetch.
    #[error("the request is a prefetch or does not load a page")]
    NotNavigation,
    /// The link names a route that is not in the list.
    #[error("the link names no route of ROUTE_RULES")]
    UnknownRoute,
    /// The store is unavailable, so it is unknown whether the login would end a session.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key that seals the attempt is unavailable.
    #[error(transparent)]
    Secret(#[from] SecretUnavailable),
    /// The bundle's own URL is unknown.
    #[error(transparent)]
    UnknownBaseUrl(#[from] UnknownBaseUrl),
}

impl Login {
    pub(crate) async fn start(&self, request: &Request, now: Timestamp) -> Response {
        match self.redirect(request, now).await {
            Ok(response) => response,
            Err(error) => self.responder.failure(request, &error),
        }
    }

    async fn redirect(&self, request: &Request, now: Timestamp) -> Result<Response, StartError> {
        // A login that the user did not start could push out the cookie of one that they did (R6).
        if is_not_navigation(request) {
            return Err(StartError::NotNavigation);
        }
        let query = Query::of(request.uri());
        let issuer = &self.config.application.issuer;
        if parameter(&query, "iss")?.is_some_and(|named| named != issuer.as_str()) {
            return Err(StartError::OtherIssuer);
        }
        let mut passed_on = passed_on(&query)?;
        self.pass_on_organization(&mut passed_on)?;
        let route = self.route(&query)?;
        let base_url = self.config.base_url.resolve(request)?;
        let return_to = return_to(&query, &base_url)?;
        let redirect_uri = format!("{base_url}/callback");
        let cookies = RequestCookies::of(request.headers());
        // Otherwise another site could end this browser's session by starting a login that the
        // provider completes without a prompt (R189).
        let from_elsewhere = same_origin::is_from_elsewhere(request, &base_url);
        if from_elsewhere
            && let SessionCookie::Present(secret) = self.cookies.session(&cookies)
            && self.sessions.lives(&secret, now).await?
        {
            passed_on.extend(route.map(|(name, _)| (FOR, name)));
            let login_href = &return_to.login_link(&passed_on);
            return Ok(self.responder.page(request, StatusCode::OK, |frame| {
                LoginAgainPage { frame, login_href }.render()
            }));
        }
        let metadata = self.keys.metadata(now).await?;

        let mut attempt = LoginAttempt::start(return_to, &self.random, now);
        let value_of =
            |name| passed_on.iter().find(|(passed, _)| *passed == name).map(|(_, value)| *value);
        attempt.from_elsewhere = from_elsewhere;
        attempt.organization = value_of("organization").map(str::to_owned);
        attempt.scope.clone_from(&self.config.scope);
        attempt.authenticated_after = value_of("prompt")
            .is_some_and(|prompt| prompt.split(' ').any(|word| word == "login"))
            .then_some(now);
        if let Some((_, rule)) = route {
            attempt.scope = self.scope_for(rule, &cookies, now).await?;
            let StepUp { max_age, .. } = rule.step_up();
            let earliest = max_age.map(|max_age| now - max_age);
            attempt.authenticated_after = attempt.authenticated_after.max(earliest);
            attempt.step_up = StepUp { max_age: None, ..rule.step_up().clone() };
        }
        let acr_values = attempt.step_up.acr_values();
        passed_on.extend(acr_values.as_deref().map(|values| ("acr_values", values)));
        let max_age = route.and_then(|(_, rule)| rule.step_up().max_age);
        let max_age = max_age.map(|max_age| max_age.as_secs().to_string());
        passed_on.extend(max_age.as_deref().map(|max_age| ("max_age", max_age)));
        let application = &self.config.application;
        let location = LoginRequest {
            endpoint: &metadata.authorization_endpoint,
            client_id: &application.client_id,
            redirect_uri: &redirect_uri,
            scope: &attempt.scope,
            audience: application.audience.as_deref(),
            response_mode: self.config.response_mode,
            passed_on: &passed_on,
        }
        .url(&attempt);

        let cookies = self.config.login_cookies.keep(&attempt, &cookies, &self.random, now).await?;

        let mut response = self.responder.see_other(location.as_str());
        for cookie in cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }

    /// Every login requests the organization of the settings. A link cannot choose another one.
    fn pass_on_organization<'a>(
        &'a self,
        passed_on: &mut Vec<(&'static str, &'a str)>,
    ) -> Result<(), StartError> {
        let Some(only) = self.config.organization.only() else { return Ok(()) };
        match passed_on.iter().find(|(name, _)| *name == "organization") {
            None => passed_on.push(("organization", only)),
            Some((_, asked)) if *asked != only => return Err(StartError::OtherOrganization),
            Some(_) => {}
        }
        Ok(())
    }

    /// The route for which the login is started, with its name. A link can ask for what this route
    /// requires and for nothing else.
    fn route<'a>(
        &'a self,
        query: &'a Query,
    ) -> Result<Option<(&'a str, &'a RouteRule)>, StartError> {
        let Some(name) = parameter(query, FOR)? else { return Ok(None) };
        let rule = self.config.routes.as_ref().and_then(|routes| routes.named(name));
        rule.map(|rule| Some((name, rule))).ok_or(StartError::UnknownRoute)
    }

    /// The usual scopes, those that `rule` requires, and those that the browser's session was granted
    /// for other routes: the new session replaces it.
    async fn scope_for(
        &self,
        rule: &RouteRule,
        cookies: &RequestCookies,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let session = match self.cookies.session(cookies) {
            SessionCookie::Present(secret) => self.sessions.by_cookie(&secret, now).await?,
            SessionCookie::Absent | SessionCookie::Malformed => None,
        };
        let granted = session.map(|session| session.contents.scopes).unwrap_or_default();
        let listed = self.config.routes.iter().flat_map(RouteRules::scopes);
        let kept = listed.filter(|scope| granted.iter().any(|granted| granted == scope));
        let mut scopes: Vec<_> = self.config.scope.split(' ').collect();
        for scope in rule.scopes().iter().map(String::as_str).chain(kept) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        Ok(scopes.join(" "))
    }
}

impl Failure for StartError {
    fn public(&self) -> Public {
        match self {
            Self::Keys(_) => Public::provider_unavailable(),
            Self::Secret(_) => Public::secret_unavailable(),
            Self::Store(_) => Public::store_unavailable(),
            Self::UnknownBaseUrl(_) => Public::misconfigured(),
            Self::NotNavigation => Public::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::NotANavigation,
                |texts| texts.titles.login_not_started,
                |texts| texts.errors.not_a_navigation,
            ),
            Self::UnknownRoute => unusable(|texts| texts.errors.unknown_route),
            Self::OtherOrganization => unusable(|texts| texts.errors.other_organization),
            Self::OtherIssuer => unusable(|texts| texts.errors.other_issuer),
            Self::Parameter(_) => unusable(|texts| texts.errors.parameter),
        }
    }

    fn event(&self) -> LogEvent {
        LogEvent::LoginNotStarted
    }
}

/// The parameters that a link may pass on to the provider; this function sets all others. With
/// `redirect_uri`, `scope` or `nonce` from a link, its author could choose who receives the code and
/// what it grants (R3).
const PASSED_ON: [&str; 7] =
    ["connection", "invitation", "login_hint", "organization", "prompt", "screen_hint", UI_LOCALES];

/// The parameter that names the route for which the login is started.
pub(crate) const FOR: &str = "for";

const MAXIMUM_LENGTH: usize = 256;

fn unusable(description: Text) -> Public {
    Public {
        action: Some((|texts| texts.actions.to_login_page, "/".to_owned())),
        ..Public::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidRequest,
            |texts| texts.titles.invalid_login_link,
            description,
        )
    }
}

fn passed_on(query: &Query) -> Result<Vec<(&'static str, &str)>, StartError> {
    let mut passed_on = Vec::new();
    for name in PASSED_ON {
        let Some(value) = parameter(query, name)? else { continue };
        if value.len() > MAXIMUM_LENGTH || value.chars().any(char::is_control) {
            return Err(StartError::Parameter(name));
        }
        passed_on.push((name, value));
    }
    Ok(passed_on)
}

/// The page to open after the login: `return_to`, or the `target_link_uri` of a third party (OpenID
/// Connect Core §4). Only a path on our own origin is accepted (R9).
fn return_to(query: &Query, base_url: &str) -> Result<ReturnTo, StartError> {
    let target = parameter(query, "target_link_uri")?.and_then(|url| url.strip_prefix(base_url));
    let path = parameter(query, "return_to")?.or(target);
    Ok(path.map(ReturnTo::parse).unwrap_or_default())
}

fn parameter<'a>(query: &'a Query, name: &'static str) -> Result<Option<&'a str>, StartError> {
    let value = query.once(name).map_err(|_| StartError::Parameter(name))?;
    Ok(value.filter(|value| !value.is_empty()))
}
