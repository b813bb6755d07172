//! Failed requests: the public response and the details for the log.

use std::{error::Error, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};

use crate::{
    names::{ErrorCode, LogEvent},
    texts::Text,
};

/// A failed request.
///
/// `Display` and the sources are only for the log. Clients see only [`public`](Failure::public). Except
/// for [`Public::quote`] and [`Public::account`], it contains nothing from the request, the provider or the store (R176).
pub trait Failure: Error {
    /// The response for the client.
    fn public(&self) -> Public;

    /// The `event` in the log. It is stable, so that alarms can count it.
    fn event(&self) -> LogEvent;

    /// The setting that an operator should check, where one is the usual cause.
    fn hint(&self) -> Option<&'static str> {
        None
    }

    /// The provider's error, if it sent one.
    fn provider_words(&self) -> Option<ProviderWords> {
        None
    }
}

/// The provider's error for the log: each field truncated, on one line, without identities (R194).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderWords {
    /// Its `error`.
    pub error: String,
    /// Its `error_description`.
    pub description: Option<String>,
}

/// The public part of a failure.
#[derive(Clone, Debug)]
pub struct Public {
    /// The status of the response.
    pub status: StatusCode,
    /// The stable `code` of a JSON response.
    pub code: ErrorCode,
    /// The heading of a page.
    pub title: Text,
    /// One or two sentences: what happened, and what to do about it.
    pub description: Text,
    /// The provider's description, which a page shows as a quotation.
    pub quote: Option<String>,
    /// The e-mail address that the user logged in with, for a page.
    pub account: Option<String>,
    /// The `message` of a JSON response, where clients depend on a known one.
    pub message: Option<&'static str>,
    /// How long the client should wait before it retries.
    pub retry_after: Option<Duration>,
    /// A helpful link: its label and its address.
    pub action: Option<(Text, String)>,
    /// Additional headers of the response.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Public {
    /// A response with `status`, without extras.
    pub const fn new(status: StatusCode, code: ErrorCode, title: Text, description: Text) -> Self {
        Self {
            status,
            code,
            title,
            description,
            quote: None,
            account: None,
            message: None,
            retry_after: None,
            action: None,
            headers: Vec::new(),
        }
    }

    /// 503: a service that we depend on is unavailable. Sessions are not ended (R96).
    pub fn unavailable(code: ErrorCode, description: Text) -> Self {
        let retry_after = Some(Duration::from_secs(5));
        Self {
            retry_after,
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code,
                |texts| texts.titles.try_again,
                description,
            )
        }
    }

    /// 503: the session store is unavailable.
    pub fn store_unavailable() -> Self {
        Self::unavailable(ErrorCode::SessionStoreUnavailable, |texts| {
            texts.errors.store_unavailable
        })
    }

    /// 503: the identity provider is unavailable.
    pub fn provider_unavailable() -> Self {
        Self::unavailable(ErrorCode::IdentityProviderUnavailable, |texts| {
            texts.errors.provider_unavailable
        })
    }

    /// The same, with the waiting time that the provider requests, if any.
    pub fn provider_unavailable_for(retry_after: Option<Duration>) -> Self {
        let public = Self::provider_unavailable();
        Self { retry_after: retry_after.or(public.retry_after), ..public }
    }

    /// 503: a secret of the function is unavailable.
    pub fn secret_unavailable() -> Self {
        Self::unavailable(ErrorCode::SecretUnavailable, |texts| texts.errors.secret_unavailable)
    }

    /// 500: a setting is wrong, which only the operator can fix.
    pub fn misconfigured() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            ErrorCode::Misconfigured,
            |texts| texts.titles.misconfigured,
            |texts| texts.errors.misconfigured,
        )
    }
}

/// Logs `failure`, whose public part is `public`: as an error if the fault is on our side.
pub fn log(failure: &dyn Failure, public: &Public) {
    let (event, code, status) =
        (failure.event().name(), public.code.name(), public.status.as_u16());
    let (error, hint) = (chain(failure), failure.hint());
    let words = failure.provider_words();
    let provider_error = words.as_ref().map(|words| words.error.as_str());
    let provider_description = words.as_ref().and_then(|words| words.description.as_deref());
    if public.status.is_server_error() {
        tracing::error!(
            event,
            code,
            status,
            error,
            hint,
            provider_error,
            provider_description,
            "the request failed"
        );
    } else {
        tracing::warn!(
            event,
            code,
            status,
            error,
            hint,
            provider_error,
            provider_description,
            "the request was refused"
        );
    }
}

/// An error and its sources on one line, for the log.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // A transparent error repeats the text of its source.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}
