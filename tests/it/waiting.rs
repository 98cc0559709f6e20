//! Waiting, with real processes: what wakes a waiter, what ends it, and what it leaves behind.
//!
//! No test here depends on when a waiter begins to wait: it must come to the same whether it was
//! asleep by then or not. One that missed what it waits for still sees it when its time is over,
//! and ends well: so each that is woken must have been long before that.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::process_driver::{Agent, Answer, BINARY};
use crate::sandbox::Sandbox;

/// Far longer than anything here takes, in seconds.
const LONG: &str = "600";

fn scene(phases: &str) -> (Sandbox, Agent) {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let lead = Agent::new("lead");
    sandbox.run("repo", &lead, &["start", "--phases", phases]).ok();
    (sandbox, lead)
}

fn begin(sandbox: &Sandbox, agent: &Agent, args: &[&str]) -> Child {
    let mut command = sandbox.binary("repo", agent, args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(waiter: Child) -> Answer {
    Answer::of(&waiter.wait_with_output().unwrap())
}

/// It must have succeeded because something woke it, not because its time was over.
#[track_caller]
fn woken(waiter: Child) -> Answer {
    let answer = end(waiter).ok();
    let limit = LONG.parse::<u64>().unwrap() * 1000 / 2;
    assert!(answer.json["waited_ms"].as_u64().unwrap() < limit, "it was not woken: {answer:?}");
    answer
}

/// It must have been refused so because something woke it: what it waits for was not so before, and
/// its time is not over.
#[track_caller]
fn refused_when_woken(waiter: Child, code: &str) {
    let begun = std::time::Instant::now();
    end(waiter).refused(code);
    let limit = LONG.parse::<u64>().unwrap() / 2;
    assert!(begun.elapsed().as_secs() < limit, "it was not woken");
}

/// Lets the waiter fall asleep: it holds what wakes it, and sleeps in the kernel. One that has
/// ended is for the caller to notice.
pub(crate) fn asleep(waiter: &Child) {
    let process = format!("/proc/{}", waiter.id());
    let sleeps = || {
        let watches = std::fs::read_dir(format!("{process}/fd")).is_ok_and(|fds| {
            let links = fds.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
            links.into_iter().any(|link| link.to_string_lossy().contains("inotify"))
        });
        let stat = std::fs::read_to_string(format!("{process}/stat")).unwrap_or_default();
        let state = stat.rsplit(") ").next().unwrap_or_default();
        (watches && state.starts_with('S')) || state.is_empty() || state.starts_with('Z')
    };
    while !sleeps() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Clock ticks of CPU time that the process has used.
fn ticks(process: &Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_completion_wakes_who_waits_for_it() {
    let (sandbox, lead) = scene("a:,b:a");
    let (ann, bob, cid) = (Agent::new("ann"), Agent::new("bob"), Agent::new("cid"));
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    let claims = begin(&sandbox, &ann, &["claim", "b", "--wait", "--timeout", LONG]);
    let waits = begin(&sandbox, &bob, &["wait", "a", "--timeout", LONG]);
    let opens = begin(&sandbox, &cid, &["wait", "b", "--for", "claimable", "--timeout", LONG]);
    [&claims, &waits].into_iter().for_each(asleep);
    sandbox.run("repo", &lead, &["complete", "a"]).ok();
    let claimed = woken(claims);
    assert_eq!(claimed.json["phase"], "b");
    assert!(claimed.json["waited_ms"].is_u64(), "{claimed:?}");
    let waited = woken(waits);
    assert_eq!((&waited.json["state"], &waited.json["verdict"]), (&"done".into(), &"pass".into()));
    // Whether it saw the moment in which nobody had it yet, or not: it is claimed now.
    let opened = sandbox.run("repo", &ann, &["abort", "b"]);
    assert_eq!(opened.exit, Some(0));
    assert_eq!(woken(opens).json["state"], "claimable");
}

#[test]
fn nothing_is_missed_between_the_look_and_the_sleep() {
    let (sandbox, lead) = scene("a:,b:a");
    for round in 0..12 {
        sandbox.run("repo", &lead, &["start", "--force", "--phases", "a:,b:a"]).ok();
        sandbox.run("repo", &lead, &["claim", "a"]).ok();
        let ann = Agent::new(format!("ann-{round}"));
        let waits = begin(&sandbox, &ann, &["claim", "b", "--wait", "--timeout", LONG]);
        let completes = begin(&sandbox, &lead, &["complete", "a"]);
        end(completes).ok();
        woken(waits);
    }
}

/// The same with that moment drawn out: what changes while the watches are being set, one after the
/// other, is seen by the look that follows.
#[test]
fn the_watches_are_set_before_the_look() {
    let (sandbox, lead) = scene("a:,b:a");
    let bob = Agent::new("bob");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    let trace = sandbox.join("trace");
    let mut strace = sandbox.command("repo", "strace");
    strace.args(["-e", "trace=inotify_add_watch", "-e"]);
    strace.args(["inject=inotify_add_watch:delay_exit=400000", "-o"]).arg(&trace);
    strace.arg(BINARY).args(["wait", "a", "--timeout", LONG, "--json"]).args(bob.options());
    let mut waits = strace.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let first_is_set =
        || std::fs::read_to_string(&trace).is_ok_and(|calls| calls.contains("DELAYED"));
    while !first_is_set() {
        assert!(waits.try_wait().unwrap().is_none(), "{:?}", end(waits));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    sandbox.run("repo", &lead, &["complete", "a"]).ok();
    assert_eq!(woken(waits).json["verdict"], "pass");
}

#[test]
fn of_twenty_waiters_one_gets_the_phase_and_the_others_go_on_waiting() {
    let (sandbox, lead) = scene("a:,b:a");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    let agents: Vec<Agent> = (0..20).map(|n| Agent::new(format!("agent-{n}"))).collect();
    let wait = |agent| begin(&sandbox, agent, &["claim", "b", "--wait", "--timeout", LONG]);
    let mut waiters: Vec<(&Agent, Child)> =
        agents.iter().map(|agent| (agent, wait(agent))).collect();
    for (_, waiter) in &waiters {
        asleep(waiter);
    }
    sandbox.run("repo", &lead, &["complete", "a"]).ok();
    let winner = loop {
        let ended = waiters.iter_mut().position(|(_, waiter)| waiter.try_wait().unwrap().is_some());
        if let Some(at) = ended {
            break waiters.remove(at);
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    let (owner, winner) = winner;
    woken(winner);
    assert_eq!(sandbox.board("repo").json["phases"]["b"]["agent"], owner.name());
    for (_, waiter) in &mut waiters {
        asleep(waiter);
        assert!(waiter.try_wait().unwrap().is_none(), "the others go on waiting");
        // Starting, and a look at the board for each of a few changes.
        assert!(ticks(waiter) < 50, "nobody spins");
    }
    sandbox.run("repo", owner, &["complete", "b"]).ok();
    for (_, waiter) in waiters {
        refused_when_woken(waiter, "done");
    }
}

#[test]
fn agents_that_wait_for_anything_get_different_phases() {
    let (sandbox, lead) = scene("a:,b:a,c:a,d:a");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    let agents: Vec<Agent> = (0..3).map(|n| Agent::new(format!("agent-{n}"))).collect();
    let next = ["next", "--claim", "--wait", "--timeout", LONG];
    let waiters: Vec<Child> = agents.iter().map(|agent| begin(&sandbox, agent, &next)).collect();
    sandbox.run("repo", &lead, &["complete", "a"]).ok();
    let mut got: Vec<String> =
        waiters.into_iter().map(|waiter| woken(waiter).json["phase"].to_string()).collect();
    got.sort();
    assert_eq!(got, ["\"b\"", "\"c\"", "\"d\""]);
}

#[test]
fn an_owner_that_dies_wakes_who_may_take_over() {
    let (sandbox, _lead) = scene("a:");
    sandbox.git("repo", ["config", "conductor.staleAfter", "1s"]);
    let (mut ann, bob) = (Agent::new("ann"), Agent::new("bob"));
    sandbox.run("repo", &ann, &["claim", "a"]).ok();
    let waits = begin(&sandbox, &bob, &["claim", "a", "--wait", "--timeout", LONG]);
    asleep(&waits);
    ann.kill();
    let taken = woken(waits);
    assert_eq!(taken.json["taken_over_from"], "ann");
    assert_eq!(taken.json["attempt"], 2);
}

#[test]
fn what_can_never_come_true_is_not_waited_for() {
    let (sandbox, lead) = scene("a:,b:a,c:b");
    let bob = Agent::new("bob");
    let claim = |phase| sandbox.run("repo", &bob, &["claim", phase, "--wait", "--timeout", LONG]);
    claim("x").refused("unknown_phase");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    sandbox.run("repo", &lead, &["next", "--claim", "--wait"]).refused("holding");
    sandbox.run("repo", &lead, &["complete", "a", "--verdict", "fail"]).ok();
    claim("a").refused("done");
    for phase in ["b", "c"] {
        let blocked = claim(phase).refused("blocked");
        assert_eq!(blocked.json["waits_for"][0]["phase"], "a", "{blocked:?}");
        sandbox.run("repo", &bob, &["wait", phase]).refused("blocked");
    }
    sandbox.run("repo", &bob, &["next", "--claim", "--wait"]).refused("nothing_ready");
    let failed = sandbox.run("repo", &bob, &["wait", "a"]).ok();
    assert_eq!(failed.json["verdict"], "fail");
    sandbox.run("repo", &lead, &["archive"]).ok();
    claim("a").refused("no_sprint");
}

#[test]
fn the_end_of_the_sprint_ends_it() {
    let (sandbox, lead) = scene("a:,b:a");
    let bob = Agent::new("bob");
    let waits = begin(&sandbox, &bob, &["wait", "b", "--timeout", LONG]);
    asleep(&waits);
    sandbox.run("repo", &lead, &["archive"]).ok();
    refused_when_woken(waits, "no_sprint");
}

#[test]
fn when_the_time_is_over_it_says_what_it_still_waits_for() {
    let (sandbox, lead) = scene("a:,b:a");
    let bob = Agent::new("bob");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    for (args, again) in [
        (&["claim", "a", "--wait", "--timeout", "0s"][..], "claim a --wait --timeout 90s"),
        (&["next", "--claim", "--wait", "--timeout", "0"], "next --claim --wait --timeout 90s"),
        (&["wait", "b", "--timeout", "0s"], "wait b --timeout 90s"),
        (
            &["wait", "b", "--for", "claimable", "--timeout", "50ms"],
            "wait b --for claimable --timeout 90s",
        ),
    ] {
        let late = sandbox.run("repo", &bob, args);
        assert_eq!(late.said(), (Some(3), "timed_out"), "{late:?}");
        assert_eq!(late.json["retry"], "now");
        let todo: Vec<&str> =
            late.json["do"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(todo.join(" "), format!("git conductor {again}"));
    }
    let wrong = sandbox.run("repo", &bob, &["claim", "a", "--timeout", "5s"]);
    assert_eq!(wrong.exit, Some(129), "a time limit needs something to limit");
    let wrong = sandbox.run("repo", &bob, &["wait", "a", "--timeout", "soon"]);
    assert_eq!(wrong.exit, Some(129));
}

#[test]
fn who_waits_for_an_agent_that_is_gone_stops() {
    let (sandbox, lead) = scene("a:");
    let mut bob = Agent::new("bob");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    let waits = begin(&sandbox, &bob, &["claim", "a", "--wait", "--timeout", LONG]);
    asleep(&waits);
    bob.kill();
    let begun = std::time::Instant::now();
    let gone = end(waits);
    assert_eq!(gone.said(), (Some(128), "io"), "{gone:?}");
    assert!(begun.elapsed().as_secs() < LONG.parse::<u64>().unwrap() / 2, "it was not woken");
}

/// All names below `dir`, with what they hold.
fn listing(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path.clone());
            }
            let content = std::fs::read(&path).unwrap_or_default();
            found.push((path.display().to_string(), content));
        }
    }
    found.sort();
    found
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let (sandbox, lead) = scene("a:,b:a");
    let bob = Agent::new("bob");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    let before = listing(&sandbox.join("repo/.nanostack"));
    let mut waits = begin(&sandbox, &bob, &["claim", "b", "--wait", "--timeout", LONG]);
    asleep(&waits);
    let pid = waits.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let status = waits.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2));
    assert_eq!(listing(&sandbox.join("repo/.nanostack")), before);
}

#[test]
fn without_events_it_looks_by_itself() {
    let (sandbox, lead) = scene("a:,b:a");
    let bob = Agent::new("bob");
    let failures = ["inotify_init1:error=EMFILE", "inotify_add_watch:error=ENOSPC"];
    for (failing, phase) in failures.into_iter().zip(["a", "b"]) {
        sandbox.run("repo", &lead, &["claim", phase]).ok();
        let trace = sandbox.join(format!("trace-{phase}"));
        let mut strace = sandbox.command("repo", "strace");
        strace.args(["-e", "trace=inotify_init1,inotify_add_watch,ppoll", "-e"]);
        strace.arg(format!("inject={failing}")).arg("-o").arg(&trace);
        strace.arg(BINARY).args(["wait", phase, "--timeout", LONG, "--json"]).args(bob.options());
        let mut waits = strace.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It has slept, and was woken by nothing but its own clock.
        let has_slept = || {
            let calls = std::fs::read_to_string(&trace).unwrap_or_default();
            assert!(calls.contains("INJECTED") || !calls.contains("ppoll"), "{calls}");
            calls.lines().any(|line| line.starts_with("ppoll") && line.ends_with("(Timeout)"))
        };
        while !has_slept() {
            assert!(waits.try_wait().unwrap().is_none(), "{:?}", end(waits));
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        sandbox.run("repo", &lead, &["complete", phase]).ok();
        assert_eq!(woken(waits).json["verdict"], "pass");
    }
}

#[test]
fn on_a_terminal_it_shows_what_it_waits_for() {
    let (sandbox, lead) = scene("a:");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    let command = format!("stty cols 60; exec {BINARY} wait a --timeout 1s --agent bob");
    let mut script = sandbox.command("repo", "script");
    script.args(["-qec", &command, "/dev/null"]).env("TERM", "xterm");
    let output = script.stdout(Stdio::piped()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut drawn = shown.split('\r').filter(|part| part.starts_with("waiting "));
    let first = drawn.next().unwrap_or_else(|| panic!("{shown:?}"));
    assert!(first.starts_with("waiting 0s: 'a' is not done: 'lead' is at it"), "{first:?}");
    assert!(shown.contains("\r\u{1b}[K"), "and is taken away at the end: {shown:?}");
    assert_eq!(output.status.code(), Some(3), "{shown:?}");
}

#[test]
fn what_is_not_to_be_claimed_is_not_waited_for_either() {
    let (sandbox, lead) = scene("a:");
    let wrong = sandbox.run("repo", &lead, &["next", "--wait"]);
    assert_eq!(wrong.said(), (Some(129), "usage"), "{wrong:?}");
}

#[test]
fn who_finds_another_command_in_the_way_goes_on_waiting() {
    let (sandbox, _lead) = scene("a:");
    let bob = Agent::new("bob");
    // As a script leaves it between its first two steps: nobody can know whether that one lives.
    let latch = sandbox.sprint("repo/.nanostack").join("a/lock.d");
    std::fs::create_dir_all(&latch).unwrap();
    let mut waits = begin(&sandbox, &bob, &["claim", "a", "--wait", "--timeout", LONG]);
    // A command that does not wait says after about a second that it is busy.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(waits.try_wait().unwrap().is_none(), "{:?}", end(waits));
    std::fs::remove_dir(&latch).unwrap();
    assert_eq!(woken(waits).json["phase"], "a");
}

#[test]
fn what_was_in_the_way_to_the_end_is_said() {
    let (sandbox, _lead) = scene("a:");
    let bob = Agent::new("bob");
    let latch = sandbox.sprint("repo/.nanostack").join("a/lock.d");
    std::fs::create_dir_all(&latch).unwrap();
    let busy = sandbox.run("repo", &bob, &["claim", "a", "--wait", "--timeout", "0s"]);
    assert_eq!(busy.said(), (Some(4), "busy"), "{busy:?}");
}
