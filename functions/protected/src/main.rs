//! protected
fn main() {}
