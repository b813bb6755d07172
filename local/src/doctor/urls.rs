//! The URLs to which the provider may send a browser back.

use http::{StatusCode, header};
use logout::ProviderSession;
use shared::{
    login::{
        attempt::LoginAttempt,
        request::{LoginRequest, ResponseMode},
    },
    provider::{ErrorMeaning, ErrorResponse, Metadata, ProviderError},
    web::{query::Query, return_to::ReturnTo},
};
use url::Url;

use super::{Doctor, Finding, finding::APPLICATION};

/// How the provider received a browser that a login or a logout sent there.
pub(super) enum Reception {
    /// It goes on: to a login page, a confirmation, or the URL to return to.
    Accepted,
    /// It returned this error to the application.
    Returned(ErrorResponse),
    /// It showed the person an error, with these words in lower case.
    Shown(StatusCode, String),
}

impl Doctor {
    /// Requests a login without following where it leads.
    pub(super) async fn request_login(
        &self,
        metadata: &Metadata,
        audience: Option<&str>,
    ) -> Result<Reception, ProviderError> {
        let callback = self.callback();
        let organization: Vec<_> =
            self.organization.only().map(|id| ("organization", id)).into_iter().collect();
        let attempt = LoginAttempt::start(ReturnTo::default(), &self.random, self.clock.now());
        let url = LoginRequest {
            endpoint: &metadata.authorization_endpoint,
            client_id: &self.application.client_id,
            redirect_uri: &callback,
            scope: &self.scope,
            audience,
            response_mode: ResponseMode::Query,
            passed_on: &organization,
        }
        .url(&attempt);
        self.visit(&url, &callback).await
    }

    pub(super) async fn callback_url(&self, metadata: &Metadata) -> Finding {
        let callback = self.callback();
        let reception = match self.request_login(metadata, None).await {
            Ok(reception) => reception,
            Err(error) => return Finding::failed("callback URL", &error),
        };
        match reception {
            Reception::Accepted => {
                Finding::fine("callback URL", format!("{callback} is registered"))
            }
            Reception::Returned(error) => refused("login request", "the login request", &error),
            Reception::Shown(_, words) if has_any(&words, &UNKNOWN_CLIENT) => Finding::wrong(
                "client id",
                "CLIENT_ID is no application of this tenant",
                format!("{APPLICATION} → Settings → Client ID is CLIENT_ID"),
            ),
            Reception::Shown(_, words) if has_any(&words, &UNKNOWN_CALLBACK) => Finding::wrong(
                "callback URL",
                format!("{callback} is not registered"),
                format!("{APPLICATION} → Settings → Allowed Callback URLs: add it exactly"),
            ),
            Reception::Shown(status, _) => Finding::wrong(
                "login request",
                format!("the provider shows an error page ({})", status.as_u16()),
                format!(
                    "{APPLICATION} → Settings: compare Client ID and Allowed Callback URLs ({callback})"
                ),
            ),
        }
    }

    pub(super) async fn logout_url(&self, metadata: &Metadata) -> Finding {
        let return_to = format!("{}/signed-out", self.base_url);
        // With a hint, Auth0 uses the list of the application, and otherwise that of the tenant.
        let session_id = self.random.token();
        let session = ProviderSession {
            client_id: &self.application.client_id,
            id_token: None,
            session_id: Some(&session_id),
        };
        let Some(logout) = session.logout(metadata, &return_to, None) else {
            return Finding::not_checked("logout URL", "the provider offers no logout");
        };
        let reception = match Url::parse(&logout.url) {
            Ok(url) => self.visit(&url, &return_to).await,
            Err(error) => Err(ProviderError::Malformed(error.to_string())),
        };
        match reception {
            Ok(Reception::Accepted) => {
                Finding::fine("logout URL", format!("{return_to} is registered"))
            }
            Ok(Reception::Returned(_) | Reception::Shown(..)) => Finding::wrong(
                "logout URL",
                format!("{return_to} is not registered"),
                format!("{APPLICATION} → Settings → Allowed Logout URLs: add it exactly"),
            ),
            Err(error) => Finding::failed("logout URL", &error),
        }
    }

    /// Visits `url`, from where the provider may send the browser back to `return_to`.
    async fn visit(&self, url: &Url, return_to: &str) -> Result<Reception, ProviderError> {
        let response = self.page(url).await?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(ProviderError::Status(status.as_u16()));
        }
        if !status.is_redirection() {
            return Ok(match status.is_success() {
                true => Reception::Accepted,
                false => {
                    let page = String::from_utf8_lossy(response.body());
                    Reception::Shown(status, page.to_lowercase())
                }
            });
        }
        let location = response.headers().get(header::LOCATION).and_then(|url| url.to_str().ok());
        let target = location.and_then(|location| url.join(location).ok());
        let target = target
            .ok_or_else(|| ProviderError::Malformed("a redirect without a location".to_owned()))?;
        let query = Query::parse(target.query().unwrap_or_default().as_bytes());
        let parameter = |name| query.once(name).ok().flatten();
        let Some(code) = parameter("error") else { return Ok(Reception::Accepted) };
        let description = parameter("error_description");
        if target.as_str().split('?').next() == Some(return_to) {
            return Ok(Reception::Returned(ErrorResponse::of_query(code, description)));
        }
        // A tenant may show errors on a page of another site.
        Ok(Reception::Shown(
            status,
            format!("{code} {}", description.unwrap_or_default()).to_lowercase(),
        ))
    }
}

/// The finding for an error that the provider returned. `what` was requested.
pub(super) fn refused(check: &'static str, what: &str, error: &ErrorResponse) -> Finding {
    match error.meaning() {
        ErrorMeaning::Passes => {
            Finding::not_checked(check, format_args!("the provider answers `{error}`"))
        }
        _ => Finding::wrong(
            check,
            format!("the provider refuses {what}: `{error}`"),
            error.hint().unwrap_or_default(),
        ),
    }
}

/// Words of providers for an unknown application.
const UNKNOWN_CLIENT: [&str; 3] = ["unknown client", "invalid_client", "the client_id is not"];

/// Words of providers for an unregistered callback URL.
const UNKNOWN_CALLBACK: [&str; 3] =
    ["callback url mismatch", "allowed callback urls", "redirect_uri"];

fn has_any(words: &str, expected: &[&str]) -> bool {
    expected.iter().any(|expected| words.contains(expected))
}
