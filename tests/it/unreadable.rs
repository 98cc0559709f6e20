//! What is there and cannot be read is a failure, in the system's words: nobody is told by it that
//! a phase is not theirs, or that what they handed in is none.
#![cfg(target_os = "linux")]

use std::path::Path;

use crate::kills::can_trace;
use crate::process_driver::{Agent, Answer, BINARY};
use crate::sandbox::Sandbox;
use crate::terminal::LONG;

const EMFILE: &str = "Too many open files";
const EIO: &str = "Input/output error";

struct Bench {
    sandbox: Sandbox,
    me: Agent,
}

impl Bench {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.repository("repo");
        sandbox.write("repo/result.json", "{}");
        let me = Agent::new("me");
        sandbox.run("repo", &me, &["start", "--phases", "a:,b:"]).ok();
        sandbox.run("repo", &me, &["claim", "a"]).ok();
        Self { sandbox, me }
    }

    /// Runs the command; calls on `path` end as `inject` says.
    fn without(&self, agent: &Agent, path: &Path, inject: &str, args: &[&str]) -> Answer {
        let mut command = self.sandbox.command("repo", "strace");
        command.args(["-o", "/dev/null", "-P"]).arg(path).args(["-e", inject]);
        command.arg(BINARY).args(args).arg("--json").args(agent.options());
        Answer::of(&command.output().unwrap())
    }
}

#[track_caller]
fn failed(answer: &Answer, why: &str, what: &str) {
    assert_eq!(answer.said(), (Some(128), "io"), "{what}: {answer:?}");
    assert!(answer.err.contains(why), "{what}: {answer:?}");
}

#[test]
fn who_it_is() {
    if !can_trace() {
        return;
    }
    let bench = Bench::new();
    let artifact = ["complete", "a", "--artifact", "result.json"];
    let text = [
        "/etc/machine-id",
        "/proc/sys/kernel/random/boot_id",
        "/proc/self/stat",
        &format!("/proc/{}/stat", bench.me.pid()),
    ];
    for path in text.map(Path::new) {
        if !path.exists() {
            continue;
        }
        for (inject, why) in [
            ("inject=openat,?open:error=EMFILE", EMFILE),
            ("inject=openat,?open:error=ENFILE", "Too many open files in system"),
            ("inject=read:error=EIO", EIO),
        ] {
            let what = format!("{} {inject}", path.display());
            for args in [&artifact[..], &["abort", "a"], &["claim", "a"], &["status"]] {
                let answer = bench.without(&bench.me, path, inject, args);
                failed(&answer, why, &what);
            }
        }
        // A signal is no reason.
        for inject in ["inject=read:error=EINTR:when=1", "inject=openat:error=EINTR:when=1"] {
            bench.without(&bench.me, path, inject, &["claim", "a"]).ok();
        }
    }
    for path in ["/proc/self/ns/pid", "/proc/self/ns/time"].map(Path::new) {
        let inject = "inject=newfstatat,?stat,?statx:error=EIO";
        failed(&bench.without(&bench.me, path, inject, &artifact), EIO, "a namespace");
    }
    // What a sandbox hides is absent: nothing has failed, and who it is shows in other ways.
    let hidden = "inject=openat,?open:error=EACCES";
    let machine = Path::new("/etc/machine-id");
    let answer = bench.without(&bench.me, machine, hidden, &["status"]);
    assert_eq!(answer.exit, Some(0), "{answer:?}");
    bench.sandbox.run("repo", &bench.me, &artifact).ok();
}

/// Whether an owner lives.
#[test]
fn who_holds_it() {
    if !can_trace() {
        return;
    }
    let bench = Bench::new();
    let other = Agent::new("other");
    let stat = format!("/proc/{}/stat", bench.me.pid());
    let inject = "inject=openat,?open:error=EMFILE";
    let answer = bench.without(&other, Path::new(&stat), inject, &["claim", "a"]);
    failed(&answer, EMFILE, "the owner's process");
    bench.sandbox.run("repo", &other, &["claim", "a"]).refused("claimed");
}

#[test]
fn what_is_handed_in() {
    if !can_trace() {
        return;
    }
    let bench = Bench::new();
    let path = bench.sandbox.join("repo/result.json");
    let args = ["complete", "a", "--artifact", "result.json"];
    for (inject, why) in [
        ("inject=openat,?open:error=EMFILE", EMFILE),
        ("inject=openat,?open:error=EIO", EIO),
        ("inject=read:error=EIO", EIO),
        ("inject=read:error=EIO:when=2", EIO),
        ("inject=read:error=EIO:when=3", EIO),
        ("inject=statx,?stat,?lstat,?fstat,?newfstatat:error=EIO", EIO),
    ] {
        failed(&bench.without(&bench.me, &path, inject, &args), why, inject);
        assert_eq!(bench.sandbox.board("repo").state("a"), "claimed", "{inject}");
    }
    // What is wrong with the file itself is for the agent to mend.
    for (inject, args) in [
        ("inject=openat:error=EACCES", args),
        ("inject=openat:error=EIO", ["complete", "a", "--artifact", "nothing"]),
    ] {
        bench.without(&bench.me, &path, inject, &args).refused("bad_artifact");
    }
    bench.sandbox.run("repo", &bench.me, &args).ok();
    // Nor is it changed, because nobody can read it.
    for inject in ["inject=openat,?open:error=EMFILE", "inject=read:error=EIO"] {
        for args in [&["verify"][..], &["show", "a"]] {
            let answer = bench.without(&bench.me, &path, inject, args);
            failed(&answer, "result.json", inject);
        }
    }
    bench.sandbox.run("repo", &bench.me, &["verify"]).ok();
}

/// A claim that makes its latch with the last file handle leaves none that keeps everyone out.
#[test]
fn a_latch_without_a_handle() {
    if !can_trace() {
        return;
    }
    let bench = Bench::new();
    let inject = "inject=openat,?openat2:error=EMFILE";
    let answer = bench.without(&bench.me, Path::new("lock.d"), inject, &["claim", "b"]);
    failed(&answer, EMFILE, "the latch");
    let latch = bench.sandbox.sprint("repo/.nanostack").join("b/lock.d");
    assert!(!latch.exists());
    bench.sandbox.run("repo", &Agent::new("other"), &["claim", "b"]).ok();
}

/// One that is stopped while it has mutex and latch holds nobody up for longer than two waits.
#[test]
fn beside_one_that_is_stopped() {
    let bench = Bench::new();
    std::fs::create_dir(bench.sandbox.sprint("repo/.nanostack").join("b/lock.d")).unwrap();
    let guard = bench.sandbox.join("repo/.nanostack/conductor/.guard");
    let mut mutex = fd_lock::RwLock::new(std::fs::File::open(guard).unwrap());
    let _held = mutex.try_write().unwrap();
    let begun = std::time::Instant::now();
    let answer = bench.sandbox.run("repo", &bench.me, &["claim", "b"]);
    assert_eq!(answer.said(), (Some(4), "busy"), "{answer:?}");
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
}
