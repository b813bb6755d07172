//! Whose sessions they are, in digests: how the sessions of a user are found by a store that knows no
//! user.

use crate::{clock::Timestamp, crypto::secret::Digest, jwt::Claims};

/// Whose session a row is, as the store sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Who logged in, see [`subject_digest`].
    pub subject: Digest,
    /// The session at the provider that the login belongs to, see [`provider_session_digest`].
    pub provider_session: Option<Digest>,
    /// When the provider issued the ID token of the login, by the provider's clock: the one that
    /// dates its logout tokens too.
    pub issued_at: Timestamp,
}

impl Owner {
    /// Whoever the ID token of a login names.
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

/// Some of the sessions in a store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Selection {
    /// Those of a user.
    Subject {
        /// The user.
        subject: Digest,
        /// And of those, the ones whose login was issued before this moment.
        issued_before: Timestamp,
    },
    /// Those that belong to one session at the provider.
    ProviderSession {
        /// The provider's session.
        provider_session: Digest,
        /// And of those, the ones of this user, if one is named.
        subject: Option<Digest>,
    },
}

impl Selection {
    /// Every session of a user.
    pub const fn of_subject(subject: Digest) -> Self {
        Self::Subject { subject, issued_before: Timestamp::MAX }
    }

    /// Whether the session of `owner` is among them.
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

/// What keeps a login that is under way from becoming a session after the logout that ended it
/// (R129).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tombstone {
    /// Whose: a subject's or a provider session's digest.
    pub owner: Digest,
    /// Logins issued before this moment become no session.
    pub issued_before: Timestamp,
    /// When no such login can be under way any more.
    pub expires_at: Timestamp,
}

impl Tombstone {
    /// Whether it keeps the login of `owner` from becoming a session. That it is `owner`'s is for
    /// the caller to know.
    pub fn covers(&self, owner: &Owner, now: Timestamp) -> bool {
        owner.issued_at < self.issued_before && now < self.expires_at
    }
}

/// The digest of a user. `sub` is unique within its issuer alone.
///
/// It hides who the user is from whoever only reads the store. Whoever can guess the `sub` can tell
/// by it whether that user has sessions.
pub fn subject_digest(issuer: &str, subject: &str) -> Digest {
    Digest::of_parts(["subject", issuer, subject])
}

/// The digest of a session at the provider. `sid` is unique within its issuer alone.
pub fn provider_session_digest(issuer: &str, session_id: &str) -> Digest {
    Digest::of_parts(["provider session", issuer, session_id])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ISSUER: &str = "https://tenant.auth0.com/";

    #[test]
    fn r067_separators_in_a_name_make_no_two_owners_one() {
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
    fn r067_what_moves_from_one_part_to_the_next_is_another_owner() {
        assert_ne!(subject_digest("ab", "c"), subject_digest("a", "bc"));
        assert_ne!(subject_digest("ab", ""), subject_digest("", "ab"));
    }

    #[test]
    fn a_selection_contains_who_it_names() {
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
