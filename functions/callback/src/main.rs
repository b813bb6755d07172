//! callback
fn main() {}
