//! The provider's authorization response in the callback's query (RFC 6749 §4.1.2).

use shared::{provider::ErrorResponse, web::query::Query};

use crate::CallbackError;

/// A well-formed authorization response. It is not yet matched to a login attempt.
pub(crate) struct Answer {
    pub(crate) state: String,
    /// `iss` (RFC 9207 §2).
    pub(crate) issuer: Option<String>,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    Code(String),
    /// The provider's error. Anyone can write it into a URL, so it is neither shown nor logged before
    /// the `state` is verified to belong to this browser (R25, R194).
    Error(ErrorResponse),
}

impl Answer {
    /// Parses the query. It must contain each parameter once, a `state`, and either a `code` or an
    /// `error`. Other parameters, such as a token of the implicit flow, are ignored (R31).
    pub(crate) fn parse(query: &Query) -> Result<Self, CallbackError> {
        let once = |name| query.once(name).map_err(|_| CallbackError::Malformed);
        let [state, code, error, issuer] =
            [once("state")?, once("code")?, once("error")?, once("iss")?];
        let state = state
            .filter(|state| !state.is_empty() && state.len() <= MAXIMUM_STATE)
            .ok_or(CallbackError::Malformed)?;
        let outcome = match (code, error) {
            (Some(code), None) if !code.is_empty() && code.len() <= MAXIMUM_CODE => {
                Outcome::Code(code.to_owned())
            }
            (None, Some(error)) => {
                Outcome::Error(ErrorResponse::of_query(error, once("error_description")?))
            }
            _ => return Err(CallbackError::Malformed),
        };
        Ok(Self { state: state.to_owned(), issuer: issuer.map(str::to_owned), outcome })
    }
}

const MAXIMUM_STATE: usize = 2_048;

/// Maximum length of a code. Some providers seal the whole grant into the code (R202).
const MAXIMUM_CODE: usize = 8_192;
