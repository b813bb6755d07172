//! Every row has its test.

use tests::requirements::{Requirements, numbered_tests};

#[test]
fn every_row_of_a_finished_group_has_a_test_and_every_number_is_a_rows() {
    let tests = numbered_tests();
    assert!(tests.len() > 200, "the tests are not found: {}", tests.len());
    let faults = Requirements::read().faults(&tests);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
