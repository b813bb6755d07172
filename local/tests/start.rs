//! Tests of `local start`, as `local/start` calls it, with a fake `cargo` that prints its arguments.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output},
};

/// Creates a folder with this `.env`.
fn folder(name: &str, env_file: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    let cargo = folder.join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho \"cargo $*\"\nenv\n").unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.join(".env"), env_file).unwrap();
    folder
}

fn program(path: &str, folder: &PathBuf, environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .envs(environment.iter().copied())
        .current_dir(folder);
    command
}

fn start(folder: &PathBuf, environment: &[(&str, &str)]) -> Output {
    program(env!("CARGO_BIN_EXE_local"), folder, environment).arg("start").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn free_port() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port().to_string()
}

#[test]
fn the_version_is_that_of_the_workspace_and_needs_no_settings() {
    let folder = folder("version", "PORT=nonsense");
    for (name, path) in [
        ("local", env!("CARGO_BIN_EXE_local")),
        #[cfg(feature = "backends")]
        ("deployed", env!("CARGO_BIN_EXE_deployed")),
        #[cfg(feature = "doctor")]
        ("doctor", env!("CARGO_BIN_EXE_doctor")),
        #[cfg(feature = "operator")]
        ("sessions", env!("CARGO_BIN_EXE_sessions")),
    ] {
        let asked = program(path, &folder, &[]).arg("--version").output().unwrap();
        let expected = format!("{name} (auth0-login) {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((text(&asked.stdout), asked.status.success()), (expected, true));
    }
}

#[test]
fn r210_the_file_sets_only_variables_that_the_environment_does_not_set() {
    let (port, provider_port) = (free_port(), free_port());
    let file = format!(
        "\u{feff}export PORT = {port} # mine\r\nPROVIDER_PORT='{provider_port}'\r\nDEBUG=nonsense\r\nAUDIENCE=of-the-file\r\n"
    );
    let folder = folder("both", &file);
    let started = start(&folder, &[("DEBUG", "false"), ("AUDIENCE", "")]);
    let said = text(&started.stdout);
    assert!(started.status.success(), "{started:?}");
    assert!(said.contains(&format!("Open http://localhost:{port}/ in a browser.")), "{said}");
    let watch = format!("cargo lambda watch --invoke-address 127.0.0.1 --invoke-port {port}\n");
    assert!(said.contains(&watch), "{said}");
    assert!(said.contains(&format!("\nPROVIDER_PORT={provider_port}\n")), "{said}");
    assert!(said.contains("\nDEBUG=false\n") && said.contains("\nAUDIENCE=\n"), "{said}");
}

#[test]
fn r210_an_unreadable_line_ends_the_start() {
    let folder = folder("unreadable", "DEBUG=true\nSCOPE=openid hunter2\n");
    for arguments in [&["start"][..], &[]] {
        let mut command = program(env!("CARGO_BIN_EXE_local"), &folder, &[]);
        let refused = command.args(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let expected = ".env line 2 cannot be read: it must be NAME=value, with quotes around a value with spaces\n";
        assert_eq!(text(&refused.stderr), expected);
    }
}

/// The program prints one fault and ends, for each of `variables` whose port is in use.
fn faults_of_ports_in_use(path: &str, arguments: &[&str], name: &str, variables: &[&str]) {
    let folder = folder(name, "");
    for variable in variables {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let number = taken.local_addr().unwrap().port().to_string();
        let mut command = program(path, &folder, &[]);
        command.envs(variables.iter().map(|variable| (variable, free_port())));
        let output = command.env(variable, &number).args(arguments).output().unwrap();
        assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(1), ""));
        let expected = format!(
            "the configuration cannot be used:\n  {variable} {number} is taken by another program: \
             end that program, or set another port\n"
        );
        assert_eq!(text(&output.stderr), expected);
    }
}

#[test]
fn r211_a_port_in_use_is_reported_and_ends_the_start() {
    let path = env!("CARGO_BIN_EXE_local");
    faults_of_ports_in_use(path, &["start"], "taken", &["PORT", "PROVIDER_PORT"]);
}

#[cfg(feature = "backends")]
#[test]
fn r211_a_port_in_use_ends_the_start_of_the_deployed_form() {
    let path = env!("CARGO_BIN_EXE_deployed");
    faults_of_ports_in_use(path, &[], "deployed", &["PORT", "PROVIDER_PORT", "DYNAMODB_PORT"]);
}

#[cfg(feature = "backends")]
#[test]
fn a_template_or_an_argument_that_cannot_be_used_ends_the_start() {
    let folder = folder("template", "");
    let usage = "usage: deployed [Name=value]...\n";
    let unusable = "template.yaml cannot be used\n";
    for (template, argument, reason, last) in [
        ("", "nonsense", "", usage),
        ("", "A=b", "template.yaml is empty", unusable),
        ("A: [", "A=b", "template.yaml: ", unusable),
        ("Parameters: {}", "A=b", "the template has no parameter A", unusable),
    ] {
        fs::write(folder.join("template.yaml"), template).unwrap();
        let mut command = program(env!("CARGO_BIN_EXE_deployed"), &folder, &[]);
        for variable in ["PORT", "PROVIDER_PORT", "DYNAMODB_PORT"] {
            command.env(variable, free_port());
        }
        let output = command.arg(argument).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{template}: {said}");
        assert!(said.contains(reason) && said.ends_with(last), "{template}: {said}");
    }
}

/// Without `local start`, the function prints the assumptions. After `local start` it does not.
#[test]
fn assumptions_are_printed_once() {
    let (port, provider_port) = (free_port(), free_port());
    let folder = folder("printed", &format!("PORT={port}\nPROVIDER_PORT={provider_port}\n"));
    let started = text(&start(&folder, &[]).stdout);
    assert_eq!(started.matches("BASE_URL is not set").count(), 1, "{started}");
    let printed = started.lines().find(|line| line.starts_with("LOCAL_RUN_ASSUMPTIONS_PRINTED="));
    let (name, value) = printed.unwrap().split_once('=').unwrap();
    for (environment, expected) in [(&[][..], 1), (&[(name, value)], 0)] {
        let mut function = program(env!("CARGO_BIN_EXE_local"), &folder, environment);
        let said = text(&function.output().unwrap().stderr);
        assert_eq!(said.matches("BASE_URL is not set").count(), expected, "{said}");
    }
}

#[test]
fn r214_an_unusable_network_setting_is_reported_at_the_start() {
    let folder = folder("network", "");
    for (variable, value, expected) in [
        ("SSL_CERT_FILE", ".env", "names no certificate that can be read (PEM)"),
        ("SSL_CERT_DIR", "/nonexistent", "names no certificate that can be read (PEM)"),
        ("HTTPS_PROXY", "socks5://proxy.example:1080", "must be a proxy such as"),
        ("https_proxy", "http://", "must be a proxy such as"),
    ] {
        let ports = [("PORT", free_port()), ("PROVIDER_PORT", free_port())];
        let [port, provider] = ports.each_ref().map(|(name, port)| (*name, port.as_str()));
        let refused = start(&folder, &[port, provider, (variable, value)]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("\n  {variable} {expected}")), "{said}");
    }
}

#[test]
fn a_provider_that_does_not_answer_is_reported_within_seconds_and_the_run_starts() {
    let folder = folder("provider", "CLIENT_ID=client\nCLIENT_SECRET=hunter2\n");
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let closed = free_port();
    for (port, expected) in [
        (closed, "has no usable document: the provider cannot be reached: "),
        (
            silent.local_addr().unwrap().port().to_string(),
            "-        the rest: not checked, because no answer within 4 s\n",
        ),
    ] {
        let (host, port_of_run) = (format!("http://127.0.0.1:{port}"), free_port());
        let started = start(&folder, &[("AUTH_HOST", &host), ("PORT", &port_of_run)]);
        let said = text(&started.stdout);
        assert!(started.status.success(), "{started:?}");
        let (report, watch) = said.split_once("cargo lambda watch ").unwrap();
        assert!(report.contains(expected) && !report.contains("hunter2"), "{report}");
        assert!(watch.contains(&format!("--invoke-port {port_of_run}\n")), "{watch}");
    }
}
