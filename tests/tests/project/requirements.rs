//! Checks that every requirement has a test.

use tests::requirements::{Requirements, numbered_tests};

#[test]
fn every_finished_row_has_a_test_and_every_numbered_test_a_row() {
    let tests = numbered_tests();
    assert!(tests.len() > 200, "too few tests were found: {}", tests.len());
    let faults = Requirements::read().faults(&tests);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
