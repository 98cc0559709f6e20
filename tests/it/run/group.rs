//! All that the command begins: which signals it gets, what ends with it, and what does not.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{Bench, ended, lives, signal};
use crate::kills::can_trace;
use crate::process_driver::{Agent, Answer, Random};
use crate::terminal::LONG;

/// Waits until none of the processes is there whose numbers these files have.
#[track_caller]
fn gone(bench: &Bench, files: &[&str]) {
    let begun = Instant::now();
    for file in files {
        while lives(&bench.read(file)) {
            assert!(begun.elapsed() < LONG, "the process in '{file}' goes on");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

fn kill(bench: &Bench, file: &str) {
    let pid = bench.read(file).trim().parse().ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Begins a shell that waits for a child, and for one that has left for a session of its own.
const FAMILY: &str = "echo $$ > shell; sleep 100 & echo $! > child
    setsid sh -c 'echo $$ > left.new; mv left.new left; exec sleep 100' > /dev/null 2>&1 &
    while [ ! -e left ]; do sleep 0.01; done; touch ready; wait; sleep 100";
const OF_FAMILY: [&str; 3] = ["shell", "child", "left"];

#[test]
fn a_signal_reaches_what_a_shell_waits_for_and_once() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    // A shell takes two that come while it waits for one.
    let count = bench.sandbox.write(
        "repo/count.pl",
        "my %n; for my $name (qw(HUP INT QUIT TERM USR1 USR2)) { $SIG{$name} = sub { $n{$name}++ } }
        open(R, '>', 'ready'); close(R);
        for (1..9000) { select(undef, undef, undef, 0.01); last if %n }
        for (1..30) { select(undef, undef, undef, 0.01) }
        open(C, '>>', 'got'); print C map { \"$_ $n{$_}\\n\" } keys %n; close(C)\n",
    );
    let script =
        format!("trap : HUP INT QUIT TERM USR1 USR2; perl {}; (exit 5); exit 5", count.display());
    let all = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
    ];
    for (name, number) in all {
        let running = bench.begun(&ann, &["build"], &script);
        signal(&running, number);
        let ran = ended(running);
        assert_eq!(ran.exit, Some(5), "{name}: {ran:?}");
        std::fs::remove_file(bench.sandbox.join("repo/ready")).unwrap();
    }
    let got = bench.read("got");
    let wanted = all.map(|(name, _)| format!("{name} 1"));
    assert_eq!(got.lines().collect::<Vec<_>>(), wanted);
}

#[test]
fn what_is_cancelled_leaves_nothing() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let running = bench.begun(&ann, &["build"], FAMILY);
    signal(&running, Signal::TERM);
    let ran = ended(running);
    assert_eq!((ran.exit, &ran.json["phase_is"]), (Some(143), &json!("aborted")), "{ran:?}");
    for file in OF_FAMILY {
        assert!(!lives(&bench.read(file)), "{file}");
    }
}

/// Whoever is given the phase next must not meet what the one before has left.
#[test]
fn the_phase_is_given_up_when_the_group_is_gone() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let slow = "trap '$BINARY show build --json > seen; exit' TERM; touch ready
        while :; do sleep 0.01; done";
    let script = "sh -c \"$SLOW\" & while [ ! -e ready ]; do sleep 0.01; done; sleep 100 & exit 3";
    let mut command = bench.command(&ann, &["build"], script);
    let failed = Answer::of(&command.env("SLOW", slow).output().unwrap());
    assert_eq!((failed.exit, &failed.json["phase_is"]), (Some(3), &json!("aborted")), "{failed:?}");
    let seen: serde_json::Value = serde_json::from_str(&bench.read("seen")).unwrap();
    assert_eq!(seen["state"], "claimed", "{seen}");
    assert_eq!(bench.shown("build")["state"], "pending");
}

/// After an end that is not well what is left of the group is stopped; what has left it on purpose
/// is not.
#[test]
fn what_fails_leaves_only_what_has_left_it() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let script = format!("{}; exit 3", FAMILY.split("; wait").next().unwrap());
    assert_eq!(bench.run(&ann, &["build"], &script).exit, Some(3));
    assert!(!lives(&bench.read("child")));
    assert!(lives(&bench.read("left")));
    kill(&bench, "left");
}

#[test]
fn what_ends_well_leaves_all_of_it() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let script = format!("({}) > /dev/null 2>&1", FAMILY.split("; wait").next().unwrap());
    let begun = Instant::now();
    bench.run(&ann, &["build"], &script).ok();
    assert!(begun.elapsed() < LONG, "it is not waited for");
    for file in ["child", "left"] {
        assert!(lives(&bench.read(file)), "{file}");
        kill(&bench, file);
    }
}

#[test]
fn what_is_killed_takes_all_of_it_along() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let mut running = bench.begun(&ann, &["build"], FAMILY);
    running.kill().unwrap();
    assert_eq!(running.wait().unwrap().signal(), Some(9));
    gone(&bench, &OF_FAMILY);
    assert_eq!(bench.sandbox.board("repo").json["phases"]["build"]["alive"], "no");
}

/// The process in between is stopped as well when a whole family of processes is; it still sees to
/// it.
#[test]
fn what_is_stopped_and_killed_takes_all_of_it_along() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let script = format!("echo $PPID > between; {FAMILY}");
    let mut running = bench.begun(&ann, &["build"], &script);
    let between = bench.read("between").trim().parse().ok().and_then(Pid::from_raw).unwrap();
    kill_process(between, Signal::STOP).unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    gone(&bench, &OF_FAMILY);
}

#[test]
fn without_the_process_in_between_it_ends_too() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let script = format!("echo $PPID > between; {FAMILY}");
    let running = bench.begun(&ann, &["build"], &script);
    kill(&bench, "between");
    let ran = ended(running);
    assert_eq!((ran.exit, &ran.json["phase_is"]), (Some(143), &json!("aborted")), "{ran:?}");
    for file in OF_FAMILY {
        assert!(!lives(&bench.read(file)), "{file}");
    }
}

#[test]
fn a_command_that_loses_its_phase_is_stopped() {
    let bench = Bench::new("build:");
    let (ann, bob) = (Agent::new("ann"), Agent::new("bob"));
    let running = bench.begun(&ann, &["build"], FAMILY);
    bench.sandbox.run("repo", &bench.lead, &["unstuck", "build", "--force"]).ok();
    let ran = ended(running);
    let said = (&ran.json["phase_is"], &ran.json["stopped"], &ran.json["signal"]);
    assert_eq!(said, (&json!("lost"), &json!(true), &json!("SIGTERM")), "{ran:?}");
    assert_eq!(ran.exit, Some(143), "{ran:?}");
    for file in OF_FAMILY {
        assert!(!lives(&bench.read(file)), "{file}");
    }
    // The same where it is another's at once, and by a sprint that is replaced.
    for by in [&["claim", "build"][..], &["start", "--force", "--phases", "build:"]] {
        for file in ["ready", "left"] {
            std::fs::remove_file(bench.sandbox.join("repo").join(file)).unwrap();
        }
        let running = bench.begun(&ann, &["build"], FAMILY);
        if by[0] == "claim" {
            bench.sandbox.run("repo", &bench.lead, &["unstuck", "build", "--force"]).ok();
        }
        bench.sandbox.run("repo", &bob, by).ok();
        let ran = ended(running);
        assert_eq!((&ran.json["phase_is"], ran.exit), (&json!("lost"), Some(143)), "{ran:?}");
        if by[0] == "claim" {
            bench.sandbox.run("repo", &bob, &["abort", "build"]).ok();
        }
    }
}

/// It is asked first, and has ten seconds.
#[test]
fn a_command_that_does_not_want_to_end_is_killed() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let script = format!("trap '' TERM; {FAMILY}");
    let running = bench.begun(&ann, &["build"], &script);
    let begun = Instant::now();
    bench.sandbox.run("repo", &bench.lead, &["unstuck", "build", "--force"]).ok();
    let ran = ended(running);
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!((&ran.json["phase_is"], ran.exit), (&json!("lost"), Some(137)), "{ran:?}");
    for file in OF_FAMILY {
        assert!(!lives(&bench.read(file)), "{file}");
    }
}

/// Its phase is its own to give up, and what it does after that as well.
#[test]
fn a_command_that_gives_its_phase_up_is_not_stopped() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let script = "$BINARY abort build --reason later; sleep 1; exit 3";
    let ran = bench.run(&ann, &["build"], script);
    let said = (ran.exit, &ran.json["phase_is"], &ran.json["stopped"]);
    assert_eq!(said, (Some(3), &json!("lost"), &json!(false)), "{ran:?}");
}

/// A signal that comes in the middle of the claim is the command's already.
#[test]
fn no_signal_falls_between_the_claim_and_the_command() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let ours = bench.command(&ann, &["build"], "exec sleep 100");
    let mut strace = bench.sandbox.command("repo", "strace");
    strace.args(["-o", "/dev/null", "-e", "inject=renameat:signal=TERM:when=1"]);
    strace.arg(ours.get_program()).args(ours.get_args());
    let ran = Answer::of(&strace.stdout(Stdio::piped()).output().unwrap());
    assert_eq!((ran.exit, &ran.json["phase_is"]), (Some(143), &json!("aborted")), "{ran:?}");
    assert_eq!(bench.shown("build")["state"], "pending");
}

/// The process between `running` and its command, and not a git that it asks something.
fn supervisor(running: &Child) -> Option<Pid> {
    let list = format!("/proc/{0}/task/{0}/children", running.id());
    let children = std::fs::read_to_string(list).unwrap_or_default();
    let supervises = |pid: &&str| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("\0__supervise\0")
    };
    let pid = children.split_whitespace().find(supervises)?;
    Pid::from_raw(pid.parse().ok()?)
}

/// The command ends just when it is to be stopped: after the supervisor has looked whether it has,
/// and before it looks what there is to stop.
#[test]
fn an_end_in_the_moment_of_the_stop_is_told() {
    if !can_trace() {
        return;
    }
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let script = "trap '' TERM; touch ready; while [ ! -e go ]; do sleep 0.01; done; exit 3";
    let running = bench.begun(&ann, &["build"], script);
    let pid = supervisor(&running).unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-p", &pid.as_raw_pid().to_string(), "-e", "trace=recvfrom"]);
    strace.args(["-e", "inject=recvfrom:delay_enter=3000000"]);
    let mut strace = strace.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().contains("attached"));
    // It looks, and is held up at listening.
    kill_process(pid, Signal::USR1).unwrap();
    bench.sandbox.run("repo", &bench.lead, &["unstuck", "build", "--force"]).ok();
    bench.sandbox.write("repo/go", "");
    let said = std::thread::spawn(move || said.map_while(Result::ok).collect::<Vec<_>>());
    let ran = ended(running);
    strace.wait().unwrap();
    assert_eq!((ran.exit, &ran.json["phase_is"]), (Some(3), &json!("lost")), "{ran:?}");
    assert!(said.join().unwrap().iter().any(|line| line.contains("recvfrom")));
}

/// Whatever is killed when: nothing goes on, and what is said of the phase is true.
#[test]
fn kills_at_any_moment() {
    let bench = Bench::new("build:");
    bench.sandbox.git("repo", ["config", "conductor.maxAttempts", "1000"]);
    let mut random = Random::new(7);
    for round in 0..24 {
        let ann = Agent::new("ann");
        let mark = format!("{}-{round}", bench.sandbox.path().display());
        let scripts: [&str; 3] =
            ["sleep 100; true", "setsid sleep 100 & sleep 100; true", "exit 3"];
        let mut running = bench
            .command(&ann, &["build"], scripts[random.below(3)])
            .env("MARK", &mark)
            .spawn()
            .unwrap();
        let wait = Duration::from_millis(u64::try_from(random.below(60)).unwrap());
        std::thread::sleep(wait);
        if round % 3 == 0 {
            // The process in between, if it is there by now.
            if let Some(pid) = supervisor(&running) {
                kill_process(pid, Signal::KILL).ok();
            } else {
                running.kill().unwrap();
            }
        } else {
            running.kill().unwrap();
        }
        running.wait().unwrap();
        nothing_has(&mark, &running);
        let board = bench.sandbox.board("repo");
        let phase = &board.json["phases"]["build"];
        let is_true = phase["state"] == "pending" || phase["alive"] == "no";
        assert!(is_true, "round {round}: {phase}");
        bench.sandbox.run("repo", &bench.lead, &["unstuck", "build"]).ok();
    }
}

/// Waits until no process has `mark` in its environment.
#[track_caller]
fn nothing_has(mark: &str, running: &Child) {
    let begun = Instant::now();
    let has = |pid: &str| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        lives(pid) && String::from_utf8_lossy(&environment).contains(mark)
    };
    loop {
        let all = std::fs::read_dir("/proc").unwrap();
        let names = all.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let left: Vec<String> =
            names.filter(|name| name.parse::<u32>().is_ok() && has(name)).collect();
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < LONG, "{left:?} go on after {running:?}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// What is run in a command that is run is stopped with it.
#[test]
fn one_in_another_is_stopped_as_well() {
    let bench = Bench::new("a:,b:");
    let ann = Agent::new("ann");
    let script = format!("exec $BINARY run b -- sh -c {}", "\"$INNER\"");
    let mut command = bench.command(&ann, &["a"], &script);
    let running = command.env("INNER", FAMILY).spawn().unwrap();
    bench.until("ready");
    signal(&running, Signal::TERM);
    let ran = ended(running);
    assert_eq!((ran.exit, &ran.json["phase_is"]), (Some(143), &json!("aborted")), "{ran:?}");
    for file in OF_FAMILY {
        assert!(!lives(&bench.read(file)), "{file}");
    }
    for phase in ["a", "b"] {
        assert_eq!(bench.shown(phase)["state"], "pending", "{phase}");
    }
}
