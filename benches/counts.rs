//! How many instructions and system calls the commands take: `cargo bench --bench counts` compares
//! them with `counts.txt`, and fails where one takes more than [`LIMIT`] allows. `UPDATE=1` writes
//! the table anew.
//!
//! Times tell little of a small change on a busy machine; counts are the same each time, if all
//! that a command sees is. So it runs in namespaces of its own: this program is all that is above
//! it, the machine has a name of our choosing, and the repository is made anew for each run, at one
//! place in an empty file system. Another compiler, C library or kernel counts otherwise: where one
//! of them changes, write the table anew before anything else changes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and may fail")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::LazyLock;

/// So much more than its committed figure may a count be, in per cent.
const LIMIT: u64 = 2;
/// So often is each command run with either tool. What is by chance only adds, so the least counts.
const RUNS: usize = 3;

/// What is counted, and what is done before it in the sprint that [`sprint`] makes.
const COMMANDS: [(&str, &[&str]); 7] = [
    ("status", &[]),
    ("next", &[]),
    ("claim qa", &[]),
    ("abort", &["claim qa"]),
    ("complete qa", &["claim qa"]),
    ("guard qa", &["claim qa"]),
    ("prime", &[]),
];

const BINARY: &str = env!("CARGO_BIN_EXE_git-conductor");
/// The committed figures.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/counts.txt");

/// The argument with which this program is run again in its namespaces.
const INSIDE: &str = "inside";
/// Of users, so that nobody need be root; of mounts, the host's name and processes.
const NAMESPACES: &str =
    "--user --map-root-user --mount --uts --pid --fork --kill-child --mount-proc";

/// Where the empty file system is put. The rest is in it.
const ROOM: &str = "/tmp";
const PROGRAM: &str = "/tmp/git-conductor";
/// First in `PATH`: git is found there at once, wherever it is.
const PROGRAMS: &str = "/tmp/bin";
const HOME: &str = "/tmp/home";
const SYSTEM: &str = "/tmp/gitconfig";
const REPOSITORY: &str = "/tmp/repository";
/// What the tools write.
const COUNTED: &str = "/tmp/counted";

/// Where git has its programs.
static EXEC_PATH: LazyLock<String> = LazyLock::new(|| {
    let output = Command::new("git").arg("--exec-path").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
});

/// Where git itself is.
fn git() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|dir| dir.join("git"));
    places.find(|git| git.is_file()).unwrap()
}

/// The counts of one command.
struct Counts {
    command: String,
    instructions: u64,
    calls: u64,
}

impl Counts {
    /// Takes a line of the table apart; `None` if it has no figures.
    fn parse(line: &str) -> Option<Self> {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        let calls = words.pop()?.parse().ok()?;
        let instructions = words.pop()?.parse().ok()?;
        Some(Self { command: words.join(" "), instructions, calls })
    }
}

/// The table as it is committed.
fn table(counts: &[Counts]) -> String {
    let mut table = format!("{:<11} {:>12} {:>12}\n", "command", "instructions", "system calls");
    for Counts { command, instructions, calls } in counts {
        writeln!(table, "{command:<11} {instructions:>12} {calls:>12}").unwrap();
    }
    table
}

/// The lines of a table that have figures.
fn parse(table: &str) -> Vec<Counts> {
    table.lines().filter_map(Counts::parse).collect()
}

/// Runs `line`, a program and its arguments, with nothing in its environment but what is said here.
fn run(line: &str, agent: &str) {
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap());
    command.args(words).current_dir(REPOSITORY).stdin(Stdio::null()).env_clear();
    // As `git conductor` sets it: where git is then need not be looked for.
    command.env("GIT_EXEC_PATH", EXEC_PATH.as_str()).env("GIT_CONFIG_SYSTEM", SYSTEM);
    command.env("PATH", format!("{PROGRAMS}:/usr/local/bin:/usr/bin:/bin"));
    command.env("HOME", HOME).env("TZ", "UTC").env("GIT_CONDUCTOR_AGENT", agent);
    // Into pipes, as an agent reads it.
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{said}", output.status);
}

/// Processes that start from now on have numbers above `pid`: as many digits in each run.
fn count_processes_from(pid: u32) {
    fs::write("/proc/sys/kernel/ns_last_pid", pid.to_string()).unwrap();
}

/// A repository with one commit, and a sprint of the usual seven phases: four done, one claimed by
/// another agent, whose process is `other`; `qa` is open, and `ship` waits for both.
fn sprint(other: u32) {
    count_processes_from(1000);
    if Path::new(REPOSITORY).exists() {
        fs::remove_dir_all(REPOSITORY).unwrap();
    }
    fs::create_dir(REPOSITORY).unwrap();
    // What there is in a template depends on git's version.
    run("git init -q -b main --template= .", "bench");
    fs::write(Path::new(REPOSITORY).join("file"), "content\n").unwrap();
    run("git add file", "bench");
    run("git commit -q -m one", "bench");
    run(&format!("{PROGRAM} start --goal measure"), "bench");
    for phase in ["think", "plan", "build", "security"] {
        run(&format!("{PROGRAM} claim {phase}"), "bench");
        run(&format!("{PROGRAM} complete {phase}"), "bench");
    }
    run(&format!("{PROGRAM} claim review --pid {other}"), "other");
}

/// The instructions of the program itself, and not of the git that it may run.
fn instructions(command: &str) -> u64 {
    let tool = "valgrind --tool=callgrind --callgrind-out-file=/dev/null --vgdb=no";
    run(&format!("{tool} --log-file={COUNTED} {PROGRAM} {command}"), "bench");
    let log = fs::read_to_string(COUNTED).unwrap();
    let count = log.lines().find_map(|line| line.split_once("Collected : ")).unwrap().1;
    fs::remove_file(COUNTED).unwrap();
    count.parse().unwrap()
}

/// The system calls of the program itself, and of each child until that has become git.
fn calls(command: &str) -> u64 {
    run(&format!("strace -ff -o {COUNTED} {PROGRAM} {command}"), "bench");
    let mut traces = Vec::new();
    for entry in fs::read_dir(ROOM).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|pid| pid.to_str()?.parse::<u32>().ok());
        let Some(pid) = extension.filter(|_| path.with_extension("") == Path::new(COUNTED)) else {
            continue;
        };
        traces.push((pid, fs::read_to_string(&path).unwrap()));
        fs::remove_file(path).unwrap();
    }
    traces.sort();
    let mut count = 0;
    for (n, (_, trace)) in traces.iter().enumerate() {
        for line in trace.lines() {
            // Signals and the end are none. The clock is one only where the vDSO cannot tell it.
            let is_call = !line.starts_with(['-', '+']) && !line.starts_with("clock_gettime(");
            count += u64::from(is_call);
            // The first begins with becoming the program.
            if n > 0 && line.starts_with("execve(") && line.ends_with(" = 0") {
                break;
            }
        }
    }
    count
}

/// Counts, in the namespaces, and prints the table.
fn inside() {
    let program = fs::read(BINARY).unwrap();
    // The leader of a session outside would be out of sight.
    rustix::process::setsid().unwrap();
    rustix::system::sethostname(b"counts").unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "counts", ROOM]).status().unwrap();
    assert!(mount.success(), "mount: {mount}");
    fs::write(PROGRAM, program).unwrap();
    fs::set_permissions(PROGRAM, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(PROGRAMS).unwrap();
    symlink(git(), Path::new(PROGRAMS).join("git")).unwrap();
    fs::write(SYSTEM, "[gc]\n\tauto = 0\n").unwrap();
    fs::create_dir(HOME).unwrap();
    let identity = "[user]\n\tname = bench\n\temail = bench@example.com\n";
    fs::write(Path::new(HOME).join(".gitconfig"), identity).unwrap();
    count_processes_from(100);
    // All that this does is to be there.
    let mut other = Command::new("sleep").arg("infinity").spawn().unwrap();
    let mut counts = Vec::new();
    for (command, before) in COMMANDS {
        let least = |count: fn(&str) -> u64| {
            let once = |_| {
                sprint(other.id());
                for before in before {
                    run(&format!("{PROGRAM} {before}"), "bench");
                }
                count_processes_from(2000);
                count(command)
            };
            (0..RUNS).map(once).min().unwrap()
        };
        let (instructions, calls) = (least(instructions), least(calls));
        counts.push(Counts { command: command.to_owned(), instructions, calls });
    }
    other.kill().unwrap();
    other.wait().unwrap();
    print!("{}", table(&counts));
}

/// Whether `now` is more than `committed` by more than the limit allows, which is rounded up.
fn is_over(committed: u64, now: u64) -> bool {
    now > committed + (committed * LIMIT).div_ceil(100)
}

/// Prints both figures of each command; whether one of them is over the limit, or not to be found.
fn compare(committed: &[Counts], counts: &[Counts]) -> bool {
    println!("| command | instructions committed | now | | system calls committed | now |");
    println!("|---|---|---|---|---|---|");
    let (mut over, mut under) = (false, false);
    for now in counts {
        let command = &now.command;
        let Some(was) = committed.iter().find(|was| was.command == *command) else {
            println!(
                "| `{command}` | | {} **new** | | | {} **new** |",
                now.instructions, now.calls
            );
            over = true;
            continue;
        };
        let mark = |was, now| if is_over(was, now) { " **over**" } else { "" };
        let marks = [mark(was.instructions, now.instructions), mark(was.calls, now.calls)];
        #[expect(clippy::cast_precision_loss, reason = "two digits of it are printed")]
        let change = (now.instructions as f64 / was.instructions as f64 - 1.0) * 100.0;
        println!(
            "| `{command}` | {} | {}{} | {change:+.2} % | {} | {}{} |",
            was.instructions, now.instructions, marks[0], was.calls, now.calls, marks[1]
        );
        over |= marks != ["", ""];
        under |= is_over(now.instructions, was.instructions) || is_over(now.calls, was.calls);
    }
    if under {
        println!();
        println!(
            "Less than was committed: `UPDATE=1 cargo bench --bench counts` lowers the figures."
        );
    }
    over
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(INSIDE) {
        inside();
        return ExitCode::SUCCESS;
    }
    let mut again = Command::new("unshare");
    again.args(NAMESPACES.split(' ')).arg(std::env::current_exe().unwrap()).arg(INSIDE);
    let output = again.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "counting in namespaces of its own: {}", output.status);
    let counts = parse(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(counts.len(), COMMANDS.len(), "not every command was counted");
    if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
        fs::write(COMMITTED, table(&counts)).unwrap();
    }
    let committed = parse(&fs::read_to_string(COMMITTED).unwrap_or_default());
    if compare(&committed, &counts) {
        println!();
        println!("More than was committed by more than {LIMIT} per cent.");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
