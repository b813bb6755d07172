//! The owner of a session, taken from the ID token of its login.

use crate::{
    jwt::Claims,
    store::{
        Owner,
        owner::{provider_session_digest, subject_digest},
    },
};

impl Owner {
    /// The owner that the ID token of a login names.
    pub fn of(claims: &Claims) -> Self {
        Self {
            subject: subject_digest(&claims.issuer, &claims.subject),
            provider_session: claims
                .session_id
                .as_deref()
                .map(|session_id| provider_session_digest(&claims.issuer, session_id)),
            issued_at: claims.issued_at,
        }
    }
}
