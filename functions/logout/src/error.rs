//! Errors of a logout and their HTTP responses.

use http::StatusCode;
use shared::{
    guard::Refusal,
    names::{ErrorCode, LogEvent},
    store::StoreError,
    web::error::{Failure, Public},
};

/// Why a logout failed or is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    /// The credential, or the origin of the request, was rejected.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The session was ended, but the store became unavailable. Other sessions of the user may still
    /// be valid.
    #[error("other sessions of the user were not ended")]
    Everywhere(#[source] StoreError),
    /// The store is unavailable, so it is unknown whether there is a session.
    #[error(transparent)]
    Read(StoreError),
    /// The store is unavailable. The session may still be valid, although its cookie was cleared.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The parameter `everywhere` is neither `true` nor `false`, or is duplicated.
    #[error("the parameter `everywhere` is invalid")]
    UnclearExtent,
}

impl Failure for LogoutError {
    fn public(&self) -> Public {
        match self {
            Self::Refused(Refusal::CrossSite) => Public {
                title: |texts| texts.titles.not_logged_out,
                description: |texts| texts.errors.cross_site_logout,
                action: Some((|texts| texts.actions.log_out, "/logout".to_owned())),
                headers: Vec::new(),
                ..Refusal::CrossSite.public()
            },
            Self::Refused(refusal) => refusal.public(),
            Self::Everywhere(_) => Public {
                title: |texts| texts.titles.logged_out_here_only,
                description: |texts| texts.errors.everywhere_unfinished,
                action: Some((|texts| texts.actions.log_in_again, "/".to_owned())),
                ..Public::store_unavailable()
            },
            Self::Read(_) => Public::store_unavailable(),
            Self::Store(_) => Public {
                title: |texts| texts.titles.logout_incomplete,
                description: |texts| texts.errors.logout_unfinished,
                ..Public::store_unavailable()
            },
            Self::UnclearExtent => Public::new(
                StatusCode::BAD_REQUEST,
                ErrorCode::InvalidRequest,
                |texts| texts.titles.not_logged_out,
                |texts| texts.errors.everywhere_unclear,
            ),
        }
    }

    fn event(&self) -> LogEvent {
        match self {
            Self::Refused(Refusal::Keys(_) | Refusal::Store(_) | Refusal::UnknownBaseUrl(_))
            | Self::Everywhere(_)
            | Self::Read(_)
            | Self::Store(_) => LogEvent::LogoutFailed,
            Self::Refused(_) | Self::UnclearExtent => LogEvent::LogoutRefused,
        }
    }

    fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => refusal.hint(),
            Self::Everywhere(_) | Self::Read(_) | Self::Store(_) | Self::UnclearExtent => None,
        }
    }
}
