//! Shared by all targets: a time limit for each input, and token verification.
#![forbid(unsafe_code)]

use std::{sync::LazyLock, time::Duration};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use shared::{
    clock::Timestamp,
    issuer::Issuer,
    jwt::{Claims, Expected, KeySet, LoginClaims, TokenError, TokenKind, UnverifiedToken},
    testing::tokens::TestKey,
};

/// The current time in all targets.
pub const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

/// The limit of processor time for one input.
const LIMIT: Duration = Duration::from_millis(50);

/// The trusted identity provider.
pub static ISSUER: LazyLock<Issuer> =
    LazyLock::new(|| Issuer::parse("tenant.auth0.com").expect("a host name is an issuer"));

/// Its key, of the fastest type, so that most of the time goes into parsing.
pub static KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::ed25519("test"));

static KEYS: LazyLock<KeySet> = LazyLock::new(|| shared::testing::tokens::key_set(&[&KEY]));

/// Runs `read` on an input with a limit on its processor time. Other processes do not count.
///
/// # Panics
///
/// Panics when the limit is exceeded.
pub fn bounded<T>(read: impl FnOnce() -> T) -> T {
    let started = processor_time();
    let outcome = read();
    let taken = processor_time() - started;
    assert!(taken < LIMIT, "one input took {taken:?}");
    outcome
}

/// Fully verifies a token as one of `kind`.
///
/// # Errors
///
/// Returns the reason for a rejection.
pub fn verify(token: &str, kind: TokenKind<'_>) -> Result<Claims, TokenError> {
    let expected = Expected { issuer: &ISSUER, kind };
    let token = UnverifiedToken::parse(token, &expected)?;
    let candidates = KEYS.candidates(token.key_id(), token.algorithm());
    token.verify(&candidates, &expected, NOW)
}

/// Every kind of token.
pub fn kinds() -> [TokenKind<'static>; 4] {
    [
        TokenKind::AccessToken { audience: "https://api.example/" },
        TokenKind::ApiKey { client_id: "the-client" },
        TokenKind::IdToken {
            client_id: "the-client",
            nonce: Some("n-1"),
            access_token: Some("access token"),
            max_age: Some(Duration::from_secs(60)),
            authenticated_after: None,
        },
        TokenKind::RefreshedIdToken {
            client_id: "the-client",
            access_token: "access token",
            login: &LOGIN,
        },
    ]
}

/// The claims of the login that is refreshed.
static LOGIN: LazyLock<LoginClaims> = LazyLock::new(|| {
    let token = KEY.sign(&claims());
    let claims = verify(&token, TokenKind::ApiKey { client_id: "the-client" });
    LoginClaims::of(&claims.expect("the token is valid"))
});

/// The claims of a valid API key.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER.as_str(),
        "sub": "auth0|ada",
        "aud": "the-client",
        "exp": NOW.as_unix() + 3_600,
        "iat": NOW.as_unix(),
        "name": "Ada Lovelace",
    })
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
