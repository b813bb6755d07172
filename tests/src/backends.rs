//! The backends of functions that run as separate processes: the development provider and a DynamoDB
//! table, both served by `local`'s `backends`.

use std::{path::Path, process::Command, time::Duration};

use local::process::{Process, unique};
use tempfile::NamedTempFile;

use crate::watch::prepare;

/// Benchmarks use an optimized emulator, so that they do not measure a slow one.
const PROFILE: &str = if cfg!(debug_assertions) { "dev" } else { "bench" };

/// The running backends. Dropping this stops them and discards their data.
#[derive(Debug)]
pub struct Backends {
    _process: Process,
    environment: NamedTempFile,
}

impl Backends {
    /// Starts the backends on free ports with exactly these settings. If `AUTH_HOST` is among them,
    /// there is a table but no provider.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let environment = NamedTempFile::new().expect("a file can be made");
        let mut command = Command::new("cargo");
        prepare(&mut command, settings);
        command
            .args(["run", "--quiet", "--profile", PROFILE])
            .args(["--package", "local", "--features", "backends"])
            .args(["--bin", "backends", "--"])
            .arg(environment.path());
        let mut process =
            Process::start(crate::log_of(&format!("backends-{}", unique())), &mut command);
        process.line_after("The backends are ready", Duration::from_mins(10)).await;
        Self { _process: process, environment }
    }

    /// The file with the functions' settings, for `--env-file`.
    #[must_use]
    pub fn environment_file(&self) -> &Path {
        self.environment.path()
    }

    /// The variables in that file.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(&self.environment).expect("the file can be read");
        let variable = |line: &str| {
            let (name, value) = line.split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            Some((name.to_owned(), value.to_owned()))
        };
        let variables = text.lines().map(|line| variable(line).expect("a line is NAME=\"value\""));
        variables.collect()
    }
}
