//! A command at a terminal, below a shell that does job control: it is the one that reads what is
//! typed, and the shell is where it was when it has ended.

use std::time::Instant;

use nix::unistd::{Pid, getpgid};
use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp};

use super::Bench;
use crate::process_driver::BINARY;
use crate::terminal::{LONG, Terminal};

impl Terminal {
    /// An interactive shell of `ann`.
    fn shell(bench: &mut Bench) -> Self {
        bench.sandbox.set("GIT_CONDUCTOR_AGENT", "ann");
        bench.sandbox.set("PS1", "prompt> ");
        let mut shell =
            Self::new(&bench.sandbox, (80, 24), &["bash", "--norc", "--noprofile", "-i"]);
        shell.until(|all| all.contains("prompt> "));
        shell
    }

    /// Types `keys`, and waits until `wanted` has come after that.
    #[track_caller]
    fn after(&mut self, keys: &str, wanted: &str) {
        let before = self.all.len();
        self.type_in(keys.as_bytes());
        self.until(|all| all[before..].contains(wanted));
    }

    /// Types a command line. What it prints is not what was typed.
    #[track_caller]
    fn line(&mut self, line: &str, wanted: &str) {
        assert!(!line.contains(wanted), "{line}");
        self.after(&format!("{line}\n"), wanted);
    }

    /// Types `fg`, and waits until the process whose number is in the file `pid` has the terminal,
    /// as it has set it: what is typed before that is for the shell.
    #[track_caller]
    fn foreground(&mut self, bench: &Bench) {
        self.after("fg\n", "fg");
        let begun = Instant::now();
        let pid = bench.read("pid").trim().parse().ok().map(Pid::from_raw);
        let has_it = |keys: &std::fs::File| {
            let modes = tcgetattr(keys).unwrap().local_modes;
            let held = tcgetpgrp(keys).map(rustix::process::Pid::as_raw_pid).ok();
            held == getpgid(pid).map(Pid::as_raw).ok() && modes.contains(LocalModes::ICANON)
        };
        while !has_it(&self.keys) || state(&bench.read("pid")) == "T" {
            assert!(begun.elapsed() < LONG, "{:?}", self.all);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Its own prompt is there again, and it reads what is typed.
    #[track_caller]
    fn is_back(&mut self) {
        self.line("echo ba''ck", "back");
    }
}

const CAT: &str = "git conductor run build -- sh -c 'echo $$ > pid; echo rea\"\"dy; exec cat'";

#[test]
fn the_command_reads_what_is_typed() {
    let mut bench = Bench::new("build:");
    let mut shell = Terminal::shell(&mut bench);
    shell.line(CAT, "ready");
    shell.after("once\n", "once\r\nonce\r\n");
    shell.after("\x04", "completed 'build'");
    shell.is_back();
}

/// The shell learns of it, although only the command had the terminal: it ends its loop.
#[test]
fn an_interrupt_ends_the_loop_around_it() {
    let mut bench = Bench::new("build:");
    let mut shell = Terminal::shell(&mut bench);
    // It is the child that says so: dash forgets what comes while it begins one.
    let run =
        "git conductor run build -- sh -c 'sh -c \"echo rea\\\"\\\"dy; exec sleep 100\"; true'";
    shell.line(&format!("for i in 1 2 3; do echo x >> turns; {run}; done"), "ready");
    shell.after("\x03", "gave up 'build': killed by SIGINT");
    shell.line("echo co''de $?", "code 130");
    assert_eq!(bench.read("turns"), "x\n");
}

/// What lives with an interrupt goes on, and so does all around it.
#[test]
fn an_interrupt_is_for_the_command() {
    let mut bench = Bench::new("build:");
    let mut shell = Terminal::shell(&mut bench);
    let inner = "PS1='in''ner> ' exec bash --norc --noprofile -i";
    shell.line(&format!("git conductor run build -- sh -c \"{inner}\""), "inner> ");
    // Once it is there, its job has the terminal: a shell forgets what comes between two of its
    // jobs.
    shell.type_in(b"sh -c 'echo 1 > it; exec sleep 100'\n");
    bench.until("it");
    shell.after("\x03", "inner> ");
    shell.line("echo st''ill", "still");
    shell.line("exit 0", "completed 'build'");
    shell.is_back();
}

/// Waits until the shell knows that its job is stopped, and lets it say so.
const UNTIL_STOPPED: &str = "until [ \"$(jobs -s)\" ]; do sleep 0.01; done; jobs";

fn state(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap();
    stat.rsplit(") ").next().unwrap()[..1].to_owned()
}

#[test]
fn it_is_stopped_and_goes_on_as_any_job() {
    let mut bench = Bench::new("build:");
    let mut shell = Terminal::shell(&mut bench);
    shell.line(CAT, "ready");
    shell.after("\x1a", "Stopped");
    shell.is_back();
    assert_eq!(state(&bench.read("pid")), "T");
    shell.foreground(&bench);
    shell.after("again\n", "again\r\nagain\r\n");
    shell.after("\x1a", "Stopped");
    shell.is_back();
    // In the background it may not read: the shell says once more that it is stopped.
    shell.line(&format!("bg; {UNTIL_STOPPED}"), "Stopped");
    shell.is_back();
    shell.foreground(&bench);
    shell.after("third\n", "third\r\nthird\r\n");
    shell.after("\x04", "completed 'build'");
    shell.is_back();
}

#[test]
fn in_the_background_it_works_on() {
    let mut bench = Bench::new("build:");
    let mut shell = Terminal::shell(&mut bench);
    // It begins no process meanwhile: a shell that is stopped while it does so cannot be stopped.
    let work = "mkfifo gate; echo rea\"\"dy; read line < gate; echo > worked";
    shell.line(&format!("git conductor run build -- sh -c '{work}'"), "ready");
    shell.after("\x1a", "Stopped");
    shell.is_back();
    shell.line("bg; echo > gate", "completed 'build'");
    assert!(bench.sandbox.join("repo/worked").exists());
    // And one that was begun there may be brought here.
    bench.sandbox.run("repo", &bench.lead, &["start", "--force", "--phases", "build:"]).ok();
    shell.line(&format!("{CAT} &"), "ready");
    shell.line(UNTIL_STOPPED, "Stopped");
    shell.is_back();
    shell.foreground(&bench);
    shell.after("here\n", "here\r\nhere\r\n");
    shell.after("\x04", "completed 'build'");
}

#[test]
fn the_terminal_is_as_it_was_after_one_that_was_killed() {
    let mut bench = Bench::new("build:");
    let mut shell = Terminal::shell(&mut bench);
    let raw = "stty raw -echo; echo rea\"\"dy; kill -9 $$";
    // Not by a shell that reads lines: that sets the terminal as it likes.
    let lines = format!("git conductor run build -- sh -c '{raw}'; stty -a > modes; touch over");
    shell.line(&format!("sh -c {}", quoted(&lines)), "killed by SIGKILL");
    bench.until("over");
    let modes = bench.read("modes");
    assert!(modes.contains(" icanon") && modes.contains(" echo "), "{modes}");
    // What it set on purpose stays.
    let lines = "git conductor run build -- stty -echo; stty -a > modes; stty echo; touch again";
    shell.line(&format!("sh -c {}", quoted(lines)), "completed 'build'");
    bench.until("again");
    assert!(bench.read("modes").contains(" -echo "), "{}", bench.read("modes"));
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A pager at its end reads the terminal, too.
#[test]
fn who_reads_what_it_prints_keeps_the_terminal() {
    let mut bench = Bench::new("build:");
    let mut shell = Terminal::shell(&mut bench);
    let pager = "(cat; read x < /dev/tty; echo go''t $x)";
    let run = "git conductor run build -- sh -c 'echo a li\"\"ne; sleep 0.3'";
    shell.line(&format!("{run} | {pager}"), "a line");
    shell.after("key\n", "got key");
    shell.is_back();
}

/// Without standard input it may still ask a person.
#[test]
fn it_gets_the_terminal_when_it_asks() {
    let mut bench = Bench::new("build:");
    let mut shell = Terminal::shell(&mut bench);
    let asks = "cat; echo rea\"\"dy; read x < /dev/tty; echo asked $x";
    shell.line(&format!("echo input | git conductor run build -- sh -c '{asks}'"), "ready");
    shell.after("me\n", "asked me");
    shell.until(|all| all.contains("completed 'build'"));
    shell.is_back();
}

#[test]
fn one_in_another_is_at_the_terminal_as_well() {
    let mut bench = Bench::new("build:,b:");
    let mut shell = Terminal::shell(&mut bench);
    shell.line(&format!("git conductor run b -- {CAT}"), "ready");
    shell.after("deep\n", "deep\r\ndeep\r\n");
    shell.after("\x1a", "Stopped");
    shell.is_back();
    shell.foreground(&bench);
    shell.after("deeper\n", "deeper\r\ndeeper\r\n");
    shell.after("\x03", "gave up 'b'");
    shell.line("echo co''de $?", "code 130");
}

/// Where nobody could continue it, what is typed does not stop it.
#[test]
fn without_job_control_it_is_not_stopped() {
    let bench = Bench::new("build:");
    let args = [BINARY, "run", "build", "--agent", "ann", "--", "sh", "-c", "echo ready; exec cat"];
    let mut terminal = Terminal::new(&bench.sandbox, (80, 24), &args);
    terminal.until(|all| all.contains("ready"));
    terminal.type_in(b"\x1a");
    terminal.after("on\n", "on\r\non\r\n");
    terminal.after("\x04", "completed 'build'");
}
