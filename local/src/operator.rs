//! Lists and ends a user's sessions in a deployed table.
//!
//! The table contains digests instead of user names. A user, or a session at the provider, is found by
//! the same digest that the login stored.

use std::{cmp::Reverse, sync::Arc};

use shared::{
    clock::Timestamp,
    crypto::random::Random,
    issuer::Issuer,
    session::{Ending, Progress},
    settings::Settings,
    store::{
        SessionRow, SessionStore, StoreError,
        dynamodb::{DynamoConfig, DynamoStore},
        owner::{provider_session_digest, subject_digest},
    },
};

use crate::network::network;

/// Access to the session table for an operator.
#[derive(Debug)]
pub struct Operator {
    issuer: Issuer,
    store: Arc<dyn SessionStore>,
}

/// Selects sessions by the provider's identifiers.
#[derive(Clone, Debug)]
pub enum SelectedSessions {
    /// `sub`: all sessions of a user.
    BySubject(String),
    /// `sid`: all sessions that belong to one session at the provider.
    ByProviderSession(String),
}

impl Operator {
    /// Reads the table's settings (`SESSION_TABLE`, `AWS_REGION`, the `AWS_…` credentials), and the
    /// issuer from `AUTH_HOST` and `PROVIDER_NAME` if `issuer` is `None`.
    pub fn from_settings(settings: &mut Settings, issuer: Option<Issuer>) -> Option<Self> {
        let issuer = match issuer {
            Some(issuer) => Some(issuer),
            None => Issuer::from_settings(
                settings,
                "the tenant's domain or custom domain, or use --issuer",
            ),
        };
        let config = DynamoConfig::from_settings(settings);
        let network = network(settings);
        let (issuer, config) = (issuer?, config?.over(network?));
        match DynamoStore::new(config, Random::system()) {
            Ok(store) => Some(Self { issuer, store: Arc::new(store) }),
            Err(error) => {
                settings.fault("SESSION_TABLE", format_args!("cannot be used: {error}"));
                None
            }
        }
    }

    /// Returns the live sessions, the latest login first. `report` receives the progress: how many of
    /// the found sessions have been read.
    ///
    /// # Errors
    ///
    /// If the table is unavailable.
    pub async fn list(
        &self,
        selected: &SelectedSessions,
        now: Timestamp,
        mut report: impl FnMut(Progress),
    ) -> Result<Vec<SessionRow>, StoreError> {
        let keys = self.store.sessions_of(self.ending(selected, now).selection(), now).await?;
        let found = keys.len();
        let mut live = Vec::with_capacity(found);
        for (index, key) in keys.into_iter().enumerate() {
            live.extend(self.store.session(key, now).await?);
            report(Progress { found, done: index + 1 });
        }
        live.sort_by_key(|row| (Reverse(row.created_at), row.key));
        Ok(live)
    }

    /// Ends the sessions, and prevents logins in progress from becoming sessions. Returns how many
    /// sessions were found.
    ///
    /// # Errors
    ///
    /// If the table is unavailable; any of the sessions may then still be valid.
    pub async fn end(
        &self,
        selected: &SelectedSessions,
        now: Timestamp,
        report: impl FnMut(Progress) + Send,
    ) -> Result<usize, StoreError> {
        self.ending(selected, now).carry_out(&*self.store, now, report).await
    }

    fn ending(&self, selected: &SelectedSessions, now: Timestamp) -> Ending {
        let issuer = self.issuer.as_str();
        match selected {
            SelectedSessions::BySubject(subject) => {
                Ending::everywhere(subject_digest(issuer, subject), now)
            }
            SelectedSessions::ByProviderSession(session_id) => {
                let digest = provider_session_digest(issuer, session_id);
                Ending::of_provider_session(digest, None, now)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::crypto::secret::Digest;
    use shared::store::{Owner, PointerRow, memory::MemoryStore};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const ISSUER: &str = "https://tenant.auth0.com/";

    fn operator() -> Operator {
        Operator {
            issuer: Issuer::parse("tenant.auth0.com").unwrap(),
            store: Arc::new(MemoryStore::default()),
        }
    }

    async fn log_in(operator: &Operator, name: &str, subject: &str, session_id: &str, age: u64) {
        let created_at = NOW - Duration::from_secs(age);
        let end = NOW + Duration::from_secs(600);
        let row = SessionRow {
            key: Digest::of(name),
            owner: Owner {
                subject: subject_digest(ISSUER, subject),
                provider_session: Some(provider_session_digest(ISSUER, session_id)),
                issued_at: created_at,
            },
            created_at,
            used_at: created_at,
            ends_at: end,
            expires_at: end,
            cookie_key: Vec::new(),
            sealed: Vec::new(),
            refresh: None,
        };
        let pointer = PointerRow {
            key: Digest::of(format!("token of {name}")),
            session: row.key,
            token_key: Vec::new(),
            expires_at: end,
        };
        operator.store.create(row, pointer, NOW).await.unwrap();
    }

    async fn listed(operator: &Operator, selected: &SelectedSessions) -> Vec<Digest> {
        let rows = operator.list(selected, NOW, |_| {}).await.unwrap();
        rows.into_iter().map(|row| row.key).collect()
    }

    fn subject(name: &str) -> SelectedSessions {
        SelectedSessions::BySubject(name.to_owned())
    }

    #[tokio::test]
    async fn r103_the_sessions_of_a_user_or_of_one_provider_session_are_listed_and_ended() {
        let operator = operator();
        for (name, user, session_id, age) in [
            ("phone", "auth0|ada", "sid-1", 60),
            ("laptop", "auth0|ada", "sid-2", 30),
            ("tablet", "auth0|ada", "sid-3", 20),
            ("other", "auth0|grace", "sid-4", 10),
        ] {
            log_in(&operator, name, user, session_id, age).await;
        }
        let tablet = SelectedSessions::ByProviderSession("sid-3".to_owned());
        assert_eq!(listed(&operator, &tablet).await, [Digest::of("tablet")]);
        assert_eq!(operator.end(&tablet, NOW, |_| {}).await.unwrap(), 1);
        let ada = subject("auth0|ada");
        assert_eq!(listed(&operator, &ada).await, ["laptop", "phone"].map(Digest::of));
        // The same subject of another issuer is another user.
        let issuer = Issuer::parse("other.auth0.com").unwrap();
        let other = Operator { issuer, store: Arc::clone(&operator.store) };
        assert_eq!(other.end(&ada, NOW, |_| {}).await.unwrap(), 0);
        assert_eq!(operator.end(&ada, NOW, |_| {}).await.unwrap(), 2);
        assert_eq!(listed(&operator, &ada).await, []);
        assert_eq!(listed(&operator, &subject("auth0|grace")).await, [Digest::of("other")]);
    }

    /// A name of 255 characters may have more than 255 bytes.
    #[tokio::test]
    async fn r200_a_user_whose_name_is_not_ascii_is_found_by_it() {
        let operator = operator();
        for name in ["auth0|jürgen".to_owned(), "東".repeat(255)] {
            log_in(&operator, &name, &name, "sid-1", 60).await;
            assert_eq!(listed(&operator, &subject(&name)).await, [Digest::of(&name)]);
            assert_eq!(operator.end(&subject(&name), NOW, |_| {}).await.unwrap(), 1);
            assert_eq!(listed(&operator, &subject(&name)).await, []);
        }
    }

    #[test]
    fn all_missing_settings_are_reported_together() {
        let mut settings = Settings::from_values([("AWS_REGION", "eu-central-1")]);
        assert!(Operator::from_settings(&mut settings, None).is_none());
        let message = settings.finish().unwrap_err().to_string();
        for variable in ["AUTH_HOST", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SESSION_TABLE"]
        {
            assert!(message.contains(&format!("\n  {variable} is not set")), "{message}");
        }
    }
}
