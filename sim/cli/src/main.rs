//! The whitewater command.
fn main() {}
