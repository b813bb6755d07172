//! The provider's answer, as it stands in the callback's query (RFC 6749 §4.1.2).

use shared::query::Query;

use crate::CallbackError;

/// A well-formed answer. Whether it answers anything that was asked is not known yet.
pub(crate) struct Answer {
    pub(crate) state: String,
    /// `iss` (RFC 9207 §2).
    pub(crate) issuer: Option<String>,
    pub(crate) outcome: Outcome,
}

pub(crate) enum Outcome {
    Code(String),
    Error(ProviderAnswer),
}

/// The provider's `error` (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6), as far as we know it.
/// Its `error_description` and `error_uri` are never shown: anyone can write them (R26, R27).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProviderAnswer {
    /// The user said no, or is not let in.
    AccessDenied,
    /// `prompt=none` needed consent.
    ConsentRequired,
    /// `prompt=none` needed something of the user.
    InteractionRequired,
    /// `prompt=none` found nobody logged in.
    LoginRequired,
    /// Anything else.
    Other,
    /// The provider cannot answer now.
    Unavailable,
}

impl Answer {
    /// Reads the query: every parameter once, a `state`, and either a `code` or an `error`.
    /// What else may stand there, a token of the implicit flow for one, is never looked at (R31).
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
            (None, Some(error)) => Outcome::Error(ProviderAnswer::from_name(error)),
            _ => return Err(CallbackError::Malformed),
        };
        Ok(Self { state: state.to_owned(), issuer: issuer.map(str::to_owned), outcome })
    }
}

impl ProviderAnswer {
    fn from_name(name: &str) -> Self {
        match name {
            "access_denied" | "unauthorized" => Self::AccessDenied,
            "consent_required" => Self::ConsentRequired,
            "interaction_required" | "account_selection_required" => Self::InteractionRequired,
            "login_required" => Self::LoginRequired,
            "server_error" | "temporarily_unavailable" => Self::Unavailable,
            _ => Self::Other,
        }
    }

    /// Whether it only says that nobody is logged in, which `prompt=none` asked (R24).
    pub(crate) const fn is_silence(self) -> bool {
        matches!(self, Self::ConsentRequired | Self::InteractionRequired | Self::LoginRequired)
    }
}

const MAXIMUM_STATE: usize = 2_048;

/// Some providers seal all that a code stands for into the code itself (R202).
const MAXIMUM_CODE: usize = 8_192;
