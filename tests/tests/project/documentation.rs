//! The tables of the project's documents agree with the sources.

use std::{collections::BTreeSet, fs};

use shared::names::{ErrorCode, LogEvent};
use tests::{
    documentation::Documentation,
    project,
    requirements::{numbered_tests, rows_in, rust_files},
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

/// The text between the first pair of quotation marks in `text`.
fn quoted(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

/// Fails if a name is declared and used by no source.
fn assert_used(kind: &str, variants: impl Iterator<Item = String>) {
    let sources = sources(&["functions", "shared/gateway", "shared/src"]).join("\n");
    for variant in variants {
        assert!(sources.contains(&format!("{kind}::{variant}")), "{kind}::{variant} is not used");
    }
}

#[test]
fn r175_the_documented_events_are_the_events_of_the_log() {
    let events = LogEvent::ALL.iter().map(|event| event.name().to_owned());
    assert_eq!(
        Documentation::read().events().into_keys().collect::<BTreeSet<_>>(),
        events.collect()
    );
    assert_used("LogEvent", LogEvent::ALL.iter().map(|event| format!("{event:?}")));
}

#[test]
fn each_line_of_the_log_names_its_event() {
    for source in sources(&["functions", "shared/gateway", "shared/src"]) {
        for level in ["info", "warn", "error"] {
            for call in source.split(&format!("tracing::{level}!(")).skip(1) {
                let call = call.split(");").next().unwrap();
                assert!(call.contains("event"), "a line without a name: {call}");
            }
        }
    }
}

#[test]
fn r140_the_documented_errors_are_the_codes_of_responses() {
    let codes: BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.name().to_owned()).collect();
    let documented = Documentation::read().errors().into_iter().map(|(_, code)| code);
    assert_eq!(documented.collect::<BTreeSet<_>>(), codes);
    assert_used("ErrorCode", ErrorCode::ALL.iter().map(|code| format!("{code:?}")));
}

#[test]
fn r177_the_documented_settings_match_the_settings_read() {
    let mut settings = BTreeSet::new();
    for source in sources(&["functions", "local/src", "shared/gateway", "shared/src"]) {
        let readers =
            ["optional(", "with_default(", "required(", "flag(", "duration(", "(settings, "];
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

/// The threat model does not rest on a row without a test.
#[test]
fn the_threat_model_refers_only_to_tested_rows() {
    let text = fs::read_to_string(project().join(".github/SECURITY.md")).unwrap();
    let rows: BTreeSet<_> = rows_in(&text).into_iter().collect();
    assert!(rows.len() >= 40, "{rows:?}");
    let tested: BTreeSet<_> = numbered_tests().into_iter().flat_map(|test| test.rows).collect();
    assert_eq!(rows.difference(&tested).collect::<Vec<_>>(), [&0; 0]);
}
