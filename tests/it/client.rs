//! Another client of the store, which knows `doc/protocol.md` and nothing of this program: what the
//! page tells is enough to work beside it, and is what the program does.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::fixture::Scene;

const PAGE: &str = include_str!("../../doc/protocol.md");
/// Three tokens.
const T: &str = "0123456789abcdef0123456789abcdef";
const U: &str = "fedcba9876543210fedcba9876543210";
const OTHER: &str = "00000000000000000000000000000001";

fn trimmed(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(path).ok()?.trim().to_owned())
}

/// A process, as the page has it, without what is optional and unknown here.
fn process(pid: u32) -> Value {
    let line = trimmed(&format!("/proc/{pid}/stat")).unwrap();
    // The third field is the first one after the name.
    let mut fields = line.rsplit_once(')').unwrap().1.split_whitespace();
    let start: u64 = fields.nth(22 - 3).unwrap().parse().unwrap();
    let inode = |name: &str| {
        std::fs::metadata(format!("/proc/{pid}/ns/{name}")).map(|meta| meta.ino()).ok()
    };
    let mut process = json!({
        "pid": pid,
        "start": start,
        "boot": trimmed("/proc/sys/kernel/random/boot_id"),
        "machine": trimmed("/etc/machine-id"),
        "node": trimmed("/proc/sys/kernel/hostname"),
        "pid_ns": inode("pid"),
        "time_ns": inode("time"),
    });
    process.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    process
}

/// The claim of the agent `name` of the other client, under `token`.
fn claim(scene: &mut Scene, name: &str, token: &str) -> Value {
    let pid = scene.pid(name);
    json!({
        "v": 1,
        "agent": name,
        "claimed_at": "2026-01-02T03:04:05Z",
        "pid": pid,
        "token": token,
        "explicit": true,
        "process": process(pid),
        "worktree": scene.sandbox.join("repo"),
        "something": {"of a later version": 1},
    })
}

fn create(path: &Path, content: &str) {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file.sync_all().unwrap();
}

/// The steps of a claim.
fn take(phase: &Path, claim: &Value) {
    assert!(!phase.join("done").exists());
    std::fs::create_dir(phase.join("lock.d")).unwrap();
    let maker = json!({"process": process(std::process::id())});
    create(&phase.join(format!("lock.d/latch.{T}")), &maker.to_string());
    assert!(!phase.join("lock").exists() && !phase.join("done").exists());
    let built = phase.join(format!(".tmp.{T}"));
    std::fs::create_dir(&built).unwrap();
    for (name, content) in [
        (format!("meta.{T}.json"), claim.to_string()),
        ("meta.json".to_owned(), claim.to_string()),
        (format!("owner.{T}"), String::new()),
    ] {
        create(&built.join(name), &content);
    }
    std::fs::rename(built, phase.join("lock")).unwrap();
    assert!(phase.join(format!("lock/owner.{T}")).exists() && !phase.join("done").exists());
}

/// `build` is claimed by the other client's agent `other`, and `review` waits for it.
fn held() -> (Scene, PathBuf) {
    let mut scene = Scene::new();
    scene.sprint("build:,review:build");
    let phase = scene.sprint_dir().join("build");
    let claim = claim(&mut scene, "other", T);
    take(&phase, &claim);
    (scene, phase)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_it_claims_is_claimed() {
    let (mut scene, phase) = held();
    let board = scene.board();
    assert_eq!(board["phases"]["build"]["agent"], "other", "{board}");
    let refused = scene.asks("codex-2", "repo", &["claim", "build", "--takeover", "--json"]);
    let refused: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((&refused["code"], &refused["alive"]), (&json!("claimed"), &json!("yes")));
    assert!(!scene.asks("codex-2", "repo", &["complete", "build"]).status.success());
    // It is the same agent to both.
    let renewed = scene.said("other", &["claim", "build"]);
    assert_eq!((&renewed["renewed"], &renewed["token"]), (&json!(true), &json!(T)), "{renewed}");
    let record = std::fs::read_to_string(phase.join(format!("lock/meta.{T}.json"))).unwrap();
    assert!(record.contains("renewed_at") && record.contains("of a later version"), "{record}");
}

#[test]
fn what_it_commits_is_done_although_it_was_killed_then() {
    let (mut scene, phase) = held();
    let hash = Sha256::digest(b"a result\n");
    let pin = hash.iter().fold("pin.".to_owned(), |name, byte| name + &format!("{byte:02x}"));
    create(&phase.join(&pin), "a result\n");
    let done = json!({
        "v": 1,
        "agent": "other",
        "completed_at": "2026-01-02T03:04:06Z",
        "artifact": "result.md",
        "artifact_sha256": pin.strip_prefix("pin."),
        "artifact_link": pin,
        "verdict": "pass",
        "token": T,
    });
    create(&phase.join(format!("lock/done.{U}")), &done.to_string());
    let committed = phase.join(format!("lock/completing.{U}"));
    std::fs::rename(phase.join(format!("lock/owner.{T}")), committed).unwrap();
    let board = scene.board();
    assert_eq!(board["phases"]["build"]["state"], "done", "{board}");
    scene.does("codex-2", &["claim", "review"]);
    // That has finished it.
    assert_eq!(names(&phase), ["artifact.md", "done", "lock.d", &pin]);
    assert_eq!(std::fs::read_link(phase.join("artifact.md")).unwrap(), Path::new(&pin));
    let written: Value =
        serde_json::from_slice(&std::fs::read(phase.join("done")).unwrap()).unwrap();
    assert_eq!(written, done);
}

#[test]
fn what_it_gives_up_can_be_claimed() {
    let (mut scene, phase) = held();
    let lock = phase.join("lock");
    std::fs::rename(lock.join(format!("owner.{T}")), lock.join(format!("free.{T}"))).unwrap();
    assert_eq!(scene.board()["phases"]["build"]["state"], "pending");
    // Killed before it cleared what is left, and its latch.
    let latch = phase.join(format!("lock.d/latch.{T}"));
    let gone = json!({"process": {"pid": 1, "start": 0, "boot": "another"}});
    std::fs::remove_file(&latch).unwrap();
    std::fs::write(&latch, gone.to_string()).unwrap();
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(61);
    std::fs::File::options().write(true).open(&latch).unwrap().set_modified(old).unwrap();
    scene.does("codex-2", &["claim", "build"]);
}

#[test]
fn what_it_has_lost_it_cannot_commit() {
    let (mut scene, phase) = held();
    scene.dies("other");
    scene.does("codex-2", &["claim", "build", "--takeover"]);
    let lock = phase.join("lock");
    let commit =
        std::fs::rename(lock.join(format!("owner.{T}")), lock.join(format!("completing.{U}")));
    assert_eq!(commit.unwrap_err().kind(), std::io::ErrorKind::NotFound);
    // What it had is kept, so that it can be told.
    assert!(lock.join(format!("meta.{T}.json")).exists());
}

#[test]
fn it_takes_over_what_a_dead_owner_of_ours_left() {
    let mut scene = Scene::new();
    scene.sprint("build:,review:build");
    scene.does("codex-2", &["claim", "build"]);
    let phase = scene.sprint_dir().join("build");
    let lock = phase.join("lock");
    let owner = names(&lock).into_iter().find(|name| name.starts_with("owner.")).unwrap();
    let former = owner.strip_prefix("owner.").unwrap();
    let record: Value =
        serde_json::from_slice(&std::fs::read(lock.join(format!("meta.{former}.json"))).unwrap())
            .unwrap();
    assert_eq!(record["token"], former);
    scene.dies("codex-2");
    std::fs::create_dir(phase.join("past")).unwrap();
    let lost = json!({"v": 1, "agent": "codex-2", "how": "reclaim", "by": "other"});
    create(&phase.join(format!("past/{former}.json")), &lost.to_string());
    let mine = claim(&mut scene, "other", OTHER);
    create(&lock.join(format!("meta.{OTHER}.json")), &mine.to_string());
    std::fs::rename(lock.join(&owner), lock.join(format!("owner.{OTHER}"))).unwrap();
    create(&lock.join(format!(".tmp.{U}")), &mine.to_string());
    std::fs::rename(lock.join(format!(".tmp.{U}")), lock.join("meta.json")).unwrap();
    let board = scene.board();
    let build = &board["phases"]["build"];
    assert_eq!((&build["agent"], &build["attempts"]), (&json!("other"), &json!(1)));
    let refused = scene.asks("codex-2", "repo", &["complete", "build", "--json"]);
    let refused: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(refused["code"], "lost", "{refused}");
}

#[test]
fn a_sprint_that_it_starts_is_the_current_one() {
    let mut scene = Scene::new();
    scene.sprint("build");
    let old = scene.sprint_dir();
    let (hash, stamp) = old.file_name().unwrap().to_str().unwrap().split_once('-').unwrap();
    let path = scene.sandbox.join("repo");
    let digest = Sha256::digest(path.to_str().unwrap().as_bytes());
    let wanted =
        digest.iter().take(6).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_eq!(hash, wanted, "{stamp}");
    let conductor = scene.store().join("conductor");
    let id = format!("{hash}-20990102-030405");
    let sprint = json!({
        "sprint_id": id,
        "project": path,
        "started_by": "other",
        "started_at": "2026-01-02T03:04:05Z",
        "status": "active",
        "goal": "by another client",
        "phases": [{"name": "a", "depends_on": []}, {"name": "b", "depends_on": ["a"]}],
    });
    let mark = ".last.20990102-030405";
    create(&conductor.join(mark), "");
    let new = conductor.join(format!(".new.{U}"));
    std::fs::create_dir(&new).unwrap();
    create(&new.join("sprint.json"), &sprint.to_string());
    for phase in ["a", "b"] {
        std::fs::create_dir(new.join(phase)).unwrap();
    }
    std::fs::rename(new, conductor.join(&id)).unwrap();
    assert_eq!(scene.board()["goal"], "by another client");
    scene.works("codex-2", "a");
    scene.does("codex-2", &["archive"]);
    let before = format!(".last.{stamp}");
    assert_eq!(names(&conductor), [".guard", &before, mark, "archive"]);
    let record = std::fs::read(conductor.join("archive").join(&id).join("sprint.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert!(record["status"] == "archived" && record["archived_at"].is_string(), "{record}");
    // Nothing is left of it but the mark.
    scene.does("codex-2", &["clean", "--older-than", "0s"]);
    scene.does("codex-2", &["start"]);
    assert!(scene.sprint_dir().to_str().unwrap().ends_with("-20990102-030406"));
}

#[test]
fn it_writes_down_what_it_gives_up() {
    let (mut scene, phase) = held();
    std::fs::create_dir(phase.join("past")).unwrap();
    let record = json!({
        "v": 1,
        "agent": "other",
        "claimed_at": "2026-01-02T03:04:05Z",
        "ended_at": "2026-01-02T03:05:05Z",
        "how": "abort",
        "reason": "needs a decision",
        "by": "other",
    });
    create(&phase.join(format!("past/{T}.json")), &record.to_string());
    // Killed here: it has the phase, and has not failed.
    assert_eq!(scene.board()["phases"]["build"]["attempts"], 0);
    let lock = phase.join("lock");
    std::fs::rename(lock.join(format!("owner.{T}")), lock.join(format!("free.{T}"))).unwrap();
    for name in ["meta.json".to_owned(), format!("meta.{T}.json"), format!("free.{T}")] {
        std::fs::remove_file(lock.join(name)).unwrap();
    }
    std::fs::remove_dir(lock).unwrap();
    std::fs::remove_dir_all(phase.join("lock.d")).unwrap();
    assert_eq!(scene.board()["phases"]["build"]["attempts"], 1);
    scene.edit_sprint(|sprint| sprint["phases"][0]["max_attempts"] = json!(1));
    let refused = scene.asks("codex-2", "repo", &["claim", "build", "--json"]);
    let refused: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!((&refused["code"], &refused["limit"]), (&json!("exhausted"), &json!(1)));
    assert_eq!(refused["last"]["reason"], "needs a decision");
    create(&phase.join("past/pardon.1"), "");
    let claimed = scene.said("codex-2", &["claim", "build"]);
    assert_eq!((&claimed["attempt"], &claimed["attempts"][0]["by"]), (&json!(2), &json!("other")));
}

#[test]
fn it_reads_what_ours_have_given_up() {
    let mut scene = Scene::new();
    scene.sprint("build:");
    scene.does("codex-2", &["claim", "build"]);
    let phase = scene.sprint_dir().join("build");
    let token = scene.claim("build")["token"].as_str().unwrap().to_owned();
    scene.does("codex-2", &["abort", "build", "--reason", "no idea"]);
    assert_eq!(names(&phase), ["past"]);
    assert_eq!(names(&phase.join("past")), [format!("{token}.json")]);
    let record = std::fs::read(phase.join(format!("past/{token}.json"))).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let wanted = json!(["codex-2", "abort", "no idea", "codex-2", 1]);
    let got = ["agent", "how", "reason", "by", "v"].map(|key| record[key].clone());
    assert_eq!(json!(got), wanted);
    for time in ["claimed_at", "ended_at"] {
        assert!(record[time].as_str().unwrap().ends_with('Z'), "{record}");
    }
}

/// `text` with tokens, hashes and moments as the page writes them.
fn as_the_page_has_it(name: &str) -> String {
    let filters = [
        (r"(owner|meta|latch)\.[0-9a-f]{32}", "$1.T"),
        (r"(done|completing|\.tmp|\.new)\.[0-9a-f]{32}", "$1.U"),
        (r"^[0-9a-f]{32}\.json$", "T.json"),
        (r"pardon\.[0-9]+", "pardon.N"),
        (r"pin\.[0-9a-f]{64}", "pin.SHA256"),
        (r"\.last\.[0-9]{8}-[0-9]{6}", ".last.MOMENT"),
        (r"^artifact\.[a-z]+$", "artifact.EXT"),
    ];
    filters.iter().fold(name.to_owned(), |name, (pattern, with)| {
        regex::Regex::new(pattern).unwrap().replace(&name, *with).into_owned()
    })
}

/// Whatever the program leaves in a phase's directory is on the page.
#[test]
fn the_page_has_every_name() {
    let mut scene = Scene::new();
    scene.sprint("build:,review:");
    scene.does("codex-2", &["claim", "build"]);
    scene.does("codex-2", &["claim", "review"]);
    scene.does("codex-2", &["complete", "review", "--artifact", "file"]);
    scene.sandbox.write("repo/x.json", "{}");
    scene.does("codex-2", &["complete", "build", "--artifact", "x.json"]);
    scene.sandbox.git("repo", ["config", "conductor.maxAttempts", "1"]);
    scene.does("codex-2", &["start"]);
    scene.does("codex-2", &["claim", "think"]);
    scene.does("lead", &["unstuck", "think", "--force"]);
    scene.does("codex-2", &["claim", "think"]);
    let conductor = scene.store().join("conductor");
    let mut seen = 0;
    let mut dirs = vec![(conductor, String::new())];
    while let Some((dir, below)) = dirs.pop() {
        for name in names(&dir) {
            let path = dir.join(&name);
            let is_dir = path.symlink_metadata().unwrap().is_dir();
            if is_dir && !["lock", "lock.d", "past"].contains(&name.as_str()) {
                dirs.push((path, String::new()));
                continue;
            }
            if is_dir {
                dirs.push((path, format!("{name}/")));
                continue;
            }
            let wanted = format!("{below}{}", as_the_page_has_it(&name));
            assert!(PAGE.contains(&wanted), "{wanted}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

/// Every field of a record is on the page.
#[test]
fn the_page_has_every_field() {
    let source =
        concat!(include_str!("../../src/record.rs"), include_str!("../../src/record/ended.rs"));
    let field = regex::Regex::new(r"(?m)^    pub ([a-z_0-9]+):").unwrap();
    let mut seen = 0;
    for record in [
        "Sprint",
        "PhaseEntry",
        "Process",
        "Terminal",
        "Claim",
        "Attempt",
        "Due",
        "Done",
        "Snapshot",
        "Event",
    ] {
        let (_, body) = source.split_once(&format!("pub struct {record} {{")).unwrap();
        let (body, _) = body.split_once("\n}\n").unwrap();
        for found in field.captures_iter(body) {
            let name = &found[1];
            // These are not fields of their own.
            if !["rest", "at"].contains(&name) {
                assert!(PAGE.contains(&format!("`{name}`")), "{record}.{name}");
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
}
