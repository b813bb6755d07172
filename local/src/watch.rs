//! Starts `cargo lambda watch` for a local run.

use std::{env, ffi::OsStr, process::Command};

use crate::{environment::Environment, settings::LocalRun};

/// Set if the assumed settings were printed before `cargo lambda watch` started, so that the function
/// does not print them again.
pub const ASSUMPTIONS_PRINTED: &str = "LOCAL_RUN_ASSUMPTIONS_PRINTED";

/// The command `cargo lambda watch` for `run`. It listens on loopback only and receives this process'
/// environment and the additions of `environment`.
pub fn command(run: &LocalRun, environment: &Environment) -> Command {
    let mut command = Command::new("cargo");
    forget_this_build(&mut command);
    command
        .args(["lambda", "watch", "--invoke-address", "127.0.0.1"])
        .args(["--invoke-port", &run.port.to_string()])
        .envs(environment.additions())
        .env(ASSUMPTIONS_PRINTED, "1");
    command
}

/// Removes the variables that Cargo sets for the current build from the environment of `command`,
/// because it starts other builds.
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
