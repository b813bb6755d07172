//! What stands behind functions that are processes of their own: the development provider and a
//! DynamoDB table, both as `local`'s `backends` serves them.

use std::{path::Path, process::Command, time::Duration};

use tempfile::NamedTempFile;

use crate::{
    process::{Process, unique},
    watch::prepare,
};

/// What is measured is not to wait for an emulator that was built for development.
const PROFILE: &str = if cfg!(debug_assertions) { "dev" } else { "bench" };

/// The running backends. They end, with what they keep, when this is dropped.
#[derive(Debug)]
pub struct Backends {
    _process: Process,
    environment: NamedTempFile,
}

impl Backends {
    /// Starts them on free ports with these settings and nothing else set. With `AUTH_HOST` among
    /// them there is a table and no provider.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let environment = NamedTempFile::new().expect("a file can be made");
        let mut command = Command::new("cargo");
        prepare(&mut command, settings);
        command
            .args(["run", "--quiet", "--profile", PROFILE])
            .args(["--package", "local", "--features", "backends"])
            .args(["--bin", "backends", "--"])
            .arg(environment.path());
        let mut process = Process::start(&format!("backends-{}", unique()), &mut command);
        process.line_after("The backends are ready", Duration::from_mins(10)).await;
        Self { _process: process, environment }
    }

    /// The file in which the functions read what they need, for `--env-file`.
    #[must_use]
    pub fn environment_file(&self) -> &Path {
        self.environment.path()
    }

    /// What stands in that file.
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
