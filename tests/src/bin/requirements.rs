//! Prints the requirements with their tests, and reports rows or tests that are wrong.

use std::process::ExitCode;

use tests::requirements::{Requirements, numbered_tests};

fn main() -> ExitCode {
    let (requirements, tests) = (Requirements::read(), numbered_tests());
    print!("{}", requirements.list(&tests));
    let faults = requirements.faults(&tests);
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
