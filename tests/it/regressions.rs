//! What was found wrong by trying the program as a stranger would.

use std::fs;
use std::path::Path;

use crate::process_driver::Agent;
use crate::sandbox::Sandbox;

fn repository() -> (Sandbox, Agent) {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    (sandbox, Agent::new("me"))
}

#[test]
fn a_sprint_that_nobody_could_read_is_not_published() {
    let (sandbox, me) = repository();
    let goal = "x".repeat(1_000);
    let about = "y".repeat(1_048_300);
    sandbox.write("repo/big.json", format!(r#"[{{"name":"a","about":"{about}"}}]"#));
    let start = ["start", "--goal", &goal, "--phases", "./big.json"];
    assert_eq!(sandbox.run("repo", &me, &start).said(), (Some(129), "usage"));
    assert_eq!(sandbox.board("repo").json["status"], "no_sprint");
    sandbox.run("repo", &me, &["start"]).ok();
}

#[test]
fn a_store_that_an_override_puts_into_the_worktree_is_kept_out_of_gits_way() {
    let (mut sandbox, me) = repository();
    sandbox.set("NANOSTACK_STORE", sandbox.join("repo/.nanostack"));
    sandbox.run("repo", &me, &["start"]).ok();
    sandbox.git("repo", ["stash", "-u"]);
    assert_eq!(sandbox.board("repo").json["status"], "active");
}

#[test]
fn a_start_that_fails_leaves_no_pointer() {
    let (sandbox, me) = repository();
    // A dangling link: a store cannot be made there, whoever asks.
    std::os::unix::fs::symlink("nowhere/at/all", sandbox.join("repo/.nanostack")).unwrap();
    assert_eq!(sandbox.run("repo", &me, &["start"]).exit, Some(128));
    fs::remove_file(sandbox.join("repo/.nanostack")).unwrap();
    assert_eq!(sandbox.board("repo").json["status"], "no_sprint");
}

#[test]
fn an_artifact_that_lies_where_its_link_goes_is_kept() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "a:"]).ok();
    sandbox.run("repo", &me, &["claim", "a"]).ok();
    let sprint = sandbox.sprint("repo/.nanostack");
    let artifact = sprint.join("a/artifact.json");
    fs::write(&artifact, "{}").unwrap();
    let given = artifact.to_str().unwrap();
    sandbox.run("repo", &me, &["complete", "a", "--artifact", given]).ok();
    assert_eq!(fs::read_to_string(&artifact).unwrap(), "{}");
    // It is so when the sprint has been moved, too.
    sandbox.run("repo", &me, &["archive"]).ok();
    let id = sprint.file_name().unwrap();
    let archived = sandbox.join("repo/.nanostack/conductor/archive").join(id);
    assert_eq!(fs::read_to_string(archived.join("a/artifact.json")).unwrap(), "{}");
}

#[test]
fn a_skill_that_is_a_fifo_holds_nobody_up() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "docs:"]).ok();
    let skill = sandbox.write("repo/.nanostack/skills/docs/SKILL.md", "");
    fs::remove_file(&skill).unwrap();
    let made = sandbox.command(".", "mkfifo").arg(&skill).status().unwrap();
    assert!(made.success());
    let batch = sandbox.run("repo", &me, &["batch"]).ok();
    assert_eq!(batch.json["batches"][0]["type"], "write");
}

#[test]
fn only_a_phases_name_becomes_a_path() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "a:"]).ok();
    sandbox.run("repo", &me, &["start", "--phases", "a:"]).ok();
    for name in ["sprint.json", "../x", &"x".repeat(300)] {
        sandbox.run("repo", &me, &["complete", name]).refused("unknown_phase");
        sandbox.run("repo", &me, &["abort", name]).refused("unknown_phase");
    }
}

#[test]
fn a_bare_repository_is_one_place() {
    let (sandbox, me) = repository();
    sandbox.git(".", ["clone", "-q", "--bare", "repo", "bare.git"]);
    sandbox.run("bare.git", &me, &["start", "--phases", "a:"]).ok();
    sandbox.run("bare.git", &me, &["claim", "a"]).ok();
    let again = sandbox.run(Path::new("bare.git/refs"), &me, &["claim", "a"]).ok();
    assert_eq!(again.json["renewed"], true);
}

#[test]
fn an_answer_that_cannot_be_written_is_said_to_be_lost() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "a:"]).ok();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut claim = sandbox.binary("repo", &me, &["claim", "a"]);
    let output = claim.stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(
        String::from_utf8(output.stderr).unwrap().starts_with("error: cannot write the answer")
    );
}

#[test]
fn a_refused_completion_keeps_nothing() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "a:"]).ok();
    sandbox.run("repo", &me, &["claim", "a"]).ok();
    sandbox.run("repo", &me, &["complete", "a", "--artifact", "file"]).ok();
    let phase = sandbox.sprint("repo/.nanostack").join("a");
    let count = || fs::read_dir(&phase).unwrap().count();
    let before = count();
    sandbox.write("repo/other", "other");
    sandbox.run("repo", &me, &["complete", "a", "--artifact", "other"]).refused("done");
    assert_eq!(count(), before);
    let again = sandbox.run("repo", &me, &["complete", "a", "--artifact", "file"]).ok();
    assert_eq!(again.json["again"], true);
    assert_eq!(count(), before);
}

#[test]
fn a_wrong_graph_hides_no_skills() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "docs:"]).ok();
    sandbox.write("repo/skills/docs/SKILL.md", "---\nconcurrency: read\n---\n");
    let config = r#"{"phase_graph":{"docs":[]},"skill_roots":["skills"]}"#;
    sandbox.write("repo/.nanostack/config.json", config);
    let batch = sandbox.run("repo", &me, &["batch"]).ok();
    assert_eq!(batch.json["batches"][0]["type"], "read");
}

#[test]
fn what_is_in_the_way_of_every_sprint_is_named() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "a:"]).ok();
    let name = "aaaaaaaaaaaa-99991231-235959";
    let in_the_way = sandbox.join("repo/.nanostack/conductor").join(name);
    fs::create_dir(&in_the_way).unwrap();
    crate::process_driver::backdate(&in_the_way, 120);
    for args in [&["status"][..], &["start", "--force"]] {
        let answer = sandbox.run("repo", &me, args);
        assert_eq!(answer.said(), (Some(128), "unreadable"), "{answer:?}");
        assert!(answer.err.contains(in_the_way.to_str().unwrap()), "{answer:?}");
        assert!(answer.err.contains("your human can take"), "{answer:?}");
    }
    fs::remove_dir(&in_the_way).unwrap();
    sandbox.run("repo", &me, &["claim", "a"]).ok();
}

#[test]
fn an_ended_sprint_is_gone_when_clean_says_so() {
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "a:"]).ok();
    sandbox.run("repo", &me, &["archive"]).ok();
    let archive = sandbox.join("repo/.nanostack/conductor/archive");
    let id = fs::read_dir(&archive).unwrap().next().unwrap().unwrap().file_name();
    let id = id.to_str().unwrap();
    // What a clean that was killed left in its way.
    fs::create_dir_all(archive.join(format!(".gone.{id}/a"))).unwrap();
    let clean = sandbox.run("repo", &me, &["clean", "--older-than", "0s"]).ok();
    assert_eq!(clean.json["removed"][0], id);
    assert_eq!(fs::read_dir(&archive).unwrap().count(), 0);
}

#[test]
fn clean_leaves_nothing_whatever_it_is_called() {
    use std::os::unix::ffi::OsStrExt as _;
    let (sandbox, me) = repository();
    sandbox.run("repo", &me, &["start", "--phases", "a:"]).ok();
    let strange = |bytes: &'static [u8]| std::ffi::OsStr::from_bytes(bytes);
    let inner = sandbox.sprint("repo/.nanostack").join("a").join(strange(b"\xff"));
    fs::create_dir_all(inner.join(strange(b"\xfe/d"))).unwrap();
    fs::write(inner.join(strange(b"\xff\x1b")), "").unwrap();
    sandbox.run("repo", &me, &["archive"]).ok();
    sandbox.run("repo", &me, &["clean", "--older-than", "0s"]).ok();
    let archive = sandbox.join("repo/.nanostack/conductor/archive");
    assert_eq!(fs::read_dir(&archive).unwrap().count(), 0);
}
