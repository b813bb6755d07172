//! The functions' programs: built by `sam build`, or by cargo from the same code.

use std::{
    env,
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::Command,
};

use local::emulator::{lambda::Code, template::Function};

use crate::{project, watch::prepare};

/// Environment variable with the output folder of `sam build`, or an unpacked release. `tests/run` sets it.
pub const VARIABLE: &str = "ARTIFACTS";

/// Cargo's output folder for the profile of this test program.
const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// Where the programs are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Artifacts {
    /// In the output folder of `sam build`, as `LOGICAL_ID/bootstrap`: the files that would be
    /// deployed.
    Built(PathBuf),
    /// In cargo's target folder, freshly built. Used when SAM is not installed.
    Cargo(PathBuf),
}

impl Artifacts {
    /// The output of `sam build` if the environment names it; otherwise builds these functions with
    /// cargo.
    ///
    /// # Panics
    ///
    /// Panics as [`Self::built`] does, and when the build fails.
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

    /// The programs in this output folder of `sam build`.
    ///
    /// # Panics
    ///
    /// Panics when the program of a function is missing. There is no fallback: a test that runs other
    /// programs than it claims proves nothing.
    #[must_use]
    pub fn built(folder: &Path, functions: &[Function]) -> Self {
        let artifacts = Self::Built(folder.to_owned());
        for function in programs(functions) {
            let bootstrap = artifacts.bootstrap(function);
            assert!(bootstrap.is_file(), "{} is missing: run `sam build`", bootstrap.display());
        }
        artifacts
    }

    /// The path of this function's program, or of the runtime of its language.
    #[must_use]
    pub fn bootstrap(&self, function: &Function) -> PathBuf {
        match (&function.interpreted, self) {
            (Some(code), _) => Code::bootstrap(&code.runtime),
            (None, Self::Built(folder)) => folder.join(&function.logical_id).join("bootstrap"),
            (None, Self::Cargo(folder)) => folder.join(&function.binary),
        }
    }
}

/// The functions that have a program.
fn programs(functions: &[Function]) -> impl Iterator<Item = &Function> {
    functions.iter().filter(|function| function.interpreted.is_none())
}

/// Builds the binary `name` of another workspace that uses the project's crates. The build is a
/// development build without network access. Crates used by both workspaces are built once.
///
/// # Panics
///
/// Panics when the build fails.
#[must_use]
pub fn build_elsewhere(workspace: &Path, name: &str) -> PathBuf {
    let mut command = Command::new("cargo");
    prepare(&mut command, &[]);
    // The project's own folder contains programs of the same names.
    let apart = crate::target().join("elsewhere");
    let build_folder = format!("build.build-dir={:?}", crate::target());
    command.current_dir(workspace).args(["build", "--quiet", "--offline", "--bin", name]);
    command.args(["--config", &build_folder, "--target-dir"]).arg(&apart);
    let output = command.output().expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    apart.join("debug").join(name)
}

/// Builds this binary of `local`, as `local/start` does.
///
/// # Panics
///
/// Panics when the build fails.
#[must_use]
pub fn build_local(binary: &str) -> PathBuf {
    cargo(["build", "--quiet", "--package", "local", "--features", "backends", "--bin", binary]);
    crate::target().join("debug").join(binary)
}

/// Builds this binary with the feature `concurrent`, next to the build without it and with the
/// profile of this test program. In release builds a panic unwinds, since other requests run in the
/// same process.
///
/// # Panics
///
/// Panics when the build fails.
#[must_use]
pub fn concurrent(binary: &str) -> PathBuf {
    let apart = crate::target().join("concurrent");
    // Intermediate files are shared with all other builds.
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
    // One build each: in a joint build, cargo would unify the features of their libraries.
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

/// The folder that contains the built binaries.
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
