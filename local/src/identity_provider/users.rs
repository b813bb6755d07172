//! The users who can log in: two sample users, and any e-mail address.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};
use shared::clock::Timestamp;

use super::{connections::Connection, scope::Scope};

/// Maximum length of a deliverable e-mail address (RFC 5321 §4.5.3.1.3, without the brackets).
const LONGEST_EMAIL: usize = 254;

/// A user with a picture whom the login form always offers.
#[derive(Debug)]
pub(super) struct SampleUser {
    pub(super) email: &'static str,
    pub(super) name: &'static str,
    nickname: &'static str,
    /// The file name under `/pictures/`.
    pub(super) picture: &'static str,
    pub(super) image: &'static str,
}

pub(super) static SAMPLE_USERS: [SampleUser; 2] = [
    SampleUser {
        email: "ada@example.com",
        name: "Ada Lovelace",
        nickname: "ada",
        picture: "ada.svg",
        image: include_str!("../../templates/identity_provider/pictures/ada.svg"),
    },
    SampleUser {
        email: "grace@example.com",
        name: "Grace Hopper",
        nickname: "grace",
        picture: "grace.svg",
        image: include_str!("../../templates/identity_provider/pictures/grace.svg"),
    },
];

/// A user. The same e-mail address in another connection is another user, as at Auth0 if accounts are
/// not linked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct User {
    pub(super) subject: String,
    pub(super) connection: &'static str,
    pub(super) email: String,
    email_verified: bool,
    pub(super) name: String,
    nickname: String,
    picture: Option<String>,
}

impl User {
    /// The user of `connection` with this e-mail address; `None` if the address is invalid.
    ///
    /// Users are not stored. The `sub` is derived from connection and address, so it is the same after
    /// a restart.
    pub(super) fn of(connection: &'static Connection, email: &str, issuer: &str) -> Option<Self> {
        let email = parse_email(email)?;
        let subject = subject(connection, &email);
        Some(match SAMPLE_USERS.iter().find(|sample| sample.email == email) {
            Some(sample) => Self {
                subject,
                connection: connection.name,
                email,
                email_verified: true,
                name: sample.name.to_owned(),
                nickname: sample.nickname.to_owned(),
                picture: Some(format!("{issuer}pictures/{}", sample.picture)),
            },
            None => Self {
                subject,
                connection: connection.name,
                // As at Auth0: other connections verify addresses themselves. A new database user has
                // not clicked the link yet, and such a user's name is the address.
                email_verified: connection.strategy != "auth0",
                name: email.clone(),
                nickname: email.split('@').next().unwrap_or_default().to_owned(),
                picture: None,
                email,
            },
        })
    }

    /// The claims that `scope` allows in an ID token.
    pub(super) fn claims(&self, scope: &Scope, updated_at: Timestamp) -> Map<String, Value> {
        let mut claims = Map::new();
        claims.insert("sub".into(), self.subject.as_str().into());
        if scope.contains("profile") {
            claims.insert("name".into(), self.name.as_str().into());
            claims.insert("nickname".into(), self.nickname.as_str().into());
            if let Some(picture) = &self.picture {
                claims.insert("picture".into(), picture.as_str().into());
            }
            claims.insert("updated_at".into(), date_and_time(updated_at).into());
        }
        if scope.contains("email") {
            claims.insert("email".into(), self.email.as_str().into());
            claims.insert("email_verified".into(), self.email_verified.into());
        }
        claims
    }
}

fn parse_email(text: &str) -> Option<String> {
    let text = text.trim();
    let (local, domain) = text.split_once('@')?;
    let well_formed = !local.is_empty()
        && !domain.is_empty()
        && !domain.contains('@')
        && text.len() <= LONGEST_EMAIL
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"\\".contains(c));
    well_formed.then(|| text.to_lowercase())
}

/// A `sub` in the form that Auth0 uses for this kind of connection.
fn subject(connection: &Connection, email: &str) -> String {
    let name = connection.name;
    let digest = digest(&SHA256, format!("{name}\0{email}").as_bytes());
    let bytes = digest.as_ref();
    let digits = |count: usize| bytes.iter().map(|byte| char::from(b'0' + byte % 10)).take(count);
    let hexadecimal: String = bytes.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    match connection.strategy {
        "google-oauth2" => format!("google-oauth2|1{}", digits(20).collect::<String>()),
        "github" => format!("github|1{}", digits(7).collect::<String>()),
        "auth0" => format!("auth0|{hexadecimal}"),
        strategy => format!("{strategy}|{name}|{hexadecimal}"),
    }
}

/// Formats a time like `2026-11-24T20:35:51.000Z`, as JavaScript and therefore Auth0 do.
fn date_and_time(moment: Timestamp) -> String {
    /// The last second of the year 9999, beyond which the format ends.
    const LAST: u64 = 253_402_300_799;
    let elapsed = std::time::Duration::from_secs(moment.as_unix().min(LAST));
    humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + elapsed).to_string()
}

#[cfg(test)]
mod tests {
    use super::{super::connections::CONNECTIONS, *};

    const ISSUER: &str = "http://localhost:1/";

    #[test]
    fn a_user_has_the_same_subject_every_time_and_another_one_by_another_connection() {
        let subjects: Vec<_> = CONNECTIONS
            .iter()
            .map(|connection| {
                let user = User::of(connection, "Someone@Example.com", ISSUER).unwrap();
                assert_eq!(
                    Some(&user),
                    User::of(connection, "someone@example.com ", ISSUER).as_ref()
                );
                user.subject
            })
            .collect();
        let mut distinct = subjects.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), subjects.len());
        assert!(subjects[0].starts_with("auth0|"));
        assert!(subjects[3].starts_with("samlp|acme|"));
    }

    #[test]
    fn an_invalid_address_has_no_user() {
        for text in ["", "ada", "@example.com", "ada@", "a@b@c", "a b@c", "a@b\r\nc", "<a>@b"] {
            assert_eq!(User::of(&CONNECTIONS[0], text, ISSUER), None, "{text:?}");
        }
        let long = format!("{}@example.com", "a".repeat(LONGEST_EMAIL));
        assert_eq!(User::of(&CONNECTIONS[0], &long, ISSUER), None);
    }

    #[test]
    fn times_are_written_as_auth0_writes_them_and_none_is_too_late() {
        assert_eq!(date_and_time(Timestamp::from_unix(1_556_845_729)), "2019-05-03T01:08:49.000Z");
        assert_eq!(date_and_time(Timestamp::from_unix(u64::MAX)), "9999-12-31T23:59:59.000Z");
    }
}
