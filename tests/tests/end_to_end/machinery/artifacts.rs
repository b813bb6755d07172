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

/// A folder as `sam build` leaves it, without the last `missing` of the functions.
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
fn each_function_has_the_program_that_was_built_for_it() {
    let (folder, functions) = built(0);
    let artifacts = Artifacts::built(folder.path(), &functions);
    for function in &functions {
        let expected = folder.path().join(&function.logical_id).join("bootstrap");
        assert_eq!(artifacts.bootstrap(function), expected);
    }
    assert!(artifacts.to_string().starts_with("what `sam build` left in "));
}

/// Nor are they taken from where cargo put them.
#[test]
#[should_panic(expected = "bootstrap is missing: run `sam build`")]
fn a_program_that_is_missing_is_not_made_up_for() {
    let (folder, functions) = built(1);
    let _ = Artifacts::built(folder.path(), &functions);
}
