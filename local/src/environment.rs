//! The environment of a local run, and the file `.env` for what is not set there.

use std::{
    cell::Cell,
    env, fs,
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use shared::settings::Settings;

/// The file that a local run reads, in the folder where it runs.
pub const FILE: &str = ".env";

/// The variables of [`FILE`] that the environment does not set. One that it sets to nothing counts
/// as set.
pub struct Environment(Vec<(String, String)>);

/// Why the file cannot be used. No value of it is repeated.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// The file is there and cannot be read, or is not UTF-8.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the operating system answered.
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
        /// Its number, the first is 1.
        line: usize,
    },
}

impl Environment {
    /// Reads the file at `path`. No file is an empty one.
    ///
    /// # Errors
    ///
    /// When there is a file and it cannot be read.
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

    /// The settings, of the environment and of the file together.
    pub fn settings(&self) -> Settings {
        let environment = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Settings::from_values(environment.chain(self.0.iter().cloned()))
    }

    /// What a program that is started by this one must be told, beside the environment.
    pub fn additions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The variables in `text`, or the number of the line that cannot be read.
fn parse(text: &str) -> Result<Vec<(String, String)>, usize> {
    // The library takes the mark off for those only who let it write the process' environment, and
    // wants each line ended.
    let text = format!("{}\n", text.trim_start_matches('\u{feff}').trim_end());
    let lines = Cell::new(0);
    let reader = LineByLine { rest: text.as_bytes(), lines: &lines };
    dotenvy::from_read_iter(reader).collect::<Result<_, _>>().map_err(|error| {
        // Of a quotation that is not closed, the rest of the file was read; its first line tells.
        let rest = match error {
            dotenvy::Error::LineParse(rest, _) => rest,
            _ => String::new(),
        };
        lines.get() - rest.trim_end().matches('\n').count()
    })
}

/// Hands over one line per read and counts them: the library does not say where it stopped.
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
    fn r210_the_dialects_that_people_write_are_read() {
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
    fn r210_a_line_that_cannot_be_read_is_named_and_its_value_is_not() {
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
    fn r210_no_file_is_an_empty_one_and_a_folder_is_none() {
        assert!(Environment::read(Path::new("/nonexistent/.env")).unwrap().0.is_empty());
        let error = Environment::read(Path::new("/")).err().unwrap();
        assert!(matches!(error, EnvironmentError::File { .. }), "{error}");
    }
}
