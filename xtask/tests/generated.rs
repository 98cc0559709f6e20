//! Nothing that is generated is stale, the schemas included: the tests of git-conductor use this
//! crate without these.

use xtask::task::{TASKS, check, named};

#[test]
fn nothing_generated_is_stale() {
    let stale = check(TASKS).expect("all can be read");
    assert!(stale.is_empty(), "\n{}", stale.join("\n"));
    assert!(TASKS.iter().any(|task| task.name == "schemas"));
}

#[test]
fn a_name_that_is_not_known_is_told_from_those_that_are() {
    let error = named("pages").err().expect("it is none").to_string();
    assert!(error.starts_with("unknown name 'pages' (one of: man, tables, "), "{error}");
}
