//! `status --watch`, with real processes and real terminals: what it shows when, and what it leaves
//! behind.
//!
//! Nothing here is polled for: what is shown is read as it comes, and one that shows nothing fails
//! after a time that is far longer than anything takes.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use serde_json::{Value, json};

use crate::fixture::{Scene, ago};
use crate::process_driver::{Agent, BINARY};
use crate::sandbox::Sandbox;
use crate::terminal::{LONG, Terminal, Watcher, pieces, resize};

fn scene(phases: &str) -> (Sandbox, Agent) {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let lead = Agent::new("lead");
    sandbox.run("repo", &lead, &["start", "--phases", phases]).ok();
    (sandbox, lead)
}

/// `status --watch` of somebody who has no part in it.
fn watch(sandbox: &Sandbox, more: &[&str]) -> Command {
    let mut command = sandbox.command("repo", BINARY);
    command.args(["status", "--watch", "--agent", "eve"]).args(more);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A watcher whose lines are read.
struct Lines {
    watcher: Watcher,
    lines: Receiver<String>,
}

impl Lines {
    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { watcher: Watcher(child), lines: pieces(move || lines.next()?.ok()) }
    }

    #[track_caller]
    fn next(&self) -> String {
        self.lines.recv_timeout(LONG).unwrap()
    }

    #[track_caller]
    fn next_json(&self) -> Value {
        serde_json::from_str(&self.next()).unwrap()
    }

    /// The first that `is_it` is true of; each must differ from the one before.
    #[track_caller]
    fn until(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut before = Value::Null;
        loop {
            let board = self.next_json();
            assert_ne!(board, before, "the same again");
            if is_it(&board) {
                return board;
            }
            before = board;
        }
    }

    /// It must have ended by itself.
    #[track_caller]
    fn ended(mut self) -> (ExitStatus, String) {
        let rest = self.lines.recv_timeout(LONG);
        assert_eq!(rest, Err(RecvTimeoutError::Disconnected));
        let mut said = String::new();
        self.watcher.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.watcher.end(), said)
    }
}

fn state<'a>(board: &'a Value, phase: &str) -> &'a str {
    board["phases"][phase]["state"].as_str().unwrap_or_default()
}

#[test]
fn each_change_is_a_line_of_json() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let (lead, bob) = (Agent::new("lead"), Agent::new("bob"));
    let lines = Lines::of(watch(&sandbox, &["--json"]));
    assert_eq!(lines.next_json(), json!({"v": 1, "status": "no_sprint"}));
    // There is not even a store yet.
    sandbox.run("repo", &lead, &["start", "--phases", "a:,b:a"]).ok();
    lines.until(|board| state(board, "b") == "pending");
    for round in 0..2 {
        sandbox.run("repo", &bob, &["claim", "a"]).ok();
        lines.until(|board| state(board, "a") == "claimed");
        sandbox.run("repo", &bob, &["complete", "a"]).ok();
        let done = lines.until(|board| state(board, "a") == "done");
        assert_eq!(done["phases"]["b"]["ready"], true);
        sandbox.run("repo", &bob, &["claim", "b"]).ok();
        sandbox.run("repo", &bob, &["abort", "b"]).ok();
        lines.until(|board| board["phases"]["b"]["attempts"] == 1);
        // It outlives a sprint, and a store.
        if round == 0 {
            sandbox.run("repo", &lead, &["archive"]).ok();
        } else {
            std::fs::remove_dir_all(sandbox.join("repo/.nanostack")).unwrap();
            std::fs::remove_file(sandbox.join("repo/.git/conductor/store")).ok();
        }
        lines.until(|board| board["status"] == "no_sprint");
        sandbox.run("repo", &lead, &["start", "--phases", "a:,b:a"]).ok();
        lines.until(|board| board["phases"]["a"]["ready"] == true);
    }
    let board =
        sandbox.command("repo", BINARY).args(["status", "--json", "--agent", "eve"]).output();
    let mut again = Lines::of(watch(&sandbox, &["--json"]));
    assert_eq!(format!("{}\n", again.next()).into_bytes(), board.unwrap().stdout);
    again.watcher.0.kill().unwrap();
}

/// The inodes of the directories that can wake it.
fn watched(watcher: &Watcher) -> Vec<u64> {
    let entries = std::fs::read_dir(format!("/proc/{}/fdinfo", watcher.0.id())).unwrap();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok());
    let inodes = texts.flat_map(|text| {
        let words = text.split_whitespace().filter_map(|word| word.strip_prefix("ino:"));
        words.filter_map(|ino| u64::from_str_radix(ino, 16).ok()).collect::<Vec<_>>()
    });
    inodes.collect()
}

/// Until there is a store only what is above it can tell of it; then nothing else there matters.
#[test]
fn what_happens_beside_the_store_does_not_wake_it() {
    let sandbox = Sandbox::new();
    sandbox.repository("repo");
    let lead = Agent::new("lead");
    let above = std::fs::metadata(sandbox.join("repo")).unwrap().ino();
    let lines = Lines::of(watch(&sandbox, &["--json"]));
    lines.next();
    assert!(watched(&lines.watcher).contains(&above));
    sandbox.run("repo", &lead, &["start", "--phases", "a:"]).ok();
    lines.until(|board| state(board, "a") == "pending");
    let begun = Instant::now();
    while watched(&lines.watcher).contains(&above) {
        assert!(begun.elapsed() < LONG, "the repository still wakes it");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    lines.until(|board| state(board, "a") == "claimed");
}

#[test]
fn elsewhere_the_board_is_printed_again() {
    let (sandbox, _lead) = scene("a:");
    let bob = Agent::new("bob");
    let lines = Lines::of(watch(&sandbox, &["--color", "always"]));
    let board = |first: &str| {
        let mut lines = [lines.next(), lines.next(), lines.next()];
        assert!(lines[0].contains(first), "{lines:?}");
        lines[2].truncate(11);
        assert_eq!(lines[2], "you are eve");
        lines[1].clone()
    };
    assert_eq!(
        board("0 of 1 done"),
        "\u{1b}[1m\u{1b}[34m>\u{1b}[0m a  \u{1b}[1m\u{1b}[34mready\u{1b}[0m"
    );
    sandbox.run("repo", &bob, &["claim", "a"]).ok();
    assert_eq!(lines.next(), "");
    assert!(board("0 of 1 done").contains("bob"));
    sandbox.run("repo", &bob, &["complete", "a"]).ok();
    assert_eq!(lines.next(), "");
    board("1 of 1 done");
}

#[test]
fn a_heartbeat_and_the_time_are_no_change() {
    let mut scene = Scene::new();
    scene.sprint("a:,b:");
    scene.does("bob", &["claim", "a"]);
    let lines = Lines::of(watch(&scene.sandbox, &["--json"]));
    lines.next();
    scene.silent_for("a", 1800);
    scene.does("bob", &["status"]);
    let heard = &scene.board()["phases"]["a"]["heard"];
    assert!(heard.is_string());
    scene.does("cid", &["claim", "b"]);
    assert_eq!(state(&lines.next_json(), "b"), "claimed");
}

/// It is no command of the owner, which would be heard by it.
#[test]
fn to_watch_keeps_nothing_fresh() {
    let mut scene = Scene::new();
    scene.sprint("a:,b:");
    scene.does("bob", &["claim", "a"]);
    scene.silent_for("a", 1800);
    let copy = scene.sprint_dir().join("a/lock/meta.json");
    let touched = || copy.metadata().unwrap().modified().unwrap();
    let before = touched();
    let mut command = scene.command("bob", "repo", &["status", "--watch", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let lines = Lines::of(command);
    assert_eq!(lines.next_json()["phases"]["a"]["yours"], true);
    scene.does("cid", &["claim", "b"]);
    lines.until(|board| state(board, "b") == "claimed");
    assert_eq!(touched(), before);
}

#[test]
fn an_owner_that_dies_and_a_claim_that_turns_stale_are_shown() {
    let (sandbox, _lead) = scene("a:");
    sandbox.git("repo", ["config", "conductor.staleAfter", "2s"]);
    let mut bob = Agent::new("bob");
    sandbox.run("repo", &bob, &["claim", "a"]).ok();
    let lines = Lines::of(watch(&sandbox, &["--json"]));
    assert_eq!(lines.next_json()["phases"]["a"]["alive"], "yes");
    bob.kill();
    let stale = lines.until(|board| board["phases"]["a"]["stale"] == true);
    assert_eq!(stale["phases"]["a"]["alive"], "no");
}

/// The last call of each is the sleep, which nothing ends but what it is told of.
fn sleeps_without_end(sandbox: &Sandbox, more: &[&str]) -> bool {
    let trace = sandbox.join("trace");
    let mut strace = sandbox.command("repo", "strace");
    strace.args(["-e", "trace=ppoll", "-o"]).arg(&trace).arg(BINARY);
    strace.args(["status", "--watch", "--agent", "eve"]).args(more);
    strace.stdout(Stdio::piped()).stderr(Stdio::piped());
    let lines = Lines::of(strace);
    lines.next();
    let slept = loop {
        let calls = std::fs::read_to_string(&trace).unwrap();
        if let Some(call) = calls.lines().find(|call| call.starts_with("ppoll")) {
            break call.to_owned();
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    // Its own process is the tracer's child, which ends with its reader.
    drop(lines);
    slept.contains(", NULL, NULL, 8")
}

#[test]
fn nothing_is_polled() {
    let (sandbox, lead) = scene("a:");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    assert!(sleeps_without_end(&sandbox, &[]));
    assert!(sleeps_without_end(&sandbox, &["--json"]));
    sandbox.run("repo", &lead, &["archive"]).ok();
    assert!(sleeps_without_end(&sandbox, &[]));
    let empty = Sandbox::new();
    empty.repository("repo");
    assert!(sleeps_without_end(&empty, &[]));
}

#[test]
fn without_events_it_looks_by_itself() {
    let (sandbox, lead) = scene("a:,b:a");
    let failures = ["inotify_init1:error=EMFILE", "inotify_add_watch:error=ENOSPC"];
    for (failing, phase) in failures.into_iter().zip(["a", "b"]) {
        let mut strace = sandbox.command("repo", "strace");
        strace.args(["-e", "trace=inotify_init1,inotify_add_watch", "-o", "/dev/null", "-e"]);
        strace.arg(format!("inject={failing}")).arg(BINARY);
        strace.args(["status", "--watch", "--json", "--agent", "eve"]);
        strace.stdout(Stdio::piped()).stderr(Stdio::piped());
        let lines = Lines::of(strace);
        lines.next();
        sandbox.run("repo", &lead, &["claim", phase]).ok();
        lines.until(|board| state(board, phase) == "claimed");
        sandbox.run("repo", &lead, &["complete", phase]).ok();
        lines.until(|board| state(board, phase) == "done");
    }
}

/// A reader that goes away is noticed at once, not only by the next change.
#[test]
fn it_ends_quietly_with_its_reader() {
    let (sandbox, _lead) = scene("a:");
    for more in [&[][..], &["--json"]] {
        let mut watcher = Watcher(watch(&sandbox, more).spawn().unwrap());
        let mut out: ChildStdout = watcher.0.stdout.take().unwrap();
        out.read_exact(&mut [0; 8]).unwrap();
        drop(out);
        assert_eq!(watcher.end().code(), Some(0));
        let mut said = String::new();
        watcher.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(said, "");
    }
    // Before it could write anything, too.
    let mut command = watch(&sandbox, &[]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]));
}

/// Somebody is there to read it, and does not get it.
#[test]
fn a_board_that_cannot_be_written_is_an_error() {
    let (sandbox, _lead) = scene("a:");
    for more in [&[][..], &["--json"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = watch(&sandbox, more).stdout(full).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert_eq!(said.matches("error: cannot write the answer: ").count(), 1, "{said}");
    }
}

#[test]
fn it_ends_where_there_is_no_board_to_be_seen() {
    let (sandbox, _lead) = scene("a:");
    let nowhere = sandbox.command("home", BINARY).args(["status", "--watch", "--json"]).output();
    let nowhere = nowhere.unwrap();
    assert_eq!(nowhere.status.code(), Some(128));
    let said: Value = serde_json::from_slice(&nowhere.stdout).unwrap();
    assert_eq!(said["code"], "not_a_repository");
    let lines = Lines::of(watch(&sandbox, &["--json"]));
    lines.next();
    let sprint = sandbox.sprint("repo/.nanostack");
    std::fs::write(sprint.join("new"), "{").unwrap();
    std::fs::rename(sprint.join("new"), sprint.join("sprint.json")).unwrap();
    assert_eq!(lines.next_json()["code"], "unreadable");
    let (status, said) = lines.ended();
    assert_eq!(status.code(), Some(128));
    assert!(said.starts_with("error: "), "{said}");
}

#[test]
fn a_setting_that_makes_no_sense_is_warned_of_once() {
    let (sandbox, lead) = scene("a:,b:");
    sandbox.git("repo", ["config", "conductor.staleAfter", "soon"]);
    let lines = Lines::of(watch(&sandbox, &["--json"]));
    lines.next();
    sandbox.git("repo", ["config", "conductor.staleAfter", "1h"]);
    sandbox.run("repo", &lead, &["claim", "b"]).ok();
    lines.until(|board| state(board, "b") == "claimed");
    std::fs::remove_dir_all(sandbox.join("repo/.git")).unwrap();
    sandbox.git("repo", ["init", "-q"]);
    std::fs::remove_dir_all(sandbox.join("repo/.nanostack")).unwrap();
    let mut lines = lines;
    lines.until(|board| board["status"] == "no_sprint");
    lines.watcher.0.kill().unwrap();
    let (_, said) = lines.ended();
    assert_eq!(said.matches("warning: ").count(), 1, "{said}");
}

const BEGIN: &str = "\u{1b}[?2026h\u{1b}[H";
const END: &str = "\u{1b}[J\u{1b}[?2026l";
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[0m\u{1b}[?25h\u{1b}[?1049l";

impl Terminal {
    /// Waits for a board that `is_it`; its lines.
    #[track_caller]
    fn board(&mut self, is_it: impl Fn(&[String]) -> bool) -> Vec<String> {
        self.until(|all| is_it(&board(all)));
        board(&self.all)
    }
}

/// The lines of the last whole frame.
fn board(all: &str) -> Vec<String> {
    let frame = all.rsplit_once(END).and_then(|(before, _)| before.rsplit_once(BEGIN));
    // A terminal adds a carriage return of its own.
    let lines = frame.into_iter().flat_map(|(_, frame)| frame.split("\r\r\n"));
    lines.map(|line| line.strip_prefix("\u{1b}[K").unwrap().to_owned()).collect()
}

fn on_a_terminal(sandbox: &Sandbox, size: (u16, u16)) -> Terminal {
    let args = [BINARY, "status", "--watch", "--agent", "eve", "--color", "never"];
    Terminal::new(sandbox, size, &args)
}

#[test]
fn a_terminal_shows_the_board_in_place() {
    let (sandbox, _lead) = scene("a:,b:a,c:b,d:c");
    let bob = Agent::new("bob");
    let mut terminal = on_a_terminal(&sandbox, (80, 24));
    let first = terminal.board(|board| board.len() == 6);
    assert!(terminal.all.starts_with(ENTER), "{:?}", terminal.all);
    assert_eq!(first[1..3], ["> a  ready", ". b  pending  waits for a"]);
    // Nothing happens, but the time goes on.
    terminal.board(|board| board[0] != first[0] && board[1] == first[1]);
    sandbox.run("repo", &bob, &["claim", "a"]).ok();
    terminal.board(|board| board[1].starts_with("* a  claimed  bob"));
    // Smaller: it is cut, and says so.
    resize(&terminal.keys, (30, 4));
    let small = terminal.board(|board| board.len() == 4);
    assert!(small[0] == "active  0 of 4 done" && small[3].ends_with(" lines"), "{small:?}");
    assert_eq!(small[3], "… 3 more lines");
    resize(&terminal.keys, (60, 6));
    terminal.board(|board| board.len() == 6 && board[5] == "you are eve and hold nothing");
    // What was not changed is not written.
    assert_eq!(terminal.all.matches(ENTER).count(), 1);
    let frames: Vec<&str> = terminal.all.split(BEGIN).skip(1).collect();
    assert!(frames.windows(2).all(|pair| pair[0] != pair[1]), "{frames:?}");
}

/// A terminal makes of what it shows what it likes when it gets another size, be it large enough or
/// not.
#[test]
fn another_size_is_drawn_anew_at_once() {
    let mut scene = Scene::new();
    scene.sprint("a:");
    // The time changes nothing for a while.
    scene.edit_sprint(|sprint| sprint["started_at"] = json!(ago(3 * 24 * 3600)));
    let mut terminal = on_a_terminal(&scene.sandbox, (80, 24));
    terminal.board(|board| board.len() == 3);
    resize(&terminal.keys, (100, 30));
    terminal.until(|all| all.matches(BEGIN).count() == 2);
    let status = format!("/proc/{}/status", terminal.watcher.0.id());
    let status = std::fs::read_to_string(status).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
    assert_ne!(caught & 1 << 27, 0, "it is not only seen when it looks: {caught:x}");
}

/// The board that stays on the normal screen after the last frame.
#[track_caller]
fn left(all: &str) -> &str {
    assert!(all.contains(LEAVE), "{all:?}");
    let (_, left) = all.rsplit_once(LEAVE).unwrap();
    assert!(!left.contains('\u{1b}'), "{all:?}");
    assert!(left.contains("> a  ready\r\n"), "{all:?}");
    assert!(left.ends_with("you are eve and hold nothing\r\n"), "{all:?}");
    left
}

#[test]
fn whatever_ends_it_finds_the_terminal_tidy() {
    let (sandbox, _lead) = scene("a:,b:a");
    for (name, number) in [("-INT", 2), ("-TERM", 15), ("-HUP", 1)] {
        // The last board is left in full, although it was shown in part.
        let mut terminal = on_a_terminal(&sandbox, (80, 3));
        terminal.board(|board| board.len() == 3);
        if name == "-INT" {
            terminal.type_in(b"\x03");
        } else {
            terminal.signal(name);
        }
        let (status, all) = terminal.end();
        assert_eq!(status.signal(), Some(number), "{name}: {all:?}");
        left(&all);
    }
    // And what keeps it from going on is said below.
    let mut terminal = on_a_terminal(&sandbox, (80, 24));
    terminal.board(|board| board.len() == 4);
    std::fs::remove_dir_all(sandbox.join("repo/.git")).unwrap();
    std::fs::write(sandbox.sprint("repo/.nanostack").join("x"), "").unwrap();
    let (status, all) = terminal.end();
    assert_eq!(status.code(), Some(128), "{all:?}");
    let (_, left) = all.rsplit_once(LEAVE).unwrap();
    assert!(left.contains("> a  ready\r\n") && left.contains("\r\nerror: "), "{all:?}");
}

#[test]
fn it_can_be_stopped_and_goes_on() {
    let (sandbox, lead) = scene("a:");
    let mut terminal = on_a_terminal(&sandbox, (80, 24));
    terminal.board(|board| board.len() == 3);
    terminal.type_in(b"\x1a");
    terminal.until(|all| all.ends_with(LEAVE));
    let stat = format!("/proc/{}/stat", terminal.watcher.0.id());
    while !std::fs::read_to_string(&stat).unwrap().contains(") T ") {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    terminal.signal("-CONT");
    terminal.board(|board| board[1].starts_with("* a  claimed  lead"));
    assert_eq!(terminal.all.matches(ENTER).count(), 2);
}

#[test]
fn a_signal_that_is_ignored_stays_so() {
    let (sandbox, lead) = scene("a:");
    let watch = format!("trap '' HUP; exec {BINARY} status --watch --agent eve --color never");
    let mut terminal = Terminal::new(&sandbox, (80, 24), &["sh", "-c", &watch]);
    terminal.board(|board| board.len() == 3);
    terminal.signal("-HUP");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    terminal.board(|board| board[1].starts_with("* a  claimed  lead"));
}

#[test]
fn a_terminal_is_told_when_an_owner_was_heard() {
    let mut scene = Scene::new();
    scene.sprint("a:");
    scene.does("bob", &["claim", "a"]);
    scene.claimed_ago("a", 1800);
    // Some minutes may go by meanwhile.
    let mut terminal = on_a_terminal(&scene.sandbox, (80, 24));
    terminal.board(|board| board.len() == 3 && board[1].contains("heard 3"));
    scene.silent_for("a", 600);
    terminal.board(|board| board[1].contains("heard 1"));
}

#[test]
fn a_typewriter_is_written_to_line_by_line() {
    let (sandbox, lead) = scene("a:");
    let watch = format!("TERM=dumb exec {BINARY} status --watch --agent eve");
    let mut terminal = Terminal::new(&sandbox, (80, 24), &["sh", "-c", &watch]);
    terminal.until(|all| all.contains("you are eve"));
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    terminal.until(|all| all.contains("\r\n\r\nsprint ") && all.contains("lead"));
    assert!(!terminal.all.contains('\u{1b}'), "{:?}", terminal.all);
}

#[test]
fn a_waiter_takes_its_line_away_too() {
    let (sandbox, lead) = scene("a:,b:a");
    sandbox.run("repo", &lead, &["claim", "a"]).ok();
    for args in [&["wait", "a"][..], &["claim", "b", "--wait"]] {
        let args = [&[BINARY], args, &["--agent", "bob"]].concat();
        let mut terminal = Terminal::new(&sandbox, (40, 24), &args);
        terminal.until(|all| all.contains("waiting ") && all.ends_with("\u{1b}[K"));
        let (drawn, _) = terminal.all.split_once("\u{1b}[K").unwrap();
        // With what the terminal shows of the key it does not go on in the next one.
        assert_eq!(drawn.trim_start_matches('\r').chars().count(), 40 - 3, "{drawn:?}");
        terminal.type_in(b"\x03");
        let (status, all) = terminal.end();
        assert_eq!(status.signal(), Some(2), "{all:?}");
        assert!(all.ends_with("\r\u{1b}[K"), "{all:?}");
    }
}
