//! A child that talks to a server: it writes to files, and has an end.
//!
//! What it starts may outlive it (a master of ssh connections does): that would keep pipes open,
//! and whoever reads these to their ends would wait for it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::error::Failure;
use crate::git::child::Limit;

/// So often is looked whether it has ended: first, and at last.
const SHORT: Duration = Duration::from_micros(200);
const MOMENT: Duration = Duration::from_millis(10);
/// A child that is asked to end may remove its lock files for so long.
const GRACE: Duration = Duration::from_millis(500);
/// What it says may have so many bytes; one that says more is ended.
const MAX_SAID_BYTES: u64 = 1 << 20;
/// So many names are tried for a file.
const MAX_NAMES: u32 = 1000;

/// What a child came to.
pub(super) struct Said {
    /// How it ended.
    pub(super) status: ExitStatus,
    /// What it printed.
    pub(super) stdout: Vec<u8>,
    /// What it complained about.
    pub(super) stderr: Vec<u8>,
}

/// A name that no other command here uses at the moment.
pub(super) fn unused_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs `command`, which writes to files in `dir` that nobody else sees; `None` if it took longer
/// than `limit`, or said too much. With `is_apart` it has a process group of its own: nothing that
/// it starts can ask on the terminal, and all of that ends with it.
pub(super) fn run(
    command: &mut Command,
    dir: &Path,
    is_apart: bool,
    limit: &Limit,
) -> Result<Option<Said>, Failure> {
    let cannot = |error| Failure::io(error, "cannot run 'git'");
    let (stdout, stderr) = (nameless(dir)?, nameless(dir)?);
    let handle = |file: &File| file.try_clone().map(Stdio::from).map_err(cannot);
    command.stdin(Stdio::null()).stdout(handle(&stdout)?).stderr(handle(&stderr)?);
    if is_apart {
        command.process_group(0);
    }
    let mut child = command.spawn().map_err(cannot)?;
    let said = |file: &File| file.metadata().map_or(0, |meta| meta.len());
    let mut moment = SHORT;
    loop {
        if let Some(status) = child.try_wait().map_err(cannot)? {
            return Ok(Some(Said { status, stdout: content(&stdout)?, stderr: content(&stderr)? }));
        }
        let is_too_long = said(&stdout).max(said(&stderr)) > MAX_SAID_BYTES;
        if is_too_long || limit.is_over() {
            end(&mut child, is_apart).map_err(cannot)?;
            return Ok(None);
        }
        std::thread::sleep(moment);
        moment = (2 * moment).min(MOMENT);
    }
}

/// Ends the child, and with `is_apart` all that it has started: first so that it can clean up.
fn end(child: &mut Child, is_apart: bool) -> std::io::Result<()> {
    let pid = Pid::from_child(child);
    let send = |signal| {
        // It may have ended by now.
        if is_apart { kill_process_group(pid, signal).ok() } else { kill_process(pid, signal).ok() }
    };
    send(Signal::TERM);
    let grace = Limit::within(GRACE);
    while !grace.is_over() && child.try_wait()?.is_none() {
        std::thread::sleep(MOMENT);
    }
    // The group has its number as long as one of it lives.
    send(Signal::KILL);
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// A file without a name.
fn nameless(dir: &Path) -> Result<File, Failure> {
    let (path, file) =
        create(dir, |path| File::options().read(true).append(true).create_new(true).open(path))?;
    std::fs::remove_file(&path)
        .map_err(|error| Failure::writing(error, format!("cannot remove '{}'", path.display())))?;
    Ok(file)
}

/// What `make` makes under a name in `dir` that was free.
pub(super) fn create<T>(
    dir: &Path,
    make: impl Fn(&Path) -> std::io::Result<T>,
) -> Result<(PathBuf, T), Failure> {
    let mut tries = 0;
    loop {
        let path = dir.join(format!(".tmp.ledger.{}", unused_name()));
        tries += 1;
        match make(&path) {
            Ok(it) => return Ok((path, it)),
            // One in another container may have our number, or a killed one had it.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && tries < MAX_NAMES => {}
            Err(error) => {
                return Err(Failure::writing(error, format!("cannot create '{}'", path.display())));
            }
        }
    }
}

/// The beginning of what is in `file`, wherever others write in it.
fn content(file: &File) -> Result<Vec<u8>, Failure> {
    let cannot = |error| Failure::io(error, "cannot read what 'git' said");
    let length = file.metadata().map_err(cannot)?.len().min(MAX_SAID_BYTES);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0).map_err(cannot)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_outlives_it_keeps_nobody_waiting() {
        let dir = tempfile::tempdir().unwrap();
        let limit = Limit::within(Duration::from_secs(600));
        let script = "sleep 600 & echo $!; echo why >&2; exit 3";
        let said = run(&mut shell(script), dir.path(), true, &limit).unwrap().unwrap();
        assert_eq!((said.status.code(), &said.stderr[..]), (Some(3), &b"why\n"[..]));
        let pid = String::from_utf8(said.stdout).unwrap().trim().parse().unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_hangs_or_talks_too_much_is_ended_with_what_it_started() {
        use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, mkfifoat, open};
        use std::io::Read as _;
        let dir = tempfile::tempdir().unwrap();
        let held = dir.path().join("held");
        mkfifoat(CWD, &held, Mode::RWXU).unwrap();
        for (script, time) in
            [("trap '' TERM; (trap '' TERM; sleep 600) & wait; sleep 600", 300), ("yes", 600_000)]
        {
            let reader = open(&held, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).unwrap();
            let mut command = shell(&format!("exec 3>held; {script}"));
            let limit = Limit::within(Duration::from_millis(time));
            let ended = run(command.current_dir(dir.path()), dir.path(), true, &limit).unwrap();
            assert!(ended.is_none(), "{script}");
            // Its end comes when nobody has the other end any more.
            fcntl_setfl(&reader, OFlags::empty()).unwrap();
            File::from(reader).read_to_end(&mut Vec::new()).unwrap();
        }
    }
}
