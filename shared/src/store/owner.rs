//! The owners of sessions, as digests: with them a store that knows no users finds the sessions of a
//! user.

use crate::{clock::Timestamp, crypto::secret::Digest};

/// The owner of a session, as stored in its row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    /// The user, see [`subject_digest`].
    pub subject: Digest,
    /// The provider's session that the login belongs to, see [`provider_session_digest`].
    pub provider_session: Option<Digest>,
    /// When the provider issued the login's ID token, by the provider's clock, which also dates its
    /// logout tokens.
    pub issued_at: Timestamp,
}

/// A selection of the sessions in a store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Selection {
    /// The sessions of a user.
    Subject {
        /// The user.
        subject: Digest,
        /// Only sessions whose login was issued before this time.
        issued_before: Timestamp,
    },
    /// The sessions that belong to one session at the provider.
    ProviderSession {
        /// The provider's session.
        provider_session: Digest,
        /// Only sessions of this user, if one is given.
        subject: Option<Digest>,
    },
}

impl Selection {
    /// Every session of a user.
    pub const fn of_subject(subject: Digest) -> Self {
        Self::Subject { subject, issued_before: Timestamp::MAX }
    }

    /// Whether it contains the session of `owner`.
    pub fn contains(&self, owner: &Owner) -> bool {
        match self {
            Self::Subject { subject, issued_before } => {
                owner.subject == *subject && owner.issued_at < *issued_before
            }
            Self::ProviderSession { provider_session, subject } => {
                owner.provider_session == Some(*provider_session)
                    && subject.is_none_or(|subject| owner.subject == subject)
            }
        }
    }
}

/// A mark that prevents a login in progress from becoming a session after the logout that ended it
/// (R129).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tombstone {
    /// The subject's or provider session's digest.
    pub owner: Digest,
    /// Only logins issued before this time are covered.
    pub issued_before: Timestamp,
    /// When no such login can still be in progress.
    pub expires_at: Timestamp,
}

impl Tombstone {
    /// Whether it prevents the login of `owner` from becoming a session. The caller must know that the
    /// tombstone belongs to `owner`.
    pub fn covers(&self, owner: &Owner, now: Timestamp) -> bool {
        owner.issued_at < self.issued_before && now < self.expires_at
    }
}

/// The digest of a user. `sub` is unique only within its issuer.
///
/// It hides the user from an attacker who only reads the store. An attacker who can guess a `sub` can
/// check whether that user has sessions.
pub fn subject_digest(issuer: &str, subject: &str) -> Digest {
    Digest::of_parts(["subject", issuer, subject])
}

/// The digest of a session at the provider. `sid` is unique only within its issuer.
pub fn provider_session_digest(issuer: &str, session_id: &str) -> Digest {
    Digest::of_parts(["provider session", issuer, session_id])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ISSUER: &str = "https://tenant.auth0.com/";

    #[test]
    fn r067_names_with_separators_have_different_digests() {
        let names =
            ["auth0|ada", "auth0#ada", "auth0\0ada", "auth0", "|ada", "ada", "", "auth0|ad"];
        let issuers = [ISSUER, "https://tenant.auth0.com/a", "https://tenant.auth0.com/auth0|", ""];
        let digests: HashSet<_> = issuers
            .iter()
            .flat_map(|issuer| names.iter().map(move |name| (issuer, name)))
            .flat_map(|(issuer, name)| {
                [subject_digest(issuer, name), provider_session_digest(issuer, name)]
            })
            .collect();
        assert_eq!(digests.len(), 2 * issuers.len() * names.len());
    }

    #[test]
    fn r067_text_moved_from_the_issuer_to_the_name_changes_the_digest() {
        assert_ne!(subject_digest("ab", "c"), subject_digest("a", "bc"));
        assert_ne!(subject_digest("ab", ""), subject_digest("", "ab"));
    }

    #[test]
    fn a_selection_contains_only_the_sessions_that_match() {
        let owner = Owner {
            subject: Digest::of("ada"),
            provider_session: Some(Digest::of("sid")),
            issued_at: Timestamp::from_unix(100),
        };
        let without_session = Owner { provider_session: None, ..owner };
        let subject = |subject: &str, issued_before| Selection::Subject {
            subject: Digest::of(subject),
            issued_before: Timestamp::from_unix(issued_before),
        };
        assert!(Selection::of_subject(Digest::of("ada")).contains(&owner));
        assert!(Selection::of_subject(Digest::of("ada")).contains(&without_session));
        assert!(!Selection::of_subject(Digest::of("grace")).contains(&owner));
        assert!(subject("ada", 101).contains(&owner));
        assert!(!subject("ada", 100).contains(&owner));
        let session = |sid: &str, subject: Option<&str>| Selection::ProviderSession {
            provider_session: Digest::of(sid),
            subject: subject.map(Digest::of),
        };
        assert!(session("sid", None).contains(&owner));
        assert!(session("sid", Some("ada")).contains(&owner));
        assert!(!session("sid", Some("grace")).contains(&owner));
        assert!(!session("other", Some("ada")).contains(&owner));
        assert!(!session("sid", None).contains(&without_session));
    }
}
