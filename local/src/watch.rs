//! `cargo lambda watch`, as a local run starts it.

use std::{env, ffi::OsStr, process::Command};

use crate::{environment::Environment, settings::LocalRun};

/// Set where what a local run assumes was told before `cargo lambda watch` started, so that the
/// function does not tell it again.
pub const TOLD: &str = "LOCAL_RUN_TOLD";

/// `cargo lambda watch` for `run`, on loopback alone, with what `environment` adds to this process'.
pub fn command(run: &LocalRun, environment: &Environment) -> Command {
    let mut command = Command::new("cargo");
    forget_this_build(&mut command);
    command
        .args(["lambda", "watch", "--invoke-address", "127.0.0.1"])
        .args(["--invoke-port", &run.port.to_string()])
        .envs(environment.additions())
        .env(TOLD, "1");
    command
}

/// Takes from the environment of `command` what Cargo tells a program of its own build: the builds
/// that are about to start are others.
pub fn forget_this_build(command: &mut Command) {
    let is_of_this_build = |name: &OsStr| {
        let name = name.to_string_lossy();
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "NEXTEST"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_this_build(name)) {
        command.env_remove(name);
    }
}
