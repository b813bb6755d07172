//! What the provider publishes: its discovery document, its keys, and the time.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, header};
use shared::{
    clock::Timestamp,
    jwt::{Algorithm, KeySet, LEEWAY},
    provider::{IdentityProvider as _, Metadata, ProviderError},
    web::error::chain,
};

use super::{Doctor, Finding, finding::APPLICATION};

/// A difference of the clocks that may come from the request itself.
const UNREMARKABLE: Duration = Duration::from_secs(5);

/// The names of the algorithms, the usual one first.
const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

impl Doctor {
    /// The discovery document. The error is the finding.
    pub(super) async fn discovery(&self) -> Result<(Metadata, Finding), Finding> {
        let issuer = &self.application.issuer;
        let read = match self.provider.metadata().await {
            Ok(text) => Metadata::parse(&text, issuer),
            Err(error) => Err(error),
        };
        match read {
            Ok(metadata) => {
                let what = format!("{issuer} answers, and calls itself exactly that");
                Ok((metadata, Finding::fine("discovery", what)))
            }
            Err(ProviderError::WrongIssuer { expected, received }) => Err(Finding::wrong(
                "issuer",
                format!("AUTH_HOST is {expected}, but the provider calls itself {received}"),
                "set AUTH_HOST to the provider's name for itself, if that is your tenant",
            )),
            Err(error) => Err(Finding::wrong(
                "discovery",
                format!("{issuer} has no usable document: {}", chain(&error)),
                format!(
                    "{APPLICATION} → Settings → Domain is AUTH_HOST; HTTPS_PROXY names a proxy"
                ),
            )),
        }
    }

    /// Compares this machine's clock with the provider's.
    pub(super) async fn clock(&self) -> Finding {
        let url = self.application.issuer.url().join(".well-known/openid-configuration");
        let Ok(url) = url else { return Finding::not_checked("clock", "the URL is unusable") };
        match self.page(&url).await {
            Ok(response) => compare(self.clock.now(), response.headers()),
            Err(error) => Finding::failed("clock", &error),
        }
    }

    /// Checks that a key fits an algorithm that tokens may be signed with.
    pub(super) async fn keys(&self, metadata: &Metadata) -> Finding {
        let keys = match self.provider.key_set(&metadata.jwks_uri).await {
            Ok(text) => KeySet::parse(&text).map_err(ProviderError::from),
            Err(error) => Err(error),
        };
        let wrong = |what| {
            let mend = "Auth0 → Settings → Signing Keys: the current key must be RSA";
            Finding::wrong("keys", what, mend)
        };
        let keys = match keys {
            Ok(keys) => keys,
            Err(error) => return wrong(chain(&error)),
        };
        let usable = ALGORITHMS.iter().find_map(|name| {
            let algorithm = Algorithm::from_name(name)?;
            let count = keys.candidates(None, algorithm).len();
            (metadata.algorithms.contains(&algorithm) && count > 0).then_some((name, count))
        });
        match usable {
            Some((name, 1)) => Finding::fine("keys", format!("1 key for {name}")),
            Some((name, count)) => Finding::fine("keys", format!("{count} keys for {name}")),
            None => wrong("none can verify RS256".to_owned()),
        }
    }

    /// Checks that the logout can use the standard's endpoint.
    pub(super) fn end_session(metadata: &Metadata) -> Finding {
        match &metadata.end_session_endpoint {
            Some(_) => Finding::fine("end session", "discovery names the endpoint"),
            None if !metadata.issuer.is_auth0() => Finding::warning(
                "end session",
                "discovery names no endpoint",
                "functions/README.md, \"Logout at the provider\", says what a logout does",
            ),
            None => Finding::warning(
                "end session",
                "discovery names no endpoint, so a logout uses Auth0's older /v2/logout",
                "Auth0 → Settings → Advanced → RP-Initiated Logout End Session Endpoint Discovery: on",
            ),
        }
    }
}

/// Compares `now` with the header `Date` of a response. A cache may have kept it for `Age` seconds.
fn compare(now: Timestamp, headers: &HeaderMap) -> Finding {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let date = text(header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let Some(date) = date else {
        return Finding::not_checked("clock", "the answer has no date");
    };
    let age = text(header::AGE).and_then(|age| age.parse().ok()).map(Duration::from_secs);
    let earliest = Timestamp::from(date);
    let latest = Timestamp::from(
        date.checked_add(age.unwrap_or_default()).unwrap_or(SystemTime::UNIX_EPOCH),
    );
    let (ahead, behind) = (now.since(latest), earliest.since(now));
    let difference = ahead.max(behind);
    let direction = if ahead > behind { "ahead of" } else { "behind" };
    let seconds = difference.as_secs();
    let mend = "this machine: switch the synchronization of its clock on";
    if difference <= UNREMARKABLE {
        Finding::fine("clock", "this machine's agrees with the provider's")
    } else if difference <= LEEWAY {
        let what = format!("this machine's is {seconds} s {direction} the provider's");
        Finding::warning("clock", what, mend)
    } else {
        let what = format!(
            "this machine's is {seconds} s {direction} the provider's, so it rejects valid tokens"
        );
        Finding::wrong("clock", what, mend)
    }
}
