//! Query strings and form bodies.

use axum::{
    extract::{FromRequest, RawForm, Request},
    response::Response,
};
use http::StatusCode;
use shared::web::query::Query;
use url::Url;

use super::pages;

/// Maximum length of the encoded parameters in bytes. A request is stored while its login form is open.
const LIMIT: usize = 8 * 1024;

/// The parameters of a request: its query if the method is GET, otherwise its form.
///
/// A parameter without a value counts as missing (RFC 6749 §3.1), and so does a repeated one.
pub(super) struct Parameters(Query);

impl Parameters {
    pub(super) fn find(&self, name: &str) -> Option<&str> {
        self.0.once(name).ok().flatten().filter(|value| !value.is_empty())
    }

    pub(super) fn is_repeated(&self, name: &str) -> bool {
        self.0.once(name).is_err()
    }

    /// Whether a parameter is duplicated. RFC 6749 §3.1 forbids this, because an attacker can exploit
    /// two parsers that pick different values. The name comes from the client, so never show it.
    pub(super) fn has_repetition(&self) -> bool {
        self.0.has_duplicate()
    }
}

impl<S: Send + Sync> FromRequest<S> for Parameters {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        match RawForm::from_request(request, state).await {
            Ok(RawForm(encoded)) if encoded.len() <= LIMIT => Ok(Self(Query::parse(&encoded))),
            _ => Err(pages::error(
                StatusCode::BAD_REQUEST,
                "Bad request",
                "The request is too long, or its body is not a form.",
            )),
        }
    }
}

/// `url` with `pairs` appended to its query.
pub(super) fn with_query(url: &str, pairs: &[(&str, &str)]) -> String {
    Url::parse_with_params(url, pairs).map_or_else(|_| url.to_owned(), String::from)
}
