//! `git conductor`: see the library's documentation for the code map.

fn main() {}
