//! `run`, with real processes: what the command sees, what becomes of the phase, and who gets which
//! signal.

mod group;
mod terminal;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::process_driver::{Agent, Answer, BINARY, Barrier};
use crate::sandbox::Sandbox;

struct Bench {
    sandbox: Sandbox,
    lead: Agent,
}

impl Bench {
    fn new(phases: &str) -> Self {
        let sandbox = Sandbox::new();
        sandbox.repository("repo");
        let lead = Agent::new("lead");
        sandbox.run("repo", &lead, &["start", "--phases", phases]).ok();
        Self { sandbox, lead }
    }

    /// `run PHASE OPTIONS -- sh -c SCRIPT` as `agent`.
    fn command(&self, agent: &Agent, args: &[&str], script: &str) -> Command {
        let args = [&["run"][..], args, &["--", "sh", "-c", script]].concat();
        let mut command = self.sandbox.binary("repo", agent, &args);
        command.env("BINARY", BINARY).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, agent: &Agent, args: &[&str], script: &str) -> Answer {
        Answer::of(&self.command(agent, args, script).output().unwrap())
    }

    /// Begins it, and waits until the script has made the file `ready`.
    fn begun(&self, agent: &Agent, args: &[&str], script: &str) -> Child {
        let child = self.command(agent, args, script).spawn().unwrap();
        self.until("ready");
        child
    }

    /// Waits for a file that somebody makes.
    fn until(&self, name: &str) {
        let begun = Instant::now();
        while !self.sandbox.join("repo").join(name).exists() {
            assert!(begun.elapsed() < Duration::from_secs(100), "nobody makes '{name}'");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.sandbox.join("repo").join(name)).unwrap()
    }

    fn shown(&self, phase: &str) -> Value {
        self.sandbox.run("repo", &self.lead, &["show", phase]).ok().json
    }

    /// The reasons of the attempts at `phase`, the latest last.
    fn reasons(&self, phase: &str) -> Vec<String> {
        let shown = self.shown(phase);
        let attempts = shown["attempts"].as_array().unwrap();
        attempts.iter().map(|attempt| attempt["reason"].as_str().unwrap().to_owned()).collect()
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn ended(child: Child) -> Answer {
    Answer::of(&child.wait_with_output().unwrap())
}

/// Whether there is a process of that number that has not ended.
fn lives(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat.rsplit(") ").next().unwrap_or_default();
    !state.is_empty() && !state.starts_with(['Z', 'X'])
}

#[test]
fn the_command_is_told_all_of_it() {
    let bench = Bench::new("plan:,a-b:plan,build:plan+a-b");
    let (ann, bob) = (Agent::new("ann"), Agent::new("bob"));
    bench.sandbox.write("repo/notes.md", "notes\n");
    bench.run(&ann, &["plan", "--artifact", "notes.md"], "exit 0").ok();
    bench.run(&ann, &["a-b", "--artifact", "notes.md"], "exit 0").ok();
    let script =
        "env > seen; cat \"$GIT_CONDUCTOR_INPUT_PLAN\" \"$GIT_CONDUCTOR_INPUT_A_B\" > read;
        $BINARY status --json > board; git rev-parse HEAD > head";
    let ran = bench.run(&bob, &["build"], script).ok();
    let seen = bench.read("seen");
    let variable = |name: &str| {
        let line = seen.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{name} in {seen}")).to_owned()
    };
    assert_eq!(variable("GIT_CONDUCTOR_PHASE"), "build");
    assert_eq!(variable("GIT_CONDUCTOR_AGENT"), "bob");
    assert_eq!(variable("GIT_CONDUCTOR_SPRINT"), ran.json["sprint_id"]);
    let store = bench.sandbox.join("repo/.nanostack").canonicalize().unwrap();
    assert_eq!(Path::new(&variable("GIT_CONDUCTOR_STORE")), store);
    assert_eq!(variable("GIT_CONDUCTOR_TOKEN").len(), 32);
    let inputs: Value = serde_json::from_str(&variable("GIT_CONDUCTOR_INPUTS")).unwrap();
    let named: Vec<&Value> =
        inputs.as_array().unwrap().iter().map(|input| &input["phase"]).collect();
    assert_eq!(named, [&json!("plan"), &json!("a-b")]);
    assert_eq!(inputs[0]["artifact"], variable("GIT_CONDUCTOR_INPUT_PLAN"));
    assert_eq!(inputs[0]["commit"].as_str().unwrap(), bench.read("head").trim());
    assert_eq!(bench.read("read"), "notes\nnotes\n");
    // Asked inside of it, the phase is the asker's own.
    let board: Value = serde_json::from_str(&bench.read("board")).unwrap();
    assert_eq!(board["phases"]["build"]["yours"], true, "{board}");
}

#[test]
fn two_inputs_of_one_variable_have_none() {
    let bench = Bench::new("a-b:,a_b:,c:a-b+a_b");
    let ann = Agent::new("ann");
    bench.sandbox.write("repo/notes.md", "notes\n");
    for phase in ["a-b", "a_b"] {
        bench.run(&ann, &[phase, "--artifact", "notes.md"], "exit 0").ok();
    }
    bench.run(&ann, &["c"], "env > seen").ok();
    assert!(!bench.read("seen").contains("GIT_CONDUCTOR_INPUT_"), "{}", bench.read("seen"));
    assert_eq!(bench.read("seen").matches("pin.").count(), 2);
}

#[test]
fn what_ends_well_is_complete_and_all_else_is_given_up() {
    let bench = Bench::new("build:,ship:build");
    let ann = Agent::new("ann");
    let failed = bench.run(&ann, &["build"], "echo out; echo err >&2; exit 7");
    assert_eq!((failed.exit, &failed.json["phase_is"]), (Some(7), &json!("aborted")), "{failed:?}");
    assert_eq!((&failed.json["ok"], &failed.json["exit"]), (&json!(false), &json!(7)));
    // Standard output has the answer and nothing else.
    assert!(failed.err.contains("out\n") && failed.err.contains("err\n"), "{failed:?}");
    let killed = bench.run(&ann, &["build"], "kill -TERM $$");
    assert_eq!((killed.exit, &killed.json["signal"]), (Some(143), &json!("SIGTERM")));
    let none = bench.run(&ann, &["build", "--artifact", "none"], "exit 0");
    assert_eq!((none.exit, none.code()), (Some(125), "bad_artifact"), "{none:?}");
    assert_eq!(none.json["given_up"], true);
    let program = bench.sandbox.write("repo/program", "");
    for (program, code) in [("./no-such", 127), (program.to_str().unwrap(), 126)] {
        let output =
            bench.sandbox.binary("repo", &ann, &["run", "build", "--", program]).output().unwrap();
        let ran = Answer::of(&output);
        assert_eq!((ran.exit, &ran.json["began"]), (Some(code), &json!(false)), "{ran:?}");
    }
    let reasons = bench.reasons("build");
    assert_eq!(reasons[..2], ["exit code 7", "killed by SIGTERM"]);
    assert_eq!(reasons[2], "no artifact 'none': there is no such file");
    assert!(reasons[3].starts_with("cannot run './no-such': "), "{reasons:?}");
    let script = "echo made > made; exit 0";
    let ran = bench.run(&ann, &["build", "--artifact", "made"], script).ok();
    assert_eq!(
        (&ran.json["phase_is"], &ran.json["opened"]),
        (&json!("completed"), &json!(["ship"]))
    );
    assert_eq!(bench.shown("build")["state"], "done");
    let copy = bench.sandbox.run("repo", &ann, &["show", "build", "--artifact"]);
    assert_eq!(copy.json["content"], "made\n", "{copy:?}");
}

#[test]
fn its_own_refusals_are_125() {
    let bench = Bench::new("build:,ship:build");
    let (ann, bob) = (Agent::new("ann"), Agent::new("bob"));
    bench.sandbox.run("repo", &bob, &["claim", "build"]).ok();
    for (args, code) in [
        (&["build"][..], "claimed"),
        (&["ship"], "blocked"),
        (&["docs"], "unknown_phase"),
        (&["build", "--wait", "--timeout", "0s"], "timed_out"),
    ] {
        let refused = bench.run(&ann, args, "touch ran");
        assert_eq!(refused.said(), (Some(125), code), "{refused:?}");
        // Whoever does as it says claims nothing without running what was to be run.
        let todo = refused.json["do"].as_array().unwrap();
        assert!(!todo.contains(&json!("build")) || todo.contains(&json!("wait")), "{refused:?}");
    }
    bench.sandbox.git("repo", ["config", "conductor.staleAfter", "soon"]);
    assert_eq!(bench.run(&ann, &["build"], "touch ran").said(), (Some(125), "git"));
    assert!(!bench.sandbox.join("repo/ran").exists());
}

/// Who holds it already, by itself or in a command that is run, would stay the recorded owner.
#[test]
fn a_phase_that_is_held_is_not_run() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let nested = format!("{BINARY} run build -- touch ran; echo $? > nested; exit 0");
    bench.sandbox.run("repo", &ann, &["claim", "build"]).ok();
    assert_eq!(bench.run(&ann, &["build"], "touch ran").said(), (Some(125), "holding"));
    bench.sandbox.run("repo", &ann, &["abort", "build"]).ok();
    bench.run(&ann, &["build"], &nested).ok();
    assert_eq!(bench.read("nested"), "125\n");
    assert!(!bench.sandbox.join("repo/ran").exists());
}

#[test]
fn one_of_many_runs() {
    let bench = Bench::new("build:");
    let agents: Vec<Agent> = (0..8).map(|n| Agent::new(format!("agent-{n}"))).collect();
    let gate =
        Barrier::new(agents.iter().map(|agent| bench.command(agent, &["build"], "echo x >> ran")));
    let mut exits: Vec<Option<i32>> = gate.release().iter().map(|answer| answer.exit).collect();
    exits.sort_unstable();
    assert_eq!(exits[0], Some(0));
    assert!(exits[1..].iter().all(|exit| *exit == Some(125)), "{exits:?}");
    assert_eq!(bench.read("ran"), "x\n");
}

#[test]
fn it_waits_for_its_turn() {
    let bench = Bench::new("plan:,build:plan");
    let ann = Agent::new("ann");
    bench.sandbox.run("repo", &bench.lead, &["claim", "plan"]).ok();
    let args = ["build", "--wait", "--timeout", "600"];
    let waits = bench.command(&ann, &args, "exit 0").spawn().unwrap();
    bench.sandbox.run("repo", &bench.lead, &["complete", "plan"]).ok();
    let ran = ended(waits).ok();
    assert!(ran.json["waited_ms"].as_u64().unwrap() < 300_000, "{ran:?}");
    assert_eq!(bench.shown("build")["state"], "done");
}

#[test]
fn the_command_may_end_the_phase_itself() {
    let bench = Bench::new("review:,b:");
    let ann = Agent::new("ann");
    bench.sandbox.write("repo/review.md", "bad\n");
    let script = "$BINARY complete review --verdict fail --artifact review.md";
    let ran = bench.run(&ann, &["review"], script).ok();
    assert_eq!(
        (&ran.json["phase_is"], &ran.json["verdict"]),
        (&json!("completed"), &json!("fail"))
    );
    let shown = bench.shown("review");
    assert_eq!((&shown["state"], &shown["verdict"]), (&json!("done"), &json!("fail")), "{shown}");
    // Given up by itself: nothing is completed behind its back.
    let ran = bench.run(&ann, &["b"], "$BINARY abort b --reason later");
    assert_eq!(ran.said(), (Some(125), "not_claimed"), "{ran:?}");
    let ran = bench.run(&ann, &["b"], "$BINARY abort b --reason later; exit 3");
    assert_eq!((ran.exit, &ran.json["phase_is"]), (Some(3), &json!("lost")));
    assert_eq!(bench.reasons("b"), ["later", "later"]);
}

#[test]
fn a_claim_that_was_lost_is_left_alone() {
    let bench = Bench::new("build:");
    let (ann, bob) = (Agent::new("ann"), Agent::new("bob"));
    // It does not end when it is asked to.
    let script = "trap 'touch asked' TERM; touch ready
        while [ ! -e go ]; do sleep 0.01; done; exit 0";
    let running = bench.begun(&ann, &["build"], script);
    // Not even who called it can end it meanwhile, nor claim it.
    for args in [&["complete", "build"][..], &["abort", "build"], &["claim", "build", "--takeover"]]
    {
        let said = bench.sandbox.run("repo", &ann, args);
        assert_eq!(said.exit, Some(1), "{args:?}: {said:?}");
    }
    bench.sandbox.run("repo", &bench.lead, &["unstuck", "build", "--force"]).ok();
    bench.sandbox.run("repo", &bob, &["claim", "build"]).ok();
    bench.until("asked");
    bench.sandbox.write("repo/go", "");
    let ran = ended(running);
    // It ended with 0, and has not done what it was to do.
    assert_eq!((ran.exit, &ran.json["exit"]), (Some(125), &json!(0)), "{ran:?}");
    assert_eq!((&ran.json["phase_is"], &ran.json["reason"]), (&json!("lost"), &json!("not_owner")));
    assert_eq!((&ran.json["ok"], &ran.json["stopped"]), (&json!(false), &json!(true)));
    let board = bench.sandbox.board("repo");
    assert_eq!(board.json["phases"]["build"]["agent"], "bob", "{board:?}");
}

/// A phase of the same name in another sprint is not what was claimed.
#[test]
fn a_sprint_that_was_replaced_is_named() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let anew = "rm -f asked; trap 'touch asked' TERM
        (trap '' TERM; exec $BINARY start --force --phases build: > new)
        while [ ! -e asked ]; do sleep 0.01; done; $BINARY claim build";
    let ran = bench.run(&ann, &["build"], anew);
    assert_eq!((ran.exit, &ran.json["reason"]), (Some(125), &json!("lost")), "{ran:?}");
    bench.sandbox.run("repo", &bench.lead, &["unstuck", "build", "--force"]).ok();
    let ran = bench.run(&ann, &["build"], &format!("{anew}; exit 3"));
    assert_eq!((ran.exit, &ran.json["reason"]), (Some(3), &json!("lost")), "{ran:?}");
}

#[test]
fn signals_are_passed_on() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let all = [
        ("HUP", Signal::HUP),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("TERM", Signal::TERM),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
    ];
    for (name, number) in all {
        let script = format!(
            "trap 'echo {name} >> got; exit 5' {name}; touch ready; for i in $(seq 9000); do sleep 0.01; done"
        );
        let running = bench.begun(&ann, &["build"], &script);
        signal(&running, number);
        let ran = ended(running);
        assert_eq!(
            (ran.exit, &ran.json["phase_is"]),
            (Some(5), &json!("aborted")),
            "{name}: {ran:?}"
        );
        std::fs::remove_file(bench.sandbox.join("repo/ready")).unwrap();
    }
    let got = bench.read("got");
    assert_eq!(got.lines().collect::<Vec<_>>(), all.map(|(name, _)| name));
    // One that ends the command ends it.
    let running = bench.begun(&ann, &["build"], "touch ready; exec sleep 100");
    signal(&running, Signal::TERM);
    assert_eq!(ended(running).exit, Some(143));
    assert_eq!(bench.reasons("build").last().unwrap(), "killed by SIGTERM");
}

/// A terminal sends its signals to the whole process group, and `git` passes them on once more: the
/// command gets one, whether it has the terminal or not.
#[test]
fn the_terminal_interrupts_once() {
    let bench = Bench::new("build:");
    let script = bench.sandbox.write(
        "repo/count.pl",
        // A shell takes two that come while it waits for one; so does the kernel, until one is
        // seen.
        "my $n = 0; $SIG{INT} = sub { $n++ }; open(R, '>', 'ready'); close(R);
        for (1..9000) { select(undef, undef, undef, 0.01); last if $n }
        for (1..80) { select(undef, undef, undef, 0.01) }
        open(C, '>', 'writing'); print C \"$n\\n\"; close(C); rename('writing', 'count'); exit 9\n",
    );
    // What is passed on comes late, so that it is another one.
    let late = "strace -f -o /dev/null -e trace=kill -e inject=kill:delay_enter=100000";
    // With the terminal it alone is interrupted; without, git has died of it.
    for (from, code) in [("", 9), (" < /dev/null", 130)] {
        let typed = format!("{late} git conductor run build -- perl {}{from}", script.display());
        let mut terminal = bench.sandbox.command("repo", "script");
        terminal.args(["-qec", &typed, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut terminal = terminal.spawn().unwrap();
        bench.until("ready");
        std::io::Write::write_all(terminal.stdin.as_mut().unwrap(), b"\x03").unwrap();
        bench.until("count");
        let output = terminal.wait_with_output().unwrap();
        assert_eq!(bench.read("count"), "1\n", "{from}");
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(bench.reasons("build").last().unwrap(), "exit code 9");
        for file in ["ready", "count"] {
            std::fs::remove_file(bench.sandbox.join("repo").join(file)).unwrap();
        }
    }
}

/// What goes on all the same, because its process group's supervisor was killed as well, does not
/// keep the claim, nor is it heard for it.
#[test]
fn a_killed_one_leaves_an_owner_that_is_gone() {
    let bench = Bench::new("build:");
    let (ann, bob) = (Agent::new("ann"), Agent::new("bob"));
    let script = "echo $PPID > between; touch ready; while [ ! -e go ]; do sleep 0.01; done
        $BINARY complete build; echo $? > completed
        $BINARY claim build; echo $? > claimed
        $BINARY status; echo $? > looked; touch over";
    let mut running = bench.begun(&ann, &["build"], script);
    // One that does not come to act.
    signal(&running, Signal::STOP);
    let between = bench.read("between").trim().parse().ok().and_then(Pid::from_raw).unwrap();
    kill_process(between, Signal::KILL).unwrap();
    signal(&running, Signal::KILL);
    assert_eq!(running.wait().unwrap().code(), None);
    assert_eq!(bench.sandbox.board("repo").json["phases"]["build"]["alive"], "no");
    bench.sandbox.write("repo/go", "");
    bench.until("over");
    for file in ["completed", "claimed", "looked"] {
        assert_eq!(bench.read(file), "129\n", "{file}");
    }
    let taken = bench.sandbox.run("repo", &bob, &["claim", "build", "--takeover"]).ok();
    assert_eq!(taken.json["taken_over_from"], "ann");
}

#[test]
fn nothing_is_left_of_it() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    // What the command leaves running is not waited for.
    let script =
        "(echo $$; exec sleep 100) > /dev/null 2>&1 < /dev/null & echo $! > left; echo $$ > pid";
    bench.run(&ann, &["build"], script).ok();
    assert!(lives(&bench.read("left")));
    // The command itself was collected: nothing of it is left, not even a zombie.
    assert!(!Path::new(&format!("/proc/{}", bench.read("pid").trim())).exists());
    let left = bench.read("left").trim().parse().ok().and_then(Pid::from_raw).unwrap();
    kill_process(left, Signal::KILL).unwrap();
}

/// What was ignored is still ignored, nothing is blocked, and a broken pipe ends the command.
#[test]
fn the_command_has_the_signals_of_its_caller() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    let options = ann.options().join(" ");
    let typed = format!(
        "trap '' HUP USR1; exec $BINARY run build {options} -- grep -E '^Sig(Blk|Ign)' /proc/self/status"
    );
    let mut shell = bench.sandbox.command("repo", "sh");
    let output = shell.env("BINARY", BINARY).args(["-c", &typed]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let mask = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap() & 0x7fff_ffff
    };
    assert_eq!((mask("SigBlk:"), mask("SigIgn:")), (0, 1 | 1 << 9), "{said}");
}

/// What is to be done after a completion may fail: the phase is complete all the same.
#[test]
fn a_completion_stands_whatever_follows_it() {
    let bench = Bench::new("build:,other:");
    let ann = Agent::new("ann");
    let names = format!("owner.{} owner.{}", "a".repeat(32), "b".repeat(32));
    let script = format!(
        "cd .nanostack/conductor/*/other && mkdir -p lock lock.d && cd lock && touch {names}"
    );
    let ran = bench.run(&ann, &["build"], &script);
    assert_eq!((ran.exit, &ran.json["phase_is"]), (Some(0), &json!("completed")), "{ran:?}");
    let failed = ran.json["failed_after"].as_str().unwrap();
    assert!(failed.contains("has several owners"), "{ran:?}");
    // So that it is said where it is not asked for JSON.
    let script = script.replace("mkdir", ": again; mkdir");
    std::fs::remove_dir_all(bench.sandbox.sprint("repo/.nanostack").join("other/lock")).unwrap();
    bench.sandbox.run("repo", &bench.lead, &["start", "--force", "--phases", "build:,other:"]).ok();
    let mut command = bench.sandbox.command("repo", BINARY);
    command.args(["run", "build", "--", "sh", "-c", &script]);
    let output = command.env("GIT_CONDUCTOR_AGENT", "ann").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("completed 'build'\nwarning: what follows"), "{said}");
}

/// The exit code is the command's, whoever reads the answer.
#[test]
fn an_answer_that_cannot_be_written_changes_no_exit_code() {
    let bench = Bench::new("build:");
    let ann = Agent::new("ann");
    for (script, code) in [("exit 7", 7), ("exit 0", 0), ("exit 0", 125)] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = bench.command(&ann, &["build"], script).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains("error: cannot write the answer: "), "{said}");
    }
}
