//! What went wrong: one text for whoever asked, another for the log.

use std::{error::Error, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};

/// A request that did not get what it asked for.
///
/// Its `Display` and its sources are for the log alone. [`public`](Failure::public) is all that
/// leaves the function: nothing in it comes from the request, the provider or the store (R176), but
/// for [`Public::quote`].
pub trait Failure: Error {
    /// What the client is told.
    fn public(&self) -> Public;

    /// The name under which it is logged. It is stable, so that alarms can count it.
    fn event(&self) -> &'static str;

    /// What an operator should look at, where one setting is the usual cause.
    fn hint(&self) -> Option<&'static str> {
        None
    }

    /// What the provider said, where it gave a reason.
    fn provider_words(&self) -> Option<ProviderWords> {
        None
    }
}

/// What the provider said, fit for a log line: one line each, bounded, without identities (R194).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProviderWords {
    /// Its `error`.
    pub error: String,
    /// Its `error_description`.
    pub description: Option<String>,
}

/// What a client is told of a failure.
#[derive(Clone, Debug)]
pub struct Public {
    /// The answer's status.
    pub status: StatusCode,
    /// The stable `code` of a JSON answer.
    pub code: &'static str,
    /// A page's heading.
    pub title: &'static str,
    /// One or two sentences: what happened, and what to do about it.
    pub description: &'static str,
    /// The provider's own words, which a page shows as a quotation.
    pub quote: Option<String>,
    /// The `message` of a JSON answer, where clients know one by heart.
    pub message: Option<&'static str>,
    /// How long to wait before asking again.
    pub retry_after: Option<Duration>,
    /// A link that helps: its label and its address.
    pub action: Option<(&'static str, String)>,
    /// Headers of the answer beside those that every answer has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Public {
    /// An answer of `status`, without extras.
    pub const fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            status,
            code,
            title,
            description,
            quote: None,
            message: None,
            retry_after: None,
            action: None,
            headers: Vec::new(),
        }
    }

    /// 503: something that we depend on does not answer. Nobody is signed out by it (R96).
    pub fn unavailable(code: &'static str, description: &'static str) -> Self {
        let retry_after = Some(Duration::from_secs(5));
        Self {
            retry_after,
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                code,
                "Please try again in a moment",
                description,
            )
        }
    }

    /// 503, because the session store does not answer.
    pub fn store_unavailable() -> Self {
        Self::unavailable(
            "session_store_unavailable",
            "The session store does not answer right now. Nothing was changed; please try again shortly.",
        )
    }

    /// 503, because the identity provider does not answer.
    pub fn provider_unavailable() -> Self {
        Self::unavailable(
            "identity_provider_unavailable",
            "The identity provider does not answer right now. Please try again shortly.",
        )
    }

    /// The same, with the time that the provider asks to wait, if it asks for one.
    pub fn provider_unavailable_for(retry_after: Option<Duration>) -> Self {
        let public = Self::provider_unavailable();
        Self { retry_after: retry_after.or(public.retry_after), ..public }
    }

    /// 503, because a secret of the function cannot be had.
    pub fn secret_unavailable() -> Self {
        Self::unavailable(
            "secret_unavailable",
            "A part of this service does not answer right now. Nothing was changed; please try again shortly.",
        )
    }

    /// 500, because of a setting that only the operator can mend.
    pub fn misconfigured() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "misconfigured",
            "This service is not set up correctly",
            "Its operator finds the reason in the log under the request id below.",
        )
    }
}

/// An error and its sources on one line, for the log.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // Transparent errors repeat their source's text.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}
