//! `local/auth0/import` with Auth0's own deploy tool. Only the tenant is a fake: the tool validates the
//! settings by its schemas, and sends its requests to answers in the same process.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::project;

const FILES: [&str; 5] =
    ["config.json", "import", "package-lock.json", "package.json", "tenant.yaml"];

/// A copy of the files that the command uses, and an AWS CLI that knows one stack.
struct Folder(TempDir);

impl Folder {
    fn new(url_and_audience: &str) -> Self {
        let source = project().join("local/auth0");
        let installed = source.join("node_modules");
        assert!(
            installed.join("auth0-deploy-cli").is_dir(),
            "Auth0's deploy tool is not installed: use tests/run, or `npm ci` in {}",
            source.display()
        );
        let folder = tempfile::tempdir().expect("a folder");
        for file in FILES {
            fs::copy(source.join(file), folder.path().join(file)).expect("a copy");
        }
        symlink(installed, folder.path().join("node_modules")).expect("a link");
        let aws = folder.path().join("aws");
        fs::write(&aws, format!("#!/bin/sh\nprintf '{url_and_audience}\\n'\n")).expect("a script");
        fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).expect("it may run");
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn import(&self, environment: &[(&str, &str)], options: &[&str]) -> Output {
        let path = std::env::var("PATH").expect("a path");
        let preload = project().join("tests/auth0/tenant.mjs");
        Command::new(self.path().join("import"))
            .args(["auth0-login", "My application"])
            .args(options)
            .env("PATH", format!("{}:{path}", self.path().display()))
            .env("NODE_OPTIONS", format!("--import {}", preload.display()))
            .env("AUTH0_DOMAIN", "tenant.eu.auth0.com")
            .env("AUTH0_CLIENT_ID", "machine")
            .env("AUTH0_CLIENT_SECRET", "hunter2")
            .envs(environment.iter().copied())
            .output()
            .expect("bash runs")
    }
}

/// The requests that change the tenant, by name, with their bodies.
fn changes(output: &Output) -> Vec<(String, Value)> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("hunter2"), "{text}");
    let mut changes: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("request: "))
        .map(|line| line.split_once(" {").expect("a body"))
        .map(|(name, body)| {
            (name.to_owned(), serde_json::from_str(&format!("{{{body}")).expect("JSON"))
        })
        .collect();
    changes.sort_by(|left, right| left.0.cmp(&right.0));
    changes
}

fn application() -> Value {
    json!({
        "name": "My application",
        "app_type": "regular_web",
        "oidc_conformant": true,
        "callbacks": ["https://login.example.com/callback"],
        "allowed_logout_urls": ["https://login.example.com/signed-out"],
        "initiate_login_uri": "https://login.example.com/login",
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "client_secret_post",
        "jwt_configuration": { "alg": "RS256", "lifetime_in_seconds": 36000 },
        "refresh_token": {
            "rotation_type": "rotating",
            "leeway": 60,
            "expiration_type": "expiring",
            "infinite_token_lifetime": false,
            "token_lifetime": 2_592_000,
            "infinite_idle_token_lifetime": false,
            "idle_token_lifetime": 1_296_000,
        },
    })
}

fn api() -> Value {
    json!({
        "name": "My application",
        "identifier": "https://api.example.com",
        "signing_alg": "RS256",
        "allow_offline_access": true,
        "enforce_policies": true,
        "token_dialect": "access_token_authz",
    })
}

const STACK: &str = "https://login.example.com/\\thttps://api.example.com";

#[test]
fn an_empty_tenant_gets_the_application_and_its_api_and_nothing_else() {
    let folder = Folder::new(STACK);
    let imported = folder.import(&[], &[]);
    assert!(imported.status.success(), "{imported:?}");
    let expected = [
        ("POST /api/v2/clients".to_owned(), application()),
        ("POST /api/v2/resource-servers".to_owned(), api()),
    ];
    assert_eq!(changes(&imported), expected);
    let shown = folder.import(&[], &["--dry-run"]);
    assert!(shown.status.success(), "{shown:?}");
    assert_eq!(changes(&shown), []);
}

/// Neither other applications nor settings outside the file are changed.
#[test]
fn an_existing_application_and_api_are_updated_and_others_are_left_alone() {
    let tenant = json!({
        "clients": [
            { "client_id": "ours", "name": "My application", "callbacks": [], "description": "kept" },
            { "client_id": "other", "name": "Another application" },
        ],
        "resource_servers": [
            { "id": "api", "name": "Old name", "identifier": "https://api.example.com" },
            { "id": "other", "name": "Another API", "identifier": "https://other.example.com" },
        ],
    });
    let environment = [
        ("TENANT", &*tenant.to_string()),
        ("API_NAME", "Reports"),
        ("API_SCOPES", "read:reports write:reports"),
        ("BACKCHANNEL_LOGOUT", "yes"),
    ];
    let imported = Folder::new(STACK).import(&environment, &[]);
    assert!(imported.status.success(), "{imported:?}");
    let mut application = application();
    application["oidc_logout"] = json!({
        "backchannel_logout_urls": ["https://login.example.com/backchannel-logout"],
        "backchannel_logout_initiators": { "mode": "all" },
    });
    let mut api = api();
    api["name"] = "Reports".into();
    api.as_object_mut().expect("an object").remove("identifier");
    api["scopes"] = json!([
        { "value": "read:reports", "description": "read:reports" },
        { "value": "write:reports", "description": "write:reports" },
    ]);
    let expected = [
        ("PATCH /api/v2/clients/ours".to_owned(), application),
        ("PATCH /api/v2/resource-servers/api".to_owned(), api),
    ];
    assert_eq!(changes(&imported), expected);
}

#[test]
fn a_setting_that_is_invalid_for_the_tool_is_refused_before_any_request() {
    let folder = Folder::new(STACK);
    let file = folder.path().join("tenant.yaml");
    let settings = fs::read_to_string(&file).expect("the settings");
    let invalid = settings.replace("identifier:", "identifer:");
    assert_ne!(invalid, settings);
    fs::write(&file, invalid).expect("written");
    let refused = folder.import(&[], &[]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert_eq!(changes(&refused), []);
    let said = [refused.stdout, refused.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("Schema validation failed") && said.contains("identifier"), "{said}");
}

#[test]
fn a_stack_without_an_api_or_an_address_is_refused() {
    for (stack, expected) in [
        ("https://login.example.com/\\t", "has no Audience"),
        ("https://login.example.com/\\tNone", "has no Audience"),
        ("None\\tNone", "has no output Url"),
    ] {
        let refused = Folder::new(stack).import(&[], &[]);
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(expected), "{refused:?}");
        assert_eq!(changes(&refused), []);
    }
}
