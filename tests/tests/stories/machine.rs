//! The developer's machine: its network and its tools.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Json, Router, routing::get};
use base64::{Engine, prelude::BASE64_STANDARD};
use local::network::network;
use serde_json::json;
use shared::{
    dependencies::Dependencies,
    issuer::Issuer,
    provider::{HttpProvider, IdentityProvider, ProviderError},
    settings::Settings,
};
use tempfile::TempDir;
use tests::{http_api::tls::Identity, project};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// No resolver knows this name, so only the proxy can reach it.
const TENANT: &str = "tenant.invalid";

/// A tenant whose certificate has no public authority, and the proxy that leads to it.
struct Company {
    folder: TempDir,
    proxy: String,
    asked: Arc<AtomicUsize>,
}

impl Company {
    async fn start() -> Self {
        let identity = Identity::new(TENANT);
        let folder = tempfile::tempdir().unwrap();
        let body = BASE64_STANDARD.encode(identity.certificate());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        // The name that `openssl rehash` gives it.
        fs::write(folder.path().join("0a1b2c3d.0"), pem).unwrap();
        let (listener, tenant) = identity.listen().await;
        let metadata = get(async || Json(json!({"issuer": "it"})));
        let router = Router::new().route("/.well-known/openid-configuration", metadata);
        tokio::spawn(async move { axum::serve(listener, router).await });

        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let proxy = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut client = BufReader::new(client);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    client.read_line(&mut head).await.unwrap();
                }
                assert!(head.starts_with(&format!("CONNECT {TENANT}:443 ")), "{head}");
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(tenant).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
        Self { folder, proxy, asked }
    }

    fn file(&self) -> String {
        self.folder.path().join("0a1b2c3d.0").to_str().unwrap().to_owned()
    }

    /// The number of requests that the proxy received.
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn metadata(&self, settings: &[(&str, &str)]) -> Result<Vec<u8>, ProviderError> {
        let mut settings = Settings::from_values(settings.iter().copied());
        let network = network(&mut settings).unwrap();
        HttpProvider::over(Issuer::parse(TENANT).unwrap(), network).metadata().await
    }
}

#[tokio::test]
async fn r214_a_local_run_trusts_a_companys_authority_and_uses_its_proxy() {
    let company = Company::start().await;
    let (file, proxy) = (company.file(), format!("http://{}", company.proxy));
    let folder = company.folder.path().to_str().unwrap();
    for settings in [
        [("SSL_CERT_FILE", &*file), ("HTTPS_PROXY", &*proxy)],
        [("SSL_CERT_DIR", folder), ("https_proxy", &company.proxy)],
        [("SSL_CERT_DIR", &format!("/nonexistent:{folder}")), ("HTTPS_PROXY", &proxy)],
    ] {
        let before = company.asked();
        assert!(company.metadata(&settings).await.is_ok(), "{settings:?}");
        assert_eq!(company.asked(), before + 1);
    }

    let proxy = ("HTTPS_PROXY", &*proxy);
    let before = company.asked();
    let unknown = company.metadata(&[proxy]).await;
    assert!(matches!(unknown, Err(ProviderError::Unreachable(_))), "{unknown:?}");
    assert_eq!(company.asked(), before + 1, "the bundled roots reject its certificate");
    for exception in [("NO_PROXY", "other.example,invalid"), ("no_proxy", TENANT)] {
        let direct = company.metadata(&[("SSL_CERT_FILE", &file), proxy, exception]).await;
        assert!(matches!(direct, Err(ProviderError::Unreachable(_))), "{direct:?}");
        assert_eq!(company.asked(), before + 1, "{exception:?}");
    }
}

/// A function connects to the provider directly, whatever its environment contains, and trusts only the
/// bundled roots.
#[tokio::test]
async fn r214_a_function_inside_lambda_ignores_proxy_and_certificate_settings() {
    let company = Company::start().await;
    let (file, proxy) = (company.file(), format!("http://{}", company.proxy));
    let mut settings = Settings::from_values([
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("AUTH_HOST", TENANT),
        ("CLIENT_ID", "id"),
        ("SESSION_TABLE", "sessions"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2"),
        ("SSL_CERT_FILE", &file),
        ("HTTPS_PROXY", &proxy),
    ]);
    let dependencies = Dependencies::from_settings(&mut settings).unwrap();
    let answer = dependencies.provider.metadata().await;
    assert!(matches!(answer, Err(ProviderError::Unreachable(_))), "{answer:?}");
    assert_eq!(company.asked(), 0);
}

/// The two scripts that users run, in a folder with tools that have only the options of BSD.
struct Tools(TempDir);

impl Tools {
    fn new() -> Self {
        let tools = Self(tempfile::tempdir().unwrap());
        let path = tools.0.path();
        for name in ["bin", "local"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        for script in ["start", "cargo-lambda", "doctor", "from-pypi"] {
            fs::copy(project().join("local").join(script), path.join("local").join(script))
                .unwrap();
        }
        symlink("/bin/bash", path.join("bin/bash")).unwrap();
        for tool in ["dirname", "env", "mkdir", "mktemp", "mv", "rm"] {
            let refusing = format!(
                "for argument; do case \"$argument\" in --*) echo \"{tool}: illegal option\" >&2; exit 64 ;; esac; done\n\
                 exec /usr/bin/{tool} \"$@\""
            );
            tools.put(tool, &refusing);
        }
        tools.put("cargo", "echo \"cargo $* by $PATH\"");
        // Handles `python3 -m venv FOLDER`; the pip that it creates installs a cargo-lambda.
        let pip =
            "echo '#!/bin/sh' > \"${0%pip}cargo-lambda\"; /bin/chmod +x \"${0%pip}cargo-lambda\"";
        tools.put(
            "python3",
            &format!(
                "mkdir -p \"$3/bin\"; printf '%s\\n' '#!/bin/sh' {} > \"$3/bin/pip\"; /bin/chmod +x \"$3/bin/pip\"",
                format_args!("'{}'", pip.replace('\'', "'\\''"))
            ),
        );
        tools
    }

    fn put(&self, name: &str, script: &str) {
        let path = self.0.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("/bin/bash");
        command.arg(self.0.path().join(script)).args(arguments);
        command.env_clear().env("PATH", self.0.path().join("bin")).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn r212_an_installed_cargo_lambda_is_used_if_suitable_else_the_pinned_one_is_installed() {
    for (version, is_used) in [
        ("cargo-lambda 1.9.0 (2026-01-01)", true),
        ("cargo-lambda 1.12.3 (2026-12-01)", true),
        ("cargo-lambda 1.8.6 (2025-07-18)", false),
        ("cargo-lambda 1.90", false),
        ("cargo-lambda 2.0.0", false),
        ("cargo-lambda 0.19.0", false),
        ("", false),
    ] {
        let tools = Tools::new();
        tools.put("cargo-lambda", &format!("[ \"$*\" = 'lambda --version' ] && echo '{version}'"));
        let found = tools.run("local/cargo-lambda", &[]);
        let (folder, said) = (text(&found.stdout), text(&found.stderr));
        assert!(found.status.success(), "{version}: {said}");
        let folder = Path::new(folder.trim()).canonicalize().unwrap();
        assert_eq!(
            folder.ends_with("bin") && !folder.starts_with(tools.0.path().join(".venv")),
            is_used,
            "{folder:?}"
        );
        assert!(folder.join("cargo-lambda").exists());
        assert_eq!(said.is_empty(), is_used, "{said}");
        let told = said.contains("1.9 or a later 1 is needed") && said.contains("installing");
        assert_eq!(told, !is_used, "{said}");
    }
}

#[test]
fn r213_the_scripts_start_both_forms_with_tools_that_have_only_bsd_options() {
    let tools = Tools::new();
    let whole = tools.run("local/start", &[]);
    let said = text(&whole.stdout);
    assert!(whole.status.success(), "{whole:?}");
    assert!(said.starts_with("cargo run --bin local -- start by "), "{said}");
    assert!(said.contains("/.venv/cargo-lambda-"), "cargo finds it: {said}");
    assert!(text(&whole.stderr).contains("installing cargo-lambda"), "{whole:?}");

    let deployed = tools.run("local/start", &["--deployed", "Name=value"]);
    let said = text(&deployed.stdout);
    assert!(deployed.status.success(), "{deployed:?}");
    assert!(said.contains("--features backends --bin deployed -- Name=value by "), "{said}");
    assert_eq!(text(&deployed.stderr), "", "it needs no cargo-lambda");
    assert_eq!(tools.run("local/start", &["--help"]).status.code(), Some(2));
    let left = fs::read_dir(tools.0.path().join(".venv")).unwrap().count();
    assert_eq!(left, 1, "no partial installation is left");
}

#[test]
fn the_doctor_takes_its_settings_from_the_environment_a_stack_or_a_file() {
    let tools = Tools::new();
    let call = "cargo run --quiet --package local --features doctor --bin doctor --";
    tools.put(
        "cargo",
        "[ \"$1\" = build ] && exit; echo \"cargo $*\"; read -r line; echo \"$line\"; exit 1",
    );
    let examine = |arguments: &[&str]| {
        let output = tools.run("local/doctor", arguments);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(examine(&[]), (Some(1), format!("{call}\n\n"), String::new()));
    let from_file = examine(&["--stack-file", "/a folder/stack.json"]);
    let expected = format!("{call} --stack-file /a folder/stack.json\n\n");
    assert_eq!(from_file, (Some(1), expected, String::new()));
    let without_aws = "local/doctor: --stack needs the AWS CLI; use --stack-file without it\n";
    assert_eq!(
        examine(&["--stack", "auth0-login"]),
        (Some(2), String::new(), without_aws.to_owned())
    );
    tools.put("aws", "[ \"$4\" = auth0-login ] && echo \"described: $*\"");
    let described =
        "described: cloudformation describe-stacks --stack-name auth0-login --output json";
    let expected = format!("{call} --stack-file -\n{described}\n");
    assert_eq!(examine(&["--stack", "auth0-login"]), (Some(1), expected, String::new()));
    assert_eq!(examine(&["--stack", "unknown"]), (Some(2), String::new(), String::new()));
    let usage = "usage: local/doctor [--stack NAME | --stack-file FILE]\n";
    for arguments in [&["--help"][..], &["--stack"], &["--stack-file", "a", "b"]] {
        assert_eq!(examine(arguments), (Some(2), String::new(), usage.to_owned()));
    }
}

/// Bash 3.2 on macOS does not have these features, and the tools here do not detect them.
#[test]
fn r213_the_scripts_use_no_feature_newer_than_bash_3_2() {
    for script in ["start", "cargo-lambda", "doctor", "from-pypi", "auth0/import"] {
        let code = fs::read_to_string(project().join("local").join(script)).unwrap();
        for new in [
            "wait -n",
            ",,}",
            "^^}",
            "mapfile",
            "readarray",
            "declare -A",
            "local -n",
            "|&",
            "&>>",
            "[@]",
            "@Q}",
            "coproc",
        ] {
            assert!(!code.contains(new), "{script} has {new}");
        }
    }
}
