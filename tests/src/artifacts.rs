//! The functions' programs: what `sam build` left, or what cargo builds of the same code.

use std::{
    env,
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{project, template::Function, watch::prepare};

/// Names the folder that `sam build` left, `.aws-sam/build`. `tests/run` sets it.
pub const VARIABLE: &str = "ARTIFACTS";

/// The folder of what this very program's profile builds.
const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// Where the programs are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Artifacts {
    /// In the folder that `sam build` left: `LOGICAL_ID/bootstrap`, what would be deployed.
    Built(PathBuf),
    /// In cargo's target folder, made just now. For whoever works without SAM.
    Cargo(PathBuf),
}

impl Artifacts {
    /// What `sam build` left if the environment says so, else what cargo builds of these functions,
    /// which is done first.
    ///
    /// # Panics
    ///
    /// As [`Self::built`] does, and when the build fails.
    #[must_use]
    pub fn of(functions: &[Function]) -> Self {
        match env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
            Some(folder) => Self::built(&project().join(folder), functions),
            None => {
                build(&programs(functions).map(|function| &*function.binary).collect::<Vec<_>>());
                Self::Cargo(folder())
            }
        }
    }

    /// What `sam build` left in this folder.
    ///
    /// # Panics
    ///
    /// When the program of a function is missing. Nothing else is taken in its place: a story that is
    /// told on other programs than it says proves nothing.
    #[must_use]
    pub fn built(folder: &Path, functions: &[Function]) -> Self {
        let artifacts = Self::Built(folder.to_owned());
        for function in programs(functions) {
            let bootstrap = artifacts.bootstrap(function);
            assert!(bootstrap.is_file(), "{} is missing: run `sam build`", bootstrap.display());
        }
        artifacts
    }

    /// The program of this function, whose code does not stand in the template.
    #[must_use]
    pub fn bootstrap(&self, function: &Function) -> PathBuf {
        match self {
            Self::Built(folder) => folder.join(&function.logical_id).join("bootstrap"),
            Self::Cargo(folder) => folder.join(&function.binary),
        }
    }

    /// Builds these binaries, with the profile of this very program: the one for development, or the
    /// one that ships.
    ///
    /// # Panics
    ///
    /// When one cannot be built.
    #[must_use]
    pub fn build<const N: usize>(binaries: &[&str; N]) -> [PathBuf; N] {
        build(binaries);
        binaries.map(|binary| folder().join(binary))
    }
}

/// Those that have a program of their own.
fn programs(functions: &[Function]) -> impl Iterator<Item = &Function> {
    functions.iter().filter(|function| function.inline.is_none())
}

/// Builds the binary `name` of the workspace in this folder, which is not the project's but uses its
/// crates, for development and without a network. What both use is built once.
///
/// # Panics
///
/// When it cannot be built.
#[must_use]
pub fn build_elsewhere(workspace: &Path, name: &str) -> PathBuf {
    let mut command = Command::new("cargo");
    prepare(&mut command, &[]);
    let target = crate::target();
    command.current_dir(workspace).env("CARGO_TARGET_DIR", &target).args([
        "build",
        "--quiet",
        "--offline",
        "--bin",
        name,
    ]);
    let output = command.output().expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug").join(name)
}

/// Builds this binary with the feature `concurrent`, beside the one without it, and with the profile of
/// this very program. Where that is the one that ships, a panic unwinds: it must not end the process, in
/// which other requests are in flight.
///
/// # Panics
///
/// When it cannot be built.
#[must_use]
pub fn concurrent(binary: &str) -> PathBuf {
    let apart = crate::target().join("concurrent");
    // What is built on the way there is that of all other builds.
    let build_folder = format!("build.build-dir={:?}", crate::target());
    let feature = format!("{binary}/concurrent");
    let mut arguments = vec!["build", "--quiet", "--config", &build_folder, "--features", &feature];
    if cfg!(debug_assertions) {
        arguments.extend(["--bin", binary]);
    } else {
        let unwind = "profile.release.panic=\"unwind\"";
        arguments.extend(["--config", unwind, "--release", "--package", binary]);
    }
    arguments.push("--target-dir");
    cargo(arguments.into_iter().map(OsStr::new).chain([apart.as_os_str()]));
    apart.join(PROFILE).join(binary)
}

fn build(binaries: &[&str]) {
    if cfg!(debug_assertions) {
        let binaries = binaries.iter().flat_map(|binary| ["--bin", binary]);
        cargo(["build", "--quiet"].into_iter().chain(binaries));
        return;
    }
    // Each by itself: built together, one would get what another needs of their libraries.
    for binary in binaries {
        cargo(["build", "--quiet", "--release", "--package", binary]);
    }
}

fn cargo(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) {
    let mut command = Command::new("cargo");
    prepare(&mut command, &[]);
    let output = command.args(arguments).output().expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Where they are then.
fn folder() -> PathBuf {
    crate::target().join(PROFILE)
}

impl fmt::Display for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Built(folder) => write!(f, "what `sam build` left in {}", folder.display()),
            Self::Cargo(folder) => write!(f, "what cargo built in {}", folder.display()),
        }
    }
}
