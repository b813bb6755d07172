//! Tests of the program `doctor` with the development provider.

#![cfg(feature = "doctor")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Command, Output},
};

use local::{
    doctor::Doctor,
    identity_provider::{IdentityProvider, Options, Surroundings},
};
use secrecy::SecretString;
use serde_json::json;
use shared::{clock::Clock, crypto::random::Random, settings::Settings};

const SECRET: &str = "b9Q2mZ7xT4kL8vR1cW6s";

/// A running development provider with one application; returns its issuer.
async fn provider(base_url: &str) -> String {
    let mut options = Options::new("client", SecretString::from(SECRET));
    options.redirect_uris = vec![format!("{base_url}/callback")];
    options.logout_uris = vec![format!("{base_url}/signed-out")];
    options.audiences = vec!["https://api.example.com".to_owned()];
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (clock, random) = (Clock::system(), Random::system());
    let provider =
        IdentityProvider::bind(address, options, Surroundings::Machine, clock, random).await;
    let provider = provider.unwrap();
    let issuer = provider.issuer().to_owned();
    tokio::spawn(provider.serve());
    issuer
}

async fn doctor(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doctor"));
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await;
    let Output { status, stdout, stderr } = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!stdout.contains(SECRET) && !stderr.contains(SECRET), "{stdout}{stderr}");
    (status.code(), stdout, stderr)
}

#[tokio::test]
async fn the_settings_of_the_development_provider_are_healthy() {
    let issuer = provider("http://localhost:9000").await;
    let environment = [
        ("AUTH_HOST", issuer.as_str()),
        ("AUDIENCE", "https://api.example.com"),
        ("CLIENT_ID", "client"),
        ("CLIENT_SECRET", SECRET),
        ("SCOPE", "openid offline_access"),
    ];
    let (code, findings, errors) = doctor(&[], &environment).await;
    let api = "Auth0 → Applications → APIs → your API → Settings";
    let expected = format!(
        "ok       discovery: {issuer} answers, and calls itself exactly that
ok       clock: this machine's agrees with the provider's
ok       keys: 1 key for RS256
ok       end session: discovery names the endpoint
ok       callback URL: http://localhost:9000/callback is registered
ok       logout URL: http://localhost:9000/signed-out is registered
ok       client secret: accepted, by Client Secret (Post)
ok       authorization code: the grant type is allowed
ok       refresh token: the grant type is allowed
ok       audience: https://api.example.com is an API of the provider
-        access token: not checked, because only a login shows whether it is a JWT that is signed and not encrypted
         {api} → Signing Algorithm RS256, JSON Web Encryption off
-        RBAC: not checked, because only a login shows whether permissions are in the access token
         {api} → Enable RBAC, Add Permissions in the Access Token
-        offline access: not checked, because only a login shows whether the API allows refresh tokens
         {api} → Allow Offline Access
ok       login methods: Username-Password-Authentication, google-oauth2, github, acme
"
    );
    assert_eq!((code, findings, errors), (Some(0), expected, String::new()));
}

#[tokio::test]
async fn each_mistake_of_the_settings_is_found_at_the_development_provider() {
    let issuer = provider("http://localhost:9000").await;
    for (variable, value, expected) in [
        ("CLIENT_ID", "other", "wrong    client id: CLIENT_ID is no application of this tenant\n"),
        (
            "CLIENT_SECRET",
            "hunter2",
            "wrong    client secret: CLIENT_SECRET is not this application's",
        ),
        (
            "AUDIENCE",
            "https://b.example",
            "wrong    audience: https://b.example is no API of this tenant\n",
        ),
        (
            "PORT",
            "9001",
            "wrong    callback URL: http://localhost:9001/callback is not registered\n",
        ),
        (
            "PORT",
            "9001",
            "wrong    logout URL: http://localhost:9001/signed-out is not registered\n",
        ),
    ] {
        let usual =
            [("AUTH_HOST", issuer.as_str()), ("CLIENT_ID", "client"), ("CLIENT_SECRET", SECRET)];
        let environment = [&usual[..], &[(variable, value)]].concat();
        let (code, findings, errors) = doctor(&[], &environment).await;
        assert_eq!((code, errors.as_str()), (Some(1), ""), "{findings}");
        assert!(findings.contains(expected), "{findings}");
        assert!(!findings.contains("hunter2"), "{findings}");
    }
}

fn stack_file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).unwrap();
    path
}

/// The environment adds the client secret, unless it is about another application.
#[tokio::test]
async fn the_settings_of_a_stack_are_taken_from_its_description() {
    let issuer = provider("https://login.example.com").await;
    let parameter =
        |key: &str, value: &str| json!({ "ParameterKey": key, "ParameterValue": value });
    let description = json!({ "Stacks": [{
        "StackName": "auth0-login",
        "Parameters": [
            parameter("AuthHost", &issuer),
            parameter("ClientId", "client"),
            parameter("ClientSecret", "****"),
            parameter("Audience", ""),
            parameter("Scope", "openid"),
            parameter("Connections", "none"),
        ],
        "Outputs": [{ "OutputKey": "Url", "OutputValue": "https://login.example.com/" }],
    }] });
    let file = stack_file("stack.json", &description.to_string());
    let arguments = ["--stack-file", file.to_str().unwrap()];
    for (environment, secret) in [
        (
            &[("CLIENT_SECRET", SECRET)][..],
            "ok       client secret: accepted, by Client Secret (Post)\n",
        ),
        (&[("CLIENT_SECRET", SECRET), ("CLIENT_ID", "client")], "ok       client secret: accepted"),
        (
            &[("CLIENT_SECRET", SECRET), ("CLIENT_ID", "other"), ("AUDIENCE", "https://b.example")],
            "-        client secret: not checked, because CLIENT_SECRET is not set\n",
        ),
    ] {
        let (code, findings, errors) = doctor(&arguments, environment).await;
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{findings}");
        for expected in [
            secret,
            "ok       callback URL: https://login.example.com/callback is registered\n",
            "ok       logout URL: https://login.example.com/signed-out is registered\n",
            "warning  audience: AUDIENCE is not set, so the API key is the ID token\n",
            "ok       login methods: one plain button, as CONNECTIONS says\n",
        ] {
            assert!(findings.contains(expected), "{findings}");
        }
    }
}

/// Arguments, settings, and the output.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn unusable_settings_end_it_with_code_2_before_any_request() {
    let not_a_stack =
        "the file is not an answer of `aws cloudformation describe-stacks` with one stack in it\n";
    let empty = stack_file("empty.json", r#"{"Stacks":[]}"#);
    let of_another = stack_file("other.json", r#"{"Stacks":[{"Parameters":[],"Outputs":[]}]}"#);
    let cases: [Case<'_>; 6] = [
        (
            &[],
            &[("CLIENT_ID", "client")],
            "the configuration cannot be used:\n  AUTH_HOST is not set: the domain of the Auth0 tenant to examine\n",
        ),
        (
            &[],
            &[("AUTH_HOST", "tenant.eu.auth0.com"), ("SCOPE", "email")],
            "the configuration cannot be used:\n  CLIENT_ID is not set: the application's client id\n  SCOPE must contain `openid`\n",
        ),
        (&["--stack-file", empty.to_str().unwrap()], &[], not_a_stack),
        (&["--stack-file", of_another.to_str().unwrap()], &[], not_a_stack),
        (&["--stack-file", "/nonexistent"], &[], "/nonexistent cannot be read: "),
        (&["--unknown"], &[], "error: unexpected argument '--unknown' found"),
    ];
    for (arguments, environment, expected) in cases {
        let (code, findings, errors) = doctor(arguments, environment).await;
        assert_eq!((code, findings.as_str()), (Some(2), ""), "{errors}");
        assert!(errors.starts_with(expected), "{errors}");
    }
}

#[tokio::test]
async fn the_quick_examination_makes_three_checks() {
    let issuer = provider("http://localhost:9000").await;
    let mut settings = Settings::from_values([
        ("AUTH_HOST", issuer.as_str()),
        ("BASE_URL", "http://localhost:9000"),
        ("CLIENT_ID", "client"),
    ]);
    let doctor = Doctor::from_settings(&mut settings, Clock::system(), Random::system());
    let mut findings = Vec::new();
    doctor.unwrap().examine_quickly(|finding| findings.push(finding.to_string())).await;
    let expected = [
        format!("ok       discovery: {issuer} answers, and calls itself exactly that"),
        "ok       clock: this machine's agrees with the provider's".to_owned(),
        "ok       keys: 1 key for RS256".to_owned(),
    ];
    assert_eq!(findings, expected);
}
