//! Writes `tests/REQUIREMENTS.md`, and says what is wrong with the rows or the tests.

use std::process::ExitCode;

use tests::requirements::{Requirements, numbered_tests, table_file};

fn main() -> ExitCode {
    let (requirements, tests) = (Requirements::read(), numbered_tests());
    if let Err(error) = std::fs::write(table_file(), requirements.table(&tests)) {
        eprintln!("the table cannot be written: {error}");
        return ExitCode::FAILURE;
    }
    let faults = requirements.faults(&tests);
    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
