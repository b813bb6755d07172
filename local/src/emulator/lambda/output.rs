//! The output of the functions' processes.

use std::{
    fmt,
    io::{Write as _, stdout},
    path::PathBuf,
    process::Command,
};

use super::InvocationError;
use crate::process::{Process, unique};

/// Where the output of a function's processes goes.
#[derive(Clone, Debug)]
pub enum Output {
    /// To a file for each process, in this folder.
    Files(PathBuf),
    /// To the log of this program: each line after this label, and each failed invocation.
    Log(Label),
}

/// The name of a line's origin, as the log shows it.
#[derive(Clone, Debug)]
pub struct Label(String);

impl Output {
    /// Starts a process of the function with this name.
    pub(super) fn start(&self, function: &str, mut command: Command) -> Process {
        match self {
            Self::Files(folder) => {
                let log = folder.join(format!("lambda-{function}-{}.log", unique()));
                Process::start(log, &mut command)
            }
            Self::Log(label) => {
                let label = label.clone();
                Process::start_with_lines(command, move |line| label.print(line))
            }
        }
    }

    /// Logs why an invocation has no response.
    pub(super) fn failure(&self, error: &InvocationError) {
        if let Self::Log(label) = self {
            label.print(error);
        }
    }
}

impl Label {
    /// A label of this width; each `number` has another colour.
    #[must_use]
    pub fn new(name: &str, width: usize, number: usize, is_coloured: bool) -> Self {
        // The colours 1 to 6 of a terminal, then their bright forms. Red is for errors.
        const COLOURS: [u8; 10] = [36, 32, 33, 35, 34, 96, 92, 93, 95, 94];
        let label = format!("{name:width$} |");
        Self(match is_coloured {
            true => format!("\x1b[{}m{label}\x1b[0m", COLOURS[number % COLOURS.len()]),
            false => label,
        })
    }

    /// Prints a line after the label.
    pub fn print(&self, line: impl fmt::Display) {
        // The reader of the log may have ended, and the run goes on.
        let _ = writeln!(stdout().lock(), "{} {line}", self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_a_width_and_a_colour_only_on_request() {
        assert_eq!(Label::new("login", 8, 1, false).0, "login    |");
        assert_eq!(Label::new("login", 8, 1, true).0, "\x1b[32mlogin    |\x1b[0m");
        assert_eq!(Label::new("login", 8, 11, true).0, Label::new("login", 8, 1, true).0);
    }
}
