//! `GET /authorize` (RFC 6749 §4.1.1, OIDC Core §3.1.2, RFC 7636 §4.3).

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use shared::clock::Timestamp;

use super::{
    browser::{redirect, session_cookie},
    connections,
    options::Options,
    organizations::Organization,
    pages,
    parameters::{Parameters, with_query},
    provider::Provider,
    scope::Scope,
    state::{AuthorizationRequest, ProviderState, Session},
};

/// Why no code was issued.
#[derive(Debug, thiserror::Error)]
pub(super) enum AuthorizeError {
    /// The redirect URI is not verified, so the error is shown to the user. A redirect to an unverified
    /// address would give codes to strangers (RFC 6749 §3.1.2.4).
    #[error("{0}")]
    ForUser(&'static str),
    /// The error is sent to the client.
    #[error("{error}: {description}")]
    ForClient {
        redirect_uri: String,
        state: Option<String>,
        /// One of RFC 6749 §4.1.2.1 or OIDC Core §3.1.2.6.
        error: &'static str,
        description: String,
    },
}

impl AuthorizeError {
    pub(super) fn into_response(self, status: StatusCode) -> Response {
        match self {
            Self::ForUser(reason) => {
                tracing::warn!(reason, "authorization request refused");
                pages::error(StatusCode::BAD_REQUEST, "The application made a mistake", reason)
            }
            Self::ForClient { redirect_uri, state, error, description } => {
                tracing::info!(error, "authorization request answered with an error");
                let mut parameters = vec![("error", error), ("error_description", &description)];
                parameters.extend(state.as_deref().map(|state| ("state", state)));
                redirect(status, &with_query(&redirect_uri, &parameters))
            }
        }
    }
}

/// Issues a code without a prompt if the session suffices, and shows the login form otherwise.
pub(super) async fn authorize(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Response {
    match decide(&provider, &parameters, session_cookie(&headers).as_deref()) {
        Ok(location) => redirect(StatusCode::FOUND, &location),
        Err(error) => error.into_response(StatusCode::FOUND),
    }
}

/// The client's redirect URI with a code for `request`.
pub(super) fn redirect_with_code(
    provider: &Provider,
    state: &mut ProviderState,
    request: AuthorizationRequest,
    session: Session,
) -> String {
    let (redirect_uri, client_state) = (request.redirect_uri.clone(), request.state.clone());
    let code = state.issue_code(request, session, &provider.random, provider.now());
    let mut parameters = vec![("code", code.as_str())];
    parameters.extend(client_state.as_deref().map(|state| ("state", state)));
    with_query(&redirect_uri, &parameters)
}

/// Decides where to redirect the browser.
fn decide(
    provider: &Provider,
    parameters: &Parameters,
    cookie: Option<&str>,
) -> Result<String, AuthorizeError> {
    let trusted = TrustedRequest::check(&provider.options, parameters)?;
    let Interaction { request, prompt, max_age } = trusted.interaction(&provider.options)?;

    let now = provider.now();
    let mut state = provider.state.lock();
    let session = cookie
        .and_then(|cookie| state.use_session(cookie, now))
        .filter(|_| !provider.asks_organization(request.organization.as_ref()))
        .filter(|session| suffices(session, &request, max_age, now));
    match (prompt, session) {
        (Prompt::None, None) => Err(trusted.error("login_required", "Login required")),
        (Prompt::None | Prompt::Unspecified, Some(session)) => {
            Ok(redirect_with_code(provider, &mut state, request, session))
        }
        (Prompt::Login, _) | (Prompt::Unspecified, None) => {
            let login = state.begin_login(request, &provider.random, now);
            Ok(with_query(&provider.endpoint("u/login"), &[("state", &login)]))
        }
    }
}

/// Whether the session suffices for the request, or the user must enter credentials.
fn suffices(
    session: &Session,
    request: &AuthorizationRequest,
    max_age: Option<Duration>,
    now: Timestamp,
) -> bool {
    let fresh = max_age
        .is_none_or(|max_age| !max_age.is_zero() && now.since(session.authenticated_at) <= max_age);
    let is_of_class = |class: &String| session.classes.contains(class);
    fresh
        && request.classes.iter().all(is_of_class)
        && request.connection.is_none_or(|wanted| wanted.name == session.user.connection)
}

/// The interaction that the request requires.
struct Interaction {
    request: AuthorizationRequest,
    prompt: Prompt,
    max_age: Option<Duration>,
}

#[derive(Clone, Copy)]
enum Prompt {
    /// No user interface.
    None,
    /// Credentials, even with a session.
    Login,
    Unspecified,
}

/// A request with a verified client and redirect URI. From here on, errors are sent to the client.
struct TrustedRequest<'a> {
    parameters: &'a Parameters,
    redirect_uri: &'a str,
}

impl<'a> TrustedRequest<'a> {
    fn check(options: &Options, parameters: &'a Parameters) -> Result<Self, AuthorizeError> {
        use AuthorizeError::ForUser;

        if parameters.is_repeated("client_id") || parameters.is_repeated("redirect_uri") {
            return Err(ForUser("client_id and redirect_uri must be given once each."));
        }
        if parameters.find("client_id") != Some(&options.client_id) {
            return Err(ForUser("The client_id is not that of a known application."));
        }
        // An exact match: patterns for redirect URIs have led to leaked codes (RFC 9700 §4.1).
        match parameters.find("redirect_uri") {
            Some(uri) if options.redirect_uris.iter().any(|allowed| allowed == uri) => {
                Ok(Self { parameters, redirect_uri: uri })
            }
            _ => Err(ForUser(
                "Callback URL mismatch: the redirect_uri is not in the list of allowed callback \
                 URLs, to the letter.",
            )),
        }
    }

    fn interaction(&self, options: &Options) -> Result<Interaction, AuthorizeError> {
        let parameters = self.parameters;
        if parameters.has_repetition() {
            return Err(self.invalid("a parameter is given more than once"));
        }
        if parameters.find("request").is_some() {
            return Err(self.error("request_not_supported", "request objects are not supported"));
        }
        if parameters.find("request_uri").is_some() {
            return Err(self.error("request_uri_not_supported", "request_uri is not supported"));
        }
        match parameters.find("response_type") {
            Some("code") => {}
            Some(_) => {
                return Err(self.error("unsupported_response_type", "response_type must be code"));
            }
            None => return Err(self.invalid("Missing required parameter: response_type")),
        }
        if !matches!(parameters.find("response_mode"), None | Some("query")) {
            return Err(self.invalid("response_mode must be query"));
        }
        let audience = self.audience(options)?;
        let (prompt, max_age) = (self.prompt()?, self.max_age()?);
        let request = AuthorizationRequest {
            redirect_uri: self.redirect_uri.to_owned(),
            state: parameters.find("state").map(str::to_owned),
            nonce: parameters.find("nonce").map(str::to_owned),
            code_challenge: self.code_challenge()?,
            scope: self.scope()?.granted(audience.is_some()),
            audience,
            connection: self.connection()?,
            organization: self.organization()?,
            classes: self.classes(),
            login_hint: parameters.find("login_hint").map(str::to_owned),
            sign_up: parameters.find("screen_hint") == Some("signup"),
            wants_auth_time: max_age.is_some() || matches!(prompt, Prompt::Login),
        };
        Ok(Interaction { request, prompt, max_age })
    }

    fn scope(&self) -> Result<Scope, AuthorizeError> {
        self.parameters
            .find("scope")
            .and_then(Scope::parse)
            .filter(|scope| scope.contains("openid"))
            .ok_or_else(|| self.error("invalid_scope", "scope must contain openid"))
    }

    /// The S256 challenge: 43 characters of base64url. `plain` would reveal the verifier in this URL.
    fn code_challenge(&self) -> Result<String, AuthorizeError> {
        if self.parameters.find("code_challenge_method") != Some("S256") {
            return Err(self.invalid("code_challenge_method must be S256"));
        }
        let challenge = self
            .parameters
            .find("code_challenge")
            .ok_or_else(|| self.invalid("Missing required parameter: code_challenge"))?;
        let well_formed = challenge.len() == 43
            && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !well_formed {
            return Err(self.invalid("code_challenge must be a SHA-256 digest in base64url"));
        }
        Ok(challenge.to_owned())
    }

    fn audience(&self, options: &Options) -> Result<Option<String>, AuthorizeError> {
        match self.parameters.find("audience") {
            None => Ok(None),
            Some(audience) if options.audiences.iter().any(|known| known == audience) => {
                Ok(Some(audience.to_owned()))
            }
            Some(audience) => {
                let shown: String =
                    audience.chars().filter(char::is_ascii_graphic).take(100).collect();
                Err(self.error("access_denied", format!("Service not found: {shown}")))
            }
        }
    }

    fn connection(&self) -> Result<Option<&'static connections::Connection>, AuthorizeError> {
        match self.parameters.find("connection") {
            None => Ok(None),
            Some(name) => connections::find(name)
                .map(Some)
                .ok_or_else(|| self.invalid("the connection was not found")),
        }
    }

    fn organization(&self) -> Result<Option<Organization>, AuthorizeError> {
        let find = |name| {
            Organization::find(name).ok_or_else(|| self.invalid("the organization was not found"))
        };
        self.parameters.find("organization").map(find).transpose()
    }

    fn classes(&self) -> Vec<String> {
        let classes = self.parameters.find("acr_values").unwrap_or_default();
        classes.split_whitespace().map(str::to_owned).collect()
    }

    fn prompt(&self) -> Result<Prompt, AuthorizeError> {
        let mut prompt = Prompt::Unspecified;
        let values = self.parameters.find("prompt").unwrap_or_default();
        for value in values.split(' ').filter(|value| !value.is_empty()) {
            match value {
                "none" if values == "none" => return Ok(Prompt::None),
                "login" | "select_account" => prompt = Prompt::Login,
                // No consent is needed: the only client is the developer's own.
                "consent" => {}
                _ => {
                    return Err(
                        self.invalid("prompt must be none, or of login, consent, select_account")
                    );
                }
            }
        }
        Ok(prompt)
    }

    fn max_age(&self) -> Result<Option<Duration>, AuthorizeError> {
        self.parameters
            .find("max_age")
            .map(|seconds| {
                seconds
                    .parse()
                    .map(Duration::from_secs)
                    .map_err(|_| self.invalid("max_age must be a number of seconds"))
            })
            .transpose()
    }

    fn invalid(&self, description: &str) -> AuthorizeError {
        self.error("invalid_request", description)
    }

    fn error(&self, error: &'static str, description: impl Into<String>) -> AuthorizeError {
        // With two states, it is unknown which one is the client's.
        let state = Some("state").filter(|name| !self.parameters.is_repeated(name));
        AuthorizeError::ForClient {
            redirect_uri: self.redirect_uri.to_owned(),
            state: state.and_then(|name| self.parameters.find(name)).map(str::to_owned),
            error,
            description: description.into(),
        }
    }
}
