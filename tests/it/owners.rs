//! Whose a claim is, asked by real processes: under names, numbers and tokens that are given, by
//! people and jobs, and after it was lost.
#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fake::{Fake, answer, answers};
use crate::fixture::{Scene, skipped, wanting};
use crate::namespace::{PIDS, allowed, inside, unshared};

/// A detected agent's command, whose process is given.
fn detected(scene: &Scene, pid: &str, args: &[&str]) -> Command {
    let mut command = scene.sandbox.command("repo", "git");
    command.arg("conductor").args(args).args(["--json", "--pid", pid]).env("CLAUDECODE", "1");
    command
}

#[test]
fn a_session_id_that_changes() {
    let scene = Scene::with_phases(3);
    let mut agent =
        Fake::new(&scene.sandbox, "claude", &[("CLAUDE_CODE_SESSION_ID", "a-00000001")]);
    agent.ok("claim p000");
    let cleared = |args: &str| {
        format!("export CLAUDE_CODE_SESSION_ID=b-00000002; git conductor {args} --json")
    };
    // `/clear` in a living agent begins a session, and ends no claim.
    assert_eq!(agent.call(&cleared("status"))["you"]["agent"], "claude-00000002");
    assert_eq!(agent.call(&cleared("claim p000"))["renewed"], true);
    assert_eq!(agent.call(&cleared("complete p000"))["ok"], true);
    assert_eq!(agent.ok("complete p000")["again"], true);
    // But who is not that process needs the session's id.
    agent.ok("claim p001");
    agent.kill();
    let resumed = |id| Fake::new(&scene.sandbox, "claude", &[("CLAUDE_CODE_SESSION_ID", id)]);
    resumed("b-00000002").refused("complete p001", "not_owner");
    resumed("a-00000001").ok("complete p001");
}

#[test]
fn a_token_is_for_one_claim() {
    let mut scene = Scene::with_phases(3);
    let token = |said: Value| said["token"].as_str().unwrap().to_owned();
    let ones = token(scene.said("one", &["claim", "p000"]));
    let twos = token(scene.said("two", &["claim", "p001"]));
    let mut with = |token: &str, args: &[&str]| {
        let args = [args, &["--json"]].concat();
        answer(scene.command("three", "repo", &args).env("GIT_CONDUCTOR_TOKEN", token))
    };
    assert_eq!(with(&ones, &["complete", "p001"])["code"], "not_owner");
    for wrong in ["", "x", &ones[1..], &format!("{ones}0"), &ones.to_uppercase(), "../../x"] {
        assert_eq!(with(wrong, &["complete", "p000"])["code"], "not_owner", "{wrong}");
    }
    assert_eq!(with(&twos, &["complete", "p001"])["ok"], true);
    assert_eq!(with(&ones, &["abort", "p000"])["ok"], true);
    assert_eq!(with(&ones, &["complete", "p000"])["code"], "not_claimed");
}

/// A person at a terminal that stays open.
struct Terminal {
    script: Child,
    keys: ChildStdin,
    lines: Receiver<String>,
}

impl Terminal {
    fn new(scene: &Scene) -> Self {
        let mut script = scene.sandbox.command("repo", "script");
        script.args(["-qefc", "bash --norc --noprofile -i", "/dev/null"]).env("TERM", "dumb");
        Self::start(script)
    }

    fn start(mut script: Command) -> Self {
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut script = script.spawn().unwrap();
        let keys = script.stdin.take().unwrap();
        let shown = BufReader::new(script.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in shown.split(b'\n').map_while(Result::ok) {
                sender.send(String::from_utf8_lossy(&line).into_owned()).ok();
            }
        });
        Self { script, keys, lines }
    }

    fn git(&mut self, args: &str) -> Value {
        self.line(&format!("git conductor --json {args}"))
    }

    fn line(&mut self, line: &str) -> Value {
        writeln!(self.keys, "{line}").unwrap();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).unwrap();
            if let Some(answer) = answers(line.as_bytes()).pop() {
                return answer;
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.script.kill().ok();
        self.script.wait().ok();
    }
}

#[test]
fn a_person_at_two_terminals() {
    if Command::new("script").arg("--version").output().is_err() {
        wanting("script");
        return;
    }
    if !inside("owners::a_person_at_two_terminals", PIDS) {
        return;
    }
    let mut scene = Scene::with_phases(4);
    let (mut one, mut two) = (Terminal::new(&scene), Terminal::new(&scene));
    let claimed = one.git("claim p000");
    assert!(claimed["agent"].as_str().unwrap().starts_with("A-U-Thor-"), "{claimed}");
    assert_eq!(scene.claim("p000")["person"], true);
    let refused = two.git("claim p000");
    assert_eq!((&refused["code"], &refused["alive"]), (&json!("claimed"), &json!("yes")));
    assert_eq!(two.git("complete p000")["code"], "not_owner");
    // An agent is nobody's other terminal.
    assert_eq!(scene.said("agent", &["claim", "p000", "--takeover"])["code"], "claimed");
    assert_eq!(two.git("claim p000 --takeover")["taken_over_from"], claimed["agent"]);
    assert_eq!(one.git("complete p000")["code"], "lost");
    assert_eq!(two.git("complete p000")["ok"], true);
    // Another user's stays that user's.
    one.git("claim p001");
    scene.edit_claim("p001", |claim| claim["user"] = json!(4711));
    assert_eq!(two.git("claim p001 --takeover")["code"], "claimed");
    // An agent's is nobody's to move.
    scene.said("agent", &["claim", "p002"]);
    assert_eq!(two.git("claim p002 --takeover")["code"], "claimed");
}

/// Where nothing shows processes: an empty `/proc`, and a machine without an id.
const BLIND: &str = "mount -t tmpfs none /proc && mount --bind /dev/null /etc/machine-id && \
                     exec \"$@\"";

#[test]
fn a_person_without_proc() {
    let flags: &[&str] = if rustix::process::getuid().is_root() {
        &["--mount"]
    } else {
        &["--user", "--map-root-user", "--mount"]
    };
    if Command::new("script").arg("--version").output().is_err() {
        wanting("script");
        return;
    }
    if !allowed(flags) {
        return;
    }
    let scene = Scene::with_phases(8);
    let flags = [flags, &["sh", "-c", BLIND, "sh"]].concat();
    let terminal = || {
        let mut script = scene.sandbox.command("repo", "script");
        script.args(["-qefc", "bash --norc --noprofile -i", "/dev/null"]).env("TERM", "dumb");
        Terminal::start(unshared(&script, &flags))
    };
    let (mut one, mut two) = (terminal(), terminal());
    let claimed = one.git("claim p000");
    assert_eq!((&claimed["ok"], &claimed["nameless"]), (&json!(true), &json!(false)), "{claimed}");
    assert!(claimed["agent"].as_str().unwrap().starts_with("A-U-Thor-"), "{claimed}");
    let record = scene.claim("p000");
    assert_eq!((&record["person"], &record["process"]), (&json!(true), &Value::Null), "{record}");
    assert!(record["terminal"]["session"].is_i64(), "{record}");
    // Another terminal is somebody else, and nobody is known to be gone.
    assert_eq!(two.git("claim p000")["code"], "claimed");
    for args in ["complete p000", "abort p000"] {
        assert_eq!(two.git(args)["code"], "not_owner", "{args}");
    }
    assert_eq!(two.git("unstuck p000")["code"], "alive");
    // The same one is the same person, in whichever of its shells, and with its output elsewhere.
    assert_eq!(one.git("claim p000")["renewed"], true);
    assert_eq!(one.git("status")["you"]["holds"], json!(["p000"]));
    assert_eq!(one.git("complete p000 2>/dev/null </dev/null")["ok"], true);
    assert_eq!(one.git("complete p000")["again"], true);
    one.git("claim p001");
    assert_eq!(one.line("sh -c 'git conductor abort p001 --json; true'")["ok"], true);
    // A session of its own has no terminal, and is nobody's.
    one.git("claim p002");
    let apart = one.line("setsid -w git conductor complete p002 --json </dev/null");
    assert_eq!(apart["code"], "not_owner", "{apart}");
    // The other terminal of the same user may move it, as everywhere.
    assert_eq!(two.git("claim p002 --takeover")["ok"], true);
    assert_eq!(one.git("complete p002")["code"], "lost");
}

#[test]
fn processes_that_are_given() {
    let scene = Scene::with_phases(8);
    let git = |pid: &str, args: &[&str]| detected(&scene, pid, args);
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let mut zombie = Command::new("true").spawn().unwrap();
    let ended = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.contains(") Z ")
    };
    let begun = Instant::now();
    while !ended(zombie.id()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not end");
    }
    let none =
        ["0", "-1", "-9223372036854775808", "2147483648", "4294967297", "9223372036854775807"];
    let none = none.map(str::to_owned).into_iter().chain([
        "18446744073709551616".to_owned(),
        "x".to_owned(),
        "1 2".to_owned(),
        gone.id().to_string(),
        zombie.id().to_string(),
    ]);
    for pid in none {
        let mut by_option = scene.sandbox.command("repo", "git");
        by_option.args(["conductor", "claim", "p000", "--json", &format!("--pid={pid}")]);
        let mut by_variable = scene.sandbox.command("repo", "git");
        by_variable.args(["conductor", "claim", "p000", "--json"]).env("GIT_CONDUCTOR_PID", &pid);
        for mut command in [by_option, by_variable] {
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(129), "{pid}: {output:?}");
        }
    }
    zombie.wait().unwrap();
    // Another user's process is one all the same.
    let mut sleep = Command::new("sleep");
    sleep.arg("600");
    if rustix::process::getuid().is_root() {
        sleep.uid(65534);
    } else {
        skipped("only root can start another user's process: the first one stands for it");
    }
    let mut others = sleep.spawn().unwrap();
    let pid =
        if rustix::process::getuid().is_root() { others.id().to_string() } else { "1".to_owned() };
    assert_eq!(answer(&mut git(&pid, &["claim", "p001"]))["ok"], true);
    assert_eq!(answer(&mut git(&pid, &["complete", "p001"]))["ok"], true);
    others.kill().unwrap();
    others.wait().unwrap();
}

/// A thread's number stands for its process, which outlives it.
#[test]
fn the_number_of_a_thread() {
    let mut scene = Scene::with_phases(3);
    let (tell, told) = channel();
    let (end, ended) = channel::<()>();
    let thread = std::thread::spawn(move || {
        let itself = std::fs::read_link("/proc/thread-self").unwrap();
        tell.send(itself.file_name().unwrap().to_str().unwrap().to_owned()).unwrap();
        ended.recv().ok();
    });
    let tid = told.recv().unwrap();
    assert_eq!(answer(&mut detected(&scene, &tid, &["claim", "p000"]))["ok"], true);
    assert_eq!(scene.claim("p000")["pid"], std::process::id());
    end.send(()).unwrap();
    thread.join().unwrap();
    // The process goes on.
    assert_eq!(scene.said("other", &["unstuck", "p000"])["code"], "alive");
    let own = std::process::id().to_string();
    assert_eq!(answer(&mut detected(&scene, &own, &["complete", "p000"]))["ok"], true);
}

/// The command's own number, as `sh -c 'exec …'` gives it: it would be gone with the claim's
/// answer.
#[test]
fn a_process_that_ends_with_the_command() {
    let scene = Scene::with_phases(3);
    for line in [
        "exec git-conductor claim p000 --json --pid $$",
        "exec git conductor claim p000 --json --pid $$",
    ] {
        let output = scene.sandbox.command("repo", "sh").args(["-c", line]).output().unwrap();
        assert_eq!(output.status.code(), Some(129), "{line}: {output:?}");
        let said = answers(&output.stdout).pop().unwrap();
        assert!(said.to_string().contains("ends with this command"), "{said}");
    }
    // A shell that goes on may be all that there is of an agent.
    let line =
        "git conductor claim p000 --json --pid $$; git conductor complete p000 --json --pid $$";
    let output = scene.sandbox.command("repo", "sh").args(["-c", line]).output().unwrap();
    assert!(answers(&output.stdout).iter().all(|said| said["ok"] == true), "{output:?}");
}

/// Variables that a job finds set.
type Vars = &'static [(&'static str, &'static str)];

#[test]
fn jobs_of_one_run() {
    if !inside("owners::jobs_of_one_run", PIDS) {
        return;
    }
    let scene = Scene::with_phases(12);
    let runs: &[(Vars, Vars)] = &[
        (
            &[("GITHUB_RUN_ID", "1"), ("RUNNER_NAME", "x")],
            &[("GITHUB_RUN_ID", "1"), ("RUNNER_NAME", "y")],
        ),
        (
            &[("GITHUB_RUN_ID", "1"), ("GITHUB_JOB", "x")],
            &[("GITHUB_RUN_ID", "1"), ("GITHUB_JOB", "y")],
        ),
        (&[("CI_JOB_ID", "1")], &[("CI_JOB_ID", "2")]),
        (
            &[("CIRCLE_WORKFLOW_JOB_ID", "1"), ("CIRCLE_NODE_INDEX", "0")],
            &[("CIRCLE_WORKFLOW_JOB_ID", "1"), ("CIRCLE_NODE_INDEX", "1")],
        ),
        (
            &[("BUILD_TAG", "t"), ("NODE_NAME", "a"), ("EXECUTOR_NUMBER", "0")],
            &[("BUILD_TAG", "t"), ("NODE_NAME", "b"), ("EXECUTOR_NUMBER", "0")],
        ),
    ];
    let step = |vars: &[(&str, &str)], args: &str| {
        let mut command = scene.sandbox.command("repo", "setsid");
        let line = format!("git conductor {args} --json; true");
        command.args(["--wait", "sh", "-c", &line]).env("CI", "true").envs(vars.iter().copied());
        answer(&mut command)
    };
    for (n, (one, two)) in runs.iter().enumerate() {
        // Each of the steps is one command, of which nothing lasts here: only the run tells.
        let phase = format!("p{n:03}");
        assert_eq!(step(one, &format!("claim {phase}"))["ok"], true, "{one:?}");
        scene.edit_claim(&phase, |claim| {
            // As where nothing of it lasts, and as on another machine.
            if n != 1 {
                claim["process"] = Value::Null;
            } else if !claim["process"].is_null() {
                claim["process"]["node"] = json!("another");
                claim["process"]["machine"] = json!("another");
            }
        });
        assert_eq!(step(two, &format!("complete {phase}"))["code"], "not_owner", "{two:?}");
        assert_eq!(step(two, &format!("claim {phase}"))["code"], "claimed", "{two:?}");
    }
    // The same run's same job on another machine is another agent as far as can be told.
    let one = [("CI_JOB_ID", "77")];
    let file = scene.sandbox.write("step.sh", "git conductor claim p010 --json\n");
    let mut command = scene.sandbox.command("repo", "bash");
    assert_eq!(answer(command.arg(file).env("CI", "true").envs(one))["ok"], true);
    assert!(!scene.claim("p010")["process"].is_null());
    scene.out_of_sight("p010");
    assert_eq!(step(&one, "complete p010")["code"], "not_owner");
}

#[test]
fn hostile_variables() {
    if !inside("owners::hostile_variables", PIDS) {
        return;
    }
    let scene = Scene::with_phases(2);
    let long = "x".repeat(100_000);
    let values: &[&str] = &[
        "\u{1b}[31mred\u{1b}[0m",
        "\u{202e}evil",
        "a\nb",
        "../../../etc/passwd",
        "/",
        ".",
        "..",
        "-",
        "--help",
        "é\u{301}",
        "",
        " ",
        "$(reboot)",
        "`x`",
        "a;b",
        "null",
        "1",
        "\u{feff}x",
        "\u{9b}31m",
        &long,
        "%s%n",
        "claude\u{1b}]0;x\u{7}",
    ];
    for variable in ["AI_AGENT", "AGENT", "CODEX_THREAD_ID", "REPL_ID", "CLAUDE_SESSION_ID", "USER"]
    {
        for value in values {
            for args in [&["claim", "p000", "--json"] as &[&str], &["status"], &["abort", "p000"]] {
                let mut command = scene.sandbox.command("repo", "setsid");
                command.args(["--wait", "git", "conductor"]).args(args).env(variable, value);
                let output =
                    command.env("GIT_CONDUCTOR_PID", std::process::id().to_string()).output();
                let output = output.unwrap();
                assert!(output.status.success(), "{variable}={value:?} {args:?}: {output:?}");
                for stream in [&output.stdout, &output.stderr] {
                    let text = std::str::from_utf8(stream).unwrap();
                    let raw = |c: char| c.is_control() && c != '\n';
                    assert!(!text.contains(raw) && !text.contains('\u{202e}'), "{text:?}");
                    assert!(text.len() < 8000, "{variable}: {}", text.len());
                }
                if let Some(said) = answers(&output.stdout).pop() {
                    let name = said["agent"].as_str().unwrap();
                    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
                    assert!((1..=128).contains(&name.len()) && name.chars().all(plain), "{name}");
                }
            }
        }
    }
    let combining = "e\u{301}".repeat(64);
    for (name, good) in [
        ("é".repeat(128), true),
        ("é".repeat(129), false),
        (combining.clone(), true),
        (format!("{combining}x"), false),
        ("../../x".to_owned(), true),
        ("a\u{1b}".to_owned(), false),
    ] {
        let mut command = scene.sandbox.command("repo", "git");
        command.args(["conductor", "claim", "p001", "--json", "--agent", &name]);
        let code = command.output().unwrap().status.code();
        assert_eq!(code, Some(if good { 0 } else { 129 }), "{name}");
        if good {
            let mut abort = scene.sandbox.command("repo", "git");
            abort.args(["conductor", "abort", "p001", "--json"]).env("GIT_CONDUCTOR_AGENT", &name);
            assert_eq!(answer(&mut abort)["ok"], true);
        }
    }
}

#[test]
fn two_processes_of_one_name_and_a_phase_that_is_done() {
    let scene = Scene::with_phases(2);
    let named = || Fake::new(&scene.sandbox, "claude", &[("GIT_CONDUCTOR_AGENT", "boss")]);
    let (mut one, mut two) = (named(), named());
    one.ok("claim p000");
    one.ok("complete p000");
    assert_eq!(one.ok("complete p000")["again"], true);
    // Another one that lives did not complete it.
    assert_eq!(two.refused("complete p000", "done")["agent"], "boss");
    one.kill();
    // Started again, it did.
    assert_eq!(two.ok("complete p000")["again"], true);
}

#[test]
fn freeing_what_is_ones_own() {
    let mut scene = Scene::with_phases(2);
    scene.said("one", &["claim", "p000"]);
    let own = scene.said("one", &["unstuck", "p000"]);
    assert_eq!((&own["code"], &own["same_agent"]), (&json!("alive"), &json!(true)), "{own}");
    assert_eq!(own["do"], json!([]), "an eager reader would give up what it is at");
    assert!(own["hints"][0].as_str().unwrap().contains("git conductor abort p000"));
    let anothers = scene.said("two", &["unstuck", "p000"]);
    assert_eq!((&anothers["code"], &anothers["same_agent"]), (&json!("alive"), &json!(false)));
    assert_eq!(anothers["do"], json!(["git", "conductor", "next", "--claim"]));
}

#[test]
fn freed_by_force() {
    let mut scene = Scene::with_phases(2);
    scene.said("one", &["claim", "p000"]);
    scene.said("two", &["unstuck", "p000", "--force"]);
    // Both the one that was freed and one that never held it must claim before they go on.
    for name in ["one", "three"] {
        let said = scene.said(name, &["complete", "p000"]);
        assert_eq!(said["code"], "not_claimed");
        assert_eq!(said["do"], json!(["git", "conductor", "claim", "p000"]));
        assert!(said.to_string().contains("if you had claimed it"), "{said}");
    }
    scene.said("two", &["claim", "p000"]);
    let said = scene.said("one", &["complete", "p000"]);
    assert_eq!(said["code"], "not_owner");
}

#[test]
fn a_claim_that_ended_with_its_sprint() {
    let mut scene = Scene::with_phases(2);
    scene.said("one", &["claim", "p000"]);
    scene.said("one", &["claim", "p001"]);
    scene.said("boss", &["start", "--force", "--phases", "p000:,p001:"]);
    // Ended by another: what one would hand in was not asked for by this sprint.
    let lost = scene.said("one", &["complete", "p000"]);
    assert_eq!(lost["code"], "lost", "{lost}");
    assert!(lost["ended_sprint"].is_string());
    // Who has taken part in the present sprint is judged by it.
    scene.said("one", &["claim", "p000"]);
    assert_eq!(scene.said("one", &["complete", "p001"])["code"], "not_claimed");
    scene.said("two", &["claim", "p001"]);
    assert_eq!(scene.said("one", &["complete", "p001"])["code"], "not_owner");
    scene.said("one", &["complete", "p000"]);
    assert_eq!(scene.said("one", &["abort", "p001"])["code"], "not_owner");
    // And so is who began it.
    scene.said("two", &["start", "--force", "--phases", "p000:,p001:"]);
    assert_eq!(scene.said("two", &["complete", "p001"])["code"], "not_claimed");
    assert_eq!(scene.said("two", &["abort", "p001"])["not_held"], json!(["p001"]));
}
