//! `local/doctor` with a provider whose settings are wrong: each finding, and where it is mended.

use local::doctor::Doctor;
use serde_json::json;
use shared::{
    clock::{Clock, Timestamp},
    crypto::random::Random,
    settings::Settings,
    testing::tokens::TestKey,
};
use tests::{
    misbehaving_provider::{Endpoint, MisbehavingProvider, Visit, VisitedPage},
    site::{CLIENT_ID, CLIENT_SECRET, ORIGIN, START},
};

const AUDIENCE: &str = "https://api.example.com/v1";

/// The findings in the order of the checks, with their second lines, and whether nothing is wrong.
async fn examine(
    provider: &MisbehavingProvider,
    clock: Clock,
    changes: &[(&str, &str)],
) -> (Vec<String>, bool) {
    let usual = [
        ("AUTH_HOST", provider.issuer.as_str()),
        ("AUDIENCE", AUDIENCE),
        ("BASE_URL", ORIGIN),
        ("CLIENT_ID", CLIENT_ID),
        ("CLIENT_SECRET", CLIENT_SECRET),
        ("SCOPE", "openid email offline_access"),
    ];
    let removed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = usual.iter().filter(|(name, _)| !removed(name));
    let mut settings = Settings::from_values(kept.chain(changes).copied());
    let doctor = Doctor::from_settings(&mut settings, clock, Random::system());
    settings.finish().unwrap();
    let mut findings = Vec::new();
    let is_healthy = doctor.unwrap().examine(|finding| findings.push(finding.to_string())).await;
    for (name, secret) in
        provider.secrets().into_iter().chain([("the secret", CLIENT_SECRET.into())])
    {
        assert!(!findings.iter().any(|finding| finding.contains(&secret)), "{name}: {findings:?}");
    }
    (findings, is_healthy)
}

/// The findings about a provider whose settings are right.
fn healthy(issuer: &str) -> Vec<String> {
    let api = "Auth0 → Applications → APIs → your API → Settings";
    vec![
        format!("ok       discovery: {issuer} answers, and calls itself exactly that"),
        "ok       clock: this machine's agrees with the provider's".to_owned(),
        "ok       keys: 1 key for RS256".to_owned(),
        "ok       end session: discovery names the endpoint".to_owned(),
        "ok       callback URL: https://api.example.com/callback is registered".to_owned(),
        "ok       logout URL: https://api.example.com/signed-out is registered".to_owned(),
        "ok       client secret: accepted, by Client Secret (Post)".to_owned(),
        "ok       authorization code: the grant type is allowed".to_owned(),
        "ok       refresh token: the grant type is allowed".to_owned(),
        format!("ok       audience: {AUDIENCE} is an API of the provider"),
        format!(
            "-        access token: not checked, because only a login shows whether it is a JWT that is signed and not encrypted\n         {api} → Signing Algorithm RS256, JSON Web Encryption off"
        ),
        format!(
            "-        RBAC: not checked, because only a login shows whether permissions are in the access token\n         {api} → Enable RBAC, Add Permissions in the Access Token"
        ),
        format!(
            "-        offline access: not checked, because only a login shows whether the API allows refresh tokens\n         {api} → Allow Offline Access"
        ),
        "ok       login methods: Username-Password-Authentication, google-oauth2".to_owned(),
    ]
}

#[tokio::test]
async fn right_settings_are_healthy_and_what_only_a_login_shows_is_named() {
    let provider = MisbehavingProvider::start(Clock::system()).await;
    let (findings, is_healthy) = examine(&provider, Clock::system(), &[]).await;
    assert_eq!(findings, healthy(&provider.issuer));
    assert!(is_healthy);
}

/// A mistake at the provider.
type Mistake = fn(&MisbehavingProvider);

/// A mistake at the provider, the settings, the checks that change, and the new findings.
type InSettings<'a> = (Mistake, &'a [(&'a str, &'a str)], &'a [&'a str], &'a str);

const fn nothing(_: &MisbehavingProvider) {}

/// Asserts the findings about this mistake with these settings: the checks in `changed` have `expected`
/// findings or none, and all others have the usual ones.
async fn assert_findings(
    mistake: Mistake,
    settings: &[(&str, &str)],
    changed: &[&str],
    expected: &str,
) {
    let provider = MisbehavingProvider::start(Clock::system()).await;
    mistake(&provider);
    let (findings, is_healthy) = examine(&provider, Clock::system(), settings).await;
    let is_changed = |finding: &String| {
        changed.iter().any(|check| finding[9..].starts_with(&format!("{check}: ")))
    };
    let usual = healthy(&provider.issuer);
    let (unchanged, new): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| usual.contains(finding));
    assert_eq!(new.join("\n"), expected);
    let kept: Vec<_> = usual.into_iter().filter(|finding| !is_changed(finding)).collect();
    assert_eq!(unchanged, kept, "{expected}");
    assert_eq!(is_healthy, !new.iter().any(|finding| finding.starts_with("wrong")), "{expected}");
}

/// Each mistake changes the findings that are listed here, and no other.
#[tokio::test]
async fn each_mistake_at_the_provider_has_a_finding_that_names_the_place_where_it_is_mended() {
    use VisitedPage::{Login, LoginForApi, Logout};
    let mistakes: &[(Mistake, &[&str], &str)] = &[
        (
            |provider| provider.publish(json!({ "keys": [] })),
            &["keys"],
            "wrong    keys: none can verify RS256\n         Auth0 → Settings → Signing Keys: the current key must be RSA",
        ),
        (
            |provider| provider.publish(json!({ "keys": [TestKey::p256("p256").jwk()] })),
            &["keys"],
            "wrong    keys: none can verify RS256\n         Auth0 → Settings → Signing Keys: the current key must be RSA",
        ),
        (
            |provider| provider.set_key_set_endpoint(Endpoint::Html),
            &["keys"],
            "wrong    keys: the answer is malformed: not JSON by its type\n         Auth0 → Settings → Signing Keys: the current key must be RSA",
        ),
        (
            |provider| provider.change_metadata(json!({ "end_session_endpoint": null })),
            &["end session"],
            "warning  end session: discovery names no endpoint, so a logout uses Auth0's older /v2/logout\n         Auth0 → Settings → Advanced → RP-Initiated Logout End Session Endpoint Discovery: on",
        ),
        (
            |provider| provider.set_visit(Login, Visit::Shows(403, "Callback URL mismatch.")),
            &["callback URL"],
            "wrong    callback URL: https://api.example.com/callback is not registered\n         Auth0 → Applications → your application → Settings → Allowed Callback URLs: add it exactly",
        ),
        (
            // A tenant with an error page elsewhere.
            |provider| {
                let url = "https://errors.example/?error=unauthorized_client&error_description=Callback+URL+mismatch";
                provider.set_visit(Login, Visit::LeadsTo(url));
            },
            &["callback URL"],
            "wrong    callback URL: https://api.example.com/callback is not registered\n         Auth0 → Applications → your application → Settings → Allowed Callback URLs: add it exactly",
        ),
        (
            |provider| {
                provider.set_visit(Login, Visit::Shows(403, "<p>Unknown client: redirect_uri"));
            },
            &["callback URL"],
            "wrong    client id: CLIENT_ID is no application of this tenant\n         Auth0 → Applications → your application → Settings → Client ID is CLIENT_ID",
        ),
        (
            |provider| provider.set_visit(Login, Visit::Shows(404, "Oops")),
            &["callback URL"],
            "wrong    login request: the provider shows an error page (404)\n         Auth0 → Applications → your application → Settings: compare Client ID and Allowed Callback URLs (https://api.example.com/callback)",
        ),
        (
            |provider| provider.set_visit(Login, Visit::Returns("invalid_scope", "The text")),
            &["callback URL"],
            "wrong    login request: the provider refuses the login request: `invalid_scope`\n         SCOPE asks for what the application or the API of AUDIENCE does not offer",
        ),
        (
            |provider| provider.set_visit(Login, Visit::Returns("server_error", "The text")),
            &["callback URL"],
            "-        login request: not checked, because the provider answers `server_error`",
        ),
        (
            |provider| provider.set_visit(Login, Visit::Shows(429, "Callback URL mismatch")),
            &["callback URL"],
            "-        callback URL: not checked, because the answer has status 429",
        ),
        (
            |provider| provider.set_visit(Logout, Visit::Shows(400, "Oops")),
            &["logout URL"],
            "wrong    logout URL: https://api.example.com/signed-out is not registered\n         Auth0 → Applications → your application → Settings → Allowed Logout URLs: add it exactly",
        ),
        (
            // The older endpoint, with its parameter.
            |provider| {
                provider.change_metadata(json!({ "end_session_endpoint": null }));
                provider.set_visit(Logout, Visit::Shows(400, "Oops"));
            },
            &["end session", "logout URL"],
            "warning  end session: discovery names no endpoint, so a logout uses Auth0's older /v2/logout\n         Auth0 → Settings → Advanced → RP-Initiated Logout End Session Endpoint Discovery: on\n\
             wrong    logout URL: https://api.example.com/signed-out is not registered\n         Auth0 → Applications → your application → Settings → Allowed Logout URLs: add it exactly",
        ),
        (
            MisbehavingProvider::require_basic,
            &["client secret", "authorization code", "refresh token"],
            "wrong    client secret: accepted by Client Secret (Basic) alone, but the functions use (Post)\n         Auth0 → Applications → your application → Credentials → Authentication Method: Client Secret (Post)\n\
             -        refresh token: not checked, because the code exchange fails already",
        ),
        (
            MisbehavingProvider::forbid_refreshes,
            &["refresh token"],
            "wrong    refresh token: the application may not use this grant type\n         Auth0 → Applications → your application → Settings → Advanced → Grant Types: Refresh Token",
        ),
        (
            |provider| {
                let unknown = Visit::Returns("access_denied", "Service not found: hunter2");
                provider.set_visit(LoginForApi, unknown);
            },
            &["audience"],
            "wrong    audience: https://api.example.com/v1 is no API of this tenant\n         Auth0 → Applications → APIs: create it; AUDIENCE is its identifier exactly",
        ),
        (
            |provider| provider.set_visit(LoginForApi, Visit::Returns("invalid_scope", "hunter2")),
            &["audience"],
            "wrong    audience: the provider refuses a login for it: `invalid_scope`\n         SCOPE asks for what the application or the API of AUDIENCE does not offer",
        ),
        (
            |provider| provider.set_visit(LoginForApi, Visit::Shows(403, "Oops")),
            &["audience"],
            "-        audience: not checked, because the provider shows an error page",
        ),
        (
            |provider| provider.set_login_methods(Vec::new()),
            &["login methods"],
            "wrong    login methods: the application has none\n         Auth0 → Applications → your application → Connections",
        ),
        (
            |provider| provider.set_script_endpoint(Endpoint::Refuses(403, "forbidden")),
            &["login methods"],
            "warning  login methods: the list is unavailable, so the login page has one plain button: the answer has status 403\n         set CONNECTIONS, or `none` for one button",
        ),
    ];
    for (mistake, changed, expected) in mistakes {
        assert_findings(*mistake, &[], changed, expected).await;
    }
}

/// Alone, or together with a mistake at the provider.
#[tokio::test]
async fn each_mistake_in_the_settings_has_a_finding_that_names_the_place_where_it_is_mended() {
    let mistakes: &[InSettings<'_>] = &[
        (
            nothing,
            &[("CLIENT_SECRET", "hunter2")],
            &["client secret", "authorization code", "refresh token"],
            "wrong    client secret: CLIENT_SECRET is not this application's, or another authentication method is set\n         Auth0 → Applications → your application → Settings → Client Secret; Credentials → Client Secret (Post)\n\
             -        refresh token: not checked, because the code exchange fails already",
        ),
        (
            nothing,
            &[("CLIENT_SECRET", "")],
            &["client secret", "authorization code", "refresh token"],
            "-        client secret: not checked, because CLIENT_SECRET is not set",
        ),
        (
            |provider| provider.set_token_endpoint(Endpoint::Refuses(401, "access_denied")),
            &[("SCOPE", "openid")],
            &["client secret", "authorization code", "refresh token", "offline access"],
            "wrong    client secret: CLIENT_SECRET is not this application's, or another authentication method is set\n         Auth0 → Applications → your application → Settings → Client Secret; Credentials → Client Secret (Post)",
        ),
        (
            |provider| provider.set_token_endpoint(Endpoint::Refuses(403, "unauthorized_client")),
            &[("SCOPE", "openid")],
            &["client secret", "authorization code", "refresh token", "offline access"],
            "wrong    authorization code: the application may not use this grant type\n         Auth0 → Applications → your application → Settings → Advanced → Grant Types: Authorization Code",
        ),
        (
            |provider| provider.set_token_endpoint(Endpoint::Refuses(403, "invalid_request")),
            &[("SCOPE", "openid")],
            &["client secret", "authorization code", "refresh token", "offline access"],
            "wrong    client secret: the provider refuses the code exchange: `invalid_request`\n         the provider does not understand the request: compare BASE_URL and AUDIENCE with its settings",
        ),
        (
            |provider| provider.set_token_endpoint(Endpoint::Refuses(503, "down")),
            &[("SCOPE", "openid")],
            &["client secret", "authorization code", "refresh token", "offline access"],
            "-        client secret: not checked, because the provider is unavailable",
        ),
        (
            nothing,
            &[("AUDIENCE", "")],
            &["audience", "access token", "RBAC", "offline access"],
            "warning  audience: AUDIENCE is not set, so the API key is the ID token\n         Auth0 → Applications → APIs: create an API; its identifier is AUDIENCE\n\
             -        signature: not checked, because only a login shows the algorithm of ID tokens\n         Auth0 → Applications → your application → Settings → Advanced → OAuth: RS256",
        ),
        (
            nothing,
            &[("CONNECTIONS", "github,google-oauth2")],
            &["login methods"],
            "wrong    login methods: CONNECTIONS lists some that are off: github\n         Auth0 → Applications → your application → Connections",
        ),
        (
            nothing,
            &[("CONNECTIONS", "none")],
            &["login methods"],
            "ok       login methods: one plain button, as CONNECTIONS says",
        ),
        (
            |provider| provider.set_script_endpoint(Endpoint::Html),
            &[("CONNECTIONS", "github")],
            &["login methods"],
            "-        login methods: not checked, because the answer is malformed: no list of login methods",
        ),
    ];
    for (mistake, settings, changed, expected) in mistakes {
        assert_findings(*mistake, settings, changed, expected).await;
    }
}

#[tokio::test]
async fn without_a_discovery_document_nothing_else_is_checked() {
    let mend = "Auth0 → Applications → your application → Settings → Domain is AUTH_HOST; HTTPS_PROXY names a proxy";
    let provider = MisbehavingProvider::start(Clock::system()).await;
    let issuer = provider.issuer.clone();
    let unusable = format!("discovery: {issuer} has no usable document");
    let mistakes: [(Mistake, String); 3] = [
        (
            |provider| provider.change_metadata(json!({ "issuer": "https://other.example/" })),
            format!(
                "issuer: AUTH_HOST is {issuer}, but the provider calls itself https://other.example/\n         set AUTH_HOST to the provider's name for itself, if that is your tenant"
            ),
        ),
        (
            |provider| provider.set_metadata_endpoint(Endpoint::Html),
            format!("{unusable}: the answer is malformed: not JSON by its type\n         {mend}"),
        ),
        (
            |provider| provider.set_metadata_endpoint(Endpoint::Refuses(404, "not_found")),
            format!("{unusable}: the answer has status 404\n         {mend}"),
        ),
    ];
    for (mistake, expected) in mistakes {
        mistake(&provider);
        let (findings, is_healthy) = examine(&provider, Clock::system(), &[]).await;
        let rest = "-        everything else: not checked, because it needs the discovery document";
        assert_eq!(findings, [&*format!("wrong    {expected}"), rest]);
        assert!(!is_healthy);
        provider.change_metadata(json!({}));
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_found_and_one_within_the_leeway_is_a_warning() {
    let provider = MisbehavingProvider::start(Clock::system()).await;
    provider.set_date("Fri, 15 Jan 2027 08:00:00 GMT");
    let mend = "\n         this machine: switch the synchronization of its clock on";
    for (ahead, kind, difference) in [
        (5, "ok      ", "agrees with"),
        (6, "warning ", "is 6 s ahead of"),
        (-30, "warning ", "is 30 s behind"),
        (31, "wrong   ", "is 31 s ahead of"),
        (-3_600, "wrong   ", "is 3600 s behind"),
    ] {
        let now = START.as_unix().saturating_add_signed(ahead);
        let clock = Clock::from_fn(move || Timestamp::from_unix(now));
        let (findings, is_healthy) = examine(&provider, clock, &[]).await;
        let expected = format!("{kind} clock: this machine's {difference} the provider's");
        let effect = match kind {
            "ok      " => "",
            "warning " => mend,
            _ => &format!(", so it rejects valid tokens{mend}"),
        };
        assert_eq!(findings[1], expected + effect);
        assert_eq!(is_healthy, kind != "wrong   ", "{ahead}");
    }
}
