//! Running git itself, without a shell.

mod deadline;
mod limit;
mod watchdog;

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub use self::limit::Limit;
pub(super) use self::watchdog::spawn;
use super::env::{self, Env};
use crate::error::{Failure, FailureKind};

/// A `git` child in `dir` that sees exactly the variables of `env`, as the calling command did.
pub(super) fn git(env: &Env, dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).stdin(Stdio::null());
    for name in Env::names() {
        command.env_remove(name);
    }
    command.envs(env.iter());
    command
}

/// A `git` child that is told its repository, whatever a hook's environment says.
///
/// The worktree, if any, is also its current directory. git does not check ownership of a
/// repository that is named like this; discovery has.
pub(super) fn git_at(env: &Env, git_dir: &Path, worktree: Option<&Path>) -> Command {
    let mut command = git(env, worktree.unwrap_or(git_dir));
    for name in env::LOCAL {
        command.env_remove(name);
    }
    command.env("GIT_DIR", git_dir);
    if let Some(worktree) = worktree {
        command.env("GIT_WORK_TREE", worktree);
    }
    // The one of these that says where shared files are, not what to do with them.
    if let Some(common) = env.get("GIT_COMMON_DIR") {
        command.env("GIT_COMMON_DIR", common);
    }
    command
}

/// Runs `command` to its end.
pub(super) fn run(command: &mut Command) -> Result<Output, Failure> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let running = spawn(command)?;
    running.wait_with_output().map_err(|error| Failure::io(error, "cannot run 'git'"))
}

/// Runs `command` and returns what it printed; git's own complaint if it failed.
pub(super) fn stdout(command: &mut Command) -> Result<Vec<u8>, Failure> {
    let output = run(command)?;
    if output.status.success() { Ok(output.stdout) } else { Err(complaint(command, &output)) }
}

/// What `command` prints, if it ends well within `limit`; `None` otherwise. No more than `most`
/// bytes of it are read, and what it complains about is not heard.
pub(super) fn within(
    command: &mut Command,
    limit: Duration,
    most: u64,
) -> Result<Option<Vec<u8>>, Failure> {
    use std::io::Read as _;
    const TICK: Duration = Duration::from_millis(5);
    let cannot = |error| Failure::io(error, "cannot run 'git'");
    // In a group of its own, all of it can be ended, and none of it asks on the terminal.
    command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut running = command.spawn().map_err(cannot)?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = running.try_wait().map_err(cannot)? {
            break status;
        }
        if begun.elapsed() >= limit {
            let pid = i32::try_from(running.id()).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(group) = pid {
                rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
            }
            running.wait().ok();
            return Ok(None);
        }
        std::thread::sleep(TICK);
    };
    let mut said = Vec::new();
    if let Some(stdout) = running.stdout.take() {
        stdout.take(most).read_to_end(&mut said).map_err(cannot)?;
    }
    Ok(status.success().then_some(said))
}

/// The version of the git here, as it says it, and its first two numbers. One git child.
///
/// # Errors
/// There is no git, or it fails.
pub fn version(env: &Env) -> Result<(String, (u32, u32)), Failure> {
    let answer = stdout(git(env, Path::new(".")).arg("version"))?;
    let answer = String::from_utf8_lossy(&answer);
    let version = answer.trim().strip_prefix("git version ").unwrap_or_default().to_owned();
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let first = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Ok((version, first))
}

/// As [`run`], but no longer than `limit` allows.
pub(super) fn run_within(command: &mut Command, limit: &Limit) -> Result<Output, Failure> {
    limit.run(command, b"")
}

/// As [`run_within`]; of what it prints no more than `most` bytes are wanted, and one more says so.
pub(super) fn run_up_to(
    command: &mut Command,
    most: usize,
    limit: &Limit,
) -> Result<Output, Failure> {
    limit.run_up_to(command, b"", most)
}

/// As [`stdout`], but no longer than `limit` allows.
pub(super) fn stdout_within(command: &mut Command, limit: &Limit) -> Result<Vec<u8>, Failure> {
    let output = limit.run(command, b"")?;
    if output.status.success() { Ok(output.stdout) } else { Err(complaint(command, &output)) }
}

/// As [`feed`], but no longer than `limit` allows.
pub(super) fn feed_within(
    command: &mut Command,
    input: &[u8],
    limit: &Limit,
) -> Result<Vec<u8>, Failure> {
    match fed_within(command, input, limit)? {
        (output, None) => Ok(output.stdout),
        (_, Some(failure)) => Err(failure),
    }
}

/// As [`feed_within`]: what `command` came to, and its complaint if it failed.
pub(super) fn fed_within(
    command: &mut Command,
    input: &[u8],
    limit: &Limit,
) -> Result<(Output, Option<Failure>), Failure> {
    let output = limit.run(command, input)?;
    let failure = (!output.status.success()).then(|| complaint(command, &output));
    Ok((output, failure))
}

/// As [`stdout`], with `input` to read. What git says before it has read all of it must fit a pipe.
pub(super) fn feed(command: &mut Command, input: &[u8]) -> Result<Vec<u8>, Failure> {
    match fed(command, input)? {
        (output, None) => Ok(output.stdout),
        (_, Some(failure)) => Err(failure),
    }
}

/// As [`feed`], of a git that answers while it reads.
pub(super) fn feed_all(command: &mut Command, input: Vec<u8>) -> Result<Vec<u8>, Failure> {
    use std::io::Write as _;
    let cannot = |error| Failure::io(error, "cannot run 'git'");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = spawn(command)?;
    let stdin = running.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A git that fails says why; that it has stopped reading does not.
            stdin.map(|mut stdin| stdin.write_all(&input).ok());
        });
        running.wait_with_output()
    });
    let output = output.map_err(cannot)?;
    if output.status.success() { Ok(output.stdout) } else { Err(complaint(command, &output)) }
}

/// As [`feed`]: what `command` came to, and its complaint if it failed.
pub(super) fn fed(
    command: &mut Command,
    input: &[u8],
) -> Result<(Output, Option<Failure>), Failure> {
    use std::io::Write as _;
    let cannot = |error| Failure::io(error, "cannot run 'git'");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = spawn(command)?;
    if let Some(mut stdin) = running.stdin.take() {
        // A git that fails says why; that it has stopped reading does not.
        stdin.write_all(input).ok();
    }
    let output = running.wait_with_output().map_err(cannot)?;
    let failure = (!output.status.success()).then(|| complaint(command, &output));
    Ok((output, failure))
}

/// The line of what git said that tells why it failed.
pub(super) fn complained(said: &[u8]) -> Option<String> {
    let said = String::from_utf8_lossy(said);
    let why = said
        .lines()
        .find_map(|line| line.strip_prefix("fatal: ").or_else(|| line.strip_prefix("error: ")));
    why.or_else(|| said.lines().next()).map(str::to_owned)
}

/// A failure that says what git said.
pub(super) fn complaint(command: &Command, output: &Output) -> Failure {
    if let Some(failure) = watchdog::killed(&name(command), output.status) {
        return failure;
    }
    let text = complained(&output.stderr)
        .unwrap_or_else(|| format!("'{}' failed ({})", name(command), output.status));
    let kind = if text.starts_with("not a git repository") {
        FailureKind::NotARepository
    } else if text.starts_with("detected dubious ownership") {
        FailureKind::ForeignOwner
    } else {
        FailureKind::Git
    };
    Failure::new(kind, text)
}

/// What a git child is called: `git status`.
fn name(command: &Command) -> String {
    let mut args = command.get_args();
    while let Some(arg) = args.next() {
        if arg == "-c" {
            args.next();
        } else if !arg.as_encoded_bytes().starts_with(b"-") {
            return format!("git {}", arg.to_string_lossy());
        }
    }
    "git".to_owned()
}
