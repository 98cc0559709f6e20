//! How fast the commands are: `cargo bench` prints the table.
//!
//! Each command runs as a whole process, in turn with `git rev-parse --show-toplevel` in the same
//! repository, or with itself where there is little of what there is much of here. What counts is
//! the ratio; the bar is what it must not pass. `RUNS=n` sets how many times (default 200).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and may fail")]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Barrier, LazyLock};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_git-conductor");

/// Where git has its programs.
static EXEC_PATH: LazyLock<String> = LazyLock::new(|| {
    let output = Command::new("git").arg("--exec-path").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
});

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
    // As `git conductor` sets it: where git is then need not be looked for.
    command.env("GIT_EXEC_PATH", EXEC_PATH.as_str());
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

/// One command in two places, or two commands in one: run in turn, so that a noisy machine slows
/// both down. What counts is the median of the ratios of neighbours.
struct Pair {
    ours: Duration,
    theirs: Duration,
    ratio: f64,
}

fn pair(runs: usize, ours: impl Fn() -> Duration, theirs: impl Fn() -> Duration) -> Pair {
    let mut times = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs + 5 {
        let (one, other) = (ours(), theirs());
        // The first few warm the caches.
        if run >= 5 {
            times.0.push(one);
            times.1.push(other);
            times.2.push(one.as_secs_f64() / other.as_secs_f64());
        }
    }
    times.2.sort_by(f64::total_cmp);
    let ratio = times.2[times.2.len() / 2];
    Pair { ours: median(times.0), theirs: median(times.1), ratio }
}

/// A line of a table: what, the two medians, their ratio, and the ratio that it must not pass.
fn line(what: &str, pair: &Pair, bar: f64) {
    let over = if pair.ratio > bar { " **over**" } else { "" };
    println!(
        "| {what} | {:.2} ms | {:.2} ms | {:.2}{over} | {bar} |",
        ms(pair.ours),
        ms(pair.theirs),
        pair.ratio
    );
}

/// Times `args` in turn with `git rev-parse`; `before` and `after` put the world back.
fn compare(dir: &Path, runs: usize, args: &[&str], before: &[&[&str]], after: &[&[&str]]) {
    let ours = || {
        for args in before {
            time(BINARY, dir, args);
        }
        let taken = time(BINARY, dir, args);
        for args in after {
            time(BINARY, dir, args);
        }
        taken
    };
    let theirs = || time("git", dir, &["rev-parse", "--show-toplevel"]);
    line(&format!("`{}`", args.join(" ")), &pair(runs, ours, theirs), 1.5);
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
        "| `complete --artifact` (one `git status`, 5 fsyncs) | {:.2} ms | 5 × write+fsync {:.2} ms | | |",
        ms(median(ours)),
        ms(median(theirs))
    );
}

/// From the end of the command that completes a phase to that of one that waits for it.
fn wake_up(dir: &Path, runs: usize) {
    let mut times = Vec::new();
    for _ in 0..runs {
        time(BINARY, dir, &["start", "--force", "--phases", "a:,b:a"]);
        time(BINARY, dir, &["claim", "a"]);
        let args = ["claim", "b", "--wait", "--timeout", "60s", "--agent", "waiter"];
        let waiter = command(BINARY, dir, &args).spawn().unwrap();
        // Asleep by then; if not it is quicker than it ought to be, and the median does not mind.
        std::thread::sleep(Duration::from_millis(20));
        time(BINARY, dir, &["complete", "a"]);
        let begin = Instant::now();
        assert!({ waiter }.wait().unwrap().success());
        times.push(begin.elapsed());
    }
    let woken = ms(median(times));
    let over = if woken > 20.0 { " **over**" } else { "" };
    println!(
        "| `claim --wait`, from the completion that it waits for on | {woken:.2} ms{over} | | | 20 ms |"
    );
    time(BINARY, dir, &["start", "--force"]);
}

/// `run`, beside what it does, command by command.
fn run(dir: &Path, runs: usize) {
    let start = || time(BINARY, dir, &["start", "--force", "--phases", "a:"]);
    let ours = || {
        start();
        time(BINARY, dir, &["run", "a", "--", "true"])
    };
    let theirs = || {
        start();
        let claimed = time(BINARY, dir, &["claim", "a"]);
        claimed + time("true", dir, &[]) + time(BINARY, dir, &["complete", "a"])
    };
    line("`run -- true`, beside `claim`, `true` and `complete`", &pair(runs, ours, theirs), 1.0);
    time(BINARY, dir, &["start", "--force"]);
}

/// `push --dry-run` to a guarded branch, with the hook and without it: what the hook adds.
fn push(dir: &Path, runs: usize) {
    time("git", dir, &["init", "-q", "--bare", "remote.git"]);
    time("git", dir, &["remote", "add", "origin", "remote.git"]);
    time(BINARY, dir, &["start", "--force", "--phases", "ship"]);
    time(BINARY, dir, &["claim", "ship"]);
    time(BINARY, dir, &["hooks", "install"]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ours = Path::new(BINARY).parent().unwrap().to_owned();
    let path = std::iter::once(ours).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).unwrap();
    let push = |more: &[&str]| {
        let args = [&["push", "-q", "--dry-run"], more, &["origin", "HEAD:main"]].concat();
        let begin = Instant::now();
        assert!(command("git", dir, &args).env("PATH", &path).status().unwrap().success());
        begin.elapsed()
    };
    let pair = pair(runs, || push(&[]), || push(&["--no-verify"]));
    let added = ms(pair.ours) - ms(pair.theirs);
    let over = if added > 15.0 { " **over**" } else { "" };
    println!(
        "| `git push --dry-run` with the hook, and without | {:.2} ms | {:.2} ms | adds {added:.2} ms{over} | 15 ms |",
        ms(pair.ours),
        ms(pair.theirs)
    );
    time(BINARY, dir, &["hooks", "uninstall"]);
}

/// `complete --note` beside 10,000 notes, in turn with `complete` alone: what the record adds.
fn note(dir: &Path, runs: usize) {
    let blob = std::fs::read_to_string(dir.join("file")).unwrap();
    assert_eq!(blob, "content\n");
    let mut lines =
        String::from("commit refs/notes/conductor\ncommitter a <a@b> 0 +0000\ndata 1\nx\n");
    for n in 0..10_000_u32 {
        // Spread as ids are.
        let spread = n.wrapping_mul(2_654_435_761);
        let id = format!("{spread:08x}{n:032x}");
        lines.extend(["M 100644 inline ", &id[..2], "/", &id[2..], "\ndata 8\ncontent\n\n"]);
    }
    std::fs::write(dir.join(".git/notes-to-import"), lines).unwrap();
    let input = File::open(dir.join(".git/notes-to-import")).unwrap();
    let mut import = command("git", dir, &["fast-import", "--quiet"]);
    assert!(import.stdin(input).status().unwrap().success());
    std::fs::remove_file(dir.join(".git/notes-to-import")).unwrap();
    let phases = 2 * (runs + 5);
    let next = std::cell::Cell::new(0);
    let complete = |more: &[&str]| {
        let n = next.replace(next.get() + 1);
        if n % 200 == 0 {
            start(dir, 200.min(phases));
        }
        let phase = format!("p{}", n % 200);
        time(BINARY, dir, &["claim", &phase]);
        time(BINARY, dir, &[&["complete", &phase], more].concat())
    };
    let pair = pair(runs, || complete(&["--note"]), || complete(&[]));
    let added = ms(pair.ours) - ms(pair.theirs);
    let over = if added > 25.0 { " **over**" } else { "" };
    println!(
        "| `complete --note` beside 10,000 notes, and `complete` | {:.2} ms | {:.2} ms | adds {added:.2} ms{over} | 25 ms |",
        ms(pair.ours),
        ms(pair.theirs)
    );
}

/// `contenders` processes at once on `phases` phases, each claiming what is open and, if `give_up`,
/// giving it up again, `rounds` times: how long all of it took, and the longest wait for an answer.
fn contend(
    dir: &Path,
    contenders: usize,
    phases: usize,
    rounds: usize,
    give_up: bool,
) -> [Duration; 2] {
    start(dir, phases);
    let barrier = Barrier::new(contenders);
    let begin = Instant::now();
    let waits: Vec<Duration> = std::thread::scope(|scope| {
        let contender = |n: usize| {
            let barrier = &barrier;
            scope.spawn(move || {
                let agent = format!("agent-{n}");
                barrier.wait();
                let claim = |_| {
                    let taken = time(BINARY, dir, &["next", "--claim", "--agent", &agent]);
                    if give_up {
                        taken.max(time(BINARY, dir, &["abort", "--agent", &agent]))
                    } else {
                        taken
                    }
                };
                (0..rounds).map(claim).max().unwrap_or_default()
            })
        };
        let threads: Vec<_> = (0..contenders).map(contender).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    [begin.elapsed(), waits.into_iter().max().unwrap_or_default()]
}

/// A new sprint of `phases` phases that wait for nothing.
fn start(dir: &Path, phases: usize) {
    let list: Vec<String> = (0..phases).map(|n| format!("p{n}:")).collect();
    time(BINARY, dir, &["start", "--force", "--phases", &list.join(",")]);
}

/// A sprint of which `done` phases are done, and `claimed` more are claimed by an agent each.
fn at_work(dir: &Path, phases: usize, done: usize, claimed: usize) {
    start(dir, phases);
    for n in 0..done + claimed {
        let (agent, phase) = (format!("agent-{n}"), format!("p{n}"));
        time(BINARY, dir, &["claim", &phase, "--agent", &agent]);
        if n < done {
            time(BINARY, dir, &["complete", &phase, "--agent", &agent]);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Multiplies the one sprint in the archive to `count`.
fn multiply(dir: &Path, count: usize) {
    let archive = dir.join(".nanostack/conductor/archive");
    let one = std::fs::read_dir(&archive).unwrap().next().unwrap().unwrap();
    let id = one.file_name().into_string().unwrap();
    let record = std::fs::read_to_string(one.path().join("sprint.json")).unwrap();
    let (hash, _) = id.split_once('-').unwrap();
    for n in 1..count {
        let (hour, minute, second) = (n / 3600, n / 60 % 60, n % 60);
        let copied = format!("{hash}-20200101-{hour:02}{minute:02}{second:02}");
        let to = archive.join(&copied);
        copy(&one.path(), &to);
        std::fs::write(to.join("sprint.json"), record.replace(&id, &copied)).unwrap();
    }
}

/// A repository with one archived sprint, of which a phase was completed, and a current one.
fn archived(dir: &Path) {
    repository(dir);
    time(BINARY, dir, &["start"]);
    time(BINARY, dir, &["claim", "think"]);
    time(BINARY, dir, &["complete", "think"]);
    time(BINARY, dir, &["start"]);
}

/// `log` and `report --all` over 1,000 sprints of 7 phases, in turn with `git rev-parse`.
fn look_back(dir: &Path, runs: usize) {
    archived(dir);
    multiply(dir, 1_000);
    // As the log of as many sprints is: a start, and what a phase each took.
    let log = std::fs::read(dir.join(".nanostack/audit.log")).unwrap();
    std::fs::write(dir.join(".nanostack/audit.log"), log.repeat(1_000)).unwrap();
    let rows: [(&[&str], &str, f64); 3] = [
        (&["log"], "`log` over 1,000 sprints", 10.0),
        (&["report", "--all"], "`report --all` over 1,000 sprints", 250.0),
        (&["report", "--all", "--html"], "`report --all --html` over 1,000 sprints", 250.0),
    ];
    for (args, what, most) in rows {
        let ours = || time(BINARY, dir, args);
        let theirs = || time("git", dir, &["rev-parse", "--show-toplevel"]);
        let pair = pair(runs, ours, theirs);
        let over = if ms(pair.ours) > most { " **over**" } else { "" };
        println!(
            "| {what}, and `git rev-parse` | {:.2} ms{over} | {:.2} ms | {:.2} | {most} ms |",
            ms(pair.ours),
            ms(pair.theirs),
            pair.ratio
        );
    }
}

/// What grows: archived sprints, phases, the audit log, contenders.
fn scale(dir: &Path, runs: usize) {
    let sub = |name: &str| {
        let dir = dir.join(name);
        std::fs::create_dir(&dir).unwrap();
        dir
    };
    println!();
    println!("| at scale | much | little | ratio | bar |");
    println!("|---|---|---|---|---|");

    let (many, one) = (sub("many"), sub("one"));
    archived(&many);
    archived(&one);
    multiply(&many, 10_000);
    let status = |dir: &Path| time(BINARY, dir, &["status"]);
    line(
        "`status` beside 10,000 archived sprints, and beside one",
        &pair(runs, || status(&many), || status(&one)),
        1.2,
    );

    look_back(&sub("past"), runs.min(50));

    let (large, small) = (sub("large"), sub("small"));
    for (dir, phases) in [(&large, 256), (&small, 7)] {
        repository(dir);
        start(dir, phases);
    }
    line(
        "`status` of 256 phases, and of 7",
        &pair(runs, || status(&large), || status(&small)),
        3.0,
    );
    at_work(&large, 256, 100, 20);
    at_work(&small, 7, 3, 2);
    line(
        "the same at work: 100 of 256 done and 20 claimed, 3 of 7 done and 2 claimed",
        &pair(runs, || status(&large), || status(&small)),
        3.0,
    );

    let (failed, fresh) = (sub("failed"), sub("fresh"));
    for dir in [&failed, &fresh] {
        repository(dir);
        time(BINARY, dir, &["start"]);
    }
    for _ in 0..100 {
        time(BINARY, &failed, &["claim", "think"]);
        time(BINARY, &failed, &["abort"]);
    }
    line(
        "`status` of a sprint in which a phase was given up 100 times, and of a new one",
        &pair(runs, || status(&failed), || status(&fresh)),
        1.5,
    );

    let claim = |dir: &Path| {
        let taken = time(BINARY, dir, &["claim", "think"]);
        taken + time(BINARY, dir, &["abort"])
    };
    let line_of_log = std::fs::read(one.join(".nanostack/audit.log")).unwrap();
    let line_of_log = line_of_log.split_inclusive(|&byte| byte == b'\n').next().unwrap();
    std::fs::write(many.join(".nanostack/audit.log"), line_of_log.repeat(1_000_000)).unwrap();
    std::fs::remove_dir_all(many.join(".nanostack/conductor/archive")).unwrap();
    let log = |dir: &Path| time(BINARY, dir, &["log", "-n", "20"]);
    line(
        "`log -n 20` of an audit log of a million lines, and of a few",
        &pair(runs, || log(&many), || log(&one)),
        1.5,
    );
    line(
        "`claim` and `abort` beside an audit log of a million lines, and of a few",
        &pair(runs, || claim(&many), || claim(&one)),
        1.1,
    );

    multiply(&one, 10_000);
    let taken = time(BINARY, &one, &["clean", "--older-than", "0s"]);
    let left = std::fs::read_dir(one.join(".nanostack/conductor/archive")).unwrap().count();
    assert_eq!(left, 0, "clean leaves sprints");
    println!();
    println!("- `clean` of 10,000 sprints of 7 phases: {:.1} s", taken.as_secs_f64());

    let [taken, longest] = contend(&small, 16, 16 * 8, 8, true);
    println!(
        "- 16 processes at once, each claiming and giving up in turn: {:.0} claims a second, the longest wait was {:.0} ms",
        128.0 / taken.as_secs_f64(),
        ms(longest)
    );
    let [taken, longest] = contend(&small, 64, 64, 1, false);
    println!(
        "- 64 processes at once get 64 different phases in {:.0} ms, the longest wait was {:.0} ms",
        ms(taken),
        ms(longest)
    );
}

fn main() {
    let runs = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(200);
    let temporary = tempfile::tempdir().unwrap();
    let dir = temporary.path();
    repository(dir);
    time(BINARY, dir, &["start", "--goal", "measure"]);
    println!("| command | median | `git rev-parse` | ratio | bar |");
    println!("|---|---|---|---|---|");
    compare(dir, runs, &["status"], &[], &[]);
    compare(dir, runs, &["next"], &[], &[]);
    // In a sprint of its own each time: a phase remembers each claim that was given up.
    compare(dir, runs, &["claim", "think"], &[&["start"]], &[&["abort"]]);
    compare(dir, runs, &["abort"], &[&["start"], &["claim", "think"]], &[]);
    compare(dir, runs, &["guard", "think"], &[&["start"], &["claim", "think"]], &[&["abort"]]);
    time(BINARY, dir, &["start"]);
    compare(dir, runs, &["__complete", "claim", ""], &[], &[]);
    complete(dir, runs.min(50));
    wake_up(dir, runs.min(50));
    run(dir, runs.min(50));
    push(dir, runs.min(100));
    note(dir, runs.min(50));
    scale(dir, runs);
    let size = std::fs::metadata(BINARY).unwrap().len();
    println!("- the program has {}.{:02} MB", size / 1_000_000, size % 1_000_000 / 10_000);
}
