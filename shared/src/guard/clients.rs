//! Tokens that no login of this bundle issued: those of machines, and of other applications.

use super::Refusal;
use crate::{jwt::Claims, settings::Settings};

/// Which tokens are accepted without a session. A token whose session has ended never is.
#[derive(Clone, Debug)]
pub struct OtherTokens {
    require_session: RequireSession,
    /// The clients whose tokens are accepted, besides our own. `None`: every client.
    allowed: Option<Vec<String>>,
    /// Our own client id.
    own: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RequireSession {
    Always,
    /// People need a session, machines do not.
    OfPeople,
    Never,
}

impl OtherTokens {
    /// Reads `REQUIRE_SESSION` and `ALLOWED_CLIENTS`.
    pub fn from_settings(settings: &mut Settings, own: Option<&str>) -> Option<Self> {
        let always = RequireSession::Always;
        let require_session = settings.with_default("REQUIRE_SESSION", always, |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Ok(RequireSession::Always),
                "false" | "0" | "no" | "off" => Ok(RequireSession::Never),
                "people" => Ok(RequireSession::OfPeople),
                _ => Err("must be `true`, `people` or `false`"),
            }
        });
        let allowed = settings.optional("ALLOWED_CLIENTS", |text| {
            let clients = text.split(',').map(|client| match client.trim() {
                "" => None,
                client => client.bytes().all(|byte| byte.is_ascii_graphic()).then_some(client),
            });
            let clients: Option<Vec<_>> = clients.map(|client| client.map(str::to_owned)).collect();
            clients.ok_or("must be client ids, separated by commas")
        });
        let (require_session, allowed) = (require_session?, allowed.ok()?);
        if allowed.is_some() && require_session == RequireSession::Always {
            settings.fault("ALLOWED_CLIENTS", "needs REQUIRE_SESSION `people` or `false`");
            return None;
        }
        Some(Self { require_session, allowed, own: own?.to_owned() })
    }

    /// Whether a valid token with these claims needs a session.
    pub(super) fn need_session(&self, claims: &Claims) -> bool {
        match self.require_session {
            RequireSession::Always => true,
            RequireSession::OfPeople => !is_certainly_machine(claims),
            RequireSession::Never => false,
        }
    }

    /// Checks the client of a token that needs no session.
    ///
    /// # Errors
    ///
    /// When its client is not allowed.
    pub(super) fn check_client(&self, claims: &Claims) -> Result<(), Refusal> {
        let Some(allowed) = &self.allowed else { return Ok(()) };
        // If a token names its client twice, both names must be allowed.
        let mut clients = clients(claims).peekable();
        let is_named = clients.peek().is_some();
        let is_allowed = |client: &str| client == self.own || allowed.iter().any(|it| it == client);
        if is_named && clients.all(is_allowed) { Ok(()) } else { Err(Refusal::ClientNotAllowed) }
    }
}

/// The client that the token was issued to: `azp` (Auth0), `client_id` (RFC 9068 §2.2).
fn clients(claims: &Claims) -> impl Iterator<Item = &str> {
    ["azp", "client_id"].into_iter().filter_map(|name| claims.string(name))
}

/// Whether a client may have obtained this token for itself (RFC 6749 §4.4). Auth0 marks that in `gty`
/// and `sub`; in the profile of RFC 9068 §2.2 the client is its own subject.
///
/// In doubt it is a machine: it is refused where a person is required (R147).
pub(super) fn is_machine(claims: &Claims) -> bool {
    let subject = claims.subject.as_str();
    is_certainly_machine(claims)
        || subject.ends_with("@clients")
        || clients(claims).any(|client| client == subject)
}

/// Whether a client obtained this token for itself, by Auth0's marks alone: the grant, or the token's
/// own client as subject.
///
/// In doubt it is a person, who needs a session: a user's id may end in `@clients`.
fn is_certainly_machine(claims: &Claims) -> bool {
    let of_client = claims.subject.strip_suffix("@clients");
    claims.string("gty") == Some("client-credentials")
        || of_client.is_some_and(|own| clients(claims).any(|client| client == own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(values: &[(&str, &str)]) -> Option<String> {
        let settings = Settings::from_values(values.iter().copied());
        let read = settings.read(|settings| OtherTokens::from_settings(settings, Some("own")));
        read.err().map(|error| error.to_string())
    }

    #[test]
    fn only_values_that_are_understood_are_accepted() {
        for value in ["", "true", "People", "false", "0"] {
            assert_eq!(fault(&[("REQUIRE_SESSION", value)]), None, "{value}");
        }
        let said = fault(&[("REQUIRE_SESSION", "machines")]).unwrap();
        assert!(said.ends_with("REQUIRE_SESSION must be `true`, `people` or `false`"), "{said}");
        for clients in ["a,,b", "a b", "é"] {
            let values = [("REQUIRE_SESSION", "people"), ("ALLOWED_CLIENTS", clients)];
            let said = fault(&values).unwrap();
            assert!(said.ends_with("ALLOWED_CLIENTS must be client ids, separated by commas"));
        }
        assert_eq!(fault(&[("REQUIRE_SESSION", "false"), ("ALLOWED_CLIENTS", "a, b")]), None);
        // Otherwise the list would seem to restrict something.
        let said = fault(&[("ALLOWED_CLIENTS", "a")]).unwrap();
        assert!(said.ends_with("ALLOWED_CLIENTS needs REQUIRE_SESSION `people` or `false`"));
    }
}
