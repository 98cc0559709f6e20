//! How fast the commands are: `cargo bench` prints the table.
//!
//! Each command runs as a whole process, in turn with `git rev-parse --show-toplevel` in the same
//! repository, so that a noisy machine slows both down; what counts is the ratio. `RUNS=n` sets how
//! many times (default 200).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and may fail")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_git-conductor");
/// Contenders in the race.
const CONTENDERS: usize = 16;

fn command(program: &str, dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("GIT_") || name.starts_with("NANOSTACK_") {
            command.env_remove(name);
        }
    }
    command.env("GIT_CONDUCTOR_AGENT", "bench");
    command
}

/// One run, from spawn to exit.
fn time(program: &str, dir: &Path, args: &[&str]) -> Duration {
    let mut command = command(program, dir, args);
    let begin = Instant::now();
    let status = command.status().unwrap();
    let taken = begin.elapsed();
    assert!(status.success(), "{program} {args:?}: {status}");
    taken
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Times `args` in turn with `git rev-parse`; `before` and `after` put the world back.
fn compare(dir: &Path, runs: usize, args: &[&str], before: &[&[&str]], after: &[&[&str]]) {
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    let mut ratios = Vec::new();
    for run in 0..runs + 5 {
        for args in before {
            time(BINARY, dir, args);
        }
        let one = time(BINARY, dir, args);
        for args in after {
            time(BINARY, dir, args);
        }
        let other = time("git", dir, &["rev-parse", "--show-toplevel"]);
        // The first few warm the caches.
        if run >= 5 {
            ours.push(one);
            theirs.push(other);
            ratios.push(one.as_secs_f64() / other.as_secs_f64());
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "| `{}` | {:.2} ms | {:.2} ms | {:.2} |",
        args.join(" "),
        ms(median(ours)),
        ms(median(theirs)),
        ratios[ratios.len() / 2]
    );
}

/// A repository with one commit.
fn repository(dir: &Path) {
    time("git", dir, &["init", "-q", "-b", "main", "."]);
    std::fs::write(dir.join("file"), "content\n").unwrap();
    time("git", dir, &["add", "file"]);
    let identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"];
    time("git", dir, &[&identity[..], &["commit", "-q", "-m", "one"]].concat());
}

/// `complete`, beside as many bare writes with fsync as it makes durable.
fn complete(dir: &Path, runs: usize) {
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    std::fs::write(dir.join("artifact.md"), "what was found\n").unwrap();
    for _ in 0..runs {
        time(BINARY, dir, &["start"]);
        time(BINARY, dir, &["claim", "think"]);
        ours.push(time(BINARY, dir, &["complete", "think", "--artifact", "artifact.md"]));
        let begin = Instant::now();
        for n in 0..5 {
            let mut file = File::create(dir.join(format!(".nanostack/plain{n}"))).unwrap();
            file.write_all(b"what was found\n").unwrap();
            file.sync_all().unwrap();
        }
        theirs.push(begin.elapsed());
    }
    println!(
        "| `complete --artifact` (one `git status`, 5 fsyncs) | {:.2} ms | 5 × write+fsync {:.2} ms | |",
        ms(median(ours)),
        ms(median(theirs))
    );
}

/// Processes that contend: how many claims a second, and the longest wait for an answer.
fn contend(dir: &Path) {
    let phases: Vec<String> = (0..CONTENDERS * 8).map(|n| format!("p{n}:")).collect();
    time(BINARY, dir, &["start", "--force", "--phases", &phases.join(",")]);
    let barrier = Barrier::new(CONTENDERS);
    let begin = Instant::now();
    let waits: Vec<Duration> = std::thread::scope(|scope| {
        let contender = |n: usize| {
            let barrier = &barrier;
            scope.spawn(move || {
                let agent = format!("agent-{n}");
                barrier.wait();
                let claim = |_| {
                    let args = ["next", "--claim", "--agent", &agent];
                    // It holds each only for a moment, as far as the next claim is concerned.
                    let taken = time(BINARY, dir, &args);
                    let held = time_abort(dir, &agent);
                    taken.max(held)
                };
                (0..8).map(claim).max().unwrap_or_default()
            })
        };
        let threads: Vec<_> = (0..CONTENDERS).map(contender).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let claims = u32::try_from(CONTENDERS * 8).unwrap();
    let rate = f64::from(claims) / begin.elapsed().as_secs_f64();
    let longest = waits.into_iter().max().unwrap_or_default();
    println!();
    println!(
        "{CONTENDERS} processes at once, each claiming and giving up in turn: {rate:.0} claims a second, the longest wait was {:.0} ms",
        ms(longest)
    );
}

fn time_abort(dir: &Path, agent: &str) -> Duration {
    time(BINARY, dir, &["abort", "--agent", agent])
}

fn main() {
    let runs = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(200);
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    repository(dir);
    time(BINARY, dir, &["start", "--goal", "measure"]);
    println!("| command | median | `git rev-parse` | ratio |");
    println!("|---|---|---|---|");
    compare(dir, runs, &["status"], &[], &[]);
    compare(dir, runs, &["next"], &[], &[]);
    compare(dir, runs, &["claim", "think"], &[], &[&["abort"]]);
    compare(dir, runs, &["abort"], &[&["claim", "think"]], &[]);
    complete(dir, runs.min(50));
    contend(dir);
    let size = std::fs::metadata(BINARY).unwrap().len();
    println!("the binary has {}.{:02} MB", size / 1_000_000, size % 1_000_000 / 10_000);
}
