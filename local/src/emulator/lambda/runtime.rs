//! The runtimes of languages, which run a function's code.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::emulator::template::{InterpretedCode, Source};

/// The runtimes, each a program as `/var/runtime/bootstrap` in Lambda.
const RUNTIMES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runtimes");

/// Code that a runtime runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Code {
    /// The folder with the handler's module.
    pub folder: PathBuf,
    /// `index.handler`
    pub handler: String,
}

impl Code {
    /// The code of the function `name` of a template in the folder `project`. Inline code is written to
    /// `inline`, as CloudFormation names the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn of(
        name: &str,
        code: &InterpretedCode,
        project: &Path,
        inline: &Path,
    ) -> io::Result<Self> {
        let folder = match &code.source {
            Source::Folder(folder) => project.join(folder),
            Source::Inline(text) => {
                let folder = inline.join(name);
                let end = if code.runtime.starts_with("python") { "py" } else { "js" };
                let file = folder.join(format!("index.{end}"));
                // An unchanged file keeps its time of change.
                if fs::read_to_string(&file).ok().as_ref() != Some(text) {
                    fs::create_dir_all(&folder)?;
                    fs::write(file, text)?;
                }
                folder
            }
        };
        Ok(Self { folder, handler: code.handler.clone() })
    }

    /// The program that runs code of this runtime, such as `python3.13`: with the version that this
    /// machine has.
    ///
    /// # Panics
    ///
    /// Panics for a language without a runtime here.
    #[must_use]
    pub fn bootstrap(runtime: &str) -> PathBuf {
        let language = ["python", "node"].into_iter().find(|name| runtime.starts_with(name));
        let language = language.unwrap_or_else(|| panic!("{runtime} cannot be run here"));
        Path::new(RUNTIMES).join(language)
    }
}
