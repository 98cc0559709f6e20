//! Names, processes and liveness with real processes.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use git_conductor::host::agent::{Given, identify, life, life_of};
use git_conductor::host::machine::{Machine, booted_at};
use git_conductor::host::vars::Vars;
use git_conductor::record::{Claim, Process};
use git_conductor::rules::{Life, identity};
use jiff::Timestamp;

use crate::kills::can_trace;

/// A process that waits until it is killed; killed and reaped when dropped.
struct Waiting(Child);

impl Waiting {
    fn start() -> Self {
        Self(Command::new("sleep").arg("600").spawn().unwrap())
    }

    fn pid(&self) -> i64 {
        i64::from(self.0.id())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn claim_of(process: Process) -> Claim {
    Claim { v: 1, pid: process.pid, process: Some(process), ..Claim::default() }
}

fn script(pid: i64) -> Claim {
    Claim { pid, ..Claim::default() }
}

#[test]
fn a_child_lives_and_dies() {
    let machine = Machine::read();
    let mut child = Waiting::start();
    let pid = child.pid();
    let claim = claim_of(machine.describe(pid).unwrap());
    assert_eq!(life(&machine, &claim), Life::Alive);
    assert_eq!(life(&machine, &script(pid)), Life::Alive);
    // Ended, and not yet waited for: a zombie.
    child.0.kill().unwrap();
    let killed = Instant::now();
    while machine.describe(pid).is_some() {
        assert!(killed.elapsed() < Duration::from_secs(60), "the child does not die");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(life(&machine, &claim), Life::Dead);
    assert_eq!(life(&machine, &script(pid)), Life::Dead);
    child.0.wait().unwrap();
    assert_eq!(life(&machine, &claim), Life::Dead);
    assert_eq!(life_of(&machine, claim.process.as_ref().unwrap()), Life::Dead);
    assert_eq!(life(&machine, &script(pid)), Life::Dead);
}

#[test]
fn a_description_stays_the_same() {
    let own = i64::from(std::process::id());
    let first = Machine::read().describe(own).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    let machine = Machine::read();
    assert_eq!(machine.describe(own).unwrap(), first);
    assert!(identity::same_process(&first, &first));
    let child = Waiting::start();
    assert!(!identity::same_process(&first, &machine.describe(child.pid()).unwrap()));
    if cfg!(target_os = "linux") {
        assert!(first.start.is_some() && first.boot.is_some() && first.pid_ns.is_some());
        // What the kernel says about the boot, in whole seconds.
        let stat = std::fs::read_to_string("/proc/stat").unwrap();
        let btime = stat.lines().find_map(|line| line.strip_prefix("btime ")).unwrap();
        let ours = booted_at(&machine).unwrap().as_second();
        assert!((ours - btime.parse::<i64>().unwrap()).abs() <= 2, "{ours} {btime}");
    }
}

#[test]
fn records_of_other_places() {
    let machine = Machine::read();
    let child = Waiting::start();
    let here = machine.describe(child.pid()).unwrap();
    let gone = Process { pid: 4_194_304, ..here.clone() };
    assert_eq!(life(&machine, &claim_of(gone.clone())), Life::Dead);
    assert_eq!(life(&machine, &claim_of(Process { start: Some(1), ..here.clone() })), Life::Dead);
    let elsewhere = [
        Process { node: Some("elsewhere".into()), ..gone.clone() },
        Process { machine: Some("f".repeat(32)), ..gone.clone() },
        Process { pid_ns: Some(1), ..gone.clone() },
        Process { time_ns: Some(1), ..gone.clone() },
    ];
    for process in elsewhere {
        assert_eq!(life(&machine, &claim_of(process.clone())), Life::Unknown, "{process:?}");
    }
    let other_boot = Process { boot: Some("another".into()), ..gone.clone() };
    let at = |at: Timestamp| Claim { claimed_at: Some(at), ..claim_of(other_boot.clone()) };
    assert_eq!(life(&machine, &at(Timestamp::now())), Life::Unknown);
    if machine.machine.is_some() {
        assert_eq!(life(&machine, &at("2001-01-01T00:00:00Z".parse().unwrap())), Life::Dead);
        assert_eq!(life_of(&machine, &other_boot), Life::Dead);
    }
    for pid in [4_194_304, i64::from(i32::MAX)] {
        assert_eq!(life(&machine, &script(pid)), Life::Dead, "{pid}");
    }
    for pid in [0, -1, i64::MIN, i64::MAX, 1 << 32] {
        assert_eq!(life(&machine, &script(pid)), Life::Unknown, "{pid}");
    }
    assert_eq!(life(&machine, &script(1)), Life::Alive);
}

const PROBE_BEGINS: &str = "/probe begins";

/// Not a test of its own: what the shells below run. It says who it takes its caller for.
#[test]
fn probe() {
    let vars = Vars::from_process();
    if vars.get("IDENTITY_PROBE").is_none() {
        return;
    }
    // A sign for who traces it.
    std::fs::File::open(PROBE_BEGINS).unwrap_err();
    let machine = Machine::read();
    let me = identify(&Given::default(), &vars, &machine, &machine.table, |_| None, None).unwrap();
    let pid = me.process.map_or(0, |process| process.pid);
    println!("\nprobe {} {pid}", me.name);
}

/// Runs a shell called `name` on `script`, where `$P` is the probe; its process number, and the
/// probes' `(name, pid)`.
fn shell(name: &str, script: &str, vars: &[(&str, &str)]) -> (i64, Vec<(String, i64)>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    symlink("/bin/sh", &path).unwrap();
    run(&path, &dir.path().join("run.sh"), script, vars)
}

fn run(
    shell: &Path,
    file: &Path,
    script: &str,
    vars: &[(&str, &str)],
) -> (i64, Vec<(String, i64)>) {
    std::fs::write(file, script).unwrap();
    let probe = std::env::current_exe().unwrap();
    let probe =
        format!("'{}' --exact identity::probe --nocapture --test-threads=1", probe.display());
    let mut child = Command::new(shell)
        .arg(file)
        .env_clear()
        .envs(vars.iter().copied())
        .envs([
            ("PATH", "/usr/bin:/bin"),
            ("IDENTITY_PROBE", "1"),
            ("USER", "alice"),
            ("P", &probe),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let probes = lines
        .filter_map(|line| {
            let line = line.unwrap();
            let (name, pid) = line.strip_prefix("probe ")?.rsplit_once(' ')?;
            Some((name.to_owned(), pid.parse().unwrap()))
        })
        .collect();
    assert!(child.wait().unwrap().success());
    (i64::from(child.id()), probes)
}

/// Two calls, each in a shell of its own, one of them in a new session, and one through git.
const CALLS: &str = r#"sh -c "$P; true"
bash -ec "cd /; $P; true"
setsid -w sh -c "$P; true"
git -c alias.probe="!$P" probe
"#;

#[test]
fn an_agent_is_the_same_in_each_of_its_shells() {
    for name in ["claude", "codex", "kimi-cli"] {
        let (pid, probes) = shell(name, CALLS, &[]);
        let family = name.trim_end_matches("-cli");
        assert_eq!(probes, vec![(format!("{family}-{pid}"), pid); 4]);
    }
    let (pid, probes) =
        shell("codex", CALLS, &[("CODEX_THREAD_ID", "019-12345678"), ("CLAUDECODE", "1")]);
    assert_eq!(probes, vec![("codex-12345678".to_owned(), pid); 4]);
}

#[test]
fn a_script_is_the_same_in_each_of_its_shells() {
    // In a session of its own, as from cron or in a container, but not started for one command.
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner.sh");
    std::fs::write(&inner, CALLS.replace("setsid -w", "")).unwrap();
    let script = format!("setsid -w sh '{}'", inner.display());
    let (_, probes) = run(Path::new("/bin/sh"), &dir.path().join("outer.sh"), &script, &[]);
    let (name, pid) = probes.first().cloned().unwrap();
    assert!(pid > 0);
    // `alice-…`, or the agent's name where one runs these tests.
    assert!(name.ends_with(&format!("-{pid}")), "{name}");
    assert_eq!(probes, vec![(name, pid); 4]);
}

/// Each command begins with it, so it is to cost little: it begins no process, and opens no file
/// twice.
#[test]
fn identifying_reads_each_file_once() {
    if !can_trace() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let output = Command::new("strace")
        .args(["-f", "-e", "trace=openat,execve", "-e", "signal=none", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "identity::probe", "--nocapture", "--test-threads=1"])
        .env("IDENTITY_PROBE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let trace = std::fs::read_to_string(trace).unwrap();
    assert_eq!(trace.matches("execve(").count(), 1, "{trace}");
    // What comes before is the test harness's, which reads some of these files itself.
    let (_, probe) = trace.split_once(PROBE_BEGINS).unwrap();
    let opened = probe.lines().filter_map(|line| line.split('"').nth(1));
    let mut opened: Vec<&str> = opened.collect();
    assert!(opened.len() > 2, "{opened:?}");
    opened.sort_unstable();
    let twice: Vec<_> = opened.windows(2).filter(|two| two[0] == two[1]).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
