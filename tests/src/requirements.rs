//! The rows of `tests/requirements.toml`, and the tests that name them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The rows, in groups.
#[derive(Debug)]
pub struct Requirements(BTreeMap<String, Group>);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    title: String,
    finished: bool,
    rows: BTreeMap<String, Row>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Row {
    Tested(String),
    Untested { title: String, not_built: String },
}

/// A test with the rows that its name and doc comment mention.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NumberedTest {
    /// Its file, relative to the project's folder.
    pub file: String,
    /// The name of the test function.
    pub name: String,
    /// The row numbers.
    pub rows: Vec<u32>,
}

impl Requirements {
    /// Reads `tests/requirements.toml`.
    #[must_use]
    pub fn read() -> Self {
        let file = crate::project().join("tests/requirements.toml");
        Self::parse(&fs::read_to_string(file).expect("the rows are there"))
    }

    fn parse(text: &str) -> Self {
        Self(basic_toml::from_str(text).expect("the rows are well-formed"))
    }

    /// The faults: rows without a required test, tests of unknown rows, and tests of rows that are
    /// marked as not built.
    #[must_use]
    pub fn faults(&self, tests: &[NumberedTest]) -> Vec<String> {
        let mut faults = Vec::new();
        let is_tested = |number| tests.iter().any(|test| test.rows.contains(&number));
        for (number, (group, row)) in self.rows() {
            let fault = match row {
                Row::Tested(_) if group.finished && !is_tested(number) => "has no test",
                Row::Untested { .. } if is_tested(number) => {
                    "is marked as not built, but has a test"
                }
                _ => continue,
            };
            faults.push(format!("R{number} {fault}"));
        }
        let rows = self.rows();
        for test in tests {
            for number in test.rows.iter().filter(|number| !rows.contains_key(number)) {
                faults.push(format!("{} in {} names no row: R{number}", test.name, test.file));
            }
        }
        faults
    }

    /// The rows with their tests, one line each.
    #[must_use]
    pub fn list(&self, tests: &[NumberedTest]) -> String {
        let mut list = String::new();
        for (number, (group, row)) in self.rows() {
            let (title, reason) = match row {
                Row::Tested(title) => (title, String::new()),
                Row::Untested { title, not_built } => (title, format!(" not built: {not_built}")),
            };
            let tests = tests.iter().filter(|test| test.rows.contains(&number));
            let tests: String =
                tests.map(|test| format!("\n    {}: {}", test.file, test.name)).collect();
            let _ = writeln!(list, "R{number} {}: {title}{reason}{tests}", group.title);
        }
        list
    }

    fn rows(&self) -> BTreeMap<u32, (&Group, &Row)> {
        let mut rows = BTreeMap::new();
        for group in self.0.values() {
            for (number, row) in &group.rows {
                let number = number.parse().expect("a row has a number");
                assert!(rows.insert(number, (group, row)).is_none(), "R{number} occurs twice");
            }
        }
        rows
    }
}

/// Every test in the project that mentions a row.
#[must_use]
pub fn numbered_tests() -> Vec<NumberedTest> {
    let project = crate::project();
    let mut tests = Vec::new();
    for file in ["functions", "local", "shared", "tests"]
        .iter()
        .flat_map(|it| rust_files(&project.join(it)))
    {
        let path = file.strip_prefix(&project).expect("it is in the project").to_string_lossy();
        let source = fs::read_to_string(&file).expect("a source can be read");
        tests.extend(tests_of(&path, &source).into_iter().filter(|test| !test.rows.is_empty()));
    }
    tests
}

/// The Rust sources below `folder`, sorted by name.
#[must_use]
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("the folder can be read").path())
        .collect();
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        let is_foreign = entry.ends_with("node_modules") || entry.ends_with("target");
        if entry.is_dir() && !is_foreign {
            files.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files
}

/// The numbered tests in one source file. Ignored tests do not count.
fn tests_of(file: &str, source: &str) -> Vec<NumberedTest> {
    let mut tests = Vec::new();
    let (mut rows, mut is_test, mut is_ignored) = (Vec::new(), false, false);
    for line in source.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            rows.extend(rows_in(comment));
        } else if let Some(attribute) = line.strip_prefix("#[") {
            is_test |= attribute.starts_with("test]") || attribute.starts_with("tokio::test");
            is_ignored |= attribute.starts_with("ignore");
        } else if !line.is_empty() {
            if let (Some(name), true, false) = (function_name(line), is_test, is_ignored) {
                rows.extend(rows_of_name(name));
                rows.sort_unstable();
                rows.dedup();
                tests.push(NumberedTest { file: file.to_owned(), name: name.to_owned(), rows });
            }
            (rows, is_test, is_ignored) = (Vec::new(), false, false);
        }
    }
    tests
}

fn function_name(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    line.split(['(', '<']).next()
}

/// `r017_r018_a_name` names rows 17 and 18.
fn rows_of_name(name: &str) -> Vec<u32> {
    let words = name.split('_');
    words.map_while(|word| word.strip_prefix('r')?.parse().ok()).collect()
}

/// Every number such as `R17` in a text.
#[must_use]
pub fn rows_in(text: &str) -> Vec<u32> {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('R')?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_a_test_and_a_test_without_a_row_are_faults() {
        let rows = "
            [A]
            title = 'First'
            finished = true
            [A.rows]
            1 = 'One'
            2 = { title = 'Two', not_built = 'no need' }
            [B]
            title = 'Second'
            finished = false
            [B.rows]
            10 = 'Ten'
        ";
        let faults = |source| Requirements::parse(rows).faults(&tests_of("x.rs", source));
        assert_eq!(faults("#[test]\nfn r001_one() {}"), Vec::<String>::new());
        for untested in ["", "/// R1\nfn r001_one() {}", "#[test]\n#[ignore]\nfn r001_one() {}"] {
            assert_eq!(faults(untested), ["R1 has no test"], "{untested}");
        }
        assert_eq!(
            faults(
                "/// R2: and not RFC 1.\n#[tokio::test]\nasync fn r001_r099_a_name_like_r003() {}"
            ),
            [
                "R2 is marked as not built, but has a test",
                "r001_r099_a_name_like_r003 in x.rs names no row: R99"
            ]
        );
    }
}
