//! Prints templates.
fn main() {}
