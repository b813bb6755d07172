//! Local runs.
fn main() {}
