//! The functions' programs, built by cargo.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::process::Command;

use crate::{emulator::template::Function, watch::forget_this_build};

/// Why there are no programs.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The build ended with an error, which cargo has printed.
    #[error("cargo build has failed")]
    Failed,
    /// Cargo cannot be started.
    #[error("cargo cannot be started: {0}")]
    Cargo(#[from] io::Error),
}

/// Builds the functions' programs. Returns their paths, by name.
pub(super) async fn build(
    project: &Path,
    functions: &[Function],
) -> Result<BTreeMap<String, PathBuf>, BuildError> {
    let binaries = functions.iter().filter(|function| function.interpreted.is_none());
    let binaries: Vec<_> = binaries.flat_map(|function| ["--bin", &function.binary]).collect();
    if binaries.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut command = Command::new("cargo");
    forget_this_build(command.as_std_mut());
    command
        .current_dir(project)
        .args(["build", "--message-format", "json-render-diagnostics"])
        .args(binaries)
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    let output = command.spawn()?.wait_with_output().await?;
    if !output.status.success() {
        return Err(BuildError::Failed);
    }
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let programs = messages.filter_map(|message| {
        let path = message["executable"].as_str()?;
        Some((message["target"]["name"].as_str()?.to_owned(), PathBuf::from(path)))
    });
    Ok(programs.collect())
}

/// The source files of a program, which cargo lists beside it.
pub(super) fn sources(program: &Path) -> Vec<PathBuf> {
    let list = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let files = list.split_once(": ").map(|(_, files)| files.replace("\\ ", "\0"));
    let files = files.unwrap_or_default();
    files.split_whitespace().map(|file| file.replace('\0', " ").into()).collect()
}
