use std::fs;

use tests::{
    artifacts::Artifacts,
    template::{Function, Template},
};

fn functions() -> Vec<Function> {
    let parameters =
        [("AuthHost", "tenant.example"), ("ClientId", "id"), ("ClientSecret", "secret")];
    let functions = Template::read().deploy(&parameters, &[]).functions().into_iter();
    functions.filter(|function| function.inline.is_none()).collect()
}

/// A folder like the output of `sam build`, without the last `missing` functions.
fn built(missing: usize) -> (tempfile::TempDir, Vec<Function>) {
    let (folder, functions) = (tempfile::tempdir().expect("a folder"), functions());
    for function in functions.iter().rev().skip(missing) {
        let own = folder.path().join(&function.logical_id);
        fs::create_dir(&own).expect("a folder");
        fs::write(own.join("bootstrap"), "").expect("a file");
    }
    (folder, functions)
}

#[test]
fn each_function_has_its_own_program() {
    let (folder, functions) = built(0);
    let artifacts = Artifacts::built(folder.path(), &functions);
    for function in &functions {
        let expected = folder.path().join(&function.logical_id).join("bootstrap");
        assert_eq!(artifacts.bootstrap(function), expected);
    }
    assert!(artifacts.to_string().starts_with("what `sam build` left in "));
}

/// There is no fallback to cargo's output.
#[test]
#[should_panic(expected = "bootstrap is missing: run `sam build`")]
fn a_missing_program_is_an_error() {
    let (folder, functions) = built(1);
    let _ = Artifacts::built(folder.path(), &functions);
}
