//! The environment of a local run, and the file `.env` for variables that it does not set.

use std::{
    cell::Cell,
    env, fs,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use shared::settings::Settings;

/// The file that a local run reads from its working directory.
pub const FILE: &str = ".env";

/// The variables of [`FILE`] that the environment does not set. An empty variable counts as set.
pub struct Environment(Vec<(String, String)>);

/// Why the file cannot be used. The message repeats no value from it.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The file exists but is unreadable or not UTF-8.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// The file's path.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A line that is neither `NAME=value` nor a comment.
    #[error(
        "{} line {line} cannot be read: it must be NAME=value, with quotes around a value with spaces",
        path.display()
    )]
    Line {
        /// The file's path.
        path: PathBuf,
        /// The line number, counted from 1.
        line: usize,
    },
}

impl Environment {
    /// Reads the file at `path`. A missing file counts as empty.
    ///
    /// # Errors
    ///
    /// If the file exists and cannot be read.
    pub fn read(path: &Path) -> Result<Self, EnvironmentError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self(Vec::new())),
            Err(source) => return Err(EnvironmentError::File { path: path.to_owned(), source }),
        };
        let mut variables =
            parse(&text).map_err(|line| EnvironmentError::Line { path: path.to_owned(), line })?;
        variables.retain(|(name, _)| env::var_os(name).is_none());
        Ok(Self(variables))
    }

    /// The settings from the environment and the file.
    pub fn settings(&self) -> Settings {
        Settings::from_values(self.variables())
    }

    /// The variables of the environment and of the file.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let environment = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        environment.chain(self.0.iter().cloned())
    }

    /// The variables that a child process needs in addition to the environment.
    pub fn additions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Parses the variables in `text`. The error is the number of the line that cannot be read.
fn parse(text: &str) -> Result<Vec<(String, String)>, usize> {
    // The library removes the byte order mark only when it writes the process environment itself, and
    // it needs a line end after each line.
    let text = format!("{}\n", text.trim_start_matches('\u{feff}').trim_end());
    let lines = Cell::new(0);
    let reader = LineByLine { rest: text.as_bytes(), lines: &lines };
    dotenvy::from_read_iter(reader).collect::<Result<_, _>>().map_err(|error| {
        // For an unclosed quotation, the library read the rest of the file: report its first line.
        let rest = match error {
            dotenvy::Error::LineParse(rest, _) => rest,
            _ => String::new(),
        };
        lines.get() - rest.trim_end().matches('\n').count()
    })
}

/// Returns one line per read and counts them, because the library does not report where it stopped.
struct LineByLine<'a> {
    rest: &'a [u8],
    lines: &'a Cell<usize>,
}

impl Read for LineByLine<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let line = self.rest.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
        let length = line.len().min(buffer.len());
        buffer[..length].copy_from_slice(&line[..length]);
        self.rest = &self.rest[length..];
        if line[..length].ends_with(b"\n") {
            self.lines.set(self.lines.get() + 1);
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r210_common_dialects_of_the_file_are_read() {
        for (line, value) in [
            ("NAME=value", "value"),
            ("\u{feff}NAME=value", "value"),
            ("export NAME=value", "value"),
            ("  NAME = value", "value"),
            ("\tNAME=value  ", "value"),
            ("# a comment's apostrophe\n\nNAME=value # and another", "value"),
            ("NAME=\"openid email\" # the default", "openid email"),
            ("NAME='a $b # c'", "a $b # c"),
            ("NAME=a#b", "a#b"),
            ("NAME=a=b==", "a=b=="),
            ("NAME=", ""),
        ] {
            for end in ["", "\n", "\r\n", "\r\nOTHER=x\r\n"] {
                let text = format!(
                    "{}{end}",
                    line.replace('\n', if end.contains('\r') { "\r\n" } else { "\n" })
                );
                let variables = parse(&text).unwrap_or_else(|at| panic!("{text:?}: line {at}"));
                assert_eq!(variables[0], ("NAME".to_owned(), value.to_owned()), "{text:?}");
            }
        }
    }

    #[test]
    fn r210_an_unreadable_line_is_reported_without_its_value() {
        for (text, expected) in [
            ("NAME", 1),
            ("A=1\n# comment\nSCOPE=openid hunter2\nB=2\n", 3),
            ("A=1\r\n\r\n9NAME=hunter2\r\n", 3),
            ("A=1\nKEY='hunter2\nB=2\nC=3\n", 2),
            ("A=\"1\n2\"\nKEY=hunter2 x\n", 3),
            ("- A: hunter2\n", 1),
            (&format!("A={}\nB=hunter2 x", "a".repeat(20_000)), 2),
        ] {
            assert_eq!(parse(text), Err(expected), "{text:?}");
        }
        let error = EnvironmentError::Line { path: FILE.into(), line: 3 };
        assert!(error.to_string().starts_with(".env line 3 cannot be read"), "{error}");
    }

    #[test]
    fn r210_a_missing_file_counts_as_empty_and_a_folder_is_an_error() {
        assert!(Environment::read(Path::new("/nonexistent/.env")).unwrap().0.is_empty());
        let error = Environment::read(Path::new("/")).err().unwrap();
        assert!(matches!(error, EnvironmentError::File { .. }), "{error}");
    }
}
