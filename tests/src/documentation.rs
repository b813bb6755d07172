//! The tables and code examples of the project's documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The documents that contain tables or code which tests hold against the sources.
const DOCUMENTS: [&str; 2] = ["README.md", "functions/README.md"];

/// The text of these documents, one after the other.
#[derive(Debug)]
pub struct Documentation(String);

/// An event that the functions may log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LoggedEvent {
    /// The levels it may have.
    pub levels: BTreeSet<String>,
    /// The fields it may have, in addition to those of every line.
    pub fields: BTreeSet<String>,
}

impl Documentation {
    /// Reads the documents.
    #[must_use]
    pub fn read() -> Self {
        let read = |name: &str| fs::read_to_string(crate::project().join(name));
        Self(DOCUMENTS.map(|name| read(name).expect("the document can be read")).join("\n"))
    }

    /// The events, by name.
    #[must_use]
    pub fn events(&self) -> BTreeMap<String, LoggedEvent> {
        let mut events = BTreeMap::new();
        for row in self.table("| event | level | fields | meaning |") {
            let levels = row[1].split(", ").map(str::to_owned).collect();
            let event = LoggedEvent { levels, fields: code_in(row[2]).collect() };
            for name in code_in(row[0]) {
                assert!(
                    events.insert(name.clone(), event.clone()).is_none(),
                    "{name} is documented twice"
                );
            }
        }
        events
    }

    /// The errors: each documented status with its `code`.
    #[must_use]
    pub fn errors(&self) -> BTreeSet<(u16, String)> {
        let mut errors = BTreeSet::new();
        for row in self.table("| status | `code` | why |") {
            for status in row[0].split(", ") {
                let status: u16 = status.parse().expect("a status is a number");
                errors.extend(code_in(row[1]).map(|code| (status, code)));
            }
        }
        errors
    }

    /// The names of the settings.
    #[must_use]
    pub fn settings(&self) -> BTreeSet<String> {
        let rows = self.table("| variable | default | meaning |").into_iter();
        rows.flat_map(|row| code_in(row[0]).collect::<Vec<_>>()).collect()
    }

    /// The routes: each path with the files in the same row.
    #[must_use]
    pub fn routes(&self) -> Vec<(String, Vec<String>)> {
        let path_of = |route: String| {
            let path = route.split_once(' ').map(|(_, path)| path.to_owned());
            path.expect("a route is a method and a path")
        };
        let mut routes = Vec::new();
        for row in self.table("| route | file | what it does |") {
            let files: Vec<_> = code_in(row[1]).collect();
            routes.extend(code_in(row[0]).map(|route| (path_of(route), files.clone())));
        }
        routes
    }

    /// The one piece of code in this language that contains `word`, without the indentation of the
    /// list around it.
    #[must_use]
    pub fn code(&self, language: &str, word: &str) -> String {
        let fence = format!("```{language}");
        let mut lines = self.0.lines();
        let mut found = Vec::new();
        while let Some(line) = lines.find(|line| line.trim_start() == fence) {
            let indentation = line.len() - fence.len();
            let code = lines.by_ref().take_while(|line| line.trim() != "```");
            let code: String =
                code.flat_map(|line| [line.get(indentation..).unwrap_or_default(), "\n"]).collect();
            if code.contains(word) {
                found.push(code);
            }
        }
        assert_eq!(found.len(), 1, "the documents contain one {language} with {word}");
        found.remove(0)
    }

    /// The cells of each row of the table with this header.
    fn table(&self, head: &str) -> Vec<Vec<&str>> {
        let mut lines = self.0.lines().skip_while(|line| *line != head);
        assert!(lines.next().is_some(), "no document contains a table {head}");
        let rows = lines.skip(1).take_while(|line| line.starts_with('|'));
        rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }
}

/// Each text between backticks.
fn code_in(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}
