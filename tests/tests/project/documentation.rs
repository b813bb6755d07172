//! The tables of the project's documents agree with the sources.

use std::{collections::BTreeSet, fs};

use tests::{
    documentation::Documentation,
    project,
    requirements::{Requirements, numbered_tests, rust_files},
};

/// The sources below these folders, without their tests and comments.
fn sources(folders: &[&str]) -> Vec<String> {
    let files = folders.iter().flat_map(|folder| rust_files(&project().join(folder)));
    let is_test = |file: &std::path::PathBuf| {
        file.components()
            .any(|part| ["testing", "tests", "tests.rs"].iter().any(|it| part.as_os_str() == *it))
    };
    let code = |text: String| {
        let is_code = |line: &&str| !line.trim_start().starts_with("//");
        text.lines().filter(is_code).collect::<Vec<_>>().join("\n")
    };
    let without_tests = |text: String| match text.split_once("#[cfg(test)]\nmod tests {") {
        Some((code, _)) => code.to_owned(),
        None => text,
    };
    files
        .filter(|file| !is_test(file))
        .map(|file| code(without_tests(fs::read_to_string(file).unwrap())))
        .collect()
}

const FUNCTIONS: [&str; 8] = [
    "functions/authorizer",
    "functions/callback",
    "shared/gateway",
    "functions/login",
    "functions/logout",
    "functions/protected",
    "functions/refresh",
    "shared/src",
];

/// The text between the first pair of quotation marks in `text`.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

/// Each part of `source` between `start` and the next `end`.
fn between<'a>(source: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    source.split(start).skip(1).map(move |rest| rest.split(end).next().unwrap_or_default())
}

/// Each text in quotation marks.
fn texts(source: &str) -> impl Iterator<Item = &str> {
    source.split('"').skip(1).step_by(2)
}

fn is_code(text: &&str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && text.len() > 3
}

#[test]
fn r175_the_documented_events_match_the_sources() {
    let mut events = BTreeSet::new();
    for source in sources(&FUNCTIONS) {
        events.extend(between(&source, "event = ", ",").filter_map(quoted).map(str::to_owned));
        let named = between(&source, "fn event(&self) -> &'static str {", "\n    }");
        events.extend(named.flat_map(texts).map(str::to_owned));
        for level in ["info", "warn", "error"] {
            for call in between(&source, &format!("tracing::{level}!("), ");") {
                assert!(call.contains("event"), "a line without a name: {call}");
            }
        }
    }
    assert!(events.len() >= 15, "{events:?}");
    assert_eq!(Documentation::read().events().into_keys().collect::<BTreeSet<_>>(), events);
}

#[test]
fn r140_the_documented_errors_match_the_sources() {
    let mut codes = BTreeSet::new();
    for source in sources(&FUNCTIONS) {
        // The code follows its status in every notation of errors.
        for status in ["StatusCode::", "Status::"] {
            let pieces = source.split(status).skip(1);
            codes.extend(
                pieces
                    .filter_map(|rest| rest.split_once(','))
                    .filter(|(status, _)| {
                        status.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
                    })
                    .filter(|(_, rest)| rest.trim_start().starts_with('"'))
                    .filter_map(|(_, rest)| quoted(rest))
                    .map(str::to_owned),
            );
        }
        for (start, end) in [
            ("code: \"", "\""),
            ("unavailable(\n            \"", "\""),
            ("unavailable(\n                \"", "\""),
        ] {
            codes.extend(between(&source, start, end).map(str::to_owned));
        }
        let named = between(&source, "fn code(&self) -> &'static str {", "\n    }");
        codes.extend(named.flat_map(texts).filter(is_code).map(str::to_owned));
    }
    assert!(codes.len() >= 35, "{codes:?}");
    let documented: BTreeSet<_> =
        Documentation::read().errors().into_iter().map(|(_, code)| code).collect();
    assert_eq!(documented, codes);
}

#[test]
fn r177_the_documented_settings_match_the_settings_read() {
    let mut settings = BTreeSet::new();
    for source in sources(&["functions", "local/src", "shared/gateway", "shared/src"]) {
        let readers = ["optional(", "required(", "flag(", "duration(", "(settings, "];
        for reader in readers.iter().chain(&["plain: ", "arn: ", "endpoint_variable: "]) {
            for rest in
                source.split(*reader).skip(1).filter(|rest| rest.trim_start().starts_with('"'))
            {
                let name = quoted(rest).unwrap();
                let is_variable = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
                if name.bytes().all(is_variable) {
                    settings.insert(name.to_owned());
                }
            }
        }
    }
    assert!(settings.len() >= 20, "{settings:?}");
    assert_eq!(Documentation::read().settings(), settings);
}

#[test]
fn each_file_in_the_table_of_routes_exists_and_contains_the_path() {
    let routes = Documentation::read().routes();
    assert!(routes.len() >= 10, "{routes:?}");
    for (path, files) in routes {
        assert!(!files.is_empty(), "no file serves {path}");
        for file in files {
            let text = fs::read_to_string(project().join(&file));
            let text = text.unwrap_or_else(|error| panic!("{file} of {path}: {error}"));
            let literal = format!("\"{path}\"");
            let in_template = format!(" Path: {path}");
            let is_there = match file.as_str() {
                "template.yaml" => text.lines().any(|line| line.ends_with(&in_template)),
                _ => text.contains(&literal),
            };
            assert!(is_there, "{file} does not contain {literal}");
        }
    }
}

/// The rows that the threat model names are rows, and it does not rest on one that is not built.
#[test]
fn the_threat_model_refers_only_to_tested_rows() {
    let text = fs::read_to_string(project().join(".github/SECURITY.md")).unwrap();
    let table = Requirements::read().table(&numbered_tests());
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let is_row = |word: &&str| {
        word.strip_prefix('R').is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let rows: BTreeSet<_> = words.filter(is_row).collect();
    assert!(rows.len() >= 40, "{rows:?}");
    for row in rows {
        let line = table.lines().find(|line| line.starts_with(&format!("| {row} |")));
        let line = line.unwrap_or_else(|| panic!("no such row: {row}"));
        assert!(line.contains(".rs: `"), "{line}");
    }
}
