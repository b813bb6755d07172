//! `local/new-function` refuses what it cannot add, and then changes nothing.

use std::{fs, path::Path, process::Command};

use tests::copy_project;

/// Runs the command. Returns its complaint if it fails.
fn new_function(folder: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(folder.join("local/new-function"));
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    (!output.status.success()).then(|| String::from_utf8(output.stderr).unwrap())
}

fn assert_refused(folder: &Path, arguments: &[&str], reason: &str) {
    let before = fs::read_to_string(folder.join("template.yaml")).unwrap();
    let complaint = new_function(folder, arguments).unwrap();
    assert!(complaint.contains(reason), "{arguments:?}: {complaint}");
    assert_eq!(fs::read_to_string(folder.join("template.yaml")).unwrap(), before);
    assert!(!folder.join("functions/reports").exists());
}

#[test]
fn names_and_paths_that_cannot_be_added_are_refused() {
    let copy = tempfile::tempdir().unwrap();
    let folder = copy.path();
    copy_project(folder);
    for (arguments, reason) in [
        (&[][..], "usage"),
        (&["reports", "GET"], "usage"),
        (&["--help"], "usage"),
        (&["../reports"], "must be lower-case"),
        (&["Reports"], "must be lower-case"),
        (&["my-reports"], "must be lower-case"),
        (&["match"], "reserved in Rust"),
        (&["logout"], "functions/logout exists"),
        (&["gateway"], "is called `gateway`"),
        (&["serde_json"], "is called `serde_json`"),
        (&["http_api"], "has a `HttpApi`"),
        (&["dashboard"], "has a `Dashboard`"),
        (&["responder"], "uses the name `Responder`"),
        (&["reports", "TRACE", "/reports"], "must be one of"),
        (&["reports", "GET", "reports"], "must be a path"),
        (&["reports", "GET", "/reports/"], "must be a path"),
        (&["reports", "GET", "/a/../b"], "must be a path"),
        (&["reports", "GET", "/reports/{id}"], "needs a router"),
        (&["reports", "GET", "/protected"], "/protected is taken"),
        (&["reports", "GET", "/backchannel-logout"], "is taken"),
        (&["reports", "GET", "/.well-known/oauth-protected-resource"], "is taken"),
    ] {
        assert_refused(folder, arguments, reason);
    }
}

#[test]
fn files_that_were_changed_beyond_recognition_are_refused() {
    for (file, text, other, reason) in [
        ("template.yaml", "  Protected:\n", "  Guarded:\n", "not as expected: 0 instead of 1"),
        ("template.yaml", "\"ANY /protected\"", "\"ANY /mine\"", "not as expected"),
        (
            "template.yaml",
            "\nOutputs:\n",
            "\nOutputs:\n  Mine: { Value: !Ref Protected }\n",
            "does not know",
        ),
        ("functions/protected/src/lib.rs", "\"/protected\"", "\"/mine\"", "not as expected"),
        ("local/src/bundle.rs", "(\"protected\",", "(\"mine\",", "not as expected"),
        ("functions/README.md", "| `GET /protected` |", "| `GET /mine` |", "not as expected"),
    ] {
        let copy = tempfile::tempdir().unwrap();
        copy_project(copy.path());
        let path = copy.path().join(file);
        let changed = fs::read_to_string(&path).unwrap().replace(text, other);
        fs::write(&path, changed).unwrap();
        assert_refused(copy.path(), &["reports"], reason);
    }
}

/// An alarm may watch ten metrics.
#[test]
fn functions_are_added_until_the_alarms_are_full() {
    let copy = tempfile::tempdir().unwrap();
    copy_project(copy.path());
    assert_eq!(new_function(copy.path(), &["orders", "POST", "/shop/orders"]), None);
    let orders = fs::read_to_string(copy.path().join("functions/orders/src/lib.rs")).unwrap();
    assert!(orders.contains("const PATH: &'static str = \"/shop/orders\";\n    const METHODS: &'static str = \"POST, OPTIONS\";\n"));
    assert_eq!(new_function(copy.path(), &["more_orders"]), None);
    assert_refused(copy.path(), &["reports", "GET", "/shop/orders"], "/shop/orders is taken");
    assert_eq!(new_function(copy.path(), &["bills"]), None);
    assert_refused(copy.path(), &["reports"], "all the metrics that CloudWatch allows");
}
