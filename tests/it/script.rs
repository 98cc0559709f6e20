//! Beside a shell script that speaks the published protocol: one store, and each understands what
//! the other does. The script here does as that protocol says, and no more.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use serde_json::json;

use crate::process_driver::{Agent, Answer, backdate};
use crate::sandbox::Sandbox;

/// `old.sh start PHASE…`, `old.sh claim|complete|abort PHASE`; `$ME` is who, `$LIVES` its process.
const SCRIPT: &str = r#"
set -eu
conductor=.nanostack/conductor
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
newest() { ls -d "$conductor"/*-*-*/ | sort -t- -k2 | tail -n 1; }
case $1 in
start)
    shift
    hash=$(printf %s "$(pwd -P)" | sha256sum | cut -c1-12)
    id=$hash-$(date -u +%Y%m%d-%H%M%S)
    sprint=$conductor/$id
    mkdir -p "$sprint"
    list=
    for phase; do
        name=${phase%%:*} deps=${phase#*:}
        mkdir "$sprint/$name"
        [ -z "$deps" ] || deps="\"$deps\""
        list="$list${list:+,}{\"name\":\"$name\",\"depends_on\":[$deps]}"
    done
    printf '{"sprint_id":"%s","project":"%s","started_by":"%s","started_at":"%s","status":"active","phases":[%s]}\n' \
        "$id" "$(pwd -P)" "$ME" "$(now)" "$list" >"$sprint/sprint.json"
    ;;
claim)
    phase=$(newest)$2
    [ ! -e "$phase/done" ] || { echo DONE; exit 1; }
    mkdir "$phase/lock.d" 2>/dev/null || { echo LOCKED; exit 1; }
    printf '{"agent":"%s","claimed_at":"%s","pid":%s}\n' "$ME" "$(now)" "$LIVES" >"$phase/lock.d/meta.json"
    mv "$phase/lock.d" "$phase/lock"
    ;;
complete)
    phase=$(newest)$2
    grep -q "\"agent\":\"$ME\"" "$phase/lock/meta.json" || exit 1
    printf '{"agent":"%s","completed_at":"%s","artifact":""}\n' "$ME" "$(now)" >"$phase/done"
    rm -rf "$phase/lock"
    ;;
abort)
    rm -rf "$(newest)$2/lock"
    ;;
esac
echo OK
"#;

struct Bench {
    sandbox: Sandbox,
    /// An agent that runs the script.
    old: Agent,
    /// One that runs git conductor.
    new: Agent,
}

impl Bench {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.repository("repo");
        sandbox.write("old.sh", SCRIPT);
        Self { sandbox, old: Agent::new("old"), new: Agent::new("new") }
    }

    /// A sprint of phases that wait for nothing, started by the script.
    fn started(phases: &[&str]) -> Self {
        let bench = Self::new();
        let phases: Vec<String> = phases.iter().map(|phase| format!("{phase}:")).collect();
        let mut args = vec!["start"];
        args.extend(phases.iter().map(String::as_str));
        bench.script_ok(&args);
        bench
    }

    fn script(&self, args: &[&str]) -> Output {
        let mut command = self.sandbox.command("repo", "sh");
        command.arg(self.sandbox.join("old.sh")).args(args);
        command.env("ME", self.old.name()).env("LIVES", self.old.pid().to_string());
        command.output().unwrap()
    }

    #[track_caller]
    fn script_ok(&self, args: &[&str]) {
        let output = self.script(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
    }

    /// The script must be refused.
    #[track_caller]
    fn script_refused(&self, args: &[&str], why: &str) {
        let output = self.script(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), why, "{args:?}");
    }

    fn run(&self, args: &[&str]) -> Answer {
        self.sandbox.run("repo", &self.new, args)
    }

    fn phase(&self, phase: &str) -> PathBuf {
        self.sandbox.sprint("repo/.nanostack").join(phase)
    }

    /// A script's lock on `phase`: whose, since when, by which process.
    fn lock(&self, phase: &str, agent: &str, claimed_at: &str, pid: i64) {
        let lock = self.phase(phase).join("lock");
        fs::create_dir(&lock).unwrap();
        let meta = json!({"agent": agent, "claimed_at": claimed_at, "pid": pid});
        fs::write(lock.join("meta.json"), meta.to_string()).unwrap();
    }
}

const LONG_AGO: &str = "2026-01-01T00:00:00Z";

/// A number that no process has.
fn nobody() -> i64 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    i64::from(child.id())
}

#[test]
fn a_sprint_that_the_script_started() {
    let bench = Bench::new();
    bench.script_ok(&["start", "think:", "plan:think", "build:plan"]);
    let board = bench.sandbox.board("repo");
    assert_eq!(board.json["status"], "active");
    assert_eq!(board.json["project"], bench.sandbox.join("repo").display().to_string());
    assert_eq!(board.json["phases"]["build"]["waits_for"], json!(["plan"]));
    assert_eq!(bench.run(&["next"]).ok().json["phases"], json!(["think"]));
    bench.run(&["claim", "plan"]).refused("blocked");
    bench.run(&["claim", "think"]).ok();
    let opened = bench.run(&["complete", "think"]).ok();
    assert_eq!(opened.json["opened"], json!(["plan"]));
    assert_eq!(bench.run(&["next", "--claim"]).ok().json["phase"], "plan");
    bench.run(&["abort"]).ok();
    let kept = bench.run(&["start", "--if-none"]).ok();
    assert_eq!(kept.json["sprint_id"], board.json["sprint_id"]);
    // Whoever starts next ends it, and the script's newest sprint is then that one.
    bench.run(&["start", "--phases", "x:"]).ok();
    bench.script_ok(&["claim", "x"]);
    bench.run(&["claim", "x"]).refused("claimed");
}

#[test]
fn while_we_hold_or_have_done_a_phase_the_script_is_refused() {
    let bench = Bench::started(&["a", "b", "c"]);
    bench.run(&["claim", "a"]).ok();
    let latch = bench.phase("a").join("lock.d");
    for again in [false, true] {
        if again {
            assert_eq!(bench.run(&["claim", "a"]).ok().json["renewed"], true);
        }
        assert!(fs::create_dir(&latch).is_err());
        bench.script_refused(&["claim", "a"], "LOCKED");
        assert_eq!(bench.sandbox.board("repo").json["phases"]["a"]["agent"], "new");
    }
    // The record that the script reads is there, with all that it asks for.
    let meta = fs::read(bench.phase("a").join("lock/meta.json")).unwrap();
    let meta: serde_json::Value = serde_json::from_slice(&meta).unwrap();
    assert_eq!((&meta["agent"], &meta["pid"]), (&json!("new"), &json!(bench.new.pid())));
    assert!(meta["claimed_at"].as_str().unwrap().ends_with('Z'));
    bench.run(&["complete", "a"]).ok();
    assert!(fs::create_dir(&latch).is_err());
    bench.script_refused(&["claim", "a"], "DONE");
    let done = fs::read(bench.phase("a").join("done")).unwrap();
    let done: serde_json::Value = serde_json::from_slice(&done).unwrap();
    assert_eq!((&done["agent"], &done["artifact"]), (&json!("new"), &json!("")));
    // What we give up, free or lose is the script's to take, and the other way round.
    for _ in 0..3 {
        bench.run(&["claim", "b"]).ok();
        bench.run(&["abort", "b"]).ok();
        bench.script_ok(&["claim", "b"]);
        bench.run(&["claim", "b"]).refused("claimed");
        bench.run(&["complete", "b"]).refused("not_owner");
        bench.script_ok(&["abort", "b"]);
    }
    bench.run(&["claim", "c"]).ok();
    bench.run(&["unstuck", "c", "--force"]).ok();
    bench.script_ok(&["claim", "c"]);
    bench.run(&["unstuck", "c"]).refused("alive");
    bench.run(&["unstuck", "c", "--force"]).ok();
    bench.run(&["claim", "c"]).ok();
    bench.script_refused(&["claim", "c"], "LOCKED");
}

#[test]
fn a_lock_of_the_script() {
    let mut bench =
        Bench::started(&["alive", "dead", "old", "mine", "before", "theirs", "given", "handed"]);
    let alive = i64::from(bench.old.pid());
    let dead = nobody();
    bench.lock("alive", "old", LONG_AGO, alive);
    let refused = bench.run(&["claim", "alive"]).refused("claimed");
    assert_eq!((&refused.json["agent"], &refused.json["alive"]), (&json!("old"), &json!("yes")));
    bench.run(&["claim", "alive", "--takeover"]).refused("claimed");
    bench.run(&["unstuck", "alive"]).refused("alive");
    // Dead, but not for an hour: only who says so takes it over.
    let now = String::from_utf8(
        bench.sandbox.command("repo", "date").args(["-u", "+%FT%TZ"]).output().unwrap().stdout,
    );
    bench.lock("dead", "old", now.unwrap().trim_end(), dead);
    bench.run(&["claim", "dead"]).refused("claimed");
    let taken = bench.run(&["claim", "dead", "--takeover"]).ok();
    assert_eq!(taken.json["taken_over_from"], "old");
    bench.script_refused(&["claim", "dead"], "LOCKED");
    bench.run(&["complete", "dead"]).ok();
    // Dead for long: anyone.
    bench.lock("old", "old", LONG_AGO, dead);
    assert_eq!(bench.sandbox.board("repo").json["phases"]["old"]["stale"], true);
    bench.run(&["claim", "old"]).ok();
    bench.script_refused(&["claim", "old"], "LOCKED");
    bench.run(&["complete", "old"]).ok();
    // Of my own name: mine if the process is gone. A number that lives proves nothing: it may be
    // that of a namesake in another pid namespace.
    bench.lock("mine", "new", LONG_AGO, i64::from(bench.new.pid()));
    bench.lock("before", "new", LONG_AGO, dead);
    bench.lock("handed", "new", LONG_AGO, dead);
    bench.lock("given", "new", LONG_AGO, dead);
    bench.lock("theirs", "new", LONG_AGO, alive);
    bench.run(&["claim", "before"]).ok();
    bench.script_refused(&["claim", "before"], "LOCKED");
    assert_eq!(bench.run(&["claim", "before"]).ok().json["renewed"], true);
    bench.run(&["claim", "mine"]).refused("claimed");
    bench.run(&["claim", "theirs"]).refused("claimed");
    bench.run(&["complete", "handed"]).ok();
    bench.run(&["abort", "given"]).ok();
    bench.script_ok(&["claim", "given"]);
    bench.old.kill();
    bench.run(&["unstuck", "given"]).ok();
    let states = bench.sandbox.board("repo");
    let all = ["alive", "dead", "old", "mine", "before", "theirs", "given", "handed"]
        .map(|p| states.state(p));
    assert_eq!(
        all,
        ["claimed", "done", "done", "claimed", "claimed", "claimed", "pending", "done"]
    );
}

#[test]
fn a_bare_latch() {
    let bench = Bench::started(&["a", "b"]);
    let latch = bench.phase("a").join("lock.d");
    fs::create_dir(&latch).unwrap();
    // The script is between two steps, for all that can be known.
    assert_eq!(bench.run(&["claim", "a"]).said(), (Some(4), "busy"));
    assert_eq!(bench.run(&["claim", "a"]).json["retry"], "now");
    assert_eq!(bench.sandbox.board("repo").state("a"), "pending");
    // Others are offered something else.
    assert_eq!(bench.run(&["next", "--claim"]).ok().json["phase"], "b");
    backdate(&latch, 61);
    bench.run(&["claim", "a"]).ok();
    bench.script_refused(&["claim", "a"], "LOCKED");
    bench.run(&["complete", "a"]).ok();
    // Killed after writing its record, before the rename.
    let bench = Bench::started(&["a"]);
    let latch = bench.phase("a").join("lock.d");
    fs::create_dir(&latch).unwrap();
    fs::write(latch.join("meta.json"), r#"{"agent":"old"}"#).unwrap();
    assert_eq!(bench.run(&["claim", "a"]).exit, Some(4));
    backdate(&latch, 61);
    bench.run(&["claim", "a"]).ok();
    bench.script_refused(&["claim", "a"], "LOCKED");
    // Given up, nothing of it is in anyone's way.
    bench.run(&["abort", "a"]).ok();
    assert!(!latch.exists());
    bench.run(&["claim", "a"]).ok();
    bench.run(&["complete", "a"]).ok();
}

#[test]
fn a_lock_that_is_a_plain_file() {
    let bench = Bench::started(&["a", "b"]);
    let lock = |phase: &str, pid: i64| {
        let record = json!({"agent": "old", "claimed_at": LONG_AGO, "pid": pid});
        fs::write(bench.phase(phase).join("lock"), record.to_string()).unwrap();
    };
    lock("a", nobody());
    lock("b", i64::from(bench.old.pid()));
    let board = bench.sandbox.board("repo");
    assert_eq!((board.state("a"), board.state("b")), ("claimed", "claimed"));
    for phase in ["a", "b"] {
        bench.run(&["claim", phase]).refused("claimed");
        bench.run(&["claim", phase, "--takeover"]).refused("claimed");
        bench.run(&["complete", phase]).refused("not_owner");
    }
    bench.run(&["unstuck", "b"]).refused("alive");
    bench.run(&["unstuck", "a"]).ok();
    bench.run(&["claim", "a"]).ok();
    bench.run(&["complete", "a"]).ok();
    bench.run(&["unstuck", "b", "--force"]).ok();
    bench.script_ok(&["claim", "b"]);
}

#[test]
fn done_by_the_script() {
    let bench = Bench::started(&["a", "b", "c", "d"]);
    bench.script_ok(&["claim", "a"]);
    bench.script_ok(&["complete", "a"]);
    fs::write(bench.phase("b").join("done"), "").unwrap();
    fs::write(bench.phase("c").join("done"), "\u{1b}[31m{not json").unwrap();
    let record =
        json!({"agent": 7, "completed_at": "yesterday", "artifact": [], "verdict": "maybe"});
    fs::write(bench.phase("d").join("done"), record.to_string()).unwrap();
    let board = bench.sandbox.board("repo");
    // A verdict that nobody knows is no pass.
    for (phase, agent, verdict) in
        [("a", "old", "pass"), ("b", "", "pass"), ("c", "", "pass"), ("d", "", "fail")]
    {
        assert_eq!(board.json["phases"][phase]["agent"], agent);
        assert_eq!(board.json["phases"][phase]["verdict"], verdict);
        for verb in ["claim", "complete", "abort", "unstuck"] {
            bench.run(&[verb, phase]).refused("done");
        }
        bench.script_refused(&["claim", phase], "DONE");
    }
    assert_eq!(board.json["status"], "finished");
    bench.run(&["next"]).finished();
    // What depends on it is open.
    bench.run(&["start", "--phases", "a:,b:a"]).ok();
    fs::write(bench.phase("a").join("done"), "").unwrap();
    let claimed = bench.run(&["claim", "b"]).ok();
    assert_eq!(claimed.json["inputs"][0]["agent"], "");
}

#[test]
fn other_directories_in_the_store() {
    let bench = Bench::started(&["a"]);
    let conductor = bench.sandbox.join("repo/.nanostack/conductor");
    let current = bench.sandbox.board("repo").json["sprint_id"].clone();
    for name in ["junk", "x-20991231-235959", "0123456789ab-20991231", ".new.abc", "0123456789abc"]
    {
        fs::create_dir_all(conductor.join(name).join("a/lock.d")).unwrap();
    }
    assert_eq!(bench.sandbox.board("repo").json["sprint_id"], current);
    // What is called like the latest sprint is one that cannot be read.
    let file = conductor.join("0123456789ab-20991231-235959");
    fs::write(&file, "a file").unwrap();
    assert_eq!(bench.run(&["status"]).said(), (Some(128), "tampered"));
    fs::remove_file(file).unwrap();
    // An earlier sprint that was made under another path is over all the same.
    let earlier = conductor.join("0123456789ab-20200101-000000");
    fs::create_dir_all(earlier.join("z")).unwrap();
    let record = json!({"sprint_id": "0123456789ab-20200101-000000", "project": "/elsewhere",
        "status": "active", "phases": [{"name": "z"}]});
    fs::write(earlier.join("sprint.json"), record.to_string()).unwrap();
    assert_eq!(bench.sandbox.board("repo").json["sprint_id"], current);
    bench.run(&["claim", "a"]).ok();
    bench.run(&["claim", "z"]).refused("unknown_phase");
    // A later one is the current one; one that the script is about to make is not yet.
    let later = conductor.join("0123456789ab-20980101-000000");
    fs::create_dir_all(later.join("z")).unwrap();
    assert_eq!(bench.sandbox.board("repo").json["sprint_id"], current);
    let record = json!({"sprint_id": "0123456789ab-20980101-000000", "project": "/elsewhere",
        "status": "active", "phases": [{"name": "z"}]});
    fs::write(later.join("sprint.json"), record.to_string()).unwrap();
    bench.run(&["claim", "z"]).ok();
    // And one that cannot be read is a failure, never "no sprint".
    fs::write(later.join("sprint.json"), "{").unwrap();
    for args in [&["status"][..], &["claim", "z"], &["next"], &["complete", "z"]] {
        assert_eq!(bench.run(args).said(), (Some(128), "unreadable"), "{args:?}");
    }
}

#[test]
fn taking_turns_through_a_whole_sprint() {
    let bench = Bench::new();
    let phases = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut args = vec!["start".to_owned(), "a:".to_owned()];
    args.extend(phases.windows(2).map(|pair| format!("{}:{}", pair[1], pair[0])));
    bench.script_ok(&args.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, phase) in phases.into_iter().enumerate() {
        // Each tries and gives up once before one of them does it.
        bench.run(&["claim", phase]).ok();
        bench.script_refused(&["claim", phase], "LOCKED");
        bench.run(&["abort", phase]).ok();
        bench.script_ok(&["claim", phase]);
        bench.run(&["claim", phase]).refused("claimed");
        if n % 2 == 0 {
            bench.script_ok(&["complete", phase]);
        } else {
            bench.script_ok(&["abort", phase]);
            assert_eq!(bench.run(&["next", "--claim"]).ok().json["phase"], phase);
            bench.script_refused(&["claim", phase], "LOCKED");
            bench.run(&["complete", phase]).ok();
        }
        bench.script_refused(&["claim", phase], "DONE");
        bench.run(&["claim", phase]).refused("done");
    }
    let board = bench.sandbox.board("repo");
    assert_eq!(board.json["status"], "finished");
    for (n, phase) in phases.into_iter().enumerate() {
        assert_eq!(board.json["phases"][phase]["agent"], ["old", "new"][n % 2]);
    }
}
