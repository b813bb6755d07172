//! Every row has its test.

use tests::requirements::{COMMAND, Requirements, numbered_tests, table_file};

#[test]
fn every_row_of_a_finished_group_has_a_test_and_every_number_is_a_rows() {
    let tests = numbered_tests();
    assert!(tests.len() > 200, "the tests are not found: {}", tests.len());
    let faults = Requirements::read().faults(&tests);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_table_of_rows_and_tests_is_that_of_today() {
    let written = std::fs::read_to_string(table_file()).unwrap();
    let is_current = written == Requirements::read().table(&numbered_tests());
    assert!(is_current, "the table is another day's; write it anew: {COMMAND}");
}
